"""Documents with ids, texts, columns and vectors -> rows that are numbered, deleted, and taken.

Knows tables and vectors in segments, one after the other; nothing of files or of search. Rows keep their numbers
while segments are merged, so that a graph over them stays right; only :meth:`Rows.packed` gives new ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

ID, TEXT = "instructvec_id", "instructvec_text"
"""Columns of a segment's table before those of the user."""

_BLOCK_COMPONENTS = 1 << 23
_SCORED = 1 << 22


@dataclass(frozen=True, slots=True, eq=False)
class Segment:
    """Rows that came, or were merged, together.

    Attributes:
        table: n rows of :data:`ID`, :data:`TEXT` and the user's columns.
        vectors: (n, d) float32 of length 1.
        deleted: rows that are deleted, ascending.
        files: names of the files that hold table, vectors and deletions as they are here; ``""`` for one that is
            still to be written.
    """

    table: pa.Table
    vectors: NDArray[np.float32]
    deleted: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    files: tuple[str, str, str] = ("", "", "")

    def __len__(self) -> int:
        return len(self.vectors)


@dataclass(frozen=True, eq=False)
class Rows:
    """All rows of an index, numbered from 0 through its segments."""

    segments: tuple[Segment, ...] = ()

    def __len__(self) -> int:
        return int(self._starts[-1])

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum([len(one) for one in self.segments])]).astype(np.int64)

    @cached_property
    def n_deleted(self) -> int:
        """Rows that are deleted and still numbered."""
        return sum(len(one.deleted) for one in self.segments)

    @cached_property
    def alive(self) -> NDArray[np.bool_]:
        """(n,) bool, false where a row is deleted."""
        alive = np.ones(len(self), bool)
        for start, one in zip(self._starts, self.segments, strict=False):
            alive[start + one.deleted] = False
        return alive

    @cached_property
    def table(self) -> pa.Table:
        """All segments' tables; a column that one lacks is missing there."""
        import pyarrow as pa

        return pa.concat_tables([one.table for one in self.segments], promote_options="permissive")

    @cached_property
    def number_of(self) -> dict[str, int]:
        """Id -> row, of rows that are not deleted."""
        ids = self.table.column(ID).to_pylist()
        return {ids[row]: row for row in np.flatnonzero(self.alive).tolist()}

    def texts(self) -> list[str | None]:
        """Of all rows, deleted ones too."""
        return list(self.table.column(TEXT).to_pylist())

    def vectors(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n, d) float32 vectors of some rows, in their order."""
        found = np.empty((len(rows), self.segments[0].vectors.shape[1]), np.float32)
        owners = np.searchsorted(self._starts, rows, side="right") - 1
        for at in np.unique(owners):
            own = owners == at
            found[own] = self.segments[at].vectors[rows[own] - self._starts[at]]
        return found

    def vectors_from(self, first: int) -> list[NDArray[np.float32]]:
        """The vectors of all rows from one on, a piece for each segment."""
        return [
            one.vectors[max(0, first - int(start)) :]
            for start, one in zip(self._starts, self.segments, strict=False)
            if start + len(one) > first
        ]

    def blocks(
        self, mask: NDArray[np.bool_] | None, n_queries: int, first: int = 0
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float32]]]:
        """Rows and their vectors, some at a time.

        Args:
            mask: (n,) bool, which rows; ``None`` for all.
            n_queries: against how many queries each block will be scored, which makes blocks smaller.
            first: rows before this one are left out.
        """
        for start, one in zip(self._starts.tolist(), self.segments, strict=False):
            step = max(
                1024, min(_BLOCK_COMPONENTS // one.vectors.shape[1], _SCORED // max(1, min(n_queries, 256)))
            )
            # One query reads vectors once and keeps one score each: no need for blocks.
            step = len(one) if n_queries == 1 and mask is None else step
            for at in range(max(0, first - start), len(one), max(1, step)):
                end = min(at + step, len(one))
                rows, vectors = np.arange(start + at, start + end), one.vectors[at:end]
                if mask is not None and not (kept := mask[start + at : start + end]).all():
                    rows, vectors = rows[kept], vectors[kept]
                if len(rows):
                    yield rows, vectors

    def added(self, segment: Segment) -> Rows:
        """With a segment behind the others, merged with those before it that are not much larger.

        So the number of segments grows with the logarithm of that of rows.
        """
        segments = [*self.segments, segment]
        while len(segments) > 1 and len(segments[-1]) * 2 > len(segments[-2]):
            segments[-2:] = [_merged(segments[-2], segments[-1])]
        return Rows(tuple(segments))

    def without(self, rows: Sequence[int]) -> Rows:
        """With these rows deleted."""
        wanted = np.unique(np.asarray(rows, np.int64))
        segments = []
        for start, one in zip(self._starts, self.segments, strict=False):
            own = wanted[(wanted >= start) & (wanted < start + len(one))] - start
            if len(own):
                files = (*one.files[:2], "")
                one = replace(one, deleted=np.union1d(one.deleted, own), files=files)  # noqa: PLW2901
            segments.append(one)
        return Rows(tuple(segments))

    def packed(self) -> Rows:
        """One segment of the rows that are not deleted, numbered anew."""
        rows = np.flatnonzero(self.alive)
        return Rows((Segment(self.table.take(rows).combine_chunks(), self.vectors(rows)),)) if len(self) else self

    def columns(self) -> dict[str, str]:
        """Name -> type of the user's columns."""
        fields = self.table.schema if self.segments else []
        return {one.name: str(one.type) for one in fields if one.name not in (ID, TEXT)}

    def found(self, rows: Sequence[int]) -> list[dict[str, Any]]:
        """Values of some rows by column."""
        import pyarrow as pa

        return list(self.table.take(pa.array(rows, pa.int64())).to_pylist()) if len(rows) else []


def _merged(first: Segment, second: Segment) -> Segment:
    import pyarrow as pa

    return Segment(
        pa.concat_tables([first.table, second.table], promote_options="permissive").combine_chunks(),
        np.concatenate([first.vectors, second.vectors]),
        np.concatenate([first.deleted, second.deleted + len(first)]),
    )
