"""Figures -> charts as inline SVG and tables.

Knows lengths, shapes and the names of the style sheet's classes; nothing of reports. Charts are rows: one small
SVG a table row, all with the same axis, whose places are percentages of its width. So text is never scaled, a
chart is as wide as its column, and what a row is about stands in the table, where a screen reader finds it. Only
the scatter map, which has no text, is scaled as a picture. Colours are classes (``c0`` … ``c7``), so that light,
dark and print differ in the style sheet alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from instructvec.page.estimate import Estimate
from instructvec.page.markup import (
    Attributes,
    Child,
    Html,
    cell,
    compact,
    element,
    figure,
    header,
    joined,
    signed,
    table,
)

N_COLOURS = 8
_INSET = 3.0
_BAR, _THIN_BAR, _GAP = 9, 6, 3
_MANY = 4
_LANE = 14

SHAPES = {
    "dot": "M-3.6 0a3.6 3.6 0 1 0 7.2 0a3.6 3.6 0 1 0-7.2 0z",
    "disc": "M-5.2 0a5.2 5.2 0 1 0 10.4 0a5.2 5.2 0 1 0-10.4 0z",
    "square": "M-4-4h8v8h-8z",
    "triangle": "M0-5.2L5 4h-10z",
    "diamond": "M0-5.6L5.6 0L0 5.6L-5.6 0z",
    "plus": "M-1.4-5.2h2.8v3.8h3.8v2.8h-3.8v3.8h-2.8v-3.8h-3.8v-2.8h3.8z",
    "cross": "M-4.6-2.7L-2.7-4.6L0-1.9L2.7-4.6L4.6-2.7L1.9 0L4.6 2.7L2.7 4.6L0 1.9L-2.7 4.6L-4.6 2.7L-1.9 0z",
    "left": "M-14 0L-8-4v8z",
    "right": "M14 0L8-4v8z",
}
"""Outlines around the origin, in pixels; ``left`` and ``right`` say that a mark lies outside of the axis."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A horizontal axis from ``low`` to ``high``; ``is_signed`` where it shows differences.

    Example:
        >>> Axis(0.0, 100.0).at(50.0), Axis(0.0, 100.0).ticks
        (50.0, [0.0, 20.0, 40.0, 60.0, 80.0, 100.0])
    """

    low: float
    high: float
    is_signed: bool = False

    def at(self, value: float) -> float:
        """Where a value stands, in percent of the width; outside of the axis: at its end."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return _INSET + share * (100 - 2 * _INSET)

    @property
    def ticks(self) -> list[float]:
        """Round values on the axis, three to seven."""
        step = _round_step((self.high - self.low) / 6)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [0.0 if at == 0 else at * step for at in range(first, last + 1)]


class Mark(NamedTuple):
    """A value in a row.

    Attributes:
        value: where it stands.
        shape: one of :data:`SHAPES`.
        tip: what is said when it is pointed at.
        lane: 0 is the upper one.
    """

    value: float
    shape: str
    tip: str
    lane: int = 0


class Bar(NamedTuple):
    """A bar from zero with its interval, in a model's colour."""

    estimate: Estimate
    colour: int
    tip: str


def axis_over(values: Iterable[float | None], *, is_signed: bool = False, least: float = 1.0) -> Axis:
    """An axis with round ends that holds zero and all values.

    Args:
        values: those that are ``None`` or not finite are left out.
        is_signed: whether they are differences.
        least: how far it reaches at least.

    Example:
        >>> axis_over([-3.2, 7.1], is_signed=True)
        Axis(low=-4.0, high=8.0, is_signed=True)
    """
    finite = [value for value in values if value is not None and math.isfinite(value)]
    low, high = min([0.0, *finite]), max([0.0, *finite])
    if high - low < least:
        low, high = (low - least / 2, high + least / 2) if is_signed else (low, low + least)
    step = _round_step((high - low) / 12)
    return Axis(math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step, is_signed)


def symbols() -> Html:
    """The shapes that charts refer to; stands once on the page, before all charts."""
    shapes = [element("path", {"id": f"s-{name}", "d": outline}) for name, outline in SHAPES.items()]
    return element(
        "svg", {"width": 0, "height": 0, "class": "unseen", "aria-hidden": "true"}, element("defs", None, *shapes)
    )


def glyph(shape: str, cls: str) -> Html:
    """A shape on its own, for legends."""
    return element(
        "svg",
        {"width": 16, "height": 16, "viewBox": "-8 -8 16 16", "class": "glyph", "aria-hidden": "true"},
        _use(shape, "0", 0, cls),
    )


def scale(axis: Axis, unit: str) -> Html:
    """The axis itself, for the header of a column of charts."""
    write = signed if axis.is_signed else figure
    decimals = 0 if all(float(tick).is_integer() for tick in axis.ticks) else 1
    labels = [
        element("text", {"x": _percent(axis.at(tick)), "y": 12, "text-anchor": "middle"}, write(tick, decimals))
        for tick in axis.ticks
    ]
    return _row(16, f"axis from {compact(axis.low)} to {compact(axis.high)} {unit}", labels, cls="scale")


def bars(rows: Sequence[Bar], axis: Axis, label: str) -> Html:
    """A bar for each model from zero, its interval as a line across its end."""
    thick = _BAR if len(rows) <= _MANY else _THIN_BAR
    height = len(rows) * (thick + _GAP) - _GAP + 6
    drawn: list[Child] = [_grid(axis)]
    for at, row in enumerate(rows):
        top = 3 + at * (thick + _GAP)
        if row.estimate.value is None:
            continue
        ends = sorted((axis.at(0.0), axis.at(row.estimate.value)))
        box: Attributes = {
            "x": _percent(ends[0]),
            "width": _percent(max(ends[1] - ends[0], 0.3)),
            "y": top,
            "height": thick,
            "class": f"bar c{row.colour % N_COLOURS}",
        }
        drawn.append(
            element("g", None, _title(row.tip), element("rect", box), *_whisker(row.estimate, axis, top, thick))
        )
    return _row(height, label, drawn)


def forest(estimate: Estimate, axis: Axis, label: str, colour: int | None) -> Html:
    """A difference with its interval; grey and hollow unless it has a colour."""
    cls = "open" if colour is None else f"c{colour % N_COLOURS}"
    drawn: list[Child] = [_grid(axis), _zero(axis)]
    if estimate.low is not None and estimate.high is not None:
        drawn.append(_line(axis.at(estimate.low), axis.at(estimate.high), 11, f"reach {cls}"))
    if estimate.value is not None:
        drawn.append(_use("diamond", _percent(axis.at(estimate.value)), 11, f"mark {cls}"))
    return _row(22, label, [*drawn, _title(label)])


def strip(marks: Sequence[Mark], axis: Axis, label: str, colour: int) -> Html:
    """Values as marks in lanes, with a line over the reach of the upper lane."""
    cls = f"c{colour % N_COLOURS}"
    upper = [mark.value for mark in marks if mark.lane == 0]
    n_lanes = 1 + max([mark.lane for mark in marks], default=0)
    drawn: list[Child] = [_grid(axis), _zero(axis)]
    if upper:
        drawn.append(_line(axis.at(min(upper)), axis.at(max(upper)), _lane(0), f"reach {cls}"))
    # Discs last: the main wording is never hidden.
    for mark in sorted(marks, key=lambda mark: mark.shape == "disc"):
        drawn.extend(_mark(mark, axis, cls))
    return _row(n_lanes * _LANE + 8, label, drawn)


def lollipops(rows: Sequence[Bar], axis: Axis, label: str) -> Html:
    """A dot for each model, tied to zero."""
    drawn: list[Child] = [_grid(axis), _zero(axis)]
    for at, row in enumerate(rows):
        if row.estimate.value is None:
            continue
        place, cls = axis.at(row.estimate.value), f"c{row.colour % N_COLOURS}"
        drawn.append(_line(axis.at(0.0), place, _lane(at), f"stem {cls}"))
        drawn.append(_use("disc", _percent(place), _lane(at), f"mark {cls}", row.tip))
    return _row(len(rows) * _LANE + 8, label, drawn)


def heat(
    values: Mapping[str, Mapping[str, float]],
    columns: Sequence[str],
    *,
    caption: str,
    corner: str,
    right: Mapping[str, str],
    full: float = 100.0,
) -> Html:
    """A matrix as a table whose cells are the darker the higher; the cell that should be highest is framed.

    Args:
        values: row -> column -> value.
        columns: in order.
        caption: what it shows.
        corner: what rows and columns are.
        right: row -> the column that is right for it.
        full: the value of the darkest colour.
    """
    rows = []
    for name, by_column in values.items():
        cells = [header(name, scope="row")]
        for column in columns:
            value = by_column.get(column)
            shade = 0.0 if value is None else min(max(value / full, 0.0), 1.0)
            attributes: Attributes = {
                "style": f"--shade:{compact(shade)}",
                "class": "heat right" if right.get(name) == column else "heat",
            }
            cells.append(element("td", attributes, figure(value)))
        rows.append(element("tr", None, *cells))
    head = [header(corner, cls="corner"), *(header(column) for column in columns)]
    return table(head, rows, caption=caption, cls="matrix")


def scatter(points: Sequence[tuple[float, float]], classes: Sequence[str], label: str) -> Html:
    """Points in a square, y upwards; the i-th circle is the i-th point.

    Args:
        points: (x, y); any finite numbers.
        classes: of each point.
        label: what is shown.
    """
    xs, ys = [x for x, _ in points], [y for _, y in points]
    reach = max((max(side) - min(side) for side in (xs, ys) if side), default=0.0) or 1.0
    middle = [(max(side) + min(side)) / 2 if side else 0.0 for side in (xs, ys)]
    circles = [
        element(
            "circle",
            {
                "cx": round(200 + 376 * (x - middle[0]) / reach, 1),
                "cy": round(200 - 376 * (y - middle[1]) / reach, 1),
                "r": 4,
                "class": cls,
            },
        )
        for (x, y), cls in zip(points, classes, strict=True)
    ]
    return element(
        "svg",
        {"viewBox": "0 0 400 400", "class": "scatter", "role": "img", "aria-label": label},
        element("g", {"class": "points"}, *circles),
    )


def shade_scale() -> Html:
    """What the colours of :func:`heat` mean."""
    cells = [
        element("td", {"class": "heat", "style": f"--shade:{compact(at / 4)}"}, str(25 * at)) for at in range(5)
    ]
    row = element("tr", None, header("Colours", scope="row"), *cells, cell("percent"))
    return element("table", {"class": "matrix key"}, element("tbody", None, row))


def _round_step(rough: float) -> float:
    """The smallest of 1, 2, 2.5 and 5 times a power of ten that is not below ``rough``."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next((step * power for step in (1, 2, 2.5, 5) if step * power >= rough * (1 - 1e-9)), 10 * power)


def _row(height: int, label: str, drawn: Iterable[Child], cls: str = "chart") -> Html:
    return element("svg", {"class": cls, "height": height, "role": "img", "aria-label": label}, joined(drawn))


def _title(tip: str) -> Html:
    return element("title", None, tip)


def _use(shape: str, x: str, y: int, cls: str, tip: str | None = None) -> Html:
    content = () if tip is None else (_title(tip),)
    return element("use", {"href": f"#s-{shape}", "x": x, "y": y, "class": cls}, *content)


def _mark(mark: Mark, axis: Axis, cls: str) -> Iterable[Html]:
    place, y = _percent(axis.at(mark.value)), _lane(mark.lane)
    yield _use(mark.shape, place, y, f"mark {mark.shape} {cls}", mark.tip)
    if not axis.low <= mark.value <= axis.high:
        yield _use("left" if mark.value < axis.low else "right", place, y, "beyond")


def _whisker(estimate: Estimate, axis: Axis, top: int, thick: int) -> Iterable[Html]:
    if estimate.low is None or estimate.high is None:
        return
    low, high, middle = axis.at(estimate.low), axis.at(estimate.high), top + thick / 2
    yield _line(low, high, middle, "whisker")
    for end in (low, high):
        place = _percent(end)
        yield element("line", {"x1": place, "x2": place, "y1": top + 2, "y2": top + thick - 2, "class": "whisker"})


def _line(start: float, end: float, y: float, cls: str) -> Html:
    return element("line", {"x1": _percent(start), "x2": _percent(end), "y1": y, "y2": y, "class": cls})


def _grid(axis: Axis) -> Html:
    places = [_percent(axis.at(tick)) for tick in axis.ticks]
    return element("g", {"class": "grid"}, *(element("line", {"x1": x, "x2": x, "y2": "100%"}) for x in places))


def _zero(axis: Axis) -> Html:
    x = _percent(axis.at(0.0))
    return element("line", {"x1": x, "x2": x, "y2": "100%", "class": "zero"})


def _lane(lane: int) -> int:
    return 4 + _LANE // 2 + lane * _LANE


def _percent(value: float) -> str:
    return f"{compact(value)}%"
