from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from instructvec.checkpoints.layout import read_spec
from instructvec.engines import torch as engine_module
from instructvec.engines.torch import TorchEngine
from instructvec.errors import CheckpointError, ConfigError, EngineError, MissingExtra
from instructvec.types import Batch, Engine
from tests.parity.road import batches, embed
from tests.parity.tiny import LONG_TEXT, SENTENCES, TINY, tiny_bert, tiny_t5

TEXTS = [*SENTENCES[4:10], "a", LONG_TEXT]


def one_row(batch: Batch, row: int) -> Batch:
    length = int(batch.attention_mask[row].sum())
    return Batch(
        batch.ids[row : row + 1, :length],
        batch.attention_mask[row : row + 1, :length],
        batch.pooling_mask[row : row + 1, :length],
        np.zeros(1, np.int64),
    )


def test_is_an_engine_and_says_what_it_runs_on(tmp_path):
    engine = TorchEngine(read_spec(tiny_bert(tmp_path / "model")), device="cpu")
    assert isinstance(engine, Engine)
    assert (engine.name, engine.device, engine.dtype, engine.workers) == ("torch", "cpu", "float32", 1)


@pytest.mark.parametrize("family", sorted(TINY))
def test_a_row_does_not_depend_on_its_neighbours(tmp_path, family):
    spec = read_spec(TINY[family](tmp_path / "model", include_prompt=False))
    engine = TorchEngine(spec, device="cpu")
    for batch in batches(spec, TEXTS, SENTENCES[0], max_batch_tokens=512):
        together = engine.run(batch)
        assert together.dtype == np.float32
        assert together.shape == (len(batch.rows), spec.dimension)
        for row in range(len(batch.rows)):
            # Padding changes the order of float32 sums only.
            assert np.abs(engine.run(one_row(batch, row))[0] - together[row]).max() < 1e-5


@pytest.mark.parametrize("family", sorted(TINY))
def test_what_fills_the_padding_changes_nothing(tmp_path, family):
    spec = read_spec(TINY[family](tmp_path / "model"))
    engine = TorchEngine(spec, device="cpu")
    batch = batches(spec, [SENTENCES[5], "a"], None)[0]
    assert not batch.attention_mask.all()
    filled = replace(batch, ids=np.where(batch.attention_mask, batch.ids, 7))
    if spec.architecture.family in {"roberta", "mpnet"}:
        # Their positions are counted from the ids themselves: only the pad id is no token.
        filled = batch
    assert np.abs(engine.run(filled) - engine.run(batch)).max() < 1e-6


def test_every_row_has_a_pooling_mask_of_its_own(tmp_path):
    spec = read_spec(tiny_bert(tmp_path / "model", normalize=False))
    engine = TorchEngine(spec, device="cpu")
    row = batches(spec, [SENTENCES[5]], None)[0]
    n_tokens = row.ids.shape[1]
    masks = np.eye(n_tokens, dtype=bool)
    rows = Batch(
        np.repeat(row.ids, n_tokens, 0), np.repeat(row.attention_mask, n_tokens, 0), masks, np.arange(n_tokens)
    )
    # The mean over all tokens is the mean of the single tokens.
    assert np.allclose(engine.run(rows).mean(0), engine.run(row)[0], atol=1e-5)


@pytest.mark.parametrize("family", sorted(TINY))
def test_bfloat16_stays_close(tmp_path, family):
    path = TINY[family](tmp_path / "model")
    spec = read_spec(path)
    engine = TorchEngine(spec, device="cpu", dtype="bfloat16")
    assert engine.dtype == "bfloat16"
    exact, rounded = embed(path, TEXTS), embed(path, TEXTS, engine=engine)
    assert rounded.dtype == np.float32
    # Weights far larger than a trained model's: its own rounding, not a fault, sets this bound.
    assert (exact * rounded).sum(1).min() > 0.97
    # Normalisation is float32 whatever the matrices are.
    assert np.abs(np.linalg.norm(rounded, axis=1) - 1).max() < 1e-6


def test_threads_are_set_for_the_run_and_put_back(tmp_path, monkeypatch):
    spec = read_spec(tiny_bert(tmp_path / "model"))
    engine = TorchEngine(spec, device="cpu", threads=3)
    before, during = torch.get_num_threads(), []
    monkeypatch.setattr(
        engine_module, "pool", lambda *a, **k: during.append(torch.get_num_threads()) or torch.zeros(1, 32)
    )
    engine.run(batches(spec, ["a"], None)[0])
    assert during == [3]
    assert torch.get_num_threads() == before


class TestWeights:
    def test_names_transformers_does_not_know_are_filled_in(self, tmp_path):
        path = tiny_bert(tmp_path / "model")
        expected = embed(path, TEXTS)
        tensors = load_file(path / "model.safetensors")
        save_file({f"auto_model.{name}": tensor for name, tensor in tensors.items()}, path / "model.safetensors")
        assert np.array_equal(embed(path, TEXTS), expected)

    @pytest.mark.parametrize("keep", ["shared.weight", "encoder.embed_tokens.weight"])
    def test_t5_word_embedding_under_either_name(self, tmp_path, keep):
        path = tiny_t5(tmp_path / "model")
        expected = embed(path, TEXTS)
        tensors = load_file(path / "model.safetensors")
        tensors[keep] = tensors.pop("shared.weight")
        save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
        assert np.array_equal(embed(path, TEXTS), expected)

    def test_a_missing_tensor_is_named_not_drawn_at_random(self, tmp_path):
        path = tiny_bert(tmp_path / "model")
        tensors = load_file(path / "model.safetensors")
        del tensors["encoder.layer.1.output.dense.weight"]
        save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(CheckpointError, match=r"layer\.1\.output\.dense\.weight"):
            TorchEngine(read_spec(path), device="cpu")

    def test_a_missing_tensor_of_a_decoder(self, tmp_path):
        path = TINY["qwen3"](tmp_path / "model")
        tensors = load_file(path / "model.safetensors")
        del tensors["layers.1.mlp.up_proj.weight"]
        save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
        with pytest.raises(CheckpointError, match=r"layers\.1\.mlp\.up_proj\.weight"):
            TorchEngine(read_spec(path), device="cpu")

    @pytest.mark.parametrize("keep", [0, 100, -100])
    def test_truncated_weights(self, tmp_path, keep):
        path = tiny_bert(tmp_path / "model")
        file = path / "model.safetensors"
        file.write_bytes(file.read_bytes()[:keep])
        with pytest.raises(CheckpointError, match="truncated"):
            TorchEngine(read_spec(path), device="cpu")

    def test_pickled_weights_are_not_executed(self, tmp_path):
        marker = tmp_path / "executed"

        class Payload:
            def __reduce__(self):
                return (Path.touch, (marker,))

        path = tiny_bert(tmp_path / "model")
        (path / "model.safetensors").unlink()
        torch.save({"weight": Payload()}, path / "pytorch_model.bin")
        with pytest.raises(CheckpointError, match="pickled"):
            TorchEngine(read_spec(path), device="cpu")
        assert not marker.exists()

    def test_bin_weights(self, tmp_path):
        path = tiny_t5(tmp_path / "model")
        expected = embed(path, TEXTS)
        torch.save(load_file(path / "model.safetensors"), path / "pytorch_model.bin")
        (path / "model.safetensors").unlink()
        assert np.array_equal(embed(path, TEXTS), expected)

    def test_graphs_alone(self, tmp_path):
        spec = replace(read_spec(tiny_bert(tmp_path / "model")), has_weights=False)
        with pytest.raises(CheckpointError, match="backend='onnx'"):
            TorchEngine(spec)


class TestRefusals:
    @pytest.fixture
    def spec(self, tmp_path):
        return read_spec(tiny_bert(tmp_path / "model"))

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"device": "toaster"}, "toaster.*expected 'cpu'"),
            ({"device": "cuda:64"}, "cuda:64.*CUDA devices"),
            ({"dtype": "int8", "device": "cpu"}, "int8.*float32"),
            ({"dtype": "float16", "device": "cpu"}, "float16.*bfloat16"),
            ({"threads": 0, "device": "cpu"}, "threads is 0"),
        ],
    )
    def test_an_option_that_cannot_be(self, spec, options, match):
        with pytest.raises(ConfigError, match=match):
            TorchEngine(spec, **options)

    def test_without_torch(self, spec, monkeypatch):
        monkeypatch.setattr("instructvec.extras.has", lambda package: False)
        with pytest.raises(MissingExtra, match=r"backend='torch'.*pip install 'instructvec\[torch\]'"):
            TorchEngine(spec)

    def test_out_of_memory_says_what_to_lower(self, spec, monkeypatch):
        engine = TorchEngine(spec, device="cpu")

        def full(*_: object, **__: object) -> None:
            raise torch.OutOfMemoryError("tried to allocate 9 GiB\nmore")

        monkeypatch.setattr(engine_module, "pool", full)
        with pytest.raises(EngineError, match=r"out of memory.*max_batch_tokens.*9 GiB"):
            engine.run(batches(spec, ["a"], None)[0])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
class TestCuda:
    @pytest.mark.parametrize("family", sorted(TINY))
    @pytest.mark.parametrize(("dtype", "cosine"), [("float32", 0.9999), ("auto", 0.97), ("float16", 0.99)])
    def test_agrees_with_the_cpu(self, tmp_path, family, dtype, cosine):
        path = TINY[family](tmp_path / "model")
        engine = TorchEngine(read_spec(path), dtype=dtype)
        assert engine.device == "cuda:0"
        vectors = embed(path, TEXTS, engine=engine)
        assert (vectors * embed(path, TEXTS)).sum(1).min() > cosine
