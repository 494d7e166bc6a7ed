"""Pooling, against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from instructvec.encoding.pooling import pool

HIDDEN = np.array([[[1.0, -1.0], [3.0, -5.0], [5.0, 9.0], [100.0, 100.0]]], np.float32)
SEEN = np.array([[1, 1, 1, 0]], np.float32)
POOLED = np.array([[0, 1, 1, 0]], np.float32)


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("mean", [4.0, 2.0]),
        ("mean_sqrt_len", [8 / 2**0.5, 4 / 2**0.5]),
        ("weighted_mean", [(2 * 3 + 3 * 5) / 5, (2 * -5 + 3 * 9) / 5]),
        ("cls", [1.0, -1.0]),
        ("last", [5.0, 9.0]),
        ("max", [5.0, 9.0]),
    ],
)
def test_values_by_hand(mode, expected):
    assert np.allclose(pool(HIDDEN, POOLED, SEEN, [mode], xp=np), [expected], atol=1e-6)


def test_modes_are_concatenated_in_order():
    both = pool(HIDDEN, POOLED, SEEN, ["cls", "mean"], xp=np)
    assert np.allclose(both, [[1.0, -1.0, 4.0, 2.0]], atol=1e-6)


@pytest.mark.parametrize("mode", ["mean", "mean_sqrt_len", "weighted_mean", "cls", "last", "max"])
def test_torch_agrees_with_numpy(mode):
    torch = pytest.importorskip("torch")
    found = pool(*map(torch.from_numpy, (HIDDEN, POOLED, SEEN)), [mode], xp=torch)
    assert np.allclose(found.numpy(), pool(HIDDEN, POOLED, SEEN, [mode], xp=np), atol=1e-6)


def test_padding_and_instruction_change_nothing():
    other = HIDDEN.copy()
    other[0, [0, 3]] = -77.0
    assert np.array_equal(
        pool(HIDDEN, POOLED, SEEN, ["mean", "max"], xp=np), pool(other, POOLED, SEEN, ["mean", "max"], xp=np)
    )
