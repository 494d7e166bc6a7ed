"""Triplets -> what is in them: counts, lengths, instructions, samples, suspected false negatives.

Knows rows and what is known of their datasets; nothing of files or pages. One pass, in memory that grows by some
60 bytes a row, plus the samples; a second one over the rows only where texts of suspects must be fetched.
"""

from __future__ import annotations

import heapq
import random
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from instructvec.errors import InputError, InputTypeError
from instructvec.medi.manifest import Counts, DatasetFacts
from instructvec.medi.summaries import NOT_STATED, SIDES, Instructions, Lengths, Summary
from instructvec.medi.suspects import Reason, Suspect, Vectors, by_vectors, by_words, compared, is_judged
from instructvec.medi.triplets import Triplet

SHOWN = 3
"""Suspects of a dataset that are kept with their texts, by reason; all are counted."""


class Sample(NamedTuple):
    """A row and its number, from 0."""

    row: int
    triplet: Triplet


@dataclass(frozen=True, slots=True)
class Statistics:
    """What is in a mixture.

    Attributes:
        overall: all rows.
        datasets: those of each dataset, by name.
        samples: dataset -> rows drawn from it, each as likely as another, in their order.
        suspects: the worst of each dataset by reason, the worst first.
        encoded: rows of the sample that were looked at by their vectors; ``None`` where no model was given.
    """

    overall: Summary
    datasets: Mapping[str, Summary]
    samples: Mapping[str, tuple[Sample, ...]]
    suspects: tuple[Suspect, ...]
    encoded: int | None = None


def statistics(
    rows: Iterable[Triplet],
    *,
    facts: Mapping[str, DatasetFacts] | None = None,
    samples: int = 5,
    seed: int = 42,
    vectors: Vectors | None = None,
) -> Statistics:
    """What is in rows.

    Args:
        rows: in any order; something that can be gone through twice, such as a list.
        facts: what is known of datasets.
        samples: rows drawn from each dataset.
        seed: of the draws. Those of one dataset do not depend on others.
        vectors: a model, to look at the rows of the sample.

    Raises:
        InputTypeError: ``rows`` is used up by going through it.
        InputError: ``samples`` is negative, or vectors are not of length one.

    Example:
        >>> from instructvec.medi.triplets import Side
        >>> row = Triplet(Side("", "rain"), Side("", "shower"), Side("", "A shower!"), "d", "triplet", "given")
        >>> statistics([row, row]).overall.rows
        2
    """
    if samples < 0:
        raise InputError(f"samples is {samples}; expected 0 or more")
    if iter(rows) is rows:
        raise InputTypeError("rows can be gone through only once; give a list, or an object that starts anew")
    found: dict[str, _Rows] = {}
    pairs = _Pairs()
    for number, one in enumerate(rows):
        of = found.get(one.dataset)
        if of is None:
            of = found[one.dataset] = _Rows(len(found), samples, _generator(seed, one.dataset))
        of.add(number, one, pairs)
    suspects = [*_elsewhere(rows, list(found.values()), pairs)]
    known = {one.row for one in suspects}
    suspects += [one for of in found.values() for one in of.worst() if one.row not in known]
    drawn = {name: tuple(sorted(of.sample, key=lambda one: one.row)) for name, of in found.items()}
    encoded = None
    if vectors is not None:
        looked_at = [one for own in drawn.values() for one in own if is_judged(one.triplet)]
        encoded = len(looked_at)
        for suspect in by_vectors(looked_at, vectors):
            found[suspect.triplet.dataset].suspects["nearer"] += 1
            suspects.append(suspect)
    return _finished(found, facts or {}, drawn, sorted(suspects, key=lambda one: one.rank), encoded)


def _generator(seed: int, dataset: str) -> random.Random:
    return random.Random(f"{seed}:{dataset}".encode("utf-8", "surrogatepass"))


@dataclass(slots=True)
class _Pairs:
    """Which query has which positive, and in which row which negative, as hashes."""

    positives: array[int] = field(default_factory=lambda: array("q"))
    negatives: array[int] = field(default_factory=lambda: array("q"))
    rows: array[int] = field(default_factory=lambda: array("q"))
    datasets: array[int] = field(default_factory=lambda: array("q"))
    alike: array[int] = field(default_factory=lambda: array("b"))


def _elsewhere(rows: Iterable[Triplet], found: Sequence[_Rows], pairs: _Pairs) -> Iterator[Suspect]:
    """Counts rows whose negative another row has as a positive of the same query; gives the first of a dataset."""
    hit = np.flatnonzero(np.isin(np.array(pairs.negatives, np.int64), np.array(pairs.positives, np.int64)))
    wanted: set[int] = set()
    for at in hit.tolist():
        of = found[pairs.datasets[at]]
        of.suspects["positive_elsewhere"] += 1
        if pairs.alike[at]:  # a row counts once
            of.suspects["alike"] -= 1
        if of.suspects["positive_elsewhere"] <= SHOWN:
            wanted.add(pairs.rows[at])
    for number, one in enumerate(rows) if wanted else ():
        if number in wanted:
            wanted.remove(number)
            yield Suspect(number, one, "positive_elsewhere")
            if not wanted:
                return


@dataclass(slots=True)
class _Rows:
    """What is counted of one dataset while its rows go by."""

    at: int
    n_samples: int
    rng: random.Random
    rows: int = 0
    judged: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    queries: Counter[str] = field(default_factory=Counter)
    positives: Counter[str] = field(default_factory=Counter)
    both: Counter[str] = field(default_factory=Counter)
    lengths: tuple[array[int], ...] = field(default_factory=lambda: tuple(array("I") for _ in SIDES))
    sample: list[Sample] = field(default_factory=list)
    suspects: Counter[Reason] = field(default_factory=Counter)
    shown: dict[Reason, list[tuple[float, int, Triplet]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, number: int, one: Triplet, pairs: _Pairs) -> None:
        self._draw(number, one)
        self.rows += 1
        self.kinds[one.kind] += 1
        self.rules[one.rule] += 1
        self.queries[one.query.instruction] += 1
        self.positives[one.positive.instruction] += 1
        for side, lengths in zip((one.query, one.positive, one.negative), self.lengths, strict=True):
            if side is not None:
                lengths.append(len(side.text.split()))
        self._compare(number, one, pairs)

    def _draw(self, number: int, one: Triplet) -> None:
        """Algorithm R (Vitter 1985): after n rows each has been kept with the same chance."""
        if len(self.sample) < self.n_samples:
            self.sample.append(Sample(number, one))
        elif (place := int(self.rng.random() * (self.rows + 1))) < self.n_samples:
            self.sample[place] = Sample(number, one)

    def _compare(self, number: int, one: Triplet, pairs: _Pairs) -> None:
        query, positive = compared(one.query.text), compared(one.positive.text)
        pairs.positives.append(hash((self.at, query.key, positive.key)))
        if one.query.instruction == one.positive.instruction:
            self.both[one.query.instruction] += 1
            if one.query.instruction:  # symmetric: both ways
                pairs.positives.append(hash((self.at, positive.key, query.key)))
        if one.negative is None or not is_judged(one):
            return
        self.judged += 1
        negative = compared(one.negative.text)
        found = by_words(query, positive, negative)
        if found is None or found[0] == "alike":  # an equal one would hit its own row
            pairs.negatives.append(hash((self.at, query.key, negative.key)))
            pairs.rows.append(number)
            pairs.datasets.append(self.at)
            pairs.alike.append(found is not None)
        if found is not None:
            self._suspect(number, one, *found)

    def _suspect(self, number: int, one: Triplet, reason: Reason, share: float | None) -> None:
        self.suspects[reason] += 1
        kept = self.shown[reason]
        entry = (share or 0.0, -number, one)  # of equal ones the first rows stay
        if len(kept) < SHOWN:
            heapq.heappush(kept, entry)
        else:
            heapq.heappushpop(kept, entry)

    def worst(self) -> Iterator[Suspect]:
        for reason, kept in self.shown.items():
            for share, number, one in kept:
                yield Suspect(-number, one, reason, share if reason == "alike" else None)

    def summary(self, facts: DatasetFacts) -> Summary:
        def all_of(value: str) -> Counts:
            return {value or NOT_STATED: self.rows}

        return Summary(
            rows=self.rows,
            without_negative=self.rows - len(self.lengths[2]),
            kinds=dict(self.kinds),
            rules=dict(self.rules),
            domains=all_of(facts.domain),
            licences=all_of(facts.licence),
            redistribution=all_of(facts.redistribution),
            commercial=all_of(facts.commercial),
            lengths={
                side: Lengths.of(np.array(own, np.uint32)) for side, own in zip(SIDES, self.lengths, strict=True)
            },
            instructions=Instructions.of(self.queries, self.positives, self.both),
            judged=self.judged,
            suspects=_sorted({reason: n for reason, n in self.suspects.items() if n}),
        )


def _finished(
    found: Mapping[str, _Rows],
    facts: Mapping[str, DatasetFacts],
    drawn: Mapping[str, tuple[Sample, ...]],
    suspects: Sequence[Suspect],
    encoded: int | None,
) -> Statistics:
    datasets = {name: of.summary(facts.get(name, DatasetFacts(name))) for name, of in sorted(found.items())}
    samples = {name: drawn[name] for name in datasets}
    return Statistics(
        _overall(list(found.values()), list(datasets.values())), datasets, samples, tuple(suspects), encoded
    )


def _overall(found: Sequence[_Rows], datasets: Sequence[Summary]) -> Summary:
    def summed(counts: Iterable[Counts]) -> Counts:
        total: Counter[str] = Counter()
        for one in counts:
            total.update(one)
        return _sorted(total)

    return Summary(
        rows=sum(one.rows for one in datasets),
        without_negative=sum(one.without_negative for one in datasets),
        kinds=summed(one.kinds for one in datasets),
        rules=summed(one.rules for one in datasets),
        domains=summed(one.domains for one in datasets),
        licences=summed(one.licences for one in datasets),
        redistribution=summed(one.redistribution for one in datasets),
        commercial=summed(one.commercial for one in datasets),
        lengths={
            side: Lengths.of(
                np.concatenate([np.zeros(0, np.uint32), *(np.array(of.lengths[at], np.uint32) for of in found)])
            )
            for at, side in enumerate(SIDES)
        },
        instructions=Instructions.of(
            summed(of.queries for of in found),
            summed(of.positives for of in found),
            summed(of.both for of in found),
        ),
        judged=sum(one.judged for one in datasets),
        suspects=summed(one.suspects for one in datasets),
    )


def _sorted(counts: Mapping[str, int]) -> Counts:
    """The most frequent first."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
