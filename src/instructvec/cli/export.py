"""``instructvec export``: a checkpoint -> a directory with ONNX graphs, and how far each deviates from torch.

Knows options and a table; the work is ``engines/export.py``'s.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from instructvec.cli.options import new_parser
from instructvec.errors import FileError
from instructvec.types import JOININGS

if TYPE_CHECKING:
    from instructvec.engines.export import ExportReport, StsPairs

_EXAMPLES = """\
  instructvec export hkunlp/instructor-base -o instructor-base-onnx
  instructvec export path/to/model -o model-int8 --precision int8 --graphs-only
  instructvec export path/to/model -o model-onnx --sts sts-dev.tsv --json

the STS file is csv, tsv, jsonl or parquet."""

STS_COLUMNS = ("a", "b", "score")


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = new_parser("export", "Export a checkpoint to ONNX and print the measured deviation.", _EXAMPLES)
    parser.add_argument("model", metavar="MODEL", help="directory, hub id or bundled")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="the directory to make")
    parser.add_argument(
        "--precision", nargs="+", choices=("float32", "int8"), default=["float32", "int8"], help="default: both"
    )
    parser.add_argument("--sts", metavar="FILE", help="pairs with human scores; their change is measured too")
    parser.add_argument(
        "--sts-columns", nargs=3, default=STS_COLUMNS, metavar=("A", "B", "SCORE"),
        help=f"its columns: two texts and their score (default: {' '.join(STS_COLUMNS)})",
    )  # fmt: skip
    parser.add_argument("--texts", metavar="FILE", help="texts to measure on (default: a sample that comes along)")
    parser.add_argument("--column", help="of --texts: the column that holds them")
    parser.add_argument("--graphs-only", action="store_true", help="leave the float weights out")
    parser.add_argument(
        "--pool-text-only",
        action="store_true",
        help="the result reads the instruction's tokens but does not pool them",
    )
    parser.add_argument("--joining", choices=JOININGS, help="the rule to write into the result")
    parser.add_argument("--revision", help="branch, tag or commit of a hub id")
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Export and print the report."""
    from instructvec.embedder import BUNDLED_NAME, model_folder
    from instructvec.engines.export import export

    report = export(
        model_folder(arguments.model) if arguments.model == BUNDLED_NAME else arguments.model,
        arguments.output,
        dtypes=arguments.precision,
        texts=None if arguments.texts is None else _texts(arguments.texts, arguments.column),
        sts=None if arguments.sts is None else _sts_pairs(arguments.sts, arguments.sts_columns),
        graphs_only=arguments.graphs_only,
        include_prompt=False if arguments.pool_text_only else None,
        joining=arguments.joining,
        revision=arguments.revision,
    )
    if arguments.json:
        print(json.dumps(asdict(report), default=str))
    else:
        print("\n".join(_table(report)))


def _texts(file: str, column: str | None) -> list[str]:
    from instructvec.corpus.readers import read
    from instructvec.corpus.records import Selection
    from instructvec.corpus.sources import source_of

    blocks = read([source_of(Path(file))], Selection(column))
    return [text for rows in blocks for text in rows.texts]


def _sts_pairs(file: str, names: Sequence[str]) -> StsPairs:
    from instructvec.corpus.readers import read
    from instructvec.corpus.records import Selection
    from instructvec.corpus.sources import source_of
    from instructvec.engines.export import StsPairs

    first, second, score = names
    a: list[str] = []
    b: list[str] = []
    scores: list[float] = []
    # Both sides are texts: the second is validated as instructions are.
    for rows in read([source_of(Path(file))], Selection(first, instruction_column=second)):
        if score not in rows.columns.column_names:
            raise FileError(f"{file}: no column {score!r}; the columns are {', '.join(rows.columns.column_names)}")
        for place, value in zip(rows.places, rows.columns.column(score).to_pylist(), strict=True):
            try:
                scores.append(float(value))
            except (TypeError, ValueError):
                raise FileError(f"{place}: column {score!r} holds {value!r}; expected a number") from None
        a += rows.texts
        b += rows.instructions or []
    return StsPairs(a, b, scores)


def _table(report: ExportReport) -> list[str]:
    """The deviation of each graph from the reference."""
    lines = [
        f"{report.path}: compared with {report.reference} on {report.n_texts:,} texts"
        + (f" and {report.n_pairs:,} STS pairs" if report.n_pairs else ""),
        "",
        f"{'graph':<9}{'MB':>9}{'mean cosine':>14}{'worst cosine':>14}{'largest diff':>14}{'STS':>8}{'change':>9}",
    ]
    for graph in report.graphs:
        sts = "-" if graph.sts is None else f"{graph.sts:.2f}"
        change = "-" if graph.sts_change is None else f"{graph.sts_change:+.2f}"
        lines.append(
            f"{graph.dtype:<9}{graph.n_bytes / 1e6:>9.1f}{graph.mean_cosine:>14.6f}{graph.worst_cosine:>14.6f}"
            f"{graph.largest_difference:>14.2e}{sts:>8}{change:>9}"
        )
    return lines
