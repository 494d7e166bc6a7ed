"""A folder with one data file -> the typed data of a task.

Knows the folder's layout: ``data.jsonl``, also ``.csv``, ``.tsv`` or ``.parquet``, text formats also with ``.gz``;
a column ``split`` tells training from scored rows. Nothing of what the kinds do with them.
"""

from __future__ import annotations

from pathlib import Path

from instructvec.corpus.sources import SUFFIXES
from instructvec.errors import FileError
from instructvec.evaluation.sources.assembly import Assembled, assemble, by_split
from instructvec.evaluation.sources.tables import read_table
from instructvec.evaluation.suite import Kind, TaskSpec

MAIN: dict[Kind, str] = {
    "classification": "text",
    "clustering": "text",
    "pair_classification": "a",
    "sts": "a",
    "reranking": "query",
    "summarization": "machine_summaries",
    "text_generation_evaluation": "hypothesis",
    "prompt_retrieval": "input",
    "following": "text",
}
"""The field that every row of a kind has."""

STEM = "data"


def read_folder(folder: Path, task: TaskSpec) -> Assembled:
    """The data of a task whose kind has rows.

    Raises:
        FileError: no data file or several, or one that is malformed; names file, line and key.
    """
    return assemble(task, by_split(read_table(_data_file(folder), task.columns, MAIN[task.kind])))


def _data_file(folder: Path) -> Path:
    known = {f"{STEM}{suffix}{gz}" for suffix in SUFFIXES for gz in ("", ".gz")}
    found = sorted(path for path in folder.iterdir() if path.name in known and path.is_file())
    if len(found) == 1:
        return found[0]
    if found:
        names = ", ".join(path.name for path in found)
        raise FileError(f"{folder}: {names}; which is the data? Expected one file: move the others away")
    there = ", ".join(sorted(path.name for path in folder.iterdir())[:10]) or "nothing"
    raise FileError(
        f"{folder}: no data file; expected {STEM}.jsonl, .csv, .tsv or .parquet (text formats also .gz), and "
        f"there is {there}"
    )
