"""A checkpoint's spec and weights -> the graph of the whole model: ids and masks in, finished vectors out.

Knows the order of the modules (encoder, pooling, projections, normalisation). Inputs ``input_ids``,
``attention_mask`` and ``pooling_mask``, all (batch, tokens) int64; output ``sentence_embedding``
(batch, dimension) float32. The pooling mask is an input, so that every row of a batch can have an
instruction of its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from instructvec.checkpoints.spec import CheckpointSpec
from instructvec.encoding.pooling import pool
from instructvec.engines.graph.encoders import ENCODERS, Array, Weights
from instructvec.engines.graph.layers import GraphDtype, Layers
from instructvec.engines.graph.symbols import Graph, Symbol, xp
from instructvec.errors import UnsupportedModule

INPUTS = ("input_ids", "attention_mask", "pooling_mask")
OUTPUT = "sentence_embedding"

_NORM_EPS = 1e-12
_SHAPE = ("batch", "tokens")


def build(
    spec: CheckpointSpec,
    weights: Weights,
    dense: Sequence[tuple[Array, Array | None]],
    *,
    dtype: GraphDtype,
    max_seq_length: int,
    layers: type[Layers] = Layers,
) -> Graph:
    """Draw the graph.

    Args:
        spec: what the checkpoint is.
        weights: of the encoder, under Hugging Face's names.
        dense: weight (out, in) and bias of each projection.
        dtype: what the encoder's linear layers and word embedding are held in.
        max_seq_length: positions to provide for.
        layers: what writes the blocks.

    Raises:
        UnsupportedModule: a family this builder cannot draw.
    """
    arch = spec.architecture
    if arch.family not in ENCODERS:
        raise UnsupportedModule(
            f"{spec.path}: the ONNX engine cannot draw {arch.model_type!r} models "
            f"(it draws {', '.join(sorted(ENCODERS))}): use backend='torch'"
        )
    g = Graph()
    ids, attention_mask, pooling_mask = (g.input(name, "int64", _SHAPE) for name in INPUTS)
    blocks = layers(g, dtype)
    hidden = ENCODERS[arch.family](blocks, arch, weights, ids, attention_mask, max_seq_length)
    seen, pooled = attention_mask.cast("float32"), pooling_mask.cast("float32")
    vectors: Symbol = pool(hidden, pooled, seen, spec.pooling.modes, xp=xp)
    for part, (weight, bias) in zip(spec.dense, dense, strict=True):
        matrix = g.weight(f"{part.folder}.weight", np.ascontiguousarray(weight.T))
        vectors = blocks.activate(vectors @ matrix, part.activation, part.folder, bias)
    if spec.normalize:
        squares = xp.sum(vectors * vectors, 1)[:, None]
        vectors = vectors / xp.clip(xp.sqrt(squares), _NORM_EPS, None)
    g.output(vectors, OUTPUT, "float32", ("batch", spec.dimension))
    return g
