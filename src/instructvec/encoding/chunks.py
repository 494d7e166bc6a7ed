"""Vectors of the windows of long texts -> one vector a text.

Knows which windows belong together and what they pooled; how a text is cut into them is ``tokens.py``'s.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from instructvec.encoding.vectors import normalize
from instructvec.types import TokenRows


def merge_chunks(vectors: NDArray[np.float32], tokens: TokenRows, *, unit_length: bool) -> NDArray[np.float32]:
    """The mean of each text's windows, weighted by their pooled tokens.

    With v_j the vector of window j and p_j its pooled tokens: sum(p_j v_j) / sum(p_j), and that divided by
    its length where the windows' vectors are of length one. A text in one window keeps its vector to the bit.

    Args:
        vectors: (rows, d) float32, one a row of ``tokens``.
        tokens: where the rows of a text follow one another.
        unit_length: whether the checkpoint ends in a Normalize.

    Returns:
        (n, d) float32, one a text.
    """
    n_texts = int(tokens.owners[-1]) + 1 if len(tokens) else 0
    if n_texts == len(tokens):
        return vectors
    weights = np.add.reduceat(tokens.pooled, tokens.offsets[:-1], dtype=np.float32)
    firsts = np.flatnonzero(np.diff(tokens.owners, prepend=-1))
    merged: NDArray[np.float32] = np.add.reduceat(vectors * weights[:, None], firsts)
    merged /= np.add.reduceat(weights, firsts)[:, None]
    alone = np.diff(np.append(firsts, len(tokens))) == 1
    if unit_length:
        merged = normalize(merged)
    merged[alone] = vectors[firsts[alone]]
    return merged
