"""``registry/**/*.toml`` and the user's own files -> datasets: where each comes from, what its vectors are for.

Knows the schema of an entry and nothing of rows. An entry is one ``[[dataset]]`` table; adding a dataset is adding
a table. Every entry states its licence, and for each side one instruction and paraphrases of it in other forms,
because these sentences are what a model learns to read: the bundled ones have the paper's unified form first and
at least four paraphrases each, one's own may have none.
Source: Su et al. 2023, section 2.3 and table 1 (unified instruction template).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias

from instructvec.errors import ConfigError, FileError
from instructvec.medi.problems import Problem, Problems
from instructvec.medi.triplets import Kind
from instructvec.toml import make, read_toml

REGISTRY = Path(__file__).parent / "registry"
MAX_INSTRUCTION_CHARACTERS = 400
GOALS = ("form", "subject")
"""Names of the mixture's own datasets, whose rows are made of texts of many others."""
Permission: TypeAlias = Literal["yes", "no", "unknown"]

ROLES: Mapping[Kind, tuple[str, ...]] = {
    "pair": ("query", "positive"),
    "triplet": ("query", "positive", "negative"),
    "label": ("text", "label"),
    "superni": (),
}
"""The columns each kind needs."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where the rows of a dataset are.

    Attributes:
        file: a file's name or a pattern, looked for below the data folders; ``.gz`` may be there or not. Folders
            before the name must be there as well. In a registry of one's own also a path relative to it.
        columns: the column that holds each role of :data:`ROLES`, or several: their texts are joined by a line
            break, but negatives stay apart. A role that is left out is looked for under its own name.
        without_labels: labels that are none, whose rows are left out.
        repository: ``owner/name`` of the public repository the data comes from.
        path: where in that repository.
        hub: id of a dataset on the hub, loaded through ``datasets``.
        config: of the hub dataset.
        split: of the hub dataset.
        revision: of the hub dataset.
    """

    file: str | None = None
    columns: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    without_labels: tuple[str, ...] = ()
    repository: str | None = None
    path: str | None = None
    hub: str | None = None
    config: str | None = None
    split: str = "train"
    revision: str | None = None

    def __post_init__(self) -> None:
        if (self.file is None) == (self.hub is None):
            raise ConfigError("give either 'file' or 'hub', the place its rows are read from")
        if not (self.file or self.hub):
            raise ConfigError("'file' or 'hub' is empty; name the place its rows are read from")

    def __str__(self) -> str:
        """Where it comes from, for a list."""
        if self.hub is not None:
            return f"hub: {self.hub}" + (f" ({self.config})" if self.config else "")
        return f"{self.repository}: {self.path}" if self.repository else str(self.file)


class Wordings(NamedTuple):
    """The instructions of one side: the unified sentence and its paraphrases."""

    instruction: str
    paraphrases: tuple[str, ...]

    @property
    def all(self) -> tuple[str, ...]:
        """The unified sentence first."""
        return (self.instruction, *self.paraphrases)


@dataclass(frozen=True, slots=True)
class Dataset:
    """One entry of a registry.

    Attributes:
        name: unique over all files.
        kind: what its rows are.
        licence: as its source states it; ``"none stated"`` where it states none.
        instruction: of the query side.
        source: where its rows are.
        domain: what the instruction calls the field its texts are from; ``""`` where there is none.
        text_type: what the query is, or every text of a one-sided dataset.
        redistribution: whether the data may be passed on.
        commercial: whether the data may be used commercially.
        paraphrases: other ways to say what the instruction says.
        symmetric: whether both sides share one instruction; always so for labelled texts and Super-NI tasks.
        document_type: what the other side is.
        document_instruction: of the other side.
        document_paraphrases: other ways to say the same.
        default: whether it takes part where nobody names it.
        note: what a user should know.
        origin: the file and place of the entry, for messages.
        folder: what ``source.file`` may be relative to; ``None`` for bundled entries.
    """

    name: str
    kind: Kind
    licence: str
    instruction: str
    source: Source
    domain: str = ""
    text_type: str = "text"
    redistribution: Permission = "unknown"
    commercial: Permission = "unknown"
    paraphrases: tuple[str, ...] = ()
    symmetric: bool = True
    document_type: str | None = None
    document_instruction: str | None = None
    document_paraphrases: tuple[str, ...] = ()
    default: bool = True
    note: str = ""
    origin: str = ""
    folder: Path | None = None

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[\w.+-]+", self.name):
            raise ConfigError(
                f"name is {self.name!r}; expected letters, digits, '_', '-', '.', '+': it names a file"
            )
        if not self.licence.strip():
            raise ConfigError("licence is empty; write what the source states, or 'none stated'")
        self._check_sides()
        _check_columns(self.kind, self.source)

    def _check_sides(self) -> None:
        if self.symmetric and (self.document_instruction or self.document_paraphrases):
            raise ConfigError("symmetric, but with a document_instruction; set symmetric = false or take it out")
        if not self.symmetric and self.kind in ("label", "superni"):
            raise ConfigError(f"kind {self.kind!r} has one side only; take 'symmetric = false' out")
        if not self.symmetric and not self.document_instruction:
            raise ConfigError("asymmetric, but without 'document_instruction'; each side needs its own")
        for key, wordings in (("", self.query), ("document_", self.document)):
            _check_wordings(key, wordings)

    @property
    def query(self) -> Wordings:
        """How the query side may be instructed."""
        return Wordings(self.instruction, self.paraphrases)

    @property
    def document(self) -> Wordings:
        """How the other side may be instructed."""
        if self.document_instruction is None:
            return self.query
        return Wordings(self.document_instruction, self.document_paraphrases)


def _check_columns(kind: Kind, source: Source) -> None:
    empty = [role for role, columns in source.columns.items() if not columns]
    if empty:
        raise ConfigError(
            f"source.columns.{empty[0]} names no column; name one, or leave it out if it is {empty[0]!r}"
        )
    unknown = set(source.columns) - set(ROLES[kind])
    if unknown:
        raise ConfigError(
            f"source.columns has {min(unknown)!r}; a dataset of kind {kind!r} has "
            + (", ".join(map(repr, ROLES[kind])) or "no columns: its task file has a form of its own")
        )


def _check_wordings(key: str, wordings: Wordings) -> None:
    for sentence in wordings.all:
        if not sentence.strip() or len(sentence) > MAX_INSTRUCTION_CHARACTERS or "\n" in sentence:
            raise ConfigError(
                f"{key}instruction or {key}paraphrases has {sentence!r:.80}; expected one line of 1 to "
                f"{MAX_INSTRUCTION_CHARACTERS} characters"
            )
    if len(set(wordings.all)) < len(wordings.all):
        twice = next(one for one in wordings.all if wordings.all.count(one) > 1)
        raise ConfigError(f"{key}paraphrases says {twice!r} twice; each wording counts once")


def read_registry(
    paths: Sequence[Path] = (), *, bundled: bool = True, problems: Problems | None = None
) -> list[Dataset]:
    """Datasets of the package's registry and of files or folders of one's own, sorted by name.

    Args:
        paths: TOML files, or folders of such; an entry there replaces a bundled one of the same name.
        bundled: whether the package's own entries are among them.
        problems: told of an entry that cannot be used, which is then left out; by default the first one raises.

    Raises:
        FileError: a file that cannot be read, or no file in a folder; by default also an entry that cannot be
            used, or a name twice in the same registry: names file and key.
        ConfigError: a file of something else than datasets.

    Example:
        >>> read_registry()[0].kind in ("pair", "triplet", "label", "superni")
        True
    """
    problems = Problems(strict=True) if problems is None else problems
    found: dict[str, Dataset] = dict(_bundled()) if bundled else {}
    own: dict[str, Dataset] = {}
    for path in paths:
        for file in _files(path):
            _add(own, _read(file, file.parent, problems), problems)
    found.update(own)
    return sorted(found.values(), key=lambda one: one.name)


@cache
def _bundled() -> dict[str, Dataset]:
    found: dict[str, Dataset] = {}
    for file in _files(REGISTRY):
        _add(found, _read(file, None, Problems(strict=True)), Problems(strict=True))
    return found


def _files(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(path.rglob("*.toml"))
    if not files:
        raise FileError(f"{path}: no .toml file in this folder; expected a registry of datasets")
    return files


def _read(path: Path, folder: Path | None, problems: Problems) -> Iterator[Dataset]:
    """The entries of one file."""
    content = read_toml(path)
    tables = content.get("dataset", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ConfigError(f"{path}: 'dataset' holds no tables; begin each dataset with [[dataset]], two brackets")
    other = [key for key in content if key != "dataset"]
    if other or not tables:
        what = f"unknown key {other[0]!r}" if other else "no dataset"
        raise ConfigError(f"{path}: {what}; expected tables [[dataset]]")
    for at, table in enumerate(tables, start=1):
        name = str(table.get("name", "without a name"))
        place = f"{path}: dataset {at} ({name})"
        try:
            yield _entry(table, place, folder)
        except ConfigError as error:
            problems.add(Problem("broken_entry", name, place, str(error).removeprefix(f"{place}: ")))


def _entry(table: Mapping[str, Any], place: str, folder: Path | None) -> Dataset:
    reserved = {"origin", "folder"} & table.keys()
    if reserved:
        raise ConfigError(f"{place}: unknown key {min(reserved)!r}; take it out")
    if table.get("name") in GOALS:
        raise ConfigError(f"{place}: the name is that of the mixture's own rows of {table['name']}s; take another")
    if "licence" not in table:
        raise ConfigError(
            f"{place}: the key 'licence' is missing; write what the source states, or 'none stated': "
            "the mixture's manifest says what may be done with it"
        )
    entry = make(Dataset, table, place)
    return replace(entry, origin=place, folder=folder)


def _add(found: dict[str, Dataset], entries: Iterable[Dataset], problems: Problems) -> None:
    for entry in entries:
        if entry.name in found:
            taken = found[entry.name].origin
            reason = f"the name {entry.name!r} is taken by {taken}; give one of them another name"
            problems.add(Problem("duplicate_name", entry.name, entry.origin, reason))
        else:
            found[entry.name] = entry
