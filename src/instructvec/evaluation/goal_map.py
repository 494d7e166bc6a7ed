"""An evaluation's following task -> the same texts under two instructions as points in the plane.

Knows which task, model and goals are shown; the layout is ``tasks/maps``'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from instructvec.corpus.cache import CachedEncoder
from instructvec.evaluation.data import Following
from instructvec.evaluation.run import EvaluateConfig, Evaluation, is_uninstructed
from instructvec.evaluation.suite import TaskSpec
from instructvec.tasks.maps.layout import map_points
from instructvec.types import Encoder

MAX_POINTS = 400
_SHOWN_CHARS = 160


def following_map(evaluation: Evaluation, encoders: Mapping[str, Encoder]) -> dict[str, Any] | None:
    """The first instructed model's vectors of the first following task that ran, under its first two goals.

    Args:
        evaluation: what was found.
        encoders: the models by their names without ``@none``.

    Returns:
        ``{"task", "model", "goals", "instructions", "texts", "labels", "points"}``, or ``None`` where no such task
        ran.
    """
    for model, runs in evaluation.runs.items():
        for run in runs.values():
            if run.texts is not None and not is_uninstructed(model):
                return _map(evaluation.config, run.task, run.texts, model, encoders[model])
    return None


def _map(config: EvaluateConfig, task: TaskSpec, data: Following, model: str, encoder: Encoder) -> dict[str, Any]:
    rng = np.random.default_rng(config.resampling.seed)
    rows = sorted(rng.permutation(len(data.texts))[:MAX_POINTS].tolist())
    texts = [data.texts[at] for at in rows]
    goals = list(data.goals)[:2]
    cached = CachedEncoder(encoder, config.kept / "embeddings")
    vectors = {goal: cached.encode(texts, task.goals[goal].instruction).vectors for goal in goals}
    return {
        "task": task.name,
        "model": model,
        "goals": goals,
        "instructions": {goal: task.goals[goal].instruction for goal in goals},
        "texts": [text if len(text) <= _SHOWN_CHARS else text[: _SHOWN_CHARS - 1] + "…" for text in texts],
        "labels": {goal: [data.goals[goal][at] for at in rows] for goal in goals},
        "points": map_points(vectors),
    }
