"""The trained encoder: the engine's vectors, gradients where they belong, and weights in and out unchanged."""

import json
import warnings

import numpy as np
import pytest
import torch

from instructvec import Embedder
from instructvec.checkpoints.layout import read_spec
from instructvec.engines.torch import TorchEngine
from instructvec.errors import CheckpointError, ConfigError
from instructvec.training.encoder import open_encoder
from instructvec.training.options import Lora, ModelOptions
from instructvec.training.saving import save_model
from instructvec.types import Batch
from tests.parity.tiny import TINY, tiny_bert, tiny_modernbert, tiny_qwen3, tiny_t5
from tests.training.encoders import (
    FAMILIES,
    INSTRUCTION,
    TEXTS,
    backward,
    gradients,
    loss_of,
    moved,
    opened,
    sub_batches,
    vectors_of,
)


def is_of_keys(name):
    """A bias that shifts all scores of a row alike, so that its gradient is zero."""
    return name.endswith(("key.bias", ".k.bias"))


@pytest.fixture(params=sorted(FAMILIES))
def path(request, tmp_path):
    return FAMILIES[request.param](tmp_path / "model")


@pytest.mark.parametrize("family", sorted(TINY))
def test_vectors_are_those_of_the_engine(tmp_path, family):
    path = TINY[family](tmp_path / "model", dense=24)
    encoder = opened(path)
    engine = TorchEngine(encoder.spec, device="cpu")
    encoder.eval()
    for rows, sub in sub_batches(encoder, max_batch_tokens=300):
        batch = Batch(sub.ids.numpy(), sub.attention_mask.numpy(), sub.pooling_mask.numpy(), rows)
        np.testing.assert_allclose(encoder(sub).detach().numpy(), engine.run(batch), atol=1e-6)


@pytest.mark.parametrize("joining", ["exact", "prompt", "instructor"])
def test_vectors_are_those_of_the_embedder(path, joining):
    embedder = Embedder(path, joining=joining, backend="torch", device="cpu")
    expected = embedder.encode(TEXTS, INSTRUCTION)
    encoder = opened(path, joining=joining)
    if joining == "prompt":  # the recipe's include_prompt stands over the checkpoint's
        assert not encoder.spec.pooling.include_prompt
        assert embedder._spec.pooling.include_prompt
        encoder = opened(path, joining=joining, include_prompt=True)
    np.testing.assert_allclose(vectors_of(encoder), expected, atol=1e-6)


def test_vectors_have_length_one_where_the_checkpoint_has_no_normalize(tmp_path):
    encoder = opened(tiny_bert(tmp_path / "model", normalize=False))
    assert not encoder.spec.normalize
    assert torch.allclose(vectors_of(encoder).norm(dim=1), torch.ones(len(TEXTS)))


class TestGradients:
    def test_reach_every_parameter(self, path):
        encoder = opened(path)
        backward(encoder)
        named = encoder.trained_parameters()
        assert {name for name, _ in named} == encoder.weights().keys()
        assert [name for name, one in named if one.grad is None or not (one.grad.any() or is_of_keys(name))] == []
        assert all(one.dtype == torch.float32 for _, one in named)

    def test_are_those_of_sentence_transformers(self, path):
        sentence_transformers = pytest.importorskip("sentence_transformers")
        encoder = opened(path)
        (_, sub), *_ = sub_batches(encoder)
        backward(encoder)
        ours = gradients(encoder)
        saved = save_model(encoder.spec, encoder.weights(), path.parent / "saved", card="", extra={})
        with warnings.catch_warnings():
            # Deprecations between sentence-transformers and transformers are not ours.
            warnings.simplefilter("ignore")
            theirs = sentence_transformers.SentenceTransformer(str(saved), device="cpu", local_files_only=True)
            head = int(sub.pooling_mask[0].int().argmax())
            features = {"input_ids": sub.ids, "attention_mask": sub.attention_mask.long(), "prompt_length": head}
            loss_of(theirs.eval()(features)["sentence_embedding"]).backward()
        parameters = dict(theirs[0].auto_model.named_parameters())
        for name, gradient in ours.items():
            one = theirs[2].linear.weight if name == "dense.0.weight" else parameters[name]
            # Sums of some hundred float32 products in another order.
            torch.testing.assert_close(gradient, one.grad, atol=2e-5, rtol=1e-3)

    def test_of_frozen_parameters_are_none_and_the_parameters_stay(self, path):
        encoder = opened(path, freeze_embeddings=True, freeze_layers=1)
        before = encoder.weights()
        backward(encoder)
        trained = dict(encoder.trained_parameters())
        assert all(one.grad is not None for one in trained.values())
        assert all(one.grad is None for one in encoder.parameters() if not one.requires_grad)
        torch.optim.SGD(encoder.parameters(), lr=0.1).step()
        after = encoder.weights()
        changed = {name for name in before if not torch.equal(before[name], after[name])}
        assert changed <= trained.keys()
        assert all(map(is_of_keys, trained.keys() - changed))
        assert not any(name.startswith(("embeddings", "shared")) for name in trained)
        assert not any(".layer.0." in name and "encoder.block" not in name for name in trained)
        assert not any("block.0." in name or "relative_attention_bias" in name for name in trained)
        assert any(".1." in name for name in trained)

    @pytest.mark.parametrize("family", [*sorted(FAMILIES), "modernbert", "qwen3"])
    @pytest.mark.parametrize("dropout", [0.0, 0.3])
    def test_are_the_same_where_layers_are_computed_again(self, tmp_path, family, dropout):
        builders = FAMILIES | {"modernbert": tiny_modernbert, "qwen3": tiny_qwen3}
        path = builders[family](tmp_path / "model")
        found = []
        for again in (False, True):
            encoder = opened(path, gradient_checkpointing=again, dropout=dropout)
            torch.manual_seed(3)
            loss = backward(encoder)
            found.append((loss, gradients(encoder)))
        (loss, kept), (loss_again, again) = found
        assert torch.equal(loss, loss_again)
        assert kept.keys() == again.keys()
        assert all(torch.allclose(kept[name], again[name], atol=1e-6) for name in kept)

    def test_checkpointing_keeps_less(self, tmp_path):
        path = tiny_bert(tmp_path / "model")
        kept = []
        for again in (False, True):
            n_bytes = 0

            def pack(tensor):
                nonlocal n_bytes
                n_bytes += tensor.nbytes
                return tensor

            encoder = opened(path, gradient_checkpointing=again)
            with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
                backward(encoder)
            kept.append(n_bytes)
        # Counted where they are kept: the inner passes on the way back are not seen from outside.
        assert kept[1] < kept[0] / 2


class TestBfloat16:
    def test_vectors_are_float32_and_near(self, path):
        encoder = opened(path)
        (_, sub), *_ = sub_batches(encoder)
        exact = encoder(sub)
        with torch.autocast("cpu", torch.bfloat16):
            rounded = encoder(sub)
        assert rounded.dtype == torch.float32
        assert torch.allclose(rounded.norm(dim=1), torch.ones(len(rounded)), atol=1e-6)
        # Weights far larger than a trained model's: its own rounding, not a fault, sets this bound.
        assert (exact * rounded).sum(1).min() > 0.97

    @pytest.mark.parametrize("again", [False, True])
    def test_gradients_are_float32_and_reach_everything(self, path, again):
        encoder = opened(path, gradient_checkpointing=again)
        with torch.autocast("cpu", torch.bfloat16):
            backward(encoder)
        found = gradients(encoder)
        assert all(one.dtype == torch.float32 and one.isfinite().all() and one.any() for one in found.values())


class TestOptions:
    def test_the_spec_is_what_was_asked_for(self, tmp_path):
        path = tiny_bert(tmp_path / "instructor-tiny", prompts={"query": "q: "})
        (path / "onnx").mkdir()
        (path / "onnx" / "model.onnx").write_bytes(b"graph")
        manifest = {"format_version": 1, "onnx": {"float32": "onnx/model.onnx"}}
        (path / "instructvec.json").write_text(json.dumps(manifest))
        spec = opened(path, joining="exact", max_seq_length=32).spec
        assert (spec.joining, spec.max_seq_length, spec.prompts) == ("exact", 32, {"query": "q: "})
        assert not spec.pooling.include_prompt
        assert not spec.onnx_files
        assert spec.has_weights

    @pytest.mark.parametrize("family", ["bert", "t5", "modernbert", "distilbert", "qwen3"])
    def test_dropout_is_the_one_asked_for(self, tmp_path, family):
        path = TINY[family](tmp_path / "model")
        still = opened(path, dropout=0.0)
        (_, sub), *_ = sub_batches(still)
        assert torch.equal(still(sub), still(sub))
        dropping = opened(path, dropout=0.5)
        assert not torch.allclose(dropping(sub), dropping(sub), atol=1e-3)
        own = opened(path, dropout=None)
        has_own = family in {"bert", "t5", "distilbert"}
        assert torch.equal(own(sub), own(sub)) != has_own

    @pytest.mark.parametrize(
        ("options", "match"),
        [
            ({"max_seq_length": 999}, "max_seq_length is 999; this checkpoint allows 1 to 128"),
            ({"include_prompt": True, "joining": "exact"}, "include_prompt is true.*joining"),
            ({"freeze_layers": 3}, "freeze_layers is 3; model has 2 layers"),
            ({"freeze_layers": 2, "freeze_embeddings": True}, "leave nothing of model to train"),
        ],
    )
    def test_refused(self, tmp_path, options, match):
        with pytest.raises(ConfigError, match=match):
            opened(tiny_bert(tmp_path / "model"), **options)

    def test_everything_frozen_but_a_projection_is_allowed(self, tmp_path):
        encoder = opened(FAMILIES["t5"](tmp_path / "model"), freeze_layers=2, freeze_embeddings=True)
        assert [name for name, _ in encoder.trained_parameters()] == [
            "encoder.final_layer_norm.weight",
            "dense.0.weight",
        ]

    def test_a_model_without_float_weights_is_trained_from_those_of_its_graph(self):
        encoder = open_encoder(ModelOptions("bundled"))
        assert encoder.spec.has_weights
        assert encoder.spec.architecture.n_positions == encoder.spec.max_seq_length == 256

    def test_no_model(self, tmp_path):
        with pytest.raises(CheckpointError, match="no such directory"):
            opened(tmp_path / "absent")


class TestWeights:
    def test_have_the_names_and_values_of_the_checkpoint(self, path):
        from instructvec.checkpoints.weights import load_dense, load_weights

        spec = read_spec(path)
        expected = dict(load_weights(spec))
        for index in range(len(spec.dense)):
            expected[f"dense.{index}.weight"], _ = load_dense(spec, index)
        found = opened(path).weights()
        assert found.keys() == expected.keys()
        assert all(np.array_equal(found[name].numpy(), expected[name]) for name in found)

    def test_are_copies(self, path):
        encoder = opened(path)
        before = encoder.weights()
        kept = {name: one.clone() for name, one in before.items()}
        moved(encoder)
        assert all(torch.equal(before[name], kept[name]) for name in kept)

    @pytest.mark.parametrize("lora", [None, Lora(rank=2)])
    def test_loaded_into_another_encoder_give_the_same_vectors(self, path, lora):
        trained = moved(opened(path, lora=lora))
        other = moved(opened(path, lora=lora), seed=9)
        assert not torch.allclose(vectors_of(other), vectors_of(trained), atol=1e-2)
        other.load(trained.weights())
        assert torch.allclose(vectors_of(other), vectors_of(trained), atol=1e-5)

    def test_of_another_model_change_nothing(self, tmp_path):
        encoder = opened(tiny_bert(tmp_path / "model"))
        before = encoder.weights()
        other = {name: one + 1 for name, one in before.items()}
        for wrong, named in (
            ({name: one for name, one in other.items() if "pos" not in name}, "position_embeddings"),
            (other | {"head.weight": torch.zeros(1)}, "head.weight"),
            (other | {"embeddings.LayerNorm.bias": torch.zeros(3)}, "LayerNorm.bias"),
        ):
            with pytest.raises(CheckpointError, match=f"1 weights are missing.*{named}"):
                encoder.load(wrong)
            after = encoder.weights()
            assert all(torch.equal(before[name], after[name]) for name in before)

    def test_trained_parameters_are_all_that_training_changes(self, path):
        for lora in (None, Lora(rank=2)):
            trained = moved(opened(path, lora=lora))
            state = {name: one.detach().clone() for name, one in trained.trained_parameters()}
            other = opened(path, lora=lora, seed=5)
            with torch.no_grad():
                for name, one in other.trained_parameters():
                    one.copy_(state[name])
            assert torch.equal(vectors_of(other), vectors_of(trained))

    @pytest.mark.parametrize("gated", [False, True])
    def test_t5_has_one_word_embedding(self, tmp_path, gated):
        encoder = opened(tiny_t5(tmp_path / "model", gated=gated))
        backward(encoder)
        weight = dict(encoder.trained_parameters())["shared.weight"]
        assert encoder.encoder.encoder.embed_tokens.weight is weight
        assert weight.grad.any()
