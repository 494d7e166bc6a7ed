"""What both forms of ``instructvec train`` have in common: values of options, and a run's course in words.

Knows arguments and how to say what came of training; nothing of recipes or tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructvec.errors import ConfigError
from instructvec.extras import require

if TYPE_CHECKING:
    from instructvec.training.run_folder import Trained
    from instructvec.types import Encoder


def minutes(text: str) -> float:
    """A number above 0, as an argparse type."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes above 0")
    return value


def overrides(texts: Sequence[str]) -> dict[str, str]:
    """``KEY=VALUE`` of ``--set`` as a mapping."""
    found = {}
    for text in texts:
        key, sign, value = text.partition("=")
        if not sign or not key.strip():
            raise ConfigError(f"--set {text!r} has no KEY=VALUE; expected one such as optimizer.steps=200")
        found[key.strip()] = value
    return found


def refuse(arguments: argparse.Namespace, options: Mapping[str, object], why: str) -> None:
    """Refuse options of the other form, which would otherwise be without effect."""
    for name, absent in options.items():
        if getattr(arguments, name) != absent:
            raise ConfigError(f"--{name.replace('_', '-')} {why}")


def opened(path: str) -> Encoder:
    """The model in a directory, as it says it is to be used."""
    from instructvec.embedder import Embedder

    return Embedder(path)


def require_evaluation(purpose: str) -> None:
    """Refuse to begin what could not be scored at its end.

    Raises:
        MissingExtra: names the extra that brings what is missing.
    """
    for package in ("sklearn", "scipy", "pytrec_eval"):
        require(package, purpose)


def told(trained: Trained, out: Path) -> Iterator[str]:
    """What came of training, for people."""
    losses = "" if trained.losses is None else f", loss {trained.losses[0]:.3f} to {trained.losses[1]:.3f}"
    yield f"{out}: {trained.steps:,} steps in {trained.seconds / 60:.1f} minutes{losses}"
    for scored in (trained.scores[0], trained.scores[-1]) if len(trained.scores) > 1 else trained.scores:
        shown = {"mean": scored.values["mean"]} if "mean" in scored.values else scored.values
        yield f"  step {scored.step:,}: " + ", ".join(f"{name} {value:.2f}" for name, value in shown.items())
    if trained.finished:
        yield f"{trained.model}: the trained model"
    else:
        yield "not finished: run the same command again to go on"


def as_json(trained: Trained) -> dict[str, Any]:
    """The same for programs."""
    return {
        "model": None if trained.model is None else str(trained.model),
        "finished": trained.finished,
        "steps": trained.steps,
        "seconds": round(trained.seconds, 1),
        "losses": trained.losses,
        "scores": [{"step": one.step, "values": dict(one.values)} for one in trained.scores],
        "counts": dict(trained.counts),
    }
