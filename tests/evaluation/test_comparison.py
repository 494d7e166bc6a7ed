"""Means by kind and paired differences."""

import numpy as np
import pytest

from instructvec.evaluation.comparison import Scored, by_kind, comparisons

RNG = np.random.default_rng(0)


def scored(kind, score, replicates=None):
    return Scored(kind, score, np.asarray([] if replicates is None else replicates, float))


def of(found, over):
    return next(one for one in found if one["over"] == over)


def test_kinds_are_means_over_their_tasks():
    tasks = {"x": scored("sts", 80.0), "y": scored("sts", 70.0), "z": scored("retrieval", 30.0)}
    found = by_kind({"m": tasks})["m"]
    assert found["sts"] == {"score": 75.0, "interval": None, "n_tasks": 2}
    assert found["all"]["score"] == 60.0


def test_the_interval_of_a_mean_is_narrower_than_that_of_one_task():
    tasks = {name: scored("sts", 0.0, RNG.standard_normal(2000)) for name in "abcd"}
    low, high = by_kind({"m": tasks})["m"]["sts"]["interval"]
    assert high - low == pytest.approx(2 * 1.96 / 2, rel=0.1)


def test_a_shared_error_cancels_in_the_difference():
    shared = 5 * RNG.standard_normal(1000)
    a = {"t": scored("sts", 2.0, 2.0 + shared)}
    b = {"t": scored("sts", 1.0, 1.0 + shared)}
    found = of(comparisons({"a": a, "b": b}), "all")
    assert found["difference"] == 1.0
    assert found["interval"] == pytest.approx([1.0, 1.0])
    assert found["p"] == pytest.approx(2 / 1001)


def test_no_difference_has_p_one():
    tasks = {"t": scored("sts", 1.0, RNG.standard_normal(100))}
    found = of(comparisons({"a": tasks, "b": tasks}), "t")
    assert found["difference"] == 0.0
    assert found["p"] == 1.0


def test_all_pairs_over_all_kinds_and_tasks_that_both_have():
    a = {"x": scored("sts", 1.0), "y": scored("retrieval", 1.0)}
    b = {"x": scored("sts", 2.0)}
    found = comparisons({"a": a, "b": b, "c": a})
    assert {(one["a"], one["b"]) for one in found} == {("a", "b"), ("a", "c"), ("b", "c")}
    assert {one["over"] for one in found if one["b"] == "b"} == {"all", "sts", "x"}
    assert of(found, "all")["n_tasks"] == 1


def test_without_replicates_only_the_difference_is_told():
    found = comparisons({"a": {"x": scored("sts", 1.0)}, "b": {"x": scored("sts", 2.0)}})
    assert of(found, "x") == {
        "a": "a", "b": "b", "over": "x", "n_tasks": 1, "difference": -1.0, "interval": None, "p": None,
    }  # fmt: skip


def test_models_without_a_common_task_are_not_compared():
    assert comparisons({"a": {"x": scored("sts", 1.0)}, "b": {"y": scored("sts", 1.0)}}) == []


def test_undefined_replicates_are_left_out():
    a = {"t": scored("sts", 1.0, [np.nan, 1.0, 2.0])}
    b = {"t": scored("sts", 0.0, [0.0, 0.0, 0.0])}
    assert of(comparisons({"a": a, "b": b}), "t")["p"] == pytest.approx(2 / 3)
