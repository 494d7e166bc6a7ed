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


def with_columns(table: pa.Table, columns: dict[str, Any]) -> pa.Table:
    """The table with further columns behind its own.

    Args:
        table: n rows, or no columns at all.
        columns: n values, or a pyarrow array of them, by name.

    Raises:
        FileError: the table has a column of such a name already, as the output of this very command has.
    """
    import pyarrow as pa

    found = {}
    for name, values in columns.items():
        if name in table.column_names:
            raise FileError(
                f"column {name!r} is in the input already; expected none, for the output gets one of that name: "
                "rename or drop it"
            )
        found[name] = values if isinstance(values, pa.Array | pa.ChunkedArray) else pa.array(values)
    if not table.column_names:  # of vectors alone, which have no columns and so no rows either
        return pa.table(found)
    for name, array in found.items():
        table = table.append_column(name, array)
    return table


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


def shortened(text: str, width: int) -> str:
    """One line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= width else line[: width - 1] + "…"
