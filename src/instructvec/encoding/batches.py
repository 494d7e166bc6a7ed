"""Lengths -> groups of rows -> padded batches; integers only.

Knows nothing of texts, tokens' meaning or engines. One :func:`plan` groups rows for everyone:
embedding, evaluation, training's length batches and the server's queue.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError
from instructvec.types import Batch, TokenRows


def plan(
    lengths: NDArray[np.int64],
    *,
    max_batch_tokens: int,
    max_batch_rows: int | None = None,
    parts: int = 1,
) -> list[NDArray[np.int64]]:
    """Group rows of like length so that no group exceeds the token budget.

    The budget counts padded tokens: rows x longest <= ``max_batch_tokens``; a row that is longer
    on its own stands alone. Longest groups first, so that running out of memory shows at once
    and a pool of workers ends evenly.

    Args:
        lengths: (n,) int64, tokens of each row.
        max_batch_tokens: the budget, in padded tokens.
        max_batch_rows: rows a group may have; ``None`` for no limit.
        parts: how many groups to make at least where the budget would allow fewer (a group for
            each worker); never more than there are rows.

    Returns:
        Groups of row numbers; every row is in exactly one.

    Raises:
        ConfigError: a budget or limit below one.
    """
    for name, value in (("max_batch_tokens", max_batch_tokens), ("batch_size", max_batch_rows)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}, but a batch holds at least 1: leave it out or raise it")
    if not len(lengths):
        return []
    if parts > 1:
        max_batch_tokens = min(max_batch_tokens, max(1, -(-int(lengths.sum()) // parts)))
    order = np.argsort(-lengths, kind="stable")
    groups = []
    start = 0
    while start < len(order):
        longest = max(1, int(lengths[order[start]]))
        rows = max(1, max_batch_tokens // longest)
        if max_batch_rows is not None:
            rows = min(rows, max_batch_rows)
        groups.append(order[start : start + rows])
        start += rows
    return groups


def collate(tokens: TokenRows, rows: NDArray[np.int64], *, pad_token_id: int) -> Batch:
    """Pad the given rows on the right to the longest of them.

    Args:
        tokens: all rows, ragged.
        rows: (batch,) int64, which of them.
        pad_token_id: fills the ids where there is no token.

    Returns:
        The batch; ``ids`` int64 and both masks are (batch, longest).
    """
    lengths = tokens.lengths[rows]
    seen = np.arange(int(lengths.max())) < lengths[:, None]
    ids = np.full(seen.shape, pad_token_id, dtype=np.int64)
    pooled = np.zeros(seen.shape, dtype=np.bool_)
    # Flat places of all tokens of these rows, row after row: the order a boolean mask fills in.
    starts = np.repeat(tokens.offsets[rows] - np.concatenate(([0], np.cumsum(lengths)[:-1])), lengths)
    flat = starts + np.arange(len(starts))
    ids[seen] = tokens.ids[flat]
    pooled[seen] = tokens.pooled[flat]
    return Batch(ids=ids, attention_mask=seen, pooling_mask=pooled, rows=rows)
