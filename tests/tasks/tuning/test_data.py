"""What cannot be tuned on is refused, with what is wrong and what to do."""

import numpy as np
import pytest

from instructvec.errors import InputError
from instructvec.tasks.tuning.data import Judgements, LabelledTexts, TextPairs, codes_of, spread_order

TEXTS = [f"text {at}" for at in range(30)]


@pytest.mark.parametrize(
    ("texts", "labels", "said"),
    [
        (TEXTS, ["a"] * 30, "labels: every row has the label 'a'; expected two labels or more"),
        (TEXTS[:5], list("ababa"), "5 labelled texts; tuning needs 20 or more"),
        ([], [], "0 labelled texts; tuning needs 20 or more"),
        (TEXTS, list("ab"), "30 texts, 2 labels; expected as many of each"),
        (TEXTS, ["a", None] * 15, "labels, row 2: none; expected a label"),
        (TEXTS, list(range(30)), "30 different ones in 30 rows; .* is this the right column"),
        ([*TEXTS[:-1], 3], ["a", "b"] * 15, "texts, row 30: int; expected a string"),
    ],
)
def test_labelled_texts(texts, labels, said):
    with pytest.raises(InputError, match=said):
        LabelledTexts(texts, labels)


@pytest.mark.parametrize(
    ("scores", "said"),
    [
        ([1.0] * 30, "scores: every pair has 1.0; expected scores that differ"),
        ([0.0, float("nan")] * 15, "scores, row 2: nan; expected a finite number"),
        ([0.0, "x"] * 15, "scores, row 2: 'x'; expected a finite number"),
        ([0.0, 1.0], "30 first, 30 second, 2 scores; expected as many of each"),
    ],
)
def test_pairs(scores, said):
    with pytest.raises(InputError, match=said):
        TextPairs(TEXTS, TEXTS, scores)


def test_scores_that_say_yes_or_no():
    assert TextPairs(TEXTS, TEXTS, [True, False] * 15).is_binary
    assert TextPairs(TEXTS, TEXTS, [0, 1.0] * 15).is_binary
    assert not TextPairs(TEXTS, TEXTS, [0, 2] * 15).is_binary


def test_judgements():
    queries = {str(at): f"query {at}" for at in range(12)}
    documents = {"d": "document"}
    with pytest.raises(InputError, match="the query 'x' is not among the queries"):
        Judgements(queries, documents, {"x": {"d": 1}})
    with pytest.raises(InputError, match="the document 'e' is not among the documents"):
        Judgements(queries, documents, {"1": {"e": 1}})
    with pytest.raises(InputError, match="1 queries with a relevant document; tuning needs 10 or more"):
        Judgements(queries, documents, {"1": {"d": 1}, "2": {"d": 0}})
    assert len(Judgements(queries, documents, {one: {"d": 1} for one in queries})) == 12


def test_every_beginning_of_the_order_has_each_label_in_its_share():
    codes = codes_of(["a"] * 60 + ["b"] * 30 + ["c"] * 10)
    order = spread_order(codes, np.random.default_rng(0))
    assert sorted(order) == list(range(100))
    for size in (20, 50, 70):
        counts = np.bincount(codes[order[:size]], minlength=3)
        assert np.abs(counts - size * np.array([0.6, 0.3, 0.1])).max() <= 1
