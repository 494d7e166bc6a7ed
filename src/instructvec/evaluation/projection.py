"""The same texts' vectors under several instructions -> points in the plane, to be followed from map to map.

Knows arrays; nothing of texts, labels or pictures. Vectors are brought to unit length, so that near means a small
cosine distance, reduced to 50 dimensions by principal components, and laid out by t-SNE (van der Maaten & Hinton
2008); every layout but the first starts from the first and is turned to lie on it as well as it can (orthogonal
Procrustes, Schönemann 1966), which changes no distance.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.extras import require

Floats = NDArray[np.float64]

_SEED = 42
_N_COMPONENTS = 50
_PERPLEXITY = 30.0
# Fewer points have no neighbourhoods to preserve; their two principal components are the map.
_FEWEST_FOR_TSNE = 8
# What scikit-learn scales its own PCA start to: larger starts are hardly moved by the early steps.
_START_SCALE = 1e-4


def map_points(vectors: Mapping[str, NDArray[Any]]) -> dict[str, list[list[float]]]:
    """Coordinates of the same texts under each instruction.

    Args:
        vectors: instruction's name -> (n, d) float; row i of each is the same text.

    Returns:
        name -> n pairs [x, y], centred, the farthest 1 from the centre along an axis; vectors all alike lie
        in one point, [0, 0]. The same vectors give the same map on the same machine.

    Raises:
        InputError: a component is NaN or infinite, or the arrays do not have the same number of rows.
        MissingExtra: scikit-learn is not installed.

    Example:
        >>> map_points({"topic": np.ones((1, 4)), "style": np.zeros((1, 4))})
        {'topic': [[0.0, 0.0]], 'style': [[0.0, 0.0]]}
    """
    require("sklearn", "the map of points")
    arrays = {name: _checked(name, array) for name, array in vectors.items()}
    _same_rows(arrays)
    first: Floats | None = None
    found: dict[str, list[list[float]]] = {}
    for name, array in arrays.items():
        layout = _layout(_unit(array), first)
        if first is not None:
            layout = _turned(layout, first)
        elif layout.any():
            first = layout
        found[name] = (np.round(_fitted(layout), 4) + 0.0).tolist()
    return found


def _checked(name: str, array: NDArray[Any]) -> Floats:
    values = np.asarray(array, np.float64)
    if values.ndim != 2:
        raise InputError(f"vectors of {name!r} have shape {values.shape}; expected (texts, dimensions)")
    bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if bad.size:
        raise InputError(
            f"vectors of {name!r}, row {bad[0]}: a component is NaN or infinite ({bad.size} of {len(values)} "
            "rows); expected finite numbers: check the model, or leave these texts out"
        )
    return values


def _same_rows(arrays: Mapping[str, Floats]) -> None:
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        raise InputError(f"vectors have {counts} rows; expected one row for each text under every instruction")


def _unit(array: Floats) -> Floats:
    lengths = np.linalg.norm(array, axis=1, keepdims=True)
    return np.asarray(array / np.where(lengths == 0, 1, lengths))


def _layout(array: Floats, start: Floats | None) -> Floats:
    """(n, 2): t-SNE from a start, or from the principal components."""
    n_points = len(array)
    if n_points < 2 or np.ptp(array, axis=0).max(initial=0.0) < 1e-9:
        return np.zeros((n_points, 2))
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    n_components = min(_N_COMPONENTS, *array.shape)
    reduced = PCA(n_components, random_state=_SEED).fit_transform(array)
    if reduced.shape[1] < 2:
        reduced = np.hstack([reduced, np.zeros((n_points, 1))])
    if n_points < _FEWEST_FOR_TSNE:
        return np.asarray(reduced[:, :2], np.float64)
    tsne = TSNE(
        init="pca" if start is None else _start(start),
        perplexity=min(_PERPLEXITY, (n_points - 1) / 3),
        random_state=_SEED,
        n_jobs=1,
    )
    return np.asarray(tsne.fit_transform(reduced.astype(np.float32)), np.float64)


def _start(layout: Floats) -> NDArray[np.float32]:
    centred = layout - layout.mean(axis=0)
    return np.asarray(centred / centred[:, 0].std() * _START_SCALE, np.float32)


def _turned(layout: Floats, onto: Floats) -> Floats:
    """A layout turned or mirrored to lie as near another as it can: argmin over orthogonal R of |XR - Y|."""
    centred = layout - layout.mean(axis=0)
    left, _, right = np.linalg.svd(centred.T @ (onto - onto.mean(axis=0)))
    return np.asarray(centred @ (left @ right))


def _fitted(layout: Floats) -> Floats:
    if not len(layout):
        return layout
    centred = layout - (layout.max(axis=0) + layout.min(axis=0)) / 2
    return np.asarray(centred / (np.abs(centred).max() or 1.0))
