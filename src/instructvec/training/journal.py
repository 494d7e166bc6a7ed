"""What happens in a run -> its log, its curves and whoever looks on; of the first process only.

Knows who is told what, and when; nothing of how it came about.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import asdict

from instructvec.training.progress import Progress
from instructvec.training.recipe import Recipe
from instructvec.training.records import Log, StepRecord
from instructvec.training.run_folder import RunFolder, Scored
from instructvec.training.tracking import Tracker, trackers_of


class Journal:
    """Tells of a run; use it in ``with``.

    Args:
        folder: of the run.
        recipe: of the run.
        step: what training goes on from.
        progress: who looks on.
        is_first: whether this process writes; the others do not.
    """

    def __init__(
        self, folder: RunFolder, recipe: Recipe, step: int, progress: Progress, *, is_first: bool
    ) -> None:
        self._folder, self._recipe, self._step, self._is_first = folder, recipe, step, is_first
        self._progress, self._every = progress, recipe.tracking.every
        self._log: Log | None = None
        self._trackers: list[Tracker] = []
        self._open = ExitStack()

    def __enter__(self) -> Journal:
        if self._is_first:
            self._log = Log(self._folder.log, self._step)
            self._open.callback(self._log.close)
            self._trackers = trackers_of(
                self._recipe.tracking,
                self._folder.path,
                name=self._recipe.name,
                step=self._step,
                config=self._recipe.decisive(),
            )
            for one in self._trackers:
                self._open.callback(one.close)
        self._progress.start(self._recipe.optimizer.steps, self._step)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def step(self, record: StepRecord) -> None:
        """A step is done."""
        if self._log is not None:
            self._log.add(asdict(record))
        if record.step % self._every == 0:
            for one in self._trackers:
                one.add(record.step, record.values)
        self._progress.step(record)

    def scored(self, scored: Scored) -> None:
        """Weights were scored."""
        if self._log is not None:
            self._log.add({"step": scored.step, "scores": dict(scored.values)})
        for one in self._trackers:
            one.add(scored.step, {f"scores/{name}": value for name, value in scored.values.items()})
        shown = ", ".join(f"{name} {value:.2f}" for name, value in scored.values.items())
        self._progress.say(f"step {scored.step:,}: {shown}")

    def sync(self) -> None:
        """The log is safely on disk."""
        if self._log is not None:
            self._log.sync()
