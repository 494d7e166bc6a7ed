"""The mined rows of a table, and how long training may take -> a recipe whose steps fit the time.

Knows defaults that do for tables of a few hundred to some thousand rows, and how to time a step; nothing of files'
columns or of scores.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from math import ceil
from pathlib import Path

from instructvec.corpus.files import writing
from instructvec.errors import ConfigError
from instructvec.training.objective import NAMED
from instructvec.training.progress import Progress, Silent
from instructvec.training.recipe import (
    BatchOptions,
    CheckpointOptions,
    DataOptions,
    ModelOptions,
    OptimizerOptions,
    Recipe,
    TrackingOptions,
    read_recipe,
)
from instructvec.training.records import StepRecord
from instructvec.training.trainer import train

PASSES = 10
"""How often each row is trained on, where there is time."""
BATCH_SIZE = 32
LEARNING_RATE = 1e-4
TEMPERATURE = 0.05

_LEAST_STEPS = 10
_TRIAL_STEPS = 5


def table_recipe(
    path: Path,
    *,
    name: str,
    model: ModelOptions,
    n_rows: int,
    minutes: float,
    seed: int,
    overrides: Mapping[str, str],
    progress: Progress,
) -> Recipe:
    """The recipe that an earlier call wrote, or a new one whose steps fit the time.

    Args:
        path: its file, beside the folder ``mixture``.
        name: of the run.
        model: what is trained.
        n_rows: of the mixture.
        minutes: that the steps may take.
        seed: of every draw.
        overrides: dotted name -> value, over what the file says; not written into it.
        progress: told that steps are timed.

    Raises:
        ConfigError: the time is too short to learn anything, or an override that does not exist.
    """
    if not path.exists():
        wanted = _planned(name, model, n_rows, seed, path.parent.resolve() / "mixture")
        steps = _affordable(wanted, minutes, overrides, progress)
        made = replace(
            wanted,
            data=replace(wanted.data, mixture="mixture"),
            optimizer=replace(wanted.optimizer, steps=steps),
        )
        with writing(path) as file:
            file.write(made.to_toml().encode())
    return read_recipe(path, overrides)


def check_overrides(overrides: Mapping[str, str]) -> None:
    """Refuse overrides that no recipe takes, before anything is done.

    Raises:
        ConfigError: names the option and the nearest known.
    """
    _with_overrides(_planned("table", ModelOptions(start="start"), 1, 42, Path("mixture")), overrides)


def _with_overrides(recipe: Recipe, overrides: Mapping[str, str]) -> Recipe:
    with tempfile.TemporaryDirectory(prefix="instructvec-recipe-") as folder:
        path = Path(folder) / "recipe.toml"
        path.write_text(recipe.to_toml(), encoding="utf-8")
        return read_recipe(path, overrides)


def _planned(name: str, model: ModelOptions, n_rows: int, seed: int, mixture: Path) -> Recipe:
    """The recipe for as many steps as are wanted."""
    return Recipe(
        name=name,
        description="Made for a table of one's own.",
        model=model,
        data=DataOptions(mixture=str(mixture)),
        seed=seed,
        batches=BatchOptions(batch_size=BATCH_SIZE, seed=seed),
        objective=replace(NAMED["masked"], temperature=TEMPERATURE),
        optimizer=OptimizerOptions(
            steps=max(_LEAST_STEPS, ceil(PASSES * n_rows / BATCH_SIZE)), learning_rate=LEARNING_RATE
        ),
        checkpoints=CheckpointOptions(minutes=2.0),
        tracking=TrackingOptions(tensorboard=False),
    )


def _affordable(wanted: Recipe, minutes: float, overrides: Mapping[str, str], progress: Progress) -> int:
    """As many of the steps as fit into the minutes, by the time of a few."""
    n_wanted = wanted.optimizer.steps
    if "optimizer.steps" in overrides:
        return n_wanted
    progress.say("timing a few steps")
    seconds = _seconds_per_step(wanted, overrides)
    n_steps = min(n_wanted, int(60 * minutes / max(seconds, 1e-6)))
    if n_steps < _LEAST_STEPS:
        raise ConfigError(
            f"minutes is {minutes:g}, and a step takes {seconds:.1f} s here; expected time for {_LEAST_STEPS} "
            "steps at least: give more --minutes, a smaller model, or --set model.max_seq_length=128"
        )
    return n_steps


def _seconds_per_step(recipe: Recipe, overrides: Mapping[str, str]) -> float:
    """What a step takes, the first ones left out: they are slower."""
    timed = _Timed()
    with tempfile.TemporaryDirectory(prefix="instructvec-timing-") as folder, suppress(_Enough):
        train(_with_overrides(recipe, overrides), Path(folder) / "run", progress=timed)
    return statistics.median(timed.seconds[len(timed.seconds) // 2 :])


class _Enough(Exception):
    """Ends the training that is timed."""


class _Timed(Silent):
    """Takes the time of a few steps."""

    def __init__(self) -> None:
        self.seconds: list[float] = []

    def step(self, record: StepRecord) -> None:
        self.seconds.append(record.seconds)
        if len(self.seconds) >= _TRIAL_STEPS:
            raise _Enough
