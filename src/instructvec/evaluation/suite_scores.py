"""A suite and one model -> a score a kind and their mean, and nothing kept: what training asks for now and then.

Knows which numbers training wants; nothing of how tasks are run, which is ``run.py``'s.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

from instructvec.errors import EvaluationIncomplete
from instructvec.evaluation.cells import Resampling
from instructvec.evaluation.run import EvaluateConfig, Evaluation, evaluate
from instructvec.evaluation.suite import Suite
from instructvec.types import Encoder, Half


class _Silent:
    """Tells nobody."""

    def start(self, total: int) -> None:
        """Nothing."""

    def add(self, n_chars: int, *, known: bool) -> None:
        """Nothing."""

    def grow(self, n_chars: int) -> None:
        """Nothing."""

    def say(self, what: str) -> None:
        """Nothing."""


class SuiteScores(NamedTuple):
    """What a model scored.

    Attributes:
        values: ``"mean"``, the mean over kinds; each kind's mean over its tasks; and each task -> percent.
        left_out: tasks whose data cannot be had or measured, whatever the model, and why.
    """

    values: dict[str, float]
    left_out: list[str]


def suite_scores(
    model: Path,
    open_encoder: Callable[[str], Encoder],
    *,
    suite: Suite,
    kinds: Sequence[str] = (),
    tasks: Sequence[str] = (),
    half: Half = "development",
    data: Path | None = None,
) -> SuiteScores:
    """The mean score of each kind of task, under the main instructions.

    Args:
        model: its directory.
        open_encoder: the directory's name -> the model.
        suite: the tasks.
        kinds: of tasks to run; empty for all.
        tasks: names of tasks to run; empty for all.
        half: of each task's rows.
        data: folder of the suite's local data; ``None``: where the suite's file is.

    Raises:
        ConfigError: an unknown task or kind, or none of both.
        EvaluationIncomplete: the model failed on a task, or no task is left: a mean over others is another number.
    """
    with tempfile.TemporaryDirectory(prefix="instructvec-scores-") as folder:
        config = EvaluateConfig(
            suite=suite,
            models=(str(model),),
            out=Path(folder),
            data=data,
            kinds=tuple(kinds),
            tasks=tuple(tasks),
            half=half,
            wordings="first",
            resampling=Resampling(0),
        )
        evaluation = Evaluation(config)
        evaluate(config, open_encoder, _Silent(), evaluation)
    runs = evaluation.runs[str(model)]
    failed = [one for one in evaluation.failures if one.model or not runs]
    if failed:
        told = "; ".join(f"{one.task}: {one.message}" for one in failed)
        raise EvaluationIncomplete(f"{len(failed)} tasks of the suite {suite.name} could not be scored: {told}")
    by_task = {name: 100 * run.main.score for name, run in runs.items()}
    by_kind: dict[str, list[float]] = {}
    for name, run in runs.items():
        by_kind.setdefault(run.task.kind, []).append(by_task[name])
    means = {kind: fmean(scores) for kind, scores in by_kind.items()}
    left_out = [f"{one.task}: {one.message}" for one in evaluation.failures]
    return SuiteScores({"mean": fmean(means.values()), **means, **by_task}, left_out)
