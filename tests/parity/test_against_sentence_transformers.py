"""The torch engine gives sentence-transformers' vectors for every family, pooling and chain."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest

from instructvec import Embedder
from tests.parity.tiny import LONG_TEXT, SENTENCES, TINY, tiny_bert, tiny_qwen3, tiny_t5

sentence_transformers = pytest.importorskip("sentence_transformers")

# float32 on both sides, other orders of summation: measured below 1e-6; ten times the room.
TOLERANCE = 2e-5
PROMPT = "Represent the Medicine sentence for retrieval: "
TEXTS = [*SENTENCES[5:12], "a", LONG_TEXT]

# LONG_TEXT is cut by both sides; ours says so.
pytestmark = pytest.mark.filterwarnings("ignore::instructvec.errors.TruncationWarning")


def embed(path: Path, texts: list[str], prompt: str | None = None) -> np.ndarray:
    embedder = Embedder(path, backend="torch", device="cpu")
    return embedder.encode(texts, prompt, max_batch_tokens=300)


def reference(path: Path, texts: list[str], prompt: str | None = None, **options: object) -> np.ndarray:
    with warnings.catch_warnings():
        # Deprecations between sentence-transformers and transformers are not ours.
        warnings.simplefilter("ignore")
        model = sentence_transformers.SentenceTransformer(str(path), device="cpu", local_files_only=True)
        return model.encode(texts, prompt=prompt, batch_size=3, **options)


@pytest.mark.parametrize("family", sorted(TINY))
@pytest.mark.parametrize("include_prompt", [True, False])
@pytest.mark.parametrize("prompt", [None, PROMPT])
def test_same_vectors_for_every_family(tmp_path, family, include_prompt, prompt):
    path = TINY[family](tmp_path / "model", include_prompt=include_prompt)
    ours, theirs = embed(path, TEXTS, prompt), reference(path, TEXTS, prompt)
    assert np.abs(ours - theirs).max() < TOLERANCE
    # Texts that all gave the same vector would agree for nothing.
    assert np.linalg.norm(ours[0] - ours[1]) > 0.05


@pytest.mark.parametrize(
    "pooling",
    [
        "mean",
        "cls",
        "max",
        "lasttoken",
        "weightedmean",
        "mean_sqrt_len",
        ["cls", "mean"],
        ["max", "mean", "lasttoken"],
    ],
)
@pytest.mark.parametrize("normalize", [True, False])
def test_same_vectors_for_every_pooling(tmp_path, pooling, normalize):
    path = tiny_bert(tmp_path / "model", pooling=pooling, normalize=normalize)
    ours, theirs = embed(path, TEXTS, PROMPT), reference(path, TEXTS, PROMPT)
    assert ours.shape == theirs.shape
    # Unnormalised sums grow with the length of the text: compared relative to the vector.
    assert np.abs(ours - theirs).max() < TOLERANCE * max(1.0, np.abs(theirs).max())


@pytest.mark.parametrize("pooling", ["max", "weightedmean"])
def test_same_vectors_where_the_prompt_leaves_the_pooling(tmp_path, pooling):
    path = tiny_bert(tmp_path / "model", pooling=pooling, include_prompt=False)
    assert np.abs(embed(path, TEXTS, PROMPT) - reference(path, TEXTS, PROMPT)).max() < TOLERANCE


@pytest.mark.parametrize(
    "activation",
    [
        "torch.nn.modules.linear.Identity",
        *(f"torch.nn.modules.activation.{name}" for name in ("Tanh", "ReLU", "GELU", "Sigmoid", "SiLU")),
    ],
)
@pytest.mark.parametrize("bias", [True, False])
def test_same_vectors_through_a_projection(tmp_path, activation, bias):
    path = tiny_t5(tmp_path / "model", dense=24, dense_bias=bias, dense_activation=activation)
    ours, theirs = embed(path, TEXTS, PROMPT), reference(path, TEXTS, PROMPT)
    assert ours.shape == (len(TEXTS), 24)
    assert np.abs(ours - theirs).max() < TOLERANCE


def test_same_vectors_for_a_bare_encoder(tmp_path):
    path = tiny_bert(tmp_path / "model")
    for file in ("modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"):
        (path / file).unlink()
    # Without a Normalize; 128 positions and a tokenizer limit of 512.
    ours, theirs = embed(path, TEXTS), reference(path, TEXTS)
    assert np.abs(ours - theirs).max() < TOLERANCE * np.abs(theirs).max()


def test_same_vectors_for_a_bare_decoder_with_a_language_model_head(tmp_path):
    import json

    path = tiny_qwen3(tmp_path / "model")
    (path / "modules.json").unlink()
    config = json.loads((path / "config.json").read_text())
    config["architectures"] = ["Qwen3ForCausalLM"]
    (path / "config.json").write_text(json.dumps(config))
    ours, theirs = embed(path, TEXTS), reference(path, TEXTS)
    assert np.abs(ours - theirs).max() < TOLERANCE * np.abs(theirs).max()


def test_same_vectors_where_sentence_transformers_lower_cases(tmp_path):
    path = TINY["roberta"](tmp_path / "model", do_lower_case=True)
    assert np.abs(embed(path, TEXTS, PROMPT) - reference(path, TEXTS, PROMPT)).max() < TOLERANCE
