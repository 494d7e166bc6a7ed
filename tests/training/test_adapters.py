"""Low-rank adapters: nothing at the start, the same folded as beside, only where they belong."""

import pytest
import torch

from instructvec.errors import ConfigError, MissingExtra
from instructvec.training.adapters import adapted, plain_name
from instructvec.training.options import Lora
from tests.parity.tiny import TINY, tiny_bert
from tests.training.encoders import FAMILIES, backward, gradients, moved, opened, vectors_of


@pytest.fixture(params=sorted(FAMILIES))
def path(request, tmp_path):
    return FAMILIES[request.param](tmp_path / "model")


def test_add_nothing_at_the_start(path):
    assert torch.allclose(vectors_of(opened(path, lora=Lora(rank=4))), vectors_of(opened(path)), atol=1e-6)


@pytest.mark.parametrize("family", sorted(TINY))
def test_folded_are_what_they_are_beside(tmp_path, family):
    path = TINY[family](tmp_path / "model")
    adapting = moved(opened(path, lora=Lora(rank=4, alpha=6.0)))
    plain = opened(path)
    before = vectors_of(plain)
    plain.load(adapting.weights())
    assert not torch.allclose(vectors_of(adapting), before, atol=1e-2)
    # Matrix products in another order, float32.
    assert torch.allclose(vectors_of(adapting), vectors_of(plain), atol=1e-5)


def test_add_alpha_over_rank_times_their_product(tmp_path):
    path = tiny_bert(tmp_path / "model")
    adapting = moved(opened(path, lora=Lora(rank=4, alpha=6.0)))
    name = "encoder.layer.1.attention.self.value"
    parameters = dict(adapting.trained_parameters())
    a, b = parameters[f"{name}.lora_A"], parameters[f"{name}.lora_B"]
    added = adapting.weights()[f"{name}.weight"] - opened(path).weights()[f"{name}.weight"]
    assert torch.allclose(added, 6.0 / 4 * b @ a, atol=1e-6)


def test_and_projections_are_all_that_is_trained(path):
    encoder = opened(path, lora=Lora(rank=2))
    names = [name for name, _ in encoder.trained_parameters()]
    assert all(name.endswith(("lora_A", "lora_B")) or name.startswith("dense.") for name in names)
    assert len(names) == len(set(names))
    n_dense = sum(len(list(one.parameters())) for one in encoder.projections)
    assert len(names) == 2 * len(list(adapted(encoder.encoder))) + n_dense
    backward(encoder)
    # B is zero at the start, so A's gradient is too.
    assert all(one.any() for name, one in gradients(encoder).items() if not name.endswith("lora_A"))


def test_of_frozen_layers_there_are_none(path):
    encoder = opened(path, lora=Lora(rank=2), freeze_layers=1)
    names = [name for name, _ in adapted(encoder.encoder)]
    assert names
    assert all(".1." in name for name in names)


def test_stand_where_they_are_asked_for(tmp_path):
    path = tiny_bert(tmp_path / "model")
    encoder = opened(path, lora=Lora(rank=2, targets=("query", "attention.output.dense")))
    assert sorted(name for name, _ in adapted(encoder.encoder)) == [
        f"encoder.layer.{layer}.attention.{part}.weight"
        for layer in (0, 1)
        for part in ("output.dense", "self.query")
    ]


def test_every_linear_layer_has_one_by_default(tmp_path):
    encoder = opened(tiny_bert(tmp_path / "model"), lora=Lora(rank=2))
    assert len(list(adapted(encoder.encoder))) == 2 * 6


@pytest.mark.parametrize("again", [False, True])
def test_are_trained_under_bfloat16_and_checkpointing(path, again):
    encoder = moved(opened(path, lora=Lora(rank=2, dropout=0.1), gradient_checkpointing=again))
    with torch.autocast("cpu", torch.bfloat16):
        backward(encoder)
    assert all(one.dtype == torch.float32 and one.any() for one in gradients(encoder).values())


def test_an_unknown_target_is_refused_with_the_nearest(tmp_path):
    with pytest.raises(ConfigError, match="lora.targets has 'qery'.*Did you mean 'query'"):
        opened(tiny_bert(tmp_path / "model"), lora=Lora(targets=("qery",)))


def test_no_layer_left(tmp_path):
    with pytest.raises(ConfigError, match="leaves no layer for adapters"):
        opened(tiny_bert(tmp_path / "model"), lora=Lora(), freeze_layers=2)


def test_without_peft(tmp_path, monkeypatch):
    path = tiny_bert(tmp_path / "model")
    monkeypatch.setattr("instructvec.extras.has", lambda package: package != "peft")
    with pytest.raises(MissingExtra, match=r"pip install 'instructvec\[train\]'"):
        opened(path, lora=Lora())


def test_names_without_adapters():
    assert plain_name("encoder.layer.0.output.dense.bias") == "encoder.layer.0.output.dense.bias"
