"""Scores of one task under several wordings -> how much the wording matters, and which model leads under each.

Knows scores by wording; nothing of texts or vectors. Source: Su et al. 2023, section 4.2 and figure 4 (paraphrased
instructions), figure 5 (levels of detail); ranks by wording are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean, pstdev

REWORDED = ("instruction", "paraphrase ")
"""Labels of wordings that ask for the same; all others are ablations."""


def is_reworded(label: str) -> bool:
    """Whether a wording asks for what the main one asks for.

    Example:
        >>> is_reworded("paraphrase 3"), is_reworded("wrong")
        (True, False)
    """
    return label.startswith(REWORDED)


def spread(by_wording: Mapping[str, float]) -> dict[str, float] | None:
    """Best, worst, mean and standard deviation over the main wording and its paraphrases.

    Args:
        by_wording: label -> score.

    Returns:
        ``None`` where there are fewer than two such wordings. ``std`` is the population's.

    Example:
        >>> spread({"instruction": 80.0, "paraphrase 1": 82.0, "wrong": 10.0})
        {'best': 82.0, 'worst': 80.0, 'mean': 81.0, 'std': 1.0}
    """
    scores = [score for label, score in by_wording.items() if is_reworded(label)]
    if len(scores) < 2:
        return None
    return {"best": max(scores), "worst": min(scores), "mean": fmean(scores), "std": pstdev(scores)}


def summary(spreads: Sequence[Mapping[str, float]]) -> dict[str, float] | None:
    """A model's spreads, averaged over tasks; ``None`` for none.

    Example:
        >>> summary([{"best": 82.0, "worst": 80.0, "mean": 81.0, "std": 1.0}])["mean_range"]
        2.0
    """
    if not spreads:
        return None
    return {
        "n_tasks": float(len(spreads)),
        "best_mean": fmean(one["best"] for one in spreads),
        "worst_mean": fmean(one["worst"] for one in spreads),
        "mean_range": fmean(one["best"] - one["worst"] for one in spreads),
        "mean_std": fmean(one["std"] for one in spreads),
    }


def ranks(scores: Mapping[str, Mapping[str, Mapping[str, float]]]) -> dict[str, dict[str, float]]:
    """Each model's mean rank over the tasks that all models have, under each wording that any model has.

    A model without a wording (one that is run without instructions) keeps the score of its only one. Equal scores
    share the mean of their ranks; 1 is best.

    Args:
        scores: model -> task -> wording label -> score.

    Returns:
        model -> label -> mean rank; empty for fewer than two models or no common task.

    Example:
        >>> ranks({"a": {"t": {"instruction": 2.0}}, "b": {"t": {"instruction": 1.0}}})
        {'a': {'instruction': 1.0}, 'b': {'instruction': 2.0}}
    """
    if len(scores) < 2:
        return {}
    common = sorted(set.intersection(*(set(tasks) for tasks in scores.values())))
    labels = list(dict.fromkeys(label for tasks in scores.values() for one in tasks.values() for label in one))
    labels = [label for label in labels if is_reworded(label)]
    found: dict[str, dict[str, list[float]]] = {model: {label: [] for label in labels} for model in scores}
    for label in labels:
        for task in common:
            row = {model: _under(tasks[task], label) for model, tasks in scores.items()}
            for model, rank in _ranked(row).items():
                found[model][label].append(rank)
    return {
        model: {label: fmean(values) for label, values in by_label.items() if values}
        for model, by_label in found.items()
        if common
    }


def _under(by_wording: Mapping[str, float], label: str) -> float:
    """The score under a wording, or under the only one there is."""
    return by_wording[label] if label in by_wording else next(iter(by_wording.values()))


def _ranked(row: Mapping[str, float]) -> dict[str, float]:
    return {
        model: 1
        + sum(other > own for other in row.values())
        + (sum(other == own for other in row.values()) - 1) / 2
        for model, own in row.items()
    }
