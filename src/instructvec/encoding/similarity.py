"""Two sets of vectors -> their similarities, under the measure a model was made for.

Knows vectors only. The signs follow sentence-transformers: distances are negated, so that more
is always more similar.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instructvec.errors import InputError
from instructvec.types import Similarity

_BLOCK_ROWS = 1024


def similarity(a: ArrayLike, b: ArrayLike, measure: Similarity = "cosine") -> NDArray[np.float32]:
    """All similarities of two sets.

    Args:
        a: (n, d) or (d,) float.
        b: (m, d) or (d,) float.
        measure: ``"cosine"``, ``"dot"``, ``"euclidean"`` or ``"manhattan"`` (both negated).

    Returns:
        (n, m) float32.

    Raises:
        InputError: widths that differ, or arrays that are not one or two-dimensional.

    Example:
        >>> similarity([[1.0, 0.0]], [[2.0, 0.0], [0.0, 3.0]]).tolist()
        [[1.0, 0.0]]
    """
    left, right = _matrix(a, "a"), _matrix(b, "b")
    _same_width(left, right)
    if measure == "cosine":
        return _unit(left) @ _unit(right).T
    if measure == "dot":
        return left @ right.T
    out = np.empty((len(left), len(right)), np.float32)
    for start in range(0, len(left), _BLOCK_ROWS):
        rows = slice(start, start + _BLOCK_ROWS)
        for column in range(len(right)):
            out[rows, column] = -_distance(left[rows] - right[column], measure)
    return out


def similarity_pairwise(a: ArrayLike, b: ArrayLike, measure: Similarity = "cosine") -> NDArray[np.float32]:
    """Similarity of each row of ``a`` with the same row of ``b``.

    Args:
        a: (n, d) or (d,) float.
        b: as ``a``.
        measure: as in :func:`similarity`.

    Returns:
        (n,) float32.

    Raises:
        InputError: shapes that differ.

    Example:
        >>> similarity_pairwise([[1.0, 0.0]], [[0.0, 1.0]]).tolist()
        [0.0]
    """
    left, right = _matrix(a, "a"), _matrix(b, "b")
    _same_width(left, right)
    if len(left) != len(right):
        raise InputError(
            f"similarity_pairwise: {len(left)} rows against {len(right)}; "
            "it needs as many of each (similarity() compares all with all)"
        )
    if measure == "cosine":
        left, right = _unit(left), _unit(right)
    if measure in ("cosine", "dot"):
        products: NDArray[np.float32] = np.einsum("nd,nd->n", left, right)
        return products
    return -_distance(left - right, measure)


def _distance(difference: NDArray[np.float32], measure: Similarity) -> NDArray[np.float32]:
    order = 2 if measure == "euclidean" else 1
    distance: NDArray[np.float32] = np.linalg.norm(difference, ord=order, axis=-1)
    return distance


def _matrix(values: ArrayLike, name: str) -> NDArray[np.float32]:
    matrix = np.asarray(values, dtype=np.float32)
    if matrix.ndim == 1:
        matrix = matrix[None]
    if matrix.ndim != 2:
        raise InputError(f"similarity: {name} has shape {matrix.shape}; expected (n, d) or (d,)")
    return matrix


def _same_width(a: NDArray[np.float32], b: NDArray[np.float32]) -> None:
    if a.shape[1] != b.shape[1]:
        raise InputError(
            f"similarity: vectors of {a.shape[1]} and of {b.shape[1]} dimensions; "
            "encode both with the same model and truncate_dim"
        )


def _unit(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.maximum(norms, np.float32(1e-12))
    return unit
