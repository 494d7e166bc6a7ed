"""One step: pieces, gradients that are not finite, and dropout by seed and step."""

import math

import pytest
import torch

from instructvec.errors import EngineError
from instructvec.training import step, trainer
from instructvec.training.collate import SubBatch
from instructvec.training.step import MAX_SKIPPED, pieces
from instructvec.training.trainer import train
from tests.training.runs import Told, lines, mixture, tiny_recipe


def sub_batch(start, n):
    ids = torch.arange(start, start + n)[:, None].repeat(1, 3)
    return SubBatch(ids, ids > -1, ids > -1)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 5, 9, 100])
def test_pieces_keep_all_texts_in_their_order(size):
    subs = [sub_batch(0, 4), sub_batch(4, 1), sub_batch(5, 4)]
    found = pieces(subs, size)
    assert torch.cat([one.ids for piece in found for one in piece])[:, 0].tolist() == list(range(9))
    sizes = [sum(len(one.ids) for one in piece) for piece in found]
    assert all(n == size for n in sizes[:-1]) and 0 < sizes[-1] <= size
    for piece in found:
        assert all(one.ids.shape == one.attention_mask.shape == one.pooling_mask.shape for one in piece)


def test_whole_sub_batches_are_not_copied():
    sub = sub_batch(0, 4)
    assert pieces([sub], 4) == [(sub,)]


def skipping(monkeypatch, which):
    """Makes the norm of some steps infinite."""
    clip = step.clip
    seen = []

    def broken(parameters, max_norm):
        norm = clip(parameters, max_norm)
        seen.append(norm)
        return math.inf if which(len(seen)) else norm

    monkeypatch.setattr(step, "clip", broken)


def test_one_gradient_that_is_not_finite_is_passed_over_and_counted(tiny_start, tmp_path, monkeypatch):
    skipping(monkeypatch, lambda n: n == 2)
    told = Told()
    trained = train(tiny_recipe(tiny_start), tmp_path / "out", mixture=mixture(), progress=told)
    assert trained.finished and trained.counts["skipped_steps"] == 1
    assert [line["grad_norm"] is None for line in lines(tmp_path / "out")] == [False, True] + [False] * 6
    assert "step 2: the gradient is not finite; the weights are left as they are" in told.said


def test_ten_in_a_row_stop_training_also_across_an_interruption(tiny_start, tmp_path, monkeypatch):
    skipping(monkeypatch, lambda n: True)
    recipe = tiny_recipe(tiny_start, optimizer={"steps": 20})
    train(recipe, tmp_path / "out", mixture=mixture(), steps_now=6)
    with pytest.raises(
        EngineError, match=rf"step 10: the gradient was not finite {MAX_SKIPPED} times in a row.*step 9"
    ):
        train(recipe, tmp_path / "out", mixture=mixture())


def test_dropout_is_drawn_by_the_seed(tiny_start, tmp_path):
    losses = []
    for at, seed in enumerate((1, 1, 2)):
        out = tmp_path / str(at)
        torch.manual_seed(at)  # what was drawn before does not matter
        train(tiny_recipe(tiny_start, dropout=0.3, seed=seed), out, mixture=mixture(), steps_now=2)
        losses.append([line["loss"] for line in lines(out)])
    assert losses[0] == losses[1] != losses[2]


def scaled(monkeypatch, scale, growth_interval=1000):
    """Gives every run float16's scaler, whose maths is the same on the CPU."""
    open_devices = trainer.open_devices

    def with_scaler(options):
        found = open_devices(options)
        found.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=growth_interval)
        return found

    monkeypatch.setattr(trainer, "open_devices", with_scaler)


def test_scaled_gradients_take_the_same_steps(tiny_start, tmp_path, monkeypatch):
    recipe = tiny_recipe(tiny_start)
    train(recipe, tmp_path / "plain", mixture=mixture())
    scaled(monkeypatch, 2.0**10)
    train(recipe, tmp_path / "scaled", mixture=mixture())
    for name in ("loss", "grad_norm"):  # a power of two changes no digit
        plain, own = ([line[name] for line in lines(tmp_path / one)] for one in ("plain", "scaled"))
        assert own == pytest.approx(plain, rel=1e-6)


def test_scale_is_halved_by_a_gradient_beyond_the_range_and_kept_over_an_interruption(
    tiny_start, tmp_path, monkeypatch
):
    scaled(monkeypatch, 2.0**123, growth_interval=4)
    recipe = tiny_recipe(tiny_start, optimizer={"steps": 12})
    whole = train(recipe, tmp_path / "whole", mixture=mixture())
    for _ in range(3):
        parts = train(recipe, tmp_path / "parts", mixture=mixture(), steps_now=5)
    assert 1 <= whole.counts["skipped_steps"] == parts.counts["skipped_steps"] < MAX_SKIPPED
    assert lines(tmp_path / "parts") == lines(tmp_path / "whole")
