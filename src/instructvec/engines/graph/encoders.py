"""Weights of an encoder -> its graph: ids and attention mask in, hidden states out.

Knows the families BERT, RoBERTa, MPNet, DistilBERT, T5 and ModernBERT under the tensor names of
their Hugging Face checkpoints. Adding a family is one function and one row in :data:`ENCODERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.spec import Architecture
from instructvec.engines.graph.layers import Layers, lowest_of, relative_buckets
from instructvec.engines.graph.symbols import FUSED, Symbol

Array: TypeAlias = NDArray[np.float32]
Weights: TypeAlias = Mapping[str, Array]
Encoder: TypeAlias = Callable[[Layers, Architecture, Weights, Symbol, Symbol, int], Symbol]
"""(layers, architecture, weights, ids, attention mask int64, max_seq_length) -> (batch, tokens, width)"""

_MPNET_MAX_DISTANCE = 128


@dataclass(frozen=True, slots=True)
class _Names:
    """What a family calls the parts of a post-norm layer; ``{}`` is the layer's number."""

    layer: str
    query: str
    key: str
    value: str
    output: str
    output_norm: str
    inner: str
    outer: str
    outer_norm: str


_BERT_NAMES = _Names(
    "encoder.layer.{}.",
    "attention.self.query",
    "attention.self.key",
    "attention.self.value",
    "attention.output.dense",
    "attention.output.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
_MPNET_NAMES = _Names(
    "encoder.layer.{}.",
    "attention.attn.q",
    "attention.attn.k",
    "attention.attn.v",
    "attention.attn.o",
    "attention.LayerNorm",
    "intermediate.dense",
    "output.dense",
    "output.LayerNorm",
)
_DISTILBERT_NAMES = _Names(
    "transformer.layer.{}.",
    "attention.q_lin",
    "attention.k_lin",
    "attention.v_lin",
    "attention.out_lin",
    "sa_layer_norm",
    "ffn.lin1",
    "ffn.lin2",
    "output_layer_norm",
)


def _bert(
    layers: Layers, arch: Architecture, weights: Weights, ids: Symbol, mask: Symbol, max_seq_length: int
) -> Symbol:
    """BERT and DistilBERT: positions count from the row's start."""
    g = layers.graph
    table = weights["embeddings.position_embeddings.weight"][:max_seq_length]
    if "embeddings.token_type_embeddings.weight" in weights:
        table = table + weights["embeddings.token_type_embeddings.weight"][0]
    tokens = g.op("Slice", g.op("Shape", ids), *(g.constant([i], "int64") for i in (1, 2)))
    start, axis = g.constant([0], "int64"), g.constant([0], "int64")
    positions = g.op("Slice", g.weight("positions", np.ascontiguousarray(table)), start, tokens, axis)
    names = _DISTILBERT_NAMES if arch.family == "distilbert" else _BERT_NAMES
    return _post_norm(layers, arch, weights, names, ids, mask, positions, None)


def _roberta(
    layers: Layers, arch: Architecture, weights: Weights, ids: Symbol, mask: Symbol, max_seq_length: int
) -> Symbol:
    """RoBERTa, XLM-R and MPNet: positions count the tokens that are not the pad token."""
    g = layers.graph
    table = weights["embeddings.position_embeddings.weight"][: max_seq_length + arch.position_offset]
    if "embeddings.token_type_embeddings.weight" in weights:
        table = table + weights["embeddings.token_type_embeddings.weight"][0]
    pad = g.constant(arch.position_offset - 1, "int64")
    real = g.op("Not", g.op("Equal", ids, pad)).cast("int64")
    counted = g.op("CumSum", real, g.constant(1, "int64"))
    index = g.op("Add", g.op("Mul", counted, real), pad)
    positions = g.op("Gather", g.weight("positions", np.ascontiguousarray(table)), index)
    if arch.family == "roberta":
        return _post_norm(layers, arch, weights, _BERT_NAMES, ids, mask, positions, None)
    learned = weights["encoder.relative_attention_bias.weight"]
    relative = _relative(layers, ids, learned, arch.relative_buckets, _MPNET_MAX_DISTANCE)
    return _post_norm(layers, arch, weights, _MPNET_NAMES, ids, mask, positions, relative)


def _post_norm(
    layers: Layers,
    arch: Architecture,
    weights: Weights,
    names: _Names,
    ids: Symbol,
    mask: Symbol,
    positions: Symbol,
    relative: Symbol | None,
) -> Symbol:
    words = layers.embedding(ids, "words", weights["embeddings.word_embeddings.weight"])
    gamma, beta = weights["embeddings.LayerNorm.weight"], weights["embeddings.LayerNorm.bias"]
    x = layers.layer_norm(words + positions, "embeddings_norm", gamma, beta, arch.norm_eps)
    seen = mask.cast("int32")
    for number in range(arch.n_layers):
        prefix = names.layer.format(number)

        def part(name: str, prefix: str = prefix) -> tuple[Array, Array]:
            return weights[f"{prefix}{name}.weight"], weights[f"{prefix}{name}.bias"]

        packed, packed_bias = _pack(part(names.query), part(names.key), part(names.value))
        qkv, bias = layers.linear(x, f"{prefix}qkv", packed, packed_bias)
        mixed = layers.attention(
            layers.split3(qkv),
            seen,
            n_heads=arch.n_heads,
            scale=arch.head_width**-0.5,
            name=f"{prefix}qkv",
            bias=bias,
            relative=relative,
        )
        out, bias = layers.linear(mixed, f"{prefix}output", *part(names.output))
        x = layers.add_bias(out, f"{prefix}output", bias) + x
        x = layers.layer_norm(x, f"{prefix}output_norm", *part(names.output_norm), arch.norm_eps)
        inner, bias = layers.linear(x, f"{prefix}inner", *part(names.inner))
        inner = layers.activate(inner, arch.activation, f"{prefix}inner", bias)
        lowest = lowest_of(arch.activation)
        outer, bias = layers.linear(inner, f"{prefix}outer", *part(names.outer), lowest=lowest)
        x = layers.add_bias(outer, f"{prefix}outer", bias) + x
        x = layers.layer_norm(x, f"{prefix}outer_norm", *part(names.outer_norm), arch.norm_eps)
    return x


def _t5(
    layers: Layers, arch: Architecture, weights: Weights, ids: Symbol, mask: Symbol, max_seq_length: int
) -> Symbol:
    """T5's encoder: pre-norm, no biases, unscaled attention with a learned relative bias."""
    x = layers.embedding(ids, "words", weights["shared.weight"])
    seen = mask.cast("int32")
    learned = weights["encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"]
    relative = _relative(layers, ids, learned, arch.relative_buckets, arch.relative_max_distance)
    for number in range(arch.n_layers):
        prefix = f"encoder.block.{number}.layer."
        attention = f"{prefix}0.SelfAttention."
        normed = layers.rms_norm(x, f"{prefix}0", weights[f"{prefix}0.layer_norm.weight"], arch.norm_eps)
        packed = np.concatenate([weights[f"{attention}{part}.weight"] for part in "qkv"])
        qkv, _ = layers.linear(normed, f"{attention}qkv", packed, None)
        mixed = layers.attention(
            layers.split3(qkv), seen, n_heads=arch.n_heads, scale=1.0, name=attention, relative=relative
        )
        out, _ = layers.linear(mixed, f"{attention}o", weights[f"{attention}o.weight"], None)
        x = x + out
        normed = layers.rms_norm(x, f"{prefix}1", weights[f"{prefix}1.layer_norm.weight"], arch.norm_eps)
        inner, lowest = _t5_inner(layers, arch, weights, normed, f"{prefix}1.DenseReluDense.")
        name = f"{prefix}1.DenseReluDense.wo"
        out, bias = layers.linear(inner, name, weights[f"{name}.weight"], None, lowest=lowest)
        x = x + layers.add_bias(out, name, bias)
    return layers.rms_norm(x, "final_norm", weights["encoder.final_layer_norm.weight"], arch.norm_eps)


def _t5_inner(
    layers: Layers, arch: Architecture, weights: Weights, x: Symbol, prefix: str
) -> tuple[Symbol, float | None]:
    if not arch.gated:
        inner, bias = layers.linear(x, f"{prefix}wi", weights[f"{prefix}wi.weight"], None)
        return layers.activate(inner, arch.activation, f"{prefix}wi", bias), lowest_of(arch.activation)
    gate, _ = layers.linear(x, f"{prefix}wi_0", weights[f"{prefix}wi_0.weight"], None)
    inner, _ = layers.linear(x, f"{prefix}wi_1", weights[f"{prefix}wi_1.weight"], None)
    return layers.activate(gate, arch.activation, f"{prefix}wi_0", None) * inner, None


def _modernbert(
    layers: Layers, arch: Architecture, weights: Weights, ids: Symbol, mask: Symbol, max_seq_length: int
) -> Symbol:
    """ModernBERT: pre-norm, rotary positions, gated feed-forward, a sliding window in most layers."""
    g = layers.graph
    words = layers.embedding(ids, "words", weights["embeddings.tok_embeddings.weight"])
    x = _norm(layers, arch, weights, words, "embeddings.norm")
    seen = mask.cast("int32")
    window = _window(layers, ids, arch.local_window)
    tokens = g.op("Shape", ids)
    for number in range(arch.n_layers):
        prefix = f"layers.{number}."
        is_global = number % arch.global_every == 0
        normed = x if number == 0 else _norm(layers, arch, weights, x, f"{prefix}attn_norm")
        qkv = _linear(layers, weights, normed, f"{prefix}attn.Wqkv")
        query, key, value = layers.split3(qkv)
        theta = arch.rope_theta if is_global else arch.local_rope_theta
        query, key = (_rotate(layers, arch, part, tokens, theta, max_seq_length) for part in (query, key))
        mixed = layers.attention(
            (query, key, value),
            seen,
            n_heads=arch.n_heads,
            scale=arch.head_width**-0.5,
            name=f"{prefix}attn",
            relative=None if is_global else window,
        )
        x = x + _linear(layers, weights, mixed, f"{prefix}attn.Wo")
        normed = _norm(layers, arch, weights, x, f"{prefix}mlp_norm")
        both = _linear(layers, weights, normed, f"{prefix}mlp.Wi")
        inner, gate = g.op("Split", both, n_outputs=2, axis=-1, num_outputs=2)
        inner = layers.activate(inner, arch.activation, f"{prefix}mlp.Wi", None) * gate
        x = x + _linear(layers, weights, inner, f"{prefix}mlp.Wo")
    return _norm(layers, arch, weights, x, "final_norm")


def _rotate(
    layers: Layers, arch: Architecture, x: Symbol, shape: Symbol, theta: float, max_seq_length: int
) -> Symbol:
    g = layers.graph
    half = arch.head_width // 2
    frequency = theta ** (-np.arange(half, dtype=np.float64) / half)
    angle = np.arange(max_seq_length, dtype=np.float64)[:, None] * frequency
    start = g.constant([0], "int64")
    rotated: Symbol = g.op(
        "RotaryEmbedding",
        x,
        start,
        g.weight(f"cos_{theta:g}", np.cos(angle).astype(np.float32)),
        g.weight(f"sin_{theta:g}", np.sin(angle).astype(np.float32)),
        domain=FUSED,
        num_heads=arch.n_heads,
    )
    return rotated


def _window(layers: Layers, ids: Symbol, local_window: int) -> Symbol:
    """(1, 1, tokens, tokens) float32: a large negative number beyond half a window's distance."""
    g = layers.graph
    far = g.op("Greater", g.op("Abs", layers.distances(ids)), g.constant(local_window // 2, "int64"))
    bias = far.cast("float32") * -1e4
    window: Symbol = g.op("Unsqueeze", bias, g.constant([0, 1], "int64"))
    return window


def _norm(layers: Layers, arch: Architecture, weights: Weights, x: Symbol, name: str) -> Symbol:
    return layers.layer_norm(x, name, weights[f"{name}.weight"], weights.get(f"{name}.bias"), arch.norm_eps)


def _linear(layers: Layers, weights: Weights, x: Symbol, name: str) -> Symbol:
    out, bias = layers.linear(x, name, weights[f"{name}.weight"], weights.get(f"{name}.bias"))
    return layers.add_bias(out, name, bias)


def _relative(layers: Layers, ids: Symbol, learned: Array, n_buckets: int, max_distance: int) -> Symbol:
    distance = np.arange(-max_distance, max_distance + 1)
    by_distance = learned[relative_buckets(distance, n_buckets, max_distance)]
    return layers.relative_bias(ids, "relative_bias", np.ascontiguousarray(by_distance), max_distance)


def _pack(*parts: tuple[Array, Array]) -> tuple[Array, Array]:
    return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])


ENCODERS: Mapping[str, Encoder] = {
    "bert": _bert,
    "distilbert": _bert,
    "roberta": _roberta,
    "mpnet": _roberta,
    "t5": _t5,
    "modernbert": _modernbert,
}
"""The families this file can draw."""
