"""Scores under several wordings -> what a wording changes on average, task by task against the main one.

Knows scores by wording; nothing of how they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from statistics import fmean
from typing import NamedTuple

from instructvec.evaluation.page.content import ALL, Content, FollowingResult, Matrix, Model
from instructvec.evaluation.page.names import WITHOUT
from instructvec.evaluation.robustness import is_reworded
from instructvec.page.estimate import Estimate

MAIN = "instruction"
DETAIL = ("none", "tag", "simple", MAIN)
"""From nothing to all that the suite says of a task."""
CONTROLS = ("placebo", "wrong")
"""As long as an instruction, but about nothing or about something else."""


class Gain(NamedTuple):
    """What a model gains by its instruction, in points, against none; ``against_wrong`` where that was run."""

    points: Estimate
    against_wrong: float | None


class Effect(NamedTuple):
    """The mean of (score under a wording - score under the main one), in points, over the tasks that have both."""

    change: float
    n_tasks: int


def effect(content: Content, model: str, label: str) -> Effect | None:
    """What a wording changes for a model; ``None`` where no task has both."""
    changes = []
    for result in content.results.get(model, {}).values():
        main, other = result.under(MAIN), result.under(label)
        if main is not None and other is not None:
            changes.append(other.score - main.score)
    return Effect(fmean(changes), len(changes)) if changes else None


def gain(content: Content, model: Model) -> Gain | None:
    """A model with its instruction against itself without, which is a wording or a model of its own."""
    without, wrong = effect(content, model.name, "none"), effect(content, model.name, "wrong")
    if without is not None:
        return Gain(Estimate(-without.change), None if wrong is None else -wrong.change)
    against = content.difference(model.name, model.name + WITHOUT, ALL)
    return None if against is None or against.estimate.value is None else Gain(against.estimate, None)


def reworded_models(content: Content) -> list[Model]:
    """Models that ran some task under more than one wording."""
    return [
        model
        for model in content.models
        if any(len(result.wordings) > 1 for result in content.results.get(model.name, {}).values())
    ]


def labels_run(content: Content, models: Iterable[Model]) -> set[str]:
    """Labels of all wordings that some of these models ran."""
    return {
        one.label
        for model in models
        for result in content.results.get(model.name, {}).values()
        for one in result.wordings
    }


def n_wordings(content: Content) -> int:
    """The largest number of equivalent wordings a task was run under."""
    results = [result for tasks in content.results.values() for result in tasks.values()]
    return max((sum(is_reworded(one.label) for one in result.wordings) for result in results), default=0)


def mean_range(content: Content, model: str) -> float | None:
    """Best minus worst of the equivalent wordings, in points, averaged over tasks; ``None`` without any."""
    given = content.robustness.get(model, {})
    if "mean_range" in given:
        return given["mean_range"]
    ranges = []
    for result in content.results.get(model, {}).values():
        scores = [one.score for one in result.wordings if is_reworded(one.label)]
        if len(scores) > 1:
            ranges.append(max(scores) - min(scores))
    return fmean(ranges) if ranges else None


class Followed(NamedTuple):
    """How far a matrix follows the goal asked for.

    Attributes:
        right: mean under the right goal's instruction.
        other: mean under the other goals' instructions.
        n_best: goals that the right instruction meets best.
        n_goals: all goals.
    """

    right: float
    other: float
    n_best: int
    n_goals: int


def followed(matrix: Matrix) -> Followed | None:
    """A following matrix in four figures; ``None`` where it has no other goal to hold the right one against."""
    right, other, n_best = [], [], 0
    for goal, row in matrix.items():
        others = [value for asked, value in row.items() if asked != goal and asked in matrix]
        if goal in row and others:
            right.append(row[goal])
            other.extend(others)
            n_best += row[goal] > max(others)
    return Followed(fmean(right), fmean(other), n_best, len(right)) if right else None


def following_results(content: Content) -> Iterator[tuple[Model, str, FollowingResult]]:
    """Model, task and result of all that was found on following."""
    for model in content.models:
        for task, result in content.following.get(model.name, {}).items():
            yield model, task, result
