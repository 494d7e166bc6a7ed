"""A task's specification -> its data, found, checked against what is expected of it, halved and limited.

Knows where data lies (a folder below the user's data folder or beside the suite, or a dataset on the hub) and what
a specification expects of it; the layouts are read by ``local.py``, ``beir.py`` and ``hub.py``.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from instructvec.errors import ConfigError, FileError, InputError
from instructvec.evaluation import data as kinds
from instructvec.evaluation.data import TaskData
from instructvec.evaluation.halves import halved
from instructvec.evaluation.sources.assembly import Assembled
from instructvec.evaluation.sources.beir import read_instruction_retrieval, read_retrieval
from instructvec.evaluation.sources.hub import read_hub
from instructvec.evaluation.sources.limits import limited
from instructvec.evaluation.sources.local import read_folder
from instructvec.evaluation.suite import TaskSpec
from instructvec.types import Half

_HASHED_AT_ONCE = 4096


@dataclass(frozen=True, slots=True)
class Loaded:
    """A task's data.

    Attributes:
        data: what is scored.
        digest: hex, of ``data`` with all its texts, labels, ids and judgements.
        n_rows: rows of the data as it was read: those of all splits of a file, of the splits used of a hub
            dataset, the documents of collections; before any half, limit and choice of rows.
        notes: what a reader of the scores must know, such as queries that were left out.
        half: which of the scored rows ``data`` has.
    """

    data: TaskData
    digest: str
    n_rows: int
    notes: tuple[str, ...] = ()
    half: Half = "all"


def load(
    task: TaskSpec,
    *,
    data_folder: Path | None,
    suite_folder: Path,
    half: Half = "all",
    limit: int | None = None,
    seed: int = 42,
) -> Loaded:
    """The data of a task.

    Args:
        task: says where it is and what to expect of it.
        data_folder: the user's; a task's ``folder`` is looked up there first.
        suite_folder: of the suite's file; looked up next.
        half: the scored rows of which half, see :func:`instructvec.evaluation.halves.halved`.
        limit: of these rows at most, see :func:`instructvec.evaluation.sources.limits.limited`; ``None`` for all.
        seed: of the limit's draw.

    Raises:
        ConfigError: the limit is below 1.
        FileError: the data is missing or malformed, or not what the task expects; or the half has nothing that can
            be measured.
        MissingExtra: a hub dataset is asked for and the package that reads it is not installed.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"limit is {limit}; expected 1 or more rows")
    where, found = _read(task, data_folder, suite_folder)
    _check_expected(task, where, found)
    data = found.data
    if half != "all":
        try:
            data = halved(data, half)
        except InputError as error:
            raise FileError(
                f"{where}, {half} half: {error}; leave the task out, or measure the whole (half = all)"
            ) from None
    if limit is not None:
        try:
            data = limited(data, limit, seed=seed, name=task.name)
        except InputError as error:
            raise FileError(f"{where}, limited to {limit} rows: {error}; raise the limit") from None
    return Loaded(data, digest_of(data), found.n_rows, found.notes, half)


def find_folder(task: TaskSpec, data_folder: Path | None, suite_folder: Path) -> Path:
    """A task's folder.

    Raises:
        FileError: it is in neither place; names both.
    """
    assert task.folder is not None
    places = [folder / task.folder for folder in (data_folder, suite_folder) if folder is not None]
    for place in places:
        if place.is_dir():
            return place
    looked = " and ".join(str(place) for place in places)
    hint = (
        "pass the folder that holds it with --data FOLDER"
        if data_folder is None
        else "check what --data names, and that the task's data is there"
    )
    raise FileError(f"no folder {task.folder!r}: looked for {looked}; {hint}. The data: {task.source}")


def first_text(data: TaskData) -> str:
    """The first text that is scored; of collections the first document."""
    return _FIRST_TEXTS[type(data)](data)


def digest_of(data: TaskData) -> str:
    """32 hex characters over everything the data holds, order included.

    Example:
        >>> one = kinds.Sts(["a", "b"], ["c", "d"], [0.0, 1.0])
        >>> digest_of(one) == digest_of(kinds.Sts(["ab", ""], ["c", "d"], [0.0, 1.0]))
        False
    """
    digest = hashlib.sha256()
    _feed(digest.update, data)
    return digest.hexdigest()[:32]


def _read(task: TaskSpec, data_folder: Path | None, suite_folder: Path) -> tuple[str, Assembled]:
    """The data, and what messages call its place."""
    if task.hub:
        return ", ".join(task.hub), read_hub(task)
    folder = find_folder(task, data_folder, suite_folder)
    if task.kind == "retrieval":
        return str(folder), read_retrieval(folder, task)
    if task.kind == "instruction_retrieval":
        return str(folder), read_instruction_retrieval(folder, task)
    return str(folder), read_folder(folder, task)


def _check_expected(task: TaskSpec, where: str, found: Assembled) -> None:
    """Whether the data is what the suite was written for.

    Raises:
        FileError: it is not.
    """
    todo = "this is other data than the suite was written for: get that, or correct the suite"
    if task.n_rows is not None and found.n_rows != task.n_rows:
        raise FileError(f"{where}: {found.n_rows:,} rows; expected {task.n_rows:,} (n_rows); {todo}")
    if task.first_text is not None:
        first = first_text(found.data)
        if not first.startswith(task.first_text):
            shown = first[: max(len(task.first_text), 40)]
            raise FileError(
                f"{where}: the first text begins {shown!r}; expected {task.first_text!r} (first_text); {todo}"
            )


_FIRST_TEXTS: dict[type, Callable[[Any], str]] = {
    kinds.Classification: lambda data: str(data.texts[0]),
    kinds.Clustering: lambda data: str(data.texts[0][0]),
    kinds.PairClassification: lambda data: str(data.a[0]),
    kinds.Sts: lambda data: str(data.a[0]),
    kinds.Reranking: lambda data: str(data.queries[0]),
    kinds.Retrieval: lambda data: str(data.parts[0].documents[0]),
    kinds.InstructionRetrieval: lambda data: str(data.collection.documents[0]),
    kinds.Summarization: lambda data: str(data.machine[0][0]),
    kinds.TextGenerationEvaluation: lambda data: str(data.hypotheses[0]),
    kinds.PromptRetrieval: lambda data: str(data.inputs[0]),
    kinds.Following: lambda data: str(data.texts[0]),
}


def _feed(update: Callable[[bytes], object], value: object) -> None:
    """Hash a value so that no two different ones give the same bytes: each part follows its kind and length."""
    if isinstance(value, str):
        _feed_texts(update, [value])
    elif isinstance(value, list) and set(map(type, value)) == {str}:
        _feed_texts(update, value)
    elif isinstance(value, list):
        update(f"list {len(value)}\n".encode())
        if set(map(type, value)) <= {int, float, bool}:
            update(repr(value).encode())
        else:
            for one in value:
                _feed(update, one)
    elif isinstance(value, dict):
        update(f"dict {len(value)}\n".encode())
        _feed(update, list(value))
        _feed(update, list(value.values()))
    elif dataclasses.is_dataclass(value):
        update(f"{type(value).__name__}\n".encode())
        for field in dataclasses.fields(value):
            _feed(update, getattr(value, field.name))
    else:
        update(f"{value!r}\n".encode())


def _feed_texts(update: Callable[[bytes], object], texts: list[str]) -> None:
    """Texts after their lengths, some at a time."""
    update(f"texts {len(texts)}\n".encode())
    for start in range(0, len(texts), _HASHED_AT_ONCE):
        some = texts[start : start + _HASHED_AT_ONCE]
        update(np.array([len(text) for text in some], "<u8").tobytes())
        update("".join(some).encode("utf-8", "surrogatepass"))
