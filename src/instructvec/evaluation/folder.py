"""Runs an evaluation and keeps what it found in a folder: results, report, and mteb's result files.

Knows files and the order of writing; nothing of scores or drawing. What an interruption leaves is written as a
partial report before the interruption goes on.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from instructvec.corpus.files import explained, writing
from instructvec.engines.threads import available_processors
from instructvec.errors import OutputError
from instructvec.evaluation.goal_map import following_map
from instructvec.evaluation.mteb_results import (
    ModelFacts,
    mteb_model_name,
    mteb_revision,
    task_scores,
    write_mteb_results,
)
from instructvec.evaluation.report import render
from instructvec.evaluation.results import report
from instructvec.evaluation.run import EvaluateConfig, Evaluation, Progress, bare_name, evaluate
from instructvec.extras import require, version_of
from instructvec.types import Encoder

_PACKAGES = ("instructvec", "numpy", "scikit-learn", "scipy", "pytrec-eval-terrier", "onnxruntime", "torch")


def evaluate_into(
    config: EvaluateConfig, open_encoder: Callable[[str], Encoder], progress: Progress, *, command: str = ""
) -> dict[str, Any]:
    """Evaluate, and write results and report into ``config.out``.

    Args:
        config: what to evaluate.
        open_encoder: a model's name -> the model.
        progress: who is told how far it is.
        command: how it was started, for the report.

    Returns:
        What ``report.json`` holds.

    Raises:
        CheckpointError: a model cannot be opened.
        MissingExtra: the packages of the extra ``eval`` are not installed.
        OutputError: the folder cannot be written.
    """
    for package in ("sklearn", "scipy", "pytrec_eval"):
        require(package, "instructvec evaluate")
    if config.out.exists() and not config.out.is_dir():
        raise OutputError(f"{config.out}: a file; --out is a folder, so give another name")
    with explained(config.out):
        config.out.mkdir(parents=True, exist_ok=True)
    began = datetime.now(UTC)
    evaluation = Evaluation(config)
    encoders: dict[str, Encoder] = {}

    def opened(name: str) -> Encoder:
        if name not in encoders:
            encoders[name] = open_encoder(name)
        return encoders[name]

    try:
        evaluate(config, opened, progress, evaluation)
    finally:
        # Also when interrupted: what was found is worth reading.
        found = _write(evaluation, encoders, began, command) if any(evaluation.runs.values()) else {}
    return found or report(evaluation, _about(began, command))


def _write(evaluation: Evaluation, encoders: dict[str, Encoder], began: datetime, command: str) -> dict[str, Any]:
    out = evaluation.config.out
    found = report(evaluation, _about(began, command))
    found["map"] = following_map(evaluation, encoders)
    _write_text(out / "results.json", _json(found["results"]))
    _write_text(out / "report.json", _json(found))
    _write_text(out / "report.html", render(found))
    _write_for_mteb(evaluation, began)
    return found


def _write_for_mteb(evaluation: Evaluation, began: datetime) -> None:
    config = evaluation.config
    if config.limit is not None or config.half != "all":
        return  # scores on a part of the rows are not the task's
    for model in evaluation.models:
        facts = ModelFacts(
            name=mteb_model_name(bare_name(model.name)),
            revision=mteb_revision(
                model.fingerprint,
                suite=config.suite if model.instructed else None,
                dtype=model.dtype,
                max_seq_length=model.max_seq_length,
            ),
            dimension=model.dimension,
            max_tokens=model.max_seq_length,
            backend=model.backend,
            use_instructions=model.instructed,
        )
        scores = {
            name: task_scores(run.task, run.main.metrics, score=run.main.score, evaluation_time_s=run.main.seconds)
            for name, run in evaluation.runs[model.name].items()
        }
        write_mteb_results(config.out / "mteb", model=facts, results=scores, date=began)


def _write_text(path: Path, content: str) -> None:
    with writing(path) as file:
        file.write(content.encode("utf-8"))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)


def _about(began: datetime, command: str) -> dict[str, Any]:
    return {
        "date": began.strftime("%Y-%m-%d"),
        "seconds": round((datetime.now(UTC) - began).total_seconds(), 1),
        "command": command,
        "machine": f"{_processor()}, {available_processors()} processors, {platform.system()} "
        f"{platform.release().partition('-')[0]}, Python {platform.python_version()}",
        "versions": {name: found for name in _PACKAGES if (found := version_of(name)) is not None},
    }


def _processor() -> str:
    """The processor's name, where the system tells."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.machine())
