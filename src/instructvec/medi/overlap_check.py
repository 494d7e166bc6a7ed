"""A finished mixture's texts and an evaluation's -> how many overlap, found a second time by other means.

Knows strings only, and on purpose nothing of ``words`` and ``decontaminate`` beside it: no line is shared with
them, so that a mistake there is found here. No hashes, no arrays: tables of strings, and its own idea of a word (a
run of what Unicode calls alphanumeric, and marks).
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

_ASCII_WORD = re.compile("[a-z0-9]+")
_BLANK = re.compile(r"\s+")
_INVISIBLE = re.compile("[\u034f\u115f\u1160\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_IDEOGRAPH = re.compile("([\u3040-\u3098\u309b-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])")


@dataclass(frozen=True, slots=True)
class Check:
    """What :func:`independent_check` found.

    Attributes:
        n_texts: texts of the mixture that were looked at.
        n_protected: distinct protected texts they were compared with.
        exact: texts that are a protected one, character for character.
        normalised: others that have the same words.
        n_gram: others that share a run of ``n`` words.
        n: words of a run.
        examples: the first few that overlap: reason, where the protected text stands, and the mixture's text.
    """

    n_texts: int
    n_protected: int
    exact: int
    normalised: int
    n_gram: int
    n: int
    examples: tuple[tuple[str, str, str], ...]

    @property
    def clean(self) -> bool:
        """Whether nothing overlaps. False as well where nothing was protected: that checks nothing."""
        return self.n_protected > 0 and not (self.exact or self.normalised or self.n_gram)

    def as_dict(self) -> dict[str, Any]:
        """For a manifest."""
        return {**asdict(self), "clean": self.clean}


def independent_check(
    texts: Iterable[str],
    protected: Iterable[tuple[str, str]],
    *,
    n: int = 8,
    min_words: int = 4,
    n_examples: int = 5,
) -> Check:
    """Compare every text of a mixture with every protected one.

    Args:
        texts: the mixture's; give each distinct one once.
        protected: (where, text) of the evaluation. Held in memory with all its runs, about 150 bytes each.
        n: words of a run that must not be shared.
        min_words: texts of fewer words, protected or not, are passed over.
        n_examples: how many overlaps to quote.

    Example:
        >>> quiz = [("quiz.txt, line 1", "Which river flows through the city of Prague?")]
        >>> check = independent_check(["Guess: which river flows through the city of Prague"], quiz)
        >>> check.n_gram, check.clean
        (1, False)
    """
    evaluation = _Evaluation(protected, n, min_words)
    counts: Counter[str] = Counter()
    examples: list[tuple[str, str, str]] = []
    for text in texts:
        counts["texts"] += 1
        overlap = evaluation.overlap(text)
        if overlap is not None:
            counts[overlap[0]] += 1
            if len(examples) < n_examples:
                examples.append((*overlap, text))
    return Check(
        n_texts=counts["texts"],
        n_protected=len(evaluation.exact),
        exact=counts["exact"],
        normalised=counts["normalised"],
        n_gram=counts["n-gram"],
        n=n,
        examples=tuple(examples),
    )


class _Evaluation:
    """Protected texts, the same without case and punctuation, and their runs of words, each with its place."""

    def __init__(self, protected: Iterable[tuple[str, str]], n: int, min_words: int) -> None:
        self.n, self.min_words = n, min_words
        self.exact: dict[str, str] = {}
        self.normalised: dict[str, str] = {}
        self.runs: dict[str, str] = {}
        for where, text in protected:
            words = _words(text)
            if text not in self.exact and len(words) >= min_words:
                self.exact[text] = where
                self.normalised.setdefault(" ".join(words), where)
                for run in _runs(words, n):
                    self.runs.setdefault(run, where)

    def overlap(self, text: str) -> tuple[str, str] | None:
        """How a text overlaps and with what, or ``None``."""
        words = _words(text)
        if len(words) < self.min_words:
            return None
        if text in self.exact:
            return "exact", self.exact[text]
        plain = " ".join(words)
        if plain in self.normalised:
            return "normalised", self.normalised[plain]
        shared = next((run for run in _runs(words, self.n) if run in self.runs), None)
        return None if shared is None else ("n-gram", self.runs[shared])


def _runs(words: list[str], n: int) -> Iterator[str]:
    return (" ".join(words[place : place + n]) for place in range(len(words) - n + 1))


def _words(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_WORD.findall(text.lower())
    composed = unicodedata.normalize("NFKC", _without_symbols(text))
    folded = _without_symbols(unicodedata.normalize("NFKC", composed.casefold()))
    return [word for word in _BLANK.split(_IDEOGRAPH.sub(r" \1 ", folded)) if word]


def _without_symbols(text: str) -> str:
    """Letters, digits and marks; nothing for invisible characters, a blank for all others."""
    return "".join(
        character
        if character.isalnum() or (category := unicodedata.category(character))[0] == "M"
        else ""
        if category == "Cf"
        else " "
        for character in _INVISIBLE.sub("", text)
    )
