"""Rows of a corpus on their way from a file to a shard: texts, instructions, the other columns, their places.

Knows what a row is and where it came from; nothing of file formats or encoders.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from instructvec.errors import FileError

if TYPE_CHECKING:
    import pyarrow as pa

OnError: TypeAlias = Literal["fail", "skip"]
ON_ERRORS: tuple[OnError, ...] = ("fail", "skip")
EMBEDDING = "embedding"
"""Name of the column that holds the vectors."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a row stands.

    Attributes:
        file: the file as the user named it; ``"-"`` is standard input.
        unit: what ``number`` counts: lines of a text file, or rows of a Parquet file.
        number: from 1; of a CSV row over several lines, the first of them.
    """

    file: str
    unit: Literal["line", "row"]
    number: int

    def __str__(self) -> str:
        return f"{self.file}, {self.unit} {self.number}"


@dataclass(frozen=True, slots=True)
class Rejection:
    """A row that cannot be embedded, and why.

    Attributes:
        place: where it stands.
        reason: what is wrong with it and what was expected.
        row: its content as far as it could be read: a mapping of columns, or the raw line.
    """

    place: Place
    reason: str
    row: Any

    def error(self) -> FileError:
        """The error that ends the work under ``on_error="fail"``."""
        return FileError(
            f"{self.place}: {self.reason}. Correct the row, or leave such rows out with --on-error skip "
            "(on_error='skip')"
        )

    def record(self) -> dict[str, Any]:
        """What goes into ``OUT.rejected.jsonl``."""
        return {
            "file": self.place.file,
            self.place.unit: self.place.number,
            "reason": self.reason,
            "row": self.row,
        }


@dataclass(frozen=True, slots=True)
class Rows:
    """Consecutive rows, ready to be embedded.

    Attributes:
        texts: n strings.
        instructions: n strings, or ``None`` where no column holds them.
        columns: n rows of every input column, the text's included.
        places: where each of the n rows stands.
        rejected: rows that stood among them and cannot be embedded.
    """

    texts: list[str]
    instructions: list[str] | None
    columns: pa.Table
    places: list[Place]
    rejected: list[Rejection]

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def n_read(self) -> int:
        """Rows read from the files for these, the rejected ones included."""
        return len(self.texts) + len(self.rejected)

    def take(self, kept: list[int], rejected: list[Rejection]) -> Rows:
        """Only the rows ``kept``, in that order; ``rejected`` join those rejected before."""
        import pyarrow as pa

        return Rows(
            texts=[self.texts[row] for row in kept],
            instructions=None if self.instructions is None else [self.instructions[row] for row in kept],
            columns=self.columns.take(pa.array(kept, pa.int64())),
            places=[self.places[row] for row in kept],
            rejected=self.rejected + rejected,
        )


def join(parts: list[Rows]) -> Rows:
    """One after the other; columns that a part lacks are null there.

    Raises:
        FileError: a column has types in two files that no common type holds.
    """
    if len(parts) == 1:
        return parts[0]
    import pyarrow as pa

    filled = [part for part in parts if len(part)] or parts[:1]
    try:
        columns = pa.concat_tables([part.columns for part in filled], promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        files = sorted({place.file for part in filled for place in part.places})
        raise FileError(
            f"{files[0]} and {files[-1]}: a column has different types in different files ({error}); "
            "give it one type, or embed the files separately"
        ) from None
    instructions = [part.instructions or [] for part in filled]
    return Rows(
        texts=[text for part in filled for text in part.texts],
        instructions=None if filled[0].instructions is None else [one for part in instructions for one in part],
        columns=columns,
        places=[place for part in filled for place in part.places],
        rejected=[rejection for part in parts for rejection in part.rejected],
    )


def regroup(blocks: Iterable[Rows], n_rows: int) -> Iterator[Rows]:
    """Blocks of at most ``n_rows`` read rows, small ones joined, so that many small files make few shards.

    Depends on the blocks alone: the same input gives the same groups in every run.
    """
    pending: list[Rows] = []
    n_pending = 0
    for block in blocks:
        if pending and n_pending + block.n_read > n_rows:
            yield join(pending)
            pending, n_pending = [], 0
        pending.append(block)
        n_pending += block.n_read
    if pending:
        yield join(pending)
