"""Texts -> unit vectors of the miner's model, float16, each text encoded once over all builds.

Knows encoders and precision; nothing of rules.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.contract import EmbeddingContract
from instructvec.corpus.cache import CachedEncoder
from instructvec.encoding.vectors import normalize
from instructvec.types import Encoder

OnTexts: TypeAlias = Callable[[Sequence[str], bool], Any]


class TextVectors:
    """Vectors of texts without an instruction, kept on disk by the model's contract.

    Args:
        encoder: any embedder.
        folder: where vectors are kept; ``None`` keeps none.
        on_texts: called with texts that are done, and whether their vectors were there already.
    """

    def __init__(
        self, encoder: Encoder, folder: Path | None = None, *, on_texts: OnTexts = lambda texts, known: None
    ) -> None:
        self._cached = CachedEncoder(encoder, folder, on_texts=on_texts)
        self.dimension = encoder.dimension

    @property
    def contract(self) -> EmbeddingContract:
        """Under what the vectors are made."""
        return self._cached.contract(None)

    def __call__(self, texts: Sequence[str]) -> NDArray[np.float16]:
        """(n, d) float16 unit vectors, in the order of the texts.

        Raises:
            EngineError: the model gave NaN or infinite components.
        """
        return normalize(self._cached.encode(texts, None).vectors).astype(np.float16)
