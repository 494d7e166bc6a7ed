"""The bootstrap: deterministic, paired across models, stratified, honest about what is undefined."""

import numpy as np
import pytest

from instructvec.errors import InputError
from instructvec.evaluation.protocols.outcome import Outcome, bootstrap, interval


def mean_outcome(values, strata=None):
    values = np.asarray(values, float)
    return Outcome(float(values.mean()), {}, strata or (len(values),), lambda units: float(values[units].mean()))


def test_the_same_seed_and_name_draw_the_same():
    outcome = mean_outcome(np.arange(50))
    first, second = (bootstrap(outcome, n_resamples=20, seed=1, name="t") for _ in range(2))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(("seed", "name"), [(2, "t"), (1, "u")])
def test_another_seed_or_task_draws_otherwise(seed, name):
    outcome = mean_outcome(np.arange(50))
    first = bootstrap(outcome, n_resamples=20, seed=1, name="t")
    assert not np.array_equal(first, bootstrap(outcome, n_resamples=20, seed=seed, name=name))


def test_models_are_paired_on_the_drawn_units():
    values = np.random.default_rng(0).random(80)
    better = bootstrap(mean_outcome(values + 0.01), n_resamples=50, seed=1, name="t")
    worse = bootstrap(mean_outcome(values), n_resamples=50, seed=1, name="t")
    np.testing.assert_allclose(better - worse, 0.01)


def test_every_stratum_keeps_its_size():
    seen = []
    outcome = Outcome(0.0, {}, (3, 5), lambda units: seen.append(units) or 0.0)
    bootstrap(outcome, n_resamples=10, seed=0, name="t")
    for units in seen:
        assert ((units[:3] >= 0) & (units[:3] < 3)).all()
        assert ((units[3:] >= 3) & (units[3:] < 8)).all()
        assert len(units) == 8


def test_the_standard_error_of_a_mean_is_found():
    values = np.random.default_rng(0).standard_normal(400)
    replicates = bootstrap(mean_outcome(values), n_resamples=1000, seed=0, name="t")
    # The bootstrap's own error with 1,000 resamples is about 2 percent.
    assert replicates.std() == pytest.approx(values.std() / 20, rel=0.1)


def test_the_bias_of_repeating_units_is_taken_out():
    # The share of different units falls to 1 - 1/e in a resample, whatever is measured.
    outcome = Outcome(1.0, {}, (200,), lambda units: len(np.unique(units)) / 200)
    replicates = bootstrap(outcome, n_resamples=200, seed=0, name="t")
    assert replicates.mean() == pytest.approx(1.0)
    low, high = interval(replicates)
    assert low < 1.0 < high


def test_replicates_that_are_all_undefined_stay_so():
    outcome = Outcome(1.0, {}, (5,), lambda units: float("nan"))
    assert np.isnan(bootstrap(outcome, n_resamples=3, seed=0, name="t")).all()


def test_the_interval_leaves_undefined_replicates_out():
    assert interval(np.array([np.nan, 1.0, 1.0])) == (1.0, 1.0)
    assert all(np.isnan(interval(np.array([np.nan]))))


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(InputError, match="nan"):
        Outcome(float("nan"), {}, (1,), lambda units: 0.0)
