"""How a report came about -> what its figures mean, on what they were measured, and how to get them again.

Knows what belongs to a complete account; nothing of charts.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator
from typing import Any

from instructvec.evaluation.page.content import Content, Failure, Task
from instructvec.evaluation.page.headline import name_of
from instructvec.evaluation.page.kinds import MEANINGS, metric_name, title
from instructvec.page.markup import (
    ABSENT,
    Html,
    cell,
    counted,
    element,
    header,
    joined,
    listed,
    paragraph,
    table,
    wrapping,
)

_FEW = 6
_OF_HALVES = {
    "development": "This half is for making choices; what is then reported is measured on the other. ",
    "test": "Choices that were made on the development half have not seen it. ",
}


def half_measured(content: Content) -> str | None:
    """The half that scores are of; ``None`` where all test data was measured."""
    half = content.facts.get("half")
    return None if half in (None, "all") else str(half)


def partial_banner(content: Content) -> Html | None:
    """Says at the top what is missing and why; ``None`` where nothing is."""
    missing = content.missing
    half, limit = half_measured(content), content.facts.get("limit")
    if content.complete and not content.errors and not missing and half is None and limit is None:
        return None
    lines: list[Html] = []
    if not content.complete or content.errors or missing:
        n_all = len(content.models) * len(content.tasks)
        lines.append(
            paragraph(
                element("strong", None, "This report is partial. "),
                f"{len(missing)} of {counted(n_all, 'score')} (models by tasks) "
                f"{'is' if len(missing) == 1 else 'are'} missing. "
                if missing
                else "No main score is missing, but not everything was run. ",
                "Means over all tasks use those that have a score.",
            )
        )
        lines.append(element("ul", None, *_reasons(content, missing)))
    if half is not None:
        lines.append(
            paragraph(
                element("strong", None, f"Measured on the {half} half of each task's test data. "),
                _OF_HALVES.get(half, ""),
                "Such scores compare the models here with each other, not with published figures.",
            )
        )
    if limit is not None:
        lines.append(
            paragraph(
                element("strong", None, f"Measured on a part of the data: at most {limit} rows of each task. "),
                "Such scores compare the models here with each other, not with published figures.",
            )
        )
    return element("div", {"class": "banner", "role": "note"}, *lines)


def _reasons(content: Content, missing: list[tuple[str, str]]) -> Iterator[Html]:
    short = {model.name: model.short for model in content.models}
    for failure in content.errors[:_FEW]:
        where = _where(failure, short)
        yield element("li", None, element("b", None, where), f": {failure.message}")
    if len(content.errors) > _FEW:
        more = len(content.errors) - _FEW
        yield element(
            "li", None, element("a", {"href": "#failed"}, f"{counted(more, 'more failure')}, listed below")
        )
    failed = {(one.model, one.task) for one in content.errors}
    concerned = {task for model, task in failed if not model} | {model for model, task in failed if not task}
    for model in content.models:
        tasks = [
            task
            for name, task in missing
            if name == model.name and (name, task) not in failed and not {name, task} & concerned
        ]
        if tasks:
            named = listed(tasks[:_FEW] + ([f"{len(tasks) - _FEW} more"] if len(tasks) > _FEW else []))
            yield element("li", None, element("b", None, model.short), f": not run yet on {named}")


def _where(failure: Failure, short: dict[str, str]) -> str:
    """What a failure concerns, in short names."""
    known = [short.get(failure.model, failure.model), failure.task]
    return " on ".join(part for part in known if part) or "the whole run"


def meanings(content: Content) -> Html | None:
    """A sentence or two for each kind that was measured."""
    items: list[Html] = []
    for kind in content.kinds_present:
        meaning = MEANINGS.get(kind)
        if meaning is None:
            continue
        items += [element("dt", None, meaning.title), element("dd", None, f"{meaning.task} {meaning.score}")]
    return element("dl", {"class": "meanings"}, *items) if items else None


def method(content: Content) -> Html:
    """Intervals, wordings, seeds, models and data."""
    facts = content.facts
    seed, n_resamples = facts.get("seed"), facts.get("n_resamples")
    drawn = f"{n_resamples:,} times" if isinstance(n_resamples, int) else "many times"
    sentences = [
        paragraph(
            element("b", None, "Intervals. "),
            "The units of a task's test data (rows, queries or documents) are drawn anew with repetition "
            f"{drawn}, and the score is computed on each draw; 95 percent of these scores lie in the interval. "
            "All models are scored on the same draws, so that differences are paired: what makes a draw hard "
            "makes it hard for both. An interval says how much the score depends on which test texts were "
            "collected, not how it depends on the wording or on training. Where many differences are looked "
            "at, about one in twenty of those that are nothing still has an interval without zero.",
        ),
        paragraph(
            element("b", None, "Means. "),
            "The mean of a kind gives each of its tasks the same weight, the mean over all gives each task the "
            "same.",
        ),
        paragraph(
            element("b", None, "Wordings. "),
            "Scores in the tables are those under the main wording, the suite's first; paraphrases, too, are "
            "written in the suite.",
            _rewording(facts.get("reword")),
        ),
    ]
    if seed is not None:
        sentences.append(
            paragraph(element("b", None, "Chance. "), f"All random draws start from the seed {seed}.")
        )
    notes = [element("ul", {"class": "notes"}, *(element("li", None, note) for note in content.notes))]
    return joined([*sentences, *(notes if content.notes else ()), _models(content), _data(content)])


def _rewording(reword: Any) -> str | None:
    if reword == "queries":
        return " In retrieval and reranking only the query's instruction is reworded; documents keep theirs."
    return " Both sides are reworded." if reword == "both" else None


def _models(content: Content) -> Html | None:
    if not content.models:
        return None
    columns = {
        "dimension": "dimensions",
        "max_seq_length": "reads tokens",
        "backend": "backend",
        "dtype": "number type",
        "fingerprint": "fingerprint",
    }
    rows = []
    for model in content.models:
        cells = [
            cell(_fact(model.facts.get(key)), cls="code" if key == "fingerprint" else None) for key in columns
        ]
        instructed = cell("with" if model.instructed else "without")
        whole = element("small", None, model.name) if model.name != model.short else None
        rows.append(element("tr", None, header(name_of(model), whole, scope="row"), instructed, *cells))
    head = [header("Model"), header("instructions"), *map(header, columns.values())]
    return joined([element("h3", None, "The models"), table(head, rows, caption="Models", cls="facts")])


def _fact(value: Any) -> str:
    return ABSENT if value is None or value == "" else str(value)


def _data(content: Content) -> Html | None:
    if not content.tasks:
        return None
    head = [header(name) for name in ("Task", "Metric", "Units", "Source", "Licence", "Main instruction")]
    shown = table(head, map(_data_row, content.tasks), caption="Data of each task", cls="facts data")
    summary = f"Data, licences and instructions of {counted(len(content.tasks), 'task')}"
    return joined(
        [
            element("h3", None, "The data"),
            paragraph(_of_kinds(content)),
            element("details", None, element("summary", None, summary), shown),
        ]
    )


def _of_kinds(content: Content) -> str:
    counts = Counter(task.kind for task in content.tasks)
    kinds = ", ".join(f"{title(kind)} ({n})" for kind, n in counts.items())
    return f"{counted(len(content.tasks), 'task')}: {kinds}."


def _data_row(task: Task) -> Html:
    documents = None
    if task.document_instruction and task.document_instruction != task.instruction:
        documents = element("small", None, f"documents: “{task.document_instruction.strip()}”")
    return element(
        "tr",
        None,
        header(wrapping(task.name), element("small", None, task.note) if task.note else None, scope="row"),
        cell(metric_name(task.metric)),
        cell(ABSENT if task.n_units is None else f"{task.n_units:,}", cls="figure"),
        cell(task.source or ABSENT),
        cell(task.licence or ABSENT),
        cell(f"“{task.instruction.strip()}”" if task.instruction else ABSENT, documents),
    )


def repeat(content: Content) -> Html | None:
    """The command, and what it ran on."""
    command, machine = content.facts.get("command"), content.facts.get("machine")
    versions = content.facts.get("versions") or {}
    if not (command or machine or versions):
        return None
    shown: list[Html] = []
    if command:
        text = command if isinstance(command, str) else shlex.join(map(str, command))
        shown.append(element("pre", {"tabindex": "0"}, element("code", None, text)))
        shown.append(
            paragraph(
                "With the same data and seed it gives the same figures; on another processor or with another "
                "precision they may differ in the last digits."
            )
        )
    facts = {"Machine": machine, **(versions if isinstance(versions, dict) else {"Versions": versions})}
    items: list[Html] = []
    for name, value in facts.items():
        if value not in (None, ""):
            items += [element("dt", None, str(name)), element("dd", None, str(value))]
    shown.append(element("dl", {"class": "versions"}, *items))
    return joined(shown)


def failures(content: Content) -> Html | None:
    """All that could not be measured."""
    if not content.errors:
        return None
    models = {model.name: model for model in content.models}
    rows = [
        element(
            "tr",
            None,
            header(name_of(models[one.model]) if one.model in models else one.model or "every model", scope="row"),
            cell(one.task or "every task"),
            cell(one.message, cls="message"),
        )
        for one in content.errors
    ]
    return table(
        [header("Model"), header("Task"), header("What went wrong")], rows, caption="Failures", cls="facts"
    )
