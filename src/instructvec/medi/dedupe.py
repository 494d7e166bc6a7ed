"""Rows, dataset after dataset -> which to keep: the first of every group of equal or nearly equal ones.

Knows the texts it is given and hashes of those before; nothing of datasets or files. A row is one text or several
sides, such as query and positive; what else makes rows differ, such as the goal of a labelled text, is a side too.

Near duplicates are found by MinHash over runs of words (Broder 1997) with banding (Leskovec et al., *Mining of
Massive Datasets*, 3.4), by rensa. Chosen over datasketch 2.0 on 200,000 rows of pairs (nine million words, one
core, 128 permutations): rensa 0.5 sketches and looks up in 3 s, datasketch in 18 to 25 s. Both answer the same for
the same seed in every process. rensa depends on nothing and has wheels for CPython 3.8 to 3.15 on Linux, macOS
and Windows (datasketch is pure Python and needs SciPy), and its deduplicator compares the sketches of what the
banding proposes, which datasketch leaves to the caller. Against it: its sketches change between versions (last in
0.5), so rows at the edge of the threshold may then be judged otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError, InputError
from instructvec.extras import require
from instructvec.medi.words import Hashed, Hashes, hashed, raw_hash

if TYPE_CHECKING:
    from rensa import RMinHash

_BLOCK = 10_000
"""Rows hashed at a time, so that memory does not grow with the dataset."""
_SIDE, _COPY = np.uint64(0xD6E8FEB86659FD93), np.uint64(0xA0761D6478BD642F)
"""Odd numbers that keep apart equal runs of words on other sides, and copies of one run."""


class Duplicates(Protocol):
    """What remembers rows and tells new ones from those it has seen."""

    def add(self, *sides: Sequence[str]) -> NDArray[np.bool_]:
        """(n,) bool, true for rows to keep: no earlier one, of this call or one before, is a duplicate."""
        ...


class ExactDuplicates:
    """Tells rows whose sides have the same words in the same order, whatever their case and punctuation.

    Holds a 64-bit hash, about 100 bytes, for each distinct row; among ten million distinct rows, two are taken for
    the same with a probability of 3 in a million. A side without words counts as it is.

    Example:
        >>> seen = ExactDuplicates()
        >>> seen.add(["Rain.", "rain", "snow"]).tolist(), seen.add(["Snow!", "sun"]).tolist()
        ([True, False, True], [False, True])
        >>> ExactDuplicates().add(["rain", "rain"], ["wet", "water from above"]).tolist()
        [True, True]
    """

    def __init__(self) -> None:
        self._seen: set[int] = set()

    def __len__(self) -> int:
        return len(self._seen)

    def add(self, *sides: Sequence[str]) -> NDArray[np.bool_]:
        """(n,) bool, true for rows to keep: the first row of its words.

        Args:
            sides: each n texts, one a row.

        Raises:
            InputError: sides of unequal length.
        """
        keep: list[bool] = []
        for block in _blocks(sides):
            for key in _row_hashes(block).tolist():
                keep.append(key not in self._seen)
                self._seen.add(key)
        return np.array(keep, bool)


@dataclass(frozen=True, slots=True, kw_only=True)
class NearDuplicate:
    """When two rows are nearly equal.

    Attributes:
        threshold: share of runs of words, of all in either row, that both have (Jaccard), estimated; from 0 to 1.
            At 0.9, of two texts of up to about thirty words one must be a piece of the other.
        n_words: words of a run.
        min_words: rows whose longest side has fewer words are never near another: one word of few is a difference
            in meaning. Nor are rows so short that a single run of their own puts them under the threshold (those
            under eleven words at 0.9).
        n_permutations: size of the sketches. 64 put the standard error of the share at 0.04 near the threshold,
            in about 1.2 kB a row kept; 128 at 0.03, in about 2.1 kB.
        rows_per_band: numbers of a sketch that must agree for two rows to be compared at all. With 8 and 64, of
            rows that share 0.9 of their runs 99 % are, of rows that share 0.5 three in a hundred.
        seed: of the permutations.
    """

    threshold: float = 0.9
    n_words: int = 3
    min_words: int = 5
    n_permutations: int = 64
    rows_per_band: int = 8
    seed: int = 0

    @property
    def min_runs(self) -> int:
        """Fewest runs of a row that can be near one with another run: threshold / (1 - threshold)."""
        return 1 if self.threshold == 1 else math.ceil(self.threshold / (1 - self.threshold) - 1e-9)

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"threshold={self.threshold}: expected a share above 0 and up to 1")
        for name in ("n_words", "n_permutations", "rows_per_band"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)}: expected 1 or more")
        if self.n_permutations % self.rows_per_band:
            raise ConfigError(
                f"n_permutations={self.n_permutations} is no multiple of rows_per_band={self.rows_per_band}; "
                "expected bands of equal size, such as 64 and 8"
            )
        if self.seed < 0:
            raise ConfigError(f"seed={self.seed}: expected 0 or more")


class NearDuplicates:
    """Tells rows most of whose runs of words another row has too, on the same side.

    All sides of a row weigh about the same, however long, by counting the runs of the shorter ones several times:
    two questions about one long passage are two rows. The first of a group is kept; rows are compared with those
    kept, so a chain of small changes is cut where it leaves the threshold. The same rows in the same order give
    the same answer in every process, however they are spread over calls.

    Args:
        rule: when two rows are nearly equal.

    Raises:
        MissingExtra: rensa is not installed.

    Example:
        >>> text = " ".join(f"word{place}" for place in range(50))
        >>> seen = NearDuplicates()
        >>> seen.add([text, text + " more", "something else that is as long as need be"]).tolist()
        [True, False, True]
        >>> NearDuplicates().add(["who came?", "who left?"], [text, text]).tolist()
        [True, True]
    """

    def __init__(self, rule: NearDuplicate | None = None) -> None:
        require("rensa", "finding near duplicates")
        from rensa import RMinHashDeduplicator

        self.rule = rule or NearDuplicate()
        self._seen = RMinHashDeduplicator(
            self.rule.threshold,
            self.rule.n_permutations,
            True,
            num_bands=self.rule.n_permutations // self.rule.rows_per_band,
            seed=self.rule.seed,
        )
        self._n_rows = 0

    def add(self, *sides: Sequence[str]) -> NDArray[np.bool_]:
        """(n,) bool, true for rows to keep: not near an earlier one.

        Args:
            sides: each n texts, one a row.

        Raises:
            InputError: sides of unequal length.
        """
        least = max(self.rule.min_words, self.rule.min_runs + self.rule.n_words - 1)
        keep = [np.zeros(0, bool)]
        for block in _blocks(sides):
            found = [hashed(side) for side in block]
            longest = np.max([side.lengths for side in found], axis=0)
            rows = np.flatnonzero(longest >= least).tolist()
            names = [str(self._n_rows + row) for row in rows]
            kept = np.ones(len(longest), bool)
            kept[rows] = self._seen.add_pairs(list(zip(names, self._sketches(found, rows), strict=True)))
            keep.append(kept)
            self._n_rows += len(longest)
        return np.concatenate(keep)

    def _sketches(self, sides: Sequence[Hashed], rows: Sequence[int]) -> list[RMinHash]:
        """The MinHash sketches of ``rows``."""
        from rensa import RMinHash

        runs = [side.runs(self.rule.n_words) for side in sides]
        members = [_members(side, place, runs) for place, side in enumerate(runs)]
        sets = [
            [one for flat, offsets in members for one in flat[offsets[row] : offsets[row + 1]]] for row in rows
        ]
        sketches: list[RMinHash] = RMinHash.from_token_sets(sets, self.rule.n_permutations, self.rule.seed)
        return sketches


def _blocks(sides: Sequence[Sequence[str]]) -> Iterator[list[Sequence[str]]]:
    lengths = [len(side) for side in sides]
    if len(set(lengths)) != 1:
        raise InputError(f"sides of {lengths} rows; expected at least one side, each with a text for every row")
    for start in range(0, lengths[0], _BLOCK):
        yield [side[start : start + _BLOCK] for side in sides]


def _row_hashes(sides: Sequence[Sequence[str]]) -> Hashes:
    """(n,) uint64, a hash of the words of all sides of each row."""
    rows = np.zeros(len(sides[0]), np.uint64)
    for side in sides:
        found = hashed(side)
        keys = found.texts()
        for row in np.flatnonzero(found.lengths == 0).tolist():
            keys[row] = raw_hash(side[row].strip())
        rows = rows * _SIDE + keys
    return rows


def _members(side: Hashed, place: int, sides: Sequence[Hashed]) -> tuple[list[bytes], list[int]]:
    """The runs of a side, as often as makes it weigh like the longest, as bytes, and where each row's begin.

    rensa takes the members of a set as strings or bytes.
    """
    longest = np.max([other.lengths for other in sides], axis=0)
    n_copies = np.maximum(np.rint(longest / np.maximum(side.lengths, 1)), 1).astype(np.int64)
    of_run = n_copies[side.owners]
    first = np.repeat(np.cumsum(of_run) - of_run, of_run)
    copy = (np.arange(len(first)) - first).astype(np.uint64)
    hashes = np.repeat(side.hashes, of_run) + copy * _COPY + np.uint64(place) * _SIDE
    return hashes.astype("<u8").view("V8").tolist(), [0, *np.cumsum(side.lengths * n_copies).tolist()]
