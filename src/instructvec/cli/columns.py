"""What a command found of each row -> columns beside those of the input; and the column it is measured against.

Knows tables and names of columns; nothing of what is in them.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from instructvec.errors import ConfigError, FileError

if TYPE_CHECKING:
    import pyarrow as pa

    from instructvec.cli.inputs import Loaded


def add_column_options(parser: argparse.ArgumentParser, gold: str) -> None:
    """``--prefix`` and ``--gold-column``.

    Args:
        parser: of the command.
        gold: what is computed against the true labels.
    """
    parser.add_argument("--prefix", default="", metavar="P", help="put before the names of the new columns")
    parser.add_argument("--gold-column", metavar="COLUMN", help=f"holds the true labels: print {gold}")


def check_new_columns(loaded: Loaded, prefix: str, *names: str) -> None:
    """Refuse new columns whose names are taken; worth asking before long work.

    Raises:
        ConfigError: naming them.
    """
    taken = [prefix + name for name in names if prefix + name in loaded.columns.column_names]
    if taken:
        raise ConfigError(
            f"the input has {'a column' if len(taken) == 1 else 'columns'} {' and '.join(map(repr, taken))} "
            "already, as the new ones are called; call these otherwise with --prefix, such as --prefix found_"
        )


def with_columns(loaded: Loaded, prefix: str, columns: dict[str, pa.Array]) -> pa.Table:
    """The input's columns, then the new ones."""
    import pyarrow as pa

    kept = loaded.columns
    if not kept.column_names:  # of vectors alone; an empty table has no rows
        return pa.table({prefix + name: values for name, values in columns.items()})
    for name, values in columns.items():
        kept = kept.append_column(prefix + name, values)
    return kept


def gold_of(loaded: Loaded, name: str) -> tuple[list[int], list[str]]:
    """The rows that have a true label, and these labels as text.

    Raises:
        FileError: there is no such column, or nothing in it.
    """
    values: list[Any] = loaded.values_of(name, "--gold-column")
    rows = [row for row, value in enumerate(values) if value is not None and str(value).strip()]
    if not rows:
        raise FileError(f"--gold-column {name!r}: every row is empty; expected true labels")
    return rows, [str(values[row]) for row in rows]


def counted(number: int, noun: str) -> str:
    """A number of things.

    Example:
        >>> counted(1, "row"), counted(2000, "row")
        ('1 row', '2,000 rows')
    """
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def shortened(text: str, width: int) -> str:
    """One line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
