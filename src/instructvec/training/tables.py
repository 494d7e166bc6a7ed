"""A file of labelled texts, or of pairs, and the names of its columns -> rows that can be trained on and held out.

Knows columns, what makes a row usable and which rows are the same; nothing of models, mining or batches. What is
left out is counted, and a row that cannot be read ends the work unless it was said to be left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from math import isnan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.corpus.readers import read_records
from instructvec.corpus.records import Record, kind_of, rejection
from instructvec.corpus.rows import OnError
from instructvec.corpus.sources import Source
from instructvec.errors import ConfigError, FileError, InputError
from instructvec.medi.mine import word_ids
from instructvec.medi.mix import generator
from instructvec.training.columns import Columns, PairColumns, TableKind

MIN_ROWS = 20
"""Usable rows below which there is nothing to hold out and learn from."""
MAX_ROWS = 20_000
"""More rows than these take longer to be mined and measured than to be learnt from on a laptop."""

_ALONE, _CONTRARY = "the only text of its label", "one text under several labels"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of a file.

    Attributes:
        kind: what they are.
        first: n texts: the labelled ones, or the queries.
        second: n labels, or the texts that belong to the queries.
        negatives: n lists of texts that do not; empty ones where there are none.
        read: rows of the file.
        left_out: reason -> rows of it that are not here.
    """

    kind: TableKind
    first: list[str]
    second: list[str]
    negatives: list[list[str]]
    read: int = 0
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.first)

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Table:
        """Some of the rows, in the given order; the counts stay those of the file."""
        wanted = [int(row) for row in rows]
        first, second = ([column[row] for row in wanted] for column in (self.first, self.second))
        negatives = [self.negatives[row] for row in wanted]
        return Table(self.kind, first, second, negatives, self.read, self.left_out)


def read_table(
    source: Source, columns: Columns, *, on_error: OnError = "fail", max_rows: int = MAX_ROWS, seed: int = 42
) -> Table:
    """The rows of a file that can be trained on, each text or pair once.

    Args:
        source: the file.
        columns: which of its columns hold what.
        on_error: ``"fail"`` raises at the first row that cannot be used, ``"skip"`` leaves such rows out.
        max_rows: of more rows so many are drawn.
        seed: of that draw.

    Raises:
        ConfigError: a ``max_rows`` that is too small.
        FileError: the file cannot be read, lacks a column, or has a row with an empty or broken field; names line
            and column.
        InputError: too few rows, one label only, or labels that are hardly ever the same.
    """
    if max_rows < MIN_ROWS:
        raise ConfigError(f"max_rows is {max_rows}; expected {MIN_ROWS} or more")
    made = Table(columns.kind, [], [], [])
    counts: Counter[str] = Counter()
    n_read = 0
    for record in _checked_columns(source, columns):
        n_read += 1
        values, problem = _values(record, columns)
        if not problem:
            made.first.append(values[0])
            made.second.append(values[1])
            made.negatives.append(values[2])
        elif on_error == "skip":
            counts["cannot be read or lacks a text"] += 1
        else:
            raise rejection(source, record._replace(problem=problem)).error()
    found = _usable(made, counts, max_rows, generator(seed, "rows of a table")) if len(made) else made
    left_out = {reason: n for reason, n in counts.items() if n}
    table = Table(found.kind, found.first, found.second, found.negatives, n_read, left_out)
    _check_enough(table, source, columns)
    return table


# ---------------------------------------------------------------- rows of the file


def _checked_columns(source: Source, columns: Columns) -> Iterator[Record]:
    """The records; the first that can be read must have the columns."""
    checked = False
    for record in read_records(source):
        if not checked and not record.problem:
            _check_names(source, list(record.values), columns)
            checked = True
        yield record


def _check_names(source: Source, names: Sequence[str], columns: Columns) -> None:
    for name in columns.used:
        if name not in names:
            near = get_close_matches(name, names, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            if len(names) == 1 and any(sign in names[0] for sign in ";\t|"):
                hint = "; a .csv has commas between its fields, a .tsv tabs"
            raise FileError(
                f"{source.name}: no column {name!r}; the columns are {', '.join(map(repr, names)) or 'none'}{hint}"
            )


def _values(record: Record, columns: Columns) -> tuple[Any, str | None]:
    """Text, label or other text, and negatives; or why the row cannot be used."""
    if record.problem:
        return None, record.problem
    found: list[Any] = []
    for at, name in enumerate(columns.used[:2]):
        value, problem = _text(record, name, is_label=at == 1 and columns.kind == "label")
        if problem:
            return None, problem
        found.append(value)
    negatives, problem = _negatives(record, columns)
    return (*found, negatives), problem


def _text(record: Record, name: str, *, is_label: bool) -> tuple[str, str | None]:
    """The text without outer blanks, or what is wrong with it; labels may be numbers too."""
    value = record.values.get(name)
    expected = "a label" if is_label else "text"
    if is_label and isinstance(value, int | float) and not isnan(value):
        # The same class is 1 in one row and 1.0 in the next, where a column with gaps became one of floats.
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value), None
    if not isinstance(value, str):
        return "", f"column {name!r} holds {kind_of(value)}; expected {expected}"
    if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
        return "", f"column {name!r} holds half a character (a lone surrogate); expected valid Unicode"
    return value.strip(), None if value.strip() else f"column {name!r} is empty; expected {expected}"


def _negatives(record: Record, columns: Columns) -> tuple[list[str], str | None]:
    name = columns.negative if isinstance(columns, PairColumns) else None
    value = None if name is None else record.values.get(name)
    values = value if isinstance(value, list) else [] if value is None else [value]
    bad = [one for one in values if not isinstance(one, str)]
    if bad:
        return [], f"column {name!r} holds {kind_of(bad[0])}; expected a text, a list of texts, or nothing"
    return list(dict.fromkeys(one.strip() for one in values if one.strip())), None


# ---------------------------------------------------------------- which rows are the same


def _usable(table: Table, counts: Counter[str], max_rows: int, rng: np.random.Generator) -> Table:
    """Each row once, none that contradicts another, and no more than asked for."""
    rows = (_labelled if table.kind == "label" else _paired)(table, counts)
    if len(rows) > max_rows:
        counts[f"beyond {max_rows:,} rows, by draw"] += len(rows) - max_rows
        rows = np.sort(rng.choice(rows, max_rows, replace=False))
    if table.kind == "pair":
        return table.take(rows)
    labels = np.unique(table.second, return_inverse=True)[1]
    alone = np.bincount(labels[rows], minlength=int(labels.max()) + 1)[labels[rows]] < 2
    counts[_ALONE] += int(alone.sum())
    return table.take(rows[~alone])


def _labelled(table: Table, counts: Counter[str]) -> NDArray[np.int64]:
    """The rows of each text once, and none of a text that has two labels."""
    ids = word_ids(table.first)
    keys = np.stack([ids, np.unique(table.second, return_inverse=True)[1]], axis=1)
    rows: NDArray[np.int64] = np.sort(np.unique(keys, axis=0, return_index=True)[1])
    counts["the same text again"] += len(table) - len(rows)
    known, n_labels = np.unique(ids[rows], return_counts=True)
    contradicted: NDArray[np.bool_] = n_labels[np.searchsorted(known, ids[rows])] > 1
    counts[_CONTRARY] += int(contradicted.sum())
    return rows[~contradicted]


def _paired(table: Table, counts: Counter[str]) -> NDArray[np.int64]:
    """The rows of each pair once, and none of a text with itself."""
    n = len(table)
    ids = word_ids(table.first + table.second)
    keys = np.stack([ids[:n], ids[n:]], axis=1)
    rows: NDArray[np.int64] = np.sort(np.unique(keys, axis=0, return_index=True)[1])
    counts["the same pair again"] += n - len(rows)
    with_itself: NDArray[np.bool_] = keys[rows, 0] == keys[rows, 1]
    counts["a text with itself"] += int(with_itself.sum())
    return rows[~with_itself]


def _check_enough(table: Table, source: Source, columns: Columns) -> None:
    why = ", ".join(f"{reason}: {n:,}" for reason, n in table.left_out.items())
    told = f"{source.name}: {len(table):,} of {table.read:,} rows can be used" + (f" ({why})" if why else "")
    if columns.kind == "label":
        labels = list(dict.fromkeys(table.second))
        if len(table) and len(labels) < 2:
            raise InputError(
                f"{told}, and all have the label {labels[0]!r}; expected two labels or more: is "
                f"{columns.used[1]!r} the column of the labels?"
            )
        if table.left_out.get(_CONTRARY, 0) > table.read / 2:
            raise InputError(
                f"{told}; expected texts with a label each: is {columns.used[0]!r} the column of the texts, and "
                f"{columns.used[1]!r} that of the labels?"
            )
        if table.left_out.get(_ALONE, 0) > table.read / 2:
            raise InputError(
                f"{told}; expected labels that come again and again: where each text of {columns.used[0]!r} has a "
                "text of its own beside it, name them --query-column and --positive-column"
            )
    if len(table) < MIN_ROWS:
        raise InputError(f"{told}; expected at least {MIN_ROWS}, and better a few hundred: give more rows")
