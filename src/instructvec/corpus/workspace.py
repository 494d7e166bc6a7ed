"""The working folder ``OUT.partial``: held by one process, and what in it or under ``OUT`` may be continued.

Knows manifests and existing outputs; nothing of rows, encoders or how an output is assembled.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from instructvec.corpus.files import explained
from instructvec.corpus.manifest import NAME as MANIFEST
from instructvec.corpus.manifest import Job, Manifest, is_whole
from instructvec.corpus.writers import WRITERS, read_job, writer_for
from instructvec.errors import InputError, OutputError, OutputExists

PARTIAL = ".partial"
REJECTED = ".rejected.jsonl"
SPOOLED = "stdin"
_LOCK = "lock"


def partial_of(out: Path) -> Path:
    """The working folder of an output."""
    return out.with_name(out.name + PARTIAL)


@contextmanager
def working_folder(out: Path) -> Iterator[Path]:
    """``OUT.partial``, held by this process alone; gone afterwards unless it holds work to continue."""
    folder = partial_of(out)
    with explained(folder):
        folder.mkdir(exist_ok=True)
    with (folder / _LOCK).open("wb") as lock:
        _hold(lock.fileno(), out)
        try:
            yield folder
        finally:
            if not _holds_work(folder):
                remove(folder)


def _hold(descriptor: int, out: Path) -> None:
    try:
        import fcntl
    except (
        ImportError
    ):  # Windows has no advisory locks of this kind; two runs at once are then the user's to avoid.
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise OutputError(f"{out}: another process is writing it at this moment; wait for it to end") from None


def _holds_work(folder: Path) -> bool:
    try:
        manifest = Manifest.load(folder)
    except InputError:
        return True
    return manifest is not None and bool(manifest.entries)


def remove(folder: Path) -> None:
    """Delete the working folder, its manifest first, so that what is left of it is never taken for work."""
    (folder / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def begin(out: Path, folder: Path, job: Job, *, overwrite: bool) -> Manifest | None:
    """The manifest to continue or a new one; ``None`` where the output is up to date.

    Raises:
        OutputExists: there is other work under this name, and ``overwrite`` is not set.
    """
    manifest = _begun(out, folder, job, overwrite=overwrite)
    if manifest is not None:
        return manifest
    if _is_up_to_date(out, job, overwrite=overwrite):
        return None
    with explained(folder):
        for path in folder.iterdir():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name not in (_LOCK, SPOOLED):
                path.unlink()
    return Manifest.create(folder, job)


def _begun(out: Path, folder: Path, job: Job, *, overwrite: bool) -> Manifest | None:
    """The manifest of an earlier run, if it may be continued; its shards are whole."""
    try:
        manifest = Manifest.load(folder)
        differences = [] if manifest is None else manifest.job.differences(job, grouping=True)
    except InputError as error:
        manifest, differences = None, [str(error)]
    if not differences:
        return None if manifest is None else _without_damaged(manifest, folder)
    if overwrite:
        return None
    raise OutputExists(
        f"{out}: {folder} holds unfinished work that was begun differently:\n"
        + "".join(f"  - {one}\n" for one in differences)
        + "Run it as it was begun to continue it, or pass --overwrite (overwrite=True) to start anew"
    )


def _without_damaged(manifest: Manifest, folder: Path) -> Manifest:
    """The manifest with its shards up to the first that is missing or changed."""
    entries = manifest.entries
    whole = next((at for at, entry in enumerate(entries) if not is_whole(folder, entry)), len(entries))
    if whole == len(entries):
        return manifest
    renewed = Manifest.create(folder, manifest.job)
    for entry in entries[:whole]:
        renewed.append(entry)
    if manifest.committing:
        renewed.mark_committing()
    return renewed


def _is_up_to_date(out: Path, job: Job, *, overwrite: bool) -> bool:
    """Whether the output is there, made from the same.

    Raises:
        OutputExists: it is there, made from something else, and ``overwrite`` is not set.
    """
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return False
    there = read_job(out)
    if there is None:
        is_folder = writer_for(out) is WRITERS[""]
        if overwrite and not is_folder:
            return False
        remedy = "choose another name" + ("" if is_folder else ", or pass --overwrite (overwrite=True)")
        raise OutputExists(f"{out}: exists, and was not written by instructvec embed; {remedy}")
    if job.options["instruction_column"] is not None:
        there = replace(there, contract=replace(there.contract, instructions=()))
    differences = there.differences(job)
    if not differences or overwrite:
        return not differences
    raise OutputExists(
        f"{out}: exists, made differently:\n"
        + "".join(f"  - {one}\n" for one in differences)
        + "Choose another name, or pass --overwrite (overwrite=True) to replace it"
    )
