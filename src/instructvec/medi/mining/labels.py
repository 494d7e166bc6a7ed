"""Labelled texts -> triplets: same label near or far, another label near.

Knows vectors and labels; nothing of the texts or of what a label means.
Source: Su et al. 2023, section 2.3, for class labels of Super-NaturalInstructions; the guards are this package's.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError
from instructvec.medi.mining.mined import UNKNOWN, Mined, assemble, best, check_cosine, check_share, label_codes
from instructvec.medi.search import (
    NO_ROW,
    Neighbours,
    Vectors,
    check_at_least,
    cosines,
    nearest,
    score_blocks,
    unit_vectors,
)

Labels = Sequence[Any] | NDArray[Any]
"""n labels, ``None`` where it is not known."""

DUPLICATE_COSINE = 0.98
"""Texts from this cosine on count as the same: as positives too easy, as negatives a mistake of the labels."""
FAR_QUANTILE = 0.25
"""Of the similarities within a label, from the farthest up: farther ones are mostly mistakes of the labels."""
N_NEIGHBOURS = 10
MIN_AGREEMENT = 0.05
"""Among many labels one of ten neighbours passes, of two even ones six."""
MIN_MEAN_AGREEMENT = 0.05
"""Below this mean the vectors do not show what the labels are about (well-formedness, reading level)."""
_LIST_DEPTH = 64
"""Neighbours kept of each text, in which nearly always one of another label is."""


def class_label_triplets(
    vectors: Vectors,
    labels: Labels,
    *,
    duplicate_cosine: float = DUPLICATE_COSINE,
    block_rows: int | None = None,
) -> Mined:
    r"""The nearest text of the same label is the positive, the nearest of another label the negative.

    For anchor i with vector :math:`x_i` and label :math:`c_i`:

    .. math::
        p = \operatorname{argmax}_{j \ne i,\, c_j = c_i} \cos(x_i, x_j), \quad
        n = \operatorname{argmax}_{j,\, c_j \ne c_i} \cos(x_i, x_j)

    over texts that are not the anchor's own, :math:`\cos(x_i, x_j) <` ``duplicate_cosine``: one text under two
    labels teaches nothing, and often only looks the same because both are cut at the model's limit.

    Args:
        vectors: (n, d) unit vectors.
        labels: n labels; rows whose label is ``None`` are left out.
        duplicate_cosine: from which cosine on texts count as the same; 2 keeps all.
        block_rows: anchors at once; by default as many as make a block of scores 64 MB.

    Returns:
        Margins are cos(x_i, x_p) - cos(x_i, x_n); below zero where the other label is nearer.

    Raises:
        InputError: labels and vectors of other numbers, or rows that are not unit vectors.
        ConfigError: an option out of range.

    Example:
        >>> x = np.array([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6], [0.0, 1.0]])
        >>> found = class_label_triplets(x, ["yes", "yes", "no", None])
        >>> found.anchors.tolist(), found.positives.tolist(), found.negatives.tolist()
        ([0, 1], [1, 0], [2, 2])
        >>> dict(found.dropped)
        {'label not known': 1, 'no other text of its label': 1}
    """
    vectors = unit_vectors(vectors, "vectors")
    codes = label_codes(labels, len(vectors))
    check_cosine(duplicate_cosine, "duplicate_cosine")
    n = len(vectors)
    positives, negatives, margins = np.full(n, NO_ROW), np.full(n, NO_ROW), np.full(n, np.inf, np.float32)
    for rows, scores in score_blocks(vectors, vectors, block_rows):
        candidate = (scores < duplicate_cosine) & (codes != UNKNOWN)
        np.fill_diagonal(candidate[:, rows], False)
        same = codes[rows, None] == codes
        positives[rows], near = best(scores, candidate & same)
        negatives[rows], far = best(scores, candidate & ~same)
        with np.errstate(invalid="ignore"):  # neither: such anchors are left out
            margins[rows] = near - far
    rare = _label_sizes(codes) < 2
    return assemble(
        positives,
        negatives,
        margins,
        [
            ("label not known", codes == UNKNOWN),
            ("no other text of its label", rare),
            ("all texts of its label are the same", positives == NO_ROW),
        ],
        [("no text of another label", negatives == NO_ROW)],
    )


def label_agreement(
    vectors: Vectors, labels: Labels, *, n_neighbours: int = N_NEIGHBOURS, block_rows: int | None = None
) -> NDArray[np.float32]:
    r"""How well each row's label can be told from its nearest neighbours, the row itself left out.

    With :math:`a_i` the share of row i's nearest neighbours that have its label and :math:`b_i` the share of all
    other rows that have it, :math:`(a_i - b_i) / (1 - b_i)`: 1 where all agree, 0 at chance, below 0 where the
    neighbours contradict the label. 0 where all rows have the label, NaN where it is not known.

    Args:
        vectors: (n, d) unit vectors.
        labels: n labels, ``None`` where not known; such rows are no neighbours.
        n_neighbours: how many neighbours are asked.
        block_rows: rows at once; by default as many as make a block of scores 64 MB.

    Returns:
        (n,) float32.

    Raises:
        InputError: labels and vectors of other numbers, or rows that are not unit vectors.
        ConfigError: an option out of range.

    Example:
        >>> x = np.eye(2)[[0, 0, 0, 1, 1]]
        >>> label_agreement(x, ["a", "a", "b", "b", "b"], n_neighbours=1).tolist()
        [1.0, 1.0, -1.0, 1.0, 1.0]
    """
    vectors = unit_vectors(vectors, "vectors")
    codes = label_codes(labels, len(vectors))
    check_at_least(n_neighbours, 1, "n_neighbours")
    known = np.flatnonzero(codes != UNKNOWN)
    agreement = np.full(len(vectors), np.nan, np.float32)
    found = nearest(vectors[known], vectors[known], n_neighbours, block_rows=block_rows, exclude_self=True)
    agreement[known] = _agreement(found, codes[known])
    return agreement


def labelled_triplets(
    vectors: Vectors,
    labels: Labels,
    *,
    far_quantile: float = FAR_QUANTILE,
    n_neighbours: int = N_NEIGHBOURS,
    min_agreement: float = MIN_AGREEMENT,
    min_mean_agreement: float = MIN_MEAN_AGREEMENT,
    duplicate_cosine: float = DUPLICATE_COSINE,
    block_rows: int | None = None,
) -> Mined:
    r"""A far text of the same label is the positive, the nearest of another label the negative.

    For anchor i, with :math:`S_i = \{j \ne i : c_j = c_i\}` and :math:`Q_q` the q-quantile from the farthest up:

    .. math::
        p = j \in S_i \text{ with } \cos(x_i, x_j) = Q_q\{\cos(x_i, x_k) : k \in S_i\}, \quad
        n = \operatorname{argmax}_{j,\, c_j \ne c_i} \cos(x_i, x_j)

    Labels given in haste are wrong most where they look hardest, so three guards apply, to anchors, positives and
    negatives alike: texts whose label cannot be told from their neighbours (:func:`label_agreement` below
    ``min_agreement``) take no part; the positive is drawn at a quantile and not at the farthest, which is the
    outlier; and texts of cosine ``duplicate_cosine`` and more are the same text. The first guard is only as
    good as the neighbours: where their agreement is below ``min_mean_agreement`` in the mean of all texts, they
    tell nothing about the labels, and all texts take part.

    Args:
        vectors: (n, d) unit vectors.
        labels: n labels; rows whose label is ``None`` are left out.
        far_quantile: 0 takes the farthest of the label, 1 the nearest.
        n_neighbours: neighbours that are asked for the label.
        min_agreement: 1 where all must agree, 0 at chance, -inf to ask none.
        min_mean_agreement: from which mean on ``min_agreement`` is asked for; -inf for always.
        duplicate_cosine: from which cosine on texts count as the same; 2 keeps all.
        block_rows: anchors at once; by default as many as make a block of scores 64 MB.

    Returns:
        Margins are cos(x_i, x_p) - cos(x_i, x_n), mostly below zero: that is what makes them hard.

    Raises:
        InputError: labels and vectors of other numbers, or rows that are not unit vectors.
        ConfigError: an option out of range.

    Example:
        >>> x = np.array([[1.0, 0.0], [0.8, 0.6], [0.6, 0.8], [0.0, 1.0]])
        >>> found = labelled_triplets(x, ["a", "a", "a", "b"], far_quantile=0, min_agreement=-np.inf)
        >>> found.anchors.tolist(), found.positives.tolist(), found.negatives.tolist()
        ([0, 1, 2], [2, 0, 0], [3, 3, 3])
    """
    vectors = unit_vectors(vectors, "vectors")
    codes = label_codes(labels, len(vectors))
    check_share(far_quantile, "far_quantile")
    check_cosine(duplicate_cosine, "duplicate_cosine")
    check_at_least(n_neighbours, 1, "n_neighbours")
    for name, value in (("min_agreement", min_agreement), ("min_mean_agreement", min_mean_agreement)):
        if not value <= 1:
            raise ConfigError(f"{name}={value!r}; expected a number up to 1, -inf for none")
    known = np.flatnonzero(codes != UNKNOWN)
    codes_known, vectors_known = codes[known], np.asarray(vectors[known], np.float32)
    near = nearest(
        vectors_known, vectors_known, max(n_neighbours, _LIST_DEPTH), block_rows=block_rows, exclude_self=True
    )
    first = Neighbours(near.scores[:, :n_neighbours], near.rows[:, :n_neighbours])
    agreement = _agreement(first, codes_known)
    blind = len(agreement) > 0 and agreement.mean() < min_mean_agreement
    clear = np.ones(len(known), np.bool_) if blind else agreement >= min_agreement
    far_rows = _far_positives(vectors_known, codes_known, clear, far_quantile, duplicate_cosine, block_rows)
    near_rows = _near_negatives(vectors_known, codes_known, clear, near, duplicate_cosine, block_rows)
    return _back(codes, known, vectors_known, clear, far_rows, near_rows)


def _back(
    codes: NDArray[np.int32],
    known: NDArray[np.int64],
    vectors: NDArray[np.float32],
    clear: NDArray[np.bool_],
    positives: NDArray[np.int64],
    negatives: NDArray[np.int64],
) -> Mined:
    """Rows among the known ones as rows among all, with reasons."""
    n = len(codes)
    rare = _label_sizes(codes) < 2
    unclear = np.zeros(n, np.bool_)
    unclear[known] = ~clear
    all_positives, all_negatives, margins = np.full(n, NO_ROW), np.full(n, NO_ROW), np.zeros(n, np.float32)
    all_positives[known] = np.where(positives == NO_ROW, NO_ROW, known[positives])
    all_negatives[known] = np.where(negatives == NO_ROW, NO_ROW, known[negatives])
    margins[known] = cosines(vectors, vectors[positives]) - cosines(vectors, vectors[negatives])
    return assemble(
        all_positives,
        all_negatives,
        margins,
        [
            ("label not known", codes == UNKNOWN),
            ("no other text of its label", rare),
            ("its label cannot be told from its neighbours", unclear),
            ("no other text of its label is clear and not the same", all_positives == NO_ROW),
        ],
        [("no text of another label that is clear and not the same", all_negatives == NO_ROW)],
    )


def _label_sizes(codes: NDArray[np.int32]) -> NDArray[np.int64]:
    """(n,) how many rows have the row's label; 0 where it is not known."""
    if not len(codes):
        return np.zeros(0, np.int64)
    sizes = np.bincount(codes + 1)
    sizes[0] = 0
    return sizes[codes + 1]


def _agreement(found: Neighbours, codes: NDArray[np.int32]) -> NDArray[np.float32]:
    same = (codes[found.rows] == codes[:, None]) & (found.rows != NO_ROW)
    n_found = np.maximum(np.count_nonzero(found.rows != NO_ROW, axis=1), 1)
    share = np.count_nonzero(same, axis=1) / n_found
    chance = (_label_sizes(codes) - 1) / max(len(codes) - 1, 1)
    room = 1 - chance
    return np.where(room > 0, (share - chance) / np.where(room > 0, room, 1), 0).astype(np.float32)


def _far_positives(
    vectors: NDArray[np.float32],
    codes: NDArray[np.int32],
    clear: NDArray[np.bool_],
    quantile: float,
    duplicate_cosine: float,
    block_rows: int | None,
) -> NDArray[np.int64]:
    """(n,) the row at the quantile of the same label's similarities, ``NO_ROW`` where there is none."""
    chosen = np.full(len(codes), NO_ROW)
    usable = np.flatnonzero(clear)
    by_label = usable[np.argsort(codes[usable], kind="stable")]
    for members in np.split(by_label, np.flatnonzero(np.diff(codes[by_label])) + 1):
        for rows, scores in score_blocks(vectors[members], vectors[members], block_rows):
            scores[scores >= duplicate_cosine] = np.inf
            np.fill_diagonal(scores[:, rows], np.inf)
            n_left = np.count_nonzero(scores < np.inf, axis=1)
            place = np.round(quantile * np.maximum(n_left - 1, 0)).astype(np.int64)
            value = np.take_along_axis(np.sort(scores, axis=1), place[:, None], axis=1)
            columns = (scores == value).argmax(axis=1)
            chosen[members[rows]] = np.where(n_left > 0, members[columns], NO_ROW)
    return chosen


def _near_negatives(
    vectors: NDArray[np.float32],
    codes: NDArray[np.int32],
    clear: NDArray[np.bool_],
    near: Neighbours,
    duplicate_cosine: float,
    block_rows: int | None,
) -> NDArray[np.int64]:
    """(n,) the nearest clear row of another label; from the lists of neighbours, or else from all."""
    if not len(codes):
        return np.full(0, NO_ROW)
    fits = (near.rows != NO_ROW) & (codes[near.rows] != codes[:, None]) & clear[near.rows]
    fits &= near.scores < duplicate_cosine
    first = fits.argmax(axis=1) if fits.shape[1] else np.zeros(len(codes), np.int64)
    chosen = np.where(fits.any(axis=1), near.rows[np.arange(len(codes)), first], NO_ROW)
    open_rows, candidates = np.flatnonzero((chosen == NO_ROW) & clear), np.flatnonzero(clear)
    for rows, scores in score_blocks(vectors[open_rows], vectors[candidates], block_rows):
        allowed = (codes[open_rows[rows], None] != codes[candidates]) & (scores < duplicate_cosine)
        columns, _ = best(scores, allowed)
        chosen[open_rows[rows]] = np.where(columns == NO_ROW, NO_ROW, candidates[columns])
    return chosen
