"""Rankings under different instructions -> p-MRR and Robustness@k: whether a ranking does what an instruction
asks.

Knows ids, scores and figures of rankings; nothing of vectors or texts. Source: p-MRR is FollowIR's (Weller et al.
2024, equation 1), Robustness@k InstructIR's (Oh et al. 2024, section 4).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np

from instructvec.errors import InputError


def p_mrr(
    original: Mapping[str, Mapping[str, float]],
    changed: Mapping[str, Mapping[str, float]],
    irrelevant: Mapping[str, Sequence[str]],
) -> float:
    """How far documents fall in rank that an altered instruction made irrelevant; see :func:`p_mrr_by_query`.

    Args:
        original: query -> document -> score, under the original instruction.
        changed: the same queries under the altered one.
        irrelevant: query -> the documents that only the original instruction asks for.

    Returns:
        The mean over queries that have such documents, from -1 to 1; above 0 is following.

    Raises:
        InputError: a query is in one of the runs only or in neither, or no query has such documents.

    Example:
        >>> p_mrr({"q": {"a": 0.9, "b": 0.5}}, {"q": {"a": 0.1, "b": 0.5}}, {"q": ["a"]})
        0.5
    """
    return float(np.mean(list(p_mrr_by_query(original, changed, irrelevant).values())))


def p_mrr_by_query(
    original: Mapping[str, Mapping[str, float]],
    changed: Mapping[str, Mapping[str, float]],
    irrelevant: Mapping[str, Sequence[str]],
) -> dict[str, float]:
    """p-MRR of each query that has documents to tell by: the mean over these of their change in rank.

    With ranks r under the original instruction and s under the altered one, a document counts s / r - 1 where it
    rose (s <= r) and 1 - r / s where it fell. Of equal scores the greater id stands first, and a document that is
    not in a run stands behind all that are: both as mteb has it.

    Args, Raises: as :func:`p_mrr`.

    Source: Weller et al. 2024, equation 1.
    """
    found = {}
    for query, documents in irrelevant.items():
        if not documents:
            continue
        for name, run in (("original", original), ("changed", changed)):
            if query not in run:
                raise InputError(
                    f"{name} run: no query {query!r}, but {len(documents)} documents became irrelevant to it; "
                    "expected its ranking under both instructions"
                )
        before, after = _ranks(original[query]), _ranks(changed[query])
        changes = [
            _rank_change(before.get(one, len(before) + 1), after.get(one, len(after) + 1)) for one in documents
        ]
        found[query] = float(np.mean(changes))
    if not found:
        raise InputError("irrelevant: no query has documents that became irrelevant; p-MRR is of such documents")
    return found


def _ranks(run: Mapping[str, float]) -> dict[str, int]:
    """Counted from 1."""
    ordered = sorted(run, key=lambda document: (run[document], document), reverse=True)
    return {document: rank for rank, document in enumerate(ordered, start=1)}


def _rank_change(before: int, after: int) -> float:
    return after / before - 1 if before >= after else 1 - before / after


def robustness_at_k(ndcg_by_instruction: Mapping[str, Mapping[str, float]]) -> float:
    """nDCG@k under the worst instruction of each query, then the mean over queries.

    Args:
        ndcg_by_instruction: instruction -> query -> nDCG@k. A query counts under those instructions that it has,
            for benchmarks in which each query has its own.

    Raises:
        InputError: no instructions or no queries, or an nDCG that is NaN or infinite.

    Source: Oh et al. 2024, section 4.

    Example:
        >>> robustness_at_k({"first": {"q": 1.0, "r": 0.5}, "second": {"q": 0.25, "r": 0.75}})
        0.375
    """
    worst: dict[str, float] = {}
    for instruction, of_queries in ndcg_by_instruction.items():
        for query, value in of_queries.items():
            if not math.isfinite(value):
                raise InputError(
                    f"instruction {instruction!r}, query {query!r}: nDCG is {value}; expected a finite number"
                )
            worst[query] = min(value, worst.get(query, value))
    if not worst:
        raise InputError("ndcg_by_instruction: no queries; expected nDCG@k of each under each instruction")
    return float(np.mean(list(worst.values())))
