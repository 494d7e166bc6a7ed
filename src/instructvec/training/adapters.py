r"""An encoder -> the same with low-rank adapters beside its linear layers, and what they add to each weight.

Knows linear layers by their names; nothing of what they are trained for. With a layer's weight W, (out, in), its
adapter's A, (rank, in), and B, (out, rank), the layer computes :math:`(W + \alpha / rank \cdot BA) x`. B starts at
zero, so that training starts from the checkpoint's vectors; folding adds the product to W.
Source: Hu et al. 2022, section 4.1; the layers are peft's.
"""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from instructvec.errors import ConfigError
from instructvec.extras import require
from instructvec.training.layers import depth_of

if TYPE_CHECKING:
    import torch

    from instructvec.checkpoints.spec import CheckpointSpec
    from instructvec.training.options import Lora

_NAME = "default"


def add_adapters(encoder: torch.nn.Module, spec: CheckpointSpec, lora: Lora, *, freeze_layers: int = 0) -> None:
    """Put an adapter beside every linear layer that is to have one, and leave all else without gradient.

    Args:
        encoder: transformers' bare encoder; changed in place.
        spec: the checkpoint it is of.
        lora: rank, scale and which layers.
        freeze_layers: the first so many layers get none.

    Raises:
        ConfigError: a target that is no linear layer's name.
        MissingExtra: peft is not installed.
    """
    require("peft", "a recipe with [lora]")
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=_targets(encoder, spec, lora, freeze_layers),
        bias="none",
    )
    inject_adapter_in_model(config, encoder, adapter_name=_NAME)


def adapted(encoder: torch.nn.Module) -> Iterator[tuple[str, Any]]:
    """The name of every weight that has an adapter, and its layer."""
    for name, module in encoder.named_modules():
        if hasattr(module, "get_delta_weight"):
            yield f"{name}.weight", module


def addition(layer: Any) -> torch.Tensor:
    """(out, in) what an adapter adds to its layer's weight."""
    delta: torch.Tensor = layer.get_delta_weight(_NAME)
    return delta


def reset(layer: Any) -> None:
    """Make an adapter add nothing, as at the start."""
    layer.lora_B[_NAME].weight.data.zero_()


def plain_name(name: str) -> str:
    """A parameter's name without what adapters put into it.

    Example:
        >>> plain_name("layers.0.attn.Wo.base_layer.weight"), plain_name("layers.0.attn.Wo.lora_A.default.weight")
        ('layers.0.attn.Wo.weight', 'layers.0.attn.Wo.lora_A')
    """
    return name.replace(".base_layer.", ".").removesuffix(f".{_NAME}.weight")


def _targets(encoder: torch.nn.Module, spec: CheckpointSpec, lora: Lora, freeze_layers: int) -> list[str]:
    """Full names of the linear layers that get an adapter."""
    import torch

    linear = [name for name, module in encoder.named_modules() if isinstance(module, torch.nn.Linear)]
    inside = [name for name in linear if 1 <= depth_of(f"{name}.weight", spec) <= spec.architecture.n_layers]
    for target in lora.targets:
        if not any(_is_called(name, target) for name in inside):
            known = sorted({name.rpartition(".")[2] for name in inside})
            near = get_close_matches(target, known, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(
                f"lora.targets has {target!r}, which no linear layer of {spec.path.name} is called; expected one "
                f"of {', '.join(known)}.{hint}"
            )
    chosen = [name for name in inside if not lora.targets or any(_is_called(name, one) for one in lora.targets)]
    trained = [name for name in chosen if depth_of(f"{name}.weight", spec) > freeze_layers]
    if not trained:
        raise ConfigError(
            f"model.freeze_layers is {freeze_layers}, which leaves no layer for adapters; freeze fewer"
        )
    return trained


def _is_called(name: str, target: str) -> bool:
    return name == target or name.endswith(f".{target}")
