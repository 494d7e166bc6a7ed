"""Ids as they are given -> ids that are strings, all different, and known or new as they must be.

Knows ids and rows; nothing of texts or vectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from difflib import get_close_matches

from instructvec.errors import InputError, InputTypeError
from instructvec.tasks.index.rows import Rows

_COMPARED = 100_000
_SHOWN = 5


def checked_ids(ids: Sequence[str | int], n_rows: int) -> list[str]:
    """Ids as strings.

    Args:
        ids: strings or whole numbers.
        n_rows: how many there must be.

    Raises:
        InputError: another number of them, one that is empty, or some that come twice; names them.
        InputTypeError: one that is neither a string nor a whole number.
    """
    if isinstance(ids, str):
        raise InputTypeError("ids: one string; expected a sequence of ids, one for each text")
    if len(ids) != n_rows:
        raise InputError(f"ids: {len(ids)} for {n_rows} texts; expected one for each")
    for row, one in enumerate(ids, start=1):
        if isinstance(one, bool) or not isinstance(one, str | int):
            raise InputTypeError(f"ids, row {row}: {one!r}; expected a string or a whole number")
        if one == "":
            raise InputError(f"ids, row {row}: empty; expected an id for each text")
    wanted = [str(one) for one in ids]
    if len(set(wanted)) < n_rows:
        twice = [one for one, count in Counter(wanted).items() if count > 1]
        rows = [row for row, one in enumerate(wanted, start=1) if one == twice[0]]
        more = f", and {len(twice) - 1} more ids" if len(twice) > 1 else ""
        raise InputError(
            f"ids: {twice[0]!r} comes {len(rows)} times (rows {', '.join(map(str, rows[:5]))}){more}; expected "
            "each id once"
        )
    return wanted


def next_ids(rows: Rows, next_id: int, n_rows: int) -> tuple[list[str], int]:
    """Numbers that no row has, from ``next_id`` on; those of deleted rows lie before it."""
    known = rows.number_of if len(rows) else {}
    number = next_id
    found: list[str] = []
    while len(found) < n_rows:
        if str(number) not in known:
            found.append(str(number))
        number += 1
    return found, number


def refuse_known(rows: Rows, ids: Sequence[str]) -> None:
    """Refuse ids that rows have already.

    Raises:
        InputError: names them.
    """
    if there := [one for one in ids if one in rows.number_of]:
        raise InputError(
            f"ids: {_shown(there)} {'is' if len(there) == 1 else 'are'} in the index already; expected new ones: "
            "add with replace_existing=True (--replace) to replace those documents"
        )


def rows_of(rows: Rows, ids: Sequence[str]) -> list[int]:
    """The row of each id.

    Raises:
        InputError: names those that no row has.
    """
    known = rows.number_of
    if absent := [one for one in ids if one not in known]:
        near = get_close_matches(absent[0], known, n=1) if len(known) < _COMPARED else []
        told = f"; did you mean {near[0]!r}?" if near else ""
        raise InputError(f"ids: {_shown(absent)} {'is' if len(absent) == 1 else 'are'} not in the index{told}")
    return [known[one] for one in ids]


def _shown(ids: Sequence[str]) -> str:
    distinct = list(dict.fromkeys(ids))
    more = f" and {len(distinct) - _SHOWN} more" if len(distinct) > _SHOWN else ""
    return ", ".join(map(repr, distinct[:_SHOWN])) + more
