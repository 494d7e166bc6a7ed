"""Sections -> one HTML page that needs nothing else.

Knows what holds a page together; nothing of what is on it. The page makes no request: style and script stand in
it, and a content security policy forbids all else, scripts by other hands among it. Source: W3C Content Security
Policy Level 3 for the policy.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from importlib.resources import files
from typing import NamedTuple

from instructvec.page.drawing import symbols
from instructvec.page.markup import Html, element, paragraph

_SHARED = "instructvec.page"


class Section(NamedTuple):
    """A part of a page; left out where it has no content."""

    key: str
    title: str
    lead: str
    content: Html | None


def document(
    title: str, *, header: Html, sections: Iterable[Section], version: str, package: str, main: str = "content"
) -> str:
    """A whole page, as text for a UTF-8 file.

    Args:
        title: of the window.
        header: what stands above the sections.
        sections: in order.
        version: of this package, for the footer.
        package: the package whose ``page.css`` and ``page.js`` are added to those that all pages have.
        main: what the sections are, for those who skip the header.

    Example:
        >>> page = document("Rain", header=element("h1", None, "Rain"), sections=[], version="1",
        ...                 package="instructvec.evaluation.page")
        >>> page.startswith("<!DOCTYPE html>"), "default-src 'none'" in page.replace("&#x27;", "'")
        (True, True)
    """
    body = element(
        "body",
        None,
        element("a", {"class": "skip", "href": "#main"}, f"Skip to the {main}"),
        symbols(),
        header,
        element("main", {"id": "main"}, *(_drawn(one) for one in sections if one.content is not None)),
        element("footer", None, f"Made by instructvec {version}. This file needs no network and sends nothing."),
    )
    return "<!DOCTYPE html>\n" + element("html", {"lang": "en"}, _head(title, package), body) + "\n"


def navigation(sections: Iterable[Section]) -> Html:
    """Links to the sections that have content."""
    links = [element("a", {"href": f"#{one.key}"}, one.title) for one in sections if one.content is not None]
    return element("nav", {"aria-label": "Sections"}, *links)


def _head(title: str, package: str) -> Html:
    style, script = (
        "\n".join(files(one).joinpath(f"page.{kind}").read_text("utf-8") for one in (_SHARED, package))
        for kind in ("css", "js")
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
        element("title", None, title),
        element("link", {"rel": "icon", "href": "data:,"}),
        element("style", None, Html(style)),
        # Module scripts run when the page has been read; "defer" needs a file.
        element("script", {"type": "module"}, Html(script)),
    )


def _drawn(section: Section) -> Html:
    return element(
        "section",
        {"id": section.key, "aria-labelledby": f"{section.key}-title"},
        element("h2", {"id": f"{section.key}-title"}, section.title),
        paragraph(section.lead, cls="lead") if section.lead else None,
        section.content,
    )
