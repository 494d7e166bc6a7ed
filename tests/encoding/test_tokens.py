"""Which tokens count: against the original's golden files, against sentence-transformers, and by hand."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as RustTokenizer
from tokenizers import models, pre_tokenizers, processors

from instructvec.encoding.prompts import pair_up
from instructvec.encoding.tokenizer_files import canonical
from instructvec.encoding.tokens import Tokenizer
from instructvec.errors import CheckpointError, CheckpointNotFound, ConfigError, InputError, TextTooLong
from instructvec.types import Pairs, TokenRows
from tests.parity.tiny import LONG_TEXT, SENTENCES, byte_bpe, unigram, wordpiece

GOLDEN = Path(__file__).parents[1] / "golden"
INSTRUCTION = "Represent the caption: "


def load_golden(name):
    golden = json.loads((GOLDEN / f"instructor_{name}.json").read_text(encoding="utf-8"))
    return [pytest.param(name, case, id=f"{name}: {case['name']}") for case in golden["cases"]]


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Tokenizer]:
    return {name: Tokenizer.load(GOLDEN / f"instructor_{name}_tiny", pad_token_id=0) for name in ("t5", "bert")}


@pytest.fixture(scope="module")
def t5(tokenizers):
    return tokenizers["t5"]


@pytest.fixture(scope="module")
def bert(tokenizers):
    return tokenizers["bert"]


def row(rows: TokenRows, index: int) -> tuple[list[int], list[bool]]:
    begin, end = rows.offsets[index : index + 2]
    return rows.ids[begin:end].tolist(), rows.pooled[begin:end].tolist()


def tokens(tokenizer: Tokenizer, rows: TokenRows, index: int = 0, *, pooled: bool = False) -> list[str]:
    ids, counted = row(rows, index)
    return [tokenizer.backend.id_to_token(i) for i, c in zip(ids, counted, strict=True) if c or not pooled]


# ---------------------------------------------------------------- the original


@pytest.mark.parametrize(("name", "case"), load_golden("t5") + load_golden("bert"))
def test_instructor_joining_equals_the_original_token_by_token(tokenizers, name, case):
    pairs, _ = pair_up([case["input"]])
    options = {"joining": "instructor", "max_seq_length": 512}
    if case["outcome"] != "vector":
        with pytest.raises(InputError, match=r"row 0: no token is left to pool"):
            tokenizers[name].tokenize(pairs, **options)
        return
    ids, pooled = row(tokenizers[name].tokenize(pairs, **options), 0)
    assert ids == case["ids"]
    assert pooled == [position >= case["k"] for position in range(len(ids))]


@pytest.mark.parametrize("name", ["t5", "bert"])
def test_rows_of_a_batch_equal_the_rows_alone(tokenizers, name):
    cases = [param.values[1] for param in load_golden(name)]
    cases = [case for case in cases if case["outcome"] == "vector"]
    split = [pair_up([case["input"]])[0] for case in cases]
    pairs = Pairs([p.instructions[0] for p in split], [p.texts[0] for p in split])
    rows = tokenizers[name].tokenize(pairs, joining="instructor", max_seq_length=512)
    assert [row(rows, i)[0] for i in range(len(rows))] == [case["ids"] for case in cases]
    first = [row(rows, i)[1].index(True) for i in range(len(rows))]
    assert first == [case["k"] for case in cases]
    assert rows.owners.tolist() == list(range(len(cases)))


def test_later_original_masks_one_piece_and_empty_instructions_too(t5, bert):
    # REFERENCE of 1.0.2: k = n - 1 always, and no space survives at the boundary.
    options = {"joining": "instructor-1.0.2", "max_seq_length": 512}
    pairs, _ = pair_up([["a", "man"], ["", "man"], ["Represent: ", " man"]])
    rows = bert.tokenize(pairs, **options)
    assert tokens(bert, rows, 1)[0] == "[CLS]"
    assert row(rows, 1)[1][:2] == [False, True]
    assert row(rows, 0)[1][:3] == [False, False, True]
    joined = t5.backend.encode("Represent:man").ids
    rows = t5.tokenize(pairs, **options)
    assert row(rows, 2)[0] == joined
    assert row(rows, 2)[1].index(True) == len(t5.backend.encode("Represent:").ids) - 1
    plain = bert.tokenize(Pairs([None], ["man"]), **options)
    assert all(row(plain, 0)[1])


# ---------------------------------------------------------------- sentence-transformers


@pytest.mark.parametrize("family", ["bert", "t5", "roberta", "qwen3"])
@pytest.mark.parametrize("include_prompt", [False, True])
def test_prompt_joining_equals_sentence_transformers(tmp_path, family, include_prompt):
    import torch
    from sentence_transformers import SentenceTransformer

    from tests.parity.tiny import TINY

    options = {"max_seq_length": 40, "include_prompt": include_prompt}
    path = TINY[family](tmp_path, pooling="mean", normalize=False, **options)
    model = SentenceTransformer(str(path), device="cpu")
    tokenizer = Tokenizer.load(path, pad_token_id=0)
    texts = [*SENTENCES, LONG_TEXT, " Hello ", "a", "", "\n"]
    for prompt in ("", "query:", "query: ", INSTRUCTION, " a"):
        rows = tokenizer.tokenize(Pairs([prompt] * len(texts), texts), joining="prompt", **options)
        for index, text in enumerate(texts):
            features = model.preprocess([text], prompt=prompt)
            ids, pooled = row(rows, index)
            assert ids == features["input_ids"][0].tolist()
            if include_prompt:
                assert all(pooled)
                continue
            hidden = torch.arange(1.0, len(ids) + 1).reshape(1, -1, 1)
            expected = (features | {"token_embeddings": hidden}) if features else {}
            mean = model[1](expected)["sentence_embedding"].item()
            positions = np.flatnonzero(pooled) + 1
            assert mean == pytest.approx(positions.mean(), abs=1e-4)


# ---------------------------------------------------------------- exact


def exact(tokenizer, instruction, text, **options):
    options = {"joining": "exact", "max_seq_length": 64} | options
    return tokenizer.tokenize(Pairs([instruction], [text]), **options)


def test_exact_pools_the_tokens_of_the_text_and_no_special(t5, bert):
    for tokenizer in (t5, bert):
        rows = exact(tokenizer, INSTRUCTION, "A man is playing.")
        alone = tokenizer.backend.encode("A man is playing.", add_special_tokens=False).tokens
        assert tokens(tokenizer, rows, pooled=True) == alone
        for nothing in (None, ""):
            assert tokens(tokenizer, exact(tokenizer, nothing, "A man."), pooled=True) == (
                tokenizer.backend.encode("A man.", add_special_tokens=False).tokens
            )


def test_exact_pools_a_token_that_straddles_the_boundary(t5):
    rows = exact(t5, "The wo", "man")
    pooled = tokens(t5, rows, pooled=True)
    assert "".join(pooled).endswith("man")
    ids, counted = row(rows, 0)
    spans = t5.backend.encode("The woman").offsets
    assert counted == [end > len("The wo") for _, end in spans[:-1]] + [False]
    assert len(ids) == len(spans)


@pytest.mark.parametrize("text", ["", " ", "\n\t"])
def test_exact_pools_the_closing_special_token_of_an_empty_text(t5, bert, text):
    assert tokens(t5, exact(t5, INSTRUCTION, text), pooled=True) == ["</s>"]
    assert tokens(bert, exact(bert, INSTRUCTION, text), pooled=True) == ["[SEP]"]
    assert tokens(bert, exact(bert, None, text), pooled=True) == ["[SEP]"]


def test_exact_pools_typed_special_tokens_of_the_text(bert):
    rows = exact(bert, "a [SEP] ", "Paris [SEP]")
    assert tokens(bert, rows, pooled=True)[-1] == "[SEP]"
    assert row(rows, 0)[1][-1] is False


def test_exact_is_right_where_many_characters_give_no_token(bert):
    rows = exact(bert, INSTRUCTION, " " * 50 + "man")
    assert tokens(bert, rows, pooled=True) == bert.backend.encode("man", add_special_tokens=False).tokens


def test_exact_counts_characters_not_bytes(t5):
    rows = exact(t5, "Straße Zürich 漢字: ", "läuft")
    assert "".join(tokens(t5, rows, pooled=True)).strip("▁") == "läuft"


def test_exact_with_lower_casing_that_lengthens_the_instruction(tmp_path):
    shutil.copy(GOLDEN / "instructor_t5_tiny" / "tokenizer.json", tmp_path)
    tokenizer = Tokenizer.load(tmp_path, pad_token_id=0, lower_case=True)
    rows = exact(tokenizer, "İİİİ: ", "MAN")  # "İ" lower-cased is two characters
    assert "".join(tokens(tokenizer, rows, pooled=True)).strip("▁") == "man"


words = st.text(alphabet="abno m:.ÄäßI\n字 ", max_size=30)


@given(st.lists(st.tuples(st.none() | words, words), max_size=6), st.integers(4, 20))
@settings(max_examples=150, deadline=None)
def test_exact_agrees_with_offsets(pairs, limit):
    tokenizer = Tokenizer(unigram(), pad_token_id=0)
    for instruction, text in pairs:
        try:
            rows = exact(tokenizer, instruction, text, max_seq_length=limit)
        except InputError:
            continue
        encoding = tokenizer.backend.encode((instruction or "") + text)
        ids, pooled = row(rows, 0)
        boundary = len(instruction or "")
        expected = [end > boundary or not boundary for _, end in encoding.offsets[:-1]][: limit - 1]
        if not any(expected):
            assert pooled == [False] * (len(ids) - 1) + [True]
        else:
            assert pooled == [*expected, False]


# ---------------------------------------------------------------- limits


@pytest.mark.parametrize("joining", ["instructor", "instructor-1.0.2", "prompt", "exact"])
def test_long_text_is_cut_and_its_length_remembered(bert, joining):
    pairs = Pairs([INSTRUCTION, None], [LONG_TEXT, "man"])
    rows = bert.tokenize(pairs, joining=joining, max_seq_length=32)
    assert rows.lengths[0] == 32
    assert tokens(bert, rows)[-1] == "[SEP]"
    separator = "" if joining == "instructor-1.0.2" else " "
    whole = bert.backend.encode(INSTRUCTION.strip() + separator + LONG_TEXT)
    assert rows.full_lengths[0] == len(whole)
    assert rows.full_lengths[1] == rows.lengths[1]
    assert tokens(bert, rows)[:-1] == whole.tokens[:31]


def test_long_text_error_names_rows_and_counts(bert):
    pairs = Pairs([None] * 8, ["man", *[LONG_TEXT] * 7])
    with pytest.raises(TextTooLong, match=r"7 of 8 texts exceed max_seq_length 32: row 1 \(\d+ tokens\)") as e:
        bert.tokenize(pairs, joining="exact", max_seq_length=32, long_text="error")
    assert "and 2 more" in str(e.value)
    fitting = bert.tokenize(pairs, joining="exact", max_seq_length=512, long_text="error")
    assert len(fitting) == 8


def test_row_numbers_name_the_rows(bert):
    numbers = np.array([70, 71])
    with pytest.raises(TextTooLong, match="row 71 "):
        bert.tokenize(
            Pairs([None] * 2, ["man", LONG_TEXT]),
            joining="exact",
            max_seq_length=32,
            long_text="error",
            row_numbers=numbers,
        )


@pytest.mark.parametrize("joining", ["instructor", "instructor-1.0.2", "prompt", "exact"])
@pytest.mark.parametrize("name", ["t5", "bert"])
def test_chunks_hold_every_text_token_once_under_the_whole_instruction(tokenizers, name, joining):
    tokenizer = tokenizers[name]
    pairs = Pairs([INSTRUCTION, INSTRUCTION, None], ["man", LONG_TEXT, LONG_TEXT])
    options = {"joining": joining, "max_seq_length": 40}
    rows = tokenizer.tokenize(pairs, long_text="chunk", **options)
    whole = tokenizer.tokenize(pairs, joining=joining, max_seq_length=5000)
    assert (rows.lengths <= 40).all()
    assert (rows.full_lengths == rows.lengths).all()
    assert (np.diff(rows.owners) >= 0).all()
    assert set(rows.owners) == {0, 1, 2}
    n_specials = tokenizer.n_prefix + tokenizer.n_suffix
    for owner in range(3):
        mine = np.flatnonzero(rows.owners == owner)
        ids, pooled = row(whole, owner)
        stop = len(ids) - tokenizer.n_suffix
        head = pooled.index(True) if owner < 2 else tokenizer.n_prefix
        bodies = []
        for index in mine:
            chunk_ids, chunk_pooled = row(rows, int(index))
            assert chunk_ids[:head] == ids[:head]
            assert chunk_ids[len(chunk_ids) - tokenizer.n_suffix :] == ids[stop:]
            assert chunk_pooled[:head] == pooled[:head]
            assert all(chunk_pooled[head : len(chunk_ids) - tokenizer.n_suffix])
            bodies += chunk_ids[head : len(chunk_ids) - tokenizer.n_suffix]
        assert bodies == ids[head:stop]
        assert len(mine) == max(1, -(-(stop - head) // (40 - n_specials - (head - tokenizer.n_prefix))))


@pytest.mark.parametrize("joining", ["prompt", "exact"])
@pytest.mark.parametrize("include_prompt", [False, True])
def test_instruction_without_room_for_text_is_refused(bert, joining, include_prompt):
    pairs = Pairs([None, SENTENCES[0] * 4, SENTENCES[0] * 4], ["man", "man", "woman"])
    with pytest.raises(InputError, match=r"row 1: its instruction leaves no room for text: \d+ tokens.*1 more"):
        bert.tokenize(pairs, joining=joining, max_seq_length=24, include_prompt=include_prompt)


def test_chunking_refuses_an_instruction_without_room_under_every_joining(bert):
    pairs = Pairs([SENTENCES[0] * 4], ["man"])
    with pytest.raises(InputError, match=r"row 0: its instruction leaves no room"):
        bert.tokenize(pairs, joining="instructor", max_seq_length=24, long_text="chunk")


def test_limit_below_the_special_tokens_is_refused(bert):
    with pytest.raises(ConfigError, match=r"max_seq_length is 2, but the tokenizer adds 2"):
        bert.tokenize(Pairs([None], ["man"]), joining="exact", max_seq_length=2)


def test_no_rows(bert):
    rows = bert.tokenize(Pairs([], []), joining="instructor", max_seq_length=8, long_text="chunk")
    assert len(rows) == 0
    assert rows.offsets.tolist() == [0]
    assert rows.ids.dtype == np.int64
    assert rows.pooled.dtype == np.bool_


@pytest.mark.parametrize("joining", ["prompt", "exact", "instructor"])
def test_empty_text_without_any_special_token_is_refused(joining):
    tokenizer = byte_bpe(("<pad>",), None, "<pad>")
    tokenizer.post_processor = processors.ByteLevel()
    with pytest.raises(InputError, match="row 1: its text has no token"):
        Tokenizer(tokenizer, pad_token_id=0).tokenize(
            Pairs([None, None], ["a", ""]), joining=joining, max_seq_length=8
        )


def test_opening_special_token_stands_for_an_empty_text_where_none_closes():
    backend = byte_bpe(("<pad>", "<bos>"), None, "<pad>")
    backend.post_processor = processors.TemplateProcessing(single="<bos> $A", special_tokens=[("<bos>", 1)])
    tokenizer = Tokenizer(backend, pad_token_id=0)
    assert (tokenizer.n_prefix, tokenizer.n_suffix) == (1, 0)
    assert tokens(tokenizer, exact(tokenizer, INSTRUCTION, ""), pooled=True) == ["<bos>"]
    rows = exact(tokenizer, INSTRUCTION, "a" * 100, max_seq_length=30)
    assert tokens(tokenizer, rows)[0] == "<bos>"
    assert rows.lengths[0] == 30


def test_many_slices_equal_one(monkeypatch, bert):
    import instructvec.encoding.tokens as module

    pairs = Pairs([INSTRUCTION if n % 2 else None for n in range(40)], list(SENTENCES[:4]) * 10)
    whole = {j: bert.tokenize(pairs, joining=j, max_seq_length=32) for j in ("instructor", "exact")}
    monkeypatch.setattr(module, "_SLICE_CHARACTERS", 100)
    for joining, expected in whole.items():
        rows = bert.tokenize(pairs, joining=joining, max_seq_length=32)
        assert np.array_equal(rows.ids, expected.ids)
        assert np.array_equal(rows.pooled, expected.pooled)


# ---------------------------------------------------------------- files


def test_truncation_and_padding_stored_in_the_file_are_off(tmp_path):
    backend = wordpiece()
    backend.enable_truncation(8)
    backend.enable_padding(length=16)
    backend.save(str(tmp_path / "tokenizer.json"))
    tokenizer = Tokenizer.load(tmp_path, pad_token_id=0)
    rows = tokenizer.tokenize(Pairs([None], [SENTENCES[5]]), joining="exact", max_seq_length=512)
    assert rows.lengths[0] > 8
    assert "[PAD]" not in tokens(tokenizer, rows)
    plain = Tokenizer(wordpiece(), pad_token_id=0)
    assert tokenizer.digest() == plain.digest()
    assert Tokenizer(wordpiece(), pad_token_id=0, lower_case=True).digest() != plain.digest()
    assert Tokenizer(wordpiece(size=200), pad_token_id=0).digest() != plain.digest()


def test_canonical_content_ignores_layout():
    assert canonical('{"b": 1,\n "a": "ü", "padding": {"x": 1}}') == '{"a":"ü","b":1}'


def test_bert_vocabulary_file_gives_the_same_ids(tmp_path):
    backend = wordpiece()
    vocabulary = sorted(backend.get_vocab().items(), key=lambda item: item[1])
    (tmp_path / "vocab.txt").write_text("\n".join(t for t, _ in vocabulary) + "\n", encoding="utf-8")
    tokenizer = Tokenizer.load(tmp_path, pad_token_id=0)
    for sentence in (*SENTENCES, "a [SEP] b"):
        assert tokenizer.backend.encode(sentence).ids == backend.encode(sentence).ids
    (tmp_path / "tokenizer_config.json").write_text('{"do_lower_case": false}')
    cased = Tokenizer.load(tmp_path, pad_token_id=0)
    assert cased.backend.encode("MAN").tokens == ["[CLS]", "[UNK]", "[SEP]"]
    (tmp_path / "tokenizer_config.json").write_text("{")
    with pytest.raises(CheckpointError, match=r"tokenizer_config\.json: not valid JSON"):
        Tokenizer.load(tmp_path, pad_token_id=0)
    (tmp_path / "vocab.txt").write_bytes(b"\xff\xfe")
    with pytest.raises(CheckpointError, match="not UTF-8"):
        Tokenizer.load(tmp_path, pad_token_id=0)


def test_older_vocabulary_files_are_converted_by_transformers(tmp_path):
    backend = byte_bpe(("<s>", "<pad>", "</s>", "<unk>", "<mask>"), "<s>", "</s>")
    backend.model.save(str(tmp_path))  # vocab.json and merges.txt
    (tmp_path / "config.json").write_text('{"model_type": "roberta"}')
    (tmp_path / "tokenizer_config.json").write_text('{"tokenizer_class": "RobertaTokenizer"}')
    tokenizer = Tokenizer.load(tmp_path, pad_token_id=1)
    assert (tokenizer.n_prefix, tokenizer.n_suffix) == (1, 1)
    for sentence in SENTENCES:
        assert tokenizer.backend.encode(sentence).ids == backend.encode(sentence).ids


def test_switches_of_tokenizer_config_go_before_tokenizer_json_as_in_transformers(tmp_path):
    from transformers import AutoTokenizer

    for file in (GOLDEN / "instructor_bert_tiny").glob("*.json"):
        shutil.copy(file, tmp_path)
    agreeing = Tokenizer.load(tmp_path, pad_token_id=0)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    config |= {"do_lower_case": False, "strip_accents": False}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    ours = Tokenizer.load(tmp_path, pad_token_id=0)
    theirs = AutoTokenizer.from_pretrained(str(tmp_path))
    for text in ("A MAN plays", "naïve café 漢字 man", "a man"):
        assert ours.backend.encode(text).ids == theirs(text)["input_ids"]
    assert ours.digest() != agreeing.digest()


def test_missing_and_broken_files_are_named(tmp_path, monkeypatch):
    with pytest.raises(CheckpointNotFound, match=r"no tokenizer\.json in it"):
        Tokenizer.load(tmp_path, pad_token_id=0)
    (tmp_path / "spiece.model").write_bytes(b"junk")
    monkeypatch.setattr("instructvec.encoding.tokenizer_files.has", lambda package: False)
    with pytest.raises(CheckpointError, match=r"spiece\.model but no tokenizer\.json.*instructvec\[torch\]"):
        Tokenizer.load(tmp_path, pad_token_id=0)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match=r"could not convert spiece\.model"):
        Tokenizer.load(tmp_path, pad_token_id=0)
    (tmp_path / "tokenizer.json").write_text('{"version": "1.0"')
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: not a tokenizer.*download"):
        Tokenizer.load(tmp_path, pad_token_id=0)
    (tmp_path / "tokenizer.json").write_bytes(b"\xff")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json"):
        Tokenizer.load(tmp_path, pad_token_id=0)


def test_post_processor_that_doubles_the_text_is_refused():
    backend = RustTokenizer(models.WordLevel({"a": 0, "[X]": 1}, unk_token="[X]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    backend.post_processor = processors.TemplateProcessing(single="$A [X] $A:1", special_tokens=[("[X]", 1)])
    with pytest.raises(CheckpointError, match="post-processor"):
        Tokenizer(backend, pad_token_id=0)


@pytest.mark.skipif(not hasattr(__import__("os"), "fork"), reason="no fork here")
def test_forking_after_tokenising_prints_nothing_and_works():
    code = f"""
import os, sys
from pathlib import Path
from instructvec.encoding.tokens import Tokenizer
from instructvec.types import Pairs
t = Tokenizer.load(Path({str(GOLDEN / "instructor_t5_tiny")!r}), pad_token_id=0)
go = lambda: len(t.tokenize(Pairs([None] * 100, ["a man"] * 100), joining="exact", max_seq_length=8))
go()
child = os.fork()
if not child:
    os._exit(go() != 100)
assert os.waitpid(child, 0)[1] == 0 and go() == 100
assert "TOKENIZERS_PARALLELISM" not in os.environ
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
