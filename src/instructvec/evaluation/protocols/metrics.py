"""Scores and labels -> correlations, average precision; and the same on resamples, fast.

Knows numbers only. Scores come from scikit-learn and scipy. What the bootstrap asks for a thousand times is
computed here from how often each row was drawn, without sorting again; tests hold it against what the libraries
give for those rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.tasks.correlation import Numbers, check_numbers, correlations, is_constant
from instructvec.tasks.ranked_labels import RankedLabels

__all__ = [
    "Numbers",
    "Ranked",
    "RankedLabels",
    "Units",
    "check_numbers",
    "correlations",
    "is_constant",
    "mean_where_defined",
    "strata_means",
    "weighted_pearson",
]

Units: TypeAlias = NDArray[np.int64]


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
