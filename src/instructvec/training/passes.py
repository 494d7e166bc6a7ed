"""A unit's items -> one pass over all of them after another, in drawn order, without texts that meet in a batch.

Knows items and the ids of their texts; nothing of weights or of which unit is drawn. In a batch every text is a
negative of the other rows, so no row may have as its query or positive what another row has as query, positive or
negative: such a row waits for a later batch. Negatives may be the same in several rows. So may labels: of a task
with two, a batch would be two rows. The objective leaves them out, where it is told to (``same_label``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.medi.mix import generator
from instructvec.training.units import Unit

LOOK_AHEAD = 4
"""How many times a batch's rows are looked at in search of rows that fit together."""

PassState: TypeAlias = "tuple[int, int, list[int]]"
"""Number of the pass, items read of it, items that wait."""


class Texts:
    """The texts of the batch in the making: which rows may still join it."""

    def __init__(self) -> None:
        self._own: set[int] = set()
        self._all: set[int] = set()

    def admit(self, own: Sequence[int], negatives: Sequence[int]) -> bool:
        """Take an item in, unless a text of it would be a false negative.

        Args:
            own: ids of its queries and positives.
            negatives: ids of its negatives; below 0 for none.

        Example:
            >>> texts = Texts()
            >>> texts.admit([0, 1], [2]), texts.admit([3, 4], [2]), texts.admit([2, 5], [-1])
            (True, True, False)
        """
        if self._all.isdisjoint(own) and self._own.isdisjoint(negatives):
            self._own.update(own)
            self._all.update(own)
            self._all.update(negatives)
            return True
        return False


class Passes:
    """Items of one unit, pass after pass: each once a pass, in an order of its own.

    Args:
        unit: what is drawn from.
        text_ids: (n, 3) of all rows of the mixture.
        least: rows for which it is worth ending a batch without beginning the next pass.
        seed: of the orders.
        counts: told ``passes`` that began, ``postponed`` items that had to wait for a later batch, and ``skipped``
            ones that no batch of their pass could take.

    Attributes:
        wanted: ``least`` as given.
        least: the same, or as many rows as a whole pass has that fit into one batch, where these are fewer.
    """

    def __init__(
        self, unit: Unit, text_ids: NDArray[np.int32], *, least: int, seed: int, counts: Counter[str]
    ) -> None:
        self.unit = unit
        self._text_ids = text_ids
        self._seed = seed
        self._counts = counts
        self._sizes = np.diff(unit.offsets)
        self._smallest = int(self._sizes.min())
        self._number, self._at = 0, 0
        self._waiting: list[int] = []
        self.wanted = least
        self.least = self._fitting(least)

    @property
    def is_small(self) -> bool:
        """Whether a whole pass does not fill the least batch."""
        return self.least < self.wanted

    @property
    def is_begun(self) -> bool:
        """Whether anything was drawn."""
        return bool(self._number or self._at)

    @property
    def state(self) -> PassState:
        """What :meth:`restore` takes."""
        return self._number, self._at, list(self._waiting)

    def restore(self, number: int, at: int, waiting: Sequence[int]) -> None:
        """Go on from a state of the same unit."""
        self._number, self._at, self._waiting = number, at, list(waiting)
        self.__dict__.pop("_order", None)

    def take(self, n_rows: int, texts: Texts, *, parts: int = 1) -> list[int]:
        """Items of ``n_rows`` rows at most that fit together and into the batch.

        Those that had to wait come first. There are fewer where not enough fit together, and at the end of a pass.

        Args:
            n_rows: rows wanted.
            texts: of the batch so far; those of the items are added.
            parts: the number of items is a multiple of it.
        """
        taken: list[int] = []
        deferred: list[int] = []
        waiting, self._waiting = self._waiting, []
        room, to_see, renewed = n_rows, LOOK_AHEAD * n_rows, False
        while room >= self._smallest and to_see > 0:
            if not waiting and self._at >= len(self._order):
                if renewed or not self._may_renew(n_rows, n_rows - room, deferred):
                    break
                self._renew()
                to_see, renewed = LOOK_AHEAD * n_rows, True
            n_wanted = min(room // self._smallest, to_see)
            if waiting:
                part, waiting = waiting[:n_wanted], waiting[n_wanted:]
            else:
                part = self._order[self._at : self._at + n_wanted].tolist()
                self._at += len(part)
            to_see -= len(part)
            for item, size, (own, negatives) in zip(
                part, self._sizes[part].tolist(), self._ids(part), strict=True
            ):
                if size <= room and texts.admit(own, negatives):
                    taken.append(item)
                    room -= size
                else:
                    deferred.append(item)
        self._counts["postponed"] += len(deferred)
        kept = len(taken) - len(taken) % parts
        # Last, lest an item that fits with no other comes first for ever.
        self._waiting = deferred + waiting + taken[kept:]
        return taken[:kept]

    def rows(self, items: Sequence[int]) -> NDArray[np.int64]:
        """The rows of items, one item after the other."""
        if not self.unit.is_contrast:
            return self.unit.rows[np.asarray(items, np.int64)]
        return np.concatenate([np.empty(0, np.int64), *map(self._rows_of, items)])

    def _rows_of(self, item: int) -> NDArray[np.int64]:
        return self.unit.rows[self.unit.offsets[item] : self.unit.offsets[item + 1]]

    def _ids(self, items: Sequence[int]) -> list[tuple[list[int], list[int]]]:
        """For each item, ids of its queries and positives, and ids of its negatives."""
        if self.unit.is_contrast:
            tables = [self._text_ids[self._rows_of(item)] for item in items]
            return [(table[:, :2].ravel().tolist(), table[:, 2].tolist()) for table in tables]
        found = self._text_ids[self.rows(items)].tolist()
        return [(row[:2], row[2:]) for row in found]

    def _fitting(self, n_rows: int) -> int:
        """How many rows of the first pass fit into one batch, up to ``n_rows``."""
        texts, found, order = Texts(), 0, self._order
        for start in range(0, len(order), n_rows):
            part = order[start : start + n_rows].tolist()
            for item, (own, negatives) in zip(part, self._ids(part), strict=True):
                found += int(self._sizes[item]) if texts.admit(own, negatives) else 0
            if found >= n_rows:
                return n_rows
        return found

    def _may_renew(self, n_rows: int, n_taken: int, deferred: list[int]) -> bool:
        """Whether the next pass begins, the last being read to its end; where it must, nothing waits any more.

        It does where the batch would be too small, and where the pass just ran out and has rows for a whole one.
        """
        if n_taken < self.least:
            self._counts["skipped"] += len(deferred)
            deferred.clear()
            return True
        return not deferred and int(self._sizes[self._order].sum()) >= n_rows

    def _renew(self) -> None:
        self._counts["passes"] += 1
        self._number += 1
        self._at = 0
        self.__dict__.pop("_order", None)

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """The items of this pass; one that is to take part 1.5 times is in it once or twice."""
        rng = generator(self._seed, self.unit.name, "pass", str(self._number))
        repeats = self.unit.repeats
        times = np.floor(repeats + rng.random(len(repeats))).astype(np.int64)
        items = np.repeat(np.arange(len(repeats)), times)
        if not len(items):
            items = rng.integers(len(repeats), size=1)
        return rng.permutation(items)
