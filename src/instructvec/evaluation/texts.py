"""A suite -> files with every text of its tasks, for whoever must not train on them.

Knows tasks' data; nothing of training. A file's name holds the digest of its task's data, so that files are
written again only when the data change.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from instructvec.corpus.files import explained, writing
from instructvec.evaluation.sources.load import load
from instructvec.evaluation.suite import Suite


def write_texts(suite: Suite, data_folder: Path | None, into: Path) -> Path:
    """Write the texts of every task of a suite, a file of JSON lines each.

    Args:
        suite: what must not be trained on.
        data_folder: where the suite's local data is; by default beside the suite's file.
        into: a folder for the suite's own folder.

    Returns:
        The suite's folder, which holds nothing else.

    Raises:
        FileError: the data of a task is missing or malformed.
        OutputError: a file cannot be written.
    """
    folder = into / suite.name
    with explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
    wanted = set()
    for task in suite.tasks:
        loaded = load(task, data_folder=data_folder, suite_folder=suite.path.parent)
        path = folder / f"{task.name}.{loaded.digest[:16]}.jsonl"
        wanted.add(path)
        if not path.exists():
            texts = dict.fromkeys(_strings(loaded.data))
            with writing(path) as file:
                file.writelines(json.dumps({"text": text}).encode() + b"\n" for text in texts)
    for path in folder.iterdir():
        if path not in wanted:
            path.unlink()
    return folder


def _strings(value: Any) -> Iterator[str]:
    """Every string in nested data, labels and ids too: the reader of these files tells texts from them."""
    if isinstance(value, str):
        yield value
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            yield from _strings(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _strings(inner)
    elif isinstance(value, list | tuple | set | frozenset):
        for inner in value:
            yield from _strings(inner)
