"""The files of one dataset -> its usable rows: read, filtered, and freed of what the evaluation holds.

Knows the order of the checks and counts what each leaves out; the checks themselves are in ``filters`` and
``decontaminate``.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from instructvec.errors import FileError
from instructvec.medi.decontaminate import Protected, collisions
from instructvec.medi.filters import Filters
from instructvec.medi.problems import WHOLE, Problem, Problems
from instructvec.medi.registry import ROLES, Dataset
from instructvec.medi.sources.files import read_files, row_of
from instructvec.medi.sources.hub import hub_rows
from instructvec.medi.sources.rows import Row
from instructvec.medi.sources.superni import read_task, rows_of

if TYPE_CHECKING:
    import pyarrow as pa

_BLOCK_BYTES = 1 << 20


class Prepared(NamedTuple):
    """The usable rows of a dataset.

    Attributes:
        table: ``first``, ``second`` (see ``sources.rows``) and ``others`` (list of strings).
        facts: ``files`` with hashes, ``read``, ``dropped`` by reason, ``hits`` by evaluation source, ``problems``.
    """

    table: pa.Table
    facts: dict[str, Any]


def prepare(
    entry: Dataset,
    paths: Sequence[Path],
    filters: Filters,
    protected: Protected | None,
    problems: Problems,
    *,
    limit: int | None = None,
    seed: int = 42,
) -> Prepared:
    """Read and check the rows of a dataset.

    Args:
        entry: the dataset.
        paths: its files; none for a dataset on the hub.
        filters: which texts are good enough.
        protected: what must not be in the mixture.
        problems: told of what cannot be used; raises at the first if it is strict.
        limit: rows fetched from the hub at most.
        seed: of the draw there.
    """
    n_read = 0
    kept: list[Row] = []
    dropped: Counter[str] = Counter()
    for row in read(entry, paths, problems, limit=limit, seed=seed):
        n_read += 1
        reason = _objection(entry, row, filters)
        if reason is None:
            kept.append(row)
        else:
            dropped[reason] += 1
    kept, hits = _uncontaminated(entry, kept, protected, dropped)
    if entry.kind in ("label", "superni") and kept and len({row.second for row in kept}) < 2:
        only = repr(kept[0].second)[:60]
        reason = f"every row has the label or output {only}, which tells nothing apart; take the entry out"
        problems.add(Problem("one_label", entry.name, ", ".join(map(str, paths)) or entry.origin, reason))
        dropped["one_label"] += len(kept)
        kept = []
    if not n_read and not problems.of(entry.name):
        reason = "holds no rows; check the file, or take the entry out"
        problems.add(Problem("no_rows", entry.name, ", ".join(map(str, paths)) or entry.origin, reason))
    own = Counter[str](problems.of(entry.name))
    facts = {
        "files": [_file(path) for path in paths],
        "read": n_read + sum(count for code, count in own.items() if code not in WHOLE),
        "dropped": {**own, **dropped},
        "hits": hits,
        "problems": [str(one) for one in problems.examples.get(entry.name, [])],
    }
    return Prepared(_table(kept), facts)


def read(
    entry: Dataset, paths: Sequence[Path], problems: Problems, *, limit: int | None, seed: int
) -> Iterator[Row]:
    """The rows of a dataset, wherever it is."""
    if entry.source.hub is not None:
        yield from _hub(entry, problems, limit, seed)
    elif entry.kind == "superni":
        for path in paths:
            yield from _task_rows(entry, path, problems)
    else:
        yield from read_files(entry, paths, problems)


def _task_rows(entry: Dataset, path: Path, problems: Problems) -> Iterable[Row]:
    try:
        task = read_task(path)
    except FileError as error:
        reason = str(error).removeprefix(f"{path}: ")
        problems.add(Problem("broken_file", entry.name, str(path), reason))
        return []
    return rows_of(replace(task, name=entry.name), path, problems)  # an entry may call it otherwise


def _hub(entry: Dataset, problems: Problems, limit: int | None, seed: int) -> Iterator[Row]:
    try:  # all of it first: where a connection breaks, half must not pass for the whole
        records = list(hub_rows(entry.source, limit=limit, seed=seed, columns=_columns(entry)))
    except FileError as error:
        problems.add(Problem("broken_file", entry.name, str(entry.source), str(error)))
        return
    for at, record in enumerate(records):
        row = row_of(entry, record, f"{entry.source.hub}, row {at + 1}", problems)
        if row is not None:
            yield row


def _columns(entry: Dataset) -> list[str]:
    columns: list[str] = []
    for role in ROLES[entry.kind]:
        names = entry.source.columns.get(role, role)
        columns += [names] if isinstance(names, str) else names
    return columns


def _objection(entry: Dataset, row: Row, filters: Filters) -> str | None:
    """Why a row is left out; labels and outputs are not embedded and may be as short as they are."""
    if entry.kind in ("label", "superni"):
        return filters.text(row.first)
    return filters.row(row.first, row.second, row.others)


def _uncontaminated(
    entry: Dataset, rows: list[Row], protected: Protected | None, dropped: Counter[str]
) -> tuple[list[Row], Mapping[str, Mapping[str, int]]]:
    """The rows none of whose texts is in the evaluation, and source -> reason -> how many were."""
    if protected is None or not rows:
        return rows, {}
    texts = [_texts(entry, row) for row in rows]
    found = iter(protected.match([text for own in texts for text in own]))
    by_row = [next((one for one in [next(found) for _ in own] if one is not None), None) for own in texts]
    clean = [row for row, collision in zip(rows, by_row, strict=True) if collision is None]
    dropped.update(f"in_evaluation_{one.reason}" for one in by_row if one is not None)
    return clean, {source: Counter[str](counts) for source, counts in collisions(by_row).items()}


def _texts(entry: Dataset, row: Row) -> tuple[str, ...]:
    """What of a row may get into a mixture; labels and outputs do not."""
    return (row.first,) if entry.kind in ("label", "superni") else (row.first, row.second, *row.others)


def _table(rows: Sequence[Row]) -> pa.Table:
    import pyarrow as pa

    return pa.table(
        {
            "first": pa.array([row.first for row in rows], pa.string()),
            "second": pa.array([row.second for row in rows], pa.string()),
            "others": pa.array([row.others for row in rows], pa.list_(pa.string())),
        }
    )


def _file(path: Path) -> dict[str, Any]:
    """Name, size and hash; of a file that cannot be read, which is told already, the name."""
    digest, n_bytes = hashlib.sha256(), 0
    try:
        with path.open("rb") as file:
            while block := file.read(_BLOCK_BYTES):
                digest.update(block)
                n_bytes += len(block)
    except OSError:
        return {"name": path.name, "bytes": None, "sha256": None}
    return {"name": path.name, "bytes": n_bytes, "sha256": digest.hexdigest()}
