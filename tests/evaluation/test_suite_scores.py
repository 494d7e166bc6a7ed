"""The few numbers that training asks for now and then."""

import shutil
from statistics import fmean

import pytest

from instructvec.errors import ConfigError, EvaluationIncomplete
from instructvec.evaluation.suite import read_suite
from instructvec.evaluation.suite_scores import suite_scores
from tests.evaluation.fake import FakeEncoder


@pytest.mark.filterwarnings("ignore::instructvec.errors.TruncationWarning")
def test_scores_are_the_tasks_their_kinds_and_the_mean_over_kinds(tiny_suite, tmp_path):
    found = suite_scores(tmp_path, lambda name: FakeEncoder(), suite=tiny_suite, kinds=("sts", "retrieval"))
    values = found.values
    assert {"mean", "sts", "retrieval", "Sts", "Retrieval"} == set(values)
    assert values["mean"] == pytest.approx(fmean([values["sts"], values["retrieval"]]))
    assert values["sts"] == values["Sts"]
    assert 0 < values["sts"] <= 100
    assert found.left_out == []


def test_a_half_gives_other_scores_than_the_other(tiny_suite, tmp_path):
    def of(half):
        return suite_scores(
            tmp_path, lambda name: FakeEncoder(noise=1.0), suite=tiny_suite, tasks=("Sts",), half=half
        ).values["mean"]

    assert of("development") != of("test")


def test_the_model_is_opened_by_its_directory(tiny_suite, tmp_path):
    names = []
    suite_scores(tmp_path, lambda name: names.append(name) or FakeEncoder(), suite=tiny_suite, tasks=("Sts",))
    assert names == [str(tmp_path)]


def test_a_task_without_data_is_left_out_and_told(tiny_data, tmp_path):
    folder = shutil.copytree(tiny_data, tmp_path / "data")
    (folder / "Sts" / "data.jsonl.gz").write_bytes(b"not gzip")
    suite = read_suite(folder / "tiny.toml")
    found = suite_scores(tmp_path, lambda name: FakeEncoder(), suite=suite, kinds=("sts", "clustering"))
    assert "sts" not in found.values
    assert len(found.left_out) == 1 and found.left_out[0].startswith("Sts: ")
    with pytest.raises(EvaluationIncomplete, match="1 tasks of the suite tiny could not be scored: Sts: "):
        suite_scores(tmp_path, lambda name: FakeEncoder(), suite=suite, kinds=("sts",))


def test_a_model_that_fails_on_a_task_has_no_scores(tiny_suite, tmp_path):
    broken = FakeEncoder(nan_for="ship")
    with pytest.raises(EvaluationIncomplete, match="Sts: the model gave NaN"):
        suite_scores(tmp_path, lambda name: broken, suite=tiny_suite, tasks=("Sts", "Clustering"))


def test_an_unknown_task_is_refused(tiny_suite, tmp_path):
    with pytest.raises(ConfigError, match="task is 'St'"):
        suite_scores(tmp_path, lambda name: FakeEncoder(), suite=tiny_suite, tasks=("St",))
