"""A TOML file, and what is set over it -> a recipe: everything that one training run is asked for, as one value.

Knows files, tables and which options depend on each other; nothing of how they are carried out.
Format: a table for each of ``options.py``'s classes and ``[objective]``; what is left out has its default, and
paths are relative to the file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from instructvec.corpus.cache import digest
from instructvec.errors import ConfigError
from instructvec.toml import make
from instructvec.training.objective import NAMED, Objective
from instructvec.training.options import (
    BatchOptions,
    CheckpointOptions,
    ComputeOptions,
    DataOptions,
    EvaluationOptions,
    Lora,
    ModelOptions,
    OptimizerOptions,
    ResultOptions,
    TeacherOptions,
    TrackingOptions,
    check_rules,
)
from instructvec.training.recipe_text import PATHS, read_tables, text_of, without_empty

__all__ = [
    "BatchOptions",
    "CheckpointOptions",
    "ComputeOptions",
    "DataOptions",
    "EvaluationOptions",
    "Lora",
    "ModelOptions",
    "OptimizerOptions",
    "Recipe",
    "ResultOptions",
    "TeacherOptions",
    "TrackingOptions",
    "read_recipe",
]

OBJECTIVE = "masked"
"""The objective of a recipe that names none."""

# Tables and options that change nothing in the result: on what it is computed, what is kept and shown meanwhile,
# and where things lie. A mixture is known by its rows, which the sampler's state tells from others.
_UNDECISIVE = (
    *("name", "description", "model.name", "data.mixture", "checkpoints", "tracking"),
    *(f"compute.{one}" for one in ("device", "threads", "gradient_checkpointing", "sub_batch_rows")),
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """One training run.

    Attributes:
        name: a word for it.
        description: what it is for, and what is expected of it.
        model: what is trained.
        data: what on.
        seed: of dropout and adapters; of batches too, where a file does not give them one.
        batches: how they are drawn and cut.
        objective: what is lowered.
        teacher: whose similarities are distilled; ``None`` for no distillation.
        optimizer: how it is lowered.
        lora: adapters instead of all weights.
        compute: on what.
        checkpoints: when the state is saved.
        evaluation: what is scored meanwhile; ``None`` for nothing.
        result: which weights are kept.
        tracking: where the course is shown.

    Raises:
        ConfigError: options that contradict each other.

    Example:
        >>> recipe = Recipe("trial", "", ModelOptions("models/small"), DataOptions(mixture="mixture"))
        >>> recipe.objective.same_text, recipe.optimizer.steps
        (True, 1000)
    """

    name: str
    description: str
    model: ModelOptions
    data: DataOptions
    seed: int = 42
    batches: BatchOptions = field(default_factory=BatchOptions)
    objective: Objective = NAMED[OBJECTIVE]
    teacher: TeacherOptions | None = None
    optimizer: OptimizerOptions = field(default_factory=OptimizerOptions)
    lora: Lora | None = None
    compute: ComputeOptions = field(default_factory=ComputeOptions)
    checkpoints: CheckpointOptions = field(default_factory=CheckpointOptions)
    evaluation: EvaluationOptions | None = None
    result: ResultOptions = field(default_factory=ResultOptions)
    tracking: TrackingOptions = field(default_factory=TrackingOptions)

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ConfigError("name is empty; give the recipe one")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed is {self.seed}; expected a number from 0 to {2**32 - 1}")
        if (self.teacher is None) != (self.objective.distillation is None):
            has, lacks = ("teacher", "objective.distillation")[:: 1 if self.teacher else -1]
            raise ConfigError(f"there is a table [{has}] and none [{lacks}]; give both, or neither")
        if self.optimizer.temperature_learning_rate is not None and not self.objective.learn_temperature:
            raise ConfigError(
                "optimizer.temperature_learning_rate is given and objective.learn_temperature is false; set that "
                "to true, or leave the rate out"
            )
        if self.result.average_last > self.checkpoints.keep:
            raise ConfigError(
                f"result.average_last is {self.result.average_last} and checkpoints.keep {self.checkpoints.keep}; "
                "keep as many checkpoints as are averaged"
            )
        check_rules(self.data, self.batches.instructions)

    @property
    def digest(self) -> str:
        """32 hex characters of all that decides the result: equal recipes give equal ones, wherever things lie."""
        return digest(self.decisive())

    def decisive(self) -> dict[str, Any]:
        """What decides the result: dotted name -> value; directories by their last name, hub ids whole."""
        flat = _flat(asdict(self))
        for key in PATHS:
            if key in flat:
                flat[key] = _without_root(flat[key])
        left_out = _UNDECISIVE if self.result.best else (*_UNDECISIVE, "evaluation")
        return {
            key: value
            for key, value in flat.items()
            if not any(key == one or key.startswith(f"{one}.") for one in left_out)
        }

    def differences(self, other: Recipe) -> tuple[str, ...]:
        """What decides the result and differs, in words: ``"optimizer.steps is 200, and 100 in the other"``."""
        ours, theirs = self.decisive(), other.decisive()
        return tuple(
            f"{key} is {_word(ours.get(key))}, and {_word(theirs.get(key))} in the other"
            for key in dict.fromkeys((*ours, *theirs))
            if ours.get(key) != theirs.get(key)
        )

    def to_toml(self, *, whole_paths: bool = True) -> str:
        """The recipe with all its values, as :func:`read_recipe` reads it.

        Args:
            whole_paths: as they are; false gives last names only, for a text that is passed on.
        """
        tables = without_empty(asdict(self))
        tables["objective"] = {"name": _nearest(self.objective)} | tables["objective"]
        if not whole_paths:
            for table, key in (one.split(".") for one in PATHS):
                if key in tables.get(table, {}):
                    tables[table][key] = _without_root(tables[table][key])
        return text_of(tables)


def read_recipe(path: Path, overrides: Mapping[str, str] | None = None) -> Recipe:
    """A recipe from its file.

    Args:
        path: the file; paths in it are relative to its folder.
        overrides: dotted name -> a TOML value that stands instead (``{"optimizer.steps": "200"}``); a word needs
            no quotes, an empty one takes the option or table away, and paths are relative to the working
            directory.

    Raises:
        FileError: no such file, or no TOML.
        ConfigError: an unknown option or table, or a value that it does not take; names the nearest known.
    """
    tables = read_tables(path, overrides or {})
    if isinstance(tables.get("objective", {}), dict):
        tables["objective"] = _objective_table(tables.get("objective", {}), f"{path}: objective")
    batches = tables.setdefault("batches", {})
    if isinstance(batches, dict):
        batches.setdefault("seed", tables.get("seed", 42))
    return make(Recipe, tables, str(path))


def _objective_table(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The named objective's options, and those of the table instead."""
    options = dict(table)
    name = options.pop("name", OBJECTIVE)
    if name not in NAMED:
        raise ConfigError(f"{where}: name is {name!r}; expected one of {', '.join(NAMED)}")
    return without_empty(asdict(NAMED[name])) | options


def _nearest(objective: Objective) -> str:
    """The named objective that differs in the fewest options, none of which TOML could not take away."""

    def n_differing(name: str) -> int:
        pairs = [(getattr(NAMED[name], one.name), getattr(objective, one.name)) for one in fields(Objective)]
        differing = sum(1 for named, own in pairs if named != own)
        return differing + (100 if any(named is not None and own is None for named, own in pairs) else 0)

    return min(NAMED, key=n_differing)


def _without_root(paths: Any) -> Any:
    """The last name of a path from the root; of several paths, the last two: each is the ``model`` of a run."""
    if isinstance(paths, (list, tuple)):
        return ["/".join(Path(one).parts[-2:]) if Path(one).is_absolute() else one for one in paths]
    return Path(paths).name if Path(paths).is_absolute() else paths


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested tables as dotted names; without what is ``None``."""
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        elif value is not None:
            flat[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return flat


def _word(value: object) -> str:
    return "not given" if value is None else repr(value)
