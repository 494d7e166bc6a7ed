"""Vectors and labels -> a score: classification, clustering and pair classification.

Knows arrays; nothing of texts, instructions, models or files.
Source: MTEB's first version (Muennighoff et al. 2023).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.evaluation.protocols.metrics import RankedLabels, Units
from instructvec.evaluation.protocols.outcome import Outcome
from instructvec.evaluation.protocols.vectors import (
    Vectors32,
    check_order,
    check_widths,
    checked,
    checked_pairs,
    similarities,
)
from instructvec.extras import require
from instructvec.tasks.label_scores import v_measure
from instructvec.tasks.labels import Label, check_several_labels, label_codes
from instructvec.tasks.linear_head import HeadOptions, fit_linear_head
from instructvec.tasks.partitions import mini_batch_k_means

SEED = 42
"""MTEB's."""


def undersample(
    labels: Sequence[Label], *, samples_per_label: int, n_experiments: int, seed: int = SEED
) -> list[NDArray[np.int64]]:
    """The training rows that each experiment of a classification task draws, as MTEB draws them.

    MTEB shuffles one list of rows again and again, under the same seed each time, and takes the first rows of each
    label.

    Args:
        labels: of the training split.
        samples_per_label: rows drawn of each label; all of a label with fewer.
        n_experiments: how many times.
        seed: of the shuffling.

    Returns:
        One array of rows an experiment, in the order in which they were drawn.

    Raises:
        InputError: there is only one label.

    Example:
        >>> undersample(["a", "b", "a", "b"], samples_per_label=1, n_experiments=2)
        [array([1, 0]), array([3, 2])]
    """
    check_several_labels("training labels", labels)
    codes = label_codes(labels)[1]
    step = np.arange(len(codes))
    np.random.RandomState(seed).shuffle(step)
    rows, draws = np.arange(len(codes)), []
    for _ in range(n_experiments):
        rows = rows[step]
        grouped = np.argsort(codes[rows], kind="stable")
        ordered = codes[rows][grouped]
        places = np.arange(len(rows)) - np.searchsorted(ordered, ordered)
        draws.append(rows[np.sort(grouped[places < samples_per_label])])
    return draws


def classification(
    train_vectors: NDArray[Any],
    train_labels: Sequence[Label],
    vectors: NDArray[Any],
    labels: Sequence[Label],
    *,
    draws: Sequence[NDArray[np.int64]],
    seed: int = SEED,
) -> Outcome:
    """Logistic regression on each draw of training rows; mean accuracy on all test rows.

    Vectors that are all the same give the accuracy of guessing.

    Args:
        train_vectors: (n, d).
        train_labels: n labels.
        vectors: (m, d) of the test split.
        labels: m labels.
        draws: rows of ``train_vectors`` for each experiment, from :func:`undersample`.
        seed: of the classifier.

    Returns:
        ``score`` is ``accuracy``; ``f1``, ``precision`` and ``recall`` are macro averages, ``ap`` (of predicted
        labels, as in MTEB) is there for two labels. Units are test rows. ``details``: ``accuracies``, and in
        ``n_not_converged`` how many fits stopped at MTEB's 100 iterations.

    Raises:
        InputError: shapes that disagree, NaN or infinite components, one label only, or no draws.
    """
    train_vectors = checked("train_vectors", train_vectors, len(train_labels))
    vectors = checked("vectors", vectors, len(labels))
    check_widths(train_vectors=train_vectors, vectors=vectors)
    check_several_labels("training labels", train_labels)
    check_several_labels("test labels", labels)
    if not draws:
        raise InputError("draws: empty; expected the training rows of at least one experiment")
    distinct, codes = label_codes([*train_labels, *labels])
    train_codes, codes = codes[: len(train_labels)], codes[len(train_labels) :]
    fits = [_fit(train_vectors[rows], train_codes[rows], vectors, seed) for rows in draws]
    found = [_label_metrics(codes, predicted, binary=len(distinct) == 2) for predicted, _ in fits]
    metrics = {name: float(np.mean([one[name] for one in found])) for name in found[0]}
    accuracies = [one["accuracy"] for one in found]
    right = np.mean([predicted == codes for predicted, _ in fits], axis=0)
    return Outcome(
        metrics["accuracy"],
        metrics | {"accuracy_std": float(np.std(accuracies))},
        (len(labels),),
        lambda units: float(right[units].mean()),
        {"accuracies": accuracies, "n_not_converged": sum(stopped for _, stopped in fits)},
    )


def _fit(
    train_vectors: Vectors32, codes: NDArray[np.int64], vectors: Vectors32, seed: int
) -> tuple[NDArray[np.int64], bool]:
    """Predicted codes, and whether the solver stopped before it converged."""
    check_several_labels("a draw of training rows", codes.tolist())
    # MTEB's settings.
    options = HeadOptions(inverse_regularisation=1.0, max_iterations=100, seed=seed)
    head, converged = fit_linear_head(train_vectors, codes, options)
    return head.predict(vectors), not converged


def _label_metrics(codes: NDArray[np.int64], predicted: NDArray[np.int64], *, binary: bool) -> dict[str, float]:
    from sklearn.metrics import accuracy_score, average_precision_score, precision_recall_fscore_support

    metrics = {"accuracy": float(accuracy_score(codes, predicted))}
    for average, ending in (("macro", ""), ("weighted", "_weighted")):
        found = precision_recall_fscore_support(codes, predicted, average=average, zero_division=0)
        metrics |= {
            name + ending: float(value)
            for name, value in zip(("precision", "recall", "f1"), found[:3], strict=True)
        }
    if binary:
        metrics["ap"] = float(average_precision_score(codes, predicted))
    return metrics


def clustering(sets: Sequence[tuple[NDArray[Any], Sequence[Label]]], *, seed: int = SEED) -> Outcome:
    """Mini-batch k-means with as many clusters as labels; mean v-measure over sets.

    Vectors that are all the same give 0.

    Args:
        sets: vectors (n, d) and n labels of each set.
        seed: of the clustering.

    Returns:
        ``score`` is ``v_measure``, beside it ``v_measure_std`` over sets; units are texts, strata sets. On a
        resample, texts keep their clusters. ``details`` has each set's v-measure.

    Raises:
        InputError: no sets, shapes that disagree, NaN or infinite components, or a set with one label.
    """
    if not sets:
        raise InputError("sets: empty; expected at least one set of vectors and labels")
    starts, cells, shapes = 0, [], []
    for at, (vectors, labels) in enumerate(sets, start=1):
        check_several_labels(f"set {at}", labels)
        distinct, codes = label_codes(labels)
        found = checked(f"vectors of set {at}", vectors, len(labels))
        clusters = mini_batch_k_means(found, len(distinct), seed=seed)
        cells.append(starts + codes * len(distinct) + clusters)
        shapes.append(len(distinct))
        starts += len(distinct) ** 2
    ends = np.cumsum(np.square(shapes))
    cell_of = np.concatenate(cells)

    def by_set(units: Units) -> list[float]:
        tables = np.split(np.bincount(cell_of[units], minlength=starts).astype(np.float64), ends[:-1])
        return [v_measure(table.reshape(n, n)) for table, n in zip(tables, shapes, strict=True)]

    scores = by_set(np.arange(len(cell_of)))
    score = float(np.mean(scores))
    return Outcome(
        score,
        {"v_measure": score, "v_measure_std": float(np.std(scores))},
        tuple(len(labels) for _, labels in sets),
        lambda units: float(np.mean(by_set(units))),
        {"v_measures": scores},
    )


def pair_classification(a: NDArray[Any], b: NDArray[Any], labels: Sequence[bool]) -> Outcome:
    """Whether two texts belong together, by how near their vectors are.

    Args:
        a: (n, d), the pairs' first texts.
        b: (n, d), their second texts.
        labels: n truth values.

    Returns:
        For each of ``cosine``, ``dot``, ``euclidean`` and ``manhattan``: ``_ap``, and ``_accuracy``, ``_f1``,
        ``_precision`` and ``_recall`` at the best threshold; ``max_`` of each over the four. Units are pairs.
        ``score`` is ``max_ap``.

    Raises:
        InputError: shapes that disagree, NaN or infinite components, one label only, or vectors that are all
            the same.
    """
    a, b = checked_pairs(a, b, len(labels))
    check_several_labels("labels", labels)
    check_order(vectors=[a, b])
    require("sklearn", "pair classification")
    positive = np.asarray(labels, np.bool_)
    from sklearn.metrics import average_precision_score

    metrics: dict[str, float] = {}
    ranked = []
    for name, nearness in similarities(a, b).items():
        one = RankedLabels.of(nearness, positive)
        ranked.append(one)
        metrics[f"{name}_ap"] = float(average_precision_score(positive, nearness))
        metrics |= {f"{name}_{metric}": value for metric, value in one.best_thresholds().items()}
    for metric in ("ap", "accuracy", "f1", "precision", "recall"):
        metrics[f"max_{metric}"] = max(value for name, value in metrics.items() if name.endswith(f"_{metric}"))

    def statistic(units: Units) -> float:
        weights = np.bincount(units, minlength=len(a)).astype(np.float64)
        return max(one.average_precision(weights) for one in ranked)

    return Outcome(metrics["max_ap"], metrics, (len(a),), statistic)
