"""Records of steps -> curves: TensorBoard's files, and Weights & Biases where it is installed.

Knows the two tools' writers; nothing of what the numbers mean. What is in the log is shown, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from instructvec.errors import MissingExtra
from instructvec.extras import has, require
from instructvec.training.options import TrackingOptions


class Tracker(Protocol):
    """Takes numbers at steps."""

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name, of a step."""

    def close(self) -> None:
        """No more."""


def trackers_of(
    options: TrackingOptions, folder: Path, *, name: str, step: int, config: Mapping[str, Any]
) -> list[Tracker]:
    """Those that are asked for.

    Args:
        options: which.
        folder: of the run.
        name: of the run.
        step: what training goes on from; what was shown beyond it is hidden.
        config: the recipe, for those that show it.

    Raises:
        MissingExtra: a tool that is not installed.
    """
    found: list[Tracker] = []
    if options.tensorboard:
        found.append(TensorBoard(folder / "tensorboard", step))
    if options.wandb:
        found.append(WeightsAndBiases(folder, name, config))
    return found


class TensorBoard:
    """Curves for ``tensorboard --logdir``.

    Args:
        folder: of its files.
        step: as for :func:`trackers_of`.
    """

    def __init__(self, folder: Path, step: int) -> None:
        require("tensorboard", "tracking.tensorboard = true")
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(str(folder), purge_step=step + 1 if step else None)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name, of a step."""
        for name, value in values.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        """All is in the files afterwards."""
        self._writer.close()


class WeightsAndBiases:
    """Curves at wandb.ai, or offline as the tool is set up.

    Args:
        folder: of its files.
        name: of the run; the same folder goes on with the same run.
        config: shown with it.
    """

    def __init__(self, folder: Path, name: str, config: Mapping[str, Any]) -> None:
        if not has("wandb"):
            raise MissingExtra(
                "tracking.wandb = true needs the package 'wandb', which is not installed: pip install wandb"
            )
        from importlib import import_module

        wandb: Any = import_module("wandb")
        kept = folder / "wandb-run"
        run = kept.read_text("utf-8").strip() if kept.exists() else wandb.util.generate_id()
        kept.write_text(run + "\n", "utf-8")
        self._run: Any = wandb.init(
            project="instructvec", name=name, id=run, resume="allow", dir=str(folder), config=dict(config)
        )

    def add(self, step: int, values: Mapping[str, float]) -> None:
        """Numbers by name, of a step."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """The run is finished, for now."""
        self._run.finish()
