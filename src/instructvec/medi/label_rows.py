"""Labelled texts -> rows that only their goal, the dataset's label or the subject, tells apart.

Knows which texts are looked at and when a label is no contrast to the subject; the rule itself is in
``mining.forms``, with the label in the place of the form. Without such rows nothing says that a labelled dataset's
texts are near by their label only where that is asked for: the label is learned as what the texts are. Under any
other instruction, and under none, a text's nearest are those of its subject.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructvec.medi.config import LabelOptions
from instructvec.medi.form_rows import goal_entry, two_goal_rows
from instructvec.medi.mine import VectorsOf, word_ids
from instructvec.medi.mining import form_subject_triplets, label_agreement
from instructvec.medi.mining.labels import DUPLICATE_COSINE
from instructvec.medi.mix import finished, generator
from instructvec.medi.registry import Dataset, Wordings
from instructvec.medi.search import Vectors, nearest
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
        groups: of the mixture's schema, the two rows of a group one after the other.
        alone: rows of the subject that are in no group.
        facts: ``texts`` that were looked at, their ``agreement`` with their neighbours, ``groups``, ``alone``, and
            ``without_triplet`` by reason.
    """

    groups: pa.Table
    alone: pa.Table
    facts: dict[str, Any]


def label_rows(
    entry: Dataset,
    rows: pa.Table,
    vectors_of: VectorsOf,
    goals: Mapping[str, Wordings],
    options: LabelOptions,
    *,
    purposes: Sequence[str] = (),
    share: float,
    seed: int,
) -> LabelRows:
    """The rows of a dataset under its own goal and under the subject, two a group, and some of the subject alone.

    Args:
        entry: a dataset with labels.
        rows: its ``first`` (texts) and ``second`` (labels).
        vectors_of: the miner's model.
        goals: how the subject is asked for.
        options: thresholds, and how many texts, groups and neighbours at most.
        purposes: instructions of datasets whose two sides match by what they say.
        share: of paraphrases.
        seed: of the draws.
    """
    texts, labels = draw_labelled(entry, rows, options, seed=seed)
    vectors = vectors_of(texts) if texts else np.zeros((0, 1), np.float16)
    agreement = float(np.mean(label_agreement(vectors, labels))) if len(set(labels)) > 1 else 1.0
    facts: dict[str, Any] = {"texts": len(texts), "agreement": round(agreement, 3), "groups": 0, "alone": 0}
    nothing = schema().empty_table()
    if agreement > options.max_agreement:
        return LabelRows(nothing, nothing, {**facts, "without_triplet": {IS_SUBJECT: len(texts)}})
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
    subject = goal_entry(GOAL, goals)
    alone = _near_ones(subject, texts, vectors, options, share, rng)
    alone = _otherwise_instructed(alone, np.ones(alone.num_rows, np.bool_), options, purposes, rng)
    facts["alone"] = alone.num_rows
    n = len(found.a.anchors)
    if n < options.min_groups:
        return LabelRows(nothing, alone, {**facts, "without_triplet": {**found.a.dropped, TOO_FEW: n}})
    table = two_goal_rows((entry, subject), texts, labels, found, share=share, rng=rng)
    table = _otherwise_instructed(table, np.arange(table.num_rows) % 2 == 1, options, purposes, rng)
    return LabelRows(table, alone, {**facts, "groups": n, "without_triplet": dict(found.a.dropped)})


def _near_ones(
    subject: Dataset,
    texts: Sequence[str],
    vectors: Vectors,
    options: LabelOptions,
    share: float,
    rng: np.random.Generator,
) -> pa.Table:
    """Texts with the nearest one that is no duplicate, whatever its label, where it is near enough."""
    import pyarrow as pa

    near = nearest(vectors, vectors, options.n_near, exclude_self=True)
    fits = (near.scores >= options.min_near) & (near.scores < DUPLICATE_COSINE)
    anchors = np.flatnonzero(fits.any(axis=1))
    if len(anchors) > options.neighbours:
        anchors = np.sort(rng.choice(anchors, options.neighbours, replace=False))
    positives = near.rows[anchors, fits[anchors].argmax(axis=1)] if len(anchors) else anchors
    column = pa.array(texts, pa.string())
    n = len(anchors)
    table = pa.table(
        {
            "query": column.take(anchors),
            "positive": column.take(positives),
            "negative": pa.nulls(n, pa.string()),
            "rule": pa.array(["mined"] * n, pa.string()),
        }
    )
    return finished(subject, table, np.arange(n), share, rng)


def _otherwise_instructed(
    table: pa.Table,
    is_subject: NDArray[np.bool_],
    options: LabelOptions,
    purposes: Sequence[str],
    rng: np.random.Generator,
) -> pa.Table:
    """The rows, shares of the subject's without any instruction, and under those of other purposes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    draws = rng.random(table.num_rows)
    said = rng.choice(np.array(purposes or [""], object), table.num_rows)
    of_other = is_subject & (draws < options.other_purposes) & bool(purposes)
    is_bare = is_subject & (draws >= 1 - options.uninstructed)
    instruction = pa.array(np.where(is_bare, "", said), pa.string())
    for name in ("query_instruction", "positive_instruction", "negative_instruction"):
        own = table.column(name).combine_chunks()
        chosen = pc.and_(pa.array(of_other | is_bare), pc.is_valid(own))
        own = pc.if_else(chosen, instruction, own)
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
