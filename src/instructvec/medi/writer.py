"""Tables of rows -> the shards of a mixture, put in place with their manifest by one rename of their folder.

Knows the folder's layout; nothing of how rows were found. Because the folder is renamed whole, there is never a
shard without its line in the manifest, nor a line without its shard. An earlier mixture stands beside, as
``.OUT.earlier``, until the new one is in its place; a writer that finds nothing else puts it back.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructvec.corpus.files import explained, sync_folder, writing
from instructvec.errors import OutputExists
from instructvec.medi.manifest import MANIFEST
from instructvec.medi.triplets import Triplet, from_table, schema

if TYPE_CHECKING:
    import pyarrow as pa


EARLIER = "earlier"


class MixtureWriter:
    """Writes the shards of a mixture beside its final place.

    Args:
        out: the final folder.
        shard_rows: rows of a shard at most.

    Attributes:
        folder: where shards are written until :meth:`commit`.
        shards: name, rows, bytes and SHA-256 of each that is written.

    Raises:
        OutputExists: something else than a mixture is at ``out``, or in the way beside it.
        OutputError: the folder cannot be made.
    """

    def __init__(self, out: Path, shard_rows: int) -> None:
        out = out.resolve()  # of a link, what it points to is replaced
        self.out = out
        self.folder, self._earlier = (out.with_name(f".{out.name}.{name}") for name in ("partial", EARLIER))
        self.shards: list[dict[str, Any]] = []
        self._shard_rows = shard_rows
        self._waiting: list[pa.Table] = []
        check_replaceable(out)
        with explained(self.folder):
            if not out.exists() and (self._earlier / MANIFEST).is_file():  # killed between the two renames
                self._earlier.rename(out)
            self._discard_earlier()
            _check_ours(self.folder)
            shutil.rmtree(self.folder, ignore_errors=True)
            self.folder.mkdir(parents=True)

    def add(self, table: pa.Table) -> None:
        """Rows of the schema; written when a shard is full."""
        import pyarrow as pa

        self._waiting.append(table)
        while sum(one.num_rows for one in self._waiting) >= self._shard_rows:
            whole = pa.concat_tables(self._waiting)
            self._write(whole.slice(0, self._shard_rows))
            self._waiting = [whole.slice(self._shard_rows)]

    def finish(self) -> None:
        """Write what is left."""
        import pyarrow as pa

        rest = pa.concat_tables(self._waiting) if self._waiting else schema().empty_table()
        self._waiting = []
        if rest.num_rows or not self.shards:
            self._write(rest)

    def tables(self) -> Iterator[pa.Table]:
        """What is written so far, a shard at a time."""
        import pyarrow.parquet as pq

        for shard in self.shards:
            yield pq.read_table(self.folder / shard["name"])

    def triplets(self) -> Iterator[Triplet]:
        """What is written so far, row by row."""
        for table in self.tables():
            yield from from_table(table)

    def texts(self) -> Iterator[str]:
        """Every text that is written so far, each once a shard."""
        import pyarrow.compute as pc

        for table in self.tables():
            sides = [table.column(name) for name in ("query", "positive", "negative")]
            own = [pc.drop_null(pc.unique(side)).to_pylist() for side in sides]
            yield from dict.fromkeys(text for side in own for text in side)

    def commit(self, manifest: Mapping[str, Any]) -> None:
        """Write the manifest and put the folder in place of an earlier mixture.

        Raises:
            OutputError: it cannot be written or moved.
        """
        with writing(self.folder / MANIFEST) as file:
            file.write((json.dumps(manifest, ensure_ascii=False, indent=1, default=str) + "\n").encode())
        with explained(self.out):
            if self.out.exists():
                self.out.rename(self._earlier)
            try:
                self.folder.rename(self.out)
            except OSError:
                if self._earlier.exists():
                    self._earlier.rename(self.out)
                raise
            sync_folder(self.out.parent)
            self._discard_earlier()

    def _discard_earlier(self) -> None:
        """Remove the mixture that was replaced; what others put into its folder, such as a page, moves over."""
        if not (self._earlier / MANIFEST).is_file():
            _check_ours(self._earlier)
        if self._earlier.is_dir():
            for path in self._earlier.iterdir():
                if not _is_ours(path) and not (self.out / path.name).exists():
                    path.rename(self.out / path.name)
            shutil.rmtree(self._earlier)

    def _write(self, table: pa.Table) -> None:
        import pyarrow.parquet as pq

        path = self.folder / f"shard-{len(self.shards):05d}.parquet"
        with writing(path, table.nbytes) as file:
            pq.write_table(table, file, compression="zstd")
        content = path.read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        self.shards.append({"name": path.name, "rows": table.num_rows, "bytes": len(content), "sha256": digest})


def check_replaceable(out: Path) -> None:
    """Whether a mixture may be put there.

    Raises:
        OutputExists: something else is there.
    """
    is_free = not out.exists() or (out.is_dir() and ((out / MANIFEST).is_file() or not any(out.iterdir())))
    if not is_free:
        raise OutputExists(
            f"{out}: is there already and is no mixture; it is not overwritten: give another folder with --out"
        )


def _check_ours(folder: Path) -> None:
    """Whether what is there is what an interrupted build left.

    Raises:
        OutputExists: it holds something that no build writes.
    """
    if not folder.exists():
        return
    others = [path for path in folder.iterdir() if not _is_ours(path)] if folder.is_dir() else [folder]
    if others:
        raise OutputExists(
            f"{others[0]}: in the way, and not from a build; move it, or give another folder with --out"
        )


def _is_ours(path: Path) -> bool:
    return path.is_file() and path.name.startswith(("shard-", MANIFEST, "medi-data"))
