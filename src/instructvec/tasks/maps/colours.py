"""A column of values -> classes to be told apart by colour, or numbers on a scale.

Knows values; nothing of texts, points or pages.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError

MAX_CLASSES = 12
OTHER, NONE = "other", "none"


@dataclass(frozen=True, slots=True, eq=False)
class Classes:
    """A class for each point.

    Attributes:
        name: of the column.
        names: of the classes, the largest first; numbers in their order.
        counts: points of each.
        codes: (n,) int64, each point's place in ``names``; ``len(names)`` for a class too small to have a colour,
            ``len(names) + 1`` for no value.
        n_others: how many classes have no colour of their own.
        labels: (n,) int64, each point's place in ``every``; -1 for no value.
        every: all classes, those without a colour too.
    """

    name: str
    names: tuple[str, ...]
    counts: tuple[int, ...]
    codes: NDArray[np.int64]
    n_others: int
    labels: NDArray[np.int64]
    every: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Scale:
    """A number for each point.

    Attributes:
        name: of the column.
        values: (n,) float64; NaN for no value.
    """

    name: str
    values: NDArray[np.float64]

    @property
    def low(self) -> float:
        """The least number."""
        return float(np.nanmin(self.values))

    @property
    def high(self) -> float:
        """The greatest number."""
        return float(np.nanmax(self.values))

    @property
    def places(self) -> NDArray[np.float64]:
        """(n,) where each stands from 0, the lowest, to 1; NaN for no value."""
        return np.asarray((self.values - self.low) / ((self.high - self.low) or 1.0))


Kind: TypeAlias = Literal["auto", "classes", "numbers"]
KINDS: tuple[Kind, ...] = ("auto", "classes", "numbers")
Colouring: TypeAlias = "Classes | Scale"


def colouring(
    values: Sequence[object], name: str = "", max_classes: int = MAX_CLASSES, kind: Kind = "auto"
) -> Colouring:
    """A scale where the values are numbers with many levels, classes otherwise.

    Args:
        values: n of them; ``None``, NaN and empty strings are no value. Strings that are numbers count as such.
        name: of the column.
        max_classes: classes with a colour of their own, the largest; more share one.
        kind: what the values are taken for.

    Raises:
        InputError: they are to be numbers, and one is not, or there are none.

    Example:
        >>> found = colouring(["b", "a", "b", None])
        >>> found.names, found.codes.tolist(), found.counts
        (('b', 'a'), [0, 1, 0, 3], (2, 1))
        >>> colouring([at / 2 for at in range(20)]).high
        9.5
    """
    numbers = [_number(value) for value in values]
    present = [not _is_missing(value) for value in values]
    are_numbers = all(not math.isnan(number) for number, there in zip(numbers, present, strict=True) if there)
    distinct = {number for number in numbers if not math.isnan(number)}
    if kind == "numbers" and not (are_numbers and distinct):
        at = next((at for at, one in enumerate(present) if one and math.isnan(numbers[at])), 0)
        raise InputError(f"colours, row {at + 1}: {values[at]!r:.60}; expected a number: take them as classes")
    if kind == "numbers" or (kind == "auto" and are_numbers and len(distinct) > max_classes):
        return Scale(name, np.array([n if p else np.nan for n, p in zip(numbers, present, strict=True)]))
    said = [_said(value) if there else None for value, there in zip(values, present, strict=True)]
    counted = Counter(one for one in said if one is not None)
    kept = [one for one, _ in sorted(counted.items(), key=lambda pair: (-pair[1], pair[0]))][:max_classes]
    if are_numbers and distinct and len(kept) == len(counted):
        kept.sort(key=_number)
    places: dict[str | None, int] = {one: at for at, one in enumerate(kept)} | {None: len(kept) + 1}
    codes = np.array([places.get(one, len(kept)) for one in said], np.int64)
    every: dict[str | None, int] = {None: -1} | {one: at for at, one in enumerate(counted)}
    labels = np.array([every[one] for one in said], np.int64)
    counts = tuple(counted[one] for one in kept)
    return Classes(name, tuple(kept), counts, codes, len(counted) - len(kept), labels, tuple(counted))


def _is_missing(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _number(value: object) -> float:
    """The value as a finite number; NaN for what is none."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return math.nan
    try:
        number = float(value)
    except ValueError:
        return math.nan
    return number if math.isfinite(number) else math.nan


def _said(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
