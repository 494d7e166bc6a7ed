"""Two texts -> how many words they share, and in which order.

Knows words; nothing of tasks. Source: token F1 is SQuAD's (Rajpurkar et al. 2016) over words as they
stand, ROUGE-L that of Lin 2004, section 3.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

_WORDS = re.compile(r"\w+")


def token_f1(text: str, reference: str) -> float:
    """F1 of words between blanks, in any order, each counted as often as it stands there.

    SQuAD's own normalisation (lower case, no articles, no punctuation) is left out: in SQL, ``a``, ``<`` and ``*``
    are words like others.

    Returns:
        0 to 1; of two texts without words 1, of one without 0.

    Example:
        >>> token_f1("SELECT name FROM city", "SELECT name FROM state WHERE x")
        0.6
    """
    words, wanted = Counter(text.split()), Counter(reference.split())
    if not words or not wanted:
        return float(words == wanted)
    n_shared = (words & wanted).total()
    return 2 * n_shared / (words.total() + wanted.total())


def rouge_l(text: str, reference: str) -> float:
    """F1 of the longest sequence of words that both texts have in this order, gaps allowed.

    Words are runs of letters, digits and underscores in lower case.

    Returns:
        0 to 1; where one of the texts has no words, whether they are equal but for blanks at their ends.

    Example:
        >>> rouge_l("The police kill the gunman", "police killed the gunman")
        0.6666666666666666
    """
    words, wanted = _WORDS.findall(text.lower()), _WORDS.findall(reference.lower())
    if not words or not wanted:
        return float(text.strip() == reference.strip())
    return 2 * _n_common(words, wanted) / (len(words) + len(wanted))


def _n_common(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence: a row of the table at a time."""
    above = [0] * (len(b) + 1)
    for word in a:
        row = [0]
        for at, other in enumerate(b, start=1):
            row.append(above[at - 1] + 1 if word == other else max(above[at], row[-1]))
        above = row
    return above[-1]
