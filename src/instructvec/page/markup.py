"""Text and numbers -> HTML that cannot be broken by what is in them.

Knows escaping and how numbers are written; nothing of reports. Plain strings are always escaped, only
:class:`Html` is written as it stands, so that a text of the data can become markup nowhere by accident. Source:
the HTML standard, sections 13.1.2 (elements) and 13.3 (escaping).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from html import escape as _escape
from typing import TypeAlias

_VOID = frozenset({"br", "hr", "input", "link", "meta", "col"})
ABSENT = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


class Html(str):
    """Markup, written as it stands."""

    __slots__ = ()


Child: TypeAlias = str | None
"""A string is escaped unless it is :class:`Html`; ``None`` is left out."""
Attributes: TypeAlias = Mapping[str, str | float | bool | None]
"""``None`` and ``False`` leave an attribute out, ``True`` writes its name alone."""


def escaped(text: str) -> Html:
    """A text as HTML; lone surrogates, which no file can hold, become question marks.

    Example:
        >>> escaped("<b> & 'c'")
        '&lt;b&gt; &amp; &#x27;c&#x27;'
    """
    if isinstance(text, Html):
        return text
    return Html(
        _escape(text.encode("utf-8", "replace").decode("utf-8").replace("\0", "\N{REPLACEMENT CHARACTER}"))
    )


def element(name: str, attributes: Attributes | None = None, *children: Child) -> Html:
    """One element with its content.

    Example:
        >>> element("p", {"class": "note", "hidden": False}, "1 < 2")
        '<p class="note">1 &lt; 2</p>'
    """
    opening = f"<{name}{_written(attributes or {})}>"
    if name in _VOID:
        return Html(opening)
    return Html(f"{opening}{joined(children)}</{name}>")


def joined(children: Iterable[Child], between: str = "") -> Html:
    """Several pieces after another.

    Example:
        >>> joined(["a<", Html("<br>"), None])
        'a&lt;<br>'
    """
    return Html(escaped(between).join(escaped(child) for child in children if child is not None))


def paragraph(*children: Child, cls: str | None = None) -> Html:
    """A paragraph, with a class if one is given."""
    return element("p", {"class": cls}, *children)


def table(
    head: Iterable[Child], rows: Iterable[Child], *, caption: str, cls: str | None = None, name: str | None = None
) -> Html:
    """A table in a box that scrolls sideways where the window is narrow.

    Args:
        head: the header cells of the only header row.
        rows: whole rows.
        caption: what is in it, for those who cannot see the page; not shown.
        cls: of the table.
        name: its id.
    """
    content = element(
        "table",
        {"class": cls, "id": name},
        element("caption", {"class": "unseen"}, caption),
        element("thead", None, element("tr", None, *head)),
        element("tbody", None, *rows),
    )
    return element("div", {"class": "scroll", "tabindex": "0", "role": "region", "aria-label": caption}, content)


def header(*children: Child, scope: str = "col", cls: str | None = None, sort: str | None = None) -> Html:
    """A header cell; ``sort`` is ``"number"`` or ``"text"`` where the column can be sorted by."""
    return element("th", {"scope": scope, "class": cls, "data-sort": sort}, *children)


def cell(*children: Child, cls: str | None = None, value: float | str | None = None) -> Html:
    """A cell; ``value`` is what its column is sorted by."""
    return element("td", {"class": cls, "data-value": value}, *children)


def wrapping(name: str) -> Html:
    """A long name that may be broken where its words meet.

    Example:
        >>> wrapping("SciFact_v2")
        'Sci<wbr>Fact_<wbr>v2'
    """
    pieces = re.split(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|(?<=[_/.-])(?=\w)", name)
    return joined([piece if at == 0 else joined([Html("<wbr>"), piece]) for at, piece in enumerate(pieces)])


def as_json(value: object) -> Html:
    """JSON for a ``<script type="application/json">``, which no text in it can close.

    Example:
        >>> as_json(["</script>"])
        '["\\\\u003c/script\\\\u003e"]'
    """
    content = json.dumps(value, separators=(",", ":"))
    for character in "<>&":
        content = content.replace(character, f"\\u{ord(character):04x}")
    return Html(content)


def compact(value: float) -> str:
    """A number for an attribute, at most two decimals.

    Example:
        >>> compact(12.5), compact(3.0), compact(-0.001)
        ('12.5', '3', '0')
    """
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def figure(value: float | None, decimals: int = 1) -> str:
    """A number for people.

    Example:
        >>> figure(82.034), figure(-3.25, 2).replace(MINUS, "-"), figure(None) == ABSENT
        ('82.0', '-3.25', True)
    """
    if value is None or not math.isfinite(value):
        return ABSENT
    text = f"{abs(value):.{decimals}f}"
    return text if value >= 0 or not float(text) else MINUS + text


def signed(value: float | None, decimals: int = 1) -> str:
    """A difference for people.

    Example:
        >>> signed(2.0), signed(-0.04), signed(-0.2).replace(MINUS, "-")
        ('+2.0', '0.0', '-0.2')
    """
    text = figure(value, decimals)
    return f"+{text}" if value is not None and value > 0 and text != ABSENT and float(text) else text


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """A number and what it counts.

    Example:
        >>> counted(1, "task"), counted(3, "task"), counted(2, "query", "queries")
        ('1 task', '3 tasks', '2 queries')
    """
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def listed(words: Iterable[str]) -> str:
    """Words as a sentence lists them.

    Example:
        >>> listed(["a", "b", "c"])
        'a, b and c'
    """
    *most, last = list(words) or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _written(attributes: Attributes) -> str:
    written = []
    for name, value in attributes.items():
        if value is None or value is False:
            continue
        if value is True:
            written.append(f" {name}")
        else:
            text = compact(value) if isinstance(value, float) else str(value)
            written.append(f' {name}="{escaped(str(text))}"')
    return "".join(written)


def fits(text: str, limit: int) -> str:
    """A text of at most ``limit`` characters, cut with an ellipsis, its line breaks made blanks.

    Example:
        >>> fits("one two three", 8)
        'one two…'
    """
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
