"""A threshold from labelled pairs is the one that pair classification is measured at."""

import numpy as np
import pytest

from instructvec.errors import ConfigError, InputError, InputTypeError
from instructvec.evaluation.protocols import pair_classification
from instructvec.tasks import calibrate
from instructvec.tasks.calibration import best_threshold
from tests.tasks.table_encoder import at_angles

SCORES = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
LABELS = np.array([True, True, False, True, False])


def test_best_f1_by_hand():
    found = best_threshold(SCORES, LABELS)
    # Above 0.55: 3 of 4 right, all 3 found: F1 6/7.
    assert (found.threshold, found.precision, found.recall) == (pytest.approx(0.55), 0.75, 1.0)
    assert found.f1 == pytest.approx(6 / 7)
    assert found.average_precision == pytest.approx((1 + 1 + 3 / 4) / 3)
    assert (found.n_pairs, found.n_positive, found.min_precision) == (5, 3, None)


def test_least_precision_takes_the_lowest_threshold_that_reaches_it():
    found = best_threshold(SCORES, LABELS, min_precision=0.9)
    assert (found.threshold, found.precision, found.recall) == (pytest.approx(0.75), 1.0, pytest.approx(2 / 3))


def test_figures_are_those_of_the_protocol(bundled):
    rng = np.random.default_rng(0)
    words = ["cat", "dog", "tax", "law", "rain", "snow", "road", "car"]
    pairs = [
        (f"a {one}", f"the {other}", one == other or bool(rng.random() < 0.1)) for one in words for other in words
    ]
    found = calibrate(pairs, embedder=bundled, instruction="Represent the noun: ")
    a, b, labels = zip(*pairs, strict=True)
    measured = pair_classification(
        bundled.encode(list(a), "Represent the noun: "), bundled.encode(list(b), "Represent the noun: "), labels
    ).metrics
    for name, value in (("f1", found.f1), ("precision", found.precision), ("recall", found.recall)):
        assert value == pytest.approx(measured[f"cosine_{name}"], abs=1e-9)
    assert found.average_precision == pytest.approx(measured["cosine_ap"], abs=1e-9)


def test_each_text_is_encoded_once():
    encoder = at_angles(a=0, b=10, c=80)
    calibrate([("a", "b", True), ("a", "c", False), ("b", "c", False)], embedder=encoder)
    assert encoder.asked == [("Represent the text for similarity: ", text) for text in "abc"]


def test_what_cannot_be_calibrated_on_is_refused():
    with pytest.raises(InputError, match="labelled_pairs: 2 of 2 belong together"):
        calibrate([("a", "b", True), ("a", "c", True)])
    with pytest.raises(InputError, match="labelled_pairs: 0 of 0 belong together"):
        calibrate([])
    with pytest.raises(InputTypeError, match=r"row 2: \('a', None, False\); expected two texts"):
        calibrate([("a", "b", True), ("a", None, False)])
    with pytest.raises(InputError, match=r"all cosines are 0\.5"):
        best_threshold(np.array([0.5, 0.5]), np.array([True, False]))
    with pytest.raises(InputError, match=r"reach 0\.5000 at most"):
        best_threshold(np.array([0.9, 0.8, 0.7]), np.array([False, True, False]), min_precision=0.9)
    with pytest.raises(ConfigError, match="min_precision is 95"):
        best_threshold(SCORES, LABELS, min_precision=95)
