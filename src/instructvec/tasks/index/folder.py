"""An index's rows, graph and words <-> files in a folder, whole at every moment.

Knows files; nothing of search. New files get new names, each is on disk before the manifest that names it replaces
the old one, and files that are no longer named stay for one more generation: who was killed while writing has
changed nothing, and who is reading goes on reading. One process writes at a time, which a lock sees to.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from instructvec.corpus.files import explained, writing
from instructvec.errors import FileError, OutputError, OutputExists
from instructvec.tasks.index.encoding import Settings
from instructvec.tasks.index.graph import Graph
from instructvec.tasks.index.manifest import FILE_NAME, NAME, Manifest, StoredFile, StoredSegment
from instructvec.tasks.index.rows import Rows, Segment
from instructvec.tasks.index.words import Words

if TYPE_CHECKING:
    import pyarrow as pa

LOCK = "lock"


@dataclass(frozen=True, slots=True)
class Contents:
    """All of an index in memory.

    Attributes:
        settings: what it is for.
        rows: its documents.
        next_id: the next number that is given as an id.
        graph: over the first rows; ``None`` where search is exact.
        graph_file: where it is on disk as it is here; ``""`` where it is not.
        words: of all rows; ``None`` where they were not counted or read yet.
        words_file: as ``graph_file``.
    """

    settings: Settings
    rows: Rows
    next_id: int
    graph: Graph | None = None
    graph_file: str = ""
    words: Words | None = None
    words_file: str = ""


class WriterLock:
    """Keeps other processes from writing a folder until it is released; dies with the process.

    Args:
        folder: is made where it is not there.

    Raises:
        OutputError: another holds it, or the folder cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        with explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor: int | None = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _hold(self._descriptor, folder)
        except BaseException:
            self.release()
            raise

    def release(self) -> None:
        """Let others write."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _hold(descriptor: int, folder: Path) -> None:
    try:
        import fcntl
    except ImportError:  # Windows has no such locks; a save still notices that another came between.
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise OutputError(
            f"{folder}: another process is changing this index at the moment; wait for it to end, and try again "
            "(searching is possible meanwhile)"
        ) from None


def check_new(folder: Path, *, overwrite: bool) -> None:
    """Refuse a place for a new index that is taken.

    Raises:
        OutputExists: something else is there, or an index that is not to be replaced.
    """
    if (folder / NAME).is_file():
        if not overwrite:
            raise OutputExists(
                f"{folder}: an index is there already; give another name, or overwrite (--overwrite)"
            )
    elif folder.exists() and (not folder.is_dir() or any(_foreign(one.name) for one in folder.iterdir())):
        raise OutputExists(f"{folder}: is there already and no index; expected a new or empty folder")


def _foreign(name: str) -> bool:
    """Whether a name is none that an interrupted first build leaves."""
    return name != LOCK and not FILE_NAME.fullmatch(name.removesuffix(".tmp")) and name != f"{NAME}.tmp"


def generation_of(folder: Path) -> int:
    """The generation on disk; 0 where there is no index."""
    return Manifest.read(folder).generation if (folder / NAME).is_file() else 0


def load(folder: Path) -> tuple[Manifest, Contents]:
    """The index in a folder; vectors and graph are mapped, not read.

    Raises:
        FileError: no index, a file that is missing or damaged.
        ContractMismatch: written by a newer version of this package.
    """
    while True:
        manifest = Manifest.read(folder)
        try:
            manifest.check(folder)
            return manifest, _read(folder, manifest)
        except (FileError, FileNotFoundError):
            # Two saves later the files of a generation are gone: then there is a newer one to read.
            if Manifest.read(folder).generation == manifest.generation:
                raise


def _read(folder: Path, manifest: Manifest) -> Contents:
    dimension = manifest.settings.contract.dimension
    segments = tuple(_read_segment(folder, one, dimension) for one in manifest.segments)
    graph = None
    if manifest.graph:
        path = folder / manifest.graph
        graph = Graph.read(path, manifest.graph_scale, manifest.graph_rows, dimension)
    return Contents(
        manifest.settings, Rows(segments), manifest.next_id, graph, manifest.graph, None, manifest.words
    )


def _read_segment(folder: Path, stored: StoredSegment, dimension: int) -> Segment:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(folder / stored.rows)
        vectors = np.load(folder / stored.vectors, mmap_mode="r" if stored.n_rows else None, allow_pickle=False)
        deleted = np.load(folder / stored.deleted, allow_pickle=False) if stored.deleted else np.empty(0, np.int64)
    except (ValueError, pa.ArrowException) as error:
        raise FileError(f"{folder / stored.rows}: cannot be read ({error}); build the index again") from None
    if table.num_rows != stored.n_rows or vectors.shape != (stored.n_rows, dimension):
        raise FileError(
            f"{folder / stored.vectors}: {vectors.shape} vectors for {table.num_rows} rows; expected "
            f"({stored.n_rows}, {dimension}): build the index again"
        )
    return Segment(table, vectors.view(np.ndarray), deleted, (stored.rows, stored.vectors, stored.deleted))


def save(folder: Path, contents: Contents, before: Manifest | None, *, copied: bool) -> tuple[Manifest, Contents]:
    """Write what is not on disk yet, then the manifest, then remove what two generations do not name.

    Args:
        folder: held by a :class:`WriterLock`.
        contents: the index.
        before: the manifest on disk that this one follows; ``None`` where there is none that can be read.
        copied: whether ``contents`` stem from another place, so that no file of theirs is here.

    Returns:
        The manifest written, and the contents with the names of their files.

    Raises:
        OutputError: the disk is full, or the folder cannot be written.
    """
    generation = _last_generation(folder) + 1 if before is None else before.generation + 1
    files: dict[str, StoredFile] = {} if before is None else dict(before.files)
    names = _Names(folder, generation, files)
    segments = []
    for number, one in enumerate(contents.rows.segments):
        segments.append(_write_segment(replace(one, files=("", "", "")) if copied else one, names, number))
    contents = replace(contents, rows=Rows(tuple(segments)))
    contents = _write_graph(replace(contents, graph_file="", words_file="") if copied else contents, names)
    contents = _write_words(contents, names)
    used = {name for one in segments for name in one.files} | {contents.graph_file, contents.words_file}
    manifest = Manifest(
        generation,
        contents.settings,
        contents.next_id,
        tuple(StoredSegment(*one.files, len(one)) for one in segments),
        {name: stored for name, stored in files.items() if name in used},
        contents.graph_file,
        0 if contents.graph is None else len(contents.graph),
        0.0 if contents.graph is None else contents.graph.scale,
        contents.words_file,
        () if before is None else tuple(before.files),
    )
    with writing(folder / NAME) as file:
        file.write(manifest.to_json().encode())
    _remove_others(folder, {*manifest.files, *manifest.previous})
    return manifest, contents


@dataclass(frozen=True, slots=True)
class _Names:
    """Writes files of a generation, and notes what was written."""

    folder: Path
    generation: int
    files: dict[str, StoredFile]

    def write(self, kind: str, suffix: str, write: Callable[[BinaryIO], Any], number: int | None = None) -> str:
        name = f"{kind}-{self.generation:06d}{'' if number is None else f'-{number}'}.{suffix}"
        with writing(self.folder / name) as file:
            write(file)
        self.files[name] = StoredFile.of(self.folder / name)
        return name


def _write_segment(segment: Segment, names: _Names, number: int) -> Segment:
    rows, vectors, deleted = segment.files
    rows = rows or names.write("rows", "parquet", lambda file: _write_table(segment.table, file), number)
    vectors = vectors or names.write(
        "vectors", "npy", lambda file: np.save(file, segment.vectors, allow_pickle=False), number
    )
    if not deleted and len(segment.deleted):
        deleted = names.write(
            "deleted", "npy", lambda file: np.save(file, segment.deleted, allow_pickle=False), number
        )
    return replace(segment, files=(rows, vectors, deleted))


def _write_table(table: pa.Table, file: BinaryIO) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, file, compression="zstd")


def _write_graph(contents: Contents, names: _Names) -> Contents:
    graph = contents.graph
    if graph is None or contents.graph_file:
        return contents
    return replace(contents, graph_file=names.write("graph", "usearch", lambda file: graph.write(Path(file.name))))


def _write_words(contents: Contents, names: _Names) -> Contents:
    if not contents.settings.hybrid or contents.words_file:
        return contents
    words = contents.words or Words.of(contents.rows.texts())
    return replace(contents, words=words, words_file=names.write("words", "npz", words.write))


def _last_generation(folder: Path) -> int:
    """The greatest generation that a file in the folder names; an unreadable index is not written over."""
    found = (FILE_NAME.fullmatch(one.name) for one in folder.iterdir())
    return max((int(one[2]) for one in found if one is not None), default=0)


def _remove_others(folder: Path, kept: set[str]) -> None:
    for path in folder.iterdir():
        if path.name not in kept and FILE_NAME.fullmatch(path.name.removesuffix(".tmp")):
            with suppress(OSError):  # in use on Windows: the next save removes it
                path.unlink()
