"""Rows by split -> the typed data of a task kind, checked.

Knows which fields each kind has; nothing of where rows come from. Adding a kind is adding a function to
:data:`KINDS`. Source of the rules: MTEB v1 (Muennighoff et al. 2023), whose reranking leaves out queries without
both kinds of candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from instructvec.errors import FileError, InputError
from instructvec.evaluation import data as kinds
from instructvec.evaluation.data import TaskData
from instructvec.evaluation.sources.rows import Rows
from instructvec.evaluation.suite import Goal, Kind, TaskSpec
from instructvec.tasks.labels import Label


class Assembled(NamedTuple):
    """A task's data.

    Attributes:
        data: all of it.
        n_rows: how many rows were read; documents of a collection.
        notes: what a reader of the scores must know.
    """

    data: TaskData
    n_rows: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Splits:
    """Rows by split.

    Attributes:
        name: the file or dataset, for messages.
        rows: by split; under ``None`` all rows, where they tell no split.
    """

    name: str
    rows: Mapping[str | None, Rows]

    def of(self, split: str) -> Rows:
        """The rows of a split; all of them where rows tell no split.

        Raises:
            FileError: the split has no rows; names those that have.
        """
        rows = self.rows.get(split, self.rows.get(None))
        if rows is None or not len(rows):
            raise FileError(
                f"{self.name}: the split {split!r} is empty or missing; there are {self._there()}: add its rows, "
                "or name another split in the suite (split, pool_split)"
            )
        return rows

    def both(self, task: TaskSpec) -> tuple[Rows, Rows]:
        """The rows to learn from, and those that are scored.

        Raises:
            FileError: rows tell no split, or one of the two is empty.
        """
        if None in self.rows:
            rows = self.rows[None]
            raise FileError(
                f"{self.name}: no column {rows.column('split')!r}; {task.kind} needs two splits: say in each row "
                f'whether it is of {task.pool_split!r} or {task.split!r}, such as "split": "{task.split}"'
            )
        return self.of(task.pool_split), self.of(task.split)

    def _there(self) -> str:
        return ", ".join(f"{name!r} ({len(rows)} rows)" for name, rows in self.rows.items()) or "none"


def by_split(rows: Rows) -> Splits:
    """Rows by their column ``split``, if they have one."""
    if not rows.has("split"):
        return Splits(rows.name, {None: rows})
    places: dict[str, list[int]] = {}
    for at, split in enumerate(rows.texts("split")):
        places.setdefault(split, []).append(at)
    return Splits(rows.name, {split: rows.take(own) for split, own in places.items()})


def assemble(task: TaskSpec, splits: Splits) -> Assembled:
    """The data of a task.

    Raises:
        FileError: a field is missing, of the wrong type or without meaning for this kind; names file and row.
    """
    n_rows = sum(map(len, splits.rows.values()))
    try:
        data, notes = KINDS[task.kind](task, splits)
    except FileError:
        raise
    except InputError as error:  # of the data as a whole: it knows no file
        raise FileError(f"{splits.name}: {error}") from None
    return Assembled(data, n_rows, notes)


_Made = tuple[TaskData, tuple[str, ...]]


def _classification(task: TaskSpec, splits: Splits) -> _Made:
    train, test = splits.both(task)
    train_labels, labels = train.labels("label"), test.labels("label")
    if type(train_labels[0]) is not type(labels[0]):
        raise test.refusal(0, "label", f"a label as in the split {task.pool_split!r} ({train_labels[0]!r})")
    return kinds.Classification(train.texts("text"), train_labels, test.texts("text"), labels), ()


def _clustering(task: TaskSpec, splits: Splits) -> _Made:
    rows = splits.of(task.split)
    texts, labels = rows.texts("text"), rows.labels("label")
    names: Sequence[Label] = rows.labels("set") if rows.has("set") else [0] * len(rows)
    sets: dict[Label, tuple[list[str], list[Label]]] = {}
    for name, text, label in zip(names, texts, labels, strict=True):
        own = sets.setdefault(name, ([], []))
        own[0].append(text)
        own[1].append(label)
    return kinds.Clustering([own[0] for own in sets.values()], [own[1] for own in sets.values()]), ()


def _pair_classification(task: TaskSpec, splits: Splits) -> _Made:
    rows = splits.of(task.split)
    return kinds.PairClassification(rows.texts("a"), rows.texts("b"), rows.flags("label")), ()


def _sts(task: TaskSpec, splits: Splits) -> _Made:
    rows = splits.of(task.split)
    return kinds.Sts(rows.texts("a"), rows.texts("b"), rows.floats("score")), ()


def _reranking(task: TaskSpec, splits: Splits) -> _Made:
    rows = splits.of(task.split)
    queries = rows.texts("query")
    positives, negatives = rows.text_lists("positive", empty=True), rows.text_lists("negative", empty=True)
    return reranking_of(queries, positives, negatives)


def reranking_of(queries: list[str], positives: list[list[str]], negatives: list[list[str]]) -> _Made:
    """Queries that have both kinds of candidate, and a note on the others.

    Raises:
        InputError: there is none.
    """
    kept = [at for at in range(len(queries)) if positives[at] and negatives[at]]
    n_lost = len(queries) - len(kept)
    notes = (
        (f"{n_lost} of {len(queries)} queries lack positive or negative candidates and are left out, as in MTEB",)
        if n_lost
        else ()
    )
    data = kinds.Reranking(
        [queries[at] for at in kept], [positives[at] for at in kept], [negatives[at] for at in kept]
    )
    return data, notes


def _summarization(task: TaskSpec, splits: Splits) -> _Made:
    rows = splits.of(task.split)
    human, machine = rows.text_lists("human_summaries"), rows.text_lists("machine_summaries")
    scores = rows.number_lists("relevance")
    for at, (texts, own) in enumerate(zip(machine, scores, strict=True)):
        if len(texts) != len(own):
            raise rows.error(
                at, "relevance", f"has {len(own)} scores for {len(texts)} machine summaries; expected one for each"
            )
    return kinds.Summarization(human, machine, scores), ()


def _text_generation_evaluation(task: TaskSpec, splits: Splits) -> _Made:
    rows = splits.of(task.split)
    references = rows.text_lists("references")
    if rows.has("doc"):
        groups = [str(one) for one in rows.labels("doc")]
    else:
        # Hypotheses held against the same references are about the same thing.
        numbers: dict[tuple[str, ...], int] = {}
        groups = [str(numbers.setdefault(tuple(own), len(numbers) + 1)) for own in references]
    data = kinds.TextGenerationEvaluation(rows.texts("hypothesis"), references, rows.floats("human_score"), groups)
    return data, ()


def _prompt_retrieval(task: TaskSpec, splits: Splits) -> _Made:
    pool, test = splits.both(task)
    return (
        kinds.PromptRetrieval(pool.texts("input"), _outputs(pool), test.texts("input"), _outputs(test)),
        (),
    )


def _outputs(rows: Rows) -> list[str]:
    """Outputs as text: labels may be whole numbers."""
    return [str(one) for one in rows.labels("output")]


def _following(task: TaskSpec, splits: Splits) -> _Made:
    rows = _only(task, splits.of(task.split))
    goals = {name: _goal_labels(rows, name, goal) for name, goal in task.goals.items()}
    return kinds.Following(rows.texts("text"), goals), ()


def _only(task: TaskSpec, rows: Rows) -> Rows:
    kept = list(range(len(rows)))
    for column, wanted in task.only.items():
        labels = rows.labels(column)
        kept = [at for at in kept if str(labels[at]) == wanted]
        if not kept:
            there = ", ".join(sorted({repr(str(label)) for label in labels})[:10])
            raise FileError(f"{rows.name}: no row has {wanted!r} in {column!r}; there are {there}")
    return rows.take(kept) if task.only else rows


def _goal_labels(rows: Rows, name: str, goal: Goal) -> list[Label]:
    column = goal.column or name
    labels = rows.labels(column)
    if not goal.groups:
        return labels
    group_of = {value: group for group, values in goal.groups.items() for value in values}
    for at, label in enumerate(labels):
        if str(label) not in group_of:
            raise rows.refusal(at, column, f"a value of one of the groups of the goal {name!r}")
    return [group_of[str(label)] for label in labels]


KINDS: dict[Kind, Callable[[TaskSpec, Splits], tuple[Any, tuple[str, ...]]]] = {
    "classification": _classification,
    "clustering": _clustering,
    "pair_classification": _pair_classification,
    "sts": _sts,
    "reranking": _reranking,
    "summarization": _summarization,
    "text_generation_evaluation": _text_generation_evaluation,
    "prompt_retrieval": _prompt_retrieval,
    "following": _following,
}
"""Kinds whose data is rows; retrieval has collections instead."""
