"""Scores -> files in mteb's result format, which ``mteb.ResultCache(folder).load_results()`` reads.

Knows mteb's layout and schema, not its code: mteb need not be installed. A model's results lie in
``<folder>/results/<org>__<name>/<revision>/``: one JSON file a task, and ``model_meta.json``.
Source: mteb 2.26's ``cache/result_cache.py``, ``results/task_result.py`` and ``models/model_meta.py``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from instructvec.corpus.cache import digest
from instructvec.corpus.files import explained, writing
from instructvec.embedder import BUNDLED_NAME
from instructvec.errors import InputError
from instructvec.evaluation.suite import Suite, TaskSpec

SCHEMA_VERSION = "2.26.24"
"""The release of mteb whose schema the files have; not one that computed the scores."""

LOCAL = "local"
"""The dataset revision of data that is not a hub dataset's."""

_FRAMEWORKS = {"onnx": ("ONNX",), "torch": ("PyTorch",)}
# Where mteb has another name for the same figure.
_METRIC_NAMES = {"reranking": {"map": "map_at_1000"}}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What mteb is told of a model.

    Attributes:
        name: ``"org/name"``; see :func:`mteb_model_name`.
        revision: what tells apart results under the same name; see :func:`mteb_revision`.
        dimension: of its vectors.
        max_tokens: it reads of a text.
        similarity: its measure.
        backend: the engine that ran it.
        use_instructions: whether texts were given instructions.

    Raises:
        InputError: a name or revision that mteb could not find again.
    """

    name: str
    revision: str
    dimension: int | None = None
    max_tokens: int | None = None
    similarity: str = "cosine"
    backend: str = ""
    use_instructions: bool | None = None

    def __post_init__(self) -> None:
        if not _HUB_ID.fullmatch(self.name) or "__" in self.name:
            raise InputError(
                f"model name is {self.name!r}; mteb expects 'org/name', and no double underscore, which it puts "
                "in place of the slash in names of folders: use mteb_model_name()"
            )
        if not re.fullmatch(r"[\w.-]+", self.revision) or self.revision in (".", ".."):
            raise InputError(
                f"revision is {self.revision!r}; expected letters, digits, '.', '_' and '-': a folder's name"
            )

    @property
    def folder(self) -> str:
        """Where its results are, below the folder of all results."""
        return f"{self.name.replace('/', '__')}/{self.revision}"

    def to_dict(self) -> dict[str, Any]:
        """What ``model_meta.json`` holds, and mteb's ``ModelMeta`` is made from."""
        unknown = (
            "loader", "release_date", "languages", "n_parameters", "memory_usage_mb", "license", "open_weights",
            "public_training_code", "public_training_data", "reference", "training_datasets",
        )  # fmt: skip
        return {
            **dict.fromkeys(unknown),
            "name": self.name,
            "revision": self.revision,
            "embed_dim": self.dimension,
            "max_tokens": self.max_tokens,
            # mteb's own reader refuses the others.
            "similarity_fn_name": self.similarity if self.similarity in ("cosine", "dot") else None,
            "framework": list(_FRAMEWORKS.get(self.backend, ())),
            "use_instructions": self.use_instructions,
            "modalities": ["text"],
            "model_type": ["dense"],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class SubsetScores:
    """A task's figures on one split of one subset.

    Attributes:
        main_score: the main metric, as a fraction.
        scores: all metrics by name, fractions; those that are not finite are written as null.
        split: as mteb names it.
        hf_subset: as mteb names it.
        languages: of the subset, as ISO 639-3 and script.

    Raises:
        InputError: a main score that is no fraction.
    """

    main_score: float
    scores: Mapping[str, float] = field(default_factory=dict)
    split: str = "test"
    hf_subset: str = "default"
    languages: tuple[str, ...] = ("eng-Latn",)

    def __post_init__(self) -> None:
        if not -1.0 <= self.main_score <= 1.0:
            raise InputError(
                f"main_score is {self.main_score}; expected a fraction, from -1 to 1: divide percent by 100"
            )

    def to_dict(self) -> dict[str, Any]:
        """An entry of a result's ``scores``."""
        finite = {name: value if math.isfinite(value) else None for name, value in self.scores.items()}
        return {
            **finite,
            "main_score": self.main_score,
            "hf_subset": self.hf_subset,
            "languages": list(self.languages),
            "mteb_version": SCHEMA_VERSION,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskScores:
    """What was found for a task.

    Attributes:
        mteb_name: mteb's name of the task; ``None`` where mteb has no such task.
        subsets: its figures.
        dataset_revision: commit on the hub, or :data:`LOCAL`.
        evaluation_time_s: seconds it took.
    """

    mteb_name: str | None
    subsets: tuple[SubsetScores, ...]
    dataset_revision: str = LOCAL
    evaluation_time_s: float | None = None

    def __post_init__(self) -> None:
        if not self.subsets:
            raise InputError(f"{self.mteb_name}: no scores; give those of at least one split")
        if self.mteb_name is not None and not re.fullmatch(r"[\w.-]+", self.mteb_name):
            raise InputError(
                f"mteb_name is {self.mteb_name!r}; expected mteb's name of the task, such as 'STSBenchmark'"
            )


def mteb_model_name(name: str) -> str:
    """A model's name as mteb takes it: ``"org/name"``; hub ids stay as they are.

    Args:
        name: a hub id, ``"bundled"``, or a directory, whose last part is then the name.

    Example:
        >>> mteb_model_name("hkunlp/instructor-large"), mteb_model_name("bundled")
        ('hkunlp/instructor-large', 'instructvec/bundled')
        >>> mteb_model_name("/runs/my model/final")
        'local/final'
    """
    if name == BUNDLED_NAME:
        return f"instructvec/{name}"
    if _HUB_ID.fullmatch(name) and "__" not in name and not Path(name).is_dir():
        return name
    last = re.sub(r"[^A-Za-z0-9.-]+", "-", Path(name).name).strip("-.")
    return f"local/{last or 'unnamed'}"


def mteb_revision(
    fingerprint: str,
    *,
    suite: Suite | None,
    instructions: Mapping[str, str] | None = None,
    dtype: str = "",
    max_seq_length: int | None = None,
) -> str:
    """What tells apart a model's results under different conditions: mteb takes a revision's results for its own.

    Args:
        fingerprint: of the model.
        suite: whose instructions were given; ``None`` for none of a suite.
        instructions: others, by mteb's keys.
        dtype: what the matrices were held in.
        max_seq_length: tokens a text was cut to.

    Returns:
        ``"<fingerprint>-<suite's name, own or none>-<8 hex characters of all that was given>"``.

    Example:
        >>> mteb_revision("0" * 32, suite=None)
        '00000000000000000000000000000000-none-9bac2666'
    """
    name = suite.name if suite else "own" if instructions else "none"
    tasks = suite.tasks if suite else ()
    said = [
        [task.mteb_name, task.instruction, task.document_instruction]
        for task in tasks
        if task.mteb_name is not None
    ]
    given = digest([said, dict(instructions or {}), dtype, max_seq_length])
    return f"{fingerprint}-{re.sub(r'[^A-Za-z0-9.]+', '-', name)}-{given[:8]}"


def task_scores(
    task: TaskSpec, metrics: Mapping[str, float], *, score: float, evaluation_time_s: float | None = None
) -> TaskScores:
    """A suite's task and its figures, under mteb's names.

    Args:
        task: of a suite.
        metrics: all its metrics, fractions.
        score: the main one.
        evaluation_time_s: seconds it took.
    """
    names = _METRIC_NAMES.get(task.kind, {})
    found = SubsetScores(
        main_score=score,
        scores={names.get(name, name): value for name, value in metrics.items()},
        split=task.split,
        hf_subset=task.subset or "default",
    )
    return TaskScores(
        mteb_name=task.mteb_name,
        subsets=(found,),
        dataset_revision=(task.revision if task.same_data_as_mteb else None) or LOCAL,
        evaluation_time_s=evaluation_time_s,
    )


def write_mteb_results(
    folder: Path, *, model: ModelFacts, results: Mapping[str, TaskScores], date: datetime | None = None
) -> list[Path]:
    """Write a model's results; those of other models and tasks in the folder stay.

    Args:
        folder: of all results; ``mteb.ResultCache(folder)`` opens it.
        model: whose results they are.
        results: by our names of the tasks; tasks that mteb has not are left out, and those that have the same name
            in mteb become one file.
        date: when they were found.

    Returns:
        The files of the tasks.

    Raises:
        InputError: the same split of the same subset twice, or two revisions of a task's data.
        OutputError: a file cannot be written.
    """
    tasks: dict[str, list[TaskScores]] = {}
    for scores in results.values():
        if scores.mteb_name is not None:
            tasks.setdefault(scores.mteb_name, []).append(scores)
    contents = {name: _content(name, parts, date) for name, parts in tasks.items()}
    if not contents:
        return []
    place = folder / "results" / model.folder
    with explained(place):
        place.mkdir(parents=True, exist_ok=True)
    _write(place / "model_meta.json", model.to_dict())
    paths = {place / f"{name}.json": content for name, content in contents.items()}
    for path, content in paths.items():
        _write(path, content)
    return list(paths)


def _content(name: str, parts: Sequence[TaskScores], date: datetime | None) -> dict[str, Any]:
    revisions = {part.dataset_revision for part in parts}
    if len(revisions) > 1:
        raise InputError(
            f"{name}: scores on the revisions {', '.join(sorted(revisions))} of its data; expected one: evaluate "
            "its subsets on the same revision"
        )
    scores: dict[str, list[dict[str, Any]]] = {}
    for subset in (subset for part in parts for subset in part.subsets):
        of_split = scores.setdefault(subset.split, [])
        if any(one["hf_subset"] == subset.hf_subset for one in of_split):
            raise InputError(
                f"{name}: two scores for subset {subset.hf_subset!r} of split {subset.split!r}; give one, or name "
                "another mteb_name, subset or split in the suite"
            )
        of_split.append(subset.to_dict())
    times = [part.evaluation_time_s for part in parts if part.evaluation_time_s is not None]
    return {
        "dataset_revision": revisions.pop(),
        "task_name": name,
        "mteb_version": SCHEMA_VERSION,
        "scores": scores,
        "evaluation_time": sum(times) if times else None,
        "kg_co2_emissions": None,
        "date": None if date is None else date.timestamp(),
        "evaluation_phases": None,
    }


def _write(path: Path, content: Mapping[str, Any]) -> None:
    with writing(path) as file:
        file.write(json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2).encode("utf-8"))
