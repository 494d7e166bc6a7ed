"""``instructvec tune``: labelled rows -> the instruction under which they come out best.

Knows options, files and messages; the search is ``tasks/tuning``'s.
"""

from __future__ import annotations

import argparse
import json
import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructvec.cli.inputs import (
    Loaded,
    add_input_options,
    add_output_option,
    load,
    load_files,
    tell,
)
from instructvec.cli.options import new_parser, open_embedder, positive
from instructvec.cli.progress import StageBar
from instructvec.cli.training import minutes
from instructvec.errors import ConfigError, FileError

if TYPE_CHECKING:
    from instructvec.tasks.tuning.choice import Candidate, Step, Tuned
    from instructvec.tasks.tuning.data import Judgements, LabelledTexts, TextPairs, TuningData

_EXAMPLES = """\
  instructvec tune messages.csv --column message --label-column intent
  instructvec tune pairs.tsv --pairs-columns question1 question2 is_duplicate --minutes 5
  instructvec tune beir/scifact --candidate "Represent the claim for finding the abstract that supports it: "
  instructvec tune corpus.jsonl --queries queries.jsonl --qrels qrels/dev.tsv -o tried.csv
  instructvec tune reviews.jsonl --label-column stars --domain hotel --text-type review --json

Use rows for development: what the instruction was chosen on tells nothing about how good it is."""

_SHOWN_CANDIDATES = 8
_SHOWN_CHARS = 90
_SPLITS = ("train", "dev", "validation", "test")
_YES_NO = {"true": 1.0, "false": 0.0, "yes": 1.0, "no": 0.0}


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    from instructvec.tasks.tuning.choice import HELD_OUT, MAX_CANDIDATES, MAX_DOCUMENTS, MAX_ROWS

    parser = new_parser(
        "tune",
        "Find the instruction under which labelled texts, pairs or judged queries come out best, and compare it "
        "with the default on rows that chose neither.",
        _EXAMPLES,
    )
    add_input_options(parser, instruction=None)
    add_output_option(parser, required=False)
    data = parser.add_argument_group("what is labelled (one of these; none for a BEIR folder)")
    data.add_argument("--label-column", metavar="L", help="a label for each text")
    data.add_argument(
        "--pairs-columns", nargs=3, metavar=("A", "B", "SCORE"), help="two texts, and how alike they are: "
        "numbers, or 0 and 1, true and false",
    )  # fmt: skip
    data.add_argument("--queries", type=Path, metavar="FILE", help="ids and queries; INPUT is the documents")
    data.add_argument("--qrels", type=Path, metavar="FILE", help="query id, document id and relevance, by tabs")
    tried = parser.add_argument_group("what is tried")
    tried.add_argument(
        "--candidate", action="append", default=[], metavar="TEXT", help="an instruction of your own; may be "
        "given several times",
    )  # fmt: skip
    tried.add_argument("--candidates-file", type=Path, metavar="FILE", help="the same, one a line")
    tried.add_argument("--only-candidates", action="store_true", help="make none from templates and paraphrases")
    tried.add_argument("--domain", metavar="WORD", help="where the texts are from (default: words found in them)")
    tried.add_argument("--text-type", metavar="WORD", help="what one text is, such as review (default: a guess)")
    tried.add_argument("--tune-documents", action="store_true", help="the documents' instruction too; much slower")
    tried.add_argument(
        "--max-candidates", type=positive, default=MAX_CANDIDATES, metavar="N", help=f"(default: {MAX_CANDIDATES})"
    )
    limits = parser.add_argument_group("how long and on what")
    limits.add_argument("--max-rows", type=positive, default=MAX_ROWS, metavar="N", help=f"(default: {MAX_ROWS})")
    limits.add_argument(
        "--max-documents", type=positive, default=MAX_DOCUMENTS, metavar="N", help="documents that are searched: "
        f"all judged ones and others at random (default: {MAX_DOCUMENTS})",
    )  # fmt: skip
    limits.add_argument(
        "--held-out", type=float, default=HELD_OUT, metavar="SHARE", help=f"of the rows (default: {HELD_OUT})"
    )
    limits.add_argument("--minutes", type=minutes, metavar="M", help="about how long (default: until it is done)")
    limits.add_argument("--seed", type=int, default=42, metavar="N", help="of what is drawn (default: 42)")
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Choose, showing progress, and report."""
    from instructvec.corpus.table_files import table_writer, write_table
    from instructvec.tasks.tuning.choice import tune_instruction

    if arguments.output is not None:
        table_writer(arguments.output)
    candidates = [*arguments.candidate, *_candidates_of(arguments.candidates_file)]
    data = _data(arguments)
    with warnings.catch_warnings(record=True) as caught, StageBar(quiet=arguments.quiet) as bar:
        warnings.simplefilter("always")
        tuned = tune_instruction(
            data,
            candidates=candidates,
            embedder=open_embedder(arguments),
            generate=not arguments.only_candidates,
            domain=arguments.domain,
            text_type=arguments.text_type,
            tune_documents=arguments.tune_documents,
            max_candidates=arguments.max_candidates,
            max_rows=arguments.max_rows,
            max_documents=arguments.max_documents,
            held_out=arguments.held_out,
            minutes=arguments.minutes,
            seed=arguments.seed,
            on_step=lambda step: _show(bar, step),
            on_texts=lambda texts: bar.encoded(texts, False),
        )
    tell(*(f"warning: {one.message}" for one in caught), quiet=arguments.quiet or not caught)
    if arguments.output is not None:
        write_table(_table(tuned), arguments.output)
        tell(f"{arguments.output}: {len(tuned.candidates)} candidates", quiet=arguments.quiet)
    print(json.dumps(_result(tuned), ensure_ascii=False) if arguments.json else "\n".join(_summary(tuned)))


def _show(bar: StageBar, step: Step) -> None:
    if step.score is None:
        bar.stage(f"{step.side} round {step.rung}/{step.n_rungs}, {step.n_rows} rows", step.n_candidates)
    else:
        bar.step(step.instruction)


def _candidates_of(path: Path | None) -> list[str]:
    """The lines of a file that are not empty, as they stand."""
    if path is None:
        return []
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(
            f"--candidates-file {path}: cannot be read ({error}); expected UTF-8, a candidate a line"
        ) from None
    if not any(line.strip() for line in lines):
        raise FileError(f"--candidates-file {path}: no candidates in it; expected one a line")
    return [line for line in lines if line.strip()]


def _data(arguments: argparse.Namespace) -> TuningData:
    """What the options say is labelled."""
    folder = Path(arguments.inputs[0])
    of_retrieval = arguments.queries is not None or arguments.qrels is not None or _is_beir(folder)
    ways = [arguments.label_column is not None, arguments.pairs_columns is not None, of_retrieval]
    if sum(ways) != 1:
        problem = "several are given" if sum(ways) else "none is given"
        raise ConfigError(
            f"what is labelled: {problem}; expected one of --label-column L, --pairs-columns A B SCORE, or "
            "--queries FILE --qrels FILE (INPUT may be a BEIR folder instead)"
        )
    if arguments.tune_documents and not of_retrieval:
        raise ConfigError("--tune-documents: labels and pairs have no documents; leave it out")
    if of_retrieval:
        return _judgements(arguments, folder)
    return _labelled(arguments) if arguments.label_column is not None else _pairs(arguments)


def _labelled(arguments: argparse.Namespace) -> LabelledTexts:
    from instructvec.tasks.tuning.data import LabelledTexts

    loaded = load(arguments)
    labels = loaded.values_of(arguments.label_column, "--label-column")
    kept = _usable(labels, arguments, f"--label-column {arguments.label_column!r}", "a label")
    texts = _texts_of(loaded)
    return LabelledTexts(
        [texts[at] for at in kept],
        [labels[at] for at in kept],
        name=loaded.column,
        label_name=arguments.label_column,
    )


def _pairs(arguments: argparse.Namespace) -> TextPairs:
    from instructvec.tasks.tuning.data import TextPairs

    first, second, scored = arguments.pairs_columns
    if arguments.column is not None:
        raise ConfigError("--column: --pairs-columns names the columns of the texts; leave one of them out")
    loaded = load_files(arguments.inputs, first, arguments.format, arguments.on_error)
    others = loaded.values_of(second, "--pairs-columns")
    scores = [_number(value) for value in loaded.values_of(scored, "--pairs-columns")]
    usable = [score if isinstance(text, str) else None for score, text in zip(scores, others, strict=True)]
    kept = _usable(usable, arguments, f"--pairs-columns {second!r} {scored!r}", "a text and a number")
    texts = _texts_of(loaded)
    return TextPairs(
        [texts[at] for at in kept],
        [others[at] for at in kept],
        [scores[at] or 0.0 for at in kept],
        name=first if first == second.rstrip("2") else None,
    )


def _texts_of(loaded: Loaded) -> list[str]:
    if loaded.texts is None:
        raise FileError("the input holds vectors alone; tuning encodes texts: give the file of texts")
    return loaded.texts


def _usable(values: list[Any], arguments: argparse.Namespace, option: str, expected: str) -> list[int]:
    """Rows whose value can be used; others are refused, or with ``--on-error skip`` left out and counted."""
    kept = [at for at, value in enumerate(values) if value is not None and value != ""]
    if len(kept) < len(values):
        bad = next(at for at in range(len(values)) if at >= len(kept) or kept[at] != at)
        if arguments.on_error == "fail":
            raise FileError(
                f"{option}, row {bad + 1}: not there; expected {expected}. Correct the row, or leave such rows "
                "out with --on-error skip"
            )
        tell(f"{option}: {len(values) - len(kept)} rows without {expected} are left out", quiet=arguments.quiet)
    return kept


def _number(value: Any) -> float | None:
    """A score as files have it; ``None`` for what is none."""
    if isinstance(value, str):
        value = _YES_NO.get(value.strip().lower(), value)
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _is_beir(folder: Path) -> bool:
    return any((folder / name).is_file() for name in ("corpus.jsonl", "corpus.jsonl.gz"))


def _judgements(arguments: argparse.Namespace, folder: Path) -> Judgements:
    """Documents, queries and judgements, as the evaluation reads them."""
    from instructvec.evaluation.sources.collection import Tables, collect
    from instructvec.evaluation.sources.tables import read_qrels_file, read_table
    from instructvec.tasks.tuning.data import Judgements

    if len(arguments.inputs) > 1:
        raise ConfigError(f"{len(arguments.inputs)} inputs; for retrieval, expected one: a file, or a BEIR folder")
    corpus, queries, qrels = _retrieval_files(arguments, folder)
    tell(f"judgements: {qrels}", quiet=arguments.quiet)
    columns = {} if arguments.column is None else {"text": arguments.column}
    found = collect(
        Tables(read_table(corpus, columns, "text"), read_table(queries, {}, "text"), read_qrels_file(qrels)),
        ignore_identical_ids=False,
    )
    tell(*found.notes, quiet=arguments.quiet or not found.notes)
    part = found.part
    return Judgements(
        dict(zip(part.query_ids, part.queries, strict=True)),
        dict(zip(part.document_ids, part.documents, strict=True)),
        part.qrels,
    )


def _retrieval_files(arguments: argparse.Namespace, folder: Path) -> tuple[Path, Path, Path]:
    if folder.is_dir():
        corpus = _first(folder, "corpus.jsonl")
    else:
        if arguments.queries is None or arguments.qrels is None:
            missing = "--queries" if arguments.queries is None else "--qrels"
            raise ConfigError(f"{missing} is not given; retrieval needs --queries FILE and --qrels FILE")
        return folder, arguments.queries, arguments.qrels
    queries = arguments.queries or _first(folder, "queries.jsonl")
    names = [*(f"qrels/{split}.tsv" for split in _SPLITS), "qrels.tsv"]
    return corpus, queries, arguments.qrels or _first(folder, *names)


def _first(folder: Path, *names: str) -> Path:
    found = (folder / f"{name}{suffix}" for name in names for suffix in ("", ".gz"))
    path = next((one for one in found if one.is_file()), None)
    if path is None:
        raise FileError(
            f"{folder}: none of {', '.join(names)} (nor .gz) in it, as a BEIR folder has; add the file"
        )
    return path


def _summary(tuned: Tuned) -> list[str]:
    """The result for people: what to paste, how sure it is, what else was tried."""
    low, high = (_signed(one) for one in tuned.interval)
    lines = [f"--instruction {shlex.quote(tuned.instruction)}"]
    if tuned.document_instruction is not None:
        lines.append(f"for documents: {tuned.document_instruction!r}")
    compared = (
        f"{tuned.metric} on {tuned.n_held_out:,} held-out rows: {_percent(tuned.best_score)}, the default "
        f"{_percent(tuned.default_score)}: {_signed(tuned.gain)} (95% interval {low} to {high})"
    )
    if tuned.best == tuned.default and tuned.best_document in (None, tuned.document_instruction):
        lines += ["", f"the default came out best: {tuned.metric} {_percent(tuned.default_score)} on "
                  f"{tuned.n_held_out:,} held-out rows"]  # fmt: skip
    elif tuned.is_better:
        lines += ["", compared]
    else:
        lines += [
            "",
            f"no difference that is sure, so this is the default; best of those tried was {tuned.best!r}",
            compared,
        ]
    lines.append(
        f"{len(tuned.candidates)} candidates, from {_percent(tuned.spread[0])} to {_percent(tuned.spread[1])} in "
        f"the first round; chosen on {tuned.n_rows:,} rows" + (", cut short by --minutes" * tuned.is_cut_short)
    )
    return [*lines, "", *map(_line, tuned.candidates[:_SHOWN_CANDIDATES])]


def _line(one: Candidate) -> str:
    score = "not tried" if one.score is None else f"{_percent(one.score):>5} on {one.n_rows:,} rows"
    shown = one.instruction if len(one.instruction) <= _SHOWN_CHARS else one.instruction[:_SHOWN_CHARS] + "…"
    return f"  round {one.rung}  {score:<20} {one.origin:<10} {shown!r}"


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _signed(value: float) -> str:
    return f"{100 * value:+.1f}"


def _result(tuned: Tuned) -> dict[str, Any]:
    """The result for programs; scores are fractions."""
    return {
        "instruction": tuned.instruction,
        "document_instruction": tuned.document_instruction,
        "best": tuned.best,
        "best_document": tuned.best_document,
        "default": tuned.default,
        "metric": tuned.metric,
        "score": tuned.score,
        "best_score": tuned.best_score,
        "default_score": tuned.default_score,
        "gain": tuned.gain,
        "interval": list(tuned.interval),
        "is_better": tuned.is_better,
        "spread": list(tuned.spread),
        "rows": tuned.n_rows,
        "held_out": tuned.n_held_out,
        "is_cut_short": tuned.is_cut_short,
        "candidates": [_row(one) for one in tuned.candidates],
        "contract": json.loads(tuned.contract.to_json()),
    }


def _row(one: Candidate) -> dict[str, Any]:
    return {
        "side": one.side,
        "instruction": one.instruction,
        "origin": one.origin,
        "round": one.rung,
        "rows": one.n_rows,
        "score": one.score,
        "first_score": one.first_score,
    }


def _table(tuned: Tuned) -> Any:
    import pyarrow as pa

    return pa.Table.from_pylist([{"place": at} | _row(one) for at, one in enumerate(tuned.candidates, start=1)])
