"""Numbers -> rank correlation, average precision, nDCG@10, and how sure a difference of two is.

Knows arrays; nothing of texts or instructions. Sources: Spearman's correlation of mean ranks; average precision as
scikit-learn has it (equal scores count together); nDCG as trec_eval's ``ndcg_cut_10`` has it (gain is the
relevance, discount log2 of the rank + 1; Järvelin & Kekäläinen 2002); the percentile bootstrap of Efron (1979),
paired.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Rows = NDArray[np.int64]

K = 10
_LEVEL = 95


def spearman(x: Numbers, y: Numbers) -> float:
    """Spearman's rank correlation of (n,) and (n,); 0 where one side does not vary, as it tells nothing then.

    Example:
        >>> spearman(np.array([1.0, 2.0, 9.0]), np.array([3.0, 5.0, 4.0]))
        0.5
    """
    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    variance = float((a @ a) * (b @ b))
    return float(a @ b) / variance**0.5 if variance > 0 else 0.0


def average_precision(is_relevant: NDArray[np.bool_], scores: Numbers) -> float:
    """Average precision of (n,) truth values by (n,) scores; NaN where none is true.

    Example:
        >>> average_precision(np.array([True, False, True]), np.array([0.9, 0.8, 0.7])).__round__(4)
        0.8333
    """
    n_relevant = int(is_relevant.sum())
    if not n_relevant:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_relevant[order])
    last_of_equal = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    found = hits[last_of_equal]
    precision = found / (last_of_equal + 1)
    return float((np.diff(found, prepend=0) * precision).sum() / n_relevant)


def ndcg(gains: Numbers, scores: NDArray[np.float32], ideal: Numbers) -> float:
    """Discounted gain of the ten best documents over the most there can be.

    Args:
        gains: (documents,) relevance, 0 for what is not relevant or not judged.
        scores: (documents,); of equal ones the earlier document stands first.
        ideal: relevance of all relevant documents, in any order.

    Example:
        >>> ndcg(np.array([0.0, 1.0]), np.array([0.9, 0.8], np.float32), np.array([1.0])).__round__(4)
        0.6309
    """
    best = np.argsort(-scores, kind="stable")[:K]
    return _discounted(gains[best]) / _discounted(np.sort(ideal)[::-1][:K])


def paired_interval(
    first: Callable[[Rows], float],
    second: Callable[[Rows], float],
    n_rows: int,
    *,
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """The 95% interval of ``first - second`` over resamples of the rows, the same ones for both.

    Args:
        first, second: the figure of the rows that were drawn.
        n_rows: rows there are.
        n_resamples: how often rows are drawn.
        rng: draws them.

    Example:
        >>> right = np.array([1.0, 1.0, 0.0])
        >>> paired_interval(lambda r: right[r].mean(), lambda r: right[r].mean(), 3,
        ...                 n_resamples=50, rng=np.random.default_rng(0))
        (0.0, 0.0)
    """
    draws = (rng.integers(0, n_rows, n_rows) for _ in range(n_resamples))
    differences = np.array([first(rows) - second(rows) for rows in draws])
    differences = differences[~np.isnan(differences)]
    if not len(differences):
        return float("-inf"), float("inf")
    low, high = np.percentile(differences, [(100 - _LEVEL) / 2, (100 + _LEVEL) / 2])
    return float(low), float(high)


def _ranks(values: Numbers) -> Numbers:
    """Mean ranks, from 0."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray(((ends - counts + ends - 1) / 2)[places], np.float64)


def _discounted(gains: Numbers) -> float:
    return float((gains / np.log2(np.arange(len(gains)) + 2)).sum())
