"""``instructvec train``: both forms of the command, what they print and exit with, and what they refuse."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from instructvec import Embedder
from instructvec.cli import train as command
from instructvec.cli.main import BAD_INPUT, INTERRUPTED, SUCCESS, main
from instructvec.training.recipe import read_recipe
from tests.conftest import TINY
from tests.training.made import usual, write_mixture
from tests.training.tables import faq, messages, write

RECIPE = f"""
name = "trial"
description = "A trial."

[model]
start = "{TINY}"

[data]
mixture = "mixture"

[batches]
batch_size = 8
least_rows = 2

[optimizer]
steps = 4

[compute]
precision = "float32"
device = "cpu"

[tracking]
tensorboard = false
"""
QUICK = ("--set", "optimizer.steps=3", "--set", "batches.batch_size=16", "--set", "compute.precision=float32")


@pytest.fixture
def recipe(tmp_path):
    write_mixture(tmp_path / "mixture", usual())
    (tmp_path / "trial.toml").write_text(RECIPE)
    return tmp_path / "trial.toml"


@pytest.fixture
def table(tmp_path):
    return write(tmp_path / "messages.csv", messages())


def trained(*arguments):
    return main(["train", *map(str, arguments)])


def on_table(table, out, *more):
    return trained(
        table, "--text-column", "message", "--label-column", "topic", "--model", TINY, "--out", out, *more
    )


# recipes


def test_a_recipe_is_trained_and_the_result_is_a_model(recipe, tmp_path, capsys):
    assert trained(recipe, "--out", tmp_path / "out", "--json") == SUCCESS
    out, err = capsys.readouterr()
    printed = json.loads(out)
    assert printed["finished"] and printed["steps"] == 4
    assert printed["model"] == str(tmp_path / "out" / "model")
    assert "out: 4 steps in" in err and "out/model: the trained model" in err
    assert Embedder(tmp_path / "out" / "model").encode("a").shape == (32,)


def test_a_run_that_is_stopped_goes_on_and_a_finished_one_says_so(recipe, tmp_path, capsys):
    out = tmp_path / "out"
    assert trained(recipe, "--out", out, "--steps-now", 2) == SUCCESS
    assert "not finished: run the same command again to go on" in capsys.readouterr().err
    assert trained(recipe, "--out", out) == SUCCESS
    assert "going on from step 2 of 4" in capsys.readouterr().err
    assert trained(recipe, "--out", out, "--quiet", "--json") == SUCCESS
    printed, err = capsys.readouterr()
    assert err == ""
    assert json.loads(printed)["finished"]


def test_the_folder_of_a_recipe_is_called_after_it(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert trained("trial.toml", "--steps-now", 1, "--quiet") == SUCCESS
    assert (tmp_path / "runs" / "trial" / "recipe.toml").is_file()


def test_options_and_data_may_be_set_over_the_recipe(recipe, tmp_path, capsys):
    write_mixture(tmp_path / "other", usual()[:40])
    more = ("--data", tmp_path / "other", "--set", "optimizer.steps=2", "--set", "name=renamed")
    assert trained(recipe, "--out", tmp_path / "out", *more) == SUCCESS
    written = (tmp_path / "out" / "recipe.toml").read_text()
    assert f'mixture = "{tmp_path / "other"}"' in written
    assert "steps = 2" in written and 'name = "renamed"' in written


def test_another_recipe_in_the_same_folder_is_refused_by_what_differs(recipe, tmp_path, capsys):
    assert trained(recipe, "--out", tmp_path / "out", "--steps-now", 1) == SUCCESS
    assert trained(recipe, "--out", tmp_path / "out", "--set", "optimizer.learning_rate=1e-3") == BAD_INPUT
    assert "optimizer.learning_rate is 0.001, and 2e-05 in the other" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore::instructvec.errors.TruncationWarning")
def test_a_suite_is_scored_before_during_and_after(recipe, tmp_path, tiny_data, capsys):
    more = ["--set", f"evaluation.suite={tiny_data / 'tiny.toml'}", "--set", "evaluation.every=2"]
    more += ["--set", 'evaluation.kinds=["sts"]', "--suite-data", tiny_data]
    assert trained(recipe, "--out", tmp_path / "out", "--json", *more) == SUCCESS
    out, err = capsys.readouterr()
    scores = json.loads(out)["scores"]
    assert [one["step"] for one in scores] == [0, 2, 4]
    assert all(set(one["values"]) == {"mean", "sts", "Sts"} for one in scores)
    assert "  step 0: mean " in err and "  step 4: mean " in err


def test_ctrl_c_keeps_the_last_checkpoint_and_says_how_to_go_on(recipe, tmp_path):
    arguments = ["train", str(recipe), "--out", str(tmp_path / "out"), "--set", "optimizer.steps=100000"]
    arguments += ["--set", "checkpoints.every=2"]
    process = subprocess.Popen(
        [sys.executable, "-m", "instructvec", *arguments], stderr=subprocess.PIPE, text=True, env=_environment()
    )
    checkpoints, until = tmp_path / "out" / "checkpoints", time.monotonic() + 100
    while not any(checkpoints.glob("step-*")) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == INTERRUPTED
    assert "run the same command again to go on from the last checkpoint" in err
    assert any(checkpoints.glob("step-*"))


def _environment():
    return {name: value for name, value in os.environ.items() if name not in ("RANK", "WORLD_SIZE")}


# tables


def test_labelled_texts_give_a_model_with_scores_before_and_after(table, tmp_path, capsys):
    assert on_table(table, tmp_path / "out", *QUICK, "--json") == SUCCESS
    out, err = capsys.readouterr()
    printed = json.loads(out)
    assert printed["rows"] == {"read": 36, "train": 30, "held_out": 6, "triplets": 30, "left_out": {}}
    held_out = printed["held_out"]
    assert held_out["metric"] == "accuracy" and held_out["n_units"] == 6
    assert held_out == json.loads((tmp_path / "out" / "table" / "scores.json").read_text())
    lines = err.splitlines()
    assert f"{table}: 36 rows, 30 to train on, 6 held out" in lines
    assert "accuracy on 6 held-out rows, with 95% intervals:" in lines
    for word, key in (("before", "before"), ("after", "after")):
        line = next(line for line in lines if line.startswith(f"  {word}"))
        assert f"{held_out[key]['score']:.2f} [" in line
    assert any(line.startswith("  change ") for line in lines)
    assert any("few_shot_accuracy" in line for line in lines)
    said = "Represent the text for classification: "
    assert Embedder(tmp_path / "out" / "model").encode("the ship", said).shape == (32,)


def test_pairs_give_a_model_and_the_folder_is_not_trained_in_twice(tmp_path, capsys):
    table = write(tmp_path / "faq.jsonl", faq())
    arguments = [table, "--query-column", "question", "--positive-column", "answer", "--model", TINY]
    arguments += ["--out", tmp_path / "out", *QUICK]
    assert trained(*arguments) == SUCCESS
    assert "ndcg_at_10 on 8 held-out rows" in capsys.readouterr().err
    assert trained(*arguments) == SUCCESS
    again = capsys.readouterr().err
    assert "is finished: 3 steps" in again and "ndcg_at_10 on 8 held-out rows" in again
    assert trained(*arguments, "--seed", 7) == BAD_INPUT
    assert "seed is 7, and was 42" in capsys.readouterr().err


def test_a_table_stopped_in_between_has_no_scores_yet(table, tmp_path, capsys):
    assert on_table(table, tmp_path / "out", *QUICK, "--steps-now", 1, "--json") == SUCCESS
    out, err = capsys.readouterr()
    assert json.loads(out)["held_out"] is None
    assert "not finished: run the same command again" in err
    assert on_table(table, tmp_path / "out", *QUICK, "--quiet", "--json") == SUCCESS
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out)["held_out"]["after"]["score"] >= 0


def test_what_was_left_out_is_told(tmp_path, capsys):
    rows = [*messages(), {"message": "", "topic": "sea"}, messages()[0]]
    table = write(tmp_path / "messages.jsonl", rows)
    assert on_table(table, tmp_path / "out") == BAD_INPUT
    assert "messages.jsonl, line 37: column 'message' is empty" in capsys.readouterr().err
    assert on_table(table, tmp_path / "out", *QUICK, "--on-error", "skip", "--steps-now", 1) == SUCCESS
    assert "  left out: cannot be read or lacks a text 1, the same text again 1" in capsys.readouterr().err


# what is refused


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["t.csv", "--out", "o"], "what do its columns hold? Give --label-column"),
        (["t.csv", "--label-column", "topic"], "--out is missing"),
        (["t.csv", "--out", "o", "--label-column", "a", "--query-column", "b"], "--query-column is for pairs"),
        (["t.csv", "--out", "o", "--label-column", "a", "--symmetric"], "--symmetric is for pairs"),
        (["t.csv", "--out", "o", "--query-column", "a"], "--positive-column is missing"),
        (
            ["t.csv", "--out", "o", "--query-column", "a", "--positive-column", "b", "--text-column", "c"],
            "--text-column is for labelled texts",
        ),
        (
            ["t.csv", "--out", "o", "--query-column", "a", "--positive-column", "b", "--symmetric",
             "--document-instruction", "D: "],
            "--symmetric says both sides share --instruction",
        ),
        (["t.csv", "--out", "o", "--label-column", "a", "--data", "mixture"], "--data is for recipes"),
        (["t.csv", "--out", "o", "--label-column", "a", "--suite-data", "d"], "--suite-data is for recipes"),
        (["r.toml", "--label-column", "a"], "--label-column is for tables"),
        (["r.toml", "--minutes", "3"], "--minutes is for tables"),
        (["r.toml", "--set", "optimizer.steps"], "--set 'optimizer.steps' has no KEY=VALUE"),
        (["r.toml"], "r.toml: cannot be read"),
        (["t.json", "--out", "o", "--label-column", "a"], "write one object a line as .jsonl"),
        (["t.csv", "--out", "o", "--label-column", "a", "--held-out", "0.9"], "t.csv"),
    ],
)  # fmt: skip
def test_options_that_do_not_fit_are_refused(tmp_path, monkeypatch, capsys, arguments, message):
    monkeypatch.chdir(tmp_path)
    model = ["--model", str(TINY)] if arguments[0] != "r.toml" else []
    assert trained(*arguments, *model) == BAD_INPUT
    assert message in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("value", ["0", "-1", "nan", "inf", "soon"])
def test_minutes_are_a_number_above_0(capsys, value):
    assert trained("t.csv", f"--minutes={value}") == BAD_INPUT
    assert "no number of minutes above 0" in capsys.readouterr().err


def test_no_model_given_is_the_bundled_one(table, tmp_path):
    columns = ["--text-column", "message", "--label-column", "topic"]
    assert trained(table, *columns, "--out", tmp_path / "out", "--set", "optimizer.steps=2") == 0
    assert read_recipe(tmp_path / "out" / "table" / "recipe.toml").model.start == "bundled"
    assert Embedder(tmp_path / "out" / "model").dimension == 384


def test_a_table_is_not_trained_on_by_torchrun(table, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert on_table(table, tmp_path / "out") == BAD_INPUT
    assert (
        f"start torchrun with the recipe {tmp_path / 'out' / 'table' / 'recipe.toml'}" in capsys.readouterr().err
    )


@pytest.mark.parametrize(
    ("difference", "told"),
    [([0.5, 2.0], None), ([-1.0, 2.0], "has 0 in it"), ([-3.0, -1.0], "became worse on these rows")],
)
def test_a_change_that_is_none_or_for_the_worse_is_told_plainly(difference, told):
    from instructvec.cli.train_table import _scores_told

    one = {"score": 50.0, "interval": [40.0, 60.0], "instructed": False, "metrics": {"accuracy": 50.0, "f1": 49.0}}
    change = {"value": sum(difference) / 2, "interval": difference, "p": 0.1}
    scores = {"metric": "accuracy", "n_units": 9, "before": one, "after": one, "difference": change}
    lines = list(_scores_told(scores))
    assert "  before   50.00 [40.0, 60.0]  (without instruction, the better of both)" in lines
    assert (told is None) == lines[-1].startswith("  f1")
    assert told is None or told in lines[-1]


def test_help_shows_both_forms(capsys):
    assert main(["train", "--help"]) == SUCCESS
    shown = capsys.readouterr().out
    assert "instructvec train recipe.toml --set" in shown
    assert "instructvec train messages.csv --text-column" in shown
    assert command.parser().parse_args(["x.csv"]).on_error is None


def test_the_examples_command_is_accepted_and_its_columns_are_there():
    folder = Path(__file__).parents[2]
    text = (folder / "examples" / "README.md").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [line for line in text.splitlines() if line.startswith("instructvec train ")]
    assert lines
    for line in lines:
        arguments = command.parser().parse_args(shlex.split(line)[2:])
        header = (folder / arguments.input).read_text(encoding="utf-8").splitlines()[0].split(",")
        assert {arguments.text_column or "text", arguments.label_column} <= set(header)
