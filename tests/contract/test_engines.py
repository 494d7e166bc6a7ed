"""One suite over every engine: the same vectors as torch float32, whatever the batch, pooling or family."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from instructvec.checkpoints.layout import read_spec
from instructvec.engines.onnx import OnnxEngine
from instructvec.engines.torch import TorchEngine
from instructvec.types import Engine
from tests.parity.road import batches
from tests.parity.tiny import LONG_TEXT, SENTENCES, TINY, tiny_bert, tiny_t5

INSTRUCTION = "Represent the Medicine sentence for retrieval: "
TEXTS = [*SENTENCES[3:10], "a", "", LONG_TEXT]
DRAWN = sorted(set(TINY) - {"qwen3"})
# float32 everywhere, other orders of summation, and values of up to about 6 in unnormalised ones.
TOLERANCE = 1e-5


def run(spec, engine: Engine, instruction=INSTRUCTION, *, max_batch_tokens=300) -> np.ndarray:
    vectors = np.empty((len(TEXTS), spec.dimension), np.float32)
    for batch in batches(spec, TEXTS, instruction, max_batch_tokens=max_batch_tokens):
        vectors[batch.rows] = engine.run(batch)
    return vectors


@pytest.mark.parametrize("family", DRAWN)
@pytest.mark.parametrize("include_prompt", [True, False])
def test_onnx_gives_torchs_vectors(tmp_path, family, include_prompt):
    spec = read_spec(TINY[family](tmp_path / "model", include_prompt=include_prompt))
    drawn, reference = run(spec, OnnxEngine(spec)), run(spec, TorchEngine(spec, device="cpu"))
    assert np.abs(drawn - reference).max() < TOLERANCE
    assert np.linalg.norm(drawn[0] - drawn[1]) > 0.05  # vectors that were all alike would agree for nothing


@pytest.mark.parametrize(
    "modes",
    [("mean",), ("cls",), ("max",), ("last",), ("weighted_mean",), ("mean_sqrt_len",), ("cls", "mean", "max")],
)
@pytest.mark.parametrize("normalize", [True, False])
def test_every_pooling_in_the_graph(tmp_path, modes, normalize):
    spec = read_spec(tiny_bert(tmp_path / "model", normalize=normalize))
    spec = replace(spec, pooling=replace(spec.pooling, modes=modes))
    drawn, reference = run(spec, OnnxEngine(spec)), run(spec, TorchEngine(spec, device="cpu"))
    scale = np.abs(reference).max()  # mean_sqrt_len grows with the length of the text
    assert np.abs(drawn - reference).max() < TOLERANCE * max(1.0, scale)


@pytest.mark.parametrize("activation", ["identity", "tanh", "relu", "gelu", "sigmoid", "silu"])
def test_projection_in_the_graph(tmp_path, activation):
    spec = read_spec(tiny_t5(tmp_path / "model", dense=16))
    spec = replace(spec, dense=tuple(replace(part, activation=activation) for part in spec.dense))
    assert spec.dense
    drawn, reference = run(spec, OnnxEngine(spec)), run(spec, TorchEngine(spec, device="cpu"))
    assert np.abs(drawn - reference).max() < TOLERANCE


@pytest.mark.parametrize("open_engine", [OnnxEngine, TorchEngine])
@pytest.mark.parametrize("family", ["bert", "mpnet", "t5", "modernbert"])
def test_neighbours_in_the_batch_change_nothing(tmp_path, open_engine, family):
    spec = read_spec(TINY[family](tmp_path / "model"))
    engine = open_engine(spec)
    together, alone = run(spec, engine, max_batch_tokens=10_000), run(spec, engine, max_batch_tokens=1)
    assert np.abs(together - alone).max() < TOLERANCE


@pytest.mark.parametrize("family", DRAWN)
def test_int8_is_close_and_does_not_depend_on_neighbours(tmp_path, family):
    spec = read_spec(TINY[family](tmp_path / "model"))
    engine = OnnxEngine(spec, dtype="int8")
    reference = run(spec, TorchEngine(spec, device="cpu"))
    together, alone = run(spec, engine, max_batch_tokens=10_000), run(spec, engine, max_batch_tokens=1)
    cosines = (together * reference).sum(1) / np.linalg.norm(together, axis=1) / np.linalg.norm(reference, axis=1)
    # Random tiny models with large weights are the worst case for eight bits; real ones keep 0.998.
    assert cosines.mean() > 0.98
    # A rounding step taken the other way moves a vector by far less than the quantisation itself.
    assert (together * alone).sum(1).min() > 0.999
    assert np.abs(together - reference).max() > 1e-5  # it is not the float32 graph under another name


def test_engines_name_themselves(tmp_path):
    spec = read_spec(tiny_bert(tmp_path / "model"))
    onnx, torch = OnnxEngine(spec, threads=3), TorchEngine(spec, device="cpu")
    assert (onnx.name, onnx.device, onnx.dtype, onnx.workers) == ("onnx", "cpu", "float32", 3)
    assert (torch.name, torch.device, torch.dtype, torch.workers) == ("torch", "cpu", "float32", 1)
    assert isinstance(onnx, Engine)
    assert isinstance(torch, Engine)
