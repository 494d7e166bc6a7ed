"""The original's ``medi-data.json`` and GritLM's MEDI2 -> triplets; triplets -> ``medi-data.json``.

Knows both formats; nothing of how rows were found. The formats:

- ``medi-data.json``: one JSON list of ``{"query": [instruction, text], "pos": […], "neg": […], "task_id": 3}``.
  Copies of it have ``task_name``, a string, instead. A text that is a number stands for its digits, as there.
- MEDI2: JSON lines of ``{"query": [instruction, text], "pos": [[instruction, text], …], "neg": [[…], …]}``, a file
  for each task, ``medi-data-hardnegatives-instruct-3.jsonl``. Variants have plain texts for some or all pairs.

Task numbers say nothing about the dataset, so :func:`write_medi_json` puts a table of them beside its file,
``medi-data.tasks.json``, and both readers use such a table where there is one.
Source: Su et al. 2023, https://github.com/xlang-ai/instructor-embedding (README.md, train.py); Muennighoff et al.
2024, https://huggingface.co/datasets/GritLM/MEDI2.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, cast

from instructvec.corpus.files import writing
from instructvec.corpus.records import kind_of
from instructvec.errors import FileError, InputError
from instructvec.medi.json_rows import JsonRow, read_json_rows
from instructvec.medi.triplets import Side, Triplet

OnSkip: TypeAlias = Callable[[str, str], object]
"""Told of a row that is left out: where it stands, and why."""
WithoutNegative: TypeAlias = Literal["leave_out", "refuse"]
"""What becomes of rows without a hard negative, which the original's format cannot hold."""

ORIGINAL_START = "Represent "
"""How every instruction begins that the original's training code takes; it takes none (``""``) too."""
_SUFFIXES = (".jsonl", ".json", ".jsonl.gz", ".json.gz")
_TASKS_SUFFIX = ".tasks.json"


@dataclass(frozen=True, slots=True)
class Written:
    """What :func:`write_medi_json` wrote.

    Attributes:
        n_rows: rows in the file.
        n_without_negative: rows left out, because they have no hard negative.
        n_other_instructions: rows with an instruction that does not begin with :data:`ORIGINAL_START`; the
            original's ``train.py`` stops at the first, our own training takes them.
        task_ids: dataset -> its number.
    """

    n_rows: int
    n_without_negative: int
    n_other_instructions: int
    task_ids: dict[str, int] = field(default_factory=dict)


def read_medi_json(
    path: Path, *, names: Mapping[str, str] | None = None, strict: bool = True, on_skip: OnSkip | None = None
) -> Iterator[Triplet]:
    """The rows of a ``medi-data.json``, gzipped or not, in bounded memory.

    Instructions stay as they are; the original's end in ``;`` or ``:`` without a blank.

    Args:
        path: the file.
        names: ``task_id`` or ``task_name`` -> dataset; without it the table beside the file, without that
            ``medi_3`` for the number 3, and a name as it is.
        strict: raise at the first row that cannot be used, instead of leaving it out.
        on_skip: told of every row left out.

    Raises:
        FileError: the file cannot be read; or, under ``strict``, a row is broken JSON, lacks a key, or has
            another shape: names row and byte or key.

    Example:
        >>> import tempfile
        >>> sides = Side("Topic: ", "ham"), Side("Topic: ", "egg"), Side("Topic: ", "rain")
        >>> row = Triplet(*sides, "food", "label", "labelled")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = write_medi_json([row], Path(folder) / "medi-data.json")
        ...     [(one.dataset, one.query.text) for one in read_medi_json(Path(folder) / "medi-data.json")]
        [('food', 'ham')]
    """
    tasks = _Tasks(_table_beside(path), names)
    yield from _triplets(read_json_rows(path), _original_row, tasks, None, _Skip(strict, on_skip))


def read_medi2(
    path: Path, *, names: Mapping[str, str] | None = None, strict: bool = True, on_skip: OnSkip | None = None
) -> Iterator[Triplet]:
    """The rows of a file of MEDI2, or of every ``.jsonl`` and ``.json`` file below a folder.

    A row with several positives or negatives gives as many triplets as the longer of the two lists has entries,
    so that each is used; the shorter list starts again. A side that is a plain text has no instruction. A row
    without negatives gives triplets without.

    Args:
        path: the file, or a folder, read in the order of its files' names.
        names: ``task_id``, ``task_name`` or a file's name without suffix -> dataset; without it ``medi_3`` for
            the number 3, else the name as it is.
        strict: raise at the first row that cannot be used, instead of leaving it out.
        on_skip: told of every row left out.

    Raises:
        FileError: no such file, no file in the folder, or a file or, under ``strict``, a row that cannot be read.
    """
    for file in _files(path):
        stem = file.name.removesuffix(".gz").rpartition(".")[0]
        tasks = _Tasks(_table_beside(file), names)
        yield from _triplets(read_json_rows(file), _listed_row, tasks, stem, _Skip(strict, on_skip))


def write_medi_json(
    triplets: Iterable[Triplet],
    path: Path,
    *,
    task_ids: Mapping[str, int] | None = None,
    without_negative: WithoutNegative = "leave_out",
) -> Written:
    """Write the original's format, whole or not at all, and the table of tasks beside it.

    The rows keep their order. The original's training cuts the file into batches in this order and drops those
    that mix tasks, so give the rows of a dataset one after another. ``rule`` and ``group`` are not kept. The file
    is ASCII, because the original opens it without naming an encoding.

    Args:
        triplets: the rows; consumed one at a time.
        path: the file, replaced if it exists; gzipped if it ends in ``.gz``, which only our reader takes.
        task_ids: dataset -> number; without it numbers from 0 in order of appearance.
        without_negative: leave such rows out and count them, or refuse the first.

    Raises:
        InputError: a row without negative under ``"refuse"``, a dataset that ``task_ids`` lacks, or a number it
            gives twice.
        OutputError: the file cannot be written.
    """
    _check_numbers(task_ids or {})
    counts = {"rows": 0, "without": 0, "other": 0}
    table: dict[str, dict[str, Any]] = {}
    with writing(path) as file, _compressed(file, path) as out:
        out.write(b"[")
        for one in triplets:
            if one.negative is None:
                _check_negative(one, without_negative)
                counts["without"] += 1
                continue
            entry = table.setdefault(one.dataset, {"kind": one.kind, "n_rows": 0})
            if "task_id" not in entry:
                entry["task_id"] = _task_id(one.dataset, task_ids, len(table) - 1)
            entry["n_rows"] += 1
            sides = (one.query, one.positive, one.negative)
            counts["other"] += any(not _is_original(side.instruction) for side in sides)
            out.write(b"\n" if not counts["rows"] else b",\n")
            out.write(_encoded(sides, entry["task_id"]))
            counts["rows"] += 1
        out.write(b"\n]\n")
        _write_table(path, table)
    numbers = {name: entry["task_id"] for name, entry in table.items()}
    return Written(counts["rows"], counts["without"], counts["other"], numbers)


def tasks_path(path: Path) -> Path:
    """Where the table of a file's tasks is.

    Example:
        >>> tasks_path(Path("out/medi-data.json.gz")).name
        'medi-data.tasks.json'
    """
    return path.with_name(path.name.removesuffix(".gz").removesuffix(".json") + _TASKS_SUFFIX)


@dataclass(frozen=True, slots=True)
class _Skip:
    strict: bool
    told: OnSkip | None

    def row(self, where: str, reason: str) -> None:
        if self.strict:
            raise FileError(f"{where}: {reason}")
        if self.told is not None:
            self.told(where, reason)


@dataclass(frozen=True, slots=True)
class _Tasks:
    """What tasks are called and of which kind their datasets are."""

    table: Mapping[str, tuple[str, str]]
    names: Mapping[str, str] | None

    def of(self, task: str) -> tuple[str, str]:
        """Dataset and kind of a task."""
        name, kind = self.table.get(task, (f"medi_{task}" if task.isdecimal() else task, "triplet"))
        return (self.names or {}).get(task, name), kind


_Shape: TypeAlias = Callable[[Mapping[str, Any]], list[tuple[Side, Side, Side | None]]]


def _triplets(
    rows: Iterator[JsonRow], shape: _Shape, tasks: _Tasks, usual_task: str | None, skip: _Skip
) -> Iterator[Triplet]:
    for row in rows:
        if row.problem:
            skip.row(row.where, row.problem)
            continue
        try:
            dataset, kind = tasks.of(_task(row.values, usual_task))
            found = shape(row.values)
        except InputError as error:
            skip.row(row.where, str(error))
            continue
        for query, positive, negative in found:
            yield Triplet(query, positive, negative, dataset, kind, "given")


def _task(values: Mapping[str, Any], usual: str | None) -> str:
    """The row's ``task_id`` or ``task_name``."""
    key = "task_id" if "task_id" in values else "task_name"
    if key not in values and usual is not None:
        return usual
    if key not in values:
        raise InputError("neither 'task_id' nor 'task_name'; expected one: it says which rows are of one dataset")
    task = values[key]
    if isinstance(task, bool) or not isinstance(task, int | str) or task == "":
        raise InputError(f"{key!r} is {kind_of(task)}; expected a whole number or a name")
    return str(task)


def _original_row(values: Mapping[str, Any]) -> list[tuple[Side, Side, Side | None]]:
    query, positive, negative = (_side(key, _value(values, key)) for key in ("query", "pos", "neg"))
    return [(query, positive, negative)]


def _listed_row(values: Mapping[str, Any]) -> list[tuple[Side, Side, Side | None]]:
    query = _side("query", _value(values, "query"))
    positives = _sides("pos", _value(values, "pos"))
    negatives: list[Side | None] = [*_sides("neg", values.get("neg") or [])]
    if not positives:
        raise InputError("'pos' is an empty list; expected at least one [instruction, text]")
    negatives = negatives or [None]
    n = max(len(positives), len(negatives))
    return [(query, positives[at % len(positives)], negatives[at % len(negatives)]) for at in range(n)]


def _value(values: Mapping[str, Any], key: str) -> Any:
    if key not in values:
        there = ", ".join(map(repr, values)) or "nothing"
        raise InputError(f"the key {key!r} is missing (there is {there}); expected 'query', 'pos' and 'neg'")
    return values[key]


def _sides(key: str, value: Any) -> list[Side]:
    """The entries of MEDI2's ``pos`` or ``neg``: pairs, or plain texts."""
    if isinstance(value, str):
        return [_side(key, value)]
    if not isinstance(value, list):
        raise InputError(f"{key!r} is {kind_of(value)}; expected a list of [instruction, text]")
    return [_side(f"{key}[{at}]", one) for at, one in enumerate(value)]


def _side(key: str, value: Any) -> Side:
    """``[instruction, text]``, ``[text]`` or a text."""
    parts = value if isinstance(value, list) else [value]
    if not 1 <= len(parts) <= 2:
        raise InputError(f"{key!r} has {len(parts)} entries; expected two, [instruction, text]")
    instruction = parts[0] if len(parts) == 2 else ""
    if not isinstance(instruction, str):
        raise InputError(f"{key!r} has {kind_of(instruction)} as its instruction; expected text, or ''")
    text = parts[-1]
    if isinstance(text, int | float):
        text = str(text)  # as the original does
    if not isinstance(text, str):
        raise InputError(f"{key!r} has {kind_of(text)} as its text; expected text")
    if not text.strip():
        raise InputError(f"{key!r} has an empty text; nothing can be learnt from it")
    return Side(_checked(key, instruction), _checked(key, text))


def _checked(key: str, text: str) -> str:
    """Text that UTF-8 can hold: a lone surrogate is a broken escape, or a byte that is not UTF-8."""
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise InputError(
                f"{key!r} has at character {error.start + 1} a byte that is not UTF-8, or half an escaped pair; "
                "expected UTF-8 text"
            ) from None
    return text


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    found = sorted(
        file
        for file in path.rglob("*")
        if file.name.endswith(_SUFFIXES)
        and not file.name.endswith(_TASKS_SUFFIX)
        and not any(part.startswith(".") for part in file.relative_to(path).parts)
    )
    if not found:
        raise FileError(f"{path}: no .jsonl or .json file below this folder; expected a copy of MEDI2")
    return found


def _table_beside(path: Path) -> dict[str, tuple[str, str]]:
    """Task number -> dataset and kind, from the table beside a file; empty where there is none."""
    file = tasks_path(path)
    try:
        table = json.loads(file.read_bytes())
        return {str(entry["task_id"]): (entry["dataset"], entry["kind"]) for entry in table["tasks"]}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FileError(
            f"{file}: not a table of tasks ({type(error).__name__}: {error}); write it again with its "
            f"{path.name}, or take it away: tasks are then called by their numbers"
        ) from None


def _write_table(path: Path, table: Mapping[str, Mapping[str, Any]]) -> None:
    tasks = [{"task_id": entry["task_id"], "dataset": name, **entry} for name, entry in table.items()]
    with writing(tasks_path(path)) as file:
        file.write(json.dumps({"tasks": tasks}, indent=1).encode() + b"\n")


def _compressed(file: BinaryIO, path: Path) -> AbstractContextManager[BinaryIO]:
    if path.name.endswith(".gz"):
        return cast("AbstractContextManager[BinaryIO]", gzip.GzipFile("", "wb", fileobj=file, mtime=0))
    return nullcontext(file)


def _check_negative(one: Triplet, without_negative: WithoutNegative) -> None:
    if without_negative == "refuse":
        raise InputError(
            f"{one.dataset}: the row {one.query.text!r:.60} has no negative; medi-data.json needs one in each: "
            "mine negatives, or leave such rows out"
        )


def _check_numbers(task_ids: Mapping[str, int]) -> None:
    twice = [number for number, count in Counter(task_ids.values()).items() if count > 1]
    if twice:
        raise InputError(f"task_ids gives the number {twice[0]} to more than one dataset; give each its own")


def _task_id(dataset: str, task_ids: Mapping[str, int] | None, following: int) -> int:
    if task_ids is None:
        return following
    if dataset not in task_ids:
        raise InputError(f"task_ids has no number for the dataset {dataset!r}; give one for each")
    return task_ids[dataset]


def _is_original(instruction: str) -> bool:
    return not instruction or instruction.startswith(ORIGINAL_START)


def _encoded(sides: tuple[Side, Side, Side], task_id: int) -> bytes:
    row = dict(zip(("query", "pos", "neg"), sides, strict=True)) | {"task_id": task_id}
    return json.dumps(row).encode("ascii")
