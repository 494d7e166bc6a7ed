"""Finished shards -> one output: a Parquet file, an ``.npy`` matrix, JSON lines or a folder of Parquet shards.

One writer a kind, in the table :data:`WRITERS`. Each writes under a working name, a shard in memory at a time;
putting the result in place is the caller's. Knows formats; nothing of encoders, resuming or inputs. What the
vectors are travels with them: in Parquet's file metadata, else in a JSON file beside the output.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from instructvec.corpus.files import explained, writing
from instructvec.corpus.manifest import NAME as MANIFEST
from instructvec.corpus.manifest import Job
from instructvec.corpus.rows import EMBEDDING
from instructvec.errors import ConfigError, InstructvecError, OutputError

if TYPE_CHECKING:
    import pyarrow as pa

CONTRACT_KEY = b"instructvec"
JOB_KEY = b"instructvec.job"


@dataclass(frozen=True, slots=True)
class Shards:
    """What a writer is given.

    Attributes:
        paths: the shards' Parquet files, in order.
        schema: the common schema of all, without metadata.
        n_rows: rows of all shards together.
        job: what they were made from, its contract complete.
    """

    paths: list[Path]
    schema: pa.Schema
    n_rows: int
    job: Job

    def tables(self) -> Iterator[pa.Table]:
        """The shards one by one, in the common schema."""
        import pyarrow as pa

        for path in self.paths:
            table = read_shard(path)
            filled = pa.concat_tables(
                [self.schema.empty_table(), table.replace_schema_metadata(None)], promote_options="permissive"
            )
            yield filled.select(self.schema.names).cast(self.schema)


def read_shard(path: Path) -> pa.Table:
    """A shard's table."""
    import pyarrow.parquet as pq

    with pq.ParquetFile(path) as file:
        return file.read()


def read_schema(path: Path) -> pa.Schema:
    """The schema of a shard's file."""
    import pyarrow.parquet as pq

    return pq.read_schema(path)


def read_column(path: Path, name: str) -> list[Any]:
    """One column of a shard's file."""
    import pyarrow.parquet as pq

    values: list[Any] = pq.read_table(path, columns=[name]).column(name).to_pylist()
    return values


@contextmanager
def parquet_writer(schema: pa.Schema, job: Job, file: BinaryIO) -> Iterator[Any]:
    """A writer of Parquet whose file metadata says what the vectors are."""
    import pyarrow.parquet as pq

    others, element = [name for name in schema.names if name != EMBEDDING], f"{EMBEDDING}.list.element"
    # Floats do not repeat: a dictionary and a compressor would only cost time. Parquet stores 8-bit integers in 32
    # bits; a dictionary of at most 256 values brings them back to a byte.
    is_bytes = schema.field(EMBEDDING).type.value_type.bit_width == 8
    with pq.ParquetWriter(
        file,
        schema.with_metadata({CONTRACT_KEY: job.contract.to_json(), JOB_KEY: job.to_json()}),
        use_dictionary=[*others, element] if is_bytes else others,
        compression=dict.fromkeys(others, "snappy") | {element: "none"},
        write_statistics=others,
    ) as writer:
        yield writer


def write_parquet(shards: Shards, path: Path) -> None:
    """One Parquet file, a row group a shard."""
    with writing(path, _size(shards)) as file, parquet_writer(shards.schema, shards.job, file) as writer:
        for table in shards.tables():
            writer.write_table(table)


def write_folder(shards: Shards, path: Path) -> None:
    """A folder of Parquet files, each complete in itself, and the job as ``manifest.jsonl``."""
    with explained(path):
        path.mkdir(exist_ok=True)
    names = []
    for number, table in enumerate(shards.tables()):
        names.append(f"part-{number:05d}.parquet")
        with (
            writing(path / names[-1], _size(shards)) as file,
            parquet_writer(shards.schema, shards.job, file) as writer,
        ):
            writer.write_table(table)
    with writing(path / MANIFEST) as file:
        lines = [shards.job.to_line(), *(json.dumps({"name": name}) for name in names)]
        file.write(("\n".join(lines) + "\n").encode())


def write_npy(shards: Shards, path: Path) -> None:
    """The vectors alone, (n, d), in numpy's format; other columns are not carried."""
    with writing(path, _size(shards)) as file:
        for number, table in enumerate(shards.tables()):
            vectors = matrix(table)
            if number == 0:
                header = {
                    "descr": np.lib.format.dtype_to_descr(vectors.dtype),
                    "fortran_order": False,
                    "shape": (shards.n_rows, vectors.shape[1]),
                }
                np.lib.format.write_array_header_1_0(file, header)
            file.write(vectors.tobytes())


def write_jsonl(shards: Shards, path: Path) -> None:
    """One object a row: the columns, then ``embedding``."""
    with writing(path, 3 * _size(shards)) as file:
        for table in shards.tables():
            for line in _json_lines(table):
                file.write(line.encode() + b"\n")


def _json_lines(table: pa.Table) -> Iterable[str]:
    vectors = matrix(table)
    # Nine significant digits give every float32 back exactly; Python's own would write seventeen.
    form = "%.9g" if vectors.dtype.kind == "f" else "%d"
    columns = table.drop_columns([EMBEDDING]).to_pylist()
    for row, vector in zip(columns, vectors.tolist(), strict=True):
        try:
            carried = json.dumps(row, ensure_ascii=False, default=_json_value, allow_nan=False)
        except ValueError:
            carried = json.dumps(_without_nan(row), ensure_ascii=False, default=_json_value)
        numbers = ", ".join([form % value for value in vector])
        yield f'{carried[:-1]}{", " if row else ""}"{EMBEDDING}": [{numbers}]}}'


def _json_value(value: object) -> str:
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    raise OutputError(
        f"a column holds {type(value).__name__}, which JSON cannot; write .parquet, or leave the column out"
    )


def _without_nan(value: Any) -> Any:
    """JSON knows no NaN and no infinity; they become null."""
    if isinstance(value, float) and not np.isfinite(value):
        return None
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    return [_without_nan(one) for one in value] if isinstance(value, list) else value


def matrix(table: pa.Table) -> NDArray[Any]:
    """(n, d), the ``embedding`` column of a table."""
    column = table.column(EMBEDDING).combine_chunks()
    flat: NDArray[Any] = column.flatten().to_numpy(zero_copy_only=False)
    return flat.reshape(len(table), column.type.list_size)


def _size(shards: Shards) -> int:
    return sum(path.stat().st_size for path in shards.paths)


@dataclass(frozen=True, slots=True)
class Writer:
    """A kind of output.

    Attributes:
        write: writes it under a working name.
        beside: what is appended to the output's name for the JSON file beside it; ``None`` where the
            contract is inside.
    """

    write: Callable[[Shards, Path], None]
    beside: str | None = None


WRITERS: dict[str, Writer] = {
    ".parquet": Writer(write_parquet),
    ".npy": Writer(write_npy, ".json"),
    ".jsonl": Writer(write_jsonl, ".contract.json"),
    "": Writer(write_folder),
}
"""By the output's suffix; a folder has none."""


def writer_for(out: Path) -> Writer:
    """The writer for an output path.

    Raises:
        ConfigError: a suffix that names no kind of output.
    """
    if out.is_dir():
        return WRITERS[""]
    try:
        return WRITERS[out.suffix.lower()]
    except KeyError:
        raise ConfigError(
            f"output {out}: the suffix {out.suffix!r} names no kind of output; expected .parquet, .npy, .jsonl, "
            "or no suffix for a folder of Parquet shards"
        ) from None


def beside(out: Path) -> Path | None:
    """The JSON file that belongs to the output ``out``, if its kind has one."""
    tail = writer_for(out).beside
    return None if tail is None else out.with_name(out.name + tail)


def write_beside(job: Job, n_rows: int, path: Path) -> None:
    """The contract, the number of rows and the job, as JSON."""
    content = f'{{"rows": {n_rows}, "contract": {job.contract.to_json()}, "job": {job.to_json()}}}'
    with writing(path) as file:
        file.write(content.encode() + b"\n")


def read_job(out: Path) -> Job | None:
    """What an existing output was made from; ``None`` where it was not written by this package."""
    try:
        if out.is_dir():
            return Job.from_line((out / MANIFEST).read_text("utf-8").split("\n", 1)[0])
        if (path := beside(out)) is not None:
            return Job.from_line(path.read_text("utf-8"))
        found = read_schema(out).metadata or {}
        return Job.from_json(found[JOB_KEY].decode(), found[CONTRACT_KEY].decode())
    except (InstructvecError, OSError, KeyError, ValueError):
        return None
