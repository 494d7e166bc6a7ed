"""A map -> one HTML page that needs nothing else: points to be pointed at, searched and filtered.

Knows markup; nothing of vectors. What moves is in ``page.js``: it draws on a canvas, so that 20,000 points stay
quick, and reads data that no text in it can turn into markup.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from instructvec import __version__
from instructvec.page.document import Section, document
from instructvec.page.drawing import glyph
from instructvec.page.markup import MINUS, Child, Html, as_json, counted, element, figure, fits, joined, paragraph
from instructvec.tasks.maps import colours as kinds
from instructvec.tasks.maps.palette import SHAPES
from instructvec.tasks.maps.points import N_NEIGHBOURS, Panel, TextMap

_FEW, _MANY_CHARS, _FEW_CHARS = 4000, 240, 700
_GRID = 10_000
_N_BINS = 5
_LABEL_CHARS = 40
_SHOWN_NEIGHBOURS = 5
METHOD_NAMES = {"pca": "the first two principal components", "umap": "UMAP", "tsne": "t-SNE"}


class Group(NamedTuple):
    """Points that the legend shows or hides together.

    Attributes:
        name: of the class, or the numbers of a part of the scale.
        n_points: points in it.
        cls: the style sheet's class for its colour.
        shape: of its points.
    """

    name: str
    n_points: int
    cls: str
    shape: str


def render_map(made: TextMap, *, title: str = "Map of texts", names: bool = True) -> str:
    """The page, as text for a UTF-8 file.

    Args:
        made: the map.
        title: of the page.
        names: whether the names of classes are drawn among their points at first.

    Example:
        >>> from instructvec.tasks.maps.points import text_map
        >>> page = render_map(text_map(["rain", "snow", "</script>"]))
        >>> page.startswith("<!DOCTYPE html>"), "</script>\\"" in page
        (True, False)
    """
    groups, codes = groups_of(made)
    content = joined(
        [
            _controls(made, groups, names),
            _legend(made, groups),
            element("div", {"class": f"panels n{len(made.panels)}"}, *map(_panel, made.panels)),
            element(
                "noscript", None, paragraph("The points are drawn by a script, which this browser does not run.")
            ),
            element("div", {"id": "reader", "class": "reader", "aria-live": "polite"}),
            element("ol", {"id": "found", "class": "found", "hidden": True}),
            element("script", {"type": "application/json", "id": "text-map"}, as_json(_data(made, groups, codes))),
        ]
    )
    header = element("header", None, element("h1", None, title), paragraph(_facts(made), cls="facts"))
    sections = [Section("map", "Points", _lead(made), content)]
    return document(
        title,
        header=header,
        sections=sections,
        version=__version__,
        package="instructvec.tasks.maps",
        main="map",
    )


def groups_of(made: TextMap) -> tuple[list[Group], list[int]]:
    """What the legend lists, and which of it each point belongs to."""
    if made.colours is None:
        return [], [0] * len(made)
    if isinstance(made.colours, kinds.Scale):
        return _bins(made.colours)
    own = made.colours
    groups = [
        Group(name, count, f"m{at}", SHAPES[at % len(SHAPES)])
        for at, (name, count) in enumerate(zip(own.names, own.counts, strict=True))
    ]
    codes = own.codes.copy()
    for code, name, cls in (
        (len(own.names), f"{kinds.OTHER} ({counted(own.n_others, 'class', 'classes')})", "mx"),
        (len(own.names) + 1, kinds.NONE, "mn"),
    ):
        if (own.codes == code).any():
            codes[own.codes == code] = len(groups)
            groups.append(Group(name, int((own.codes == code).sum()), cls, "dot"))
    return groups, codes.tolist()


def _bins(scale: kinds.Scale) -> tuple[list[Group], list[int]]:
    """Five parts of a scale of equal width, and no value."""
    known = ~np.isnan(scale.values)
    codes = np.full(len(known), _N_BINS, np.int64)
    codes[known] = np.minimum(scale.places[known] * _N_BINS, _N_BINS - 1).astype(np.int64)
    edges = np.linspace(scale.low, scale.high, _N_BINS + 1)
    groups = [
        Group(f"{_short(edges[at])} to {_short(edges[at + 1])}", int((codes == at).sum()), f"s{at}", "dot")
        for at in range(_N_BINS)
    ]
    if not known.all():
        groups.append(Group(kinds.NONE, int((~known).sum()), "mn", "dot"))
    return groups, codes.tolist()


def _short(value: float) -> str:
    return f"{value:,.4g}" if abs(value) < 1e4 else f"{value:,.0f}"


def _facts(made: TextMap) -> str:
    drawn = f" of {made.n_given:,}, drawn at random" if len(made) < made.n_given else ""
    model = made.panels[0].contract.model
    by = f"the model {model}" if model not in ("", "bundled") else "the bundled model"
    return f"{counted(len(made), 'text')}{drawn}; vectors of {by}, laid out by {METHOD_NAMES[made.method]}"


def _lead(made: TextMap) -> str:
    lead = "Texts of like meaning lie near each other. Point at one to read it, click to keep it in view."
    if len(made.panels) > 1:
        lead += " Both maps show the same texts, under one instruction each; what is pointed at is ringed in both."
    if made.panels[0].nearest is not None:
        lead += (
            " Lines lead to the nearest texts by the vectors themselves, which a flat map cannot keep all near."
        )
    return lead


def _controls(made: TextMap, groups: Sequence[Group], names: bool) -> Html:
    naming: Child = None
    if isinstance(made.colours, kinds.Classes):
        box = element("input", {"type": "checkbox", "id": "map-names", "checked": names})
        naming = element("label", None, box, " names")
    zoom = [
        element("button", {"type": "button", "id": f"zoom-{key}", "aria-label": label, "title": label}, sign)
        for key, label, sign in (("in", "zoom in", "+"), ("out", "zoom out", MINUS), ("all", "show all", "all"))
    ]
    return element(
        "div",
        {"class": "controls"},
        element("label", {"for": "map-search"}, "Search"),
        element("input", {"type": "search", "id": "map-search", "placeholder": "words in the texts"}),
        naming,
        element("span", {"class": "zoom", "role": "group", "aria-label": "Zoom"}, *zoom),
        element("output", {"id": "map-count", "for": "map-search"}),
    )


def _legend(made: TextMap, groups: Sequence[Group]) -> Html | None:
    if made.colours is None:
        return None
    entries = [
        element(
            "li",
            None,
            element(
                "button",
                {"type": "button", "aria-pressed": "false", "data-group": str(at)},
                glyph(one.shape, f"mark {one.cls}"),
                element("span", {"dir": "auto"}, fits(one.name, _LABEL_CHARS)),
                element("small", None, f"{one.n_points:,}"),
            ),
        )
        for at, one in enumerate(groups)
    ]
    name = element(
        "span", {"class": "legend-name", "dir": "auto"}, fits(made.colours.name or "colour", _LABEL_CHARS)
    )
    return element(
        "div", {"class": "map-legend"}, name, element("ul", {"class": "groups", "aria-label": "Filter"}, *entries)
    )


def _panel(panel: Panel) -> Html:
    said = element("q", {"dir": "auto"}, panel.instruction.strip()) if panel.instruction else "no instruction"
    figures = []
    if panel.agreement is not None:
        k = panel.nearest.shape[1] if panel.nearest is not None else N_NEIGHBOURS
        figures.append(f"{figure(100 * panel.agreement)}% of a text's {k} nearest are of its class")
    if panel.explained is not None:
        figures.append(f"the axes hold {figure(100 * panel.explained)}% of the variance")
    return element(
        "figure",
        {"class": "panel"},
        element("figcaption", None, said, element("small", None, "; ".join(figures)) if figures else None),
        element(
            "canvas",
            {
                "class": "scatter",
                "tabindex": "0",
                "role": "application",
                "aria-label": "Map of texts; arrow keys go from text to text, Enter keeps one in view, plus and "
                "minus zoom",
            },
        ),
    )


def _data(made: TextMap, groups: Sequence[Group], codes: Sequence[int]) -> dict[str, Any]:
    """What the script draws; coordinates are whole numbers from 0 to 10,000, y downwards."""
    limit = _FEW_CHARS if len(made) <= _FEW else _MANY_CHARS
    scale = made.colours if isinstance(made.colours, kinds.Scale) else None
    return {
        "texts": [fits(text, limit) for text in made.texts],
        "rows": (made.rows + 1).tolist(),
        "panels": [_coordinates(one) for one in made.panels],
        "groups": [{"name": one.name, "colour": one.cls, "shape": one.shape} for one in groups],
        "codes": list(codes),
        "naming": isinstance(made.colours, kinds.Classes),
        "label": made.colours.name if made.colours is not None else "",
        "labels": made.colours.labels.tolist() if isinstance(made.colours, kinds.Classes) else None,
        "every": [fits(one, _LABEL_CHARS * 2) for one in made.colours.every]
        if isinstance(made.colours, kinds.Classes)
        else None,
        "values": None if scale is None else [_or_none(value) for value in scale.values],
        "places": None if scale is None else [_or_none(value) for value in np.round(scale.places, 3)],
    }


def _coordinates(panel: Panel) -> dict[str, Any]:
    places = np.rint((panel.points * [1, -1] + 1) / 2 * _GRID).astype(int)
    nearest = None if panel.nearest is None else panel.nearest[:, :_SHOWN_NEIGHBOURS].tolist()
    return {"x": places[:, 0].tolist(), "y": places[:, 1].tolist(), "nearest": nearest}


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
