"""Paired differences between models -> forest plots: over all tasks, by kind, and task by task.

Knows differences and their intervals; nothing of how they were drawn.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from instructvec.evaluation.page.content import ALL, Content, Difference, Model
from instructvec.evaluation.page.headline import interval_text, name_of
from instructvec.evaluation.page.kinds import title
from instructvec.evaluation.page.standing import lead
from instructvec.page.drawing import Axis, axis_over, forest, scale
from instructvec.page.markup import (
    Child,
    Html,
    cell,
    counted,
    element,
    header,
    joined,
    paragraph,
    signed,
    table,
    wrapping,
)

_FEW_PAIRS = 3


def differences(content: Content) -> Html | None:
    """Every pair over all tasks; below, each pair by kind, and by task where the leading model is in it."""
    pairs = _pairs(content)
    overall = [one for a, b in pairs if (one := content.difference(a, b, ALL)) is not None]
    if not overall:
        return None
    details = [_details(content, a, b, at, len(pairs)) for at, (a, b) in enumerate(pairs)]
    return joined([_pair_table(content, overall), *details])


def _pairs(content: Content) -> list[tuple[str, str]]:
    """Pairs of models, the better one first, the leader's pairs before the others."""
    leading = lead(content)
    names = [model.name for model in content.models] if leading is None else [name for name, _ in leading.order]
    return list(combinations(names, 2))


def _pair_table(content: Content, overall: Sequence[Difference]) -> Html:
    axis = _axis(overall)
    rows = []
    for one in overall:
        a, b = content.model(one.a), content.model(one.b)
        names = header(name_of(a), element("span", {"class": "minus"}, " minus "), name_of(b), scope="row")
        rows.append(_row(one, names, axis, a, b))
    return table(_head("Over all tasks", axis), rows, caption="Paired differences over all tasks", cls="forest")


def _details(content: Content, first: str, second: str, at: int, n_pairs: int) -> Html | None:
    a, b = content.model(first), content.model(second)
    kinds = _over(content, a, b, content.kinds_present)
    # A page with eight models would have 28 pairs of all tasks; the leader's are those that decide something.
    with_tasks = n_pairs <= _FEW_PAIRS or first == _pairs(content)[0][0]
    names = [task.name for task in content.tasks if task.name not in content.kinds_present]
    tasks = _over(content, a, b, names) if with_tasks else []
    if not kinds and not tasks:
        return None
    minus = element("span", {"class": "minus"}, " minus ")
    return element(
        "details",
        {"open": at == 0},
        element("summary", None, name_of(a), minus, name_of(b), " by kind" if kinds else " by task"),
        _table("Kind of task", kinds, [title(one.over) for one in kinds], a, b) if kinds else None,
        _by_task(tasks, a, b) if tasks else None,
    )


def _by_task(tasks: Sequence[Difference], a: Model, b: Model) -> Html:
    real = [one for one in tasks if one.estimate.excludes_zero]
    ahead = sum((one.estimate.value or 0.0) > 0 for one in real)
    counts = paragraph(
        f"Of {counted(len(tasks), 'task')}, ",
        name_of(a),
        f" is ahead beyond chance on {ahead}, ",
        name_of(b),
        f" on {len(real) - ahead}; on {len(tasks) - len(real)} the interval contains zero.",
    )
    shown = _table("Task", tasks, [one.over for one in tasks], a, b)
    return joined([counts, element("details", None, element("summary", None, "Task by task"), shown)])


def _over(content: Content, a: Model, b: Model, scopes: Sequence[str]) -> list[Difference]:
    return [one for scope in scopes if (one := content.difference(a.name, b.name, scope)) is not None]


def _table(what: str, shown: Sequence[Difference], names: Sequence[str], a: Model, b: Model) -> Html:
    axis = _axis(shown)
    rows = [
        _row(one, header(wrapping(name), scope="row"), axis, a, b) for one, name in zip(shown, names, strict=True)
    ]
    caption = f"{a.short} minus {b.short}, by {what.lower()}"
    return table(_head(what, axis), rows, caption=caption, cls="forest")


def _axis(shown: Sequence[Difference]) -> Axis:
    ends = [end for one in shown for end in one.estimate]
    return axis_over(ends, is_signed=True, least=2.0)


def _head(what: str, axis: Axis) -> list[Html]:
    return [
        header(what),
        header(scale(axis, "points"), cls="wide"),
        header("Points", cls="figure"),
        header("95% interval", cls="figure"),
    ]


def _row(one: Difference, names: Html, axis: Axis, a: Model, b: Model) -> Html:
    ahead = a if (one.estimate.value or 0.0) > 0 else b
    is_real = one.estimate.excludes_zero
    p = "" if one.p is None else f", {_p_text(one.p)}"
    verdict = f"{ahead.short} is ahead" if is_real else "no difference beyond chance"
    tip = (
        f"{a.short} minus {b.short}: {signed(one.estimate.value, 2)} points "
        f"({interval_text(one.estimate, is_signed=True, decimals=2)}{p}): {verdict}"
    )
    figures: Child = signed(one.estimate.value, 2)
    if is_real:
        figures = element("strong", None, figures)
    return element(
        "tr",
        None,
        names,
        cell(forest(one.estimate, axis, tip, ahead.colour if is_real else None), cls="wide"),
        cell(figures, cls="figure"),
        cell(interval_text(one.estimate, is_signed=True, decimals=2), cls="figure"),
    )


def _p_text(p: float) -> str:
    return "p below 0.001" if p < 0.001 else f"p = {p:.3f}"
