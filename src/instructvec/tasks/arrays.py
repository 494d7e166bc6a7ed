"""Arrays from anywhere -> float32 vectors that can be compared, or an error that names the array and the row.

Knows shapes and numbers only; nothing of tasks or metrics. What tasks and the protocols that measure them share.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError

Vectors32: TypeAlias = NDArray[np.float32]
"""(n, d) float32."""

ALIKE = 1e-6
"""Components that differ by less than this share of the largest are alike; float32 rounds to 6e-8 of a number."""

_CHECKED_ROWS = 65_536


def checked(name: str, vectors: NDArray[Any], n_rows: int | None = None) -> Vectors32:
    """Vectors as (n, d) float32.

    Args:
        name: what they are, for messages.
        vectors: (n, d) numbers of any precision.
        n_rows: how many there must be; ``None``: at least one.

    Raises:
        InputError: another shape or type, another number of rows, or a component that is NaN or infinite.

    Example:
        >>> checked("queries", np.eye(2)).dtype
        dtype('float32')
    """
    array = np.asarray(vectors)
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise InputError(f"{name}: shape {array.shape} of {array.dtype}; expected (n, d) numbers, a vector a row")
    if n_rows is not None and len(array) != n_rows:
        raise InputError(f"{name}: {len(array)} vectors; expected {n_rows}, one for each text")
    if not array.size:
        raise InputError(f"{name}: shape {array.shape}; expected at least one vector of at least one dimension")
    with np.errstate(over="ignore"):  # what does not fit into float32 is infinite then, and named below
        array = array.astype(np.float32, copy=False)
    check_finite(name, array)
    return array


def check_finite(name: str, vectors: NDArray[np.floating]) -> None:
    """Refuse vectors that are no numbers; so many rows at a time that little memory is used.

    Raises:
        InputError: naming the first such row.
    """
    for start in range(0, len(vectors), _CHECKED_ROWS):
        finite = np.isfinite(vectors[start : start + _CHECKED_ROWS]).all(axis=1)
        if not finite.all():
            row = start + int(np.argmin(finite))
            raise InputError(
                f"{name}, row {row + 1}: the vector has a NaN or infinite component; expected finite numbers: "
                "check the model's weights, or run it with dtype float32"
            )


def check_widths(**named: Vectors32) -> None:
    """Refuse arrays whose vectors are of different dimensions.

    Raises:
        InputError: naming the two that disagree.
    """
    (first, like), *others = named.items()
    for name, vectors in others:
        if vectors.shape[1] != like.shape[1]:
            raise InputError(
                f"{name}: {vectors.shape[1]} dimensions, but {first} has {like.shape[1]}; "
                "encode both with one model and one truncate_dim"
            )


def all_alike(*arrays: Vectors32) -> bool:
    """Whether two or more vectors, over all arrays, differ by no more than rounding.

    Example:
        >>> all_alike(np.ones((3, 2), np.float32)), all_alike(np.eye(2, dtype=np.float32))
        (True, False)
    """
    if sum(map(len, arrays)) < 2:
        return False
    highest = np.max([one.max(axis=0) for one in arrays], axis=0)
    lowest = np.min([one.min(axis=0) for one in arrays], axis=0)
    largest = max(float(np.abs(highest).max()), float(np.abs(lowest).max()))
    return bool((highest.astype(np.float64) - lowest).max() <= ALIKE * largest)


def check_order(**named: Vectors32 | Sequence[Vectors32]) -> None:
    """Refuse vectors among which nothing can be ranked.

    Args:
        named: arrays, or several that belong together, by what they are.

    Raises:
        InputError: all vectors of a name are alike.
    """
    for name, given in named.items():
        arrays = [given] if isinstance(given, np.ndarray) else list(given)
        if all_alike(*arrays):
            raise InputError(
                f"{name}: all {sum(map(len, arrays))} vectors are the same, so no order can be scored; "
                "expected a vector that depends on the text: check the model and its pooling"
            )


def cosines(vector: Vectors32, others: Vectors32) -> Vectors32:
    """Cosine of one vector with each of several, all of length 1 already.

    Each is summed in the same order, so that equal vectors have equal cosines wherever they stand.

    Args:
        vector: (d,) float32.
        others: (n, d) float32.

    Returns:
        (n,) float32.
    """
    found: Vectors32 = np.einsum("nd,d->n", others, vector)
    return found
