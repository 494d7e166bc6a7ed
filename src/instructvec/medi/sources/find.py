"""Data folders and a dataset's entry -> the files that hold its rows.

Knows names and folders; nothing of what files hold. A file is found by its name anywhere below a data folder,
whether it is gzipped or not, so that any checkout or copy of a public collection serves as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from instructvec.errors import FileError
from instructvec.medi.registry import Dataset


class DataFolders:
    """The files below some folders, by name.

    Args:
        folders: where to look, in order: the first that has a file gives it.
        leave_out: folders inside them that are no data, such as an earlier mixture.

    Raises:
        FileError: one of them is no folder.
    """

    def __init__(self, folders: Sequence[Path], *, leave_out: Sequence[Path] = ()) -> None:
        self._by_name: list[dict[str, list[Path]]] = []
        for folder in folders:
            if not folder.is_dir():
                raise FileError(f"{folder}: no such folder; give folders that hold data, at any depth")
            names: dict[str, list[Path]] = {}
            for path in files_below(folder, leave_out):
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
        *folders, wanted = Path(pattern).parts
        for names in self._by_name:
            found = []
            for name in _matching(names, _plain(wanted)):
                inside = [path for path in names[name] if _is_inside(path, folders)]
                if len(inside) > 1:
                    raise FileError(
                        f"{inside[0]} and {inside[1]}: two files of one name, and {entry.name!r} is read from "
                        f"{pattern!r}; keep one of them below the data folder, or give a narrower folder"
                    )
                found += inside
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
        try:
            status = path.stat()
        except OSError as error:
            raise FileError(f"{path}: cannot be read ({error.strerror or error}); check the file") from None
        found.append({"name": path.name, "bytes": status.st_size, "mtime_ns": status.st_mtime_ns})
    return found


def files_below(folder: Path, leave_out: Sequence[Path] = ()) -> Iterator[Path]:
    """The files of a folder at any depth, sorted, hidden ones passed over; of a file, itself."""
    if folder.is_file():
        yield folder
    without = {path.resolve() for path in leave_out}
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and (Path(root) / name).resolve() not in without
        )
        yield from (Path(root) / name for name in sorted(names) if not name.startswith("."))


def _plain(name: str) -> str:
    return name.removesuffix(".gz")


def _matching(names: Mapping[str, Any], pattern: str) -> list[str]:
    if pattern in names:  # which may have a "[" in it
        return [pattern]
    return [name for name in names if fnmatchcase(name, pattern)]


def _is_inside(path: Path, folders: Sequence[str]) -> bool:
    """Whether the last folders of a path are these, which may be patterns."""
    there = path.absolute().parent.parts[-len(folders) :] if folders else ()
    return len(there) == len(folders) and all(map(fnmatchcase, there, folders))


def _beside(folder: Path, pattern: str) -> list[Path]:
    """Files at a path relative to the registry that names them, or at an absolute one."""
    plain = _plain(pattern)
    for one in dict.fromkeys((pattern, plain, f"{plain}.gz")):
        if (folder / one).is_file():
            return [folder / one]
        found = [] if Path(one).is_absolute() else [path for path in folder.glob(one) if path.is_file()]
        if found:
            return sorted(found)
    return []
