"""Finished float32 vectors -> truncated, unit length, in the precision asked for.

Knows vectors only; which ranges were used goes into the contract.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError, InputError
from instructvec.types import PRECISIONS, Precision, Vectors

_SPREAD = 5.0


@dataclass(frozen=True, slots=True)
class Ranges:
    """Which values the 256 steps of int8 and uint8 stand for: step 0 is ``low``, step 255 ``high``.

    Attributes:
        low, high: one number a dimension each.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.low) != len(self.high) or not self.low:
            raise ConfigError(f"Ranges: {len(self.low)} low and {len(self.high)} high ends; give as many of each")
        if not all(low < high for low, high in zip(self.low, self.high, strict=True)):
            raise ConfigError("Ranges: a low end is not below its high end; were they made from constant vectors?")

    @classmethod
    def of_unit_vectors(cls, dimension: int) -> Ranges:
        """Ends for unit vectors of ``dimension`` components, the same whatever is encoded.

        A component of a random unit vector has a standard deviation of 1 / sqrt(d); five of them
        (at most 1) hold all but outliers, which are clipped.
        """
        end = min(1.0, _SPREAD / dimension**0.5)
        return cls((-end,) * dimension, (end,) * dimension)

    @classmethod
    def of_sample(cls, vectors: NDArray[np.float32]) -> Ranges:
        """Ends of each dimension over a sample, as sentence-transformers calibrates them.

        Args:
            vectors: (n, d) float32.
        """
        return cls(tuple(vectors.min(axis=0).tolist()), tuple(vectors.max(axis=0).tolist()))


def truncate(vectors: NDArray[np.float32], truncate_dim: int | None) -> NDArray[np.float32]:
    """Keep the first ``truncate_dim`` dimensions of (n, d); renormalising is :func:`normalize`'s.

    Raises:
        ConfigError: a dimension below 1 or above d.
    """
    if truncate_dim is None:
        return vectors
    if not 1 <= truncate_dim <= vectors.shape[1]:
        raise ConfigError(f"truncate_dim is {truncate_dim}; this model's vectors allow 1 to {vectors.shape[1]}")
    return vectors[:, :truncate_dim]


def normalize(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, d) float32 divided by their lengths; a zero vector stays zero (epsilon 1e-12, as torch's)."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: NDArray[np.float32] = vectors / np.maximum(norms, np.float32(1e-12))
    return unit


def quantize(vectors: NDArray[np.float32], precision: Precision, ranges: Ranges | None = None) -> Vectors:
    """Store float32 vectors as another number type.

    ``int8`` and ``uint8`` cut each dimension's range into 255 equal steps; ``binary`` and ``ubinary``
    keep one bit a dimension (1 where positive), eight to a byte, the first in the highest bit;
    ``binary`` is the same byte minus 128, as in sentence-transformers.

    Args:
        vectors: (n, d) float32.
        precision: the number type.
        ranges: needed for int8 and uint8.

    Returns:
        (n, d) of that type; (n, d / 8) for the binary ones.

    Raises:
        ConfigError: an unknown precision, or d not divisible by 8 for the binary ones.
        InputError: int8 or uint8 without ranges.
    """
    if precision == "float32":
        return vectors
    if precision == "float16":
        return vectors.astype(np.float16)
    if precision in ("binary", "ubinary"):
        if vectors.shape[1] % 8:
            raise ConfigError(
                f"precision={precision!r} packs eight dimensions to a byte, but there are {vectors.shape[1]}; "
                "choose a truncate_dim divisible by 8"
            )
        packed = np.packbits(vectors > 0, axis=1)
        return packed if precision == "ubinary" else (packed.astype(np.int16) - 128).astype(np.int8)
    if precision not in PRECISIONS:
        raise ConfigError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")
    if ranges is None:
        raise InputError(
            f"precision={precision!r} of vectors that are not normalised needs ranges: "
            "normalise, or give ranges=Ranges.of_sample(vectors)"
        )
    low = np.asarray(ranges.low, np.float32)
    high = np.asarray(ranges.high, np.float32)
    if len(low) != vectors.shape[1]:
        raise InputError(f"ranges have {len(low)} dimensions, the vectors {vectors.shape[1]}: give one for each")
    steps = np.clip(np.rint((vectors - low) / (high - low) * 255.0), 0.0, 255.0)
    return steps.astype(np.uint8) if precision == "uint8" else (steps - 128.0).astype(np.int8)
