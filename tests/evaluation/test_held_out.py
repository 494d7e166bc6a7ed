"""How a user's held-out rows are scored, and how training's change is told."""

import numpy as np
import pytest

from instructvec.corpus.cache import CachedEncoder
from instructvec.evaluation.data import Classification
from instructvec.evaluation.held_out import LabelRows, compared, pair_rows
from tests.evaluation.fake import FakeEncoder

SAID = {"instruction": "Question: ", "document_instruction": "Answer: "}


def label_rows(n=30):
    texts = [f"{word} {at}" for at in range(n) for word in ("ship wave", "oven soup")]
    labels = [at % 2 for at in range(len(texts))]
    return LabelRows(Classification(texts[:40], labels[:40], texts[40:], labels[40:]), "Topic: ")


class Blind(FakeEncoder):
    """Sees nothing of the text but its length, and no instruction helps."""

    def _vector(self, text, instruction):
        return super()._vector(str(len(text) % 3), None)


class Instructed(FakeEncoder):
    """Understands texts only when told what for."""

    def _vector(self, text, instruction):
        return super()._vector(text if instruction else str(len(text) % 3), None)


def test_labels_are_scored_by_what_a_classifier_learns_from_the_training_rows():
    encoder = FakeEncoder()
    found = label_rows().measured(CachedEncoder(encoder, None), instructed=True)
    assert found.score == found.metrics["accuracy"] == 1.0
    assert list(found.metrics) == ["accuracy", "few_shot_accuracy", "f1"]
    assert found.n_units == 20
    assert {said for _, said in encoder.asked} == {"Topic: "}
    found = label_rows().measured(CachedEncoder(Blind(), None), instructed=False)
    assert found.score < 0.8


def test_pairs_are_searched_among_the_texts_of_all_rows():
    rows = pair_rows(
        [("how to open", "turn it"), ("how to shut", "push it")],
        [("what is red", "blood is red"), ("what is red", "wine is red"), ("what is blue", "the sea is blue")],
        symmetric=False,
        **SAID,
    )
    part = rows.part
    assert part.documents == ["turn it", "push it", "blood is red", "wine is red", "the sea is blue"]
    assert part.queries == ["what is red", "what is blue"]
    assert [set(found) for found in part.qrels.values()] == [{"2", "3"}, {"4"}]
    encoder = FakeEncoder()
    found = rows.measured(CachedEncoder(encoder, None), instructed=True)
    assert found.score == found.metrics["ndcg_at_10"] > 0.9
    assert {said for _, said in encoder.asked} == {"Question: ", "Answer: "}


def test_equal_texts_are_one_document_and_one_query():
    rows = pair_rows([("a b", "Same.")], [("C d", "same"), ("c d!", "other")], symmetric=False, **SAID)
    assert rows.part.documents == ["Same.", "other"]
    assert rows.part.queries == ["C d"]
    assert [set(found) for found in rows.part.qrels.values()] == [{"0", "1"}]


def test_in_a_symmetric_table_both_sides_are_searched_chains_hold_and_a_query_never_finds_itself():
    rows = pair_rows(
        [("x one", "x two")],
        [("a one", "a two"), ("a two", "a three"), ("b one", "b two")],
        symmetric=True,
        **SAID,
    )
    part, number = rows.part, dict(zip(rows.part.documents, rows.part.document_ids, strict=True))
    assert sorted(part.documents) == sorted(
        ["x two", "a two", "a three", "b two", "x one", "a one", "b one"]
    )  # each text once
    relevant = {
        query: {text for text in number if number[text] in part.qrels[name]}
        for query, name in zip(part.queries, part.query_ids, strict=True)
    }
    assert relevant == {
        "a one": {"a two", "a three"},
        "a two": {"a one", "a three"},
        "b one": {"b two"},
    }
    assert part.ignore_identical_ids
    assert rows.document_instruction == "Question: "
    assert rows.measured(CachedEncoder(FakeEncoder(), None), instructed=True).metrics["recall_at_10"] == 1.0


def test_before_is_the_better_way_to_use_the_start_and_the_change_has_a_paired_interval():
    found = compared(label_rows(), Blind(), FakeEncoder())
    assert (found["metric"], found["n_units"]) == ("accuracy", 20)
    assert found["after"]["score"] == 100.0
    assert found["before"]["score"] >= found["before_otherwise"]["score"]
    assert found["difference"]["value"] == pytest.approx(100.0 - found["before"]["score"])
    low, high = found["difference"]["interval"]
    assert 0 < low <= found["difference"]["value"] <= high
    assert found["difference"]["p"] < 0.05


def test_a_start_that_reads_instructions_is_compared_with_them():
    found = compared(label_rows(), Instructed(), Instructed())
    assert found["before"]["instructed"]
    assert not found["before_otherwise"]["instructed"]
    assert found["difference"] == {"value": 0.0, "p": 1.0, "interval": [0.0, 0.0]}


def test_the_same_seed_gives_the_same_intervals():
    first, again, other = (compared(label_rows(), Blind(), FakeEncoder(), seed=seed) for seed in (1, 1, 2))
    assert first == again
    assert np.abs(first["difference"]["value"] - other["difference"]["value"]) < 1e-9
