"""A temperature that is learned -> the parameter that stands for it, and back.

Knows one number and its bounds; nothing of the loss that is divided by it.
Source: Radford et al. 2021 (CLIP), section 2.5: the logarithm is learned, and the scale kept to 100 at most.
"""

from __future__ import annotations

from math import log
from typing import TYPE_CHECKING

from instructvec.errors import ConfigError

if TYPE_CHECKING:
    import torch


def log_temperature(temperature: float) -> torch.nn.Parameter:
    """A () float32 parameter: the temperature's logarithm.

    Raises:
        ConfigError: a temperature of 0 or less.

    Example:
        >>> round(temperature_of(log_temperature(0.05)).item(), 4)
        0.05
    """
    import torch

    if not temperature > 0:
        raise ConfigError(f"temperature is {temperature}; expected more than 0, such as 0.01 or 0.05")
    return torch.nn.Parameter(torch.tensor(log(temperature)))


def temperature_of(parameter: torch.nn.Parameter, lowest: float = 0.01, highest: float = 1.0) -> torch.Tensor:
    """The temperature that :func:`log_temperature` stands for.

    A parameter that a step has taken beyond the bounds is set back to them here, in place: a clamp of the result
    would leave it there, without a gradient to come back by.

    Returns:
        () with gradient.
    """
    import torch

    with torch.no_grad():
        parameter.clamp_(log(lowest), log(highest))
    return parameter.exp()
