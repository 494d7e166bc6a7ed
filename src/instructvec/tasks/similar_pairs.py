"""Vectors of length 1 -> the pairs whose cosine reaches a threshold: all of them, or those an index finds.

Knows matrix products; nothing of texts or of what is done with the pairs. Memory is bounded by blocks and by a
limit on pairs. Every score is computed again from its two vectors, in one order of summation, so that neither the
size of a block nor the way of searching changes it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructvec.engines.threads import available_processors
from instructvec.errors import ConfigError, InputError
from instructvec.tasks.arrays import Vectors32
from instructvec.tasks.hnsw import component_scale, in_8_bits, index_class

Rows = NDArray[np.int64]

BLOCK_ROWS = 2048
"""A block's products take 16 MiB."""
MAX_PAIRS = 20_000_000
N_NEIGHBOURS = 64
"""How many neighbours of a row an approximate search looks at."""

# What float32 products of vectors of length 1 differ by, however they are summed, at some thousand dimensions.
_ROUNDING = 1e-5
_SCORED_AT_ONCE = 16_384


@dataclass(frozen=True, slots=True, eq=False)
class SimilarPairs:
    """Pairs of rows, ascending.

    Attributes:
        left: (m,) int64, the lower row.
        right: (m,) int64, the higher row.
        scores: (m,) float32, their cosines.
        n_saturated: rows all of whose neighbours that were looked at reach the threshold, so that there may be
            more; 0 in an exact search.
    """

    left: Rows
    right: Rows
    scores: NDArray[np.float32]
    n_saturated: int = 0

    def __len__(self) -> int:
        return len(self.scores)


def exact_pairs(
    unit: Vectors32,
    threshold: float,
    *,
    block_rows: int = BLOCK_ROWS,
    max_pairs: int = MAX_PAIRS,
    on_progress: Callable[[int], None] | None = None,
) -> SimilarPairs:
    """Every pair that reaches the threshold.

    Args:
        unit: (n, d) float32 of length 1; zero vectors reach no positive threshold.
        threshold: least cosine.
        block_rows: rows multiplied at a time; decides memory and speed only.
        max_pairs: at most that many are kept in memory.
        on_progress: is told how many more rows have been compared with all after them.

    Raises:
        ConfigError: ``block_rows`` below 1.
        InputError: more pairs than ``max_pairs``.

    Example:
        >>> found = exact_pairs(np.array([[1, 0], [0, 1], [1, 0]], np.float32), 0.9)
        >>> found.left.tolist(), found.right.tolist(), found.scores.tolist()
        ([0], [2], [1.0])
    """
    if block_rows < 1:
        raise ConfigError(f"block_rows is {block_rows}; expected 1 or more")
    parts = []
    n_found = 0
    for start in range(0, len(unit), block_rows):
        for left, right in _candidates(unit, start, block_rows, threshold - _ROUNDING):
            part = _rescored(unit, left, right, threshold)
            n_found += len(part)
            _check_count(n_found, threshold, max_pairs)
            parts.append(part)
        if on_progress is not None:
            on_progress(min(block_rows, len(unit) - start))
    return _in_order(parts)


def _candidates(unit: Vectors32, start: int, block_rows: int, threshold: float) -> Iterator[tuple[Rows, Rows]]:
    """Pairs of a block's rows with those at or after the block, the lower row first."""
    block = unit[start : start + block_rows]
    for other in range(start, len(unit), block_rows):
        left, right = np.nonzero(block @ unit[other : other + block_rows].T >= threshold)
        if other == start:
            above = left < right
            left, right = left[above], right[above]
        if len(left):
            yield left + start, right + other


def _rescored(unit: Vectors32, left: Rows, right: Rows, threshold: float) -> SimilarPairs:
    scores = pair_cosines(unit, left, right)
    reach = scores >= threshold
    return SimilarPairs(left[reach], right[reach], scores[reach])


def pair_cosines(unit: Vectors32, left: Rows, right: Rows) -> NDArray[np.float32]:
    """(m,) float32: cosine of each pair of rows of vectors of length 1, at most 1."""
    scores = np.empty(len(left), np.float32)
    for start in range(0, len(left), _SCORED_AT_ONCE):
        some = slice(start, start + _SCORED_AT_ONCE)
        np.einsum("nd,nd->n", unit[left[some]], unit[right[some]], out=scores[some])
    return np.minimum(scores, np.float32(1.0))


def approximate_pairs(
    unit: Vectors32,
    threshold: float,
    *,
    n_neighbours: int = N_NEIGHBOURS,
    block_rows: int = BLOCK_ROWS,
    max_pairs: int = MAX_PAIRS,
    on_progress: Callable[[int], None] | None = None,
) -> SimilarPairs:
    """The pairs that reach the threshold among each row's nearest, as an HNSW index over 8 bits finds these.

    Args:
        unit: (n, d) float32 of length 1.
        threshold: least cosine.
        n_neighbours: of each row to look at, from 1.
        block_rows: rows added and searched at a time.
        max_pairs: at most that many are kept in memory.
        on_progress: is told how much more is done, in rows: half of a block when the index holds it, the other
            half when it has been searched.

    Raises:
        MissingExtra: usearch is not installed.
        InputError: more pairs than ``max_pairs``.

    Source: Malkov & Yashunin 2018.
    """
    n_looked = min(n_neighbours + 1, len(unit))  # one is the row itself
    index = index_class("an approximate search for duplicates")(
        ndim=unit.shape[1], metric="ip", dtype="i8", expansion_add=128, expansion_search=2 * n_looked
    )
    n_threads, scale = available_processors(), component_scale(unit)
    for start in range(0, len(unit), block_rows):
        block = unit[start : start + block_rows]
        # Vectors added at the same time do not see each other, which tears apart a graph that is small.
        threads = n_threads if start else 1
        index.add(np.arange(start, start + len(block)), in_8_bits(block, scale), threads=threads)
        if on_progress is not None:
            on_progress(len(block) // 2)
    keys, n_saturated = [], 0
    for start in range(0, len(unit), block_rows):
        block = unit[start : start + block_rows]
        keys_found = index.search(in_8_bits(block, scale), n_looked, threads=n_threads).keys
        found = np.asarray(keys_found).reshape(len(block), -1).astype(np.int64)
        left, right = np.repeat(np.arange(start, start + len(block)), found.shape[1]), found.reshape(-1)
        # What usearch could not fill has a key that is no row.
        valid = (left != right) & (right >= 0) & (right < len(unit))
        part = _rescored(unit, left[valid], right[valid], threshold)
        if n_looked < len(unit):
            n_saturated += int((np.bincount(part.left - start, minlength=len(block)) >= n_neighbours).sum())
        keys.append(np.minimum(part.left, part.right) * len(unit) + np.maximum(part.left, part.right))
        _check_count(sum(map(len, keys)) // 2, threshold, max_pairs)
        if on_progress is not None:
            on_progress(len(block) - len(block) // 2)
    left, right = np.divmod(np.unique(np.concatenate(keys)), len(unit))
    return SimilarPairs(left, right, pair_cosines(unit, left, right), n_saturated)


def _check_count(n_found: int, threshold: float, max_pairs: int) -> None:
    if n_found > max_pairs:
        raise InputError(
            f"threshold {threshold:.4g}: more than {max_pairs:,} pairs reach it; expected a threshold that few "
            "pairs reach: raise it"
        )


def _in_order(parts: list[SimilarPairs]) -> SimilarPairs:
    if not parts:
        return SimilarPairs(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0, np.float32))
    left, right, scores = (
        np.concatenate([getattr(part, name) for part in parts]) for name in ("left", "right", "scores")
    )
    order = np.lexsort((right, left))
    return SimilarPairs(left[order], right[order], scores[order])
