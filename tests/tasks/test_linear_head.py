"""A linear layer, its folds, its temperature and its calibration error: by hand, and against scikit-learn."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from instructvec.errors import ConfigError
from instructvec.tasks.linear_head import (
    HeadOptions,
    calibration_error,
    cross_entropy,
    fit_linear_head,
    fit_temperature,
    folds,
    held_out_logits,
    softmax,
)


def blurred(n_classes, n_rows=60, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(n_rows) % n_classes
    return (np.eye(n_classes, 8)[codes] + 0.5 * rng.normal(size=(n_rows, 8))).astype(np.float32), codes


@pytest.mark.parametrize("n_classes", [2, 3])
def test_predictions_and_probabilities_are_those_of_scikit_learn(n_classes):
    vectors, codes = blurred(n_classes)
    head, converged = fit_linear_head(vectors, codes, HeadOptions())
    theirs = LogisticRegression(max_iter=1000, random_state=42).fit(vectors, codes)
    assert converged
    assert head.predict(vectors).tolist() == theirs.predict(vectors).tolist()
    # float32 sums in another order
    np.testing.assert_allclose(softmax(head.logits(vectors)), theirs.predict_proba(vectors), atol=1e-5)


def test_a_class_without_rows_gets_no_chance_and_an_early_stop_is_told():
    vectors, codes = blurred(3)
    head, converged = fit_linear_head(vectors[codes > 0], codes[codes > 0], HeadOptions(max_iterations=1))
    assert not converged
    assert softmax(head.logits(vectors))[:, 0].max() == 0


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=2, max_size=40), st.integers(2, 6))
def test_without_any_fold_there_is_a_row_of_every_label(codes, n_folds):
    codes = np.unique(codes, return_inverse=True)[1]
    dealt = folds(codes, n_folds, seed=1)
    assert ((dealt < 0) == (np.bincount(codes)[codes] == 1)).all()
    for fold in range(n_folds):
        assert set(codes[dealt != fold]) == set(codes)


def test_held_out_rows_are_seen_by_a_layer_fitted_without_them():
    vectors, codes = blurred(2, n_rows=20)
    dealt = folds(codes, 5, seed=42)
    found = held_out_logits(vectors, codes, dealt, HeadOptions())
    head, _ = fit_linear_head(vectors[dealt != 3], codes[dealt != 3], HeadOptions())
    np.testing.assert_array_equal(found[dealt == 3], head.logits(vectors[dealt == 3]))


def test_the_temperature_makes_confidence_the_share_of_right_answers():
    # Logits of +-6 claim 99.8%; 75 of 100 are right, so sigmoid(12 / T) must be 0.75, but for one row of doubt.
    codes = np.array([0] * 75 + [1] * 25)
    logits = np.tile([6.0, -6.0], (100, 1))
    temperature = fit_temperature(logits, codes)
    wanted = (75 + 0.5) / 101
    assert 1 / (1 + np.exp(-12 / temperature)) == pytest.approx(wanted, abs=1e-5)
    assert cross_entropy(logits, codes, temperature) < cross_entropy(logits, codes)


def test_rows_that_are_all_right_do_not_call_for_certainty():
    logits = np.array([[1.0, 0.0], [0.0, 1.0]] * 2)
    confidence = softmax(logits, fit_temperature(logits, np.array([0, 1] * 2))).max()
    assert confidence == pytest.approx(4.5 / 5, abs=1e-5)


def test_softmax_of_large_logits_is_finite():
    assert softmax(np.array([[1000.0, 0.0]]), 0.01).tolist() == [[1.0, 0.0]]


def test_calibration_error_by_hand():
    # Two bins: confidence 0.9 with half right (gap 0.4), confidence 0.6 with all right (gap 0.4), then weighted.
    confidences = np.array([0.9, 0.9, 0.6, 0.6])
    assert calibration_error(confidences, np.array([True, False, True, True]), 10) == pytest.approx(0.4)
    assert calibration_error(np.array([1.0, 0.0]), np.array([True, False])) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inverse_regularisation": 0}, "inverse_regularisation is 0; expected more than 0"),
        ({"max_iterations": 0}, "max_iterations is 0; expected 1 or more"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        HeadOptions(**options)
