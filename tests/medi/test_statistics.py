"""Counts, lengths, instructions, samples and suspects of rows, by hand."""

from collections import Counter

import numpy as np
import pytest

from instructvec.errors import InputError, InputTypeError
from instructvec.medi.manifest import DatasetFacts
from instructvec.medi.statistics import SHOWN, statistics
from instructvec.medi.summaries import LENGTH_BINS, NOT_STATED, Instructions, Lengths, is_unified
from instructvec.medi.suspects import by_vectors, compared, overlap
from instructvec.medi.triplets import Side, Triplet

ASK = "Represent the question for finding its answer: "
ANSWER = "Represent the answer for being found by its question: "


def row(
    query, positive, negative, *, dataset="faq", rule="given", kind="pair", ask=ASK, answer=ANSWER, other=None
):
    far = None if negative is None else Side(other or answer, negative)
    return Triplet(Side(ask, query), Side(answer, positive), far, dataset, kind, rule)


def reasons(rows, **options):
    return [(one.row, one.reason) for one in statistics(rows, **options).suspects]


# ---------------------------------------------------------------- counts


def test_rows_are_counted_by_kind_rule_and_facts_of_their_dataset():
    rows = [
        row("how old", "nine years", "ten dogs"),
        row("how big", "a mile", None, rule="mined"),
        row("rain", "snow", "ham", dataset="weather", kind="label", rule="labelled"),
    ]
    facts = {"faq": DatasetFacts("faq", domain="Travel", licence="MIT", redistribution="yes", commercial="no")}
    found = statistics(rows, facts=facts)
    overall = found.overall
    assert (overall.rows, overall.without_negative, overall.judged) == (3, 1, 2)
    assert overall.kinds == {"pair": 2, "label": 1}
    assert overall.rules == {"given": 1, "labelled": 1, "mined": 1}
    assert overall.domains == {"Travel": 2, NOT_STATED: 1}
    assert overall.licences == {"MIT": 2, NOT_STATED: 1}
    assert overall.redistribution == {"yes": 2, "unknown": 1}
    assert overall.commercial == {"no": 2, "unknown": 1}
    assert found.datasets["faq"].rules == {"given": 1, "mined": 1}
    assert found.datasets["weather"].rows == 1
    assert list(found.datasets) == ["faq", "weather"]


def test_lengths_are_words_of_each_side():
    rows = [row("a b", "a", "a b c"), row("a b c d", " \n ", None)]
    lengths = statistics(rows).overall.lengths
    assert (lengths["query"].n, lengths["query"].mean) == (2, 3.0)
    assert lengths["query"].percentiles == (2, 2, 2, 4, 4, 4)
    assert lengths["positive"].histogram[:2] == (1, 1)  # none, and one word
    assert (lengths["negative"].n, lengths["negative"].percentiles[-1]) == (1, 3)


def test_every_length_falls_into_the_bin_that_begins_at_or_below_it():
    for at, low in enumerate(LENGTH_BINS):
        assert Lengths.of(np.array([low], np.uint32)).histogram[at] == 1
    assert Lengths.of(np.array([10**6], np.uint32)).histogram[-1] == 1


def test_no_texts_have_no_lengths():
    assert Lengths.of(np.zeros(0, np.uint32)).percentiles == (0,) * 6


def test_percentiles_are_lengths_that_occur():
    lengths = np.arange(1, 101, dtype=np.uint32)
    assert Lengths.of(lengths).percentiles == (5, 25, 50, 75, 95, 100)


def test_no_rows_are_statistics_too():
    found = statistics([])
    assert found.overall.rows == 0
    assert found.datasets == {}
    assert found.overall.instructions.unified == 0.0


# ---------------------------------------------------------------- instructions


def test_instructions_are_counted_by_rows_that_have_them():
    rows = [
        row("a", "b", None),
        row("a", "b", None, ask="Find: ", answer="Find: "),
        row("a", "b", None, ask="", answer="Find: "),
    ]
    said = statistics(rows).overall.instructions
    assert (said.n_sentences, said.n_query, said.n_positive) == (3, 2, 2)
    assert said.most_used == {"Find: ": 2, ASK: 1, ANSWER: 1}  # twice in one row counts once
    assert said.first_words == {"represent": 2, "find": 1}
    assert said.n_first_words == 2
    assert said.unified == pytest.approx(1 / 3)
    assert said.absent == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        (ASK, True),
        ("Represent the sentence for retrieving a duplicate; Input: ", True),
        ("Represent the Wikipedia document for retrieval;", True),
        ("represent the news for clustering:", True),
        ("Represent the news: ", False),
        ("Topic of this news item: ", False),
        ("", False),
    ],
)
def test_the_unified_form_is_recognised_in_all_its_spellings(sentence, expected):
    assert is_unified(sentence) is expected


def test_a_sentence_of_blanks_is_no_error():
    assert Instructions.of({" ": 1}, {}, {}).first_words == {"": 1}


# ---------------------------------------------------------------- samples


def test_samples_are_the_same_for_the_same_seed_and_other_for_another():
    rows = [row(f"q{at}", f"p{at}", f"n{at}") for at in range(500)]
    first, second, other = (statistics(rows, seed=seed).samples["faq"] for seed in (1, 1, 2))
    assert first == second != other
    assert [one.triplet for one in first] == [rows[one.row] for one in first]
    assert [one.row for one in first] == sorted(one.row for one in first)


def test_samples_of_a_dataset_do_not_depend_on_others():
    rows = [row(f"q{at}", f"p{at}", f"n{at}") for at in range(200)]
    alone = statistics(rows).samples["faq"]
    mixed = [one for own in rows for one in (own, own._replace(dataset="other"))]
    assert [one.triplet for one in statistics(mixed).samples["faq"]] == [one.triplet for one in alone]


def test_every_row_is_as_likely_as_another_to_be_drawn():
    rows = [row(f"q{at}", "p", None) for at in range(20)]
    drawn = Counter(
        one.row for seed in range(2000) for one in statistics(rows, samples=2, seed=seed).samples["faq"]
    )
    # 2,000 draws of 2 from 20: 200 each, with a standard deviation of 13.4; 5 of them are never reached.
    assert all(133 < drawn[at] < 267 for at in range(20))


def test_small_datasets_are_shown_whole_and_none_can_be_asked_for():
    rows = [row("q", "p", "n")] * 3
    assert len(statistics(rows, samples=5).samples["faq"]) == 3
    assert statistics(rows, samples=0).samples["faq"] == ()


def test_options_and_rows_that_cannot_be_used_are_refused():
    with pytest.raises(InputError, match="samples is -1; expected 0 or more"):
        statistics([], samples=-1)
    with pytest.raises(InputTypeError, match="only once; give a list"):
        statistics(iter([]))


# ---------------------------------------------------------------- suspects by words


def test_a_negative_of_the_same_words_as_positive_or_query_is_suspect():
    rows = [
        row("Who wrote Emma?", "Jane Austen", "  jane AUSTEN."),
        row("Who wrote Emma?", "Jane Austen", "who wrote “Emma”"),
        row("Who wrote Emma?", "Jane Austen", "Charlotte Bronte"),
    ]
    assert reasons(rows) == [(0, "equal_to_positive"), (1, "equal_to_query")]


def test_signs_that_change_the_meaning_are_not_normalised_away():
    assert reasons([row("sum", "3 + 4", "3 * 4"), row("order", "a < b", "a > b")]) == []
    assert compared("?!").key != compared("...").key


def test_a_negative_that_is_a_positive_of_the_same_query_elsewhere_is_suspect_whichever_row_comes_first():
    one, other = row("capital of Bolivia", "Sucre", "La Paz"), row("Capital of Bolivia?", "la paz", "Lima")
    assert reasons([one, other]) == [(0, "positive_elsewhere")]
    assert reasons([other, one]) == [(1, "positive_elsewhere")]
    assert statistics([other, one]).suspects[0].triplet == one
    assert reasons([one, other._replace(dataset="other")]) == []
    assert reasons([one, row("capital of Peru", "La Paz", "Lima")]) == []


def test_positives_count_both_ways_where_both_sides_share_an_instruction():
    same = {"ask": ASK, "answer": ASK}
    pair, turned = row("a cat", "one feline", "x", **same), row("one feline", "some pet", "a cat", **same)
    assert (1, "positive_elsewhere") in reasons([pair, turned])
    asymmetric = [row("a cat", "one feline", "x"), row("one feline", "some pet", "a cat")]
    assert reasons(asymmetric) == []


def test_negatives_that_share_most_words_with_the_positive_are_suspect_by_their_share():
    words = [f"w{at}" for at in range(20)]
    rows = [
        row("q", " ".join(words[:9]), " ".join(words[:10])),  # 9 of 10
        row("r", " ".join(words[:10]), " ".join(reversed(words[:10]))),  # all, in another order
        row("s", " ".join(words[:7]), " ".join(words[:10])),  # 7 of 10
    ]
    found = statistics(rows).suspects
    assert [(one.row, one.reason, one.negative) for one in found] == [(1, "alike", 1.0), (0, "alike", 0.9)]
    assert overlap(frozenset("ab"), frozenset("cd")) == 0.0


def test_a_row_counts_once():
    words = " ".join(f"w{at}" for at in range(10))
    rows = [row("q", words, words + " more"), row("q", words + " more", "n")]
    found = statistics(rows)
    assert found.overall.suspects == {"positive_elsewhere": 1}
    assert [one.reason for one in found.suspects] == ["positive_elsewhere"]
    assert found.overall.n_suspects == 1


def test_contrasts_of_instructions_are_not_judged():
    wrong = row("q", "same text", "same text", rule="wrong_instruction", other="Another job: ")
    found = statistics([wrong, row("q", "p", None)])
    assert found.suspects == ()
    assert found.overall.judged == 0


def test_all_suspects_are_counted_and_the_first_of_each_dataset_kept():
    rows = [row(f"q{at}", "same", "Same") for at in range(10)] + [row("q", "x", "X", dataset="other")]
    found = statistics(rows)
    assert found.overall.suspects == {"equal_to_positive": 11}
    assert [one.row for one in found.suspects] == [*range(SHOWN), 10]


# ---------------------------------------------------------------- suspects by vectors

PLACES = {"east": (1.0, 0.0), "north": (0.0, 1.0), "between": (0.8, 0.6), "near north": (0.6, 0.8)}
PLACES |= {"due east": PLACES["east"], "sunrise": PLACES["east"]}


def vectors(texts):
    return np.array([PLACES[text] for text in texts], np.float32)


def test_a_negative_nearer_than_the_positive_is_suspect_and_the_worst_comes_first():
    rows = [
        row("east", "between", "north"),
        row("due east", "near north", "between"),
        row("sunrise", "north", "between"),
        row("east", "between", None),
    ]
    found = statistics(rows, vectors=vectors)
    nearer = [(one.row, round(one.negative, 3), round(one.positive, 3)) for one in found.suspects]
    assert nearer == [(2, 0.8, 0.0), (1, 0.8, 0.6)]
    assert found.encoded == 3
    assert found.overall.suspects == {"nearer": 2}
    assert found.overall.n_suspects == 0  # of words alone
    assert statistics(rows).encoded is None


def test_texts_are_encoded_once_each_and_only_those_of_the_sample():
    seen = []

    def counting(texts):
        seen.extend(texts)
        return vectors(texts)

    statistics([row("east", "between", "north")] * 4, samples=2, vectors=counting)
    assert sorted(seen) == ["between", "east", "north"]


def test_vectors_that_cannot_be_used_are_refused():
    rows = [(0, row("east", "between", "north"))]
    with pytest.raises(InputError, match="no unit vector"):
        by_vectors(rows, lambda texts: 2 * vectors(texts))
    with pytest.raises(InputError, match="3 texts gave 1 vectors; expected one each"):
        by_vectors(rows, lambda texts: vectors(texts)[:1])


def test_nothing_to_judge_asks_no_model():
    def broken(texts):
        raise AssertionError("asked")

    assert by_vectors([(0, row("east", "between", None))], broken) == []
