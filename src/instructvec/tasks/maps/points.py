"""Texts -> where they lie under one instruction or two, and how they are coloured.

Knows vectors and layouts; nothing of pages or pictures. A map is a projection: near on it is near in a part of
what the vectors say. So it comes with each text's nearest by the vectors themselves, by which it can be judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError, InputError
from instructvec.extras import require
from instructvec.instruction import Instruction
from instructvec.tasks.instructions import MAP
from instructvec.tasks.maps.colours import MAX_CLASSES, Classes, Colouring, Kind, colouring
from instructvec.tasks.maps.layout import METHODS, Method, map_points, principal
from instructvec.tasks.vectors import Embedded, Texts, checked_texts, embedded

if TYPE_CHECKING:
    from instructvec.checkpoints.contract import EmbeddingContract
    from instructvec.types import Encoder

MAX_POINTS = 20_000
"""More than this, and a page is slow to look at."""

MAX_NEIGHBOURS_OF = 6000
"""Texts of which the nearest of each are looked for; every one is compared with every other."""

N_NEIGHBOURS = 10
_BLOCK_ROWS = 512


@dataclass(frozen=True, slots=True, eq=False)
class Panel:
    """The map under one instruction.

    Attributes:
        instruction: the sentence; empty for none.
        points: (n, 2) float64, centred, the farthest 1 from the centre along an axis.
        nearest: (n, k) int64, the nearest texts of each in all dimensions, the nearest first, ten at most;
            ``None`` where there are more than :data:`MAX_NEIGHBOURS_OF` texts.
        agreement: how many of these are of a text's own class, as a fraction; ``None`` where there are no classes.
        explained: the share of the variance that the two axes hold; ``None`` unless the method is ``"pca"``.
        contract: under which the vectors were made.
    """

    instruction: str
    points: NDArray[np.float64]
    nearest: NDArray[np.int64] | None
    agreement: float | None
    explained: float | None
    contract: EmbeddingContract


@dataclass(frozen=True, slots=True, eq=False)
class TextMap:
    """Texts as points in the plane.

    Attributes:
        texts: n strings.
        panels: one or two, of the same texts.
        method: how the points were laid out.
        colours: a class or number for each text, or ``None``.
        rows: (n,) int64, which of the given texts these are.
        n_given: how many texts there were; more than n where some were left out.
    """

    texts: tuple[str, ...]
    panels: tuple[Panel, ...]
    method: Method
    colours: Colouring | None
    rows: NDArray[np.int64]
    n_given: int

    def __len__(self) -> int:
        return len(self.texts)


def text_map(
    texts: Texts,
    *,
    instructions: str | Instruction | Sequence[str | Instruction] | None = None,
    embedder: Encoder | None = None,
    method: Method = "pca",
    colours: Sequence[object] | None = None,
    colour_name: str = "",
    colour_kind: Kind = "auto",
    max_classes: int = MAX_CLASSES,
    max_points: int = MAX_POINTS,
    seed: int = 42,
) -> TextMap:
    """Where texts lie under an instruction, or the same texts under two.

    Args:
        texts: strings, or texts embedded before.
        instructions: one or two; ``None`` for the job's default, or for what embedded texts were made under.
        embedder: makes the vectors; ``None`` for the bundled model.
        method: ``"pca"`` at once; ``"umap"`` and ``"tsne"`` keep neighbours together, and take a minute
            for 10,000 texts.
        colours: a value for each text: classes, or numbers.
        colour_name: what these are.
        colour_kind: whether they are classes or numbers; by default numbers where they are that and have more
            levels than there are colours.
        max_classes: classes with a colour of their own.
        max_points: of more texts, so many are drawn at random.
        seed: of what is drawn, and of the layout.

    Returns:
        The points under each instruction, the second's turned onto the first's.

    Raises:
        InputError: no texts, or another number of colours than of texts.
        ConfigError: an unknown method, or more than two instructions.
        ContractMismatch: embedded texts of another model than a second instruction's would be.
        MissingExtra: what the method needs is not installed.

    Example:
        >>> made = text_map(["rain", "snow", "bread"], colours=["weather", "weather", "food"])
        >>> made.panels[0].points.shape, made.colours.names
        ((3, 2), ('weather', 'food'))
    """
    _check_options(method, max_points, max_classes)
    n_given = len(texts) if isinstance(texts, Embedded) else len(checked_texts(texts))
    if colours is not None and len(colours) != n_given:
        raise InputError(f"{len(colours)} colours for {n_given} texts; expected one for each")
    rows = np.arange(n_given)
    if n_given > max_points:
        rows = np.sort(np.random.default_rng(seed).permutation(n_given)[:max_points])
    used = texts.take(rows) if isinstance(texts, Embedded) else [texts[at] for at in rows.tolist()]
    coloured = None
    if colours is not None:
        coloured = colouring([colours[at] for at in rows.tolist()], colour_name, max_classes, colour_kind)
    sides = [_embedded(used, one, embedder) for one in _said(instructions)]
    for one in sides[1:]:
        sides[0].contract.check(one.contract, instructions=False)
    named = {str(at): one.unit for at, one in enumerate(sides)}
    points = map_points(named, method=method, seed=seed)
    panels = tuple(
        _panel(one, np.array(points[name]).reshape(-1, 2), coloured, method)
        for one, name in zip(sides, named, strict=True)
    )
    shown = tuple(used.texts or [""] * len(used)) if isinstance(used, Embedded) else tuple(used)
    return TextMap(shown, panels, method, coloured, rows.astype(np.int64), n_given)


def _check_options(method: str, max_points: int, max_classes: int) -> None:
    if method not in METHODS:
        raise ConfigError(f"method is {method!r}; expected one of {', '.join(METHODS)}")
    for name, value in (("max_points", max_points), ("max_classes", max_classes)):
        if value < 1:
            raise ConfigError(f"{name} is {value}; expected 1 or more")
    if max_classes > MAX_CLASSES:
        raise ConfigError(
            f"max_classes is {max_classes}; expected at most {MAX_CLASSES}: there are no more colours"
        )
    if method != "pca":
        require("umap" if method == "umap" else "sklearn", f"method {method!r}", extra="map")


def _said(instructions: str | Instruction | Sequence[str | Instruction] | None) -> list[str | None]:
    if instructions is None:
        return [None]
    said = [instructions] if isinstance(instructions, str | Instruction) else list(instructions)
    if not 1 <= len(said) <= 2:
        raise ConfigError(f"{len(said)} instructions; expected one or two, which are drawn side by side")
    if len(said) == 2 and str(said[0]) == str(said[1]):
        raise ConfigError(f"both instructions are {str(said[0])!r}; expected two different ones")
    return [str(one) for one in said]


def _embedded(texts: Texts, instruction: str | None, embedder: Encoder | None) -> Embedded:
    """Texts embedded before stay as they are under their own instruction, and are encoded again under another."""
    if not isinstance(texts, Embedded):
        return embedded(texts, embedder, instruction, default=MAP)
    if instruction is None or {one or "" for one in texts.contract.instructions} == {instruction}:
        return embedded(texts, embedder)
    return embedded(texts.need_texts("another instruction than the vectors'"), embedder, instruction)


def _panel(side: Embedded, points: NDArray[np.float64], colours: Colouring | None, method: Method) -> Panel:
    explained, nearest, agreement = None, None, None
    if method == "pca" and len(side) > 1 and np.ptp(side.unit, axis=0).max() > 0:
        explained = float(principal(side.unit, 2)[1].sum())
    if 1 < len(side) <= MAX_NEIGHBOURS_OF:
        nearest = nearest_rows(side.unit, N_NEIGHBOURS)
        if isinstance(colours, Classes):
            agreement = neighbour_agreement(nearest, colours.labels)
    said = ", ".join(one or "" for one in side.contract.instructions[:2])
    return Panel(said, points, nearest, agreement, explained, side.contract)


def nearest_rows(unit: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The nearest other rows of each by cosine, the nearest first.

    Args:
        unit: (n, d) of length 1, n at least 2.
        k: how many; all others where there are fewer.

    Returns:
        (n, k) int64.

    Example:
        >>> nearest_rows(np.array([[1, 0], [0, 1], [0.8, 0.6]], np.float32), 1).tolist()
        [[2], [2], [0]]
    """
    k = min(k, len(unit) - 1)
    found = np.empty((len(unit), k), np.int64)
    for start in range(0, len(unit), _BLOCK_ROWS):
        scores = unit[start : start + _BLOCK_ROWS] @ unit.T
        block = np.arange(len(scores))
        scores[block, start + block] = -np.inf
        best = np.argpartition(-scores, k - 1, axis=1)[:, :k]
        order = np.argsort(-np.take_along_axis(scores, best, 1), axis=1, kind="stable")
        found[start : start + len(scores)] = np.take_along_axis(best, order, 1)
    return found


def neighbour_agreement(nearest: NDArray[np.int64], labels: NDArray[np.int64]) -> float | None:
    """How many of a text's nearest are of its own class, on the whole.

    Args:
        nearest: (n, k) rows.
        labels: (n,); below 0 for texts without a class, which are not asked, and count as another class.

    Example:
        >>> neighbour_agreement(np.array([[1], [0], [1]]), np.array([0, 0, 1])).__round__(3)
        0.667
    """
    asked = labels >= 0
    if not asked.any():
        return None
    return float((labels[nearest[asked]] == labels[asked][:, None]).mean())
