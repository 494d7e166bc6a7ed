"""Weighted means of weights, worked out by hand."""

import pytest
import torch

from instructvec.errors import InputError
from instructvec.training.averaging import average


def sets(*values):
    return [{"a": torch.tensor([value, 0.0]), "b": torch.tensor([[2 * value]])} for value in values]


def test_mean_of_all_by_default():
    found = average(sets(1.0, 2.0, 6.0))
    assert found["a"].tolist() == [3.0, 0.0]
    assert found["b"].tolist() == [[6.0]]


def test_shares_weigh():
    assert average(sets(1.0, 5.0), [0.75, 0.25])["a"].tolist() == [2.0, 0.0]


def test_one_set_is_copied():
    (own,) = sets(1.5)
    found = average([own])
    found["a"][0] = 9
    assert own["a"].tolist() == [1.5, 0.0]


def test_number_type_is_the_first_ones_and_sums_are_exact():
    # In float32, a third beside 2^24 / 3 is lost.
    found = average([{"a": torch.tensor([value])} for value in (2.0**24, 1.0, -(2.0**24))])["a"]
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(1 / 3, rel=1e-6)
    assert average([{"a": torch.ones(1).bfloat16()}, {"a": torch.ones(1)}])["a"].dtype == torch.bfloat16


def test_gradients_are_left_behind():
    assert not average([{"a": torch.ones(1, requires_grad=True)}])["a"].requires_grad


@pytest.mark.parametrize(
    ("weights", "shares", "match"),
    [
        ([], None, "no weights"),
        (sets(1.0, 2.0), [1.0], "shares are.*2 sets"),
        (sets(1.0, 2.0), [0.5, 0.6], "sum to 1"),
        (sets(1.0, 2.0), [float("nan"), 1.0], "sum to 1"),
        ([*sets(1.0), {"a": torch.zeros(2)}], None, "weights 1: 'b' is in one set only"),
        ([*sets(1.0), {"a": torch.zeros(3), "b": torch.zeros(1, 1)}], None, r"'a' has the shape \(3,\)"),
    ],
)
def test_refused(weights, shares, match):
    with pytest.raises(InputError, match=match):
        average(weights, shares)
