from __future__ import annotations

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instructvec.errors import FileError
from instructvec.medi.protected import evaluation_sets, is_description, is_text, protected_texts

ONE, OTHER, THIRD = "which river flows through Prague", "the Vltava flows through it", "a third text is here"


def texts(path):
    return [text for _, text in protected_texts(path)]


def test_a_beir_folder_gives_queries_titles_and_passages_but_no_judgements(tmp_path):
    (tmp_path / "queries.jsonl").write_text(json.dumps({"_id": "q number one here", "text": ONE}) + "\n")
    rows = [{"_id": "d1", "title": THIRD, "text": OTHER}, {"_id": "d2", "title": "", "text": "too short"}]
    (tmp_path / "corpus.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n\n")
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nthe id of one\td1\t1\n")
    (tmp_path / "qrels.tsv").write_text("query id of one\tcorpus-id\tscore\n")
    (tmp_path / "meta.json").write_text(json.dumps({"why": "a sentence about the data itself"}))
    (tmp_path / "README.txt").write_text("a sentence about the data itself")
    assert set(texts(tmp_path)) == {ONE, OTHER, THIRD, "q number one here"}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", json.dumps({"deep": [{"er": [ONE, 7, None]}], "b": OTHER}), {ONE, OTHER}),
        ("a.ndjson", "\ufeff" + json.dumps([ONE, {"x": {"y": OTHER}}]), {ONE, OTHER}),
        ("a.json", json.dumps([{"text": ONE}, OTHER], indent=1), {ONE, OTHER}),
        ("a.json", json.dumps({ONE: "is a key only", "x": [OTHER]}), {"is a key only", OTHER}),
        ("a.json", json.dumps(ONE), {ONE}),
        ("a.csv", f'id,text\n1,"{ONE}, or\nnot"\n2,{OTHER}\n', {f"{ONE}, or\nnot", OTHER}),
        ("a.tsv", f'id\ttext\n1\t"{ONE}\n2\t{OTHER}\n', {f'"{ONE}', OTHER}),
        ("a.txt", f"{ONE}\r\n\n{OTHER}", {ONE, OTHER}),
    ],
)
def test_every_string_of_every_format_is_read(tmp_path, name, content, expected, packed):
    path = tmp_path / (name + ".gz" * packed)
    path.write_bytes(gzip.compress(content.encode()) if packed else content.encode())
    assert set(texts(path)) == expected


@pytest.mark.parametrize("packed", [False, True])
def test_parquet_is_read_at_any_depth(tmp_path, packed):
    path = tmp_path / "a.parquet"
    table = {"label": pa.array(["a", "b"]).dictionary_encode(), "text": [ONE, None], "refs": [[OTHER], [THIRD]]}
    pq.write_table(pa.table(table), path)
    if packed:
        path = tmp_path / "b.parquet.gz"
        path.write_bytes(gzip.compress((tmp_path / "a.parquet").read_bytes()))
    assert sorted(texts(path)) == sorted([ONE, OTHER, THIRD])


def test_each_folder_is_a_set_of_its_own_name(tmp_path):
    for name in ("one/data.jsonl", "two/data/test.jsonl", "two/data/train.jsonl"):
        path = tmp_path / "eval" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps({"text": ONE}))
    (tmp_path / "eval" / ".cache").mkdir()
    (tmp_path / "eval" / ".cache" / "x.bin").write_text("")
    assert [one.name for one in evaluation_sets(tmp_path / "eval")] == ["one", "two/data"]
    assert [one.name for one in evaluation_sets(tmp_path / "eval" / "one")] == ["one"]
    assert [one.name for one in evaluation_sets(tmp_path / "eval" / "one" / "data.jsonl")] == ["data.jsonl"]


def test_places_name_file_and_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "short"}\n' + json.dumps({"text": ONE}))
    assert list(protected_texts(path)) == [(f"{path}, line 2", ONE)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("four words are enough", True),
        ("three words only", False),
        ("404f859482d47c12-8679-aa02-1111", False),
        ("https://example.org/a/b/c/d.html", False),
        ("what_is_your_name", False),
        ("2015-04-30 12:00:01", True),
        ("天气很好", True),
        ("", False),
    ],
)
def test_a_text_is_four_words_and_no_id(text, expected):
    assert is_text(text) is expected


def test_the_least_number_of_words_can_be_chosen(tmp_path):
    (tmp_path / "a.txt").write_text("two words\none")
    assert [text for _, text in protected_texts(tmp_path, 2)] == ["two words"]


@pytest.mark.parametrize(
    "name", ["README", "Readme.md", ".hidden", "qrels.tsv", "LICENSE.txt", "meta.json", "a.py"]
)
def test_files_about_the_data_are_passed_over(name):
    assert is_description(name)


@pytest.mark.parametrize("name", ["data.json", "metaphors.jsonl", "my_qrels_texts.tsv", "test.txt"])
def test_files_of_data_are_not(name):
    assert not is_description(name)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.jsonl", b'{"text": "x"}\n{"text": ', "a.jsonl, line 2: broken JSON"),
        ("a.json", b"[1, 2", "a.json: broken JSON"),
        ("a.json", b"[" * 100_000, "a.json: broken JSON"),
        ("a.csv", b'a,b\n1,"open', "a.csv, line 2: broken quoting"),
        ("a.txt", b"caf\xe9 au lait\n", "a.txt, line 1: byte 0xe9"),
        ("a.tsv", "a\tb".encode("utf-16"), "UTF-16"),
        ("a.jsonl.gz", gzip.compress(b"{}" * 9999)[:-9], "gzip stream is damaged"),
        ("a.parquet", b"PAR1 and no more", "a.parquet: not a whole Parquet file"),
        ("a.parquet.gz", b"no gzip", "a.parquet.gz: not a whole Parquet file"),
        ("a.arrow", b"", "a.arrow: evaluation data of an unknown kind"),
        ("data", b"", "data: evaluation data of an unknown kind"),
        ("README.md", b"", "no file of texts in this folder"),
    ],
)
def test_bad_files_are_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError, match=message):
        list(protected_texts(tmp_path))


def test_nothing_there_is_refused(tmp_path):
    with pytest.raises(FileError, match="no such file or folder"):
        list(protected_texts(tmp_path / "gone"))
