"""What can be said of the rows of a dataset or a mixture, as typed values.

Knows numbers of words and sentences; nothing of how rows go by. Source of the unified form: Su et al. 2023,
section 2.3.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructvec.medi.manifest import Counts

SIDES = ("query", "positive", "negative")
PERCENTILES = (5, 25, 50, 75, 95, 100)
LENGTH_BINS = (0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""The fewest words of a text in each bin of the histograms; the last one is open."""
NOT_STATED = "not stated"
MOST_USED = 30
"""How many sentences and first words are named."""

# As the paper writes it, and as the original's file does, where a sentence ends in ";" or "; Input: ".
_UNIFIED = re.compile(r"represent\s.+\sfor\s.+[:;]\s*", re.IGNORECASE | re.DOTALL)


@dataclass(frozen=True, slots=True)
class Lengths:
    """Words (runs without blanks) of the texts on one side.

    Attributes:
        n: texts.
        mean: of their words.
        percentiles: words of the text at each of :data:`PERCENTILES`; 0 where there is none.
        histogram: texts in each of :data:`LENGTH_BINS`.
    """

    n: int
    mean: float
    percentiles: tuple[int, ...]
    histogram: tuple[int, ...]

    @classmethod
    def of(cls, lengths: NDArray[np.uint32]) -> Lengths:
        """Those of texts of so many words.

        Example:
            >>> Lengths.of(np.array([1, 5, 9], np.uint32)).percentiles
            (1, 1, 5, 9, 9, 9)
        """
        if not len(lengths):
            return cls(0, 0.0, (0,) * len(PERCENTILES), (0,) * len(LENGTH_BINS))
        points = np.percentile(lengths, PERCENTILES, method="inverted_cdf")
        bins = np.searchsorted(LENGTH_BINS, lengths, side="right") - 1
        counts = np.bincount(bins, minlength=len(LENGTH_BINS))
        return cls(len(lengths), float(lengths.mean()), tuple(map(int, points)), tuple(map(int, counts)))


@dataclass(frozen=True, slots=True)
class Instructions:
    """How the sides of the rows are instructed.

    Attributes:
        n_sentences: distinct sentences, of queries and positives.
        n_query: distinct sentences of queries.
        n_positive: distinct sentences of positives.
        n_first_words: distinct first words of these sentences.
        first_words: the most frequent ones -> sentences that begin so.
        most_used: the most used sentences -> rows that have it on either side.
        unified: share of rows whose query has the form "Represent the ... for ...: ".
        absent: share of rows whose query has no instruction.
    """

    n_sentences: int
    n_query: int
    n_positive: int
    n_first_words: int
    first_words: Counts
    most_used: Counts
    unified: float
    absent: float

    @classmethod
    def of(cls, queries: Counts, positives: Counts, both: Counts) -> Instructions:
        """Those of rows.

        Args:
            queries: sentence -> rows whose query has it; ``""`` for those that have none.
            positives: sentence -> rows whose positive has it.
            both: sentence -> rows that have it on both sides.

        Example:
            >>> said = Instructions.of({"Represent the text for sorting: ": 3, "Sort: ": 1}, {}, {})
            >>> said.n_sentences, said.unified, dict(said.first_words)
            (2, 0.75, {'represent': 1, 'sort': 1})
        """
        used = Counter(queries)
        used.update(positives)
        used.subtract(both)
        used.pop("", None)
        first = Counter(_first_word(sentence) for sentence in used)
        rows = sum(queries.values())
        unified = sum(n for sentence, n in queries.items() if is_unified(sentence))
        return cls(
            n_sentences=len(used),
            n_query=sum(1 for sentence in queries if sentence),
            n_positive=sum(1 for sentence in positives if sentence),
            n_first_words=len(first),
            first_words=_most(first),
            most_used=_most(used),
            unified=unified / rows if rows else 0.0,
            absent=queries.get("", 0) / rows if rows else 0.0,
        )


@dataclass(frozen=True, slots=True)
class Summary:
    """Rows of a dataset, or of all.

    Attributes:
        rows: how many.
        without_negative: how many have none.
        kinds: kind -> rows; and so the other counts. What a dataset's facts do not say is :data:`NOT_STATED`.
        lengths: side -> words of its texts.
        judged: rows with a negative that could be a false one.
        suspects: reason -> rows; each row counts once, by the first reason that applies, but ``nearer`` counts
            rows of the sample.
    """

    rows: int
    without_negative: int
    kinds: Counts
    rules: Counts
    domains: Counts
    licences: Counts
    redistribution: Counts
    commercial: Counts
    lengths: Mapping[str, Lengths]
    instructions: Instructions
    judged: int
    suspects: Counts

    @property
    def n_suspects(self) -> int:
        """Rows whose texts alone make the negative suspect."""
        return sum(n for reason, n in self.suspects.items() if reason != "nearer")


def is_unified(sentence: str) -> bool:
    """Whether an instruction has the paper's form, the original file's endings included.

    Example:
        >>> is_unified("Represent the news for clustering: "), is_unified("Topic of this news: ")
        (True, False)
    """
    return _UNIFIED.fullmatch(sentence) is not None


def _first_word(sentence: str) -> str:
    return sentence.split(maxsplit=1)[0].strip("\"'(:;,.").lower() if sentence.strip() else ""


def _most(counts: Counter[str]) -> Counts:
    """The most frequent, those of the same number by name."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:MOST_USED])
