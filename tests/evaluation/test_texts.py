"""A suite's texts as files: everything a task holds, written again only when it changes."""

import gzip
import json

from instructvec.evaluation.suite import read_suite
from instructvec.evaluation.texts import write_texts


def texts_of(folder):
    return {json.loads(line)["text"] for path in folder.iterdir() for line in path.read_text().splitlines()}


def test_every_text_of_every_task_is_written(tiny_data, tmp_path):
    suite = read_suite(str(tiny_data / "tiny.toml"))
    folder = write_texts(suite, None, tmp_path)
    assert len(list(folder.iterdir())) == len(suite.tasks)
    texts = texts_of(folder)
    rows = [json.loads(line) for line in open_text(tiny_data / "Sts" / "data.jsonl.gz")]
    scored = [row for row in rows if row.get("split", "test") == "test"]
    assert {row["a"] for row in scored} | {row["b"] for row in scored} <= texts


def open_text(path):
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return file.read().splitlines()


def test_unchanged_data_leaves_the_files_alone(tiny_data, tmp_path):
    suite = read_suite(str(tiny_data / "tiny.toml"))
    folder = write_texts(suite, None, tmp_path)
    stale = folder / "Gone.0123456789abcdef.jsonl"
    stale.write_text("")
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path != stale}
    assert write_texts(suite, None, tmp_path) == folder
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before
