"""A dataset on the hub -> its rows, all of them or a random part, and what tells whether it is still the same.

Knows the ``datasets`` package and turns its errors into ours; nothing of roles, filters or instructions. A dataset
may be a local directory with a ``README.md`` that names its configurations. The network, the cache and
``HF_HUB_OFFLINE`` are left to ``datasets``. Source: huggingface.co/docs/datasets (stream, cache).
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from instructvec.corpus.hub import explained, quiet
from instructvec.errors import FileError
from instructvec.extras import require

if TYPE_CHECKING:
    from datasets import Dataset, IterableDataset

_CHECK = "source.hub, source.config and source.revision"
SHUFFLE_ROWS = 10_000
"""Rows held to draw from while streaming: some 50 MB of passages."""


class HubSource(Protocol):
    """What is asked of a registry's source."""

    @property
    def hub(self) -> str | None:
        """The dataset's id, or a local directory."""

    @property
    def config(self) -> str | None:
        """Its configuration; ``None`` where it has one only."""

    @property
    def split(self) -> str:
        """The split."""

    @property
    def revision(self) -> str | None:
        """A commit, branch or tag; ``None`` for the newest."""


def hub_rows(
    source: HubSource, *, limit: int | None, seed: int, columns: Sequence[str]
) -> Iterator[Mapping[str, object]]:
    """The rows of a split, each with the columns asked for.

    With a limit the dataset is streamed, so that little more than the limit is fetched: shards in random order,
    and rows drawn from the next :data:`SHUFFLE_ROWS`. Without one it is downloaded to the cache and read in its
    order. Under ``HF_HUB_OFFLINE`` it comes from the cache in both cases, and the rows are drawn from all of them,
    so they are others than those streamed; :func:`hub_identity` tells the two apart.

    Args:
        source: where it is.
        limit: rows at most; ``None`` for all.
        seed: of the drawing.
        columns: names of columns. A name with dots leads into nested values by key or place: ``"pos.0"`` is the
            first entry of the list in ``pos``, ``None`` where the list is shorter.

    Raises:
        MissingExtra: ``datasets`` is not installed.
        FileError: the dataset, configuration, split or a column is not there, or cannot be reached; names the
            dataset and what there is. While iterating: a connection that breaks.
    """
    name = _name(source)
    streamed = _is_streamed(source, limit)
    with explained(name, _CHECK):
        rows = _split(source, streamed)
        rows = _selected(f"{name}, split {source.split!r}", rows, columns)
        if limit is not None:
            rows = _drawn(rows, limit, seed)
    return _iterated(name, rows, tuple(columns))


def hub_identity(source: HubSource, *, limit: int | None = None) -> dict[str, Any]:
    """Whether it is the same data as in an earlier run, for a manifest.

    Returns:
        ``hub``, ``config``, ``split`` and ``revision`` as the source has them; ``resolved``, the commit that
        stands for, of a local directory a digest of its files' names and times; and ``streamed``.

    Raises:
        MissingExtra: ``datasets`` is not installed.
        FileError: the dataset or configuration is not there, or cannot be reached.
    """
    name = _name(source)
    import datasets

    with explained(name, _CHECK):
        builder = datasets.load_dataset_builder(str(source.hub), source.config, revision=source.revision)
    return {
        "hub": source.hub,
        "config": source.config,
        "split": source.split,
        "revision": source.revision,
        "resolved": _digest(str(source.hub)) if _is_local(source) else str(builder.hash),
        "streamed": _is_streamed(source, limit),
    }


def _name(source: HubSource) -> str:
    assert source.hub is not None, "hub_rows is for sources with a hub id"
    require("datasets", f"the hub dataset {source.hub!r}")
    return f"hub dataset {source.hub!r}" + (f", configuration {source.config!r}" if source.config else "")


def _is_local(source: HubSource) -> bool:
    return Path(str(source.hub)).is_dir()


def _is_streamed(source: HubSource, limit: int | None) -> bool:
    import datasets

    return limit is not None and (_is_local(source) or not datasets.config.HF_HUB_OFFLINE)


def _digest(folder: str) -> str:
    """Of the names, sizes and times of a folder's files."""
    files = [
        (path.relative_to(folder).as_posix(), path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(Path(folder).rglob("*"))
        if path.is_file()
    ]
    return hashlib.sha256(json.dumps(files).encode()).hexdigest()


def _split(source: HubSource, streamed: bool) -> Dataset | IterableDataset:
    import datasets

    with quiet():
        found = datasets.load_dataset(str(source.hub), source.config, revision=source.revision, streaming=streamed)
    if source.split not in found:
        raise FileError(
            f"{_name(source)}: no split {source.split!r}; there are {', '.join(map(repr, found))}: correct the "
            "dataset's source.split"
        )
    return found[source.split]


def _selected(where: str, rows: Dataset | IterableDataset, columns: Iterable[str]) -> Dataset | IterableDataset:
    """Only the columns that are needed, so that no others are decoded."""
    known = rows.column_names
    if known is None:  # a stream whose format says nothing of its columns
        known = list(next(iter(rows), ()))
    wanted = [column if column in known else column.partition(".")[0] for column in columns]
    for column, top in zip(columns, wanted, strict=True):
        if top not in known and known:
            raise FileError(
                f"{where}: no column {column!r}; there are {', '.join(map(repr, known))}: correct the dataset's "
                "source.columns"
            )
    return rows.select_columns(list(dict.fromkeys(wanted))) if known else rows


def _drawn(rows: Dataset | IterableDataset, limit: int, seed: int) -> Dataset | IterableDataset:
    import datasets

    if isinstance(rows, datasets.IterableDataset):
        return rows.shuffle(seed=seed, buffer_size=SHUFFLE_ROWS).take(limit)
    places = random.Random(seed).sample(range(len(rows)), min(limit, len(rows)))
    return rows.select(places, keep_in_memory=True)


def _iterated(
    name: str, rows: Dataset | IterableDataset, columns: tuple[str, ...]
) -> Iterator[Mapping[str, object]]:
    with explained(name, _CHECK):
        for row in rows:
            yield {column: _at(name, row, column) for column in columns}


def _at(name: str, row: Mapping[str, Any], column: str) -> object:
    """The value that a column, or a path into one, leads to."""
    if column in row:
        return row[column]
    value: Any = row
    for part in column.split("."):
        if isinstance(value, Mapping):
            if part not in value:
                there = ", ".join(map(repr, value)) or "nothing"
                raise FileError(
                    f"{name}: {column!r} leads to no {part!r}; there is {there}: correct source.columns"
                )
            value = value[part]
        elif isinstance(value, list) and part.isdecimal():
            value = value[int(part)] if int(part) < len(value) else None
        elif value is None:
            return None
        else:
            kind = type(value).__name__
            raise FileError(f"{name}: {column!r} has no {part!r}, its value is a {kind}: correct source.columns")
    return value
