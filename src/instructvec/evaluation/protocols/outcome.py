"""What a protocol finds: a score, the figures beside it, and how to compute the score on a resample.

Knows numbers only. The bootstrap is the percentile bootstrap (Efron & Tibshirani 1993, chapter 13); units are
drawn within strata. Two models scored on the same units and under the same seed draw the same resamples, so that
the differences of their replicates are the paired bootstrap.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError


@dataclass(frozen=True, slots=True)
class Outcome:
    """A task's result.

    Attributes:
        score: the main metric, as a fraction (1.0 is perfect).
        metrics: all metrics by name, fractions too, the main one among them.
        strata: how many independent units (rows, queries, documents) each stratum has; usually one stratum.
        statistic: unit indices, (n,) int64 with repetitions, counting through the strata -> the main metric.
        details: whatever else a report may show; JSON values.
    """

    score: float
    metrics: dict[str, float]
    strata: tuple[int, ...]
    statistic: Callable[[NDArray[np.int64]], float]
    details: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not np.isfinite(self.score):
            raise InputError(f"the score is {self.score}; vectors that are all alike have no order to score")

    @property
    def n_units(self) -> int:
        """Independent units over all strata."""
        return sum(self.strata)


def bootstrap(outcome: Outcome, *, n_resamples: int, seed: int, name: str) -> NDArray[np.float64]:
    """Replicates of the main metric, shifted so that their mean is the score.

    A resample repeats units, and for measures that are not means (v-measure, average precision) this alone moves
    the score; the mean of the replicates less the score estimates that bias (Efron & Tibshirani 1993, section
    10.3).

    Args:
        outcome: of a protocol.
        n_resamples: how many.
        seed: of the whole evaluation.
        name: of the task; models are paired on it.

    Returns:
        (n_resamples,) float64; NaN where a resample has no defined score.

    Example:
        >>> values = np.array([0.0, 1.0, 1.0, 1.0])
        >>> found = Outcome(0.75, {}, (4,), lambda units: float(values[units].mean()))
        >>> bootstrap(found, n_resamples=3, seed=0, name="example").shape
        (3,)
    """
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    starts = np.concatenate([[0], np.cumsum(outcome.strata)[:-1]]).astype(np.int64)
    replicates = np.empty(n_resamples)
    for at in range(n_resamples):
        drawn = [rng.integers(start, start + n, n) for start, n in zip(starts, outcome.strata, strict=True)]
        replicates[at] = outcome.statistic(np.concatenate(drawn))
    defined = replicates[~np.isnan(replicates)]
    return replicates - (defined.mean() - outcome.score) if defined.size else replicates


def interval(replicates: NDArray[np.float64], *, level: float = 0.95) -> tuple[float, float]:
    """The percentile interval of replicates, those undefined left out; NaNs where all are.

    Example:
        >>> interval(np.arange(101.0), level=0.9)
        (5.0, 95.0)
    """
    if np.isnan(replicates).all():
        return (float("nan"), float("nan"))
    tail = round((1 - level) / 2, 12)
    low, high = np.nanquantile(replicates, [tail, 1 - tail])
    return float(low), float(high)
