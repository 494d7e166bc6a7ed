"""Every pair that reaches a threshold, whatever the blocks; an index finds nearly the same."""

import numpy as np
import pytest

from instructvec.errors import ConfigError, InputError
from instructvec.extras import has
from instructvec.tasks.similar_pairs import approximate_pairs, exact_pairs
from instructvec.tasks.vectors import normalised

needs_usearch = pytest.mark.skipif(not has("usearch"), reason="usearch is not installed")


def clustered(n_rows=300, width=16, seed=0):
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n_rows // 5, width))
    vectors = np.repeat(centres, 5, axis=0) + 0.15 * rng.standard_normal((n_rows, width))
    return normalised(vectors.astype(np.float32))


def as_sets(found):
    return set(zip(found.left.tolist(), found.right.tolist(), strict=True))


def test_pairs_are_those_of_all_cosines_in_float64():
    unit = clustered()
    cosines = unit.astype(np.float64) @ unit.astype(np.float64).T
    wanted = {(i, j) for i in range(300) for j in range(i + 1, 300) if cosines[i, j] >= 0.9}
    found = exact_pairs(unit, 0.9)
    assert 100 < len(wanted) == len(found)
    assert as_sets(found) == wanted
    np.testing.assert_allclose(found.scores, cosines[found.left, found.right], atol=1e-6)


@pytest.mark.parametrize("block_rows", [1, 7, 300, 10_000])
def test_block_size_changes_nothing(block_rows):
    unit = clustered()
    whole, parts = exact_pairs(unit, 0.8), exact_pairs(unit, 0.8, block_rows=block_rows)
    for name in ("left", "right", "scores"):
        np.testing.assert_array_equal(getattr(whole, name), getattr(parts, name))


@needs_usearch
def test_approximate_search_agrees_where_an_index_can_hold_all():
    unit = clustered()
    exact, rough = exact_pairs(unit, 0.9), approximate_pairs(unit, 0.9, block_rows=64)
    assert as_sets(rough) <= as_sets(exact)
    assert len(rough) >= 0.99 * len(exact)
    scores = dict(zip(zip(exact.left, exact.right, strict=True), exact.scores, strict=True))
    assert all(scores[i, j] == score for i, j, score in zip(rough.left, rough.right, rough.scores, strict=True))
    assert rough.n_saturated == 0


@needs_usearch
def test_rows_with_more_neighbours_than_looked_at_are_counted():
    found = approximate_pairs(clustered(), 0.0, n_neighbours=3)
    assert found.n_saturated > 250


def test_zero_vectors_and_no_rows_make_no_pairs():
    assert len(exact_pairs(np.zeros((3, 4), np.float32), 0.1)) == 0
    assert len(exact_pairs(np.zeros((1, 4), np.float32), 0.1)) == 0


def test_progress_counts_every_row_once():
    told = []
    exact_pairs(clustered(), 0.9, block_rows=128, on_progress=told.append)
    assert told == [128, 128, 44]
    told.clear()
    approximate_pairs(clustered(), 0.9, block_rows=129, on_progress=told.append)
    assert told == [64, 64, 21, 65, 65, 21]  # half when the index has them, half when they were searched


def test_too_many_pairs_and_no_block_are_refused():
    with pytest.raises(InputError, match=r"threshold 0\.1: more than 1,000 pairs reach it.*raise it"):
        exact_pairs(np.ones((60, 4), np.float32) / 2, 0.1, max_pairs=1000)
    with pytest.raises(ConfigError, match="block_rows is 0"):
        exact_pairs(clustered(), 0.9, block_rows=0)
