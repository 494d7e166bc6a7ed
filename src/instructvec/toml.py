"""TOML files -> frozen dataclasses; an unknown key is refused and the nearest known one named.

Knows types as dataclasses declare them; nothing of what the values mean. Each dataclass checks its own values when
it is made, and the error then names the file and the table it came from.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from instructvec.errors import ConfigError, FileError, InstructvecError

T = TypeVar("T")


def read_toml(path: Path) -> dict[str, Any]:
    """The tables of a TOML file.

    Raises:
        FileError: there is no such file, or it is no TOML; names the line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise FileError(f"{path}: broken TOML: {error}; correct the file") from None
    except UnicodeDecodeError as error:
        raise FileError(f"{path}: not UTF-8 text (byte {error.start}); TOML is, save it as such") from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror}); check the path and its rights") from None


def make(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """An instance of a dataclass from a table whose keys are its fields.

    Args:
        kind: a dataclass whose fields are strings, numbers, truth values, ``Literal``s, tuples or dicts of these,
            other such dataclasses, or any of them or ``None``.
        table: the values.
        where: the file and table, for messages.

    Raises:
        ConfigError: an unknown or missing key, a value of the wrong type, or one that the dataclass refuses.

    Example:
        >>> @dataclasses.dataclass(frozen=True)
        ... class Point:
        ...     x: float
        ...     y: float = 0.0
        >>> make(Point, {"x": 1}, "points.toml")
        Point(x=1.0, y=0.0)
    """
    known = {field.name: field for field in dataclasses.fields(kind) if field.init}  # type: ignore[arg-type]  # T: a dataclass
    hints = get_type_hints(kind)
    for key in table:
        if key not in known:
            raise ConfigError(f"{where}: unknown key {key!r}; {_nearest(key, known)}")
    missing = [
        name
        for name, field in known.items()
        if name not in table
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise ConfigError(f"{where}: the key {missing[0]!r} is missing; it has no default, so give it")
    values = {key: _convert(hints[key], value, f"{where}: {key}") for key, value in table.items()}
    try:
        return kind(**values)
    except InstructvecError as error:
        raise ConfigError(f"{where}: {error}") from None


def _nearest(key: str, known: Mapping[str, Any]) -> str:
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"the known ones are {', '.join(known)}"


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(hint), value, where)
    if origin is Literal:
        if value not in get_args(hint):
            raise ConfigError(f"{where} is {value!r}; expected one of {', '.join(map(repr, get_args(hint)))}")
        return value
    if origin is tuple:
        _expect(list, "a list", value, where)
        return tuple(_convert(get_args(hint)[0], one, f"{where}[{at}]") for at, one in enumerate(value))
    if origin in (dict, Mapping):
        _expect(dict, "a table", value, where)
        return {key: _convert(get_args(hint)[1], one, f"{where}.{key}") for key, one in value.items()}
    if dataclasses.is_dataclass(hint):
        _expect(dict, "a table", value, where)
        return make(hint, value, where)  # type: ignore[arg-type]  # looked at above
    return _scalar(hint, value, where)


def _one_of(hints: tuple[Any, ...], value: Any, where: str) -> Any:
    """The value as the first type that takes it; ``None`` is the default and has no word in TOML."""
    *others, last = (one for one in hints if one is not type(None))
    for hint in others:
        try:
            return _convert(hint, value, where)
        except ConfigError:
            continue
    return _convert(last, value, where)


def _expect(kind: type, name: str, value: Any, where: str) -> None:
    if not isinstance(value, kind):
        raise ConfigError(f"{where} is {value!r:.60}; expected {name}")


_NAMES = {str: "a string", int: "a whole number", float: "a number", bool: "true or false"}


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if hint is Any or (isinstance(value, hint) and (hint is bool or not isinstance(value, bool))):
        return value
    raise ConfigError(f"{where} is {value!r:.60}; expected {_NAMES.get(hint, hint)}")
