# ruff: noqa: RUF001  (the look-alikes are what is tested)
from __future__ import annotations

import ast
import inspect

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from instructvec.medi import overlap_check
from instructvec.medi.decontaminate import Overlap, Protected
from instructvec.medi.overlap_check import _words, independent_check
from instructvec.medi.words import words

QUESTION = "Which river flows through the old city of Prague?"
LONG = "one two three four five six seven eight nine ten eleven twelve"
PROTECTED = [("quiz, line 1", QUESTION), ("count, line 1", LONG), ("quiz, line 2", "It's fine, isn't it")]
SPARSE = st.lists(st.sampled_from(["a", "b", "c", "D.", "é"]), max_size=12).map(" ".join)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (QUESTION, (1, 0, 0)),
        (QUESTION.upper(), (0, 1, 0)),
        ("Ｗhich river ﬂows\nthrough  the old city of Pra\u00adgue!", (0, 1, 0)),
        ("it’s fine — isn’t it?", (0, 1, 0)),
        ("zero TWO, three, four, five, six, seven, eight, nine! and on", (0, 0, 1)),
        ("five six seven eight nine ten eleven thirteen", (0, 0, 0)),
        ("one two three four", (0, 0, 0)),
        ("yes", (0, 0, 0)),
        ("", (0, 0, 0)),
    ],
)
def test_planted_overlap_is_counted(text, counts):
    check = independent_check([text, "of no interest to anyone at all"], PROTECTED)
    assert (check.exact, check.normalised, check.n_gram) == counts
    assert (check.n_texts, check.n_protected) == (2, 3)
    assert check.clean is not any(counts)


def test_three_words_are_passed_over_four_are_not():
    protected = [("quiz", "three words only"), ("quiz", "these are four words")]
    check = independent_check(["three words only", "these are four words"], protected)
    assert (check.exact, check.n_protected) == (1, 1)


def test_examples_say_what_overlaps_with_what():
    check = independent_check([LONG + " thirteen", QUESTION, LONG], PROTECTED, n_examples=2)
    assert check.examples == (
        ("n-gram", "count, line 1", LONG + " thirteen"),
        ("exact", "quiz, line 1", QUESTION),
    )
    assert check.as_dict()["clean"] is False


def test_a_check_against_nothing_is_not_clean():
    assert not independent_check([LONG], []).clean
    assert not independent_check([LONG], [("quiz", "yes")]).clean


def test_it_finds_what_a_blinded_filter_lets_through(monkeypatch):
    texts = [f"Recall: {LONG}", "of no interest to anyone at all"]
    pairs = [("quiz", text) for _, text in PROTECTED]
    # As if a bug made the filter see no run of words at all.
    monkeypatch.setattr("instructvec.medi.decontaminate.Protected._shared_runs", lambda self, found: iter(()))
    kept = [text for text, found in zip(texts, Protected(pairs).match(texts), strict=True) if found is None]
    assert kept == texts
    check = independent_check(kept, PROTECTED)
    assert (check.n_gram, check.clean) == (1, False)


def test_it_shares_no_code_with_what_it_checks():
    tree = ast.parse(inspect.getsource(overlap_check))
    imported = {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert not {name for name in imported if name.startswith("instructvec")}


@given(st.text(max_size=40))
@example("a\uff9eb a\u3099b")
@example("İ ŉ ẞ ΐ ᾳ̈ ™ ´ ½ ㎏ №5 x² ﷺ")
@example("हिन्दी में ทดสอบ 东京 カタカナ ｶﾅ 한국어 ❤️")
def test_both_ideas_of_a_word_agree(text):
    assert _words(text) == words(text)


@given(st.lists(SPARSE, max_size=6), st.lists(SPARSE, max_size=6), st.integers(3, 8))
def test_it_agrees_with_the_filter(protected, texts, n):
    rule = Overlap(n=n, min_words=3)
    found = Protected((("quiz", text) for text in protected), rule).match(texts)
    check = independent_check(texts, (("quiz", text) for text in protected), n=n, min_words=3)
    reasons = [one.reason for one in found if one]
    assert (check.exact, check.normalised, check.n_gram) == tuple(
        reasons.count(one) for one in ("exact", "normalised", "n-gram")
    )
