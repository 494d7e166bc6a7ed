"""The best instruction is found, and said to be better only where held-out rows say so."""

import numpy as np
import pytest

from instructvec.errors import ConfigError, InputTypeError
from instructvec.tasks import Judgements, LabelledTexts, TextPairs, tune_instruction
from instructvec.tasks.instructions import CLASSIFY, DOCUMENT, DUPLICATES, QUERY
from instructvec.tasks.tuning.choice import rung_sizes
from tests.tasks.planted import PlantedEncoder

GOOD = "Good: "
LABELS = LabelledTexts([f"{at % 4} text {at}" for at in range(600)], [f"label {at % 4}" for at in range(600)])


def tuned(data, strength, **options):
    options = {"candidates": [GOOD, "Bad: ", "Worse: "], "generate": False} | options
    return tune_instruction(data, embedder=PlantedEncoder(strength), **options)


@pytest.mark.parametrize(
    ("data", "metric", "default"),
    [
        (LABELS, "accuracy", CLASSIFY),
        (
            TextPairs(
                [f"{at % 4} first {at}" for at in range(300)],
                [f"{at % 4 if at % 3 else (at + 1) % 4} second {at}" for at in range(300)],
                [bool(at % 3) for at in range(300)],
            ),
            "average precision",
            DUPLICATES,
        ),
        (
            TextPairs(
                [f"{at % 4} first {at}" for at in range(300)],
                [f"{at % 4 if at % 3 else (at + 1) % 4} second {at}" for at in range(300)],
                [5.0 if at % 3 else 1.5 for at in range(300)],
            ),
            "spearman",
            DUPLICATES,
        ),
    ],
)
def test_a_better_instruction_is_found_and_surely_better(data, metric, default):
    found = tuned(data, {GOOD: 4.0, "Bad: ": 0.5})
    assert (found.instruction, found.best, found.metric, found.default) == (GOOD, GOOD, metric, default)
    assert found.is_better
    assert found.interval[0] > 0
    assert found.interval[0] <= found.gain <= found.interval[1]
    assert found.score == found.best_score > found.default_score
    assert found.document_instruction is None
    assert found.contract.instruction == GOOD
    assert found.spread[0] < found.spread[1]


def test_no_difference_leaves_the_default():
    found = tuned(LABELS, dict.fromkeys([GOOD, "Bad: ", "Worse: ", CLASSIFY, ""], 3.0))
    assert not found.is_better
    assert found.instruction == CLASSIFY
    assert found.score == found.default_score


def test_where_the_default_wins_the_gain_is_nothing():
    found = tuned(LABELS, {CLASSIFY: 5.0})
    assert (found.best, found.instruction, found.gain, found.interval) == (CLASSIFY, CLASSIFY, 0.0, (0.0, 0.0))
    assert not found.is_better


def queries_and_documents(n=60):
    """Documents of a query's own group answer it."""
    queries = {f"q{at}": f"{at % 4} query {at}" for at in range(n)}
    documents = {f"d{at}": f"{at % 4} document {at}" for at in range(n)}
    return Judgements(
        queries,
        documents,
        {f"q{at}": {f"d{other}": 1 for other in range(at % 4, n, 4)} for at in range(n)},
    )


def test_retrieval_tunes_the_queries_and_leaves_documents():
    found = tuned(queries_and_documents(), {GOOD: 4.0, DOCUMENT: 4.0, QUERY: 0.5})
    assert (found.instruction, found.document_instruction, found.metric) == (GOOD, DOCUMENT, "nDCG@10")
    assert found.is_better
    assert (found.n_rows, found.n_held_out) == (42, 18)


def test_both_sides_of_retrieval_may_be_tuned():
    both = tuned(queries_and_documents(), {GOOD: 4.0, "": 5.0, DOCUMENT: 0.6, QUERY: 0.5}, tune_documents=True)
    assert both.document_instruction == both.best_document == ""
    assert {one.side for one in both.candidates} == {"query", "document"}


def test_no_text_is_encoded_twice_under_an_instruction():
    encoder = PlantedEncoder({GOOD: 4.0})
    tune_instruction(LABELS, embedder=encoder, candidates=[GOOD], max_candidates=10)
    asked_once = set(encoder.asked)
    # The winner and the default are kept; what was dropped is not asked for again.
    assert len(encoder.asked) == len(asked_once)


def test_half_of_the_candidates_are_dropped_each_round():
    found = tune_instruction(LABELS, embedder=PlantedEncoder({GOOD: 4.0}), candidates=[GOOD], max_candidates=8)
    rounds = [one.rung for one in found.candidates]
    assert rounds[0] == max(rounds) == 3
    assert sorted(rounds) == [1, 1, 1, 1, 2, 2, 3, 3]
    rows = {one.rung: one.n_rows for one in found.candidates}
    assert rows[1] < rows[2] < rows[3] == found.n_rows == 420


def test_the_same_seed_chooses_the_same():
    first, second = (tuned(LABELS, {GOOD: 1.0}, seed=7) for _ in range(2))
    assert first.candidates == second.candidates
    assert first.interval == second.interval


def test_held_out_rows_choose_nothing():
    class Watched(PlantedEncoder):
        at_choice = None

    encoder = Watched({GOOD: 4.0})
    seen = []
    tune_instruction(
        LABELS,
        embedder=encoder,
        candidates=[GOOD],
        generate=False,
        on_step=lambda step: seen.append({text for _, text in encoder.asked}),
    )
    assert len(seen[-1]) == 420
    assert len({text for _, text in encoder.asked}) == 600


def test_max_rows_draws_from_all_labels():
    found = tuned(LABELS, {GOOD: 4.0}, max_rows=100)
    assert (found.n_rows, found.n_held_out) == (70, 30)


def test_when_the_time_is_up_what_is_best_so_far_is_compared(monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setattr("instructvec.tasks.tuning.choice.time.monotonic", lambda: 20.0 * next(ticks))
    steps = []
    found = tuned(LABELS, {GOOD: 4.0}, minutes=1, on_step=steps.append)
    assert found.is_cut_short
    assert [one.rung for one in found.candidates].count(0) > 0
    assert next(one for one in found.candidates if one.rung == 0).score is None
    assert steps[0].score is None
    assert steps[1].score is not None


def test_few_rows_are_compared_in_one_round():
    assert rung_sizes(2, 1000, 250) == [1000]
    assert rung_sizes(24, 4000, 250)[0] == 250
    assert rung_sizes(24, 4000, 250)[-1] == 4000


def test_a_label_with_one_row_is_no_trouble():
    texts = [f"{at % 2} text {at}" for at in range(30)]
    found = tuned(LabelledTexts(texts, ["a", "b"] * 14 + ["a", "c"]), {GOOD: 4.0})
    assert 0 <= found.score <= 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"held_out": 1.0}, "held_out is 1.0; expected a share between 0 and 1"),
        ({"max_rows": 5}, "max_rows is 5; expected 20 or more"),
        ({"max_candidates": 1}, "max_candidates is 1; expected 2 or more"),
        ({"minutes": 0}, "minutes is 0; expected a number above 0"),
    ],
)
def test_options_out_of_range(options, said):
    with pytest.raises(ConfigError, match=said):
        tuned(LABELS, {}, **options)


def test_data_of_another_kind():
    with pytest.raises(InputTypeError, match="data: list; expected LabelledTexts, TextPairs or Judgements"):
        tune_instruction(["a"], embedder=PlantedEncoder({}))


def test_a_text_that_is_cut_is_warned_of_once(bundled):
    from instructvec.errors import TruncationWarning

    long = LabelledTexts([f"{'word ' * 400}{at}" for at in range(20)], ["a", "b"] * 10)
    with pytest.warns(TruncationWarning) as caught:
        tune_instruction(long, embedder=bundled, generate=False)
    assert len(caught) == 1


def test_vectors_all_the_same_are_no_trouble():
    class Constant(PlantedEncoder):
        def encode(self, inputs, instruction=None):
            return np.ones((len(inputs), self.dimension), np.float32)

    found = tune_instruction(queries_and_documents(), embedder=Constant({}), generate=False)
    assert not found.is_better
