"""The colours of points, for pages and pictures.

Knows hexadecimal colours. ``page.css`` has the same ones, and those for dark ground; a test compares them. The
first seven are told apart with any colour vision (after Okabe and Ito 2008); beyond these, shapes help.
"""

from __future__ import annotations

CLASSES = (
    "#0072b2", "#d55e00", "#009e73", "#b3478f", "#8a6d00", "#3aa0dd",
    "#5a3d9a", "#c2313a", "#6b8e23", "#e08fb5", "#7a4a2b", "#1f7f86",
)  # fmt: skip
OTHER, NONE = "#8d96a0", "#c0c6cd"
SCALE = ("#440154", "#3b528b", "#21918c", "#5ec962", "#e0c81e")
"""From the least number to the greatest."""

SHAPES = ("dot", "square", "triangle", "diamond")
"""By turns; the names of the shared page's symbols."""
