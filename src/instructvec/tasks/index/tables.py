"""Ids, texts and columns as they are given -> a batch that can be added, or a message that says what does not fit.

Knows columns; nothing of vectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from instructvec.errors import InputError
from instructvec.tasks.index.identifiers import checked_ids, next_ids
from instructvec.tasks.index.rows import ID, TEXT, Rows
from instructvec.tasks.vectors import Embedded

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Batch:
    """Documents that are to be added, checked before they are encoded.

    Attributes:
        ids: n.
        table: n rows of ids, texts and columns.
        next_id: the next number that is given as an id, after these.
    """

    ids: list[str]
    table: pa.Table
    next_id: int

    @classmethod
    def of(
        cls,
        texts: Sequence[str] | Embedded,
        ids: Sequence[str | int] | None,
        columns: pa.Table | dict[str, Sequence[Any]] | None,
        rows: Rows,
        next_id: int,
    ) -> Batch:
        """The documents as they are given.

        Args:
            texts: n.
            ids: n; ``None`` for the next numbers.
            columns: n rows.
            rows: those of the index.
            next_id: the next number that is given as an id.

        Raises:
            InputError: no documents, or ids or columns that do not fit.
        """
        if not len(texts):
            raise InputError("documents: empty; expected at least one text")
        if ids is None:
            named, next_id = next_ids(rows, next_id, len(texts))
        else:
            named = checked_ids(ids, len(texts))
        plain = texts.texts if isinstance(texts, Embedded) else texts
        return cls(named, table_of(named, plain, columns, rows), next_id)


def table_of(
    ids: Sequence[str],
    texts: Sequence[str] | None,
    columns: pa.Table | Mapping[str, Sequence[Any]] | None,
    before: Rows,
) -> pa.Table:
    """The table of a segment.

    Args:
        ids: n.
        texts: n; ``None`` where only vectors are known.
        columns: n rows of more about them.
        before: rows that it comes behind, whose columns must be of like types.

    Raises:
        InputError: columns of another length, of reserved names, or of types that do not go with those before.
    """
    import pyarrow as pa

    shown = [None] * len(ids) if texts is None else list(texts)
    table = pa.table({ID: pa.array(ids, pa.string()), TEXT: pa.array(shown, pa.string())})
    given = _table(columns)
    if given.num_columns and given.num_rows != len(ids):
        raise InputError(f"columns: {given.num_rows} rows for {len(ids)} texts; expected one for each")
    names = Counter([ID, TEXT, *given.column_names])
    if twice := [name for name, count in names.items() if count > 1]:
        raise InputError(f"columns: {twice[0]!r} is taken; expected other names, each once")
    for name in given.column_names:
        table = table.append_column(name, given.column(name))
    _check_types(table, before)
    return table


def _table(columns: pa.Table | Mapping[str, Sequence[Any]] | None) -> pa.Table:
    import pyarrow as pa

    if columns is None or isinstance(columns, pa.Table):
        return pa.table({}) if columns is None else columns
    try:
        return pa.table(dict(columns))
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise InputError(
            f"columns: {error}; expected a pyarrow table, or names with a list of values each, all of one length"
        ) from None


def _check_types(table: pa.Table, before: Rows) -> None:
    import pyarrow as pa

    if not before.segments:
        return
    known = before.table.schema
    for one in table.schema:
        if one.name in known.names:
            try:
                pa.unify_schemas(
                    [pa.schema([known.field(one.name)]), pa.schema([one])], promote_options="permissive"
                )
            except pa.ArrowException:
                raise InputError(
                    f"columns: {one.name!r} holds {one.type}, in the index {known.field(one.name).type}; expected "
                    "the same type"
                ) from None
