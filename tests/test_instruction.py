"""The unified sentence, there and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructvec import Instruction
from instructvec.errors import InputError

words = st.text("abcdefghijkl", min_size=1, max_size=8).filter(lambda word: word != "for")


@pytest.mark.parametrize(
    ("parts", "sentence"),
    [
        (
            ("sentence", "Medicine", "retrieving a duplicate sentence"),
            "Represent the Medicine sentence for retrieving a duplicate sentence: ",
        ),
        (("sentence",), "Represent the sentence: "),
        (("caption", "image"), "Represent the image caption: "),
        (("text", None, "clustering"), "Represent the text for clustering: "),
    ],
)
def test_sentence_and_parts(parts, sentence):
    assert str(Instruction(*parts)) == sentence
    assert Instruction.parse(sentence) == Instruction(*parts)


@given(words, st.none() | words, st.none() | st.lists(words, min_size=1).map(" ".join))
def test_parse_undoes_str(text_type, domain, objective):
    instruction = Instruction(text_type, domain, objective)
    assert Instruction.parse(str(instruction)) == instruction


@pytest.mark.parametrize("free", ["query: ", "Represent the", "represent the text: x", ""])
def test_free_text_has_no_parts(free):
    with pytest.raises(InputError, match="does not have the form"):
        Instruction.parse(free)


def test_empty_parts_are_refused():
    with pytest.raises(InputError, match="domain is empty"):
        Instruction("sentence", " ")
