"""Recognises a checkpoint made with INSTRUCTOR's joining rule, which its module chain does not show.

Knows the marks such directories carry; nothing of the rule itself. GTR and sentence-T5 have the very
same modules (T5, mean pooling, Dense without bias, Normalize), so that the chain proves nothing.
Source: the published hkunlp/instructor-* directories and InstructorEmbedding 1.0.1's ``save``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from instructvec.checkpoints.jsonfile import read_optional_json
from instructvec.checkpoints.modules import Module, is_instructor_type

_WORD = re.compile(r"(?:^|[-_.])instructor(?:[-_.]|$)", re.IGNORECASE)
_CARD_MARKS = (
    # The name under "model-index" in the published cards, the paper's tag, and a fine-tuned model's origin.
    re.compile(r"^\s*-?\s*name:\s*['\"]?INSTRUCTOR['\"]?\s*$", re.MULTILINE),
    re.compile(r"^\s*-\s*['\"]?arxiv:2212\.09741['\"]?\s*$", re.MULTILINE),
    re.compile(r"^\s*(?:-|base_model:)\s*['\"]?hkunlp/instructor-[\w-]+['\"]?\s*$", re.MULTILINE),
)
_CARD_HEADING = re.compile(r"\A\s*#\s+hkunlp/instructor-", re.IGNORECASE)
# Model cards with benchmark results in their head run to 200 kB.
_CARD_CHARS = 400_000


def is_instructor(path: Path, name: str | None, modules: Sequence[Module], config: Mapping[str, Any]) -> bool:
    """Whether the checkpoint at ``path`` was made with the original INSTRUCTOR's rule.

    In this order: a Pooling that states ``include_prompt: true`` says no; module types written by
    InstructorEmbedding say yes; so do a model card that calls itself INSTRUCTOR (not one that merely
    mentions it in a table), and the word "instructor" in the given name, the directory's name or
    ``_name_or_path``. A caller who knows better passes ``joining=``.
    """
    if len(modules) < 2 or modules[1].kind != "Pooling":
        return False
    if read_optional_json(path / modules[1].folder / "config.json").get("include_prompt") is True:
        return False
    if any(is_instructor_type(module.type) for module in modules):
        return True
    names = (name, path.name, _cached_repository(path), config.get("_name_or_path"))
    return any(_named_instructor(candidate) for candidate in names) or _card_says_so(path / "README.md")


def _named_instructor(name: object) -> bool:
    return isinstance(name, str) and _WORD.search(re.split(r"[/\\]", name.rstrip("/\\"))[-1]) is not None


def _cached_repository(path: Path) -> str | None:
    """``…/models--hkunlp--instructor-large/snapshots/<commit>`` -> ``instructor-large``."""
    for part in path.parts:
        if part.startswith("models--"):
            return part.rpartition("--")[2]
    return None


def _card_says_so(file: Path) -> bool:
    if not file.is_file():
        return False
    with file.open(encoding="utf-8", errors="replace") as stream:
        text = stream.read(_CARD_CHARS)
    # Front matter stands between two lines of "---" at the very start.
    parts = re.split(r"^---\s*$", text, maxsplit=2, flags=re.MULTILINE) if text.startswith("---") else []
    head, body = parts[1:] if len(parts) == 3 else ("", text)
    return any(mark.search(head) for mark in _CARD_MARKS) or _CARD_HEADING.search(body) is not None
