"""Texts of evaluations and texts to train on -> which of the latter say what an evaluation says, and of which one.

Knows words and hashes; nothing of files, datasets or instructions. A text collides if it is a protected text, if
it has the same words in the same order, or if a run of eight of its words stands in a protected text. Source: the
8-gram rule of Wei et al. 2022 (FLAN), 13 words in Brown et al. 2020 (GPT-3), appendix C; here eight.

Words and runs are compared by 64-bit hashes: of 50 million runs against five million, one in 70,000 builds meets a
false collision, which costs it a row. Nothing that collides is missed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError
from instructvec.medi.words import Hashed, Hashes, hashed, raw_hash

Reason: TypeAlias = Literal["exact", "normalised", "n-gram"]
"""How a text collides: character for character, in all its words, or in a run of ``n`` of them."""

_BLOCK = 10_000
"""Texts hashed at a time, so that memory does not grow with what is matched."""
_SLOTS_A_KEY, _MAX_SLOTS = 16, 1 << 28


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlap:
    """What counts as a collision.

    Attributes:
        n: words of a run that must not be shared.
        min_words: texts of fewer words, protected or not, never collide: else "yes" would.
    """

    n: int = 8
    min_words: int = 4

    def __post_init__(self) -> None:
        for name in ("n", "min_words"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)}: expected 1 or more words")
        if self.n < self.min_words:
            raise ConfigError(
                f"n={self.n} and min_words={self.min_words}: expected runs of at least min_words words"
            )


class Collision(NamedTuple):
    """What a text collides with.

    Attributes:
        reason: how.
        source: the first source, in the order given, that has it.
    """

    reason: Reason
    source: str


class Protected:
    """Texts that a mixture must not hold.

    Holds about 50 bytes for each distinct run of words of them, whatever is matched.

    Args:
        texts: (source, text), the source being what counts are kept by, such as the name of an evaluation.
        rule: what counts as a collision.

    Attributes:
        n_texts: source -> texts of it that can collide, those long enough.

    Example:
        >>> protected = Protected([("quiz", "Which river flows through the city of Prague?")])
        >>> protected.match(["which RIVER flows through the city of prague", "Prague is a city"])
        [Collision(reason='normalised', source='quiz'), None]
    """

    def __init__(self, texts: Iterable[tuple[str, str]], rule: Overlap | None = None) -> None:
        self.rule = rule or Overlap()
        self._sources: dict[str, int] = {}
        self.n_texts: Counter[str] = Counter()
        exact, whole, runs = _Pile(), _Pile(), _Pile()
        for block in _blocks(texts):
            owners = np.array([self._sources.setdefault(one, len(self._sources)) for one, _ in block], np.int32)
            found = hashed([text for _, text in block])
            long = np.flatnonzero(found.lengths >= self.rule.min_words)
            self.n_texts.update(block[row][0] for row in long.tolist())
            exact.add(np.array([raw_hash(block[row][1]) for row in long.tolist()], np.uint64), owners[long])
            whole.add(found.texts()[long], owners[long])
            grams = found.grams(self.rule.n)
            runs.add(grams.hashes, np.repeat(owners, grams.lengths))
        self._exact, self._whole, self._runs = exact.index(), whole.index(), runs.index()
        self._names = list(self._sources)

    def match(self, texts: Sequence[str]) -> list[Collision | None]:
        """What each text collides with, ``None`` for those that may be trained on."""
        found: list[Collision | None] = []
        for start in range(0, len(texts), _BLOCK):
            found.extend(self._matches(texts[start : start + _BLOCK]))
        return found

    def _matches(self, texts: Sequence[str]) -> list[Collision | None]:
        found = hashed(texts)
        matches: list[Collision | None] = [None] * len(texts)
        for row, owner in self._shared_runs(found):
            matches[row] = Collision("n-gram", self._names[owner])
        owners = np.where(found.lengths >= self.rule.min_words, self._whole.find(found.texts()), -1)
        for row in np.flatnonzero(owners >= 0).tolist():
            exact = self._exact.find(np.array([raw_hash(texts[row])], np.uint64))[0]
            owner = owners[row] if exact < 0 else exact
            matches[row] = Collision("normalised" if exact < 0 else "exact", self._names[owner])
        return matches

    def _shared_runs(self, found: Hashed) -> Iterator[tuple[int, int]]:
        """(row, owner) of each row that shares a run, the owner of the first of them."""
        grams = found.grams(self.rule.n)
        owners = self._runs.find(grams.hashes)
        hits = np.flatnonzero(owners >= 0)
        rows, first = np.unique(grams.owners[hits], return_index=True)
        yield from zip(rows.tolist(), owners[hits[first]].tolist(), strict=True)


def collisions(found: Iterable[Collision | None]) -> dict[str, dict[Reason, int]]:
    """Source -> reason -> how many texts, for the record of a build.

    Example:
        >>> collisions([None, Collision("exact", "quiz"), Collision("exact", "quiz")])
        {'quiz': {'exact': 2}}
    """
    counts: dict[str, dict[Reason, int]] = {}
    for (source, reason), n in sorted(Counter((one.source, one.reason) for one in found if one).items()):
        counts.setdefault(source, {})[reason] = n
    return counts


class _Index:
    """Sorted distinct hashes and the first owner of each, behind a table that turns most others away at once.

    Args:
        keys: (n,) uint64, sorted, distinct.
        owners: (n,) int32.
    """

    def __init__(self, keys: Hashes, owners: NDArray[np.int32]) -> None:
        self.keys, self.owners = keys, owners
        n_slots = min(1 << (_SLOTS_A_KEY * len(keys)).bit_length(), _MAX_SLOTS)
        self._mask = np.uint64(n_slots - 1)
        self._taken = np.zeros(n_slots, bool)
        self._taken[keys & self._mask] = True

    def find(self, hashes: Hashes) -> NDArray[np.int32]:
        """(n,) int32, the owner of each hash, -1 for those not held."""
        found = np.full(len(hashes), -1, np.int32)
        maybe = np.flatnonzero(self._taken[hashes & self._mask])
        if len(maybe):
            place = np.minimum(np.searchsorted(self.keys, hashes[maybe]), len(self.keys) - 1)
            held = self.keys[place] == hashes[maybe]
            found[maybe[held]] = self.owners[place[held]]
        return found


class _Pile:
    """Hashes and owners as they come, until they are an index."""

    def __init__(self) -> None:
        self._keys: list[Hashes] = [np.zeros(0, np.uint64)]
        self._owners: list[NDArray[np.int32]] = [np.zeros(0, np.int32)]

    def add(self, keys: Hashes, owners: NDArray[np.int32]) -> None:
        """Hashes of one block."""
        self._keys.append(keys)
        self._owners.append(owners)

    def index(self) -> _Index:
        """All of them; of equal ones the owner that came first."""
        keys, first = np.unique(np.concatenate(self._keys), return_index=True)
        return _Index(keys, np.concatenate(self._owners)[first])


def _blocks(texts: Iterable[tuple[str, str]]) -> Iterator[list[tuple[str, str]]]:
    waiting = iter(texts)
    while block := list(islice(waiting, _BLOCK)):
        yield block
