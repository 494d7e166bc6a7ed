"""Every input format, and every way a row or file can be bad: the message names file, line and remedy."""

import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instructvec.corpus.readers import read
from instructvec.corpus.records import Selection
from instructvec.corpus.rows import regroup
from instructvec.corpus.sources import count_rows, expand, source_of
from instructvec.errors import ConfigError, FileError


def rows_of(path, **selection):
    return list(read([source_of(path)], Selection(**selection)))


def texts_of(path, **selection):
    return [text for rows in rows_of(path, **selection) for text in rows.texts]


def write(folder, name, content):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def test_txt_line_is_a_row_and_a_blank_line_an_empty_text(tmp_path):
    path = write(tmp_path, "a.txt", "one\r\n\ntwo\u2028still two\nlast without line end")
    [rows] = rows_of(path)
    assert rows.texts == ["one", "", "two\u2028still two", "last without line end"]
    assert [place.number for place in rows.places] == [1, 2, 3, 4]
    assert rows.columns.column_names == ["text"]


def test_csv_carries_all_columns_and_numbers_rows_by_their_first_line(tmp_path):
    path = write(tmp_path, "a.csv", 'id,text\n1,"two\nlines"\n\n2,"a ""quote"""\n')
    [rows] = rows_of(path)
    assert rows.texts == ["two\nlines", 'a "quote"']
    assert rows.columns.to_pydict() == {"id": ["1", "2"], "text": rows.texts}
    assert [place.number for place in rows.places] == [2, 5]


@pytest.mark.parametrize("name", ["a.tsv", "a.tab"])
def test_tsv(tmp_path, name):
    assert texts_of(write(tmp_path, name, "id\ttext\n1\ta, b\n")) == ["a, b"]


def test_jsonl_infers_types_and_fills_missing_keys_with_null(tmp_path):
    path = write(tmp_path, "a.jsonl", '{"text": "a", "n": 1}\n\n{"text": "b", "n": 2.5, "tags": ["x"]}\n')
    [rows] = rows_of(path)
    assert rows.columns.to_pydict() == {"text": ["a", "b"], "n": [1.0, 2.5], "tags": [None, ["x"]]}


def test_parquet_is_streamed_and_keeps_types(tmp_path):
    path = tmp_path / "a.parquet"
    table = pa.table(
        {"text": pa.array(["a", "b", "c"]).dictionary_encode(), "when": pa.array([1, 2, 3], pa.timestamp("ms"))}
    )
    pq.write_table(table, path, row_group_size=2)
    blocks = rows_of(path, n_rows=2)
    assert [rows.texts for rows in blocks] == [["a", "b"], ["c"]]
    assert blocks[0].columns.schema.field("when").type == pa.timestamp("ms")
    assert str(blocks[1].places[0]) == f"{path}, row 3"


def test_gzip_and_byte_order_mark(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(b'\xef\xbb\xbf{"text": "a"}\n'))
    assert texts_of(path) == ["a"]


def test_folder_is_read_sorted_without_hidden_unknown_or_output_files(tmp_path):
    (tmp_path / "sub").mkdir()
    for name in ("b.txt", "sub/a.txt", ".hidden.txt", "picture.png", "out.jsonl", "out.jsonl.rejected.jsonl"):
        write(tmp_path, name, "x\n")
    sources = expand([str(tmp_path)], leave_out=tmp_path / "out.jsonl")
    assert [source.path.name for source in sources] == ["b.txt", "a.txt"]


def test_glob_is_sorted(tmp_path):
    for name in ("b.txt", "a.txt"):
        write(tmp_path, name, "x\n")
    sources = expand([str(tmp_path / "*.txt")], leave_out=tmp_path / "out")
    assert [source.path.name for source in sources] == ["a.txt", "b.txt"]


def test_small_files_are_joined_into_one_group(tmp_path):
    paths = [write(tmp_path, f"{number}.csv", f"text,extra{number}\na{number},x\n") for number in range(5)]
    groups = list(regroup(read([source_of(path) for path in paths], Selection(n_rows=3)), 3))
    assert [group.texts for group in groups] == [["a0", "a1", "a2"], ["a3", "a4"]]
    assert groups[0].columns.column("extra1").to_pylist() == [None, "x", None]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "id,text\n1,a\n2\n", r"a\.csv, line 3: 1 fields, but the header names 2"),
        ("a.csv", "id,text\n1,a,b\n", r"line 2: 3 fields, but the header names 2"),
        ("a.csv", 'text\n"never closed\nmore\n', r"line 2: broken quoting in the record that starts here"),
        ("a.csv", 'text,b\n"a"b,c\n', r"line 2: broken quoting"),
        ("a.csv", "text,text\na,b\n", r"line 1: the header names \['text'\] twice"),
        ("a.csv", "\ntext\n", r"line 1: the header is blank"),
        ("a.csv", "id,body\n1,a\n", r"which column holds the texts\? Name it with --column; .*'id', 'body'"),
        ("a.csv", "text,embedding\n1,a\n", r"has a column 'embedding' already"),
        ("a.csv", b"id,text\n1,caf\xe9\n", r"line 2: byte 0xe9 at byte 6 of the line is not UTF-8"),
        ("a.txt", b"good\ncaf\xe9\n", r"a\.txt, line 2: byte 0xe9 at byte 4 of the line is not UTF-8"),
        ("a.txt", b"a\0b\n", r"line 1: character 2 is NUL"),
        ("a.txt", "text".encode("utf-16"), r"the file is UTF-16; expected UTF-8. Convert it: iconv -f UTF-16"),
        ("a.jsonl", '{"text": "a"}\n{"text": \n', r"line 2: broken JSON \(Expecting value at character 10\)"),
        ("a.jsonl", '{"text": "a"}\n["a"]\n', r"line 2: the line holds a list; expected a JSON object"),
        ("a.jsonl", '{"text": "a"}\n{"txt": "b"}\n', r"line 2: no column 'text'; this row has 'txt'"),
        ("a.jsonl", '{"text": "a"}\n{"text": 3}\n', r"line 2: column 'text' holds a number \(3\); expected text"),
        ("a.jsonl", '{"text": "a"}\n{"text": null}\n', r"column 'text' holds nothing \(null\)"),
        ("a.jsonl", '{"text": NaN}\n', r"column 'text' holds NaN"),
        ("a.jsonl", '{"text": "\\ud800"}\n', r"holds half a character"),
        ("a.jsonl", '{"text": "a", "n": 1}\n{"text": "b", "n": "x"}\n', r"'n' .* number on line 1, text on"),
        ("a.jsonl", '{"a": "x", "b": "y"}\n', r"which column holds the texts\?.*'a', 'b'"),
        ("a.parquet", "not parquet at all", r"not a whole Parquet file"),
        ("a.txt.gz", "not gzip", r"gzip stream is damaged"),
        ("a.jsonl", "[" * 100_000 + "\n", r"line 1: (JSON that cannot be read|broken JSON)"),
    ],
)  # fmt: skip
def test_bad_file_is_refused_with_place_and_remedy(tmp_path, name, content, message):
    path = write(tmp_path, name, content)
    with pytest.raises(FileError, match=message):
        rows_of(path)


def test_truncated_gzip(tmp_path):
    path = write(tmp_path, "a.txt.gz", gzip.compress(b"line\n" * 1000)[:-10])
    with pytest.raises(FileError, match="damaged or cut off"):
        rows_of(path)


def test_parquet_text_column_of_numbers_is_refused_at_once(tmp_path):
    pq.write_table(pa.table({"text": [1, 2]}), tmp_path / "a.parquet")
    with pytest.raises(FileError, match="column 'text' is of type int64; expected text"):
        rows_of(tmp_path / "a.parquet")


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet", "a.txt"])
def test_missing_column_lists_those_that_exist(tmp_path, name):
    path = tmp_path / name
    content = {"a.csv": "id,text\n1,a\n", "a.jsonl": '{"id": 1, "text": "a"}\n', "a.txt": "a\n"}
    if name == "a.parquet":
        pq.write_table(pa.table({"id": [1], "text": ["a"]}), path)
    else:
        path.write_text(content[name])
    with pytest.raises(FileError, match=r"no column 'body'; the columns are .*'text'"):
        rows_of(path, column="body")


def test_other_column_than_the_instructions_is_the_text(tmp_path):
    path = write(tmp_path, "a.csv", "task,body\nfind,a\n")
    [rows] = rows_of(path, instruction_column="task")
    assert (rows.texts, rows.instructions) == (["a"], ["find"])


@pytest.mark.parametrize(
    ("name", "content", "kept", "bad_lines"),
    [
        ("a.csv", b'id,text\n1,a\n2\n3,caf\xe9\n4,"b"c\n5,d\n', ["a", "d"], [3, 4, 5]),
        ("a.jsonl", b'{"text": \n{"text": "a"}\n{"text": null}\n{"text": "caf\xe9"}\n', ["a"], [1, 3, 4]),
        ("a.txt", b"a\ncaf\xe9\nb\n", ["a", "b"], [2]),
    ],
)  # fmt: skip
def test_skip_leaves_bad_rows_out_and_reports_each(tmp_path, name, content, kept, bad_lines):
    [rows] = rows_of(write(tmp_path, name, content), on_error="skip")
    assert rows.texts == kept
    assert [rejection.place.number for rejection in rows.rejected] == bad_lines
    assert len(rows.columns) == len(kept)
    for rejection in rows.rejected:
        assert json.loads(json.dumps(rejection.record()))["reason"]


def test_skip_in_parquet_leaves_nulls_out(tmp_path):
    pq.write_table(pa.table({"text": ["a", None, "b"], "id": [1, 2, 3]}), tmp_path / "a.parquet")
    [rows] = rows_of(tmp_path / "a.parquet", on_error="skip")
    assert rows.columns.column("id").to_pylist() == [1, 3]
    assert [rejection.place.number for rejection in rows.rejected] == [2]


@pytest.mark.parametrize(
    ("text", "message"),
    [("none.txt", "no such file"), ("*.nope", "no file matches"), (".", "no file with a known suffix")],
)
def test_input_that_names_nothing(tmp_path, text, message):
    with pytest.raises(FileError, match=message):
        expand([str(tmp_path / text)], leave_out=tmp_path / "out")


def test_unknown_suffix_and_json_document(tmp_path):
    with pytest.raises(FileError, match=r"'\.docx' names no known format.*--format"):
        source_of(tmp_path / "a.docx")
    with pytest.raises(FileError, match="one object a line"):
        source_of(tmp_path / "a.json")
    assert source_of(tmp_path / "a.docx", "txt").format == "txt"


@pytest.mark.parametrize("option", [{"on_error": "ignore"}, {"n_rows": 0}])
def test_selection_refuses_unknown_values(option):
    with pytest.raises(ConfigError, match="expected"):
        Selection(**option)


def test_rows_are_counted_where_that_is_cheap(tmp_path):
    pq.write_table(pa.table({"text": ["a", "b"]}), tmp_path / "a.parquet")
    paths = [write(tmp_path, "a.txt", "a\nb"), write(tmp_path, "a.csv", "text\na\n"), tmp_path / "a.parquet"]
    assert count_rows([source_of(path) for path in paths]) == 5
    assert count_rows([source_of(write(tmp_path, "a.txt.gz", gzip.compress(b"a\n")))]) is None
