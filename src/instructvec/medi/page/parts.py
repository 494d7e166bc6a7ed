"""Counts -> tables with bars, and the few other pieces that several sections are made of.

Knows tables; nothing of mixtures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from instructvec.page.drawing import Axis, Bar, axis_over, bars, scale
from instructvec.page.estimate import Estimate
from instructvec.page.markup import ABSENT, Child, Html, cell, element, figure, header, joined, paragraph, table


class Count(NamedTuple):
    """A row of a table of counts.

    Attributes:
        label: what is counted.
        rows: rows of the mixture.
        datasets: datasets that have such rows.
        note: quieter words below the label.
    """

    label: str
    rows: int
    datasets: int | None = None
    note: str | None = None


def counts_table(what: str, counts: Sequence[Count], total: int, *, few: int = 12, unit: str = "Rows") -> Html:
    """Counts with a bar each for their share; what comes after the first few can be opened.

    Args:
        what: the header of the first column.
        counts: in the order wanted.
        total: of which the bars are shares.
        few: rows that stand open.
        unit: what is counted.
    """
    axis = axis_over([_percent(one.rows, total) for one in counts], least=5.0)
    first = _counts(what, counts[:few], total, axis, unit)
    if len(counts) <= few:
        return first
    rest = sum(one.rows for one in counts[few:])
    summary = f"{len(counts) - few:,} more, {rest:,} {unit.lower()}"
    return joined([first, folded(summary, _counts(what, counts[few:], total, axis, unit))])


def share(part: int, whole: int) -> str:
    """A share in percent, for people.

    Example:
        >>> share(1, 8), share(0, 8), share(1, 100000), share(99999, 100000), share(1, 0) == ABSENT
        ('12.5%', '0%', 'under 0.1%', 'over 99.9%', True)
    """
    if not whole:
        return ABSENT
    percent = _percent(part, whole)
    if part and percent < 0.1:
        return "under 0.1%"
    if part < whole and percent > 99.9:
        return "over 99.9%"
    return f"{figure(percent).removesuffix('.0')}%"


def number(value: int) -> Html:
    """A cell with a whole number, by which its column can be sorted."""
    return cell(f"{value:,}", cls="figure", value=value)


def folded(summary: Child, *content: Child) -> Html:
    """Content that is shown when it is asked for."""
    return element("details", None, element("summary", None, summary), *content)


def facts_list(facts: Iterable[tuple[str, str]]) -> Html:
    """Names and values; those without a value are left out."""
    items: list[Html] = []
    for name, value in facts:
        if value:
            items += [element("dt", None, name), element("dd", None, value)]
    return element("dl", {"class": "versions"}, *items)


def controls(name: str, noun: str, kinds: Sequence[tuple[str, str]]) -> Html:
    """A choice of kind and a box for a name, which the script puts to use; hidden without it."""
    options = [element("option", {"value": value}, label) for value, label in [("", "all kinds"), *kinds]]
    return element(
        "div",
        {"class": "controls", "hidden": True},
        element("label", None, "Show ", element("select", {"id": f"{name}-kind"}, *options)),
        element("label", None, f"{noun} ", element("input", {"id": f"{name}-name", "type": "search"})),
        element("output", {"id": f"{name}-count", "aria-live": "polite"}),
    )


def nothing(text: str) -> Html:
    """What is said where there is nothing to show."""
    return paragraph(text, cls="key")


def _percent(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 0.0


def _counts(what: str, counts: Sequence[Count], total: int, axis: Axis, unit: str) -> Html:
    with_datasets = any(one.datasets is not None for one in counts)
    head = [header(what)]
    if with_datasets:
        head.append(header("Datasets", cls="figure"))
    head += [header(unit, cls="figure"), header("Share", cls="figure"), header(scale(axis, "percent"), cls="wide")]
    rows = []
    for one in counts:
        said = share(one.rows, total)
        bar = Bar(Estimate(_percent(one.rows, total)), 0, f"{one.label}: {one.rows:,} of {total:,}, {said}")
        note = element("small", None, one.note) if one.note else None
        cells: list[Child] = [header(one.label, note, scope="row")]
        if with_datasets:
            cells.append(number(one.datasets or 0))
        cells += [number(one.rows), cell(said, cls="figure"), cell(bars([bar], axis, bar.tip), cls="wide")]
        rows.append(element("tr", None, *cells))
    return table(head, rows, caption=f"{what}: {unit.lower()} and share", cls="counts")
