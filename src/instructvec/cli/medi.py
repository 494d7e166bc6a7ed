"""``instructvec medi``: list datasets with instructions, build a mixture of them, look into one.

Knows arguments and what to print; nothing of datasets.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructvec.cli.options import add_action, add_model_options, new_parser, open_embedder, positive
from instructvec.cli.progress import StageBar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from instructvec.medi.build import Built
    from instructvec.medi.config import BuildConfig, Choice
    from instructvec.medi.registry import Dataset

MINING_TOKENS = 128
"""Tokens of a text that the miner's model reads, unless told otherwise: enough to tell texts apart, and fast."""

_CHECK_FACTS = ("texts", "protected", "examples")

_EXAMPLES = """\
  instructvec medi list --kinds label --commercial
  instructvec medi build --data DATA --out mixture --against EVAL
  instructvec medi inspect mixture -o mixture.html"""
_LIST_EXAMPLES = """\
  instructvec medi list
  instructvec medi list --kinds label --domain '*medicine*' --wordings
  instructvec medi list --licence 'CC BY*' --redistribution --json
  instructvec medi list --registry mine.toml --own"""
_BUILD_EXAMPLES = """\
  instructvec medi build --data natural-instructions pairs --out mixture
  instructvec medi build --data DATA --out mixture --cap 300 --against EVAL BEIR
  instructvec medi build --registry mine.toml --own --out mixture --strict
  instructvec medi build --data DATA --out mixture --size 200000 --mixing temperature --medi-json"""
_INSPECT_EXAMPLES = """\
  instructvec medi inspect mixture -o mixture.html
  instructvec medi inspect medi-data.json --samples 10 -o medi.html
  instructvec medi inspect mixture --score -o mixture.html"""


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = new_parser(
        "medi",
        "MEDI: datasets with instructions, and mixtures of them to train embedders on.",
        _EXAMPLES,
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION", help="list, build or inspect")
    _add_list(actions)
    _add_build(actions)
    _add_inspect(actions)
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Do what was asked for."""
    {"list": _list, "build": _build, "inspect": _inspect}[arguments.action](arguments)


def _add_list(actions: Any) -> None:
    parser = add_action(
        actions,
        "list",
        "show the datasets of the registry",
        "Show the datasets that the registry knows: what they hold, from where, under which licence, and what "
        "their vectors are for.",
        _LIST_EXAMPLES,
    )
    choice = _add_choice(parser)
    choice.add_argument("--licence", metavar="PATTERN", help="only licences that match, such as 'CC BY*'")
    choice.add_argument("--domain", metavar="PATTERN", help="only domains that match, such as '*medicine*'")
    parser.add_argument("--wordings", action="store_true", help="show all wordings of each dataset")


def _add_build(actions: Any) -> None:
    parser = add_action(
        actions,
        "build",
        "build a mixture",
        "Build a mixture: read datasets, leave out what is broken, doubled or in an evaluation, mine positives "
        "and hard negatives, and write (query, positive, negative) with drawn instructions to Parquet shards with "
        "a manifest. Run again, it continues where it stopped; an unchanged build is done at once.",
        _BUILD_EXAMPLES,
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the mixture")
    parser.add_argument("--cache", type=Path, metavar="DIR", help="keeps vectors and rows (default: OUT.cache)")
    parser.add_argument(
        "--against", type=Path, nargs="+", default=[], metavar="PATH",
        help="evaluation folders or files: rows that share a text or eight words in a row with them are left out",
    )  # fmt: skip
    parser.add_argument(
        "--against-suite", nargs="+", default=[], metavar="SUITE",
        help="the same of all texts of an evaluation suite: smoke, open, paper, or a .toml file",
    )  # fmt: skip
    parser.add_argument("--suite-data", type=Path, metavar="FOLDER", help="where the suites' local data is")
    parser.add_argument(
        "--strict", action="store_true", help="fail at the first entry, file or row that is broken"
    )
    parser.add_argument("--medi-json", action="store_true", help="also write the original's medi-data.json")
    parser.add_argument("--seed", type=int, default=42, help="of every draw (default: 42)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no summary")
    data = _add_choice(parser)
    data.add_argument(
        "--data", type=Path, nargs="+", default=[], metavar="DIR", help="folders that hold the data, at any depth"
    )
    data.add_argument("--hub", action="store_true", help="also fetch the registry's datasets on the hub")
    data.add_argument(
        "--listed-only", action="store_true", help="leave out Super-NaturalInstructions tasks of no registry"
    )
    _add_rows(parser)
    _add_mixture(parser)
    add_model_options(parser, max_seq_length=MINING_TOKENS)


def _add_choice(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Which datasets."""
    choice = parser.add_argument_group("datasets")
    choice.add_argument(
        "--registry", type=Path, nargs="+", default=[], metavar="TOML", help="files or folders of your own entries"
    )
    choice.add_argument("--own", action="store_true", help="only your own entries, not the bundled ones")
    choice.add_argument("--datasets", nargs="+", default=[], metavar="NAME", help="only these; patterns allowed")
    choice.add_argument("--without", nargs="+", default=[], metavar="NAME", help="not these; patterns allowed")
    choice.add_argument("--kinds", nargs="+", default=[], metavar="KIND", help="pair, triplet, label, superni")
    choice.add_argument("--commercial", action="store_true", help="only what may be used commercially")
    choice.add_argument(
        "--without-forbidden",
        action="store_true",
        help="leave out what may not be used commercially; what is unknown stays",
    )
    choice.add_argument("--redistribution", action="store_true", help="only what may be passed on")
    return choice


def _add_rows(parser: argparse.ArgumentParser) -> None:
    rows = parser.add_argument_group("rows")
    rows.add_argument(
        "--min-words", type=int, default=1, metavar="N", help="shorter texts are left out (default: 1)"
    )
    rows.add_argument(
        "--max-words", type=positive, default=4000, metavar="N", help="longer texts are left out (default: 4000)"
    )
    rows.add_argument(
        "--languages", nargs="+", default=[], metavar="CODE", help="leave out texts surely in others, such as en"
    )
    rows.add_argument(
        "--near-duplicates", type=float, default=0.9, metavar="S",
        help="likeness from which rows are doubles, 0 for equal ones only (default: 0.9)",
    )  # fmt: skip
    rows.add_argument(
        "--pool", type=positive, metavar="N",
        help="rows of a dataset to mine in (default: four times the cap, at least 1000; without a cap all)",
    )  # fmt: skip
    rows.add_argument(
        "--depth",
        type=positive,
        default=50,
        metavar="N",
        help="nearest documents a negative is from (default: 50)",
    )
    rows.add_argument(
        "--relative-margin", type=float, default=0.95, metavar="R",
        help="a mined negative scores at most this share of its positive (default: 0.95)",
    )  # fmt: skip
    rows.add_argument(
        "--min-agreement", type=float, default=0.1, metavar="A",
        help="how well neighbours must tell a text's label: 1 all agree, 0 chance (default: 0.1)",
    )  # fmt: skip
    rows.add_argument(
        "--other-goal", type=int, default=400, metavar="N",
        help="texts that two datasets give under both goals at most, 0 for none (default: 400)",
    )  # fmt: skip
    rows.add_argument(
        "--form-groups", type=int, default=10_000, metavar="N",
        help="texts under the goals form and subject at most, 0 for none (default: 10000)",
    )  # fmt: skip
    rows.add_argument(
        "--label-groups", type=int, default=400, metavar="N",
        help="texts of a labelled dataset under its label and the subject at most, 0 for none (default: 400)",
    )  # fmt: skip
    rows.add_argument(
        "--forms", nargs="+", type=Path, default=[], metavar="FILE",
        help="TOML files that say which of your datasets hold texts of which form",
    )  # fmt: skip
    rows.add_argument(
        "--wrong-instructions", type=float, default=0.02, metavar="S",
        help="share of rows repeated with a wrong instruction as negative (default: 0.02)",
    )  # fmt: skip


def _add_mixture(parser: argparse.ArgumentParser) -> None:
    mixture = parser.add_argument_group("mixture")
    mixture.add_argument("--cap", type=positive, metavar="N", help="rows of a dataset, contrasts on top")
    mixture.add_argument("--size", type=positive, metavar="N", help="rows of the mixture, contrasts on top")
    mixture.add_argument(
        "--mixing", choices=("proportional", "temperature", "truncated"), default="truncated",
        help="how --size is shared out, and the weights in the manifest (default: truncated)",
    )  # fmt: skip
    mixture.add_argument(
        "--temperature", type=float, default=2.0, metavar="T", help="1 by size, higher more alike (default: 2)"
    )
    mixture.add_argument(
        "--truncate-at", type=positive, default=5000, metavar="N", help="size that counts at most (default: 5000)"
    )
    mixture.add_argument(
        "--paraphrases",
        type=float,
        default=0.5,
        metavar="S",
        help="share of paraphrased instructions (default: 0.5)",
    )
    mixture.add_argument(
        "--shard-rows", type=positive, default=50_000, metavar="N", help="rows of a shard (default: 50000)"
    )


def _add_inspect(actions: Any) -> None:
    parser = add_action(
        actions,
        "inspect",
        "look into a mixture",
        "Statistics of a mixture, or of the original's medi-data.json or MEDI2, and a page to look at: datasets, "
        "licences, lengths, wordings, sample rows, suspected false negatives.",
        _INSPECT_EXAMPLES,
    )
    parser.add_argument("mixture", type=Path, metavar="MIXTURE", help="folder of a mixture, or a MEDI file")
    parser.add_argument("-o", "--out", type=Path, metavar="HTML", help="write the page there")
    parser.add_argument(
        "--samples", type=positive, default=5, metavar="N", help="rows shown a dataset (default: 5)"
    )
    parser.add_argument("--seed", type=int, default=42, help="of the samples (default: 42)")
    parser.add_argument(
        "--score", action="store_true", help="embed the samples, to find negatives nearer than their positives"
    )
    add_model_options(parser, max_seq_length=MINING_TOKENS)


def _choice(arguments: argparse.Namespace, **more: bool) -> Choice:
    from instructvec.medi.config import Choice

    return Choice(
        names=tuple(arguments.datasets),
        without=tuple(arguments.without),
        kinds=tuple(arguments.kinds),
        commercial=arguments.commercial,
        without_forbidden=arguments.without_forbidden,
        redistribution=arguments.redistribution,
        **more,
    )


def _list(arguments: argparse.Namespace) -> None:
    from instructvec.medi.choosing import check_names, is_chosen
    from instructvec.medi.registry import read_registry

    choice = _choice(arguments, hub=True)
    known = read_registry(arguments.registry, bundled=not arguments.own)
    check_names(choice, [entry.name for entry in known])
    entries = [
        entry
        for entry in known
        if is_chosen(entry, choice)
        and _fits(entry.licence, arguments.licence)
        and _fits(entry.domain, arguments.domain)
    ]
    if arguments.json:
        print(json.dumps([_row(entry) for entry in entries], ensure_ascii=False))
        return
    for entry in entries:
        print("\n".join(_lines(entry, wordings=arguments.wordings)))
    kinds = Counter(entry.kind for entry in entries)
    counted = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items()))
    print(f"{len(entries)} datasets" + (f": {counted}" if counted else ""), file=sys.stderr)


def _fits(value: str, pattern: str | None) -> bool:
    return pattern is None or fnmatch(value.lower(), pattern.lower())


def _row(entry: Dataset) -> dict[str, Any]:
    row = asdict(entry)
    del row["folder"]
    return row


def _lines(entry: Dataset, *, wordings: bool) -> Iterable[str]:
    rights = f"pass on {entry.redistribution}, commercial {entry.commercial}"
    yield f"{entry.name}  [{entry.kind}]  {entry.domain or '-'}  ({entry.licence}; {rights})  {entry.source}"
    for side in dict.fromkeys((entry.query, entry.document)):
        yield f"    {side.instruction}"
        if wordings:
            yield from (f"      - {one}" for one in side.paraphrases)


def _build(arguments: argparse.Namespace) -> None:
    from instructvec.medi.build import build

    config = _config(arguments)
    config = replace(config, against=(*config.against, *_suites(arguments, config.working_folder)))
    encoder = open_embedder(arguments)
    with StageBar(quiet=arguments.quiet) as bar:
        built = build(config, encoder, bar)
    if not arguments.quiet:
        print("\n".join(_summary(built, config)), file=sys.stderr)
    if arguments.json:
        print(json.dumps(built.manifest, ensure_ascii=False))


def _suites(arguments: argparse.Namespace, folder: Path) -> Iterable[Path]:
    """The texts of suites, as files that a build can be kept clear of."""
    if not arguments.against_suite:
        return
    from instructvec.evaluation.suite import read_suite
    from instructvec.evaluation.texts import write_texts

    for suite in arguments.against_suite:
        yield write_texts(read_suite(suite), arguments.suite_data, folder / "suites")


def _config(arguments: argparse.Namespace) -> BuildConfig:
    from instructvec.medi.config import BuildConfig, FormOptions, LabelOptions, MiningOptions, Mixture
    from instructvec.medi.filters import Filters

    return BuildConfig(
        out=arguments.out,
        data=tuple(arguments.data),
        registries=tuple(arguments.registry),
        bundled=not arguments.own,
        cache=arguments.cache,
        choice=_choice(arguments, hub=arguments.hub, unlisted=not arguments.listed_only and not arguments.own),
        filters=Filters(
            min_words=arguments.min_words, max_words=arguments.max_words, languages=tuple(arguments.languages)
        ),
        near_duplicates=arguments.near_duplicates,
        mining=MiningOptions(
            pool=arguments.pool,
            depth=arguments.depth,
            relative_margin=arguments.relative_margin,
            min_agreement=arguments.min_agreement,
            other_goal=arguments.other_goal,
            wrong_instruction=arguments.wrong_instructions,
        ),
        mixture=Mixture(
            cap=arguments.cap,
            size=arguments.size,
            mixing=arguments.mixing,
            temperature=arguments.temperature,
            truncate_at=arguments.truncate_at,
            paraphrases=arguments.paraphrases,
        ),
        forms=FormOptions(groups=arguments.form_groups),
        labels=LabelOptions(groups=arguments.label_groups),
        form_files=tuple(arguments.forms),
        against=tuple(arguments.against),
        seed=arguments.seed,
        strict=arguments.strict,
        medi_json=arguments.medi_json,
        shard_rows=arguments.shard_rows,
    )


def _summary(built: Built, config: BuildConfig) -> Iterable[str]:
    manifest = built.manifest
    totals = manifest["totals"]
    dropped = _summed(
        [one["dropped"] for one in manifest["datasets"]] + [one["reasons"] for one in manifest["left_out"]]
    )
    yield (
        f"{config.out}: {'unchanged, ' if built.unchanged else ''}{totals['triplets']:,} rows of "
        f"{totals['datasets']:,} datasets ({totals['available']:,} triplets before caps)"
    )
    yield "  rules: " + ", ".join(f"{name} {count:,}" for name, count in totals["rules"].items())
    if dropped:
        yield "  left out: " + ", ".join(f"{name} {count:,}" for name, count in dropped.items())
    if manifest["check"]:
        counts = {name: count for name, count in manifest["check"].items() if name not in _CHECK_FACTS}
        yield "  shared with the evaluation: " + ", ".join(f"{name} {count:,}" for name, count in counts.items())
    empty = [one["name"] for one in manifest["datasets"] if not one["triplets"]]
    if empty:
        yield f"  without a row: {_named(empty)}"
    if built.absent:
        yield f"  not in the data folders: {_named(built.absent)}"
    # Datasets may share a file.
    problems = list(
        dict.fromkeys(text for one in manifest["left_out"] + manifest["datasets"] for text in one["problems"])
    )
    if problems:
        more = f"; {len(problems) - 10} more examples are in manifest.json" if len(problems) > 10 else ""
        yield f"  could not be used{more}:"
        yield from (f"    - {problem}" for problem in problems[:10])


def _summed(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(total.most_common())


def _named(names: Sequence[str]) -> str:
    rest = f" and {len(names) - 3:,} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + rest


def _inspect(arguments: argparse.Namespace) -> None:
    from instructvec.medi.inspect import inspect, write_page

    found = inspect(
        arguments.mixture,
        samples=arguments.samples,
        seed=arguments.seed,
        vectors=_plain_vectors(arguments) if arguments.score else None,
    )
    if arguments.out is not None:
        write_page(found, arguments.out)
    if arguments.json:
        print(json.dumps(found.to_json(), ensure_ascii=False))
    else:
        print(found.summary())


def _plain_vectors(arguments: argparse.Namespace) -> Callable[[Sequence[str]], NDArray[np.float16]]:
    """What the model makes of texts without an instruction."""
    from instructvec.medi.vectors import TextVectors

    return TextVectors(open_embedder(arguments))
