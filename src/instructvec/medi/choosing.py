"""Registry, data folders and a choice -> the datasets that take part, with their files.

Knows entries and names; reads a file only to learn what an unlisted Super-NaturalInstructions task is about.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple

from instructvec.errors import ConfigError, FileError
from instructvec.medi.config import BuildConfig, Choice
from instructvec.medi.problems import Problem, Problems
from instructvec.medi.registry import Dataset, Source, read_registry
from instructvec.medi.sources.find import DataFolders, identity
from instructvec.medi.sources.hub import hub_identity
from instructvec.medi.sources.superni import entry_of, read_task


class Input(NamedTuple):
    """A dataset that takes part, its files, and what tells whether they changed."""

    entry: Dataset
    paths: list[Path]
    identity: list[dict[str, Any]]


def choose(config: BuildConfig, problems: Problems) -> tuple[list[Input], list[str]]:
    """The datasets that take part, sorted by name, and the names of those whose files are not there.

    Raises:
        FileError: a folder or registry that cannot be read; under ``strict`` an entry that cannot be used.
        ConfigError: a name or pattern that fits no dataset at all.
    """
    folders = DataFolders(config.data, leave_out=(config.out, config.working_folder))
    entries = read_registry(config.registries, bundled=config.bundled, problems=problems)
    unlisted = _unlisted_tasks(folders, entries) if config.choice.unlisted else {}
    # What is left out as broken is no slip of the name.
    check_names(config.choice, [*(entry.name for entry in entries), *unlisted, *problems.examples])
    found: list[Input] = []
    absent: list[str] = []
    for entry in entries:
        if not is_chosen(entry, config.choice):
            continue
        if entry.source.hub is not None:
            found += _on_hub(entry, config.hub_rows, problems)
            continue
        try:
            paths = folders.files_of(entry)
            known = identity(paths)
        except FileError as error:
            problems.add(Problem("broken_entry", entry.name, entry.origin or entry.name, str(error)))
            continue
        if paths:
            found.append(Input(entry, paths, known))
            continue
        absent.append(entry.name)
        if entry.folder is not None:  # somebody's own entry: they want it
            reason = f"no file {entry.source.file!r} beside it or in a data folder; correct it, or give the folder"
            problems.add(Problem("broken_entry", entry.name, entry.origin, reason))
    found += _unlisted(unlisted, config.choice, problems)
    return sorted(found, key=lambda one: one.entry.name), absent


def is_chosen(entry: Dataset, choice: Choice) -> bool:
    """Whether a dataset takes part, if its files are there."""
    is_named = any(fnmatchcase(entry.name, pattern) for pattern in choice.names)
    return (
        (is_named if choice.names else entry.default)
        and not any(fnmatchcase(entry.name, pattern) for pattern in choice.without)
        and (not choice.kinds or entry.kind in choice.kinds)
        and (not choice.commercial or entry.commercial == "yes")
        and not (choice.without_forbidden and entry.commercial == "no")
        and (not choice.redistribution or entry.redistribution == "yes")
        and (choice.hub or entry.source.hub is None)
    )


def _on_hub(entry: Dataset, limit: int | None, problems: Problems) -> Iterable[Input]:
    """A dataset on the hub, if it can be reached or is in the cache of ``datasets``."""
    try:
        yield Input(entry, [], [hub_identity(entry.source, limit=limit)])
    except FileError as error:
        problems.add(Problem("broken_file", entry.name, entry.origin, str(error)))


def check_names(choice: Choice, known: Collection[str]) -> None:
    """Refuse a name or pattern that fits no dataset: it is a slip, and would pass for a choice.

    Raises:
        ConfigError: names it, and the nearest there is.

    Example:
        >>> check_names(Choice(names=("medquad", "snli*")), ["medquad", "snli_pairs"])
    """
    for pattern in (*choice.names, *choice.without):
        if not any(fnmatchcase(name, pattern) for name in known):
            near = get_close_matches(pattern, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "'medi list' shows the names"
            raise ConfigError(f"no dataset is called {pattern!r}; {hint}")


def _unlisted_tasks(folders: DataFolders, entries: Iterable[Dataset]) -> dict[str, Path]:
    """Files of Super-NaturalInstructions tasks that no registry has, by the tasks' names."""
    known: set[str] = set()
    for entry in entries:
        known |= {entry.name, _task_name(Path(entry.source.file or ""))}
    tasks = {_task_name(path): path for path in folders.tasks()}
    return {name: path for name, path in tasks.items() if name not in known}


def _task_name(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".json")


def _unlisted(tasks: dict[str, Path], choice: Choice, problems: Problems) -> Iterable[Input]:
    """Entries made from the tasks' own files, which are only read if they may be chosen."""
    for name, path in tasks.items():
        try:
            if not is_chosen(_unread(name), choice):
                continue
            entry = entry_of(read_task(path))
        except (FileError, ConfigError) as error:
            problems.add(Problem("broken_file", name, str(path), str(error).removeprefix(f"{path}: ")))
            continue
        yield Input(entry, [path], identity([path]))


def _unread(name: str) -> Dataset:
    """What is known of an unlisted task before its file is read: enough to choose by."""
    return Dataset(name, "superni", "none stated", "Represent the input: ", Source(file=f"{name}.json"))


def nothing_left(config: BuildConfig, absent: Sequence[str], problems: Problems) -> str:
    """Why there is nothing to build from, and what to do."""
    if problems.examples:
        n = len(problems.examples)
        first = next(iter(problems.examples.values()))[0]
        return f"no dataset is left: {n:,} cannot be used, the first is {first}"
    if not config.bundled and not config.registries:
        return "no dataset is left: the bundled ones do not take part, and no other is given; name a --registry"
    if absent:
        where = ", ".join(map(str, config.data)) or "no folder at all"
        return (
            f"no dataset is left: of the {len(absent)} that were chosen none has its file below {where} (the "
            f"first is {absent[0]!r}); give the folders that hold them with --data"
        )
    return "no dataset is left: none fits what was asked for; 'medi list' with the same options shows which do"
