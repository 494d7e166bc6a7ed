"""Labels and what was found in their place -> accuracy, F1 and v-measure, with intervals.

Knows counts of labels only; nothing of texts, vectors, or how labels were found.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


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
