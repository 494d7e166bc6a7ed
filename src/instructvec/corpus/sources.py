"""What the user typed as input (files, folders, globs, ``-``) -> the list of files to read.

Knows names, suffixes, sizes and times; nothing of what the files hold.
"""

from __future__ import annotations

import glob
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, get_args

from instructvec.errors import ConfigError, FileError

Format: TypeAlias = Literal["txt", "csv", "tsv", "jsonl", "parquet"]
FORMATS: tuple[Format, ...] = get_args(Format)
SUFFIXES: dict[str, Format] = {
    ".txt": "txt",
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
}
STDIN = "-"
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Source:
    """One file to read.

    Attributes:
        path: where its bytes are.
        name: what messages call it: the path as given, ``"-"`` for standard input.
        format: how to read it.
        compressed: whether it is gzipped.
        digest: SHA-256 of the content where that, not the time, tells whether it changed (standard input).
    """

    path: Path
    name: str
    format: Format
    compressed: bool = False
    digest: str | None = None

    def identity(self) -> dict[str, Any]:
        """Whether it is the same file with the same content as in an earlier run; holds no directories.

        Raises:
            FileError: the file is gone.
        """
        if self.digest is not None:
            return {"name": self.name, "sha256": self.digest}
        try:
            status = self.path.stat()
        except OSError as error:
            raise FileError(f"{self.name}: cannot be read ({error.strerror}); expected a file") from None
        return {"name": self.path.name, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns}


def expand(
    inputs: Sequence[str], format: Format | None = None, *, spooled: Source | None = None, leave_out: Path
) -> list[Source]:
    """The files that ``inputs`` name: each input in the order given, files of a folder or glob sorted by name.

    A folder stands for every file below it with a known suffix; hidden files are passed over, and so is
    whatever belongs to ``leave_out``, so that an output may lie in the folder it was made from.

    Args:
        inputs: files, folders, glob patterns, ``"-"``.
        format: read every input as this, whatever its suffix.
        spooled: what stands for ``"-"``.
        leave_out: the output.

    Raises:
        FileError: nothing there, a folder without readable files, or an unknown suffix.
    """
    sources: list[Source] = []
    for text in inputs:
        if text == STDIN and spooled is not None:
            sources.append(spooled)
        else:
            sources.extend(source_of(path, format) for path in _paths(text, leave_out))
    return sources


def _paths(text: str, leave_out: Path) -> list[Path]:
    path = Path(text)
    if path.is_dir():
        found = [one for one in sorted(path.rglob("*")) if _readable(one, path, leave_out)]
        if not found:
            raise FileError(f"{text}: no file with a known suffix below this folder; expected {_known()}")
        return found
    if path.exists():
        return [path]
    if glob.has_magic(text):
        found = sorted(Path(one) for one in glob.glob(text, recursive=True))  # noqa: PTH207  (an absolute pattern)
        found = [one for one in found if one.is_file() and not _belongs(one, leave_out)]
        if found:
            return found
        raise FileError(f"{text}: no file matches this pattern; check the folder, and quote it for the shell")
    raise FileError(f"{text}: no such file or folder; check the path")


def _readable(path: Path, folder: Path, leave_out: Path) -> bool:
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
    return not hidden and path.is_file() and _format_of(path) is not None and not _belongs(path, leave_out)


def _belongs(path: Path, out: Path) -> bool:
    """Whether ``path`` is the output ``out``, lies in it, or was written beside it."""
    mine = {out.name, *(out.name + tail for tail in (".partial", ".rejected.jsonl", ".json", ".contract.json"))}
    return any(one.name in mine and one.parent.resolve() == out.parent.resolve() for one in (path, *path.parents))


def _format_of(path: Path) -> Format | None:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] == ".gz":
        suffixes.pop()
    return SUFFIXES.get(suffixes[-1]) if suffixes else None


def source_of(path: Path, format: Format | None = None) -> Source:
    """The file as a source, its format by its suffix unless given.

    Raises:
        FileError: a suffix that names no format.
    """
    found = format or _format_of(path)
    if found is None:
        hint = "a .json file is one document; write one object a line as .jsonl" if path.suffix == ".json" else ""
        raise FileError(
            f"{path}: the suffix {path.suffix!r} names no known format; expected {_known()}, "
            f"or say which it is with --format ({', '.join(FORMATS)})" + (f". {hint}" if hint else "")
        )
    compressed = path.suffix.lower() == ".gz"
    if compressed and found == "parquet":
        raise FileError(f"{path}: Parquet is compressed inside and cannot be read gzipped; unpack it: gunzip")
    return Source(path, str(path), found, compressed)


def _known() -> str:
    return ", ".join(SUFFIXES) + " (text formats also with .gz)"


def spool(stream: BinaryIO, path: Path, format: Format | None) -> Source:
    """Copy a stream to ``path``, so that an interrupted run can be told from a changed input.

    Raises:
        ConfigError: no format was given.
    """
    if format is None:
        raise ConfigError(
            f"input '-': standard input has no suffix; say what it is with --format ({', '.join(FORMATS)})"
        )
    digest = hashlib.sha256()
    with path.open("wb") as file:
        while block := stream.read(_BLOCK_BYTES):
            digest.update(block)
            file.write(block)
    return Source(path, STDIN, format, digest=digest.hexdigest())


def standard_input() -> BinaryIO:
    """The process's standard input, as bytes."""
    return sys.stdin.buffer


def count_rows(sources: Sequence[Source]) -> int | None:
    """About how many rows there are, for a progress bar; ``None`` where that is not cheap to know.

    Text files are counted by their line ends: exact for txt and jsonl without blank lines, too many for CSV
    with line ends inside fields.
    """
    total = 0
    for source in sources:
        if source.compressed:
            return None
        try:
            total += _COUNTERS[source.format](source)
        except (OSError, ValueError):
            return None
    return total


def _count_lines(source: Source) -> int:
    n_lines, last = 0, b""
    for block in _file_blocks(source.path):
        n_lines += block.count(b"\n")
        last = block[-1:]
    return n_lines + (last not in (b"", b"\n"))


def _count_below_header(source: Source) -> int:
    return max(0, _count_lines(source) - 1)


def _count_parquet(source: Source) -> int:
    import pyarrow.parquet as pq

    n_rows: int = pq.ParquetFile(source.path).metadata.num_rows
    return n_rows


def _file_blocks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            yield block


_COUNTERS: dict[Format, Callable[[Source], int]] = {
    "txt": _count_lines,
    "jsonl": _count_lines,
    "csv": _count_below_header,
    "tsv": _count_below_header,
    "parquet": _count_parquet,
}
