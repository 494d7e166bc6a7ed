"""Metrics by hand and on resamples, against what the libraries give for the drawn rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, rankdata
from sklearn.metrics import average_precision_score

from instructvec.errors import InputError
from instructvec.evaluation.protocols.metrics import (
    Ranked,
    RankedLabels,
    check_numbers,
    correlations,
    mean_where_defined,
    strata_means,
    weighted_pearson,
)

# Both sides compute in float64; sums of a few dozen terms in another order differ in the last digits only.
ROUNDING = 1e-12

# Few distinct values, so that there are many ties.
VALUES = st.lists(st.integers(0, 5), min_size=2, max_size=40)


def drawn(rng, n_rows):
    units = rng.integers(0, n_rows, n_rows)
    return units, np.bincount(units, minlength=n_rows).astype(float)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(0, 99))
def test_mean_ranks_of_a_resample_are_those_of_its_rows(values, seed):
    values = np.array(values, float)
    units, weights = drawn(np.random.default_rng(seed), len(values))
    assert np.allclose(Ranked.of(values).ranks(weights)[units], rankdata(values[units]), atol=ROUNDING)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(0, 99))
def test_average_precision_of_a_resample_is_that_of_its_rows(values, seed):
    rng = np.random.default_rng(seed)
    scores, positive = np.array(values, np.float32), rng.random(len(values)) < 0.4
    units, weights = drawn(rng, len(values))
    found = RankedLabels.of(scores, positive).average_precision(weights)
    if positive[units].any():
        assert found == pytest.approx(average_precision_score(positive[units], scores[units]), abs=ROUNDING)
    else:
        assert np.isnan(found)


@settings(max_examples=60, deadline=None)
@given(VALUES, st.integers(0, 99))
def test_weighted_pearson_is_that_of_the_repeated_rows(values, seed):
    rng = np.random.default_rng(seed)
    x, y = np.array(values, float), rng.normal(size=len(values))
    units, weights = drawn(rng, len(values))
    found = weighted_pearson(x, y, weights)
    if len(set(x[units])) > 1 and len(set(y[units])) > 1:
        assert found == pytest.approx(pearsonr(x[units], y[units]).statistic, abs=1e-10)
    else:
        assert np.isnan(found)


def test_best_thresholds_by_hand():
    # Descending: + + - + -. Cut after the second: 2 right above, 2 below of 3: accuracy 4/5; F1 after the fourth:
    # precision 3/4, recall 1.
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    found = RankedLabels.of(scores, np.array([True, True, False, True, False])).best_thresholds()
    assert found == pytest.approx({"accuracy": 0.8, "f1": 6 / 7, "precision": 0.75, "recall": 1.0})


def test_best_thresholds_do_not_divide_equal_scores():
    found = RankedLabels.of(np.array([0.9, 0.9, 0.1]), np.array([True, False, False])).best_thresholds()
    assert found == pytest.approx({"accuracy": 2 / 3, "f1": 2 / 3, "precision": 0.5, "recall": 1.0})


def test_best_thresholds_of_one_score_are_zero_as_in_mteb():
    found = RankedLabels.of(np.zeros(3), np.array([True, False, False])).best_thresholds()
    assert found == dict.fromkeys(("accuracy", "f1", "precision", "recall"), 0.0)


def test_correlations_with_a_constant_are_undefined_and_warn_of_nothing():
    assert np.isnan(correlations(np.ones(4), np.arange(4.0))).all()


def test_correlations_of_nearly_constant_numbers_warn_of_nothing():
    nearly = np.array([1.0, 1.0, 1.0 + 1e-15])
    assert np.isfinite(correlations(nearly, np.arange(3.0))[1])


def test_mean_where_defined_skips_nan():
    assert mean_where_defined(np.array([1.0, np.nan, 3.0])) == 2.0
    assert np.isnan(mean_where_defined(np.array([np.nan])))


def test_strata_count_alike_whatever_their_size():
    values = np.array([1.0, 0.0, 0.0, 0.0])
    assert strata_means(values, (1, 3), np.arange(4)) == 0.5
    assert strata_means(values, (1, 3), np.array([3, 0, 0, 1])) == 0.5


def test_a_stratum_that_was_not_drawn_leaves_the_mean_undefined():
    assert np.isnan(strata_means(np.ones(2), (1, 1), np.array([0, 0])))


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ([1.0, 2.0], r"scores: shape \(2,\); expected \(3,\), a number for each text"),
        ([1.0, float("nan"), 2.0], r"scores, row 2: nan; expected a finite number"),
        ([2.0, 2.0, 2.0], r"scores: every score is 2.0; a correlation with a constant is undefined"),
    ],
)
def test_unusable_scores_are_refused(scores, message):
    with pytest.raises(InputError, match=message):
        check_numbers("scores", scores, 3)
