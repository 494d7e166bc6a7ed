"""The dataclasses of a recipe -> ``docs/recipe-options.md``: every option with its default and what it means.

Knows docstrings of the form ``name: what it is.``; nothing of what options do. Run it after changing an option:
``python docs/make_recipe_options.py``. A test holds the page to what this gives.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import MISSING, Field, fields
from pathlib import Path
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from instructvec.training.choice import Weighting
from instructvec.training.distillation import Distillation
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
)
from instructvec.training.recipe import OBJECTIVE, Recipe
from instructvec.training.recipe_text import text_of

PAGE = Path(__file__).parent / "recipe-options.md"

TABLES: dict[str, type] = {
    "[model]": ModelOptions,
    "[data]": DataOptions,
    "[data.weights]": Weighting,
    "[batches]": BatchOptions,
    "[objective]": Objective,
    "[objective.distillation]": Distillation,
    "[teacher]": TeacherOptions,
    "[optimizer]": OptimizerOptions,
    "[lora]": Lora,
    "[compute]": ComputeOptions,
    "[checkpoints]": CheckpointOptions,
    "[evaluation]": EvaluationOptions,
    "[result]": ResultOptions,
    "[tracking]": TrackingOptions,
}
_PLAIN = ("name", "description", "seed")
_BELOW = ("weights", "distillation")

_HEAD = """\
# Options of a recipe

<!-- Made by docs/make_recipe_options.py from the source; not edited by hand. -->

Everything that the TOML file of `instructvec train RECIPE.toml` may say. What is left out has its default; tables
marked *optional* are without effect unless they are there. How to use them: [training.md](training.md).
"""

_OBJECTIVE = """\
`name` is one of {} (default `{}`), which sets the options; those given here stand instead of that one's. Defaults
below are those of `full`; `masked` also has `same_text`, `same_label` and `margin = 0.1`, `released` has its form,
and `two_sided` is `masked` with `same_side`. Equations: [objective.py](../src/instructvec/training/objective.py).
"""


def page() -> str:
    """The whole page."""
    parts = [_HEAD, "## Above all tables\n", _table(Recipe, only=_PLAIN)]
    optional = {"[teacher]", "[lora]", "[evaluation]", "[objective.distillation]"}
    for name, kind in TABLES.items():
        mark = ", *optional*" if name in optional else ""
        parts += [f"## `{name}`{mark}\n", _summary(kind)]
        if kind is Objective:
            parts.append(_OBJECTIVE.format(", ".join(f"`{one}`" for one in NAMED), OBJECTIVE))
        parts.append(_table(kind))
    return "\n".join(parts)


def _summary(kind: type) -> str:
    first = (inspect.getdoc(kind) or "").split("\n\n")[0]
    return _plain(first.split(": the options of")[0].rstrip(".")) + ".\n"


def _table(kind: type, only: tuple[str, ...] = ()) -> str:
    meanings, hints = _meanings(kind), get_type_hints(kind)
    rows = [
        f"| `{one.name}` | {_default(one)} | {meanings[one.name]}{_choices(hints[one.name])} |"
        for one in fields(kind)
        if (one.name in only if only else one.name not in _BELOW)
    ]
    return "\n".join(["| option | default | what |", "|---|---|---|", *rows]) + "\n"


def _default(one: Field[Any]) -> str:
    if one.default is MISSING and one.default_factory is MISSING:
        return "required"
    value = one.default if one.default_factory is MISSING else one.default_factory()
    if value is None or value in ((), {}):
        return "-"
    return f"`{text_of({'x': value}).strip().removeprefix('x = ')}`"


def _choices(hint: Any) -> str:
    """The words that an option takes, where it takes some few."""
    word = "One"
    while get_origin(hint) in (tuple, Union, UnionType):
        word = "Any" if get_origin(hint) is tuple else word
        hint = get_args(hint)[0]
    if get_origin(hint) is not Literal:
        return ""
    return f" {word} of " + ", ".join(f'`"{one}"`' for one in get_args(hint)) + "."


def _meanings(kind: type) -> dict[str, str]:
    """Option -> what its class, or one it is made from, says of it."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        if one.__doc__:
            found |= dict(_attributes(inspect.cleandoc(one.__doc__)))
    return found


def _attributes(text: str) -> Iterator[tuple[str, str]]:
    section = re.search(r"^Attributes:\n((?:    .*\n?|\n)+)", text, re.MULTILINE)
    if section is None:
        return
    for name, what in re.findall(r"^    (\w+): (.*(?:\n {8}.*)*)", section[1], re.MULTILINE):
        yield name, _plain(" ".join(what.split()))


def _plain(text: str) -> str:
    """Markdown of reStructuredText's few marks."""
    text = re.sub(r":\w+:`~?([^`]*)`", r"`\1`", text)
    return (
        re.sub(r"``([^`]*)``", r"`\1`", text)
        .replace("|", "\\|")
        .replace("`None`", "none")
        .replace("; see the table above", "")
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
