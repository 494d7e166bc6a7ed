"""``instructvec embed``: files of texts -> a file of vectors.

Knows options and messages; the work is ``corpus/local.py``'s.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructvec.cli.options import add_model_options, new_parser, open_embedder, positive
from instructvec.cli.progress import ProgressBar
from instructvec.corpus.sources import FORMATS
from instructvec.errors import ConfigError
from instructvec.types import LONG_TEXTS, PRECISIONS

if TYPE_CHECKING:
    from instructvec.corpus.local import EmbedConfig, Report
    from instructvec.embedder import Embedder

DEFAULT_SHARD_ROWS = 2048

_EXAMPLES = """\
  instructvec embed reviews.csv -o reviews.parquet --column body \\
      --instruction "Represent the review for clustering by product: "
  instructvec embed notes.txt -o notes.npy
  instructvec embed logs/ 'more/*.jsonl.gz' -o vectors/ --on-error skip
  instructvec embed pairs.jsonl -o pairs.jsonl.out.jsonl --column text --instruction-column task
  cat lines.txt | instructvec embed - --format txt -o lines.parquet --json

interrupted? Run the same command again: it continues. Run it once more after it has finished: it says so."""


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = new_parser("embed", "Embed texts of files under an instruction, into one output.", _EXAMPLES)
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="txt, csv, tsv, jsonl, parquet (.gz too), a folder, a glob, or -",
    )
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT",
        help=".parquet, .npy, .jsonl, or a folder of Parquet shards (no suffix)",
    )  # fmt: skip
    rows = parser.add_argument_group("rows")
    rows.add_argument("--column", help="holds the texts (default: the only column, or 'text')")
    rows.add_argument("--format", choices=FORMATS, help="what the inputs are, whatever their suffix")
    rows.add_argument(
        "--on-error", choices=("fail", "skip"), default="fail",
        help="at a row that cannot be embedded: stop, or leave it out and write it to OUT.rejected.jsonl",
    )  # fmt: skip
    rows.add_argument(
        "--shard-rows", type=positive, default=DEFAULT_SHARD_ROWS, metavar="N",
        help=f"rows worked on at a time, which is what an interruption may cost (default: {DEFAULT_SHARD_ROWS})",
    )  # fmt: skip
    rows.add_argument("--overwrite", action="store_true", help="replace an output that was made differently")
    rows.add_argument("--quiet", action="store_true", help="no progress bar and no summary")
    _add_encoding_options(parser)
    add_model_options(parser)
    return parser


def _add_encoding_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("encoding")
    instruction = group.add_mutually_exclusive_group()
    instruction.add_argument("--instruction", metavar="TEXT", help="what the vectors are for; one for all rows")
    instruction.add_argument("--instruction-column", metavar="COLUMN", help="holds an instruction for each row")
    instruction.add_argument("--prompt-name", metavar="NAME", help="a prompt stored in the model")
    group.add_argument(
        "--long-text", choices=LONG_TEXTS,
        help="texts over the model's limit: cut them, average over chunks, or refuse (default: cut and count)",
    )  # fmt: skip
    group.add_argument("--normalize", action="store_true", help="unit length, whatever the model says")
    group.add_argument("--truncate-dim", type=positive, metavar="D", help="keep the first D dimensions")
    group.add_argument("--precision", choices=PRECISIONS, default="float32", help="number type of the vectors")
    group.add_argument("--max-batch-tokens", type=positive, metavar="N", help="padded tokens of a batch at most")


def run(arguments: argparse.Namespace) -> None:
    """Embed, showing progress, and report."""
    from instructvec.corpus.local import embed_corpus

    config = _config(arguments)
    embedder = open_embedder(arguments)
    if arguments.prompt_name is not None:
        instruction = _prompt(embedder, arguments.prompt_name)
        config = replace(config, encode=replace(config.encode, instruction=instruction))
    with ProgressBar(quiet=arguments.quiet) as bar:
        report = embed_corpus(
            embedder,
            config,
            on_total=bar.start,
            on_progress=lambda done: bar.add(done.n_rows, done.n_tokens, resumed=done.resumed),
        )
    if not arguments.quiet:
        print("\n".join(_summary(report)), file=sys.stderr)
    if arguments.json:
        print(json.dumps(_result(report), ensure_ascii=False))


def _config(arguments: argparse.Namespace) -> EmbedConfig:
    from instructvec.corpus.local import EmbedConfig
    from instructvec.corpus.shard import EncodeConfig

    return EmbedConfig(
        inputs=arguments.inputs,
        out=arguments.output,
        column=arguments.column,
        instruction_column=arguments.instruction_column,
        format=arguments.format,
        encode=EncodeConfig(
            instruction=arguments.instruction,
            normalize_embeddings=True if arguments.normalize else None,
            truncate_dim=arguments.truncate_dim,
            precision=arguments.precision,
            long_text=arguments.long_text,
            max_batch_tokens=arguments.max_batch_tokens,
        ),
        shard_rows=arguments.shard_rows,
        on_error=arguments.on_error,
        overwrite=arguments.overwrite,
    )


def _prompt(embedder: Embedder, name: str) -> str:
    if name not in embedder.prompts:
        known = ", ".join(embedder.prompts) or "none"
        raise ConfigError(f"prompt_name is {name!r}; the prompts stored in {embedder.name} are: {known}")
    return embedder.prompts[name]


def _summary(report: Report) -> list[str]:
    """What happened, a line each."""
    if report.status == "up to date":
        return [f"{report.out}: up to date; nothing to do"]
    contract = report.job.contract
    n_new = report.n_rows + report.n_rejected - report.n_resumed
    resumed = f", {report.n_resumed:,} rows from an earlier run" if report.n_resumed else ""
    rows = "row" if report.n_rows == 1 else "rows"
    lines = [
        f"{report.out}: {report.n_rows:,} {rows} of {contract.dimension} dimensions in {report.seconds:.1f} s "
        f"({n_new / max(report.seconds, 1e-9):,.0f} texts/s, {report.n_tokens:,} tokens{resumed})"
    ]
    if report.n_truncated:
        lines.append(
            f"{report.n_truncated:,} of {report.n_rows:,} texts were longer than {contract.max_seq_length} tokens "
            "and lost their tail (--long-text chunk embeds all of it, error refuses)"
        )
    if report.n_rejected:
        lines.append(f"{report.n_rejected:,} rows were left out; see {report.out}.rejected.jsonl")
    return lines


def _result(report: Report) -> dict[str, Any]:
    return {
        "out": str(report.out),
        "status": report.status,
        "rows": report.n_rows,
        "rejected": report.n_rejected,
        "resumed": report.n_resumed,
        "truncated": report.n_truncated,
        "tokens": report.n_tokens,
        "seconds": round(report.seconds, 3),
        "contract": json.loads(report.job.contract.to_json()),
    }
