"""Rows that a rule chose -> the triplets it hands on, and why the other anchors gave none.

Knows row numbers and labels' codes; nothing of the rules themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instructvec.errors import ConfigError, InputError
from instructvec.medi.search import NO_ROW

UNKNOWN = -1
"""The code of a label that is not known."""

Reason = tuple[str, NDArray[np.bool_]]
"""Why anchors are left out, and (n,) which."""


class Mined(NamedTuple):
    """Triplets, as row numbers of the arrays that a rule was given.

    Attributes:
        anchors: (m,) int64.
        positives: (m,) int64.
        negatives: (m,) int64; ``NO_ROW`` (-1) where none was found.
        margins: (m,) float32, how far the positive is ahead of the negative in the rule's own score; infinite
            where there is no negative.
        dropped: reason -> how many anchors gave no triplet.
        without_negative: reason -> how many of the triplets have no negative.
    """

    anchors: NDArray[np.int64]
    positives: NDArray[np.int64]
    negatives: NDArray[np.int64]
    margins: NDArray[np.float32]
    dropped: Mapping[str, int]
    without_negative: Mapping[str, int]


def assemble(
    positives: NDArray[np.int64],
    negatives: NDArray[np.int64],
    margins: NDArray[np.float32],
    drop: Sequence[Reason],
    bare: Sequence[Reason] = (),
) -> Mined:
    """A triplet for each anchor that no reason leaves out.

    Args:
        positives: (n,) int64, row i the positive of anchor i.
        negatives: (n,) int64, ``NO_ROW`` where there is none.
        margins: (n,) float32; where there is no negative, its value counts for nothing.
        drop: reasons to leave anchors out; the first that holds is counted.
        bare: reasons for which kept anchors have no negative; the first that holds is counted.

    Example:
        >>> none = np.array([False, True])
        >>> found = assemble(np.array([1, -1]), np.array([-1, -1]), np.zeros(2, "f4"), [("alone", none)])
        >>> found.anchors.tolist(), found.margins.tolist(), dict(found.dropped)
        ([0], [inf], {'alone': 1})
    """
    dropped, left_out = _counted(drop, np.zeros(len(positives), np.bool_))
    without, _ = _counted(bare, left_out)
    anchors = np.flatnonzero(~left_out)
    negatives = negatives[anchors].astype(np.int64)
    margins = np.where(negatives == NO_ROW, np.float32(np.inf), margins[anchors]).astype(np.float32)
    return Mined(anchors, positives[anchors].astype(np.int64), negatives, margins, dropped, without)


def _counted(reasons: Sequence[Reason], settled: NDArray[np.bool_]) -> tuple[dict[str, int], NDArray[np.bool_]]:
    counts = {}
    for reason, holds in reasons:
        new = holds & ~settled
        if new.any():
            counts[reason] = int(np.count_nonzero(new))
        settled = settled | holds
    return counts, settled


def best(
    scores: NDArray[np.float32], candidates: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The highest score of each row among its candidates: its column or ``NO_ROW``, and itself or ``-inf``."""
    if not scores.size:
        return np.full(len(scores), NO_ROW), np.full(len(scores), -np.inf, np.float32)
    masked = np.where(candidates, scores, np.float32(-np.inf))
    columns = masked.argmax(axis=1)
    values = np.take_along_axis(masked, columns[:, None], axis=1)[:, 0]
    return np.where(np.isneginf(values), NO_ROW, columns), values


def label_codes(labels: Sequence[Any] | NDArray[Any], n_rows: int, name: str = "labels") -> NDArray[np.int32]:
    """Labels as numbers from 0, in the order of the sorted labels; ``None`` as ``UNKNOWN``.

    Raises:
        InputError: as many labels as rows were expected.

    Example:
        >>> label_codes(["no", "yes", None, "no"], 4).tolist()
        [0, 1, -1, 0]
    """
    if len(labels) != n_rows:
        raise InputError(f"{len(labels)} {name} for {n_rows} vectors; expected a label a row")
    array = np.asarray(labels, dtype=object)
    if array.ndim != 1:
        raise InputError(f"{name} of shape {array.shape}; expected one label a row, (n,)")
    known = np.array([label is not None for label in array], np.bool_)
    codes = np.full(n_rows, UNKNOWN, np.int32)
    # As text: labels of several types in one column cannot be sorted among each other.
    codes[known] = np.unique([f"{type(label).__name__} {label}" for label in array[known]], return_inverse=True)[1]
    return codes


def row_ids(ids: ArrayLike, n_rows: int, name: str) -> NDArray[np.int64]:
    """Numbers that are equal where texts are, one a row.

    Raises:
        InputError: another shape or type was given.
    """
    array = np.asarray(ids)
    if array.shape != (n_rows,) or (n_rows and array.dtype.kind not in "iu"):
        raise InputError(
            f"{name} are {array.dtype} of shape {array.shape}; expected {n_rows} whole numbers, one a row"
        )
    return array.astype(np.int64)


def check_cosine(value: float, name: str) -> None:
    """Refuses an option that is compared with cosines and out of their range, or NaN."""
    if not -2 <= value <= 2:
        raise ConfigError(f"{name}={value!r}; expected a cosine, or a difference of cosines, from -2 to 2")


def check_share(value: float, name: str) -> None:
    """Refuses an option that is no share."""
    if not 0 <= value <= 1:
        raise ConfigError(f"{name}={value!r}; expected a share, from 0 to 1")
