"""``instructvec evaluate``: models on a suite of tasks, with intervals, wordings, and a report.

Knows arguments and what to print; nothing of tasks.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructvec.cli.options import add_engine_options, new_parser, open_model, positive
from instructvec.cli.progress import TextBar
from instructvec.errors import EvaluationIncomplete

if TYPE_CHECKING:
    from instructvec.evaluation.run import EvaluateConfig

_EXAMPLES = """\
  instructvec evaluate --out smoke-report
  instructvec evaluate --suite open --data DATA --models bundled path/to/model path/to/model@none --out report
  instructvec evaluate --suite paper --kinds sts classification --models hkunlp/instructor-large --out report
  instructvec evaluate --suite mine.toml --wordings all --limit 500 --out report
  instructvec evaluate --suite open --data DATA --models A B --half development --out choosing
  instructvec evaluate --suite open --list"""


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = new_parser(
        "evaluate",
        "Measure models on a suite of tasks: scores with intervals under each wording of the instructions, paired "
        "differences, whether the vectors follow the instruction; writes results.json, report.json and "
        "report.html. Run again, it continues where it stopped.",
        _EXAMPLES,
    )
    parser.add_argument(
        "--models", nargs="+", default=["bundled"], metavar="M",
        help="directories, hub ids or 'bundled'; M@none runs M without instructions (default: bundled)",
    )  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="DIR", help="folder for results and report")
    tasks = parser.add_argument_group("tasks")
    tasks.add_argument(
        "--suite", default="smoke", metavar="S", help="smoke, open, paper, or a .toml file (default: smoke)"
    )
    tasks.add_argument("--data", type=Path, metavar="FOLDER", help="where the suite's local data is")
    tasks.add_argument("--kinds", nargs="+", default=[], metavar="KIND", help="only tasks of these kinds")
    tasks.add_argument("--tasks", nargs="+", default=[], metavar="TASK", help="only these tasks")
    tasks.add_argument(
        "--half", choices=("development", "test", "all"), default="all",
        help="only this half of each task's test rows: make choices on development, report on test (default: all)",
    )  # fmt: skip
    tasks.add_argument(
        "--limit", type=positive, metavar="N", help="rows or queries a task at most, drawn by the seed"
    )
    tasks.add_argument("--list", action="store_true", help="list the suite's tasks and stop")
    how = parser.add_argument_group("how")
    how.add_argument(
        "--wordings", choices=("first", "paraphrases", "all"), default="paraphrases",
        help="the main instruction only; its paraphrases too; also none, tag, simple, placebo and wrong ones "
        "(default: paraphrases)",
    )  # fmt: skip
    how.add_argument(
        "--reword", choices=("query", "both"), default="query",
        help="what paraphrases reword in retrieval and reranking: queries, or documents too (default: query)",
    )  # fmt: skip
    how.add_argument(
        "--resamples",
        type=int,
        default=1000,
        metavar="N",
        help="of the bootstrap; 0 for no intervals (default: 1000)",
    )
    how.add_argument("--seed", type=int, default=42, help="of the bootstrap and of --limit (default: 42)")
    how.add_argument("--reader", metavar="LM", help="a causal language model that answers prompt-retrieval tasks")
    how.add_argument("--cache", type=Path, metavar="DIR", help="keeps embeddings and scores (default: OUT/cache)")
    how.add_argument("--fresh", action="store_true", help="score everything anew; embeddings are still reused")
    how.add_argument("--quiet", action="store_true", help="no progress bar and no summary")
    add_engine_options(parser)
    return parser


def run(arguments: argparse.Namespace) -> None:
    """List the tasks, or evaluate and report."""
    from instructvec.evaluation.suite import read_suite

    suite = read_suite(arguments.suite)
    if arguments.list:
        _list(suite, as_json=arguments.json)
        return
    from instructvec.evaluation.folder import evaluate_into

    with TextBar(quiet=arguments.quiet) as bar:
        report = evaluate_into(
            _config(arguments, suite),
            lambda name: open_model(name, arguments),
            bar,
            command=shlex.join(["instructvec", *sys.argv[1:]]),
        )
    if not arguments.quiet:
        print("\n".join(_summary(report, arguments.out)), file=sys.stderr)
    if arguments.json:
        print(json.dumps(report["results"], ensure_ascii=False))
    if report["errors"]:
        n_failed = len(report["errors"])
        raise EvaluationIncomplete(
            f"{n_failed} of the tasks could not be run; the report in {arguments.out} is partial:\n"
            + "\n".join(f"  - {_failure(one)}" for one in report["errors"])
        )


def _config(arguments: argparse.Namespace, suite: Any) -> EvaluateConfig:
    from instructvec.errors import ConfigError
    from instructvec.evaluation.cells import Resampling
    from instructvec.evaluation.run import EvaluateConfig

    if arguments.out is None:
        raise ConfigError("--out is missing; give the folder for results and report")
    return EvaluateConfig(
        suite=suite,
        models=tuple(arguments.models),
        out=arguments.out,
        data=arguments.data,
        cache=arguments.cache,
        tasks=tuple(arguments.tasks),
        kinds=tuple(arguments.kinds),
        half=arguments.half,
        limit=arguments.limit,
        wordings=arguments.wordings,
        reword=arguments.reword,
        resampling=Resampling(arguments.resamples, arguments.seed),
        reader=arguments.reader,
        fresh=arguments.fresh,
    )


def _list(suite: Any, *, as_json: bool) -> None:
    rows = [
        {"name": task.name, "kind": task.kind, "metric": task.main_metric, "licence": task.licence,
         "instruction": task.instruction}
        for task in suite.tasks
    ]  # fmt: skip
    if as_json:
        print(json.dumps(rows, ensure_ascii=False))
        return
    widths = {key: max(len(row[key]) for row in rows) for key in ("name", "kind", "metric")}
    for row in rows:
        print("  ".join(row[key].ljust(width) for key, width in widths.items()), row["licence"], sep="  ")


def _summary(report: dict[str, Any], out: Path) -> list[str]:
    """The means by kind, a line a kind and a column a model, and where the report is."""
    models = [model["name"] for model in report["models"] if report["kinds"].get(model["name"])]
    lines = []
    if models:
        kinds = list(dict.fromkeys(kind for model in models for kind in report["kinds"][model]))
        kinds.sort(key=lambda kind: kind == "all")
        width = max(map(len, kinds))
        columns = [name.rstrip("/").rsplit("/", 1)[-1][-20:] for name in models]
        lines.append(" " * width + "".join(f"  {column:>20}" for column in columns))
        for kind in kinds:
            values = [_value(report["kinds"][model].get(kind)) for model in models]
            lines.append(f"{kind:<{width}}" + "".join(f"  {value:>20}" for value in values))
    state = "complete" if report["complete"] else "partial"
    if report["half"] != "all":
        state += f", {report['half']} half"
    return [*lines, f"{out / 'report.html'}: {state}; figures in {out / 'results.json'}"]


def _value(one: dict[str, Any] | None) -> str:
    if one is None:
        return "-"
    if one["interval"] is None:
        return f"{one['score']:.2f}"
    low, high = one["interval"]
    return f"{one['score']:.2f} [{low:.1f}, {high:.1f}]"


def _failure(one: dict[str, str]) -> str:
    return f"{one['task']}{' with ' + one['model'] if one['model'] else ''}: {one['message']}"
