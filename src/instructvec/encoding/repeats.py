"""Rows -> each distinct pair once, and where every row finds its own among them.

Knows pairs only; that equal pairs have equal vectors is what makes it right.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructvec.types import Pairs


class Distinct(NamedTuple):
    """Distinct pairs of n rows.

    Attributes:
        pairs: m <= n of them, in order of first use.
        places: (n,) int64, which of them each row is; ``None`` where all rows differ.
        first_rows: (m,) int64, the first row of each.
    """

    pairs: Pairs
    places: NDArray[np.int64] | None
    first_rows: NDArray[np.int64]


def without_repeats(pairs: Pairs) -> Distinct:
    """Each distinct (instruction, text) pair once.

    Example:
        >>> distinct = without_repeats(Pairs([None, "q: ", None], ["a", "a", "a"]))
        >>> distinct.pairs.instructions, distinct.places.tolist(), distinct.first_rows.tolist()
        ([None, 'q: '], [0, 1, 0], [0, 1])
    """
    numbers: dict[tuple[str | None, str], int] = {}
    where = [numbers.setdefault(pair, len(numbers)) for pair in zip(pairs.instructions, pairs.texts, strict=True)]
    if len(numbers) == len(pairs):
        return Distinct(pairs, None, np.arange(len(pairs)))
    places = np.array(where, np.int64)
    unique = Pairs([pair[0] for pair in numbers], [pair[1] for pair in numbers])
    return Distinct(unique, places, np.unique(places, return_index=True)[1])
