"""``instructvec tune``: labelled files in, an instruction to paste out."""

import csv
import json

import pytest

from instructvec.cli.main import main
from tests.tasks.planted import PlantedEncoder


@pytest.fixture
def encoder(monkeypatch):
    made = PlantedEncoder({"Good: ": 5.0})
    monkeypatch.setattr("instructvec.cli.tune.open_embedder", lambda arguments: made)
    return made


@pytest.fixture
def rows(tmp_path, monkeypatch, encoder):
    monkeypatch.chdir(tmp_path)
    with (tmp_path / "rows.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["message", "other", "intent", "alike", "constant"])
        for at in range(120):
            group = at % 3
            writer.writerow(
                [
                    f"{group} a {at}",
                    f"{group if at % 2 else group + 1} b {at}",
                    f"i{group}",
                    ["no", "yes"][at % 2],
                    "x",
                ]
            )
    return tmp_path


LABELS = ["tune", "rows.csv", "--column", "message", "--label-column", "intent"]


def test_the_winner_is_printed_ready_to_paste_with_its_interval(rows, capsys):
    assert main([*LABELS, "--candidate", "Good: ", "--max-candidates", "5", "-o", "tried.csv"]) == 0
    out, err = capsys.readouterr()
    lines = out.splitlines()
    assert lines[0] == "--instruction 'Good: '"
    assert "accuracy on 36 held-out rows: " in out
    assert "(95% interval +" in out
    assert "tried.csv: 5 candidates" in err
    tried = list(csv.DictReader((rows / "tried.csv").read_text().splitlines()))
    assert (len(tried), tried[0]["instruction"], tried[0]["origin"]) == (5, "Good: ", "given")


def test_no_difference_is_said_and_the_default_printed(rows, capsys, encoder):
    encoder.strength = dict.fromkeys(["Good: ", "", "Represent the text for classification: "], 5.0)
    assert main([*LABELS, "--candidate", "Good: ", "--only-candidates"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("--instruction 'Represent the text for classification: '\n")
    assert "the default came out best" in out or "no difference that is sure" in out


def test_pairs_of_yes_and_no_and_json(rows, capsys):
    (rows / "c.txt").write_text("Good: \n\nOther: \n")
    command = ["tune", "rows.csv", "--pairs-columns", "message", "other", "alike", "--candidates-file", "c.txt"]
    assert main([*command, "--only-candidates", "--json", "--quiet"]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert (result["metric"], result["instruction"], result["held_out"]) == ("average precision", "Good: ", 36)
    assert {one["origin"] for one in result["candidates"]} == {"default", "none", "given"}
    assert result["contract"]["instructions"] == ["Good: "]
    assert err == ""


@pytest.fixture
def beir(rows):
    folder = rows / "beir"
    (folder / "qrels").mkdir(parents=True)
    for name, what in (("corpus", "document"), ("queries", "query")):
        lines = [json.dumps({"_id": f"{what[0]}{at}", "text": f"{at % 3} {what} {at}"}) for at in range(30)]
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n")
    judged = [f"q{at}\td{other}\t1" for at in range(30) for other in range(at % 3, 30, 3)]
    (folder / "qrels" / "dev.tsv").write_text("query-id\tcorpus-id\tscore\n" + "\n".join(judged) + "\n")
    return folder


def test_a_beir_folder_or_its_files(beir, capsys, encoder):
    encoder.strength |= {"Represent the document for retrieval: ": 5.0}
    assert main(["tune", "beir", "--candidate", "Good: ", "--only-candidates"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("--instruction 'Good: '\nfor documents: 'Represent the document for retrieval: '\n")
    assert "judgements: beir/qrels/dev.tsv" in err
    files = ["--queries", "beir/queries.jsonl", "--qrels", "beir/qrels/dev.tsv"]
    assert main(["tune", "beir/corpus.jsonl", *files, "--candidate", "Good: ", "--only-candidates"]) == 0
    assert capsys.readouterr().out == out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "what is labelled: none is given; expected one of --label-column L"),
        (["--label-column", "intent", "--queries", "q"], "what is labelled: several are given"),
        (
            ["--column", "message", "--label-column", "intnt"],
            "--label-column 'intnt': no such column in the input",
        ),
        (["--column", "message", "--label-column", "constant"], "every row has the label 'x'"),
        (
            ["--column", "message", "--label-column", "intent", "--tune-documents"],
            "--tune-documents: labels and pairs",
        ),
        (["--queries", "q.jsonl"], "--qrels is not given; retrieval needs --queries FILE and --qrels FILE"),
        (["--pairs-columns", "message", "other", "intent"], "row 1: not there; expected a text and a number"),
        (["--column", "message", "--pairs-columns", "message", "other", "alike"], "leave one of them out"),
        (
            ["--column", "message", "--label-column", "intent", "-o", "a.xls"],
            "the suffix '.xls' names no kind of table",
        ),
        (
            ["--column", "message", "--label-column", "intent", "--candidates-file", "none.txt"],
            "--candidates-file none.txt: cannot be read",
        ),
        (
            ["--column", "message", "--label-column", "intent", "--max-candidates", "1"],
            "max_candidates is 1; expected 2 or more",
        ),
    ],
)
def test_bad_usage(rows, capsys, arguments, said):
    assert main(["tune", "rows.csv", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_rows_without_a_label_are_refused_or_counted(rows, capsys):
    with (rows / "rows.csv").open("a") as file:
        file.write("0 more,,,no,x\n")
    assert main([*LABELS, "--only-candidates"]) == 2
    assert "--label-column 'intent', row 121: not there; expected a label" in capsys.readouterr().err
    assert main([*LABELS, "--only-candidates", "--on-error", "skip"]) == 0
    assert "1 rows without a label are left out" in capsys.readouterr().err


def test_too_few_rows(rows, capsys):
    (rows / "few.csv").write_text("text,label\na,x\nb,y\n")
    assert main(["tune", "few.csv", "--label-column", "label"]) == 2
    assert "2 labelled texts; tuning needs 20 or more" in capsys.readouterr().err
