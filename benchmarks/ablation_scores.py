"""A model of the ablations -> its scores on the test half of a suite, kept beside it.

Knows how a model is asked as it was trained: under the main instructions, under their tags or simple forms, or
without any; nothing of training, or of what is compared with what.
"""

from __future__ import annotations

import argparse
import json
import shutil
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import run

from instructvec import Embedder
from instructvec.cli.progress import TextBar
from instructvec.engines.export import export
from instructvec.errors import EvaluationIncomplete
from instructvec.evaluation.cells import Resampling
from instructvec.evaluation.results import results as results_of
from instructvec.evaluation.run import EvaluateConfig, Evaluation, evaluate
from instructvec.evaluation.suite import TWO_SIDED, Suite, TaskSpec, read_suite
from instructvec.extras import version_of
from instructvec.training.detail import Detail
from instructvec.training.recipe import Recipe

HALF = "test"
PARAPHRASED = ("full", "without-superni")
"""Recipes that are also evaluated under paraphrases: robustness is asked of these."""
PACKAGES = ("instructvec", "torch", "numpy", "scikit-learn", "scipy", "pytrec-eval-terrier")


@dataclass(frozen=True, slots=True)
class Job:
    """A recipe under a seed, in its folder; without a recipe, the model that training starts from."""

    name: str
    seed: int | None
    recipe: Recipe | None
    folder: Path
    digest: str

    @property
    def detail(self) -> Detail:
        return self.recipe.batches.instructions if self.recipe is not None else "none"

    @property
    def title(self) -> str:
        return self.name if self.seed is None else f"{self.name}, seed {self.seed}"


def suite_under(suite: Suite, detail: Detail) -> Suite:
    """The suite with its tags or simple forms as main instructions; tasks that have none are left out."""
    if detail not in ("tag", "simple"):
        return suite
    others = ("following", "instruction_retrieval")
    tasks = tuple(_under(task, detail) for task in suite.tasks if task.kind not in others)
    return replace(suite, name=f"{suite.name}, {detail}", tasks=tasks)


def _under(task: TaskSpec, detail: Detail) -> TaskSpec:
    said: str = getattr(task, detail)
    document = getattr(task, f"document_{detail}") or said if task.kind in TWO_SIDED else None
    return replace(task, instruction=said, document_instruction=document, **{detail: task.instruction})


def evaluated(job: Job, model: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Scores of a model, those kept from before where all that decides them is the same."""
    suite = suite_under(read_suite(arguments.suite), job.detail)
    tasks = tuple(name for name in arguments.tasks if name in {task.name for task in suite.tasks})
    decisive = {
        "digest": job.digest, "suite": suite.name, "half": HALF, "kinds": arguments.kinds, "tasks": list(tasks),
        "limit": arguments.limit, "precision": arguments.precision,
    }  # fmt: skip
    path = job.folder / "scores.json"
    if path.exists() and (known := json.loads(path.read_text(encoding="utf-8")))["decisive"] == decisive:
        return dict(known)
    if arguments.precision == "int8":
        model = graphs_of(model, job.folder / "int8")
    config = EvaluateConfig(
        suite=suite,
        models=(f"{model}@none" if job.detail == "none" else str(model),),
        out=job.folder / "evaluation",
        data=arguments.data,
        tasks=tasks,
        kinds=tuple(arguments.kinds),
        half=HALF,
        limit=arguments.limit,
        wordings="paraphrases" if job.name in PARAPHRASED else "first",
        resampling=Resampling(0),
    )
    began, evaluation = time.monotonic(), Evaluation(config)
    with TextBar(quiet=False) as bar:  # no report and no map of the texts: these are of single models
        evaluate(config, lambda name: Embedder(name, dtype=arguments.precision), bar, evaluation)
    found = {"decisive": decisive, **_scores(evaluation), "evaluated": about(time.monotonic() - began)}
    path.write_text(json.dumps(found, indent=1), encoding="utf-8")
    shutil.rmtree(config.kept / "embeddings", ignore_errors=True)  # of no use to another model
    return found


def graphs_of(model: Path, folder: Path) -> Path:
    """The model in int8, made where it is not there yet."""
    if not folder.exists():
        export(str(model), folder, dtypes=["int8"], graphs_only=True)
    return folder


def _scores(evaluation: Evaluation) -> dict[str, Any]:
    failed = [one for one in evaluation.failures if one.model]
    (of_model,) = results_of(evaluation).values()
    if failed or not of_model:
        told = "; ".join(f"{one.task}: {one.message}" for one in failed or evaluation.failures)
        raise EvaluationIncomplete(f"a mean over some of the tasks is another number, and some failed: {told}")
    return {
        "left_out": [one.task for one in evaluation.failures],
        "scores": {
            name: {key: one[key] for key in ("kind", "metric", "score", "spread")}
            for name, one in of_model.items()
        },
    }


def about(seconds: float, recipe: Recipe | None = None) -> dict[str, Any]:
    """When, how long and on what, for what has just been done; with a recipe, on the device it asks for."""
    import torch

    asked = None if recipe is None else recipe.compute.device
    machine = run.machine()
    on = f"{machine['cpu']}, {machine['cores']} processors"
    if asked != "cpu" and torch.cuda.is_available():
        on = str(torch.cuda.get_device_name())
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": on,
        "seconds": round(seconds, 1),
        "versions": {name: found for name in PACKAGES if (found := version_of(name)) is not None},
    }
