"""A task's data and a half's name -> the scored rows of that half, so that what is reported was not chosen on.

Knows kinds and which text of a row decides its half; nothing of files, models or scores. A text's half depends on
the text alone: not on the order of the rows, a seed, the task or the machine, so that a text that stands in
several tasks is in the same half of all.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Literal, TypeAlias, TypeVar

from instructvec.errors import InputError
from instructvec.evaluation import data as kinds
from instructvec.evaluation.data import TaskData

T = TypeVar("T")

OneHalf: TypeAlias = Literal["development", "test"]

_SALT = b"instructvec/half/1\0"
_DEVELOPMENT_BELOW = 128


def half_of(key: str) -> OneHalf:
    """The half that a text, or whatever else names a row, is in; always the same one.

    Args:
        key: any text; upper and lower case and spaces count.

    Example:
        >>> [half_of(word) for word in ("ship", "harbour", "wave", "tide")]
        ['development', 'test', 'development', 'development']
    """
    first = hashlib.sha256(_SALT + key.encode("utf-8", "surrogatepass")).digest()[0]
    return "development" if first < _DEVELOPMENT_BELOW else "test"


def halved(data: TaskData, half: OneHalf) -> TaskData:
    """The scored rows of a task that are in a half, in the order of the file.

    What decides the half of a row: the text (classification, following, and each set of a clustering task), the
    pair's first text (pair classification, STS), the query (reranking, retrieval), the least human summary
    (summarisation) or reference (text generation) by the order of characters, or the input (prompt retrieval).
    Queries of one group and hypotheses of one group stay together: the group's least text decides. Training texts,
    documents of a corpus and pools of demonstrations are the same for both halves.

    Args:
        data: of the task, whole.
        half: which.

    Raises:
        InputError: no row is in that half, or those that are cannot be measured, such as rows of one label.

    Example:
        >>> whole = kinds.Sts(["harbour", "tide", "tide"], ["boat", "sea", "salt"], [4.0, 2.0, 1.0])
        >>> halved(whole, "development")
        Sts(a=['tide', 'tide'], b=['sea', 'salt'], scores=[2.0, 1.0])
    """
    made: TaskData = _HALVED[type(data)](data, half)
    return made


def _kept(keys: Sequence[str], half: OneHalf, what: str) -> list[int]:
    """The places of the keys that are in a half.

    Raises:
        InputError: there is none.
    """
    kept = [at for at, key in enumerate(keys) if half_of(key) == half]
    if not kept:
        others = f"all {len(keys)} are" if len(keys) > 1 else "the only one is"
        raise InputError(f"{what}: none is in the {half} half, {others} in the other")
    return kept


def _at(values: Sequence[T], rows: Sequence[int]) -> list[T]:
    return [values[row] for row in rows]


def _rows(
    *names: str, what: str, keys: Callable[[Any], Sequence[str]] | None = None
) -> Callable[[Any, OneHalf], TaskData]:
    """Halves a kind whose scored rows are in the fields ``names``; by the first of them, or by ``keys``."""

    def take(data: Any, half: OneHalf) -> TaskData:
        rows = _kept(getattr(data, names[0]) if keys is None else keys(data), half, what)
        # replace() checks the values again: rows of one label are refused.
        made: TaskData = replace(data, **{name: _at(getattr(data, name), rows) for name in names})
        return made

    return take


def _clustering(data: kinds.Clustering, half: OneHalf) -> TaskData:
    kept = [_kept(texts, half, f"texts of set {at}") for at, texts in enumerate(data.texts)]
    return kinds.Clustering(
        [_at(texts, rows) for texts, rows in zip(data.texts, kept, strict=True)],
        [_at(labels, rows) for labels, rows in zip(data.labels, kept, strict=True)],
    )


def _retrieval(data: kinds.Retrieval, half: OneHalf) -> TaskData:
    return kinds.Retrieval([_part(part, _kept(part.queries, half, "queries")) for part in data.parts])


def _instruction_retrieval(data: kinds.InstructionRetrieval, half: OneHalf) -> TaskData:
    rows = _kept(_of_groups(data.groups, data.collection.queries), half, "groups of queries")
    groups = _at(data.groups, rows)
    left = set(groups)
    return kinds.InstructionRetrieval(
        _part(data.collection, rows),
        _at(data.instructions, rows),
        groups,
        {group: documents for group, documents in data.changed.items() if group in left},
    )


def _part(part: kinds.RetrievalPart, rows: Sequence[int]) -> kinds.RetrievalPart:
    """Some queries of a collection over all its documents."""
    query_ids = _at(part.query_ids, rows)
    return replace(
        part,
        query_ids=query_ids,
        queries=_at(part.queries, rows),
        qrels={name: part.qrels[name] for name in query_ids},
    )


def _following(data: kinds.Following, half: OneHalf) -> TaskData:
    rows = _kept(data.texts, half, "texts")
    return kinds.Following(_at(data.texts, rows), {name: _at(labels, rows) for name, labels in data.goals.items()})


def _of_groups(groups: Sequence[str], texts: Sequence[str]) -> list[str]:
    """For each row the least text of its group: one key a group, whatever the group is called."""
    least: dict[str, str] = {}
    for group, text in zip(groups, texts, strict=True):
        least[group] = min(text, least.get(group, text))
    return [least[group] for group in groups]


_HALVED: dict[type, Callable[[Any, OneHalf], TaskData]] = {
    kinds.Classification: _rows("texts", "labels", what="test texts"),
    kinds.Clustering: _clustering,
    kinds.PairClassification: _rows("a", "b", "labels", what="first texts of the pairs"),
    kinds.Sts: _rows("a", "b", "scores", what="first texts of the pairs"),
    kinds.Reranking: _rows("queries", "positives", "negatives", what="queries"),
    kinds.Retrieval: _retrieval,
    kinds.InstructionRetrieval: _instruction_retrieval,
    kinds.Summarization: _rows(
        "human", "machine", "scores",
        what="documents",
        keys=lambda data: [min(one, default="") for one in data.human],
    ),
    kinds.TextGenerationEvaluation: _rows(
        "hypotheses", "references", "human_scores", "groups",
        what="groups of hypotheses",
        keys=lambda data: _of_groups(data.groups, [min(one, default="") for one in data.references]),
    ),
    kinds.PromptRetrieval: _rows("inputs", "outputs", what="inputs"),
    kinds.Following: _following,
}  # fmt: skip
