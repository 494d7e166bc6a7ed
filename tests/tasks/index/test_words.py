"""Texts are scored by the words they share with a query, as bm25s scores them."""

import io

import bm25s
import numpy as np
import pytest

from instructvec.errors import FileError
from instructvec.tasks.index.fusion import reciprocal_rank_fusion
from instructvec.tasks.index.words import Words

TEXTS = ["The cat sat, the cat slept.", "A dog; a cat", None, "", "Straße in Köln: größer", "x"]


def test_scores_are_those_of_bm25s():
    spoken = ["the cat sat the cat slept", "a dog a cat", "", "", "straße in köln größer", "x"]
    tokens = [text.split() for text in spoken]
    model = bm25s.BM25()
    model.index(tokens, show_progress=False)
    words = Words.of(TEXTS)
    assert len(words) == 6
    for query in (["cat"], ["cat", "dog"], ["the", "cat", "the"], ["köln"]):
        np.testing.assert_allclose(words.scores(" ".join(query)), model.get_scores(query), rtol=1e-6)


def test_words_are_found_whatever_their_case_and_single_letters_too():
    words = Words.of(TEXTS)
    assert words.scores("KÖLN?").argmax() == 4
    assert words.scores("X").nonzero()[0].tolist() == [5]
    assert not words.scores("unheard of").any() and not words.scores("").any()


def test_texts_without_words_have_no_scores():
    assert Words.of(["", None, "?!"]).scores("rain").tolist() == [0, 0, 0]


@pytest.mark.parametrize("texts", [TEXTS, ["", "?"]])
def test_what_is_written_is_read_again(texts, tmp_path):
    words = Words.of(texts)
    with (tmp_path / "words.npz").open("wb") as file:
        words.write(file)
    again = Words.read(tmp_path / "words.npz")
    assert len(again) == len(words)
    np.testing.assert_array_equal(again.scores("a cat in Köln"), words.scores("a cat in Köln"))


def test_a_damaged_file_is_named(tmp_path):
    (tmp_path / "words.npz").write_bytes(b"nothing")
    with pytest.raises(FileError, match="words.npz: cannot be read as an index of words"):
        Words.read(tmp_path / "words.npz")
    np.savez(buffer := io.BytesIO(), n_rows=3)
    (tmp_path / "words.npz").write_bytes(buffer.getvalue())
    with pytest.raises(FileError, match="cannot be read"):
        Words.read(tmp_path / "words.npz")


def test_rankings_are_fused_by_reciprocal_rank():
    assert reciprocal_rank_fusion([[5, 3], [3, 9]], 10) == [
        (3, pytest.approx(1 / 62 + 1 / 61)),
        (5, pytest.approx(1 / 61)),
        (9, pytest.approx(1 / 62)),
    ]
    assert [row for row, _ in reciprocal_rank_fusion([[2], [1]], 1)] == [1]
    assert reciprocal_rank_fusion([[], []], 3) == []
