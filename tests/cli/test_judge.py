"""``instructvec judge`` prints the systems, best first, and writes the rows with their scores."""

import json

import pytest

from instructvec.cli.main import main

ROWS = [
    {"hyp": "A dog runs.", "refs": ["A dog is running.", "It rains."], "system": "good", "human": 5},
    {"hyp": "Two men talk.", "refs": ["Men are talking."], "system": "good", "human": 4},
    {"hyp": "A tax law.", "refs": ["A dog is running."], "system": "bad", "human": 1},
    {"hyp": "Nothing.", "refs": ["A red car.", None, ""], "system": "bad", "human": None},
]


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return path


def run(capsys, *arguments):
    status = main(["judge", *map(str, arguments)])
    said = capsys.readouterr()
    return status, said.out, said.err


COLUMNS = ["--hypothesis-column", "hyp", "--reference-column", "refs"]


def test_systems_are_printed_best_first(rows, capsys):
    status, printed, said = run(capsys, rows, *COLUMNS, "--system-column", "system", "--human-column", "human")
    assert status == 0
    lines = printed.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["system", "good", "bad"]
    assert lines[1].split()[-1] == "4.500"
    assert lines[3].startswith("agreement with people over 3 texts: Pearson 0.9")
    assert "instruction: 'Represent the text for evaluation: ' (--instruction changes it)" in said


def test_rows_are_written_with_their_scores(rows, tmp_path, capsys):
    out = tmp_path / "out.csv"
    status, printed, said = run(capsys, rows, *COLUMNS, "-o", out, "--json")
    assert status == 0
    assert f"{out}: 4 rows with max_cosine and nearest_reference" in said
    lines = out.read_text().splitlines()
    assert lines[0] == "hyp,refs,system,human,max_cosine,nearest_reference"
    scores = [float(line.split(",")[-2]) for line in lines[1:]]
    result = json.loads(printed)
    assert result["systems"][0]["mean"] == pytest.approx(sum(scores) / 4)
    assert (result["systems"][0]["system"], result["agreement"]) == ("all", None)
    # csv holds the list as JSON, and is read again as such.
    (tmp_path / "again.csv").write_text(
        "\n".join(lines).replace("max_cosine", "before").replace("nearest_reference", "n")
    )
    again = json.loads(run(capsys, tmp_path / "again.csv", *COLUMNS, "--json")[1])
    assert again["systems"] == result["systems"]
    assert "column 'max_cosine' is in the input already" in run(capsys, out, *COLUMNS, "-o", tmp_path / "o.csv")[2]


def test_several_reference_columns_and_brackets_that_are_no_json(tmp_path, capsys):
    (tmp_path / "rows.csv").write_text("hyp,one,two\n[sic] a dog,[sic] a dog,\nrain,tax,rain\n")
    status, printed, _ = run(
        capsys, tmp_path / "rows.csv", "--column", "hyp", "--reference-column", "one", "two", "--json"
    )
    assert status == 0
    assert json.loads(printed)["systems"][0]["mean"] == pytest.approx(1.0, abs=1e-5)


def test_rows_without_references_are_named_or_left_out(tmp_path, capsys):
    path = tmp_path / "rows.csv"
    path.write_text("hyp,refs\nrain,rain\nsnow,\n")
    status, _, said = run(capsys, path, *COLUMNS)
    assert status == 2
    assert "row 2: no reference in 'refs'; expected at least one" in said
    status, printed, said = run(capsys, path, *COLUMNS, "--on-error", "skip", "--json")
    assert status == 0
    assert (json.loads(printed)["rows"], json.loads(printed)["left_out"]) == (1, 1)
    assert "1 rows without a reference and 0 without a text were left out" in said
    path.write_text("hyp,refs\nsnow,\n")
    assert "no row has a reference in 'refs'" in run(capsys, path, *COLUMNS, "--on-error", "skip")[2]


def test_scores_that_do_not_vary_have_no_agreement(tmp_path, capsys):
    (tmp_path / "rows.csv").write_text("hyp,refs,human\nrain,snow,3\ndog,cat,3\n")
    options = [tmp_path / "rows.csv", *COLUMNS, "--human-column", "human"]
    assert "over 2 texts: undefined, for one side does not vary" in run(capsys, *options)[1]
    assert json.loads(run(capsys, *options, "--json")[1])["agreement"] == {
        "pearson": None, "spearman": None, "kendall": None, "n": 2,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--human-column", "system"], "--human-column 'system', row 1: 'good'; expected a number, or nothing"),
        (["--human-column", "nothing"], "--human-column 'nothing': no such column"),
        (
            ["--reference-column", "human"],
            "--reference-column 'human', row 1: 5; expected a text or a list of texts",
        ),
        (["--column", "hyp"], "--hypothesis-column and --column: both given"),
        (["-o", "out.txt"], "the suffix '.txt' names no kind of table"),
    ],
)
def test_wrong_options_are_refused(rows, capsys, options, message):
    status, printed, said = run(capsys, rows, *COLUMNS, *options)
    assert (status, printed) == (2, "")
    assert message in said
