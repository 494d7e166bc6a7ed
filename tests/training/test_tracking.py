"""Curves for TensorBoard, and for Weights & Biases where it is installed."""

import sys
from types import SimpleNamespace

import pytest

from instructvec.errors import MissingExtra
from instructvec.training import tracking
from instructvec.training.options import TrackingOptions
from instructvec.training.tracking import trackers_of


def opened(folder, step=0, **options):
    return trackers_of(TrackingOptions(**options), folder, name="trial", step=step, config={"seed": 1})


def curve(folder, name):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder / "tensorboard"))
    read.Reload()
    return [(one.step, one.value) for one in read.Scalars(name)]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_shows_what_training_went_on_from_once(tmp_path):
    (first,) = opened(tmp_path)
    for step in (1, 2, 3):
        first.add(step, {"loss": float(step)})
    first.close()
    (second,) = opened(tmp_path, step=2)
    second.add(3, {"loss": 7.0})
    second.close()
    assert curve(tmp_path, "loss") == [(1, 1.0), (2, 2.0), (3, 7.0)]


def test_nothing_is_asked_for(tmp_path):
    assert opened(tmp_path, tensorboard=False) == []


def test_missing_wandb_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(tracking, "has", lambda package: False)
    with pytest.raises(MissingExtra, match="needs the package 'wandb'.*pip install wandb"):
        opened(tmp_path, tensorboard=False, wandb=True)


def test_wandb_goes_on_with_the_same_run(tmp_path, monkeypatch):
    calls = []
    run = SimpleNamespace(
        log=lambda values, step: calls.append((values, step)), finish=lambda: calls.append("finished")
    )
    ids = iter(["one", "two"])

    def init(**options):
        calls.append((options["id"], options["resume"], options["config"]))
        return run

    fake = SimpleNamespace(init=init, util=SimpleNamespace(generate_id=lambda: next(ids)))
    monkeypatch.setitem(sys.modules, "wandb", fake)
    monkeypatch.setattr(tracking, "has", lambda package: True)
    for _ in range(2):
        (tracker,) = opened(tmp_path, tensorboard=False, wandb=True)
        tracker.add(1, {"loss": 2.0})
        tracker.close()
    assert calls == [("one", "allow", {"seed": 1}), ({"loss": 2.0}, 1), "finished"] * 2
