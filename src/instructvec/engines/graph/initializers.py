"""An ONNX model's file -> the tensors in it, by name.

Knows the wire format of the messages that :mod:`instructvec.engines.graph.proto` writes, read backwards; nothing
of what the tensors are for. Nodes are passed over. Source: onnx.proto (ModelProto, GraphProto, TensorProto),
protobuf encoding.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.engines.graph.proto import DTYPES
from instructvec.errors import CheckpointError

_Bytes: TypeAlias = NDArray[np.uint8]

_NUMPY = {number: name for name, number in DTYPES.items()}
_MODEL_GRAPH, _GRAPH_TENSOR = 7, 5
_DIM, _DTYPE, _NAME, _VALUES, _EXTERNAL = 1, 2, 8, 9, 13
_VARINT, _EIGHT, _SIZED, _FOUR = 0, 1, 2, 5


def read_tensors(file: Path) -> dict[str, NDArray[Any]]:
    """The tensors that a graph holds, as views of the mapped file, or of the one beside it.

    Args:
        file: a graph that this package wrote.

    Raises:
        CheckpointError: it cannot be read, is cut short, or is no ONNX model of ours.
    """
    try:
        mapped = np.memmap(file, np.uint8, "r").view(np.ndarray)
        return dict(_tensor(part, file) for part in _parts(_parts_one(mapped, _MODEL_GRAPH), _GRAPH_TENSOR))
    except OSError as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{file}: cannot be read ({error.strerror}); check it and its rights") from error
    except (IndexError, KeyError, ValueError) as error:
        raise CheckpointError(
            f"{file}: cut short, or no graph that 'instructvec export' wrote; export the checkpoint again, or "
            "download it"
        ) from error


def _tensor(message: _Bytes, file: Path) -> tuple[str, NDArray[Any]]:
    name, dtype, shape = "", "", []
    values: _Bytes | None = None
    place: dict[str, str] = {}
    for field, value in _fields(message):
        if field == _NAME:
            name = _text(value)
        elif field == _DTYPE:
            dtype = _NUMPY[int(value)]
        elif field == _DIM:
            shape.append(int(value))
        elif field == _VALUES:
            values = value
        elif field == _EXTERNAL:
            entry = dict(_fields(value))
            place[_text(entry[1])] = _text(entry[2])
    if values is None:
        offset, length = int(place["offset"]), int(place["length"])
        beside = file.with_name(Path(place["location"]).name)
        values = np.memmap(beside, np.uint8, "r", offset, (length,)).view(np.ndarray)
    if len(values) != math.prod(shape) * np.dtype(dtype).itemsize:
        raise ValueError(name)
    return name, np.frombuffer(values, dtype).reshape(shape)


def _parts_one(message: _Bytes, field: int) -> _Bytes:
    (found,) = _parts(message, field)
    return found


def _parts(message: _Bytes, field: int) -> list[_Bytes]:
    """The messages under a number."""
    return [value for number, value in _fields(message) if number == field]


def _fields(message: _Bytes) -> Iterator[tuple[int, Any]]:
    """Number and value of each field: an int, or the bytes of what has a length."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == _SIZED:
            length, at = _varint(message, at)
        else:
            length = {_EIGHT: 8, _FOUR: 4}[kind]
        if at + length > len(message):
            raise ValueError("cut short")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: _Bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = int(message[at])
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


def _text(value: _Bytes) -> str:
    return value.tobytes().decode("utf-8")
