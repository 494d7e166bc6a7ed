"""Rows of a file as they stand: all columns, whatever they are, and a problem instead of a row that is none."""

import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instructvec.corpus.readers import read_records
from instructvec.corpus.sources import source_of
from instructvec.errors import FileError


def write(folder, name, content):
    path = folder / name
    raw = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def records(path):
    return list(read_records(source_of(path)))


def test_columns_need_not_hold_texts(tmp_path):
    path = write(tmp_path, "x.jsonl", '{"a": [1, null], "b": {"c": 2.5}}\n\n{"d": true, "embedding": 1}\n')
    assert [(one.number, one.values, one.problem) for one in records(path)] == [
        (1, {"a": [1, None], "b": {"c": 2.5}}, None),
        (3, {"d": True, "embedding": 1}, None),
    ]


@pytest.mark.parametrize("name", ["x.csv", "x.csv.gz"])
def test_delimited_records_have_the_number_of_their_first_line(tmp_path, name):
    path = write(tmp_path, name, 'id,text\n1,"two\nlines"\n\n2,b\n')
    assert [(one.number, one.values) for one in records(path)] == [
        (2, {"id": "1", "text": "two\nlines"}),
        (5, {"id": "2", "text": "b"}),
    ]


def test_tsv_and_txt(tmp_path):
    assert records(write(tmp_path, "x.tsv", "a\tb\n1\t2\n"))[0].values == {"a": "1", "b": "2"}
    assert [one.values for one in records(write(tmp_path, "x.txt", "one\n\ntwo"))] == [
        {"text": "one"},
        {"text": ""},
        {"text": "two"},
    ]


def test_parquet_rows_are_numbered_over_row_groups(tmp_path):
    table = pa.table({"a": [1, None, 3], "b": [["x"], [], None]})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=1)
    assert [(one.number, one.values) for one in records(tmp_path / "x.parquet")] == [
        (1, {"a": 1, "b": ["x"]}),
        (2, {"a": None, "b": []}),
        (3, {"a": 3, "b": None}),
    ]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("x.jsonl", b'{"a": 1}\n{"a": \n{"a": 2}\n', "broken JSON"),
        ("x.jsonl", b'{"a": 1}\n[1]\n{"a": 2}\n', "the line holds a list"),
        ("x.jsonl", b'{"a": 1}\n{"a": "\xff"}\n{"a": 2}\n', "is not UTF-8"),
        ("x.csv", b"a,b\n1,2\n3\n4,5\n", "1 fields, but the header names 2"),
        ("x.csv", b"a,b\n1,2\n\xff,3\n4,5\n", "is not UTF-8"),
        ("x.txt", b"one\nt\xffo\nthree\n", "is not UTF-8"),
        ("x.txt", b"one\nt\x00o\nthree\n", "is NUL"),
    ],
)
def test_bad_row_has_a_problem_and_the_next_is_read(tmp_path, name, content, problem):
    first, bad, last = records(write(tmp_path, name, content))
    assert first.problem is None and last.problem is None
    assert problem in bad.problem
    assert bad.number == first.number + 1


@pytest.mark.parametrize(
    ("name", "content"), [("x.csv", ""), ("x.csv", "a,b\n"), ("x.jsonl", " \n"), ("x.txt", "")]
)
def test_file_without_rows(tmp_path, name, content):
    assert records(write(tmp_path, name, content)) == []


def test_parquet_without_rows(tmp_path):
    pq.write_table(pa.table({"a": pa.array([], pa.string())}), tmp_path / "x.parquet")
    assert records(tmp_path / "x.parquet") == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("x.csv", b"a,a\n", r"x\.csv, line 1: the header names \['a'\] twice"),
        ("x.csv", b"a,\xff\n", r"x\.csv, line 1: .*not UTF-8"),
        ("x.jsonl", '{"a": 1}'.encode("utf-16"), "the file is UTF-16"),
        ("x.parquet", b"nothing", "not a whole Parquet file"),
    ],
)
def test_file_of_another_format_is_refused(tmp_path, name, content, message):
    with pytest.raises(FileError, match=message):
        records(write(tmp_path, name, content))


def test_file_is_read_as_it_is_asked_for(tmp_path):
    path = write(tmp_path, "x.jsonl", '{"a": 1}\nbroken\n')
    rows = read_records(source_of(path))
    assert next(rows).values == {"a": 1}
    assert next(rows).problem
