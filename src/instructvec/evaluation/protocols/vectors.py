"""Arrays from anywhere -> float32 vectors that a protocol can score, or an error that names the array and the row.

Knows shapes and numbers only; nothing of tasks or metrics.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.extras import require
from instructvec.tasks.arrays import (
    ALIKE,
    Vectors32,
    all_alike,
    check_order,
    check_widths,
    checked,
    cosines,
)
from instructvec.tasks.vectors import normalised

__all__ = [
    "ALIKE",
    "Vectors32",
    "all_alike",
    "check_order",
    "check_widths",
    "checked",
    "checked_lists",
    "checked_pairs",
    "cosines",
    "normalised",
    "similarities",
]


def checked_lists(
    name: str,
    lists: Sequence[NDArray[Any]],
    n_lists: int,
    *,
    n_rows: Sequence[int] | None = None,
    width: int | None = None,
) -> list[Vectors32]:
    """Several arrays, each as :func:`checked` gives it.

    Args:
        name: what each of them is; its place is put behind it.
        lists: arrays of (n, d).
        n_lists: how many arrays there must be, at least one.
        n_rows: rows each must have; ``None``: at least one.
        width: d; ``None``: that of the first.

    Raises:
        InputError: as :func:`checked`, or another number of arrays, or of dimensions.
    """
    if len(lists) != n_lists or not n_lists:
        raise InputError(f"{name}: {len(lists)} arrays; expected {max(n_lists, 1)}, one for each")
    wanted: Sequence[int | None] = [None] * n_lists if n_rows is None else n_rows
    found = []
    for at, (one, rows) in enumerate(zip(lists, wanted, strict=True), start=1):
        found.append(checked(f"{name} {at}", one, rows))
        width = found[0].shape[1] if width is None else width
        if found[-1].shape[1] != width:
            raise InputError(
                f"{name} {at}: {found[-1].shape[1]} dimensions; expected {width} as before it: "
                "encode all with one model and one truncate_dim"
            )
    return found


def checked_pairs(a: NDArray[Any], b: NDArray[Any], n_rows: int) -> tuple[Vectors32, Vectors32]:
    """Vectors of the first and the second text of each pair, as :func:`checked` gives them."""
    a, b = checked("a", a, n_rows), checked("b", b, n_rows)
    check_widths(a=a, b=b)
    return a, b


def similarities(a: Vectors32, b: Vectors32) -> dict[str, NDArray[np.floating]]:
    """(n,) by name, the greater the nearer; in float32 by scikit-learn, as MTEB has them."""
    require("sklearn", "comparing pairs of vectors")
    from sklearn.metrics.pairwise import (
        paired_cosine_distances,
        paired_euclidean_distances,
        paired_manhattan_distances,
    )

    return {
        "cosine": 1 - paired_cosine_distances(a, b),
        "dot": np.array([one @ other for one, other in zip(a, b, strict=True)]),
        "euclidean": -paired_euclidean_distances(a, b),
        "manhattan": -paired_manhattan_distances(a, b),
    }
