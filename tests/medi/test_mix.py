"""Shares of datasets against numbers worked out by hand, and rows under drawn wordings."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructvec.errors import ConfigError
from instructvec.medi.config import MIXINGS, Mixture
from instructvec.medi.mix import WrongInstructions, allocate, draw_wordings, finished, generator, weights
from instructvec.medi.registry import Dataset, Source, Wordings
from instructvec.medi.triplets import from_table, schema


def unlike(texts):
    """Vectors of texts none of which is like another."""
    return np.eye(len(texts))


SIZES = {"a": 10, "b": 40, "c": 90}


def entry(name="faq", *, kind="pair", text_type="question", objective="finding its answer", **options):
    return Dataset(
        name,
        kind,
        "MIT",
        f"Represent the {text_type} for {objective}: ",
        Source(file="x"),
        text_type=text_type,
        paraphrases=options.pop("paraphrases", (f"{objective} 1: ", f"{objective} 2: ", f"{objective} 3: ")),
        **options,
    )


def two_sided(name="faq", objective="being found by its question"):
    return entry(
        name,
        symmetric=False,
        document_type="answer",
        document_instruction=f"Represent the answer for {objective}: ",
        document_paraphrases=(f"{objective} 1: ", f"{objective} 2: "),
    )


def mined(n, *, without=(), **columns):
    """``n`` triplets, those of ``without`` with no negative."""
    return pa.table(
        {
            "query": [f"q{at}" for at in range(n)],
            "positive": [f"p{at}" for at in range(n)],
            "negative": pa.array([None if at in without else f"n{at}" for at in range(n)], pa.string()),
            "rule": ["mined"] * n,
            **columns,
        }
    )


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize(
    ("mixing", "expected"),
    [
        ({"mixing": "proportional"}, [10 / 140, 40 / 140, 90 / 140]),
        ({"mixing": "temperature", "temperature": 1.0}, [10 / 140, 40 / 140, 90 / 140]),
        ({"mixing": "temperature", "temperature": 2.0}, [1 / 6, 2 / 6, 3 / 6]),  # roots 3.16, 6.32, 9.49
        ({"mixing": "truncated", "truncate_at": 40}, [1 / 9, 4 / 9, 4 / 9]),
        ({"mixing": "truncated", "truncate_at": 1}, [1 / 3, 1 / 3, 1 / 3]),
    ],
)
def test_weights_are_those_of_the_formula(mixing, expected):
    assert list(weights(SIZES, Mixture(**mixing)).values()) == pytest.approx(expected)


def test_empty_datasets_have_no_weight_and_no_rows_no_weights():
    for mixing in MIXINGS:
        assert weights({"a": 0, "b": 5}, Mixture(mixing=mixing)) == {"a": 0, "b": 1}
        assert weights({"a": 0}, Mixture(mixing=mixing)) == weights({}, Mixture(mixing=mixing)) == {}


@pytest.mark.parametrize(
    ("mixture", "expected"),
    [
        (Mixture(), [10, 40, 90]),
        (Mixture(cap=30), [10, 30, 30]),
        (Mixture(size=1000), [10, 40, 90]),
        (Mixture(size=70, cap=30), [10, 30, 30]),
        (Mixture(size=14, mixing="proportional"), [1, 4, 9]),
        (Mixture(size=12, mixing="temperature"), [2, 4, 6]),
        (Mixture(size=90, mixing="temperature"), [10, 32, 48]),  # a gives its 10; 80 left are shared 2 : 3
        (Mixture(size=100, mixing="truncated", truncate_at=1), [10, 40, 50]),  # a and b are used up
        (Mixture(size=30, cap=20, mixing="proportional"), [6, 12, 12]),  # sizes that count are 10, 20, 20
        (Mixture(size=2, mixing="truncated", truncate_at=1), [1, 1, 0]),  # equal remainders go by name
    ],
)
def test_rows_are_allocated_as_by_hand(mixture, expected):
    assert list(allocate(SIZES, mixture).values()) == expected


MIXTURES = st.builds(
    Mixture,
    cap=st.none() | st.integers(1, 500),
    size=st.none() | st.integers(1, 2000),
    mixing=st.sampled_from(MIXINGS),
    temperature=st.floats(1, 50),
    truncate_at=st.integers(1, 500),
)
DATASETS = st.dictionaries(st.text("abcdef", min_size=1, max_size=3), st.integers(0, 600), max_size=12)


@given(DATASETS, MIXTURES)
def test_no_dataset_gives_more_than_it_has_or_may_and_together_they_give_the_size(sizes, mixture):
    counts = allocate(sizes, mixture)
    most = {name: min(size, mixture.cap or size) for name, size in sizes.items()}
    assert counts.keys() == sizes.keys()
    assert all(0 <= counts[name] <= most[name] for name in sizes)
    assert sum(counts.values()) == min(sum(most.values()), mixture.size or sum(most.values()))


@given(DATASETS, MIXTURES, st.integers(1, 300))
def test_a_larger_mixture_takes_no_less_of_a_dataset(sizes, mixture, more):
    """But for one row: shares are rounded by the largest remainders."""
    if mixture.size is None:
        return
    counts = allocate(sizes, mixture)
    larger = allocate(
        sizes,
        Mixture(
            cap=mixture.cap,
            size=mixture.size + more,
            mixing=mixture.mixing,
            temperature=mixture.temperature,
            truncate_at=mixture.truncate_at,
        ),
    )
    assert all(larger[name] >= counts[name] - 1 for name in sizes)


@given(DATASETS, MIXTURES)
def test_a_larger_dataset_gives_no_less_than_a_smaller_one(sizes, mixture):
    """But for one row: where they weigh the same, the remainder goes by name."""
    counts = allocate(sizes, mixture)
    by_size = sorted(sizes, key=lambda name: sizes[name])
    for smaller, larger in pairwise(by_size):
        assert counts[larger] >= counts[smaller] - 1


@given(DATASETS, MIXTURES)
def test_the_order_of_datasets_changes_nothing(sizes, mixture):
    assert allocate(dict(reversed(sizes.items())), mixture) == allocate(sizes, mixture)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cap": 0}, "cap is 0; expected 1 or more"),
        ({"size": 0}, "size is 0"),
        ({"truncate_at": 0}, "truncate_at is 0"),
        ({"mixing": "even"}, "mixing is 'even'; expected one of proportional, temperature, truncated"),
        ({"temperature": 0.5}, "temperature is 0.5"),
        ({"temperature": float("nan")}, "temperature is nan"),
        ({"paraphrases": 1.5}, "paraphrases is 1.5"),
    ],
)
def test_mixture_refuses_what_has_no_meaning(options, message):
    with pytest.raises(ConfigError, match=message):
        Mixture(**options)


def test_draws_of_a_dataset_depend_on_seed_name_and_purpose_alone():
    def drawn(*of):
        return generator(*of).integers(1 << 30)

    assert drawn(1, "faq", "pool") == drawn(1, "faq", "pool")
    others = {
        drawn(2, "faq", "pool"),
        drawn(1, "faq", "mixture"),
        drawn(1, "fa", "qpool"),
        drawn(1, "faq", "pool"),
    }
    assert len(others) == 4


def test_share_of_paraphrases_is_as_asked_and_each_is_as_likely():
    drawn = draw_wordings(Wordings("u", ("a", "b", "c", "d")), 10_000, 0.4, rng())
    counts = np.bincount(drawn, minlength=5)
    assert len(counts) == 5
    # Five standard deviations of a binomial share.
    assert counts[0] / 10_000 == pytest.approx(0.6, abs=0.025)
    assert counts[1:] / 10_000 == pytest.approx([0.1] * 4, abs=0.015)


@pytest.mark.parametrize(("share", "expected"), [(0, {0}), (1, {1, 2})])
def test_no_paraphrases_or_only_those(share, expected):
    assert set(draw_wordings(Wordings("u", ("a", "b")), 100, share, rng()).tolist()) == expected


def test_dataset_without_paraphrases_always_has_its_sentence():
    assert not draw_wordings(Wordings("u", ()), 100, 1, rng()).any()
    assert draw_wordings(Wordings("u", ("a",)), 0, 0.5, rng()).tolist() == []


def test_both_sides_of_a_symmetric_dataset_have_one_wording():
    table = finished(entry(), mined(200), np.arange(200), 0.5, rng())
    rows = list(from_table(table))
    assert table.schema == schema()
    assert all(row.query.instruction == row.positive.instruction == row.negative.instruction for row in rows)
    assert {row.query.instruction for row in rows} == set(entry().query.all)


def test_sides_of_an_asymmetric_dataset_are_worded_each_by_itself():
    one = two_sided()
    rows = list(from_table(finished(one, mined(400), np.arange(400), 0.5, rng())))
    assert {row.query.instruction for row in rows} == set(one.query.all)
    assert {row.positive.instruction for row in rows} == set(one.document.all)
    assert all(row.negative.instruction == row.positive.instruction for row in rows)
    drawn = {(one.query.all.index(row.query.instruction), row.positive.instruction) for row in rows}
    assert len(drawn) == len(one.query.all) * len(one.document.all)


def test_chosen_rows_come_in_the_order_wanted_with_their_dataset_kind_and_rule():
    table = finished(entry(), mined(5, without={3}), np.array([3, 1]), 0, rng())
    first, second = from_table(table)
    assert (first.query.text, first.positive.text, first.negative) == ("q3", "p3", None)
    assert second.negative.text == "n1"
    assert (first.dataset, first.kind, first.rule, first.group) == ("faq", "pair", "mined", None)
    assert table.column("negative_instruction").null_count == 1


def test_groups_are_kept():
    table = finished(entry(), mined(2, group=["x|0", "x|1"]), np.arange(2), 0, rng())
    assert [row.group for row in from_table(table)] == ["x|0", "x|1"]


def test_no_rows_make_an_empty_table_of_the_schema():
    table = finished(two_sided(), mined(3), np.zeros(0, np.int64), 0.5, rng())
    assert (table.num_rows, table.schema) == (0, schema())
    assert finished(entry(), mined(0), np.zeros(0, np.int64), 0.5, rng()).num_rows == 0


ENTRIES = [
    entry("faq"),
    entry("mood", kind="label", text_type="tweet", objective="classifying its mood"),
    entry("irony", kind="label", text_type="tweet", objective="finding irony"),
    entry("other_mood", kind="label", text_type="tweet", objective="classifying its mood"),
]


def wrong_rows(at, n, share, seed=0):
    table = finished(ENTRIES[at], mined(n), np.arange(n), 0.5, rng())
    return table, WrongInstructions(ENTRIES, unlike).of(at, table, share, rng(seed))


def test_wrong_instruction_is_of_another_job_on_the_positives_text():
    table, found = wrong_rows(1, 100, 0.3)
    assert found.schema == schema()
    assert found.num_rows == 30
    own = {row.query.text: row for row in from_table(table)}
    for row in from_table(found):
        assert row.rule == "wrong_instruction"
        assert (row.query, row.positive) == (own[row.query.text].query, own[row.query.text].positive)
        assert row.negative.text == row.positive.text
        # The tweets of another job come before the questions; the other set of the same mood is never wrong.
        assert row.negative.instruction in ENTRIES[2].document.all


def test_wrong_instruction_varies_over_all_wordings():
    _, found = wrong_rows(1, 400, 1)
    assert Counter(found.column("negative_instruction").to_pylist()).keys() == set(ENTRIES[2].document.all)


def test_wrong_instruction_of_an_asymmetric_dataset_is_one_for_documents():
    entries = [two_sided("a"), two_sided("b", "being found by its summary"), entry("c")]
    table = finished(entries[0], mined(50), np.arange(50), 0.5, rng())
    found = WrongInstructions(entries, unlike).of(0, table, 1, rng())
    assert {row.negative.instruction for row in from_table(found)} <= set(entries[1].document.all)


def test_no_other_job_or_no_share_gives_no_rows():
    assert wrong_rows(1, 10, 0)[1].num_rows == 0
    table = finished(ENTRIES[0], mined(10), np.arange(10), 0.5, rng())
    assert WrongInstructions(ENTRIES[:1], unlike).of(0, table, 1, rng()).num_rows == 0
    assert WrongInstructions(ENTRIES, unlike).of(0, table.slice(0, 0), 1, rng()).schema == schema()


def test_an_instruction_that_lies_near_the_own_one_is_not_taken_for_another_job():
    table = finished(ENTRIES[0], mined(10), np.arange(10), 0.5, rng())

    def alike(texts):
        return np.ones((len(texts), 1))

    assert WrongInstructions(ENTRIES, alike).of(0, table, 1, rng()).num_rows == 0
