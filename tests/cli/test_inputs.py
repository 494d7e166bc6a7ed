"""The commands over files read texts, and what ``embed`` wrote, in one way."""

import argparse

import numpy as np
import pytest

from instructvec.cli.inputs import add_input_options, load, with_vectors
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
