"""Hidden states and masks -> one vector a row, by one expression for numpy, torch and the ONNX graph.

Knows no library: ``xp`` is whichever namespace the arrays belong to, and the exported graph is made
by calling :func:`pool` with symbolic tensors. Source: paper, section 2.2 (mean over the text's tokens);
the other modes are sentence-transformers' Pooling module.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import ModuleType
from typing import Any

from instructvec.types import PoolingMode

# The floor sentence-transformers puts under counts; no row of ours pools nothing (tokens.py).
_FLOOR = 1e-9


def pool(
    hidden: Any,
    pooling_mask: Any,
    attention_mask: Any,
    modes: Sequence[PoolingMode],
    *,
    xp: ModuleType | Any,
) -> Any:
    """Pool each row over the tokens its mask keeps.

    With h_t the hidden state of token t, m_t its pooling mask and a_t its attention mask:

    - ``mean``: sum(m_t h_t) / sum(m_t)
    - ``mean_sqrt_len``: sum(m_t h_t) / sqrt(sum(m_t))
    - ``weighted_mean``: sum(t m_t h_t) / sum(t m_t), t counted from 1
    - ``cls``: h of the first attended token
    - ``last``: h of the last attended token
    - ``max``: the largest h_t of each component over m_t = 1

    Args:
        hidden: (batch, tokens, width) float32.
        pooling_mask: (batch, tokens) float32, 1 where a token counts.
        attention_mask: (batch, tokens) float32, 1 where a token is seen; padding on the right.
        modes: one or more; the results are concatenated in this order.
        xp: the arrays' namespace: ``numpy``, ``torch`` or the symbolic one of the graph builder.

    Returns:
        (batch, width * len(modes)) float32.
    """
    pooled = [_pool_one(hidden, pooling_mask, attention_mask, mode, xp) for mode in modes]
    return pooled[0] if len(pooled) == 1 else xp.concatenate(pooled, 1)


def _pool_one(hidden: Any, pooling_mask: Any, attention_mask: Any, mode: PoolingMode, xp: Any) -> Any:
    if mode == "max":
        # Adds exactly zero where the mask is one, and sinks the other tokens below any activation.
        return xp.amax(hidden + ((pooling_mask - 1.0) * 1e9)[:, :, None], 1)
    weights = _weights(pooling_mask, attention_mask, mode, xp)
    return (weights[:, None, :] @ hidden)[:, 0]


def _weights(mask: Any, attention_mask: Any, mode: PoolingMode, xp: Any) -> Any:
    """(batch, tokens) float32: what each token's hidden state is multiplied with."""
    if mode == "mean":
        return mask / xp.clip(_total(mask, xp), _FLOOR, None)
    if mode == "mean_sqrt_len":
        return mask / xp.sqrt(xp.clip(_total(mask, xp), _FLOOR, None))
    position = xp.cumsum(attention_mask, 1)
    if mode == "weighted_mean":
        weighted = mask * position
        return weighted / xp.clip(_total(weighted, xp), _FLOOR, None)
    # Both compare small whole numbers, which float32 holds exactly.
    chosen = 1.0 if mode == "cls" else _total(attention_mask, xp)
    return attention_mask * (1.0 - xp.clip(abs(position - chosen), 0.0, 1.0))


def _total(values: Any, xp: Any) -> Any:
    """(batch, tokens) -> (batch, 1)."""
    return xp.sum(values, 1)[:, None]
