from __future__ import annotations

import errno
import json
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from instructvec.checkpoints import save as saving
from instructvec.checkpoints.contract import fingerprint
from instructvec.checkpoints.layout import read_spec
from instructvec.checkpoints.save import save
from instructvec.checkpoints.weights import weights_digest
from instructvec.errors import CheckpointError, OutputError
from tests.parity.road import embed
from tests.parity.tiny import SENTENCES, TINY, tiny_bert, tiny_t5

TEXTS = list(SENTENCES[5:12])
PROMPT = SENTENCES[1]
# Both sides run the same matrices in float32; only batches differ.
TOLERANCE = 2e-5


def reference(path: Path, prompt: str | None = None) -> np.ndarray:
    sentence_transformers = pytest.importorskip("sentence_transformers")
    with warnings.catch_warnings():
        # Deprecations between sentence-transformers and transformers are not ours.
        warnings.simplefilter("ignore")
        model = sentence_transformers.SentenceTransformer(str(path), device="cpu", local_files_only=True)
        vectors: np.ndarray = model.encode(TEXTS, prompt=prompt)
    return vectors


def as_bin(path: Path) -> None:
    """Turn a checkpoint into the form of 2022: ``.bin`` weights, T5's word embedding twice."""
    for folder in (path, *path.glob("*_Dense")):
        tensors = load_file(folder / "model.safetensors")
        if "shared.weight" in tensors:
            tensors["encoder.embed_tokens.weight"] = tensors["shared.weight"]
        torch.save(tensors, folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()


@pytest.mark.parametrize("family", sorted(TINY))
def test_sentence_transformers_loads_what_is_saved_to_the_same_vectors(tmp_path, family):
    source = TINY[family](tmp_path / "source", include_prompt=False, prompts={"query": "query: "})
    saved = save(read_spec(source), tmp_path / "saved")
    theirs = reference(saved, PROMPT)
    assert np.abs(theirs - reference(source, PROMPT)).max() < TOLERANCE
    assert np.abs(theirs - embed(saved, TEXTS, PROMPT)).max() < TOLERANCE


@pytest.mark.parametrize("gated", [False, True])
def test_a_t5_of_bin_weights_with_a_projection_becomes_safetensors(tmp_path, gated):
    options = {"dense": 24, "dense_bias": False, "dense_activation": "torch.nn.modules.linear.Identity"}
    source = tiny_t5(tmp_path / "instructor-tiny", gated=gated, **options)
    as_bin(source)
    spec = read_spec(source)
    assert spec.joining == "instructor"
    saved = save(spec, tmp_path / "saved")
    assert not list(saved.rglob("*.bin"))
    theirs = reference(saved, PROMPT)
    assert theirs.shape == (len(TEXTS), 24)
    assert np.abs(theirs - embed(source, TEXTS, PROMPT)).max() < TOLERANCE
    assert np.abs(theirs - embed(saved, TEXTS, PROMPT)).max() < TOLERANCE


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_stored_number_types_stay(tmp_path, dtype):
    source = tiny_bert(tmp_path / "source")
    narrow = {name: tensor.to(dtype) for name, tensor in load_file(source / "model.safetensors").items()}
    (source / "model.safetensors").unlink()
    torch.save(narrow, source / "pytorch_model.bin")
    saved = load_file(save(read_spec(source), tmp_path / "saved") / "model.safetensors")
    assert set(saved) == set(narrow)
    assert all(torch.equal(saved[name], narrow[name]) for name in narrow)


def test_a_round_trip_keeps_spec_digest_and_fingerprint(tmp_path):
    source = tiny_t5(
        tmp_path / "instructor-tiny",
        pooling=["mean", "cls"],
        dense=24,
        prompts={"query": "query: "},
        default_prompt_name="query",
        do_lower_case=True,
    )
    (source / "README.md").write_text("# A card\n")
    spec = read_spec(source)
    saved = save(spec, tmp_path / "saved")
    again = read_spec(saved)
    places = {"path": saved, "transformer_folder": saved, "weights_digest": weights_digest(spec)}
    assert again == replace(spec, **places)
    assert weights_digest(again) == weights_digest(spec)
    assert fingerprint(again, "t", "instructor") == fingerprint(spec, "t", "instructor")
    assert (saved / "README.md").read_text() == "# A card\n"
    assert again.pooling.modes == ("cls", "mean")


def test_what_the_spec_says_is_saved_not_what_the_source_said(tmp_path):
    spec = read_spec(tiny_bert(tmp_path / "source", pooling="mean"))
    changed = replace(
        spec,
        joining="prompt",
        max_seq_length=48,
        prompts={"document": "passage: "},
        similarity="dot",
        truncate_dim=16,
        pooling=replace(spec.pooling, modes=("mean", "cls"), include_prompt=False),
    )
    again = read_spec(save(changed, tmp_path / "saved"))
    places = {"path": again.path, "transformer_folder": again.path, "weights_digest": again.weights_digest}
    assert again == replace(changed, **places)
    assert np.abs(reference(again.path) - embed(again.path, TEXTS)[:, :16]).max() < TOLERANCE


def test_graphs_and_further_keys_of_the_manifest_come_along(tmp_path):
    source = tiny_bert(tmp_path / "source")
    (source / "onnx").mkdir()
    (source / "onnx" / "model_int8.onnx").write_bytes(b"graph")
    (source / "onnx" / "model_int8.onnx.data").write_bytes(b"tensors")
    manifest = {"format_version": 1, "onnx": {"int8": "onnx/model_int8.onnx"}, "recipe": "r.toml"}
    (source / "instructvec.json").write_text(json.dumps(manifest))
    saved = save(read_spec(source), tmp_path / "saved")
    assert read_spec(saved).onnx_files == {"int8": saved / "onnx" / "model_int8.onnx"}
    assert (saved / "onnx" / "model_int8.onnx.data").read_bytes() == b"tensors"
    assert json.loads((saved / "instructvec.json").read_text())["recipe"] == "r.toml"


class TestGraphsOnly:
    @pytest.fixture
    def spec(self, tmp_path):
        source = tiny_bert(tmp_path / "source", dense=24)
        (source / "2_Dense" / "model.safetensors").unlink()
        (source / "model.onnx").write_bytes(b"graph")
        manifest = {"format_version": 1, "weights_digest": "ab", "onnx": {"int8": "model.onnx"}}
        (source / "instructvec.json").write_text(json.dumps(manifest))
        (source / "model.safetensors").unlink()
        return read_spec(source)

    def test_is_refused_with_the_reason(self, tmp_path, spec):
        with pytest.raises(OutputError, match="sentence-transformers could not load"):
            save(spec, tmp_path / "saved")
        assert not (tmp_path / "saved").exists()

    def test_is_copied_on_request(self, tmp_path, spec):
        again = read_spec(save(spec, tmp_path / "saved", graphs_only=True))
        assert (again.has_weights, again.weights_digest, again.dimension) == (False, "ab", 24)


class TestRefusals:
    def test_a_directory_that_holds_something(self, tmp_path):
        spec = read_spec(tiny_bert(tmp_path / "source"))
        (tmp_path / "taken").mkdir()
        (tmp_path / "taken" / "notes.txt").write_text("mine")
        with pytest.raises(OutputError, match="exists already and is not empty"):
            save(spec, tmp_path / "taken")
        assert [entry.name for entry in (tmp_path / "taken").iterdir()] == ["notes.txt"]

    def test_a_file(self, tmp_path):
        (tmp_path / "taken").write_text("mine")
        with pytest.raises(OutputError, match="exists already"):
            save(read_spec(tiny_bert(tmp_path / "source")), tmp_path / "taken")
        assert (tmp_path / "taken").read_text() == "mine"

    def test_an_empty_directory_and_missing_parents_are_fine(self, tmp_path):
        spec = read_spec(tiny_bert(tmp_path / "source"))
        (tmp_path / "empty").mkdir()
        assert read_spec(save(spec, tmp_path / "empty")).has_weights
        assert read_spec(save(spec, tmp_path / "new" / "deep")).has_weights

    def test_a_full_disk_leaves_nothing(self, tmp_path, monkeypatch):
        spec = read_spec(tiny_bert(tmp_path / "source"))

        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(saving, "write_safetensors", full)
        with pytest.raises(OutputError, match="No space left on device"):
            save(spec, tmp_path / "saved")
        assert [entry.name for entry in tmp_path.iterdir()] == ["source"]

    @pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
    def test_an_interruption_leaves_nothing(self, tmp_path, monkeypatch, error):
        spec = read_spec(tiny_bert(tmp_path / "source"))

        def interrupted(*_: object) -> None:
            raise error

        monkeypatch.setattr(saving, "_write_manifest", interrupted)
        with pytest.raises(error):
            save(spec, tmp_path / "saved")
        assert [entry.name for entry in tmp_path.iterdir()] == ["source"]

    def test_a_damaged_source_is_told_as_such(self, tmp_path):
        source = tiny_bert(tmp_path / "source")
        (source / "model.safetensors").write_bytes(b"short")
        with pytest.raises(CheckpointError, match="truncated"):
            save(read_spec(source), tmp_path / "saved")
        assert not (tmp_path / "saved").exists()
