"""Texts -> which of them say the same, in groups, and which one of each group to keep.

Knows texts, their vectors and rules for keeping; nothing of files. A row that goes is near the row it goes for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError, InputError
from instructvec.instruction import Instruction
from instructvec.tasks.calibration import Calibration, LabelledPair, best_threshold, checked_pairs
from instructvec.tasks.grouping import Linkage, grouped
from instructvec.tasks.instructions import DUPLICATES
from instructvec.tasks.similar_pairs import (
    BLOCK_ROWS,
    SimilarPairs,
    approximate_pairs,
    exact_pairs,
    pair_cosines,
)
from instructvec.tasks.vectors import Embedded, Texts, checked_texts, embedded, embedded_together

if TYPE_CHECKING:
    from instructvec.checkpoints.contract import EmbeddingContract
    from instructvec.types import Encoder

Keep: TypeAlias = Literal["first", "last", "longest", "shortest"]
Rows = NDArray[np.int64]

DEFAULT_THRESHOLD = 0.95
"""Of pairs of the STS Benchmark's development part that reach it, 86% are such that people call them mostly or
wholly equivalent (4 or 5 of 5), and 95% roughly so (3 or more); it finds 30% and 14% of these. At 0.90 it is 68%
and 92%, and 62% and 35%. Measured with the bundled model under the default instruction; it cannot be known to hold
for others."""

EXACT_ROWS = 200_000
"""Distinct texts up to which every two are compared, unless asked otherwise; about where both ways take as long
(``benchmarks/duplicates.py``)."""


@dataclass(frozen=True, slots=True, eq=False)
class Duplicates:
    """Which rows say the same.

    Attributes:
        pairs: (m, 2) int64, rows i < j, ascending. A text that occurs again is paired with its first occurrence
            only; pairs of different texts are pairs of first occurrences.
        scores: (m,) float32, cosine of each pair; 1 for the same text.
        groups: rows of each group of two or more, ascending, the groups by their first row.
        kept: (k,) int64, the rows to keep, ascending: one of each group, and those in none.
        duplicate_of: (n,) int64, for which kept row a row goes; -1 for kept rows.
        similarity: (n,) float32, cosine with that row; NaN for kept rows.
        threshold: least cosine of a pair.
        threshold_from: where it comes from.
        calibration: how it did on the labelled pairs, where it comes from these.
        n_repeated: rows whose very text stands in an earlier row.
        approximate: whether pairs may have been missed.
        n_saturated: rows with more neighbours at the threshold than an approximate search looks at.
        contract: under which model and instruction the vectors were made.
    """

    pairs: Rows
    scores: NDArray[np.float32]
    groups: tuple[tuple[int, ...], ...]
    kept: Rows
    duplicate_of: Rows
    similarity: NDArray[np.float32]
    threshold: float
    threshold_from: Literal["given", "labelled pairs", "default"]
    calibration: Calibration | None
    n_repeated: int
    approximate: bool
    n_saturated: int
    contract: EmbeddingContract


def find_duplicates(
    texts: Texts,
    *,
    threshold: float | None = None,
    embedder: Encoder | None = None,
    instruction: str | Instruction | None = None,
    labelled_pairs: Sequence[LabelledPair] | None = None,
    min_precision: float | None = None,
    keep: Keep | Sequence[float | None] = "first",
    linkage: Linkage = "star",
    approximate: bool | Literal["auto"] = "auto",
    block_rows: int = BLOCK_ROWS,
    on_progress: Callable[[int], None] | None = None,
) -> Duplicates:
    """Find texts that say the same, and choose which to keep.

    Args:
        texts: n strings, or texts embedded before. The same text is encoded once.
        threshold: least cosine of two texts that say the same, above -1 and at most 1. ``None``: that of the
            labelled pairs, else :data:`DEFAULT_THRESHOLD`.
        embedder: makes the vectors; ``None`` takes the bundled model.
        instruction: what the vectors are for; ``None`` takes the job's, an empty one is none.
        labelled_pairs: two texts each, and whether they say the same, to choose the threshold on.
        min_precision: the least share of pairs found there that must be right; ``None`` for the best F1.
        keep: which row of a group stays: by place or by length of text, or n numbers, of which the greatest stays
            (``None`` and NaN last; of equal ones the first row).
        linkage: how pairs become groups. ``"star"``, the default: every row that goes is a pair with the row that
            stays, and no two rows that stay are a pair. ``"single"``: whatever a chain of pairs links; at low
            thresholds long chains join texts that have nothing in common, which is why it is not the default.
            ``"complete"``: every two rows of a group are a pair; rows that stay may still be pairs.
        approximate: whether to search an index for each row's 64 nearest rather than compare every two rows;
            ``"auto"`` does so above 200,000 distinct texts. Needs the extra ``tasks``.
        block_rows: rows compared at a time; decides memory and speed only.
        on_progress: is told how many more distinct texts were compared.

    Raises:
        InputError: no texts, more than 20 million pairs, numbers to keep by that do not fit, or labelled pairs
            that yield no threshold.
        ConfigError: an option outside of its range, or a threshold together with labelled pairs.
        ContractMismatch: vectors of another model or instruction than asked.
        MissingExtra: an approximate search without usearch.

    Example:
        >>> found = find_duplicates(["How do I pay?", "How can I pay?", "It rains.", "It rains."], threshold=0.9)
        >>> found.groups, found.kept.tolist()
        (((0, 1), (2, 3)), [0, 2])
    """
    _check_options(threshold, labelled_pairs, min_precision, linkage)
    distinct, made = _distinct(texts, embedder, instruction)
    ranks = _ranks(keep, made, distinct)
    calibration = None
    if labelled_pairs is not None:
        calibration = _calibrated(made, labelled_pairs, embedder, min_precision)
    least = calibration.threshold if calibration is not None else threshold
    least = DEFAULT_THRESHOLD if least is None else least
    roughly = len(made) > EXACT_ROWS if approximate == "auto" else approximate
    search = approximate_pairs if roughly else exact_pairs
    unit = made.unit
    pairs = search(unit, least, block_rows=block_rows, on_progress=on_progress)
    best_ranks, best_rows = distinct.worth_most(ranks)
    owners = grouped(pairs, np.argsort(np.argsort(best_ranks)), linkage)
    duplicate_of = best_rows[owners[distinct.places]]
    similarity = pair_cosines(unit, distinct.places, owners[distinct.places])
    similarity[owners[distinct.places] == distinct.places] = 1.0  # the same text, whatever its vector
    stays = duplicate_of == np.arange(len(duplicate_of))
    similarity[stays] = np.nan
    all_pairs, scores = distinct.expand(pairs)
    return Duplicates(
        pairs=all_pairs,
        scores=scores,
        groups=_groups(duplicate_of),
        kept=np.flatnonzero(stays),
        duplicate_of=np.where(stays, -1, duplicate_of),
        similarity=similarity,
        threshold=float(least),
        threshold_from=(
            "labelled pairs" if calibration is not None else "default" if threshold is None else "given"
        ),
        calibration=calibration,
        n_repeated=len(distinct.places) - len(distinct.first),
        approximate=bool(roughly),
        n_saturated=pairs.n_saturated,
        contract=made.contract,
    )


def _check_options(
    threshold: float | None,
    labelled_pairs: Sequence[LabelledPair] | None,
    min_precision: float | None,
    linkage: str,
) -> None:
    if threshold is not None and labelled_pairs is not None:
        raise ConfigError("threshold and labelled_pairs: both given; leave one out: the pairs yield a threshold")
    if threshold is not None and not -1 < threshold <= 1:
        raise ConfigError(f"threshold is {threshold}; expected a cosine above -1, at most 1, such as 0.95")
    if min_precision is not None and labelled_pairs is None:
        raise ConfigError(f"min_precision is {min_precision}, but there are no labelled_pairs to reach it on")
    if linkage not in get_args(Linkage):
        raise ConfigError(f"linkage is {linkage!r}; expected one of {', '.join(get_args(Linkage))}")


@dataclass(frozen=True, slots=True, eq=False)
class _Distinct:
    """Rows that are distinct texts.

    Attributes:
        first: (m,) int64, the first row of each distinct text.
        places: (n,) int64, which distinct text each row is.
    """

    first: Rows
    places: Rows

    def worth_most(self, ranks: Rows) -> tuple[Rows, Rows]:
        """For each distinct text the lowest rank of its rows, and the row that has it."""
        best = np.full(len(self.first), len(ranks))
        np.minimum.at(best, self.places, ranks)
        return best, np.argsort(ranks)[best]

    def expand(self, pairs: SimilarPairs) -> tuple[Rows, NDArray[np.float32]]:
        """Pairs of first rows, and of later rows with the first of the same text, ascending."""
        again = np.flatnonzero(self.first[self.places] != np.arange(len(self.places)))
        left = np.concatenate([self.first[pairs.left], self.first[self.places[again]]])
        right = np.concatenate([self.first[pairs.right], again])
        scores = np.concatenate([pairs.scores, np.ones(len(again), np.float32)])
        order = np.lexsort((right, left))
        return np.stack([left, right], axis=1)[order], scores[order]


def _distinct(
    texts: Texts, embedder: Encoder | None, instruction: str | Instruction | None
) -> tuple[_Distinct, Embedded]:
    """Which rows are the same text, and the distinct ones with vectors."""
    if isinstance(texts, Embedded):
        made = embedded(texts, embedder, instruction)
        if not len(made):
            raise InputError("texts: empty; expected at least one text")
        rows = texts.texts if texts.texts is not None else range(len(texts))
    else:
        rows = checked_texts(texts)
    places: dict[object, int] = {}
    of_rows = np.array([places.setdefault(one, len(places)) for one in rows], np.int64)
    first = np.unique(of_rows, return_index=True)[1].astype(np.int64)
    distinct = _Distinct(first, of_rows)
    if isinstance(texts, Embedded):
        return distinct, texts.take(first) if len(first) < len(texts) else texts
    return distinct, embedded([str(one) for one in places], embedder, instruction, default=DUPLICATES)


def _ranks(keep: Keep | Sequence[float | None], made: Embedded, distinct: _Distinct) -> Rows:
    """(n,) int64: each row's place when sorted by worth."""
    n_rows = len(distinct.places)
    worth: NDArray[np.floating]
    if not isinstance(keep, str):
        if len(keep) != n_rows:
            raise InputError(f"keep: {len(keep)} numbers; expected {n_rows}, one for each text")
        worth = np.array([np.nan if one is None else one for one in keep], np.float64)
        worth = np.where(np.isnan(worth), -np.inf, worth)
    elif keep in ("longest", "shortest"):
        lengths = np.array([len(one) for one in made.need_texts(f"keep={keep!r}")], np.float64)
        worth = lengths[distinct.places] * (1 if keep == "longest" else -1)
    elif keep in ("first", "last"):
        worth = np.arange(n_rows, dtype=np.float64) * (1 if keep == "last" else -1)
    else:
        raise ConfigError(f"keep is {keep!r}; expected {', '.join(get_args(Keep))}, or a number for each text")
    ranks = np.empty(n_rows, np.int64)
    ranks[np.argsort(-worth, kind="stable")] = np.arange(n_rows)
    return ranks


def _calibrated(
    made: Embedded,
    labelled_pairs: Sequence[LabelledPair],
    embedder: Encoder | None,
    min_precision: float | None,
) -> Calibration:
    a, b, labels = checked_pairs(labelled_pairs)
    places = {text: at for at, text in enumerate(dict.fromkeys([*a, *b]))}
    _, pairs = embedded_together(made, list(places), embedder, names=("texts", "labelled_pairs"))
    left, right = (np.array([places[text] for text in side], np.int64) for side in (a, b))
    return best_threshold(pair_cosines(pairs.unit, left, right), labels, min_precision=min_precision)


def _groups(duplicate_of: Rows) -> tuple[tuple[int, ...], ...]:
    rows_of: dict[int, list[int]] = {}
    for row, owner in enumerate(duplicate_of.tolist()):
        rows_of.setdefault(owner, []).append(row)
    return tuple(tuple(rows) for rows in rows_of.values() if len(rows) > 1)
