"""Which engine a checkpoint gets, and what is refused rather than swapped."""

from __future__ import annotations

import numpy as np
import pytest

from instructvec import Embedder
from instructvec.errors import CheckpointError, ConfigError
from tests.conftest import TINY
from tests.parity.tiny import tiny_qwen3


@pytest.mark.parametrize(
    ("options", "backend", "dtype"),
    [
        ({"device": "cpu"}, "onnx", "float32"),
        ({"dtype": "int8"}, "onnx", "int8"),
        ({"device": "cpu", "dtype": "bfloat16"}, "torch", "bfloat16"),
        ({"device": "cpu", "backend": "torch"}, "torch", "float32"),
    ],
)
def test_auto_takes_the_fastest_that_can(options, backend, dtype):
    embedder = Embedder(TINY, **options)
    assert (embedder.backend, embedder.dtype, embedder.device) == (backend, dtype, "cpu")


def test_decoders_run_on_torch(tmp_path):
    path = tiny_qwen3(tmp_path / "model")
    assert Embedder(path, device="cpu").backend == "torch"
    with pytest.raises(CheckpointError, match="cannot draw 'qwen3' models.*backend='torch'"):
        Embedder(path, backend="onnx")


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"backend": "tensorflow"}, ConfigError, "backend is 'tensorflow'; expected auto, onnx or torch"),
        ({"backend": "onnx", "device": "cuda"}, ConfigError, "runs on the CPU: use backend='torch'"),
        ({"backend": "onnx", "dtype": "bfloat16"}, ConfigError, "need backend='torch'"),
        ({"backend": "torch", "dtype": "int8"}, ConfigError, "use backend='onnx'"),
        ({"dtype": "float8"}, ConfigError, "dtype is 'float8'"),
    ],
)
def test_refusals(options, error, message):
    with pytest.raises(error, match=message):
        Embedder(TINY, **options)


@pytest.mark.parametrize("options", [{"backend": "torch"}, {"backend": "onnx", "dtype": "float32"}])
def test_a_model_with_an_int8_graph_only_runs_in_float32_too(bundled, options):
    texts = ["a small dog", "How do I reset my password?"]
    other = Embedder(**options)
    assert (other.backend, other.dtype) == (options["backend"], "float32")
    assert other.fingerprint == bundled.fingerprint
    cosines = np.sum(other.encode(texts, "Represent it: ") * bundled.encode(texts, "Represent it: "), axis=1)
    assert cosines.min() > 0.99


def test_a_graph_cannot_be_drawn_longer_than_the_weights_in_it_are():
    with pytest.raises(CheckpointError, match="its graphs provide for 256 tokens"):
        Embedder(max_seq_length=300)
