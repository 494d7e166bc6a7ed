"""Turns a job, JSON on stdin, into a few steps of one trainer, and what they took into JSON on stdout.

Knows no trainer: a worker gives :func:`answer` a function of the job. Standard library only. The job:

    {"model": FOLDER, "rows": [[dataset, anchor, positive, negative], ...], "batches": [[row, ...], ...],
     "precision": "float32" | "bfloat16", "threads": int, "max_length": int, "batch_size": int,
     "max_batch_tokens": int, "temperature": float, "learning_rate": float, "dropout": float | null, "seed": int}

There is one batch more than steps, as trainers do something else after their last one. The answer has a value a
step in each list; ``ends`` are by a clock, ``cpu`` by the processor time of all threads:

    {"ends": [s, ...], "cpu": [s, ...], "rows": [int, ...],
     "tokens": [int, ...], "padded": [int, ...], "losses": [float, ...]}
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

Job = dict[str, Any]


class Steps:
    """What the steps so far were."""

    def __init__(self, n_steps: int) -> None:
        self.n_steps = n_steps
        self.answer: dict[str, list[float]] = {
            name: [] for name in ("ends", "cpu", "rows", "tokens", "padded", "losses")
        }

    def add(self, **values: float) -> bool:
        """A step has ended; whether it was the last."""
        for name, value in {"ends": time.perf_counter(), "cpu": time.process_time(), **values}.items():
            self.answer[name].append(value)
        return len(self.answer["ends"]) >= self.n_steps


def answer(run: Callable[[Job, Steps], None]) -> None:
    """Run the job; whatever libraries print goes to stderr."""
    out = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    job = json.load(sys.stdin)
    steps = Steps(len(job["batches"]) - 1)
    run(job, steps)
    json.dump(steps.answer, out)
    out.close()
