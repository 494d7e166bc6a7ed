"""The blocks encoders are made of, written as ONNX Runtime's fused operators, in float32 or int8.

Knows matrices, not which checkpoint they come from.

int8 works per row and per channel: each token's activations have a scale of their own (so a text's
vector does not depend on what else is in its batch, which one scale per batch would make it do),
each output channel of a weight has its own. With x a row, W a weight of shape (in, out):

    q = round((x - l) / r) + z,   W'_io = round(W_io / c_o),   (x W)_o ~ r c_o sum_i (q_i - z) W'_io + l sum_i W_io

Where the activations have a known lower bound l (GELU: -0.17, ReLU: 0), z = 0 and r = (max - l) / 255,
so that no bit is lost to values that cannot occur; elsewhere l = 0, z = 128 and r = max |x| / 127.
The last term is a constant and lives in the bias.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.engines.graph.symbols import FUSED, Graph, Symbol
from instructvec.types import Activation

GraphDtype: TypeAlias = Literal["float32", "int8"]
Array: TypeAlias = NDArray[np.float32]

_LOWEST: dict[Activation, float] = {"gelu": -0.17, "gelu_tanh": -0.1701, "relu": 0.0, "silu": -0.2785}
"""The lower bound of each activation's values."""

_SMALLEST_SCALE = 1e-12
_MASKED = -1e4


class Layers:
    """Writes blocks into a graph.

    Args:
        graph: where to.
        dtype: what the weights of the linear layers are held in.
    """

    def __init__(self, graph: Graph, dtype: GraphDtype) -> None:
        self.graph = graph
        self.dtype = dtype
        self._quantized: dict[tuple[str, float | None], tuple[Symbol, Symbol]] = {}

    def linear(
        self, x: Symbol, name: str, weight: Array, bias: Array | None, *, lowest: float | None = None
    ) -> tuple[Symbol, Array | None]:
        """x W, with the bias left to the operator that follows and fuses it.

        Args:
            x: (batch, tokens, in).
            name: of the weight in the graph.
            weight: (out, in), as torch stores it.
            bias: (out,) or none.
            lowest: a bound below all of x, where one is known.

        Returns:
            (batch, tokens, out), and the (out,) bias still to be added, if any.
        """
        if self.dtype == "float32":
            # Multiplied as stored, transposed: the weights can stay where the file is mapped.
            stored = self.graph.weight(name, np.ascontiguousarray(weight))
            product: Symbol = self.graph.op("FusedMatMul", x, stored, domain=FUSED, transB=1)
            return product, bias
        matrix = np.ascontiguousarray(weight.T)
        scale = np.maximum(np.abs(matrix).max(axis=0), np.float32(_SMALLEST_SCALE)) / np.float32(127)
        whole = np.rint(matrix / scale).astype(np.int8)
        if lowest:
            shift = np.float32(lowest) * (whole.astype(np.float32) * scale).sum(axis=0)
            bias = shift if bias is None else bias + shift
        rows, row_scale = self._quantize(x, lowest)
        g = self.graph
        product = g.op(
            "MatMulIntegerToFloat",
            rows,
            g.weight(f"{name}_int8", whole),
            g.constant(1.0, "float32"),
            g.weight(f"{name}_scale", scale.astype(np.float32)),
            g.constant(128 if lowest is None else 0, "uint8"),
            domain=FUSED,
        )
        return product * row_scale, bias

    def _quantize(self, x: Symbol, lowest: float | None) -> tuple[Symbol, Symbol]:
        """(batch, tokens, in) uint8 and (batch, tokens, 1) scales; the same x is quantised once."""
        key = (x.name, lowest)
        if key not in self._quantized:
            g = self.graph
            last = g.constant([-1], "int64")
            if lowest is None:
                widest = g.op("ReduceMax", abs(x), last, keepdims=1)
                zero, steps = 128, 127.0
            else:
                x = x - lowest if lowest else x
                widest = g.op("ReduceMax", x, last, keepdims=1)
                zero, steps = 0, 255.0
            scale = g.op("Max", widest * (1.0 / steps), g.constant(_SMALLEST_SCALE, "float32"))
            whole = g.op(
                "QuantizeLinear", x * (1.0 / scale), g.constant(1.0, "float32"), g.constant(zero, "uint8")
            )
            self._quantized[key] = (whole, scale)
        return self._quantized[key]

    def embedding(self, ids: Symbol, name: str, table: Array) -> Symbol:
        """Rows of a table, held in int8 with a scale a row where the graph is int8.

        Args:
            ids: (batch, tokens) int64.
            name: of the table in the graph.
            table: (vocabulary, width).
        """
        g = self.graph
        if self.dtype == "float32":
            found: Symbol = g.op("Gather", g.weight(name, np.ascontiguousarray(table)), ids)
            return found
        scale = np.maximum(np.abs(table).max(axis=1, keepdims=True), np.float32(_SMALLEST_SCALE)) / np.float32(127)
        whole = np.rint(table / scale).astype(np.int8)
        rows: Symbol = g.op("Gather", g.weight(f"{name}_int8", whole), ids)
        scales: Symbol = g.op("Gather", g.weight(f"{name}_scale", scale.astype(np.float32)), ids)
        return rows.cast("float32") * scales

    def activate(self, x: Symbol, activation: Activation, name: str, bias: Array | None) -> Symbol:
        """activation(x + bias), fused where there is an operator for it."""
        g = self.graph
        if activation == "gelu" and bias is not None:
            fused: Symbol = g.op("BiasGelu", x, g.weight(f"{name}_bias", bias), domain=FUSED)
            return fused
        x = self.add_bias(x, name, bias)
        if activation == "identity":
            return x
        if activation == "silu":
            gate: Symbol = g.op("Sigmoid", x)
            return x * gate
        if activation in ("gelu", "gelu_tanh"):
            gelu: Symbol = g.op("Gelu" if activation == "gelu" else "FastGelu", x, domain=FUSED)
            return gelu
        plain: Symbol = g.op({"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}[activation], x)
        return plain

    def add_bias(self, x: Symbol, name: str, bias: Array | None) -> Symbol:
        """x + bias, or x where there is none."""
        return x if bias is None else x + self.graph.weight(f"{name}_bias", bias)

    def layer_norm(self, x: Symbol, name: str, gamma: Array, beta: Array | None, eps: float) -> Symbol:
        """(x - mean) / sqrt(variance + eps) * gamma + beta over the last axis."""
        g = self.graph
        gain = g.weight(f"{name}_gamma", gamma)
        shift = None if beta is None else g.weight(f"{name}_beta", beta)
        normed: Symbol = g.op("LayerNormalization", x, gain, shift, epsilon=eps, axis=-1)
        return normed

    def rms_norm(self, x: Symbol, name: str, gamma: Array, eps: float) -> Symbol:
        """x / sqrt(mean(x^2) + eps) * gamma (T5)."""
        g = self.graph
        normed: Symbol = g.op(
            "SimplifiedLayerNormalization", x, g.weight(f"{name}_gamma", gamma), epsilon=eps, axis=-1
        )
        return normed

    def attention(
        self,
        qkv: tuple[Symbol, Symbol, Symbol],
        attention_mask: Symbol,
        *,
        n_heads: int,
        scale: float,
        name: str,
        bias: Array | None = None,
        relative: Symbol | None = None,
    ) -> Symbol:
        """Multi-head attention over the tokens the mask shows.

        Args:
            qkv: three of (batch, tokens, heads * head_width).
            attention_mask: (batch, tokens) int32.
            n_heads: heads.
            scale: the products of queries and keys are multiplied by it.
            name: prefix of the bias in the graph.
            bias: (3 * heads * head_width,), of queries, keys and values.
            relative: (1, heads or 1, tokens, tokens), added to the products.
        """
        g = self.graph
        mixed: Symbol = g.op(
            "MultiHeadAttention",
            *qkv,
            None if bias is None else g.weight(f"{name}_bias", bias),
            attention_mask,
            relative,
            domain=FUSED,
            num_heads=n_heads,
            scale=scale,
            mask_filter_value=_MASKED,
        )
        return mixed

    def split3(self, x: Symbol) -> tuple[Symbol, Symbol, Symbol]:
        """Three equal parts of the last axis."""
        parts: tuple[Symbol, Symbol, Symbol] = self.graph.op("Split", x, n_outputs=3, axis=-1, num_outputs=3)
        return parts

    def distances(self, ids: Symbol) -> Symbol:
        """(tokens, tokens) int64: place of the key minus place of the query."""
        g = self.graph
        tokens = g.op("Gather", g.op("Shape", ids), g.constant(1, "int64"), axis=0)
        places = g.op("Range", g.constant(0, "int64"), tokens, g.constant(1, "int64"))
        first, second = g.constant([0], "int64"), g.constant([1], "int64")
        difference: Symbol = g.op("Sub", g.op("Unsqueeze", places, first), g.op("Unsqueeze", places, second))
        return difference

    def relative_bias(self, ids: Symbol, name: str, by_distance: Array, reach: int) -> Symbol:
        """(1, heads, tokens, tokens): a learned bias for each distance between key and query.

        Args:
            ids: (batch, tokens), for their number.
            name: of the table in the graph.
            by_distance: (2 * reach + 1, heads), from distance -reach to reach; farther tokens
                share the ends.
            reach: see above.
        """
        g = self.graph
        low, high = g.constant(-reach, "int64"), g.constant(reach, "int64")
        index = g.op("Add", g.op("Clip", self.distances(ids), low, high), high)
        bias = g.op("Gather", g.weight(name, by_distance), index)
        bias = g.op("Transpose", bias, perm=[2, 0, 1])
        biased: Symbol = g.op("Unsqueeze", bias, g.constant([0], "int64"))
        return biased


def lowest_of(activation: Activation) -> float | None:
    """A bound below all values of an activation, or ``None`` where there is none."""
    return _LOWEST.get(activation)


def relative_buckets(distance: NDArray[np.int64], n_buckets: int, max_distance: int) -> NDArray[np.int64]:
    """Bucket of each distance between key and query, both directions (T5, section 2.1; MPNet).

    Half of the buckets for each direction; of these, half for exact distances, the others
    logarithmic up to ``max_distance``.

    Args:
        distance: place of the key minus place of the query.
        n_buckets: rows of the learned table.
        max_distance: from here on all share the last bucket.
    """
    half = n_buckets // 2
    exact = half // 2
    far = np.abs(distance)
    # float32 as in the reference implementation: the floor below is sensitive to it.
    ratio = np.log(np.maximum(far, 1).astype(np.float32) / np.float32(exact)) / np.float32(
        np.log(max_distance / exact)
    )
    logarithmic = exact + (ratio * np.float32(half - exact)).astype(np.int64)
    bucket = np.where(far < exact, far, np.minimum(logarithmic, half - 1))
    result: NDArray[Any] = bucket + np.where(distance > 0, half, 0)
    return result
