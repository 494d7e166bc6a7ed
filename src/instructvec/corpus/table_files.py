"""A table -> a file that people and programs open: csv, tsv, jsonl or Parquet.

Knows formats; nothing of what the columns mean. The file is whole or absent. Formats: RFC 4180 (CSV),
jsonlines.org, Apache Parquet.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from instructvec.corpus.files import writing
from instructvec.errors import ConfigError, OutputError, OutputExists

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_ROWS = 8192


def write_table(table: pa.Table, out: Path, *, overwrite: bool = True) -> None:
    """Write a table under the format of the suffix of ``out``.

    Args:
        table: columns of any type; in csv and tsv, null is an empty field and a list is JSON.
        out: ``.csv``, ``.tsv``, ``.jsonl`` or ``.parquet``.
        overwrite: whether a file that is there already is replaced.

    Raises:
        ConfigError: another suffix.
        OutputError: the file cannot be written, or is there and must not be replaced.
    """
    write = table_writer(out)
    if not overwrite and out.exists():
        raise OutputExists(f"{out}: is there already; give another name, or --overwrite to replace it")
    with writing(out, table.nbytes) as file:
        write(table, file)


def table_writer(out: Path) -> Callable[[pa.Table, BinaryIO], None]:
    """The writer for a path; worth asking for before long work.

    Raises:
        ConfigError: a suffix that names no format.
        OutputError: there is no such folder.
    """
    try:
        writer = _WRITERS[out.suffix.lower()]
    except KeyError:
        raise ConfigError(
            f"output {out}: the suffix {out.suffix!r} names no kind of table; expected {', '.join(_WRITERS)}"
        ) from None
    check_folder(out)
    return writer


def check_folder(out: Path) -> None:
    """Refuse a file in a folder that is not there; worth asking before long work.

    Raises:
        OutputError: naming both.
    """
    if not out.parent.is_dir():
        raise OutputError(f"{out}: there is no folder {out.parent}; make it first, or give another name")


def _write_delimited(table: pa.Table, file: BinaryIO, dialect: str) -> None:
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, dialect, lineterminator="\n")
    writer.writerow(table.column_names)
    for batch in table.to_batches(_BLOCK_ROWS):
        columns = [[_field(value) for value in column.to_pylist()] for column in batch.columns]
        writer.writerows(zip(*columns, strict=True))
    text.flush()
    text.detach()


def _field(value: Any) -> Any:
    if value is None or isinstance(value, str | int | float):
        return value
    return value.isoformat() if isinstance(value, datetime | date | time) else _json(value)


def _write_jsonl(table: pa.Table, file: BinaryIO) -> None:
    for batch in table.to_batches(_BLOCK_ROWS):
        file.writelines(f"{_json(row)}\n".encode() for row in batch.to_pylist())


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _write_parquet(table: pa.Table, file: BinaryIO) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, file)


_WRITERS: dict[str, Callable[[Any, BinaryIO], None]] = {
    ".csv": lambda table, file: _write_delimited(table, file, "excel"),
    ".tsv": lambda table, file: _write_delimited(table, file, "excel-tab"),
    ".jsonl": _write_jsonl,
    ".parquet": _write_parquet,
}
