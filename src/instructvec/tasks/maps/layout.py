"""The same texts' vectors under several instructions -> points in the plane, to be followed from map to map.

Knows arrays; nothing of texts, labels or pictures. Vectors are brought to unit length, so that near means a small
cosine distance. Their layout is their first two principal components, or that of t-SNE (van der Maaten & Hinton
2008) or UMAP (McInnes et al. 2018) on the first 50. Every layout but the first starts from the first and is turned
to lie on it as well as it can (orthogonal Procrustes, Schönemann 1966), which changes no distance.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.extras import require

Floats = NDArray[np.float64]

Method: TypeAlias = Literal["pca", "umap", "tsne"]
METHODS: tuple[Method, ...] = ("pca", "umap", "tsne")

_N_COMPONENTS = 50
_PERPLEXITY = 30.0
_N_NEIGHBOURS = 15
# Fewer points have no neighbourhoods to preserve; their two principal components are the map.
_FEWEST_FOR_NEIGHBOURS = 8
# What scikit-learn scales its own PCA start to: larger starts are hardly moved by the early steps.
_START_SCALE = 1e-4
# What umap scales its own starts to.
_UMAP_START_REACH = 10.0


def map_points(
    vectors: Mapping[str, NDArray[Any]], *, method: Method = "tsne", seed: int = 42
) -> dict[str, list[list[float]]]:
    """Coordinates of the same texts under each instruction.

    Args:
        vectors: instruction's name -> (n, d) float; row i of each is the same text.
        method: how they are laid out; ``"pca"`` needs numpy alone.
        seed: of what the others draw.

    Returns:
        name -> n pairs [x, y], centred, the farthest 1 from the centre along an axis; vectors all alike lie
        in one point, [0, 0]. The same vectors give the same map on the same machine.

    Raises:
        InputError: a component is NaN or infinite, or the arrays do not have the same number of rows.
        MissingExtra: scikit-learn or umap-learn is not installed.

    Example:
        >>> map_points({"topic": np.ones((1, 4)), "style": np.zeros((1, 4))})
        {'topic': [[0.0, 0.0]], 'style': [[0.0, 0.0]]}
    """
    if method != "pca":
        require("umap" if method == "umap" else "sklearn", "the map of points")
    arrays = {name: _checked(name, array) for name, array in vectors.items()}
    _same_rows(arrays)
    first: Floats | None = None
    found: dict[str, list[list[float]]] = {}
    for name, array in arrays.items():
        layout = _layout(_unit(array), first, method, seed)
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


def principal(array: NDArray[Any], n_components: int) -> tuple[Floats, Floats]:
    """The first principal components of rows, and which share of the variance each holds.

    Args:
        array: (n, d), not all rows alike.
        n_components: how many; as many as there are where there are fewer.

    Returns:
        (n, k) float64, each column's largest entry positive, and (k,) shares of 1.

    Example:
        >>> places, shares = principal(np.array([[0.0, 1.0], [2.0, 1.0], [7.0, 1.0]]), 2)
        >>> places[:, 0].round(6).tolist(), shares.tolist()
        ([-3.0, -1.0, 4.0], [1.0, 0.0])
    """
    centred = np.asarray(array, np.float64) - np.mean(array, axis=0, dtype=np.float64)
    variances, axes = np.linalg.eigh(centred.T @ centred)
    variances, axes = np.maximum(variances[::-1], 0)[:n_components], axes[:, ::-1][:, :n_components]
    places = centred @ axes
    furthest = np.abs(places).argmax(axis=0)
    # An axis has no direction of its own, and which one a library gives depends on the machine.
    signs = np.where(places[furthest, np.arange(places.shape[1])] < 0, -1.0, 1.0)
    return places * signs, variances / np.maximum((centred**2).sum(), 1e-300)


def _layout(array: Floats, start: Floats | None, method: Method, seed: int) -> Floats:
    """(n, 2): by a method that may begin at a start, or from the principal components."""
    n_points = len(array)
    if n_points < 2 or np.ptp(array, axis=0).max(initial=0.0) < 1e-9:
        return np.zeros((n_points, 2))
    if method == "pca":
        return _two_wide(principal(array, 2)[0])
    from sklearn.decomposition import PCA

    reduced = _two_wide(PCA(min(_N_COMPONENTS, *array.shape), random_state=seed).fit_transform(array))
    if n_points < _FEWEST_FOR_NEIGHBOURS:
        return np.asarray(reduced[:, :2], np.float64)
    by = _by_umap if method == "umap" else _by_tsne
    return np.asarray(by(reduced.astype(np.float32), start, seed), np.float64)


def _two_wide(array: Floats) -> Floats:
    return array if array.shape[1] > 1 else np.hstack([array, np.zeros((len(array), 1))])


def _by_tsne(reduced: NDArray[np.float32], start: Floats | None, seed: int) -> Any:
    from sklearn.manifold import TSNE

    return TSNE(
        init="pca" if start is None else _start(start),
        perplexity=min(_PERPLEXITY, (len(reduced) - 1) / 3),
        random_state=seed,
        n_jobs=1,
    ).fit_transform(reduced)


def _by_umap(reduced: NDArray[np.float32], start: Floats | None, seed: int) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its own imports, and of fewer points than it likes
        from umap import UMAP

        begin = reduced[:, :2] if start is None else start
        begin = begin - begin.mean(axis=0)
        return UMAP(
            n_neighbors=min(_N_NEIGHBOURS, len(reduced) - 1),
            init=(begin / (np.abs(begin).max() or 1.0) * _UMAP_START_REACH).astype(np.float32),
            random_state=seed,
            n_jobs=1,
        ).fit_transform(reduced)


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
