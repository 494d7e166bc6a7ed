"""Vectors with labels -> a linear layer that tells the labels apart, and how sure it may be.

Knows arrays and codes of labels; nothing of texts, embedders or files. The layer is multinomial logistic
regression. Its probabilities are made honest by one temperature, chosen on rows that the layer was not fitted on
(Guo et al. 2017, "On calibration of modern neural networks", section 4.2).
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError
from instructvec.extras import require
from instructvec.tasks.threads import one_thread

HIGHEST_SCALE = 100.0
"""1 / temperature lies between the inverse of this and this."""


@dataclass(frozen=True, slots=True)
class HeadOptions:
    """How a layer is fitted.

    Attributes:
        inverse_regularisation: scikit-learn's ``C``, above 0; the smaller, the nearer to guessing the layer stays.
        max_iterations: of the solver.
        seed: of the solver.

    Raises:
        ConfigError: a value outside of its range.
    """

    inverse_regularisation: float = 1.0
    max_iterations: int = 1000
    seed: int = 42

    def __post_init__(self) -> None:
        if not 0 < self.inverse_regularisation < float("inf"):
            raise ConfigError(f"inverse_regularisation is {self.inverse_regularisation}; expected more than 0")
        if self.max_iterations < 1:
            raise ConfigError(f"max_iterations is {self.max_iterations}; expected 1 or more")


@dataclass(frozen=True, slots=True, eq=False)
class LinearHead:
    """A linear layer with an output for each of C classes.

    Attributes:
        weights: (C, d) float32.
        biases: (C,) float32.
    """

    weights: NDArray[np.float32]
    biases: NDArray[np.float32]

    def logits(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        """(n, C) float32."""
        found: NDArray[np.float32] = vectors @ self.weights.T + self.biases
        return found

    def predict(self, vectors: NDArray[np.float32]) -> NDArray[np.int64]:
        """(n,) int64, the code of each row's highest logit."""
        codes: NDArray[np.int64] = self.logits(vectors).argmax(axis=1)
        return codes


def fit_linear_head(
    vectors: NDArray[np.float32], codes: NDArray[np.int64], options: HeadOptions
) -> tuple[LinearHead, bool]:
    """Logistic regression, as the benchmark fits it.

    Args:
        vectors: (n, d) float32.
        codes: (n,) int64 from 0; those that do not occur get no chance.
        options: of the fit.

    Returns:
        The layer, and whether the solver converged.

    Example:
        >>> vectors, codes = np.eye(2, dtype=np.float32), np.array([0, 1])
        >>> head, _ = fit_linear_head(vectors, codes, HeadOptions())
        >>> head.predict(vectors).tolist()
        [0, 1]
    """
    require("sklearn", "classification", extra="tasks")
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    with one_thread(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", ConvergenceWarning)  # told in the result
        model = LogisticRegression(
            C=options.inverse_regularisation, max_iter=options.max_iterations, random_state=options.seed
        )
        model.fit(vectors, codes)
    n_classes = int(codes.max()) + 1
    weights = np.zeros((n_classes, vectors.shape[1]), np.float32)
    biases = np.full(n_classes, -np.inf, np.float32)
    present = np.asarray(model.classes_)
    biases[present] = 0.0
    # Of two classes, scikit-learn gives one row: the second's, where the first's is 0.
    rows = present if len(present) > 2 else present[1:]
    weights[rows], biases[rows] = model.coef_, model.intercept_
    return LinearHead(weights, biases), not caught


def folds(codes: NDArray[np.int64], n_folds: int, seed: int) -> NDArray[np.int64]:
    """Deals the rows of each label out to folds, evenly.

    Args:
        codes: (n,) int64, the labels.
        n_folds: how many, 2 or more.
        seed: of the dealing.

    Returns:
        (n,) int64, the fold each row is held out in; -1 for a row that is the only one of its label, which is
        never held out. So without any of the folds there is still a row of every label.

    Example:
        >>> folds(np.array([0, 0, 0, 1]), 2, seed=42).tolist().count(-1)
        1
    """
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    dealt = np.empty(len(codes), np.int64)
    # One after the other over all labels, so that folds are of one size too.
    dealt[order] = np.arange(len(codes)) % n_folds
    dealt[np.bincount(codes)[codes] == 1] = -1
    return dealt


def held_out_logits(
    vectors: NDArray[np.float32], codes: NDArray[np.int64], fold_of: NDArray[np.int64], options: HeadOptions
) -> NDArray[np.float32]:
    """What a layer fitted without its fold gives each row.

    Args:
        vectors: (n, d) float32.
        codes: (n,) int64.
        fold_of: (n,) int64, from :func:`folds`.
        options: of the fits.

    Returns:
        (n, C) float32; NaN for rows of fold -1.
    """
    logits = np.full((len(codes), int(codes.max()) + 1), np.nan, np.float32)
    for fold in sorted(set(fold_of[fold_of >= 0].tolist())):
        out = fold_of == fold
        head, _ = fit_linear_head(vectors[~out], codes[~out], options)
        logits[out] = head.logits(vectors[out])
    return logits


def softmax(logits: NDArray[np.floating], temperature: float = 1.0) -> NDArray[np.float32]:
    """(n, C) float32, rows that sum to 1: exp(z / temperature), normalised.

    Example:
        >>> softmax(np.array([[0.0, np.log(3.0)]])).tolist()
        [[0.25, 0.75]]
    """
    scaled = logits.astype(np.float64) / temperature
    raised = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    shares: NDArray[np.float32] = (raised / raised.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares


def fit_temperature(logits: NDArray[np.floating], codes: NDArray[np.int64]) -> float:
    """The temperature at which held-out logits are least surprised by the labels.

    Minimises the cross-entropy of softmax(z / T), which is convex in 1 / T, by bisection of its derivative. Labels
    are smoothed by one row's worth of doubt over all classes, in the spirit of Platt 1999, so that a few rows that
    are all right do not call for certainty.

    Args:
        logits: (n, C).
        codes: (n,) int64.

    Returns:
        T, between 0.01 and 100.
    """
    z = logits.astype(np.float64)
    n_rows, n_classes = z.shape
    target = np.full(z.shape, 1 / n_classes / (n_rows + 1))
    target[np.arange(n_rows), codes] += n_rows / (n_rows + 1)
    wanted = float((target * z).sum())
    low, high = -np.log(HIGHEST_SCALE), np.log(HIGHEST_SCALE)
    for _ in range(50):
        middle = (low + high) / 2
        if float((softmax(z, np.exp(-middle)) * z).sum()) > wanted:
            high = middle
        else:
            low = middle
    return float(np.exp(-(low + high) / 2))


def cross_entropy(logits: NDArray[np.floating], codes: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Mean surprise at the true labels, in nats.

    Example:
        >>> round(cross_entropy(np.zeros((1, 4)), np.array([0])), 6) == round(float(np.log(4)), 6)
        True
    """
    z = logits.astype(np.float64) / temperature
    z -= z.max(axis=1, keepdims=True)
    return float((np.log(np.exp(z).sum(axis=1)) - z[np.arange(len(codes)), codes]).mean())


def calibration_error(confidences: NDArray[np.floating], right: NDArray[np.bool_], n_bins: int = 15) -> float:
    """Expected calibration error: how far confidence and share of right answers lie apart.

    Source: Guo et al. 2017, equation 5.

    Args:
        confidences: (n,) probabilities of the answers given.
        right: (n,) whether each is right.
        n_bins: of equal width.

    Example:
        >>> round(calibration_error(np.full(4, 0.8), np.array([True, True, False, False])), 6)
        0.3
    """
    bins = np.clip(np.ceil(np.asarray(confidences, np.float64) * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    gaps = np.bincount(bins, np.asarray(confidences, np.float64) - right, minlength=n_bins)
    return float(np.abs(gaps).sum() / len(right))
