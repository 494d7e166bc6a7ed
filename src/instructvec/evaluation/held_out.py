"""Held-out rows of somebody's own table, and models -> how well each serves them, and what training changed.

Knows protocols and how models are compared; nothing of tables' files or of training. Labelled texts are scored by
classifiers that learn from the training rows' vectors, pairs by the search for each held-out query's text among
all texts. Sources: as the protocols; Efron & Tibshirani 1993, chapter 13, for the intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from instructvec.corpus.cache import CachedEncoder
from instructvec.evaluation import protocols
from instructvec.evaluation.comparison import Scored, comparisons
from instructvec.evaluation.data import Classification, RetrievalPart
from instructvec.evaluation.protocols.outcome import Outcome, bootstrap, interval
from instructvec.medi.mine import word_ids
from instructvec.medi.mining.retrieval import clusters
from instructvec.types import Encoder

N_RESAMPLES = 1000
FEW = 8
"""Examples a label that a few-shot classifier learns from."""
N_EXPERIMENTS = 10


@dataclass(frozen=True, slots=True)
class LabelRows:
    """Labelled texts: those that training saw, and those held out."""

    data: Classification
    instruction: str

    def measured(self, encoder: CachedEncoder, *, instructed: bool) -> Outcome:
        """Accuracy on the held-out texts of logistic regression on the training rows' vectors.

        Args:
            encoder: the model.
            instructed: whether it is told what the vectors are for.

        Returns:
            ``score`` is the accuracy of a classifier that learnt from all training rows, ``few_shot_accuracy`` the
            mean of ten that learnt from up to 8 rows a label, as in MTEB. Units are held-out rows.
        """
        data, said = self.data, self.instruction if instructed else None
        train, held_out = (encoder.encode(texts, said).vectors for texts in (data.train_texts, data.texts))
        few = protocols.undersample(data.train_labels, samples_per_label=FEW, n_experiments=N_EXPERIMENTS)
        rows = (train, data.train_labels, held_out, data.labels)
        of_all = protocols.classification(*rows, draws=[np.arange(len(train))])
        of_few = protocols.classification(*rows, draws=few)
        metrics = {"accuracy": of_all.score, "few_shot_accuracy": of_few.score, "f1": of_all.metrics["f1"]}
        return Outcome(of_all.score, metrics, of_all.strata, of_all.statistic)


@dataclass(frozen=True, slots=True)
class PairRows:
    """Held-out queries, all texts that any row has for the other side, and which belong together."""

    part: RetrievalPart
    instruction: str
    document_instruction: str

    def measured(self, encoder: CachedEncoder, *, instructed: bool) -> Outcome:
        """The search for the text that belongs to each held-out query; nDCG@10.

        Args:
            encoder: the model.
            instructed: whether it is told what the vectors are for.

        Returns:
            ``score`` is ``ndcg_at_10``; beside it ``recall_at_1`` and ``recall_at_10``. Units are queries.
        """
        said = (self.instruction, self.document_instruction) if instructed else (None, None)
        queries = encoder.encode(self.part.queries, said[0]).vectors
        documents = encoder.encode(self.part.documents, said[1]).vectors
        found = protocols.retrieval([self.part], [queries], [documents])
        metrics = {name: found.metrics[name] for name in ("ndcg_at_10", "recall_at_1", "recall_at_10")}
        return Outcome(found.score, metrics, found.strata, found.statistic)


HeldOutRows: TypeAlias = LabelRows | PairRows


def pair_rows(
    train: Sequence[tuple[str, str]],
    held_out: Sequence[tuple[str, str]],
    *,
    symmetric: bool,
    instruction: str,
    document_instruction: str,
) -> PairRows:
    """Pairs as a collection to search.

    Args:
        train: query and other text of the rows that were trained on; their texts are searched too.
        held_out: of the rows held out.
        symmetric: whether both sides are of one sort: then both are searched, a query never finds itself, and
            belonging together holds along chains of pairs.
        instruction: of queries.
        document_instruction: of the other side; not used where both are of one sort.

    Example:
        >>> said = {"instruction": "Question: ", "document_instruction": "Answer: "}
        >>> found = pair_rows([("a", "A")], [("b", "B"), ("b", "C")], symmetric=False, **said)
        >>> found.part.documents, found.part.qrels
        (['A', 'B', 'C'], {'q1': {'1': 1, '2': 1}})
    """
    pairs = [*train, *held_out]
    queries, others = [query for query, _ in pairs], [other for _, other in pairs]
    own, other = word_ids(queries), word_ids(others)
    searched, ids = (others + queries, np.concatenate([other, own])) if symmetric else (others, other)
    groups = np.concatenate(clusters(own, other)[::-1]) if symmetric else None
    first = np.sort(np.unique(ids, return_index=True)[1])
    number_of = {int(ids[at]): str(number) for number, at in enumerate(first.tolist())}
    rows_of: dict[int, list[int]] = {}
    for at in range(len(train), len(pairs)):
        rows_of.setdefault(int(own[at]), []).append(at)
    # A query that is searched as well goes by one name on both sides, so that it is not asked to find itself.
    names = {one: number_of[one] if symmetric else f"q{rows[0]}" for one, rows in rows_of.items()}
    qrels = {}
    for one, rows in rows_of.items():
        wanted = other[rows] if groups is None else ids[first][groups[first] == groups[len(pairs) + rows[0]]]
        qrels[names[one]] = {number_of[text]: 1 for text in wanted.tolist() if not symmetric or text != one}
    part = RetrievalPart(
        document_ids=list(number_of.values()),
        documents=[searched[at] for at in first],
        query_ids=list(names.values()),
        queries=[queries[rows[0]] for rows in rows_of.values()],
        qrels=qrels,
        ignore_identical_ids=symmetric,
    )
    return PairRows(part, instruction, instruction if symmetric else document_instruction)


class Model(NamedTuple):
    """A model as it is used: with the rows' instructions, or without."""

    encoder: Encoder
    instructed: bool


def compared(rows: HeldOutRows, start: Encoder, trained: Encoder, *, seed: int = 42) -> dict[str, Any]:
    """What training changed: the trained model against the better of the two ways to use the one it started from.

    Args:
        rows: held out, with what is learnt from or searched.
        start: the model that training started from, tried with and without the instructions.
        trained: used with them.
        seed: of the bootstrap.

    Returns:
        ``metric``, its name; ``n_units``; ``before`` and ``after`` with ``score`` in percent, its ``interval``,
        ``instructed`` and all ``metrics``; ``before_otherwise``, the start used the other way; ``difference`` with
        ``value``, paired ``interval`` and ``p``.
    """
    outcomes = {
        name: rows.measured(CachedEncoder(model.encoder, None), instructed=model.instructed)
        for name, model in {
            "instructed": Model(start, True),
            "plain": Model(start, False),
            "after": Model(trained, True),
        }.items()
    }
    before, otherwise = sorted(("instructed", "plain"), key=lambda name: -outcomes[name].score)
    scored = {name: _scored(outcome, seed) for name, outcome in outcomes.items()}
    difference = comparisons({name: {"held out": scored[name]} for name in ("after", before)})[0]
    found = {
        name: _described(outcomes[key], scored[key], instructed=key != "plain")
        for name, key in (("before", before), ("before_otherwise", otherwise), ("after", "after"))
    }
    metric = next(iter(outcomes["after"].metrics))
    changed = {"value": _rounded(difference["difference"]), "p": difference["p"], "interval": None}
    if difference["interval"]:
        changed["interval"] = [_rounded(one) for one in difference["interval"]]
    return {"metric": metric, "n_units": outcomes["after"].n_units, **found, "difference": changed}


def _scored(outcome: Outcome, seed: int) -> Scored:
    """With replicates, in percent, that are paired among models."""
    found = bootstrap(outcome, n_resamples=N_RESAMPLES, seed=seed, name="held out")
    return Scored("held out", 100 * outcome.score, 100 * found)


def _described(outcome: Outcome, scored: Scored, *, instructed: bool) -> Mapping[str, Any]:
    return {
        "score": _rounded(scored.score),
        "interval": [_rounded(one) for one in interval(scored.replicates)],
        "instructed": instructed,
        "metrics": {name: _rounded(100 * value) for name, value in outcome.metrics.items()},
    }


def _rounded(value: float) -> float:
    return round(float(value), 2)
