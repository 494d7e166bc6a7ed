"""``instructvec dedupe`` keeps one row of each group, with all its columns."""

import json

import pytest
from pyarrow import csv

from instructvec.cli.main import main

ROWS = """id,text,votes
a,How do I pay my bill?,1
b,How can I pay my bill?,5
c,It is raining in Paris.,2
d,How do I pay my bill?,
"""
PAIRS = """x,y,same
How do I pay my bill?,How can I pay my bill?,yes
It rains.,It is raining.,1
It rains.,How do I pay my bill?,0
A cat.,A tax law.,no
"""


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(ROWS)
    return path


def run(capsys, *arguments):
    status = main(["dedupe", *map(str, arguments)])
    said = capsys.readouterr()
    return status, said.out, said.err


def ids(path):
    return [line.split(",")[0] for line in path.read_text().splitlines()[1:]]


def test_kept_rows_have_all_columns_and_the_summary_counts(rows, tmp_path, capsys):
    out = tmp_path / "out.csv"
    status, printed, said = run(capsys, rows, "-o", out, "--column", "text", "--threshold", "0.9")
    assert (status, printed) == (0, "")
    assert out.read_text().splitlines() == [ROWS.splitlines()[0], *(ROWS.splitlines()[at] for at in (1, 3))]
    assert "2 of 4 rows say something new" in said
    assert "2 duplicates in 1 groups: 1 repeat a text, 1 are near one" in said
    assert "instruction: 'Represent the text for similarity: ' (--instruction changes it)" in said
    assert "threshold: 0.9\n" in said


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--keep", "last"], ["c", "d"]),
        (["--keep", "longest"], ["b", "c"]),
        (["--keep-by", "votes"], ["b", "c"]),
        (["--keep", "lowest", "--keep-by", "votes"], ["a", "c"]),
    ],
)
def test_rules_for_keeping(rows, tmp_path, capsys, options, kept):
    out = tmp_path / "out.csv"
    assert run(capsys, rows, "-o", out, "--column", "text", "--threshold", "0.9", *options)[0] == 0
    assert ids(out) == kept


def test_mark_keeps_all_rows_and_groups_are_written(rows, tmp_path, capsys):
    out, groups = tmp_path / "out.csv", tmp_path / "groups.jsonl"
    arguments = [rows, "-o", out, "--column", "text", "--threshold", "0.9", "--mark", "--groups", groups, "--json"]
    status, printed, _ = run(capsys, *arguments)
    assert status == 0
    table = csv.read_csv(out)
    assert table.column("duplicate_group").to_pylist() == [1, 1, None, 1]
    assert table.column("duplicate_of").to_pylist() == [None, 0, None, 0]
    assert table.column("similarity").to_pylist()[3] == 1.0
    lines = [json.loads(line) for line in groups.read_text().splitlines()]
    assert [(one["row"], one["kept"]) for one in lines] == [(0, True), (3, False), (1, False)]
    assert lines[1]["text"] == "How do I pay my bill?"
    result = json.loads(printed)
    assert (result["kept"], result["repeated"], result["groups"], result["threshold_from"]) == (2, 1, 1, "given")
    assert run(capsys, out, "-o", tmp_path / "again.csv", "--column", "text", "--mark")[2].endswith(
        "column 'duplicate_group' is in the input already; expected none, for the output gets one of that name: "
        "rename or drop it\n"
    )


def test_no_duplicates_write_empty_groups(tmp_path, capsys):
    (tmp_path / "rows.txt").write_text("rain\ntax law\n")
    groups = tmp_path / "groups.csv"
    assert run(capsys, tmp_path / "rows.txt", "-o", tmp_path / "out.csv", "--groups", groups)[0] == 0
    assert groups.read_text() == "group,row,kept,similarity,text\n"


def test_labelled_pairs_choose_the_threshold(rows, tmp_path, capsys):
    (tmp_path / "pairs.csv").write_text(PAIRS)
    pairs = ["--pairs", tmp_path / "pairs.csv", "--pair-columns", "x", "y", "same"]
    status, printed, said = run(capsys, rows, "-o", tmp_path / "o.csv", "--column", "text", *pairs, "--json")
    assert status == 0
    calibration = json.loads(printed)["calibration"]
    assert (calibration["n_pairs"], calibration["n_positive"], calibration["f1"]) == (4, 2, 1.0)
    assert "from 4 labelled pairs: precision 1.000, recall 1.000" in said
    (tmp_path / "pairs.csv").write_text(PAIRS.replace("yes", "perhaps"))
    status, _, said = run(capsys, rows, "-o", tmp_path / "o.csv", "--column", "text", *pairs)
    assert status == 2
    assert "pairs.csv, row 1: 'same' is 'perhaps'; expected 1 or 0" in said


def test_what_was_embedded_is_not_encoded_again(rows, tmp_path, capsys, monkeypatch):
    out = tmp_path / "v.parquet"
    assert main(["embed", str(rows), "-o", str(out), "--column", "text", "--instruction", "x: ", "--quiet"]) == 0
    monkeypatch.setattr("instructvec.cli.dedupe.open_embedder", lambda arguments: pytest.fail("opened a model"))
    status, _, said = run(capsys, out, "-o", tmp_path / "o.csv", "--threshold", "0.9")
    assert status == 0, said
    assert ids(tmp_path / "o.csv") == ["a", "c"]
    assert "instruction: 'x: '" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "0.9", "--pairs", "p.csv"], "--threshold and --pairs: both given"),
        (["--min-precision", "0.9"], "--min-precision needs labelled pairs"),
        (["--keep", "highest"], "--keep highest needs a column of numbers; give --keep-by"),
        (["--keep", "first", "--keep-by", "votes"], "--keep-by with --keep first"),
        (["--keep-by", "id"], "--keep-by 'id', row 1: 'a'; expected a number"),
        (["--keep-by", "nothing"], "--keep-by 'nothing': no such column"),
        (["--threshold", "95"], "--threshold 95.0: expected a cosine"),
        (["--groups", "g.txt"], "the suffix '.txt' names no kind of table"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_written(rows, tmp_path, capsys, options, message):
    out = tmp_path / "out.csv"
    status, _, said = run(capsys, rows, "-o", out, "--column", "text", *options)
    assert status == 2
    assert message in said
    assert not out.exists()


def test_comparing_shows_how_far_it_is(rows, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    _, _, said = run(capsys, rows, "--column", "text", "-o", tmp_path / "out.csv")
    assert "comparing: 100%" in said
    assert "3.00/3.00" in said
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    assert run(capsys, rows, "--column", "text", "-o", tmp_path / "out.csv", "--quiet")[2] == ""
