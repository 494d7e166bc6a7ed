"""Candidates: the default and none always, the user's all, then generated ones in the data's own words."""

import pytest

from instructvec.errors import ConfigError, InputError
from instructvec.instruction import Instruction
from instructvec.tasks.instructions import CLASSIFY, DOCUMENT, DUPLICATES, QUERY
from instructvec.tasks.tuning.candidates import candidates_for, default_of, words_of
from instructvec.tasks.tuning.data import Judgements, LabelledTexts, TextPairs

TEXTS = [f"How do I get a refund for my hotel booking number {at}?" for at in range(30)]
LABELS = LabelledTexts(TEXTS, ["refund_hotel", "cancel_hotel", "other"] * 10, name="message", label_name="intent")
PAIRS = TextPairs(TEXTS, TEXTS[::-1], [0.1 * at for at in range(30)])
QRELS = Judgements(
    {str(at): text for at, text in enumerate(TEXTS)},
    {str(at): "a long answer " * 40 + str(at) for at in range(30)},
    {str(at): {str(at): 1} for at in range(30)},
)


def test_default_none_and_the_users_come_first_each_once():
    found = candidates_for(LABELS, [CLASSIFY, "Mine: ", Instruction("note"), "Mine: "], max_candidates=6)
    assert [(one.instruction, one.origin) for one in found[:4]] == [
        (CLASSIFY, "default"),
        ("", "none"),
        ("Mine: ", "given"),
        ("Represent the note: ", "given"),
    ]
    assert len(found) == 6 == len({one.instruction for one in found})
    assert {one.origin for one in found[4:]} == {"template", "paraphrase"}


def test_all_of_the_users_are_kept_and_none_generated_where_asked():
    given = [f"{at}: " for at in range(9)]
    assert len(candidates_for(LABELS, given, max_candidates=4)) == 11
    assert len(candidates_for(LABELS, given[:2], max_candidates=24, generate=False)) == 4


def test_words_come_from_texts_labels_and_columns():
    words = words_of(LABELS)
    assert words.domains[0] == "hotel"
    assert words.text_types[:2] == ("message", "question")
    assert words.objectives[0] == "classifying its intent"
    assert "Represent the hotel message for classifying its intent: " in {
        one.instruction for one in candidates_for(LABELS, max_candidates=24)
    }


def test_the_name_of_one_label_is_no_domain():
    data = LabelledTexts(TEXTS, ["desc", "abbr", "enty"] * 10)
    assert not {"desc", "abbr", "enty"} & set(words_of(data).domains)
    several = LabelledTexts(["Where is it?", "Still not here."] * 15, ["card_lost", "card_late", "cash"] * 10)
    assert words_of(several).domains == ("card",)


def test_what_the_user_says_replaces_what_is_guessed():
    words = words_of(LABELS, domain="travel", text_type="complaint")
    assert (words.domains, words.text_types) == (("travel",), ("complaint",))


def test_labels_that_say_what_they_are():
    data = LabelledTexts(TEXTS, ["positive", "negative"] * 15, label_name="label")
    assert words_of(data).objectives[0] == "classifying its sentiment"


def test_each_kind_of_data_has_its_job():
    assert [default_of(one) for one in (LABELS, PAIRS, QRELS)] == [CLASSIFY, DUPLICATES, QUERY]
    assert default_of(QRELS, of_documents=True) == DOCUMENT
    assert words_of(QRELS).text_types[0] == "query"
    assert "retrieving relevant documents" in words_of(QRELS).objectives
    assert words_of(QRELS, of_documents=True).text_types[0] == "document"


def test_paraphrases_are_other_ways_of_saying_the_users():
    found = candidates_for(LABELS, ["Represent the bank query for classification: "], max_candidates=40)
    made = {one.instruction for one in found if one.origin == "paraphrase"}
    assert "Bank query, classification: " in made
    assert "Represent the bank query for categorization: " in made


def test_refusals():
    with pytest.raises(ConfigError, match="max_candidates is 1; expected 2 or more"):
        candidates_for(LABELS, max_candidates=1)
    with pytest.raises(InputError, match="candidate 2: int; expected a string or an Instruction"):
        candidates_for(LABELS, ["a", 3], max_candidates=4)
