"""The names of an encoder's weights -> how deep in it they lie, and which of them a recipe leaves as they are.

Knows where each family keeps its embeddings and layers; nothing of values or gradients.
Source: the module names of transformers' encoders, which checkpoints have too.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from instructvec.errors import ConfigError

if TYPE_CHECKING:
    import torch

    from instructvec.checkpoints.spec import CheckpointSpec
    from instructvec.types import Family

LAYERS: dict[Family, str] = {
    "bert": "encoder.layer",
    "roberta": "encoder.layer",
    "mpnet": "encoder.layer",
    "distilbert": "transformer.layer",
    "t5": "encoder.block",
    "modernbert": "layers",
    "decoder": "layers",
}
"""Family -> the list of its layers."""

_EMBEDDINGS = re.compile(r"(?:embeddings|shared|embed_tokens)\.")
# MPNet's lies beside the layers; T5's, which all layers share too, in the first of them.
_SHARED_BIAS = "encoder.relative_attention_bias."


def depth_of(name: str, spec: CheckpointSpec) -> int:
    """How far from the input a weight lies.

    Args:
        name: the weight's, as in the checkpoint, or a longer one that begins with it.
        spec: the checkpoint.

    Returns:
        0 for embeddings, 1 to n for the n layers, n + 1 for what follows them.

    Example:
        >>> from instructvec.checkpoints.layout import read_spec
        >>> from instructvec.embedder import BUNDLED
        >>> spec = read_spec(BUNDLED)
        >>> names = ("embeddings.LayerNorm.bias", "encoder.layer.5.output.dense.weight", "dense.0.weight")
        >>> [depth_of(name, spec) for name in names]
        [0, 6, 7]
    """
    if _EMBEDDINGS.match(name):
        return 0
    if name.startswith(_SHARED_BIAS):
        return 1
    layer = re.match(rf"{re.escape(LAYERS[spec.architecture.family])}\.(\d+)\.", name)
    return int(layer[1]) + 1 if layer else spec.architecture.n_layers + 1


def is_frozen(name: str, spec: CheckpointSpec, *, freeze_embeddings: bool, freeze_layers: int) -> bool:
    """Whether a recipe leaves a weight as it is.

    Args:
        name: the weight's, as in the checkpoint.
        spec: the checkpoint.
        freeze_embeddings: leave the embeddings.
        freeze_layers: leave the first so many layers; a position bias that all layers share is the first's.
    """
    depth = depth_of(name, spec)
    return freeze_embeddings if depth == 0 else depth <= freeze_layers


def check_frozen(spec: CheckpointSpec, *, freeze_layers: int) -> None:
    """Refuse to freeze more layers than there are.

    Raises:
        ConfigError: says how many there are.
    """
    if freeze_layers > spec.architecture.n_layers:
        raise ConfigError(
            f"model.freeze_layers is {freeze_layers}; {spec.path.name} has {spec.architecture.n_layers} layers: "
            "give that number or less"
        )


def layers_of(encoder: torch.nn.Module, spec: CheckpointSpec) -> list[torch.nn.Module]:
    """The encoder's layers, first to last."""
    return list(encoder.get_submodule(LAYERS[spec.architecture.family]).children())
