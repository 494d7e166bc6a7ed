"""Scores by wording -> how much the wording matters: strips by task, levels of detail, ranks.

Knows labels of wordings; nothing of how scores were made. Strips show the difference from the main wording, since
a spread of two points would vanish on an axis from 0 to 100.
"""

from __future__ import annotations

from collections.abc import Sequence

from instructvec.evaluation.page.content import Content, Model, Result, Reworded
from instructvec.evaluation.page.effects import (
    CONTROLS,
    DETAIL,
    MAIN,
    effect,
    labels_run,
    mean_range,
    n_wordings,
    reworded_models,
)
from instructvec.evaluation.page.headline import name_of
from instructvec.evaluation.page.kinds import title
from instructvec.evaluation.robustness import is_reworded
from instructvec.page.drawing import Axis, Bar, Mark, axis_over, glyph, lollipops, scale, strip
from instructvec.page.estimate import Estimate
from instructvec.page.markup import (
    Html,
    cell,
    element,
    figure,
    fits,
    header,
    joined,
    signed,
    table,
    wrapping,
)

_ABLATIONS = {
    "none": ("square", "no instruction"),
    "tag": ("triangle", "a tag, such as a task's name"),
    "simple": ("diamond", "a simple sentence"),
    "placebo": ("plus", "a placebo: says nothing"),
    "wrong": ("cross", "wrong: asks for something else"),
}
_LEVELS = {
    "none": ("None", "no instruction at all"),
    "tag": ("Tag", "no sentence, just a name"),
    "simple": ("Simple", "a sentence without the domain"),
    MAIN: ("Detailed", "the suite's main wording"),
    "placebo": ("Placebo", "as long, but about nothing"),
    "wrong": ("Wrong", "asks for something else"),
}


def strips(content: Content) -> Html | None:
    """Every task under every wording, one column a model."""
    models = reworded_models(content)
    rows_of = [
        task for task in content.tasks if any(_changes(_result(content, model, task.name)) for model in models)
    ]
    if not models or not rows_of:
        return None
    axis = _axis(content, models)
    head = [header("Task"), *(header(name_of(model), scale(axis, "points"), cls="wide strip") for model in models)]
    rows = [
        element(
            "tr",
            {"data-kind": task.kind},
            header(wrapping(task.name), element("small", None, title(task.kind)), scope="row"),
            *(_strip_cell(_result(content, model, task.name), axis, model, task.name) for model in models),
        )
        for task in rows_of
    ]
    shown = table(
        head, rows, caption="Scores under each wording, as points above or below the main wording", cls="strips"
    )
    return joined([_spread_table(content, models), _legend(content, models), shown])


def explanation(content: Content) -> str:
    """How to read :func:`strips`."""
    has_ablations = bool(labels_run(content, reworded_models(content)) & _ABLATIONS.keys())
    below = "Below them, in a second line, what happens with less, with no, or with a misleading instruction. "
    beyond = "; an arrow beside a mark says that it lies beyond the axis"
    return (
        f"Each task was run under up to {n_wordings(content)} wordings of its instruction that ask for the same "
        "thing. A robust model scores alike under all of them: its dots lie close together. "
        f"{below if has_ablations else ''}Zero is the main wording; the figures under a strip are the worst and "
        f"the best score of the {'upper ' if has_ablations else ''}dots. Point at a mark to read the "
        f"wording{beyond if has_ablations else ''}."
    )


def levels(content: Content) -> Html | None:
    """What less, no, empty or wrong instructions cost, averaged over tasks."""
    models = [model for model in reworded_models(content) if effect(content, model.name, "none") is not None]
    labels = [label for label in (*DETAIL, *CONTROLS) if any(effect(content, one.name, label) for one in models)]
    if len(labels) < 2:
        return None
    changes = {
        label: {model.name: found for model in models if (found := effect(content, model.name, label)) is not None}
        for label in labels
    }
    axis = axis_over((one.change for by_model in changes.values() for one in by_model.values()), is_signed=True)
    rows = []
    for label in labels:
        by_model = changes[label]
        bars = [
            Bar(
                Estimate(by_model[model.name].change if model.name in by_model else None),
                model.colour,
                f"{model.short}, {_LEVELS[label][0].lower()}: {_change_text(by_model.get(model.name))}",
            )
            for model in models
        ]
        rows.append(
            element(
                "tr",
                {"class": "first-control" if label == CONTROLS[0] else "main" if label == MAIN else None},
                header(_LEVELS[label][0], element("small", None, _LEVELS[label][1]), scope="row"),
                cell(lollipops(bars, axis, "; ".join(bar.tip for bar in bars)), cls="wide"),
                *(cell(signed(bar.estimate.value), cls="figure") for bar in bars),
            )
        )
    head = [
        header("Instruction"),
        header(scale(axis, "points"), cls="wide"),
        *(header(name_of(model), cls="figure") for model in models),
    ]
    shown = table(head, rows, caption="Mean difference from the detailed instruction, in points", cls="levels")
    return joined([shown, _example(content)])


def ranks(content: Content) -> Html | None:
    """The mean rank of each model under each wording."""
    labels = list(dict.fromkeys(label for by_label in content.ranks.values() for label in by_label))
    models = [model for model in content.models if model.name in content.ranks]
    if len(models) < 2 or not labels:
        return None
    best = {label: min(content.ranks[model.name].get(label, float("inf")) for model in models) for label in labels}
    rows = []
    for model in models:
        by_label = content.ranks[model.name]
        cells = []
        for label in labels:
            rank = by_label.get(label)
            text = figure(rank, 2)
            cells.append(cell(element("strong", None, text) if rank == best[label] else text, cls="figure"))
        rows.append(element("tr", None, header(name_of(model), scope="row"), *cells))
    head = [header("Model"), *(header(_wording_name(label), cls="figure") for label in labels)]
    return table(head, rows, caption="Mean rank of each model under each wording; 1 is best", cls="ranks")


def _spread_table(content: Content, models: Sequence[Model]) -> Html | None:
    rows = []
    for model in models:
        found = content.robustness.get(model.name, {})
        reach = mean_range(content, model.name)
        if reach is None:
            continue
        rows.append(
            element(
                "tr",
                None,
                header(name_of(model), scope="row"),
                *(cell(figure(found.get(key)), cls="figure") for key in ("worst_mean", "best_mean")),
                cell(element("strong", None, figure(reach)), cls="figure"),
                cell(figure(found.get("mean_std"), 2), cls="figure"),
            )
        )
    if not rows:
        return None
    head = [
        header("Means over tasks"),
        header("worst wording", cls="figure"),
        header("best wording", cls="figure"),
        header("best minus worst", cls="figure"),
        header("standard deviation", cls="figure"),
    ]
    caption = f"Spread over {n_wordings(content)} wordings that ask for the same"
    return table(head, rows, caption=caption, cls="spread")


def _legend(content: Content, models: Sequence[Model]) -> Html:
    run = labels_run(content, models)
    items = [("disc", "the main wording"), ("dot", "a paraphrase of it")]
    items += [shape for label, shape in _ABLATIONS.items() if label in run]
    return element(
        "ul",
        {"class": "legend"},
        *(element("li", None, glyph(shape, f"mark {shape}"), f" {words}") for shape, words in items),
    )


def _result(content: Content, model: Model, task: str) -> Result | None:
    return content.results.get(model.name, {}).get(task)


def _changes(result: Result | None) -> list[tuple[Reworded, float]]:
    """Wordings with their difference from the main one; empty where there is only one."""
    if result is None or len(result.wordings) < 2 or (main := result.under(MAIN)) is None:
        return []
    return [(one, one.score - main.score) for one in result.wordings]


def _axis(content: Content, models: Sequence[Model]) -> Axis:
    """Holds all but the few ablations that would make it much longer; those stand at its end, marked."""
    same: list[float] = []
    other: list[float] = []
    for model in models:
        for result in content.results.get(model.name, {}).values():
            for one, change in _changes(result):
                (same if is_reworded(one.label) else other).append(change)
    other.sort()
    n_few = len(other) // 20
    most = axis_over([*same, *other[n_few : len(other) - n_few]], is_signed=True, least=2.0)
    near = [change for change in other if 2 * most.low <= change <= 2 * most.high]
    return axis_over([*same, *near], is_signed=True, least=2.0)


def _strip_cell(result: Result | None, axis: Axis, model: Model, task: str) -> Html:
    changes = _changes(result)
    if result is None or not changes:
        return cell("not reworded" if result is not None else "no score", cls="wide strip absent")
    marks = [
        Mark(change, _shape(one.label), _tip(one, change), 0 if is_reworded(one.label) else 1)
        for one, change in changes
    ]
    scores = [one.score for one, _ in changes if is_reworded(one.label)]
    reach = f"{figure(min(scores))} to {figure(max(scores))}"
    label = f"{model.short} on {task}: main wording {figure(result.estimate.value)}, all wordings {reach}"
    return cell(strip(marks, axis, label, model.colour), element("small", None, reach), cls="wide strip")


def _shape(label: str) -> str:
    if label == MAIN:
        return "disc"
    return _ABLATIONS[label][0] if label in _ABLATIONS else "dot"


def _wording_name(label: str) -> str:
    return "main wording" if label == MAIN else label


def _tip(one: Reworded, change: float) -> str:
    said = f"\n“{fits(one.instruction, 140)}”" if one.instruction else ""
    other = one.document_instruction
    documents = f"\ndocuments: “{fits(other, 140)}”" if other and other != one.instruction else ""
    against = "" if one.label == MAIN else f" ({signed(change)})"
    return f"{_wording_name(one.label)}: {figure(one.score)}{against}{said}{documents}"


def _change_text(found: object) -> str:
    change, n_tasks = getattr(found, "change", None), getattr(found, "n_tasks", 0)
    return "not run" if change is None else f"{signed(change)} points over {n_tasks} tasks"


def _example(content: Content) -> Html | None:
    """The levels of the first task that has them all, in its own words."""
    for tasks in content.results.values():
        for name, result in tasks.items():
            said = {label: one.instruction for label in _LEVELS if (one := result.under(label)) is not None}
            if {"tag", "simple", MAIN} <= said.keys():
                rows = [
                    element(
                        "tr",
                        None,
                        header(_LEVELS[label][0], scope="row"),
                        cell(f"“{text.strip()}”" if text else "(nothing)"),
                    )
                    for label, text in said.items()
                ]
                shown = table(
                    [header("Level"), header("Wording")], rows, caption=f"Wordings of {name}", cls="words"
                )
                return element(
                    "details", None, element("summary", None, f"For example, the wordings of {name}"), shown
                )
    return None
