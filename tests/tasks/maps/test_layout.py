"""The map: the same texts under several instructions."""

import numpy as np
import pytest

from instructvec.errors import InputError
from instructvec.tasks.maps.layout import map_points


def groups(n=60, width=12, seed=0):
    """Two arrangements of the same rows: by ``first``, and by ``second``, three groups each."""
    rng = np.random.default_rng(seed)
    first, second = rng.integers(0, 3, n), rng.integers(0, 3, n)
    centres = rng.normal(0, 1, (2, 3, width))
    noise = rng.normal(0, 0.2, (n, width))
    vectors = {"first": centres[0][first] + noise, "second": centres[1][second] + noise}
    return {name: array.astype(np.float32) for name, array in vectors.items()}, first, second


def nearest_shares_label(points, labels):
    points = np.asarray(points)
    distances = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distances, np.inf)
    return float((labels[distances.argmin(axis=1)] == labels).mean())


def test_points_keep_the_groups_of_their_own_instruction():
    vectors, first, second = groups()
    points = map_points(vectors)
    assert nearest_shares_label(points["first"], first) > 0.95
    assert nearest_shares_label(points["second"], second) > 0.95


def test_the_same_vectors_give_the_same_map():
    vectors, _, _ = groups(n=20)
    assert map_points(vectors) == map_points(vectors)


def test_points_are_centred_and_at_most_one_from_the_centre():
    vectors, _, _ = groups(n=20)
    for points in map_points(vectors).values():
        array = np.asarray(points)
        assert np.abs(array).max() == pytest.approx(1.0, abs=1e-4)
        assert array.max(axis=0) + array.min(axis=0) == pytest.approx(0.0, abs=2e-4)


def test_the_second_map_lies_on_the_first_where_vectors_agree():
    vectors, _, _ = groups(n=40)
    rng = np.random.default_rng(1)
    near = vectors["first"] + rng.normal(0, 0.01, vectors["first"].shape)
    points = map_points({"first": vectors["first"], "nearly": near})
    moved = np.linalg.norm(np.asarray(points["first"]) - np.asarray(points["nearly"]), axis=1)
    assert np.median(moved) < 0.2  # of a map that is 2 wide


def test_length_of_vectors_does_not_matter():
    vectors, _, _ = groups(n=20)
    longer = {name: array * 8 for name, array in vectors.items()}  # a power of two: the same unit vectors
    assert map_points(longer) == map_points(vectors)


@pytest.mark.parametrize("n", [0, 1])
def test_none_or_one_point_lies_at_the_centre(n):
    assert map_points({"a": np.ones((n, 3)), "b": np.ones((n, 3))}) == {
        "a": [[0.0, 0.0]] * n,
        "b": [[0.0, 0.0]] * n,
    }


@pytest.mark.parametrize("n", [2, 3, 5, 8, 9, 12])
def test_few_points_have_finite_distinct_places(n):
    vectors, _, _ = groups(n=n)
    for points in map_points(vectors).values():
        assert np.isfinite(points).all()
        assert len({tuple(point) for point in points}) == n


@pytest.mark.parametrize("n", [3, 30])
def test_constant_vectors_lie_in_one_point(n):
    vectors, _, _ = groups(n=n)
    points = map_points({"constant": np.full((n, 12), 0.3), "zero": np.zeros((n, 12)), "other": vectors["first"]})
    assert points["constant"] == points["zero"] == [[0.0, 0.0]] * n
    assert len({tuple(point) for point in points["other"]}) == n


def test_constant_second_vectors_lie_in_one_point():
    vectors, _, _ = groups(n=20)
    assert map_points({"first": vectors["first"], "constant": np.ones((20, 12))})["constant"] == [[0.0, 0.0]] * 20


def test_vectors_of_one_dimension_have_a_map():
    values = np.random.default_rng(0).normal(size=(20, 1))
    assert np.isfinite(map_points({"a": values})["a"]).all()


def test_equal_texts_are_no_trouble():
    vectors, _, _ = groups(n=4)
    assert np.isfinite(map_points({"a": np.repeat(vectors["first"], 10, axis=0)})["a"]).all()


def test_rows_that_are_not_finite_are_named():
    broken = np.ones((4, 3))
    broken[2, 1] = np.nan
    with pytest.raises(
        InputError, match="vectors of 'b', row 2: a component is NaN or infinite \\(1 of 4 rows\\)"
    ):
        map_points({"a": np.ones((4, 3)), "b": broken})


def test_unequal_numbers_of_rows_are_refused():
    with pytest.raises(InputError, match="vectors have {'a': 4, 'b': 5} rows; expected one row for each text"):
        map_points({"a": np.ones((4, 3)), "b": np.ones((5, 3))})


def test_an_array_that_is_no_matrix_is_refused():
    with pytest.raises(InputError, match=r"vectors of 'a' have shape \(4,\); expected \(texts, dimensions\)"):
        map_points({"a": np.ones(4)})
