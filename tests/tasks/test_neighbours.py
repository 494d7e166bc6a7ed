"""The nearest are found exactly, block by block, in a defined order."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructvec.tasks.neighbours import nearest


def blocks_of(vectors, size):
    return [
        (np.arange(at, min(at + size, len(vectors))), vectors[at : at + size])
        for at in range(0, len(vectors), size)
    ]


def test_best_come_first_and_equal_ones_in_order_of_rows():
    others = np.array([[0, 1], [1, 0], [0, 1], [0.6, 0.8]], np.float32)
    rows, scores = nearest(np.array([[0, 1]], np.float32), [(np.arange(4), others)], 4)
    assert rows.tolist() == [[0, 2, 3, 1]]
    np.testing.assert_allclose(scores, [[1, 1, 0.8, 0]], rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 3, 10])
def test_of_equal_ones_at_the_end_the_lower_rows_are_kept(size):
    others = np.array([[1.0], [2.0], [1.0], [1.0], [2.0], [1.0]], np.float32)
    rows, _ = nearest(np.array([[1.0]], np.float32), blocks_of(others, size), 4)
    assert rows.tolist() == [[1, 4, 0, 2]]


@given(st.integers(1, 40), st.integers(1, 12), st.integers(1, 15), st.integers(0, 5))
def test_blocks_change_nothing(n_rows, size, top_k, seed):
    rng = np.random.default_rng(seed)
    others = rng.integers(-2, 3, (n_rows, 3)).astype(
        np.float32
    )  # small whole numbers: products are exact, ties many
    queries = rng.integers(-2, 3, (5, 3)).astype(np.float32)
    rows, scores = nearest(queries, blocks_of(others, size), top_k)
    everything = queries @ others.T
    expected = np.lexsort((np.broadcast_to(np.arange(n_rows), everything.shape), -everything), axis=1)[:, :top_k]
    np.testing.assert_array_equal(rows, expected)
    np.testing.assert_array_equal(scores, np.take_along_axis(everything, expected, 1))


def test_nothing_among_nothing():
    rows, scores = nearest(np.ones((2, 3), np.float32), [], 5)
    assert rows.shape == scores.shape == (2, 0)
    assert nearest(np.empty((0, 3), np.float32), [(np.arange(2), np.ones((2, 3), np.float32))], 5)[0].shape[0] == 0
