"""``instructvec judge``: a file of generated texts with references -> scores, and a table of systems.

Knows options, files and messages; the work is ``tasks/judging.py``'s.
"""

from __future__ import annotations

import argparse
import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from instructvec.cli.columns import with_columns
from instructvec.cli.inputs import (
    CountedEncoder,
    Loaded,
    add_input_options,
    add_output_option,
    cuts_told,
    load,
    shown_instruction,
    tell,
)
from instructvec.cli.options import new_parser, open_embedder, positive
from instructvec.cli.progress import ProgressBar
from instructvec.errors import FileError
from instructvec.tasks.instructions import JUDGE

if TYPE_CHECKING:
    from instructvec.tasks.judging import Agreement, Judged

ADDED = ("max_cosine", "nearest_reference")

_EXAMPLES = """\
  instructvec judge captions.jsonl --hypothesis-column hypothesis --reference-column references \\
      --system-column system --human-column human_score
  instructvec judge summaries.csv --hypothesis-column summary --reference-column ref1 ref2 -o scored.csv"""


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = new_parser("judge", "Score generated texts by their greatest cosine with a reference.", _EXAMPLES)
    add_input_options(parser, instruction=JUDGE)
    parser.add_argument(
        "--hypothesis-column", metavar="H", help="holds the generated texts; another name for --column"
    )
    parser.add_argument(
        "--reference-column", nargs="+", required=True, metavar="R",
        help="hold a reference each, or a list of them (in csv and tsv as JSON)",
    )  # fmt: skip
    parser.add_argument("--system-column", metavar="S", help="names what generated the text")
    parser.add_argument("--human-column", metavar="C", help="holds people's scores, to compare with; may be empty")
    parser.add_argument("--resamples", type=positive, default=1000, metavar="N", help="of the intervals (1000)")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of the resamples (0)")
    add_output_option(parser, required=False)
    return parser


@dataclass(slots=True, eq=False)
class _Rows:
    """The rows that can be judged: which of those loaded, and their references."""

    kept: list[int]
    references: list[list[str]]


def run(arguments: argparse.Namespace) -> None:
    """Score, write where asked, and print the systems."""
    from instructvec.corpus.table_files import table_writer, write_table
    from instructvec.errors import ConfigError
    from instructvec.tasks.judging import judge

    if arguments.hypothesis_column is not None and arguments.column is not None:
        raise ConfigError("--hypothesis-column and --column: both given; they mean the same: leave one out")
    arguments.column = arguments.column or arguments.hypothesis_column
    if arguments.output is not None:
        table_writer(arguments.output)
    loaded = load(arguments)
    rows = _referenced(loaded, arguments)
    columns = loaded.columns.take(rows.kept)
    if arguments.output is not None:
        with_columns(columns.slice(0, 0), {name: [] for name in ADDED})  # refused before the work
    systems = _chosen(loaded, arguments.system_column, "--system-column", rows.kept)
    human = _chosen(loaded, arguments.human_column, "--human-column", rows.kept)
    numbers = None if human is None else _numbers(human, rows.kept, arguments.human_column)
    texts = [loaded.texts[row] for row in rows.kept] if loaded.texts is not None else []
    distinct = len({one for row in rows.references for one in row})
    embedder = open_embedder(arguments)
    with cuts_told(embedder), ProgressBar(quiet=arguments.quiet) as bar:
        bar.start(distinct + (0 if loaded.embedded is not None else len(texts)))
        found = judge(
            texts if loaded.embedded is None else loaded.embedded.take(rows.kept),
            rows.references,
            embedder=CountedEncoder(embedder, bar),
            instruction=arguments.instruction,
            human_scores=numbers,
            systems=None if systems is None else [str(one) for one in systems],
            n_resamples=arguments.resamples,
            seed=arguments.seed,
        )
    if arguments.output is not None:
        added = dict(zip(ADDED, (found.scores, found.nearest), strict=True))
        write_table(with_columns(columns, added), arguments.output)
    _report(arguments, loaded, found)


def _referenced(loaded: Loaded, arguments: argparse.Namespace) -> _Rows:
    """References of each row, those without left out under ``--on-error skip``."""
    columns = [loaded.values_of(name, "--reference-column") for name in arguments.reference_column]
    kept, references = [], []
    for row, cells in enumerate(zip(*columns, strict=True)):
        held: list[str] = []
        for name, cell in zip(arguments.reference_column, cells, strict=True):
            held += _texts_of(cell, name, row)
        if held:
            kept.append(row)
            references.append(held)
        elif arguments.on_error == "fail":
            raise FileError(
                f"row {row + 1}: no reference in {', '.join(map(repr, arguments.reference_column))}; expected at "
                "least one: fill it in, or leave such rows out with --on-error skip"
            )
    if not kept:
        raise FileError(f"no row has a reference in {', '.join(map(repr, arguments.reference_column))}")
    return _Rows(kept, references)


def _texts_of(cell: Any, name: str, row: int) -> list[str]:
    """The references in a cell: a text, a list of texts, or such a list as JSON; an empty cell has none."""
    if isinstance(cell, str) and cell.lstrip().startswith("["):
        try:
            parsed = json.loads(cell)
        except ValueError:  # a text that begins with a bracket
            parsed = cell
        cell = parsed if isinstance(parsed, list) and all(isinstance(one, str | None) for one in parsed) else cell
    listed = cell if isinstance(cell, list) else [] if cell is None else [cell]
    for one in listed:
        if one is not None and not isinstance(one, str):
            raise FileError(
                f"--reference-column {name!r}, row {row + 1}: {one!r}; expected a text or a list of texts"
            )
    return [one for one in listed if one is not None and one.strip()]


def _chosen(loaded: Loaded, name: str | None, option: str, kept: list[int]) -> list[Any] | None:
    if name is None:
        return None
    values = loaded.values_of(name, option)
    return [values[row] for row in kept]


def _numbers(values: list[Any], kept: list[int], name: str) -> list[float | None]:
    found: list[float | None] = []
    for row, value in zip(kept, values, strict=True):
        try:
            number = None if value is None or value == "" else float(value)
        except (TypeError, ValueError):
            number = math.inf
        if number is not None and math.isinf(number):
            raise FileError(f"--human-column {name!r}, row {row + 1}: {value!r}; expected a number, or nothing")
        found.append(number)
    return found


def _report(arguments: argparse.Namespace, loaded: Loaded, found: Judged) -> None:
    n_without = len(loaded) - len(found.scores)
    lines = [shown_instruction(found, arguments.instruction)]
    if arguments.output is not None:
        lines.insert(0, f"{arguments.output}: {len(found.scores):,} rows with {' and '.join(ADDED)}")
    if n_without + loaded.n_rejected:
        lines.append(
            f"{n_without:,} rows without a reference and {loaded.n_rejected:,} without a text were left out"
        )
    tell(*lines, quiet=arguments.quiet)
    if arguments.json:
        print(json.dumps(_result(arguments, loaded, found), ensure_ascii=False))
        return
    print("\n".join(_table(found)))


def _table(found: Judged) -> list[str]:
    """Systems, best first, and the agreement with people."""
    width = max(len("system"), *(len(one.system) for one in found.systems))
    human = any(one.human_mean is not None for one in found.systems)
    lines = [f"{'system':<{width}}  {'texts':>7}  {'mean':>7}  {'95% interval':>18}" + ("    human" * human)]
    for one in found.systems:
        shown = "-" if one.human_mean is None else f"{one.human_mean:.3f}"
        low, high = one.interval
        interval = f"{low:.4f} to {high:.4f}"
        lines.append(
            f"{one.system:<{width}}  {one.n:>7,}  {one.mean:>7.4f}  {interval:>18}" + (f"  {shown:>7}" * human)
        )
    for name, agreement in (("texts", found.agreement), ("systems", found.system_agreement)):
        if agreement is not None:
            lines.append(f"agreement with people over {agreement.n:,} {name}: {_shown(agreement)}")
    return lines


def _shown(agreement: Agreement) -> str:
    if math.isnan(agreement.pearson):
        return "undefined, for one side does not vary"
    return f"Pearson {agreement.pearson:.4f}, Spearman {agreement.spearman:.4f}, Kendall {agreement.kendall:.4f}"


def _result(arguments: argparse.Namespace, loaded: Loaded, found: Judged) -> dict[str, Any]:
    return {
        "out": None if arguments.output is None else str(arguments.output),
        "rows": len(found.scores),
        "left_out": len(loaded) - len(found.scores) + loaded.n_rejected,
        "systems": [
            {
                "system": one.system,
                "mean": one.mean,
                "interval": list(one.interval),
                "texts": one.n,
                "human_mean": one.human_mean,
            }
            for one in found.systems
        ],
        "agreement": _figures(found.agreement),
        "system_agreement": _figures(found.system_agreement),
        "contract": json.loads(found.contract.to_json()),
    }


def _figures(agreement: Agreement | None) -> dict[str, float | None] | None:
    if agreement is None:
        return None
    figures = {name: getattr(agreement, name) for name in ("pearson", "spearman", "kendall")}
    return {name: None if math.isnan(one) else one for name, one in figures.items()} | {"n": agreement.n}
