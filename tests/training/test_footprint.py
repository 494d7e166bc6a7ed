"""How much fits into one graph: estimates at least what autograd keeps, and a batch cut accordingly."""

import pytest
import torch

from instructvec.training import footprint, step
from instructvec.training.collate import SubBatch
from instructvec.training.footprint import Footprint, memory_for_graphs
from instructvec.training.options import ModelOptions
from instructvec.training.trainer import train
from tests.parity.tiny import TINY
from tests.training.runs import lines, mixture, tiny_recipe


def sub_batch(rows, tokens):
    return SubBatch(*(torch.ones(rows, tokens, dtype=torch.int64) for _ in range(3)))


def kept_bytes(encoder, sub):
    """What autograd keeps of a pass, weights left out."""
    weights = {one.untyped_storage().data_ptr() for one in encoder.parameters()}
    storages = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        vectors = encoder(sub)
    assert vectors.requires_grad
    return sum(storages.values())


@pytest.mark.parametrize("family", ["bert", "mpnet", "t5", "modernbert"])
@pytest.mark.parametrize("checkpointing", [False, True])
def test_estimate_is_about_what_autograd_keeps(tmp_path, family, checkpointing):
    from instructvec.training.encoder import open_encoder

    encoder = open_encoder(
        ModelOptions(str(TINY[family](tmp_path / "model"))), gradient_checkpointing=checkpointing
    )
    sub = sub_batch(8, 60)
    own = Footprint(encoder.spec.architecture, "float32", checkpointing, 10**9)
    estimate, kept = 8 * own.of_text(60), kept_bytes(encoder, sub)
    # The layer that checkpointing computes again is in the estimate, and not in what is kept.
    assert 0.6 * kept < estimate < (20 if checkpointing else 4) * kept


def test_all_texts_fit_or_as_many_of_the_longest(bundled):
    from instructvec.checkpoints.layout import read_spec
    from instructvec.embedder import BUNDLED

    architecture = read_spec(BUNDLED).architecture
    subs = [sub_batch(2, 100), sub_batch(20, 10)]
    one = Footprint(architecture, "float32", False, 1)
    whole = 2 * one.of_text(100) + 20 * one.of_text(10)
    assert Footprint(architecture, "float32", False, whole).n_texts(subs) == 22
    assert Footprint(architecture, "float32", False, whole - 1).n_texts(subs) < 22
    assert Footprint(architecture, "float32", False, 3 * one.of_text(100)).n_texts(subs) == 3
    assert one.n_texts(subs) == 1


def test_processes_share_the_machine():
    assert 0 < memory_for_graphs(4) == memory_for_graphs(1) // 4


def test_container_s_limit_counts(tmp_path, monkeypatch):
    (tmp_path / "limit").write_text("2000\n"), (tmp_path / "none").write_text("max\n")
    paths = (str(tmp_path / "none"), str(tmp_path / "limit"), str(tmp_path / "nowhere"))
    monkeypatch.setattr(footprint, "_LIMITS", paths)
    assert memory_for_graphs(1) == 1000


def test_batch_beyond_memory_is_trained_in_pieces(tiny_start, tmp_path, monkeypatch):
    recipe = tiny_recipe(tiny_start, dropout=0.0, optimizer={"steps": 2})
    train(recipe, tmp_path / "one", mixture=mixture())
    sizes, pieces = [], step.pieces
    monkeypatch.setattr(footprint, "memory_for_graphs", lambda n: 400_000)
    monkeypatch.setattr(step, "pieces", lambda subs, n: sizes.append(n) or pieces(subs, n))
    train(recipe, tmp_path / "pieces", mixture=mixture())
    assert max(sizes) < 16
    losses = [[line["loss"] for line in lines(tmp_path / name)] for name in ("one", "pieces")]
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)
