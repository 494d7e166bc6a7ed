"""Scores and labels -> correlations, average precision; and the same on resamples, fast.

Knows numbers only. Scores come from scikit-learn and scipy. What the bootstrap asks for a thousand times is
computed here from how often each row was drawn, without sorting again; tests hold it against what the libraries
give for those rows.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.extras import require

Numbers: TypeAlias = NDArray[np.float64]
Units: TypeAlias = NDArray[np.int64]


def check_numbers(name: str, scores: Sequence[float], n_rows: int, *, varying: bool = True) -> Numbers:
    """Scores that people gave, as (n,) float64.

    Args:
        name: what they are, for messages.
        scores: n numbers.
        n_rows: n.
        varying: whether to refuse scores that are all the same.

    Raises:
        InputError: another count, a score that is NaN or infinite, or scores that are all the same.
    """
    numbers = np.asarray(scores, np.float64)
    if numbers.shape != (n_rows,):
        raise InputError(f"{name}: shape {numbers.shape}; expected ({n_rows},), a number for each text")
    if not np.isfinite(numbers).all():
        row = int(np.argmin(np.isfinite(numbers)))
        raise InputError(f"{name}, row {row + 1}: {numbers[row]}; expected a finite number: check the data")
    if varying and is_constant(numbers):
        raise InputError(f"{name}: every score is {numbers[0]}; a correlation with a constant is undefined")
    return numbers


def is_constant(numbers: NDArray[np.floating]) -> bool:
    """Whether there is only one value."""
    return bool((numbers == numbers[0]).all())


def correlations(x: Numbers, y: Numbers) -> tuple[float, float]:
    """Pearson's and Spearman's correlation by scipy; NaN for both where one side is constant.

    Example:
        >>> pearson, spearman = correlations(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
        >>> round(pearson, 4), round(spearman, 4)
        (0.982, 1.0)
    """
    if is_constant(x) or is_constant(y):
        return float("nan"), float("nan")
    require("scipy", "a correlation")
    from scipy.stats import pearsonr, spearmanr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of input that is nearly constant
        return float(pearsonr(x, y).statistic), float(spearmanr(x, y).statistic)


def weighted_pearson(x: Numbers, y: Numbers, weights: Numbers) -> float:
    """Pearson's correlation of rows that count ``weights`` times; NaN where one side does not vary."""
    total = weights.sum()
    x = x - (weights @ x) / total
    y = y - (weights @ y) / total
    variances = (weights @ (x * x)) * (weights @ (y * y))
    # Below this, what is left of a constant is rounding.
    if not variances > 1e-24 * (total * np.abs(x).max() * np.abs(y).max()) ** 2:
        return float("nan")
    return float((weights @ (x * y)) / np.sqrt(variances))


@dataclass(frozen=True, slots=True)
class Ranked:
    """Values whose mean ranks can be had for any resample in linear time.

    Attributes:
        places: (n,) int64, each value's place among the distinct ones, ascending.
    """

    places: NDArray[np.int64]

    @classmethod
    def of(cls, values: NDArray[np.floating]) -> Ranked:
        """Sorts them, once."""
        return cls(np.unique(values, return_inverse=True)[1].reshape(-1))

    def ranks(self, weights: Numbers) -> Numbers:
        """(n,) float64: each value's rank where row i stands ``weights[i]`` times, ties sharing their mean."""
        counts = np.bincount(self.places, weights)
        mean_ranks: Numbers = (np.cumsum(counts) - (counts - 1) / 2)[self.places]
        return mean_ranks


@dataclass(frozen=True, slots=True)
class RankedLabels:
    """Scores with labels whose average precision can be had for any resample in linear time.

    Attributes:
        order: (n,) int64, rows from the highest score to the lowest.
        positive: (n,) float64 in that order, 1 for rows that belong to the class.
        ends: (distinct scores,) int64, the last place of each score.
    """

    order: NDArray[np.int64]
    positive: Numbers
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> RankedLabels:
        """Sorts them, once."""
        order = np.argsort(-scores, kind="stable")
        ordered = scores[order]
        ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        return cls(order, positive[order].astype(np.float64), ends)

    def found(self, weights: Numbers | None = None) -> tuple[Numbers, Numbers]:
        """How many rows, and how many of the class, score at least as high as each distinct score."""
        drawn = np.ones(len(self.order)) if weights is None else weights[self.order]
        return np.cumsum(drawn)[self.ends], np.cumsum(drawn * self.positive)[self.ends]

    def average_precision(self, weights: Numbers) -> float:
        """scikit-learn's, where row i stands ``weights[i]`` times; NaN where none of the class was drawn."""
        total, hits = self.found(weights)
        if hits[-1] == 0:
            return float("nan")
        gained = np.diff(hits, prepend=0.0)
        at = gained > 0
        return float((gained[at] * hits[at] / total[at]).sum() / hits[-1])

    def best_thresholds(self) -> dict[str, float]:
        """Best accuracy, and best F1 with its precision and recall, over thresholds between two distinct scores.

        As in mteb: at least one row on either side, none of equal scores divided.
        """
        n_rows, n_positive = len(self.order), self.positive.sum()
        total, hits = (one[:-1] for one in self.found())
        if not len(total):
            return dict.fromkeys(("accuracy", "f1", "precision", "recall"), 0.0)
        correct = hits + (n_rows - n_positive) - (total - hits)
        # 2PR / (P + R) with P = hits / total and R = hits / n_positive.
        f1 = 2 * hits / (total + n_positive)
        best = int(np.argmax(f1))
        return {
            "accuracy": float(correct.max() / n_rows),
            "f1": float(f1[best]),
            "precision": float(hits[best] / total[best]),
            "recall": float(hits[best] / n_positive),
        }


def mean_where_defined(values: Numbers) -> float:
    """Mean of the values that are not NaN; NaN for none, without a warning."""
    defined = values[~np.isnan(values)]
    return float(defined.mean()) if len(defined) else float("nan")


def strata_means(values: Numbers, strata: Sequence[int], units: Units) -> float:
    """Mean over strata of the mean of the drawn values of each; NaN where a stratum was not drawn.

    Args:
        values: (units over all strata,), stratum after stratum.
        strata: units each.
        units: (n,) what was drawn.
    """
    owners = np.repeat(np.arange(len(strata)), strata)[units]
    counts = np.bincount(owners, minlength=len(strata))
    if not counts.all():
        return float("nan")
    return float((np.bincount(owners, values[units], minlength=len(strata)) / counts).mean())
