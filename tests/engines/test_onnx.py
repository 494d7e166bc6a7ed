"""The ONNX engine: which graph it opens, what it refuses, and what its errors say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from instructvec import Embedder
from instructvec.checkpoints.layout import read_spec
from instructvec.embedder import BUNDLED
from instructvec.engines.onnx import OnnxEngine, can_run
from instructvec.errors import CheckpointError, ConfigError, EngineError
from instructvec.types import Batch, Engine
from tests.conftest import TINY


@pytest.fixture(scope="module")
def spec():
    return read_spec(TINY)


@pytest.fixture(scope="module")
def graphs_only():
    return read_spec(BUNDLED)


def batch_of(*rows: list[int]) -> Batch:
    ids = np.array(rows, np.int64)
    seen = np.ones(ids.shape, np.bool_)
    return Batch(ids, seen, seen, np.arange(len(rows)))


def test_it_says_what_it_is(spec):
    engine = OnnxEngine(spec, dtype="int8", threads=3)
    assert (engine.name, engine.device, engine.dtype, engine.workers) == ("onnx", "cpu", "int8", 3)
    assert isinstance(engine, Engine)


def test_vectors_are_float32_of_length_one(spec):
    vectors = OnnxEngine(spec).run(batch_of([2, 50, 3], [2, 60, 3]))
    assert (vectors.shape, vectors.dtype) == ((2, 32), np.float32)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)


def test_int8_is_taken_by_default_only_where_it_was_exported(spec, graphs_only):
    assert OnnxEngine(spec).dtype == "float32"
    assert OnnxEngine(graphs_only).dtype == "int8"


def test_it_knows_what_it_can_run(spec, graphs_only):
    decoder = replace(spec, architecture=replace(spec.architecture, family="decoder"))
    assert can_run(spec)
    assert can_run(graphs_only)
    assert not can_run(decoder)
    assert can_run(replace(decoder, onnx_files=graphs_only.onnx_files))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int4", ""])
def test_other_dtypes_are_refused(spec, dtype):
    with pytest.raises(ConfigError, match=f"dtype is '{dtype}'; the ONNX engine has float32 and int8.*'torch'"):
        OnnxEngine(spec, dtype=dtype)


def test_a_graph_that_is_not_there_is_drawn_of_the_weights_in_another_up_to_its_length(graphs_only):
    assert OnnxEngine(graphs_only, dtype="float32").dtype == "float32"
    with pytest.raises(CheckpointError, match="provide for 256 tokens.*max_seq_length is 400; lower it"):
        OnnxEngine(graphs_only, max_seq_length=400)
    assert OnnxEngine(graphs_only, max_seq_length=100).dtype == "int8"


def test_a_graph_cut_short_names_the_file_and_the_remedy(tmp_path, graphs_only):
    file = tmp_path / "model_int8.onnx"
    file.write_bytes(graphs_only.onnx_files["int8"].read_bytes()[:100_000])
    with pytest.raises(
        CheckpointError, match=r"model_int8\.onnx: ONNX Runtime cannot load it.*instructvec export"
    ):
        OnnxEngine(replace(graphs_only, onnx_files={"int8": file}))


def test_a_failing_run_says_how_large_the_batch_was(spec, capfd):
    engine = OnnxEngine(spec)
    with pytest.raises(EngineError, match=r"failed on a batch of 1 rows x 3 tokens: .*lower max_batch_tokens"):
        engine.run(batch_of([2, 999_999, 3]))
    # Its own log would say it a second time, on stderr.
    assert capfd.readouterr().err == ""
    assert np.isfinite(engine.run(batch_of([2, 50, 3]))).all()


def test_threads_side_by_side_give_what_one_gives():
    texts = [f"{number} men are playing {'a guitar ' * (number % 7)}" for number in range(60)]
    one, three = (Embedder(TINY, backend="onnx", threads=threads) for threads in (1, 3))
    together = three.encode(texts, max_batch_tokens=64)
    assert np.abs(together - one.encode(texts, max_batch_tokens=64)).max() < 1e-6
