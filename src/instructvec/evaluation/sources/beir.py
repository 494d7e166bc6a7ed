"""A BEIR folder -> a collection to search; with instructions and altered ones, also instruction retrieval.

Knows the folder's layout: ``corpus.jsonl``, ``queries.jsonl``, ``qrels/<split>.tsv`` or ``qrels.tsv``, each also
with ``.gz``; ours beside it ``changed.jsonl``, rows ``{"query": group, "documents": [ids]}`` of what an altered
instruction made irrelevant (FollowIR). Nothing of hubs. Source: Thakur et al. 2021, github.com/beir-cellar/beir.
"""

from __future__ import annotations

from pathlib import Path

from instructvec.errors import FileError
from instructvec.evaluation.data import InstructionRetrieval, Retrieval
from instructvec.evaluation.sources.assembly import Assembled
from instructvec.evaluation.sources.collection import Tables, collect, collect_instructed, paired_group
from instructvec.evaluation.sources.tables import read_jsonl, read_qrels_file
from instructvec.evaluation.suite import TaskSpec


def read_retrieval(folder: Path, task: TaskSpec) -> Assembled:
    """The collection of a retrieval task.

    Raises:
        FileError: a file is missing or malformed, ids repeat, or judgements are of unknown ids.
    """
    tables = _tables(folder, task)
    found = collect(tables, ignore_identical_ids=task.ignore_identical_ids)
    return Assembled(Retrieval([found.part]), len(tables.corpus), found.notes)


def read_instruction_retrieval(folder: Path, task: TaskSpec) -> Assembled:
    """The same of queries that have an ``instruction`` each, and a ``group`` where several are variants of one.

    Raises:
        FileError: as for :func:`read_retrieval`; or ``changed.jsonl`` names unknown documents.
    """
    tables = _tables(folder, task)
    data, notes = collect_instructed(tables, _changed(folder, task), group_of=paired_group)
    _check_changed(folder, data)
    return Assembled(data, len(tables.corpus), notes)


def _tables(folder: Path, task: TaskSpec) -> Tables:
    return Tables(
        read_jsonl(_required(folder, "corpus.jsonl"), task.columns),
        read_jsonl(_required(folder, "queries.jsonl"), task.columns),
        read_qrels_file(_qrels_path(folder, task.split)),
    )


def _changed(folder: Path, task: TaskSpec) -> dict[str, list[str]]:
    path = _found(folder, "changed.jsonl")
    if path is None:
        return {}
    rows = read_jsonl(path, task.columns)
    return dict(zip(rows.ids("query"), rows.text_lists("documents"), strict=True))


def _check_changed(folder: Path, data: InstructionRetrieval) -> None:
    known = set(data.collection.document_ids)
    for group, documents in data.changed.items():
        for one in documents:
            if one not in known:
                raise FileError(
                    f"{_found(folder, 'changed.jsonl')}: query {group!r} names the document {one!r}, which is not "
                    "in the corpus; expected known ids only: correct it, or remove it"
                )


def _qrels_path(folder: Path, split: str) -> Path:
    for name in (f"qrels/{split}.tsv", "qrels.tsv"):
        path = _found(folder, name)
        if path is not None:
            return path
    there = ", ".join(sorted(path.name for path in (folder / "qrels").glob("*.tsv*"))) or "nothing"
    raise FileError(
        f"{folder}: no judgements of the split {split!r}; expected qrels/{split}.tsv or qrels.tsv (also .gz), and "
        f"in qrels/ there is {there}: add the file, or name another split in the suite"
    )


def _required(folder: Path, name: str) -> Path:
    path = _found(folder, name)
    if path is None:
        raise FileError(
            f"{folder}: no {name} (nor {name}.gz); a retrieval task has corpus.jsonl, queries.jsonl and "
            "judgements, as in BEIR: add it"
        )
    return path


def _found(folder: Path, name: str) -> Path | None:
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)
