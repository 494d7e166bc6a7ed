"""Finished shards in the working folder -> the output in its place, in steps that may be cut off and repeated.

Knows shards, writers and renames; nothing of encoders or inputs. The manifest's last line says that the steps
have begun: a rerun that finds it assembles again from the shards and repeats them all.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from instructvec.checkpoints.contract import distinct_instructions
from instructvec.corpus.files import explained, sync_folder, writing
from instructvec.corpus.manifest import Job, Manifest
from instructvec.corpus.workspace import REJECTED, remove
from instructvec.corpus.writers import Shards, beside, read_column, read_schema, write_beside, writer_for
from instructvec.errors import FileError, InputError

if TYPE_CHECKING:
    import pyarrow as pa

_ASSEMBLED = "assembled"
_REPLACED = "replaced"


def finish(out: Path, folder: Path, manifest: Manifest) -> Job:
    """Assemble the output from the shards and put it in place; the working folder is gone afterwards.

    Returns:
        The job, its contract complete.

    Raises:
        InputError: there is not one row.
        OutputError: the output cannot be written.
    """
    paths = [folder / entry.name for entry in manifest.entries if entry.name]
    if not paths:
        n_rejected = sum(entry.n_rejected for entry in manifest.entries)
        reason = _first_reason(folder) if n_rejected else ""
        remove(folder)
        names = ", ".join(str(one["name"]) for one in manifest.job.inputs[:5])
        raise InputError(
            f"no rows to embed in {names}: expected at least one row of text"
            + (f"; all {n_rejected} rows were rejected, the first because {reason}" if n_rejected else "")
        )
    schema = None
    for path in paths:
        schema = merge_schemas(schema, read_schema(path), path.name)
    n_rows = sum(entry.n_rows for entry in manifest.entries)
    shards = Shards(paths, schema, n_rows, _complete(manifest.job, paths))
    assembled = folder / _ASSEMBLED
    if assembled.is_dir():
        shutil.rmtree(assembled)
    writer_for(out).write(shards, assembled)
    manifest.mark_committing()
    _put_in_place(out, folder, shards, _rejected_of(manifest, folder))
    remove(folder)
    return shards.job


def merge_schemas(schema: pa.Schema | None, other: pa.Schema, where: str) -> pa.Schema:
    """The schema that holds both, without metadata: columns of either, numbers widened, null made anything.

    Raises:
        FileError: a column has two types that no common one holds.
    """
    import pyarrow as pa

    other = other.remove_metadata()
    if schema is None:
        return other
    try:
        return pa.unify_schemas([schema, other], promote_options="permissive")
    except pa.ArrowException as error:
        raise FileError(
            f"{where}: a column has another type here than in the rows before ({error}); "
            "give it one type throughout, or leave it out of the input"
        ) from None


def _complete(job: Job, paths: list[Path]) -> Job:
    """The job with the instructions that its column turned out to hold."""
    column = job.options["instruction_column"]
    if column is None:
        return job
    seen: dict[str, None] = {}
    for path in paths:
        seen.update(dict.fromkeys(read_column(path, column)))
    return replace(job, contract=replace(job.contract, instructions=distinct_instructions(seen)))


def _rejected_of(manifest: Manifest, folder: Path) -> list[Path]:
    return [folder / f"shard-{entry.index:06d}{REJECTED}" for entry in manifest.entries if entry.n_rejected]


def _first_reason(folder: Path) -> str:
    first = min(folder.glob(f"shard-*{REJECTED}")).read_text("utf-8").split("\n", 1)[0]
    return str(json.loads(first)["reason"])


def _put_in_place(out: Path, folder: Path, shards: Shards, rejected: list[Path]) -> None:
    """Rename; what stood beside an older output goes before it, so that it never describes the new one."""
    report = out.with_name(out.name + REJECTED)
    if rejected:
        with writing(report) as file:
            for path in rejected:
                file.write(path.read_bytes())
    with explained(out):
        if not rejected:
            report.unlink(missing_ok=True)
        side = beside(out)
        if side is not None:
            side.unlink(missing_ok=True)
        if out.is_dir():
            shutil.rmtree(folder / _REPLACED, ignore_errors=True)
            out.rename(folder / _REPLACED)
        (folder / _ASSEMBLED).replace(out)
        sync_folder(out.parent)
    if side is not None:
        write_beside(shards.job, shards.n_rows, side)
