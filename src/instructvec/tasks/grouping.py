"""Pairs of near rows, and which row is worth most -> groups of rows.

Knows rows and scores; nothing of texts or vectors. Three rules: ``star`` (Aslam, Pelekhov & Rus 2004, here with
the row worth most as centre), ``single`` (connected components) and ``complete`` (every two rows of a group are a
pair).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.tasks.similar_pairs import SimilarPairs

Linkage: TypeAlias = Literal["star", "single", "complete"]
Rows = NDArray[np.int64]


def grouped(pairs: SimilarPairs, ranks: Rows, linkage: Linkage) -> Rows:
    """The row that stands for each row: the one of its group that is worth most.

    Args:
        pairs: of rows below n.
        ranks: (n,) int64, each row's place when sorted by worth, 0 the first.
        linkage: ``"star"``: a row that is worth more than all its neighbours stands for them, and so on among the
            rest; each row that does not stand for itself goes to its nearest that does. ``"single"``: rows that a
            chain of pairs links are a group. ``"complete"``: the nearest groups are merged for as long as every
            two rows of them are a pair.

    Returns:
        (n,) int64; a row that stands for itself has its own number.

    Example:
        >>> chain = SimilarPairs(np.array([0, 1]), np.array([1, 2]), np.array([0.9, 0.9], np.float32))
        >>> [grouped(chain, np.arange(3), one).tolist() for one in ("star", "single", "complete")]
        [[0, 0, 2], [0, 0, 0], [0, 0, 2]]
    """
    return _RULES[linkage](pairs, ranks)


def _star(pairs: SimilarPairs, ranks: Rows) -> Rows:
    owners = np.arange(len(ranks))
    covered = np.zeros(len(ranks), np.bool_)
    centre = np.ones(len(ranks), np.bool_)
    lists = list(_neighbours(pairs, ranks))
    for row, near, _ in lists:
        centre[row] = not covered[row]
        if centre[row]:
            covered[near] = True
    for row, near, scores in lists:
        if not centre[row]:
            centres, nearness = near[centre[near]], scores[centre[near]]
            best = centres[nearness == nearness.max()]
            owners[row] = best[np.argmin(ranks[best])]
    return owners


def _neighbours(pairs: SimilarPairs, ranks: Rows) -> Iterator[tuple[int, Rows, NDArray[np.float32]]]:
    """Each row that has any, its neighbours and their scores; what is worth most first."""
    rows = np.concatenate([pairs.left, pairs.right])
    others = np.concatenate([pairs.right, pairs.left])
    order = np.argsort(ranks[rows], kind="stable")
    rows, others, scores = rows[order], others[order], np.concatenate([pairs.scores, pairs.scores])[order]
    bounds = np.append(np.flatnonzero(np.append(True, rows[1:] != rows[:-1])), len(rows)) if len(rows) else [0]
    for start, end in pairwise(bounds):
        yield int(rows[start]), others[start:end], scores[start:end]


def _single(pairs: SimilarPairs, ranks: Rows) -> Rows:
    """Labels, the lowest of each component, spread over pairs and then over themselves until none changes."""
    labels = np.arange(len(ranks))
    while True:
        low = np.minimum(labels[pairs.left], labels[pairs.right])
        spread = labels.copy()
        for end in (pairs.left, pairs.right):
            np.minimum.at(spread, labels[end], low)
        spread = spread[spread]
        if np.array_equal(spread, labels):
            return _worth_most(labels, ranks)
        labels = spread


def _complete(pairs: SimilarPairs, ranks: Rows) -> Rows:
    n_rows = len(ranks)
    keys = pairs.left * n_rows + pairs.right  # ascending, as the pairs are
    labels = np.arange(n_rows)
    members: dict[int, list[int]] = {}
    for at in np.argsort(-pairs.scores, kind="stable"):
        one, other = int(labels[pairs.left[at]]), int(labels[pairs.right[at]])
        if one == other:
            continue
        own, theirs = members.get(one, [one]), members.get(other, [other])
        a, b = (side.reshape(-1) for side in np.meshgrid(own, theirs))
        wanted = np.minimum(a, b) * n_rows + np.maximum(a, b)
        places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        if (keys[places] == wanted).all():
            members[one] = [*own, *theirs]
            members.pop(other, None)
            labels[theirs] = one
    return _worth_most(labels, ranks)


def _worth_most(labels: Rows, ranks: Rows) -> Rows:
    """For each row, that of its label with the lowest rank."""
    best = np.full(len(labels), len(labels))
    np.minimum.at(best, labels, ranks)
    owners: Rows = np.argsort(ranks)[best[labels]]
    return owners


_RULES: dict[str, Callable[[SimilarPairs, Rows], Rows]] = {
    "star": _star,
    "single": _single,
    "complete": _complete,
}
