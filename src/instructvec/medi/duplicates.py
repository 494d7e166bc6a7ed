"""Datasets one after another -> which of their rows are not there already, and why the others are left out.

Knows what counts as the same row in which kind of dataset; how equal and nearly equal texts are found is in
``dedupe``. Pairs are compared over all datasets. Labelled texts and task inputs are compared within theirs only:
the same text under another goal is another row, and just what teaches a model to read its instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructvec.medi.dedupe import Duplicates, ExactDuplicates, NearDuplicate, NearDuplicates
from instructvec.medi.triplets import Kind


class Unique(NamedTuple):
    """Which rows of a dataset to keep.

    Attributes:
        keep: (n,) bool.
        dropped: reason -> rows.
    """

    keep: NDArray[np.bool_]
    dropped: dict[str, int]


class RowDuplicates:
    """Remembers the rows of all datasets it is given.

    Args:
        threshold: similarity from which rows are near duplicates; 0 for exact ones only.

    Example:
        >>> seen = RowDuplicates(0)
        >>> seen.of("pair", ["How old?"], ["Nine."]).dropped
        {}
        >>> seen.of("pair", ["how old", "Who?", "Who?"], ["nine", "Me.", "Me."]).dropped
        {'duplicate': 1, 'duplicate_elsewhere': 1}
    """

    def __init__(self, threshold: float) -> None:
        self._rule = NearDuplicate(threshold=threshold) if threshold else None
        self._exact = ExactDuplicates()
        self._near = NearDuplicates(self._rule) if self._rule else None

    def of(self, kind: Kind, first: Sequence[str], second: Sequence[str]) -> Unique:
        """The rows of the next dataset."""
        is_pair = kind in ("pair", "triplet")
        sides = (first, second) if is_pair else (first,)
        keep = np.ones(len(first), np.bool_)
        dropped: dict[str, int] = {}
        steps: list[tuple[str, Duplicates | None]] = [("duplicate", ExactDuplicates())]
        if is_pair:
            steps += [("duplicate_elsewhere", self._exact), ("near_duplicate", self._near)]
        elif self._rule:
            steps += [("near_duplicate", NearDuplicates(self._rule))]
        for reason, seen in steps:
            if seen is None:
                continue
            rows = np.flatnonzero(keep)
            is_new = seen.add(*([side[row] for row in rows.tolist()] for side in sides))
            keep[rows[~is_new]] = False
            if not is_new.all():
                dropped[reason] = int((~is_new).sum())
        return Unique(keep, dropped)
