"""Query vectors and blocks of others -> the nearest of these, exactly, best first.

Knows matrix products and the order of results; nothing of texts, files or models. Search of the index and the
scores of retrieval benchmarks both stand on this one function, so that the product ranks as it is measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Rows = NDArray[np.int64]
Scores = NDArray[np.float32]

_QUERY_ROWS = 256


def nearest(
    queries: NDArray[np.float32], blocks: Iterable[tuple[Rows, NDArray[np.float32]]], top_k: int
) -> tuple[Rows, Scores]:
    """The others with the greatest dot product with each query.

    Memory beyond queries and result: a block, and its scores with 256 queries.

    Args:
        queries: (queries, d) float32; of length 1, as the others, where the products shall be cosines.
        blocks: (n,) int64 row numbers, ascending over all blocks, and their (n, d) float32 vectors.
        top_k: how many to find, from 1; all where there are fewer.

    Returns:
        Rows (queries, k) int64 and their products (queries, k) float32, best first; of equal ones that with the
        lower row first, also where only some of the equal ones are among the ``top_k``.

    Example:
        >>> others = np.array([[1, 0], [0, 1], [0, 1]], np.float32)
        >>> nearest(np.array([[0, 1]], np.float32), [(np.arange(3), others)], top_k=2)[0]
        array([[1, 2]])
    """
    rows = np.empty((len(queries), 0), np.int64)
    scores = np.empty((len(queries), 0), np.float32)
    for block_rows, block in blocks:
        merged = [
            _merge(queries[one] @ block.T, block_rows, rows[one], scores[one], top_k)
            for one in _slices(len(queries))
        ]
        if merged:
            rows = np.concatenate([found for found, _ in merged])
            scores = np.concatenate([found for _, found in merged])
    # Rows ascend where scores are equal, because the last key of lexsort is the first to decide.
    order = np.lexsort((rows, -scores), axis=1)
    return np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1)


def _slices(n_rows: int) -> Iterator[slice]:
    return (slice(start, start + _QUERY_ROWS) for start in range(0, n_rows, _QUERY_ROWS))


def _merge(block_scores: Scores, block_rows: Rows, rows: Rows, scores: Scores, top_k: int) -> tuple[Rows, Scores]:
    """The best ``top_k`` of those kept so far and those of a block, in the order of rows."""
    n_found = scores.shape[1]
    together = np.concatenate([scores, block_scores], axis=1) if n_found else block_scores
    if together.shape[1] <= top_k:
        added = np.broadcast_to(block_rows, block_scores.shape)
        return np.concatenate([rows, added], axis=1), together
    best = _best(together, top_k)
    found = block_rows[np.maximum(best - n_found, 0)]
    if n_found:
        kept = best < n_found
        found = np.where(kept, np.take_along_axis(rows, np.where(kept, best, 0), 1), found)
    return found, np.take_along_axis(together, best, 1)


def _best(scores: Scores, top_k: int) -> Rows:
    """(queries, top_k) places of the greatest scores, ascending; of equal ones the first."""
    places = np.argpartition(scores, -top_k, axis=1)[:, -top_k:]
    lowest = np.take_along_axis(scores, places, 1).min(axis=1)
    crowded = (scores >= lowest[:, None]).sum(axis=1) > top_k
    for query in np.flatnonzero(crowded):
        above = np.flatnonzero(scores[query] > lowest[query])
        equal = np.flatnonzero(scores[query] == lowest[query])
        places[query] = np.concatenate([above, equal[: top_k - len(above)]])
    return np.sort(places, axis=1)
