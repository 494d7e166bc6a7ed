"""A condition on columns -> which rows meet it.

Knows tables and comparisons; nothing of vectors. A missing value meets no comparison, except that with ``None``,
as in SQL.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

Where: TypeAlias = Mapping[str, Any]
"""Column -> value, list of values, ``(operator, value)`` or a list of such pairs; all must hold."""

OPERATORS = {
    "=": "equal", "!=": "not_equal", "<": "less", "<=": "less_equal", ">": "greater", ">=": "greater_equal",
}  # fmt: skip
_CONDITION = re.compile(
    r"\s*(?P<column>.+?)\s*(?:(?P<operator>!=|<=|>=|==|=|<|>)|\s(?P<in>in)\s)\s*(?P<value>.*?)\s*"
)
_TRUTHS = {"true": True, "false": False}


def parse_where(conditions: Sequence[str]) -> dict[str, Any]:
    """Conditions as they are typed, such as ``year>=2020``, ``lang=en`` and ``lang in en,de``.

    Args:
        conditions: all of which must hold; several may be on one column.

    Raises:
        InputError: one that has no column or no operator.

    Example:
        >>> parse_where(["year>=2020", "lang in en, de"])
        {'year': [('>=', '2020')], 'lang': [('in', ['en', 'de'])]}
    """
    parsed: dict[str, Any] = {}
    for one in conditions:
        found = _CONDITION.fullmatch(one)
        if found is None or found["value"].startswith(("=", "<", ">", "!")):
            raise InputError(
                f"where {one!r}: not understood; expected COLUMN and one of {' '.join(OPERATORS)} in and a value, "
                "such as year>=2020"
            )
        pair: tuple[str, Any]
        if found["in"]:
            pair = ("in", [value.strip() for value in found["value"].split(",")])
        else:
            pair = (found["operator"].replace("==", "="), found["value"])
        parsed.setdefault(found["column"], []).append(pair)
    return parsed


def matching(table: pa.Table, where: Where) -> NDArray[np.bool_]:
    """Which rows meet all conditions.

    Args:
        table: n rows.
        where: column -> a value to equal, a list of values one of which to equal, ``(operator, value)`` with
            ``= != < <= > >= in``, or a list of such pairs. ``None`` as value asks for what is missing.

    Returns:
        (n,) bool.

    Raises:
        InputError: a column that is not there, an operator that is none, or a value that cannot be compared with
            the column.
    """
    met = np.ones(table.num_rows, bool)
    for column, condition in where.items():
        if column not in table.column_names:
            raise InputError(_unknown(column, table.column_names))
        for operator, value in _pairs(condition):
            met &= _met(table.column(column), column, operator, value)
    return met


def _unknown(column: str, known: Sequence[str]) -> str:
    near = get_close_matches(column, known, n=1)
    told = f"did you mean {near[0]!r}?" if near else f"the columns are {', '.join(map(repr, known)) or 'none'}"
    return f"where: no column {column!r}; {told}"


def _pairs(condition: Any) -> list[tuple[str, Any]]:
    if isinstance(condition, tuple):
        return [_pair(condition)]
    if isinstance(condition, list | set | frozenset):
        values = list(condition)
        if values and all(isinstance(one, tuple) for one in values):
            return [_pair(one) for one in values]
        return [("in", values)]
    return [("=", condition)]


def _pair(condition: tuple[Any, ...]) -> tuple[str, Any]:
    if len(condition) != 2 or condition[0] not in (*OPERATORS, "in"):
        raise InputError(
            f"where: {condition!r} is no condition; expected (operator, value), the operator one of "
            f"{' '.join(OPERATORS)} in"
        )
    return condition


def _met(values: pa.ChunkedArray, column: str, operator: str, value: Any) -> NDArray[np.bool_]:
    import pyarrow.compute as pc

    if operator == "in":
        if isinstance(value, str) or not isinstance(value, Sequence | set | frozenset):
            raise InputError(f"where: {column!r} in {value!r}; expected a list of values")
        each = [_met(values, column, "=", one) for one in value]
        return np.logical_or.reduce(each) if each else np.zeros(len(values), bool)
    if value is None:
        if operator not in ("=", "!="):
            raise InputError(
                f"where: {column!r} {operator} None; a missing value can only be asked for by = and !="
            )
        missing = values.is_null() if operator == "=" else values.is_valid()
        return np.asarray(missing.to_numpy(), bool)
    left, right = _comparable(values, column, operator, value)
    found = getattr(pc, OPERATORS[operator])(left, right)
    return np.asarray(pc.fill_null(found, False).to_numpy(), bool)


def _comparable(values: pa.ChunkedArray, column: str, operator: str, value: Any) -> tuple[Any, Any]:
    """The column and the value in one type; numbers that a column of text holds are compared as numbers."""
    import pyarrow as pa

    kind = values.type
    if pa.types.is_dictionary(kind):
        values, kind = values.cast(kind.value_type), kind.value_type
    try:
        if pa.types.is_string(kind) or pa.types.is_large_string(kind):
            return _text_compared(values, operator, value)
        if pa.types.is_boolean(kind):
            truth = _TRUTHS.get(value.lower(), value) if isinstance(value, str) else value
            return values, pa.scalar(truth, pa.bool_())
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            if isinstance(value, bool):
                raise InputError(f"where: the column {column!r} holds {kind}; {value!r} is no number")
            if pa.types.is_integer(kind) and float(value).is_integer():
                return values, pa.scalar(int(value), kind)
            return values.cast(pa.float64()), pa.scalar(float(value))
        return values, pa.scalar(value).cast(kind) if isinstance(value, str) else pa.scalar(value, kind)
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            f"where: {column!r} {operator} {value!r}: the column holds {kind}, which does not compare with that "
            f"({error})"
        ) from None


def _text_compared(values: pa.ChunkedArray, operator: str, value: Any) -> tuple[Any, Any]:
    import pyarrow as pa

    if isinstance(value, str) and (operator in ("=", "!=") or not _is_number(value)):
        return values, pa.scalar(value, values.type)
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return _as_numbers(values), pa.scalar(float(value))
    return values.cast(pa.scalar(value).type), pa.scalar(value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _as_numbers(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text as numbers; empty text is a missing value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    trimmed = pc.utf8_trim_whitespace(values)
    return pc.if_else(pc.equal(trimmed, ""), pa.scalar(None, trimmed.type), trimmed).cast(pa.float64())
