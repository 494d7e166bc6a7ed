"""``instructvec info``: model, backend, versions and machine, to paste into a bug report.

Knows what to look up; imports none of the libraries whose versions it tells.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
from typing import Any

from instructvec.cli.options import add_model_options, new_parser, open_embedder
from instructvec.engines.threads import available_processors
from instructvec.extras import version_of

PACKAGES = (
    "instructvec",
    "numpy",
    "onnxruntime",
    "tokenizers",
    "pyarrow",
    "safetensors",
    "torch",
    "transformers",
)

_EXAMPLES = """\
  instructvec info
  instructvec info --model hkunlp/instructor-large --json"""


def parser() -> argparse.ArgumentParser:
    """The arguments of the command."""
    parser = new_parser("info", "Show the model, its backend, versions and the machine.", _EXAMPLES)
    add_model_options(parser)
    return parser


def run(arguments: argparse.Namespace) -> None:
    """Print the machine first, so that a model that cannot be opened hides nothing of it."""
    found: dict[str, Any] = _machine()
    if not arguments.json:
        _print(found)
    model = _model(arguments)
    if arguments.json:
        print(json.dumps(found | model, ensure_ascii=False))
    else:
        _print(model)


def _machine() -> dict[str, Any]:
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "processors": {"machine": os.cpu_count(), "usable": available_processors()},
        "packages": {name: version_of(name) for name in PACKAGES},
    }


def _model(arguments: argparse.Namespace) -> dict[str, Any]:
    embedder = open_embedder(arguments)
    return {
        "model": embedder.name,
        "fingerprint": embedder.fingerprint,
        "family": embedder.family,
        "dimension": embedder.dimension,
        "max_seq_length": embedder.max_seq_length,
        "joining": embedder.joining,
        "backend": embedder.backend,
        "device": embedder.device,
        "dtype": embedder.dtype,
        "prompts": dict(embedder.prompts),
    }


def _print(values: dict[str, Any]) -> None:
    for name, value in values.items():
        print(f"{name + ':':<16} {_shown(value)}")


def _shown(value: object) -> str:
    if not isinstance(value, dict):
        return str(value)
    return ", ".join(f"{key} {'not installed' if one is None else one}" for key, one in value.items()) or "none"
