"""A file of texts (txt, csv, tsv, jsonl, parquet) -> blocks of validated rows with all their columns.

One reader a format, in the table :data:`READERS`; adding a format is one entry. Knows formats and what makes a
row usable; nothing of encoders or outputs. Formats: RFC 4180 (CSV), jsonlines.org, Apache Parquet.

What counts as a row: every line of a txt file, blank ones too (an empty text); every record below the header of
a csv or tsv file and every line of a jsonl file, blank lines passed over; every row of a Parquet file.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, TypeAlias

from instructvec.corpus.lines import Line, read_lines
from instructvec.corpus.records import (
    DEFAULT_COLUMN,
    Record,
    Selection,
    block,
    blocks,
    choose_column,
    kind_of,
    rejection,
)
from instructvec.corpus.rows import Rows
from instructvec.corpus.sources import Format, Source
from instructvec.errors import FileError

if TYPE_CHECKING:
    from _csv import Reader as CsvReader

    import pyarrow as pa
    import pyarrow.parquet as pq

MAX_FIELD_CHARACTERS = 1 << 26
"""Longest CSV field; a quote that is never closed runs into it or into the end of the file."""
MAX_LEADING_BAD = 1000
"""Broken lines at the head of a jsonl file that are kept while looking for the first good one."""


def read(sources: Sequence[Source], selection: Selection) -> Iterator[Rows]:
    """The rows of all sources in order, in blocks of at most ``selection.n_rows``, constant memory.

    Raises:
        FileError: a file cannot be read as its format, lacks the column, or (``on_error="fail"``) has a bad row;
            names file and line or row.
    """
    for source in sources:
        yield from READERS[source.format](source, selection)


def read_records(source: Source) -> Iterator[Record]:
    """The rows of one file as they stand, whatever its columns are, in constant memory.

    A row that cannot be read is a record with a ``problem``. Every record has its number: the line, or the row of
    a Parquet file, from 1.

    Raises:
        FileError: the file cannot be read as its format.
    """
    if source.format == "parquet":
        yield from _parquet_records(source)
    elif source.format == "jsonl":
        yield from _json_records(source)
    elif source.format == "txt":
        yield from _text_records(source)
    else:
        _, records = _delimited(source)
        yield from records


def _text_records(source: Source) -> Iterator[Record]:
    for line in read_lines(source):
        yield Record(line.number, {DEFAULT_COLUMN: line.text}, line.problem, line.text)


def _delimited(source: Source) -> tuple[list[str] | None, Iterator[Record]]:
    """The header, ``None`` for an empty file, and the records below it."""
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    problems: dict[int, str] = {}
    reader = csv.reader(
        _noting_problems(read_lines(source), problems),
        dialect="excel-tab" if source.format == "tsv" else "excel",
        strict=True,
    )
    header = _header(source, reader, problems)
    return header, iter(()) if header is None else _records(reader, header, problems)


def _json_records(source: Source) -> Iterator[Record]:
    return (_json_record(line) for line in read_lines(source) if line.problem or line.text.strip())


def read_txt(source: Source, selection: Selection) -> Iterator[Rows]:
    """Each line is a text, in a column named ``text``."""
    column = choose_column(source, [DEFAULT_COLUMN], selection)
    yield from blocks(source, _text_records(source), column, selection)


def read_delimited(source: Source, selection: Selection) -> Iterator[Rows]:
    """A header, then one record a line or, with quoted line ends, over several."""
    header, records = _delimited(source)
    if header is None:
        return
    column = choose_column(source, header, selection)
    yield from blocks(source, records, column, selection)


def _noting_problems(lines: Iterable[Line], problems: dict[int, str]) -> Iterator[str]:
    for line in lines:
        if line.problem:
            problems[line.number] = line.problem
        # The line end matters inside quotes.
        yield line.text + "\n"


def _header(source: Source, reader: CsvReader, problems: dict[int, str]) -> list[str] | None:
    """The names of the columns, or None for an empty file."""
    try:
        header = next(reader)
    except StopIteration:
        return None
    except csv.Error as error:
        raise FileError(f"{source.name}, line 1: broken header ({error}); expected column names") from None
    if problems:
        number, problem = min(problems.items())
        raise FileError(f"{source.name}, line {number}: {problem}")
    doubles = sorted({name for name in header if header.count(name) > 1})
    if doubles or not header:
        raise FileError(
            f"{source.name}, line 1: the header {'is blank' if not header else f'names {doubles} twice'}; "
            "expected one name for each column"
        )
    return list(header)


def _records(reader: CsvReader, header: list[str], problems: dict[int, str]) -> Iterator[Record]:
    while True:
        first = reader.line_num + 1
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = (
                f"broken quoting in the record that starts here ({error}, read up to line {reader.line_num}); "
                'expected fields with quotes doubled inside quotes ("") and every quote closed'
            )
            problems.clear()
            yield Record(first, {}, problem)
            continue
        raw = " | ".join(fields)
        if problems:
            number, problem = min(problems.items())
            yield Record(first, {}, f"{problem}; this is line {number}", raw)
            problems.clear()
        elif len(fields) == len(header):
            yield Record(first, dict(zip(header, fields, strict=True)))
        elif fields:
            problem = (
                f"{len(fields)} fields, but the header names {len(header)}; "
                "expected as many (a separator inside a field needs quotes around the field)"
            )
            yield Record(first, {}, problem, raw)


def read_jsonl(source: Source, selection: Selection) -> Iterator[Rows]:
    """Each non-blank line is one JSON object; its keys are the columns."""
    records = _json_records(source)
    leading: list[Record] = []
    for record in records:
        leading.append(record)
        if not record.problem or selection.on_error == "fail" or len(leading) >= MAX_LEADING_BAD:
            break
    if not leading:
        return
    if leading[-1].problem:
        if selection.on_error == "fail":
            raise rejection(source, leading[-1]).error()
        column = selection.column or DEFAULT_COLUMN
    else:
        column = choose_column(source, list(leading[-1].values), selection)
    yield from blocks(source, chain(leading, records), column, selection)


def _json_record(line: Line) -> Record:
    if line.problem:
        return Record(line.number, {}, line.problem, line.text)
    try:
        values = json.loads(line.text)
    except json.JSONDecodeError as error:
        problem = f"broken JSON ({error.msg} at character {error.pos + 1}); expected one JSON object a line"
        return Record(line.number, {}, problem, line.text)
    except (RecursionError, ValueError) as error:
        return Record(line.number, {}, f"JSON that cannot be read ({error}); expected one flat object", line.text)
    if not isinstance(values, dict):
        problem = f"the line holds {kind_of(values)}; expected a JSON object such as {{{DEFAULT_COLUMN!r}: …}}"
        return Record(line.number, {}, problem.replace("'", '"'), line.text)
    return Record(line.number, values)


def read_parquet(source: Source, selection: Selection) -> Iterator[Rows]:
    """Row groups, streamed; other columns keep their types, dictionary-encoded ones become plain."""
    import pyarrow as pa

    with _parquet_file(source) as file:
        column = choose_column(source, file.schema_arrow.names, selection)
        wanted = [column, *([selection.instruction_column] if selection.instruction_column else [])]
        for name in wanted:
            _check_text_type(source, name, file.schema_arrow.field(name).type)
        first = 1
        for batch in file.iter_batches(batch_size=selection.n_rows):
            table = _plain(pa.Table.from_batches([batch]))
            values = zip(*(table.column(name).to_pylist() for name in wanted), strict=True)
            records = [Record(first + row, dict(zip(wanted, one, strict=True))) for row, one in enumerate(values)]
            yield block(source, records, column, selection, partial(_rows_of, table, first))
            first += len(records)


def _parquet_records(source: Source) -> Iterator[Record]:
    with _parquet_file(source) as file:
        number = 0
        for batch in file.iter_batches():
            for values in batch.to_pylist():
                number += 1
                yield Record(number, values)


@contextmanager
def _parquet_file(source: Source) -> Iterator[pq.ParquetFile]:
    """An open file; what is wrong with it is said as an error about the source."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(source.path) as file:
            yield file
    except OSError as error:
        raise FileError(
            f"{source.name}: cannot be read as Parquet ({error}); the file may be damaged or cut off"
        ) from None
    except pa.ArrowException as error:
        raise FileError(
            f"{source.name}: not a whole Parquet file ({error}); expected Parquet, or say what it is with --format"
        ) from None


def _rows_of(table: pa.Table, first: int, _: Source, kept: list[Record]) -> pa.Table:
    """The rows of ``table``, the first of which has number ``first``, that ``kept`` stands for."""
    import pyarrow as pa

    return table.take(pa.array([record.number - first for record in kept], pa.int64()))


def _check_text_type(source: Source, name: str, kind: pa.DataType) -> None:
    import pyarrow as pa

    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    if not (pa.types.is_string(value) or pa.types.is_large_string(value) or pa.types.is_string_view(value)):
        raise FileError(
            f"{source.name}: column {name!r} is of type {kind}; expected text (string). "
            "Name another with --column, or convert it"
        )


def _plain(table: pa.Table) -> pa.Table:
    """Without dictionaries, which differ between row groups, and without pandas' notes."""
    import pyarrow as pa

    for place, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            plain = table.column(place).cast(field.type.value_type)
            table = table.set_column(place, field.name, plain)
    return table.replace_schema_metadata(None)


Reader: TypeAlias = Callable[[Source, Selection], Iterator[Rows]]
READERS: dict[Format, Reader] = {
    "txt": read_txt,
    "csv": read_delimited,
    "tsv": read_delimited,
    "jsonl": read_jsonl,
    "parquet": read_parquet,
}
