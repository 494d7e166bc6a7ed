"""The commands over files read texts, and what ``embed`` wrote, in one way."""

import argparse

import numpy as np
import pytest

from instructvec.cli.columns import with_columns
from instructvec.cli.inputs import (
    CountedEncoder,
    add_input_options,
    encode,
    load,
    with_vectors,
)
from instructvec.cli.main import main
from instructvec.errors import ConfigError, ContractMismatch, FileError

DEFAULT = "Represent the word: "


def parsed(*arguments):
    parser = argparse.ArgumentParser()
    add_input_options(parser, instruction=DEFAULT)
    return parser.parse_args([*map(str, arguments), "--quiet"])


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("id,text\n1,rain\n2,snow\n")
    return path


def test_texts_are_encoded_under_the_default_or_the_users_instruction(rows, bundled):
    loaded = load(parsed(rows))
    assert (loaded.texts, loaded.column, len(loaded)) == (["rain", "snow"], "text", 2)
    assert loaded.values_of("id", "--id-column") == ["1", "2"]
    with pytest.raises(
        FileError, match=r"--id-column 'di': no such column in the input; the columns are 'id', 'text'"
    ):
        loaded.values_of("di", "--id-column")
    made = with_vectors(loaded, parsed(rows), DEFAULT, bundled)
    assert made.contract.instruction == DEFAULT
    np.testing.assert_array_equal(made.vectors, bundled.encode(["rain", "snow"], DEFAULT))
    assert (
        with_vectors(loaded, parsed(rows, "--instruction", "x: "), DEFAULT, bundled).contract.instruction == "x: "
    )


@pytest.mark.parametrize("name", ["o.parquet", "o.npy"])
def test_what_was_embedded_is_not_encoded_again(rows, tmp_path, name):
    out = tmp_path / name
    assert main(["embed", str(rows), "-o", str(out), "--column", "text", "--instruction", "a: ", "--quiet"]) == 0
    loaded = load(parsed(out))
    assert loaded.texts == (["rain", "snow"] if name == "o.parquet" else None)
    assert with_vectors(loaded, parsed(out), DEFAULT) is loaded.embedded
    with pytest.raises(ContractMismatch, match="made under the instruction 'a: ', not 'b: '"):
        with_vectors(loaded, parsed(out, "--instruction", "b: "), DEFAULT)
    with pytest.raises(ConfigError, match=r"rows\.csv: holds no vectors, while another input does"):
        load(parsed(out, rows))


def test_no_rows_and_unknown_columns_are_refused(rows, tmp_path):
    (tmp_path / "none.csv").write_text("text\n")
    with pytest.raises(FileError, match=r"none\.csv: no rows"):
        load(parsed(tmp_path / "none.csv"))
    with pytest.raises(FileError, match="no column 'body'"):
        load(parsed(rows, "--column", "body"))


def test_texts_that_are_cut_are_told_once_and_quiet_does_not_hide_it(bundled, capsys, monkeypatch):
    monkeypatch.setattr("instructvec.cli.inputs._CHUNK_ROWS", 1)
    long = "word " * 400
    encode([long, long + "more", "short"], bundled, "x: ", quiet=True)
    said = capsys.readouterr().err
    assert said.count("longer than 256 tokens") == 1
    assert "embed --long-text chunk" in said
    encode(["short"], bundled, "x: ", quiet=True)
    assert capsys.readouterr().err == ""


def test_a_counted_encoder_encodes_a_long_list_in_parts_to_the_same_vectors(bundled, monkeypatch):
    told = []

    class Bar:
        def add(self, n, n_tokens, *, resumed):
            told.append(n)

    texts = ["rain", "snow", "hail"]
    whole = CountedEncoder(bundled, Bar()).encode(texts, "x: ")
    monkeypatch.setattr("instructvec.cli.inputs._CHUNK_ROWS", 2)
    parts = CountedEncoder(bundled, Bar()).encode(texts, "x: ")
    assert told == [3, 2, 1]
    # int8 arithmetic depends on the batch in the last bits.
    np.testing.assert_allclose(parts, whole, atol=1e-3)


def test_new_columns_stand_behind_and_replace_none():
    import pyarrow as pa

    table = pa.table({"a": [1, 2]})
    assert with_columns(table, {"b": ["x", "y"]}).to_pydict() == {"a": [1, 2], "b": ["x", "y"]}
    assert with_columns(pa.table({}), {"b": ["x", "y"]}).to_pydict() == {"b": ["x", "y"]}  # beside vectors alone
    with pytest.raises(FileError, match="column 'a' is in the input already"):
        with_columns(table, {"a": [3, 4]})


@pytest.mark.parametrize(
    ("arguments", "lost"),
    [
        (["cluster", "rows.csv", "-o", "rows.csv"], "rows.csv"),
        (["dedupe", "rows.csv", "-o", "./rows.csv"], "rows.csv"),
        (["dedupe", "rows.csv", "-o", "o.csv", "--groups", "rows.csv"], "rows.csv"),
        (["dedupe", "rows.csv", "-o", "o.csv", "--pairs", "p.csv", "--groups", "p.csv"], "p.csv"),
        (["classify", "rows.csv", "-o", "p.csv", "--examples", "p.csv", "--label-column", "id"], "p.csv"),
        (["judge", "rows.csv", "--reference-column", "text", "-o", "rows.csv"], "rows.csv"),
        (["demonstrations", "rows.csv", "--pool", "p.csv", "-o", "p.csv", "-k", "1"], "p.csv"),
    ],
)
def test_a_file_that_is_read_is_not_written_over(rows, capsys, monkeypatch, arguments, lost):
    monkeypatch.chdir(rows.parent)
    (rows.parent / "p.csv").write_text(rows.read_text())
    assert main(arguments) == 2
    assert f"{lost}: is read too, and would be replaced" in capsys.readouterr().err
    assert rows.read_text() == (rows.parent / "p.csv").read_text() == "id,text\n1,rain\n2,snow\n"
    assert main(["dedupe", "rows.csv", "-o", "o.csv", "--groups", "o.csv"]) == 2
    assert "o.csv: would be written twice" in capsys.readouterr().err
