"""``instructvec switch``: stored vectors -> about those of another instruction, not encoded again. Experimental.

Knows options, files and messages; the work is ``tasks/switching.py``'s.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from instructvec.cli.inputs import CountedEncoder, Loaded, check_not_replaced, cuts_told, load_files, tell
from instructvec.cli.options import add_model_options, new_parser, open_embedder, positive
from instructvec.cli.progress import ProgressBar
from instructvec.errors import ConfigError

if TYPE_CHECKING:
    from instructvec.tasks.switching import Switch
    from instructvec.tasks.vectors import Embedded

_SAMPLE = 2000

_EXAMPLES = """\
  instructvec switch reviews.parquet -o by-product.parquet --save-map product.npz \\
      --instruction "Represent the review for clustering by product: "
  instructvec switch more.parquet -o more-by-product.parquet --map product.npz"""


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = new_parser(
        "switch",
        "Experimental. Turn vectors that embed wrote into about those of another instruction, by a linear map "
        "that is learned from a sample encoded under both, and tell how much of them it gives.",
        _EXAMPLES,
    )
    parser.add_argument("inputs", nargs="+", metavar="INPUT", help="what instructvec embed wrote")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="OUT", help="a .parquet file")
    parser.add_argument("--instruction", metavar="TEXT", help="what the vectors are wanted for; '' for none")
    parser.add_argument("--column", help="holds the texts (default: the one that was embedded)")
    parser.add_argument(
        "--sample", type=positive, default=_SAMPLE, metavar="N", help=f"texts to learn from ({_SAMPLE:,})"
    )
    parser.add_argument("--map", type=Path, metavar="FILE", help="apply this map, and learn and encode nothing")
    parser.add_argument("--save-map", type=Path, metavar="FILE", help="keep the map, as .npz")
    parser.add_argument("--seed", type=int, default=42, metavar="N", help="of what is drawn (42)")
    parser.add_argument("--quiet", action="store_true", help="no progress bar and no summary")
    add_model_options(parser)
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Learn a map or open one, apply it, and write the vectors."""
    from instructvec.corpus.embedded import write_embedded

    _check(arguments)
    check_not_replaced(arguments)
    loaded = load_files(arguments.inputs, arguments.column)
    if loaded.embedded is None:
        raise ConfigError(
            f"{arguments.inputs[0]}: holds no vectors; expected what instructvec embed wrote. Texts without "
            "vectors are best embedded under the instruction itself"
        )
    switch = _opened(arguments, loaded.embedded) if arguments.map else _learned(arguments, loaded, loaded.embedded)
    switched = switch.apply(loaded.embedded)
    write_embedded(loaded.columns, switched.vectors, switched.contract, loaded.column, arguments.output)
    if arguments.save_map is not None:
        switch.save(arguments.save_map)
    tell(*_told(arguments, switch, len(switched)), quiet=arguments.quiet)
    if arguments.json:
        result = {
            "out": str(arguments.output),
            "rows": len(switched),
            "kind": switch.kind,
            "learned_from": switch.n_learned,
            "kept": asdict(switch.kept),
            "contract": json.loads(switched.contract.to_json()),
        }
        print(json.dumps(result, ensure_ascii=False))


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what cannot be written or does not fit together, before anything is read."""
    from instructvec.corpus.table_files import check_folder

    if arguments.output.suffix.lower() not in (".parquet", ".pq"):
        raise ConfigError(f"output {arguments.output}: expected a name that ends in .parquet")
    if arguments.save_map is not None and arguments.save_map.suffix != ".npz":
        raise ConfigError(f"--save-map {arguments.save_map}: expected a name that ends in .npz")
    for path in (arguments.output, arguments.save_map):
        if path is not None:
            check_folder(path)
    if arguments.map is not None and arguments.save_map is not None:
        raise ConfigError("--map and --save-map: both given; a map that is there need not be saved: leave one out")
    if arguments.map is None and arguments.instruction is None:
        raise ConfigError(
            "--instruction is missing; say what the vectors are wanted for, or give a map with --map"
        )


def _opened(arguments: argparse.Namespace, stored: Embedded) -> Switch:
    from instructvec.tasks.switching import Switch

    switch = Switch.load(arguments.map)
    if arguments.instruction is not None and arguments.instruction != (switch.target.instruction or ""):
        raise ConfigError(
            f"{arguments.map}: leads to {switch.target.instruction or ''!r}, not {arguments.instruction!r}; leave "
            "--instruction out, or learn another map"
        )
    switch.source.check(stored.contract)
    return switch


def _learned(arguments: argparse.Namespace, loaded: Loaded, stored: Embedded) -> Switch:
    import numpy as np

    from instructvec.tasks.switching import learn_switch

    texts = stored.need_texts("a map to another instruction")
    distinct = list(dict.fromkeys(text for text in texts if text.strip()))
    chosen = np.random.default_rng(arguments.seed).permutation(len(distinct))[: arguments.sample]
    sample = [distinct[at] for at in sorted(chosen)]
    said = stored.contract.instructions
    if len(said) > 1:
        raise ConfigError(
            f"{arguments.inputs[0]}: its vectors were made under {len(said)} instructions; expected one for all"
        )
    embedder = open_embedder(arguments)
    before = stored.contract.instruction or ""
    embedder.contract(before).check(stored.contract)
    with cuts_told(embedder), ProgressBar(quiet=arguments.quiet) as bar:
        bar.start(2 * len(sample))
        return learn_switch(
            sample,
            instruction_from=before,
            instruction_to=arguments.instruction,
            embedder=CountedEncoder(embedder, bar),
            seed=arguments.seed,
        )


def _told(arguments: argparse.Namespace, switch: Switch, n_rows: int) -> list[str]:
    kept = switch.kept
    lines = [
        f"{arguments.output}: {n_rows:,} vectors, from {switch.source.instruction or ''!r} to about those of "
        f"{switch.target.instruction or ''!r} (experimental)",
        f"beside the real ones of {kept.n_rows:,} texts that the map ({switch.kind}, {switch.n_learned:,} texts) "
        "was not learned from:",
        f"  mean cosine {kept.cosine:.3f} (unchanged vectors: {kept.cosine_before:.3f})",
        f"  of the ten nearest {100 * kept.overlap:.0f} % (unchanged: {100 * kept.overlap_before:.0f} %)",
        "They compare with one another only; instructvec embed makes the real ones.",
    ]
    if max(kept.cosine - kept.cosine_before, kept.overlap - kept.overlap_before) <= 0:
        lines.append("The map brings them no nearer to the real ones than they were: embed the texts again.")
    if arguments.save_map is not None:
        lines.append(f"{arguments.save_map}: the map, for --map")
    return lines
