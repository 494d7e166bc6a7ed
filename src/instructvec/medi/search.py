"""Unit vectors -> for each query the documents of the highest cosines: exactly, in blocks that bound the memory.

Knows arrays only; nothing of texts, encoders or why neighbours are wanted. The multiplications are numpy's, on as
many threads as its BLAS has.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instructvec.errors import ConfigError, InputError

Vectors: TypeAlias = NDArray[Any]
"""(n, d) float16 or float32 or float64, each row of length one."""

Allowed: TypeAlias = Callable[[slice, slice], NDArray[np.bool_]]
"""Rows of the queries and rows of the documents -> (queries, documents) bool, which pairs may be found."""

NO_ROW = -1
"""Stands for a row where there is none."""

_SCORES_A_BLOCK = 1 << 24
"""Numbers of a block of scores, 64 MB; choosing among them takes as much again."""
_TILE_ROWS = 1 << 14
_MAX_BLOCK_ROWS = 4096
_LENGTH_TOLERANCE = 0.01
"""How far a row's length may be from one: float16 and int8 engines round."""


class Neighbours(NamedTuple):
    """The nearest documents of each query.

    Attributes:
        scores: (n, k) float32, cosines, from the highest down; ``-inf`` where there is no further document.
        rows: (n, k) int64, rows of the documents; ``NO_ROW`` where there is no further document.
    """

    scores: NDArray[np.float32]
    rows: NDArray[np.int64]


def nearest(
    queries: Vectors,
    documents: Vectors,
    depth: int,
    *,
    block_rows: int | None = None,
    allowed: Allowed | None = None,
    exclude_self: bool = False,
) -> Neighbours:
    """The ``depth`` documents of the highest cosine for each query, by comparing all.

    Among equal scores the lower row comes first. Scores are those of float32 multiplication: of other block sizes,
    the same pair's may differ in the last bits.

    Args:
        queries: (n, d) unit vectors.
        documents: (m, d) unit vectors.
        depth: neighbours a query; more than there are documents gives all of them.
        block_rows: queries at once; by default as many as make a block of scores 64 MB.
        allowed: which pairs may be found, see :func:`same_group` and :func:`other_group`; all where ``None``.
        exclude_self: a query never finds the document of its own row: for queries that are the documents.

    Returns:
        k = min(depth, m) neighbours a query.

    Raises:
        InputError: arrays that are not two-dimensional, of other widths, or with rows that are not unit vectors.
        ConfigError: a depth or block below one.

    Example:
        >>> east, north = [1.0, 0.0], [0.0, 1.0]
        >>> found = nearest(np.array([east]), np.array([north, east, east]), 2)
        >>> found.rows.tolist(), found.scores.tolist()
        ([[1, 2]], [[1.0, 1.0]])
    """
    queries, documents = unit_vectors(queries, "queries"), unit_vectors(documents, "documents")
    _check_widths(queries, documents)
    check_at_least(depth, 1, "depth")
    if exclude_self and len(queries) != len(documents):
        raise InputError(
            f"exclude_self with {len(queries)} queries and {len(documents)} documents; it takes queries that are "
            "the documents, row by row: give the same array twice, or leave it out"
        )
    k = min(depth, len(documents))
    found = Neighbours(np.full((len(queries), k), -np.inf, np.float32), np.full((len(queries), k), NO_ROW))
    tile_rows = max(_TILE_ROWS, k)  # a query's neighbours in a tile are at most its rows
    for columns, tile in _tiles(documents, tile_rows):
        for rows, scores in score_blocks(queries, tile, block_rows):
            if allowed is not None:
                scores[~np.broadcast_to(allowed(rows, columns), scores.shape)] = -np.inf
            if exclude_self:
                own = np.arange(max(rows.start, columns.start), min(rows.stop, columns.stop))
                scores[own - rows.start, own - columns.start] = -np.inf
            _merge(found, rows, _highest(scores, min(k, len(tile))), columns.start)
    return found


def same_group(queries: ArrayLike, documents: ArrayLike) -> Allowed:
    """Only documents of the query's own group.

    Args:
        queries: (n,) the group of each query.
        documents: (m,) the group of each document.

    Example:
        >>> eye = np.eye(2)[[0, 0, 1]]
        >>> nearest(eye, eye, 1, allowed=same_group([7, 8, 7], [7, 8, 7]), exclude_self=True).rows.tolist()
        [[2], [-1], [0]]
    """
    left, right = np.asarray(queries), np.asarray(documents)
    return lambda rows, columns: left[rows, None] == right[None, columns]


def other_group(queries: ArrayLike, documents: ArrayLike) -> Allowed:
    """Only documents of another group than the query's: the reverse of :func:`same_group`.

    Example:
        >>> eye = np.eye(2)[[0, 0, 1]]
        >>> nearest(eye, eye, 1, allowed=other_group([7, 7, 8], [7, 7, 8])).rows.tolist()
        [[2], [2], [0]]
    """
    left, right = np.asarray(queries), np.asarray(documents)
    return lambda rows, columns: left[rows, None] != right[None, columns]


def score_blocks(
    queries: Vectors, documents: Vectors, block_rows: int | None = None
) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Scores of all documents for some queries after the others.

    Args:
        queries: (n, d), not checked.
        documents: (m, d), not checked; held in float32 throughout.
        block_rows: queries at once; by default as many as make a block of scores 64 MB.

    Yields:
        The rows of the queries, and their (rows, m) float32 scores, free to be written to.

    Example:
        >>> [(rows.start, scores.tolist()) for rows, scores in score_blocks(np.eye(2), np.eye(2)[:1], 1)]
        [(0, [[1.0]]), (1, [[0.0]])]
    """
    if block_rows is None:
        block_rows = min(max(_SCORES_A_BLOCK // max(len(documents), 1), 1), _MAX_BLOCK_ROWS)
    check_at_least(block_rows, 1, "block_rows")
    columns = np.asarray(documents, np.float32).T
    for start in range(0, len(queries), block_rows):
        rows = slice(start, min(start + block_rows, len(queries)))
        yield rows, np.asarray(queries[rows], np.float32) @ columns


def cosines(left: Vectors, right: Vectors) -> NDArray[np.float32]:
    """The cosine of each row of ``left`` with the same row of ``right``, both (n, d) unit vectors."""
    products: NDArray[np.float32] = np.einsum("nd,nd->n", left, right, dtype=np.float32, casting="same_kind")
    return products


def unit_vectors(values: Vectors, name: str) -> Vectors:
    """The array, if it is (n, d) of unit vectors.

    Raises:
        InputError: another shape or number type, NaN or infinite components, a row whose length is not one; names
            the array and the first such row.
    """
    array = np.asarray(values)
    if array.ndim != 2 or array.dtype.kind != "f":
        raise InputError(
            f"{name} are {array.dtype} of shape {array.shape}; expected floats of shape (n, d), a vector a text"
        )
    lengths = np.empty(len(array), np.float32)
    for start in range(0, len(array), _TILE_ROWS):
        part = np.asarray(array[start : start + _TILE_ROWS], np.float32)
        lengths[start : start + _TILE_ROWS] = np.sqrt(np.einsum("nd,nd->n", part, part))
    bad = np.flatnonzero(~(np.abs(lengths - 1) <= _LENGTH_TOLERANCE))
    if len(bad):
        what = "has NaN or infinite components" if not np.isfinite(lengths[bad[0]]) else "is no unit vector"
        raise InputError(
            f"row {bad[0]} of {name} {what} (length {lengths[bad[0]]:.4g}; {len(bad)} of {len(array)} rows are "
            "bad); expected rows of length one: divide each by its length, and leave out texts without a vector"
        )
    return array


def check_at_least(value: float, least: float, name: str) -> None:
    """Refuses an option below its least value, or NaN, with a ConfigError."""
    if not value >= least:
        raise ConfigError(f"{name}={value!r}; expected a number of at least {least}")


def _check_widths(queries: Vectors, documents: Vectors) -> None:
    if queries.shape[1] != documents.shape[1]:
        raise InputError(
            f"queries have {queries.shape[1]} components and documents {documents.shape[1]}; expected vectors of "
            "one model: encode both with the same"
        )


def _tiles(documents: Vectors, tile_rows: int) -> Iterator[tuple[slice, Vectors]]:
    for start in range(0, len(documents), tile_rows):
        columns = slice(start, min(start + tile_rows, len(documents)))
        yield columns, documents[columns]


def _highest(scores: NDArray[np.float32], k: int) -> Neighbours:
    """The k highest of each row, the lower column first among equals."""
    n, m = scores.shape
    if k == 1:
        columns = scores.argmax(axis=1)[:, None]  # the first of the highest
        return Neighbours(np.take_along_axis(scores, columns, axis=1), columns)
    kth = np.partition(scores, m - k, axis=1)[:, m - k, None]
    chosen = scores >= kth
    # More than k where several columns have the k-th score: the first of them stay.
    tied = np.flatnonzero(np.count_nonzero(chosen, axis=1) > k)
    for rows in np.array_split(tied, max(1, -(-len(tied) // 256))):
        equal = scores[rows] == kth[rows]
        room = k - np.count_nonzero(chosen[rows] & ~equal, axis=1)[:, None]
        chosen[rows] &= ~equal | (np.cumsum(equal, axis=1, dtype=np.int32) <= room)
    columns = np.nonzero(chosen)[1].reshape(n, k)
    values = np.take_along_axis(scores, columns, axis=1)
    order = np.argsort(-values, axis=1, kind="stable")  # columns ascend, and stable sorting keeps them so
    return Neighbours(np.take_along_axis(values, order, axis=1), np.take_along_axis(columns, order, axis=1))


def _merge(found: Neighbours, rows: slice, more: Neighbours, first_row: int) -> None:
    """Takes a tile's neighbours into what earlier tiles gave, which has the lower rows."""
    k = found.rows.shape[1]
    scores = np.concatenate([found.scores[rows], more.scores], axis=1)
    documents = np.concatenate([found.rows[rows], more.rows + first_row], axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    found.scores[rows] = np.take_along_axis(scores, order, axis=1)
    found.rows[rows] = np.where(
        np.isneginf(found.scores[rows]), NO_ROW, np.take_along_axis(documents, order, axis=1)
    )
