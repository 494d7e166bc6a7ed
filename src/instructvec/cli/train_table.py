"""A table of one's own on the command line: its options, the run they ask for, and its scores in words.

Knows arguments and what to print; nothing of how tables are read, trained on or measured.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructvec.cli.options import positive
from instructvec.cli.progress import StageBar, TrainingBar
from instructvec.cli.training import as_json, minutes, opened, overrides, refuse, require_evaluation, told
from instructvec.errors import ConfigError

if TYPE_CHECKING:
    from instructvec.corpus.sources import Source
    from instructvec.training.columns import Columns
    from instructvec.training.from_table import TableResult, TableRun
    from instructvec.training.splitting import Split
    from instructvec.types import Encoder

# Options and what they are where they are not given.
_OF_LABELS = {"text_column": None, "label_column": None}
_OF_PAIRS = {
    "query_column": None,
    "positive_column": None,
    "negative_column": None,
    "symmetric": False,
    "document_instruction": None,
}
OF_TABLES = {
    **_OF_LABELS,
    **_OF_PAIRS,
    "instruction": None,
    "model": None,
    "revision": None,
    "minutes": None,
    "held_out": None,
    "max_rows": None,
    "format": None,
    "on_error": None,
    "seed": None,
}
"""The options of this form of the command."""


def add_table_options(parser: argparse.ArgumentParser) -> None:
    """What the columns are, what to start from, how long it may take."""
    labels = parser.add_argument_group("with a table of labelled texts")
    labels.add_argument("--text-column", metavar="C", help="holds the texts (default: text)")
    labels.add_argument("--label-column", metavar="C", help="holds the labels")
    pairs = parser.add_argument_group("with a table of pairs")
    pairs.add_argument("--query-column", metavar="C", help="holds queries, or the one text of each pair")
    pairs.add_argument("--positive-column", metavar="C", help="holds the text that belongs to it")
    pairs.add_argument("--negative-column", metavar="C", help="holds texts that look alike and do not belong")
    pairs.add_argument("--symmetric", action="store_true", help="both sides are of one sort, such as questions")
    pairs.add_argument("--document-instruction", metavar="TEXT", help="what the other side's vectors are for")
    table = parser.add_argument_group("with any table")
    table.add_argument("--instruction", metavar="TEXT", help="what the vectors are for")
    table.add_argument("--model", metavar="M", help="what to start from: directory, hub id or bundled (default)")
    table.add_argument("--revision", help="branch, tag or commit of a hub id")
    table.add_argument("--minutes", type=minutes, metavar="M", help="of training at most (default: 10)")
    table.add_argument("--held-out", type=float, metavar="S", help="share of rows to measure on (default: 0.2)")
    table.add_argument("--max-rows", type=positive, metavar="N", help="draw so many of more (default: 20000)")
    table.add_argument("--format", choices=("csv", "tsv", "jsonl", "parquet"), help="whatever the suffix")
    table.add_argument(
        "--on-error", choices=("fail", "skip"), help="what becomes of rows that cannot be used (default: fail)"
    )
    table.add_argument("--seed", type=int, help="of every draw (default: 42)")


def run_on_table(arguments: argparse.Namespace) -> None:
    """Train on the table and tell what it changed."""
    from instructvec.training.from_table import train_on_table

    asked = _table_run(arguments)
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ConfigError(
            "torchrun has started several processes, and a table is trained on in one; run this once without it, "
            f"then start torchrun with the recipe {asked.folder / 'recipe.toml'}"
        )
    require_evaluation("scores on held-out rows")
    with StageBar(quiet=arguments.quiet, gives_way=True) as mining, TrainingBar(quiet=arguments.quiet) as bar:
        result = train_on_table(
            asked,
            opened,
            lambda made, start, trained: _measured(asked, made, start, trained),
            steps_now=arguments.steps_now,
            minutes_now=arguments.minutes_now,
            progress=bar,
            mining=mining,
        )
    if not arguments.quiet:
        print("\n".join(_told_of_table(result, asked)), file=sys.stderr)
    if arguments.json:
        print(json.dumps(as_json(result.trained) | {"rows": result.rows, "held_out": result.scores}))


def _table_run(arguments: argparse.Namespace) -> TableRun:
    from instructvec.training.from_table import TableRun

    if arguments.out is None:
        raise ConfigError("--out is missing; give the folder for model and scores")
    given = {
        name: value
        for name in ("model", "revision", "minutes", "held_out", "max_rows", "on_error", "seed")
        if (value := getattr(arguments, name)) is not None
    }
    return TableRun(
        source=_source(arguments),
        columns=_columns(arguments),
        out=arguments.out,
        overrides=overrides(arguments.set),
        **given,
    )


def _source(arguments: argparse.Namespace) -> Source:
    from instructvec.corpus.sources import source_of

    return source_of(Path(arguments.input), arguments.format)


def _columns(arguments: argparse.Namespace) -> Columns:
    """What the columns are; options of labelled texts and of pairs exclude each other."""
    from instructvec.training.columns import LabelColumns, PairColumns

    said = {name: getattr(arguments, name) for name in ("instruction", "document_instruction")}
    said = {name: value for name, value in said.items() if value is not None}
    if arguments.label_column is not None:
        refuse(arguments, _OF_PAIRS, "is for pairs, and --label-column for labelled texts; give one of them")
        return LabelColumns(arguments.text_column or "text", arguments.label_column, **said)
    if arguments.query_column is None and arguments.positive_column is None:
        raise ConfigError(
            f"{arguments.input}: what do its columns hold? Give --label-column (and --text-column), or "
            "--query-column and --positive-column; a recipe ends in .toml"
        )
    refuse(arguments, _OF_LABELS, "is for labelled texts, which need --label-column")
    for name in ("query_column", "positive_column"):
        if getattr(arguments, name) is None:
            raise ConfigError(f"--{name.replace('_', '-')} is missing; a pair has two sides, so give both columns")
    if arguments.symmetric and "document_instruction" in said:
        raise ConfigError("--document-instruction is given, but --symmetric says both sides share --instruction")
    return PairColumns(
        arguments.query_column, arguments.positive_column, arguments.negative_column, arguments.symmetric, **said
    )


def _measured(asked: TableRun, made: Split, start: Encoder, trained: Encoder) -> Mapping[str, Any]:
    """The held-out rows as the evaluation takes them, and what it finds."""
    from instructvec.evaluation.data import Classification
    from instructvec.evaluation.held_out import HeldOutRows, LabelRows, compared, pair_rows
    from instructvec.training.columns import LabelColumns

    train, held_out, columns = made.train, made.held_out, asked.columns
    rows: HeldOutRows
    if isinstance(columns, LabelColumns):
        data = Classification(train.first, [*train.second], held_out.first, [*held_out.second])
        rows = LabelRows(data, columns.instruction)
    else:
        rows = pair_rows(
            list(zip(train.first, train.second, strict=True)),
            list(zip(held_out.first, held_out.second, strict=True)),
            symmetric=columns.symmetric,
            instruction=columns.instruction,
            document_instruction=columns.document_instruction,
        )
    return compared(rows, start, trained, seed=asked.seed)


def _told_of_table(result: TableResult, asked: TableRun) -> Iterator[str]:
    """What came of it, for people."""
    rows = result.rows
    yield (
        f"{asked.source.name}: {rows['read']:,} rows, {rows['train']:,} to train on, {rows['held_out']:,} held out"
    )
    if rows["left_out"]:
        yield "  left out: " + ", ".join(f"{reason} {n:,}" for reason, n in rows["left_out"].items())
    yield from told(result.trained, asked.out)
    if result.scores is not None:
        yield from _scores_told(result.scores)


def _scores_told(scores: Mapping[str, Any]) -> Iterator[str]:
    """Before, after, and whether the difference is more than chance."""
    before, after, difference = scores["before"], scores["after"], scores["difference"]
    how = "with" if before["instructed"] else "without"
    low, high = difference["interval"]
    yield f"{scores['metric']} on {scores['n_units']:,} held-out rows, with 95% intervals:"
    yield f"  before  {_with_interval(before)}  ({how} instruction, the better of both)"
    yield f"  after   {_with_interval(after)}"
    yield f"  change  {difference['value']:+6.2f} [{low:+.2f}, {high:+.2f}]"
    for name, value in list(after["metrics"].items())[1:]:
        yield f"  {name}: {before['metrics'][name]:.2f} before, {value:.2f} after"
    if high < 0:
        yield "It became worse on these rows: keep the model that training started from."
    elif low <= 0:
        yield "The interval of the change has 0 in it: more rows would tell whether it became better."


def _with_interval(one: Mapping[str, Any]) -> str:
    low, high = one["interval"]
    return f"{one['score']:6.2f} [{low:.1f}, {high:.1f}]"
