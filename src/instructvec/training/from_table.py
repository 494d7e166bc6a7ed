"""A table of one's own and a model -> a model that is better at it, with scores before and after on held-out rows.

    file ──> rows ──┬─ 80 % ── mine ──> mixture ── train ──> OUT/model ──┐
                    └─ 20 % ─────────── held out ────────────────────────┴─ measure ──> OUT/table/scores.json

Knows the order of the work, how long it may take and what an earlier run left; nothing of how any of it is done.
Whoever calls brings the measure: this package's evaluation is no part of training.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

from instructvec.checkpoints.layout import read_spec
from instructvec.checkpoints.spec import CheckpointSpec
from instructvec.corpus.files import writing
from instructvec.corpus.rows import OnError
from instructvec.corpus.sources import Source
from instructvec.embedder import BUNDLED_NAME, model_folder
from instructvec.errors import ConfigError, FileError
from instructvec.medi.stages import Progress as MiningProgress
from instructvec.training.columns import Columns, described
from instructvec.training.options import ModelOptions
from instructvec.training.progress import Progress, Silent
from instructvec.training.run_folder import Trained
from instructvec.training.splitting import Split, split
from instructvec.training.table_data import keep, mine
from instructvec.training.table_recipe import check_overrides, table_recipe
from instructvec.training.tables import MAX_ROWS, Table, read_table
from instructvec.training.trainer import train
from instructvec.types import Encoder

Measure: TypeAlias = Callable[[Split, Encoder, Encoder], Mapping[str, Any]]
"""Rows in two, the model that training started from, the trained one -> scores as JSON values."""

_RECIPE, _SCORES = "recipe.toml", "scores.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRun:
    """What is asked for.

    Attributes:
        source: the file.
        columns: which of its columns hold what, and what the vectors are for.
        out: folder of the run.
        model: what to start from: ``"bundled"``, a directory or a hub id.
        revision: branch, tag or commit of a hub id.
        minutes: of training at most; reading, mining and measuring come on top.
        held_out: share of the rows that are held out.
        max_rows: of more rows so many are drawn.
        on_error: what becomes of rows that cannot be used.
        seed: of every draw.
        overrides: dotted name -> value, over the recipe that is made.
    """

    source: Source
    columns: Columns
    out: Path
    model: str = BUNDLED_NAME
    revision: str | None = None
    minutes: float = 10.0
    held_out: float = 0.2
    max_rows: int = MAX_ROWS
    on_error: OnError = "fail"
    seed: int = 42
    overrides: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.minutes > 0:
            raise ConfigError(f"minutes is {self.minutes:g}; expected more than 0")
        if self.seed < 0:
            raise ConfigError(f"seed is {self.seed}; expected 0 or more")

    @property
    def folder(self) -> Path:
        """Where rows, mixture, recipe and scores are."""
        return self.out / "table"


class TableResult(NamedTuple):
    """What came of it.

    Attributes:
        trained: the training.
        rows: counts: ``read``, ``train``, ``held_out``, ``triplets``, and ``left_out`` by reason.
        scores: what the measure found; ``None`` before training is finished.
    """

    trained: Trained
    rows: Mapping[str, Any]
    scores: Mapping[str, Any] | None


def train_on_table(
    run: TableRun,
    open_encoder: Callable[[str], Encoder],
    measure: Measure,
    *,
    steps_now: int | None = None,
    minutes_now: float | None = None,
    progress: Progress | None = None,
    mining: MiningProgress | None = None,
) -> TableResult:
    """Train on a table, or go on where an earlier call was interrupted; what is finished is not done again.

    Args:
        run: what is asked for.
        open_encoder: a model's directory -> the model.
        measure: scores the held-out rows.
        steps_now: stop after so many steps of training; the next call goes on.
        minutes_now: the same after so many minutes.
        progress: told how far training is.
        mining: told how far mining is.

    Raises:
        FileError: the table cannot be read, lacks a column or has a row that cannot be used.
        InputError: too few rows, or one label.
        CheckpointError: no model to start from.
        ConfigError: an override that does not exist, or too short a time.
        OutputExists: ``run.out`` holds a run on something else.
    """
    progress = progress or Silent()
    check_overrides(run.overrides)
    start = _start_of(run)
    made = split(_table(run), run.held_out, run.seed)
    keep(run.folder, made, run.columns, _made_from(run))
    encoder = open_encoder(str(start.path))
    n_triplets = int(mine(run.folder, encoder, run.seed, mining)["totals"]["triplets"])
    rows = {
        "read": made.train.read,
        "train": len(made.train),
        "held_out": len(made.held_out),
        "triplets": n_triplets,
        "left_out": dict(made.train.left_out),
    }
    recipe = table_recipe(
        run.folder / _RECIPE,
        name=run.out.resolve().name,
        model=_model(run, start),
        n_rows=n_triplets,
        minutes=run.minutes,
        seed=run.seed,
        overrides=run.overrides,
        progress=progress,
    )
    trained = train(recipe, run.out, steps_now=steps_now, minutes_now=minutes_now, progress=progress)
    if not trained.finished or trained.model is None:
        return TableResult(trained, rows, None)
    scores = _kept_scores(run.folder / _SCORES)
    if scores is None:
        progress.say("measuring on the held-out rows, before and after")
        scores = measure(made, encoder, open_encoder(str(trained.model)))
        _tell_in_card(trained.model / "README.md", scores)
        with writing(run.folder / _SCORES) as file:
            file.write((json.dumps(scores, ensure_ascii=False, indent=1) + "\n").encode())
    return TableResult(trained, rows, scores)


def _start_of(run: TableRun) -> CheckpointSpec:
    """The model to start from.

    Raises:
        CheckpointError: there is none.
    """
    path = model_folder(run.model, revision=run.revision)
    return read_spec(path, name=run.model)


def _model(run: TableRun, start: CheckpointSpec) -> ModelOptions:
    """As the recipe names it: a hub id by its name, a directory by its whole path.

    It keeps its rule of joining; the instruction's tokens are left out of the pooling from now on.
    """
    is_named = run.model == BUNDLED_NAME or not Path(run.model).exists()
    return ModelOptions(
        start=run.model if is_named else str(start.path.resolve()),
        revision=run.revision if is_named else None,
        joining=start.joining,
    )


def _table(run: TableRun) -> Table:
    return read_table(run.source, run.columns, on_error=run.on_error, max_rows=run.max_rows, seed=run.seed)


def _made_from(run: TableRun) -> dict[str, Any]:
    """All that decides the rows and the recipe."""
    try:
        with run.source.path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise FileError(f"{run.source.name}: cannot be read ({error.strerror}); check the file") from None
    return {
        "file": run.source.path.name,
        "sha256": content,
        **described(run.columns),
        "model": run.model,
        "revision": run.revision,
        "minutes": run.minutes,
        "held_out": run.held_out,
        "max_rows": run.max_rows,
        "on_error": run.on_error,
        "seed": run.seed,
    }


def _tell_in_card(path: Path, scores: Mapping[str, Any]) -> None:
    """Put the scores into the model's card, in place of what it says of scores."""
    before, after, change = (scores[name] for name in ("before", "after", "difference"))
    low, high = change["interval"]
    how = "with" if before["instructed"] else "without"
    section = (
        f"## Scores\n\n{scores['metric']} on {scores['n_units']:,} held-out rows of the table, which training did "
        f"not see: {before['score']:.1f} before ({how} instruction, the better of both), {after['score']:.1f} "
        f"after; change {change['value']:+.1f}, 95% interval {low:+.1f} to {high:+.1f}.\n"
    )
    card = path.read_text(encoding="utf-8") if path.is_file() else ""
    parts = re.split(r"^(?=## )", card, flags=re.MULTILINE)
    others = [part for part in parts if not part.startswith("## Scores")]
    at = next((at for at, part in enumerate(parts) if part.startswith("## Scores")), len(others))
    others.insert(at, section + ("\n" if at < len(others) else ""))
    with writing(path) as file:
        file.write("".join(others).encode())


def _kept_scores(path: Path) -> Mapping[str, Any] | None:
    """What was measured before; a damaged file counts as not there."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None
