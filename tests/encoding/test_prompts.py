"""What callers may pass, and how instruction and text are joined."""

from __future__ import annotations

import time
from collections import UserList

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructvec import Instruction
from instructvec.encoding.prompts import join, pair_up
from instructvec.errors import InputError, InputTypeError

MEDICINE = Instruction("sentence", "Medicine")


class Column:
    """As pandas and polars columns present themselves."""

    def __init__(self, rows):
        self.rows = rows

    def tolist(self):
        return list(self.rows)


# ---------------------------------------------------------------- accepted


def test_single_string():
    pairs, single = pair_up("a cat")
    assert single
    assert (pairs.instructions, pairs.texts) == ([None], ["a cat"])
    assert pair_up("a cat", "Represent: ")[0].instructions == ["Represent: "]
    assert pair_up("a cat", ["Represent: "])[0].instructions == ["Represent: "]
    assert pair_up("", MEDICINE)[0].instructions == ["Represent the Medicine sentence: "]


@pytest.mark.parametrize(
    "texts",
    [
        ["a", "b"],
        ("a", "b"),
        np.array(["a", "b"]),
        np.array(["a", "b"], dtype=object),
        [np.str_("a"), "b"],
        UserList(["a", "b"]),
        Column(["a", "b"]),
        pa.array(["a", "b"]),
        pa.chunked_array([["a"], ["b"]]),
    ],
)
def test_sequences_of_strings_are_texts_never_a_pair(texts):
    pairs, single = pair_up(texts, "i: ")
    assert not single
    assert pairs.texts == ["a", "b"]
    assert pairs.instructions == ["i: ", "i: "]
    assert {type(text) for text in pairs.texts} == {str}


@pytest.mark.parametrize(
    "rows",
    [
        [["i", "t"], ["j", "u"]],
        [("i", "t"), ("j", "u")],
        (("i", "t"), ["j", "u"]),
        [["i", "t", 0], ["j", "u", 0]],
        np.array([["i", "t"], ["j", "u"]]),
    ],
)
def test_pairs_in_the_form_of_the_original(rows):
    pairs, single = pair_up(rows)
    assert not single
    assert (pairs.instructions, pairs.texts) == (["i", "j"], ["t", "u"])


def test_pairs_may_hold_instructions_of_our_kind_or_none():
    assert pair_up([[MEDICINE, "t"], [None, "u"], ["", "v"]])[0].instructions == [str(MEDICINE), None, ""]


def test_one_instruction_per_text():
    pairs, _ = pair_up(["a", "b", "c"], [MEDICINE, None, "i: "])
    assert pairs.instructions == [str(MEDICINE), None, "i: "]
    assert pair_up(["a", "b"], np.array(["i", "j"]))[0].instructions == ["i", "j"]
    assert pair_up(["a", "b"], ("i", "j"))[0].instructions == ["i", "j"]


@pytest.mark.parametrize("nothing", [[], (), np.array([]), np.zeros((0, 2), dtype=str)])
def test_no_rows(nothing):
    pairs, single = pair_up(nothing, "i: ")
    assert not single
    assert len(pairs) == 0
    assert pair_up(nothing, [])[0].instructions == []


def test_the_callers_list_is_not_kept():
    texts = ["a", "b"]
    pairs, _ = pair_up(texts)
    pairs.texts.append("c")
    assert texts == ["a", "b"]


def test_a_hundred_thousand_strings_are_validated_quickly():
    texts = [f"text number {n}" for n in range(100_000)]
    start = time.perf_counter()
    pair_up(texts, "Represent the text: ")
    assert time.perf_counter() - start < 0.5  # 0.01 s on an idle core


# ---------------------------------------------------------------- refused


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a", None], r'row 1 is None; expected a string; drop or fill the missing value \("" is embedded\)'),
        (["a", float("nan")], r"row 1 is float nan; expected a string; drop or fill"),
        (["a", b"b"], r"row 1 is bytes b'b'; expected a string; decode it first"),
        (["a", "b", 3], r"row 2 is int 3; expected a string; convert it with str\(\)"),
        ([1.5, "a"], r"row 0 is float 1\.5"),
        ([b"a"], r"row 0 is bytes"),
        ([None], r"row 0 is None"),
        (np.array([1.0, 2.0]), r"row 0 is float 1\.0"),
        (["a", {"text": "b"}], r"row 1 is dict"),
        ([{"text": "b"}], r"row 0 is dict"),
        (b"abc", r"inputs: got bytes b'abc'; expected a string, a sequence"),
        (None, r"inputs: got None"),
        (3, r"inputs: got int 3"),
        ({"a": "b"}, r"inputs: got dict"),
        ({"a"}, r"inputs: got set"),
        ((x for x in "ab"), r"inputs: got generator.*list first, or use encode_stream"),
        ([["i", None]], r"row 0: its text is None.*drop or fill"),
        ([["i", "t"], ["i", 3]], r"row 1: its text is int 3"),
        ([[3, "t"]], r"row 0: its instruction is int 3"),
        ([["i", "t"], None], r"row 1 is None; expected \[\"instruction\", \"text\"\]"),
        ([["i", "t"], b"it"], r"row 1 is bytes b'it'; expected \["),
    ],
)
def test_rows_that_are_not_text_are_named(rows, message):
    with pytest.raises(InputTypeError, match=message):
        pair_up(rows)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["a", ["i", "t"]], r"row 1 is a list \['i', 't'\], but the rows before it are strings"),
        ([["i", "t"], "a"], r"row 1 is a string, but the rows before it are pairs"),
        ([["i"]], r"row 0 has 1 elements; expected two"),
        ([["i", "t"], ["a", "b", "c"]], r"row 1 has 3 elements"),
        ([["i", "t", 0, 0]], r"row 0 has 4 elements"),
        ([[]], r"row 0 has 0 elements"),
        (["a", "b\ud800c"], r"row 1 holds a lone surrogate, '\\ud800' at character 1.*UTF-8"),
        ([["i", "\udcff"]], r"row 0 holds a lone surrogate"),
        ([["i", "t"], ["\udcff", "t"]], r"instruction of row 1 holds a lone surrogate"),
    ],
)
def test_rows_of_the_wrong_form_are_named(rows, message):
    with pytest.raises(InputError, match=message):
        pair_up(rows)


def test_pairs_and_an_instruction_contradict_each_other():
    with pytest.raises(InputError, match=r"pairs, and instruction= is given as well"):
        pair_up([["i", "t"]], "Represent: ")


@pytest.mark.parametrize(
    ("inputs", "instruction", "message"),
    [
        (["a", "b"], ["i"], "1 instruction for 2 texts; expected one per text"),
        (["a", "b"], ["i"] * 3, "3 instructions for 2 texts"),
        ("a", ["i", "j"], "2 instructions for 1 text"),
        ([], ["i"], "1 instruction for 0 texts"),
    ],
)
def test_wrong_number_of_instructions_says_both(inputs, instruction, message):
    with pytest.raises(InputError, match=message):
        pair_up(inputs, instruction)


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        (["i", 3], "instruction of row 1 is int 3; expected a string, an Instruction or None"),
        (["i", b"j"], "instruction of row 1 is bytes.*decode"),
        (3, "instruction: got int 3"),
        (b"i", "instruction: got bytes"),
        ({"a": "b"}, "instruction: got dict"),
    ],
)
def test_instructions_that_are_not_text_are_named(instruction, message):
    with pytest.raises(InputTypeError, match=message):
        pair_up(["a", "b"], instruction)


# ---------------------------------------------------------------- joining


@pytest.mark.parametrize(
    ("joining", "instruction", "text", "expected"),
    [
        ("instructor", "Rep: ", " Hello\n", "Rep: Hello"),
        ("instructor", " Rep:", " Hello", "Rep:Hello"),
        ("instructor", "Rep: ", " ", "Rep:"),
        ("instructor", "\u2003", "\u00a0Hello\u3000", "Hello"),
        ("instructor", None, " Hello ", "Hello"),
        ("instructor", "", " ", ""),
        ("instructor-1.0.2", "Rep: ", " Hello\n", "Rep:Hello"),
        ("instructor-1.0.2", " ", " Hello ", "Hello"),
        ("instructor-1.0.2", None, " Hello ", "Hello"),
        ("prompt", "Rep: ", " Hello\n", "Rep:  Hello\n"),
        ("prompt", None, " Hello ", " Hello "),
        ("exact", " Rep:", " Hello ", " Rep: Hello "),
        ("exact", None, "", ""),
    ],
)
def test_joining(joining, instruction, text, expected):
    assert join(instruction, text, joining) == expected


@given(st.text(), st.text())
def test_exact_and_prompt_lose_no_character(instruction, text):
    assert join(instruction, text, "exact") == join(instruction, text, "prompt") == instruction + text
