"""Symbolic tensors: arithmetic on them writes ONNX nodes.

Knows operators and names, nothing of encoders. :data:`xp` gives the few array functions that
``encoding.pooling`` is written in, so that the graph's pooling is traced from the same expression
numpy and torch run.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.engines.graph import proto

OPSETS: Mapping[str, int] = {"": 18, "com.microsoft": 1}
FUSED = "com.microsoft"
"""Domain of ONNX Runtime's fused operators."""


class Graph:
    """Collects nodes and tensors, and becomes an ONNX model."""

    def __init__(self) -> None:
        self.nodes: list[bytes] = []
        self.tensors: dict[str, NDArray[Any]] = {}
        self.inputs: list[bytes] = []
        self.outputs: list[bytes] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], Symbol] = {}
        self._count = 0

    def input(self, name: str, dtype: str, shape: Sequence[int | str]) -> Symbol:
        """Declare an input of the model."""
        self.inputs.append(proto.value_info(name, dtype, shape))
        return Symbol(self, name)

    def output(self, symbol: Symbol, name: str, dtype: str, shape: Sequence[int | str]) -> None:
        """Declare ``symbol`` an output of the model under ``name``."""
        self.nodes.append(proto.node("Identity", [symbol.name], [name], "", {}))
        self.outputs.append(proto.value_info(name, dtype, shape))

    def weight(self, name: str, array: NDArray[Any]) -> Symbol:
        """A named tensor of the checkpoint."""
        self.tensors[name] = array
        return Symbol(self, name)

    def constant(self, value: Any, dtype: str) -> Symbol:
        """A small tensor; equal ones are stored once."""
        array = np.asarray(value, dtype=dtype)
        key = (dtype, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.weight(f"constant_{len(self._constants)}", array)
        return self._constants[key]

    def op(
        self, op_type: str, *inputs: Symbol | None, n_outputs: int = 1, domain: str = "", **attributes: Any
    ) -> Any:
        """Write a node.

        Args:
            op_type: the operator.
            inputs: its inputs; ``None`` omits an optional one.
            n_outputs: how many outputs to name.
            domain: ``""`` for ONNX itself, :data:`FUSED` for ONNX Runtime's.
            attributes: the operator's attributes.

        Returns:
            A :class:`Symbol`, or a tuple of them where ``n_outputs`` is above one.
        """
        names = [f"{op_type}_{self._count}_{i}" for i in range(n_outputs)]
        self._count += 1
        given = ["" if symbol is None else symbol.name for symbol in inputs]
        self.nodes.append(proto.node(op_type, given, names, domain, attributes))
        symbols = tuple(Symbol(self, name) for name in names)
        return symbols[0] if n_outputs == 1 else symbols

    def model(self, metadata: Mapping[str, str], external: Mapping[str, tuple[str, int]] | None = None) -> bytes:
        """The model's bytes.

        Args:
            metadata: kept in the model's properties.
            external: file and byte offset of tensors that are not to be held in the bytes.
        """
        places = external or {}
        tensors = (
            proto.external_tensor(name, array, *places[name]) if name in places else proto.tensor(name, array)
            for name, array in self.tensors.items()
        )
        return proto.model(
            nodes=self.nodes,
            tensors=tensors,
            inputs=self.inputs,
            outputs=self.outputs,
            opsets=OPSETS,
            metadata=metadata,
        )


class Symbol:
    """A tensor of the graph; numbers mixed with it become float32 constants."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph = graph
        self.name = name

    def _binary(self, op_type: str, other: Symbol | float, *, swap: bool = False) -> Symbol:
        right = other if isinstance(other, Symbol) else self.graph.constant(other, "float32")
        pair = (right, self) if swap else (self, right)
        symbol: Symbol = self.graph.op(op_type, *pair)
        return symbol

    def __add__(self, other: Symbol | float) -> Symbol:
        return self._binary("Add", other)

    def __sub__(self, other: Symbol | float) -> Symbol:
        return self._binary("Sub", other)

    def __rsub__(self, other: float) -> Symbol:
        return self._binary("Sub", other, swap=True)

    def __mul__(self, other: Symbol | float) -> Symbol:
        return self._binary("Mul", other)

    def __truediv__(self, other: Symbol | float) -> Symbol:
        return self._binary("Div", other)

    def __rtruediv__(self, other: float) -> Symbol:
        return self._binary("Div", other, swap=True)

    def __matmul__(self, other: Symbol) -> Symbol:
        return self._binary("MatMul", other)

    def __abs__(self) -> Symbol:
        symbol: Symbol = self.graph.op("Abs", self)
        return symbol

    def __getitem__(self, key: tuple[slice | int | None, ...]) -> Symbol:
        """Full slices, ``None`` (a new axis) and the index 0, as the pooling writes them."""
        new_axes = [axis for axis, part in enumerate(key) if part is None]
        taken = [axis for axis, part in enumerate(key) if part == 0]
        symbol = self
        if new_axes:
            symbol = self.graph.op("Unsqueeze", symbol, self.graph.constant(new_axes, "int64"))
        for axis in reversed(taken):
            symbol = self.graph.op("Gather", symbol, self.graph.constant(0, "int64"), axis=axis)
        return symbol

    def cast(self, dtype: str) -> Symbol:
        """The same numbers as another dtype."""
        symbol: Symbol = self.graph.op("Cast", self, to=proto.element_type(dtype))
        return symbol


def _clip(symbol: Symbol, low: float | None, high: float | None) -> Any:
    bounds = [None if end is None else symbol.graph.constant(end, "float32") for end in (low, high)]
    while bounds and bounds[-1] is None:
        bounds.pop()
    return symbol.graph.op("Clip", symbol, *bounds)


def _reduce(op_type: str) -> Any:
    def reduce(symbol: Symbol, axis: int) -> Any:
        return symbol.graph.op(op_type, symbol, symbol.graph.constant([axis], "int64"), keepdims=0)

    return reduce


xp = SimpleNamespace(
    clip=_clip,
    sqrt=lambda symbol: symbol.graph.op("Sqrt", symbol),
    sum=_reduce("ReduceSum"),
    amax=_reduce("ReduceMax"),
    cumsum=lambda symbol, axis: symbol.graph.op("CumSum", symbol, symbol.graph.constant(axis, "int64")),
    concatenate=lambda symbols, axis: symbols[0].graph.op("Concat", *symbols, axis=axis),
)
"""The array functions of ``encoding.pooling``, on symbols."""
