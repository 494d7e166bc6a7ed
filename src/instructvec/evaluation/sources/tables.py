"""A data file (jsonl, csv, tsv, parquet; text formats also gzipped) -> rows with named columns.

Knows file formats; nothing of what the columns mean. Formats: jsonlines.org, RFC 4180 (CSV), Apache Parquet, and
BEIR's judgements (three fields separated by tabs, a header or none).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from instructvec.corpus import readers
from instructvec.corpus.lines import Line, read_lines
from instructvec.corpus.records import Selection, kind_of
from instructvec.corpus.sources import Source, source_of
from instructvec.errors import FileError
from instructvec.evaluation.sources.rows import Rows, columns_of

QRELS = ("query-id", "corpus-id", "score")
_SCORES = ("score", "relevance", "rel", "label")
"""What the last field is called in a header, which judgements may have or not."""


def read_table(path: Path, columns: Mapping[str, str], main: str) -> Rows:
    """The rows of a file, by its suffix.

    Args:
        path: the file.
        columns: our field -> the file's column.
        main: the field that every kind of row has.

    Raises:
        FileError: the file cannot be read as its format; names the line.
    """
    source = source_of(path)
    if source.format == "jsonl":
        return read_jsonl(path, columns)
    if source.format == "parquet":
        return _read_parquet(source, columns)
    if source.format == "txt":
        raise FileError(f"{path}: a text file has no columns; expected .jsonl, .csv, .tsv or .parquet")
    return _read_delimited(source, columns, columns.get(main, main))


def read_jsonl(path: Path, columns: Mapping[str, str]) -> Rows:
    """One JSON object a line, blank lines passed over.

    Raises:
        FileError: the file is missing, no whole gzip, not UTF-8, or has a line that is no JSON object.
    """
    source = source_of(path)
    records: list[dict[str, Any]] = []
    numbers: list[int] = []
    for line in _lines(source):
        records.append(_object(source, line))
        numbers.append(line.number)
    if not records:
        raise FileError(f"{source.name}: empty; expected one JSON object a line")
    return Rows(source.name, "line", numbers, columns_of(records), columns)


def read_qrels_file(path: Path) -> Rows:
    """Judgements: query id, document id and relevance, separated by tabs.

    Raises:
        FileError: a line has another number of fields.
    """
    source = Source(path, str(path), "tsv", path.suffix.lower() == ".gz")
    numbers: list[int] = []
    fields: list[list[str]] = []
    for line in _lines(source):
        own = line.text.split("\t")
        if not numbers and not fields and line.number == 1 and own[-1].strip().lower() in _SCORES:
            continue
        if len(own) != len(QRELS):
            raise FileError(
                f"{source.name}, line {line.number}: {len(own)} fields; expected three separated by tabs: "
                "query id, document id, relevance"
            )
        numbers.append(line.number)
        fields.append(own)
    if not fields:
        raise FileError(f"{source.name}: no judgements; expected lines of query id, document id and relevance")
    values = {name: [own[at] for own in fields] for at, name in enumerate(QRELS)}
    return Rows(source.name, "line", numbers, values, as_text=True)


def _lines(source: Source) -> Iterator[Line]:
    for line in read_lines(source):
        if line.problem:
            raise FileError(f"{source.name}, line {line.number}: {line.problem}")
        if line.text and not line.text.isspace():
            yield line


def _object(source: Source, line: Line) -> dict[str, Any]:
    where = f"{source.name}, line {line.number}"
    try:
        record = json.loads(line.text)
    except json.JSONDecodeError as error:
        raise FileError(
            f"{where}: broken JSON ({error.msg} at character {error.pos + 1}); expected one JSON object a line"
        ) from None
    except (RecursionError, ValueError) as error:
        raise FileError(f"{where}: JSON that cannot be read ({error}); expected one flat object") from None
    if not isinstance(record, dict):
        raise FileError(f"{where}: the line holds {kind_of(record)}; expected a JSON object")
    return record


def _read_delimited(source: Source, columns: Mapping[str, str], main: str) -> Rows:
    blocks = list(readers.read([source], Selection(column=main)))
    if not blocks:
        raise FileError(f"{source.name}: empty; expected a header and rows below it")
    names = blocks[0].columns.schema.names
    values = {
        name: list(chain.from_iterable(block.columns.column(name).to_pylist() for block in blocks))
        for name in names
    }
    numbers = [place.number for block in blocks for place in block.places]
    return Rows(source.name, "line", numbers, values, columns, as_text=True)


def _read_parquet(source: Source, columns: Mapping[str, str]) -> Rows:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(source.path)
    except OSError as error:
        raise FileError(f"{source.name}: cannot be read as Parquet ({error}); the file may be cut off") from None
    except pa.ArrowException as error:
        raise FileError(f"{source.name}: not a whole Parquet file ({error}); expected Parquet") from None
    return Rows(source.name, "row", range(1, table.num_rows + 1), table.to_pydict(), columns)
