"""``instructvec classify``: files of texts -> the same rows with a label each.

Knows options and messages; the work is ``tasks/classification.py``'s and ``tasks/classifier.py``'s.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructvec.cli.columns import add_column_options, check_new_columns, gold_of, with_columns
from instructvec.cli.inputs import (
    Loaded,
    add_input_options,
    add_output_option,
    load,
    load_files,
    shown_instruction,
    tell,
    with_vectors,
)
from instructvec.cli.options import new_parser, open_embedder
from instructvec.errors import ConfigError, FileError, InputError
from instructvec.page.markup import counted
from instructvec.tasks.instructions import CLASSIFY

if TYPE_CHECKING:
    from instructvec.embedder import Embedder
    from instructvec.tasks.classified import Classified
    from instructvec.tasks.classifier import Classifier
    from instructvec.tasks.label_scores import LabelScores
    from instructvec.tasks.labels import Label
    from instructvec.tasks.vectors import Embedded

COLUMNS = ("label", "probability")

_EXAMPLES = """\
  instructvec classify mails.csv -o out.csv --labels refund delivery "lost card"
  instructvec classify mails.csv -o out.csv --labels-file labels.txt --abstain-below 0.4
  instructvec classify mails.csv -o out.csv --examples labelled.csv --label-column intent \\
      --save-classifier intents.json --instruction "Represent the mail for classifying its intent: "
  instructvec classify new.jsonl -o out.jsonl --classifier intents.json --gold-column intent

labels.txt: a label a line; behind a tab a description, several lines for several. Or labels.json:
  {"refund": ["asks for money back", "wants a refund"], "delivery": "asks where a parcel is"}"""


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = new_parser("classify", "Give each text a label: by name, by description or by example.", _EXAMPLES)
    add_input_options(parser, instruction=CLASSIFY)
    add_output_option(parser)
    labels = parser.add_argument_group("labels (one of the first four)")
    source = labels.add_mutually_exclusive_group(required=True)
    source.add_argument("--labels", nargs="+", metavar="LABEL", help="names: a text gets the nearest")
    source.add_argument("--labels-file", type=Path, metavar="FILE", help="names with descriptions, .txt or .json")
    source.add_argument("--examples", metavar="FILE", help="labelled texts to learn from")
    source.add_argument("--classifier", type=Path, metavar="FILE", help="what --save-classifier wrote")
    labels.add_argument("--label-column", metavar="COLUMN", help="of the examples (default: 'label')")
    labels.add_argument(
        "--text-column", metavar="COLUMN", help="of the examples (default: the only column, or 'text')"
    )
    labels.add_argument("--save-classifier", type=Path, metavar="FILE", help="keep what was learnt, as .json")
    labels.add_argument("--abstain-below", type=float, metavar="P", help="no label where it is less probable")
    labels.add_argument("--seed", type=int, default=42, metavar="N", help="of learning (default: 42)")
    add_column_options(parser, "accuracy and macro-F1 with their 95%% intervals")
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Classify, write the table, report."""
    from instructvec.corpus.table_files import table_writer, write_table

    _check_options(arguments)
    table_writer(arguments.output)
    known = _labels(arguments)
    loaded = load(arguments)
    check_new_columns(loaded, arguments.prefix, *COLUMNS)
    gold = None if arguments.gold_column is None else gold_of(loaded, arguments.gold_column)
    found, embedded = _classified(loaded, arguments, known)
    write_table(with_columns(loaded.columns, _columns(found, arguments.prefix)), arguments.output)
    scores = None if gold is None else _scores(found, *gold)
    _report(found, embedded, loaded, scores, arguments)


def _check_options(arguments: argparse.Namespace) -> None:
    from instructvec.corpus.table_files import check_folder
    from instructvec.tasks.classified import check_threshold

    check_threshold(arguments.abstain_below)
    if arguments.examples is None:
        for name in ("label_column", "text_column", "save_classifier"):
            if getattr(arguments, name) is not None:
                raise ConfigError(f"--{name.replace('_', '-')} without --examples; give a file of labelled texts")
    saved = arguments.save_classifier
    if saved is not None and saved.suffix.lower() != ".json":
        raise ConfigError(f"--save-classifier {saved}: expected a name that ends in .json")
    if saved is not None:
        check_folder(saved)


def _labels(arguments: argparse.Namespace) -> dict[Label, list[str]] | Classifier | None:
    """What is known of the labels before any text is read; nothing where they come with examples."""
    if arguments.classifier is not None:
        from instructvec.tasks.classifier import Classifier

        return Classifier.load(arguments.classifier)
    if arguments.labels_file is not None:
        from instructvec.tasks.label_files import read_labels

        return read_labels(arguments.labels_file)
    if arguments.labels is not None:
        from instructvec.tasks.classification import described

        try:
            return described(arguments.labels)
        except InputError as error:
            raise ConfigError(f"--labels: {error}") from None
    return None


def _classified(
    loaded: Loaded, arguments: argparse.Namespace, known: dict[Label, list[str]] | Classifier | None
) -> tuple[Classified, Embedded]:
    from instructvec.tasks.classification import classify

    if known is None:
        return _from_examples(loaded, arguments)
    if isinstance(known, dict):
        embedder = open_embedder(arguments)
        embedded = with_vectors(loaded, arguments, CLASSIFY, embedder)
        return classify(embedded, known, embedder=embedder, abstain_below=arguments.abstain_below), embedded
    return _by_classifier(loaded, arguments, known)


def _by_classifier(
    loaded: Loaded, arguments: argparse.Namespace, known: Classifier
) -> tuple[Classified, Embedded]:
    embedder = None
    if loaded.embedded is None:  # refuse another model before anything is encoded
        embedder = open_embedder(arguments)
        asked = arguments.instruction
        known.check(embedder.contract(known.contract.instruction if asked is None else asked))
    embedded = with_vectors(loaded, arguments, known.contract.instruction or "", embedder)
    return known.classify(embedded, abstain_below=arguments.abstain_below), embedded


def _from_examples(loaded: Loaded, arguments: argparse.Namespace) -> tuple[Classified, Embedded]:
    """Both sides under one instruction: that of the side whose vectors are there already."""
    from instructvec.tasks.classifier import Classifier

    examples, labels = _examples(arguments)
    ready = loaded.embedded or examples.embedded
    default = CLASSIFY if ready is None else ready.contract.instruction or ""
    embedder: Embedder | None = None
    if loaded.embedded is None or examples.embedded is None:
        embedder = open_embedder(arguments)
    shown = with_vectors(examples, arguments, default, embedder)
    classifier = Classifier.fit(shown, labels, seed=arguments.seed)
    embedded = with_vectors(loaded, arguments, default, embedder)
    found = classifier.classify(embedded, abstain_below=arguments.abstain_below)
    if arguments.save_classifier is not None:
        classifier.save(arguments.save_classifier)
    return found, embedded


def _examples(arguments: argparse.Namespace) -> tuple[Loaded, list[str]]:
    """The labelled rows and their labels."""
    column = arguments.label_column or "label"
    loaded = load_files([arguments.examples], arguments.text_column)
    if column not in loaded.columns.column_names:
        listed = ", ".join(map(repr, loaded.columns.column_names))
        raise FileError(
            f"{arguments.examples}: no column {column!r} for the labels; the columns are {listed}: "
            "name one with --label-column"
        )
    values = loaded.columns.column(column).to_pylist()
    for row, value in enumerate(values, start=1):
        if value is None or not str(value).strip():
            raise FileError(f"{arguments.examples}, row {row}: no label in column {column!r}; expected one")
    return loaded, [str(value) for value in values]


def _columns(found: Classified, prefix: str) -> dict[str, Any]:
    import pyarrow as pa

    labels = [None if label is None else str(label) for label in found.labels]
    # Six digits: the seventh of a float32 is noise, and a csv file would show sixteen.
    probabilities = [round(one, 6) for one in found.confidences.tolist()]
    return {
        f"{prefix}label": pa.array(labels, pa.string()),
        f"{prefix}probability": pa.array(probabilities, pa.float64()),
    }


def _scores(found: Classified, rows: list[int], gold: list[str]) -> tuple[LabelScores, int]:
    """Scores, and how many true labels are none of the classes."""
    from instructvec.tasks.label_scores import label_scores

    given = [None if found.labels[row] is None else str(found.labels[row]) for row in rows]
    classes = set(map(str, found.classes))
    return label_scores(gold, given), sum(one not in classes for one in gold)


def _report(
    found: Classified,
    embedded: Embedded,
    loaded: Loaded,
    scores: tuple[LabelScores, int] | None,
    arguments: argparse.Namespace,
) -> None:
    saved = [] if arguments.save_classifier is None else [f"{arguments.save_classifier}: the classifier"]
    skipped = [f"left out without text: {counted(loaded.n_rejected, 'row')}"] if loaded.n_rejected else []
    tell(
        f"{arguments.output}: {counted(len(found), 'row')}",
        *saved,
        *skipped,
        # That of a classifier cannot be changed.
        shown_instruction(embedded, arguments.classifier or arguments.instruction),
        *found.notes,
        quiet=arguments.quiet,
    )
    if arguments.json:
        print(json.dumps(_result(found, loaded, scores, arguments), ensure_ascii=False))
    elif not arguments.quiet or scores is not None:
        print("\n".join([*([] if arguments.quiet else _counts(found)), *_shown_scores(found, scores)]))


def _counts(found: Classified) -> list[str]:
    """Texts a label, the most frequent first."""
    counts = sorted(((str(label), n) for label, n in found.counts.items()), key=lambda one: -one[1])
    if found.n_abstained:
        counts.append(("(no label)", found.n_abstained))
    width = max(len(name) for name, _ in counts)
    return [f"{name:<{width}}  {n:>7,}  {n / len(found):>6.1%}" for name, n in counts]


def _shown_scores(found: Classified, scores: tuple[LabelScores, int] | None) -> list[str]:
    lines = []
    if (held_out := found.held_out) is not None:
        lines.append(
            f"held out, {held_out.n_rows:,} examples: accuracy {held_out.accuracy:.1%}, "
            f"calibration error {held_out.calibration_error:.1%}"
        )
    if scores is None:
        return lines
    one, n_unknown = scores
    low, high = one.accuracy_interval
    lines.append(f"accuracy {one.accuracy:.1%} (95%: {low:.1%} to {high:.1%}) of {one.n_rows:,} rows")
    low, high = one.macro_f1_interval
    lines.append(f"macro-F1 {one.macro_f1:.1%} (95%: {low:.1%} to {high:.1%})")
    if one.n_answered < one.n_rows:
        right = f", accuracy of these {one.answered_accuracy:.1%}" if one.n_answered else ""
        lines.append(f"{one.n_answered:,} of {one.n_rows:,} rows were given a label{right}; others count as wrong")
    if n_unknown:
        rows = counted(n_unknown, "row")
        lines.append(f"true label none of the {len(found.classes)} classes, counted as wrong: {rows}")
    return lines


def _result(
    found: Classified, loaded: Loaded, scores: tuple[LabelScores, int] | None, arguments: argparse.Namespace
) -> dict[str, Any]:
    result: dict[str, Any] = {
        "out": str(arguments.output),
        "rows": len(found),
        "rejected": loaded.n_rejected,
        "labels": {str(label): n for label, n in found.counts.items()},
        "abstained": found.n_abstained,
        "notes": list(found.notes),
        "held_out": None,
        "scores": None,
        "contract": json.loads(found.contract.to_json()),
    }
    if found.held_out is not None:
        result["held_out"] = _fields(found.held_out)
    if scores is not None:
        fields = _fields(scores[0])
        if not scores[0].n_answered:
            fields["answered_accuracy"] = None
        result["scores"] = fields | {"n_unknown_labels": scores[1]}
    return result


def _fields(record: Any) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(record)
