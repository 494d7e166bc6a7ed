"""Small training runs: a recipe for a tiny model, who looks on, and what a run's log holds."""

import json

from instructvec.training.options import (
    BatchOptions,
    CheckpointOptions,
    ComputeOptions,
    DataOptions,
    ModelOptions,
    OptimizerOptions,
    TrackingOptions,
)
from instructvec.training.recipe import Recipe
from tests.training.made import usual_mixture

STEPS = 8
TIMES = ("seconds", "waited")


def tiny_recipe(model, *, optimizer=None, batches=None, compute=None, dropout=None, **options):
    """Eight steps of eight rows in float32, a checkpoint after every third, no TensorBoard."""
    usual = {
        "checkpoints": CheckpointOptions(every=3),
        "tracking": TrackingOptions(tensorboard=False),
    }
    return Recipe(
        "trial",
        "",
        ModelOptions(str(model), dropout=dropout),
        DataOptions(mixture="mixture"),
        batches=BatchOptions(**({"batch_size": 8, "least_rows": 2} | (batches or {}))),
        optimizer=OptimizerOptions(**({"steps": STEPS, "learning_rate": 1e-3} | (optimizer or {}))),
        compute=ComputeOptions(**({"precision": "float32", "device": "cpu"} | (compute or {}))),
        **(usual | options),
    )


class Told:
    """Remembers what it was told, and may do something at a step."""

    def __init__(self, at_step=lambda record: None):
        self.started, self.records, self.said = None, [], []
        self._at_step = at_step

    def start(self, total, done):
        self.started = (total, done)

    def step(self, record):
        self.records.append(record)
        self._at_step(record)

    def say(self, what):
        self.said.append(what)


def lines(out, *, scores=False):
    """The log's lines without what the clock gave."""
    found = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    kept = [line for line in found if ("scores" in line) is scores]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in kept]


def weights(out):
    """The bytes of the result."""
    return (out / "model" / "model.safetensors").read_bytes()


def mixture():
    return usual_mixture()
