"""How scores move with the wording, and who leads under each."""

import pytest

from instructvec.evaluation.robustness import ranks, spread, summary


def test_spread_is_over_the_main_wording_and_its_paraphrases_only():
    scores = {"instruction": 70.0, "paraphrase 1": 74.0, "paraphrase 2": 66.0, "none": 90.0, "wrong": 1.0}
    found = spread(scores)
    assert (found["best"], found["worst"], found["mean"]) == (74.0, 66.0, 70.0)
    assert found["std"] == pytest.approx((32 / 3) ** 0.5)


@pytest.mark.parametrize("scores", [{}, {"instruction": 70.0}, {"none": 1.0, "wrong": 2.0}])
def test_one_wording_has_no_spread(scores):
    assert spread(scores) is None


def test_summary_averages_ranges():
    found = summary(
        [spread({"instruction": 1.0, "paraphrase 1": 3.0}), spread({"instruction": 5.0, "paraphrase 1": 1.0})]
    )
    assert found["mean_range"] == 3.0
    assert found["best_mean"] == 4.0
    assert found["n_tasks"] == 2


def test_no_spreads_have_no_summary():
    assert summary([]) is None


def test_ranks_follow_scores_under_each_wording():
    scores = {
        "a": {"t": {"instruction": 3.0, "paraphrase 1": 1.0}, "u": {"instruction": 3.0, "paraphrase 1": 3.0}},
        "b": {"t": {"instruction": 2.0, "paraphrase 1": 2.0}, "u": {"instruction": 1.0, "paraphrase 1": 1.0}},
    }
    assert ranks(scores) == {
        "a": {"instruction": 1.0, "paraphrase 1": 1.5},
        "b": {"instruction": 2.0, "paraphrase 1": 1.5},
    }


def test_equal_scores_share_their_ranks():
    scores = {name: {"t": {"instruction": 1.0}} for name in "abc"}
    assert {by["instruction"] for by in ranks(scores).values()} == {2.0}


def test_a_model_without_a_wording_keeps_its_only_score():
    scores = {"a": {"t": {"instruction": 1.0, "paraphrase 1": 5.0}}, "a@none": {"t": {"none": 3.0}}}
    found = ranks(scores)
    assert found["a@none"] == {"instruction": 1.0, "paraphrase 1": 2.0}


def test_only_tasks_that_all_models_have_count():
    scores = {"a": {"t": {"instruction": 1.0}, "u": {"instruction": 0.0}}, "b": {"t": {"instruction": 0.0}}}
    assert ranks(scores)["a"] == {"instruction": 1.0}


def test_one_model_has_no_rank():
    assert ranks({"a": {"t": {"instruction": 1.0}}}) == {}
