"""A report's JSON -> one HTML page that needs nothing else.

Knows the order of the sections and what holds the page together; nothing of how figures were made. The page makes
no request: style and script stand in it, and a content security policy forbids all else, scripts by other hands
among it. Source: ``page/reading.py`` for the format; W3C Content Security Policy Level 3 for the policy.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, NamedTuple

from instructvec.evaluation.page import differences, goals, headline, method, scores, wording
from instructvec.evaluation.page.content import Content
from instructvec.evaluation.page.drawing import symbols
from instructvec.evaluation.page.markup import Html, counted, element, paragraph
from instructvec.evaluation.page.reading import read_content


class Section(NamedTuple):
    """A part of the page; left out where it has no content."""

    key: str
    title: str
    lead: str
    content: Html | None


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
    shown = [section for section in _sections(content) if section.content is not None]
    body = element(
        "body",
        None,
        element("a", {"class": "skip", "href": "#main"}, "Skip to the findings"),
        symbols(),
        _header(content, shown),
        element("main", {"id": "main"}, *map(_drawn, shown)),
        _footer(content),
    )
    return "<!DOCTYPE html>\n" + element("html", {"lang": "en"}, _head(content), body) + "\n"


def _head(content: Content) -> Html:
    style, script = (
        files(__package__).joinpath("page", f"page.{kind}").read_text("utf-8") for kind in ("css", "js")
    )
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
    return element(
        "head",
        None,
        element("meta", {"charset": "utf-8"}),
        element("meta", {"http-equiv": "Content-Security-Policy", "content": policy}),
        element("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}),
        element("meta", {"name": "color-scheme", "content": "light dark"}),
        element("title", None, _title(content)),
        element("link", {"rel": "icon", "href": "data:,"}),
        element("style", None, Html(style)),
        # Module scripts run when the page has been read; "defer" needs a file.
        element("script", {"type": "module"}, Html(script)),
    )


def _title(content: Content) -> str:
    return f"Embedding models measured: {content.suite or 'a suite'}"


def _header(content: Content, shown: list[Section]) -> Html:
    counts = f"{counted(len(content.models), 'model')}, {counted(len(content.tasks), 'task')}"
    facts = [str(fact) for fact in (content.facts.get("date"), counts) if fact]
    links = [element("a", {"href": f"#{one.key}"}, one.title) for one in shown]
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
        element("nav", {"aria-label": "Sections"}, *links),
    )


def _drawn(section: Section) -> Html:
    return element(
        "section",
        {"id": section.key, "aria-labelledby": f"{section.key}-title"},
        element("h2", {"id": f"{section.key}-title"}, section.title),
        paragraph(section.lead, cls="lead") if section.lead else None,
        section.content,
    )


def _footer(content: Content) -> Html:
    version = (content.facts.get("versions") or {}).get("instructvec", "")
    return element("footer", None, f"Made by instructvec {version}. This file needs no network and sends nothing.")


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
