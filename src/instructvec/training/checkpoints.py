"""Tensors and a state -> a folder that is whole or absent, and back from the newest that is whole.

    checkpoints/step-00000200/
    ├── weights.safetensors     the parameters that are trained
    ├── optimizer.safetensors   their running means
    └── state.json              step, sampler, counts, …; size and CRC-32 of the two; written last

Knows files, folders and their order in time; nothing of what the tensors are. A folder is written under a
temporary name, fsynced and renamed, and older ones are removed only afterwards. No pickle, so none to be executed.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.tensors import StoredTensor, read_safetensors, write_safetensors
from instructvec.corpus.files import explained, sync_folder
from instructvec.errors import CheckpointError

if TYPE_CHECKING:
    import torch

FORMAT_VERSION = 1
_STATE = "state.json"
_STEP = re.compile(r"step-(\d{8,})")
_BLOCK = 1 << 24


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What training can go on from.

    Attributes:
        path: its folder.
        step: steps done.
        state: what :func:`save_checkpoint` was given.
    """

    path: Path
    step: int
    state: Mapping[str, Any]

    def tensors(self, name: str) -> dict[str, torch.Tensor]:
        """The tensors of a file, copied from it."""
        return read_tensors(self.path / f"{name}.safetensors")


def save_checkpoint(
    folder: Path,
    name: str,
    files: Mapping[str, Mapping[str, torch.Tensor]],
    state: Mapping[str, Any],
) -> Path:
    """Write a checkpoint; whatever happens meanwhile, it is there whole or not at all.

    Args:
        folder: of all checkpoints; made where it is not there.
        name: of this one; one that is there already is replaced.
        files: name without ending -> tensors by name.
        state: plain JSON values.

    Raises:
        OutputError: the disk is full, or cannot be written; others are as they were.
    """
    target, temporary = folder / name, folder / f".{name}.tmp"
    n_bytes = sum(one.numel() * one.element_size() for tensors in files.values() for one in tensors.values())
    with explained(target, n_bytes):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir()
        try:
            _fill(temporary, files, state)
            if target.exists():  # damaged, or beyond what training went on from
                shutil.rmtree(target)
            temporary.rename(target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(folder)
    return target


def step_name(step: int) -> str:
    """The name of a step's checkpoint.

    Example:
        >>> step_name(200)
        'step-00000200'
    """
    return f"step-{step:08d}"


def remove_older(folder: Path, keep: int, every: int) -> None:
    """Leave the newest checkpoint, the newest so many at multiples of ``every``, and no half-written ones."""
    newest = _steps(folder)[:1]
    kept = [*newest, *regular_checkpoints(folder, every)[:keep]]
    for one in _steps(folder):
        if one not in kept:
            shutil.rmtree(one[1], ignore_errors=True)
    for path in folder.glob(".*.tmp"):
        shutil.rmtree(path, ignore_errors=True)


def regular_checkpoints(folder: Path, every: int) -> list[tuple[int, Path]]:
    """Step and folder of those at multiples of ``every``, the newest first: the same however often one stopped."""
    return [one for one in _steps(folder) if one[0] % every == 0]


def newest_checkpoint(folder: Path, report: Callable[[str], None]) -> Checkpoint | None:
    """The newest that is whole.

    Args:
        folder: of all checkpoints.
        report: gets a sentence for each damaged one that is passed over.

    Returns:
        ``None`` where there is none.
    """
    for _, path in _steps(folder):
        try:
            return read_checkpoint(path)
        except CheckpointError as error:
            report(f"{error}; it is passed over, and the one before it used")
    return None


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint whose files are as they were written.

    Raises:
        CheckpointError: they are not; names the file.
    """
    try:
        state = json.loads((path / _STATE).read_text("utf-8"))
        version, files, step = state["format_version"], state["files"], int(state["step"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(f"{path / _STATE}: damaged or missing ({error!r:.80})") from None
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{path / _STATE}: format {version!r}, by another version of this package")
    for name, facts in files.items():
        found = _facts(path / name)
        if found != facts:
            raise CheckpointError(f"{path / name}: damaged: {_word(found)}, expected {_word(facts)}")
    return Checkpoint(path, step, state)


def read_tensors(file: Path) -> dict[str, torch.Tensor]:
    """All tensors of a safetensors file, copied from it into memory of their own.

    Raises:
        CheckpointError: damaged.
    """
    import torch

    return {name: torch.from_numpy(np.array(one.read())) for name, one in read_safetensors(file).items()}


def _fill(folder: Path, files: Mapping[str, Mapping[str, torch.Tensor]], state: Mapping[str, Any]) -> None:
    facts = {}
    for name, tensors in files.items():
        file = folder / f"{name}.safetensors"
        write_safetensors(file, {key: _stored(file, key, tensor) for key, tensor in tensors.items()})
        _sync(file)
        facts[file.name] = _facts(file)
    content = {"format_version": FORMAT_VERSION, "files": facts, **state}
    (folder / _STATE).write_text(json.dumps(content, ensure_ascii=False) + "\n", "utf-8")
    _sync(folder / _STATE)
    sync_folder(folder)


def _stored(file: Path, name: str, tensor: torch.Tensor) -> StoredTensor:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return StoredTensor(file, name, dtype, tuple(tensor.shape), partial(_array, tensor))


def _array(tensor: torch.Tensor) -> NDArray[Any]:
    array: NDArray[Any] = tensor.detach().cpu().numpy()
    return array


def _facts(file: Path) -> dict[str, int] | None:
    """Its size and CRC-32; ``None`` where it cannot be read."""
    crc, n_bytes = 0, 0
    try:
        with file.open("rb") as stream:
            while block := stream.read(_BLOCK):
                crc, n_bytes = zlib.crc32(block, crc), n_bytes + len(block)
    except OSError:
        return None
    return {"bytes": n_bytes, "crc32": crc}


def _word(facts: Mapping[str, int] | None) -> str:
    return "it cannot be read" if facts is None else f"{facts['bytes']:,} bytes, CRC-32 {facts['crc32']:08x}"


def _sync(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _steps(folder: Path) -> list[tuple[int, Path]]:
    """Step and folder of all, the newest first."""
    found = [(int(match[1]), one) for one in folder.glob("step-*") if (match := _STEP.fullmatch(one.name))]
    return sorted(found, reverse=True)
