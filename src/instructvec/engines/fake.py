"""An engine without a model: vectors drawn from the token ids, for tests and documentation.

Knows ids and masks; nothing of language. Like a real engine it sees every attended token and means over the
pooled ones, so that a wrong mask, order or padding shows in its vectors.
"""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from instructvec.types import Batch

_CONTEXT = 0.25
_GOLDEN_RATIO = 1.618033988749895


class FakeEngine:
    """Deterministic unit vectors from ids and masks.

    A token's state is sin(frequencies * (id + 1)), the same on every machine. A row's vector is the mean of
    its pooled tokens' states plus a quarter of the mean of its attended tokens', of length one: equal rows
    have equal vectors, whatever their padding and neighbours, and rows of other ids or another pooling mask
    have others. The order of the tokens plays no role.

    Args:
        dimension: width of the vectors.
        workers: how many runs to ask for at the same time.
        device: what to say it runs on.

    Attributes:
        n_rows: rows run so far.
        n_batches: batches run so far.

    Example:
        >>> engine = FakeEngine(dimension=4)
        >>> seen = np.ones((1, 3), np.bool_)
        >>> batch = Batch(np.array([[5, 6, 7]]), seen, seen, np.array([0]))
        >>> engine.run(batch).shape, engine.n_rows
        ((1, 4), 1)
    """

    def __init__(self, dimension: int = 16, *, workers: int = 1, device: str = "cpu") -> None:
        self.n_rows = 0
        self.n_batches = 0
        self._workers = workers
        self._device = device
        # Multiples of an irrational number never meet on whole ids.
        self._frequencies = 1.0 + np.arange(1, dimension + 1) * _GOLDEN_RATIO
        self._counting = threading.Lock()

    @property
    def name(self) -> str:
        """``"fake"``."""
        return "fake"

    @property
    def device(self) -> str:
        """As it was told."""
        return self._device

    @property
    def dtype(self) -> str:
        """``"float32"``."""
        return "float32"

    @property
    def workers(self) -> int:
        """As it was told."""
        return self._workers

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """(batch, dimension) float32 of length one."""
        with self._counting:
            self.n_rows += len(batch.rows)
            self.n_batches += 1
        # (batch, tokens, dimension), in float64: padding must not show in the last digit of float32.
        states = np.sin((batch.ids[:, :, None] + 1) * self._frequencies)
        vectors = _mean(states, batch.pooling_mask) + _CONTEXT * _mean(states, batch.attention_mask)
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        unit: NDArray[np.float32] = (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)
        return unit


def _mean(states: NDArray[np.float64], mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(batch, dimension): the mean over the tokens that the mask keeps."""
    total = np.einsum("btd,bt->bd", states, mask.astype(np.float64))
    mean: NDArray[np.float64] = total / np.maximum(mask.sum(axis=1, keepdims=True), 1)
    return mean
