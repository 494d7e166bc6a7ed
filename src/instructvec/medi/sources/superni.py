"""Task files of Super-NaturalInstructions -> what a task is, and its inputs with their outputs.

Knows the upstream file format; nothing of mining. A task's outputs are labels where few of them serve many
instances; option letters are spelled out before, by ``options``.
Source: Wang et al. 2022, https://github.com/allenai/natural-instructions (tasks/README.md).
"""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instructvec.corpus.records import kind_of
from instructvec.errors import FileError
from instructvec.medi.problems import Code, Problem, Problems
from instructvec.medi.registry import Dataset, Source
from instructvec.medi.sources.options import spelled_out
from instructvec.medi.sources.rows import Row, is_writable

MAX_LABELS = 60
"""Distinct outputs that may still be labels."""
MIN_ROWS_A_LABEL = 4.0
"""Instances a distinct output must serve on average to be a label."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a task file says of its task."""

    name: str
    definition: str
    categories: tuple[str, ...]
    domains: tuple[str, ...]
    licence: str
    languages: tuple[str, ...]
    instances: list[Any]


def read_task(path: Path) -> Task:
    """A task file, gzipped or not.

    Raises:
        FileError: no such file, broken JSON, another encoding, or a key that is missing or of another type; names
            file and key.
    """
    content = _json(path)
    if not isinstance(content, dict):
        raise FileError(
            f"{path}: holds {kind_of(content)}; expected the object of a Super-NaturalInstructions task"
        )
    if "Instances" not in content:
        raise FileError(f"{path}: the key 'Instances' is missing; expected a Super-NaturalInstructions task")
    instances = content["Instances"]
    if not isinstance(instances, list):
        raise FileError(f"{path}: the key 'Instances' holds {kind_of(instances)}; expected a list of instances")
    return Task(
        name=path.name.removesuffix(".gz").removesuffix(".json"),
        definition=" ".join(_strings(path, content, "Definition")),
        categories=_strings(path, content, "Categories"),
        domains=_strings(path, content, "Domains"),
        licence="; ".join(one for one in _strings(path, content, "Instance License") if one.lower() != "unknown"),
        languages=(*_strings(path, content, "Input_language"), *_strings(path, content, "Output_language")),
        instances=instances,
    )


def rows_of(task: Task, path: Path, problems: Problems) -> Iterator[Row]:
    """Inputs with their first outputs; option letters replaced by the options' texts where they can be."""
    rows = []
    for at, instance in enumerate(task.instances):
        where = f"{path}, Instances[{at}]"
        pair = _pair(task.name, instance, where, problems)
        if pair is not None:
            rows.append(Row(*pair, (), where))
    outputs = spelled_out([row.first for row in rows], [row.second for row in rows])
    yield from (row._replace(second=output) for row, output in zip(rows, outputs, strict=True))


def are_labels(outputs: Sequence[str]) -> bool:
    """Whether a task's outputs are classes rather than texts of their own.

    Example:
        >>> are_labels(["yes", "no"] * 20), are_labels([f"answer {n}" for n in range(40)])
        (True, False)
    """
    distinct = len(set(outputs))
    return 0 < distinct <= MAX_LABELS and len(outputs) >= MIN_ROWS_A_LABEL * distinct


def entry_of(task: Task) -> Dataset:
    """An entry for a task that no registry has, its instructions made from its own category and definition.

    Example:
        >>> task = Task("task1_x", "Answer it.", ("Question Answering",), ("News",), "MIT", ("English",), [])
        >>> entry_of(task).instruction
        'Represent the News input for question answering: '
    """
    domain = task.domains[0].split("->")[-1].strip() if task.domains else ""
    job = (task.categories[0] if task.categories else "its task").lower()
    start = _start_of(task.definition)
    return Dataset(
        name=task.name,
        kind="superni",
        domain=domain,
        licence=task.licence or "none stated",
        instruction=f"Represent the {domain + ' ' if domain else ''}input for {job}: ",
        paraphrases=tuple(dict.fromkeys(filter(None, (
            f"{start} " if start else "",
            f"Represent the input for {job}: " if domain else "",
            f"{job.capitalize()}: ",
            f"Embed this text by what {job} needs of it: ",
        )))),
        source=Source(
            file=f"{task.name}.json", repository="allenai/natural-instructions", path=f"tasks/{task.name}.json"
        ),
        text_type="input",
        note="instructions made from the task's definition; no hand-written entry",
        origin=f"{task.name}.json",
    )  # fmt: skip


def _json(path: Path) -> Any:
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
        return json.loads(raw.decode("utf-8-sig"))
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        raise FileError(f"{path}: broken JSON at {place} ({error.msg}); fetch the file again") from None
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not UTF-8 (byte {error.start}); expected UTF-8, convert the file") from None
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileError(f"{path}: the gzip stream is damaged or cut off ({error}); fetch it again") from None
    except (RecursionError, ValueError) as error:
        raise FileError(f"{path}: JSON that cannot be read ({error}); fetch the file again") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error}); check the file") from None


def _strings(path: Path, content: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of strings, or a single one; absent is empty."""
    value = content.get(key, [])
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(one, str) for one in values):
        raise FileError(f"{path}: the key {key!r} holds {kind_of(value)}; expected a list of strings")
    return tuple(one.strip() for one in values if one.strip())


def _pair(dataset: str, instance: Any, where: str, problems: Problems) -> tuple[str, str] | None:
    """Input and first output of an instance, stripped."""
    if not isinstance(instance, dict):
        problems.add(Problem("broken_row", dataset, where, f"holds {kind_of(instance)}; expected an object"))
        return None
    texts: list[str] = []
    for key in ("input", "output"):
        value = instance.get(key)
        if key == "output" and isinstance(value, list):
            value = value[0] if value else ""
        objection = _objection(key, instance, value)
        if objection is not None:
            code, reason = objection
            problems.add(Problem(code, dataset, where, reason))
            return None
        texts.append(str(value).strip())
    return texts[0], texts[1]


def _objection(key: str, instance: Mapping[str, Any], value: Any) -> tuple[Code, str] | None:
    if key not in instance:
        return "missing_field", f"the key {key!r} is missing"
    if not isinstance(value, str):
        return "broken_row", f"{key!r} is {kind_of(value)}; expected text"
    if not is_writable(value):
        return "broken_row", f"{key!r} has half a surrogate pair; expected Unicode text"
    if not value.strip():
        return "empty_text" if key == "input" else "empty_output", f"{key!r} is empty"
    return None


def _start_of(definition: str) -> str:
    """As many whole sentences of a definition as fit into an instruction, ended by a colon."""
    kept = ""
    for sentence in re.split(r"(?<=[.!?])\s+", definition.replace("\n", " ").strip()):
        if len(kept) + len(sentence) > 200:
            break
        kept = f"{kept} {sentence}".strip()
    return f"{kept.rstrip('.:')}:" if kept else ""
