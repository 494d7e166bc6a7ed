"""Reads safetensors and torch ``.bin`` files tensor by tensor, and writes safetensors.

Knows the two formats; nothing of models. numpy has no bfloat16, so that the header is parsed here
and the bytes are widened by shifting. A ``.bin`` is opened with torch's ``weights_only=True`` alone.
Source: the safetensors format (8-byte little-endian header length, JSON header, then the data).
"""

from __future__ import annotations

import json
import math
import pickle
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import CheckpointError
from instructvec.extras import require

# safetensors' name -> (ours, the numpy type that holds the same bytes)
_DTYPES: dict[str, tuple[str, str]] = {
    "F64": ("float64", "<f8"),
    "F32": ("float32", "<f4"),
    "F16": ("float16", "<f2"),
    "BF16": ("bfloat16", "<u2"),
    "I64": ("int64", "<i8"),
    "I32": ("int32", "<i4"),
    "I16": ("int16", "<i2"),
    "I8": ("int8", "|i1"),
    "U8": ("uint8", "|u1"),
    "BOOL": ("bool", "|b1"),
}
_HOLDERS = dict(_DTYPES.values())
_SAFETENSORS_NAMES = {ours: theirs for theirs, (ours, _) in _DTYPES.items()}
_FLOATS = ("float64", "float32", "float16", "bfloat16")
_MAX_HEADER_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class StoredTensor:
    """One tensor in a file, read when asked for.

    Attributes:
        file: where it lies.
        name: its name there.
        dtype: ``"float32"``, ``"bfloat16"``, …
        shape: sizes.
        read: () -> array of ``shape`` holding the stored bytes (bfloat16 as uint16).
    """

    file: Path
    name: str
    dtype: str
    shape: tuple[int, ...]
    read: Callable[[], NDArray[Any]]

    @property
    def n_bytes(self) -> int:
        """Bytes it takes as stored."""
        return math.prod(self.shape) * np.dtype(_HOLDERS[self.dtype]).itemsize

    def raw(self) -> memoryview:
        """The stored bytes."""
        return np.ascontiguousarray(self.read()).reshape(-1).view(np.uint8).data

    def float32(self) -> NDArray[np.float32]:
        """The values, widened or narrowed to float32; not copied where they are float32 already."""
        if self.dtype not in _FLOATS:
            raise CheckpointError(
                f"{self.file}: the tensor {self.name!r} is {self.dtype}; expected a float type. "
                "Quantised checkpoints are not read: take the unquantised one"
            )
        array = self.read()
        if self.dtype == "bfloat16":
            widened = array.astype(np.uint32)
            widened <<= 16
            return widened.view(np.float32)
        # An infinity from a float64 beyond the range is reported by the caller's test of finiteness.
        with np.errstate(over="ignore"):
            return array.astype(np.float32, copy=False)


def read_safetensors(file: Path) -> dict[str, StoredTensor]:
    """The tensors of a safetensors file, which stays mapped as long as one of them is used.

    Raises:
        CheckpointError: truncated or not a safetensors file; says how many bytes were expected.
    """
    try:
        size = file.stat().st_size
        with file.open("rb") as stream:
            header, start = _read_header(stream, size, file)
        # An empty data part cannot be mapped.
        mapped: NDArray[np.uint8] = (
            np.memmap(file, np.uint8, "r", start).view(np.ndarray) if size > start else np.empty(0, np.uint8)
        )
    except OSError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{file}: cannot be read ({error.strerror}); check it and its rights") from error
    header.pop("__metadata__", None)
    return {name: _header_entry(name, entry, mapped, file) for name, entry in header.items()}


def _read_header(stream: BinaryIO, size: int, file: Path) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(stream.read(8), "little")
    if size < 8 or length > min(size - 8, _MAX_HEADER_BYTES):
        raise CheckpointError(
            f"{file}: truncated or not a safetensors file: a header of {length} bytes is announced in a file of "
            f"{size}. Download or copy it again"
        )
    try:
        header = json.loads(stream.read(length))
    except ValueError:
        header = None
    if not isinstance(header, dict):
        raise CheckpointError(f"{file}: not a safetensors file (its header is no JSON object); download it again")
    return header, 8 + length


def _header_entry(name: str, entry: Any, mapped: NDArray[np.uint8], file: Path) -> StoredTensor:
    try:
        dtype, holder = _DTYPES[entry["dtype"]]
        shape = tuple(int(size) for size in entry["shape"])
        first, last = (int(offset) for offset in entry["data_offsets"])
    except (KeyError, TypeError, ValueError):
        raise CheckpointError(
            f"{file}: the tensor {name!r} is described as {entry!r:.120}; expected dtype (one of "
            f"{', '.join(_DTYPES)}), shape and data_offsets"
        ) from None
    if last > len(mapped):
        raise CheckpointError(
            f"{file}: truncated: the tensor {name!r} ends at byte {last} of the data, of which there are "
            f"{len(mapped)}. Download or copy the file again"
        )
    if first < 0 or last - first != math.prod(shape) * np.dtype(holder).itemsize:
        raise CheckpointError(
            f"{file}: the tensor {name!r} takes {last - first} bytes, which its shape {shape} denies"
        )
    return StoredTensor(file, name, dtype, shape, lambda: mapped[first:last].view(holder).reshape(shape))


def read_bin(file: Path) -> dict[str, StoredTensor]:
    """The tensors of a torch ``.bin``, opened with ``weights_only=True``: pickled objects are refused.

    Raises:
        MissingExtra: torch is not installed.
        CheckpointError: damaged, or holding more than tensors.
    """
    require("torch", f"reading {file} (safetensors weights need no torch: convert them, or install it)")
    import torch

    zipped = zipfile.is_zipfile(file)
    try:
        with warnings.catch_warnings():
            # torch wonders aloud about unusual pickles, which the lines below refuse.
            warnings.simplefilter("ignore")
            content = torch.load(file, map_location="cpu", weights_only=True, mmap=zipped)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"{file}: holds pickled objects beside tensors, or is damaged; it was not executed. Expected plain "
            f"weights: ask for a safetensors file ({str(error).splitlines()[0]})"
        ) from None
    except (RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"{file}: truncated or not a torch weight file ({(str(error) or repr(error)).splitlines()[0]}). "
            "Download or copy it again"
        ) from None
    if not isinstance(content, dict) or not all(isinstance(value, torch.Tensor) for value in content.values()):
        raise CheckpointError(f"{file}: expected a dict of tensors, found {type(content).__name__}; convert it")
    return {str(name): _bin_entry(str(name), tensor, file) for name, tensor in content.items()}


def _bin_entry(name: str, tensor: Any, file: Path) -> StoredTensor:
    import torch

    dtype = str(tensor.dtype).removeprefix("torch.")
    if dtype not in _HOLDERS:
        raise CheckpointError(f"{file}: the tensor {name!r} is {dtype}; expected one of {', '.join(_HOLDERS)}")

    def read() -> NDArray[Any]:
        plain = tensor.detach().contiguous()
        return plain.view(torch.uint16).numpy() if dtype == "bfloat16" else plain.numpy()  # type: ignore[no-any-return]

    return StoredTensor(file, name, dtype, tuple(tensor.shape), read)


def write_safetensors(file: Path, tensors: Mapping[str, StoredTensor]) -> None:
    """Write ``tensors`` under the given names in their stored types, one at a time.

    Raises:
        OSError: the disk's own.
    """
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    offset = 0
    for name, tensor in sorted(tensors.items()):
        header[name] = {
            "dtype": _SAFETENSORS_NAMES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + tensor.n_bytes],
        }
        offset += tensor.n_bytes
    encoded = json.dumps(header, separators=(",", ":")).encode()
    encoded += b" " * (-len(encoded) % 8)
    with file.open("wb") as stream:
        stream.write(len(encoded).to_bytes(8, "little"))
        stream.write(encoded)
        for _, tensor in sorted(tensors.items()):
            stream.write(tensor.raw())
