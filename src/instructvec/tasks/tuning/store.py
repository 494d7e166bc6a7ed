"""An encoder -> one that makes the vector of a text under an instruction once.

Knows texts and instructions; nothing of what vectors are for. In memory, and forgets an instruction when told to.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import TruncationWarning
from instructvec.tasks.vectors import normalised
from instructvec.types import Encoder

_CHUNK_TEXTS = 1024

OnTexts = Callable[[Sequence[str]], None]


class VectorStore:
    """Vectors of length 1 by instruction and text. Warns of texts that are cut once, not under every instruction.

    Args:
        encoder: makes what is not there yet.
        on_texts: told of the texts that were encoded.
    """

    def __init__(self, encoder: Encoder, on_texts: OnTexts | None = None) -> None:
        self._encoder, self._on_texts, self._has_warned = encoder, on_texts, False
        self._places: dict[str, dict[str, int]] = {}
        self._vectors: dict[str, NDArray[np.float32]] = {}

    def unit(self, texts: Sequence[str], instruction: str) -> NDArray[np.float32]:
        """(n, d) float32 of length 1, in the order of the texts."""
        places = self._places.setdefault(instruction, {})
        known = self._vectors.setdefault(instruction, np.empty((0, self._encoder.dimension), np.float32))
        new = list(dict.fromkeys(text for text in texts if text not in places))
        parts = [known]
        for start in range(0, len(new), _CHUNK_TEXTS):
            part = new[start : start + _CHUNK_TEXTS]
            parts.append(normalised(self._encode(part, instruction)))
            if self._on_texts is not None:
                self._on_texts(part)
        if new:
            self._vectors[instruction] = np.concatenate(parts)
            places.update({text: len(known) + at for at, text in enumerate(new)})
        return self._vectors[instruction][[places[text] for text in texts]]

    def _encode(self, texts: list[str], instruction: str) -> NDArray[np.float32]:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            vectors = np.asarray(self._encoder.encode(texts, instruction), np.float32)
        for one in caught:
            if not issubclass(one.category, TruncationWarning):
                warnings.warn_explicit(one.message, one.category, one.filename, one.lineno)
            elif not self._has_warned:
                self._has_warned = True
                warnings.warn(one.message, one.category, stacklevel=2)
        return vectors

    def forget(self, instruction: str) -> None:
        """Free what is held of an instruction."""
        self._places.pop(instruction, None)
        self._vectors.pop(instruction, None)
