"""Scores of several models in one place -> which is best, and which cannot be told from it.

Knows scores and paired differences; nothing of how they are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import NamedTuple

from instructvec.evaluation.page.content import ALL, Content, Difference
from instructvec.page.estimate import Estimate


class Standing(NamedTuple):
    """Who is ahead.

    Attributes:
        best: the models with the highest score; empty where fewer than two have one.
        tied: models behind whose paired difference from the best may be nothing: its 95% interval holds zero.
    """

    best: frozenset[str]
    tied: frozenset[str]


class Lead(NamedTuple):
    """The overall order.

    Attributes:
        order: models by mean score, best first, with the mean and its interval.
        n_tasks: how many tasks the means are over.
        over_all: whether these are all tasks that were asked for.
    """

    order: list[tuple[str, Estimate]]
    n_tasks: int
    over_all: bool


def standing(content: Content, scope: str, scores: Mapping[str, float | None]) -> Standing:
    """Who is best over a scope (``"all"``, a kind or a task).

    Args:
        content: with the paired differences.
        scope: of the scores.
        scores: model -> score.
    """
    known = {model: score for model, score in scores.items() if score is not None}
    if len(known) < 2:
        return Standing(frozenset(), frozenset())
    highest = max(known.values())
    best = frozenset(model for model, score in known.items() if score == highest)
    first = next(model for model in known if model in best)
    differences = {model: content.difference(first, model, scope) for model in known if model not in best}
    tied = {model for model, one in differences.items() if one is not None and one.estimate.includes_zero}
    return Standing(best, frozenset(tied))


def lead(content: Content) -> Lead | None:
    """The models in the order of their means over the tasks that all have; ``None`` where there are none."""
    common = content.common_tasks
    if not content.models or not common:
        return None
    order = []
    for model in content.models:
        overall = content.kinds.get(model.name, {}).get(ALL)
        if overall is not None and overall.n_tasks == len(common):
            order.append((model.name, overall.estimate))
        else:
            scores = [content.score(model.name, task) for task in common]
            order.append((model.name, Estimate(fmean(score for score in scores if score is not None))))
    order.sort(key=lambda one: one[1].value or 0.0, reverse=True)
    return Lead(order, len(common), len(common) == len(content.tasks))


def first_difference(content: Content, leading: Lead) -> Difference | None:
    """The leader minus the next, where it was computed."""
    if len(leading.order) < 2:
        return None
    return content.difference(leading.order[0][0], leading.order[1][0], ALL)


def n_common(content: Content, a: str, b: str) -> int:
    """How many tasks two models both have a score on."""
    return sum(all(content.score(model, task.name) is not None for model in (a, b)) for task in content.tasks)


def same_tasks(content: Content, scope: str) -> bool:
    """Whether the means over a scope are over as many tasks for every model that has one."""
    counts = {scopes[scope].n_tasks for scopes in content.kinds.values() if scope in scopes}
    return len(counts) < 2


def wins(content: Content) -> dict[str, int]:
    """Model -> how many of the common tasks it has the highest score on; equals count for each."""
    found = dict.fromkeys((model.name for model in content.models), 0)
    for task in content.common_tasks:
        scores = {model: content.score(model, task) or 0.0 for model in found}
        for model, score in scores.items():
            found[model] += score == max(scores.values())
    return found
