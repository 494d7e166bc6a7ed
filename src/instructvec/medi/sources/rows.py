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
