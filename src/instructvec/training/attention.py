"""The shape and number type of a batch -> which of transformers' attentions computes it fastest.

Knows lengths and devices; nothing of weights. Scaled-dot-product attention is the fastest but for one case: on the
CPU under bfloat16, its backward pass takes longer than plain matrix products do. Forward and backward of
all-MiniLM-L6-v2 over 2,048 tokens, on one core with avx512_bf16 and torch 2.13, took 0.78 seconds instead of 1.23
with 16 tokens a text, 0.80 instead of 1.12 with 48, 0.88 instead of 1.13 with 128, 1.00 instead of 1.14 with 256;
the gradients agree with float32's equally well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Beyond, the (tokens, tokens) matrices take more memory than all else.
_MAX_TOKENS = 128


class FasterAttention:
    """Sets an encoder's attention before each batch.

    Args:
        encoder: transformers' bare encoder.
    """

    def __init__(self, encoder: Any) -> None:
        self._encoder = encoder
        self._is_choosing = encoder.config._attn_implementation == "sdpa"
        self._is_plain = False

    def choose(self, ids: torch.Tensor) -> None:
        """Set what is fastest for these.

        Args:
            ids: (batch, tokens).
        """
        import torch

        if not self._is_choosing:
            return
        is_plain = (
            ids.device.type == "cpu"
            and ids.shape[1] <= _MAX_TOKENS
            and torch.is_autocast_enabled("cpu")
            and torch.get_autocast_dtype("cpu") is torch.bfloat16
        )
        if is_plain != self._is_plain:
            self._encoder.set_attn_implementation("eager" if is_plain else "sdpa")
            self._is_plain = is_plain

    def leave(self) -> None:
        """Set nothing any more."""
        self._is_choosing = False
