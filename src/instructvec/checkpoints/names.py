"""Names of an encoder's tensors: stored -> canonical, and which there must be with which shapes.

Knows the families' ``state_dict`` names; nothing of files or values.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from instructvec.checkpoints.spec import Architecture
from instructvec.errors import CheckpointError
from instructvec.types import Family

Shape = tuple[int | None, ...]

# A tensor every checkpoint of the family has, whatever stands before its name: it shows the prefix.
_ANCHORS: dict[Family, tuple[str, ...]] = {
    "bert": ("embeddings.word_embeddings.weight",),
    "roberta": ("embeddings.word_embeddings.weight",),
    "mpnet": ("embeddings.word_embeddings.weight",),
    "distilbert": ("embeddings.word_embeddings.weight",),
    "t5": ("shared.weight", "encoder.embed_tokens.weight"),
    "modernbert": ("embeddings.tok_embeddings.weight",),
    "decoder": ("embed_tokens.weight",),
}
_KEPT: dict[Family, re.Pattern[str]] = {
    "bert": re.compile(r"embeddings\.|encoder\."),
    "roberta": re.compile(r"embeddings\.|encoder\."),
    "mpnet": re.compile(r"embeddings\.|encoder\."),
    "distilbert": re.compile(r"embeddings\.|transformer\."),
    "t5": re.compile(r"shared\.weight|encoder\.(?!embed_tokens)"),
    "modernbert": re.compile(r"embeddings\.|layers\.|final_norm\."),
    "decoder": re.compile(r"(?!lm_head\.|score\.)"),
}
_BUFFERS = re.compile(r"(?:position_ids|inv_freq|token_type_ids)$")
_POOLER = re.compile(r"pooler\.dense\.")


def canonical_names(stored: Iterable[str], family: Family, file: Path, *, pooler: bool = False) -> dict[str, str]:
    """Canonical name -> stored name, of the tensors that belong to the encoder.

    Args:
        stored: names in the file.
        family: whose encoder.
        file: where they lie, for the error.
        pooler: whether ``pooler.dense.*`` is kept too.

    Raises:
        CheckpointError: no word embedding is among them.

    Example:
        >>> stored = ["bert.embeddings.word_embeddings.weight", "cls.predictions.bias"]
        >>> canonical_names(stored, "bert", Path("model.safetensors"))
        {'embeddings.word_embeddings.weight': 'bert.embeddings.word_embeddings.weight'}
    """
    names = list(stored)
    prefix, anchor = _prefix(names, family, file)
    kept: dict[str, str] = {}
    for name in names:
        if not name.startswith(prefix):
            continue
        # Checkpoints converted from TensorFlow call a layer norm's weight gamma and its bias beta.
        plain = name.removeprefix(prefix).replace("LayerNorm.gamma", "LayerNorm.weight")
        plain = plain.replace("LayerNorm.beta", "LayerNorm.bias")
        if plain == anchor:
            kept[_ANCHORS[family][0]] = name
        elif _BUFFERS.search(plain) is None and (_KEPT[family].match(plain) or (pooler and _POOLER.match(plain))):
            kept[plain] = name
    return kept


def _prefix(names: list[str], family: Family, file: Path) -> tuple[str, str]:
    for anchor in _ANCHORS[family]:
        prefixes = sorted((name.removesuffix(anchor) for name in names if name.endswith(anchor)), key=len)
        prefixes = [prefix for prefix in prefixes if not prefix or prefix.endswith(".")]
        if prefixes:
            return prefixes[0], anchor
    raise CheckpointError(
        f"{file}: no tensor named {' or '.join(_ANCHORS[family])} among {len(names)}, such as {names[:3]}; "
        f"these are not the weights of a {family} encoder"
    )


def expected_shapes(architecture: Architecture) -> dict[str, Shape]:
    """Canonical name -> shape of the tensors there must be (``None``: any size).

    Decoders, which only the torch engine runs, are checked by their word embedding alone.
    """
    if architecture.family == "decoder":
        return {"embed_tokens.weight": (None, architecture.width)}
    return dict(_SHAPES[architecture.family](architecture))


def _affine(name: str, *shape: int) -> Iterator[tuple[str, Shape]]:
    yield f"{name}.weight", shape
    yield f"{name}.bias", shape[:1]


def _embeddings(a: Architecture, *, token_types: bool) -> Iterator[tuple[str, Shape]]:
    yield "embeddings.word_embeddings.weight", (a.vocab_size, a.width)
    yield "embeddings.position_embeddings.weight", (a.n_positions, a.width)
    if token_types:
        yield "embeddings.token_type_embeddings.weight", (None, a.width)
    yield from _affine("embeddings.LayerNorm", a.width)


def _bert(a: Architecture) -> Iterator[tuple[str, Shape]]:
    yield from _embeddings(a, token_types=True)
    for layer in range(a.n_layers):
        name = f"encoder.layer.{layer}"
        for part in ("query", "key", "value"):
            yield from _affine(f"{name}.attention.self.{part}", a.width, a.width)
        yield from _affine(f"{name}.attention.output.dense", a.width, a.width)
        yield from _affine(f"{name}.attention.output.LayerNorm", a.width)
        yield from _feed_forward(name, a)


def _feed_forward(name: str, a: Architecture) -> Iterator[tuple[str, Shape]]:
    yield from _affine(f"{name}.intermediate.dense", a.ffn_width, a.width)
    yield from _affine(f"{name}.output.dense", a.width, a.ffn_width)
    yield from _affine(f"{name}.output.LayerNorm", a.width)


def _mpnet(a: Architecture) -> Iterator[tuple[str, Shape]]:
    yield from _embeddings(a, token_types=False)
    yield "encoder.relative_attention_bias.weight", (a.relative_buckets, a.n_heads)
    for layer in range(a.n_layers):
        name = f"encoder.layer.{layer}"
        for part in "qkvo":
            yield from _affine(f"{name}.attention.attn.{part}", a.width, a.width)
        yield from _affine(f"{name}.attention.LayerNorm", a.width)
        yield from _feed_forward(name, a)


def _distilbert(a: Architecture) -> Iterator[tuple[str, Shape]]:
    yield from _embeddings(a, token_types=False)
    for layer in range(a.n_layers):
        name = f"transformer.layer.{layer}"
        for part in ("q_lin", "k_lin", "v_lin", "out_lin"):
            yield from _affine(f"{name}.attention.{part}", a.width, a.width)
        yield from _affine(f"{name}.sa_layer_norm", a.width)
        yield from _affine(f"{name}.ffn.lin1", a.ffn_width, a.width)
        yield from _affine(f"{name}.ffn.lin2", a.width, a.ffn_width)
        yield from _affine(f"{name}.output_layer_norm", a.width)


def _t5(a: Architecture) -> Iterator[tuple[str, Shape]]:
    inner = a.n_heads * a.head_width
    yield "shared.weight", (a.vocab_size, a.width)
    yield (
        "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight",
        (a.relative_buckets, a.n_heads),
    )
    for layer in range(a.n_layers):
        attention, dense = (f"encoder.block.{layer}.layer.{part}" for part in (0, 1))
        for part in "qkv":
            yield f"{attention}.SelfAttention.{part}.weight", (inner, a.width)
        yield f"{attention}.SelfAttention.o.weight", (a.width, inner)
        yield f"{attention}.layer_norm.weight", (a.width,)
        for part in ("wi_0", "wi_1") if a.gated else ("wi",):
            yield f"{dense}.DenseReluDense.{part}.weight", (a.ffn_width, a.width)
        yield f"{dense}.DenseReluDense.wo.weight", (a.width, a.ffn_width)
        yield f"{dense}.layer_norm.weight", (a.width,)
    yield "encoder.final_layer_norm.weight", (a.width,)


def _modernbert(a: Architecture) -> Iterator[tuple[str, Shape]]:
    yield "embeddings.tok_embeddings.weight", (a.vocab_size, a.width)
    yield "embeddings.norm.weight", (a.width,)
    for layer in range(a.n_layers):
        if layer:
            yield f"layers.{layer}.attn_norm.weight", (a.width,)
        yield f"layers.{layer}.attn.Wqkv.weight", (3 * a.width, a.width)
        yield f"layers.{layer}.attn.Wo.weight", (a.width, a.width)
        yield f"layers.{layer}.mlp_norm.weight", (a.width,)
        yield f"layers.{layer}.mlp.Wi.weight", (2 * a.ffn_width, a.width)
        yield f"layers.{layer}.mlp.Wo.weight", (a.width, a.ffn_width)
    yield "final_norm.weight", (a.width,)


_SHAPES = {
    "bert": _bert,
    "roberta": _bert,
    "mpnet": _mpnet,
    "distilbert": _distilbert,
    "t5": _t5,
    "modernbert": _modernbert,
}
