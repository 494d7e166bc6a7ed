"""Encoding: forms of input, instructions, prompts, options, streams, and what never changes a vector."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructvec import Embedder, Instruction
from instructvec.encoding.vectors import Ranges
from instructvec.errors import ConfigError, InputError, TextTooLong, TruncationWarning

# Float32 sums in another order, over vectors of length one.
TOLERANCE = 1e-5
INSTRUCTION = "Represent the caption: "
OTHER = "Represent the Medicine statement for clustering: "
TEXTS = ["A man is playing a guitar.", "Two women", "", "stocks fell on Monday after the bank raised its rate"]
PROMPTS = {"query": "query: ", "passage": "passage: ", "caption": INSTRUCTION}
CONFIG = "config_sentence_transformers.json"


def close(a, b) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max() < TOLERANCE)


# ---------------------------------------------------------------- forms of input


def test_a_string_gives_one_vector_a_sequence_a_matrix(tiny):
    one, many = tiny.encode(TEXTS[0]), tiny.encode(TEXTS)
    assert one.shape == (32,)
    assert many.shape == (4, 32)
    assert close(many[0], one)
    assert many.dtype == np.float32
    assert many.flags.c_contiguous
    assert np.allclose(np.linalg.norm(many, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("empty", [[], (), np.array([], dtype=str)])
def test_no_texts_give_no_rows(tiny, empty):
    assert tiny.encode(empty).shape == (0, 32)
    assert tiny.encode(empty, INSTRUCTION).shape == (0, 32)
    assert tiny.encode(empty, []).shape == (0, 32)
    assert tiny.encode(empty, truncate_dim=16, precision="ubinary").shape == (0, 2)
    assert tiny.encode(empty, precision="int8").dtype == np.int8


def test_empty_text_is_embedded(tiny):
    for vectors in (tiny.encode(["", "a"]), tiny.encode(["", " \n"], INSTRUCTION)):
        assert np.isfinite(vectors).all()
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("kind", [tuple, np.array, lambda texts: np.array(texts, dtype=object)])
def test_any_sequence_of_strings_will_do(tiny, kind):
    assert np.array_equal(tiny.encode(kind(TEXTS)), tiny.encode(TEXTS))


def test_arrow_columns_will_do(tiny):
    pa = pytest.importorskip("pyarrow")
    assert np.array_equal(tiny.encode(pa.array(TEXTS)), tiny.encode(TEXTS))


@pytest.mark.parametrize(
    "row", [[INSTRUCTION, "Two women"], (INSTRUCTION, "Two women"), [INSTRUCTION, "Two women", 0]]
)
def test_pairs_and_triples_are_text_under_instruction(tiny, row):
    assert np.array_equal(tiny.encode([row, row]), tiny.encode(["Two women"] * 2, INSTRUCTION))


def test_an_instruction_object_is_its_sentence(tiny):
    instruction = Instruction("statement", "Medicine", "clustering")
    assert np.array_equal(tiny.encode(TEXTS, instruction), tiny.encode(TEXTS, OTHER))
    assert np.array_equal(tiny.encode([[instruction, "Two women"]]), tiny.encode(["Two women"], OTHER))
    assert np.array_equal(
        tiny.encode(TEXTS, [instruction, INSTRUCTION, None, instruction]),
        tiny.encode(TEXTS, [OTHER, INSTRUCTION, None, OTHER]),
    )


# ---------------------------------------------------------------- instructions


def test_one_instruction_is_that_instruction_for_every_row(tiny):
    assert np.array_equal(tiny.encode(TEXTS, INSTRUCTION), tiny.encode(TEXTS, [INSTRUCTION] * 4))


def test_instructions_of_one_batch_do_not_touch_one_another(tiny):
    instructions = [INSTRUCTION, None, OTHER, ""]
    together = tiny.encode(TEXTS, instructions)
    alone = np.stack([tiny.encode(text, one) for text, one in zip(TEXTS, instructions, strict=True)])
    assert close(together, alone)


def test_the_instruction_moves_the_vector(tiny, bundled):
    for embedder in (tiny, bundled):
        under = [embedder.encode("Two women", one) for one in (None, INSTRUCTION, OTHER)]
        for a, b in itertools.combinations(under, 2):
            assert np.abs(a - b).max() > 1e-3


def test_sentence_transformers_names_for_one_instruction(tiny):
    assert np.array_equal(tiny.encode(TEXTS, prompt=INSTRUCTION), tiny.encode(TEXTS, INSTRUCTION))
    assert np.array_equal(tiny.encode_query(TEXTS, prompt=INSTRUCTION), tiny.encode(TEXTS, INSTRUCTION))


@pytest.mark.parametrize(
    "said",
    [
        {"instruction": "a: ", "prompt": "b: "},
        {"instruction": "a: ", "prompt_name": "query"},
        {"prompt": "a: ", "prompt_name": "query"},
    ],
)
def test_two_ways_to_say_the_instruction_are_refused(faked, checkpoint, said):
    embedder, _ = faked(checkpoint(**{CONFIG: {"prompts": PROMPTS}}))
    for method in (embedder.encode, embedder.encode_query, embedder.encode_document, embedder.encode_stream):
        with pytest.raises(InputError, match=f"{'= and '.join(said)}= are given.*only one"):
            method(["x"], **said)


# ---------------------------------------------------------------- stored prompts


@pytest.fixture
def prompted(faked, checkpoint):
    return faked(checkpoint(**{CONFIG: {"prompts": PROMPTS}}))[0]


@pytest.fixture
def prompted_by_default(faked, checkpoint):
    return faked(checkpoint(**{CONFIG: {"prompts": PROMPTS, "default_prompt_name": "caption"}}))[0]


def test_prompts_are_shown_and_cannot_be_changed(prompted):
    assert dict(prompted.prompts) == PROMPTS
    with pytest.raises(TypeError):
        prompted.prompts["query"] = "x"


def test_a_prompt_name_is_its_prompt(prompted):
    assert np.array_equal(prompted.encode(TEXTS, prompt_name="caption"), prompted.encode(TEXTS, INSTRUCTION))


def test_an_unknown_prompt_name_lists_those_stored(prompted, tiny):
    with pytest.raises(InputError, match="prompt_name is 'qery'.*'query', 'passage', 'caption'"):
        prompted.encode(TEXTS, prompt_name="qery")
    with pytest.raises(InputError, match="stored prompts are: none; pass the words themselves"):
        tiny.encode(TEXTS, prompt_name="query")


def test_queries_and_documents_take_their_own_prompts(prompted):
    assert np.array_equal(prompted.encode_query(TEXTS), prompted.encode(TEXTS, "query: "))
    # No "document" is stored; "passage" is its older name.
    assert np.array_equal(prompted.encode_document(TEXTS), prompted.encode(TEXTS, "passage: "))
    assert np.array_equal(prompted.encode_query(TEXTS, INSTRUCTION), prompted.encode(TEXTS, INSTRUCTION))
    assert np.array_equal(
        prompted.encode_document(TEXTS, prompt_name="caption"), prompted.encode(TEXTS, INSTRUCTION)
    )
    pairs = [[INSTRUCTION, text] for text in TEXTS]
    assert np.array_equal(prompted.encode_query(pairs), prompted.encode(TEXTS, INSTRUCTION))


def test_queries_without_a_stored_prompt_are_plain_texts(tiny):
    assert np.array_equal(tiny.encode_query(TEXTS), tiny.encode(TEXTS))
    assert np.array_equal(tiny.encode_document("Two women"), tiny.encode("Two women"))


def test_queries_and_documents_take_every_option(prompted):
    for method in (prompted.encode_query, prompted.encode_document):
        assert method(TEXTS, truncate_dim=8, precision="int8", batch_size=1).shape == (4, 8)
        assert method("x", normalize_embeddings=True, long_text="error", show_progress_bar=None).shape == (32,)


def test_the_default_prompt_is_for_texts_without_an_instruction(prompted_by_default):
    embedder = prompted_by_default
    under = embedder.encode(TEXTS, [INSTRUCTION] * 4)
    assert np.array_equal(embedder.encode(TEXTS), under)
    assert np.array_equal(np.stack(list(embedder.encode_stream(TEXTS))), under)
    assert embedder.contract().instructions == (INSTRUCTION,)
    # Row by row as alone; an empty instruction is none at all, and stays none.
    rows = embedder.encode(["x", "x", "x"], [None, "", OTHER])
    assert np.array_equal(rows[0], embedder.encode("x"))
    assert not np.allclose(rows[0], rows[1])
    assert embedder.contract([None, "", OTHER]).instructions == (INSTRUCTION, "", OTHER)
    assert not np.allclose(embedder.encode([[OTHER, "x"]]), embedder.encode(["x"]))
    assert np.array_equal(embedder.encode_query(TEXTS), embedder.encode(TEXTS, "query: "))


def test_the_query_prompt_goes_before_the_default_prompt(faked, checkpoint):
    only_default = {"prompts": {"caption": INSTRUCTION}, "default_prompt_name": "caption"}
    embedder, _ = faked(checkpoint(**{CONFIG: only_default}))
    assert np.array_equal(embedder.encode_query(TEXTS), embedder.encode(TEXTS, INSTRUCTION))


# ---------------------------------------------------------------- each pair once, in order, whatever the batch


def test_equal_pairs_are_run_once(faked):
    embedder, engine = faked()
    texts = ["a", "b", "a", "a", "b"] * 100
    vectors = embedder.encode(texts)
    assert engine.n_rows == 2
    assert np.array_equal(vectors[::5], np.repeat(vectors[:1], 100, 0))
    assert np.array_equal(vectors[4], embedder.encode("b"))
    counted = embedder.encode_counted(texts)
    assert counted.n_tokens == embedder.encode_counted(["a", "b"]).n_tokens


def test_the_same_text_under_two_instructions_is_two_pairs(faked):
    embedder, engine = faked()
    embedder.encode(["a", "a", "a", "a"], [INSTRUCTION, None, INSTRUCTION, ""])
    assert engine.n_rows == 3


def test_repeats_survive_slices(faked, monkeypatch):
    monkeypatch.setattr("instructvec.road._SLICE_ROWS", 3)
    embedder, engine = faked()
    texts = [f"{number % 8} men" for number in range(50)]
    vectors = embedder.encode(texts)
    assert engine.n_rows == 8
    assert close(vectors, np.stack([embedder.encode(text) for text in texts]))
    with pytest.raises(TextTooLong, match=r"row 40 \(\d+ tokens\)"):
        embedder.encode([*texts[:40], "a " * 600], long_text="error")


printable = st.text(max_size=40)
rows = st.lists(
    st.tuples(st.sampled_from([None, "", INSTRUCTION, OTHER]) | printable, printable), min_size=1, max_size=12
)
few = settings(max_examples=40, deadline=None)


@few
@given(rows, st.randoms(use_true_random=False))
def test_vectors_follow_the_order_of_their_texts(exact, pairs, random):
    order = list(range(len(pairs)))
    random.shuffle(order)
    instructions, texts = zip(*pairs, strict=True)
    straight = exact.encode(texts, instructions)
    shuffled = exact.encode([texts[row] for row in order], [instructions[row] for row in order])
    assert np.abs(straight[order] - shuffled).max() < TOLERANCE


@few
@given(rows, st.integers(1, 8), st.integers(1, 300))
def test_a_vector_does_not_depend_on_its_neighbours(exact, pairs, batch_size, max_batch_tokens):
    instructions, texts = zip(*pairs, strict=True)
    together = exact.encode(texts, instructions, batch_size=batch_size, max_batch_tokens=max_batch_tokens)
    alone = np.stack([exact.encode(text, one) for one, text in pairs])
    assert np.abs(together - alone).max() < TOLERANCE


@few
@given(st.lists(printable, max_size=8), st.none() | printable)
def test_one_instruction_is_broadcast(exact, texts, instruction):
    broadcast = exact.encode(texts, instruction)
    assert broadcast.shape == (len(texts), 32)
    assert np.abs(broadcast - exact.encode(texts, [instruction] * len(texts))).max(initial=0) < TOLERANCE


# ---------------------------------------------------------------- options


def test_truncated_vectors_are_renormalised(tiny):
    whole, cut = tiny.encode(TEXTS), tiny.encode(TEXTS, truncate_dim=8)
    assert close(cut, whole[:, :8] / np.linalg.norm(whole[:, :8], axis=1, keepdims=True))
    assert cut.flags.c_contiguous


@pytest.mark.parametrize("own", [8, 500])
def test_the_checkpoints_own_truncate_dim_is_the_default(checkpoint, tiny, own):
    embedder = Embedder(checkpoint(**{CONFIG: {"truncate_dim": own}}), backend="onnx")
    width = min(own, 32)
    assert embedder.dimension == embedder.get_sentence_embedding_dimension() == width
    assert close(embedder.encode(TEXTS), tiny.encode(TEXTS, truncate_dim=width))
    assert embedder.contract().dimension == width
    assert close(embedder.encode(TEXTS, truncate_dim=32), tiny.encode(TEXTS))
    assert embedder.encode(TEXTS, precision="int8").shape == (4, width)


@pytest.fixture
def unnormalised(checkpoint):
    import json

    folder = checkpoint("instructor-plain")
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps(modules[:-1]))
    return Embedder(folder, backend="onnx")


def test_normalisation_is_the_checkpoints_unless_asked_for(unnormalised, tiny):
    plain = unnormalised.encode(TEXTS)
    assert np.abs(np.linalg.norm(plain, axis=1) - 1).min() > 0.1
    assert close(unnormalised.encode(TEXTS, normalize_embeddings=True), tiny.encode(TEXTS))
    assert np.array_equal(unnormalised.encode(TEXTS, normalize_embeddings=False), plain)
    # A Normalize of the checkpoint cannot be undone.
    assert close(tiny.encode(TEXTS, normalize_embeddings=False), tiny.encode(TEXTS))
    # Without unit length nothing is renormalised.
    assert np.array_equal(unnormalised.encode(TEXTS, truncate_dim=8), plain[:, :8])


@pytest.mark.parametrize(
    ("precision", "dtype", "width"),
    [
        ("float32", np.float32, 32),
        ("float16", np.float16, 32),
        ("int8", np.int8, 32),
        ("uint8", np.uint8, 32),
        ("binary", np.int8, 4),
        ("ubinary", np.uint8, 4),
    ],
)
def test_precisions_are_made_from_the_same_vectors(tiny, precision, dtype, width):
    exact, stored = tiny.encode(TEXTS), tiny.encode(TEXTS, precision=precision)
    assert (stored.dtype, stored.shape) == (dtype, (4, width))
    assert stored.flags.c_contiguous
    assert tiny.encode(TEXTS[0], precision=precision).shape == (width,)
    if precision.endswith("binary"):
        bytes_ = stored.astype(np.int16) + (128 if precision == "binary" else 0)
        assert np.array_equal(np.unpackbits(bytes_.astype(np.uint8), axis=1), exact > 0)
    elif precision.endswith("int8"):
        (low, high) = tiny.contract(precision=precision).ranges
        steps = stored.astype(np.float32) + (128 if precision == "int8" else 0)
        restored = np.array(low) + steps * (np.array(high) - np.array(low)) / 255
        assert np.abs(restored - exact).max() <= (high[0] - low[0]) / 255 / 2 + 1e-6
    else:
        assert np.abs(stored - exact).max() < 1e-3


def test_given_ranges_are_used_and_kept_in_the_contract(tiny):
    ranges = Ranges.of_sample(tiny.encode(TEXTS))
    steps = tiny.encode(TEXTS, precision="uint8", ranges=ranges)
    assert steps.max() == 255
    assert steps.min() == 0
    assert tiny.contract(precision="uint8", ranges=ranges).ranges == (ranges.low, ranges.high)
    assert tiny.contract(precision="float32").ranges is None


def test_integers_of_unnormalised_vectors_need_ranges(unnormalised):
    for method in (unnormalised.encode, unnormalised.contract):
        with pytest.raises(InputError, match="needs ranges"):
            method("x", precision="int8")
    assert unnormalised.encode("x", precision="int8", normalize_embeddings=True).dtype == np.int8


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"precision": "int4"}, "precision is 'int4'; expected one of float32"),
        ({"long_text": "cut"}, "long_text is 'cut'; expected one of truncate"),
        ({"batch_size": 0}, "batch_size is 0; expected a whole number from 1"),
        ({"batch_size": "32"}, "batch_size is '32'; expected a whole number"),
        ({"max_batch_tokens": -5}, "max_batch_tokens is -5"),
        ({"truncate_dim": 0}, "truncate_dim is 0"),
        ({"truncate_dim": 33}, "truncate_dim is 33; this model's vectors allow 1 to 32"),
        ({"truncate_dim": 12, "precision": "binary"}, "divisible by 8"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_runs(faked, options, message):
    embedder, engine = faked()
    calls = [embedder.encode, embedder.encode_query, embedder.encode_document, embedder.encode_counted]
    for method in calls:
        with pytest.raises(ConfigError, match=message):
            method(["x"], **options)
    with pytest.raises(ConfigError, match=message):
        list(embedder.encode_stream(["x"], **options))
    assert engine.n_rows == 0


def test_batch_options_bound_the_batches(faked):
    embedder, engine = faked()
    embedder.encode([f"{number}" for number in range(10)], batch_size=2)
    assert engine.n_batches == 5
    embedder.encode(["a", "b"], max_batch_tokens=1)
    assert engine.n_batches == 7


def test_a_progress_bar_is_on_stderr_only_when_asked_for(tiny, capsys):
    tiny.encode(TEXTS)
    tiny.encode(TEXTS, show_progress_bar=None)
    assert capsys.readouterr().err == ""
    tiny.encode(TEXTS, show_progress_bar=True)
    out, err = capsys.readouterr()
    assert out == ""
    assert "4.00/4.00" in err


# ---------------------------------------------------------------- code written for sentence-transformers


def test_the_calls_of_sentence_transformers_code(tiny):
    torch = pytest.importorskip("torch")
    array = tiny.encode(
        TEXTS, batch_size=32, show_progress_bar=False, convert_to_numpy=True, normalize_embeddings=True
    )
    assert np.array_equal(array, tiny.encode(TEXTS, batch_size=32))
    for method in (tiny.encode, tiny.encode_query, tiny.encode_document):
        tensor = method(TEXTS, convert_to_tensor=True)
        assert isinstance(tensor, torch.Tensor)
        assert close(tensor.numpy(), array)
        listed = method(TEXTS, convert_to_numpy=False)
        assert [type(row) for row in listed] == [torch.Tensor] * 4
        assert close(torch.stack(listed).numpy(), array)
        assert method("x", convert_to_tensor=True).shape == method("x", convert_to_numpy=False).shape == (32,)
        assert method([], convert_to_tensor=True).shape == (0, 32)


def test_tensors_without_torch_name_the_extra(tiny, monkeypatch):
    from instructvec.errors import MissingExtra

    monkeypatch.setattr("instructvec.extras.has", lambda package: False)
    for options in ({"convert_to_tensor": True}, {"convert_to_numpy": False}):
        with pytest.raises(MissingExtra, match=r"convert_to_tensor.*instructvec\[torch\]"):
            tiny.encode("A man", **options)
    assert tiny.encode("A man").shape == (32,)


def test_similarity_is_the_checkpoints_measure(tiny, checkpoint):
    a, b = tiny.encode(TEXTS[:2]), tiny.encode(TEXTS[1:])
    assert np.allclose(tiny.similarity(a * 3, b), a @ b.T, atol=1e-6)
    assert np.allclose(tiny.similarity_pairwise(a, b[:2] * 2), (a * b[:2]).sum(1), atol=1e-6)
    assert tiny.similarity(a[0], b).shape == (1, 3)
    dot = Embedder(checkpoint(**{CONFIG: {"similarity_fn_name": "dot"}}), backend="onnx")
    assert dot.similarity_fn_name == "dot"
    assert np.allclose(dot.similarity(a * 3, b), 3 * a @ b.T, atol=1e-5)


# ---------------------------------------------------------------- long texts

LETTERS = list("abcdefghilmnoprstuvw")


@pytest.fixture
def short(faked):
    """10 tokens, two of them special; every letter is one token; pools the text's tokens only."""
    embedder, engine = faked(joining="exact", max_seq_length=10)
    assert embedder.encode_counted(LETTERS[:8], long_text="error").n_tokens == 8 * 3
    engine.n_rows = 0
    return embedder, engine


def test_cut_texts_are_counted_and_warned_about_once(short):
    embedder, _ = short
    long = " ".join(LETTERS)
    texts = [long, "a", long + " a", long]  # three of four inputs, two of three distinct texts
    with pytest.warns(
        TruncationWarning, match="3 of 4 texts are longer than 10 tokens.*long_text='chunk'"
    ) as seen:
        vectors = embedder.encode(texts)
    assert len(seen) == 1
    assert seen[0].filename == __file__
    assert np.array_equal(vectors[0], embedder.encode(" ".join(LETTERS[:8])))
    assert embedder.encode_counted(texts).n_truncated == 3
    assert embedder.encode_counted(["a"]).n_truncated == 0


@pytest.mark.parametrize("method", ["encode", "encode_query", "encode_document"])
def test_the_warning_points_at_the_caller(short, method):
    with pytest.warns(TruncationWarning) as seen:
        getattr(short[0], method)(" ".join(LETTERS))
    assert seen[0].filename == __file__


def test_truncate_cuts_without_a_warning(short):
    embedder, _ = short
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vectors = embedder.encode([" ".join(LETTERS)], long_text="truncate")
    assert np.array_equal(vectors[0], embedder.encode(" ".join(LETTERS[:8])))


def test_error_refuses_and_names_the_rows(short):
    embedder, engine = short
    with pytest.raises(TextTooLong, match=r"1 of 2 texts exceed max_seq_length 10: row 1 \(22 tokens\).*'chunk'"):
        embedder.encode(["a", " ".join(LETTERS)], long_text="error")
    assert engine.n_rows == 0


@pytest.mark.parametrize("instruction", [None, "a: "])
def test_chunks_are_averaged_by_their_pooled_tokens(short, instruction):
    embedder, engine = short
    window = 8 if instruction is None else 6  # "a" and ":" lead every window
    windows = [LETTERS[start : start + window] for start in range(0, 20, window)]
    parts = embedder.encode([" ".join(letters) for letters in windows], instruction)
    mean = sum(len(letters) * part for letters, part in zip(windows, parts, strict=True))
    engine.n_rows = 0
    chunked = embedder.encode(["b", " ".join(LETTERS), "c d"], instruction, long_text="chunk")
    assert engine.n_rows == 2 + len(windows)
    assert close(chunked[1], mean / np.linalg.norm(mean))
    assert np.array_equal(chunked[::2], embedder.encode(["b", "c d"], instruction))
    assert embedder.encode_counted([" ".join(LETTERS)], instruction, long_text="chunk").n_truncated == 0


def test_chunks_of_an_unnormalised_model_are_a_plain_mean(unnormalised):
    embedder = Embedder(unnormalised.name, backend="onnx", joining="exact", max_seq_length=10)
    parts = embedder.encode([" ".join(LETTERS[:8]), " ".join(LETTERS[8:12])])
    chunked = embedder.encode(" ".join(LETTERS[:12]), long_text="chunk")
    assert np.allclose(chunked, (8 * parts[0] + 4 * parts[1]) / 12, atol=1e-5)


# ---------------------------------------------------------------- streams


def test_a_stream_gives_encodes_vectors_in_order(tiny):
    texts = [f"{number} men" for number in range(50)]
    streamed = list(tiny.encode_stream(iter(texts), INSTRUCTION, window_rows=7))
    assert close(np.stack(streamed), tiny.encode(texts, INSTRUCTION))
    assert streamed[0].base is None  # keeping one does not keep its window
    pairs = ([INSTRUCTION, text] for text in texts)
    assert close(np.stack(list(tiny.encode_stream(pairs))), np.stack(streamed))
    assert next(tiny.encode_stream(texts, truncate_dim=8, precision="int8")).shape == (8,)


def test_an_endless_stream_is_read_window_by_window(faked):
    embedder, engine = faked()
    read = itertools.count()
    stream = embedder.encode_stream((f"{next(read)} men" for _ in itertools.count()), window_rows=10)
    assert next(read) == 0  # nothing is read before it is asked for
    for _ in range(10):
        next(stream)
    assert next(read) == 11
    assert engine.n_rows == 10
    next(stream)
    assert engine.n_rows == 20


def test_an_empty_stream_is_empty(tiny):
    assert list(tiny.encode_stream([])) == []


def test_errors_count_rows_from_the_start_of_the_stream(short):
    embedder, _ = short
    texts = ["a"] * 25
    for bad, message in (
        (None, "row 25 is None"),
        (b"x", "row 25 is bytes b'x'"),
        ("\ud800", "row 25 holds a lone surrogate"),
    ):
        with pytest.raises(InputError, match=message):
            list(embedder.encode_stream([*texts, bad], window_rows=10))
    with pytest.raises(TextTooLong, match=r"row 25 \(22 tokens\)"):
        list(embedder.encode_stream([*texts, " ".join(LETTERS)], long_text="error", window_rows=10))
    with pytest.raises(InputError, match="row 12: its instruction leaves no room"):
        list(embedder.encode_stream([["a", "b"]] * 12 + [["a " * 9, "b"]], window_rows=10))


def test_a_stream_warns_once(short):
    embedder, _ = short
    with pytest.warns(TruncationWarning, match="1 of 2 texts") as seen:
        assert len(list(embedder.encode_stream(["a", " ".join(LETTERS)] * 5, window_rows=2))) == 10
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["x"], ["a", "b"]), "instruction is a list; it takes one string for all: stream"),
        (("one text",), "inputs is one string"),
    ],
)
def test_a_stream_refuses_what_it_cannot_broadcast(tiny, arguments, message):
    with pytest.raises(InputError, match=message):
        tiny.encode_stream(*arguments)
    with pytest.raises(ConfigError, match="window_rows is 0"):
        tiny.encode_stream(["x"], window_rows=0)
