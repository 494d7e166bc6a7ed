"""Arguments of a process -> one command run -> its exit status.

Knows the table of commands and what each kind of failure exits with; nothing of what commands do. A command's
module is imported only when it is the one asked for, so that ``--help`` is instant. Adding a command is one row
in :data:`COMMANDS` and a module with ``parser() -> ArgumentParser`` and ``run(arguments) -> None``.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from types import FrameType
from typing import NamedTuple, NoReturn

from instructvec.errors import (
    EngineError,
    EvaluationIncomplete,
    InstructvecError,
    MissingExtra,
    OutputError,
    OutputExists,
)

SUCCESS, FAILED, BAD_INPUT, INTERRUPTED, TERMINATED = 0, 1, 2, 130, 143


class Command(NamedTuple):
    """A row in the table of commands.

    Attributes:
        module: where ``parser`` and ``run`` are.
        summary: one line for ``--help``.
        interrupted: what to say after Ctrl-C.
    """

    module: str
    summary: str
    interrupted: str = "interrupted"


COMMANDS: dict[str, Command] = {
    "embed": Command(
        "instructvec.cli.embed",
        "embed files of texts under an instruction",
        "interrupted; finished shards are kept: run the same command again to continue",
    ),
    "index": Command(
        "instructvec.cli.index",
        "build an index of documents, change it, search it",
        "interrupted; the index is as it was before. Of much text, embed first (instructvec embed keeps what it "
        "finished), and give its output here",
    ),
    "classify": Command("instructvec.cli.classify", "give each text a label, by name, description or example"),
    "cluster": Command("instructvec.cli.cluster", "group texts that are about the same, and name the groups"),
    "dedupe": Command("instructvec.cli.dedupe", "find texts that say the same, and keep one of each group"),
    "judge": Command("instructvec.cli.judge", "score generated texts by their references, and rank systems"),
    "demonstrations": Command(
        "instructvec.cli.demonstrations", "pick examples for prompts under a budget, or texts to annotate"
    ),
    "info": Command("instructvec.cli.info", "show model, backend, versions and machine"),
    "export": Command("instructvec.cli.export", "export a checkpoint to ONNX and measure the deviation"),
    "medi": Command(
        "instructvec.cli.medi",
        "list datasets with instructions, build a training mixture of them, look into one",
        "interrupted; finished stages are kept: run the same command again to continue",
    ),
    "evaluate": Command(
        "instructvec.cli.evaluate",
        "measure models on a suite of tasks and write a report",
        "interrupted; what was found is in a partial report: run the same command again to continue",
    ),
    "tune": Command(
        "instructvec.cli.tune",
        "find the instruction that labelled data comes out best under",
        "interrupted; nothing was chosen and nothing is written: --minutes M ends the search with a result",
    ),
    "map": Command("instructvec.cli.map", "draw texts as points, under one instruction or two"),
    "switch": Command(
        "instructvec.cli.switch", "turn stored vectors into about those of another instruction (experimental)"
    ),
    "train": Command(
        "instructvec.cli.train",
        "train a model by a recipe, or on a table of your own",
        "interrupted; run the same command again to go on from the last checkpoint",
    ),
}

# Failures of this machine rather than of what was asked for.
_FAILURES = (EngineError, EvaluationIncomplete, MissingExtra, OutputError)


class _Terminated(KeyboardInterrupt):
    """SIGTERM, unwound like Ctrl-C."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: arguments without the program's name; ``None`` takes the process's.

    Returns:
        0 done; 1 failed; 2 bad usage or input; 130 interrupted; 143 terminated.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] not in COMMANDS:
        return _exit_status_of(_top_parser(), arguments)
    command = COMMANDS[arguments[0]]
    module = import_module(command.module)
    try:
        parsed = module.parser().parse_args(arguments[1:])
    except SystemExit as error:
        return int(error.code or 0)
    return _run(command, module.run, parsed)


def _run(command: Command, run: Callable[[argparse.Namespace], None], parsed: argparse.Namespace) -> int:
    """Run a command; whatever ends it becomes one message and an exit status."""
    try:
        with _terminable():
            run(parsed)
            sys.stdout.flush()
        return SUCCESS
    except _Terminated:
        return _say(command.interrupted.replace("interrupted", "terminated", 1), TERMINATED)
    except KeyboardInterrupt:
        return _say(command.interrupted, INTERRUPTED)
    except BrokenPipeError:
        # Whoever read our output has left; nothing more can be said to them, at exit neither.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except InstructvecError as error:
        if parsed.debug:
            raise
        return _say(f"error: {error}", status_of(error))


def status_of(error: InstructvecError) -> int:
    """The exit status for an error: 2 for bad usage or input, 1 for what failed here."""
    return FAILED if isinstance(error, _FAILURES) and not isinstance(error, OutputExists) else BAD_INPUT


def _top_parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    listed = "\n".join(f"  {name:<{width}}  {command.summary}" for name, command in COMMANDS.items())
    parser = argparse.ArgumentParser(
        prog="instructvec",
        description="Text embeddings that follow an instruction, fast, offline, on a CPU.",
        epilog=f"commands:\n{listed}\n\ninstructvec COMMAND --help explains a command, with examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"instructvec {_version()}")
    parser.add_argument("command", choices=COMMANDS, metavar="COMMAND", help="what to do; see below")
    return parser


def _version() -> str:
    from instructvec import __version__

    return __version__


def _exit_status_of(parser: argparse.ArgumentParser, arguments: list[str]) -> int:
    """What a parser that is bound to print and exit exits with."""
    try:
        parser.parse_args(arguments)
    except SystemExit as error:
        return int(error.code or 0)
    return BAD_INPUT


def _say(message: str, status: int) -> int:
    print(f"instructvec: {message}", file=sys.stderr)
    return status


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM unwinds the program as Ctrl-C does, so that nothing temporary is left."""

    def raise_terminated(signum: int, frame: FrameType | None) -> NoReturn:
        raise _Terminated

    try:
        before = signal.signal(signal.SIGTERM, raise_terminated)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
