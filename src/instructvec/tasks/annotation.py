"""Unlabelled texts -> those worth an annotator's time: typical of many, and unlike each other.

Knows vectors; nothing of labels or language models. Source: vote-k (Su et al. 2022, "Selective Annotation Makes
Language Models Better Few-Shot Learners", section 2.1), its first stage, which asks no language model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError, InputError
from instructvec.instruction import Instruction
from instructvec.tasks.arrays import Vectors32
from instructvec.tasks.instructions import DEMONSTRATIONS
from instructvec.tasks.neighbours import nearest
from instructvec.tasks.vectors import Texts, embedded

if TYPE_CHECKING:
    from instructvec.checkpoints.contract import EmbeddingContract
    from instructvec.types import Encoder

N_NEIGHBOURS = 150
"""The paper's."""
DISCOUNT = 10.0
"""The paper's rho."""

_BLOCK_ROWS = 4096


@dataclass(frozen=True, slots=True, eq=False)
class Pool:
    """Texts to annotate.

    Attributes:
        rows: (k,) int64, in the order in which they were chosen.
        scores: (k,) float64, the discounted votes each had when it was chosen.
        n_votes: (k,) int64, of how many texts each is a nearest neighbour.
        contract: under which model and instruction the vectors were made.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float64]
    n_votes: NDArray[np.int64]
    contract: EmbeddingContract


def select_pool(
    texts: Texts,
    k: int,
    *,
    embedder: Encoder | None = None,
    instruction: str | Instruction | None = None,
    n_neighbours: int = N_NEIGHBOURS,
    discount: float = DISCOUNT,
) -> Pool:
    """Choose texts to annotate, to have a pool of examples that serves all the others.

    Args:
        texts: n strings, or texts embedded before.
        k: how many, from 1 to n.
        embedder: makes the vectors; ``None`` takes the bundled model.
        instruction: what the vectors are for; ``None`` takes that of picking demonstrations, an empty one is none.
        n_neighbours: texts that each votes for; all others where there are fewer.
        discount: what a vote loses for every text chosen that the voter has voted for already, from 1.

    Raises:
        ConfigError: a number below 1.
        InputError: no texts, or fewer than ``k``.
        ContractMismatch: vectors of another model or instruction than asked.

    Example:
        >>> select_pool(["one cat", "two cats", "three cats", "tax law"], 1, n_neighbours=1).rows
        array([1])
    """
    for name, value in (("k", k), ("n_neighbours", n_neighbours), ("discount", discount)):
        if value < 1:
            raise ConfigError(f"{name} is {value}; expected 1 or more")
    made = embedded(texts, embedder, instruction, default=DEMONSTRATIONS)
    if k > len(made):
        raise InputError(f"k is {k}; there are {len(made)} texts to choose from: expected at most as many")
    neighbours = neighbours_of(made.unit, n_neighbours)
    rows, scores = vote_k(neighbours, k, discount=discount)
    votes = np.bincount(neighbours.reshape(-1), minlength=len(made))
    return Pool(rows, scores, votes[rows], made.contract)


def neighbours_of(unit: Vectors32, n_neighbours: int) -> NDArray[np.int64]:
    """(n, k) int64: the rows nearest to each row, itself left out; all others where there are fewer.

    Args:
        unit: (n, d) float32 of length 1.
        n_neighbours: k.

    Example:
        >>> neighbours_of(np.array([[1, 0], [0, 1], [0.6, 0.8]], np.float32), 1).tolist()
        [[2], [2], [1]]
    """
    n_rows = len(unit)
    wanted = min(n_neighbours, n_rows - 1)
    starts = range(0, n_rows, _BLOCK_ROWS)
    found = []
    for start in starts:
        block = unit[start : start + _BLOCK_ROWS]
        others = ((np.arange(at, min(at + _BLOCK_ROWS, n_rows)), unit[at : at + _BLOCK_ROWS]) for at in starts)
        rows, _ = nearest(block, others, wanted + 1)
        own = rows == np.arange(start, start + len(block))[:, None]
        own[~own.any(axis=1), -1] = True  # among many equal ones it may not be found; the farthest goes
        found.append(rows[~own].reshape(len(block), wanted))
    return np.concatenate(found)


def vote_k(
    neighbours: NDArray[np.int64], k: int, *, discount: float = DISCOUNT
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Rows chosen one after the other, each the one with most votes of rows that are not served yet.

    A row v votes for its neighbours with weight ``discount ** -t(v)``, where t(v) is the number of its neighbours
    that are chosen already; chosen rows do not vote. Of equal sums that with more votes wins, then the lower row.

    Args:
        neighbours: (n, m) int64, rows that each row votes for.
        k: how many to choose, at most n.
        discount: from 1.

    Returns:
        Rows (k,) int64 in order of choice, and the sums (k,) float64 they were chosen with.

    Source: Su et al. 2022, section 2.1, equation 1.

    Example:
        >>> vote_k(np.array([[1], [0], [1], [4], [3]]), 2)[0]
        array([1, 3])
    """
    n_rows, n_neighbours = neighbours.shape
    targets = neighbours.reshape(-1)
    votes = np.bincount(targets, minlength=n_rows)
    weights = np.ones(n_rows)
    free = np.ones(n_rows, np.bool_)
    chosen, sums = np.empty(k, np.int64), np.empty(k)
    for at in range(k):
        # Anew each time: subtracting would leave rounding where the sums have become small.
        scores = np.bincount(targets, np.repeat(weights, n_neighbours), n_rows)
        best = scores[free].max()
        among = np.flatnonzero(free & (scores >= best * (1 - 1e-12)))
        row = int(among[np.argmax(votes[among])])
        chosen[at], sums[at] = row, scores[row]
        free[row] = False
        weights[(neighbours == row).any(axis=1)] /= discount
        weights[row] = 0.0
    return chosen, sums
