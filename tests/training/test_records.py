"""The log: a line a step, cut where training goes on."""

import json

import pytest

from instructvec.errors import OutputError
from instructvec.training.records import Log, StepRecord, read_losses


def record(step, **changes):
    values = dict.fromkeys(StepRecord.__slots__, 0.0) | {"rows": 8, "tokens": 9, "padded": 9, "truncated": 0}
    return StepRecord(**(values | {"step": step, "units": ("faq",), "is_contrast": False} | changes))


def steps(path):
    return [json.loads(line)["step"] for line in path.read_text().splitlines()]


def test_lines_beyond_the_step_and_half_written_ones_are_cut(tmp_path):
    path = tmp_path / "log.jsonl"
    path.write_text(
        '{"step": 1, "loss": 2.0}\n{"step": 2, "loss": 1.0}\n{"step": 3, "loss": 0.5}\n{"step": 4, "lo'
    )
    log = Log(path, 2)
    log.add({"step": 3, "loss": 0.25})
    log.sync(), log.close()
    assert steps(path) == [1, 2, 3]
    assert read_losses(path) == [2.0, 1.0, 0.25]


def test_lines_are_there_at_once_and_scores_are_no_losses(tmp_path):
    path = tmp_path / "log.jsonl"
    log = Log(path, 0)
    log.add({"step": 0, "scores": {"a": 1.0}})
    assert steps(path) == [0] and read_losses(path) == []
    log.close()


def test_a_log_that_is_not_there_has_no_losses(tmp_path):
    assert read_losses(tmp_path / "log.jsonl") == []


def test_log_that_cannot_be_written_is_refused(tmp_path):
    with pytest.raises(OutputError, match=r"log.jsonl: cannot be written"):
        Log(tmp_path / "nowhere" / "log.jsonl", 0)


def test_values_are_the_numbers():
    values = record(3, loss=1.5, grad_norm=None).values
    assert values["loss"] == 1.5 and values["rows"] == 8
    assert not {"step", "units", "grad_norm", "is_contrast"} & values.keys()
