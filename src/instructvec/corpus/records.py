"""Records of a file -> validated rows: which column holds the texts, which rows cannot be used and why.

Knows columns and values; nothing of file formats or encoders.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from instructvec.corpus.rows import EMBEDDING, ON_ERRORS, OnError, Place, Rejection, Rows
from instructvec.corpus.sources import Source
from instructvec.errors import ConfigError, FileError

if TYPE_CHECKING:
    import pyarrow as pa

DEFAULT_COLUMN = "text"


@dataclass(frozen=True, slots=True)
class Selection:
    """Which columns hold what, and what becomes of rows that cannot be used.

    Attributes:
        column: holds the texts; ``None`` takes the only column, or the one named ``text``.
        instruction_column: holds one instruction a row.
        on_error: ``"fail"`` raises at the first bad row, ``"skip"`` leaves it out and reports it.
        n_rows: rows of a block at most.
    """

    column: str | None = None
    instruction_column: str | None = None
    on_error: OnError = "fail"
    n_rows: int = 2048

    def __post_init__(self) -> None:
        if self.on_error not in ON_ERRORS:
            raise ConfigError(f"on_error is {self.on_error!r}; expected one of {', '.join(ON_ERRORS)}")
        if self.n_rows < 1:
            raise ConfigError(f"shard_rows is {self.n_rows}; expected 1 or more")


class Record(NamedTuple):
    """One row as the file has it: its columns, or why it could not be read and the raw text."""

    number: int
    values: dict[str, Any]
    problem: str | None = None
    raw: str = ""


def choose_column(source: Source, names: Sequence[str], selection: Selection) -> str:
    """The column that holds the texts.

    Raises:
        FileError: a named column is missing, none was named and several could be meant, or one is in the way.
    """
    listed = ", ".join(repr(name) for name in names) or "none"
    for name in (selection.column, selection.instruction_column):
        if name is not None and name not in names:
            raise FileError(f"{source.name}: no column {name!r}; the columns are {listed}")
    if EMBEDDING in names:
        raise FileError(
            f"{source.name}: has a column {EMBEDDING!r} already, which is what the vectors are called; "
            "rename or remove it"
        )
    if selection.column is not None:
        return selection.column
    others = [name for name in names if name != selection.instruction_column]
    if DEFAULT_COLUMN in others:
        return DEFAULT_COLUMN
    if len(others) == 1:
        return others[0]
    raise FileError(f"{source.name}: which column holds the texts? Name it with --column; there are {listed}")


def blocks(source: Source, records: Iterator[Record], column: str, selection: Selection) -> Iterator[Rows]:
    """Records as blocks of rows, ``selection.n_rows`` of them read for each; see :func:`block`."""
    while read := list(islice(records, selection.n_rows)):
        yield block(source, read, column, selection, _table)


def block(
    source: Source,
    records: list[Record],
    column: str,
    selection: Selection,
    columns_of: Callable[[Source, list[Record]], pa.Table],
) -> Rows:
    """The usable ones of ``records``.

    Args:
        source: the file they are from.
        records: as read.
        column: holds the texts.
        selection: what is wanted, and what becomes of bad rows.
        columns_of: gives the table of all columns for the records that are kept.

    Raises:
        FileError: a bad row, under ``on_error="fail"``.
    """
    kept: list[Record] = []
    rejected: list[Rejection] = []
    for record in records:
        problem = record.problem or _problem(record.values, column, selection.instruction_column)
        if not problem:
            kept.append(record)
            continue
        bad = rejection(source, record._replace(problem=problem))
        if selection.on_error == "fail":
            raise bad.error()
        rejected.append(bad)
    named = selection.instruction_column
    return Rows(
        texts=[record.values[column] for record in kept],
        instructions=None if named is None else [record.values[named] for record in kept],
        columns=columns_of(source, kept),
        places=[_place(source, record) for record in kept],
        rejected=rejected,
    )


def _place(source: Source, record: Record) -> Place:
    return Place(source.name, "row" if source.format == "parquet" else "line", record.number)


def rejection(source: Source, record: Record) -> Rejection:
    """A record with a problem, as it is reported."""
    row = record.values or record.raw
    return Rejection(_place(source, record), record.problem or "", row)


def _problem(values: dict[str, Any], column: str, instruction_column: str | None) -> str | None:
    """What is wrong with a row that could be read, or None."""
    for name in (column, instruction_column):
        if name is None:
            continue
        if name not in values:
            listed = ", ".join(repr(key) for key in values) or "none"
            return f"no column {name!r}; this row has {listed}"
        value = values[name]
        if not isinstance(value, str):
            return f"column {name!r} holds {kind_of(value)}; expected text"
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            return f"column {name!r} holds half a character (a lone surrogate); expected valid Unicode"
    return None


def kind_of(value: object) -> str:
    """What a value is, in words."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and math.isnan(value):
        return "NaN"
    names = {int: "a number", float: "a number", str: "text", list: "a list", dict: "an object", bytes: "bytes"}
    shown = f" ({value!r})" if isinstance(value, int | float) else ""
    return names.get(type(value), type(value).__name__) + shown


def _table(source: Source, records: list[Record]) -> pa.Table:
    """All columns of the records, in order of first appearance; a key that a row lacks is null there."""
    import pyarrow as pa

    names = dict.fromkeys(name for record in records for name in record.values)
    return pa.table({name: _array(source, name, records) for name in names})


def _array(source: Source, name: str, records: list[Record]) -> pa.Array:
    import pyarrow as pa

    values = [record.values.get(name) for record in records]
    try:
        return pa.array(values)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        seen: dict[str, int] = {}
        for record in records:
            if (value := record.values.get(name)) is not None:
                seen.setdefault(kind_of(value).split(" (")[0], record.number)
        kinds = ", ".join(f"{kind} on line {number}" for kind, number in seen.items())
        raise FileError(
            f"{source.name}: column {name!r} cannot be carried into the output: it holds {kinds} ({error}); "
            "give it one type, or leave it out of the input"
        ) from None
