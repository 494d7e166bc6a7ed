"""Graphs hold their weights: what comes back from them, of every family, and what a damaged file is told as."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from instructvec import Embedder
from instructvec.checkpoints.layout import read_spec
from instructvec.checkpoints.names import expected_shapes
from instructvec.checkpoints.weights import load_dense, load_weights
from instructvec.engines import export as exporting
from instructvec.engines.export import export
from instructvec.engines.graph.initializers import read_tensors
from instructvec.engines.graph.recovered import recovered_weights, with_floats
from instructvec.errors import CheckpointError
from tests.parity.tiny import TINY

DRAWN = sorted(set(TINY) - {"qwen3"})
TEXTS = ["A man is playing a guitar.", "Two women", "stocks fell on Monday"]
INSTRUCTION = "Represent the caption: "


def graphs_only(tmp_path, family, dtype):
    original = TINY[family](tmp_path / "original", dense=24)
    # Random weights deviate further in int8 than an export allows.
    export(original, tmp_path / "graphs", dtypes=[dtype], graphs_only=True)
    return read_spec(original), read_spec(tmp_path / "graphs")


def floats(spec):
    """Its weights, projections too, as :func:`recovered_weights` names them."""
    found = dict(load_weights(spec))
    for index in range(len(spec.dense)):
        weight, bias = load_dense(spec, index)
        found |= {f"dense.{index}.weight": weight} | ({} if bias is None else {f"dense.{index}.bias": bias})
    return found


@pytest.fixture(autouse=True)
def _any_deviation(monkeypatch):
    monkeypatch.setitem(exporting._LEAST_MEAN_COSINE, "int8", 0.5)


@pytest.mark.parametrize("dtype", ["float32", "int8"])
@pytest.mark.parametrize("family", DRAWN)
def test_every_weight_comes_back(tmp_path, family, dtype):
    original, graphs = graphs_only(tmp_path, family, dtype)
    wanted, found = floats(original), recovered_weights(graphs)
    assert set(found) == set(wanted)
    types = wanted.get("embeddings.token_type_embeddings.weight")
    for name, array in found.items():
        right = wanted[name]
        if name == "embeddings.token_type_embeddings.weight":
            assert not array.any()
            continue
        if name == "embeddings.position_embeddings.weight":
            # Up to the limit; with the first token type, as they are added in the graph.
            right = right[: len(array)] + (0 if types is None else types[0])
        assert array.shape == right.shape, name
        if name.endswith("relative_attention_bias.weight"):
            # One bucket is of no distance: keys that follow their query at distance 0.
            assert (~array.any(axis=1)).sum() == 1
            right = np.where(array.any(axis=1, keepdims=True), right, 0)
        # Half a step of int8: no value of a row or channel is further from its own than 1/254 of the largest.
        step = np.abs(right).max() / 254 if dtype == "int8" and array.ndim == 2 else 0
        assert np.abs(array - right).max() <= step + 1e-5, name


@pytest.mark.parametrize("family", DRAWN)
def test_a_checkpoint_with_floats_gives_the_graphs_vectors(tmp_path, family):
    _, graphs = graphs_only(tmp_path, family, "float32")
    vectors = Embedder(graphs.path, device="cpu").encode(TEXTS, INSTRUCTION)
    again = Embedder(graphs.path, backend="torch", device="cpu").encode(TEXTS, INSTRUCTION)
    assert np.abs(vectors - again).max() < 2e-5


def test_the_directory_is_whole_and_made_once(tmp_path):
    _, graphs = graphs_only(tmp_path, "bert", "int8")
    made = with_floats(graphs)
    assert made.has_weights
    assert with_floats(read_spec(graphs.path)).path == made.path
    assert with_floats(made) is made
    limit = made.max_seq_length
    assert json.loads((made.path / "config.json").read_text())["max_position_embeddings"] == limit
    shapes = expected_shapes(made.architecture)
    assert shapes["embeddings.position_embeddings.weight"] == (limit, made.architecture.width)
    assert set(load_weights(made)) == set(shapes)


def test_exporting_what_was_recovered_changes_nothing(tmp_path):
    _, graphs = graphs_only(tmp_path, "bert", "int8")
    export(graphs.path, tmp_path / "again", dtypes=["int8"], graphs_only=True)
    first = read_tensors(graphs.onnx_files["int8"])
    second = read_tensors(read_spec(tmp_path / "again").onnx_files["int8"])
    assert set(first) == set(second)
    for name, array in first.items():
        assert np.allclose(array, second[name], atol=1e-6), name


def test_tensors_beside_the_graph_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(exporting, "_INLINE_BYTES", 0)
    original, graphs = graphs_only(tmp_path, "bert", "float32")
    assert graphs.onnx_files["float32"].with_name("model.onnx.data").is_file()
    name = "encoder.layer.0.output.dense.weight"
    assert np.array_equal(recovered_weights(graphs)[name], load_weights(original)[name])


def test_a_damaged_graph_is_named(tmp_path):
    _, graphs = graphs_only(tmp_path, "bert", "int8")
    file = graphs.onnx_files["int8"]
    whole = file.read_bytes()
    for content in (whole[: len(whole) // 2], b"", b"no graph at all"):
        file.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"model_int8\.onnx: (cut short|cannot be read)"):
            recovered_weights(read_spec(graphs.path))


def test_a_graph_of_another_checkpoint_is_named(tmp_path):
    _, graphs = graphs_only(tmp_path, "bert", "int8")
    other = TINY["distilbert"](tmp_path / "other")
    export(other, tmp_path / "others", dtypes=["int8"], graphs_only=True)
    shutil.copy(read_spec(tmp_path / "others").onnx_files["int8"], graphs.onnx_files["int8"])
    with pytest.raises(CheckpointError, match=r"the tensor .* is missing; it is not a graph of this checkpoint"):
        recovered_weights(read_spec(graphs.path))
