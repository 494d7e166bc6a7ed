"""``instructvec train``: a recipe, or a table of one's own -> a trained model, resumed where it was interrupted.

Knows which form of the command is meant, and the arguments of recipes; nothing of training or of scores. Tables'
arguments are in ``train_table.py``.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from instructvec.cli.options import new_parser, positive
from instructvec.cli.progress import TrainingBar
from instructvec.cli.train_table import OF_TABLES, add_table_options, run_on_table
from instructvec.cli.training import as_json, minutes, opened, overrides, refuse, require_evaluation, told

if TYPE_CHECKING:
    from instructvec.training.options import EvaluationOptions

_EXAMPLES = """\
  instructvec train recipes/instructor-base.toml --data mixture --out instructor-base
  instructvec train recipe.toml --set optimizer.steps=200 --set model.start=path/to/model --minutes-now 9
  instructvec train messages.csv --text-column message --label-column intent --out mine
  instructvec train faq.jsonl --query-column question --positive-column answer --out mine"""

_RECIPE = ".toml"
_OF_RECIPES = {"data": None, "suite_data": None}
"""Options of this form, and what they are where they are not given."""


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = new_parser(
        "train",
        "Train a model by a recipe; or on a table of your own, labelled texts or pairs, with scores before and "
        "after on rows held out. Run again, it goes on where it stopped.",
        _EXAMPLES,
    )
    parser.add_argument("input", metavar="INPUT", help="a recipe (.toml), or a table: csv, tsv, jsonl or parquet")
    parser.add_argument(
        "--out", type=Path, metavar="DIR", help="folder of the run (default for a recipe: runs/ and its name)"
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="an option of the recipe, such as "
        "optimizer.steps=200; may be given several times",
    )  # fmt: skip
    parser.add_argument("--steps-now", type=positive, metavar="N", help="stop after so many steps, to go on later")
    parser.add_argument("--minutes-now", type=minutes, metavar="M", help="the same after so many minutes")
    parser.add_argument("--quiet", action="store_true", help="no progress bar, no summary")
    recipe = parser.add_argument_group("with a recipe")
    recipe.add_argument("--data", type=Path, metavar="PATH", help="mixture, instead of the recipe's")
    recipe.add_argument("--suite-data", type=Path, metavar="DIR", help="where the local data of its suite is")
    add_table_options(parser)
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Train by the recipe, or on the table."""
    if arguments.input.lower().endswith(_RECIPE):
        refuse(arguments, OF_TABLES, "is for tables; a recipe says it in its own options (--set)")
        _train_by_recipe(arguments)
    else:
        refuse(arguments, _OF_RECIPES, "is for recipes; a table is its own data")
        run_on_table(arguments)


def _is_first() -> bool:
    """Whether this process speaks for all that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def _train_by_recipe(arguments: argparse.Namespace) -> None:
    from instructvec.training.recipe import read_recipe
    from instructvec.training.trainer import train

    over = overrides(arguments.set)
    if arguments.data is not None:
        over["data.mixture"] = str(arguments.data)
    recipe = read_recipe(Path(arguments.input), over)
    out = arguments.out or Path("runs") / Path(arguments.input).stem
    quiet = arguments.quiet or not _is_first()
    with TrainingBar(quiet=quiet) as bar:
        trained = train(
            recipe,
            out,
            score=None
            if recipe.evaluation is None
            else _score_of(recipe.evaluation, arguments.suite_data, bar.say),
            steps_now=arguments.steps_now,
            minutes_now=arguments.minutes_now,
            progress=bar,
        )
    if not quiet:
        print("\n".join(told(trained, out)), file=sys.stderr)
    if arguments.json and _is_first():
        print(json.dumps(as_json(trained), ensure_ascii=False))


def _score_of(
    asked: EvaluationOptions, data: Path | None, say: Callable[[str], None]
) -> Callable[[Path], Mapping[str, float]]:
    """What the recipe's evaluation asks of a model; tasks that no model can be scored on are told once."""
    from instructvec.evaluation.suite import read_suite
    from instructvec.evaluation.suite_scores import suite_scores

    require_evaluation("a recipe with a table [evaluation]")
    suite, told = read_suite(asked.suite), set[str]()

    def score(model: Path) -> Mapping[str, float]:
        found = suite_scores(
            model, opened, suite=suite, kinds=asked.kinds, tasks=asked.tasks, half=asked.half, data=data
        )
        for one in found.left_out:
            if one not in told:
                say(f"not scored: {one}")
        told.update(found.left_out)
        return found.values

    return score
