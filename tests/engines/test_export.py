"""Export: what is written is what was measured, and what deviates is not written."""

from __future__ import annotations

import json

import numpy as np
import pytest

from instructvec import Embedder
from instructvec.engines import export as module
from instructvec.engines.export import StsPairs, export, sample_texts, spearman
from instructvec.errors import (
    ConfigError,
    EngineError,
    InputError,
    OutputError,
    OutputExists,
    UnsupportedModule,
)
from tests.parity.tiny import SENTENCES, tiny_bert, tiny_qwen3, tiny_t5

TEXTS = list(SENTENCES[:12])


def test_graphs_give_the_vectors_of_the_weights(tmp_path):
    model = tiny_t5(tmp_path / "model", dense=16)
    report = export(model, tmp_path / "out", texts=TEXTS)
    assert [graph.dtype for graph in report.graphs] == ["float32", "int8"]
    assert report.graphs[0].largest_difference < 1e-5
    assert 0.98 < report.graphs[1].mean_cosine < 1
    assert report.graphs[1].worst_cosine <= report.graphs[1].mean_cosine
    assert report.n_texts == len(TEXTS)
    for dtype in ("float32", "int8"):
        drawn = Embedder(model, backend="onnx", dtype=dtype).encode(TEXTS, "Represent it: ")
        read = Embedder(tmp_path / "out", backend="onnx", dtype=dtype)
        assert np.array_equal(read.encode(TEXTS, "Represent it: "), drawn)
        assert read.fingerprint == Embedder(model, device="cpu").fingerprint


def test_an_int8_graph_is_taken_by_default(tmp_path):
    export(tiny_bert(tmp_path / "model"), tmp_path / "out", texts=TEXTS)
    assert Embedder(tmp_path / "out", device="cpu").dtype == "int8"


def test_graphs_only_leave_the_weights_out_and_keep_the_fingerprint(tmp_path):
    model = tiny_bert(tmp_path / "model")
    export(model, tmp_path / "out", dtypes=["int8"], texts=TEXTS, graphs_only=True)
    assert not list((tmp_path / "out").glob("*.safetensors"))
    assert Embedder(tmp_path / "out").fingerprint == Embedder(model, device="cpu").fingerprint


def test_joining_and_pooling_can_be_set(tmp_path):
    model = tiny_bert(tmp_path / "model", include_prompt=True)
    export(model, tmp_path / "out", dtypes=["float32"], texts=TEXTS, include_prompt=False, joining="prompt")
    assert json.loads((tmp_path / "out" / "1_Pooling" / "config.json").read_text())["include_prompt"] is False
    assert Embedder(tmp_path / "out", device="cpu").joining == "prompt"


def test_large_tensors_get_a_file_of_their_own(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_INLINE_BYTES", 0)
    model = tiny_bert(tmp_path / "model")
    export(model, tmp_path / "out", dtypes=["float32"], texts=TEXTS)
    graph = tmp_path / "out" / "onnx" / "model.onnx"
    assert graph.with_name("model.onnx.data").stat().st_size > 10 * graph.stat().st_size / 2
    found = Embedder(tmp_path / "out", device="cpu").encode(TEXTS)
    assert np.array_equal(found, Embedder(model, device="cpu").encode(TEXTS))


def test_a_graph_that_deviates_is_not_written(tmp_path, monkeypatch):
    build = module.build

    def broken(spec, weights, dense, **options):
        name = "encoder.layer.1.output.dense.bias"
        return build(spec, {**weights, name: weights[name] + np.arange(32, dtype=np.float32)}, dense, **options)

    monkeypatch.setattr(module, "build", broken)
    with pytest.raises(EngineError, match="deviates from torch by more than it may.*nothing was written"):
        export(tiny_bert(tmp_path / "model"), tmp_path / "out", texts=TEXTS)
    assert not (tmp_path / "out").exists()


def test_sts_scores_before_and_after(tmp_path):
    sts = StsPairs(TEXTS, [*TEXTS[1:], TEXTS[0]], range(len(TEXTS)))
    graph = export(
        tiny_bert(tmp_path / "model"), tmp_path / "out", dtypes=["float32"], texts=TEXTS, sts=sts
    ).graphs[0]
    assert graph.sts is not None
    assert graph.sts_change == pytest.approx(0, abs=1e-6)
    assert -100 <= graph.sts <= 100


def test_refusals(tmp_path):
    model = tiny_bert(tmp_path / "model")
    with pytest.raises(ConfigError, match=r"precision is \['int4'\]; expected some of float32, int8"):
        export(model, tmp_path / "out", dtypes=["int4"])
    with pytest.raises(UnsupportedModule, match="cannot draw 'qwen3'"):
        export(tiny_qwen3(tmp_path / "decoder"), tmp_path / "out", texts=TEXTS)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").touch()
    with pytest.raises(OutputError, match="exists already"):
        export(model, tmp_path / "taken", texts=TEXTS)
    with pytest.raises(InputError, match="all scores are equal"):
        StsPairs(["a", "b"], ["c", "d"], [1.0, 1.0])
    with pytest.raises(InputError, match="STS pairs: 1, 2 texts and 1 scores"):
        StsPairs(["a"], ["b", "c"], [1.0])


def test_what_cannot_succeed_is_refused_before_anything_is_measured(tmp_path, monkeypatch):
    model = tiny_bert(tmp_path / "model")

    def never(*args, **options):
        raise AssertionError("measured")

    monkeypatch.setattr(module, "TorchEngine", never)
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "file").write_text("mine")
    with pytest.raises(OutputExists, match="taken: exists already and is not empty; give another path"):
        export(model, tmp_path / "taken")
    with pytest.raises(InputError, match="2 texts to measure the deviation on; expected 3 or more"):
        export(model, tmp_path / "out", texts=TEXTS[:2])
    with pytest.raises(ConfigError, match="joining='exact' never pools the instruction"):
        export(model, tmp_path / "out", joining="exact", include_prompt=True)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["model", "taken"]
    assert (tmp_path / "taken" / "file").read_text() == "mine"


def test_another_joining_is_written_so_that_sentence_transformers_pools_alike(tmp_path):
    model = tiny_bert(tmp_path / "model", include_prompt=True)
    export(model, tmp_path / "out", dtypes=["float32"], texts=TEXTS, joining="instructor")
    assert json.loads((tmp_path / "out" / "1_Pooling" / "config.json").read_text())["include_prompt"] is False
    expected = Embedder(model, backend="onnx", joining="instructor").encode(TEXTS, "Represent it: ")
    assert np.array_equal(Embedder(tmp_path / "out", backend="onnx").encode(TEXTS, "Represent it: "), expected)


def test_the_report_says_what_was_written(tmp_path):
    report = export(tiny_bert(tmp_path / "model"), tmp_path / "out", texts=TEXTS)
    assert (report.path, report.reference, report.n_pairs) == (tmp_path / "out", "torch float32", 0)
    for graph, name in zip(report.graphs, ("model.onnx", "model_int8.onnx"), strict=True):
        assert graph.n_bytes == (tmp_path / "out" / "onnx" / name).stat().st_size
        assert graph.sts is graph.sts_change is None
        assert 90 < graph.rank_agreement <= 100 + 1e-9


def test_spearman_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, 60).astype(float), rng.integers(0, 9, 60).astype(float)
    assert spearman(a, b) == pytest.approx(stats.spearmanr(a, b).statistic)


def test_the_sample_is_there():
    assert len(set(sample_texts())) == 128
