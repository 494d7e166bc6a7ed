"""Scores -> the table by kind and the table of all tasks, each with bars.

Knows which figures stand in which column; nothing of how they were computed. The best is bold, and what cannot be
told from it is marked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from instructvec.evaluation.page.content import ALL, Content, Model, Task
from instructvec.evaluation.page.headline import interval_text, name_of
from instructvec.evaluation.page.kinds import metric_name, title
from instructvec.evaluation.page.standing import Standing, same_tasks, standing
from instructvec.page.drawing import Axis, Bar, axis_over, bars, scale
from instructvec.page.estimate import Estimate
from instructvec.page.markup import (
    Child,
    Html,
    cell,
    counted,
    element,
    figure,
    header,
    joined,
    paragraph,
    table,
    wrapping,
)


def kinds_table(content: Content) -> Html | None:
    """Means over the tasks of each kind, one column a model; ``None`` where there are none."""
    scopes = [ALL, *content.kinds_present]
    scopes = [scope for scope in scopes if any(scope in one for one in content.kinds.values())]
    if not scopes:
        return None
    axis = _axis(one.estimate for kinds in content.kinds.values() for one in kinds.values())
    rows = [_kind_row(content, scope, axis) for scope in scopes]
    head = [header("Kind of task"), *_model_headers(content), header(scale(axis, "percent"), cls="wide")]
    shown = table(head, rows, caption="Mean score of each model by kind of task", cls="scores")
    return joined([_key(content), shown, _unequal(content, scopes)])


def tasks_table(content: Content) -> Html | None:
    """Every task, one column a model; sorted and filtered by the page's script."""
    if not content.tasks or not content.models:
        return None
    estimates = [one.estimate for tasks in content.results.values() for one in tasks.values()]
    axis = _axis(estimates)
    rows = [_task_row(content, task, axis) for task in content.tasks]
    head = [
        header("Task", sort="text"),
        *_model_headers(content, sort="number"),
        header(scale(axis, "percent"), cls="wide"),
    ]
    shown = table(head, rows, caption="Score of each model on each task", cls="scores", name="tasks-table")
    return joined([_key(content), _controls(content), shown])


def _axis(estimates: Iterable[Estimate]) -> Axis:
    """0 to 100, and below zero only where some score is."""
    ends = [end for one in estimates for end in (one.value, one.low, one.high) if end is not None]
    return axis_over([100.0, *ends]) if min(ends, default=0.0) < 0 else Axis(0.0, 100.0)


def _model_headers(content: Content, sort: str | None = None) -> list[Html]:
    return [header(name_of(model), cls="figure", sort=sort) for model in content.models]


def _key(content: Content) -> Html:
    parts: list[Child] = ["Percent, higher is better. The dark line on a bar is the 95% interval."]
    if len(content.models) > 1:
        parts += [
            " ",
            element("strong", None, "Bold"),
            ": the highest of a row. ",
            element("span", {"class": "tie"}, "≈"),
            ": behind it, but the difference may be chance (its 95% interval contains zero).",
        ]
    return paragraph(*parts, cls="key")


def _kind_row(content: Content, scope: str, axis: Axis) -> Html:
    found = {model.name: content.kinds.get(model.name, {}).get(scope) for model in content.models}
    estimates = {name: Estimate(None) if one is None else one.estimate for name, one in found.items()}
    comparable = same_tasks(content, scope)
    scores = {name: one.value if comparable else None for name, one in estimates.items()}
    counts = sorted({one.n_tasks for one in found.values() if one is not None and one.n_tasks is not None})
    n_tasks = " or ".join(map(str, counts)) + (" task" if counts == [1] else " tasks") if counts else ""
    label = "All tasks" if scope == ALL else title(scope)
    return element(
        "tr",
        {"class": "total" if scope == ALL else None},
        header(label, element("small", None, n_tasks), scope="row"),
        *_figures(content.models, estimates, standing(content, scope, scores), with_interval=True),
        _bars(content.models, estimates, axis, label),
    )


def _task_row(content: Content, task: Task, axis: Axis) -> Html:
    found = {model.name: content.results.get(model.name, {}).get(task.name) for model in content.models}
    estimates = {name: Estimate(None) if one is None else one.estimate for name, one in found.items()}
    scores = {name: one.value for name, one in estimates.items()}
    return element(
        "tr",
        {"data-kind": task.kind},
        element(
            "th",
            {"scope": "row", "data-value": task.name.lower(), "title": task.note or None},
            wrapping(task.name),
            element("small", None, f"{title(task.kind)}: {metric_name(task.metric)}"),
        ),
        *_figures(content.models, estimates, standing(content, task.name, scores), with_interval=False),
        _bars(content.models, estimates, axis, task.name),
    )


def _figures(
    models: Iterable[Model], estimates: Mapping[str, Estimate], found: Standing, *, with_interval: bool
) -> Iterable[Html]:
    for model in models:
        estimate = estimates[model.name]
        text: Child = figure(estimate.value)
        if model.name in found.best:
            text = element("strong", None, text)
        tie = element("span", {"class": "tie", "title": "may be as good as the best"}, "≈")
        bounds = None
        if with_interval and estimate.low is not None:
            bounds = element("small", None, interval_text(estimate))
        yield cell(
            tie if model.name in found.tied else None,
            text,
            bounds,
            cls="figure",
            value=None if estimate.value is None else f"{estimate.value:.4f}",
        )


def _bars(models: Iterable[Model], estimates: Mapping[str, Estimate], axis: Axis, label: str) -> Html:
    rows = [Bar(estimates[model.name], model.colour, _tip(model, estimates[model.name])) for model in models]
    return cell(bars(rows, axis, f"{label}: {'; '.join(row.tip for row in rows)}"), cls="wide")


def _tip(model: Model, estimate: Estimate) -> str:
    if estimate.value is None:
        return f"{model.short} no score"
    bounds = "" if estimate.low is None else f" ({interval_text(estimate)})"
    return f"{model.short} {figure(estimate.value, 2)}{bounds}"


def _unequal(content: Content, scopes: Iterable[str]) -> Html | None:
    if all(same_tasks(content, scope) for scope in scopes):
        return None
    return paragraph(
        "Where the number of tasks differs between models, their means are over different tasks and must not be "
        "compared; none is marked as best there.",
        cls="warning",
    )


def _controls(content: Content) -> Html:
    """What the script puts to use; hidden without it."""
    options = [element("option", {"value": ""}, f"all kinds ({counted(len(content.tasks), 'task')})")]
    for kind in content.kinds_present:
        n_tasks = sum(task.kind == kind for task in content.tasks)
        options.append(element("option", {"value": kind}, f"{title(kind)} ({n_tasks})"))
    return element(
        "div",
        {"class": "controls", "hidden": True},
        element("label", None, "Show ", element("select", {"id": "tasks-kind"}, *options)),
        element("label", None, "whose name contains ", element("input", {"id": "tasks-name", "type": "search"})),
        element("output", {"id": "tasks-count", "aria-live": "polite"}),
    )
