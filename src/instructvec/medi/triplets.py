"""What a mixture is made of: a text, one that must be near it, and one that must not, an instruction each.

Knows the shape of a row, in memory and in Parquet; nothing of how rows are found.
Source: Su et al. 2023, section 2.3; the original's ``medi-data.json``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

if TYPE_CHECKING:
    import pyarrow as pa

Kind: TypeAlias = Literal["pair", "triplet", "label", "superni"]
"""What a dataset holds: pairs, triplets, labelled texts, or inputs and outputs of a Super-NI task."""
KINDS: tuple[Kind, ...] = get_args(Kind)

Rule: TypeAlias = Literal["given", "class", "text_output", "labelled", "mined", "other_goal", "wrong_instruction"]
"""How positive and negative were found: ``given`` as the source has them, the others by a rule of ``mining``."""
RULES: tuple[Rule, ...] = get_args(Rule)


class Side(NamedTuple):
    """A text and its instruction, ``""`` where there is none."""

    instruction: str
    text: str


class Triplet(NamedTuple):
    """One row of a mixture.

    Attributes:
        query: the anchor.
        positive: what must lie near it.
        negative: what must not, chosen to be confusable; ``None`` where none was found.
        dataset: the name of its dataset.
        kind: what its dataset holds.
        rule: how positive and negative were found.
        group: rows of the same group belong into one batch, because their contrast is between each other;
            ``None`` for rows that stand alone.
        label: of query and positive under the dataset's goal, where it has labels: in a batch, rows of one label
            are no negatives of each other.
    """

    query: Side
    positive: Side
    negative: Side | None
    dataset: str
    kind: str
    rule: Rule
    group: str | None = None
    label: str | None = None


_COLUMNS = ("query", "positive", "negative")


def schema() -> pa.Schema:
    """The Parquet schema: an instruction and a text a side, then dataset, kind, rule, group and label."""
    import pyarrow as pa

    sides = [pa.field(f"{side}{part}", pa.string()) for side in _COLUMNS for part in ("_instruction", "")]
    return pa.schema(
        [*sides, *(pa.field(name, pa.string()) for name in ("dataset", "kind", "rule", "group", "label"))]
    )


def to_table(triplets: Iterable[Triplet]) -> pa.Table:
    """Triplets as a table of :func:`schema`; an absent negative is two nulls.

    Example:
        >>> row = Triplet(Side("Topic: ", "rain"), Side("Topic: ", "snow"), None, "weather", "label", "labelled")
        >>> list(from_table(to_table([row]))) == [row]
        True
    """
    import pyarrow as pa

    flat = [(*one.query, *one.positive, *(one.negative or (None, None)), *one[3:]) for one in triplets]
    columns = list(zip(*flat, strict=True)) or [()] * len(schema())
    return pa.table([pa.array(column, pa.string()) for column in columns], schema=schema())


def from_table(table: pa.Table) -> Iterator[Triplet]:
    """The inverse of :func:`to_table`."""
    columns = [table.column(name).to_pylist() for name in schema().names]
    for query_i, query, positive_i, positive, negative_i, negative, *rest in zip(*columns, strict=True):
        other = None if negative is None else Side(negative_i, negative)
        yield Triplet(Side(query_i, query), Side(positive_i, positive), other, *rest)
