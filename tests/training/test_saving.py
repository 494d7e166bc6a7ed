"""A trained model's directory: the same vectors here and in sentence-transformers, and never half of it."""

import errno
import json
import warnings

import numpy as np
import pytest
import torch

from instructvec import Embedder
from instructvec.checkpoints import save as saving
from instructvec.checkpoints.layout import read_spec
from instructvec.engines.export import export
from instructvec.errors import CheckpointError, OutputError
from instructvec.training.options import Lora
from instructvec.training.saving import save_model
from tests.parity.tiny import tiny_bert
from tests.training.encoders import FAMILIES, INSTRUCTION, TEXTS, moved, opened, vectors_of

# Unit vectors; the same matrices in float32, batches cut differently.
TOLERANCE = 1e-5


@pytest.fixture(params=sorted(FAMILIES))
def path(request, tmp_path):
    return FAMILIES[request.param](tmp_path / "model", prompts={"query": INSTRUCTION})


def saved(encoder, path, *, card="# A card\n", extra=None):
    return save_model(encoder.spec, encoder.weights(), path, card=card, extra=extra or {})


def reference(path, prompt):
    sentence_transformers = pytest.importorskip("sentence_transformers")
    with warnings.catch_warnings():
        # Deprecations between sentence-transformers and transformers are not ours.
        warnings.simplefilter("ignore")
        model = sentence_transformers.SentenceTransformer(str(path), device="cpu", local_files_only=True)
        return model.encode(TEXTS, prompt=prompt)


@pytest.mark.parametrize("lora", [None, Lora(rank=2)])
@pytest.mark.parametrize("instruction", [INSTRUCTION, None])
def test_same_vectors_in_the_embedder_and_in_sentence_transformers(tmp_path, path, lora, instruction):
    encoder = moved(opened(path, lora=lora))
    expected = vectors_of(encoder, TEXTS, instruction).numpy()
    model = saved(encoder, tmp_path / "saved")
    embedder = Embedder(model, backend="torch", device="cpu")
    np.testing.assert_allclose(embedder.encode(TEXTS, instruction), expected, atol=TOLERANCE)
    np.testing.assert_allclose(reference(model, instruction), expected, atol=TOLERANCE)
    assert (
        np.abs(Embedder(path, joining="prompt", backend="torch").encode(TEXTS, instruction) - expected).max()
        > 0.01
    )


@pytest.mark.parametrize("joining", ["exact", "instructor"])
def test_the_joining_is_kept(tmp_path, path, joining):
    encoder = moved(opened(path, joining=joining))
    embedder = Embedder(saved(encoder, tmp_path / "saved"), backend="torch", device="cpu")
    assert embedder.joining == joining
    np.testing.assert_allclose(embedder.encode(TEXTS, INSTRUCTION), vectors_of(encoder), atol=TOLERANCE)


def test_including_the_prompt_is_kept(tmp_path):
    encoder = moved(opened(tiny_bert(tmp_path / "model"), include_prompt=True))
    model = saved(encoder, tmp_path / "saved")
    expected = vectors_of(encoder).numpy()
    np.testing.assert_allclose(
        Embedder(model, backend="torch").encode(TEXTS, INSTRUCTION), expected, atol=TOLERANCE
    )
    np.testing.assert_allclose(reference(model, INSTRUCTION), expected, atol=TOLERANCE)


def test_same_vectors_once_exported(tmp_path, path):
    encoder = moved(opened(path, joining="exact"))
    exported = tmp_path / "exported"
    export(saved(encoder, tmp_path / "saved"), exported, dtypes=["float32"], texts=TEXTS)
    embedder = Embedder(exported, backend="onnx")
    np.testing.assert_allclose(embedder.encode(TEXTS, INSTRUCTION), vectors_of(encoder), atol=TOLERANCE)
    assert json.loads((exported / "instructvec.json").read_text())["fingerprint"] == embedder.fingerprint


def test_a_model_without_normalize_keeps_its_lengths(tmp_path):
    encoder = moved(opened(tiny_bert(tmp_path / "model", normalize=False)))
    found = Embedder(saved(encoder, tmp_path / "saved"), backend="torch").encode(TEXTS, INSTRUCTION)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    assert np.abs(lengths - 1).max() > 0.1
    np.testing.assert_allclose(found / lengths, vectors_of(encoder), atol=TOLERANCE)


def test_what_stands_beside_the_weights(tmp_path):
    path = tiny_bert(tmp_path / "model")
    (path / "README.md").write_text("# The start's card\n")
    (path / "LICENSE").write_text("Apache\n")
    (path / "onnx").mkdir()
    (path / "onnx" / "model.onnx").write_bytes(b"graph of the old weights")
    manifest = {"format_version": 1, "onnx": {"float32": "onnx/model.onnx"}, "recipe": {"name": "of the start"}}
    (path / "instructvec.json").write_text(json.dumps(manifest))
    model = saved(moved(opened(path, joining="exact")), tmp_path / "saved", extra={"recipe": {"name": "mine"}})
    assert (model / "README.md").read_text() == "# A card\n"
    assert (model / "LICENSE").read_text() == "Apache\n"
    assert not (model / "onnx").exists()
    content = json.loads((model / "instructvec.json").read_text())
    embedder = Embedder(model, backend="torch")
    assert content["recipe"] == {"name": "mine"}
    assert (content["joining"], content["fingerprint"]) == ("exact", embedder.fingerprint)
    assert embedder.fingerprint != Embedder(path, joining="exact", backend="torch").fingerprint


def test_weights_are_written_as_float32_whatever_the_start_has(tmp_path):
    from safetensors.torch import load_file, save_file

    path = tiny_bert(tmp_path / "model")
    tensors = {name: one.half() for name, one in load_file(path / "model.safetensors").items()}
    save_file(tensors, path / "model.safetensors", metadata={"format": "pt"})
    encoder = moved(opened(path))
    model = saved(encoder, tmp_path / "saved")
    written = load_file(model / "model.safetensors")
    assert {one.dtype for one in written.values()} == {torch.float32}
    assert written.keys() == tensors.keys()  # the pooler too, which sentence-transformers would draw at random
    assert all(torch.equal(one, written[name]) for name, one in encoder.weights().items())
    np.testing.assert_allclose(reference(model, INSTRUCTION), vectors_of(encoder), atol=TOLERANCE)


def test_a_saved_model_can_be_trained_on(tmp_path, path):
    encoder = moved(opened(path))
    again = opened(saved(encoder, tmp_path / "saved"))
    assert all(torch.equal(one, again.weights()[name]) for name, one in encoder.weights().items())
    assert read_spec(tmp_path / "saved").dense == again.spec.dense


class TestRefusals:
    @pytest.fixture
    def encoder(self, tmp_path):
        return opened(FAMILIES["t5"](tmp_path / "model"))

    @pytest.mark.parametrize("value", [float("nan"), float("inf")])
    @pytest.mark.parametrize("name", ["shared.weight", "dense.0.weight"])
    def test_a_weight_that_is_no_number(self, tmp_path, encoder, name, value):
        weights = encoder.weights()
        weights[name][0, 0] = value
        with pytest.raises(OutputError, match=f"{name}.*NaN or infinity"):
            save_model(encoder.spec, weights, tmp_path / "saved", card="", extra={})
        assert not (tmp_path / "saved").exists()

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            (lambda weights: weights.pop("dense.0.weight"), "no new values for the tensor 'dense.0.weight'"),
            (lambda weights: weights.pop("shared.weight"), "no new values for the tensor 'shared.weight'"),
            (lambda weights: weights.update(head=torch.zeros(1)), "has no tensor 'head'"),
            (lambda weights: weights.update({"shared.weight": torch.zeros(1)}), "shape"),
        ],
    )
    def test_weights_of_another_model(self, tmp_path, encoder, change, match):
        weights = encoder.weights()
        change(weights)
        with pytest.raises(CheckpointError, match=match):
            save_model(encoder.spec, weights, tmp_path / "saved", card="", extra={})
        assert not (tmp_path / "saved").exists()

    def test_a_taken_path(self, tmp_path, encoder):
        (tmp_path / "saved").mkdir()
        (tmp_path / "saved" / "notes.txt").write_text("mine")
        with pytest.raises(OutputError, match="exists already"):
            saved(encoder, tmp_path / "saved")
        assert [one.name for one in (tmp_path / "saved").iterdir()] == ["notes.txt"]

    def test_a_full_disk_leaves_nothing(self, tmp_path, encoder, monkeypatch):
        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(saving, "_write_dense", full)
        with pytest.raises(OutputError, match="No space left on device"):
            saved(encoder, tmp_path / "saved")
        assert [one.name for one in tmp_path.iterdir()] == ["model"]
