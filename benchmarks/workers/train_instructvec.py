"""Our trainer as a worker of ``training.py``: its own sampler, collator and steps; nothing scored or saved."""

from __future__ import annotations

import sys
import tempfile
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from training_job import Job, Steps, answer

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from training_rows import mixture

from instructvec.training.objective import NAMED
from instructvec.training.progress import Silent
from instructvec.training.recipe import (
    BatchOptions,
    CheckpointOptions,
    ComputeOptions,
    DataOptions,
    ModelOptions,
    OptimizerOptions,
    Recipe,
    TrackingOptions,
)
from instructvec.training.records import StepRecord
from instructvec.training.trainer import train


class Enough(Exception):
    """Ends the training before anything is saved."""


class Counted(Silent):
    def __init__(self, steps: Steps) -> None:
        self._steps = steps

    def step(self, record: StepRecord) -> None:
        is_last = self._steps.add(
            rows=record.rows, tokens=record.tokens, padded=record.padded, losses=record.forward
        )
        if is_last:
            raise Enough


def recipe(job: Job) -> Recipe:
    n_batches = len(job["batches"])
    return Recipe(
        name="benchmark",
        description="",
        # "prompt" is sentence-transformers' rule: special tokens count in the pooling.
        model=ModelOptions(
            job["model"], joining="prompt", max_seq_length=job["max_length"], dropout=job["dropout"]
        ),
        data=DataOptions(mixture="rows of the benchmark"),
        seed=job["seed"],
        batches=BatchOptions(
            batch_size=job["batch_size"], seed=job["seed"], max_batch_tokens=job["max_batch_tokens"]
        ),
        objective=replace(NAMED["full"], temperature=job["temperature"]),
        optimizer=OptimizerOptions(steps=n_batches, learning_rate=job["learning_rate"]),
        compute=ComputeOptions(precision=job["precision"], device="cpu", threads=job["threads"]),
        checkpoints=CheckpointOptions(every=n_batches),
        tracking=TrackingOptions(tensorboard=False),
    )


def run(job: Job, steps: Steps) -> None:
    with tempfile.TemporaryDirectory() as folder, suppress(Enough):
        train(recipe(job), Path(folder) / "run", mixture=mixture(job["rows"]), progress=Counted(steps))


if __name__ == "__main__":
    answer(run)
