"""Scores and their bootstrap replicates by model and task -> means by kind, and paired differences with intervals.

Knows numbers; nothing of how they were made. Replicates of one task are paired across models (see ``outcome.py``),
so the difference of two models' means is computed replicate by replicate. Source: Efron & Tibshirani 1993, chapter
13; Berg-Kirkpatrick et al. 2012 for paired bootstrap tests of systems.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.evaluation.protocols.outcome import interval

ALL = "all"


@dataclass(frozen=True, slots=True)
class Scored:
    """A model's result on a task.

    Attributes:
        kind: of the task.
        score: main metric under the main wording.
        replicates: of it; (0,) where none were drawn.
    """

    kind: str
    score: float
    replicates: NDArray[np.float64]


Scores = Mapping[str, Mapping[str, Scored]]
"""model -> task -> result."""


def by_kind(scores: Scores) -> dict[str, dict[str, dict[str, Any]]]:
    """Each model's mean over the tasks of a kind, and over all tasks, with intervals.

    Returns:
        model -> kind or ``"all"`` -> ``{"score", "interval", "n_tasks"}``; the interval is ``None`` without
        replicates.
    """
    return {
        model: {
            scope: {
                "score": float(np.mean([tasks[name].score for name in names])),
                "interval": _interval_of(np.mean([tasks[name].replicates for name in names], axis=0)),
                "n_tasks": len(names),
            }
            for scope, names in _scopes(tasks).items()
        }
        for model, tasks in scores.items()
    }


def comparisons(scores: Scores) -> list[dict[str, Any]]:
    """Every pair of models over all common tasks, over those of each kind, and on each task.

    Returns:
        ``{"a", "b", "over", "n_tasks", "difference", "interval", "p"}``, the difference being a - b; ``p`` is the
        two-sided bootstrap probability that it is zero, at least 1 / (replicates + 1). Without replicates the last
        two are ``None``.
    """
    found = []
    for a, b in combinations(scores, 2):
        common = {name: one for name, one in scores[a].items() if name in scores[b]}
        scopes = _scopes(common) | {name: [name] for name in common}
        for over, names in scopes.items():
            first, second = ([scores[model][name] for name in names] for model in (a, b))
            found.append({"a": a, "b": b, "over": over, "n_tasks": len(names)} | _difference(first, second))
    return found


def _difference(first: Sequence[Scored], second: Sequence[Scored]) -> dict[str, Any]:
    difference = float(np.mean([one.score for one in first]) - np.mean([one.score for one in second]))
    pairs = [(one.replicates, other.replicates) for one, other in zip(first, second, strict=True)]
    if not all(len(one) and len(one) == len(other) for one, other in pairs):
        return {"difference": difference, "interval": None, "p": None}
    replicates = np.mean([one - other for one, other in pairs], axis=0)
    return {"difference": difference, "interval": _interval_of(replicates), "p": _p_value(replicates)}


def _scopes(tasks: Mapping[str, Scored]) -> dict[str, list[str]]:
    """``"all"`` and each kind -> the names of its tasks."""
    scopes: dict[str, list[str]] = {ALL: list(tasks)} if tasks else {}
    for name, one in tasks.items():
        scopes.setdefault(one.kind, []).append(name)
    return scopes


def _interval_of(replicates: NDArray[np.float64]) -> list[float] | None:
    low, high = interval(replicates) if replicates.size else (float("nan"),) * 2
    return None if np.isnan(low) else [low, high]


def _p_value(replicates: NDArray[np.float64]) -> float | None:
    defined = replicates[~np.isnan(replicates)]
    if not defined.size:
        return None
    tail = min((defined <= 0).sum(), (defined >= 0).sum())
    return float(min(1.0, 2 * (tail + 1) / (defined.size + 1)))
