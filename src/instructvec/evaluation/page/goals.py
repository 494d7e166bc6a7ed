"""How vectors move with the goal that is asked for -> matrices, sensitivity, and the map of the same texts twice.

Knows which matrix belongs where; nothing of how it was measured.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from instructvec.evaluation.page.content import Content, FollowingResult, Matrix, Model, PointMap
from instructvec.evaluation.page.effects import followed
from instructvec.evaluation.page.headline import name_of
from instructvec.page.drawing import heat, scatter, shade_scale
from instructvec.page.markup import (
    Html,
    as_json,
    cell,
    counted,
    element,
    figure,
    fits,
    header,
    joined,
    paragraph,
    table,
)

MAX_COLOURED = 8
"""Labels that have a colour of their own on the map; the rest share grey."""
_MAX_TEXT = 200
_MATRICES = {
    "v_measure": "Groups found (v-measure)",
    "accuracy": "Labels learnt from a few texts (accuracy)",
}


def matrices(content: Content) -> Html | None:
    """What is measured against what was asked for, by task and model."""
    names = list(dict.fromkeys(task for tasks in content.following.values() for task in tasks))
    parts = [_task_part(content, name) for name in names]
    return joined([shade_scale(), *parts]) if parts else None


def point_map(content: Content) -> Html | None:
    """Two panels of the same texts; colours switch by themselves, the rest is the script's."""
    shown = content.map
    if shown is None:
        return None
    model = next((one for one in content.models if one.name == shown.model), None)
    classes = [_classes(shown, at) for at in (0, 1)]
    both = [f"a{one} b{other}" for one, other in zip(*classes, strict=True)]
    switches = []
    # Colours say most where there is one for each label.
    n_labels = [len(set(shown.labels[goal])) for goal in shown.goals]
    first = 0 if n_labels[0] <= max(MAX_COLOURED, n_labels[1]) else 1
    for at, goal in enumerate(shown.goals):
        key = "ab"[at]
        switches += [
            element(
                "input", {"type": "radio", "name": "map-colour", "id": f"map-by-{key}", "checked": at == first}
            ),
            element("label", {"for": f"map-by-{key}"}, f"colour by {goal}"),
        ]
    panels = element("div", {"class": "panels"}, *(_panel(shown, goal, both) for goal in shown.goals))
    data = {
        "texts": [fits(text, _MAX_TEXT) for text in shown.texts],
        "goals": shown.goals,
        "labels": [shown.labels[goal] for goal in shown.goals],
    }
    return joined(
        [
            paragraph(
                f"{counted(len(shown.texts), 'text')} of {shown.task}, embedded by ",
                name_of(model) if model else shown.model,
                " twice: each under two instructions. Close together means alike. Only nearness means anything; "
                "directions, distances between groups and the groups' sizes do not.",
            ),
            element(
                "div",
                {"class": "map", "role": "group", "aria-label": "Map of the same texts under two instructions"},
                *switches,
                *(_map_legend(shown, at) for at in (0, 1)),
                panels,
            ),
            element("script", {"type": "application/json", "id": "map-data"}, as_json(data)),
        ]
    )


def _task_part(content: Content, task: str) -> Html:
    results = [
        (model, content.following[model.name][task])
        for model in content.models
        if task in content.following.get(model.name, {})
    ]
    asked = element("dl", {"class": "asked"}, *_instructions([result for _, result in results]))
    return joined(
        [
            element("h3", None, task),
            asked,
            element("div", {"class": "columns"}, *(_model_part(model, task, result) for model, result in results)),
            _sensitivity(task, results),
        ]
    )


def _instructions(results: Sequence[FollowingResult]) -> Iterator[Html]:
    # A model that is run without instructions has none to show.
    said = {goal: text for result in reversed(results) for goal, text in result.instructions.items() if text}
    for goal, text in said.items():
        yield element("dt", None, goal)
        yield element("dd", None, f"“{text.strip()}”")


def _model_part(model: Model, task: str, result: FollowingResult) -> Html:
    drawn: list[Html | None] = []
    for key, name in _MATRICES.items():
        matrix: Matrix = result.v_measure if key == "v_measure" else result.accuracy
        if matrix:
            drawn.append(element("h5", None, name))
            drawn.append(_matrix(model, task, name, matrix, result.goals))
            drawn.append(_in_words(matrix))
    return element("div", {"class": "following"}, element("h4", None, name_of(model)), *drawn)


def _matrix(model: Model, task: str, name: str, matrix: Matrix, goals: Sequence[str]) -> Html:
    columns = list(dict.fromkeys([*goals, *(asked for row in matrix.values() for asked in row)]))
    columns = [column for column in columns if any(column in row for row in matrix.values())]
    return heat(
        matrix,
        columns,
        caption=f"{model.short} on {task}: {name}, rows measured, columns asked for",
        corner="asked for →\nmeasured ↓",
        right={goal: goal for goal in matrix},
    )


def _in_words(matrix: Matrix) -> Html | None:
    found = followed(matrix)
    if found is None:
        return None
    return paragraph(
        f"Right goal {figure(found.right)}, other goals {figure(found.other)}; "
        f"the right one is best for {found.n_best} of {found.n_goals}.",
        cls="words",
    )


def _sensitivity(task: str, results: Sequence[tuple[Model, FollowingResult]]) -> Html | None:
    rows = [
        element(
            "tr",
            None,
            header(name_of(model), scope="row"),
            *(cell(figure(result.sensitivity.get(key), 3), cls="figure") for key in ("within", "between")),
            cell(element("strong", None, figure(result.sensitivity.get("ratio"), 2)), cls="figure"),
        )
        for model, result in results
        if result.sensitivity
    ]
    if not rows:
        return None
    head = [
        header("How far a text's vector moves"),
        header("between wordings of one goal", cls="figure"),
        header("between goals", cls="figure"),
        header("times as far", cls="figure"),
    ]
    note = paragraph(
        "A model that follows moves its vectors little when the same goal is put into other words, and much "
        "when the goal changes: the last figure is then well above 1. Distances are 1 minus the cosine.",
        cls="key",
    )
    caption = f"Sensitivity to wording and to the goal on {task}"
    return joined([table(head, rows, caption=caption, cls="sensitivity"), note])


def _classes(shown: PointMap, at: int) -> list[str]:
    """Each text's place among the labels of a goal, ``x`` where it shares grey."""
    places = {label: str(place) for place, label in enumerate(_coloured(shown, at))}
    return [places.get(label, "x") for label in shown.labels[shown.goals[at]]]


def _coloured(shown: PointMap, at: int) -> list[str]:
    """Labels with a colour of their own, the most frequent, by name."""
    counts = Counter(shown.labels[shown.goals[at]])
    return sorted(label for label, _ in counts.most_common(MAX_COLOURED))


def _panel(shown: PointMap, goal: str, classes: Sequence[str]) -> Html:
    said = shown.instructions.get(goal, "")
    label = f"{counted(len(shown.texts), 'text')} as points, embedded under the instruction for {goal}"
    return element(
        "figure",
        None,
        element(
            "figcaption", None, f"asked for {goal}", element("small", None, f"“{said.strip()}”" if said else "")
        ),
        scatter(shown.points[goal], classes, label),
    )


def _map_legend(shown: PointMap, at: int) -> Html:
    labels, key = _coloured(shown, at), "ab"[at]
    n_others = len(set(shown.labels[shown.goals[at]])) - len(labels)
    items = [
        element(
            "li", {"data-class": f"{key}{place}"}, element("span", {"class": f"dot c{place}"}), fits(label, 40)
        )
        for place, label in enumerate(labels)
    ]
    if n_others:
        others = counted(n_others, "other label")
        items.append(element("li", {"data-class": f"{key}x"}, element("span", {"class": "dot cx"}), others))
    return element("ul", {"class": f"legend legend-{key}", "aria-label": f"Colours by {shown.goals[at]}"}, *items)
