"""Rows are parted as the benchmark parts them; numbers of clusters can be compared."""

import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from instructvec.tasks.partitions import (
    agglomerative,
    by_size,
    grid,
    hdbscan,
    k_means,
    principal_components,
    silhouettes,
)
from instructvec.tasks.vectors import normalised


def groups(n_groups=4, n_rows=80, noise=0.1, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(n_rows) % n_groups
    return normalised(
        (np.eye(n_groups, 12)[codes] + noise * rng.normal(size=(n_rows, 12))).astype(np.float32)
    ), codes


def same(one, other):
    """Whether two clusterings put the same rows together."""
    return bool((np.equal.outer(one, one) == np.equal.outer(other, other)).all())


def test_every_algorithm_finds_groups_that_lie_apart():
    vectors, codes = groups()
    assert same(k_means(vectors, 4, seed=42), codes)
    assert same(agglomerative(vectors)(4), codes)
    assert same(hdbscan(groups(noise=0.02)[0], 5), codes)


def test_equal_rows_are_never_parted():
    vectors = groups()[0][[0, 1, 0, 1, 2]]
    for found in (k_means(vectors, 3, seed=1), agglomerative(vectors)(3)):
        assert same(found, np.array([0, 1, 0, 1, 2]))


def test_fewer_rows_than_a_cluster_needs_are_none():
    assert hdbscan(np.eye(3, dtype=np.float32), 5).tolist() == [-1, -1, -1]


def test_clusters_are_numbered_by_size_and_then_by_first_row():
    assert by_size(np.array([5, 2, 2, 9, 9, -1, 7])).tolist() == [2, 0, 0, 1, 1, -1, 3]
    assert by_size(np.array([-1, -1])).tolist() == [-1, -1]


def test_silhouettes_are_scikit_learns_and_highest_at_the_true_number():
    vectors, codes = groups()
    curve = silhouettes(vectors, agglomerative(vectors), [2, 3, 4, 5])
    assert max(curve, key=lambda one: one[1])[0] == 4
    # A distance 1 - x.y of float32 is rounded otherwise than theirs.
    assert dict(curve)[4] == pytest.approx(silhouette_score(vectors, codes, metric="cosine"), abs=1e-5)


def test_numbers_at_which_nothing_is_parted_are_left_out():
    vectors, _ = groups(n_rows=8)
    assert silhouettes(vectors, lambda count: np.zeros(8, np.int64), [2, 3]) == ()


def test_the_grid_ascends_to_the_most():
    counts = grid(200)
    assert counts[0] == 2 and 170 < counts[-1] <= 200
    assert counts == sorted(set(counts))
    assert grid(1) == []


def test_principal_components_keep_distances_where_they_are_enough():
    vectors = np.random.default_rng(0).normal(size=(9, 3)).astype(np.float32)
    found = principal_components(np.hstack([vectors, np.ones((9, 4), np.float32)]), 3)
    wanted = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.testing.assert_allclose(np.linalg.norm(found[:, None] - found[None], axis=2), wanted, atol=1e-5)
    assert (np.diff(found.var(axis=0)) <= 0).all()
