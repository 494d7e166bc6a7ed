"""``instructvec cluster``: rows come out with clusters, groups are printed, wrong use is explained."""

import csv
import json
from pathlib import Path

import pytest

from instructvec.cli.main import main

TEXTS = ["red wine", "white wine", "the wine was good", "a train", "the trains", "a late train", "trains"]


@pytest.fixture
def notes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Path("notes.csv").open("w", newline="") as file:
        rows = [(text, "drink" if "wine" in text else "travel") for text in TEXTS]
        csv.writer(file).writerows([("text", "topic"), *rows])
    return "notes.csv"


def read(name):
    with Path(name).open(newline="") as file:
        return list(csv.DictReader(file))


def run(*arguments):
    return main(["cluster", *map(str, arguments)])


def test_rows_get_a_cluster_and_its_name_and_groups_are_printed(notes, capsys):
    assert run(notes, "-o", "out.csv", "--clusters", "2", "--gold-column", "topic") == 0
    rows = read("out.csv")
    assert list(rows[0]) == ["text", "topic", "cluster", "cluster_name"]
    assert [row["cluster"] for row in rows] == ["1"] * 3 + ["0"] * 4
    assert rows[0]["cluster_name"] == "wine"
    printed = capsys.readouterr()
    lines = printed.out.splitlines()
    assert lines[0].split() == ["cluster", "texts", "name", "central", "text"]
    assert lines[1].split()[:2] == ["0", "4"] and lines[2].split()[:3] == ["1", "3", "wine"]
    assert lines[3] == "v-measure 100.0%"
    assert "7 rows in 2 clusters" in printed.err and "Represent the text for clustering: " in printed.err


def test_json_tells_the_clusters_and_how_their_number_was_chosen(notes, capsys):
    assert run(notes, "-o", "out.jsonl", "--json", "--quiet") == 0
    result = json.loads(capsys.readouterr().out)
    assert result["rows"] == 7 and sum(one["size"] for one in result["clusters"]) == 7
    chosen = {one["clusters"]: one["silhouette"] for one in result["silhouettes"]}
    assert len(result["clusters"]) in chosen and result["v_measure"] is None
    assert "chosen by silhouette" in result["notes"][0]
    assert set(result["clusters"][0]["central_texts"]) <= set(TEXTS)


def test_texts_in_no_cluster_have_no_name(notes, capsys):
    assert run(notes, "-o", "out.csv", "--algorithm", "hdbscan", "--min-cluster-size", "7") == 0
    assert {(row["cluster"], row["cluster_name"]) for row in read("out.csv")} == {("-1", "")}
    assert "(in no cluster)" in capsys.readouterr().out


def test_vectors_alone_are_clustered(notes):
    assert main(["embed", notes, "-o", "v.npy", "--column", "text", "--quiet"]) == 0
    assert run("v.npy", "-o", "out.csv", "--clusters", "2", "--quiet") == 0
    assert [row["cluster"] for row in read("out.csv")] == ["1"] * 3 + ["0"] * 4


def test_what_is_there_already_is_not_overwritten(notes, capsys):
    assert run(notes, "-o", "out.csv", "--clusters", "2", "--quiet") == 0
    assert run("out.csv", "-o", "again.csv", "--clusters", "2") == 2
    assert "the input has columns 'cluster' and 'cluster_name' already" in capsys.readouterr().err
    assert run("out.csv", "-o", "again.csv", "--clusters", "2", "--prefix", "b_", "--quiet") == 0
    assert list(read("again.csv")[0])[-2:] == ["b_cluster", "b_cluster_name"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--clusters", "8"), "n_clusters is 8, with 7 texts"),
        (("--clusters", "0"), "'0' is not a whole number from 1"),
        (("--algorithm", "hdbscan", "--clusters", "2"), "n_clusters with hdbscan"),
        (("--min-cluster-size", "3"), "min_cluster_size is an option of hdbscan"),
        (("--gold-column", "no"), "--gold-column 'no': no such column"),
        (("--gold-column", "text", "--column", "no"), "no column 'no'"),
    ],
)
def test_wrong_use_is_explained_and_nothing_is_written(notes, tmp_path, capsys, options, message):
    assert run(notes, "-o", "out.csv", *options) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out.csv").exists()
    assert run(notes, "-o", "out.xlsx") == 2
    assert "names no kind of table" in capsys.readouterr().err


def test_a_folder_that_is_not_there_is_named_before_anything_is_read(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert run("none.csv", "-o", "no/out.csv") == 1
    assert "no/out.csv: there is no folder no; make it first" in capsys.readouterr().err
