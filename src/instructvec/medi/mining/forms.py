"""Texts of many forms -> pairs of triplets in which the form decides under one goal, the subject under the other.

Knows vectors and the form of each text (its genre, its kind of document), nothing of texts or instructions. What a
text is about shows in its vector, and what it is in where it comes from: so a near text of another form has its
subject, and a far one of its own form another subject.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.medi.mining.goals import Contrast, swapped
from instructvec.medi.mining.labels import DUPLICATE_COSINE
from instructvec.medi.mining.mined import UNKNOWN, Reason, check_cosine, label_codes
from instructvec.medi.search import (
    NO_ROW,
    Vectors,
    check_at_least,
    nearest,
    other_group,
    score_blocks,
    unit_vectors,
)

MIN_NEAR = 0.42
"""From this cosine on two texts of different forms mostly have one subject."""
N_NEAR = 8
MAX_FAR = 0.25
"""Below this cosine two texts of one form mostly have different subjects."""
MAX_FAR_OTHER = 0.3
"""A little above: across forms, cosines are lower anyway."""

_ANCHORS_A_BLOCK = 1024


def form_subject_triplets(
    vectors: Vectors,
    forms: Sequence[str],
    *,
    rng: np.random.Generator,
    limit: int | None = None,
    min_near: float = MIN_NEAR,
    n_near: int = N_NEAR,
    max_far: float = MAX_FAR,
    max_far_other: float = MAX_FAR_OTHER,
    duplicate_cosine: float = DUPLICATE_COSINE,
    block_rows: int | None = None,
) -> Contrast:
    r"""For each text one of its form on another subject, and one of its subject in another form.

    With the form :math:`f(x)` of a text, and :math:`N(x)` the ``n_near`` texts of other forms nearest to x:

    .. math::
        Z(x) &= \{z \in N(x):\ t_{near} \le \cos(x, z) < t_{duplicate}\} \\
        Y(x, z) &= \{y:\ f(y) = f(x),\ \cos(x, y) < t_{far},\ \cos(z, y) < t_{other}\}

    z is drawn from :math:`Z(x)`, then y from :math:`Y(x, z)`, and the triplets are (form: x, y, z) and (subject:
    x, z, y). Anchors are taken in an order that is drawn, until ``limit`` of them gave their two triplets.

    Args:
        vectors: (n, d) unit vectors.
        forms: n names.
        rng: makes the draws.
        limit: anchors with triplets at most; all where ``None``.
        min_near: :math:`t_{near}`, from which cosine on texts of two forms have one subject.
        n_near: among how many nearest texts of other forms z is.
        max_far: :math:`t_{far}`, below which two texts of one form have different subjects.
        max_far_other: :math:`t_{other}`, the same for texts of two forms.
        duplicate_cosine: from this cosine on z is no text of another form, but x once more; 2 for never.
        block_rows: anchors at once; draws do not depend on it.

    Returns:
        The form's triplets as ``a``, the subject's as ``b``, by row of the anchor. Margins are the cosine of
        anchor and positive less that of anchor and negative: below 0 under the form, which asks for what is far.
        ``dropped`` counts the anchors that were looked at, and is the same on both sides.

    Raises:
        InputError: rows that are not unit vectors; another number of forms, or one that is ``None``.
        ConfigError: an option out of range.

    Example:
        >>> texts = [("poem", [1.0, 0.0]), ("poem", [0.0, 1.0]), ("recipe", [0.8, -0.6])]
        >>> forms, vectors = zip(*texts)
        >>> found = form_subject_triplets(np.array(vectors), forms, rng=np.random.default_rng(0))
        >>> [found.a.anchors.tolist(), found.a.positives.tolist(), found.a.negatives.tolist()]
        [[0], [1], [2]]
    """
    vectors = unit_vectors(vectors, "vectors")
    n = len(vectors)
    for name, cosine in (("min_near", min_near), ("max_far", max_far), ("max_far_other", max_far_other)):
        check_cosine(cosine, name)
    check_cosine(duplicate_cosine, "duplicate_cosine")
    check_at_least(n_near, 1, "n_near")
    check_at_least(1 if limit is None else limit, 1, "limit")
    check_at_least(_ANCHORS_A_BLOCK if block_rows is None else block_rows, 1, "block_rows")
    codes = _codes(forms, n)
    order, draws = rng.permutation(n), rng.random((n, 2))
    y, z = np.full(n, NO_ROW), np.full(n, NO_ROW)
    n_found = n_done = 0
    while n_done < n and (limit is None or n_found < limit):
        rows = order[n_done : n_done + (block_rows or _ANCHORS_A_BLOCK)]
        near = nearest(vectors[rows], vectors, n_near, allowed=other_group(codes[rows], codes))
        same_subject = (near.scores >= min_near) & (near.scores < duplicate_cosine)
        at = _drawn(same_subject, draws[rows, 0])
        z[rows] = np.where(at == NO_ROW, NO_ROW, near.rows[np.arange(len(rows)), at])
        _draw_far(rows[at != NO_ROW], vectors, codes, y, z, draws[:, 1], max_far, max_far_other)
        n_found += int(np.count_nonzero(y[rows] != NO_ROW))
        n_done += len(rows)
    anchors = np.sort(_first(order[:n_done], y, limit))
    drop: list[Reason] = [
        ("no text of another form is near", z[anchors] == NO_ROW),
        ("no text of its form is far from both", y[anchors] == NO_ROW),
    ]
    return swapped(vectors, anchors, y[anchors], z[anchors], drop)


def _codes(forms: Sequence[str], n: int) -> NDArray[np.int32]:
    codes = label_codes(forms, n, "forms")
    unknown = np.flatnonzero(codes == UNKNOWN)
    if len(unknown):
        raise InputError(f"forms[{unknown[0]}] is None; expected the form of each text: leave out those without")
    return codes


def _draw_far(
    rows: NDArray[np.int64],
    vectors: Vectors,
    codes: NDArray[np.int32],
    y: NDArray[np.int64],
    z: NDArray[np.int64],
    draws: NDArray[np.float64],
    max_far: float,
    max_far_other: float,
) -> None:
    """Puts into ``y`` a text of the anchor's form for each of the rows, which have their z."""
    for code in np.unique(codes[rows]):
        anchors = rows[codes[rows] == code]
        own = np.flatnonzero(codes == code)
        blocks = (score_blocks(vectors[of], vectors[own]) for of in (anchors, z[anchors]))
        for (block, to_anchor), (_, to_other) in zip(*blocks, strict=True):
            at = _drawn((to_anchor < max_far) & (to_other < max_far_other), draws[anchors[block]])
            y[anchors[block]] = np.where(at == NO_ROW, NO_ROW, own[at])


def _drawn(candidates: NDArray[np.bool_], draws: NDArray[np.float64]) -> NDArray[np.int64]:
    """The column of one candidate of each row, by a number from 0 to below 1 a row; ``NO_ROW`` where none is."""
    counts = np.cumsum(candidates, axis=1, dtype=np.int32)
    wanted = (draws * counts[:, -1]).astype(np.int32)
    return np.where(counts[:, -1] > 0, (counts > wanted[:, None]).argmax(axis=1), NO_ROW)


def _first(order: NDArray[np.int64], y: NDArray[np.int64], limit: int | None) -> NDArray[np.int64]:
    """The anchors up to the one that completes the limit."""
    if limit is None:
        return order
    n_found = np.cumsum(y[order] != NO_ROW)
    return order[: int(np.searchsorted(n_found, limit)) + 1]
