"""Columns of a file or dataset, whatever it was read from -> checked texts, labels, numbers and lists.

Knows columns, values and where each row stands; nothing of file formats or task kinds. Every refusal names the
file, the line or row, the column, what stands there and what was expected.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from instructvec.corpus.records import kind_of
from instructvec.errors import FileError
from instructvec.tasks.labels import Label

MISSING = object()
"""Stands where a row lacks a column that other rows have."""

_ENCODED_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows with named columns.

    Attributes:
        name: the file or dataset, for messages.
        unit: what its rows are called.
        numbers: of each row, as a reader of the file counts, from 1.
        values: column -> one value a row.
        columns: our field -> the column that holds it, where they differ.
        as_text: whether numbers stand there as text (CSV).
    """

    name: str
    unit: Literal["line", "row"]
    numbers: Sequence[int]
    values: Mapping[str, Sequence[Any]]
    columns: Mapping[str, str] = field(default_factory=dict)
    as_text: bool = False

    def __len__(self) -> int:
        return len(self.numbers)

    def column(self, name: str) -> str:
        """The column that holds a field."""
        return self.columns.get(name, name)

    def has(self, name: str) -> bool:
        """Whether any row has a field."""
        return self.column(name) in self.values

    def take(self, places: Sequence[int]) -> Rows:
        """Some of the rows, in the order of ``places``."""
        return Rows(
            self.name,
            self.unit,
            [self.numbers[at] for at in places],
            {name: [values[at] for at in places] for name, values in self.values.items()},
            self.columns,
            self.as_text,
        )

    def where(self, at: int) -> str:
        """The place of a row, for messages."""
        return f"{self.name}, {self.unit} {self.numbers[at]}"

    def error(self, at: int, name: str, problem: str) -> FileError:
        """What is wrong with a field of a row."""
        return FileError(f"{self.where(at)}: {self.column(name)!r} {problem}")

    def refusal(self, at: int, name: str, expected: str) -> FileError:
        """A field of a row holds something else than it should."""
        value = self.values[self.column(name)][at]
        if value is MISSING:
            keys = [key for key, values in self.values.items() if values[at] is not MISSING]
            return FileError(
                f"{self.where(at)}: the key {self.column(name)!r} is missing; expected {expected}. "
                f"The row has {_listed(keys)}"
            )
        shown = f" ({value!r:.60})" if isinstance(value, str) else ""
        return self.error(at, name, f"holds {kind_of(value)}{shown}; expected {expected}")

    def raw(self, name: str, expected: str) -> Sequence[Any]:
        """The values of a field as they stand.

        Raises:
            FileError: there is no such column, or a row lacks it.
        """
        values = self.values.get(self.column(name))
        if values is None:
            raise FileError(
                f"{self.name}: no column {self.column(name)!r}; expected {expected} in it. The columns are "
                f"{_listed(self.values)}: correct the data, or map the name with columns = {{ {name} = … }}"
            )
        return values

    def texts(self, name: str) -> list[str]:
        """A field of texts; empty ones are legal."""
        values = self.raw(name, "text")
        self._check(name, values, "text", lambda value: isinstance(value, str))
        self._check_encodable(name, values)
        return list(values)

    def ids(self, name: str) -> list[str]:
        """A field of ids: texts, or whole numbers as text."""
        values = self.raw(name, "an id (text)")
        if set(map(type, values)) <= {str}:
            return list(values)
        self._check(name, values, "an id (text)", _is_label)
        return [str(value) for value in values]

    def labels(self, name: str) -> list[Label]:
        """A field of labels, all of them texts or all whole numbers; true and false count as 1 and 0."""
        values = self.raw(name, "a label (text or a whole number)")
        if set(map(type, values)) in ({str}, {int}):
            return list(values)
        self._check(name, values, "a label (text or a whole number)", _is_label)
        first = isinstance(values[0], str) if len(values) else False
        for at, value in enumerate(values):
            if isinstance(value, str) != first:
                raise self.refusal(at, name, f"a label as on {self.unit} {self.numbers[0]} ({values[0]!r})")
        return [int(value) for value in values]

    def flags(self, name: str) -> list[bool]:
        """A field of 0 and 1, or false and true."""
        values = self._numbers_of(name, "0 or 1")
        self._check(name, values, "0 or 1", lambda value: isinstance(value, int | float) and value in (0, 1))
        return [bool(value) for value in values]

    def floats(self, name: str) -> list[float]:
        """A field of finite numbers."""
        values = self._numbers_of(name, "a number")
        self._check(name, values, "a finite number", _is_number)
        return [float(value) for value in values]

    def whole_numbers(self, name: str) -> list[int]:
        """A field of whole numbers."""
        values = self._numbers_of(name, "a whole number")
        self._check(name, values, "a whole number", lambda value: _is_number(value) and value == int(value))
        return [int(value) for value in values]

    def text_lists(self, name: str, *, empty: bool = False) -> list[list[str]]:
        """A field of lists of texts; ``empty``: whether a list may be empty."""
        expected = "a list of texts"
        values = self.raw(name, expected)
        self._check(name, values, expected, lambda value: isinstance(value, list | tuple))
        for at, value in enumerate(values):
            if not value and not empty:
                raise self.error(at, name, "is an empty list; expected at least one text")
            for place, one in enumerate(value, start=1):
                if not isinstance(one, str):
                    raise self.error(at, name, f"holds {kind_of(one)} as entry {place}; expected text")
            self._check_encodable(name, value, at)
        return [list(value) for value in values]

    def number_lists(self, name: str) -> list[list[float]]:
        """A field of lists of finite numbers."""
        expected = "a list of numbers"
        values = self.raw(name, expected)
        self._check(name, values, expected, lambda value: isinstance(value, list | tuple))
        for at, value in enumerate(values):
            for place, one in enumerate(value, start=1):
                if not _is_number(one):
                    raise self.error(at, name, f"holds {kind_of(one)} as entry {place}; expected a finite number")
        return [[float(one) for one in value] for value in values]

    def _numbers_of(self, name: str, expected: str) -> Sequence[Any]:
        values = self.raw(name, expected)
        return [_parsed(value) for value in values] if self.as_text else values

    def _check(self, name: str, values: Sequence[Any], expected: str, good: Callable[[Any], bool]) -> None:
        for at, value in enumerate(values):
            if not good(value):
                raise self.refusal(at, name, expected)

    def _check_encodable(self, name: str, texts: Sequence[str], row: int | None = None) -> None:
        """No lone surrogates: JSON can say them, no tokenizer takes them."""
        for start in range(0, len(texts), _ENCODED_AT_ONCE):
            some = texts[start : start + _ENCODED_AT_ONCE]
            if not _is_encodable("".join(some)):
                at = next(at for at, text in enumerate(some, start=start) if not _is_encodable(text))
                raise self.error(
                    at if row is None else row,
                    name,
                    "holds half a character (a lone surrogate); expected valid Unicode",
                )


def columns_of(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Rows with keys as columns of values, :data:`MISSING` where a row lacks a key.

    Example:
        >>> columns_of([{"a": 1}, {"a": 2}])
        {'a': [1, 2]}
    """
    names = dict.fromkeys(name for record in records for name in record)
    return {name: [record.get(name, MISSING) for record in records] for name in names}


def _is_encodable(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _is_label(value: object) -> bool:
    return isinstance(value, str | int)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _parsed(value: Any) -> Any:
    """A number written as text; anything else as it stands, to be refused with its place."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return value


def _listed(names: Sequence[str] | Mapping[str, Any]) -> str:
    return ", ".join(repr(name) for name in names) or "none"
