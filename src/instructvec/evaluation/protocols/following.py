"""The same texts under different instructions -> whether their vectors do what each instruction asks.

Knows vectors and labels; nothing of texts, models or the instructions' wording. All figures of following are
offered here; those of rankings are in ``rank_following``. Texts that can be grouped by several goals are after
GoalEx (Wang et al. 2023).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import combinations, product
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.evaluation.protocols.labels import SEED, classification, undersample
from instructvec.evaluation.protocols.metrics import Units
from instructvec.evaluation.protocols.outcome import Outcome
from instructvec.evaluation.protocols.rank_following import p_mrr, p_mrr_by_query, robustness_at_k
from instructvec.evaluation.protocols.vectors import Vectors32, check_order, check_widths, checked, normalised
from instructvec.extras import require
from instructvec.tasks.label_scores import v_measure
from instructvec.tasks.labels import Label, check_several_labels, label_codes

__all__ = ["following", "harmonic_mean", "p_mrr", "p_mrr_by_query", "robustness_at_k", "sensitivity"]

MINI_BATCH_ROWS = 2000
"""Up to here k-means runs from ten starts; more texts are clustered in mini-batches, as in MTEB, to save time."""

ROUNDING = 1e-9
"""Mean cosine distances below this count as this: float32 vectors that ought to be equal differ by less."""

_N_STARTS = 10
_BLOCK_ROWS = 4096
_Matrix = dict[str, dict[str, float]]


def following(
    vectors: Mapping[str, NDArray[Any]],
    goals: Mapping[str, Sequence[Label]],
    *,
    samples_per_label: int = 8,
    n_experiments: int = 10,
    seed: int = SEED,
) -> Outcome:
    """How well each goal's labels are met under its own instruction, and under the other goals'.

    For each goal L and each goal I under whose instruction the texts were encoded: the v-measure of k-means with
    as many clusters as L has labels, and the mean accuracy of logistic regressions that learn from a few examples
    a label and label all other texts. A label with no more texts than ``samples_per_label`` is learnt and never
    asked for.

    Args:
        vectors: goal -> (n, d), the texts under that goal's instruction.
        goals: goal -> n labels of the same texts; two goals or more.
        samples_per_label: examples a label that a classifier learns from, drawn as in classification tasks.
        n_experiments: how many times they are drawn.
        seed: of clustering, draws and classifiers.

    Returns:
        ``score`` is ``harmonic_v_measure``, the harmonic mean over goals of the v-measure under the right
        instruction; 0 where one goal has 0. Beside it ``harmonic_accuracy``, and for both measures ``right_``, the
        mean over goals under the right instruction, ``other_``, under the others', and ``following_gain_``, right
        minus others'. Units are texts, which keep their clusters on a resample. ``details``: ``goals``,
        ``v_measure`` and ``accuracy`` as {labels' goal: {instruction's goal: value}}, and in ``n_not_converged``
        how many fits stopped at 100 iterations.

    Raises:
        InputError: fewer than two goals, one without vectors or with one label, too few texts to learn from some
            and ask for others, or vectors that are NaN, infinite, all the same or of shapes that disagree.

    Example:
        >>> eyes = {"first": np.eye(2)[[0, 0, 1, 1]], "second": np.eye(2)[[0, 1, 0, 1]]}
        >>> goals = {"first": ["a", "a", "b", "b"], "second": ["c", "d", "c", "d"]}
        >>> found = following(eyes, goals, samples_per_label=1)
        >>> round(found.score, 6), round(found.metrics["following_gain_v_measure"], 6)
        (1.0, 1.0)
    """
    encoded = _checked(vectors, goals)
    v_measures: _Matrix = {}
    accuracies: _Matrix = {}
    right_cells, n_not_converged = [], 0
    for goal, labels in goals.items():
        cells = {asked: _cells(own, labels, seed) for asked, own in encoded.items()}
        right_cells.append(cells[goal])
        v_measures[goal] = {asked: one(np.arange(len(labels))) for asked, one in cells.items()}
        draws = _draws(goal, labels, samples_per_label, n_experiments, seed)
        few_shot = {asked: _few_shot(own, labels, draws, seed) for asked, own in encoded.items()}
        accuracies[goal] = {asked: accuracy for asked, (accuracy, _) in few_shot.items()}
        n_not_converged += sum(stopped for _, stopped in few_shot.values())
    metrics = _summary("v_measure", v_measures) | _summary("accuracy", accuracies)
    return Outcome(
        metrics["harmonic_v_measure"],
        metrics,
        (len(next(iter(encoded.values()))),),
        lambda units: harmonic_mean([one(units) for one in right_cells]),
        {
            "goals": list(goals),
            "v_measure": v_measures,
            "accuracy": accuracies,
            "n_not_converged": n_not_converged,
        },
    )


def _checked(vectors: Mapping[str, NDArray[Any]], goals: Mapping[str, Sequence[Label]]) -> dict[str, Vectors32]:
    if len(goals) < 2:
        raise InputError(f"goals: {len(goals)}; expected two or more, for following is measured between them")
    encoded = {}
    for goal, labels in goals.items():
        if goal not in vectors:
            raise InputError(
                f"vectors: none for the goal {goal!r}; expected the texts under its instruction, beside "
                f"{', '.join(map(repr, vectors)) or 'none'}"
            )
        encoded[goal] = checked(f"vectors under {goal!r}", vectors[goal])
        if len(labels) != len(encoded[goal]):
            raise InputError(
                f"goal {goal!r}: {len(labels)} labels for {len(encoded[goal])} vectors; expected one for each text"
            )
        check_several_labels(f"goal {goal!r}", labels)
    n_texts = {goal: len(own) for goal, own in encoded.items()}
    if len(set(n_texts.values())) > 1:
        raise InputError(f"vectors: {n_texts} rows; expected the same texts under every goal's instruction")
    named = {f"vectors under {goal!r}": own for goal, own in encoded.items()}
    check_widths(**named)
    check_order(**named)
    return encoded


def _cells(vectors: Vectors32, labels: Sequence[Label], seed: int) -> Callable[[Units], float]:
    """The v-measure of a clustering, for any texts of it."""
    distinct, codes = label_codes(labels)
    n = len(distinct)
    cells = codes * n + _clusters(vectors, n, seed)

    def of(units: Units) -> float:
        return v_measure(np.bincount(cells[units], minlength=n * n).reshape(n, n).astype(np.float64))

    return of


def _clusters(vectors: Vectors32, n_clusters: int, seed: int) -> NDArray[np.int64]:
    """(n,) int64, the cluster of each row."""
    require("sklearn", "clustering")
    from sklearn.cluster import KMeans, MiniBatchKMeans

    if len(vectors) > MINI_BATCH_ROWS:
        model = MiniBatchKMeans(n_clusters, batch_size=500, n_init="auto", random_state=seed)
    else:
        model = KMeans(n_clusters, n_init=_N_STARTS, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fewer distinct vectors than clusters
        return cast("NDArray[np.int64]", model.fit(vectors).labels_.astype(np.int64))


def _draws(
    goal: str, labels: Sequence[Label], samples_per_label: int, n_experiments: int, seed: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    """For each experiment the rows learnt from, and all others."""
    for name, value in (("samples_per_label", samples_per_label), ("n_experiments", n_experiments)):
        if value < 1:
            raise InputError(f"{name} is {value}; expected 1 or more")
    everyone = np.arange(len(labels))
    found = [
        (learnt, np.setdiff1d(everyone, learnt))
        for learnt in undersample(
            labels, samples_per_label=samples_per_label, n_experiments=n_experiments, seed=seed
        )
    ]
    n_asked = len({labels[row] for row in found[0][1]})
    if n_asked < 2:
        raise InputError(
            f"goal {goal!r}: {len(labels)} texts, of which a classifier learns from {samples_per_label} a label; "
            f"texts of {n_asked} labels are left to ask for, expected 2 or more: give more texts, or lower "
            "samples_per_label"
        )
    return found


def _few_shot(
    vectors: Vectors32,
    labels: Sequence[Label],
    draws: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
    seed: int,
) -> tuple[float, int]:
    """Mean accuracy over draws, and how many fits did not converge."""
    found = [
        classification(
            vectors[learnt],
            [labels[row] for row in learnt],
            vectors[asked],
            [labels[row] for row in asked],
            draws=[np.arange(len(learnt))],
            seed=seed,
        )
        for learnt, asked in draws
    ]
    stopped = sum(cast("int", one.details["n_not_converged"]) for one in found)
    return float(np.mean([one.score for one in found])), stopped


def _summary(measure: str, matrix: _Matrix) -> dict[str, float]:
    right = {goal: row[goal] for goal, row in matrix.items()}
    other = {
        goal: float(np.mean([value for asked, value in row.items() if asked != goal]))
        for goal, row in matrix.items()
    }
    return {
        f"harmonic_{measure}": harmonic_mean(list(right.values())),
        f"right_{measure}": float(np.mean(list(right.values()))),
        f"other_{measure}": float(np.mean(list(other.values()))),
        f"following_gain_{measure}": float(np.mean([right[goal] - other[goal] for goal in matrix])),
    }


def harmonic_mean(values: Sequence[float]) -> float:
    """The harmonic mean of values that are not negative; 0 where one of them is.

    Example:
        >>> harmonic_mean([0.5, 1.0]), harmonic_mean([0.0, 1.0])
        (0.6666666666666666, 0.0)
    """
    if min(values) <= 0:
        return 0.0
    return len(values) / sum(1 / value for value in values)


def sensitivity(by_goal: Mapping[str, Sequence[NDArray[Any]]]) -> dict[str, float]:
    """How far vectors move between two wordings of one goal, and how far between two goals.

    Distance is 1 - cosine of the same text's two vectors: half the square of their difference at unit length.

    Args:
        by_goal: goal -> the same n texts (n, d) under each of its wordings; two goals and two wordings or more.

    Returns:
        ``within``: mean distance over texts and pairs of wordings of one goal, then over goals. ``between``: mean
        distance over texts and pairs of wordings of two goals, then over pairs of goals. Both are 0 for a model
        that reads no instructions. ``ratio``: between / within, either counted as at least :data:`ROUNDING` so
        that it is always a number: 1 where neither moves anything, above 1 where what is asked for matters more
        than how it is put.

    Raises:
        InputError: fewer than two goals or wordings, shapes that disagree, or NaN or infinite components.

    Example:
        >>> topic, style = np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])
        >>> sensitivity({"topic": [topic, topic], "style": [style, style]})["between"]
        1.0
    """
    if len(by_goal) < 2:
        raise InputError(f"by_goal: {len(by_goal)} goals; expected two or more to move between")
    named = {
        f"wording {at} of {goal!r}": checked(f"wording {at} of {goal!r}", own)
        for goal, wordings in by_goal.items()
        for at, own in enumerate(wordings, start=1)
    }
    for goal, wordings in by_goal.items():
        if len(wordings) < 2:
            raise InputError(f"goal {goal!r}: {len(wordings)} wordings; expected two or more, so give paraphrases")
    check_widths(**named)
    shapes = {name: len(own) for name, own in named.items()}
    if len(set(shapes.values())) > 1:
        raise InputError(f"by_goal: {shapes} rows; expected the same texts under every wording")
    unit = {goal: [normalised(checked(goal, own)) for own in wordings] for goal, wordings in by_goal.items()}
    within = float(np.mean([_mean_distance(combinations(wordings, 2)) for wordings in unit.values()]))
    between = float(np.mean([_mean_distance(product(*two)) for two in combinations(unit.values(), 2)]))
    ratio = max(between, ROUNDING) / max(within, ROUNDING)
    return {"within": within, "between": between, "ratio": ratio}


def _mean_distance(pairs: Iterable[tuple[Vectors32, ...]]) -> float:
    """Of unit vectors; exactly 0 for equal ones, where 1 - cosine would leave rounding."""
    found = []
    for one, other in pairs:
        total = 0.0
        for start in range(0, len(one), _BLOCK_ROWS):
            rows = slice(start, start + _BLOCK_ROWS)
            total += float(np.square(one[rows].astype(np.float64) - other[rows]).sum())
        found.append(total / 2 / len(one))
    return float(np.mean(found))
