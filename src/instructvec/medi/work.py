"""Tables of a stage, one a dataset, kept on disk under what they were made from: where a build goes on.

Knows names, keys and Parquet; nothing of what stages do. A table is written whole or not at all and counts only
under the very key it was written with, so a changed input, option or model is never answered with old rows.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from instructvec.corpus.files import explained, writing
from instructvec.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

_KEY, _FACTS = b"instructvec.medi.key", b"instructvec.medi.facts"


class Kept(NamedTuple):
    """A table and what is known of how it came about (counts, hashes)."""

    table: pa.Table
    facts: dict[str, Any]


class Work:
    """The working folder of builds.

    Args:
        folder: made when the first table is written.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def load(self, stage: str, name: str, key: str) -> Kept | None:
        """The table of a stage, if it was made under this key."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self._path(stage, name)
        if not path.is_file():
            return None
        try:
            if (pq.read_schema(path).metadata or {}).get(_KEY) != key.encode():
                return None
            table = pq.read_table(path)
        except (OSError, pa.ArrowException):  # damaged by someone else: made again
            return None
        return Kept(table.replace_schema_metadata(None), json.loads(table.schema.metadata[_FACTS]))

    def facts(self, stage: str, name: str, key: str) -> dict[str, Any] | None:
        """What is known of a table, without reading it; ``None`` where there is none under this key."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        path = self._path(stage, name)
        try:
            metadata = pq.read_schema(path).metadata or {} if path.is_file() else {}
        except (OSError, pa.ArrowException):
            return None
        found: dict[str, Any] | None = json.loads(metadata[_FACTS]) if metadata.get(_KEY) == key.encode() else None
        return found

    def save(self, stage: str, name: str, key: str, table: pa.Table, facts: Mapping[str, Any]) -> Kept:
        """Write a table, whole or not at all.

        Raises:
            OutputError: it cannot be written.
        """
        import pyarrow.parquet as pq

        path = self._path(stage, name)
        metadata = {_KEY: key.encode(), _FACTS: json.dumps(facts, ensure_ascii=False).encode()}
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        with writing(path, table.nbytes) as file:
            pq.write_table(table.replace_schema_metadata(metadata), file, compression="zstd")
        return Kept(table.replace_schema_metadata(None), dict(facts))

    @contextmanager
    def held(self) -> Iterator[None]:
        """Held by one build at a time, where the system has advisory locks.

        Raises:
            InputError: another build works in this folder.
        """
        with explained(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        try:
            import fcntl
        except ImportError:
            yield
            return
        with explained(self.folder / "lock"):
            lock = (self.folder / "lock").open("wb")
        with lock:
            try:
                fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise InputError(
                    f"{self.folder}: another build is working in this folder; wait for it, or give another --cache"
                ) from None
            yield

    def _path(self, stage: str, name: str) -> Path:
        return self.folder / stage / f"{name}.parquet"
