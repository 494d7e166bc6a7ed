"""The extra ``tasks`` -> usearch's index class, imported in an order that does not crash; vectors in 8 bits.

Knows one import and one way of rounding. Source: Malkov & Yashunin 2018; usearch 2.26.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.extras import require

_SAMPLE_ROWS = 10_000


def index_class(purpose: str) -> Any:
    """``usearch.index.Index``.

    Args:
        purpose: what it is needed for, as the subject of a sentence.

    Raises:
        MissingExtra: usearch is not installed.
    """
    require("usearch", purpose, extra="tasks")
    # Imported after usearch (2.26), onnxruntime (1.32) ends the process with a segmentation fault.
    import onnxruntime  # noqa: F401
    from usearch.index import Index

    return Index


def component_scale(vectors: NDArray[np.float32]) -> float:
    """127 over the greatest component but for one in ten thousand: unit vectors have small ones, and usearch's own
    rounding by 127 would leave few of the 8 bits."""
    step = max(1, len(vectors) // _SAMPLE_ROWS)
    highest = float(np.quantile(np.abs(vectors[::step]), 0.9999))
    return 127 / highest if highest > 0 else 127.0


def in_8_bits(vectors: NDArray[np.float32], scale: float) -> NDArray[np.int8]:
    """``round(scale * x)``, cut to -127…127."""
    rounded: NDArray[np.int8] = np.clip(np.rint(vectors * scale), -127, 127).astype(np.int8)
    return rounded
