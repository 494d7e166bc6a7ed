"""``instructvec demonstrations`` writes prompts under a budget, or texts worth annotating."""

import json

import pytest

from instructvec.cli.main import main
from tests.conftest import TINY

POOL = """id,text,answer,topic
p1,What is 2 + 2?,4,sums
p2,Who wrote Faust?,Goethe,books
p3,What is 3 + 3?,6,sums
p4,Who wrote Emma?,Austen,books
"""
NEW = "text,topic\nWho wrote Emma?,novels\nWhat is 5 + 4?,maths\n"


@pytest.fixture
def files(tmp_path):
    (tmp_path / "pool.csv").write_text(POOL)
    (tmp_path / "new.csv").write_text(NEW)
    return tmp_path


def run(capsys, folder, *options, out="out.jsonl", pool="pool.csv", column="text"):
    given = [folder / "new.csv", "-o", folder / out, *(["--pool", folder / pool] if pool else [])]
    status = main(["demonstrations", *map(str, given), "--column", column, *map(str, options)])
    said = capsys.readouterr()
    path = folder / out
    rows = [json.loads(line) for line in path.read_text().splitlines()] if status == 0 and out[-1] == "l" else []
    return status, rows, said.out, said.err


def test_prompts_show_the_nearest_last_and_never_the_input(files, capsys):
    status, rows, _, said = run(capsys, files, "--output-column", "answer", "-k", 1, "--id-column", "id")
    assert status == 0
    assert rows[0]["prompt"] == "Input: Who wrote Faust?\nOutput: Goethe\n\nInput: Who wrote Emma?\nOutput:"
    assert rows[0]["demonstrations"] == ["p2"]
    assert list(rows[0]) == ["text", "topic", "prompt", "demonstrations", "similarities"]
    assert "2 prompts with 1.0 examples on average (1 to 1)" in said
    assert "instruction: 'Represent the text for retrieval: ' (--instruction changes it)" in said
    rows = run(capsys, files, "--output-column", "answer")[1]
    assert [len(row["demonstrations"]) for row in rows] == [3, 4]
    assert 3 not in rows[0]["demonstrations"]


def test_a_template_with_columns_and_line_ends(files, capsys):
    rows = run(
        capsys, files, "--output-column", "answer", "-k", 1, "--template", r"[{topic}]\nQ: {input}\nA: {output}"
    )[1]
    assert rows[0]["prompt"] == "[books]\nQ: Who wrote Faust?\nA: Goethe\n\n[novels]\nQ: Who wrote Emma?\nA:"
    status, _, _, said = run(capsys, files, "--template", "{input} {tpoic}")
    assert status == 2
    assert "{tpoic} is no column of the pool; known are {id}, {text}, {answer}, {topic}, {input}" in said


def test_budgets_hold(files, capsys):
    options = ["--output-column", "answer", "--json"]
    status, rows, printed, said = run(capsys, files, *options, "--budget-characters", 85)
    assert status == 0
    assert max(len(row["prompt"]) for row in rows) == json.loads(printed)["longest_prompt"] <= 85
    assert "characters of a prompt: " in said
    status, rows, printed, _ = run(capsys, files, *options, "--budget-tokens", 90, "--tokenizer", TINY)
    assert status == 0
    assert json.loads(printed)["unit"] == "tokens"
    assert 0 < json.loads(printed)["longest_prompt"] <= 90
    status, _, _, said = run(capsys, files, *options, "--budget-characters", 20)
    assert status == 2
    assert "input 1: has 30 characters by itself" in said
    status, rows, printed, said = run(capsys, files, *options, "--budget-characters", 29, "--on-error", "skip")
    assert status == 0
    assert json.loads(printed)["over_budget"] == [0]
    assert "1 inputs exceed the budget by themselves and have no examples: rows 1" in said
    assert "1 inputs have no examples: the nearest is too long" in said


def test_vectors_of_a_pool_are_used_and_set_the_instruction(files, capsys):
    vectors = files / "pool.parquet"
    for said in ([], ["--instruction", "x: "]):
        made = ["embed", str(files / "pool.csv"), "-o", str(vectors), "--column", "text", "--overwrite", "--quiet"]
        assert main([*made, *said]) == 0
        status, rows, _, told = run(capsys, files, "-k", 1, "--output-column", "answer", pool="pool.parquet")
        assert status == 0, told
        assert rows[0]["demonstrations"] == [1]
        assert f"instruction: {said[1] if said else ''!r}" in told
    status, _, _, told = run(capsys, files, "--instruction", "y: ", pool="pool.parquet")
    assert status == 2
    assert "made under the instruction 'x: ', not 'y: '" in told


def test_texts_to_annotate(files, capsys):
    status, _, printed, said = run(capsys, files, "--annotate", 1, "--json", out="out.csv", pool=None)
    assert status == 0
    assert (files / "out.csv").read_text().splitlines()[0] == "text,topic,votes"
    assert len(json.loads(printed)["rows"]) == 1
    assert "1 of 2 texts to annotate" in said
    status, _, _, said = run(capsys, files, "--annotate", 3, pool=None)
    assert status == 2
    assert "k is 3; there are 2 texts to choose from" in said


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--budget-tokens", "9"], "--budget-tokens needs --tokenizer"),
        (["--tokenizer", "t.json"], "--tokenizer without --budget-tokens"),
        (["--max-example-tokens", "9"], "--max-example-tokens without --budget-tokens"),
        (
            ["--budget-tokens", "9", "--budget-characters", "9"],
            "--budget-tokens and --budget-characters: both given",
        ),
        (["--budget-tokens", "9", "--tokenizer", "nowhere.json"], "tokenizer nowhere.json: no such file"),
        (["--output-column", "nothing"], "--output-column 'nothing': no such column"),
        (["--pool-column", "nothing"], "nothing"),
    ],
)
def test_wrong_options_are_refused_and_nothing_is_written(files, capsys, options, message):
    status, _, _, said = run(capsys, files, *options)
    assert status == 2
    assert message in said
    assert not (files / "out.jsonl").exists()


def test_annotating_takes_no_options_of_prompts(files, capsys):
    status, _, _, said = run(capsys, files, "--annotate", 1, "--template", "{input}", pool=None)
    assert status == 2
    assert "--annotate with --template: that is for prompts" in said
