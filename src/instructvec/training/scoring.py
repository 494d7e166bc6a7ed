"""Weights during training -> their scores, and which were the best.

Knows the function that scores a model's directory, and a number for comparison; nothing of tasks or metrics.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeAlias

from instructvec.errors import EngineError
from instructvec.training.checkpoints import read_checkpoint, save_checkpoint
from instructvec.training.run_folder import RunFolder, Scored
from instructvec.training.saving import save_model

if TYPE_CHECKING:
    import torch

    from instructvec.checkpoints.spec import CheckpointSpec

Score: TypeAlias = Callable[[Path], Mapping[str, float]]
"""A model's directory -> scores by name, the higher the better; ``"mean"`` decides, or their mean without it."""


def decisive(values: Mapping[str, float]) -> float:
    """The number by which weights are compared.

    Example:
        >>> decisive({"sts": 80.0, "retrieval": 60.0}), decisive({"mean": 61.0, "sts": 80.0})
        (70.0, 61.0)
    """
    return values["mean"] if "mean" in values else fmean(values.values())


class Scoring:
    """Scores a run's weights and keeps the best.

    Args:
        folder: of the run.
        spec: of its model.
        score: scores a directory.
        scored: what was scored before training was interrupted, the oldest first.
    """

    def __init__(self, folder: RunFolder, spec: CheckpointSpec, score: Score, scored: list[Scored]) -> None:
        self._folder, self._spec, self._score, self.scored = folder, spec, score, scored

    def __call__(
        self, step: int, result: Mapping[str, torch.Tensor], trained: Mapping[str, torch.Tensor]
    ) -> Scored:
        """Score weights; the trained ones are kept if none were better.

        Args:
            step: steps that they had; those of step 0 are scored only.
            result: what training would give if it ended here.
            trained: the same before it is averaged with the start.

        Raises:
            EngineError: no score, or one that is no number.
            OutputError: the disk is full.
        """
        values = self.values(step, result)
        own = Scored(step, values)
        is_best = step > 0 and all(decisive(values) > decisive(one.values) for one in self.scored if one.step)
        self.scored.append(own)
        if is_best:
            state = {"step": step, "scores": values}
            save_checkpoint(self._folder.checkpoints, self._folder.best.name, {"weights": trained}, state)
        return own

    def values(self, step: int, result: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """The scores of weights, and nothing else.

        Raises:
            EngineError: no score, or one that is no number.
            OutputError: the disk is full.
        """
        with TemporaryDirectory(dir=self._folder.path, prefix=".scored-") as place:
            path = save_model(self._spec, result, Path(place) / "model", card="", extra={})
            values = {name: float(value) for name, value in self._score(path).items()}
        if not values or not all(map(math.isfinite, values.values())):
            raise EngineError(f"step {step}: the scores are {values}; expected a finite number for each task")
        return values


def best_weights(folder: RunFolder, scored: list[Scored]) -> tuple[int, dict[str, torch.Tensor]] | None:
    """Steps and weights that scored best; ``None`` where nothing was scored.

    Raises:
        CheckpointError: they are damaged.
    """
    if not any(one.step for one in scored):
        return None
    kept = read_checkpoint(folder.best)
    return kept.step, kept.tensors("weights")
