"""Texts -> their words without case, punctuation and spacing, and 64-bit hashes of words, texts and word n-grams.

Knows Unicode and arrays; nothing of datasets. Two texts that differ only in case, punctuation, symbols, spacing,
compatibility forms (full width, ligatures) or invisible characters have the same words. Han characters and kana,
written without blanks, are a word each. Source: Unicode UAX #15 (NFKC) and section 3.13 (case folding).

The hash of a run of words w_0 … w_k is h(w_0) + h(w_1) B + … + h(w_k) B^k modulo 2^64 (Karp and Rabin 1987), with
h a BLAKE2b digest, so that all runs of a million texts are a few array operations and a run hashes alike wherever
it stands, in every process and on every machine.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Hashes: TypeAlias = NDArray[np.uint64]

_BASE = 0x9E3779B97F4A7C15
"""B above; odd, and 5 modulo 8, so that its powers repeat only after 2^62 words."""
_MEMO_WORDS = 1 << 19
"""Words whose hashes are remembered: nearly all running words of a language, in about 100 MB."""
_INVISIBLE = frozenset([0x034F, 0x115F, 0x1160, 0x3164, 0xFFA0, *range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0)])
"""Default-ignorable code points that are not of category Cf: joiners, fillers and variation selectors."""
_WITHOUT_BLANKS = ((0x3040, 0x30FF), (0x3400, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x3FFFF))
"""Hiragana, katakana and Han, first and last code point."""


class _WordCharacters(dict[int, "str | None"]):
    """Code point -> what stands for it among words, worked out when it is first met (for ``str.translate``)."""

    def __missing__(self, code: int) -> str | None:
        character = chr(code)
        category = unicodedata.category(character)
        found: str | None = " "
        if category == "Cf" or code in _INVISIBLE:
            found = None
        elif category[0] in "LMN":
            alone = any(first <= code <= last for first, last in _WITHOUT_BLANKS)
            found = f" {character} " if alone and category[0] == "L" else character
        self[code] = found
        return found


_WORD_CHARACTERS = _WordCharacters()


def words(text: str) -> list[str]:
    """The words of a text: runs of letters, marks and digits, folded.

    Example:
        >>> words("Don't PANIC -- it's only ﬁsh!")
        ['don', 't', 'panic', 'it', 's', 'only', 'fish']
    """
    if text.isascii():
        return text.lower().translate(_WORD_CHARACTERS).split()
    # Symbols go before NFKC, which would make words of some ("™" -> "TM") and stray accents of others (U+00B4).
    text = unicodedata.normalize("NFKC", text.translate(_WORD_CHARACTERS))
    text = unicodedata.normalize("NFKC", text.casefold())
    return text.translate(_WORD_CHARACTERS).split()


def normalised(text: str) -> str:
    """The words of a text, a blank between them; ``""`` for a text of none.

    Example:
        >>> normalised("  Who wrote “Emma”?") == normalised("who wrote 'Emma'")
        True
    """
    return " ".join(words(text))


@dataclass(frozen=True, slots=True, eq=False)
class Hashed:
    """Hashes of words or of n-grams of many texts, as one ragged array.

    Attributes:
        hashes: (total,) uint64, text after text; text i has ``hashes[offsets[i]:offsets[i + 1]]``.
        offsets: (n + 1,) int64.
    """

    hashes: Hashes
    offsets: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) int64, words or n-grams of each text."""
        return np.diff(self.offsets)

    @property
    def owners(self) -> NDArray[np.int64]:
        """(total,) int64, the text that each hash belongs to."""
        return np.repeat(np.arange(len(self)), self.lengths)

    def texts(self) -> Hashes:
        """(n,) uint64, a hash of all words of each text in order; 0 for a text without words.

        Example:
            >>> one, other, third = hashed(["Yes, we can", "yes we can!", "can we? yes"]).texts()
            >>> bool(one == other), bool(one == third)
            (True, False)
        """
        if not len(self.hashes):
            return np.zeros(len(self), np.uint64)
        powers = np.cumprod(np.r_[1, np.full(int(self.lengths.max()) - 1, _BASE, np.uint64)], dtype=np.uint64)
        place = np.arange(len(self.hashes)) - np.repeat(self.offsets[:-1], self.lengths)
        sums = np.cumsum(np.r_[np.uint64(0), self.hashes * powers[place]], dtype=np.uint64)
        return sums[self.offsets[1:]] - sums[self.offsets[:-1]]

    def grams(self, n: int) -> Hashed:
        """Hashes of every run of ``n`` words within a text; a text of fewer has none.

        Example:
            >>> grams = hashed(["to be or not to be", "be"]).grams(2)
            >>> grams.lengths.tolist(), bool(grams.hashes[0] == grams.hashes[4])
            ([5, 0], True)
        """
        n_grams = np.maximum(self.lengths - (n - 1), 0)
        offsets = np.r_[0, np.cumsum(n_grams)]
        n_windows = len(self.hashes) - n + 1
        if n_windows <= 0:
            return Hashed(np.zeros(0, np.uint64), offsets)
        windows = self.hashes[:n_windows].copy()
        for place in range(1, n):
            windows += self.hashes[place : place + n_windows] * np.uint64(pow(_BASE, place, 1 << 64))
        owners = self.owners
        return Hashed(windows[owners[:n_windows] == owners[n - 1 :]], offsets)

    def runs(self, n: int) -> Hashed:
        """Like :meth:`grams`, but a text of fewer words, other than none, is one run.

        Example:
            >>> hashed(["to be or not to be", "be", ""]).runs(2).lengths.tolist()
            [5, 1, 0]
        """
        short = (self.lengths > 0) & (self.lengths < n)
        grams = self.grams(n)
        n_runs = grams.lengths + short
        runs = np.zeros(int(n_runs.sum()), np.uint64)
        of_short = np.repeat(short, n_runs)
        runs[~of_short] = grams.hashes
        runs[of_short] = self.texts()[short]
        return Hashed(runs, np.r_[0, np.cumsum(n_runs)])


def hashed(texts: Sequence[str]) -> Hashed:
    """Hashes of the words of each text. Holds 8 bytes a word, so give long corpora in blocks.

    Example:
        >>> hashed(["One fish, two fish", "?!"]).lengths.tolist()
        [4, 0]
    """
    rows = [words(text) for text in texts]
    offsets = np.zeros(len(rows) + 1, np.int64)
    np.cumsum(np.fromiter(map(len, rows), np.int64, len(rows)), out=offsets[1:])
    return Hashed(np.fromiter(map(_word_hash, chain.from_iterable(rows)), np.uint64, int(offsets[-1])), offsets)


def raw_hash(text: str) -> int:
    """A 64-bit hash of a text as it is, every character counting.

    Example:
        >>> raw_hash("Yes") == raw_hash("yes")
        False
    """
    # Undecodable bytes may stand in a text as lone surrogates.
    return int.from_bytes(blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


_word_hash = lru_cache(maxsize=_MEMO_WORDS)(raw_hash)
