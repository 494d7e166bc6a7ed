"""The rows of a table -> those to train on and those held out, by a seed, without a text in both.

Knows labels and which texts are the same; nothing of files or models. Labelled texts are held out label by label.
Pairs are held out by what hangs together: where two pairs share a text, both are on the same side.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError, InputError
from instructvec.medi.mine import word_ids
from instructvec.medi.mining.retrieval import clusters
from instructvec.medi.mix import generator
from instructvec.training.tables import Table

MIN_HELD_OUT = 5
"""Held-out rows below which a score says nothing at all."""


class Split(NamedTuple):
    """A table in two.

    Attributes:
        train: to learn from.
        held_out: to measure on.
        negatives_left_out: negatives of ``train`` that are texts of ``held_out``, and were taken out.
    """

    train: Table
    held_out: Table
    negatives_left_out: int = 0


def split(table: Table, share: float = 0.2, seed: int = 42) -> Split:
    """Hold rows out.

    Args:
        table: of texts, or pairs, each once.
        share: of the rows that are held out, about.
        seed: of the draw; the same rows for the same table.

    Raises:
        ConfigError: a share out of range.
        InputError: too few rows can be held out, as all hang together.

    Example:
        >>> table = Table("label", list("abcdefgh"), ["x", "y"] * 4, [[] for _ in "abcdefgh"])
        >>> made = split(table, 0.25)
        >>> len(made.train), sorted(made.held_out.second)
        (6, ['x', 'y'])
    """
    if not 0.05 <= share <= 0.5:
        raise ConfigError(f"held_out is {share}; expected a share from 0.05 to 0.5")
    rng = generator(seed, "held out")
    out = _of_labels(table, share, rng) if table.kind == "label" else _of_pairs(table, share, rng)
    train, held_out = table.take(np.flatnonzero(~out)), table.take(np.flatnonzero(out))
    if table.kind == "label":
        return Split(train, held_out)
    negatives, n_left_out = _without(train.negatives, held_out)
    return Split(replace(train, negatives=negatives), held_out, n_left_out)


def _of_labels(table: Table, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(n,) which are held out: of each label its share, and always two or more to train on."""
    labels = np.unique(table.second, return_inverse=True)[1]
    out = np.zeros(len(table), np.bool_)
    for label in range(int(labels.max()) + 1):
        rows = rng.permutation(np.flatnonzero(labels == label))
        n = len(rows)
        out[rows[: min(max(1, round(share * n)), max(n - 2, 0))]] = True
    n_labels = len(set(labels[out].tolist()))
    if n_labels < 2:
        sizes = ", ".join(f"{label!r} {n:,}" for label, n in Counter(table.second).most_common(5))
        raise InputError(
            f"the labels have so many texts: {sizes}; expected three or more of at least two labels, one of them "
            "to be held out: give more rows"
        )
    return out


def _of_pairs(table: Table, share: float, rng: np.random.Generator) -> NDArray[np.bool_]:
    """(n,) which are held out: whole clusters of pairs that are linked by a text, as many as make the share."""
    n = len(table)
    ids = word_ids(table.first + table.second)
    _, cluster, sizes = np.unique(clusters(ids[:n], ids[n:])[0], return_inverse=True, return_counts=True)
    wanted = max(round(share * n), MIN_HELD_OUT)
    chosen, n_out = np.zeros(len(sizes), np.bool_), 0
    for one in rng.permutation(len(sizes)):
        if n_out + sizes[one] <= wanted:
            chosen[one] = True
            n_out += int(sizes[one])
    if n_out < max(wanted / 2, MIN_HELD_OUT):
        raise InputError(
            f"{int(sizes.max()):,} of {n:,} pairs hang together by texts that they share, so that "
            f"{n_out:,} can be held out without a text in both parts; expected {wanted:,}: give more pairs, or, "
            "where the other side is a few texts that come again and again, take them for labels (--label-column)"
        )
    return chosen[cluster]


def _without(negatives: list[list[str]], held_out: Table) -> tuple[list[list[str]], int]:
    """Negatives that are not texts of the held-out rows, and how many were."""
    flat = [one for own in negatives for one in own]
    if not flat:
        return negatives, 0
    ids = word_ids(flat + held_out.first + held_out.second)
    is_kept = iter((~np.isin(ids[: len(flat)], ids[len(flat) :])).tolist())
    kept = [[one for one in own if next(is_kept)] for own in negatives]
    return kept, len(flat) - sum(map(len, kept))
