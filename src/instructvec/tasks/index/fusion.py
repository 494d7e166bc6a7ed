"""Several rankings of the same rows -> one.

Knows ranks only; nothing of what scored them. Source: Cormack, Clarke and Buettcher 2009, Reciprocal Rank Fusion
outperforms Condorcet and individual Rank Learning Methods (SIGIR).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

RANK_CONSTANT = 60
"""k of the paper: how little the first ranks stand out."""


def reciprocal_rank_fusion(rankings: Sequence[Sequence[int]], top_k: int) -> list[tuple[int, float]]:
    """Rows by sum over rankings of 1 / (60 + rank), ranks counted from 1.

    Args:
        rankings: rows, best first; a row that a ranking lacks gets nothing from it.
        top_k: how many to keep.

    Returns:
        (row, score), best first; of equal ones the lower row first.

    Example:
        >>> [row for row, _ in reciprocal_rank_fusion([[7, 8], [8, 9]], top_k=2)]
        [8, 7]
    """
    scores: defaultdict[int, float] = defaultdict(float)
    for ranking in rankings:
        for rank, row in enumerate(ranking, start=1):
            scores[row] += 1 / (RANK_CONSTANT + rank)
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))[:top_k]
