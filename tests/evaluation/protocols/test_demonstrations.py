"""Which solved examples are shown for an input, and how good they are: by hand."""

import json

import numpy as np
import pytest

from instructvec.errors import ConfigError, InputError
from instructvec.evaluation.data import PromptRetrieval
from instructvec.evaluation.protocols.demonstrations import pack, prompt_retrieval, retrieve, without_itself


def at_angles(degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


POOL = at_angles([0, 10, 20, 30, 40])


def solved(pool_outputs, outputs, inputs=None):
    return PromptRetrieval(
        [f"pool {at}" for at in range(len(pool_outputs))],
        pool_outputs,
        inputs or [f"input {at}" for at in range(len(outputs))],
        outputs,
    )


def test_nearest_come_first_and_of_equal_ones_the_lower_row():
    pool = np.concatenate([POOL, POOL[:1]])
    assert retrieve(at_angles([1, 27]), pool, centre=False).tolist() == [[0, 5, 1, 2, 3, 4], [3, 2, 4, 1, 0, 5]]


def test_lengths_of_vectors_do_not_matter():
    lengths = np.array([[5.0], [0.1], [3.0], [2.0], [0.7]])
    plain = retrieve(at_angles([1, 27]), POOL)
    assert retrieve(at_angles([1, 27]), POOL * lengths, centre=False).tolist() == (
        retrieve(at_angles([1, 27]), POOL, centre=False).tolist()
    )
    assert plain.shape == (2, 5)


def test_centring_takes_each_sides_own_mean_away():
    rng = np.random.default_rng(0)
    inputs, pool = rng.normal(size=(6, 8)) + 2, rng.normal(size=(9, 8)) - 1
    order = retrieve(inputs, pool)
    a, b = inputs - inputs.mean(axis=0), pool - pool.mean(axis=0)
    cosines = (a @ b.T) / np.linalg.norm(a, axis=1)[:, None] / np.linalg.norm(b, axis=1)
    assert order.tolist() == np.argsort(-cosines, axis=1).tolist()
    assert retrieve(inputs + 5, pool - 3).tolist() == order.tolist()
    assert retrieve(inputs, pool, centre=False).tolist() != order.tolist()


def test_many_inputs_are_ordered_as_one_by_one():
    inputs = at_angles(np.linspace(0, 40, 1100))
    assert (retrieve(inputs, POOL, centre=False)[600:605] == retrieve(inputs[600:605], POOL, centre=False)).all()


@pytest.mark.parametrize(
    ("inputs", "pool", "message"),
    [
        (at_angles([1, np.nan]), POOL, "input_vectors, row 2: the vector has a NaN"),
        (POOL[:2], at_angles([3, 3, 3]), "pool_vectors: all 3 vectors are the same"),
        (POOL[:2], np.eye(3), "pool_vectors: 3 dimensions, but input_vectors has 2"),
        (POOL[:1], POOL, "input_vectors: one vector, which is 0 when centred; give centre=False"),
    ],
)
def test_unusable_vectors_are_refused(inputs, pool, message):
    with pytest.raises(InputError, match=message):
        retrieve(inputs, pool)


def test_an_input_is_no_demonstration_of_itself():
    data = solved(["a"] * 5, ["a", "a"], inputs=["pool 3", "new"])
    data.pool_inputs[1] = "pool 3"
    order = retrieve(at_angles([29, 1]), POOL, centre=False)
    assert [one.tolist() for one in without_itself(data, order)] == [[2, 4, 0], [0, 1, 2, 3, 4]]


def test_an_input_without_other_examples_is_refused():
    data = PromptRetrieval(["same"], ["a"], ["new", "same"], ["a", "b"])
    with pytest.raises(InputError, match="input 2: every example of the pool is this very text"):
        without_itself(data, np.zeros((2, 1), np.int64))


def test_an_order_of_another_shape_is_refused():
    with pytest.raises(InputError, match=r"order: shape \(2, 4\); expected \(2, 5\)"):
        without_itself(solved(["a"] * 5, ["a", "b"]), np.zeros((2, 4), np.int64))


def test_figures_by_hand():
    # Nearest three of the input at 1: rows 0, 1, 2; of that at 39: rows 4, 3, 2.
    data = solved(["yes", "no", "no", "yes", "yes"], ["yes", "yes"])
    found = prompt_retrieval(data, at_angles([1, 39]), POOL, k=3, metric="knn_output_agreement")
    assert found.score == found.metrics["knn_output_agreement"] == 0.5
    assert found.metrics["mean_output_agreement"] == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert found.metrics["retrieved_output_f1"] == pytest.approx((1 / 3 + 2 / 3) / 2)
    assert found.strata == (2,)
    assert found.statistic(np.array([1, 1, 0])) == pytest.approx(2 / 3)
    assert json.dumps(found.details, allow_nan=False)


def test_of_equally_frequent_outputs_the_nearest_counts():
    data = solved(["a", "b", "b", "a", "c"], ["a", "c"])
    found = prompt_retrieval(data, at_angles([1, 39]), POOL, k=4, metric="knn_output_agreement")
    # a b b a: a stands first; c a b b: b is most frequent.
    assert found.metrics["knn_output_agreement"] == 0.5


def test_f1_of_outputs_counts_shared_words():
    data = solved(["SELECT a", "SELECT b", "x", "SELECT b", "y"], ["SELECT b", "SELECT b"])
    found = prompt_retrieval(data, at_angles([1, 27]), POOL, k=2, metric="retrieved_output_f1")
    # Of the first input 1/2 and 1, of the second 1 and 0.
    assert found.score == found.metrics["retrieved_output_f1"] == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert found.statistic(np.array([0])) == pytest.approx(3 / 4)


def test_oracle_gain_is_the_best_neighbour_over_random_ones():
    # With the whole pool drawn at random, its mean is known.
    data = solved(["yes", "no", "no", "no", "no"], ["yes", "other"])
    found = prompt_retrieval(data, at_angles([1, 39]), POOL, k=5, metric="knn_output_agreement")
    assert found.metrics["oracle_gain"] == pytest.approx(((1 - 1 / 5) + 0) / 2)
    texts = solved(["w x", "y"] + ["z"] * 3, ["w x", "y"])
    found = prompt_retrieval(texts, at_angles([1, 39]), POOL, k=5, metric="retrieved_output_f1")
    assert found.metrics["oracle_gain"] == pytest.approx(1 - 1 / 5)


def test_the_seed_decides_only_what_is_random():
    data = solved(["yes", "no", "no", "yes", "yes"], ["yes", "no"])
    options = {"k": 2, "metric": "knn_output_agreement"}
    runs = [prompt_retrieval(data, POOL[:2], POOL, seed=seed, **options).metrics for seed in (0, 0, 1, 2, 3)]
    assert runs[0] == runs[1]
    assert len({run["oracle_gain"] for run in runs}) > 1
    assert len({run["knn_output_agreement"] for run in runs}) == 1


def test_neighbours_do_not_depend_on_the_other_inputs():
    data = solved(["a", "b", "c", "d", "e"], ["a", "c", "e"])
    vectors = at_angles([1, 19, 80])
    together = prompt_retrieval(data, vectors, POOL, k=1, metric="knn_output_agreement")
    for at in range(3):
        alone = solved(data.pool_outputs, data.outputs[at : at + 1])
        found = prompt_retrieval(alone, vectors[at : at + 1], POOL, k=1, metric="knn_output_agreement")
        assert found.score == together.statistic(np.array([at]))


def test_a_pool_smaller_than_k_is_looked_at_as_a_whole():
    data = solved(["a", "b", "b", "b", "b"], ["a", "b"])
    found = prompt_retrieval(data, at_angles([1, 39]), POOL, k=100, metric="knn_output_agreement")
    assert found.metrics["mean_output_agreement"] == pytest.approx((1 / 5 + 4 / 5) / 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"k": 1, "metric": "reader_rouge_l"},
            "metric is 'reader_rouge_l'; without a reader there are knn_output",
        ),
        ({"k": 0, "metric": "knn_output_agreement"}, "k is 0"),
    ],
)
def test_unknown_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        prompt_retrieval(solved(["a"] * 5, ["a", "b"]), POOL[:2], POOL, **options)


@pytest.mark.parametrize(
    ("inputs", "pool", "message"),
    [
        (POOL[:3], POOL, "input_vectors: 3 vectors; expected 2"),
        (POOL[:2], POOL[:4], "pool_vectors: 4 vectors; expected 5"),
        (at_angles([np.nan, 1]), POOL, "input_vectors, row 1: the vector has a NaN or infinite"),
    ],
)
def test_vectors_that_do_not_fit_the_data_are_refused(inputs, pool, message):
    with pytest.raises(InputError, match=message):
        prompt_retrieval(solved(["a"] * 5, ["a", "b"]), inputs, pool, k=1, metric="knn_output_agreement")


LENGTHS = [10, 20, 30, 40, 251]


@pytest.mark.parametrize(
    ("order", "input_length", "budget", "packed"),
    [
        ([0, 1, 2, 3, 4], 10, 1000, [3, 2, 1, 0]),  # nearest last; 4 is too long an example
        ([4, 3, 0], 10, 1000, [0, 3]),
        ([0, 1, 2, 3], 10, 70, [2, 1, 0]),  # exactly full
        ([0, 1, 2, 3], 10, 69, [1, 0]),  # one token short
        ([3, 0, 1], 10, 45, []),  # 0 would fit, but 3 ended the search
        ([0, 3, 1], 10, 45, [0]),
        ([0], 5, 5, []),
        ([], 5, 100, []),
    ],
)
def test_packing(order, input_length, budget, packed):
    assert pack(order, LENGTHS, input_length, budget) == packed


def test_packing_takes_arrays_and_another_limit():
    packed = pack(np.array([4, 0]), np.array(LENGTHS), 10, 1000, max_example_tokens=251)
    assert packed == [0, 4]
    assert all(type(row) is int for row in packed)


def test_an_input_longer_than_the_budget_is_refused():
    with pytest.raises(InputError, match="the input has 101 tokens; expected at most budget_tokens = 100"):
        pack([0], LENGTHS, 101, 100)
