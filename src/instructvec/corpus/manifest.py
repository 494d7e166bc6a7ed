"""The record of bulk work under way: what the job is, and which shards are safely on disk.

JSON lines: a header, one line a finished shard, and a last line once the output is being put in place. A shard
counts only when its line is there, and the line is written last, so killing the process at any instant loses at
most the shard in hand. Knows nothing of rows, encoders or output formats.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instructvec.checkpoints.contract import EmbeddingContract
from instructvec.corpus.files import explained, writing
from instructvec.errors import InputError

NAME = "manifest.jsonl"
FORMAT_VERSION = 1
_BLOCK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Job:
    """What decides the rows and vectors of an output, and so whether a run may continue or must not overwrite it.

    Attributes:
        contract: of the vectors; without instructions where a column holds them.
        inputs: identity of every file, see ``Source.identity``.
        options: how rows are read and grouped: ``column``, ``instruction_column``, ``on_error``, ``shard_rows``.
    """

    contract: EmbeddingContract
    inputs: list[dict[str, Any]]
    options: dict[str, Any]

    def differences(self, other: Job, *, grouping: bool = False) -> list[str]:
        """What an output of ``other`` would have differently, a line each; empty where it would be the same.

        Args:
            other: the job asked for now.
            grouping: whether the size of the shards must agree too, as for continuing a run.
        """
        found = [
            f"{label}: {_shown(was)} there, {_shown(now)} asked for"
            for label, was, now in self._contract_fields(other)
            if was != now
        ]
        for name, value in other.options.items():
            if self.options.get(name) != value and (grouping or name != "shard_rows"):
                found.append(f"{name}: {self.options.get(name)!r} there, {value!r} asked for")
        return found + _different_inputs(self.inputs, other.inputs)

    def _contract_fields(self, other: Job) -> Iterator[tuple[str, Any, Any]]:
        """Whatever of the contract decides the vectors: its name, there and as asked for now."""
        was, now = self.contract, other.contract
        yield "model", was.fingerprint, now.fingerprint
        if self.options.get("instruction_column") is None:
            yield "instruction", set(was.instructions), set(now.instructions)
        for name in (
            "joining",
            "dimension",
            "normalised",
            "precision",
            "ranges",
            "max_seq_length",
            "long_text",
            "computed_in",
        ):
            yield name, getattr(was, name), getattr(now, name)

    def to_json(self) -> str:
        """One line; the contract, which outputs hold apart, is not in it."""
        content = {"format_version": FORMAT_VERSION, "inputs": self.inputs, "options": self.options}
        return json.dumps(content, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, contract: str) -> Job:
        """The job in ``text`` under the contract whose JSON is ``contract``.

        Raises:
            InputError: not a job, or one of another format version.
            ContractMismatch: a contract of a newer version of this package.
        """
        try:
            content = json.loads(text)
            version = content["format_version"]
            job = cls(EmbeddingContract.from_json(contract), list(content["inputs"]), dict(content["options"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"not a job of instructvec embed ({error}); expected what to_json() wrote") from None
        if version != FORMAT_VERSION:
            raise InputError(f"a job of format version {version}; this package knows {FORMAT_VERSION}")
        return job

    def to_line(self) -> str:
        """A manifest's header: the job and its contract as one JSON object."""
        return f'{{"contract": {self.contract.to_json()}, "job": {self.to_json()}}}'

    @classmethod
    def from_line(cls, line: str) -> Job:
        """The job in a manifest's header.

        Raises:
            InputError: not such a line.
        """
        try:
            content = json.loads(line)
            return cls.from_json(json.dumps(content["job"]), json.dumps(content["contract"]))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(f"not the header of a manifest ({error}); expected what to_line() wrote") from None


def _shown(value: object) -> str:
    if isinstance(value, set):
        return ", ".join(sorted("none" if one is None else repr(one) for one in value))
    return f"{value!r:.100}"


def _different_inputs(there: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[str]:
    if there == now:
        return []
    names_there, names_now = [one["name"] for one in there], [one["name"] for one in now]
    if names_there != names_now:
        return [f"inputs: {_listed(names_there)} there, {_listed(names_now)} asked for"]
    changed = [one["name"] for one, other in zip(there, now, strict=True) if one != other]
    return [f"inputs: {_listed(changed)} changed since (other content, or written anew)"]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


@dataclass(frozen=True, slots=True)
class Entry:
    """One finished shard.

    Attributes:
        index: its place, from 0.
        name: its file; ``None`` where every row was rejected.
        n_read: rows read from the inputs for it.
        n_rows: rows it holds.
        n_rejected: rows left out.
        n_bytes: size of its file.
        crc32: of its file.
        n_tokens: tokens the model saw.
        n_truncated: texts that were too long.
    """

    index: int
    name: str | None
    n_read: int
    n_rows: int
    n_rejected: int
    n_bytes: int
    crc32: int
    n_tokens: int
    n_truncated: int


class Manifest:
    """The manifest of a working folder; see the module."""

    def __init__(self, path: Path, job: Job, entries: list[Entry], *, committing: bool = False) -> None:
        self.path = path
        self.job = job
        self.entries = entries
        self.committing = committing

    @classmethod
    def create(cls, folder: Path, job: Job) -> Manifest:
        """A new one, on disk, without shards."""
        path = folder / NAME
        with writing(path) as file:
            file.write(job.to_line().encode() + b"\n")
        return cls(path, job, [])

    @classmethod
    def load(cls, folder: Path) -> Manifest | None:
        """The one in ``folder``, or ``None``; a last line torn by an interruption is cut off.

        Raises:
            InputError: there is one, but not one that this version can continue.
        """
        path = folder / NAME
        if not path.is_file():
            return None
        lines = path.read_bytes().split(b"\n")
        whole, torn = lines[:-1], lines[-1]
        if torn:
            with explained(path), path.open("rb+") as file:
                file.truncate(sum(len(line) + 1 for line in whole))
                os.fsync(file.fileno())
        if not whole:
            return None
        manifest = cls(path, Job.from_line(whole[0].decode()), [])
        try:
            for content in map(json.loads, whole[1:]):
                if content == {"committing": True}:
                    manifest.committing = True
                else:
                    manifest.entries.append(Entry(**content))
        except (ValueError, TypeError) as error:
            raise InputError(f"{path}: a damaged line ({error}); expected what instructvec embed wrote") from None
        return manifest

    def append(self, entry: Entry) -> None:
        """Record a shard whose file is already safe on disk."""
        self._write(asdict(entry))
        self.entries.append(entry)

    def mark_committing(self) -> None:
        """Record that the output is about to be put in place of whatever stands there."""
        if not self.committing:
            self._write({"committing": True})
            self.committing = True

    def _write(self, content: dict[str, Any]) -> None:
        with explained(self.path), self.path.open("ab") as file:
            before = file.tell()
            try:
                file.write(json.dumps(content).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                file.truncate(before)
                raise


def checksum(path: Path) -> tuple[int, int]:
    """Size in bytes and CRC-32 of a file."""
    n_bytes, crc = 0, 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            n_bytes += len(block)
            crc = zlib.crc32(block, crc)
    return n_bytes, crc


def is_whole(folder: Path, entry: Entry) -> bool:
    """Whether a recorded shard's file is still there, unchanged."""
    if entry.name is None:
        return True
    path = folder / entry.name
    return path.is_file() and checksum(path) == (entry.n_bytes, entry.crc32)
