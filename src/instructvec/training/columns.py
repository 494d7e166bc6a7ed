"""What a user says of a table's columns -> checked values: what each holds, and what the vectors are for.

Knows names and instructions; nothing of files or rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

from instructvec.errors import ConfigError
from instructvec.medi.registry import MAX_INSTRUCTION_CHARACTERS

TableKind: TypeAlias = Literal["label", "pair"]
"""Texts with a label each, or texts with another that belongs to them."""


@dataclass(frozen=True, slots=True)
class LabelColumns:
    """Which columns hold texts and labels, and what the vectors are for.

    Attributes:
        text: column of the texts.
        label: column of the labels, which may be numbers too.
        instruction: read before every text, in training and afterwards.
    """

    text: str
    label: str
    instruction: str = "Represent the text for classification: "

    def __post_init__(self) -> None:
        _check_columns(self.used)
        _check_instruction("instruction", self.instruction)

    @property
    def kind(self) -> TableKind:
        """``"label"``."""
        return "label"

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that are read."""
        return (self.text, self.label)


@dataclass(frozen=True, slots=True)
class PairColumns:
    """Which columns hold two texts that belong together, and what the vectors are for.

    Attributes:
        query: column of the one side.
        positive: column of the other.
        negative: column of texts, or lists of texts, that look alike and do not belong to the query; may be empty.
        symmetric: both sides are of one sort, such as two questions that ask the same: they share the query's
            instruction, and belonging together holds along chains.
        instruction: read before every query.
        document_instruction: read before the other side; not used where the table is symmetric.
    """

    query: str
    positive: str
    negative: str | None = None
    symmetric: bool = False
    instruction: str = "Represent the query for retrieval: "
    document_instruction: str = "Represent the document for retrieval: "

    def __post_init__(self) -> None:
        _check_columns(self.used)
        _check_instruction("instruction", self.instruction)
        _check_instruction("document_instruction", self.document_instruction)

    @property
    def kind(self) -> TableKind:
        """``"pair"``."""
        return "pair"

    @property
    def used(self) -> tuple[str, ...]:
        """The columns that are read."""
        return (self.query, self.positive, *([self.negative] if self.negative else []))


Columns: TypeAlias = LabelColumns | PairColumns


def described(columns: Columns) -> dict[str, Any]:
    """The columns as plain values, for files that tell what was asked for."""
    return {"kind": columns.kind} | {one.name: getattr(columns, one.name) for one in fields(columns)}


def _check_columns(names: Sequence[str]) -> None:
    if not all(names):
        raise ConfigError("a column's name is empty; name the columns as the file does")
    for at, name in enumerate(names):
        if name in names[:at]:
            raise ConfigError(f"the column {name!r} is named twice; each column has one part to play")


def _check_instruction(option: str, text: str) -> None:
    if not text.strip() or len(text) > MAX_INSTRUCTION_CHARACTERS or "\n" in text:
        raise ConfigError(
            f"{option} is {text!r:.80}; expected one line of 1 to {MAX_INSTRUCTION_CHARACTERS} characters, such "
            "as 'Represent the message for classifying its intent: '"
        )
