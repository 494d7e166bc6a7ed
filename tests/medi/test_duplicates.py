"""Rows that are there already: what counts as the same in which kind, within a dataset and across."""

import pytest

from instructvec.medi.duplicates import RowDuplicates

LONG = "the quick brown fox jumps over the lazy dog and then runs far away into the deep dark forest"
LONGER = LONG + " where it lives with many other animals of all kinds and sleeps until the next fine morning comes"


def of(seen, kind, *rows):
    found = seen.of(kind, [first for first, _ in rows], [second for _, second in rows])
    return found.keep.tolist(), found.dropped


@pytest.mark.parametrize("kind", ["pair", "triplet"])
def test_pairs_are_compared_within_a_dataset_and_with_all_before(kind):
    seen = RowDuplicates(0)
    assert of(seen, kind, ("a", "b"), ("A!", "b."), ("a", "c")) == ([True, False, True], {"duplicate": 1})
    assert of(seen, "pair", ("a", "b"), ("x", "y"), ("x", "y")) == (
        [False, True, False],
        {"duplicate": 1, "duplicate_elsewhere": 1},
    )


def test_pair_is_the_same_only_if_each_side_is():
    seen = RowDuplicates(0)
    assert of(seen, "pair", ("how old", "nine years"), ("how", "old nine years"))[0] == [True, True]
    assert of(seen, "pair", ("nine years", "how old"))[0] == [True]


@pytest.mark.parametrize("kind", ["label", "superni"])
def test_texts_with_labels_are_compared_within_their_dataset_alone(kind):
    seen = RowDuplicates(0)
    assert of(seen, kind, ("a", "x"), ("a", "y"), ("b", "x")) == ([True, False, True], {"duplicate": 1})
    # The same texts under another goal are what contrasts are made of.
    assert of(seen, kind, ("a", "x"), ("b", "x")) == ([True, True], {})
    assert of(seen, "pair", ("a", "x")) == ([True], {})


def test_near_duplicates_of_pairs_are_found_across_datasets():
    seen = RowDuplicates(0.8)
    assert of(seen, "pair", (LONGER, "p"))[0] == [True]
    assert of(seen, "pair", (LONGER + " again", "p")) == ([False], {"near_duplicate": 1})


def test_near_duplicates_of_labelled_texts_are_found_within_their_dataset():
    seen = RowDuplicates(0.8)
    rows = [(LONGER, "x"), (LONGER + " again", "x"), (LONG, "x")]
    assert of(seen, "label", *rows) == ([True, False, True], {"near_duplicate": 1})
    assert of(seen, "label", rows[1]) == ([True], {})


def test_other_questions_with_one_long_answer_are_no_near_duplicates():
    seen = RowDuplicates(0.8)
    rows = [("who was the first to come", LONGER * 3), ("where does the animal in this story live", LONGER * 3)]
    assert of(seen, "pair", *rows) == ([True, True], {})


def test_threshold_of_zero_finds_exact_ones_only():
    assert of(RowDuplicates(0), "pair", (LONGER, "p"), (LONGER + " again", "p")) == ([True, True], {})


@pytest.mark.parametrize("kind", ["pair", "label"])
@pytest.mark.parametrize("threshold", [0, 0.9])
def test_empty_dataset(kind, threshold):
    assert of(RowDuplicates(threshold), kind) == ([], {})
