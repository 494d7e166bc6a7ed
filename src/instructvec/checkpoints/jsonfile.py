"""Reads one JSON file of a checkpoint into a dict, and single keys out of it, with errors that name both.

Knows nothing of what the keys mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from instructvec.errors import CheckpointError


def read_json(file: Path) -> dict[str, Any]:
    """The object in ``file``.

    Raises:
        CheckpointError: the file is missing, is not UTF-8 JSON, or holds something other than an object.
    """
    content = read_json_value(file)
    if not isinstance(content, dict):
        raise CheckpointError(f"{file}: expected a JSON object, found {_kind(content)}; restore the file")
    return content


def read_json_value(file: Path) -> Any:
    """Whatever JSON value is in ``file``; raises as :func:`read_json` does."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(
            f"{file}: the file is missing, though the checkpoint refers to it; copy or download it again"
        ) from None
    except json.JSONDecodeError as error:
        raise CheckpointError(
            f"{file}, line {error.lineno}, column {error.colno}: broken JSON ({error.msg}); restore the file"
        ) from None
    except UnicodeDecodeError as error:
        raise CheckpointError(
            f"{file}: not UTF-8 text (byte {error.start}); a JSON file was expected, restore it"
        ) from None
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read ({error.strerror}); check it and its rights") from error


def read_optional_json(file: Path) -> dict[str, Any]:
    """As :func:`read_json`; an empty dict where there is no such file."""
    return read_json(file) if file.is_file() else {}


def get_int(config: Mapping[str, Any], key: str, file: Path, default: int | None = None) -> int:
    """The whole number at ``key``; a JSON null counts as absent.

    Raises:
        CheckpointError: it is absent without a default, or not a whole number.
    """
    value = config.get(key)
    if value is None:
        if default is None:
            raise CheckpointError(f"{file}: the key {key!r} is missing; a whole number was expected there")
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value != int(value):
        raise CheckpointError(f"{file}: {key!r} is {value!r}; a whole number was expected")
    return int(value)


def get_float(config: Mapping[str, Any], key: str, file: Path, default: float) -> float:
    """The number at ``key``; raises :class:`CheckpointError` where it is not one."""
    value = config.get(key)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise CheckpointError(f"{file}: {key!r} is {value!r}; a number was expected")
    return float(value)


def get_bool(config: Mapping[str, Any], key: str, file: Path, default: bool) -> bool:
    """The truth value at ``key``; raises :class:`CheckpointError` where it is not one."""
    value = config.get(key)
    if value is None:
        return default
    if not isinstance(value, bool):
        raise CheckpointError(f"{file}: {key!r} is {value!r}; true or false was expected")
    return value


def _kind(value: object) -> str:
    return {list: "a list", str: "a string", type(None): "null"}.get(type(value), repr(value))
