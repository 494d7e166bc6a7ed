"""Columns become classes or a scale, and nothing is lost silently."""

import numpy as np
import pytest

from instructvec.errors import InputError
from instructvec.tasks.maps.colours import Classes, Scale, colouring


def test_the_largest_classes_have_a_colour_and_others_share_one():
    values = [*("abc" * 5), *(f"rare {at}" for at in range(14)), None, ""]
    found = colouring(values, "topic", max_classes=3)
    assert (found.names, found.counts, found.n_others) == (("a", "b", "c"), (5, 5, 5), 14)
    assert found.codes.tolist() == [0, 1, 2] * 5 + [3] * 14 + [4, 4]
    assert len({*found.labels[:-2].tolist()}) == 17
    assert found.labels[-2:].tolist() == [-1, -1]
    assert found.every[found.labels[15]] == "rare 0"


def test_few_numbers_are_classes_in_their_order_and_many_a_scale():
    few = colouring([3, 1, 2, 10, 1, 1])
    assert isinstance(few, Classes)
    assert few.names == ("1", "2", "3", "10")
    many = colouring([str(at) for at in range(20)] + [None])
    assert isinstance(many, Scale)
    assert (many.low, many.high) == (0.0, 19.0)
    assert np.isnan(many.values[-1])
    assert many.places[:2] == pytest.approx([0, 1 / 19])


def test_what_the_user_says_it_is_counts():
    assert isinstance(colouring(list(range(20)), kind="classes"), Classes)
    assert isinstance(colouring([1, 2], kind="numbers"), Scale)
    with pytest.raises(InputError, match="colours, row 2: 'x'; expected a number"):
        colouring([1, "x"], kind="numbers")
    with pytest.raises(InputError, match="colours, row 1: None; expected a number"):
        colouring([None, None], kind="numbers")


@pytest.mark.parametrize("values", [[], [None, float("nan"), ""]])
def test_no_values_at_all(values):
    found = colouring(values)
    assert (found.names, found.n_others) == ((), 0)
    assert found.codes.tolist() == [1] * len(values)


def test_one_number_is_a_scale_of_one_place():
    assert colouring([2.0, 2.0], kind="numbers").places.tolist() == [0.0, 0.0]
