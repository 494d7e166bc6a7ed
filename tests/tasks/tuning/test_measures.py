"""Figures of the tuning agree with hand-computed values and with the libraries of the field."""

import numpy as np
import pytest

from instructvec.tasks.tuning.measures import average_precision, ndcg, paired_interval, spearman


@pytest.mark.parametrize("seed", range(5))
def test_figures_agree_with_scipy_and_scikit_learn(seed):
    from scipy.stats import spearmanr
    from sklearn.metrics import average_precision_score

    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6, 40).astype(float), rng.integers(0, 9, 40).astype(float)  # with ties
    assert spearman(x, y) == pytest.approx(spearmanr(x, y).statistic)
    relevant = rng.random(40) < 0.3
    assert average_precision(relevant, x) == pytest.approx(average_precision_score(relevant, x))


def test_figures_that_are_undefined():
    assert spearman(np.ones(4), np.arange(4.0)) == 0.0
    assert np.isnan(average_precision(np.zeros(3, bool), np.arange(3.0)))


@pytest.mark.parametrize("seed", range(5))
def test_ndcg_is_trec_evals(seed):
    import pytrec_eval

    rng = np.random.default_rng(seed)
    ids = sorted((f"d{at}" for at in range(60)), reverse=True)  # the greater id first, where scores are equal
    scores = (rng.integers(0, 12, 60) / 4).astype(np.float32)
    gains = np.maximum(rng.integers(-3, 4, 60), 0).astype(float)
    judged = {one: int(gain) for one, gain in zip(ids, gains, strict=True) if gain or rng.random() < 0.5}
    run = {one: float(score) for one, score in zip(ids, scores, strict=True)}
    theirs = pytrec_eval.RelevanceEvaluator({"q": judged}, {"ndcg_cut.10"}).evaluate({"q": run})["q"][
        "ndcg_cut_10"
    ]
    assert ndcg(gains, scores, gains[gains > 0]) == pytest.approx(theirs)


def test_an_interval_holds_a_true_difference_and_is_paired():
    rng = np.random.default_rng(0)
    hard = rng.random(400)  # what both find hard cancels out
    first, second = hard + 0.1 + rng.normal(0, 0.01, 400), hard
    low, high = paired_interval(
        lambda rows: first[rows].mean(), lambda rows: second[rows].mean(), 400, n_resamples=300, rng=rng
    )
    assert low < 0.1 < high
    assert high - low < 0.01


def test_an_interval_of_nothing_defined_says_nothing():
    undefined = [lambda rows: float("nan")] * 2
    assert paired_interval(*undefined, 3, n_resamples=5, rng=np.random.default_rng(0)) == (-np.inf, np.inf)
