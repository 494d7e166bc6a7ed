"""A recipe's file with what is set over it -> tables of plain values, paths made whole; and tables -> TOML.

Knows TOML and which options are paths; nothing of what any option means.
Format: TOML 1.0 (https://toml.io/en/v1.0.0).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instructvec.errors import ConfigError
from instructvec.toml import read_toml

PATHS = ("model.start", "data.mixture", "teacher.model", "evaluation.suite", "result.average_with")
"""Options that are, or may be, paths."""


def read_tables(path: Path, overrides: Mapping[str, str]) -> dict[str, Any]:
    """The tables of a file with overrides in them.

    Args:
        path: the file.
        overrides: dotted name -> TOML value or word; empty to take the option away.

    Raises:
        FileError: no such file, or no TOML.
        ConfigError: a name without an option, one below a value, or one to take away that is not there; or files
            that extend each other in a circle.
    """
    tables = _extended(path, ())
    for name, text in overrides.items():
        _override(tables, name, text)
    _make_whole(tables, Path.cwd(), [one for one in PATHS if one in overrides])
    return tables


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Tables laid over others: a value stands instead of the one below it, a table is laid over the one below it.

    Example:
        >>> merged({"name": "a", "data": {"kinds": ["pair"], "weights": {}}}, {"data": {"kinds": ["label"]}})
        {'name': 'a', 'data': {'kinds': ['label'], 'weights': {}}}
    """
    result = dict(below)
    for key, value in above.items():
        own = result.get(key)
        is_table = isinstance(own, Mapping) and isinstance(value, Mapping)
        result[key] = merged(own, value) if is_table else value  # type: ignore[arg-type]  # checked: a table
    return result


def text_of(tables: Mapping[str, Any]) -> str:
    """TOML of nested tables of strings, numbers, truth values and sequences of these.

    Example:
        >>> print(text_of({"name": "trial", "optimizer": {"steps": 3, "betas": (0.9, 0.999)}}), end="")
        name = "trial"
        <BLANKLINE>
        [optimizer]
        steps = 3
        betas = [0.9, 0.999]
    """
    return "\n".join(_lines(tables, ())).lstrip("\n") + "\n"


def without_empty(table: Mapping[str, Any]) -> dict[str, Any]:
    """Tables without what is ``None`` or holds nothing, for which TOML has no word or needs none.

    Example:
        >>> without_empty({"steps": 3, "limit": None, "data": {"kinds": ()}})
        {'steps': 3}
    """
    kept = {key: without_empty(one) if isinstance(one, Mapping) else one for key, one in table.items()}
    return {key: one for key, one in kept.items() if one is not None and one not in ({}, (), [])}


def _extended(path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """A file's tables over those of the one that its ``extends`` names, paths whole."""
    own = path.absolute().resolve()
    if own in above:
        raise ConfigError(f"{path}: extends itself, by way of {above[-1].name}; take one 'extends' away")
    tables = read_toml(path)
    _make_whole(tables, path.absolute().parent, PATHS)
    below = tables.pop("extends", None)
    if below is None:
        return tables
    if not isinstance(below, str) or not below.strip():
        raise ConfigError(f"{path}: extends is {below!r}; expected the path of another recipe")
    return merged(_extended(path.absolute().parent / below, (*above, own)), tables)


def _override(tables: dict[str, Any], name: str, text: str) -> None:
    *parents, key = name.split(".")
    if not all(name.split(".")):
        raise ConfigError(f"{name!r} names no option; expected one such as optimizer.steps")
    table = tables
    for parent in parents:
        below = table.setdefault(parent, {})
        if not isinstance(below, dict):
            raise ConfigError(f"{name!r} names an option of {parent}, which is {below!r:.60} and no table")
        table = below
    if text.strip():
        value = _value(text.strip())
        table[key] = text if name in PATHS and not isinstance(value, (str, list)) else value
    elif key in table:
        del table[key]
    else:
        raise ConfigError(
            f"{name!r} is to be taken away and is not in the recipe; give it a value, or leave it be"
        )


def _value(text: str) -> object:
    """A TOML value, or the text as it is where it is none."""
    try:
        read = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return read["value"] if len(read) == 1 else text


def _make_whole(tables: dict[str, Any], folder: Path, names: Any) -> None:
    for table, key in (name.split(".") for name in names):
        options = tables.get(table)
        if not isinstance(options, dict):
            continue
        value = options.get(key)
        if isinstance(value, str):
            options[key] = _whole(value, folder, is_path=f"{table}.{key}" == "data.mixture")
        elif isinstance(value, list):
            options[key] = [_whole(one, folder, is_path=False) if isinstance(one, str) else one for one in value]


def _whole(name: str, folder: Path, *, is_path: bool) -> str:
    """A path from the root; a hub id or another name as it is."""
    path = folder / Path(name).expanduser()
    if not name.strip() or not (is_path or name.startswith((".", "~")) or path.exists()):
        return name
    return str(path.resolve())


def _lines(table: Mapping[str, Any], names: tuple[str, ...]) -> list[str]:
    """Values first, then tables; a heading where there are values, or nothing at all, below it."""
    values = {key: one for key, one in table.items() if not isinstance(one, Mapping)}
    lines = [f"{_key(key)} = {_text(one)}" for key, one in values.items()]
    if names and (lines or not table):
        lines = ["", f"[{'.'.join(map(_key, names))}]", *lines]
    for key, one in table.items():
        if isinstance(one, Mapping):
            lines += _lines(one, (*names, key))
    return lines


def _key(name: str) -> str:
    is_bare = name.isascii() and name.replace("_", "").replace("-", "").isalnum()
    return name if is_bare else _text(name)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_text, value))}]"
    return repr(value)
