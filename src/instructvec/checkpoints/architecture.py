"""Turns a Hugging Face ``config.json`` into an :class:`Architecture`, or refuses it.

Knows the keys of each model type, in their older and newer spellings; nothing of weights or modules.
Source: the configuration classes of transformers 4.51 to 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypedDict

from instructvec.checkpoints.jsonfile import get_bool, get_float, get_int, read_json
from instructvec.checkpoints.spec import Architecture
from instructvec.errors import CheckpointError, UnsupportedModule
from instructvec.types import Activation, Family

FAMILIES: dict[str, Family] = {
    "bert": "bert",
    "roberta": "roberta",
    "xlm-roberta": "roberta",
    "camembert": "roberta",
    "mpnet": "mpnet",
    "distilbert": "distilbert",
    "t5": "t5",
    "mt5": "t5",
    "modernbert": "modernbert",
    "qwen2": "decoder",
    "qwen3": "decoder",
    "mistral": "decoder",
    "ministral": "decoder",
    "llama": "decoder",
    "gemma": "decoder",
    "gemma2": "decoder",
    "gemma3_text": "decoder",
    "granite": "decoder",
    "olmo2": "decoder",
    "phi3": "decoder",
    "smollm3": "decoder",
}
"""``model_type`` -> family. umT5 is absent on purpose: it has a position bias in every layer."""

ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_fast": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
    "swish": "silu",
}

# transformers computes MPNet's bias with these, whatever config.json says.
_MPNET_BUCKETS = 32
_MPNET_MAX_DISTANCE = 128
_MPNET_POSITION_OFFSET = 2


def read_architecture(file: Path) -> tuple[Architecture, int | None]:
    """The encoder's shape and how many tokens its positions allow.

    Args:
        file: a ``config.json``.

    Returns:
        The architecture, and the longest row in tokens (``None`` where positions are unlimited).

    Raises:
        CheckpointError: a key is missing or of the wrong type.
        UnsupportedModule: a model type, activation, position type or custom code not known here.
    """
    config = read_json(file)
    model_type = config.get("model_type")
    if not isinstance(model_type, str):
        raise CheckpointError(f"{file}: the key 'model_type' is missing; expected one of {_known()}")
    if model_type not in FAMILIES:
        raise UnsupportedModule(
            f"{file}: model_type {model_type!r} is not supported; expected one of {_known()}. "
            "Use a checkpoint of one of these, or sentence-transformers for this one"
        )
    _refuse_custom_code(config, file)
    family = FAMILIES[model_type]
    if family in {"bert", "roberta"}:
        return _bert_like(config, file, family)
    if family == "mpnet":
        return _mpnet(config, file)
    if family == "distilbert":
        return _distilbert(config, file)
    if family == "t5":
        return _t5(config, file), None
    if family == "modernbert":
        return _modernbert(config, file), get_int(config, "max_position_embeddings", file, 8192)
    return _decoder(config, file), get_int(config, "max_position_embeddings", file, 2048)


def _known() -> str:
    return ", ".join(sorted(FAMILIES))


def _refuse_custom_code(config: Mapping[str, Any], file: Path) -> None:
    auto_map = config.get("auto_map")
    if isinstance(auto_map, dict) and "AutoModel" in auto_map:
        raise UnsupportedModule(
            f"{file}: the checkpoint computes with code of its own ({auto_map['AutoModel']}), which is never "
            "executed here, and the built-in model of that type may differ; use a checkpoint without 'auto_map'"
        )


def _activation(name: object, key: str, file: Path) -> Activation:
    if name not in ACTIVATIONS:
        raise UnsupportedModule(
            f"{file}: {key} {name!r} is not supported; expected one of {', '.join(ACTIVATIONS)}"
        )
    return ACTIVATIONS[str(name)]


class _Sizes(TypedDict):
    vocab_size: int
    width: int
    n_layers: int
    n_heads: int
    head_width: int
    ffn_width: int


def _sizes(config: Mapping[str, Any], file: Path) -> _Sizes:
    """The keys that BERT, RoBERTa, MPNet, ModernBERT and the decoders share."""
    width = get_int(config, "hidden_size", file)
    n_heads = get_int(config, "num_attention_heads", file)
    return {
        "vocab_size": get_int(config, "vocab_size", file),
        "width": width,
        "n_layers": get_int(config, "num_hidden_layers", file),
        "n_heads": n_heads,
        "head_width": get_int(config, "head_dim", file, width // max(n_heads, 1)),
        "ffn_width": get_int(config, "intermediate_size", file),
    }


def _bert_like(config: Mapping[str, Any], file: Path, family: Family) -> tuple[Architecture, int]:
    position_type = config.get("position_embedding_type", "absolute")
    if position_type != "absolute":
        raise UnsupportedModule(
            f"{file}: position_embedding_type {position_type!r} is not supported; expected 'absolute'"
        )
    if get_bool(config, "is_decoder", file, False):
        raise UnsupportedModule(f"{file}: is_decoder is true, a causal BERT; expected an encoder")
    pad = get_int(config, "pad_token_id", file, 0 if family == "bert" else 1)
    offset = 0 if family == "bert" else pad + 1
    n_positions = get_int(config, "max_position_embeddings", file, 512)
    architecture = Architecture(
        family=family,
        model_type=str(config["model_type"]),
        **_sizes(config, file),
        activation=_activation(config.get("hidden_act", "gelu"), "hidden_act", file),
        norm_eps=get_float(config, "layer_norm_eps", file, 1e-12),
        n_positions=n_positions,
        position_offset=offset,
        pad_token_id=pad,
    )
    return architecture, n_positions - offset


def _mpnet(config: Mapping[str, Any], file: Path) -> tuple[Architecture, int]:
    buckets = get_int(config, "relative_attention_num_buckets", file, _MPNET_BUCKETS)
    if buckets != _MPNET_BUCKETS:
        raise UnsupportedModule(
            f"{file}: relative_attention_num_buckets {buckets} is not supported; expected {_MPNET_BUCKETS}"
        )
    n_positions = get_int(config, "max_position_embeddings", file, 512)
    architecture = Architecture(
        family="mpnet",
        model_type="mpnet",
        **_sizes(config, file),
        activation=_activation(config.get("hidden_act", "gelu"), "hidden_act", file),
        norm_eps=get_float(config, "layer_norm_eps", file, 1e-12),
        n_positions=n_positions,
        position_offset=_MPNET_POSITION_OFFSET,
        pad_token_id=get_int(config, "pad_token_id", file, 1),
        relative_buckets=buckets,
        relative_max_distance=_MPNET_MAX_DISTANCE,
    )
    return architecture, n_positions - _MPNET_POSITION_OFFSET


def _distilbert(config: Mapping[str, Any], file: Path) -> tuple[Architecture, int]:
    width, n_heads = get_int(config, "dim", file), get_int(config, "n_heads", file)
    n_positions = get_int(config, "max_position_embeddings", file, 512)
    architecture = Architecture(
        family="distilbert",
        model_type="distilbert",
        vocab_size=get_int(config, "vocab_size", file),
        width=width,
        n_layers=get_int(config, "n_layers", file),
        n_heads=n_heads,
        head_width=width // max(n_heads, 1),
        ffn_width=get_int(config, "hidden_dim", file),
        activation=_activation(config.get("activation", "gelu"), "activation", file),
        norm_eps=1e-12,
        n_positions=n_positions,
        pad_token_id=get_int(config, "pad_token_id", file, 0),
    )
    return architecture, n_positions


def _t5(config: Mapping[str, Any], file: Path) -> Architecture:
    mt5 = config["model_type"] == "mt5"
    projection = str(config.get("feed_forward_proj") or ("gated-gelu" if mt5 else "relu"))
    gated, name = projection.startswith("gated-"), projection.removeprefix("gated-")
    # transformers: "gated-gelu" has always meant the tanh form (gelu_new).
    name = "gelu_new" if projection == "gated-gelu" else name
    return Architecture(
        family="t5",
        model_type=str(config["model_type"]),
        vocab_size=get_int(config, "vocab_size", file),
        width=get_int(config, "d_model", file),
        n_layers=get_int(config, "num_layers", file),
        n_heads=get_int(config, "num_heads", file),
        head_width=get_int(config, "d_kv", file),
        ffn_width=get_int(config, "d_ff", file),
        activation=_activation(name, "feed_forward_proj", file),
        gated=gated,
        norm_eps=get_float(config, "layer_norm_epsilon", file, 1e-6),
        pad_token_id=get_int(config, "pad_token_id", file, 0),
        relative_buckets=get_int(config, "relative_attention_num_buckets", file, 32),
        relative_max_distance=get_int(config, "relative_attention_max_distance", file, 128),
    )


def _modernbert(config: Mapping[str, Any], file: Path) -> Architecture:
    sizes = _sizes(config, file)
    return Architecture(
        family="modernbert",
        model_type="modernbert",
        **sizes,
        activation=_activation(config.get("hidden_activation", "gelu"), "hidden_activation", file),
        gated=True,
        norm_eps=get_float(config, "norm_eps", file, 1e-5),
        pad_token_id=get_int(config, "pad_token_id", file, 0),
        global_every=_global_every(config, sizes["n_layers"], file),
        local_window=get_int(config, "local_attention", file, 128),
        rope_theta=_modernbert_theta(config, "full_attention", "global_rope_theta", 160_000.0, file),
        local_rope_theta=_modernbert_theta(config, "sliding_attention", "local_rope_theta", 10_000.0, file),
    )


def _global_every(config: Mapping[str, Any], n_layers: int, file: Path) -> int:
    """ModernBERT's period of global layers: stated (transformers 4), or read off the layer types (5)."""
    layer_types = config.get("layer_types")
    if layer_types is None:
        return min(get_int(config, "global_attn_every_n_layers", file, 3), n_layers)
    globals_at = [index for index, kind in enumerate(layer_types) if kind == "full_attention"]
    every = globals_at[1] if len(globals_at) > 1 else n_layers
    if len(layer_types) != n_layers or globals_at != list(range(0, n_layers, max(every, 1))):
        raise UnsupportedModule(
            f"{file}: layer_types {layer_types} is not supported; expected {n_layers} entries, "
            "'full_attention' first and at equal distances"
        )
    return every


def _modernbert_theta(config: Mapping[str, Any], kind: str, old_key: str, default: float, file: Path) -> float:
    parameters = (config.get("rope_parameters") or {}).get(kind) or {}
    rope_type = parameters.get("rope_type", "default")
    if rope_type != "default" or config.get("rope_scaling"):
        raise UnsupportedModule(f"{file}: scaled rotary positions are not supported; expected rope_type 'default'")
    theta = get_float(parameters, "rope_theta", file, 0.0) or get_float(config, old_key, file, 0.0)
    return theta or default


def _decoder(config: Mapping[str, Any], file: Path) -> Architecture:
    name = config.get("hidden_activation") or config.get("hidden_act") or "silu"
    gemma = str(config["model_type"]).startswith("gemma")
    # transformers reads Gemma's "gelu" as the tanh form its weights were trained with.
    name = "gelu_pytorch_tanh" if gemma and name == "gelu" else name
    rope = config.get("rope_parameters")
    theta = rope.get("rope_theta") if isinstance(rope, dict) else None
    pad = config.get("pad_token_id")
    return Architecture(
        family="decoder",
        model_type=str(config["model_type"]),
        **_sizes(config, file),
        activation=_activation(name, "hidden_act", file),
        gated=True,
        norm_eps=get_float(config, "rms_norm_eps", file, 1e-6),
        # Padding stands on the right of causal attention, so that any id serves.
        pad_token_id=pad if isinstance(pad, int) and pad >= 0 else 0,
        rope_theta=float(theta) if theta else get_float(config, "rope_theta", file, 10_000.0),
    )
