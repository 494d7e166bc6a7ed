"""A dataset on the hub -> the typed data of a task.

Knows the layouts of MTEB's repositories: rows by split, a configuration a language; of collections the
configurations ``corpus``, ``queries``, ``default`` (judgements), ``top_ranked``, ``instruction``, ``qrel_diff``.
Nothing of local data folders. Source: mteb 2, ``abstasks/*.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from instructvec.errors import ConfigError, FileError, InputError
from instructvec.evaluation.data import Retrieval, RetrievalPart
from instructvec.evaluation.sources.assembly import Assembled, Splits, assemble, reranking_of
from instructvec.evaluation.sources.collection import (
    CHANGED,
    ORIGINAL,
    Tables,
    collect,
    collect_instructed,
    paired_group,
    read_documents,
    read_qrels,
    unique_ids,
)
from instructvec.evaluation.sources.hub_repository import Repository, as_rows
from instructvec.evaluation.sources.rows import Rows
from instructvec.evaluation.suite import Kind, TaskSpec
from instructvec.extras import require

if TYPE_CHECKING:
    from datasets import Dataset

COLUMNS: dict[Kind, dict[str, tuple[str, ...]]] = {
    "clustering": {"text": ("sentences", "text"), "label": ("labels", "label")},
    "pair_classification": {
        "a": ("sentence1", "sent1", "a"),
        "b": ("sentence2", "sent2", "b"),
        "label": ("labels", "label"),
    },
    "sts": {"a": ("sentence1", "a"), "b": ("sentence2", "b")},
}
"""What MTEB's datasets call our fields; the first that is there is taken, unless the task names one."""


def read_hub(task: TaskSpec) -> Assembled:
    """The data of a task whose ``hub`` names datasets.

    Raises:
        MissingExtra: ``datasets`` is not installed.
        ConfigError: several datasets, and the kind is scored on one.
        FileError: a dataset, configuration, split or column is not there, or cannot be reached; names the dataset
            and what there is.
    """
    require("datasets", f"the hub dataset {task.hub[0]!r}")
    if len(task.hub) > 1 and task.kind != "retrieval":
        raise ConfigError(f"{task.name}: hub has {len(task.hub)} datasets; only retrieval is a mean over several")
    repositories = [Repository(name, task.revision_of(at), task.subset) for at, name in enumerate(task.hub)]
    if task.kind == "retrieval":
        return _retrieval(task, repositories)
    if task.kind == "instruction_retrieval":
        return _instruction_retrieval(task, repositories[0])
    if task.kind == "reranking" and repositories[0].is_collection():
        return _reranking(task, repositories[0])
    return _rows(task, repositories[0])


def _rows(task: TaskSpec, repository: Repository) -> Assembled:
    """Kinds whose data is rows."""
    found = repository.load(task.subset)
    wanted = (
        (task.split, task.pool_split) if task.kind in ("classification", "prompt_retrieval") else (task.split,)
    )
    name = f"hub dataset {repository.name!r}"
    missing = [split for split in wanted if split not in found]
    if missing:
        raise FileError(
            f"{name}: no split {missing[0]!r}; there are {', '.join(map(repr, found))}: correct split or "
            "pool_split in the suite"
        )
    splits: dict[str | None, Rows] = {}
    for split in wanted:
        rows = as_rows(f"{name} ({split})", found[split], _columns(task, found[split]))
        splits[split] = _flat(rows, task)
    return assemble(task, Splits(name, splits))


def _columns(task: TaskSpec, rows: Dataset) -> dict[str, str]:
    usual = {
        ours: next(name for name in names if name in rows.column_names)
        for ours, names in COLUMNS.get(task.kind, {}).items()
        if any(name in rows.column_names for name in names)
    }
    return usual | task.columns


def _flat(rows: Rows, task: TaskSpec) -> Rows:
    """Rows that hold lists, a list a set of texts or one for all pairs, as a row for each entry.

    Raises:
        FileError: lists of a row differ in length.
    """
    fields = {"clustering": ("text", "label"), "pair_classification": ("a", "b", "label")}.get(task.kind, ())
    first = rows.values.get(rows.column(fields[0]), ()) if fields else ()
    if not len(first) or not isinstance(first[0], list):
        return rows
    lists = {name: rows.raw(name, "a list") for name in fields}
    for at in range(len(rows)):
        for name in fields:
            if not isinstance(lists[name][at], list):
                raise rows.refusal(at, name, f"a list, as {rows.column(fields[0])!r} does")
        lengths = {rows.column(name): len(lists[name][at]) for name in fields}
        if len(set(lengths.values())) > 1:
            raise FileError(f"{rows.where(at)}: lists of lengths {lengths}; expected as many entries in each")
    places = [at for at in range(len(rows)) for _ in lists[fields[0]][at]]
    values: dict[str, list[Any]] = {
        rows.column(name): [one for own in lists[name] for one in own] for name in fields
    }
    if task.kind == "clustering":
        values["set"] = list(places)
    return Rows(rows.name, rows.unit, [rows.numbers[at] for at in places], values, rows.columns)


def _tables(task: TaskSpec, repository: Repository) -> Tables:
    configs = repository.configs()
    judged = repository.named("qrels")
    if repository.subset in (None, "default") and "default" in configs:
        judged = "default"
    queries = "query" if "query" in configs else repository.named("queries")
    return Tables(
        repository.rows(repository.named("corpus"), task.split, task.columns),
        repository.rows(queries, task.split, task.columns),
        repository.rows(judged, task.split, task.columns, only=False),
        strict=False,
    )


def _retrieval(task: TaskSpec, repositories: Sequence[Repository]) -> Assembled:
    parts: list[RetrievalPart] = []
    notes: list[str] = []
    n_rows = 0
    for repository in repositories:
        tables = _tables(task, repository)
        found = collect(tables, ignore_identical_ids=task.ignore_identical_ids)
        parts.append(found.part)
        notes += found.notes
        n_rows += len(tables.corpus)
    return Assembled(Retrieval(parts), n_rows, tuple(notes))


def _instruction_retrieval(task: TaskSpec, repository: Repository) -> Assembled:
    tables = _tables(task, repository)
    configs = repository.configs()
    if repository.named("instruction") in configs:
        rows = repository.rows(repository.named("instruction"), task.split, task.columns)
        tables = tables._replace(queries=_with_instructions(tables.queries, rows))
    changed: dict[str, list[str]] = {}
    if repository.named("qrel_diff") in configs:
        rows = repository.rows(repository.named("qrel_diff"), None, task.columns)
        changed = dict(zip(rows.ids("query-id"), rows.text_lists("corpus-ids", empty=True), strict=True))
    data, notes = collect_instructed(tables, changed, group_of=_group)
    if repository.named("top_ranked") in configs:
        notes += ("the whole corpus is ranked, where mteb ranks a query's candidates (top_ranked) only",)
    return Assembled(data, len(tables.corpus), notes)


def _with_instructions(queries: Rows, rows: Rows) -> Rows:
    """Queries with the instructions that stand in a table of their own."""
    own = dict(zip(rows.ids("query-id"), rows.texts("instruction"), strict=True))
    ids = unique_ids(queries)
    lacking = next((at for at, name in enumerate(ids) if name not in own), None)
    if lacking is not None:
        raise FileError(f"{queries.where(lacking)}: the query {ids[lacking]!r} has no instruction in {rows.name}")
    values = {name: queries.values[name] for name in queries.values}
    values[queries.column("instruction")] = [own[name] for name in ids]
    return Rows(queries.name, queries.unit, queries.numbers, values, queries.columns)


def _group(name: str) -> str:
    """A query's group as mteb has it: by FollowIR's endings, else what stands before the first underscore."""
    return paired_group(name) if name.endswith((ORIGINAL, CHANGED)) else name.split("_", maxsplit=1)[0]


def _reranking(task: TaskSpec, repository: Repository) -> Assembled:
    """mteb 2's layout: a query's candidates are those of ``top_ranked``, or else its judged documents."""
    tables = _tables(task, repository)
    document_ids, documents = read_documents(tables.corpus)
    text_of = dict(zip(document_ids, documents, strict=True))
    query_ids, texts = unique_ids(tables.queries), tables.queries.texts("text")
    judged, notes = read_qrels(tables, set(query_ids), set(document_ids))
    candidates: dict[str, list[str]] = {name: list(own) for name, own in judged.items()}
    if repository.named("top_ranked") in repository.configs():
        rows = repository.rows(repository.named("top_ranked"), task.split, task.columns)
        candidates = dict(zip(rows.ids("query-id"), rows.text_lists("corpus-ids", empty=True), strict=True))
    kept = [at for at, name in enumerate(query_ids) if name in judged]
    sides: dict[bool, list[list[str]]] = {True: [], False: []}
    for at in kept:
        name = query_ids[at]
        for relevant, lists in sides.items():
            lists.append(
                [
                    text_of[one]
                    for one in candidates.get(name, [])
                    if one in text_of and (judged[name].get(one, 0) > 0) is relevant
                ]
            )
    try:
        data, lost = reranking_of([texts[at] for at in kept], sides[True], sides[False])
    except InputError as error:
        raise FileError(f"hub dataset {repository.name!r}: {error}") from None
    parts = _parts_note([query_ids[at] for at in kept], candidates)
    return Assembled(data, len(tables.queries), (*notes, *lost, *parts))


def _parts_note(names: Sequence[str], candidates: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """A note on queries that look like parts of one: ids alike up to the last underscore, the same candidates."""
    alike = Counter(
        (name.rpartition("_")[0], tuple(candidates[name]))
        for name in names
        if "_" in name and candidates.get(name)
    )
    n_parts = sum(count for count in alike.values() if count > 1)
    if not n_parts:
        return ()
    return (
        f"{n_parts} queries seem to be parts of others: their ids begin alike and their candidates are the same. "
        "Each counts as a query of its own here; mteb takes a candidate's best part in MindSmallReranking",
    )
