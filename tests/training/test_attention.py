"""Which attention is set: plain on the CPU under bfloat16 for short texts, scaled-dot-product otherwise."""

import pytest
import torch

from tests.parity.tiny import tiny_bert, tiny_mpnet
from tests.training.encoders import TEXTS, backward, gradients, opened, sub_batches


def attention_of(encoder, *, bfloat16, texts=TEXTS):
    (_, sub), *_ = sub_batches(encoder, texts)
    with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
        encoder(sub)
    return encoder.encoder.config._attn_implementation


def test_depends_on_the_number_type(tmp_path):
    encoder = opened(tiny_bert(tmp_path / "model"))
    assert [attention_of(encoder, bfloat16=one) for one in (False, True, True, False)] == [
        *("sdpa", "eager", "eager", "sdpa")
    ]


def test_depends_on_the_length(tmp_path, monkeypatch):
    encoder = opened(tiny_bert(tmp_path / "model"))
    monkeypatch.setattr("instructvec.training.attention._MAX_TOKENS", 30)
    assert attention_of(encoder, bfloat16=True, texts=["a"]) == "eager"
    assert attention_of(encoder, bfloat16=True, texts=["a " * 40]) == "sdpa"


def test_stays_where_layers_are_computed_again(tmp_path):
    encoder = opened(tiny_bert(tmp_path / "model"), gradient_checkpointing=True)
    assert attention_of(encoder, bfloat16=True) == "sdpa"


def test_stays_where_there_is_only_one(tmp_path):
    encoder = opened(tiny_mpnet(tmp_path / "model"))
    assert [attention_of(encoder, bfloat16=one) for one in (False, True)] == ["eager", "eager"]


@pytest.mark.parametrize("bfloat16", [False, True])
def test_gives_the_same_gradient(tmp_path, monkeypatch, bfloat16):
    path = tiny_bert(tmp_path / "model")
    found = []
    for limit in (0, 128):
        monkeypatch.setattr("instructvec.training.attention._MAX_TOKENS", limit)
        encoder = opened(path)
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            backward(encoder)
        found.append(torch.cat([one.flatten() for one in gradients(encoder).values()]).double())
    # bfloat16 keeps 8 bits, rounded at other places.
    assert torch.cosine_similarity(*found, dim=0) > (0.995 if bfloat16 else 1 - 1e-9)
