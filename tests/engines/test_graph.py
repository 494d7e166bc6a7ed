"""The graph builder writes valid ONNX, and its symbols compute what numpy does."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest

from instructvec.checkpoints.layout import read_spec
from instructvec.checkpoints.weights import load_weights
from instructvec.encoding.pooling import pool
from instructvec.engines.graph.layers import Layers, relative_buckets
from instructvec.engines.graph.model import build
from instructvec.engines.graph.symbols import Graph, xp
from instructvec.errors import UnsupportedModule
from tests.parity.tiny import tiny_bert, tiny_qwen3

RNG = np.random.default_rng(0)


def session(graph: Graph) -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(graph.model({}), providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("dtype", ["float32", "int8"])
def test_model_passes_the_onnx_checker(tmp_path, dtype):
    spec = read_spec(tiny_bert(tmp_path / "model"))
    graph = build(spec, load_weights(spec), [], dtype=dtype, max_seq_length=spec.max_seq_length)
    model = onnx.load_from_string(graph.model({"made": "für die Prüfung"}))
    onnx.checker.check_model(model)
    assert [entry.name for entry in model.graph.input] == ["input_ids", "attention_mask", "pooling_mask"]
    assert [entry.name for entry in model.graph.output] == ["sentence_embedding"]
    assert model.metadata_props[0].value == "für die Prüfung"


def test_attributes_of_every_kind_survive():
    g = Graph()
    x = g.input("x", "float32", ("n", 2))
    g.output(
        g.op("Anything", x, None, one=3, two=-1, half=0.5, word="wörd", many=[1, -2], halves=[0.5, 1.5]),
        "y",
        "float32",
        ("n", 2),
    )
    node = onnx.load_from_string(g.model({})).graph.node[0]
    read = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    assert read == {
        "one": 3,
        "two": -1,
        "half": 0.5,
        "word": "wörd".encode(),
        "many": [1, -2],
        "halves": [0.5, 1.5],
    }
    assert list(node.input) == ["x", ""]


@pytest.mark.parametrize("mode", ["mean", "cls", "max", "last", "weighted_mean", "mean_sqrt_len"])
def test_symbolic_pooling_is_numpys(mode):
    g = Graph()
    names = ("hidden", "pooling_mask", "attention_mask")
    symbols = [g.input(name, "float32", ("b", "t", 4) if name == "hidden" else ("b", "t")) for name in names]
    g.output(pool(*symbols, [mode], xp=xp), "y", "float32", ("b", 4))
    hidden = RNG.standard_normal((3, 5, 4)).astype(np.float32)
    seen = (np.arange(5) < np.array([[5], [3], [1]])).astype(np.float32)
    pooled = seen * (np.arange(5) >= np.array([[2], [1], [0]]))
    arrays = (hidden, pooled.astype(np.float32), seen)
    found = session(g).run(None, dict(zip(names, arrays, strict=True)))[0]
    assert np.abs(found - pool(*arrays, [mode], xp=np)).max() < 1e-6


@pytest.mark.parametrize("lowest", [None, 0.0, -0.17])
def test_int8_linear_is_within_a_rounding_step(lowest):
    g = Graph()
    x = g.input("x", "float32", (1, "t", 64))
    weight = RNG.standard_normal((32, 64)).astype(np.float32)
    layers = Layers(g, "int8")
    product, bias = layers.linear(x, "w", weight, None, lowest=lowest)
    g.output(layers.add_bias(product, "w", bias), "y", "float32", (1, "t", 32))
    rows = RNG.standard_normal((1, 7, 64)).astype(np.float32) * np.float32([0.01, 1, 100, 1, 1, 1, 0])[:, None]
    if lowest is not None:
        rows = np.maximum(rows, np.float32(lowest))
    found, exact = session(g).run(None, {"x": rows})[0], rows @ weight.T
    # Each row has a scale of its own: the error of a small row is small though another is 10,000 times larger.
    # Half a step of activation and of weight each, over 64 products added with random signs, six deviations.
    step = np.ptp(rows, axis=-1, keepdims=True) / 127 + np.float32(1e-6)
    bound = 6 * np.sqrt(64) * (step * np.abs(weight).max() + np.abs(rows).max(-1, keepdims=True) * 4 / 127) / 3.4
    assert (np.abs(found - exact) <= bound).all()
    assert np.isfinite(found).all()


def test_relative_buckets_are_the_reference_implementations():
    from transformers.models.t5.modeling_t5 import T5Attention

    torch = pytest.importorskip("torch")
    distance = np.arange(-300, 301)
    theirs = T5Attention._relative_position_bucket(
        torch.tensor(distance), bidirectional=True, num_buckets=32, max_distance=128
    )
    assert np.array_equal(relative_buckets(distance, 32, 128), theirs.numpy())
    # Beyond the reach all share the last bucket, which is why the graph holds no farther ones.
    assert len({int(relative_buckets(np.array([d]), 32, 128)[0]) for d in (128, 129, 5000)}) == 1


def test_a_decoder_is_refused_by_name(tmp_path):
    spec = read_spec(tiny_qwen3(tmp_path / "model"))
    with pytest.raises(UnsupportedModule, match=r"'qwen3'.*backend='torch'"):
        build(spec, {}, [], dtype="float32", max_seq_length=16)
