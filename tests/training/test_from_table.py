"""From a table to a model: what is written, what an interruption costs, and how long it may take."""

import json
import shutil

import pytest

from instructvec.checkpoints.layout import read_spec
from instructvec.embedder import Embedder
from instructvec.errors import ConfigError, OutputExists
from instructvec.training import table_recipe
from instructvec.training.columns import LabelColumns, PairColumns
from instructvec.training.from_table import TableRun, train_on_table
from tests.conftest import TINY
from tests.training.runs import Told
from tests.training.tables import faq, messages, source

SAID = "Represent the message: "
SCORES = {
    "metric": "accuracy",
    "n_units": 6,
    "before": {"score": 40.0, "instructed": False},
    "after": {"score": 50.0},
    "difference": {"value": 10.0, "interval": [-5.0, 25.0]},
}


class Measured:
    """Remembers what it was given."""

    def __init__(self):
        self.calls = []

    def __call__(self, made, start, trained):
        self.calls.append((made, start, trained))
        return SCORES


def opened(path):
    return Embedder(path, backend="torch", device="cpu")


@pytest.fixture
def run(tmp_path, tiny_start):
    def make(**options):
        usual = {
            "source": source(tmp_path / "table.jsonl", messages()),
            "columns": LabelColumns("message", "topic", SAID),
            "out": tmp_path / "out",
            "model": str(tiny_start),
            "overrides": {"batches.batch_size": "16", "compute.precision": "float32", "compute.device": "cpu"},
        }
        return TableRun(**(usual | options))

    return make


def test_a_table_gives_a_model_its_rows_its_recipe_and_scores(run):
    measure, told = Measured(), Told()
    result = train_on_table(run(), opened, measure, progress=told)
    out = run().out
    assert result.trained.finished
    assert result.scores == SCORES == json.loads((out / "table" / "scores.json").read_text())
    assert result.rows == {"read": 36, "train": 30, "held_out": 6, "triplets": 30, "left_out": {}}
    (made, start, trained), *others = measure.calls
    assert not others
    assert (len(made.train), len(made.held_out)) == (30, 6)
    assert start.fingerprint != trained.fingerprint == opened(out / "model").fingerprint
    assert "timing a few steps" in told.said
    assert told.started == (10, 0)  # few rows: no less than ten steps


def test_the_card_has_the_scores_once(run):
    train_on_table(run(), opened, Measured())
    (run().folder / "scores.json").unlink()
    train_on_table(run(), opened, Measured())
    card = (run().out / "model" / "README.md").read_text()
    assert card.count("## Scores") == 1
    assert "accuracy on 6 held-out rows of the table, which training did not see: 40.0 before (without" in card
    assert "change +10.0, 95% interval -5.0 to +25.0." in card
    assert "None were measured" not in card


def test_what_is_finished_is_not_done_again_and_what_is_interrupted_goes_on(run, tiny_start):
    measure = Measured()
    first = train_on_table(run(), opened, measure, steps_now=3)
    assert (first.trained.finished, first.scores, measure.calls) == (False, None, [])
    told = Told()
    second = train_on_table(run(), opened, measure, progress=told)
    assert second.trained.finished
    assert told.started[1] == 3
    assert "timing a few steps" not in told.said
    third = train_on_table(run(), opened, measure)
    assert len(measure.calls) == 1
    assert third.scores == second.scores
    (run().folder / "scores.json").unlink()
    train_on_table(run(), opened, measure)
    assert len(measure.calls) == 2


def test_another_table_model_or_option_in_the_same_folder_is_refused(run, tmp_path, tiny_start):
    train_on_table(run(), opened, Measured(), steps_now=1)
    with pytest.raises(OutputExists, match="minutes is 3.0, and was 10.0"):
        train_on_table(run(minutes=3.0), opened, Measured())
    (tmp_path / "other").mkdir()
    with pytest.raises(OutputExists, match="sha256 is"):
        train_on_table(run(source=source(tmp_path / "other" / "table.jsonl", messages(13))), opened, Measured())
    with pytest.raises(OutputExists, match="optimizer.learning_rate is"):
        overrides = run().overrides | {"optimizer.learning_rate": "1e-3"}
        train_on_table(run(overrides=overrides), opened, Measured())


def test_a_moved_folder_is_trained_on_by_its_recipe(run, tmp_path):
    train_on_table(run(), opened, Measured(), steps_now=1)
    shutil.move(run().folder, tmp_path / "elsewhere")
    recipe = table_recipe.read_recipe(tmp_path / "elsewhere" / "recipe.toml")
    assert recipe.data.mixture == str(tmp_path / "elsewhere" / "mixture")


def test_pairs_are_trained_on_under_both_instructions(run, tmp_path):
    columns = PairColumns("question", "answer")
    result = train_on_table(run(source=source(tmp_path / "f.csv", faq()), columns=columns), opened, Measured())
    assert result.trained.finished
    assert result.rows["triplets"] == 32


def test_steps_fit_the_minutes(run, monkeypatch):
    monkeypatch.setattr(table_recipe, "_seconds_per_step", lambda recipe, overrides: 2.0)
    monkeypatch.setattr(table_recipe, "PASSES", 1000)
    result = train_on_table(run(minutes=0.5), opened, Measured(), steps_now=1)
    assert not result.trained.finished
    assert table_recipe.read_recipe(run().folder / "recipe.toml").optimizer.steps == 15


def test_too_short_a_time_is_refused_and_given_steps_are_not_timed(run, monkeypatch):
    monkeypatch.setattr(table_recipe, "_seconds_per_step", lambda recipe, overrides: 60.0)
    with pytest.raises(
        ConfigError, match=r"minutes is 9, and a step takes 60.0 s here; .* --minutes, a smaller model"
    ):
        train_on_table(run(minutes=9), opened, Measured())
    overrides = run().overrides | {"optimizer.steps": "2"}
    assert train_on_table(run(minutes=9, overrides=overrides), opened, Measured()).trained.steps == 2


def test_the_bundled_model_which_has_graphs_only_is_trained_too(run):
    result = train_on_table(run(model="bundled"), opened, Measured())
    assert result.trained.finished
    assert read_spec(result.trained.model).has_weights
    assert "bundled" in (result.trained.model / "README.md").read_text()


def test_an_override_that_does_not_exist_is_refused_before_anything_is_written(run):
    with pytest.raises(ConfigError, match="unknown key 'optimiser'; did you mean 'optimizer'"):
        train_on_table(run(overrides={"optimiser.steps": "2"}), opened, Measured())
    assert not run().out.exists()


def test_a_model_keeps_its_joining(run):
    train_on_table(run(), opened, Measured(), steps_now=1)
    assert table_recipe.read_recipe(run().folder / "recipe.toml").model.joining == "prompt"
    other = run(model=str(TINY), out=run().out.with_name("other"))
    train_on_table(other, opened, Measured(), steps_now=1)
    assert table_recipe.read_recipe(other.folder / "recipe.toml").model.joining == "instructor"


@pytest.mark.parametrize(("options", "message"), [({"minutes": 0}, "minutes is 0"), ({"seed": -1}, "seed is -1")])
def test_options_out_of_range_are_refused(run, options, message):
    with pytest.raises(ConfigError, match=message):
        run(**options)
