"""Scores of labels by hand, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score, v_measure_score

from instructvec.errors import ConfigError, InputError
from instructvec.tasks.label_scores import label_scores, v_measure, v_measure_of

# Both sides compute in float64; sums of a few dozen terms in another order differ in the last digits only.
ROUNDING = 1e-12


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 80), st.integers(1, 6), st.integers(1, 6), st.integers(0, 99))
def test_v_measure_is_that_of_sklearn(n_rows, n_labels, n_clusters, seed):
    rng = np.random.default_rng(seed)
    labels, clusters = rng.integers(0, n_labels, n_rows), rng.integers(0, n_clusters, n_rows)
    counts = np.zeros((n_labels, n_clusters))
    np.add.at(counts, (labels, clusters), 1)
    assert v_measure(counts) == pytest.approx(v_measure_score(labels, clusters), abs=ROUNDING)


def test_v_measure_by_hand():
    # Two labels of two rows, and one row went astray: I = H(label) - 3/4 H(1/3), clusters of 3 and 1 rows.
    information = np.log(2) - 0.75 * (np.log(3) - 2 / 3 * np.log(2))
    of_clusters = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
    homogeneity, completeness = information / np.log(2), information / of_clusters
    expected = 2 * homogeneity * completeness / (homogeneity + completeness)
    assert v_measure(np.array([[2.0, 0.0], [1.0, 1.0]])) == pytest.approx(expected, abs=ROUNDING)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([[4.0]], 1.0), ([[3.0, 0.0], [0.0, 0.0]], 1.0), ([[1.0, 1.0], [1.0, 1.0]], 0.0), ([[2.0], [2.0]], 0.0)],
    ids=["one label", "one label drawn", "unrelated", "one cluster"],
)
def test_v_measure_at_its_edges(counts, expected):
    assert v_measure(np.array(counts)) == pytest.approx(expected, abs=ROUNDING)


def test_v_measure_of_no_rows_is_undefined():
    assert np.isnan(v_measure(np.zeros((2, 2))))


def test_accuracy_and_macro_f1_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    labels = [f"l{one}" for one in rng.integers(0, 5, 200)]
    found = [one if rng.random() < 0.7 else f"l{rng.integers(0, 7)}" for one in labels]
    scores = label_scores(labels, found)
    assert scores.accuracy == pytest.approx(accuracy_score(labels, found), abs=ROUNDING)
    assert scores.macro_f1 == pytest.approx(f1_score(labels, found, average="macro"), abs=ROUNDING)
    assert (scores.n_rows, scores.n_answered, scores.answered_accuracy) == (200, 200, scores.accuracy)


def test_intervals_are_those_of_resampled_rows():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 3, 150).tolist()
    found = [one if rng.random() < 0.8 else 0 for one in labels]
    scores = label_scores(labels, found, n_resamples=2000)
    true, given = np.array(labels), np.array(found)
    draws = [rng.integers(0, 150, 150) for _ in range(2000)]
    wanted = np.percentile([(true[rows] == given[rows]).mean() for rows in draws], [2.5, 97.5])
    # Percentiles of 2000 draws vary by a row or two of 150.
    assert scores.accuracy_interval == pytest.approx(wanted, abs=0.015)
    f1 = [f1_score(true[rows], given[rows], average="macro") for rows in draws[:300]]
    assert scores.macro_f1_interval == pytest.approx(np.percentile(f1, [2.5, 97.5]), abs=0.02)


def test_no_answer_is_a_wrong_one():
    scores = label_scores(["a", "b", "b", "a"], ["a", None, "b", None])
    assert (scores.accuracy, scores.n_answered, scores.answered_accuracy) == (0.5, 2, 1.0)
    assert scores.macro_f1 == pytest.approx(2 / 3)
    silent = label_scores(["a", "b"], [None, None])
    assert silent.accuracy == silent.macro_f1 == 0 and np.isnan(silent.answered_accuracy)


def test_the_same_seed_gives_the_same_interval():
    one, other = (label_scores([0, 1] * 20, [0, 1, 1, 1] * 10, seed=3) for _ in range(2))
    assert one == other and one.accuracy_interval[0] < one.accuracy < one.accuracy_interval[1]


def test_counts_that_disagree_are_refused():
    with pytest.raises(InputError, match="2 true labels and 1 found"):
        label_scores(["a", "b"], ["a"])
    with pytest.raises(InputError, match="0 true labels"):
        label_scores([], [])
    with pytest.raises(ConfigError, match="n_resamples is 0"):
        label_scores(["a"], ["a"], n_resamples=0)


def test_no_cluster_counts_as_one_more():
    assert v_measure_of(["a", "a", "b", "b"], np.array([0, 0, -1, -1])) == pytest.approx(1)
