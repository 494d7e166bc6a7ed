"""A triplet -> why its negative may be a false one.

Knows texts, words and vectors; nothing of datasets. A negative under another instruction than the positive's is a
contrast of instructions, right as it is even where the texts are equal, and is not judged. Everything found is a
suspicion: templates, edits and short texts look alike without being so.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias, get_args

from instructvec.errors import InputError
from instructvec.medi.search import cosines, unit_vectors
from instructvec.medi.triplets import Triplet
from instructvec.medi.words import words

if TYPE_CHECKING:
    from numpy.typing import NDArray

Reason: TypeAlias = Literal["equal_to_positive", "equal_to_query", "positive_elsewhere", "alike", "nearer"]
"""``equal_to_positive`` and ``equal_to_query``: the same words. ``positive_elsewhere``: another row of the dataset
has it as a positive of the same query. ``alike``: nearly the positive's words. ``nearer``: its vector is nearer to
the query's than the positive's is."""
REASONS: tuple[Reason, ...] = get_args(Reason)

ALIKE = 0.8
"""Share of the words of both, of all words of either, from which two texts are alike (Jaccard)."""
_ENCODED_ROWS = 4096

Vectors: TypeAlias = Callable[[Sequence[str]], Any]
"""Texts -> (n, d) floats, rows of length one."""

# Where such a sign stands, words alone do not say what a text says: "3 + 4", "a < b", paths, markup.
_SIGN = re.compile(r"[+*/=<>|^~%#\\]")


class Suspect(NamedTuple):
    """A row whose negative may be a false one.

    Attributes:
        row: its number in the mixture, from 0.
        triplet: the row.
        reason: why.
        negative: how near the negative is: the share of words for ``alike``, the cosine for ``nearer``.
        positive: how near the positive is: the cosine for ``nearer``.
    """

    row: int
    triplet: Triplet
    reason: Reason
    negative: float | None = None
    positive: float | None = None

    @property
    def rank(self) -> tuple[int, float, int]:
        """Sorts the worst first: by reason, then by how much speaks for it."""
        return REASONS.index(self.reason), (self.positive or 0.0) - (self.negative or 0.0), self.row


class Words(NamedTuple):
    """What of a text is compared: all words in order, hashed, and which there are."""

    key: int
    distinct: frozenset[str]


def is_judged(triplet: Triplet) -> bool:
    """Whether a row has a negative that could be a false one."""
    return triplet.negative is not None and triplet.negative.instruction == triplet.positive.instruction


@lru_cache(maxsize=2048)  # a mined text is query, positive and negative of rows not far from each other
def compared(text: str) -> Words:
    """A text without case, spacing and punctuation, and its words; with its signs where it has such as ``+``.

    Example:
        >>> compared("Who wrote it?").key == compared("who  wrote “it”").key
        True
        >>> compared("3 + 4").key == compared("3 * 4").key
        False
    """
    found = text.casefold().split() if _SIGN.search(text) else words(text) or text.split()
    # Python's own hash: good for one process, which is all it has to be, and several times faster than a digest.
    return Words(hash(" ".join(found)), frozenset(found))


def overlap(left: frozenset[str], right: frozenset[str]) -> float:
    r"""How many words two texts share, of all there are: :math:`|A \cap B| / |A \cup B|`, from 0 to 1.

    Example:
        >>> overlap(frozenset("abcd"), frozenset("abc")), overlap(frozenset(), frozenset())
        (0.75, 0.0)
    """
    shared = len(left & right)
    return shared / (len(left) + len(right) - shared) if shared else 0.0


def by_words(query: Words, positive: Words, negative: Words) -> tuple[Reason, float | None] | None:
    """Why the texts alone make a negative suspect, and how alike it is to the positive."""
    if negative.key == positive.key:
        return "equal_to_positive", None
    if negative.key == query.key:
        return "equal_to_query", None
    fewer, more = sorted((len(positive.distinct), len(negative.distinct)))
    if fewer < ALIKE * more:
        return None
    share = overlap(positive.distinct, negative.distinct)
    return ("alike", share) if share >= ALIKE else None


def by_vectors(rows: Sequence[tuple[int, Triplet]], vectors: Vectors) -> list[Suspect]:
    """The rows whose negative is nearer to the query than the positive is, the worst first.

    Args:
        rows: number and triplet; those without a negative to judge are left out.
        vectors: the model.

    Raises:
        InputError: the model gives another number of vectors, or vectors that are not of length one.

    Example:
        >>> from instructvec.medi.triplets import Side
        >>> row = Triplet(Side("", "rain"), Side("", "ham"), Side("", "shower"), "d", "triplet", "given")
        >>> places = {"rain": [1.0, 0.0], "shower": [0.8, 0.6], "ham": [0.0, 1.0]}
        >>> [one] = by_vectors([(7, row)], lambda texts: [places[text] for text in texts])
        >>> one.row, round(one.negative, 2), round(one.positive, 2)
        (7, 0.8, 0.0)
    """
    found: list[Suspect] = []
    judged = [(number, one) for number, one in rows if is_judged(one)]
    for start in range(0, len(judged), _ENCODED_ROWS):
        block = judged[start : start + _ENCODED_ROWS]
        sides = [(one.query.text, one.positive.text, one.negative.text) for _, one in block if one.negative]
        texts = list(dict.fromkeys(text for side in sides for text in side))
        encoded = _encoded(texts, vectors)
        place = {text: at for at, text in enumerate(texts)}
        query, positive, negative = (encoded[[place[side[which]] for side in sides]] for which in range(3))
        pairs = zip(block, cosines(query, positive).tolist(), cosines(query, negative).tolist(), strict=True)
        found += [Suspect(number, one, "nearer", far, near) for (number, one), near, far in pairs if far > near]
    return sorted(found, key=lambda one: one.rank)


def _encoded(texts: Sequence[str], vectors: Vectors) -> NDArray[Any]:
    found = unit_vectors(vectors(texts), "vectors")
    if len(found) != len(texts):
        raise InputError(f"{len(texts)} texts gave {len(found)} vectors; expected one each")
    return found
