"""How deep a weight lies, by its name, in every family."""

import pytest
import torch

from instructvec.checkpoints.layout import read_spec
from instructvec.training.layers import depth_of, is_frozen, layers_of
from tests.parity.tiny import TINY, tiny_mpnet
from tests.training.encoders import opened


@pytest.mark.parametrize("family", sorted(TINY))
def test_every_weight_has_its_depth(tmp_path, family):
    encoder = opened(TINY[family](tmp_path / "model", dense=24))
    spec = encoder.spec
    n = spec.architecture.n_layers
    depths = {name: depth_of(name, spec) for name in encoder.weights()}
    assert {depth for name, depth in depths.items() if name.startswith("dense.")} == {n + 1}
    assert set(depths.values()) == set(range(n + 2))
    for name, depth in depths.items():
        number = next((int(part) for part in name.split(".") if part.isdigit()), None)
        if not name.startswith("dense.") and number is not None:
            assert depth == number + 1
    assert any((depth == 0 and "embed" in name) or "shared" in name for name, depth in depths.items())


@pytest.mark.parametrize("family", sorted(TINY))
def test_layers_are_found(tmp_path, family):
    encoder = opened(TINY[family](tmp_path / "model"))
    layers = layers_of(encoder.encoder, encoder.spec)
    assert len(layers) == encoder.spec.architecture.n_layers
    assert all(isinstance(layer, torch.nn.Module) for layer in layers)


def test_a_bias_that_layers_share_is_the_first_ones(tmp_path):
    spec = read_spec(tiny_mpnet(tmp_path / "model"))
    name = "encoder.relative_attention_bias.weight"
    assert depth_of(name, spec) == 1
    assert not is_frozen(name, spec, freeze_embeddings=True, freeze_layers=0)
    assert is_frozen(name, spec, freeze_embeddings=False, freeze_layers=1)
