"""Datasets that hold the same texts -> rows in which only the instruction tells which of two texts is near.

Knows which datasets may be contrasted and how; the rules themselves are in ``mining.goals``. Two datasets with the
same kind of answer (two sets of paraphrases, two of summaries) are no contrast: what one calls a match the other
would too. Nor are labelled texts and pairs: a question's answer has the question's topic.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.medi.mine import VectorsOf, ids_of
from instructvec.medi.mining import Contrast, Mined, SharedTexts, crossed_label_triplets, other_goal_triplets
from instructvec.medi.registry import Dataset
from instructvec.medi.search import NO_ROW
from instructvec.medi.sources.superni import are_labels

if TYPE_CHECKING:
    import pyarrow as pa

MAX_TEXTS = 4000
"""Shared texts that are looked at, drawn from all: what a pair gives is capped far below."""


_Labels: TypeAlias = list[str | None] | None
"""A label a text under one goal, or none where the goal has no labels."""


class Side(NamedTuple):
    """One dataset of a contrast.

    Attributes:
        entry: the dataset.
        rows: ``first`` and ``second``.
        mined: its triplets, as ``mine`` has them.
    """

    entry: Dataset
    rows: pa.Table
    mined: pa.Table

    @property
    def has_labels(self) -> bool:
        """Whether ``second`` holds labels."""
        if self.entry.kind == "superni":
            return are_labels(self.rows.column("second").to_pylist())
        return self.entry.kind == "label"


class Contrasted(NamedTuple):
    """What two datasets gave.

    Attributes:
        a: ``query``, ``positive``, ``negative``, ``rule``, ``group``, ``label`` under the first goal.
        b: under the second, row k the counterpart of row k.
        facts: how many texts are shared, and why some gave nothing.
    """

    a: pa.Table
    b: pa.Table
    facts: dict[str, Any]


def may_contrast(a: Dataset, b: Dataset) -> bool:
    """Whether the goals of two datasets differ by more than their source.

    Example:
        >>> from instructvec.medi.registry import Source
        >>> def entry(name, objective, kind="pair"):
        ...     return Dataset(name, kind, "MIT", f"Represent the text for {objective}: ", Source(file="x"))
        >>> may_contrast(entry("a", "finding a paraphrase"), entry("b", "finding a simpler one"))
        False
        >>> may_contrast(entry("a", "its mood", kind="label"), entry("b", "its topic", kind="label"))
        True
    """
    one_sided = ("label", "superni")
    if a.kind in one_sided or b.kind in one_sided:
        return a.kind in one_sided and b.kind in one_sided and a.instruction != b.instruction
    return a.symmetric != b.symmetric or (not a.symmetric and a.document_type != b.document_type)


def contrast(
    a: Side, b: Side, shared: SharedTexts, vectors_of: VectorsOf, *, limit: int, rng: np.random.Generator
) -> Contrasted:
    """Rows of two datasets about the texts that both have.

    Where both have labels, positives agree with the anchor under one goal and differ under the other, crosswise;
    else each dataset's mined positive is the other's negative.

    Args:
        a: one dataset.
        b: the other.
        shared: the rows of the shared texts in both.
        vectors_of: the miner's model.
        limit: anchors at most.
        rng: draws them.
    """
    places = np.arange(len(shared.rows_a))
    if len(places) > MAX_TEXTS:
        places = np.sort(rng.choice(places, MAX_TEXTS, replace=False))
    rows_a, rows_b = shared.rows_a[places], shared.rows_b[places]
    if a.has_labels and b.has_labels:
        texts = a.rows.column("first").take(rows_a).to_pylist()
        labels_a, labels_b = (
            side.rows.column("second").take(rows).to_pylist() for side, rows in ((a, rows_a), (b, rows_b))
        )
        found = crossed_label_triplets(vectors_of(texts), labels_a, labels_b)
    else:
        texts, labels_a, labels_b, found = _by_positives(a, b, rows_a, rows_b, vectors_of)
    n = len(found.a.anchors)
    chosen = np.sort(rng.choice(n, limit, replace=False)) if n > limit else np.arange(n)
    groups = [f"{a.entry.name}|{b.entry.name}|{at}" for at in range(len(chosen))]
    facts = {"shared": len(shared.rows_a), "rows": 2 * len(chosen), "without_triplet": dict(found.a.dropped)}
    return Contrasted(
        _table(texts, labels_a, found.a, chosen, groups), _table(texts, labels_b, found.b, chosen, groups), facts
    )


def _by_positives(
    a: Side, b: Side, rows_a: NDArray[np.int64], rows_b: NDArray[np.int64], vectors_of: VectorsOf
) -> tuple[list[str], _Labels, _Labels, Contrast]:
    """The contrast of mined positives, over the texts of both sides in one numbering, and the texts' labels."""
    numbers: dict[str, int] = {}
    sides = [_triplets(side, rows, numbers) for side, rows in ((a, rows_a), (b, rows_b))]
    labels_a, labels_b = (_labels(side, numbers) for side in (a, b))
    texts = list(numbers)
    vectors = vectors_of(texts) if texts else np.zeros((0, 1), np.float16)
    found = other_goal_triplets(sides[0], sides[1], vectors, labels_a=labels_a, labels_b=labels_b)
    return texts, labels_a, labels_b, found


def _triplets(side: Side, rows: NDArray[np.int64], numbers: dict[str, int]) -> Mined:
    """The mined triplets whose anchor is a shared text, in numbers of texts."""
    is_shared = np.isin(side.mined.column("row").to_numpy(), rows)
    own = side.mined.filter(is_shared)
    pairs = [
        np.array([numbers.setdefault(text, len(numbers)) for text in own.column(name).to_pylist()], np.int64)
        for name in ("query", "positive")
    ]
    none = np.full(len(pairs[0]), NO_ROW)
    return Mined(pairs[0], pairs[1], none, np.zeros(len(none), np.float32), {}, {})


def _labels(side: Side, numbers: Mapping[str, int]) -> _Labels:
    """The label of each numbered text under a goal that has labels."""
    if not side.has_labels:
        return None
    known = dict(zip(side.rows.column("first").to_pylist(), side.rows.column("second").to_pylist(), strict=True))
    return [known.get(text) for text in numbers]


def _table(
    texts: Sequence[str], labels: _Labels, mined: Mined, chosen: NDArray[np.int64], groups: Sequence[str]
) -> pa.Table:
    import pyarrow as pa

    column = pa.array(texts, pa.string())
    label = pa.nulls(len(texts), pa.string()) if labels is None else pa.array(labels, pa.string())
    return pa.table(
        {
            "query": column.take(mined.anchors[chosen]),
            "positive": column.take(mined.positives[chosen]),
            "negative": column.take(mined.negatives[chosen]),
            "rule": pa.array(["other_goal"] * len(chosen), pa.string()),
            "group": pa.array(groups, pa.string()),
            "label": label.take(mined.anchors[chosen]),
        }
    )


def text_ids(rows: pa.Table) -> NDArray[np.int64]:
    """(rows,) int64, equal where the texts are."""
    return ids_of(rows.column("first").to_pylist())
