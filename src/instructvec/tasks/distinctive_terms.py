"""Texts in clusters -> the words that tell each cluster from the others.

Knows words and counts; nothing of vectors. Words are weighted by class-based TF-IDF (Grootendorst 2022,
"BERTopic", section 3.3). No list of stop words, which would be of one language: a word is left out where it is
about as common in the texts of the other clusters. Words are runs of letters, marks and digits of any script
(Unicode's general categories L, M, N); of scripts written without spaces, pairs of neighbouring characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from math import log

import numpy as np
from numpy.typing import NDArray

N_TERMS = 5
LEAST_RATIO = 3.0
"""How many times as common as elsewhere a word has to be in a cluster's texts."""

# Han, Hiragana, Katakana; Thai, Lao, Myanmar, Khmer: written without spaces between words.
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\U00020000-\U0003ffff]+")
_APOSTROPHES = "'\u2019"


class _OnlyWords(dict[int, str]):
    """Characters of words, and apostrophes, stay; every other becomes a space. Filled as characters are met."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kept = unicodedata.category(character)[0] in "LMN" or character in _APOSTROPHES
        self[code] = character if kept else " "
        return self[code]


_ONLY_WORDS = _OnlyWords()


def words(text: str) -> Iterator[str]:
    """The words of a text, in lower case.

    Example:
        >>> list(words("Don't panic: 東京都!"))
        ["don't", 'panic', '東京', '京都']
    """
    for run in unicodedata.normalize("NFC", text).lower().translate(_ONLY_WORDS).split():
        word = run.strip(_APOSTROPHES)
        if not _UNSPACED.search(word):
            if word:
                yield word
            continue
        at = 0
        for part in _UNSPACED.finditer(word):
            yield from filter(None, (word[at : part.start()],))
            yield from _pairs(part[0])
            at = part.end()
        yield from filter(None, (word[at:],))


def _pairs(characters: str) -> Iterator[str]:
    if len(characters) == 1:
        yield characters
    yield from (characters[at : at + 2] for at in range(len(characters) - 1))


def c_tf_idf(counts: Sequence[Mapping[str, int]]) -> list[dict[str, float]]:
    """The weight of each word in each class: W = tf(t, c) · log(1 + A / tf(t)).

    tf(t, c) is how often the word stands in the class, tf(t) how often in all classes, A the words of a class on
    average.

    Args:
        counts: of each class, how often each word stands in it.

    Example:
        >>> [{word: round(weight, 4) for word, weight in one.items()} for one in c_tf_idf([{"a": 2}, {"b": 2}])]
        [{'a': 1.3863}, {'b': 1.3863}]
    """
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    average = sum(total.values()) / max(len(counts), 1)
    return [{word: n * log(1 + average / total[word]) for word, n in one.items()} for one in counts]


def terms_of(
    texts: Sequence[str], clusters: NDArray[np.int64], *, n_terms: int = N_TERMS, least_ratio: float = LEAST_RATIO
) -> list[tuple[str, ...]]:
    """The most telling words of each cluster, the most telling first.

    A word counts where the share of the cluster's texts that hold it is at least ``least_ratio`` times the share
    of all other texts; of a cluster without such words, all count. A word of a single text counts where the
    cluster has no other words to be told by.

    Args:
        texts: n texts.
        clusters: (n,) int64 from 0; texts of -1 are others, and have no words of their own.
        n_terms: words of a cluster at most.
        least_ratio: see above.

    Returns:
        Of each cluster from 0 to the highest, its words; none where its texts have none.

    Example:
        >>> terms_of(["the red car", "the car", "the sea", "the blue sea"], np.array([0, 0, 1, 1]), n_terms=1)
        [('car',), ('sea',)]
    """
    n_clusters = int(clusters.max(initial=-1)) + 1
    counts: list[Counter[str]] = [Counter() for _ in range(n_clusters)]
    holding: list[Counter[str]] = [Counter() for _ in range(n_clusters)]
    all_holding: Counter[str] = Counter()
    for text, cluster in zip(texts, clusters.tolist(), strict=True):
        found = Counter(words(text))
        all_holding.update(found.keys())
        if cluster >= 0:
            counts[cluster].update(found)
            holding[cluster].update(found.keys())
    sizes = np.bincount(clusters[clusters >= 0], minlength=n_clusters).tolist()
    names = []
    for weights, held, size in zip(c_tf_idf(counts), holding, sizes, strict=True):
        n_others = len(texts) - size
        telling = {
            word: weight
            for word, weight in weights.items()
            if held[word] * n_others >= least_ratio * size * (all_holding[word] - held[word])
        }
        shared = {word: weight for word, weight in telling.items() if held[word] > 1}
        ranked = sorted((shared or telling or weights).items(), key=lambda one: (-one[1], one[0]))
        names.append(tuple(word for word, _ in ranked[:n_terms]))
    return names
