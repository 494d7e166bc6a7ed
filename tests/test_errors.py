"""Bad input through the front door: each refused with the row, what was expected and what to do."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest

from instructvec import Embedder, errors
from instructvec.errors import (
    CheckpointError,
    CheckpointNotFound,
    ConfigError,
    EngineError,
    InputError,
    InputTypeError,
    InstructvecError,
    UnsupportedModule,
)

INSTRUCTION = "Represent the caption: "


# ---------------------------------------------------------------- the tree


def all_errors():
    return [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]


def test_the_tree_in_the_docstring_is_the_tree():
    for kind in all_errors():
        assert f" {kind.__name__}" in errors.__doc__, kind
        if kind is not errors.TruncationWarning:
            assert issubclass(kind, InstructvecError)


@pytest.mark.parametrize("kind", all_errors())
def test_messages_and_pickles_are_whole(kind):
    error = pickle.loads(pickle.dumps(kind("what is wrong; what to do")))
    assert type(error) is kind
    assert str(error) == "what is wrong; what to do"


@pytest.mark.parametrize(
    ("kind", "builtin"),
    [
        (errors.InputError, ValueError),
        (errors.InputTypeError, TypeError),
        (errors.ConfigError, ValueError),
        (errors.CheckpointNotFound, FileNotFoundError),
        (errors.OutputExists, FileExistsError),
        (errors.EngineError, RuntimeError),
        (errors.MissingExtra, ImportError),
    ],
)
def test_each_is_the_fitting_builtin(kind, builtin):
    assert issubclass(kind, builtin)


# ---------------------------------------------------------------- texts


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (None, r"row 2 is None; expected a string; drop or fill the missing value"),
        (math.nan, r"row 2 is float nan; expected a string; drop or fill"),
        (b"bytes", r"row 2 is bytes b'bytes'; expected a string; decode it first"),
        (3, r"row 2 is int 3; expected a string; convert it with str\(\)"),
        (2.5, r"row 2 is float 2.5"),
        (["a", "b"], r"row 2 is a list \['a', 'b'\], but the rows before it are strings"),
        ({"text": "a"}, r"row 2 is dict"),
    ],
)
@pytest.mark.parametrize(
    "method", ["encode", "encode_query", "encode_document", "encode_counted", "encode_stream"]
)
def test_a_row_that_is_no_text_is_named(tiny, method, bad, message):
    with pytest.raises(InputError, match=message) as caught:
        list(getattr(tiny, method)(["a", "b", bad, "c"]))
    if not isinstance(bad, list):
        assert isinstance(caught.value, InputTypeError)


@pytest.mark.parametrize("inputs", [None, 3, b"bytes", {"a": "b"}, {"a", "b"}, 2.5])
def test_inputs_that_are_no_sequence_are_refused(tiny, inputs):
    with pytest.raises(InputTypeError, match="inputs: got .*expected a string, a sequence of strings"):
        tiny.encode(inputs)


def test_a_generator_is_pointed_to_the_stream(tiny):
    with pytest.raises(InputTypeError, match="make it a list first, or use encode_stream"):
        tiny.encode(text for text in ["a"])


@pytest.mark.parametrize("column", [np.array(["a", None], dtype=object), np.array([1.0, math.nan])])
def test_missing_values_of_a_column_are_found(tiny, column):
    with pytest.raises(InputTypeError, match=r"row [01] is"):
        tiny.encode(column)


def test_strings_after_pairs_are_refused(tiny):
    with pytest.raises(InputError, match="row 1 is a string, but the rows before it are pairs"):
        tiny.encode([[INSTRUCTION, "a"], "b"])


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ([INSTRUCTION], "row 1 has 1 elements; expected two"),
        ([INSTRUCTION, "a", "b"], "row 1 has 3 elements"),
        ([INSTRUCTION, None], "row 1: its text is None"),
        ([5, "a"], "row 1: its instruction is int 5"),
        (None, "row 1 is None"),
    ],
)
def test_a_pair_that_is_none_is_named(tiny, pair, message):
    with pytest.raises(InputError, match=message):
        tiny.encode([[INSTRUCTION, "a"], pair])


def test_a_lone_surrogate_is_named_with_its_place(tiny):
    with pytest.raises(InputError, match=r"row 1 holds a lone surrogate, '\\udcff' at character 2"):
        tiny.encode(["a", "ab\udcff"])


# ---------------------------------------------------------------- instructions


@pytest.mark.parametrize(
    ("instruction", "message"),
    [
        (["a: "], "1 instruction for 2 texts; expected one per text; to use the same for all"),
        (["a: "] * 3, "3 instructions for 2 texts"),
        ([], "0 instructions for 2 texts"),
        (["a: ", 3], "instruction of row 1 is int 3"),
        (b"a: ", "instruction: got bytes"),
        (7, "instruction: got int 7"),
    ],
)
def test_instructions_that_do_not_fit_are_refused(tiny, instruction, message):
    with pytest.raises(InputError, match=message):
        tiny.encode(["x", "y"], instruction)


def test_pairs_and_an_instruction_are_one_too_many(tiny):
    for method in (tiny.encode, tiny.encode_query, tiny.encode_counted):
        with pytest.raises(InputError, match="instruction= is given as well"):
            method([[INSTRUCTION, "a"]], "b: ")


def test_a_prompt_is_one_string(tiny):
    with pytest.raises(InputTypeError, match="prompt is a list; expected one string"):
        tiny.encode(["a", "b"], prompt=["c: ", "d: "])


@pytest.mark.parametrize("joining", ["prompt", "exact"])
def test_an_instruction_that_leaves_no_room_is_refused(faked, joining):
    embedder, engine = faked(joining=joining, max_seq_length=8)
    with pytest.raises(InputError, match="row 1: its instruction leaves no room for text: 20 tokens.*limit is 8"):
        embedder.encode(["a", "a"], ["b: ", "a " * 20])
    assert engine.n_rows == 0


def test_contracts_refuse_what_encode_refuses(tiny):
    with pytest.raises(InputTypeError, match="instruction: got bytes"):
        tiny.contract(b"a: ")
    with pytest.raises(InputTypeError, match="instruction of row 1 is int 3"):
        tiny.contract(["a: ", 3])
    with pytest.raises(ConfigError, match="truncate_dim is 99; this model's vectors allow 1 to 32"):
        tiny.contract(truncate_dim=99)
    with pytest.raises(ConfigError, match="precision is 'int4'"):
        tiny.contract(precision="int4")


# ---------------------------------------------------------------- checkpoints


def test_no_directory_there(tmp_path):
    with pytest.raises(CheckpointNotFound, match="nowhere"):
        Embedder(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointNotFound, match=r"empty: no model here: neither modules.json.*nor config.json"):
        Embedder(tmp_path / "empty")


def test_weights_cut_short(checkpoint):
    folder = checkpoint()
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        Embedder(folder, backend="onnx")


def test_an_unknown_module_is_named(checkpoint):
    folder = checkpoint()
    modules = json.loads((folder / "modules.json").read_text())
    modules[2]["type"] = "sentence_transformers.models.LSTM"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(UnsupportedModule, match="LSTM"):
        Embedder(folder)


def test_broken_json_is_named(checkpoint):
    folder = checkpoint()
    (folder / "config.json").write_text('{"model_type": ')
    with pytest.raises(CheckpointError, match=r"config\.json"):
        Embedder(folder)


@pytest.mark.parametrize(
    ("backend", "error", "message"),
    [
        ("onnx", CheckpointError, r"layer\.1\.output\.dense\.bias' holds NaN"),
        ("torch", EngineError, r"NaN or infinite vectors for 2 of 2 texts.*weights may be damaged"),
    ],
)
def test_weights_that_hold_nan_are_named(checkpoint, backend, error, message):
    from safetensors.numpy import load_file, save_file

    folder = checkpoint()
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if name.endswith("layer.1.output.dense.bias"))
    tensors[name] = np.full_like(tensors[name], np.nan)
    save_file(tensors, folder / "model.safetensors")
    with pytest.raises(error, match=message):
        Embedder(folder, backend=backend, device="cpu").encode(["a", "b"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"joining": "prompts"},
            "joining is 'prompts'; expected one of instructor, instructor-1.0.2, prompt, exact",
        ),
        ({"backend": "openvino"}, "backend is 'openvino'; expected auto, onnx or torch"),
        ({"dtype": "int4"}, "dtype is 'int4'; the ONNX engine has float32 and int8"),
        ({"dtype": "float64", "backend": "torch"}, "dtype 'float64' is not one of backend='torch'"),
        ({"threads": 0}, "threads is 0; expected 1 or more"),
        ({"device": "cuda", "backend": "onnx"}, "device is 'cuda', but backend='onnx' runs on the CPU"),
        ({"max_seq_length": 513}, "max_seq_length is 513; this checkpoint allows 1 to 512"),
        ({"max_seq_length": 0}, "max_seq_length is 0"),
    ],
)
def test_options_of_the_constructor_out_of_range(checkpoint, options, message):
    with pytest.raises(ConfigError, match=message):
        Embedder(checkpoint(), **({"device": "cpu"} | options))


def test_a_limit_without_room_for_a_text(tiny, checkpoint):
    embedder = Embedder(checkpoint(), backend="onnx", max_seq_length=2)
    with pytest.raises(ConfigError, match="max_seq_length is 2, but the tokenizer adds 2 special tokens"):
        embedder.encode("a")
