"""Options -> an optimizer with a learning rate a layer, its course over the steps, and gradients cut to size.

Knows parameters by their names, steps and gradients; nothing of batches, losses or devices.
Sources: Loshchilov and Hutter 2019 (AdamW); Howard and Ruder 2018 (ULMFiT), section 3.2, for a rate a layer;
Pascanu et al. 2013, section 3.2, for the norm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import cos, pi
from typing import TYPE_CHECKING, TypeAlias

from instructvec.training.options import OptimizerOptions

if TYPE_CHECKING:
    import torch

NamedParameters: TypeAlias = "Sequence[tuple[str, torch.nn.Parameter]]"

TEMPERATURE = "log_temperature"
"""The name of a learned temperature among parameters."""


def optimizer_of(
    parameters: NamedParameters, options: OptimizerOptions, *, layers_above: Callable[[str], int] = lambda name: 0
) -> torch.optim.AdamW:
    """AdamW over the parameters that are trained, in one kernel a tensor where the device has it.

    Matrices are decayed, biases, norms and the temperature are not. Each group has, beside AdamW's options, its
    ``height``: what its learning rate is at most.

    Args:
        parameters: with their names; the temperature's is :data:`TEMPERATURE`.
        options: of AdamW, and ``layer_decay``.
        layers_above: a parameter's name -> how many layers lie above it.

    Example:
        >>> import torch
        >>> weight = torch.nn.Parameter(torch.ones(2, 2))
        >>> options = OptimizerOptions(learning_rate=1e-3, layer_decay=0.5)
        >>> optimizer = optimizer_of([("layer.0.weight", weight)], options, layers_above=lambda name: 1)
        >>> [group["height"] for group in optimizer.param_groups]
        [0.0005]
    """
    import torch

    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in parameters:
        if name == TEMPERATURE:
            height = options.temperature_learning_rate or options.learning_rate
            decay = 0.0
        else:
            height = options.learning_rate * options.layer_decay ** layers_above(name)
            decay = options.weight_decay if parameter.ndim >= 2 else 0.0
        groups.setdefault((height, decay), []).append(parameter)
    return torch.optim.AdamW(
        [
            {"params": own, "lr": height, "height": height, "weight_decay": decay}
            for (height, decay), own in groups.items()
        ],
        betas=options.betas,
        eps=options.eps,
        fused=all(parameter.device.type in ("cpu", "cuda") for _, parameter in parameters),
    )


def share_of_height(step: int, options: OptimizerOptions) -> float:
    r"""What the learning rates of a step are multiplied with: up to 1 during warm-up, then along the schedule.

    With w steps of warm-up out of n: :math:`(s + 1) / w` before w; then with :math:`x = (s - w) / (n - w)`, the
    share of what is left, :math:`1 - x`, :math:`(1 + \cos \pi x) / 2` or 1. No step has a rate of 0.

    Args:
        step: from 0.
        options: schedule, warm-up, steps.

    Example:
        >>> options = OptimizerOptions(steps=4, warmup=2)
        >>> [share_of_height(step, options) for step in range(4)]
        [0.5, 1.0, 1.0, 0.5]
    """
    warmup = options.n_warmup_steps
    if step < warmup:
        return (step + 1) / warmup
    x = min((step - warmup) / max(1, options.steps - warmup), 1.0)
    return {"linear": 1 - x, "cosine": (1 + cos(pi * x)) / 2, "constant": 1.0}[options.schedule]


def set_learning_rates(optimizer: torch.optim.Optimizer, share: float) -> None:
    """Give each group that share of its height."""
    for group in optimizer.param_groups:
        group["lr"] = group["height"] * share


def clip(parameters: Iterable[torch.nn.Parameter], max_norm: float) -> float:
    r"""Scale all gradients by :math:`c / \|g\|` where their common norm is above c, and finite.

    Returns:
        The norm :math:`\|g\|` before.

    Example:
        >>> import torch
        >>> parameter = torch.nn.Parameter(torch.zeros(2))
        >>> parameter.grad = torch.tensor([3.0, 4.0])
        >>> clip([parameter], 1.0), parameter.grad.norm().item() <= 1
        (5.0, True)
    """
    import torch

    gradients = [one.grad for one in parameters if one.grad is not None]
    if not gradients:
        return 0.0
    norm = float(torch.nn.utils.get_total_norm(gradients))
    # One look at the norm a step: most steps of finetuning need no scaling, which would touch every gradient.
    if max_norm < norm < float("inf"):
        torch._foreach_mul_(gradients, max_norm / (norm + 1e-6))
    return norm


def optimizer_state(optimizer: torch.optim.Optimizer, parameters: NamedParameters) -> dict[str, torch.Tensor]:
    """Its running means, ``name/of/parameter:exp_avg`` -> tensor."""
    import torch

    found = {}
    for name, parameter in parameters:
        for key, value in optimizer.state.get(parameter, {}).items():
            found[f"{name}:{key}"] = torch.as_tensor(value)
    return found


def load_optimizer_state(
    optimizer: torch.optim.Optimizer, parameters: NamedParameters, state: dict[str, torch.Tensor]
) -> None:
    """Set running means as :func:`optimizer_state` gave them; parameters without any start anew.

    Raises:
        KeyError: of a parameter that is not there.
    """
    known = dict(parameters)
    for one in known.values():
        optimizer.state.pop(one, None)
    for key, value in state.items():
        name, _, kind = key.rpartition(":")
        parameter = known[name]
        device = parameter.device if kind != "step" or optimizer.defaults.get("fused") else None
        optimizer.state[parameter][kind] = value.clone() if device is None else value.to(device, copy=True)
