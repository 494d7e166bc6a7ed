"""Scores with labels -> average precision, and the thresholds that part the labels best.

Knows numbers only. What calibrating a threshold and measuring pair classification share.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructvec.tasks.correlation import Numbers


@dataclass(frozen=True, slots=True)
class Cuts:
    """Figures of the thresholds between two distinct scores, the highest threshold first.

    Attributes:
        accuracy: (distinct scores - 1,) float64, share of rows on their right side.
        precision: share of the rows above that belong to the class.
        recall: share of the class that lies above.
        f1: their harmonic mean.
    """

    accuracy: Numbers
    precision: Numbers
    recall: Numbers
    f1: Numbers


@dataclass(frozen=True, slots=True)
class RankedLabels:
    """Scores with labels whose average precision can be had for any resample in linear time.

    Attributes:
        order: (n,) int64, rows from the highest score to the lowest.
        positive: (n,) float64 in that order, 1 for rows that belong to the class.
        ends: (distinct scores,) int64, the last place of each score.
    """

    order: NDArray[np.int64]
    positive: Numbers
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, scores: NDArray[np.floating], positive: NDArray[np.bool_]) -> RankedLabels:
        """Sorts them, once."""
        order = np.argsort(-scores, kind="stable")
        ordered = scores[order]
        ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        return cls(order, positive[order].astype(np.float64), ends)

    def found(self, weights: Numbers | None = None) -> tuple[Numbers, Numbers]:
        """How many rows, and how many of the class, score at least as high as each distinct score."""
        drawn = np.ones(len(self.order)) if weights is None else weights[self.order]
        return np.cumsum(drawn)[self.ends], np.cumsum(drawn * self.positive)[self.ends]

    def average_precision(self, weights: Numbers) -> float:
        """scikit-learn's, where row i stands ``weights[i]`` times; NaN where none of the class was drawn."""
        total, hits = self.found(weights)
        if hits[-1] == 0:
            return float("nan")
        gained = np.diff(hits, prepend=0.0)
        at = gained > 0
        return float((gained[at] * hits[at] / total[at]).sum() / hits[-1])

    def best_thresholds(self) -> dict[str, float]:
        """Best accuracy, and best F1 with its precision and recall, over thresholds between two distinct scores.

        As in mteb: at least one row on either side, none of equal scores divided.
        """
        cuts = self.cuts()
        if not len(cuts.f1):
            return dict.fromkeys(("accuracy", "f1", "precision", "recall"), 0.0)
        best = int(np.argmax(cuts.f1))
        return {
            "accuracy": float(cuts.accuracy.max()),
            "f1": float(cuts.f1[best]),
            "precision": float(cuts.precision[best]),
            "recall": float(cuts.recall[best]),
        }

    def cuts(self) -> Cuts:
        """What every threshold between two distinct scores would give."""
        n_rows, n_positive = len(self.order), self.positive.sum()
        total, hits = (one[:-1] for one in self.found())
        return Cuts(
            accuracy=(hits + (n_rows - n_positive) - (total - hits)) / n_rows,
            precision=hits / total,
            recall=hits / n_positive,
            f1=2 * hits / (total + n_positive),  # 2PR / (P + R)
        )
