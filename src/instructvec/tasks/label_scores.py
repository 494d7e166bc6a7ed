"""Labels and what was found in their place -> accuracy, F1 and v-measure, with intervals.

Knows counts of labels only; nothing of texts, vectors, or how labels were found.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError, InputError
from instructvec.tasks.labels import Label, label_codes

_DRAWS_AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class LabelScores:
    """How often labels that were found are the right ones.

    Attributes:
        accuracy: share of rows, from 0 to 1; a row without an answer is wrong.
        accuracy_interval: its 95% interval.
        macro_f1: mean over labels, true or given, of F1.
        macro_f1_interval: its 95% interval.
        n_rows: rows scored.
        n_answered: rows that were given a label.
        answered_accuracy: accuracy over these alone; NaN for none.
    """

    accuracy: float
    accuracy_interval: tuple[float, float]
    macro_f1: float
    macro_f1_interval: tuple[float, float]
    n_rows: int
    n_answered: int
    answered_accuracy: float


def label_scores(
    labels: Sequence[Label], found: Sequence[Label | None], *, n_resamples: int = 1000, seed: int = 42
) -> LabelScores:
    """Accuracy and macro-F1 with percentile intervals of the bootstrap over rows.

    Args:
        labels: n true ones.
        found: n given ones; ``None`` where none was given.
        n_resamples: of the bootstrap.
        seed: of the bootstrap.

    Raises:
        InputError: no rows, or another number of labels found.
        ConfigError: no resamples.

    Example:
        >>> scores = label_scores(["a", "a", "b", "b"], ["a", "b", "b", None])
        >>> scores.accuracy, round(scores.macro_f1, 4), round(scores.answered_accuracy, 4)
        (0.5, 0.5833, 0.6667)
    """
    if not len(labels) or len(labels) != len(found):
        raise InputError(f"{len(labels)} true labels and {len(found)} found; expected as many, at least one")
    if n_resamples < 1:
        raise ConfigError(f"n_resamples is {n_resamples}; expected 1 or more")
    distinct, codes = label_codes([*labels, *(one for one in found if one is not None)])
    codes = codes[: len(labels)]
    places = {label: at for at, label in enumerate(distinct)}
    given = np.array([len(distinct) if one is None else places[one] for one in found], np.int64)
    cells, counts = np.unique(np.stack([codes, given]), axis=1, return_counts=True)
    rng = np.random.default_rng(seed)
    drawn = []
    for start in range(0, n_resamples, _DRAWS_AT_ONCE):
        n_draws = min(_DRAWS_AT_ONCE, n_resamples - start)
        # A resample of rows is a multinomial draw over the pairs of labels that occur.
        drawn.append(_scores(cells, rng.multinomial(len(labels), counts / len(labels), n_draws), len(distinct)))
    (accuracy,), (macro_f1,) = _scores(cells, counts[None], len(distinct))
    n_answered = int((given < len(distinct)).sum())
    return LabelScores(
        float(accuracy),
        _interval(np.concatenate([one[0] for one in drawn])),
        float(macro_f1),
        _interval(np.concatenate([one[1] for one in drawn])),
        len(labels),
        n_answered,
        float((codes == given).sum() / n_answered) if n_answered else float("nan"),
    )


def _scores(
    cells: NDArray[np.int64], counts: NDArray[np.int64], n_labels: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Accuracy and macro-F1, (draws,) each, of (draws, cells) counts of (2, cells) true and given labels."""
    true, given = cells
    right = np.zeros((n_labels + 1, len(counts)))
    either = np.zeros((n_labels + 1, len(counts)))
    np.add.at(right, true[true == given], counts.T[true == given])
    np.add.at(either, true, counts.T)
    np.add.at(either, given, counts.T)
    right, either = right[:-1], either[:-1]  # what was given to nobody is no label
    f1 = np.divide(2 * right, either, out=np.zeros_like(right), where=either > 0)
    n_present = (either > 0).sum(axis=0)
    return right.sum(axis=0) / counts.sum(axis=1), f1.sum(axis=0) / n_present


def _interval(values: NDArray[np.float64]) -> tuple[float, float]:
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def v_measure_of(labels: Sequence[Label], clusters: NDArray[np.int64]) -> float:
    """V-measure of a clustering.

    Args:
        labels: n true ones.
        clusters: (n,) int64; -1, no cluster, counts as one more.

    Example:
        >>> v_measure_of(["a", "a", "b"], np.array([0, 0, 1]))
        1.0
    """
    distinct, codes = label_codes(labels)
    names, places = np.unique(clusters, return_inverse=True)
    cells = codes * len(names) + places.reshape(-1)
    table = np.bincount(cells, minlength=len(distinct) * len(names)).reshape(len(distinct), len(names))
    return v_measure(table.astype(np.float64))


def v_measure(counts: NDArray[np.floating]) -> float:
    """V-measure of a contingency table, as scikit-learn's ``v_measure_score`` for its rows; NaN for no rows.

    Args:
        counts: (labels, clusters), how many rows have which of both.

    Source: Rosenberg & Hirschberg 2007, equations 1 to 3: the harmonic mean of homogeneity and completeness.

    Example:
        >>> v_measure(np.array([[2.0, 0.0], [0.0, 2.0]]))
        1.0
    """
    n_rows = counts.sum()
    if n_rows == 0:
        return float("nan")
    joint = counts / n_rows
    labels, clusters = joint.sum(axis=1), joint.sum(axis=0)
    of_labels, of_clusters = _entropy(labels), _entropy(clusters)
    at = joint > 0
    information = max(0.0, float((joint[at] * np.log(joint[at] / np.outer(labels, clusters)[at])).sum()))
    homogeneity = information / of_labels if of_labels else 1.0
    completeness = information / of_clusters if of_clusters else 1.0
    total = homogeneity + completeness
    return 2 * homogeneity * completeness / total if total else 0.0


def _entropy(shares: NDArray[np.float64]) -> float:
    """In nats; exactly 0 for a single class."""
    present = shares[shares > 0]
    return 0.0 if len(present) == 1 else float(-(present * np.log(present)).sum())
