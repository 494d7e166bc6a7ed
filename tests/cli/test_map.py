"""``instructvec map``: files in, one page or picture out."""

import json

import pytest

from instructvec.cli.main import main


@pytest.fixture
def rows(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = "".join(f'{at},"{what} number {at}",{what}\n' for at in range(10) for what in ("rain", "bread"))
    (tmp_path / "rows.csv").write_text(f"id,text,kind\n{lines}")
    return tmp_path


def test_a_page_of_two_instructions(rows, capsys):
    command = ["map", "rows.csv", "-o", "map.html", "--column", "text", "--colour", "kind", "--json"]
    assert main([*command, "--instruction", "Represent the noun: ", ""]) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert (result["texts"], result["method"]) == (20, "pca")
    assert [one["instruction"] for one in result["panels"]] == ["Represent the noun: ", ""]
    assert "map.html: 20 texts, pca" in err
    assert (rows / "map.html").read_text("utf-8").count("<canvas") == 2


def test_what_was_embedded_is_drawn_as_it_is_and_a_sample_is_said_to_be_one(rows, capsys):
    assert (
        main(["embed", "rows.csv", "-o", "e.parquet", "--column", "text", "--instruction", "a: ", "--quiet"]) == 0
    )
    assert main(["map", "e.parquet", "-o", "map.png", "--colour", "id", "--max-points", "15"]) == 0
    err = capsys.readouterr().err
    assert "map.png: 15 texts of 20, drawn at random (--max-points), pca" in err
    assert "instruction: 'a: '" in err
    assert (rows / "map.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["-o", "map.svg"], "output map.svg: the suffix '.svg' names no map; expected .html or .png"),
        (["-o", "m.html", "--colour", "knd"], "--colour 'knd': no such column in the input; the columns are"),
        (["-o", "m.html", "--instruction", "a", "b", "c"], "--instruction: 3 are given; expected one, or two"),
        (["-o", "m.html", "--instruction", "a", "a"], "--instruction: both are the same"),
        (["-o", "m.html", "--max-classes", "40"], "max_classes is 40; expected at most 12"),
        (
            ["-o", "m.html", "--colour", "kind", "--colour-as", "numbers"],
            "colours, row 1: 'rain'; expected a number",
        ),
    ],
)
def test_bad_usage_writes_nothing(rows, capsys, arguments, said):
    assert main(["map", "rows.csv", "--column", "text", *arguments]) == 2
    assert said in capsys.readouterr().err
    assert sorted(path.name for path in rows.iterdir()) == ["rows.csv"]


def test_an_output_without_its_folder_is_refused_before_any_work(rows, capsys):
    assert main(["map", "rows.csv", "--column", "text", "-o", "none/map.html"]) == 1
    assert "none/map.html: the folder none is not there; make it" in capsys.readouterr().err
