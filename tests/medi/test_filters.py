# ruff: noqa: RUF001  (the look-alikes are what is tested)
from __future__ import annotations

import sys
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructvec.errors import ConfigError, MissingExtra
from instructvec.medi import filters as module
from instructvec.medi.filters import Filters, Reason, TextReason, language_of, same

ENGLISH = "The committee will meet again next Thursday to discuss the budget for the coming year."
GERMAN = "Der Ausschuss wird sich am kommenden Donnerstag wieder treffen, um über den Haushalt zu beraten."


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        (" \n\t", "empty"),
        ("a", "too_short"),
        ("caf\ufffd au lait", "undecodable"),
        ("a\x00b", "undecodable"),
        ("it\x80\x99s", "undecodable"),
        ("half \ud83d of an emoji", "undecodable"),
        ("word " * 5000, "too_long"),
        ("x" * 20_001, "too_long"),
        ("12.50", "no_letters"),
        ("?!", "no_letters"),
        ("[deleted]", "boilerplate"),
        ("N/A", "boilerplate"),
        ("404 - Not Found", "boilerplate"),
        ("To read on, please enable JavaScript in your browser.", "boilerplate"),
        ("Lorem ipsum dolor sit amet", "boilerplate"),
        ("go " * 30, "repeated"),
        ("click here to win now " * 10, "repeated"),
    ],
)
def test_bad_texts_are_named_for_what_is_wrong(text, reason):
    assert Filters().text(text) == reason
    assert reason in get_args(TextReason)


@pytest.mark.parametrize(
    "text",
    [
        "ok",
        "Prague",
        ENGLISH,
        "no, no, no!",
        "x = 1",
        "line one\r\n\tline two\x0c",
        "naïve “quotes” – and 😀",
        "天气很好",
        "The word deleted stands in this text.",
        "I deleted it",
        " ".join(f"item {n} costs {n + 1}" for n in range(40)),
    ],
)
def test_good_texts_pass(text):
    assert Filters().text(text) is None


@pytest.mark.parametrize(
    ("options", "text", "reason"),
    [
        ({"min_words": 3}, "two words", "too_short"),
        ({"min_characters": 10}, "two words", "too_short"),
        ({"max_words": 2}, "now three words", "too_long"),
        ({"max_characters": 8}, "two words", "too_long"),
        ({"letters": False}, "12.50", None),
        ({"undecodable": False}, "caf\ufffd au lait", None),
        ({"boilerplate": False}, "[deleted]", None),
        ({"max_repeated": 1}, "go " * 30, None),
        ({"min_repeated_words": 3}, "go go go", "repeated"),
    ],
)
def test_options_move_the_limits(options, text, reason):
    assert Filters(**options).text(text) == reason


def test_limits_are_inclusive():
    filters = Filters(min_characters=5, max_characters=9, min_words=1, max_words=2)
    assert filters.text("  short ") is None
    assert filters.text("two words") is None


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (("How are you?", "Fine."), None),
        (("How are you?", "HOW ARE YOU"), "same_sides"),
        (("How are you?", "", ()), "empty"),
        (("How are you?", "Fine.", ["Bad.", "fine!"]), "negative_is_positive"),
        (("How are you?", "Fine.", ["how are you"]), "negative_is_query"),
        (("How are you?", "Fine.", ["Bad.", "[removed]"]), "boilerplate"),
    ],
)
def test_rows_are_checked_text_by_text_and_against_each_other(row, reason):
    assert Filters().row(*row) == reason
    assert reason is None or reason in {one for part in get_args(Reason) for one in (get_args(part) or (part,))}


def test_texts_without_words_are_equal_only_character_by_character():
    assert same("+", " + ")
    assert not same("+", "-")
    assert not same("+", "a")


@given(st.text(max_size=60))
def test_every_text_gets_a_reason_or_none_and_always_the_same(text):
    filters = Filters()
    assert filters.text(text) in {None, *get_args(TextReason)}
    assert filters.text(text) == filters.text(f" {text}\n")


def test_languages_are_told_apart_only_where_there_are_words_enough():
    filters = Filters(languages=("en",))
    assert filters.text(ENGLISH) is None
    assert filters.text(GERMAN) == "language"
    assert filters.text("Der Ausschuss tagt morgen") is None
    assert Filters(languages=("de", "en")).text(GERMAN) is None
    assert Filters().text(GERMAN) is None


@pytest.mark.parametrize("text", ["", "?", "12", "ok", "def f(x): return x + 1"])
def test_language_is_found_for_any_text(text):
    language, confidence = language_of(text)
    assert language
    assert 0 <= confidence <= 1


def test_a_language_filter_without_its_package_says_what_to_install(monkeypatch):
    module._identifier.cache_clear()
    monkeypatch.setattr("instructvec.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'instructvec\[medi\]'"):
        Filters(languages=("en",))


def test_the_language_package_is_not_imported_unless_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "py3langid", None)
    assert Filters().text(GERMAN) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_words": -1}, "min_words=-1"),
        ({"min_words": 9, "max_words": 3}, "min_words=9 and max_words=3"),
        ({"min_characters": 9, "max_characters": 3}, "max_characters=3"),
        ({"max_repeated": 1.5}, "max_repeated=1.5.*from 0 to 1"),
        ({"min_language_confidence": 2}, "min_language_confidence=2"),
        ({"languages": ("english",)}, "'english' is no language.*\\ben\\b"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Filters(**options)
