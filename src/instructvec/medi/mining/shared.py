"""Ids of the texts of many datasets -> which datasets hold the same texts, and in which rows.

Knows whole numbers that are equal where texts are; nothing of texts or of what the datasets are for. Where two
goals are asked of one text, the rules of ``goals`` find their contrasts.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instructvec.medi.mining.mined import row_ids
from instructvec.medi.search import check_at_least

MIN_SHARED = 50
MAX_PAIRS = 1000


class SharedTexts(NamedTuple):
    """Two datasets that hold the same texts.

    Attributes:
        dataset_a: a name.
        dataset_b: a name.
        rows_a: (s,) int64, for each shared text the first row that has it.
        rows_b: (s,) int64, the same texts in the other.
    """

    dataset_a: str
    dataset_b: str
    rows_a: NDArray[np.int64]
    rows_b: NDArray[np.int64]


def shared_texts(
    ids_by_dataset: Mapping[str, ArrayLike], *, min_shared: int = MIN_SHARED, max_pairs: int = MAX_PAIRS
) -> list[SharedTexts]:
    """Pairs of datasets that share texts, those that share most first.

    Args:
        ids_by_dataset: name -> (rows,) whole numbers that are equal where texts are, such as 64-bit hashes.
        min_shared: distinct texts that a pair shares at least.
        max_pairs: pairs that are given at most.

    Raises:
        InputError: ids that are not whole numbers.
        ConfigError: an option out of range.

    Example:
        >>> found = shared_texts({"mood": [11, 12, 13], "topic": [13, 11], "other": [14]}, min_shared=2)
        >>> [(one.dataset_a, one.dataset_b, one.rows_a.tolist(), one.rows_b.tolist()) for one in found]
        [('mood', 'topic', [0, 2], [1, 0])]
    """
    check_at_least(min_shared, 1, "min_shared")
    check_at_least(max_pairs, 1, "max_pairs")
    names = list(ids_by_dataset)
    ids, owners, rows = _occurrences(ids_by_dataset)
    counts = np.zeros((len(names), len(names)), np.int64)
    for at, after in _equal_neighbours(ids):
        np.add.at(counts, (owners[at], owners[after]), 1)
    left, right = np.nonzero(counts >= min_shared)
    order = np.argsort(-counts[left, right], kind="stable")[:max_pairs]
    wanted = np.full(counts.shape, -1, np.int64)
    wanted[left[order], right[order]] = np.arange(len(order))
    parts: list[list[NDArray[np.int64]]] = [[np.empty((2, 0), np.int64)] for _ in order]
    for at, after in _equal_neighbours(ids):
        pair = wanted[owners[at], owners[after]]
        by_pair = np.argsort(pair, kind="stable")
        by_pair = by_pair[np.searchsorted(pair[by_pair], 0) :]
        both = np.stack([rows[at[by_pair]], rows[after[by_pair]]])
        starts = np.flatnonzero(np.diff(pair[by_pair], prepend=-1))
        for start, part in zip(starts, np.split(both, starts[1:], axis=1), strict=False):
            parts[pair[by_pair[start]]].append(part)
    found = []
    for a, b, some in zip(left[order], right[order], parts, strict=True):
        of_a, of_b = np.concatenate(some, axis=1)
        by_row = np.argsort(of_a, kind="stable")
        found.append(SharedTexts(names[a], names[b], of_a[by_row], of_b[by_row]))
    return found


def _occurrences(
    ids_by_dataset: Mapping[str, ArrayLike],
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int64]]:
    """Each text once a dataset: id, dataset and row, sorted by id, then dataset."""
    ids, owners, rows = [np.empty(0, np.int64)], [np.empty(0, np.int32)], [np.empty(0, np.int64)]
    for owner, (name, values) in enumerate(ids_by_dataset.items()):
        distinct, first = np.unique(row_ids(values, np.size(values), f"ids of {name!r}"), return_index=True)
        ids.append(distinct)
        owners.append(np.full(len(distinct), owner, np.int32))
        rows.append(first)
    flat = np.concatenate(ids)
    order = np.argsort(flat, kind="stable")
    return flat[order], np.concatenate(owners)[order], np.concatenate(rows)[order]


def _equal_neighbours(ids: NDArray[np.int64]) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """Places of all pairs of equal ids in a sorted array: one pair of arrays for each distance between them."""
    pairs = []
    at = np.arange(len(ids))
    for distance in range(1, len(ids)):
        at = at[: np.searchsorted(at, len(ids) - distance)]
        at = at[ids[at] == ids[at + distance]]
        if not len(at):
            break
        pairs.append((at, at + distance))
    return pairs
