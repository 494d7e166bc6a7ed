"""The guide to mixtures, followed to the letter: its files, its commands, its program."""

import csv
import io
import json
import re
import shlex
from dataclasses import fields
from pathlib import Path

import pytest

from instructvec.cli.main import SUCCESS, main
from instructvec.medi.config import FormOptions, LabelOptions
from instructvec.medi.form_rows import MIN_FORMS
from instructvec.medi.forms import FORMS, read_forms
from instructvec.medi.manifest import MixtureRows, manifest_of
from instructvec.medi.mining.labels import DUPLICATE_COSINE
from instructvec.medi.registry import REGISTRY, Dataset, Source, read_registry
from tests.medi.small import csv_content, json_lines, questions, reviews, task_content, tasks

GUIDE = (Path(__file__).parents[2] / "docs" / "medi.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", GUIDE, re.DOTALL)


def commands():
    lines = [line.removeprefix("instructvec ") for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True) for line in lines if line.startswith("medi ")]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """What the guide says to write: the entries in ``mine.toml``, and their files."""
    tickets, faq, clicks, _ = blocks("toml")
    (tmp_path / "mine.toml").write_text("\n".join([tickets, faq, clicks]))
    (tmp_path / "tickets.csv").write_text(blocks("csv")[0])
    rows = [{"question": question, "title": "Help", "answer": answer} for question, answer in questions()]
    (tmp_path / "faq.jsonl").write_text(json_lines(rows))
    (tmp_path / "clicks.jsonl").write_text(blocks("json")[0])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_example_of_ones_own_data_becomes_rows(folder, capsys):
    listed, built = [one for one in commands() if "--own" in one]
    assert main(listed) == SUCCESS
    assert capsys.readouterr().err == "3 datasets: 1 label, 1 pair, 1 triplet\n"
    assert main(built) == SUCCESS
    rows = list(MixtureRows(manifest_of(folder / "mixture")))
    by_name = {name: [row for row in rows if row.dataset == name] for name in ("tickets", "faq", "clicks")}
    labels = {row["text"]: row["team"] for row in csv.DictReader(io.StringIO(blocks("csv")[0]))}
    for row in by_name["tickets"]:
        same, other = labels[row.positive.text], labels[row.negative.text]
        assert labels[row.query.text] == same != other
    assert len(by_name["tickets"]) == 6, "every text of the guide's example finds its partners"
    assert by_name["faq"][0].positive.text.startswith("Help\nto ")
    [click] = [json.loads(block) for block in blocks("json")]
    given = {(row.positive.text, row.negative.text) for row in by_name["clicks"] if row.rule == "given"}
    assert given == {(click["clicked"], skipped) for skipped in click["skipped"]}


def test_the_program_reads_a_mixture(folder, capsys):
    assert main([*commands()[-1], "--datasets", "clicks"]) == SUCCESS
    [program] = blocks("python")
    capsys.readouterr()
    exec(compile(program, "medi.md", "exec"), {})
    out = capsys.readouterr().out
    assert "Represent the shop query for retrieving products: " in out
    assert out.count("\n") == 1


def test_the_first_commands_build_from_a_checkout_kept_clear_of_an_evaluation(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    checkout = tmp_path / "DATA" / "natural-instructions" / "tasks"
    checkout.mkdir(parents=True)
    for name, rows in tasks().items():
        (checkout / f"{name}.json").write_text(task_content(rows))
    secret = tasks()["task0002_story"][0][0]
    (tmp_path / "EVALUATION").mkdir()
    (tmp_path / "EVALUATION" / "queries.jsonl").write_text(json_lines([{"_id": "1", "text": secret}]))
    listed, built, inspected = commands()[:3]
    for command in (listed, built, inspected):
        assert main(command) == SUCCESS
    texts = {row.query.text for row in MixtureRows(manifest_of(tmp_path / "mixture"))}
    assert len(texts) > 50
    assert secret not in texts
    assert "<!doctype html>" in (tmp_path / "mixture.html").read_text()[:100].lower()
    assert "shared with the evaluation: exact 0, normalised 0, n-gram 0" in capsys.readouterr().err


def test_two_label_columns_over_the_same_texts_are_two_entries(folder, capsys):
    """As the guide says, and then there are rows that only the instruction can tell apart."""
    (folder / "tickets.csv").write_text(csv_content([("text", "team", "mood"), *reviews()]))
    entry = blocks("toml")[0]
    second = entry.replace('"tickets"', '"moods"').replace('"team"', '"mood"')
    sentences = (
        "finding the team that solves it",
        "Which team is this ticket for?",
        "Sort this ticket by the team it goes to:",
    )
    for at, sentence in enumerate(sentences):
        assert sentence in second
        second = second.replace(sentence, f"finding how its writer feels {'!' * at}")
    (folder / "mine.toml").write_text(entry + second)
    assert main(commands()[-1]) == SUCCESS
    rows = list(MixtureRows(manifest_of(folder / "mixture")))
    assert {row.dataset for row in rows if row.rule == "other_goal"} == {"tickets", "moods"}


def test_the_forms_of_the_guide_are_sides_of_its_datasets(folder):
    path = folder / "forms.toml"
    path.write_text(blocks("toml")[-1])
    entries = read_registry([folder / "mine.toml"], bundled=False)
    found = read_forms([path]).chosen(entries)
    assert found.absent == []
    assert [place.form for place in found.places] == ["help text", "support ticket"]


def test_what_the_guide_says_of_forms_is_so():
    options, guide = FormOptions(), " ".join(GUIDE.split())
    said = "z is drawn from the 8 texts of other forms nearest to x, if its cosine is 0.42 or more and below 0.98"
    assert said in guide and (options.n_near, options.min_near, DUPLICATE_COSINE) == (8, 0.42, 0.98)
    assert "below 0.25 to x and below 0.3 to z" in guide and (options.max_far, options.max_far_other) == (
        0.25,
        0.3,
    )
    assert "1,100 texts of a form are looked at, of 15 to 700 characters" in guide
    assert (options.texts, options.min_characters, options.max_characters) == (1100, 15, 700)
    assert "10,000 groups come at most" in guide and options.groups == 10_000
    assert "fewer than four forms" in guide and MIN_FORMS == 4
    assert "src/instructvec/medi/forms.toml" in guide and FORMS.is_file()


def test_what_the_guide_says_of_labels_is_so():
    options, guide = LabelOptions(), " ".join(GUIDE.split())
    assert "2,000 texts of a dataset are looked at" in guide and options.texts == 2000
    assert "one subject from a cosine of 0.45; 400 groups" in guide
    assert (options.min_near, options.groups) == (0.45, 400)
    assert "fewer than 20 gives none" in guide and options.min_groups == 20
    assert "agreement above 0.75" in guide and options.max_agreement == 0.75
    assert "A quarter of `subject`'s have no instruction at all, and a quarter that of another dataset" in guide
    assert options.uninstructed == options.other_purposes == 0.25
    assert "400 texts of each dataset come once more" in guide and options.neighbours == 400


def test_the_guides_table_of_keys_is_that_of_entries():
    table = GUIDE[GUIDE.index("| key | what |") : GUIDE.index("Datasets on the hub")]
    named = set(re.findall(r"`([a-z_]+)`", table))
    known = {field.name for one in (Dataset, Source) for field in fields(one)}
    keys = set(re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE))
    assert {key for cell in keys for key in re.findall(r"`([a-z_]+)`", cell)} <= known
    assert known - {"origin", "folder"} <= named


def test_the_folder_that_the_guide_names_holds_the_registry():
    assert "src/instructvec/medi/registry/" in GUIDE
    assert REGISTRY.parts[-3:] == ("instructvec", "medi", "registry")
    assert len(read_registry()) > 900
