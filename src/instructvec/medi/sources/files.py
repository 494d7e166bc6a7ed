"""Files of pairs, triplets or labelled texts (jsonl, csv, tsv, parquet; gzipped too) -> rows.

Knows columns and roles; nothing of instructions or filters. A role may be spread over several columns, whose texts
are joined; a negative may be one text, a list of them or none, and of several columns each gives its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from math import isnan
from pathlib import Path
from typing import Any

from instructvec.corpus.readers import read_records
from instructvec.corpus.records import kind_of
from instructvec.corpus.sources import source_of
from instructvec.errors import FileError
from instructvec.medi.problems import Problem, Problems
from instructvec.medi.registry import ROLES, Dataset
from instructvec.medi.sources.rows import Row, is_writable


def read_files(entry: Dataset, paths: Iterable[Path], problems: Problems) -> Iterator[Row]:
    """The rows of a dataset, in the order of its files.

    Args:
        entry: the dataset, of a kind that has columns.
        paths: its files.
        problems: told of files and rows that cannot be used.
    """
    for path in paths:
        try:
            source = source_of(path)
            unit = "row" if source.format == "parquet" else "line"
            for record in read_records(source):
                where = f"{path}, {unit} {record.number}"
                if record.problem:
                    problems.add(Problem("broken_row", entry.name, where, record.problem))
                elif (row := row_of(entry, record.values, where, problems)) is not None:
                    yield row
        except FileError as error:
            if problems.strict:
                raise
            reason = str(error).removeprefix(str(path)).lstrip(":, ")
            problems.add(Problem("broken_file", entry.name, str(path), reason))


def row_of(entry: Dataset, values: Mapping[str, Any], where: str, problems: Problems) -> Row | None:
    """The row in a record, or ``None`` where it cannot be used, which ``problems`` is then told.

    Example:
        >>> from instructvec.medi.registry import Source
        >>> entry = Dataset("faq", "pair", "MIT", "Represent the question: ", Source(file="faq.csv"))
        >>> row_of(entry, {"query": "How old?", "positive": "Nine."}, "faq.csv, row 2", Problems())[:2]
        ('How old?', 'Nine.')
    """
    found: list[Any] = []
    for role in ROLES[entry.kind]:
        columns = entry.source.columns.get(role, role)
        value = _value(entry, role, columns, values, where, problems)
        if value is None:
            return None
        for text in value if role == "negative" else (value,):
            if not is_writable(text):
                reason = f"the text for the role {role!r} has half a surrogate pair; expected Unicode text"
                problems.add(Problem("broken_row", entry.name, where, reason))
                return None
        found.append(value)
    if entry.kind == "label" and found[1] in entry.source.without_labels:
        problems.add(Problem("left_out_label", entry.name, where, f"{found[1]!r} is no label of its own"))
        return None
    if entry.kind == "triplet":
        return Row(found[0], found[1], tuple(found[2]), where)
    return Row(found[0], found[1], (), where)


def _value(
    entry: Dataset,
    role: str,
    columns: str | tuple[str, ...],
    values: Mapping[str, Any],
    where: str,
    problems: Problems,
) -> Any:
    names = (columns,) if isinstance(columns, str) else columns
    for name in names:
        if name not in values:
            there = ", ".join(map(repr, values)) or "no keys"
            reason = f"no {name!r} for the role {role!r}; there is {there}: correct the dataset's source.columns"
            problems.add(Problem("missing_field", entry.name, where, reason))
            return None
    if role == "negative":
        return _negatives(entry, {name: values[name] for name in names}, where, problems)
    texts = [_text(values[name], as_label=role == "label") for name in names]
    if None in texts:
        at = texts.index(None)
        reason = f"{names[at]!r} is {kind_of(values[names[at]])}; expected text"
        problems.add(Problem("broken_row", entry.name, where, reason))
        return None
    text = "\n".join(part for part in texts if part)
    if not text:
        problems.add(Problem("empty_text", entry.name, where, f"{' and '.join(map(repr, names))} is empty"))
        return None
    return text


def _text(value: Any, *, as_label: bool) -> str | None:
    """The stripped text, ``None`` where it is none; labels may be numbers too."""
    if isinstance(value, str):
        return value.strip()
    if as_label and isinstance(value, int | float) and not isnan(value):  # which pandas writes for none
        # The same class is 1 in one row and 1.0 in the next, where a column with gaps became one of floats.
        return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
    return None


def _negatives(entry: Dataset, columns: Mapping[str, Any], where: str, problems: Problems) -> list[str] | None:
    """All that is there; an absent one is empty or null."""
    texts: list[str] = []
    for name, value in columns.items():
        values = value if isinstance(value, list | tuple) else [] if value is None else [value]
        bad = [one for one in values if not isinstance(one, str)]
        if bad:
            reason = f"{name!r} has {kind_of(bad[0])}; expected a text or a list of texts"
            problems.add(Problem("broken_row", entry.name, where, reason))
            return None
        texts += filter(None, map(str.strip, values))
    return texts
