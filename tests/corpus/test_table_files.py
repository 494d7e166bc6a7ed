"""Tables are written as what their suffix says, whole or not at all."""

import csv
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instructvec.corpus.table_files import table_writer, write_table
from instructvec.errors import ConfigError, OutputExists

TABLE = pa.table({"text": ['a "b", c', "d\ne", "f\tg"], "n": [1, None, 3], "list": [["x"], [], None]})


@pytest.mark.parametrize(("suffix", "dialect"), [(".csv", "excel"), (".tsv", "excel-tab")])
def test_delimited_text_comes_back(tmp_path, suffix, dialect):
    write_table(TABLE, tmp_path / f"t{suffix}")
    with (tmp_path / f"t{suffix}").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file, dialect=dialect))
    assert [row["text"] for row in rows] == TABLE.column("text").to_pylist()
    assert [row["n"] for row in rows] == ["1", "", "3"]
    assert [row["list"] for row in rows] == ['["x"]', "[]", ""]


def test_json_lines_and_parquet_keep_types(tmp_path):
    write_table(TABLE, tmp_path / "t.jsonl")
    assert [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()] == TABLE.to_pylist()
    write_table(TABLE, tmp_path / "t.parquet")
    assert pq.read_table(tmp_path / "t.parquet").equals(TABLE)


def test_an_unknown_suffix_is_refused_and_a_file_kept_if_asked(tmp_path):
    with pytest.raises(ConfigError, match=r"the suffix '\.xlsx' names no kind of table; expected \.csv, \.tsv"):
        table_writer(tmp_path / "t.xlsx")
    (tmp_path / "t.csv").write_text("mine")
    with pytest.raises(OutputExists, match=r"t\.csv: is there already"):
        write_table(TABLE, tmp_path / "t.csv", overwrite=False)
    assert (tmp_path / "t.csv").read_text() == "mine"
