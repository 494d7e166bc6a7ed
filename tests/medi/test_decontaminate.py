# ruff: noqa: RUF001  (the look-alikes are what is tested)
from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructvec.errors import ConfigError
from instructvec.medi.decontaminate import Collision, Overlap, Protected, collisions
from instructvec.medi.words import words

QUESTION = "Which river flows through the old city of Prague?"
LONG = "one two three four five six seven eight nine ten eleven twelve"
PROTECTED = [("quiz", QUESTION), ("count", LONG), ("quiz", "It's fine, isn't it"), ("quiz", "yes")]
VOCABULARY = st.sampled_from(["a", "b", "c"])
TEXTS = st.lists(st.lists(VOCABULARY, max_size=9).map(" ".join), max_size=6)


def reasons(texts, protected=PROTECTED, **rule):
    found = Protected(protected, Overlap(**rule)).match(texts)
    return [one and one.reason for one in found]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (QUESTION, "exact"),
        (QUESTION.upper(), "normalised"),
        ("which river flows through the old city of Prague", "normalised"),
        ("Which  river\nflows\tthrough the old city of Prague ?!", "normalised"),
        ("Ｗhich river ﬂows through the old city of Pra\u00adgue?", "normalised"),
        ("it’s fine — isn’t it?", "normalised"),
        ("Tell me: which river flows through the old city of Prague, please?", "n-gram"),
        ("zero TWO, three, four, five, six, seven, eight, nine! and on", "n-gram"),
        ("five six seven eight nine ten eleven twelve", "n-gram"),
        ("five six seven eight nine ten eleven thirteen", None),
        ("five six seven eight nine ten eleven", None),
        ("one two three four", None),
        ("Which river flows through the old city?", None),
        ("yes", None),
        ("", None),
        ("?!", None),
    ],
)
def test_planted_overlap_is_caught(text, reason):
    assert reasons([text]) == [reason]


def test_three_words_never_match_four_do():
    protected = [("quiz", "three words only"), ("quiz", "these are four words")]
    assert reasons(["three words only", "these are four words"], protected) == [None, "exact"]
    assert reasons(["three words only"], protected, min_words=3) == ["exact"]


def test_the_length_of_runs_can_be_chosen():
    assert reasons(["five six seven eight and on"], n=4) == ["n-gram"]
    assert reasons(["five six seven eight and on"], n=5) == [None]


def test_a_run_does_not_span_two_texts():
    protected = [("quiz", "one two three four"), ("quiz", "five six seven eight")]
    assert reasons(["one two three four five six seven eight"], protected) == [None]
    assert reasons(["one two three four", "five six seven eight"], [("quiz", LONG)]) == [None, None]


def test_collisions_name_the_first_source():
    protected = Protected([("a", LONG), ("b", LONG + " thirteen"), ("b", LONG)])
    found = protected.match([LONG, LONG.upper(), LONG + " thirteen", "ten eleven twelve", "and " + LONG])
    assert [one and tuple(one) for one in found] == [
        ("exact", "a"),
        ("normalised", "a"),
        ("exact", "b"),
        None,
        ("n-gram", "a"),
    ]
    assert collisions(found) == {"a": {"exact": 1, "n-gram": 1, "normalised": 1}, "b": {"exact": 1}}
    assert protected.n_texts == {"a": 1, "b": 2}


@pytest.mark.parametrize("protected", [[], [("quiz", "yes")], [("quiz", "these are four words")]])
def test_little_or_nothing_protected_matches_little_or_nothing(protected):
    assert reasons([LONG, "", "yes"], protected) == [None, None, None]
    assert reasons([], protected) == []


def test_many_texts_are_matched_over_blocks(monkeypatch):
    monkeypatch.setattr("instructvec.medi.decontaminate._BLOCK", 3)
    texts = [f"text number {n} of no interest to anyone at all" for n in range(10)]
    protected = Protected([("quiz", f"a protected text of number {n}") for n in range(10)])
    texts[7] = "a protected text of number 9"
    assert [row for row, one in enumerate(protected.match(texts)) if one] == [7]


@given(TEXTS, TEXTS, st.integers(2, 4))
def test_what_collides_is_what_sets_of_words_say(protected, texts, n):
    rule = Overlap(n=n, min_words=2)
    whole = {tuple(words(text)) for text in protected if len(words(text)) >= 2}
    runs = {run for text in protected for run in zip(*(words(text)[i:] for i in range(n)), strict=False)}
    expected = []
    for text in texts:
        found = tuple(words(text))
        shared = any(run in runs for run in zip(*(found[i:] for i in range(n)), strict=False))
        expected.append("exact" if found in whole else "n-gram" if shared else None)
    found = Protected((("quiz", text) for text in protected), rule).match(texts)
    assert [one and one.reason for one in found] == expected


@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=20))
def test_a_protected_text_is_found_inside_any_other(text, before, after):
    text = f"{LONG} {text}"
    found = Protected([("quiz", text)]).match([text, f"{before} {text} {after}"])
    assert found[0] == Collision("exact", "quiz")
    assert found[1] is not None


@pytest.mark.parametrize(
    ("options", "message"),
    [({"n": 0}, "n=0"), ({"min_words": 0}, "min_words=0"), ({"n": 3}, "n=3 and min_words=4")],
)
def test_impossible_rules_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Overlap(**options)
