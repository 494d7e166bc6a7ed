"""A text or a row -> the reason not to train on it, or ``None``.

Knows characters, words and, if asked, languages; nothing of datasets or of other rows. Every check is a pure
function of the texts, and the first that objects gives the reason.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import cache
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from instructvec.errors import ConfigError
from instructvec.extras import require
from instructvec.medi.words import normalised, words

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

TextReason: TypeAlias = Literal[
    "empty", "too_short", "too_long", "undecodable", "no_letters", "boilerplate", "repeated", "language"
]
"""Why a text is left out; see :class:`Filters`."""
RowReason: TypeAlias = Literal["same_sides", "negative_is_positive", "negative_is_query"]
"""Why a row of sound texts is left out."""
Reason: TypeAlias = TextReason | RowReason

_UNDECODABLE = re.compile("[\x00-\x08\x0b\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffd-\uffff]")
"""What stands for bytes that were no text: replacement and control characters, half surrogates, non-characters.

Tab, line feed, form feed, carriage return and next line (U+0085) are spacing. U+FFFE and U+FFFF come with U+FFFD.
"""
_PLACEHOLDER = re.compile(
    "deleted|removed|n a|nan|null|undefined|loading|tbd|todo|test test|no content|no text"
    "|no description(?: provided| available)?|no abstract(?: available)?"
    "|page not found|(?:error )?404 not found|403 forbidden|access denied"
)
"""Normalised texts that stand where a text is missing."""
_BOILERPLATE = re.compile(
    r"\blorem ipsum dolor\b|\b(?:please |you need to |must )enable (?:javascript|cookies)\b"
    r"|\byour browser does not support\b|\bthis page (?:could not be|cannot be) (?:found|displayed)\b",
    re.IGNORECASE,
)
"""What page templates say, wherever it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which texts and rows are good enough to train on.

    Attributes:
        min_characters: fewer, blanks around not counted, are ``too_short``.
        max_characters: more are ``too_long``; about eight times what a model of 512 tokens reads.
        min_words: fewer are ``too_short``; 1 keeps the single words of dictionaries and entity names.
        max_words: more are ``too_long``.
        letters: whether a text without any letter, such as a number, is left out as ``no_letters``.
        undecodable: whether a text with a replacement character, control character or half surrogate is left out.
        boilerplate: whether placeholders ("[deleted]", "N/A") and page templates ("please enable JavaScript") are.
        max_repeated: a text of at least ``min_repeated_words`` words of which one makes up more than this share,
            or whose distinct runs of three words are fewer than the rest of all runs, is ``repeated``; 1 turns
            this off.
        min_repeated_words: shorter texts may repeat themselves ("no, no, no").
        languages: the languages wanted, ISO 639-1 codes, ``()`` for any. Off by default: code, names and formulas
            have no language, and a wrong guess costs a good row.
        min_language_words: shorter texts are of any language. Under eight words one text in four gets another
            language than its own, though never with confidence.
        min_language_confidence: a text is of another ``language`` only if the identifier is as sure as this.

    Example:
        >>> filters = Filters(min_words=2)
        >>> filters.text("Rain"), filters.text("Rain in Spain"), filters.text("1 000 000")
        ('too_short', None, 'no_letters')
    """

    min_characters: int = 2
    max_characters: int = 20_000
    min_words: int = 1
    max_words: int = 4_000
    letters: bool = True
    undecodable: bool = True
    boilerplate: bool = True
    max_repeated: float = 0.7
    min_repeated_words: int = 20
    languages: tuple[str, ...] = ()
    min_language_words: int = 8
    min_language_confidence: float = 0.9

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name.startswith(("min_", "max_")) and value < 0:
                raise ConfigError(f"{field.name}={value}: a limit cannot be negative; give 0 or more")
        for name in ("characters", "words"):
            least, most = getattr(self, f"min_{name}"), getattr(self, f"max_{name}")
            if least > most:
                raise ConfigError(f"min_{name}={least} and max_{name}={most} leave no text; raise the maximum")
        for name in ("max_repeated", "min_language_confidence"):
            if getattr(self, name) > 1:
                raise ConfigError(f"{name}={getattr(self, name)}: this is a share; give a number from 0 to 1")
        if self.languages:
            _check_languages(self.languages)

    def text(self, text: str) -> TextReason | None:
        """Why to leave out a text, or ``None``."""
        return next(self._objections(text.strip()), None)

    def _objections(self, text: str) -> Iterator[TextReason]:
        """Every reason against a text without blanks around it, the cheapest to find first."""
        if not text:
            yield "empty"
        if self.undecodable and _UNDECODABLE.search(text):
            yield "undecodable"
        if len(text) > self.max_characters:
            yield "too_long"
        found = words(text)
        if len(found) > self.max_words:
            yield "too_long"
        if self.letters and not any(map(str.isalpha, chain.from_iterable(found))):
            yield "no_letters"
        if len(text) < self.min_characters or len(found) < self.min_words:
            yield "too_short"
        if self.boilerplate and is_boilerplate(text, found):
            yield "boilerplate"
        if len(found) >= self.min_repeated_words and is_repeated(found, self.max_repeated):
            yield "repeated"
        if self.languages and len(found) >= self.min_language_words and not self._in_language(text):
            yield "language"

    def row(self, query: str, positive: str, negatives: Iterable[str] = ()) -> Reason | None:
        """Why to leave out a row, or ``None``: the first reason against one of its texts, or two equal ones.

        Args:
            query: the anchor.
            positive: what must be near it.
            negatives: what must not.

        Example:
            >>> Filters().row("How are you?", "how are you")
            'same_sides'
            >>> Filters().row("How are you?", "Fine.", ["fine"])
            'negative_is_positive'
        """
        negatives = list(negatives)
        for text in (query, positive, *negatives):
            if reason := self.text(text):
                return reason
        if same(query, positive):
            return "same_sides"
        if any(same(negative, positive) for negative in negatives):
            return "negative_is_positive"
        if any(same(negative, query) for negative in negatives):
            return "negative_is_query"
        return None

    def _in_language(self, text: str) -> bool:
        language, confidence = language_of(text)
        return language in self.languages or confidence < self.min_language_confidence


def same(one: str, other: str) -> bool:
    """Whether two texts are equal but for case, punctuation and spacing; texts without words, but for spacing.

    Example:
        >>> same("Yes!", "yes"), same("+", "-")
        (True, False)
    """
    found = normalised(one)
    return found == normalised(other) if found else one.strip() == other.strip()


def is_boilerplate(text: str, words: list[str]) -> bool:
    """Whether a text is a placeholder or holds what page templates say."""
    return bool(_PLACEHOLDER.fullmatch(" ".join(words[:5])) or _BOILERPLATE.search(text))


def is_repeated(words: list[str], max_share: float) -> bool:
    """Whether one word makes up more than ``max_share`` of the words, or a phrase stands there again and again.

    The second is so if the distinct runs of three words are fewer than ``1 - max_share`` of all.

    Example:
        >>> is_repeated(["buy", "now"] * 10, 0.7), is_repeated("to be or not to be".split(), 0.7)
        (True, False)
    """
    if max_share >= 1:
        return False
    if max(Counter(words).values()) > max_share * len(words):
        return True
    runs = list(zip(words, words[1:], words[2:], strict=False))
    return len(set(runs)) < (1 - max_share) * len(runs)


def language_of(text: str) -> tuple[str, float]:
    """The language of a text by py3langid, as an ISO 639-1 code, and how sure that is, from 0 to 1.

    Raises:
        MissingExtra: py3langid is not installed.
    """
    language, confidence = _identifier().classify(text)
    return str(language), float(confidence)


def _check_languages(languages: tuple[str, ...]) -> None:
    known = set(_identifier().labels)
    for language in languages:
        if language not in known:
            raise ConfigError(
                f"languages: {language!r} is no language that the identifier knows; expected ISO 639-1 codes, of: "
                + ", ".join(sorted(known))
            )


@cache
def _identifier() -> LanguageIdentifier | Any:
    require("py3langid", "the language filter")
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
