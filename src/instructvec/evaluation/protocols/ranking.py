"""Query and document vectors -> ranked documents, and how well they are ranked: retrieval and reranking.

Knows vectors, ids and judgements; nothing of texts or models. Retrieval follows BEIR (Thakur et al. 2021),
reranking the first version of MTEB (Muennighoff et al. 2023); trec_eval computes the figures of rankings,
scikit-learn average precision over candidates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.evaluation.data import RetrievalPart
from instructvec.evaluation.protocols.metrics import Units, strata_means
from instructvec.evaluation.protocols.outcome import Outcome
from instructvec.evaluation.protocols.vectors import (
    Vectors32,
    check_order,
    check_widths,
    checked,
    checked_lists,
    cosines,
    normalised,
)
from instructvec.extras import require
from instructvec.tasks.neighbours import nearest

KS = (1, 3, 5, 10, 20, 100, 1000)
"""Ranks at which figures are cut, as in MTEB."""

TOP_K = 1000
BLOCK_ROWS = 16_384

PER_QUERY = "ndcg_at_10_by_query"
"""Key of a retrieval outcome's details: query id -> nDCG@10."""

_QUERY_ROWS = 256
_TREC_NAMES = {"ndcg_cut": "ndcg", "map_cut": "map", "recall": "recall", "P": "precision"}


def search(
    query_vectors: NDArray[Any],
    document_vectors: NDArray[Any],
    *,
    top_k: int = TOP_K,
    block_rows: int = BLOCK_ROWS,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The nearest documents of each query by cosine, exactly.

    Memory beyond vectors and result: a block of ``block_rows`` documents, and its scores with 256 queries.

    Args:
        query_vectors: (queries, d), of any length.
        document_vectors: (documents, d), of any length.
        top_k: how many documents a query; all where there are fewer.
        block_rows: documents multiplied at a time.

    Returns:
        Rows of documents (queries, k) int64 and their cosines (queries, k) float32, best first; of equal ones that
        with the lower row first.

    Raises:
        InputError: shapes that disagree, NaN or infinite components, or a ``top_k`` or ``block_rows`` below 1.

    Example:
        >>> search(np.array([[2.0, 1.0]]), np.eye(2), top_k=1)[0]
        array([[0]])
    """
    for option, value in (("top_k", top_k), ("block_rows", block_rows)):
        if value < 1:
            raise InputError(f"{option} is {value}; expected 1 or more")
    queries = checked("query_vectors", query_vectors)
    documents = checked("document_vectors", document_vectors)
    check_widths(query_vectors=queries, document_vectors=documents)
    every_row = np.arange(len(documents))
    blocks = (
        (every_row[start : start + block_rows], normalised(documents[start : start + block_rows]))
        for start in range(0, len(documents), block_rows)
    )
    return nearest(normalised(queries), blocks, top_k)


def evaluate_run(
    qrels: Mapping[str, Mapping[str, int]],
    run: Mapping[str, Mapping[str, float]],
    *,
    ks: Sequence[int] = KS,
) -> dict[str, dict[str, float]]:
    """How well documents are ranked, by trec_eval.

    Of equal scores, the document with the greater id stands first, as trec_eval has it; scores are compared in
    float32.

    Args:
        qrels: query id -> document id -> relevance; above 0 is relevant.
        run: query id -> document id -> score. Judged queries that are not in it are not scored.
        ks: ranks at which figures are cut.

    Returns:
        query id -> ``ndcg_at_k``, ``map_at_k``, ``recall_at_k``, ``precision_at_k``, ``mrr_at_k`` for each k, as
        fractions.

    Raises:
        InputError: a query of the run has no judgements.

    Example:
        >>> evaluate_run({"q": {"d1": 1}}, {"q": {"d1": 0.2, "d2": 0.9}}, ks=(10,))["q"]["mrr_at_10"]
        0.5
    """
    unjudged = next((query for query in run if query not in qrels), None)
    if unjudged is not None:
        raise InputError(f"run: the query {unjudged!r} has no judgements in qrels; leave it out of the run")
    require("pytrec_eval", "scoring a ranking")
    import pytrec_eval

    cuts = ",".join(map(str, ks))
    measures = {f"{name}.{cuts}" for name in _TREC_NAMES} | {"recip_rank"}
    judged = {query: dict(qrels[query]) for query in run}
    scored = pytrec_eval.RelevanceEvaluator(judged, measures).evaluate(
        {key: dict(row) for key, row in run.items()}
    )
    return {query: _renamed(scored[query], ks) for query in run}


def _renamed(found: Mapping[str, float], ks: Sequence[int]) -> dict[str, float]:
    values = {f"{ours}_at_{k}": float(found[f"{name}_{k}"]) for name, ours in _TREC_NAMES.items() for k in ks}
    first = found["recip_rank"]
    # The first relevant document stands at rank 1 / first.
    return values | {f"mrr_at_{k}": float(first) if first * (k + 0.5) > 1 else 0.0 for k in ks}


def retrieval(
    parts: Sequence[RetrievalPart],
    query_vectors: Sequence[NDArray[Any]],
    document_vectors: Sequence[NDArray[Any]],
    *,
    top_k: int = TOP_K,
    block_rows: int = BLOCK_ROWS,
) -> Outcome:
    """Documents searched by cosine; nDCG@10 over queries, then over parts.

    Args:
        parts: collections.
        query_vectors: one array a part, (queries, d).
        document_vectors: one array a part, (documents, d).
        top_k: documents that are ranked for a query.
        block_rows: documents multiplied at a time.

    Returns:
        ``score`` is ``ndcg_at_10``; units are queries, strata parts. ``details`` has nDCG@10 by query id under
        :data:`PER_QUERY` (``"<part>/<id>"`` where there are several parts, counted from 1).

    Raises:
        InputError: arrays that do not fit the parts, NaN or infinite components, or vectors that are all the same.

    Source: Thakur et al. 2021. As in their code, a document with the query's own id is left out, where the part
    says so.
    """
    n_queries, n_documents = [len(one.queries) for one in parts], [len(one.documents) for one in parts]
    queries = checked_lists("queries of part", query_vectors, len(parts), n_rows=n_queries)
    width = queries[0].shape[1]
    documents = checked_lists("documents of part", document_vectors, len(parts), n_rows=n_documents, width=width)
    by_part = []
    for part, own_queries, own_documents in zip(parts, queries, documents, strict=True):
        check_order(queries=own_queries, documents=own_documents)
        by_part.append(_scored_part(part, own_queries, own_documents, top_k, block_rows))
    strata = tuple(map(len, by_part))
    names = next(iter(by_part[0].values()))
    values = {name: np.array([row[name] for scored in by_part for row in scored.values()]) for name in names}
    everyone = np.arange(sum(strata))
    metrics = {name: strata_means(of_queries, strata, everyone) for name, of_queries in values.items()}
    per_query = {
        query if len(parts) == 1 else f"{at}/{query}": row["ndcg_at_10"]
        for at, scored in enumerate(by_part, start=1)
        for query, row in scored.items()
    }
    return Outcome(
        metrics["ndcg_at_10"],
        metrics,
        strata,
        lambda units: strata_means(values["ndcg_at_10"], strata, units),
        {PER_QUERY: per_query},
    )


def _scored_part(
    part: RetrievalPart, queries: Vectors32, documents: Vectors32, top_k: int, block_rows: int
) -> dict[str, dict[str, float]]:
    """Figures by query id; rankings are held for a few queries at a time."""
    same_ids = set(part.query_ids) & set(part.document_ids) if part.ignore_identical_ids else set()
    rows, scores = search(queries, documents, top_k=top_k + bool(same_ids), block_rows=block_rows)
    scored: dict[str, dict[str, float]] = {}
    for start in range(0, len(queries), _QUERY_ROWS):
        some = slice(start, start + _QUERY_ROWS)
        run = {}
        for query, found, found_scores in zip(
            part.query_ids[some], rows[some].tolist(), scores[some].tolist(), strict=True
        ):
            ranked = [
                (part.document_ids[row], score)
                for row, score in zip(found, found_scores, strict=True)
                if query not in same_ids or part.document_ids[row] != query
            ]
            run[query] = dict(ranked[:top_k])
        scored |= evaluate_run(part.qrels, run)
    return scored


def reranking(
    queries: NDArray[Any], positives: Sequence[NDArray[Any]], negatives: Sequence[NDArray[Any]]
) -> Outcome:
    """Candidates ordered by cosine with their query; mean average precision, and MRR@10.

    Args:
        queries: (n, d).
        positives: n arrays of candidates that answer the query, (one or more, d).
        negatives: n arrays of those that do not.

    Returns:
        ``score`` is ``map``; units are queries.

    Raises:
        InputError: shapes that disagree, NaN or infinite components, or vectors that are all the same.

    Source: MTEB's first version. Average precision is scikit-learn's, which takes equal cosines together; for MRR,
    of equal ones the positives stand first. Later versions of mteb rank by trec_eval instead, where of equal ones
    the negatives stand first.
    """
    queries = checked("queries", queries)
    width = queries.shape[1]
    positives = checked_lists("positives of query", positives, len(queries), width=width)
    negatives = checked_lists("negatives of query", negatives, len(queries), width=width)
    check_order(queries=queries, candidates=[*positives, *negatives])
    require("sklearn", "reranking")
    from sklearn.metrics import average_precision_score

    precisions, ranks = np.empty(len(queries)), np.empty(len(queries))
    for at, query in enumerate(normalised(queries)):
        n_positive = len(positives[at])
        scores = cosines(query, normalised(np.concatenate([positives[at], negatives[at]])))
        precisions[at] = average_precision_score(np.arange(len(scores)) < n_positive, scores)
        ranks[at] = 1 + np.argmax(np.argsort(-scores, kind="stable") < n_positive)
    reciprocal = np.where(ranks <= 10, 1 / ranks, 0.0)
    score = float(precisions.mean())

    def statistic(units: Units) -> float:
        return float(precisions[units].mean())

    return Outcome(score, {"map": score, "mrr": float(reciprocal.mean())}, (len(queries),), statistic)
