"""Scores and labels -> correlations, average precision, v-measure; and the same on resamples, fast.

Knows numbers only. Scores come from scikit-learn and scipy. What the bootstrap asks for a thousand times is
computed here from how often each row was drawn, without sorting again; tests hold it against what the libraries
give for those rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.evaluation.data import Label
from instructvec.tasks.correlation import Numbers, check_numbers, correlations, is_constant
from instructvec.tasks.ranked_labels import RankedLabels

__all__ = [
    "Numbers",
    "Ranked",
    "RankedLabels",
    "Units",
    "check_numbers",
    "check_several_labels",
    "correlations",
    "is_constant",
    "label_codes",
    "mean_where_defined",
    "one_thread",
    "strata_means",
    "v_measure",
    "weighted_pearson",
]

Units: TypeAlias = NDArray[np.int64]


def label_codes(labels: Sequence[Label]) -> tuple[list[Label], NDArray[np.int64]]:
    """Distinct labels in order (numbers before strings), and each row's place among them.

    Example:
        >>> label_codes(["b", "a", "b"])[0]
        ['a', 'b']
    """
    distinct = sorted(set(labels), key=lambda label: (isinstance(label, str), label))
    places = {label: at for at, label in enumerate(distinct)}
    return distinct, np.fromiter((places[label] for label in labels), np.int64, len(labels))


def check_several_labels(what: str, labels: Sequence[Label]) -> None:
    """Refuse labels of which there is only one.

    Raises:
        InputError: naming it.
    """
    distinct = set(labels)
    if len(distinct) < 2:
        only = next(iter(distinct), None)
        raise InputError(f"{what}: every row has the label {only!r}; expected two labels or more: check the data")


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


def v_measure(counts: NDArray[np.floating]) -> float:
    """V-measure of a contingency table, as scikit-learn's ``v_measure_score`` for its rows; NaN for no rows.

    Args:
        counts: (labels, clusters), how many rows have which of both.

    Source: Rosenberg & Hirschberg 2007, equations 1 to 3: the harmonic mean of homogeneity and completeness.

    Example:
        >>> v_measure(np.array([[2.0, 0.0], [0.0, 2.0]]))
        1.0
    """
    n_rows = counts.sum()
    if n_rows == 0:
        return float("nan")
    joint = counts / n_rows
    labels, clusters = joint.sum(axis=1), joint.sum(axis=0)
    of_labels, of_clusters = _entropy(labels), _entropy(clusters)
    at = joint > 0
    information = max(0.0, float((joint[at] * np.log(joint[at] / np.outer(labels, clusters)[at])).sum()))
    homogeneity = information / of_labels if of_labels else 1.0
    completeness = information / of_clusters if of_clusters else 1.0
    total = homogeneity + completeness
    return 2 * homogeneity * completeness / total if total else 0.0


def _entropy(shares: Numbers) -> float:
    """In nats; exactly 0 for a single class."""
    present = shares[shares > 0]
    return 0.0 if len(present) == 1 else float(-(present * np.log(present)).sum())


@contextmanager
def one_thread() -> Iterator[None]:
    """Matrix products on one thread inside the block.

    Fits of some hundred rows lose more to threads that wait for each other than they gain: with 150 labels of 8
    rows a fit takes 0.1 s, on two threads 0.3 s where two cores are free and 1.9 s where they are busy. Other
    threads of this process are limited too while it lasts.
    """
    from threadpoolctl import threadpool_limits  # scikit-learn brings it

    with threadpool_limits(1):
        yield


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
