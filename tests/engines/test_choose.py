"""Which engine a checkpoint gets, and what is refused rather than swapped."""

from __future__ import annotations

import pytest

from instructvec import Embedder
from instructvec.errors import CheckpointError, ConfigError, EngineError
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


def test_the_bundled_model_has_graphs_only():
    with pytest.raises(EngineError, match="holds ONNX graphs but no float weights"):
        Embedder(backend="torch")
    with pytest.raises(CheckpointError, match="no float32 graph"):
        Embedder(backend="onnx", dtype="float32")
    with pytest.raises(CheckpointError, match="its graphs provide for 256 tokens"):
        Embedder(max_seq_length=300)
