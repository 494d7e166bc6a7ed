"""``instructvec dedupe``: files of texts -> the rows that say something new.

Knows options, files and messages; the work is ``tasks/duplicates.py``'s.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from instructvec.cli.columns import with_columns
from instructvec.cli.inputs import (
    Loaded,
    add_input_options,
    add_output_option,
    encode,
    load,
    load_files,
    shown_instruction,
    tell,
    with_vectors,
)
from instructvec.cli.options import new_parser, open_embedder
from instructvec.cli.progress import ProgressBar
from instructvec.errors import ConfigError, FileError
from instructvec.tasks.instructions import DUPLICATES, chosen

if TYPE_CHECKING:
    import pyarrow as pa

    from instructvec.embedder import Embedder
    from instructvec.tasks.calibration import LabelledPair
    from instructvec.tasks.duplicates import Duplicates
    from instructvec.tasks.vectors import Embedded

KEEP = ("first", "last", "longest", "shortest", "highest", "lowest")
LINKAGES = ("star", "single", "complete")
SEARCHES: dict[str, bool | Literal["auto"]] = {"auto": "auto", "exact": False, "approximate": True}
ADDED = ("duplicate_group", "duplicate_of", "similarity")
_TRUE, _FALSE = {"1", "1.0", "true", "yes", "duplicate"}, {"0", "0.0", "false", "no", "distinct"}

_EXAMPLES = """\
  instructvec dedupe reviews.csv -o distinct.csv --column body
  instructvec dedupe questions.jsonl -o marked.jsonl --mark --groups groups.csv --threshold 0.9
  instructvec dedupe tickets.csv -o distinct.csv --pairs labelled.csv --pair-columns a b same --min-precision 0.95
  instructvec dedupe posts.parquet -o distinct.parquet --keep highest --keep-by votes"""


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = new_parser("dedupe", "Find texts that say the same, and keep one of each group.", _EXAMPLES)
    add_input_options(parser, instruction=DUPLICATES)
    add_output_option(parser)
    parser.add_argument(
        "--mark", action="store_true", help=f"keep all rows, and add {', '.join(ADDED)} (rows count from 0)"
    )
    parser.add_argument(
        "--groups",
        type=Path,
        metavar="FILE",
        help="write the groups too, a line a row; csv, tsv, jsonl or parquet",
    )
    near = parser.add_argument_group("what counts as the same")
    near.add_argument(
        "--threshold", type=float, metavar="T", help="least cosine (default: 0.95, measured on the bundled model)"
    )
    near.add_argument("--pairs", metavar="FILE", help="labelled pairs to choose the threshold on")
    near.add_argument(
        "--pair-columns", nargs=3, metavar=("A", "B", "LABEL"), default=("a", "b", "label"),
        help="columns of the pairs: two texts, and 1 or 0 (default: a b label)",
    )  # fmt: skip
    near.add_argument(
        "--min-precision",
        type=float,
        metavar="P",
        help="share of the pairs found that must be right (default: F1 decides)",
    )
    near.add_argument(
        "--linkage", choices=LINKAGES, default="star",
        help="how pairs become groups: around a kept row, by chains, or all pairs near (default: star)",
    )  # fmt: skip
    near.add_argument(
        "--search", choices=SEARCHES, default="auto",
        help="compare every two rows, or look up near ones (default: exact up to 200,000 distinct texts)",
    )  # fmt: skip
    keep = parser.add_argument_group("which row stays")
    keep.add_argument("--keep", choices=KEEP, help="of a group (default: first, or highest with --keep-by)")
    keep.add_argument("--keep-by", metavar="COLUMN", help="holds the numbers of which the highest or lowest stays")
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Find, write, and say how many."""
    from instructvec.corpus.table_files import table_writer, write_table
    from instructvec.tasks.duplicates import find_duplicates

    for out in filter(None, (arguments.output, arguments.groups)):
        table_writer(out)
    _check_options(arguments)
    loaded = load(arguments)
    keep = _keep(loaded, arguments)
    pairs = None if arguments.pairs is None else _labelled_pairs(arguments)
    if arguments.mark:
        with_columns(loaded.columns.slice(0, 0), {name: [] for name in ADDED})  # refused before the work
    embedder = None if loaded.embedded is not None and pairs is None else open_embedder(arguments)
    made = _with_vectors(loaded, arguments, embedder)
    with ProgressBar(quiet=arguments.quiet) as bar:
        bar.start(len(made) if made.texts is None else len(set(made.texts)))
        bar.say("comparing")
        found = find_duplicates(
            made,
            threshold=arguments.threshold,
            embedder=embedder,
            labelled_pairs=pairs,
            min_precision=arguments.min_precision,
            keep=keep,
            linkage=arguments.linkage,
            approximate=SEARCHES[arguments.search],
            on_progress=lambda n_rows: bar.add(n_rows, 0, resumed=False),
        )
    table = _marked(loaded.columns, found) if arguments.mark else loaded.columns.take(found.kept)
    write_table(table, arguments.output)
    if arguments.groups is not None:
        write_table(_groups(made.texts, found), arguments.groups)
    tell(*_summary(arguments, loaded, found), quiet=arguments.quiet)
    if arguments.json:
        print(json.dumps(_result(arguments, loaded, found), ensure_ascii=False))


def _check_options(arguments: argparse.Namespace) -> None:
    if arguments.threshold is not None and arguments.pairs is not None:
        raise ConfigError("--threshold and --pairs: both given; leave one out: the pairs yield a threshold")
    if arguments.threshold is not None and not -1 < arguments.threshold <= 1:
        raise ConfigError(
            f"--threshold {arguments.threshold}: expected a cosine above -1, at most 1, such as 0.95"
        )
    if arguments.min_precision is not None and arguments.pairs is None:
        raise ConfigError("--min-precision needs labelled pairs to reach it on; give --pairs")
    if arguments.keep in ("highest", "lowest") and arguments.keep_by is None:
        raise ConfigError(f"--keep {arguments.keep} needs a column of numbers; give --keep-by")
    if arguments.keep_by is not None and arguments.keep not in (None, "highest", "lowest"):
        raise ConfigError(f"--keep-by with --keep {arguments.keep}; expected --keep highest or lowest, or none")


def _keep(loaded: Loaded, arguments: argparse.Namespace) -> Any:
    """The rule, or a number for each row of which the greatest stays."""
    if arguments.keep_by is None:
        return arguments.keep or "first"
    sign = -1.0 if arguments.keep == "lowest" else 1.0
    numbers: list[float | None] = []
    for row, value in enumerate(loaded.values_of(arguments.keep_by, "--keep-by"), start=1):
        try:
            numbers.append(None if value is None or value == "" else sign * float(value))
        except (TypeError, ValueError):
            raise FileError(
                f"--keep-by {arguments.keep_by!r}, row {row}: {value!r}; expected a number, or nothing"
            ) from None
    return numbers


def _labelled_pairs(arguments: argparse.Namespace) -> list[LabelledPair]:
    a, b, label = arguments.pair_columns
    pairs = load_files([arguments.pairs], a)
    if pairs.embedded is not None:
        raise FileError(f"--pairs {arguments.pairs}: holds vectors; expected a file of texts")
    others = pairs.values_of(b, "--pair-columns")
    found: list[LabelledPair] = []
    labels = pairs.values_of(label, "--pair-columns")
    for row, (one, other, said) in enumerate(zip(pairs.texts or [], others, labels, strict=True), start=1):
        known = str(said).strip().lower()
        if not isinstance(other, str):
            raise FileError(f"{arguments.pairs}, row {row}: {b!r} is {other!r}; expected a text")
        if known not in _TRUE | _FALSE:
            raise FileError(f"{arguments.pairs}, row {row}: {label!r} is {said!r}; expected 1 or 0, true or false")
        found.append((one, other, known in _TRUE))
    return found


def _with_vectors(loaded: Loaded, arguments: argparse.Namespace, embedder: Embedder | None) -> Embedded:
    """The rows with vectors, each distinct text encoded once."""
    if loaded.embedded is not None or embedder is None:
        return with_vectors(loaded, arguments, DUPLICATES, embedder if arguments.model is not None else None)
    texts = loaded.texts or []
    places = {text: at for at, text in enumerate(dict.fromkeys(texts))}
    said = chosen(arguments.instruction, DUPLICATES)
    distinct = encode(list(places), embedder, said, quiet=arguments.quiet)
    return distinct if len(places) == len(texts) else distinct.take([places[text] for text in texts])


def _marked(columns: pa.Table, found: Duplicates) -> pa.Table:
    """All rows: which group from 1, which row from 0 it repeats, and how near it is to that."""
    import pyarrow as pa

    groups = np.zeros(len(found.duplicate_of), np.int64)
    for number, rows in enumerate(found.groups, start=1):
        groups[list(rows)] = number
    goes = found.duplicate_of >= 0
    values = (
        pa.array(groups, mask=groups == 0),
        pa.array(found.duplicate_of, mask=~goes),
        pa.array(found.similarity, mask=~goes),
    )
    return with_columns(columns, dict(zip(ADDED, values, strict=True)))


def _groups(texts: Any, found: Duplicates) -> pa.Table:
    """A line for each row of each group, the kept one first."""
    import pyarrow as pa

    lines = []
    for number, rows in enumerate(found.groups, start=1):
        for row in sorted(rows, key=lambda row: (found.duplicate_of[row] >= 0, -found.similarity[row], row)):
            kept = bool(found.duplicate_of[row] < 0)
            line = {
                "group": number,
                "row": row,
                "kept": kept,
                "similarity": None if kept else float(found.similarity[row]),
            }
            lines.append(line if texts is None else {**line, "text": texts[row]})
    fields = [("group", pa.int64()), ("row", pa.int64()), ("kept", pa.bool_()), ("similarity", pa.float32())]
    return pa.Table.from_pylist(lines, pa.schema(fields + ([] if texts is None else [("text", pa.string())])))


def _summary(arguments: argparse.Namespace, loaded: Loaded, found: Duplicates) -> list[str]:
    n_rows, n_kept = len(found.duplicate_of), len(found.kept)
    n_near = n_rows - n_kept - found.n_repeated
    lines = [
        f"{arguments.output}: {n_kept:,} of {n_rows:,} rows say something new"
        + (", all written and marked" if arguments.mark else ""),
        f"{n_rows - n_kept:,} duplicates in {len(found.groups):,} groups: {found.n_repeated:,} repeat a text, "
        f"{max(n_near, 0):,} are near one",
        _threshold(found),
        shown_instruction(found, arguments.instruction),
    ]
    if found.n_saturated:
        lines.append(
            f"{found.n_saturated:,} rows have more near rows than the approximate search looks at: run it again "
            "on the output, or with --search exact"
        )
    if found.approximate and not found.n_saturated:
        lines.append("the search was approximate: some pairs may have been missed (--search exact finds all)")
    if loaded.n_rejected:
        lines.append(f"{loaded.n_rejected:,} rows without text were left out")
    return lines


def _threshold(found: Duplicates) -> str:
    one = found.calibration
    if one is not None:
        return (
            f"threshold: {found.threshold:.4f}, from {one.n_pairs:,} labelled pairs: precision "
            f"{one.precision:.3f}, recall {one.recall:.3f}, F1 {one.f1:.3f}, average precision "
            f"{one.average_precision:.3f}"
        )
    if found.threshold_from == "default":
        return (
            f"threshold: {found.threshold} (the default, measured on the bundled model; --threshold changes it, "
            "--pairs chooses it on labelled pairs)"
        )
    return f"threshold: {found.threshold}"


def _result(arguments: argparse.Namespace, loaded: Loaded, found: Duplicates) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "out": str(arguments.output),
        "rows": len(found.duplicate_of),
        "kept": len(found.kept),
        "repeated": found.n_repeated,
        "groups": len(found.groups),
        "pairs": len(found.pairs),
        "rejected": loaded.n_rejected,
        "threshold": found.threshold,
        "threshold_from": found.threshold_from,
        "calibration": None if found.calibration is None else asdict(found.calibration),
        "approximate": found.approximate,
        "saturated": found.n_saturated,
        "contract": json.loads(found.contract.to_json()),
    }
