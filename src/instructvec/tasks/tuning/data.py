"""What a user has labelled -> data that instructions can be scored on, checked.

Knows texts, labels and judgements; nothing of vectors or instructions. Three kinds: texts with a label each, pairs
of texts with a score each, and queries with judged documents.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.tasks.vectors import checked_texts

Label: TypeAlias = "str | int | float | bool"
Rows: TypeAlias = NDArray[np.int64]

MIN_ROWS = 20
"""Labelled texts or pairs without which there is nothing to choose by."""

MIN_QUERIES = 10


@dataclass(frozen=True, slots=True)
class LabelledTexts:
    """Texts with a label each, to be classified.

    Attributes:
        texts: n strings.
        labels: n labels, at least two different ones; each of two rows or more is of use.
        name: what the texts are, such as the name of their column; a word for the templates.
        label_name: what the labels tell, such as the name of their column.

    Raises:
        InputError: another number of labels than of texts, one label only, or fewer than :data:`MIN_ROWS` rows.
    """

    texts: Sequence[str]
    labels: Sequence[Label]
    name: str | None = field(default=None, kw_only=True)
    label_name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        _check_rows("labelled texts", MIN_ROWS, texts=checked_texts(self.texts), labels=self.labels)
        missing = [
            at
            for at, label in enumerate(self.labels, start=1)
            if label is None or (isinstance(label, float) and math.isnan(label))
        ]
        if missing:
            raise InputError(f"labels, row {missing[0]}: none; expected a label: leave such rows out")
        distinct = set(self.labels)
        if len(distinct) < 2:
            raise InputError(
                f"labels: every row has the label {next(iter(distinct))!r}; expected two labels or more: there is "
                "nothing to tell apart"
            )
        if len(distinct) > len(self.labels) // 2:
            raise InputError(
                f"labels: {len(distinct)} different ones in {len(self.labels)} rows; expected two rows or more a "
                "label on the whole: is this the right column?"
            )

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class TextPairs:
    """Pairs of texts with a score each: how alike they are, or whether they belong together.

    Attributes:
        first, second: n strings each.
        scores: n numbers, greater for more alike; truth values, or 0 and 1, are scored by average precision,
            others by Spearman's correlation.
        name: what the texts are, a word for the templates.

    Raises:
        InputError: sides of different lengths, a score that is no finite number, scores all the same, or fewer
            than :data:`MIN_ROWS` pairs.
    """

    first: Sequence[str]
    second: Sequence[str]
    scores: Sequence[float]
    name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        first, second = checked_texts(self.first, "first"), checked_texts(self.second, "second")
        _check_rows("pairs", MIN_ROWS, first=first, second=second, scores=self.scores)
        for at, score in enumerate(self.scores, start=1):
            if not isinstance(score, int | float | np.number | np.bool_) or not math.isfinite(score):
                raise InputError(f"scores, row {at}: {score!r}; expected a finite number: leave such rows out")
        if len(set(map(float, self.scores))) < 2:
            raise InputError(f"scores: every pair has {self.scores[0]!r}; expected scores that differ")

    def __len__(self) -> int:
        return len(self.first)

    @property
    def is_binary(self) -> bool:
        """Whether the scores say yes or no."""
        return set(map(float, self.scores)) <= {0.0, 1.0}


@dataclass(frozen=True, slots=True)
class Judgements:
    """Queries, documents, and which of these answer which query, and how well.

    Attributes:
        queries, documents: id -> text.
        qrels: query id -> document id -> relevance; above 0 is relevant. Queries without a relevant document are
            left out.
        name, document_name: what queries and documents are, words for the templates.

    Raises:
        InputError: a judgement of an unknown query or document, or fewer than :data:`MIN_QUERIES` queries that
            have a relevant document.
    """

    queries: Mapping[str, str]
    documents: Mapping[str, str]
    qrels: Mapping[str, Mapping[str, int]]
    name: str | None = field(default=None, kw_only=True)
    document_name: str | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        checked_texts(list(self.queries.values()), "queries")
        checked_texts(list(self.documents.values()), "documents")
        for query, judged in self.qrels.items():
            if query not in self.queries:
                raise InputError(f"qrels: the query {query!r} is not among the queries; expected known ids only")
            for document in judged:
                if document not in self.documents:
                    raise InputError(
                        f"qrels of the query {query!r}: the document {document!r} is not among the documents; "
                        "expected known ids only"
                    )
        if len(self) < MIN_QUERIES:
            raise InputError(
                f"{len(self)} queries with a relevant document; tuning needs {MIN_QUERIES} or more: judge more of "
                "them, or keep the default instruction"
            )

    def __len__(self) -> int:
        return len(self.judged_queries)

    @property
    def judged_queries(self) -> list[str]:
        """The ids of queries that have a relevant document, in order."""
        return [one for one in self.queries if any(value > 0 for value in self.qrels.get(one, {}).values())]


TuningData: TypeAlias = "LabelledTexts | TextPairs | Judgements"


def codes_of(labels: Sequence[object]) -> Rows:
    """(n,) int64: each label's place among the distinct ones, in order of first use.

    Example:
        >>> codes_of(["b", "a", "b"])
        array([0, 1, 0])
    """
    places = {label: at for at, label in enumerate(dict.fromkeys(labels))}
    return np.fromiter((places[label] for label in labels), np.int64, len(labels))


def spread_order(codes: Rows, rng: np.random.Generator) -> Rows:
    """Rows in an order of which every beginning has each label in about its share of all.

    Args:
        codes: (n,) of the labels; all alike for a plain shuffle.
        rng: draws the order.

    Example:
        >>> order = spread_order(np.array([0] * 6 + [1] * 3), np.random.default_rng(0))
        >>> [int((order[:3 * k] >= 6).sum()) for k in (1, 2, 3)]
        [1, 2, 3]
    """
    shuffled = rng.permutation(len(codes))
    place = np.empty(len(codes))
    counts = np.bincount(codes)
    for code in range(len(counts)):
        own = shuffled[codes[shuffled] == code]
        place[own] = (np.arange(len(own)) + rng.random()) / max(len(own), 1)
    return np.argsort(place, kind="stable").astype(np.int64)


def _check_rows(what: str, least: int, **sides: Sequence[object]) -> None:
    counts = {name: len(values) for name, values in sides.items()}
    if len(set(counts.values())) > 1:
        shown = ", ".join(f"{count} {name}" for name, count in counts.items())
        raise InputError(f"{what}: {shown}; expected as many of each")
    count = next(iter(counts.values()))
    if count < least:
        raise InputError(
            f"{count} {what}; tuning needs {least} or more: label more of them, or keep the default instruction"
        )
