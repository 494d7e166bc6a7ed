"""Texts that occur under two goals -> pairs of triplets in which each goal's positive is the other's negative.

Knows row numbers, vectors and labels; nothing of the goals' instructions. Batches of one task never contrast
instructions: a model trained on them may as well ignore what it is told. Two triplets of the same anchor, whose
positive and negative swap when the goal does, cannot be told apart without reading it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.medi.mining.labels import DUPLICATE_COSINE, Labels
from instructvec.medi.mining.mined import (
    UNKNOWN,
    Mined,
    Reason,
    assemble,
    best,
    check_cosine,
    label_codes,
)
from instructvec.medi.search import NO_ROW, Vectors, check_at_least, cosines, score_blocks, unit_vectors

MIN_TOGETHER = 3
"""Two labels that meet in fewer texts most likely meet by mistake, and would be the answer to every anchor."""


class Contrast(NamedTuple):
    """Triplets of the same anchors under two goals; belong into one batch, each row with its counterpart.

    Attributes:
        a: under the first goal.
        b: under the second: row k has the anchor of row k of ``a``, its negative as positive, its positive as
            negative.
    """

    a: Mined
    b: Mined


def other_goal_triplets(
    a: Mined,
    b: Mined,
    vectors: Vectors,
    *,
    labels_a: Labels | None = None,
    labels_b: Labels | None = None,
    duplicate_cosine: float = DUPLICATE_COSINE,
) -> Contrast:
    r"""Each goal's positive as the other's hard negative, for anchors that were mined under both.

    For text x with the positives :math:`p_A` and :math:`p_B` the triplets are :math:`(A: x, p_A, p_B)` and
    :math:`(B: x, p_B, p_A)`, where :math:`p_A \ne p_B`, and neither is known to match x under the other's goal:
    by a pair of the other's triplets, in either direction, or by equal labels.

    Args:
        a: triplets under the first goal, as rows of ``vectors``; of several with one anchor the first counts.
        b: under the second goal, in the same rows.
        vectors: (n, d) unit vectors of all texts, a text a row.
        labels_a: n labels under the first goal, ``None`` where not known.
        labels_b: n labels under the second goal.
        duplicate_cosine: from which cosine on the two positives count as the same; 2 for never.

    Returns:
        Margins are the cosine of anchor and positive less that of anchor and negative; a's are -1 times b's.
        ``dropped`` counts anchors of either goal, and is the same on both sides.

    Raises:
        InputError: rows that are not unit vectors, triplets that point beyond them, labels of another number.
        ConfigError: an option out of range.

    Example:
        >>> def mined(positive):
        ...     one = np.array([positive])
        ...     return Mined(np.array([0]), one, one, np.zeros(1, "f4"), {}, {})
        >>> found = other_goal_triplets(mined(1), mined(2), np.array([[0.8, 0.6], [1.0, 0.0], [0.0, 1.0]]))
        >>> found.a.positives.tolist(), found.a.negatives.tolist(), found.b.positives.tolist()
        ([1], [2], [2])
    """
    vectors = unit_vectors(vectors, "vectors")
    check_cosine(duplicate_cosine, "duplicate_cosine")
    n = len(vectors)
    p_a, p_b = _positive_of(a, n, "a"), _positive_of(b, n, "b")
    anchors = np.flatnonzero((p_a != NO_ROW) | (p_b != NO_ROW))
    p_a, p_b = p_a[anchors], p_b[anchors]
    lone = (p_a == NO_ROW) | (p_b == NO_ROW)
    same = (p_a == p_b) | (cosines(vectors[p_a], vectors[p_b]) >= duplicate_cosine)
    drop: list[Reason] = [
        ("mined under one goal only", lone),
        ("the same positive under both goals", same),
        ("one goal's positive also matches under the other", np.zeros(len(anchors), np.bool_)),
    ]
    for positives, other, labels, name in ((p_a, b, labels_b, "labels_b"), (p_b, a, labels_a, "labels_a")):
        drop.append((drop[2][0], _matches(anchors, positives, other, labels, n, name)))
    return swapped(vectors, anchors, p_a, p_b, drop)


def crossed_label_triplets(
    vectors: Vectors,
    labels_a: Labels,
    labels_b: Labels,
    *,
    min_together: int = MIN_TOGETHER,
    duplicate_cosine: float = DUPLICATE_COSINE,
    block_rows: int | None = None,
) -> Contrast:
    r"""The sharpest contrast of two label sets: what agrees under one goal and differs under the other, crosswise.

    For text x with the labels :math:`A(x)` and :math:`B(x)`:

    .. math::
        u = \operatorname{argmax}_{j:\, A(j) = A(x),\, B(j) \ne B(x)} \cos(x, j), \quad
        v = \operatorname{argmax}_{j:\, B(j) = B(x),\, A(j) \ne A(x)} \cos(x, j)

    and the triplets :math:`(A: x, u, v)` and :math:`(B: x, v, u)`. Rows with one label missing take no part, nor
    those of two labels that meet in fewer than ``min_together`` texts: a sole sweet main course is a mistake of
    the labels, and would be v for every spicy one. Label sets that part the texts alike, under whatever names,
    give nothing.

    Args:
        vectors: (n, d) unit vectors.
        labels_a: n labels under the first goal, ``None`` where not known.
        labels_b: n labels under the second goal.
        min_together: texts that have the same two labels, the row counted; 1 for no such guard.
        duplicate_cosine: texts from this cosine on count as the anchor's own, and are neither; 2 for none.
        block_rows: anchors at once; by default as many as make a block of scores 64 MB.

    Returns:
        Margins as in :func:`other_goal_triplets`.

    Raises:
        InputError: labels and vectors of other numbers, or rows that are not unit vectors.
        ConfigError: an option out of range.

    Example:
        >>> x = np.array([[0.6, 0.8], [1.0, 0.0], [0.0, 1.0]])
        >>> goals = ["sport", "sport", "art"], ["joy", "fear", "joy"]
        >>> found = crossed_label_triplets(x, *goals, min_together=1)
        >>> found.a.anchors.tolist(), found.a.positives.tolist(), found.a.negatives.tolist()
        ([0], [1], [2])
    """
    vectors = unit_vectors(vectors, "vectors")
    check_cosine(duplicate_cosine, "duplicate_cosine")
    check_at_least(min_together, 1, "min_together")
    n = len(vectors)
    codes_a, codes_b = label_codes(labels_a, n, "labels_a"), label_codes(labels_b, n, "labels_b")
    both = (codes_a != UNKNOWN) & (codes_b != UNKNOWN)
    rare = both & (_times_together(codes_a, codes_b) < min_together)
    known = np.flatnonzero(both & ~rare)
    u, v = np.full(n, NO_ROW), np.full(n, NO_ROW)
    for block, scores in score_blocks(vectors[known], vectors[known], block_rows):
        rows = known[block]
        same_a, same_b = (codes[rows, None] == codes[known] for codes in (codes_a, codes_b))
        far_enough = scores < duplicate_cosine
        for chosen, mask in ((u, same_a & ~same_b), (v, same_b & ~same_a)):
            columns, _ = best(scores, mask & far_enough)
            chosen[rows] = np.where(columns == NO_ROW, NO_ROW, known[columns])
    drop = [
        ("not labelled under both goals", ~both),
        (f"its two labels meet in fewer than {min_together} texts", rare),
        ("no text with the same first label and another second", u == NO_ROW),
        ("no text with the same second label and another first", v == NO_ROW),
    ]
    return swapped(vectors, np.arange(n), u, v, drop)


def _times_together(codes_a: NDArray[np.int32], codes_b: NDArray[np.int32]) -> NDArray[np.int64]:
    """(n,) how many rows have the row's two labels."""
    pairs = np.stack([codes_a, codes_b], axis=1)
    _, at, counts = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    return counts[at.reshape(-1)]


def _positive_of(mined: Mined, n_rows: int, name: str) -> NDArray[np.int64]:
    """(n,) the positive of the first triplet of each row, ``NO_ROW`` where it anchors none."""
    both = np.concatenate([mined.anchors, mined.positives])
    if len(both) and not 0 <= both.min() <= both.max() < n_rows:
        raise InputError(
            f"triplets of {name} point at rows {both.min()} to {both.max()}, and there are {n_rows} vectors; "
            "expected row numbers of the vectors"
        )
    anchors, first = np.unique(mined.anchors, return_index=True)
    positives = np.full(n_rows, NO_ROW)
    positives[anchors] = mined.positives[first]
    return positives


def _matches(
    anchors: NDArray[np.int64],
    positives: NDArray[np.int64],
    other: Mined,
    labels: Labels | None,
    n: int,
    name: str,
) -> NDArray[np.bool_]:
    """Which (anchor, positive) are known to match under the other goal."""
    pairs = np.concatenate([other.anchors * n + other.positives, other.positives * n + other.anchors])
    known: NDArray[np.bool_] = np.isin(anchors * n + positives, pairs)
    if labels is None:
        return known
    codes = label_codes(labels, n, name)
    known |= (codes[anchors] == codes[positives]) & (codes[anchors] != UNKNOWN)
    return known


def swapped(
    vectors: Vectors,
    anchors: NDArray[np.int64],
    u: NDArray[np.int64],
    v: NDArray[np.int64],
    drop: list[Reason],
) -> Contrast:
    """The triplets (x, u, v) under the first goal and (x, v, u) under the second, for anchors nothing leaves out.

    Args:
        vectors: (n, d) unit vectors, for the margins.
        anchors: (m,) int64 rows.
        u: (m,) int64, row i the positive of anchor i under the first goal, ``NO_ROW`` where there is none.
        v: (m,) int64, under the second.
        drop: reasons to leave anchors out; the first that holds is counted.
    """
    margins = cosines(vectors[anchors], vectors[u]) - cosines(vectors[anchors], vectors[v])
    a, b = assemble(u, v, margins, drop), assemble(v, u, -margins, drop)
    rows = anchors[a.anchors]
    return Contrast(a._replace(anchors=rows), b._replace(anchors=rows))
