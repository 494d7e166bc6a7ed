"""An evaluation -> ``results.json`` and the JSON behind the report: plain values, scores in percent.

Knows the two formats; nothing of how figures were made or how they are drawn. ``results.json`` is
``{model: {task: {"kind", "metric", "half", "score", "interval", "by_instruction", …}}}``.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import fmean
from typing import Any

import numpy as np

from instructvec.evaluation.cells import Cell
from instructvec.evaluation.comparison import Scored, by_kind, comparisons
from instructvec.evaluation.protocols.following import robustness_at_k
from instructvec.evaluation.protocols.outcome import interval
from instructvec.evaluation.protocols.ranking import PER_QUERY
from instructvec.evaluation.robustness import is_reworded, ranks, spread, summary
from instructvec.evaluation.run import Evaluation, TaskRun
from instructvec.evaluation.scoring import instruction_of
from instructvec.evaluation.suite import TaskSpec, Wording
from instructvec.types import Half

FORMAT_VERSION = 1


def results(evaluation: Evaluation) -> dict[str, dict[str, Any]]:
    """What ``results.json`` holds."""
    return {
        model: {name: _task_result(run, evaluation.config.half) for name, run in runs.items()}
        for model, runs in evaluation.runs.items()
    }


def report(evaluation: Evaluation, about: Mapping[str, Any]) -> dict[str, Any]:
    """What ``report.json`` holds, and the page is drawn from.

    Args:
        evaluation: what was found.
        about: date, command, machine and versions; goes in as it is.
    """
    config = evaluation.config
    scored = _scored(evaluation)
    found = results(evaluation)
    spreads = {
        model: summary([one["spread"] for one in tasks.values() if one["spread"] is not None])
        for model, tasks in found.items()
    }
    return {
        "format_version": FORMAT_VERSION,
        "suite": {"name": config.suite.name, "description": config.suite.description},
        **about,
        "seed": config.resampling.seed,
        "n_resamples": config.resampling.n_resamples,
        "half": config.half,
        "limit": config.limit,
        "reword": config.reword,
        "complete": evaluation.complete and not evaluation.failures,
        "errors": [failure._asdict() for failure in evaluation.failures],
        "notes": evaluation.notes,
        "models": [model._asdict() for model in evaluation.models],
        "tasks": [_task(task, evaluation) for task in config.selected],
        "results": found,
        "kinds": by_kind(scored),
        "comparisons": comparisons(scored),
        "ranks": ranks(_by_label(found)),
        "robustness": {model: one for model, one in spreads.items() if one is not None},
        "following": {
            model: {name: _following(run) for name, run in runs.items() if run.task.kind == "following"}
            for model, runs in evaluation.runs.items()
        },
    }


def shown_instruction(task: TaskSpec, wording: Wording) -> str:
    """A wording as ``by_instruction`` names it: the query's instruction, or those of all goals; empty for none."""
    if task.kind == "following" and wording.label != "none":
        return " | ".join(f"{goal}: {instruction_of(task, wording, goal)}" for goal in task.goals)
    if task.kind == "instruction_retrieval" and wording.label != "none":
        return "(each query's own)"
    return wording.query or ""


def percent(value: float) -> float:
    """A fraction in percent, to four decimals."""
    return round(100.0 * value, 4)


def _task_result(run: TaskRun, half: Half) -> dict[str, Any]:
    main = run.main
    scores = {label: percent(cell.score) for label, cell in run.cells.items()}
    bounds = interval(main.replicate_array()) if main.replicates else (float("nan"),) * 2
    return {
        "kind": run.task.kind,
        "metric": run.task.main_metric,
        "half": half,
        "score": scores[next(iter(scores))],
        "interval": None if np.isnan(bounds[0]) else [percent(bounds[0]), percent(bounds[1])],
        "by_instruction": {
            shown_instruction(run.task, run.wordings[label]): score for label, score in scores.items()
        },
        "by_wording": {
            label: {
                "instruction": shown_instruction(run.task, run.wordings[label]),
                "document_instruction": run.wordings[label].document,
                "score": score,
            }
            for label, score in scores.items()
        },
        "spread": spread(scores),
        "metrics": {name: percent(value) for name, value in (main.metrics | _further(run)).items()},
        "n_units": main.n_units,
        "n_truncated": main.n_truncated,
        **({} if run.reading is None else {"reader": _reader(run.reading)}),
        "seconds": round(sum(cell.seconds for cell in run.cells.values()), 3),
    }


def _further(run: TaskRun) -> dict[str, float]:
    """Figures that take several wordings, or a reader."""
    found: dict[str, float] = {}
    per_query = {
        label: cell.details[PER_QUERY]
        for label, cell in run.cells.items()
        if is_reworded(label) and PER_QUERY in cell.details
    }
    if len(per_query) > 1 and run.task.kind == "retrieval":
        found["robustness_at_10"] = robustness_at_k(per_query)
    if run.reading is not None:
        found |= run.reading.metrics
    return found


def _reader(cell: Cell) -> dict[str, Any]:
    """Under which conditions the reader's figures were made."""
    return {
        "n_inputs": len(cell.details["rows"]),
        "budget_tokens": cell.details["budget_tokens"],
        "mean_demonstrations": round(fmean(cell.details["n_demonstrations"]), 2),
    }


def _following(run: TaskRun) -> dict[str, Any]:
    details = run.main.details
    matrices = {
        name: {
            goal: {asked: percent(value) for asked, value in row.items()} for goal, row in details[name].items()
        }
        for name in ("v_measure", "accuracy")
    }
    wording = next(iter(run.wordings.values()))
    return {
        "goals": details["goals"],
        **matrices,
        "sensitivity": run.sensitivity,
        "instructions": {goal: instruction_of(run.task, wording, goal) for goal in run.task.goals},
    }


def _scored(evaluation: Evaluation) -> dict[str, dict[str, Scored]]:
    return {
        model: {
            name: Scored(run.task.kind, 100.0 * run.main.score, 100.0 * run.main.replicate_array())
            for name, run in runs.items()
        }
        for model, runs in evaluation.runs.items()
    }


def _by_label(found: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, dict[str, float]]]:
    return {
        model: {
            name: {label: one["score"] for label, one in result["by_wording"].items()}
            for name, result in tasks.items()
        }
        for model, tasks in found.items()
    }


def _task(task: TaskSpec, evaluation: Evaluation) -> dict[str, Any]:
    runs = [runs[task.name] for runs in evaluation.runs.values() if task.name in runs]
    return {
        "name": task.name,
        "kind": task.kind,
        "metric": task.main_metric,
        "licence": task.licence,
        "source": task.source,
        "note": task.note,
        "same_data_as_mteb": task.same_data_as_mteb,
        "n_units": runs[0].main.n_units if runs else None,
        "instruction": task.instruction,
        "document_instruction": task.document_instruction,
    }
