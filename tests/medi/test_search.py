"""Exact nearest neighbours: the right ones, in a fixed order, whatever the blocks."""

import numpy as np
import pytest

from instructvec.errors import ConfigError, InputError
from instructvec.medi import search
from instructvec.medi.search import (
    NO_ROW,
    cosines,
    nearest,
    other_group,
    same_group,
    score_blocks,
    unit_vectors,
)


def unit(n, d=8, seed=0, dtype=np.float32):
    values = np.random.default_rng(seed).standard_normal((n, d))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(dtype)


def by_sorting(queries, documents, depth, allowed=None):
    """The same, in float64, all at once."""
    scores = queries.astype(np.float64) @ documents.astype(np.float64).T
    if allowed is not None:
        scores[~allowed] = -np.inf
    rows = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
    scores = np.take_along_axis(scores, rows, axis=1)
    return scores, np.where(np.isneginf(scores), NO_ROW, rows)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("depth", [1, 5, 60, 100])
def test_finds_what_sorting_all_scores_finds(depth, dtype):
    queries, documents = unit(23, seed=1, dtype=dtype), unit(60, seed=2, dtype=dtype)
    found = nearest(queries, documents, depth)
    scores, rows = by_sorting(queries, documents, depth)
    assert found.rows.shape == (23, min(depth, 60))
    assert found.rows.dtype == np.int64
    assert found.scores.dtype == np.float32
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)  # float32 sums of 8 products


@pytest.mark.parametrize("block_rows", [1, 7, 23, 1000])
@pytest.mark.parametrize("tile_rows", [1, 13, 60])
def test_blocks_and_tiles_change_nothing(monkeypatch, block_rows, tile_rows):
    monkeypatch.setattr(search, "_TILE_ROWS", tile_rows)
    queries, documents = unit(23, seed=1), unit(60, seed=2)
    found = nearest(queries, documents, 9, block_rows=block_rows)
    scores, rows = by_sorting(queries, documents, 9)
    np.testing.assert_array_equal(found.rows, rows)
    np.testing.assert_allclose(found.scores, scores, atol=1e-6)


@pytest.mark.parametrize("depth", [1, 2, 3, 5, 6])
@pytest.mark.parametrize("tile_rows", [2, 100])
def test_the_lower_row_comes_first_among_equal_scores(monkeypatch, depth, tile_rows):
    monkeypatch.setattr(search, "_TILE_ROWS", tile_rows)
    documents = np.eye(3, dtype=np.float32)[[1, 0, 0, 2, 0, 1]]
    found = nearest(np.eye(3, dtype=np.float32)[:1], documents, depth)
    assert found.rows[0].tolist() == [1, 2, 4, 0, 3, 5][:depth]


def test_all_equal_vectors_are_found_in_order():
    same = np.tile(np.float32([[0.6, 0.8]]), (700, 1))  # more tied rows than are untied at once
    found = nearest(same, same, 3, exclude_self=True)
    assert found.rows[0].tolist() == [1, 2, 3]
    assert found.rows[5].tolist() == [0, 1, 2]
    assert found.rows[699].tolist() == [0, 1, 2]


def test_a_permutation_of_the_documents_permutes_the_rows():
    queries, documents = unit(10, seed=1), unit(40, seed=2)
    order = np.random.default_rng(3).permutation(40)
    plain, permuted = nearest(queries, documents, 4), nearest(queries, documents[order], 4)
    np.testing.assert_array_equal(order[permuted.rows], plain.rows)


def test_only_allowed_pairs_are_found_and_the_rest_is_padded(monkeypatch):
    monkeypatch.setattr(search, "_TILE_ROWS", 4)
    queries, documents = unit(9, seed=1), unit(11, seed=2)
    groups = np.arange(9) % 3, np.arange(11) % 3
    for make, mask in (
        (same_group, groups[0][:, None] == groups[1]),
        (other_group, groups[0][:, None] != groups[1]),
    ):
        found = nearest(queries, documents, 6, allowed=make(*groups), block_rows=2)
        scores, rows = by_sorting(queries, documents, 6, mask)
        np.testing.assert_array_equal(found.rows, rows)
        np.testing.assert_allclose(found.scores, scores, atol=1e-6)


def test_a_callable_decides_what_is_allowed():
    documents = unit(6, seed=2)
    found = nearest(documents, documents, 1, allowed=lambda rows, columns: np.arange(6)[columns] == 4)
    assert (found.rows == 4).all()


def test_itself_is_left_out_in_every_block_and_tile(monkeypatch):
    monkeypatch.setattr(search, "_TILE_ROWS", 5)
    vectors = unit(17)
    found = nearest(vectors, vectors, 17, block_rows=3, exclude_self=True)
    for row, neighbours in enumerate(found.rows):
        assert sorted(neighbours[:-1]) == [other for other in range(17) if other != row]
    assert (found.rows[:, -1] == NO_ROW).all()
    assert np.isneginf(found.scores[:, -1]).all()


def test_one_row_has_no_other():
    assert nearest(unit(1), unit(1), 5, exclude_self=True).rows.tolist() == [[NO_ROW]]


@pytest.mark.parametrize(("n", "m"), [(0, 4), (4, 0), (0, 0)])
def test_nothing_finds_nothing(n, m):
    found = nearest(unit(n), unit(m), 3)
    assert found.rows.shape == found.scores.shape == (n, min(3, m))


def test_a_block_of_scores_is_bounded_by_default(monkeypatch):
    monkeypatch.setattr(search, "_SCORES_A_BLOCK", 30)
    sizes = [scores.shape for _, scores in score_blocks(unit(20), unit(10))]
    assert sizes == [(3, 10)] * 6 + [(2, 10)]


def test_cosines_go_row_by_row():
    left, right = unit(5, seed=1, dtype=np.float16), unit(5, seed=2, dtype=np.float16)
    expected = (left.astype(np.float64) * right.astype(np.float64)).sum(axis=1)
    np.testing.assert_allclose(cosines(left, right), expected, atol=1e-6)
    assert cosines(left, right).dtype == np.float32


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_row_that_is_not_finite_is_named(value):
    vectors = unit(5)
    vectors[3, 2] = value
    with pytest.raises(InputError, match=r"row 3 of documents has NaN or infinite components .*1 of 5 rows"):
        nearest(unit(2), vectors, 1)


@pytest.mark.parametrize("length", [0.0, 0.9, 1.1])
def test_a_row_of_another_length_is_named(length):
    vectors = unit(5)
    vectors[1] *= length
    with pytest.raises(InputError, match=r"row 1 of queries is no unit vector \(length"):
        nearest(vectors, unit(2), 1)


def test_rounding_to_float16_leaves_unit_vectors():
    assert unit_vectors(unit(300, 384, dtype=np.float16), "vectors").dtype == np.float16


@pytest.mark.parametrize("values", [np.ones(3), np.ones((2, 2), np.int64), np.ones((1, 1, 1))])
def test_other_arrays_are_no_vectors(values):
    with pytest.raises(InputError, match="expected floats of shape"):
        nearest(values, unit(2), 1)


def test_refusals():
    with pytest.raises(InputError, match="queries have 8 components and documents 3"):
        nearest(unit(2), unit(2, 3), 1)
    with pytest.raises(ConfigError, match="depth=0; expected a number of at least 1"):
        nearest(unit(2), unit(2), 0)
    with pytest.raises(ConfigError, match="block_rows=0"):
        nearest(unit(2), unit(2), 1, block_rows=0)
    with pytest.raises(InputError, match="exclude_self with 2 queries and 3 documents"):
        nearest(unit(2), unit(3), 1, exclude_self=True)
