"""``instructvec classify``: rows come out with labels, scores are printed, wrong use is explained."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from instructvec.cli.main import main
from instructvec.tasks import Classifier, classify
from tests.conftest import TINY

MAILS = [
    ("1", "please refund me", "refund"),
    ("2", "I want my money back", "refund"),
    ("3", "the parcel has not arrived", "delivery"),
    ("4", "when will it be delivered", "delivery"),
]


@pytest.fixture
def mails(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("mails.csv", MAILS)
    return "mails.csv"


def write(name, rows, header=("id", "text", "intent")):
    with Path(name).open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])


def read(name):
    with Path(name).open(newline="") as file:
        return list(csv.DictReader(file))


def run(*arguments):
    return main(["classify", *map(str, arguments)])


def test_all_columns_are_kept_and_two_are_added(mails, bundled, capsys):
    assert run(mails, "-o", "out.csv", "--labels", "refund", "delivery") == 0
    rows = read("out.csv")
    assert list(rows[0]) == ["id", "text", "intent", "label", "probability"]
    found = classify([text for _, text, _ in MAILS], ["refund", "delivery"], embedder=bundled)
    assert [row["label"] for row in rows] == list(found.labels) == [label for *_, label in MAILS]
    assert [float(row["probability"]) for row in rows] == pytest.approx(found.confidences.tolist(), abs=1e-6)
    printed = capsys.readouterr()
    assert printed.out.splitlines()[0].split() == ["refund", "2", "50.0%"]
    assert "instruction: 'Represent the text for classification: ' (--instruction changes it)" in printed.err
    assert "not calibrated" in printed.err


def test_descriptions_of_a_file_are_used(mails, bundled):
    described = {"refund": ["wants money back"], "delivery": ["asks where the parcel is", "not arrived"]}
    Path("labels.json").write_text(json.dumps(described))
    assert run(mails, "-o", "out.jsonl", "--labels-file", "labels.json", "--quiet") == 0
    found = classify([text for _, text, _ in MAILS], described, embedder=bundled)
    rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    assert [row["probability"] for row in rows] == pytest.approx(found.confidences.tolist(), abs=1e-6)


def test_what_is_learnt_can_be_saved_and_used_again(mails, capsys):
    write("labelled.csv", [(number, f"{text} {number}", label) for number in range(4) for _, text, label in MAILS])
    options = ("--examples", "labelled.csv", "--label-column", "intent", "--instruction", "Represent the mail: ")
    assert run(mails, "-o", "one.csv", *options, "--save-classifier", "c.json") == 0
    assert "held out, 16 examples: accuracy 100.0%" in capsys.readouterr().out
    assert Classifier.load("c.json").contract.instruction == "Represent the mail: "
    assert run(mails, "-o", "two.csv", "--classifier", "c.json") == 0
    assert read("one.csv") == read("two.csv")
    assert "instruction: 'Represent the mail: '\n" in capsys.readouterr().err


def test_scores_against_true_labels_are_printed(mails, capsys):
    write("mails.csv", [*MAILS, ("5", "refund", ""), ("6", "refund", "thanks")])
    options = ("--labels", "refund", "delivery", "--gold-column", "intent")
    assert run(mails, "-o", "out.csv", *options, "--quiet") == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("accuracy 80.0% (95%: ") and lines[0].endswith(" of 5 rows")
    assert lines[1].startswith("macro-F1 60.0% (95%: ")
    assert lines[2] == "true label none of the 2 classes, counted as wrong: 1 row"
    assert run(mails, "-o", "out.csv", *options, "--abstain-below", "1", "--json", "--quiet") == 0
    result = json.loads(capsys.readouterr().out)
    assert (result["rows"], result["abstained"], result["labels"]) == (6, 6, {"refund": 0, "delivery": 0})
    assert result["scores"]["accuracy"] == 0 and result["scores"]["answered_accuracy"] is None
    assert result["scores"]["n_unknown_labels"] == 1
    assert [row["label"] for row in read("out.csv")] == [""] * 6


def test_embedded_inputs_and_examples_are_not_encoded_again(mails, monkeypatch):
    write("labelled.csv", MAILS * 3)
    for name in ("mails", "labelled"):
        embed = ["embed", f"{name}.csv", "-o", f"{name}.parquet", "--column", "text", "--instruction", "a: "]
        assert main([*embed, "--quiet"]) == 0
    options = ("--label-column", "intent", "--quiet")
    assert run("mails.parquet", "-o", "one.csv", "--examples", "labelled.csv", *options) == 0
    assert run("mails.csv", "-o", "two.csv", "--column", "text", "--examples", "labelled.parquet", *options) == 0
    assert read("one.csv") == read("two.csv")

    def refuse(arguments):
        raise AssertionError("a model was opened")

    monkeypatch.setattr("instructvec.cli.classify.open_embedder", refuse)
    assert run("mails.parquet", "-o", "three.parquet", "--examples", "labelled.parquet", *options) == 0
    assert pq.read_table("three.parquet")["label"].to_pylist() == [row["label"] for row in read("one.csv")]


def test_columns_that_are_there_already_are_not_overwritten(mails, capsys):
    assert run(mails, "-o", "out.csv", "--labels", "a", "b", "--quiet") == 0
    assert run("out.csv", "-o", "again.csv", "--labels", "a", "b") == 2
    assert "the input has columns 'label' and 'probability' already" in capsys.readouterr().err
    assert run("out.csv", "-o", "again.csv", "--labels", "a", "b", "--prefix", "my_", "--quiet") == 0
    assert list(read("again.csv")[0])[-2:] == ["my_label", "my_probability"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "one of the arguments --labels --labels-file --examples --classifier is required"),
        (("--labels", "a"), "--labels: labels: ['a']; expected two labels or more"),
        (("--labels", "a", "b", "--label-column", "x"), "--label-column without --examples"),
        (("--labels", "a", "b", "--save-classifier", "c.json"), "--save-classifier without --examples"),
        (("--examples", "mails.csv", "--save-classifier", "c.pkl"), "expected a name that ends in .json"),
        (("--examples", "mails.csv", "--save-classifier", "no/c.json"), "no/c.json: there is no folder no"),
        (("--examples", "mails.csv"), "mails.csv: no column 'label' for the labels; the columns are 'id', 'text'"),
        (("--examples", "gaps.csv", "--label-column", "intent"), "gaps.csv, row 2: no label in column 'intent'"),
        (("--labels", "a", "b", "--abstain-below", "7"), "abstain_below is 7.0; expected a probability"),
        (("--labels", "a", "b", "--gold-column", "no"), "--gold-column 'no': no such column"),
        (("--labels-file", "none.txt"), "none.txt: cannot be read"),
        (("--classifier", "mails.csv"), "mails.csv: no classifier"),
    ],
)
def test_wrong_use_is_explained_and_nothing_is_written(mails, tmp_path, capsys, options, message):
    write("gaps.csv", [*MAILS[:1], ("2", "x", ""), *MAILS[2:]])
    assert run(mails, "-o", "out.csv", *options) == (1 if "no folder" in message else 2)
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()


def test_a_classifier_is_refused_by_another_model_or_instruction(mails, capsys):
    write("labelled.csv", MAILS)
    options = ("--examples", "labelled.csv", "--label-column", "intent", "--save-classifier", "c.json")
    assert run(mails, "-o", "out.csv", *options, "--quiet") == 0
    assert run(mails, "-o", "out.csv", "--classifier", "c.json", "--model", TINY) == 2
    assert "the classifier does not fit the vectors it is given" in capsys.readouterr().err
    assert run(mails, "-o", "out.csv", "--classifier", "c.json", "--instruction", "x: ") == 2
    assert "got 'x: '" in capsys.readouterr().err
