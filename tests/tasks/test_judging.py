"""Generated texts are worth their greatest cosine with a reference, as the benchmark scores them."""

import numpy as np
import pytest

from instructvec.errors import ConfigError, ContractMismatch, InputError, InputTypeError
from instructvec.evaluation.protocols import text_generation_evaluation
from instructvec.tasks import Embedded, judge
from instructvec.tasks.judging import mean_interval
from tests.tasks.table_encoder import at_angles

ANGLES = {"h0": 0, "h60": 60, "r10": 10, "r80": 80, "r90": 90}


def cosine(degrees):
    return pytest.approx(np.cos(np.deg2rad(degrees)), abs=1e-6)


def test_the_nearest_reference_counts_and_each_is_encoded_once():
    encoder = at_angles(**ANGLES)
    found = judge(["h0", "h60"], [["r90", "r10"], ["r10", "r80", "r90"]], embedder=encoder)
    assert found.scores.tolist() == [cosine(10), cosine(20)]
    assert found.nearest.tolist() == [1, 1]
    assert [text for _, text in encoder.asked] == ["h0", "h60", "r90", "r10", "r80"]
    assert {said for said, _ in encoder.asked} == {"Represent the text for evaluation: "}
    assert [(one.system, one.n) for one in found.systems] == [("all", 2)]
    assert found.agreement is None and found.system_agreement is None
    assert judge(["h0"], ["r90"], embedder=encoder).scores.tolist() == [cosine(90)]


def test_systems_are_ranked_by_their_mean():
    found = judge(
        ["h60", "h0", "h60"],
        ["r90", "r10", "r80"],
        embedder=at_angles(**ANGLES),
        systems=["worse", "better", "worse"],
        human_scores=[1, 4, None],
    )
    better, worse = found.systems
    assert (better.system, better.mean, better.n, better.human_mean) == ("better", cosine(10), 1, 4.0)
    assert worse.mean == pytest.approx((np.cos(np.pi / 6) + np.cos(np.pi / 9)) / 2, abs=1e-6)
    assert worse.interval == (cosine(30), cosine(20))
    assert better.interval == (better.mean, better.mean)
    assert (worse.n, worse.human_mean) == (2, 1.0)
    assert found.agreement.n == 2
    assert found.system_agreement is None


def test_agreement_is_that_of_the_protocol(bundled):
    hypotheses = ["a dog runs", "a cat", "two men talk", "rain", "a red car", "people at a market"]
    references = [
        ["a running dog", "a dog"],
        ["one cat"],
        ["men in talks"],
        ["a bus"],
        ["an old house"],
        ["a fair"],
    ]
    human, said = [5, 5, 4, 1, 1, 3], "Represent the caption: "
    found = judge(hypotheses, references, embedder=bundled, instruction=said, human_scores=human)
    distinct = list(dict.fromkeys(one for row in references for one in row))
    vectors = dict(zip(distinct, bundled.encode(distinct, said), strict=True))
    measured = text_generation_evaluation(
        bundled.encode(hypotheses, said),
        [np.stack([vectors[one] for one in row]) for row in references],
        human,
        list("abcdef"),
    ).metrics
    assert found.agreement.pearson == measured["pearson_max_cosine"]
    assert found.agreement.spearman == measured["spearman_max_cosine"]
    assert found.agreement.kendall == measured["kendall_max_cosine"]


def test_systems_agree_with_people_from_three_on():
    angles = {"h": 0, "a": 10, "b": 20, "c": 30}
    options = {"embedder": at_angles(**angles), "systems": list("ABC")}
    found = judge(["h"] * 3, ["a", "b", "c"], human_scores=[3, 2, 1], **options)
    assert (found.system_agreement.spearman, found.system_agreement.n) == (1.0, 3)
    constant = judge(["h"] * 3, ["a", "b", "c"], human_scores=[2, 2, 2], **options)
    assert np.isnan([constant.agreement.pearson, constant.agreement.kendall]).all()


def test_interval_is_that_of_resampled_means():
    values = np.arange(50.0)
    low, high = mean_interval(values, 4000, np.random.default_rng(1))
    # Normal approximation: 24.5 ± 1.96 · 14.43 / √50; its own error is below 0.4 at 4000 resamples.
    assert low == pytest.approx(24.5 - 4.0, abs=0.4)
    assert high == pytest.approx(24.5 + 4.0, abs=0.4)
    again = mean_interval(values, 4000, np.random.default_rng(1))
    assert (low, high) == again


def test_vectors_made_before_are_held_against_references_under_their_instruction():
    encoder = at_angles(**ANGLES)
    made = Embedded(["h0"], encoder.encode(["h0"]), encoder.contract("x: "))
    encoder.asked.clear()
    found = judge(made, ["r10"], embedder=encoder)
    assert (found.scores.tolist(), encoder.asked) == ([cosine(10)], [("x: ", "r10")])
    with pytest.raises(ContractMismatch, match="hypotheses: the vectors were made under the instruction 'x: '"):
        judge(made, ["r10"], embedder=encoder, instruction="y: ")


@pytest.mark.parametrize(
    ("arguments", "options", "error", "message"),
    [
        ((["a"], ["r", "s"]), {}, InputError, "references: 2 rows; expected 1"),
        ((["a", "b"], [["r"], []]), {}, InputError, "references, row 2: none; expected at least one reference"),
        ((["a"], [["r", None]]), {}, InputTypeError, "references, row 1: NoneType; expected a string"),
        ((["a"], "r"), {}, InputTypeError, "references: one string"),
        (("a", ["r"]), {}, InputTypeError, "hypotheses: one string"),
        (([], []), {}, InputError, "hypotheses: empty"),
        ((["a"], ["r"]), {"human_scores": [1, 2]}, InputError, "human_scores: 2 numbers; expected 1"),
        ((["a"], ["r"]), {"human_scores": [None]}, InputError, "human_scores: no row has one"),
        ((["a"], ["r"]), {"human_scores": [float("inf")]}, InputError, "human_scores, row 1: inf"),
        ((["a"], ["r"]), {"systems": ["x", "y"]}, InputError, "systems: 2 names; expected 1"),
        ((["a"], ["r"]), {"n_resamples": 0}, ConfigError, "n_resamples is 0"),
    ],
)
def test_what_cannot_be_judged_is_refused(arguments, options, error, message):
    with pytest.raises(error, match=message):
        judge(*arguments, embedder=at_angles(a=0, b=1, r=2, s=3), **options)
