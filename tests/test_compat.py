"""The old class: the original's vectors on every golden case, its return types, its refusals."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from instructvec import compat
from instructvec.compat import INSTRUCTOR
from instructvec.errors import ConfigError, InputError, InstructvecError, MissingExtra

GOLDEN = Path(__file__).parent / "golden"
INSTRUCTION = "Represent the caption: "
TOLERANCE = 2e-5  # a component; float32 rounding over two layers, other order of sums


def golden(name):
    return json.loads((GOLDEN / f"instructor_{name}.json").read_text(encoding="utf-8"))["cases"]


@pytest.fixture(scope="module", params=["t5", "bert"])
def name(request):
    return request.param


@pytest.fixture(scope="module")
def model(name):
    return INSTRUCTOR(str(GOLDEN / f"instructor_{name}_tiny"), device="cpu", backend="torch")


@pytest.fixture
def silent():
    """Some golden cases are meant to be cut at 512 tokens."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


# ---------------------------------------------------------------- against the original


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("batch_size", [1, 4, 32])
@pytest.mark.parametrize("kind", [str, list])
def test_vectors_equal_the_originals_at_any_batch_size(model, name, kind, batch_size):
    cases = [c for c in golden(name) if c["outcome"] == "vector" and isinstance(c["input"], kind)]
    vectors = model.encode([case["input"] for case in cases], batch_size=batch_size)
    deviations = np.abs(vectors - np.array([case["vector"] for case in cases])).max(axis=1)
    assert vectors.dtype == np.float32
    assert {c["name"]: d for c, d in zip(cases, deviations, strict=True) if d > TOLERANCE} == {}


@pytest.mark.usefixtures("silent")
def test_vectors_equal_the_originals_one_by_one(model, name):
    for case in golden(name)[::5]:
        if case["outcome"] == "vector":
            assert np.abs(model.encode([case["input"]])[0] - case["vector"]).max() < TOLERANCE, case["name"]


@pytest.mark.usefixtures("silent")
def test_vectors_without_torch_equal_the_originals(name):
    model = INSTRUCTOR(str(GOLDEN / f"instructor_{name}_tiny"), backend="onnx")
    cases = [c for c in golden(name) if c["outcome"] == "vector" and isinstance(c["input"], list)]
    vectors = model.encode([case["input"] for case in cases])
    assert np.abs(vectors - np.array([case["vector"] for case in cases])).max() < TOLERANCE


@pytest.mark.usefixtures("silent")
def test_where_the_original_crashes_or_gives_zeros_the_row_is_named(model, name):
    cases = [case for case in golden(name) if case["outcome"] != "vector"]
    assert {case["outcome"] for case in cases} == {"zeros", "AssertionError"}
    for case in cases:
        with pytest.raises(InputError, match="row 1: no token is left to pool"):
            model.encode([[INSTRUCTION, "A man"], case["input"]])


def test_tuples_which_crashed_the_original_are_pairs(model):
    expected = model.encode([[INSTRUCTION, "A man"]])
    assert np.array_equal(model.encode([(INSTRUCTION, "A man")]), expected)
    assert np.array_equal(model.encode(((INSTRUCTION, "A man", 0),)), expected)


# ---------------------------------------------------------------- return types


def test_return_types_are_the_originals(model):
    n = model.get_sentence_embedding_dimension()
    pairs = [[INSTRUCTION, "A man"], [INSTRUCTION, "Two women"]]
    assert model.encode(pairs).shape == (2, n)
    assert model.encode("A man").shape == (n,)
    assert model.encode([INSTRUCTION, "A man"]).shape == (2, n)  # a flat list: two texts
    assert model.encode([]).shape == (0, n)
    assert model.encode(np.array(["A man"])).shape == (1, n)
    tensor = model.encode(pairs, convert_to_tensor=True)
    assert isinstance(tensor, torch.Tensor)
    assert tensor.shape == (2, n)
    listed = model.encode(pairs, convert_to_numpy=False)
    assert isinstance(listed, list)
    assert [tuple(row.shape) for row in listed] == [(n,), (n,)]
    assert tuple(model.encode("A man", convert_to_tensor=True).shape) == (n,)
    assert tuple(model.encode("A man", convert_to_numpy=False).shape) == (n,)
    assert torch.equal(torch.stack(listed), tensor)
    assert np.array_equal(tensor.numpy(), model.encode(pairs))


def test_positional_arguments_stand_where_they_stood(model):
    expected = model.encode(["A man", "Two women"])
    given = model.encode(["A man", "Two women"], 1, False, "sentence_embedding", True, False, "cpu", True)
    assert np.allclose(given, expected, atol=1e-6)
    assert np.allclose(np.linalg.norm(given, axis=1), 1, atol=1e-6)


# ---------------------------------------------------------------- settings


def test_limit_is_512_and_can_be_set(model, name):
    assert (model.max_seq_length, model.get_max_seq_length()) == (512, 512)
    short = INSTRUCTOR(GOLDEN / f"instructor_{name}_tiny", None, "cpu", backend="torch")
    short.max_seq_length = 12
    assert short.max_seq_length == 12
    with pytest.warns(UserWarning, match="12"):
        cut = short.encode([[INSTRUCTION, "A man is playing a guitar in the rain"]])
    assert not np.allclose(cut, model.encode([[INSTRUCTION, "A man is playing a guitar in the rain"]]))
    with pytest.raises(InputError, match="max_seq_length is '12'; expected a number"):
        short.max_seq_length = "12"


def test_members_that_people_call(model, tmp_path):
    assert model.eval() is model
    assert model.to("cpu") is model
    assert model.cpu() is model
    assert model.device == "cpu"
    assert "max_seq_length=512" in repr(model)
    assert model.embedder.dimension == model.get_sentence_embedding_dimension()
    model.save(tmp_path / "saved")
    again = INSTRUCTOR(tmp_path / "saved", device="cpu", backend="torch")
    assert np.allclose(again.encode([[INSTRUCTION, "A man"]]), model.encode([[INSTRUCTION, "A man"]]), atol=1e-6)


@pytest.mark.parametrize(
    ("member", "remedy"),
    [
        ("start_multi_process_pool", "uses all cores already"),
        ("fit", "instructvec train"),
        ("tokenize", "AutoTokenizer"),
        ("nonsense", "instructvec.Embedder"),
    ],
)
def test_members_that_are_gone_say_what_to_use(model, member, remedy):
    assert not hasattr(model, member)
    with pytest.raises(AttributeError, match=f"no '{member}'.*{remedy}"):
        getattr(model, member)


def test_refusals(model, name):
    for output_value in ("token_embeddings", None):
        with pytest.raises(ConfigError, match="only 'sentence_embedding' is supported"):
            model.encode("A man", output_value=output_value)
    with pytest.raises(ConfigError, match="expected model_name_or_path"):
        INSTRUCTOR(modules=[])
    with pytest.raises(ConfigError, match="expected model_name_or_path"):
        INSTRUCTOR()
    for rows in (["a", 3], [None], [[INSTRUCTION, b"a"]], [["a", "b"], "c"]):
        with pytest.raises(InputError, match=r"row \d"):
            model.encode(rows)


def test_tensors_without_torch_name_the_extra(model, monkeypatch):
    monkeypatch.setattr("instructvec.extras.has", lambda package: False)
    with pytest.raises(MissingExtra, match=r"convert_to_tensor.*instructvec\[torch\]"):
        model.encode("A man", convert_to_tensor=True)


def test_checkpoints_own_default_prompt_stays_out_as_in_the_original(tmp_path, name, model):
    import shutil

    folder = shutil.copytree(GOLDEN / f"instructor_{name}_tiny", tmp_path / "copy")
    config = {"prompts": {"q": INSTRUCTION}, "default_prompt_name": "q"}
    (folder / "config_sentence_transformers.json").write_text(json.dumps(config))
    prompted = INSTRUCTOR(folder, device="cpu", backend="torch")
    assert np.allclose(prompted.encode(["A man"]), model.encode(["A man"]), atol=1e-6)


def test_moving_reloads_on_the_other_device(model, monkeypatch):
    loaded = []

    class Elsewhere:
        def __init__(self, source, **options):
            loaded.append(options["device"])
            self.device = options["device"]

    monkeypatch.setattr(compat, "Embedder", Elsewhere)
    moving = INSTRUCTOR("somewhere", device="cpu")
    moving.to("cpu").cuda().cuda(1).to(torch.device("cuda:1"))
    assert loaded == ["cpu", "cuda", "cuda:1"]


def test_errors_are_ours(tmp_path):
    with pytest.raises(InstructvecError):
        INSTRUCTOR(str(tmp_path))
