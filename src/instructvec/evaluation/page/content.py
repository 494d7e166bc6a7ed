"""What a report says, as typed values; what a partial report lacks is empty.

Knows names and figures; nothing of the JSON they come from, nor of sentences, tables or charts. Figures are in
percent, differences in points.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from instructvec.page.estimate import Estimate

ALL = "all"
"""The scope of figures over tasks of every kind."""


@dataclass(frozen=True, slots=True)
class Model:
    """A model; ``colour`` is its place among the models."""

    name: str
    short: str
    colour: int
    instructed: bool
    facts: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Task:
    """A task as the suite describes it; empty strings where it does not."""

    name: str
    kind: str
    metric: str
    licence: str
    source: str
    note: str
    n_units: int | None
    instruction: str
    document_instruction: str


class Reworded(NamedTuple):
    """A score under one wording, in percent."""

    label: str
    score: float
    instruction: str
    document_instruction: str


@dataclass(frozen=True, slots=True)
class Result:
    """A model's figures on a task."""

    kind: str
    metric: str
    estimate: Estimate
    wordings: tuple[Reworded, ...]
    metrics: Mapping[str, float]

    def under(self, label: str) -> Reworded | None:
        """What was found under a wording."""
        return next((one for one in self.wordings if one.label == label), None)


class KindScore(NamedTuple):
    """A mean over tasks."""

    estimate: Estimate
    n_tasks: int | None


class Difference(NamedTuple):
    """Model ``a`` minus model ``b`` over ``over`` (``"all"``, a kind or a task), in points."""

    a: str
    b: str
    over: str
    estimate: Estimate
    p: float | None

    @property
    def reversed(self) -> Difference:
        """The same with the models' places exchanged."""
        value, low, high = (None if one is None else -one for one in self.estimate)
        return Difference(self.b, self.a, self.over, Estimate(value, high, low), self.p)


Matrix = Mapping[str, Mapping[str, float]]
"""What is measured -> what was asked for -> percent."""


@dataclass(frozen=True, slots=True)
class FollowingResult:
    """How a model's vectors move with the goal that is asked for."""

    goals: tuple[str, ...]
    v_measure: Matrix
    accuracy: Matrix
    sensitivity: Mapping[str, float]
    instructions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class PointMap:
    """The same texts under two instructions; labels and points by goal, one a text."""

    task: str
    model: str
    goals: tuple[str, str]
    instructions: Mapping[str, str]
    texts: tuple[str, ...]
    labels: Mapping[str, tuple[str, ...]]
    points: Mapping[str, tuple[tuple[float, float], ...]]


class Failure(NamedTuple):
    """Something that could not be measured; ``model`` is empty where it concerns none."""

    model: str
    task: str
    message: str


@dataclass(frozen=True, slots=True)
class Content:
    """All of a report."""

    suite: str
    description: str
    facts: Mapping[str, Any]
    complete: bool
    errors: tuple[Failure, ...]
    notes: tuple[str, ...]
    models: tuple[Model, ...]
    tasks: tuple[Task, ...]
    results: Mapping[str, Mapping[str, Result]]
    kinds: Mapping[str, Mapping[str, KindScore]]
    differences: tuple[Difference, ...]
    ranks: Mapping[str, Mapping[str, float]]
    robustness: Mapping[str, Mapping[str, float]]
    following: Mapping[str, Mapping[str, FollowingResult]]
    map: PointMap | None

    def model(self, name: str) -> Model:
        """A model by its whole name."""
        return next(one for one in self.models if one.name == name)

    def difference(self, a: str, b: str, over: str) -> Difference | None:
        """``a`` minus ``b``, whichever way round it was computed."""
        for one in self.differences:
            if one.over == over and (one.a, one.b) in ((a, b), (b, a)):
                return one if one.a == a else one.reversed
        return None

    @property
    def kinds_present(self) -> list[str]:
        """Kinds of the tasks, in the tasks' order."""
        return list(dict.fromkeys(task.kind for task in self.tasks))

    @property
    def common_tasks(self) -> list[str]:
        """Tasks that every model has a score on."""
        names = [model.name for model in self.models]
        return [task.name for task in self.tasks if all(self.score(name, task.name) is not None for name in names)]

    def score(self, model: str, task: str) -> float | None:
        """A model's score on a task."""
        result = self.results.get(model, {}).get(task)
        return None if result is None else result.estimate.value

    @property
    def missing(self) -> list[tuple[str, str]]:
        """(model, task) of which there is no score."""
        return [
            (model.name, task.name)
            for model in self.models
            for task in self.tasks
            if self.score(model.name, task.name) is None
        ]
