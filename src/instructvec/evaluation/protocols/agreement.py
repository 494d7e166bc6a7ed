"""Cosines of vectors -> how well they agree with scores that people gave: STS, summarisation, Billboard.

Knows arrays; nothing of texts, instructions, models or files. Sources: MTEB's first version (Muennighoff et al.
2023), and for Billboard Su et al. 2023 after Kasai et al. 2022.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.evaluation.protocols.metrics import (
    Numbers,
    Ranked,
    Units,
    check_numbers,
    correlations,
    is_constant,
    mean_where_defined,
    weighted_pearson,
)
from instructvec.evaluation.protocols.outcome import Outcome
from instructvec.evaluation.protocols.vectors import (
    Vectors32,
    check_order,
    checked,
    checked_lists,
    checked_pairs,
    similarities,
)
from instructvec.tasks.judging import max_cosines


def sts(a: NDArray[Any], b: NDArray[Any], scores: Sequence[float]) -> Outcome:
    """How well cosines follow people's judgements of likeness.

    Args:
        a: (n, d), the pairs' first texts.
        b: (n, d), their second texts.
        scores: n numbers.

    Returns:
        ``_pearson`` and ``_spearman`` for ``cosine``, ``dot``, ``euclidean`` and ``manhattan``, where defined;
        ``score`` is ``cosine_spearman``. Units are pairs.

    Raises:
        InputError: shapes that disagree, NaN or infinite components, or scores or cosines that are all the same.
    """
    a, b = checked_pairs(a, b, len(scores))
    gold = check_numbers("scores", scores, len(a))
    check_order(vectors=[a, b])
    metrics: dict[str, float] = {}
    found = similarities(a, b)
    for name, values in found.items():
        pearson, spearman = correlations(gold, values.astype(np.float64))
        metrics |= {f"{name}_pearson": pearson, f"{name}_spearman": spearman}
    _check_cosines_vary(found["cosine"])
    ranked = Ranked.of(gold), Ranked.of(found["cosine"])

    def statistic(units: Units) -> float:
        weights = np.bincount(units, minlength=len(gold)).astype(np.float64)
        return weighted_pearson(ranked[0].ranks(weights), ranked[1].ranks(weights), weights)

    defined = {name: value for name, value in metrics.items() if np.isfinite(value)}
    return Outcome(metrics["cosine_spearman"], defined, (len(gold),), statistic)


def _check_cosines_vary(values: NDArray[np.floating]) -> None:
    if is_constant(values):
        raise InputError(
            f"all {len(values)} cosines are {float(values[0]):.6g}; a correlation with a constant is undefined: "
            "check the model and its pooling"
        )


def summarization(
    human: Sequence[NDArray[Any]], machine: Sequence[NDArray[Any]], scores: Sequence[Sequence[float]]
) -> Outcome:
    """Machine summaries judged by their greatest cosine with a human one; mean Spearman over documents.

    Args:
        human: one array a document, (human summaries, d).
        machine: one array a document, (machine summaries, d).
        scores: people's scores of each machine summary.

    Returns:
        ``score`` is ``cosine_spearman``. ``cosine_spearman_v1`` is what MTEB's first version published, which
        averaged each correlation with its p-value (mteb issue 1156). Units are documents; those whose scores or
        cosines are all the same have no correlation and are left out, as in MTEB (``details``: ``n_skipped``).

    Raises:
        InputError: shapes that disagree, NaN or infinite components, or no document left.
    """
    human = checked_lists("human summaries of document", human, len(scores))
    n_rows, width = list(map(len, scores)), human[0].shape[1]
    machine = checked_lists("machine summaries of document", machine, len(scores), n_rows=n_rows, width=width)
    check_order(machine_summaries=machine)
    gold = [
        check_numbers(f"scores of document {at}", row, len(row), varying=False)
        for at, row in enumerate(scores, start=1)
    ]
    found = np.array([_summary_correlations(*one) for one in zip(human, machine, gold, strict=True)])
    pearson, spearman, p_value = found.T
    n_skipped = int(np.isnan(spearman).sum())
    if n_skipped == len(scores):
        raise InputError(
            f"scores: in all {n_skipped} documents either the scores or the cosines are all the same; "
            "expected at least one document whose summaries differ"
        )
    metrics = {
        "cosine_spearman": mean_where_defined(spearman),
        "cosine_spearman_v1": mean_where_defined((spearman + p_value) / 2),
        "cosine_pearson": mean_where_defined(pearson),
    }
    return Outcome(
        metrics["cosine_spearman"],
        metrics,
        (len(scores),),
        lambda units: mean_where_defined(spearman[units]),
        {"n_skipped": n_skipped},
    )


def _summary_correlations(human: Vectors32, machine: Vectors32, gold: Numbers) -> tuple[float, float, float]:
    """Pearson, Spearman and Spearman's p-value for a document's summaries; NaN where undefined."""
    nearest = max_cosines(machine, [human] * len(machine))
    pearson, spearman = correlations(gold, nearest)
    if np.isnan(spearman):
        return pearson, spearman, float("nan")
    from scipy.stats import spearmanr

    return pearson, spearman, float(spearmanr(gold, nearest).pvalue)


def text_generation_evaluation(
    hypotheses: NDArray[Any],
    references: Sequence[NDArray[Any]],
    human_scores: Sequence[float],
    groups: Sequence[str],
) -> Outcome:
    """Generated texts judged by their greatest cosine with a reference; Pearson with people's scores, in one pool.

    Args:
        hypotheses: (n, d).
        references: n arrays, (references, d).
        human_scores: n numbers.
        groups: n names of what was described or summarised.

    Returns:
        ``score`` is ``pearson_max_cosine``; beside it are ``spearman_max_cosine`` and ``kendall_max_cosine``.
        Units are groups: a resample takes all hypotheses of a group together.

    Raises:
        InputError: shapes that disagree, NaN or infinite components, or scores or cosines that are all the same.

    Source: the Billboard tasks of Su et al. 2023, and their code.
    """
    hypotheses = checked("hypotheses", hypotheses, len(human_scores))
    width = hypotheses.shape[1]
    references = checked_lists("references of hypothesis", references, len(hypotheses), width=width)
    gold = check_numbers("human_scores", human_scores, len(hypotheses))
    if len(groups) != len(hypotheses):
        raise InputError(f"groups: {len(groups)} names; expected {len(hypotheses)}, one for each hypothesis")
    check_order(hypotheses=hypotheses)
    nearest = max_cosines(hypotheses, references)
    _check_cosines_vary(nearest)
    pearson, spearman = correlations(gold, nearest)
    from scipy.stats import kendalltau

    places = {name: at for at, name in enumerate(dict.fromkeys(groups))}
    owners = np.array([places[name] for name in groups])

    def statistic(units: Units) -> float:
        weights = np.bincount(units, minlength=len(places)).astype(np.float64)
        return weighted_pearson(gold, nearest, weights[owners])

    metrics = {
        "pearson_max_cosine": pearson,
        "spearman_max_cosine": spearman,
        "kendall_max_cosine": float(kendalltau(gold, nearest).statistic),
    }
    return Outcome(pearson, metrics, (len(places),), statistic)
