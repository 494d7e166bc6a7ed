"""Options that commands share: which model, and how a command reports.

Knows argument names; nothing of what is done with them.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from instructvec.types import JOININGS

if TYPE_CHECKING:
    from instructvec.embedder import Embedder


def new_parser(command: str, description: str, examples: str) -> argparse.ArgumentParser:
    """A parser whose help ends in examples, with the options every command has."""
    parser = argparse.ArgumentParser(prog=f"instructvec {command}", **_described(description, examples))
    _add_common_options(parser)
    return parser


def add_action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    summary: str,
    description: str,
    examples: str,
) -> argparse.ArgumentParser:
    """A parser for one of the actions of a command, as :func:`new_parser` makes them."""
    parser = actions.add_parser(name, help=summary, **_described(description, examples))
    _add_common_options(parser)
    return parser


def _described(description: str, examples: str) -> dict[str, Any]:
    return {
        "description": description,
        "epilog": f"examples:\n{examples}",
        "formatter_class": argparse.RawDescriptionHelpFormatter,
        "allow_abbrev": False,
    }


def _add_common_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print the result as JSON on stdout")
    parser.add_argument("--debug", action="store_true", help="show where in the program an error arose")


def add_model_options(parser: argparse.ArgumentParser, *, max_seq_length: int | None = None) -> None:
    """``--model`` and how to run it; ``max_seq_length`` is the default of that option."""
    model = add_engine_options(parser, max_seq_length=max_seq_length)
    model.add_argument(
        "--model",
        metavar="M",
        help="directory or hub id of a sentence-transformers or INSTRUCTOR model (default: the bundled one)",
    )
    model.add_argument("--revision", help="branch, tag or commit of a hub id")


def add_engine_options(
    parser: argparse.ArgumentParser, *, max_seq_length: int | None = None
) -> argparse._ArgumentGroup:
    """How models are run; returns the group, for options of the same heading."""
    limit = max_seq_length or "the model's limit"
    model = parser.add_argument_group("model")
    model.add_argument("--backend", choices=("auto", "onnx", "torch"), default="auto", help="default: the fastest")
    model.add_argument("--device", help="such as cpu or cuda:0 (default: what the backend finds)")
    model.add_argument(
        "--dtype", default="auto", help="number type of the matrices: float32, int8, bfloat16, … (default: auto)"
    )
    model.add_argument("--threads", type=positive, metavar="N", help="processors to use (default: all allowed)")
    model.add_argument(
        "--max-seq-length",
        type=positive,
        default=max_seq_length,
        metavar="N",
        help=f"tokens a text may have (default: {limit})",
    )
    model.add_argument(
        "--joining",
        choices=JOININGS,
        help="how instruction and text become tokens (default: what the model was made with)",
    )
    return model


def open_embedder(arguments: argparse.Namespace) -> Embedder:
    """The embedder that the model options ask for."""
    return open_model(arguments.model, arguments, revision=arguments.revision)


def open_model(name: str | None, arguments: argparse.Namespace, *, revision: str | None = None) -> Embedder:
    """A model by name, run as the engine options say; ``None`` for the bundled one."""
    from instructvec.embedder import Embedder

    return Embedder(
        name,
        backend=arguments.backend,
        device=arguments.device,
        dtype=arguments.dtype,
        threads=arguments.threads,
        max_seq_length=arguments.max_seq_length,
        revision=revision,
        joining=arguments.joining,
    )


def positive(text: str) -> int:
    """A whole number from 1, as an argparse type."""
    value = int(text) if text.isdecimal() else 0
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")
    return value
