"""A report's JSON -> one HTML page that needs nothing else.

Knows the order of the sections and what stands above them; nothing of how figures were made.
Source: ``page/reading.py`` for the format.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from instructvec.evaluation import page
from instructvec.evaluation.page import differences, goals, headline, method, scores, wording
from instructvec.evaluation.page.content import Content
from instructvec.evaluation.page.reading import read_content
from instructvec.page.document import Section, document, navigation
from instructvec.page.markup import Html, counted, element, paragraph


def render(report: Mapping[str, Any]) -> str:
    """The page of a report, as text for a UTF-8 file.

    Args:
        report: what ``report.json`` holds; any part may be absent, and the page then says what is missing.

    Raises:
        InputError: another format version, or a part that is not of the form the format has.

    Example:
        >>> page = render({"suite": {"name": "smoke"}})
        >>> page.startswith("<!DOCTYPE html>"), "nothing was measured" in page
        (True, True)
    """
    content = read_content(report)
    sections = _sections(content)
    return document(
        _title(content),
        header=_header(content, sections),
        sections=sections,
        version=(content.facts.get("versions") or {}).get("instructvec", ""),
        package=page.__name__,
        main="findings",
    )


def _title(content: Content) -> str:
    return f"Embedding models measured: {content.suite or 'a suite'}"


def _header(content: Content, sections: list[Section]) -> Html:
    counts = f"{counted(len(content.models), 'model')}, {counted(len(content.tasks), 'task')}"
    half = method.half_measured(content)
    about = (content.facts.get("date"), counts, f"{half} half of the test data" if half else None)
    facts = [str(fact) for fact in about if fact]
    return element(
        "header",
        None,
        element("h1", None, _title(content)),
        paragraph(" · ".join([*facts, "scores in percent, higher is better"]), cls="facts"),
        paragraph(content.description, cls="about") if content.description else None,
        paragraph(
            "An embedding model turns a text into a vector, so that texts that are alike lie close together. "
            "The models here are also given an instruction that says what the vector is for, such as "
            "“Represent the question for finding its answer”. This page shows how well they do their tasks, "
            "how much that depends on how the instruction is worded, and whether the vectors really follow it.",
            cls="about",
        ),
        method.partial_banner(content),
        navigation(sections),
    )


def _sections(content: Content) -> list[Section]:
    is_measured = any(content.results.values())
    nothing = paragraph("No task has a score: nothing was measured.", cls="warning")
    return [
        Section("short", "In short", "", headline.headline(content) if is_measured else nothing),
        Section("kinds", "Scores by kind of task", "", scores.kinds_table(content)),
        Section(
            "differences",
            "Are the differences real?",
            "Each line is one model's score minus another's, with its 95% interval, both scored on the same "
            "draws of the test data. Where the interval stays clear of the zero line, the difference is more "
            "than chance: it is drawn in the colour of the model that is ahead. Grey and hollow: it may be "
            "nothing.",
            differences.differences(content),
        ),
        Section("tasks", "Task by task", "", scores.tasks_table(content)),
        Section(
            "wording",
            "Does the wording matter?",
            wording.explanation(content),
            wording.strips(content),
        ),
        Section(
            "detail",
            "How much does the instruction have to say?",
            "Points gained or lost against the detailed instruction, averaged over tasks. If instructions "
            "work, scores rise from none to detailed; a placebo should not help, and a wrong instruction "
            "should hurt.",
            wording.levels(content),
        ),
        Section(
            "ranks",
            "Does the order of the models hold?",
            "Mean rank over the tasks under each wording; 1 would be best on every task. Where the order of "
            "the column changes, the wording decides which model looks best.",
            wording.ranks(content),
        ),
        Section(
            "following",
            "Does it follow the instruction?",
            "The same texts, embedded for different goals. Each row is what was measured, each column what the "
            "instruction asked for. The framed cells are right: a model that follows has the highest figure of "
            "a row there. Equal figures along a row mean that the instruction changes nothing.",
            goals.matrices(content),
        ),
        Section("map", "The same texts under two instructions", "", goals.point_map(content)),
        Section("meaning", "What the figures mean", "", method.meanings(content)),
        Section("method", "How it was measured", "", method.method(content)),
        Section("repeat", "How to repeat it", "", method.repeat(content)),
        Section("failed", "What failed", "", method.failures(content)),
    ]
