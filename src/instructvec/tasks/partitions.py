"""Vectors -> the cluster of each row, by one of four algorithms, and how well separate clusters are.

Knows arrays only; nothing of texts, embedders or names of clusters. The algorithms are scikit-learn's and scipy's.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from instructvec.extras import require
from instructvec.tasks.threads import one_thread

Codes = NDArray[np.int64]
Vectors32 = NDArray[np.float32]

N_STARTS = 10
N_COMPONENTS = 20


def mini_batch_k_means(vectors: Vectors32, n_clusters: int, *, seed: int) -> Codes:
    """(n,) int64, the cluster of each row, as MTEB's clustering tasks have it: batches of 500 rows.

    Where fewer vectors are distinct than clusters are asked for, some clusters stay empty.

    Example:
        >>> found = mini_batch_k_means(np.eye(2, dtype=np.float32)[[0, 0, 1]], 2, seed=42)
        >>> bool(found[0] == found[1] != found[2])
        True
    """
    require("sklearn", "clustering", extra="tasks")
    from sklearn.cluster import MiniBatchKMeans

    model = MiniBatchKMeans(n_clusters, batch_size=500, n_init="auto", random_state=seed)
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fewer distinct vectors than clusters
        return cast("Codes", model.fit(vectors).labels_.astype(np.int64))


def k_means(vectors: Vectors32, n_clusters: int, *, seed: int, n_starts: int = N_STARTS) -> Codes:
    """(n,) int64, the cluster of each row: the best of several starts."""
    require("sklearn", "clustering", extra="tasks")
    from sklearn.cluster import KMeans

    model = KMeans(n_clusters, n_init=n_starts, random_state=seed)
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of fewer distinct vectors than clusters
        return cast("Codes", model.fit(vectors).labels_.astype(np.int64))


def agglomerative(vectors: Vectors32) -> Callable[[int], Codes]:
    """Ward's hierarchy of the rows, as a function from how many clusters to the cluster of each row.

    Takes memory for the distance of every pair of rows. Of two rows or more.
    """
    require("scipy", "agglomerative clustering", extra="tasks")
    from scipy.cluster.hierarchy import fcluster, linkage

    merges = linkage(vectors.astype(np.float64), method="ward")
    return lambda n_clusters: fcluster(merges, n_clusters, criterion="maxclust").astype(np.int64) - 1


def hdbscan(vectors: Vectors32, min_cluster_size: int) -> Codes:
    """(n,) int64, the cluster of each row where rows are dense; -1 elsewhere.

    Distances are taken in the first 20 principal components: density means little in hundreds of dimensions, and
    search trees are no help there.
    """
    require("sklearn", "clustering", extra="tasks")
    from sklearn.cluster import HDBSCAN

    if len(vectors) < min_cluster_size:
        return np.full(len(vectors), -1, np.int64)
    model = HDBSCAN(min_cluster_size=min_cluster_size, copy=True)
    with one_thread():
        return cast("Codes", model.fit(principal_components(vectors, N_COMPONENTS)).labels_.astype(np.int64))


def principal_components(vectors: Vectors32, n_components: int) -> Vectors32:
    """(n, n_components or d if that is less) float32, the directions of most variance first.

    Example:
        >>> np.abs(principal_components(np.array([[0, 1, 5], [0, 3, 5]], np.float32), 1)).ravel().tolist()
        [1.0, 1.0]
    """
    centred = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    _, directions = np.linalg.eigh((centred.T @ centred).astype(np.float64))
    projected: Vectors32 = centred @ directions[:, ::-1][:, :n_components].astype(np.float32)
    return projected


def by_size(clusters: Codes) -> Codes:
    """The same clusters numbered anew: the largest is 0, of equal ones that of the earliest row; -1 stays.

    Example:
        >>> by_size(np.array([7, 3, 3, -1])).tolist()
        [1, 0, 0, -1]
    """
    names, first, place, sizes = np.unique(clusters, return_index=True, return_inverse=True, return_counts=True)
    kept = names >= 0
    order = np.lexsort((first, -sizes))
    order = order[kept[order]]
    numbers = np.full(len(names), -1, np.int64)
    numbers[order] = np.arange(len(order))
    return numbers[place.reshape(-1)]


def silhouettes(
    vectors: Vectors32, partition: Callable[[int], Codes], counts: Sequence[int]
) -> tuple[tuple[int, float], ...]:
    """How well separate the clusters are for each number of them (Rousseeuw 1987), over cosine distances.

    Args:
        vectors: (n, d) float32 of length 1, distinct.
        partition: from a number of clusters to the cluster of each row.
        counts: numbers to try, each from 2 to n - 1.

    Returns:
        (number, mean silhouette from -1 to 1); numbers at which fewer than two clusters were found are left out.
    """
    require("sklearn", "clustering", extra="tasks")
    from sklearn.metrics import silhouette_score

    distances = np.maximum(0, 1 - vectors @ vectors.T)
    np.fill_diagonal(distances, 0)
    curve = []
    for count in counts:
        found = partition(count)
        if 2 <= len(set(found.tolist())) < len(found):
            with one_thread():
                curve.append((count, float(silhouette_score(distances, found, metric="precomputed"))))
    return tuple(curve)


def grid(most: int) -> list[int]:
    """Numbers of clusters to try, from 2 to ``most``, each about a sixth above the one before.

    Example:
        >>> grid(20)
        [2, 3, 4, 5, 6, 7, 8, 9, 11, 13, 15, 18]
    """
    counts, count = [], 2
    while count <= most:
        counts.append(count)
        count = max(count + 1, round(count * 1.17))
    return counts
