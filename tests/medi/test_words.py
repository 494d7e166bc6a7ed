# ruff: noqa: RUF001  (the look-alikes are what is tested)
from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from instructvec.medi.words import Hashed, hashed, normalised, raw_hash, words

TEXTS = st.text(max_size=40)
VOCABULARY = st.lists(st.sampled_from(["a", "b", "c", "the"]), max_size=12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("The cat sat.", "the CAT sat"),
        ("well-known", "well known"),
        ("a\tb\r\n  c", "a b c"),
        ("it’s “fine”", 'it\'s "fine"'),
        ("it´s", "it's"),
        ("ﬁsh", "fish"),
        ("Ｆｕｌｌ　ｗｉｄｔｈ", "full width"),
        ("Straße", "STRASSE"),
        ("cafe\u0301", "café"),
        ("co\u00adoper\u200date", "cooperate"),
        ("snake_case", "snake case"),
        ("Windows™ ❤️ x", "windows x"),
        ("东京 is 東", "东 京 is 東"),
        ("x²", "x2"),
    ],
)
def test_variants_of_a_text_have_the_same_words(one, other):
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(("one", "other"), [("resume", "résumé"), ("a b", "ab"), ("is", "isn't"), ("कि", "क")])
def test_other_words_stay_other_words(one, other):
    assert normalised(one) != normalised(other)


@pytest.mark.parametrize("text", ["", "  \n", "?!", "-- ++", "\u200b", "😀", "\x00\ufffd"])
def test_a_text_without_letters_or_digits_has_no_words(text):
    assert words(text) == []
    assert normalised(text) == ""


@given(TEXTS)
@example("ᾳ̈ ΐ")
@example("İ ŉ ẞ")
def test_normalising_twice_changes_nothing(text):
    assert normalised(normalised(text)) == normalised(text)


@given(TEXTS)
def test_case_and_surroundings_change_nothing(text):
    assert normalised(f" ({text}) !\n") == normalised(text)


@given(st.text(alphabet=st.characters(max_codepoint=0x7F), max_size=60))
def test_ascii_takes_the_same_words_by_either_road(text):
    assert words(text + "\u00a0") == words(text)


@given(st.lists(VOCABULARY, max_size=6), st.integers(1, 5))
def test_grams_hash_alike_exactly_where_their_words_are_alike(rows, n):
    found = hashed([" ".join(row) for row in rows]).grams(n)
    expected = [[tuple(row[i : i + n]) for i in range(len(row) - n + 1)] for row in rows]
    assert found.lengths.tolist() == [len(row) for row in expected]
    flat = [gram for row in expected for gram in row]
    pairs = set(zip(flat, found.hashes.tolist(), strict=True))
    assert len(pairs) == len(set(flat)) == len(set(found.hashes.tolist()))


@given(st.lists(VOCABULARY, max_size=8))
def test_texts_hash_alike_exactly_where_their_words_are_alike(rows):
    found = hashed([" ".join(row) for row in rows]).texts().tolist()
    assert len(set(found)) == len({tuple(row) for row in rows})
    assert all((value == 0) == (not row) for value, row in zip(found, rows, strict=True))


def test_a_text_of_eight_words_hashes_as_the_same_eight_words_inside_another():
    one, other = hashed(["a b c d e f g h", "x y a b c d e f g h z"]), 8
    assert one.texts()[0] == one.grams(other).hashes[0] == one.grams(other).hashes[3]


def test_many_repeated_words_do_not_collide():
    rows = hashed(["no " * n for n in range(1, 200)])
    assert len(set(rows.texts().tolist())) == 199


@pytest.mark.parametrize("texts", [[], [""], ["", "?"]])
def test_nothing_to_hash_gives_empty_rows(texts):
    found = hashed(texts)
    assert len(found) == len(texts)
    assert found.hashes.dtype == np.uint64
    assert found.texts().tolist() == [0] * len(texts)
    assert found.grams(3).lengths.tolist() == [0] * len(texts)


def test_owners_name_the_row_of_each_hash():
    found = Hashed(np.arange(3, dtype=np.uint64), np.array([0, 2, 2, 3]))
    assert found.owners.tolist() == [0, 0, 2]


def test_lone_surrogates_can_be_hashed():
    assert raw_hash("a\ud800") != raw_hash("a")
    assert len(hashed(["broken \ud800 text"])) == 1


def test_hashes_are_the_same_in_every_process():
    program = "from instructvec.medi.words import hashed; print(hashed(['one two']).texts()[0])"
    runs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert runs == {f"{hashed(['one two']).texts()[0]}\n"}
