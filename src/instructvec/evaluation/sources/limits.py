"""A task's data and a limit -> less data of the same kind, for a first look.

Knows kinds and what makes each of them measurable; nothing of models: which rows are kept depends on the seed and
the task's name alone, so that every model sees the same ones. Kept rows stay in the order of the file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from instructvec.evaluation import data as kinds
from instructvec.evaluation.data import RetrievalPart, TaskData

T = TypeVar("T")

POOL_PER_UNIT = 10
"""Other documents of a corpus, or demonstrations of a pool, that are kept for each scored row allowed."""


def limited(data: TaskData, limit: int, *, seed: int, name: str) -> TaskData:
    """At most ``limit`` scored rows of a task, drawn by the seed and the task's name.

    What a row is: a test text (classification, whose training texts stay, and following), a text of each set
    (clustering), a pair, a query (retrieval and reranking), a document (summarisation), a hypothesis (text
    generation, in whole groups) or a test input. Two rows are kept in any case where labels or scores must differ.
    A corpus keeps the judged documents of the queries that stay and a sample of others, a pool of demonstrations a
    sample.

    Args:
        data: of the task.
        limit: 1 or more.
        seed: of the whole evaluation.
        name: of the task.
    """
    digest = hashlib.sha256(f"limit/{seed}/{name}".encode()).digest()
    rng = np.random.default_rng(int.from_bytes(digest[:8], "little"))
    made: TaskData = _LIMITS[type(data)](data, limit, rng)
    return made


def keep(n: int, limit: int, rng: np.random.Generator, *labellings: Sequence[Hashable]) -> list[int]:
    """Which of n rows stay, in ascending order.

    Args:
        n: rows there are.
        limit: rows to keep at most; a few more where ``labellings`` ask for it.
        rng: draws.
        labellings: n labels each; rows with at least two labels of each stay, where there are two.

    Example:
        >>> keep(5, 2, np.random.default_rng(0), "aaaab")
        [2, 4]
    """
    order = rng.permutation(n).tolist()
    must: dict[int, None] = {}
    for labels in labellings:
        other = next((at for at in order if labels[at] != labels[order[0]]), None)
        must |= dict.fromkeys([order[0]] if other is None else [order[0], other])
    return sorted([*must, *(at for at in order if at not in must)][: max(limit, len(must))])


def _at(values: Sequence[T], rows: Sequence[int]) -> list[T]:
    return [values[row] for row in rows]


def _classification(data: kinds.Classification, limit: int, rng: np.random.Generator) -> TaskData:
    rows = keep(len(data.texts), limit, rng, data.labels)
    return replace(data, texts=_at(data.texts, rows), labels=_at(data.labels, rows))


def _clustering(data: kinds.Clustering, limit: int, rng: np.random.Generator) -> TaskData:
    kept = [keep(len(labels), limit, rng, labels) for labels in data.labels]
    return kinds.Clustering(
        [_at(texts, rows) for texts, rows in zip(data.texts, kept, strict=True)],
        [_at(labels, rows) for labels, rows in zip(data.labels, kept, strict=True)],
    )


def _pair_classification(data: kinds.PairClassification, limit: int, rng: np.random.Generator) -> TaskData:
    rows = keep(len(data.a), limit, rng, data.labels)
    return kinds.PairClassification(_at(data.a, rows), _at(data.b, rows), _at(data.labels, rows))


def _sts(data: kinds.Sts, limit: int, rng: np.random.Generator) -> TaskData:
    rows = keep(len(data.a), limit, rng, data.scores)
    return kinds.Sts(_at(data.a, rows), _at(data.b, rows), _at(data.scores, rows))


def _reranking(data: kinds.Reranking, limit: int, rng: np.random.Generator) -> TaskData:
    rows = keep(len(data.queries), limit, rng)
    # Whatever else a query has, such as the query it is a part of, stays beside it.
    return replace(data, **{name: _at(getattr(data, name), rows) for name in data.__slots__})


def _retrieval(data: kinds.Retrieval, limit: int, rng: np.random.Generator) -> TaskData:
    return kinds.Retrieval([_part(part, keep(len(part.queries), limit, rng), limit, rng) for part in data.parts])


def _instruction_retrieval(data: kinds.InstructionRetrieval, limit: int, rng: np.random.Generator) -> TaskData:
    rows = _whole_groups(data.groups, limit, rng, n_least=1)
    left = {data.groups[row] for row in rows}
    changed = {group: documents for group, documents in data.changed.items() if group in left}
    wanted = {document for documents in changed.values() for document in documents}
    return kinds.InstructionRetrieval(
        _part(data.collection, rows, limit, rng, wanted),
        _at(data.instructions, rows),
        _at(data.groups, rows),
        changed,
    )


def _part(
    part: RetrievalPart, rows: Sequence[int], limit: int, rng: np.random.Generator, wanted: set[str] | None = None
) -> RetrievalPart:
    """Some queries of a collection, their judged documents, those wanted, and a sample of others."""
    query_ids = _at(part.query_ids, rows)
    qrels = {name: part.qrels[name] for name in query_ids}
    judged = (wanted or set()).union(*qrels.values())
    others = [at for at, name in enumerate(part.document_ids) if name not in judged]
    drawn = {others[at] for at in keep(len(others), POOL_PER_UNIT * limit, rng)}
    documents = [at for at, name in enumerate(part.document_ids) if name in judged or at in drawn]
    return replace(
        part,
        document_ids=_at(part.document_ids, documents),
        documents=_at(part.documents, documents),
        query_ids=query_ids,
        queries=_at(part.queries, rows),
        qrels=qrels,
    )


def _summarization(data: kinds.Summarization, limit: int, rng: np.random.Generator) -> TaskData:
    rows = keep(len(data.machine), limit, rng)
    return kinds.Summarization(_at(data.human, rows), _at(data.machine, rows), _at(data.scores, rows))


def _text_generation(data: kinds.TextGenerationEvaluation, limit: int, rng: np.random.Generator) -> TaskData:
    rows = _whole_groups(data.groups, limit, rng, n_least=2)
    return kinds.TextGenerationEvaluation(
        _at(data.hypotheses, rows),
        _at(data.references, rows),
        _at(data.human_scores, rows),
        _at(data.groups, rows),
    )


def _whole_groups(groups: Sequence[str], limit: int, rng: np.random.Generator, n_least: int) -> list[int]:
    """Rows of groups that fit whole into the limit, of ``n_least`` groups in any case."""
    rows: dict[str, list[int]] = {}
    for at, group in enumerate(groups):
        rows.setdefault(group, []).append(at)
    names = list(rows)
    kept: list[int] = []
    for n_before, at in enumerate(rng.permutation(len(names)).tolist()):
        own = rows[names[at]]
        if n_before >= n_least and len(kept) + len(own) > limit:
            break
        kept += own
    return sorted(kept)


def _prompt_retrieval(data: kinds.PromptRetrieval, limit: int, rng: np.random.Generator) -> TaskData:
    rows = keep(len(data.inputs), limit, rng)
    pool = keep(len(data.pool_inputs), POOL_PER_UNIT * limit, rng)
    return kinds.PromptRetrieval(
        _at(data.pool_inputs, pool), _at(data.pool_outputs, pool), _at(data.inputs, rows), _at(data.outputs, rows)
    )


def _following(data: kinds.Following, limit: int, rng: np.random.Generator) -> TaskData:
    rows = keep(len(data.texts), limit, rng, *data.goals.values())
    return kinds.Following(_at(data.texts, rows), {name: _at(labels, rows) for name, labels in data.goals.items()})


_LIMITS: dict[type, Callable[[Any, int, np.random.Generator], TaskData]] = {
    kinds.Classification: _classification,
    kinds.Clustering: _clustering,
    kinds.PairClassification: _pair_classification,
    kinds.Sts: _sts,
    kinds.Reranking: _reranking,
    kinds.Retrieval: _retrieval,
    kinds.InstructionRetrieval: _instruction_retrieval,
    kinds.Summarization: _summarization,
    kinds.TextGenerationEvaluation: _text_generation,
    kinds.PromptRetrieval: _prompt_retrieval,
    kinds.Following: _following,
}
