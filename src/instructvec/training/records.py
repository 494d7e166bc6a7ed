"""What a step was, as one line of the log, and the log: a file that grows and is cut where training goes on from.

Knows numbers, their names and lines of JSON; nothing of how the numbers come about.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instructvec.corpus.files import explained, writing


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step.

    Attributes:
        step: steps done with it, from 1.
        loss: what was lowered.
        forward: the mean of the queries' terms.
        backward: the mean of the positives' terms.
        distillation: unweighted; 0 without a teacher.
        accuracy: share of queries nearest to their positive.
        left_out: share of candidates that were false negatives.
        learning_rate: of the last layer.
        grad_norm: before clipping; ``None`` where it was not finite, and the weights were left as they were.
        temperature: of the loss.
        rows: of the batch, over all processes.
        tokens: that this process's encoder saw, padding not counted.
        padded: the same with padding.
        truncated: texts of this process that lost their tail.
        seconds: that the step took.
        waited: seconds of these that it waited for its batch.
        units: what the rows were drawn from.
        is_contrast: whether they contrast.
    """

    step: int
    loss: float
    forward: float
    backward: float
    distillation: float
    accuracy: float
    left_out: float
    learning_rate: float
    grad_norm: float | None
    temperature: float
    rows: int
    tokens: int
    padded: int
    truncated: int
    seconds: float
    waited: float
    units: tuple[str, ...]
    is_contrast: bool

    @property
    def values(self) -> dict[str, float]:
        """Its numbers by name, but for the step's."""
        numbers = {key: value for key, value in asdict(self).items() if type(value) in (int, float)}
        return {key: float(value) for key, value in numbers.items() if key != "step"}


class Log:
    """A file of JSON lines, each with its ``step``.

    Args:
        path: the file.
        step: the step that training goes on from: lines beyond it, and a line half written, are cut off.

    Raises:
        OutputError: it cannot be written.
    """

    def __init__(self, path: Path, step: int) -> None:
        self._path = path
        if path.exists():
            kept = [line for line in _whole_lines(path) if line["step"] <= step]
            with writing(path) as file:
                file.writelines(_line(one) for one in kept)
        with explained(path):
            self._file = path.open("ab")

    def add(self, line: Mapping[str, Any]) -> None:
        """One line more; in the file at once, and safely on disk at the next :meth:`sync`."""
        with explained(self._path):
            self._file.write(_line(line))
            self._file.flush()

    def sync(self) -> None:
        """All lines are safely on disk afterwards."""
        with explained(self._path):
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """No line more."""
        self._file.close()


def read_losses(path: Path) -> list[float]:
    """The losses of all steps in a log, in their order."""
    return [float(line["loss"]) for line in _whole_lines(path) if "loss" in line] if path.exists() else []


def _whole_lines(path: Path) -> Iterator[dict[str, Any]]:
    with path.open("rb") as file:
        for line in file:
            try:
                read = json.loads(line)
            except ValueError:
                return
            if not line.endswith(b"\n") or not isinstance(read, dict) or "step" not in read:
                return
            yield read


def _line(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode() + b"\n"
