"""Arrays that protocols take, and those they refuse."""

import numpy as np
import pytest

from instructvec.errors import InputError
from instructvec.evaluation.protocols.vectors import (
    all_alike,
    check_order,
    check_widths,
    checked,
    checked_lists,
    checked_pairs,
    cosines,
    normalised,
    similarities,
)


def broken(value, row, n_rows=4):
    vectors = np.ones((n_rows, 3), np.float32)
    vectors[row, 1] = value
    return vectors


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int8, np.uint8])
def test_numbers_of_any_precision_become_float32(dtype):
    assert checked("queries", np.ones((2, 3), dtype)).dtype == np.float32


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_component_that_is_not_finite_is_refused_by_array_and_row(value):
    with pytest.raises(InputError, match=r"queries, row 3: the vector has a NaN or infinite component"):
        checked("queries", broken(value, 2))


def test_a_bad_row_is_found_far_down():
    with pytest.raises(InputError, match="documents, row 70001:"):
        checked("documents", broken(np.nan, 70_000, 70_002))


def test_a_number_too_large_for_float32_is_refused():
    with pytest.raises(InputError, match="queries, row 1: the vector has a NaN or infinite component"):
        checked("queries", np.full((2, 2), 1e300))


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.ones(3), r"queries: shape \(3,\) of float64; expected \(n, d\) numbers"),
        (np.array([["a"]]), r"queries: shape \(1, 1\) of <U1; expected \(n, d\) numbers"),
        (np.ones((2, 2), complex), r"of complex128; expected"),
        (np.ones((0, 3)), r"queries: shape \(0, 3\); expected at least one vector"),
        (np.ones((3, 0)), r"queries: shape \(3, 0\); expected at least one vector of at least one dimension"),
    ],
)
def test_anything_but_rows_of_numbers_is_refused(array, message):
    with pytest.raises(InputError, match=message):
        checked("queries", array)


def test_a_wrong_count_is_refused():
    with pytest.raises(InputError, match="a: 2 vectors; expected 3, one for each text"):
        checked("a", np.ones((2, 2)), 3)


def test_lists_name_the_one_that_is_broken():
    with pytest.raises(InputError, match="negatives of query 2, row 1: the vector has a NaN"):
        checked_lists("negatives of query", [np.ones((2, 3)), broken(np.nan, 0)], 2)
    with pytest.raises(InputError, match="negatives of query: 1 arrays; expected 2"):
        checked_lists("negatives of query", [np.ones((2, 3))], 2)


def test_pairs_of_different_widths_are_refused():
    with pytest.raises(InputError, match="b: 3 dimensions, but a has 2; encode both with one model"):
        checked_pairs(np.ones((2, 2)), np.ones((2, 3)), 2)
    check_widths(a=np.ones((2, 2), np.float32), b=np.ones((5, 2), np.float32))


def test_vectors_that_differ_by_rounding_only_are_alike():
    vectors = np.full((3, 4), 0.3, np.float32)
    vectors[1, 2] = np.nextafter(np.float32(0.3), np.float32(1))
    assert all_alike(vectors)
    vectors[1, 2] = 0.3001
    assert not all_alike(vectors)


def test_one_vector_is_not_called_constant():
    assert not all_alike(np.ones((1, 3), np.float32))


def test_zeros_are_alike():
    assert all_alike(np.zeros((3, 2), np.float32))


def test_constant_vectors_are_refused_with_their_name():
    with pytest.raises(InputError, match="documents: all 3 vectors are the same, so no order can be scored"):
        check_order(queries=np.eye(2, dtype=np.float32), documents=np.ones((3, 2), np.float32))


def test_a_zero_vector_stays_zero_when_normalised():
    assert normalised(np.array([[3.0, 4.0], [0.0, 0.0]], np.float32)).tolist() == pytest.approx(
        np.array([[0.6, 0.8], [0.0, 0.0]])
    )


def test_equal_vectors_have_equal_cosines_wherever_they_stand():
    rng = np.random.default_rng(0)
    others = normalised(rng.normal(size=(37, 385)).astype(np.float32))
    others[[5, 36]] = others[0]
    found = cosines(others[7], others)
    assert found[0] == found[5] == found[36]


def test_similarities_by_hand():
    found = similarities(np.array([[3.0, 4.0]], np.float32), np.array([[4.0, 3.0]], np.float32))
    by_hand = {"cosine": 24 / 25, "dot": 24.0, "euclidean": -(2**0.5), "manhattan": -2.0}
    # Float32 rounds at 6e-8 of the value.
    assert {name: float(value[0]) for name, value in found.items()} == pytest.approx(by_hand, rel=1e-6)
