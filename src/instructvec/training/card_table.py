"""Rows of words -> a Markdown table.

Knows Markdown's signs; nothing of what is in the cells.
"""

from __future__ import annotations

from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, n_left: int) -> str:
    """A Markdown table.

    Args:
        head: names of the columns.
        rows: cells; line ends and bars in them do no harm.
        n_left: so many first columns hold words; the others hold numbers, set to the right.

    Example:
        >>> print(table(["task", "score"], [["a|b", "1.5"]], n_left=1))
        | task | score |
        |---|---:|
        | a\\|b | 1.5 |
    """
    rule = ["---" if index < n_left else "---:" for index in range(len(head))]
    return "\n".join([_line(head), f"|{'|'.join(rule)}|", *map(_line, rows)])


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(' '.join(cell.split()).replace('|', chr(92) + '|') for cell in cells)} |"
