"""What lies in a run's folder, and what came of it."""

import pytest

from instructvec.errors import FileError
from instructvec.training.run_folder import RunFolder, Scored, Trained
from tests.training.runs import tiny_recipe


@pytest.fixture
def folder(tmp_path):
    made = RunFolder(tmp_path)
    made.model.mkdir()
    return made


def test_result_is_read_again(folder):
    scores = (Scored(0, {"a": 1.0}), Scored(5, {"a": 2.0}))
    trained = Trained(folder.model, 5, True, (2.0, 1.0), 3.5, scores, {"rows": 40})
    folder.finish(trained)
    assert folder.finished() == trained


def test_result_of_no_steps_is_read_again(folder):
    trained = Trained(folder.model, 0, True, None, 0.0)
    folder.finish(trained)
    assert folder.finished() == trained


def test_unfinished_and_modelless_runs_have_no_result(tmp_path, folder):
    assert folder.finished() is None
    folder.finish(Trained(folder.model, 5, True, None, 0.0))
    folder.model.rmdir()
    assert folder.finished() is None


def test_damaged_result_is_refused(folder):
    folder.finish(Trained(folder.model, 5, True, None, 0.0))
    (folder.path / "finished.json").write_text("{}")
    with pytest.raises(FileError, match=r"finished.json: damaged .* remove it"):
        folder.finished()


def test_recipe_is_kept_as_it_was_begun(tmp_path, tiny_start):
    folder = RunFolder(tmp_path / "new")
    recipe = tiny_recipe(tiny_start)
    folder.check(recipe)
    with folder.held():
        folder.begin(recipe)
    folder.check(recipe)
    assert "learning_rate = 0.001" in folder.recipe.read_text()
