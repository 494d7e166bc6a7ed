"""What every dataset is read as: rows of two texts and, in triplets, what must not match.

Knows the shape; nothing of files, filters or instructions.
"""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """One row of a dataset.

    Attributes:
        first: the query, the labelled text, or a task's input.
        second: the positive, the label, or a task's output.
        others: what must not match the query; empty but for triplets.
        where: file and place, for messages.
    """

    first: str
    second: str
    others: tuple[str, ...]
    where: str


def is_writable(text: str) -> bool:
    """Whether a text can be written as UTF-8: half a surrogate pair, which JSON can spell, cannot.

    Example:
        >>> is_writable("yes"), is_writable(chr(0xD83D))
        (True, False)
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
