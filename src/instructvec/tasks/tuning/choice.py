"""Candidates and labelled data -> the instruction to use, and whether it is better than the default.

Knows the search and the guard; the scores are ``problems.py``'s. Successive halving (Jamieson & Talwalkar 2016,
algorithm 1): all candidates on few rows, the better half of them on more, and so on. Rows that are held out choose
nothing; on them the winner is compared with the default, and unless it is surely better the default stays.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from instructvec.errors import ConfigError, InputTypeError
from instructvec.instruction import Instruction
from instructvec.tasks.tuning.candidates import Origin, Wording, candidates_for, default_of
from instructvec.tasks.tuning.data import (
    MIN_ROWS,
    Judgements,
    LabelledTexts,
    Rows,
    TextPairs,
    TuningData,
    codes_of,
    spread_order,
)
from instructvec.tasks.tuning.measures import paired_interval
from instructvec.tasks.tuning.problems import Problem, Views, problem_of
from instructvec.tasks.tuning.store import VectorStore
from instructvec.tasks.vectors import or_bundled

if TYPE_CHECKING:
    from instructvec.checkpoints.contract import EmbeddingContract
    from instructvec.types import Encoder

MAX_CANDIDATES = 24
MAX_ROWS = 5000
MAX_DOCUMENTS = 5000
HELD_OUT = 0.3
_N_RESAMPLES = 2000
_CHOOSING_SHARE = 0.75
"""Of the minutes, what may be spent on choosing; the rest is for the comparison on held-out rows."""


class Step(NamedTuple):
    """A candidate was scored, or a round begins.

    Attributes:
        side: ``"query"``, or ``"document"`` where these are tuned too; texts and pairs are queries.
        rung, n_rungs: which round of how many, from 1.
        candidate, n_candidates: which of the round's candidates, from 1; 0 where the round begins.
        n_rows: texts, pairs or queries it was scored on.
        instruction: the candidate; empty where the round begins.
        score: as a fraction; ``None`` where the round begins.
    """

    side: str
    rung: int
    n_rungs: int
    candidate: int
    n_candidates: int
    n_rows: int
    instruction: str
    score: float | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """What became of an instruction.

    Attributes:
        instruction: the sentence; empty for none.
        origin: the default, none, given by the user, from a template, or a paraphrase.
        side: ``"query"`` or ``"document"``.
        rung: the last round it was in, from 1; 0 where the time was up before its first.
        n_rows: rows it was last scored on; scores of unequal numbers of rows do not compare.
        score: on these, as a fraction; ``None`` where it was never scored.
        first_score: on the rows of the first round, which compares with every other candidate's.
    """

    instruction: str
    origin: Origin
    side: str
    rung: int
    n_rows: int
    score: float | None
    first_score: float | None


@dataclass(frozen=True, slots=True)
class Tuned:
    """The instruction to use.

    Attributes:
        instruction: ready to paste: the winner where it is surely better than the default, else the default.
        document_instruction: the same for the documents of a retrieval; ``None`` elsewhere.
        best, best_document: the winner among the candidates, whether or not it is surely better.
        default: what the job has where the user gives none.
        metric: what scores are; they are fractions.
        score: of ``instruction`` on the held-out rows.
        best_score, default_score: of the winner and of the default on them.
        interval: the 95% paired bootstrap interval of ``best_score - default_score``.
        spread: lowest and highest score of all candidates on the rows of the first round: how much the wording
            matters here.
        n_rows: rows that chose.
        n_held_out: rows that did not.
        candidates: all that were tried, the winner first.
        is_cut_short: whether the time was up before the search was over.
        contract: of vectors made under ``instruction``.
    """

    instruction: str
    document_instruction: str | None
    best: str
    best_document: str | None
    default: str
    metric: str
    score: float
    best_score: float
    default_score: float
    interval: tuple[float, float]
    spread: tuple[float, float]
    n_rows: int
    n_held_out: int
    candidates: tuple[Candidate, ...]
    is_cut_short: bool
    contract: EmbeddingContract

    @property
    def gain(self) -> float:
        """By how much the winner is above the default on the held-out rows."""
        return self.best_score - self.default_score

    @property
    def is_better(self) -> bool:
        """Whether the winner is surely better than the default: the whole interval is above 0."""
        return self.interval[0] > 0


def tune_instruction(
    data: TuningData,
    *,
    candidates: Sequence[str | Instruction] | None = None,
    embedder: Encoder | None = None,
    generate: bool = True,
    domain: str | None = None,
    text_type: str | None = None,
    tune_documents: bool = False,
    max_candidates: int = MAX_CANDIDATES,
    max_rows: int = MAX_ROWS,
    max_documents: int = MAX_DOCUMENTS,
    held_out: float = HELD_OUT,
    minutes: float | None = None,
    seed: int = 42,
    on_step: Callable[[Step], None] | None = None,
    on_texts: Callable[[Sequence[str]], None] | None = None,
) -> Tuned:
    """Find the instruction under which labelled data comes out best.

    Args:
        data: labelled texts, pairs with scores, or judged queries and documents.
        candidates: sentences of your own, tried beside the default, none, and generated ones.
        embedder: whose instruction it is to be; ``None`` for the bundled model.
        generate: whether to make candidates from templates and paraphrases too.
        domain: where the texts are from, for the templates; found in the texts where ``None``.
        text_type: what one text is, for the templates; guessed where ``None``.
        tune_documents: for retrieval, whether to choose the documents' instruction too, for which they are encoded
            again under every candidate.
        max_candidates: how many are tried; more are when more are given.
        max_rows: texts, pairs or queries that are used, drawn at random.
        max_documents: documents that are searched; all judged ones, and others drawn at random.
        held_out: share of the rows that choose nothing, on which the winner is compared with the default.
        minutes: about how long it may take; when the time is up, what is best so far is compared. ``None`` takes
            what it takes.
        seed: of what is drawn.
        on_step: told of every score.
        on_texts: told of the texts that were encoded.

    Returns:
        The instruction, how good it is, and what became of every candidate.

    Raises:
        InputError: data too small or with nothing to tell apart, or a candidate that is no text.
        ConfigError: an option out of its range.
        MissingExtra: scikit-learn is not installed, for labels.

    Example:
        >>> texts = [f"{what} number {at}" for at in range(20) for what in ("a cat", "a motorway")]
        >>> data = LabelledTexts(texts, ["animal", "road"] * 20)
        >>> tuned = tune_instruction(data, candidates=["Animal or road: "], max_candidates=4)
        >>> tuned.metric, tuned.n_held_out, len(tuned.candidates)
        ('accuracy', 12, 4)
    """
    _check_options(data, held_out, max_rows, max_documents, minutes)
    encoder = or_bundled(embedder)
    problem = problem_of(data, seed=seed, max_documents=max_documents)
    chosen_by, held = _split(problem.strata, max_rows, held_out, np.random.default_rng(seed))
    deadline = None if minutes is None else time.monotonic() + 60 * minutes * _CHOOSING_SHARE
    search = _Search(problem, VectorStore(encoder, on_texts), deadline, on_step)
    made = partial(candidates_for, data, domain=domain, max_candidates=max_candidates, generate=generate)
    default = _Pair(
        default_of(data), default_of(data, of_documents=True) if isinstance(data, Judgements) else None
    )
    table = search.best(made(candidates or (), text_type=text_type), chosen_by, "query", default)
    best = default._replace(query=table[0].instruction)
    if tune_documents:
        documents = search.best(made(of_documents=True), chosen_by, "document", best)
        best = best._replace(document=documents[0].instruction)
        table += documents
    return _compared(search, best, default, chosen_by, held, table, encoder, seed)


class _Pair(NamedTuple):
    """The instructions of queries and of documents."""

    query: str
    document: str | None


def _check_options(
    data: TuningData, held_out: float, max_rows: int, max_documents: int, minutes: float | None
) -> None:
    if not isinstance(data, LabelledTexts | TextPairs | Judgements):
        raise InputTypeError(f"data: {type(data).__name__}; expected LabelledTexts, TextPairs or Judgements")
    if not 0 < held_out < 1:
        raise ConfigError(f"held_out is {held_out}; expected a share between 0 and 1, such as {HELD_OUT}")
    for name, value, least in (("max_rows", max_rows, MIN_ROWS), ("max_documents", max_documents, 1)):
        if value < least:
            raise ConfigError(f"{name} is {value}; expected {least} or more")
    if minutes is not None and not minutes > 0:
        raise ConfigError(f"minutes is {minutes}; expected a number above 0")


def _split(strata: Rows, max_rows: int, held_out: float, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Rows that choose, in an order of which every beginning is a sample, and rows that do not."""
    used = spread_order(strata, rng)[:max_rows]
    order = used[spread_order(codes_of(strata[used].tolist()), rng)]
    n_held_out = max(1, round(held_out * len(order)))
    held, rest = order[:n_held_out], order[n_held_out:]
    return rest[spread_order(codes_of(strata[rest].tolist()), rng)], held


@dataclass(slots=True)
class _Search:
    """Successive halving over one side's instructions.

    Attributes:
        problem: scores.
        store: vectors.
        deadline: when choosing must end, on the monotonic clock.
        on_step: told of every score.
    """

    problem: Problem
    store: VectorStore
    deadline: float | None
    on_step: Callable[[Step], None] | None
    is_cut_short: bool = False

    def views(self, pair: _Pair) -> Views:
        """Texts as these instructions show them."""
        return Views(
            lambda texts: self.store.unit(texts, pair.query),
            lambda texts: self.store.unit(texts, pair.document or ""),
        )

    def best(self, wordings: Sequence[Wording], rows: Rows, side: str, fixed: _Pair) -> list[Candidate]:
        """All candidates, the best first, then by how far they came."""
        sizes = rung_sizes(len(wordings), len(rows), self.problem.n_first)
        found = [Candidate(one.instruction, one.origin, side, 0, 0, None, None) for one in wordings]
        alive, out = found, list[Candidate]()
        for rung, size in enumerate(sizes, start=1):
            scored = self._scored(alive, rows[:size], rung, len(sizes), fixed)
            if len(scored) < len(alive) and rung > 1:
                break  # what the last whole round says counts
            ranked = sorted(scored, key=lambda one: -(one.score or 0.0))
            n_kept = 1 if rung == len(sizes) else (len(ranked) + 1) // 2
            out = [*ranked[n_kept:], *alive[len(scored) :], *out]
            alive = ranked[:n_kept]
            self._forget([one.instruction for one in out], fixed)
            if rung < len(sizes) and self._is_late():
                self.is_cut_short = True
                break
        return [*alive, *out]

    def _scored(
        self, alive: Sequence[Candidate], rows: Rows, rung: int, n_rungs: int, fixed: _Pair
    ) -> list[Candidate]:
        """The candidates with their scores on these rows, as many as there is time for, at least one."""
        done: list[Candidate] = []
        tell = self.on_step or (lambda step: None)
        tell(Step(alive[0].side, rung, n_rungs, 0, len(alive), len(rows), "", None))
        for at, one in enumerate(alive, start=1):
            if self._is_late() and (done or rung > 1):
                self.is_cut_short = True
                break
            pair = fixed._replace(**{one.side: one.instruction})
            score = self.problem.score(rows, self.views(pair), whole=one.side == "query")
            first = score if one.first_score is None else one.first_score
            done.append(Candidate(one.instruction, one.origin, one.side, rung, len(rows), score, first))
            tell(Step(one.side, rung, n_rungs, at, len(alive), len(rows), one.instruction, score))
        return done

    def _forget(self, instructions: Sequence[str], fixed: _Pair) -> None:
        for one in instructions:
            if one not in fixed:
                self.store.forget(one)

    def _is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline


def rung_sizes(n_candidates: int, n_rows: int, n_first: int) -> list[int]:
    """Rows of each round of halving: from ``n_first`` to all, by equal factors; one round where rows are few.

    Example:
        >>> rung_sizes(8, 1000, 250), rung_sizes(8, 100, 250)
        ([250, 500, 1000], [100])
    """
    n_rungs, left = 0, n_candidates
    while left > 1:
        n_rungs, left = n_rungs + 1, (left + 1) // 2
    if n_rows <= n_first or n_rungs <= 1:
        return [n_rows]
    factor = (n_rows / n_first) ** (1 / (n_rungs - 1))
    return [round(n_first * factor**at) for at in range(n_rungs)]


def _compared(
    search: _Search,
    best: _Pair,
    default: _Pair,
    chosen_by: Rows,
    held: Rows,
    table: Sequence[Candidate],
    encoder: Encoder,
    seed: int,
) -> Tuned:
    """The winner against the default, on rows that chose neither."""
    reference = search.problem.held_out(chosen_by, held, search.views(default))
    winner = reference if best == default else search.problem.held_out(chosen_by, held, search.views(best))
    everyone = np.arange(len(held))
    rng = np.random.default_rng(seed)
    interval = paired_interval(winner, reference, len(held), n_resamples=_N_RESAMPLES, rng=rng)
    used = best if interval[0] > 0 else default
    first = [one.first_score for one in table if one.side == "query" and one.first_score is not None]
    return Tuned(
        instruction=used.query,
        document_instruction=used.document,
        best=best.query,
        best_document=best.document,
        default=default.query,
        metric=search.problem.metric,
        score=(winner if used == best else reference)(everyone),
        best_score=winner(everyone),
        default_score=reference(everyone),
        interval=interval,
        spread=(min(first), max(first)),
        n_rows=len(chosen_by),
        n_held_out=len(held),
        candidates=tuple(table),
        is_cut_short=search.is_cut_short,
        contract=encoder.contract(used.query),
    )
