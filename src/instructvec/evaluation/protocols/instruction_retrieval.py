"""Queries with instructions of their own -> whether the right documents are found under each of them.

Knows vectors, ids and judgements; nothing of texts or models. Source: Robustness@10 is InstructIR's (Oh et al.
2024), p-MRR FollowIR's (Weller et al. 2024); nDCG is trec_eval's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError
from instructvec.evaluation.data import InstructionRetrieval
from instructvec.evaluation.protocols.metrics import Units
from instructvec.evaluation.protocols.outcome import Outcome
from instructvec.evaluation.protocols.rank_following import p_mrr_by_query
from instructvec.evaluation.protocols.ranking import BLOCK_ROWS, PER_QUERY, TOP_K, evaluate_run, search
from instructvec.evaluation.protocols.vectors import check_order, checked

ORIGINAL, ALTERED = "-og", "-changed"
"""What follows a group's name in the ids of its two queries (FollowIR)."""

_MAIN = ("robustness_at_10", "p_mrr", "ndcg_at_10")
_QUERY_ROWS = 256


def instruction_retrieval(
    data: InstructionRetrieval,
    query_vectors: NDArray[Any],
    document_vectors: NDArray[Any],
    *,
    main: str,
    top_k: int = TOP_K,
    block_rows: int = BLOCK_ROWS,
) -> Outcome:
    """Documents searched by cosine for each query under its own instruction.

    Args:
        data: documents, queries, judgements, and which queries are variants of one another.
        query_vectors: (queries, d), each encoded under its instruction.
        document_vectors: (documents, d).
        main: ``"robustness_at_10"``, ``"p_mrr"`` or ``"ndcg_at_10"``.
        top_k: documents that are ranked for a query; to p-MRR, those behind them all have the rank after.
        block_rows: documents multiplied at a time.

    Returns:
        ``score`` is ``main``. ``metrics``: the means over queries of all that :func:`evaluate_run` gives,
        ``robustness_at_10``, the mean over groups of the lowest nDCG@10, and ``p_mrr``, the mean over those groups
        of which the data says what the altered instruction made irrelevant; absent where it says so of none. Units
        are groups, in the order of their first query. ``details``: nDCG@10 by query id under :data:`PER_QUERY`,
        and p-MRR by group in ``p_mrr_by_group``.

    Raises:
        ConfigError: another ``main``, or p-MRR of data without altered instructions.
        InputError: arrays that do not fit the data, NaN or infinite components, vectors that are all the
            same, or a group of ``data.changed`` without its two queries.
    """
    if main not in _MAIN:
        raise ConfigError(f"main is {main!r}; expected one of {', '.join(_MAIN)}")
    if main == "p_mrr" and not data.changed:
        raise ConfigError(
            "main is 'p_mrr', but the data names no documents that an altered instruction made irrelevant; "
            "use robustness_at_10"
        )
    scored, pairs = _scored(data, query_vectors, document_vectors, top_k, block_rows)
    ndcg = {query: row["ndcg_at_10"] for query, row in scored.items()}
    of_group: dict[str, list[float]] = {}
    for query, group in zip(data.collection.query_ids, data.groups, strict=True):
        of_group.setdefault(group, []).append(ndcg[query])
    figures = {
        "ndcg_at_10": _mean_over_groups(list(map(np.mean, of_group.values())), list(map(len, of_group.values()))),
        "robustness_at_10": _mean_over_groups(list(map(min, of_group.values())), [1] * len(of_group)),
    }
    details: dict[str, object] = {PER_QUERY: ndcg}
    if data.changed:
        by_group = p_mrr_by_query(_run(pairs, ORIGINAL), _run(pairs, ALTERED), data.changed)
        figures["p_mrr"] = _mean_over_groups(
            [by_group.get(group, 0.0) for group in of_group], [int(group in by_group) for group in of_group]
        )
        details["p_mrr_by_group"] = by_group
    names = next(iter(scored.values()))
    metrics = {name: float(np.mean([row[name] for row in scored.values()])) for name in names}
    everyone = np.arange(len(of_group))
    metrics |= {name: mean(everyone) for name, mean in figures.items()}
    return Outcome(metrics[main], metrics, (len(of_group),), figures[main], details)


def _mean_over_groups(values: Sequence[Any], weights: Sequence[int]) -> Callable[[Units], float]:
    """The weighted mean of any groups' values; NaN where none of them has a weight."""
    numbers, counted = np.asarray(values, np.float64), np.asarray(weights, np.float64)

    def mean(units: Units) -> float:
        total = counted[units].sum()
        return float(numbers[units] @ counted[units] / total) if total else float("nan")

    return mean


def _run(pairs: Mapping[str, Mapping[str, float]], ending: str) -> dict[str, Mapping[str, float]]:
    """Group -> document -> score, of the queries with this ending."""
    return {query.removesuffix(ending): row for query, row in pairs.items() if query.endswith(ending)}


def _scored(
    data: InstructionRetrieval,
    query_vectors: NDArray[Any],
    document_vectors: NDArray[Any],
    top_k: int,
    block_rows: int,
) -> tuple[dict[str, dict[str, float]], dict[str, dict[str, float]]]:
    """Figures by query id, and the rankings that p-MRR compares; others are held for a few queries at a time."""
    collection = data.collection
    queries = checked("query_vectors", query_vectors, len(collection.queries))
    documents = checked("document_vectors", document_vectors, len(collection.documents))
    check_order(query_vectors=queries, document_vectors=documents)
    same_ids = (
        set(collection.query_ids) & set(collection.document_ids) if collection.ignore_identical_ids else set()
    )
    rows, scores = search(queries, documents, top_k=top_k + bool(same_ids), block_rows=block_rows)
    compared = {group + ending for group in data.changed for ending in (ORIGINAL, ALTERED)}
    scored: dict[str, dict[str, float]] = {}
    pairs: dict[str, dict[str, float]] = {}
    for start in range(0, len(queries), _QUERY_ROWS):
        run = {}
        for at, query in enumerate(collection.query_ids[start : start + _QUERY_ROWS], start=start):
            ranked = [
                (collection.document_ids[row], score)
                for row, score in zip(rows[at].tolist(), scores[at].tolist(), strict=True)
                if query not in same_ids or collection.document_ids[row] != query
            ]
            run[query] = dict(ranked[:top_k])
        scored |= evaluate_run(collection.qrels, run)
        pairs |= {query: row for query, row in run.items() if query in compared}
    return scored, pairs
