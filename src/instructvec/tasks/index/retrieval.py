"""Queries and an index's contents -> rows and scores, by vectors, by words, or by both.

Knows rows, graph and words; nothing of texts' encoding, files or ids. What a filter or a deletion leaves is found
in full: where the graph has too few of it, all that is left is looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.tasks.index.folder import Contents
from instructvec.tasks.index.fusion import reciprocal_rank_fusion
from instructvec.tasks.index.graph import MAX_FOUND, Graph
from instructvec.tasks.index.rows import Rows
from instructvec.tasks.index.words import Words
from instructvec.tasks.neighbours import nearest

Mode = Literal["vectors", "hybrid", "bm25"]
MODES: tuple[Mode, ...] = ("vectors", "hybrid", "bm25")
Found: TypeAlias = list[tuple[int, float]]
"""(row, score), best first."""
Mask: TypeAlias = "NDArray[np.bool_] | None"

FUSED_DEPTH = 100
"""Ranks of each ranking that hybrid search fuses, at least."""

_QUERIES = 256
_SHARE = 0.2
"""Of the rows; where a filter leaves less, looking at what is left is better than asking the graph."""


def by_vectors(contents: Contents, queries: NDArray[np.float32], k: int, mask: Mask) -> list[Found]:
    """The nearest rows of each query by cosine.

    Args:
        contents: of the index.
        queries: (queries, d) float32 of length 1.
        k: how many.
        mask: (n,) bool, which rows may be found; ``None`` for all.
    """
    rows, graph = contents.rows, contents.graph
    found: list[Found] = []
    for start in range(0, len(queries), _QUERIES):
        some = queries[start : start + _QUERIES]
        if graph is None or k > MAX_FOUND or (mask is not None and mask[: len(graph)].mean() < _SHARE):
            found += exactly(rows, some, k, mask)
        else:
            found += _through_graph(rows, graph, some, k, mask)
    return found


def exactly(rows: Rows, queries: NDArray[np.float32], k: int, mask: Mask, first: int = 0) -> list[Found]:
    """As :func:`by_vectors`, looking at every row from ``first`` on."""
    return _pairs(*nearest(queries, rows.blocks(mask, len(queries), first), k))


def _through_graph(rows: Rows, graph: Graph, queries: NDArray[np.float32], k: int, mask: Mask) -> list[Found]:
    covered = np.ones(len(graph), bool) if mask is None else mask[: len(graph)]
    n_covered = int(covered.sum())
    wanted = min(int(np.ceil(k * len(graph) / n_covered)), len(graph))
    tail = exactly(rows, queries, k, mask, len(graph)) if len(rows) > len(graph) else [[] for _ in queries]
    found: list[Found] = []
    for query, candidates, others in zip(queries, graph.search(queries, wanted), tail, strict=True):
        kept = candidates[covered[candidates]]
        if len(kept) < min(k, n_covered):
            found += exactly(rows, query[None], k, mask)
            continue
        scored = _pairs(*nearest(query[None], [(kept, rows.vectors(kept))], k))[0]
        found.append(sorted(scored + others, key=lambda pair: (-pair[1], pair[0]))[:k])
    return found


def _pairs(rows: NDArray[np.int64], scores: NDArray[np.float32]) -> list[Found]:
    return [list(zip(*one, strict=True)) for one in zip(rows.tolist(), scores.tolist(), strict=True)]


def by_words(words: Words, queries: Iterable[str], k: int, mask: Mask) -> list[Found]:
    """The rows of each query with the best BM25 scores; rows that share no word with it are not found."""
    found = []
    for query in queries:
        scores = words.scores(query)
        rows = np.flatnonzero(scores > 0 if mask is None else (scores > 0) & mask)
        # A dot product with 1 leaves the scores as they are.
        found += _pairs(*nearest(np.ones((1, 1), np.float32), [(rows, scores[rows, None])], k))
    return found


def fused(rankings: Sequence[Sequence[Found]], k: int) -> list[Found]:
    """Several rankings of the same queries as one, by reciprocal rank."""
    return [
        reciprocal_rank_fusion([[row for row, _ in one] for one in of_query], k)
        for of_query in zip(*rankings, strict=True)
    ]
