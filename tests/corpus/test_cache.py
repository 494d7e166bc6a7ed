"""Embeddings kept on disk: found again by contract and text, whole after any interruption."""

from pathlib import Path

import numpy as np
import pytest

from instructvec.corpus.cache import CachedEncoder
from instructvec.errors import EngineError, OutputError
from tests.evaluation.fake import DIMENSION, LIMIT, FakeEncoder

TEXTS = ["a red cat", "a blue dog", "a red cat", "rain in spring"]


def files_of(folder):
    (vectors,) = folder.rglob("vectors.f32")
    return vectors, vectors.with_name("keys")


def test_vectors_come_in_the_order_of_the_texts_and_equal_texts_are_encoded_once(tmp_path):
    encoder = FakeEncoder()
    found = CachedEncoder(encoder, tmp_path).encode(TEXTS, "as: ")
    np.testing.assert_array_equal(found.vectors, encoder.encode(TEXTS, "as: "))
    assert sum(len(texts) for texts, _ in encoder.asked[:-1]) == 3


def test_without_a_folder_nothing_is_kept_and_vectors_are_the_same(tmp_path):
    encoder = FakeEncoder()
    kept = CachedEncoder(encoder, tmp_path).encode(TEXTS, None)
    passing = CachedEncoder(encoder, None).encode(TEXTS, None)
    np.testing.assert_array_equal(kept.vectors, passing.vectors)


def test_a_second_run_encodes_nothing(tmp_path):
    first = CachedEncoder(FakeEncoder(), tmp_path).encode(TEXTS, "as: ")
    again = FakeEncoder()
    second = CachedEncoder(again, tmp_path).encode(TEXTS[::-1], "as: ")
    assert again.asked == []
    np.testing.assert_array_equal(first.vectors, second.vectors[::-1])


@pytest.mark.parametrize(
    ("encoder", "instruction"),
    [(FakeEncoder("other"), "as: "), (FakeEncoder(), "otherwise: "), (FakeEncoder(), None), (FakeEncoder(), "")],
)
def test_another_model_or_instruction_finds_nothing(tmp_path, encoder, instruction):
    CachedEncoder(FakeEncoder(), tmp_path).encode(TEXTS, "as: ")
    CachedEncoder(encoder, tmp_path).encode(TEXTS, instruction)
    assert encoder.n_encoded == 3


def test_the_name_of_a_model_decides_nothing(tmp_path):
    class Renamed(FakeEncoder):
        def contract(self, instruction=None):
            from dataclasses import replace

            return replace(super().contract(instruction), model="elsewhere")

    CachedEncoder(FakeEncoder(), tmp_path).encode(TEXTS, "as: ")
    renamed = Renamed()
    CachedEncoder(renamed, tmp_path).encode(TEXTS, "as: ")
    assert renamed.asked == []


def test_new_texts_are_added_to_those_there(tmp_path):
    CachedEncoder(FakeEncoder(), tmp_path).encode(TEXTS[:1], "as: ")
    encoder = FakeEncoder()
    found = CachedEncoder(encoder, tmp_path).encode(TEXTS, "as: ")
    assert encoder.n_encoded == 2
    np.testing.assert_array_equal(found.vectors, FakeEncoder().encode(TEXTS, "as: "))


@pytest.mark.parametrize("cut", [1, 4 * DIMENSION + 3])
@pytest.mark.parametrize("which", [0, 1])
def test_a_tail_cut_off_by_an_interruption_is_encoded_again(tmp_path, which, cut):
    expected = CachedEncoder(FakeEncoder(), tmp_path).encode(TEXTS, "as: ")
    path = files_of(tmp_path)[which]
    content = path.read_bytes()
    path.write_bytes(content[: max(0, len(content) - cut)])
    encoder = FakeEncoder()
    found = CachedEncoder(encoder, tmp_path).encode(TEXTS, "as: ")
    assert 1 <= encoder.n_encoded <= 3
    np.testing.assert_array_equal(found.vectors, expected.vectors)
    vectors, keys = files_of(tmp_path)
    assert vectors.stat().st_size == 3 * 4 * DIMENSION
    assert keys.stat().st_size == 3 * 17


def test_what_was_encoded_before_an_interruption_is_kept(tmp_path, monkeypatch):
    monkeypatch.setattr("instructvec.corpus.cache._CHUNK_TEXTS", 2)
    texts = [f"text {at}" for at in range(7)]
    with pytest.raises(KeyboardInterrupt):
        CachedEncoder(FakeEncoder(interrupt_after=4), tmp_path).encode(texts, None)
    encoder = FakeEncoder()
    CachedEncoder(encoder, tmp_path).encode(texts, None)
    assert encoder.n_encoded == 3


def test_two_writers_do_not_spoil_each_others_rows(tmp_path, monkeypatch):
    monkeypatch.setattr("instructvec.corpus.cache._CHUNK_TEXTS", 1)

    class Meanwhile(FakeEncoder):
        def encode_counted(self, inputs, instruction=None):
            if not self.asked:
                CachedEncoder(FakeEncoder(), tmp_path).encode(["from elsewhere", *TEXTS[2:]], "as: ")
            return super().encode_counted(inputs, instruction)

    found = CachedEncoder(Meanwhile(), tmp_path).encode(TEXTS, "as: ")
    np.testing.assert_array_equal(found.vectors, FakeEncoder().encode(TEXTS, "as: "))


def test_texts_that_were_cut_are_told_from_the_cache_too(tmp_path):
    texts = ["short", "word " * (LIMIT + 1)]
    for _ in range(2):
        found = CachedEncoder(FakeEncoder(), tmp_path).encode(texts, None)
        assert found.truncated.tolist() == [False, True]


def test_no_texts_give_no_vectors(tmp_path):
    assert CachedEncoder(FakeEncoder(), tmp_path).encode([], None).vectors.shape == (0, DIMENSION)


def test_vectors_that_are_not_finite_are_refused_by_their_text_and_not_kept(tmp_path):
    with pytest.raises(EngineError, match="1 of 3 texts, the first being 'a blue dog' under 'as: '"):
        CachedEncoder(FakeEncoder(nan_for="blue"), tmp_path).encode(TEXTS, "as: ")
    assert not list(Path(tmp_path).rglob("vectors.f32"))


def test_an_encoder_that_counts_nothing_serves_as_well(tmp_path):
    class Plain:
        dimension = DIMENSION
        contract = FakeEncoder().contract

        def encode(self, inputs, instruction=None):
            return FakeEncoder().encode(inputs, instruction)

    found = CachedEncoder(Plain(), tmp_path).encode(TEXTS, None)
    assert not found.truncated.any()


def test_progress_hears_of_every_distinct_text(tmp_path):
    heard = []
    for _ in range(2):
        CachedEncoder(
            FakeEncoder(), tmp_path, on_texts=lambda texts, known: heard.append((len(texts), known))
        ).encode(TEXTS, None)
    assert heard == [(0, True), (3, False), (3, True)]


def test_an_instruction_may_stand_for_none(tmp_path):
    encoder = FakeEncoder()
    CachedEncoder(encoder, tmp_path, without="").encode(TEXTS, None)
    assert encoder.asked[0][1] == ""


def test_a_cache_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        CachedEncoder(FakeEncoder(), tmp_path / "file").encode(TEXTS, None)
