"""Data folders and a dataset's entry -> the files that hold its rows.

Knows names and folders; nothing of what files hold. A file is found by its name anywhere below a data folder,
whether it is gzipped or not, so that any checkout or copy of a public collection serves as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from instructvec.errors import FileError
from instructvec.medi.registry import Dataset


class DataFolders:
    """The files below some folders, by name.

    Args:
        folders: where to look, in order: the first that has a file gives it.

    Raises:
        FileError: one of them is no folder.
    """

    def __init__(self, folders: Sequence[Path]) -> None:
        self._by_name: list[dict[str, list[Path]]] = []
        for folder in folders:
            if not folder.is_dir():
                raise FileError(f"{folder}: no such folder; give folders that hold data, at any depth")
            names: dict[str, list[Path]] = {}
            for path in _below(folder):
                names.setdefault(_plain(path.name), []).append(path)
            self._by_name.append(names)

    def files_of(self, entry: Dataset) -> list[Path]:
        """The files of a dataset, sorted; empty where there are none, or where it is on the hub.

        Raises:
            FileError: two files of the same name below one folder.
        """
        pattern = entry.source.file
        if pattern is None:
            return []
        if entry.folder is not None and (beside := _beside(entry.folder, pattern)):
            return beside
        for names in self._by_name:
            found = [
                path
                for name in _matching(names, _plain(Path(pattern).name))
                for path in _only(names[name], pattern, entry)
            ]
            if found:
                return sorted(found)
        return []

    def tasks(self) -> Iterator[Path]:
        """Every file that is called like a Super-NaturalInstructions task, ``taskNNN_*.json``."""
        seen = set()
        for names in self._by_name:
            for name in sorted(_matching(names, "task[0-9]*_*.json")):
                if name not in seen:
                    seen.add(name)
                    yield sorted(names[name])[0]


def identity(paths: Iterable[Path]) -> list[dict[str, Any]]:
    """Whether they are the same files as in an earlier run: names, sizes and times, no folders."""
    found = []
    for path in paths:
        status = path.stat()
        found.append({"name": path.name, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns})
    return found


def _below(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root) / name for name in sorted(names) if not name.startswith("."))


def _plain(name: str) -> str:
    return name.removesuffix(".gz")


def _matching(names: Iterable[str], pattern: str) -> list[str]:
    if any(character in pattern for character in "*?["):
        return [name for name in names if fnmatchcase(name, pattern)]
    return [pattern] if pattern in names else []


def _only(paths: list[Path], pattern: str, entry: Dataset) -> list[Path]:
    """The one file of a name; of several the one in the folder that the pattern names, if it names one."""
    if len(paths) == 1:
        return paths
    folders = Path(pattern).parts[:-1]
    inside = [path for path in paths if folders and path.parts[-1 - len(folders) : -1] == folders]
    if len(inside) == 1:
        return inside
    raise FileError(
        f"{paths[0]} and {paths[1]}: two files of one name, and {entry.name!r} is read from {pattern!r}; "
        "keep one of them below the data folder, or give a narrower folder"
    )


def _beside(folder: Path, pattern: str) -> list[Path]:
    """Files at a path relative to the registry that names them, or at an absolute one."""
    path = Path(pattern)
    if path.is_absolute():
        return [path] if path.is_file() else []
    return sorted(one for one in folder.glob(pattern) if one.is_file()) or sorted(
        one for one in folder.glob(pattern + ".gz") if one.is_file()
    )
