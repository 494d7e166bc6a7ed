"""What a task is measured on, as one value a kind: texts and what is known of them.

Knows shapes and what makes data unusable; nothing of files, vectors or instructions. Every class checks itself
when it is made, so that a protocol never sees a test with one label or a query without a judged document.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from instructvec.errors import InputError
from instructvec.tasks.labels import Label


@dataclass(frozen=True, slots=True)
class Classification:
    """Training texts to draw from, and test texts; a label each."""

    train_texts: list[str]
    train_labels: list[Label]
    texts: list[str]
    labels: list[Label]

    def __post_init__(self) -> None:
        _not_empty("training split", self.train_texts)
        _not_empty("test split", self.texts)
        _several_labels("training split", self.train_labels)
        _several_labels("test split", self.labels)
        unseen = set(self.labels) - set(self.train_labels)
        if unseen:
            raise InputError(
                f"label {min(unseen, key=str)!r} is in the test split but not in the training split; "
                "a classifier cannot learn it: check that both splits use the same labels"
            )


@dataclass(frozen=True, slots=True)
class Clustering:
    """Sets of texts that are clustered one by one; a label each text."""

    texts: list[list[str]]
    labels: list[list[Label]]

    def __post_init__(self) -> None:
        _not_empty("test split", self.texts)
        for at, labels in enumerate(self.labels):
            _several_labels(f"set {at}", labels)


@dataclass(frozen=True, slots=True)
class PairClassification:
    """Pairs of texts, and whether they belong together."""

    a: list[str]
    b: list[str]
    labels: list[bool]

    def __post_init__(self) -> None:
        _not_empty("test split", self.a)
        _several_labels("test split", self.labels)


@dataclass(frozen=True, slots=True)
class Sts:
    """Pairs of texts, and how alike people find them."""

    a: list[str]
    b: list[str]
    scores: list[float]

    def __post_init__(self) -> None:
        _not_empty("test split", self.a)
        _varying("test split", self.scores)


@dataclass(frozen=True, slots=True)
class Reranking:
    """Queries, each with documents that answer it and documents that do not."""

    queries: list[str]
    positives: list[list[str]]
    negatives: list[list[str]]

    def __post_init__(self) -> None:
        _not_empty("queries with both kinds of candidate", self.queries)


@dataclass(frozen=True, slots=True)
class RetrievalPart:
    """One collection: documents, queries, and which documents answer which query, and how well.

    Attributes:
        document_ids, documents: as many of each.
        query_ids, queries: as many of each; only those with at least one relevant document.
        qrels: query id -> document id -> relevance; above 0 is relevant.
        ignore_identical_ids: whether a document with a query's own id is that query and is left out (ArguAna,
            Quora).
    """

    document_ids: list[str]
    documents: list[str]
    query_ids: list[str]
    queries: list[str]
    qrels: dict[str, dict[str, int]]
    ignore_identical_ids: bool = False

    def __post_init__(self) -> None:
        _not_empty("corpus", self.documents)
        _not_empty("queries with relevant documents", self.queries)
        _distinct("corpus", self.document_ids)
        _distinct("queries", self.query_ids)


@dataclass(frozen=True, slots=True)
class Retrieval:
    """One collection, or several whose scores are averaged (CQADupstack)."""

    parts: list[RetrievalPart]


@dataclass(frozen=True, slots=True)
class InstructionRetrieval:
    """Queries that come with instructions of their own.

    Attributes:
        collection: the documents, queries and judgements; each query under each instruction is one query.
        instructions: one a query.
        groups: one a query: the query it is a variant of.
        changed: group -> documents that the altered instruction made irrelevant; its two queries are
            ``<group>-og`` and ``<group>-changed`` (FollowIR). Empty where there is no such pair.
    """

    collection: RetrievalPart
    instructions: list[str]
    groups: list[str]
    changed: dict[str, list[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summarization:
    """Documents with summaries by people, and summaries by systems that people scored.

    Attributes:
        human: (documents, summaries each).
        machine: (documents, summaries each).
        scores: one for each machine summary.
    """

    human: list[list[str]]
    machine: list[list[str]]
    scores: list[list[float]]

    def __post_init__(self) -> None:
        _not_empty("test split", self.machine)


@dataclass(frozen=True, slots=True)
class TextGenerationEvaluation:
    """Generated texts, references to hold them against, and scores that people gave (Billboard).

    Attributes:
        hypotheses: n texts.
        references: one or more for each.
        human_scores: n numbers.
        groups: n names of what was described or summarised; hypotheses for the same one are not independent.
    """

    hypotheses: list[str]
    references: list[list[str]]
    human_scores: list[float]
    groups: list[str]

    def __post_init__(self) -> None:
        _not_empty("test split", self.hypotheses)
        _varying("test split", self.human_scores)


@dataclass(frozen=True, slots=True)
class PromptRetrieval:
    """A pool of solved examples, and inputs to pick demonstrations for."""

    pool_inputs: list[str]
    pool_outputs: list[str]
    inputs: list[str]
    outputs: list[str]

    def __post_init__(self) -> None:
        _not_empty("pool of demonstrations", self.pool_inputs)
        _not_empty("test split", self.inputs)


@dataclass(frozen=True, slots=True)
class Following:
    """The same texts under several goals: a label each text and goal."""

    texts: list[str]
    goals: dict[str, list[Label]]

    def __post_init__(self) -> None:
        _not_empty("test split", self.texts)
        for name, labels in self.goals.items():
            _several_labels(f"goal {name}", labels)


TaskData: TypeAlias = (
    Classification
    | Clustering
    | PairClassification
    | Sts
    | Reranking
    | Retrieval
    | InstructionRetrieval
    | Summarization
    | TextGenerationEvaluation
    | PromptRetrieval
    | Following
)


def _not_empty(what: str, rows: Sequence[object]) -> None:
    if not rows:
        raise InputError(f"{what}: empty; expected at least one row: check the split's name and the data file")


def _several_labels(what: str, labels: Iterable[Label]) -> None:
    counts = Counter(labels)
    if len(counts) < 2:
        only = next(iter(counts), None)
        raise InputError(f"{what}: every row has the label {only!r}; nothing can be measured with one label")


def _varying(what: str, scores: Sequence[float]) -> None:
    bad = next((at for at, score in enumerate(scores) if not math.isfinite(score)), None)
    if bad is not None:
        raise InputError(f"{what}, row {bad + 1}: the score is {scores[bad]}; expected a finite number")
    if len(set(scores)) < 2:
        raise InputError(f"{what}: every score is {scores[0]}; a correlation with a constant is undefined")


def _distinct(what: str, ids: Sequence[str]) -> None:
    if len(set(ids)) < len(ids):
        twice = next(one for one, count in Counter(ids).items() if count > 1)
        raise InputError(f"{what}: the id {twice!r} stands there twice; ids must be unique")
