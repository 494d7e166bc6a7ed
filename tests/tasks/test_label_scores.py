"""Scores of labels by hand, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import v_measure_score

from instructvec.tasks.label_scores import v_measure

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
