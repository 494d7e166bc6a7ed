"""STS, summarisation and Billboard: values by hand, refusals, resamples."""

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr

from instructvec.errors import InputError
from instructvec.evaluation.protocols import sts, summarization, text_generation_evaluation

# Ours and scipy's are both float64; the order of summation differs.
ROUNDING = 1e-12


def at_angles(*degrees):
    """Vectors whose cosine with (1, 0) falls as the angle grows."""
    radians = np.radians(degrees)
    return np.stack([np.cos(radians), np.sin(radians)], axis=1).astype(np.float32)


def pairs(seed=0, n_rows=60, width=12):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n_rows, width)).astype(np.float32)
    nearness = rng.random(n_rows)
    b = (nearness[:, None] * a + (1 - nearness[:, None]) * rng.normal(size=a.shape)).astype(np.float32)
    # Rounded, so that people's scores tie.
    return a, b, np.round(5 * nearness + rng.normal(size=n_rows)).tolist()


def test_sts_by_hand():
    # Cosines fall in the order 1, 2, 3, 4; people give ranks 4, 2, 3, 1: rho = 1 - 6 * (1 + 1) / (4 * 15).
    found = sts(at_angles(0, 0, 0, 0), at_angles(10, 20, 30, 40), [9.0, 3.0, 5.0, 1.0])
    assert found.score == pytest.approx(0.8, abs=ROUNDING)
    assert found.metrics["euclidean_spearman"] == pytest.approx(0.8, abs=ROUNDING)


def test_sts_on_a_resample_is_the_score_of_its_rows():
    a, b, scores = pairs()
    found = sts(a, b, scores)
    assert found.statistic(np.arange(60)) == pytest.approx(found.score, abs=ROUNDING)
    units = np.random.default_rng(3).integers(0, 60, 60)
    own = sts(a[units], b[units], [scores[at] for at in units])
    assert found.statistic(units) == pytest.approx(own.score, abs=ROUNDING)


def test_sts_does_not_depend_on_order():
    a, b, scores = pairs()
    at = np.random.default_rng(4).permutation(60)
    same = sts(b[at], a[at], [scores[row] for row in at])
    assert same.metrics == pytest.approx(sts(a, b, scores).metrics, abs=1e-6)  # cosines are float32


def test_sts_resampled_to_one_row_is_undefined():
    assert np.isnan(sts(*pairs()).statistic(np.zeros(60, np.int64)))


def test_sts_leaves_out_what_is_undefined_beside_the_score():
    metrics = sts(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([[1.0, 0.0], [1.0, 1.0]]), [2.0, 1.0]).metrics
    assert metrics["cosine_spearman"] == pytest.approx(1.0)
    assert "dot_spearman" not in metrics  # both are 1
    assert all(map(np.isfinite, metrics.values()))


def test_sts_refuses_what_has_no_correlation():
    a, b, scores = pairs()
    with pytest.raises(InputError, match="vectors: all 120 vectors are the same, so no order can be scored"):
        sts(np.ones_like(a), np.ones_like(b), scores)
    with pytest.raises(InputError, match="all 60 cosines are 1; a correlation with a constant is undefined"):
        sts(np.tile([1.0, 0.0], (60, 1)), np.arange(1.0, 61.0)[:, None] * [[1.0, 0.0]], scores)
    with pytest.raises(InputError, match="scores: every score is 3.0; a correlation"):
        sts(a, b, [3.0] * 60)


def test_sts_names_the_side_and_row_that_is_broken():
    a, b, scores = pairs()
    b[7] = np.inf
    with pytest.raises(InputError, match="b, row 8: the vector has a NaN or infinite component"):
        sts(a, b, scores)
    with pytest.raises(InputError, match="a: 60 vectors; expected 59"):
        sts(a, b, scores[1:])


def summaries(seed=0, n_documents=9):
    rng = np.random.default_rng(seed)
    human = [rng.normal(size=(rng.integers(1, 4), 8)).astype(np.float32) for _ in range(n_documents)]
    machine = [rng.normal(size=(6, 8)).astype(np.float32) for _ in range(n_documents)]
    scores = [
        [float(np.round(2 * (own @ others.T).max() + rng.normal())) for own in each]
        for each, others in zip(machine, human, strict=True)
    ]
    return human, machine, scores


def test_summarisation_by_hand():
    # Nearest human summary at 0 or 90 degrees: the cosines fall in the order 10, 70 (20 off), 50 (40 off).
    human = [at_angles(0, 90)] * 2
    machine = [at_angles(10, 70, 50), at_angles(50, 70, 10)]
    found = summarization(human, machine, [[3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    assert found.score == pytest.approx(0.0, abs=ROUNDING)
    assert found.statistic(np.array([0, 0])) == pytest.approx(1.0, abs=ROUNDING)
    # A perfect correlation of three has the p-value 0: (1 + 0) / 2 and (-1 + 0) / 2.
    assert found.metrics["cosine_spearman_v1"] == pytest.approx(0.0, abs=ROUNDING)


def test_v1_averages_each_correlation_with_its_p_value():
    human, machine, scores = summaries(n_documents=1)
    found = summarization(human, machine, scores)
    own, others = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (machine[0], human[0]))
    by_scipy = spearmanr(scores[0], (own @ others.T).max(axis=1))
    assert found.score == pytest.approx(by_scipy.statistic, abs=ROUNDING)
    assert found.metrics["cosine_spearman_v1"] == pytest.approx(np.mean(by_scipy), abs=ROUNDING)


def test_documents_without_a_correlation_are_left_out_and_counted():
    human, machine, scores = summaries()
    found = summarization(human, machine, scores)
    scores[1] = [2.0] * 6
    machine[4] = np.ones_like(machine[4])
    fewer = summarization(human, machine, scores)
    kept = [at for at in range(9) if at not in (1, 4)]
    assert fewer.details["n_skipped"] == 2
    assert fewer.score == pytest.approx(found.statistic(np.array(kept)), abs=ROUNDING)
    # Units stay those of the data, so that two models are resampled alike.
    assert fewer.strata == (9,)
    assert fewer.statistic(np.arange(9)) == pytest.approx(fewer.score, abs=ROUNDING)
    assert np.isnan(fewer.statistic(np.array([1, 4, 1])))


def test_summarisation_without_any_correlation_is_refused():
    human, machine, scores = summaries()
    with pytest.raises(InputError, match="in all 9 documents either the scores or the cosines are all the same"):
        summarization(human, machine, [[1.0] * 6] * 9)
    with pytest.raises(InputError, match="machine_summaries: all 54 vectors are the same"):
        summarization(human, [np.ones_like(one) for one in machine], scores)


def test_summarisation_names_the_document_that_does_not_fit():
    human, machine, scores = summaries()
    with pytest.raises(InputError, match="machine summaries of document 3: 6 vectors; expected 5"):
        summarization(human, machine, [*scores[:2], scores[2][1:], *scores[3:]])
    with pytest.raises(InputError, match="scores of document 2, row 1: nan; expected a finite number"):
        summarization(human, machine, [scores[0], [float("nan")] * 6, *scores[2:]])


def generated(seed=0, n_groups=12):
    rng = np.random.default_rng(seed)
    hypotheses = rng.normal(size=(3 * n_groups, 8)).astype(np.float32)
    references = [rng.normal(size=(rng.integers(1, 5), 8)).astype(np.float32) for _ in hypotheses]
    scores = [
        float((own @ others.T).max() + rng.normal()) for own, others in zip(hypotheses, references, strict=True)
    ]
    return hypotheses, references, scores, [f"image {at % n_groups}" for at in range(3 * n_groups)]


def test_billboard_holds_the_greatest_cosine_against_peoples_scores():
    hypotheses, references, scores, groups = generated()
    found = text_generation_evaluation(hypotheses, references, scores, groups)
    nearest = [
        max(float(own @ other / np.linalg.norm(own) / np.linalg.norm(other)) for other in others)
        for own, others in zip(hypotheses.astype(float), references, strict=True)
    ]
    by_scipy = {
        "pearson_max_cosine": pearsonr(scores, nearest).statistic,
        "spearman_max_cosine": spearmanr(scores, nearest).statistic,
        "kendall_max_cosine": kendalltau(scores, nearest).statistic,
    }
    assert found.metrics == pytest.approx(by_scipy, abs=1e-6)  # cosines are float32
    assert found.score == found.metrics["pearson_max_cosine"]


def test_billboard_draws_all_hypotheses_of_a_group_together():
    hypotheses, references, scores, groups = generated()
    found = text_generation_evaluation(hypotheses, references, scores, groups)
    assert found.strata == (12,)
    assert found.statistic(np.arange(12)) == pytest.approx(found.score, abs=ROUNDING)
    rows = [at for unit in (3, 3, 7, 0) for at in range(36) if groups[at] == f"image {unit}"]
    own = text_generation_evaluation(
        hypotheses[rows], [references[at] for at in rows], [scores[at] for at in rows], [groups[at] for at in rows]
    )
    assert found.statistic(np.array([3, 3, 7, 0])) == pytest.approx(own.score, abs=1e-10)


def test_billboard_does_not_depend_on_order():
    hypotheses, references, scores, groups = generated()
    at = np.random.default_rng(5).permutation(36)
    same = text_generation_evaluation(
        hypotheses[at],
        [references[row][::-1] for row in at],
        [scores[row] for row in at],
        [groups[row] for row in at],
    )
    found = text_generation_evaluation(hypotheses, references, scores, groups)
    assert same.metrics == pytest.approx(found.metrics, abs=ROUNDING)


def test_billboard_refuses_what_does_not_fit():
    hypotheses, references, scores, groups = generated()
    with pytest.raises(InputError, match="groups: 35 names; expected 36"):
        text_generation_evaluation(hypotheses, references, scores, groups[1:])
    with pytest.raises(InputError, match="human_scores: every score is 1.0"):
        text_generation_evaluation(hypotheses, references, [1.0] * 36, groups)
    with pytest.raises(InputError, match="hypotheses: all 36 vectors are the same"):
        text_generation_evaluation(np.ones_like(hypotheses), references, scores, groups)
    references[5] = np.full((2, 8), np.nan)
    with pytest.raises(InputError, match="references of hypothesis 6, row 1: the vector has a NaN"):
        text_generation_evaluation(hypotheses, references, scores, groups)
