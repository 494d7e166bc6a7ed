"""Nodes and tensors -> the bytes of an ONNX model.

Knows the wire format of the few protobuf messages that a graph needs and nothing of their meaning.
The ``onnx`` package would do the same, but adds 33 MB to the base install, which builds graphs at
load time; the tests hold this file to it. Source: onnx.proto (IR version 10), protobuf encoding.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

IR_VERSION = 10

DTYPES = {"float32": 1, "uint8": 2, "int8": 3, "int32": 6, "int64": 7, "bool": 9}
"""ONNX's numbers of numpy dtypes."""
_FLOAT, _INT, _STRING, _FLOATS, _INTS = 1, 2, 3, 6, 7

AttributeValue = float | int | str | Sequence[int] | Sequence[float]


def element_type(dtype: str) -> int:
    """ONNX's number of a numpy dtype."""
    return DTYPES[dtype]


def node(
    op_type: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    domain: str,
    attributes: Mapping[str, AttributeValue],
) -> bytes:
    """A NodeProto; an empty input name is an omitted optional input."""
    parts = [_text(1, name) for name in inputs]
    parts += [_text(2, name) for name in outputs]
    parts += [_text(3, outputs[0]), _text(4, op_type)]
    parts += [_message(5, _attribute(name, value)) for name, value in attributes.items()]
    if domain:
        parts.append(_text(7, domain))
    return b"".join(parts)


def tensor(name: str, array: NDArray[np.generic]) -> bytes:
    """A TensorProto that holds its numbers."""
    return _tensor_head(name, array) + _message(9, np.ascontiguousarray(array).tobytes())


def external_tensor(name: str, array: NDArray[np.generic], location: str, offset: int) -> bytes:
    """A TensorProto whose numbers lie at ``offset`` bytes into the file ``location``."""
    entries = {"location": location, "offset": str(offset), "length": str(array.nbytes)}
    return (
        _tensor_head(name, array)
        + b"".join(_message(13, _entry(key, value)) for key, value in entries.items())
        + _number(14, 1)
    )


def value_info(name: str, dtype: str, shape: Sequence[int | str]) -> bytes:
    """A ValueInfoProto; a str in the shape names a dimension that varies."""
    dims = b"".join(_message(1, _number(1, size) if isinstance(size, int) else _text(2, size)) for size in shape)
    return _text(1, name) + _message(2, _message(1, _number(1, element_type(dtype)) + _message(2, dims)))


def model(
    *,
    nodes: Iterable[bytes],
    tensors: Iterable[bytes],
    inputs: Iterable[bytes],
    outputs: Iterable[bytes],
    opsets: Mapping[str, int],
    metadata: Mapping[str, str],
) -> bytes:
    """A ModelProto."""
    graph = b"".join(
        [
            *(_message(1, part) for part in nodes),
            _text(2, "instructvec"),
            *(_message(5, part) for part in tensors),
            *(_message(11, part) for part in inputs),
            *(_message(12, part) for part in outputs),
        ]
    )
    return b"".join(
        [
            _number(1, IR_VERSION),
            _text(2, "instructvec"),
            *(_message(8, _text(1, domain) + _number(2, version)) for domain, version in opsets.items()),
            _message(7, graph),
            *(_message(14, _entry(key, value)) for key, value in metadata.items()),
        ]
    )


def _tensor_head(name: str, array: NDArray[np.generic]) -> bytes:
    dims = b"".join(_number(1, size) for size in array.shape)
    return dims + _number(2, element_type(array.dtype.name)) + _text(8, name)


def _attribute(name: str, value: AttributeValue) -> bytes:
    head = _text(1, name)
    if isinstance(value, str):
        return head + _text(4, value) + _number(20, _STRING)
    if isinstance(value, int):
        return head + _number(3, value) + _number(20, _INT)
    if isinstance(value, float):
        return head + _float(2, value) + _number(20, _FLOAT)
    if all(isinstance(item, int) for item in value):
        return head + b"".join(_number(8, int(item)) for item in value) + _number(20, _INTS)
    return head + b"".join(_float(7, item) for item in value) + _number(20, _FLOATS)


def _entry(key: str, value: str) -> bytes:
    return _text(1, key) + _text(2, value)


def _varint(value: int) -> bytes:
    value &= (1 << 64) - 1
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _float(field: int, value: float) -> bytes:
    return _varint(field << 3 | 5) + struct.pack("<f", value)


def _message(field: int, payload: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(payload)) + payload


def _text(field: int, value: str) -> bytes:
    return _message(field, value.encode("utf-8"))
