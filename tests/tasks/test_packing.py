"""What evaluation's tests of the protocol do not ask of packing."""

import numpy as np

from instructvec.tasks.packing import compared, orders, others_than, within_budget


def test_the_farthest_gives_way_where_the_joined_prompt_is_longer_than_its_parts():
    # Joined by a "+", each example costs one more than alone.
    def prompt(at, rows):
        return "+".join([*("x" * 3 for _ in rows), "q" * at])

    kept = within_budget([[5, 6, 7], [], [8]], prompt, lambda texts: list(map(len, texts)), 8)
    assert kept == [[6, 7], [], [8]]


def test_an_input_that_alone_exceeds_the_budget_is_left_without_examples():
    assert within_budget([[1]], lambda at, rows: "q" * 9, lambda texts: list(map(len, texts)), 8) == [[]]


def test_no_other_text_leaves_nothing():
    assert [rows.tolist() for rows in others_than(["a", "b"], ["a", "a"], [np.array([1, 0])] * 2)] == [[], [1, 0]]


def test_blocks_are_smaller_for_a_large_pool(monkeypatch):
    monkeypatch.setattr("instructvec.tasks.packing._BLOCK_SCORES", 8)
    rng = np.random.default_rng(0)
    inputs, pool = rng.standard_normal((5, 3)), rng.standard_normal((4, 3))
    blocks = list(orders(*compared(inputs, pool, centre=False)))
    assert [len(one) for one in blocks] == [2, 2, 1]


def test_equal_inputs_are_compared():
    inputs, pool = compared(np.ones((2, 3)), np.eye(3), centre=False)
    assert inputs.shape == (2, 3) and pool.shape == (3, 3)
