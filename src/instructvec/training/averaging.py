r"""Several sets of weights of one model -> their weighted mean.

Knows tensors by name; nothing of where they come from. With shares s, :math:`\bar\theta = \sum_i s_i \theta_i`,
summed in float64.
Source: Wortsman et al. 2022, "Robust fine-tuning of zero-shot models", for the mean with the starting weights;
Izmailov et al. 2018, "Averaging Weights Leads to Wider Optima", for that of several checkpoints; Wortsman et al.
2022, "Model soups", for that of several runs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import TYPE_CHECKING

from instructvec.errors import InputError

if TYPE_CHECKING:
    import torch


def average(
    weights: Sequence[Mapping[str, torch.Tensor]], shares: Sequence[float] | None = None
) -> dict[str, torch.Tensor]:
    """The mean of several sets of weights.

    Args:
        weights: one or more sets with the same names and shapes.
        shares: of each, summing to 1; ``None`` for equal ones.

    Returns:
        name -> mean, in the first set's number type; new tensors.

    Raises:
        InputError: no set, shares that are not one a set or do not sum to 1, other names or shapes.

    Example:
        >>> import torch
        >>> trained, start = {"weight": torch.tensor([4.0])}, {"weight": torch.tensor([0.0])}
        >>> average([trained, start], [0.75, 0.25])
        {'weight': tensor([3.])}
    """
    if not weights:
        raise InputError("no weights to average; expected one set or more")
    shares = [1 / len(weights)] * len(weights) if shares is None else shares
    if len(shares) != len(weights) or not all(map(isfinite, shares)) or abs(sum(shares) - 1) > 1e-6:
        raise InputError(f"shares are {list(shares)} for {len(weights)} sets; expected one each, which sum to 1")
    first = weights[0]
    for index, other in enumerate(weights[1:], 1):
        _check_alike(first, other, index)
    return {name: _mean([one[name] for one in weights], shares) for name in first}


def _mean(tensors: Sequence[torch.Tensor], shares: Sequence[float]) -> torch.Tensor:
    total = tensors[0].detach().double() * shares[0]
    for tensor, share in zip(tensors[1:], shares[1:], strict=True):
        total += tensor.detach().to(total.device).double() * share
    return total.to(tensors[0].dtype)


def _check_alike(first: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor], index: int) -> None:
    names = sorted(first.keys() ^ other.keys())
    if names:
        raise InputError(
            f"weights {index}: {names[0]!r} is in one set only ({len(names)} such in all); expected the same model"
        )
    for name, tensor in first.items():
        if tensor.shape != other[name].shape:
            raise InputError(
                f"weights {index}: {name!r} has the shape {tuple(other[name].shape)}; expected "
                f"{tuple(tensor.shape)}, as in the first set"
            )
