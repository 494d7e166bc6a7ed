"""Labelled texts -> rows that only their goal, the dataset's label or the subject, tells apart.

Knows which texts are looked at and when a label is no contrast to the subject; the rule itself is in
``mining.forms``, with the label in the place of the form. Without such rows nothing says that a labelled dataset's
texts are near by their label only where that is asked for: the label is learned as what the texts are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from instructvec.medi.config import LabelOptions
from instructvec.medi.form_rows import goal_entry, two_goal_rows
from instructvec.medi.mine import VectorsOf, word_ids
from instructvec.medi.mining import form_subject_triplets, label_agreement
from instructvec.medi.mix import generator
from instructvec.medi.registry import Dataset, Wordings
from instructvec.medi.triplets import schema

if TYPE_CHECKING:
    import pyarrow as pa

REVISION = 1
"""Raised whenever the same texts give other rows than before."""
GOAL = "subject"
"""The goal that labels are contrasted with."""

IS_SUBJECT = "the label is the subject"
TOO_FEW = "too few of its dataset"


class LabelRows(NamedTuple):
    """Rows of the mixture and what is known of them.

    Attributes:
        table: of the mixture's schema, the two rows of a group one after the other.
        facts: ``texts`` that were looked at, their ``agreement`` with their neighbours, ``groups``, and
            ``without_triplet`` by reason.
    """

    table: pa.Table
    facts: dict[str, Any]


def label_rows(
    entry: Dataset,
    rows: pa.Table,
    vectors_of: VectorsOf,
    goals: Mapping[str, Wordings],
    options: LabelOptions,
    *,
    share: float,
    seed: int,
) -> LabelRows:
    """The rows of a dataset under its own goal and under the subject, two a group.

    Args:
        entry: a dataset with labels.
        rows: its ``first`` (texts) and ``second`` (labels).
        vectors_of: the miner's model.
        goals: how the subject is asked for.
        options: thresholds, and how many texts and groups at most.
        share: of paraphrases.
        seed: of the draws.
    """
    texts, labels = draw_labelled(entry, rows, options, seed=seed)
    vectors = vectors_of(texts) if texts else np.zeros((0, 1), np.float16)
    agreement = float(np.mean(label_agreement(vectors, labels))) if len(set(labels)) > 1 else 1.0
    facts: dict[str, Any] = {"texts": len(texts), "agreement": round(agreement, 3), "groups": 0}
    nothing = schema().empty_table()
    if agreement > options.max_agreement:
        return LabelRows(nothing, {**facts, "without_triplet": {IS_SUBJECT: len(texts)}})
    rng = generator(seed, entry.name, GOAL, "contrast")
    found = form_subject_triplets(
        vectors,
        labels,
        rng=rng,
        limit=options.groups,
        min_near=options.min_near,
        n_near=options.n_near,
        max_far=options.max_far,
        max_far_other=options.max_far_other,
    )
    n = len(found.a.anchors)
    if n < options.min_groups:
        return LabelRows(nothing, {**facts, "without_triplet": {**found.a.dropped, TOO_FEW: n}})
    table = two_goal_rows((entry, goal_entry(GOAL, goals)), texts, labels, found, share=share, rng=rng)
    table = _uninstructed(table, options.uninstructed, rng)
    return LabelRows(table, {**facts, "groups": n, "without_triplet": dict(found.a.dropped)})


def _uninstructed(table: pa.Table, share: float, rng: np.random.Generator) -> pa.Table:
    """The rows, a share of the subject's without any instruction."""
    import pyarrow as pa
    import pyarrow.compute as pc

    is_subject = np.arange(table.num_rows) % 2 == 1
    chosen = pa.array(is_subject & (rng.random(table.num_rows) < share))
    for name in ("query_instruction", "positive_instruction", "negative_instruction"):
        own = pc.if_else(chosen, pa.scalar("", pa.string()), table.column(name).combine_chunks())
        table = table.set_column(table.column_names.index(name), table.schema.field(name), own)
    return table


def draw_labelled(
    entry: Dataset, rows: pa.Table, options: LabelOptions, *, seed: int
) -> tuple[list[str], list[str]]:
    """The texts that are looked at, sorted, and the label of each.

    A text of two labels is left out: it has no other.

    Args:
        entry: a dataset with labels.
        rows: its ``first`` (texts) and ``second`` (labels).
        options: how many, and how long.
        seed: of the draw.
    """
    both = zip(rows.column("first").to_pylist(), rows.column("second").to_pylist(), strict=True)
    fitting = sorted(
        {(text, label) for text, label in both if options.min_characters <= len(text) <= options.max_characters}
    )
    keys = word_ids([text for text, _ in fitting]).tolist()
    labels_of: dict[int, set[str]] = {}
    for key, (_, label) in zip(keys, fitting, strict=True):
        labels_of.setdefault(key, set()).add(label)
    first = dict(reversed(list(zip(keys, fitting, strict=True))))
    kept = sorted(one for key, one in first.items() if len(labels_of[key]) == 1)
    if len(kept) > options.texts:
        rng = generator(seed, entry.name, "labels", "texts")
        kept = [kept[at] for at in np.sort(rng.choice(len(kept), options.texts, replace=False))]
    return [text for text, _ in kept], [label for _, label in kept]
