"""Duplicates by text and by vector, and which of them stay."""

import numpy as np
import pytest

from instructvec.errors import ConfigError, ContractMismatch, InputError
from instructvec.extras import has
from instructvec.tasks import Embedded, find_duplicates
from instructvec.tasks.duplicates import DEFAULT_THRESHOLD
from tests.tasks.table_encoder import at_angles

# Neighbours 10 degrees apart have a cosine of 0.985, those 20 apart 0.940.
CHAIN = {"aa": 0, "b": 10, "ccc": 20, "far": 90}

needs_usearch = pytest.mark.skipif(not has("usearch"), reason="usearch is not installed")


def found_in(texts, **options):
    return find_duplicates(texts, **{"threshold": 0.98, "embedder": at_angles(**CHAIN), **options})


def test_pairs_groups_and_what_stays():
    found = found_in(["aa", "far", "b", "ccc"])
    assert found.pairs.tolist() == [[0, 2], [2, 3]]
    np.testing.assert_allclose(found.scores, np.cos(np.deg2rad(10)), atol=1e-6)
    assert found.groups == ((0, 2),)
    assert found.kept.tolist() == [0, 1, 3]
    assert found.duplicate_of.tolist() == [-1, -1, 0, -1]
    assert np.isnan(found.similarity[[0, 1, 3]]).all()
    assert found.similarity[2] == pytest.approx(np.cos(np.deg2rad(10)), abs=1e-6)
    assert (found.threshold, found.threshold_from, found.n_repeated, found.approximate) == (
        0.98,
        "given",
        0,
        False,
    )


def test_chains_are_joined_only_where_asked():
    assert found_in(["aa", "b", "ccc"], linkage="single").groups == ((0, 1, 2),)
    assert found_in(["aa", "b", "ccc"], linkage="star").groups == ((0, 1),)
    assert found_in(["aa", "b", "ccc"], linkage="complete").groups == ((0, 1),)


@pytest.mark.parametrize(
    ("keep", "kept"),
    [
        ("first", [0, 2]),
        ("last", [0, 2]),
        ("longest", [0, 2]),
        ("shortest", [1]),
        ([1, 3, 2], [1]),
        ([None, float("nan"), 1], [0, 2]),
    ],
)
def test_the_rule_decides_what_stays(keep, kept):
    assert found_in(["aa", "b", "ccc"], keep=keep).kept.tolist() == kept


def test_the_same_text_is_encoded_once_and_always_found():
    encoder = at_angles(**CHAIN)
    found = find_duplicates(["aa", "far", "aa", "aa"], embedder=encoder, threshold=1.0)
    assert [text for _, text in encoder.asked] == ["aa", "far"]
    assert found.pairs.tolist() == [[0, 2], [0, 3]]
    assert found.scores.tolist() == [1.0, 1.0]
    assert (found.groups, found.n_repeated) == (((0, 2, 3),), 2)
    assert found.similarity[2] == 1.0


def test_the_rule_chooses_among_rows_of_the_same_text_too():
    found = found_in(["aa", "b", "aa", "far"], keep=[0, 1, 5, 0])
    assert found.kept.tolist() == [2, 3]
    assert found.duplicate_of.tolist() == [2, 2, -1, -1]
    assert found.similarity[0] == 1.0


def test_block_size_and_order_of_search_change_nothing(bundled):
    texts = [
        f"{verb} the {noun}" for verb in ("Open", "Please open", "Shut") for noun in ("door", "window", "box")
    ]
    whole = find_duplicates(texts, threshold=0.85, embedder=bundled)
    parts = find_duplicates(texts, threshold=0.85, embedder=bundled, block_rows=2)
    assert whole.groups and whole.groups == parts.groups
    np.testing.assert_array_equal(whole.scores, parts.scores)


@needs_usearch
def test_an_approximate_search_finds_the_same_here():
    exact, rough = found_in(list(CHAIN)), found_in(list(CHAIN), approximate=True)
    assert rough.approximate
    assert rough.groups == exact.groups


def test_labelled_pairs_yield_the_threshold():
    pairs = [("aa", "b", True), ("b", "ccc", True), ("aa", "ccc", False), ("aa", "far", False)]
    found = found_in(["aa", "b", "far"], threshold=None, labelled_pairs=pairs)
    assert np.cos(np.deg2rad(20)) < found.threshold < np.cos(np.deg2rad(10))
    assert (found.threshold_from, found.calibration.f1) == ("labelled pairs", 1.0)
    assert found.groups == ((0, 1),)
    assert found_in(["aa", "far"], threshold=None).threshold == DEFAULT_THRESHOLD


def test_vectors_made_before_are_used_as_they_are():
    encoder = at_angles(**CHAIN)
    vectors = Embedded(["aa", "b"], encoder.encode(["aa", "b"], "x: "), encoder.contract("x: "))
    encoder.asked.clear()
    pairs = [("aa", "b", True), ("aa", "far", False)]
    found = find_duplicates(vectors, embedder=encoder, labelled_pairs=pairs)
    assert found.groups == ((0, 1),)
    assert found.contract.instruction == "x: "
    assert {said for said, _ in encoder.asked} == {"x: "}
    alone = Embedded(None, vectors.vectors, vectors.contract)
    assert find_duplicates(alone, threshold=0.98).groups == ((0, 1),)
    with pytest.raises(InputError, match="keep='longest' needs the texts"):
        find_duplicates(alone, threshold=0.98, keep="longest")
    with pytest.raises(ContractMismatch, match="under the instruction 'x: ', not 'y: '"):
        find_duplicates(vectors, threshold=0.98, instruction="y: ")


def test_one_text_and_empty_texts():
    assert found_in(["aa"]).kept.tolist() == [0]
    blank = find_duplicates(["", "aa", ""], threshold=0.98, embedder=at_angles(**{"": 45, "aa": 0}))
    assert blank.groups == ((0, 2),)
    with pytest.raises(InputError, match="texts: empty"):
        find_duplicates([])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 1.5}, r"threshold is 1\.5; expected a cosine"),
        ({"labelled_pairs": [("aa", "b", True)]}, "threshold and labelled_pairs: both given"),
        ({"min_precision": 0.9}, r"min_precision is 0\.9, but there are no labelled_pairs"),
        ({"linkage": "ward"}, "linkage is 'ward'; expected one of star, single, complete"),
        ({"keep": "best"}, "keep is 'best'; expected first, last, longest, shortest, or a number"),
    ],
)
def test_options_outside_of_their_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        found_in(["aa", "b"], **options)


def test_numbers_to_keep_by_must_fit():
    with pytest.raises(InputError, match="keep: 1 numbers; expected 2"):
        found_in(["aa", "b"], keep=[1.0])
