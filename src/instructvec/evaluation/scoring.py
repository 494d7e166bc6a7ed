"""A task's data -> which texts are encoded on which side, and the protocol that scores their vectors.

Knows kinds, sides and protocols; nothing of files, models or reports. Adding a kind is adding a function to
:data:`_PLANS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import accumulate, chain
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from instructvec.evaluation import data as kinds
from instructvec.evaluation import protocols
from instructvec.evaluation.protocols.following import following
from instructvec.evaluation.protocols.instruction_retrieval import instruction_retrieval
from instructvec.evaluation.protocols.outcome import Outcome
from instructvec.evaluation.suite import TaskSpec, Wording

T = TypeVar("T")
Vectors32 = NDArray[np.float32]

QUERY, DOCUMENT = "query", "document"


class Part(NamedTuple):
    """Texts that are encoded together.

    Attributes:
        texts: in the order in which their vectors are wanted.
        side: :data:`QUERY`, :data:`DOCUMENT`, or the name of a goal.
        own: an instruction for each text, where they have their own.
    """

    texts: list[str]
    side: str = QUERY
    own: list[str] | None = None


class Plan(NamedTuple):
    """What a task needs and how it is scored.

    Attributes:
        parts: by name.
        score: the parts' vectors by the same names -> the outcome.
    """

    parts: dict[str, Part]
    score: Callable[[Mapping[str, Vectors32]], Outcome]

    @property
    def n_chars(self) -> int:
        """Characters of the texts that one wording asks for: what progress is counted in."""
        return sum(sum(map(len, set(part.texts))) for part in self.parts.values())


def plan(task: TaskSpec, data: kinds.TaskData) -> Plan:
    """How a task is measured on its data."""
    return _PLANS[type(data)](task, data)


def instruction_of(task: TaskSpec, wording: Wording, side: str) -> str | None:
    """What a side's texts are encoded under; a goal's texts under the goal's own instruction or paraphrase."""
    if side == QUERY:
        return wording.query
    if side == DOCUMENT:
        return wording.document
    goal = task.goals[side]
    if wording.label == "none":
        return None
    if wording.label.startswith("paraphrase "):
        return goal.paraphrases[int(wording.label.removeprefix("paraphrase ")) - 1]
    return goal.instruction


def encode_part(
    task: TaskSpec, wording: Wording, part: Part, embed: Callable[[Sequence[str], str | None], Vectors32]
) -> Vectors32:
    """The vectors of a part under a wording; texts with instructions of their own in one go an instruction."""
    if part.own is None or wording.label == "none":
        return embed(part.texts, instruction_of(task, wording, part.side))
    rows: dict[str, list[int]] = {}
    for at, own in enumerate(part.own):
        rows.setdefault(own, []).append(at)
    found = {own: embed([part.texts[at] for at in at_rows], own) for own, at_rows in rows.items()}
    width = next(iter(found.values())).shape[1]
    vectors = np.empty((len(part.texts), width), np.float32)
    for own, at_rows in rows.items():
        vectors[at_rows] = found[own]
    return vectors


def _classification(task: TaskSpec, data: kinds.Classification) -> Plan:
    draws = protocols.undersample(
        data.train_labels, samples_per_label=task.samples_per_label, n_experiments=task.n_experiments
    )
    # Only training texts that some experiment draws are encoded.
    used = np.unique(np.concatenate(draws))
    places = [np.searchsorted(used, draw) for draw in draws]
    train_labels = [data.train_labels[at] for at in used]
    return Plan(
        {"train": Part([data.train_texts[at] for at in used]), "test": Part(data.texts)},
        lambda v: protocols.classification(v["train"], train_labels, v["test"], data.labels, draws=places),
    )


def _clustering(task: TaskSpec, data: kinds.Clustering) -> Plan:
    return Plan(
        {"texts": Part(list(chain.from_iterable(data.texts)))},
        lambda v: protocols.clustering(list(zip(_split(v["texts"], data.texts), data.labels, strict=True))),
    )


def _pair_classification(task: TaskSpec, data: kinds.PairClassification) -> Plan:
    return Plan(
        {"a": Part(data.a), "b": Part(data.b)},
        lambda v: protocols.pair_classification(v["a"], v["b"], data.labels),
    )


def _sts(task: TaskSpec, data: kinds.Sts) -> Plan:
    return Plan({"a": Part(data.a), "b": Part(data.b)}, lambda v: protocols.sts(v["a"], v["b"], data.scores))


def _reranking(task: TaskSpec, data: kinds.Reranking) -> Plan:
    return Plan(
        {
            "queries": Part(data.queries),
            "positives": Part(list(chain.from_iterable(data.positives)), DOCUMENT),
            "negatives": Part(list(chain.from_iterable(data.negatives)), DOCUMENT),
        },
        lambda v: protocols.reranking(
            v["queries"], _split(v["positives"], data.positives), _split(v["negatives"], data.negatives)
        ),
    )


def _retrieval(task: TaskSpec, data: kinds.Retrieval) -> Plan:
    queries = [part.queries for part in data.parts]
    documents = [part.documents for part in data.parts]
    return Plan(
        {
            "queries": Part(list(chain.from_iterable(queries))),
            "documents": Part(list(chain.from_iterable(documents)), DOCUMENT),
        },
        lambda v: protocols.retrieval(
            data.parts, _split(v["queries"], queries), _split(v["documents"], documents)
        ),
    )


def _instruction_retrieval(task: TaskSpec, data: kinds.InstructionRetrieval) -> Plan:
    collection = data.collection
    return Plan(
        {
            "queries": Part(collection.queries, QUERY, data.instructions),
            "documents": Part(collection.documents, DOCUMENT),
        },
        lambda v: instruction_retrieval(data, v["queries"], v["documents"], main=task.main_metric),
    )


def _summarization(task: TaskSpec, data: kinds.Summarization) -> Plan:
    return Plan(
        {
            "machine": Part(list(chain.from_iterable(data.machine))),
            "human": Part(list(chain.from_iterable(data.human)), DOCUMENT),
        },
        lambda v: protocols.summarization(
            _split(v["human"], data.human), _split(v["machine"], data.machine), data.scores
        ),
    )


def _text_generation_evaluation(task: TaskSpec, data: kinds.TextGenerationEvaluation) -> Plan:
    return Plan(
        {
            "hypotheses": Part(data.hypotheses),
            "references": Part(list(chain.from_iterable(data.references)), DOCUMENT),
        },
        lambda v: protocols.text_generation_evaluation(
            v["hypotheses"], _split(v["references"], data.references), data.human_scores, data.groups
        ),
    )


def _prompt_retrieval(task: TaskSpec, data: kinds.PromptRetrieval) -> Plan:
    return Plan(
        {"inputs": Part(data.inputs), "pool": Part(data.pool_inputs)},
        lambda v: protocols.prompt_retrieval(
            data, v["inputs"], v["pool"], k=task.n_demonstrations, metric=task.main_metric
        ),
    )


def _following(task: TaskSpec, data: kinds.Following) -> Plan:
    return Plan(
        {goal: Part(data.texts, goal) for goal in data.goals},
        lambda v: following(v, data.goals, samples_per_label=task.samples_per_label),
    )


_PLANS: dict[type, Callable[[TaskSpec, Any], Plan]] = {
    kinds.Classification: _classification,
    kinds.Clustering: _clustering,
    kinds.PairClassification: _pair_classification,
    kinds.Sts: _sts,
    kinds.Reranking: _reranking,
    kinds.Retrieval: _retrieval,
    kinds.InstructionRetrieval: _instruction_retrieval,
    kinds.Summarization: _summarization,
    kinds.TextGenerationEvaluation: _text_generation_evaluation,
    kinds.PromptRetrieval: _prompt_retrieval,
    kinds.Following: _following,
}


def _split(vectors: Vectors32, like: Iterable[Sequence[T]]) -> list[Vectors32]:
    """Rows that were chained, in pieces as long as those of ``like``."""
    ends = list(accumulate(map(len, like)))
    return [vectors[start:end] for start, end in zip([0, *ends[:-1]], ends, strict=True)]
