"""A file that ``embed`` wrote -> its columns, its vectors and the contract they were made under; and back.

Knows the four kinds of output of ``writers.py``; nothing of encoders or of what the vectors are used for. A file
without a contract is no embedded file, whatever columns it has.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.contract import EmbeddingContract
from instructvec.corpus.files import writing
from instructvec.corpus.manifest import Job
from instructvec.corpus.rows import EMBEDDING
from instructvec.corpus.writers import CONTRACT_KEY, JOB_KEY, WRITERS, matrix, parquet_writer
from instructvec.errors import ContractMismatch, FileError, InstructvecError

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedFile:
    """What an embedded file holds.

    Attributes:
        name: the file as the user named it.
        columns: n rows of every other column; none in an ``.npy`` file.
        vectors: (n, d) of the contract's precision.
        contract: under which they were made.
        column: the column that was embedded, where the file says so.
    """

    name: str
    columns: pa.Table
    vectors: NDArray[Any]
    contract: EmbeddingContract
    column: str | None


def is_embedded(path: Path) -> bool:
    """Whether a file or folder carries a contract, as the outputs of ``embed`` do. Reads no rows."""
    try:
        if path.is_dir():
            first = next(iter(sorted(path.glob("part-*.parquet"))), None)
            return first is not None and is_embedded(first)
        if path.suffix.lower() in (".parquet", ".pq"):
            import pyarrow.parquet as pq

            return CONTRACT_KEY in (pq.read_schema(path).metadata or {})
        return (side := _side_of(path)) is not None and side.is_file()
    except Exception:  # a damaged file is named by whoever reads it
        return False


def read_embedded(path: Path) -> EmbeddedFile:
    """All of an embedded file, in memory.

    Args:
        path: ``.parquet``, a folder of its shards, ``.jsonl`` or ``.npy`` with its contract beside it.

    Raises:
        FileError: not such a file, or damaged.
        ContractMismatch: made by a newer version of this package.
    """
    try:
        if path.is_dir():
            return _read_folder(path)
        if path.suffix.lower() == ".npy":
            return _read_npy(path)
        if path.suffix.lower() == ".jsonl":
            return _read_jsonl(path)
        return _read_parquet(path)
    except ContractMismatch as error:
        raise ContractMismatch(f"{path}: {error}") from None
    except FileError:
        raise
    except (InstructvecError, OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(
            f"{path}: cannot be read as a file of vectors ({error}); expected one that instructvec embed wrote"
        ) from None


def write_embedded(
    columns: pa.Table, vectors: NDArray[np.float32], contract: EmbeddingContract, column: str, path: Path
) -> None:
    """Vectors that were not made by ``embed``, as a Parquet file such as it writes.

    Args:
        columns: n rows of every other column.
        vectors: (n, d) float32.
        contract: what they are.
        column: the column that holds their texts.
        path: the file; replaced if it exists.

    Raises:
        OutputError: it cannot be written.
    """
    import pyarrow as pa

    listed = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel(), pa.float32()), vectors.shape[1])
    table = columns.append_column(EMBEDDING, listed) if columns.num_columns else pa.table({EMBEDDING: listed})
    job = Job(contract, [], {"column": column})
    with writing(path, vectors.nbytes) as file, parquet_writer(table.schema, job, file) as writer:
        writer.write_table(table)


def _read_folder(path: Path) -> EmbeddedFile:
    import pyarrow as pa

    parts = [_read_parquet(one) for one in sorted(path.glob("part-*.parquet"))]
    if not parts:
        raise FileError(f"{path}: no part-*.parquet in it; expected a folder that instructvec embed wrote")
    for one in parts[1:]:
        parts[0].contract.check(one.contract)
    return EmbeddedFile(
        str(path),
        pa.concat_tables([one.columns for one in parts], promote_options="permissive"),
        np.concatenate([one.vectors for one in parts]),
        parts[0].contract,
        parts[0].column,
    )


def _read_parquet(path: Path) -> EmbeddedFile:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise FileError(
            f"{path}: cannot be read as Parquet ({error}); the file may be damaged or cut off"
        ) from None
    known = table.schema.metadata or {}
    if CONTRACT_KEY not in known or EMBEDDING not in table.column_names:
        raise FileError(f"{path}: holds no vectors with a contract; expected a file that instructvec embed wrote")
    job = json.loads(known[JOB_KEY]) if JOB_KEY in known else {}
    return EmbeddedFile(
        str(path),
        table.drop_columns([EMBEDDING]).replace_schema_metadata(None),
        matrix(table),
        EmbeddingContract.from_json(known[CONTRACT_KEY].decode()),
        job.get("options", {}).get("column"),
    )


def _read_npy(path: Path) -> EmbeddedFile:
    import pyarrow as pa

    contract, column = _beside(path)
    return EmbeddedFile(str(path), pa.table({}), np.load(path, allow_pickle=False), contract, column)


def _read_jsonl(path: Path) -> EmbeddedFile:
    import pyarrow as pa

    contract, column = _beside(path)
    rows: list[dict[str, Any]] = []
    vectors: list[list[float]] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                row = json.loads(line)
                vectors.append(row.pop(EMBEDDING))
            except (ValueError, KeyError, AttributeError, TypeError) as error:
                raise FileError(
                    f"{path}, line {number}: no row with a vector ({error}); expected what instructvec embed wrote"
                ) from None
            rows.append(row)
    kind = "float32" if contract.precision.startswith("float") else "int64"
    return EmbeddedFile(str(path), pa.Table.from_pylist(rows), np.asarray(vectors, kind), contract, column)


def _beside(path: Path) -> tuple[EmbeddingContract, str | None]:
    side = _side_of(path)
    if side is None or not side.is_file():
        raise FileError(
            f"{path}: its contract is missing; expected {side} beside it, as instructvec embed writes it"
        )
    content = json.loads(side.read_text("utf-8"))
    contract = EmbeddingContract.from_json(json.dumps(content["contract"]))
    return contract, content.get("job", {}).get("options", {}).get("column")


def _side_of(path: Path) -> Path | None:
    writer = WRITERS.get(path.suffix.lower())
    return None if writer is None or writer.beside is None else path.with_name(path.name + writer.beside)
