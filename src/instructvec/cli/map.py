"""``instructvec map``: files of texts -> a page or a picture of them as points.

Knows options, files and messages; the map is ``tasks/maps``'s.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructvec.cli.inputs import CountedEncoder, Loaded, add_input_options, check_folder, load, tell
from instructvec.cli.options import new_parser, open_embedder, positive
from instructvec.cli.progress import ProgressBar
from instructvec.errors import ConfigError

if TYPE_CHECKING:
    from instructvec.tasks.maps.points import TextMap

_EXAMPLES = """\
  instructvec map reviews.csv --column body --colour stars -o reviews.html
  instructvec map tickets.jsonl --colour team --method umap -o tickets.html --instruction \\
      "Represent the ticket for clustering by product: " "Represent the ticket for clustering by mood: "
  instructvec map embedded.parquet --colour year --method tsne -o years.png"""

_SUFFIXES = (".html", ".png")


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    from instructvec.tasks.instructions import MAP
    from instructvec.tasks.maps.colours import KINDS, MAX_CLASSES
    from instructvec.tasks.maps.layout import METHODS
    from instructvec.tasks.maps.points import MAX_POINTS

    parser = new_parser(
        "map",
        "Draw texts as points, near where they mean the like, under one instruction or under two side by side.",
        _EXAMPLES,
    )
    add_input_options(parser, instruction=None)
    parser.add_argument(
        "-o", "--output", type=Path, required=True, metavar="OUT", help=".html, to point at, search and filter; "
        "or .png",
    )  # fmt: skip
    shown = parser.add_argument_group("what is shown")
    shown.add_argument(
        "--instruction", nargs="+", metavar="TEXT", help="what the vectors are for: one, or two for two maps of "
        f"the same texts (default: {MAP!r}; '' for none)",
    )  # fmt: skip
    shown.add_argument("--colour", metavar="COLUMN", help="classes, or numbers, that the points are coloured by")
    shown.add_argument(
        "--colour-as", choices=KINDS, default="auto", help="what the column is taken for (default: numbers where "
        "they have many levels)",
    )  # fmt: skip
    shown.add_argument(
        "--method", choices=METHODS, default="pca", help="pca is there at once; umap and tsne keep neighbours "
        "together (default: pca)",
    )  # fmt: skip
    shown.add_argument(
        "--labels", choices=("shown", "hidden"), default="shown", help="names of the classes on the map (default: "
        "shown; the page can change it)",
    )  # fmt: skip
    shown.add_argument(
        "--max-classes", type=positive, default=MAX_CLASSES, metavar="N", help="with a colour of their own, the "
        f"largest; at most {MAX_CLASSES}, the default",
    )  # fmt: skip
    shown.add_argument(
        "--max-points", type=positive, default=MAX_POINTS, metavar="N", help="of more texts, so many are drawn at "
        f"random (default: {MAX_POINTS})",
    )  # fmt: skip
    shown.add_argument("--title", help="of the page (default: the input's name)")
    shown.add_argument("--seed", type=int, default=42, metavar="N", help="of what is drawn (default: 42)")
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Draw, and report."""
    from instructvec.corpus.files import writing

    _check(arguments)
    loaded = load(arguments)
    if loaded.n_rejected:
        tell(f"{loaded.n_rejected} rows without text are left out", quiet=arguments.quiet)
    made = _map(loaded, arguments)
    content = _drawn(made, arguments)
    with writing(arguments.output, len(content)) as file:
        file.write(content)
    tell(*_summary(made, arguments), quiet=arguments.quiet)
    if arguments.json:
        print(json.dumps(_result(made, arguments), ensure_ascii=False))


def _check(arguments: argparse.Namespace) -> None:
    """What can be refused before any text is encoded."""
    from instructvec.extras import require

    suffix = arguments.output.suffix.lower()
    if suffix not in _SUFFIXES:
        raise ConfigError(f"output {arguments.output}: the suffix {suffix!r} names no map; expected .html or .png")
    check_folder(arguments.output)
    if suffix == ".png":
        require("matplotlib", "a .png", extra="map")
    if arguments.method != "pca":
        require("umap" if arguments.method == "umap" else "sklearn", f"--method {arguments.method}", extra="map")
    given = arguments.instruction or []
    if len(given) > 2:
        raise ConfigError(f"--instruction: {len(given)} are given; expected one, or two that are compared")
    if len(given) == 2 and given[0] == given[1]:
        raise ConfigError("--instruction: both are the same; expected two that differ")


def _map(loaded: Loaded, arguments: argparse.Namespace) -> TextMap:
    from instructvec.tasks.maps.points import text_map

    colours = None if arguments.colour is None else loaded.values_of(arguments.colour, "--colour")
    texts = loaded.embedded if loaded.embedded is not None else loaded.texts or []
    with ProgressBar(quiet=arguments.quiet) as bar:
        embedder = None
        if loaded.embedded is None or arguments.instruction is not None or arguments.model is not None:
            bar.start(min(len(loaded), arguments.max_points) * len(arguments.instruction or [""]))
            embedder = CountedEncoder(open_embedder(arguments), bar)
        return text_map(
            texts,
            instructions=arguments.instruction,
            embedder=embedder,
            method=arguments.method,
            colours=colours,
            colour_name=arguments.colour or "",
            colour_kind=arguments.colour_as,
            max_classes=arguments.max_classes,
            max_points=arguments.max_points,
            seed=arguments.seed,
        )


def _drawn(made: TextMap, arguments: argparse.Namespace) -> bytes:
    title = arguments.title or f"Map of {', '.join(Path(one).name for one in arguments.inputs[:3])}"
    names = arguments.labels == "shown"
    if arguments.output.suffix.lower() == ".png":
        from instructvec.tasks.maps.picture import draw_map

        return draw_map(made, title=title, names=names)
    from instructvec.tasks.maps.page import render_map

    return render_map(made, title=title, names=names).encode("utf-8")


def _summary(made: TextMap, arguments: argparse.Namespace) -> list[str]:
    drawn = f" of {made.n_given:,}, drawn at random (--max-points)" if len(made) < made.n_given else ""
    lines = [f"{arguments.output}: {len(made):,} texts{drawn}, {made.method}"]
    for panel in made.panels:
        figures = (
            "" if panel.agreement is None else f": {100 * panel.agreement:.1f}% of the nearest share the class"
        )
        lines.append(f"instruction: {panel.instruction!r}{figures}")
    if arguments.instruction is None:
        lines[-1] += " (--instruction changes it)"
    return lines


def _result(made: TextMap, arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "output": str(arguments.output),
        "texts": len(made),
        "given": made.n_given,
        "method": made.method,
        "panels": [
            {
                "instruction": one.instruction,
                "agreement": one.agreement,
                "explained": one.explained,
                "contract": json.loads(one.contract.to_json()),
            }
            for one in made.panels
        ],
    }
