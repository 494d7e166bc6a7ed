"""Less detailed instructions: how a name and a simple sentence are worded, and for whom they cannot be."""

import pytest

from instructvec.errors import ConfigError
from instructvec.evaluation.suite import read_suite
from instructvec.medi.manifest import DatasetFacts
from instructvec.medi.triplets import RULES
from instructvec.training.detail import CONTRADICTING, DETAILS, reworded, simple, tag


def test_a_tag_is_the_datasets_name_in_words_on_both_sides():
    assert tag("task002_quoref_answer_generation") == ("task002 quoref answer generation: ",) * 2


@pytest.mark.parametrize(
    ("facts", "query", "document"),
    [
        ({"kind": "label", "text_type": "headline"}, "headline for classification", "headline for classification"),
        ({"kind": "superni", "text_type": "question"}, "question for answering", "question for answering"),
        ({"kind": "pair", "text_type": "sentence"}, "sentence for similarity", "sentence for similarity"),
        (
            {"kind": "triplet", "symmetric": False, "text_type": "title", "document_type": "abstract"},
            "title for retrieval",
            "abstract for retrieval",
        ),
        ({"kind": "pair", "symmetric": False}, "text for retrieval", "text for retrieval"),
    ],
)
def test_a_simple_sentence_says_what_the_texts_are_and_in_a_word_what_for(facts, query, document):
    found = simple(DatasetFacts("d", domain="Medicine", **facts))
    assert found == (f"Represent the {query}: ", f"Represent the {document}: ")


def test_forms_are_those_that_suites_are_evaluated_with():
    for task in read_suite("open").tasks:
        if task.tag:
            assert task.tag.endswith(": ") and "_" not in task.tag
            assert task.simple.startswith("Represent the ") and " for " in task.simple


def test_other_levels_of_detail_reword_nothing():
    assert reworded("as_written", ["a"], {}) is reworded("none", ["a"], {}) is None


def test_names_need_no_manifest_and_sentences_do():
    assert reworded("tag", ["a_b"], {})["a_b"].query == "a b: "
    facts = {"a": DatasetFacts("a", "label", text_type="tweet")}
    assert reworded("simple", ["a"], facts)["a"].query == "Represent the tweet for classification: "
    with pytest.raises(
        ConfigError, match="instructions is 'simple', and no manifest says what the texts of 'b' are"
    ):
        reworded("simple", ["a", "b"], facts)


def test_every_level_says_which_rows_it_makes_untrue():
    assert set(CONTRADICTING) == set(DETAILS)
    assert all(rule in RULES for rules in CONTRADICTING.values() for rule in rules)
    assert CONTRADICTING["as_written"] == ()
