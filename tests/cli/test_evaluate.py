"""``instructvec evaluate``: what it prints, what it exits with, and that Ctrl-C leaves a readable report."""

import json
import shutil

import pytest

from instructvec.cli.main import BAD_INPUT, FAILED, INTERRUPTED, SUCCESS, main
from tests.conftest import TINY


def arguments(tiny_data, out, *more):
    suite = ["--suite", str(tiny_data / "tiny.toml")]
    return ["evaluate", *suite, "--models", str(TINY), "--out", str(out), "--resamples", "20", *more]


@pytest.mark.filterwarnings("ignore::instructvec.errors.TruncationWarning")
def test_writes_results_and_prints_means_by_kind(tiny_data, tmp_path, capsys):
    status = main(arguments(tiny_data, tmp_path, "--kinds", "sts", "retrieval", "--json"))
    out, err = capsys.readouterr()
    assert status == SUCCESS
    printed = json.loads(out)
    assert printed == json.loads((tmp_path / "results.json").read_text())
    assert set(printed[str(TINY)]) == {"Sts", "Retrieval"}
    assert "sts" in err and "all" in err and "report.html: complete" in err
    assert "instructvec" in json.loads((tmp_path / "report.json").read_text())["command"]


def test_a_task_that_cannot_be_run_is_told_and_the_exit_status_is_one(tiny_data, tmp_path, capsys):
    folder = shutil.copytree(tiny_data, tmp_path / "data")
    (folder / "Sts" / "data.jsonl.gz").write_bytes(b"not gzip")
    status = main(arguments(folder, tmp_path / "out", "--tasks", "Sts", "Clustering"))
    err = capsys.readouterr().err
    assert status == FAILED
    assert "partial" in err
    assert "data.jsonl.gz" in err
    assert json.loads((tmp_path / "out" / "results.json").read_text())[str(TINY)]["Clustering"]


@pytest.mark.filterwarnings("ignore::instructvec.errors.TruncationWarning")
def test_a_half_is_named_in_summary_and_results(tiny_data, tmp_path, capsys):
    more = ("--kinds", "sts", "--wordings", "first", "--half", "development", "--json")
    status = main(arguments(tiny_data, tmp_path, *more))
    out, err = capsys.readouterr()
    assert status == SUCCESS
    assert json.loads(out)[str(TINY)]["Sts"]["half"] == "development"
    assert "report.html: complete, development half" in err


def test_lists_tasks_without_running_any(capsys):
    assert main(["evaluate", "--suite", "paper", "--list", "--json"]) == SUCCESS
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) == 70
    assert main(["evaluate", "--list"]) == SUCCESS
    assert "Banking77Smoke" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--suite", "opne"], "suite is 'opne'"),
        (["--tasks", "STSBenchmrk"], "task is 'STSBenchmrk'"),
        (["--kinds", "stss"], "kind is 'stss'"),
        (["--models", "no/such/model"], "no/such/model"),
        (["--resamples", "-1"], "resamples is -1"),
        (["--reader", "x", "--limit", "1"], "limit is 1"),
    ],
)
def test_bad_options_are_refused_before_anything_runs(tmp_path, capsys, more, message):
    assert main(["evaluate", "--out", str(tmp_path / "out"), *more]) == BAD_INPUT
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out" / "results.json").exists()


def test_no_folder_for_the_results_is_refused(capsys):
    assert main(["evaluate"]) == BAD_INPUT
    assert "--out is missing" in capsys.readouterr().err


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path, capsys):
    (tmp_path / "out").write_text("")
    assert main(["evaluate", "--out", str(tmp_path / "out")]) == FAILED
    assert "a file; --out is a folder" in capsys.readouterr().err


def test_a_suite_without_its_data_names_the_option_that_gives_it(tmp_path, capsys):
    assert main(["evaluate", "--suite", "open", "--tasks", "STS17", "--out", str(tmp_path)]) == FAILED
    assert "--data FOLDER" in capsys.readouterr().err


def test_ctrl_c_leaves_a_partial_report_and_says_how_to_continue(tiny_data, tmp_path, capsys, monkeypatch):
    from instructvec.evaluation.cells import Cells

    scored, n_scored = Cells.scored, 0

    def interrupt_the_third(*given):
        nonlocal n_scored
        n_scored += 1
        if n_scored == 3:
            raise KeyboardInterrupt
        return scored(*given)

    monkeypatch.setattr(Cells, "scored", interrupt_the_third)
    assert main(arguments(tiny_data, tmp_path)) == INTERRUPTED
    assert "continue" in capsys.readouterr().err
    report = json.loads((tmp_path / "report.json").read_text())
    assert not report["complete"]
    assert len(next(iter(report["results"][str(TINY)].values()))["by_wording"]) == 2
