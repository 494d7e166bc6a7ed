"""What an index's folder holds <-> ``index.json``, which is read first and written last.

Knows names, sizes and digests of files; nothing of what is in them. A file that the manifest does not name is not
part of the index.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from instructvec.checkpoints.contract import EmbeddingContract
from instructvec.errors import ContractMismatch, FileError, InstructvecError
from instructvec.tasks.index.encoding import Settings

NAME = "index.json"
FORMAT_VERSION = 1
FILE_NAME = re.compile(r"(rows|vectors|deleted|graph|words)-(\d{6,})(-\d+)?\.(parquet|npy|usearch|npz)")
"""Every file of an index but the manifest and the lock; others in the folder are left alone."""

_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file as it must be found.

    Attributes:
        n_bytes: its size.
        sha256: of its content.
    """

    n_bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> StoredFile:
        """The file as it is."""
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
        return cls(path.stat().st_size, digest.hexdigest())


@dataclass(frozen=True, slots=True)
class StoredSegment:
    """A segment's files.

    Attributes:
        rows: Parquet of ids, texts and columns.
        vectors: ``.npy``.
        deleted: ``.npy`` of deleted rows; ``""`` for none.
        n_rows: deleted ones included.
    """

    rows: str
    vectors: str
    deleted: str
    n_rows: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """The state of an index on disk.

    Attributes:
        generation: one more with every save.
        settings: what the index is for.
        next_id: the next number that is given as an id.
        segments: in the order of rows.
        files: name -> what must be found, of every file in use.
        graph: file of the graph; ``""`` for none.
        graph_rows: rows it covers.
        graph_scale: of its rounding.
        words: file of the word index; ``""`` for none.
        previous: files of the generation before, kept for who is reading it.
    """

    generation: int
    settings: Settings
    next_id: int
    segments: tuple[StoredSegment, ...]
    files: dict[str, StoredFile]
    graph: str = ""
    graph_rows: int = 0
    graph_scale: float = 0.0
    words: str = ""
    previous: tuple[str, ...] = field(default=())

    def to_json(self) -> str:
        """The text of ``index.json``."""
        content = {"format_version": FORMAT_VERSION, **asdict(self)}
        content["settings"]["contract"] = json.loads(self.settings.contract.to_json())
        return json.dumps(content, ensure_ascii=False, indent=1) + "\n"

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of a folder.

        Raises:
            FileError: there is none, or it is damaged.
            ContractMismatch: it was written by a newer version of this package.
        """
        path = folder / NAME
        try:
            text = path.read_text("utf-8")
        except (FileNotFoundError, NotADirectoryError):
            raise FileError(
                f"{folder}: no index ({NAME} is not there); expected a folder that instructvec index build wrote"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise FileError(f"{path}: cannot be read ({error})") from None
        try:
            return _parsed(json.loads(text), path)
        except ContractMismatch as error:
            raise ContractMismatch(f"{path}: {error}") from None
        except (InstructvecError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise FileError(
                f"{path}: damaged ({type(error).__name__}: {error}); restore the folder from a copy, or build the "
                "index again"
            ) from None

    def check(self, folder: Path, *, content: bool = False) -> None:
        """Compare the files with what must be found.

        Args:
            folder: of the index.
            content: whether to read them all and compare digests; else sizes alone.

        Raises:
            FileError: names every file that is missing or is not what was written.
        """
        wrong = [told for name, stored in self.files.items() if (told := _wrong(folder / name, stored, content))]
        if wrong:
            raise FileError(
                f"{folder}: damaged: {'; '.join(wrong)}. Restore the folder from a copy, or build the index again"
            )


def _wrong(path: Path, stored: StoredFile, content: bool) -> str:
    try:
        n_bytes = path.stat().st_size
    except OSError:
        return f"{path.name} is missing"
    if n_bytes != stored.n_bytes:
        return f"{path.name} has {n_bytes:,} bytes, not {stored.n_bytes:,}"
    if content and StoredFile.of(path).sha256 != stored.sha256:
        return f"{path.name} has another content than was written"
    return ""


def _parsed(content: dict[str, Any], path: Path) -> Manifest:
    version = content.pop("format_version")
    if not isinstance(version, int) or version > FORMAT_VERSION:
        raise ContractMismatch(
            f"format_version {version} is newer than this package reads ({FORMAT_VERSION}); upgrade: "
            "pip install -U instructvec"
        )
    settings = content.pop("settings")
    contract = EmbeddingContract.from_json(json.dumps(settings.pop("contract")))
    files = {name: StoredFile(**one) for name, one in content.pop("files").items()}
    segments = tuple(StoredSegment(**one) for one in content.pop("segments"))
    previous = tuple(content.pop("previous"))
    manifest = Manifest(
        settings=Settings(contract, **settings), segments=segments, files=files, previous=previous, **content
    )
    used = [name for one in segments for name in (one.rows, one.vectors, one.deleted)]
    for name in filter(None, (*used, manifest.graph, manifest.words)):
        if name not in files or not FILE_NAME.fullmatch(name):
            raise FileError(f"it names {name!r}, which is no file of an index")
    return manifest
