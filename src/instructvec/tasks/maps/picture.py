"""A map -> a PNG picture.

Knows matplotlib; nothing of vectors. Colours and shapes are those of the page on light ground.
"""

from __future__ import annotations

import io
import textwrap
from typing import Any

import numpy as np

from instructvec.extras import require
from instructvec.page.markup import counted, fits
from instructvec.tasks.maps.colours import NONE, Scale
from instructvec.tasks.maps.page import METHOD_NAMES, groups_of
from instructvec.tasks.maps.palette import CLASSES, SCALE
from instructvec.tasks.maps.palette import NONE as NONE_COLOUR
from instructvec.tasks.maps.palette import OTHER as OTHER_COLOUR
from instructvec.tasks.maps.points import Panel, TextMap

_PANEL_INCHES = 6.4
_DPI = 160
_MARKERS = {"dot": "o", "square": "s", "triangle": "^", "diamond": "D"}


def draw_map(made: TextMap, *, title: str = "Map of texts", names: bool = True) -> bytes:
    """The picture, as the bytes of a PNG file.

    Args:
        made: the map.
        title: above the points.
        names: whether there is a legend.

    Raises:
        MissingExtra: matplotlib is not installed.

    Example:
        >>> from instructvec.tasks.maps.points import text_map
        >>> draw_map(text_map(["rain", "snow", "bread"]))[:4]
        b'\\x89PNG'
    """
    require("matplotlib", "a picture of a map", extra="map")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # Without pyplot, which would keep the figure and choose a backend for the whole process.
    has_bar = isinstance(made.colours, Scale)
    size = (_PANEL_INCHES * len(made.panels) + 1.2 * has_bar, _PANEL_INCHES + (0.6 if has_bar else 1.1))
    drawing = Figure(figsize=size, dpi=_DPI, layout="constrained")
    FigureCanvasAgg(drawing)
    # Texts of the data are no formulas.
    drawing.suptitle(title, fontsize=13, fontweight="bold", parse_math=False)
    all_axes = drawing.subplots(1, len(made.panels), squeeze=False)[0]
    shown: Any = None
    for axes, panel in zip(all_axes, made.panels, strict=True):
        shown = _draw_panel(axes, made, panel)
    if isinstance(made.colours, Scale):
        drawing.colorbar(shown, ax=list(all_axes), shrink=0.8, label=fits(made.colours.name, 60))
    elif names and made.colours is not None:
        handles, labels = all_axes[0].get_legend_handles_labels()
        legend = drawing.legend(
            handles, labels, loc="outside lower center", ncols=min(len(labels), 3 * len(made.panels)),
            frameon=False, title=fits(made.colours.name, 60) or None, fontsize=8, markerscale=1.5,
        )  # fmt: skip
        for text in [*legend.get_texts(), legend.get_title()]:
            text.set_parse_math(False)
    file = io.BytesIO()
    drawing.savefig(file, format="png")
    return file.getvalue()


def _draw_panel(axes: Any, made: TextMap, panel: Panel) -> Any:
    """The points of a panel, and what a colour bar is made from."""
    said = f"“{panel.instruction.strip()}”" if panel.instruction else "no instruction"
    axes.set_title("\n".join(textwrap.wrap(said, 60)[:3]), fontsize=9, parse_math=False)
    axes.set_xlabel(_below(made, panel), fontsize=8, color="#57606a")
    axes.set_xticks([])
    axes.set_yticks([])
    axes.set_aspect("equal")
    axes.set(xlim=(-1.06, 1.06), ylim=(-1.06, 1.06))
    for side in axes.spines.values():
        side.set_color("#d8dee4")
    size = max(3.0, 30.0 - 6.5 * len(str(len(made))))
    if isinstance(made.colours, Scale):
        return _on_scale(axes, panel, made.colours, size)
    groups, codes = groups_of(made)
    if not groups:
        axes.scatter(*panel.points.T, s=size, c=CLASSES[0], alpha=0.75, linewidths=0)
    for at, group in enumerate(groups):
        rows = [row for row, code in enumerate(codes) if code == at]
        axes.scatter(
            *panel.points[rows].T, s=size, c=_hex(group.cls), marker=_MARKERS[group.shape], linewidths=0,
            alpha=0.8, label=f"{fits(group.name, 40)} ({group.n_points:,})",
        )  # fmt: skip
    return None


def _on_scale(axes: Any, panel: Panel, scale: Scale, size: float) -> Any:
    from matplotlib.colors import LinearSegmentedColormap

    missing = np.isnan(scale.values)
    axes.scatter(*panel.points[missing].T, s=size, c=NONE_COLOUR, linewidths=0, label=NONE)
    colours = LinearSegmentedColormap.from_list("scale", list(SCALE))
    return axes.scatter(
        *panel.points[~missing].T, s=size, c=scale.values[~missing], cmap=colours, alpha=0.85, linewidths=0,
        vmin=scale.low, vmax=scale.high,
    )  # fmt: skip


def _below(made: TextMap, panel: Panel) -> str:
    said = [f"{counted(len(made), 'text')}, {METHOD_NAMES[made.method]}"]
    if panel.agreement is not None:
        said.append(f"{100 * panel.agreement:.1f}% of nearest of the same class")
    return "; ".join(said)


def _hex(cls: str) -> str:
    named = {"mx": OTHER_COLOUR, "mn": NONE_COLOUR}
    return named.get(cls) or CLASSES[int(cls.removeprefix("m"))]
