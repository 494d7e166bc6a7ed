"""How vectors are asked for, as one value that the rooms pass on instead of a dozen arguments.

Knows which options there are and which values they may have; nothing of what the rooms do with them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypedDict

import numpy as np

from instructvec.encoding.vectors import Ranges
from instructvec.errors import ConfigError
from instructvec.extras import require
from instructvec.types import LONG_TEXTS, PRECISIONS, LongText, Precision


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """What a caller may ask for besides texts and instructions; fields as in ``Embedder.encode``.

    Attributes:
        batch_size: rows a batch may hold; ``None`` for no limit but the token budget.
        max_batch_tokens: padded tokens a batch may hold; ``None`` for the engine's default.
        normalize_embeddings: ``None`` does as the checkpoint does.
        truncate_dim: dimensions to keep; ``None`` for the checkpoint's own number.
        precision: number type of the vectors.
        ranges: what the steps of int8 and uint8 stand for; ``None`` for fixed ones.
        long_text: what becomes of texts over the limit; ``None`` cuts, counts and warns.
        show_progress_bar: ``None`` is false.
        convert_to_numpy: false for torch tensors.
        convert_to_tensor: one torch tensor; goes before ``convert_to_numpy``.

    Raises:
        ConfigError: a value out of its range.
        MissingExtra: tensors are asked for and torch is not installed.
    """

    batch_size: int | None = None
    max_batch_tokens: int | None = None
    normalize_embeddings: bool | None = None
    truncate_dim: int | None = None
    precision: Precision = "float32"
    ranges: Ranges | None = None
    long_text: LongText | None = None
    show_progress_bar: bool | None = False
    convert_to_numpy: bool = True
    convert_to_tensor: bool = False

    def __post_init__(self) -> None:
        if self.precision not in PRECISIONS:
            raise ConfigError(f"precision is {self.precision!r}; expected one of {', '.join(PRECISIONS)}")
        if self.long_text is not None and self.long_text not in LONG_TEXTS:
            raise ConfigError(f"long_text is {self.long_text!r}; expected one of {', '.join(LONG_TEXTS)}, or None")
        for name in ("batch_size", "max_batch_tokens", "truncate_dim"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, (int, np.integer)) or value < 1):
                raise ConfigError(f"{name} is {value!r}; expected a whole number from 1, or None for the default")
        if self.as_tensors:
            require("torch", "convert_to_tensor=True or convert_to_numpy=False")

    @property
    def as_tensors(self) -> bool:
        """Whether the caller gets torch tensors."""
        return self.convert_to_tensor or not self.convert_to_numpy


class EncodeKeywords(TypedDict, total=False):
    """The keyword arguments that ``encode``, ``encode_query`` and ``encode_document`` share, for type checkers."""

    prompt_name: str | None
    prompt: str | None
    batch_size: int | None
    max_batch_tokens: int | None
    normalize_embeddings: bool | None
    truncate_dim: int | None
    precision: Precision
    ranges: Ranges | None
    long_text: LongText | None
    show_progress_bar: bool | None
