"""Whole evaluations over a tiny suite: every kind, wordings, continuing, and what cannot be run."""

import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest

from instructvec.corpus.cache import CachedEncoder, digest
from instructvec.errors import CheckpointNotFound, ConfigError
from instructvec.evaluation.cells import Ready, Resampling, _Embedding
from instructvec.evaluation.folder import evaluate_into
from instructvec.evaluation.halves import half_of
from instructvec.evaluation.run import NONE, EvaluateConfig
from instructvec.evaluation.scoring import plan
from instructvec.evaluation.sources.load import load
from instructvec.evaluation.suite import KINDS, read_suite
from instructvec.types import HALVES
from tests.evaluation.fake import FakeEncoder

KINDS_HERE = set(KINDS) - {"instruction_retrieval"}


class Silent:
    def __init__(self):
        self.total = self.done = 0
        self.said = []

    def start(self, n_chars):
        self.total = n_chars

    def grow(self, n_chars):
        self.total += n_chars

    def add(self, n_chars, *, known):
        self.done += n_chars

    def say(self, what):
        self.said.append(what)


def config_of(suite, out, **changes):
    options = {"models": ("good",), "resampling": Resampling(20, 42)} | changes
    return EvaluateConfig(suite=suite, out=out, **options)


ENCODERS = {"good": {}, "noisy": {"noise": 1.5}, "flat": {"constant": True}, "broken": {"nan_for": "judge"}}


def run(config, encoders=None, progress=None):
    made = encoders if encoders is not None else {}

    def open_encoder(name):
        if name not in ENCODERS:
            raise CheckpointNotFound(f"{name}: no such directory")
        return made.setdefault(name, FakeEncoder(name, **ENCODERS[name]))

    return evaluate_into(config, open_encoder, progress or Silent())


@pytest.fixture(scope="module")
def whole(tiny_suite, tmp_path_factory):
    """Two models, one also without instructions, under all wordings."""
    out = tmp_path_factory.mktemp("whole")
    report = run(config_of(tiny_suite, out, models=("good", "good@none", "noisy"), wordings="all"))
    return out, report


def test_every_kind_is_scored_for_every_model(whole):
    out, report = whole
    found = json.loads((out / "results.json").read_text())
    assert report["errors"] == []
    assert report["complete"]
    for model in ("good", "good@none", "noisy"):
        assert {one["kind"] for one in found[model].values()} == KINDS_HERE


def test_results_hold_the_public_contract(whole):
    out, _ = whole
    for tasks in json.loads((out / "results.json").read_text()).values():
        for one in tasks.values():
            assert {"kind", "metric", "score", "interval", "by_instruction"} <= set(one)
            assert -100 <= one["score"] <= 100
            assert one["score"] == next(iter(one["by_instruction"].values()))
            low, high = one["interval"]
            assert low <= high


def test_clean_vectors_beat_noisy_ones_and_the_difference_is_significant(whole):
    _, report = whole
    over_all = next(
        one for one in report["comparisons"] if (one["a"], one["b"], one["over"]) == ("good", "noisy", "all")
    )
    assert over_all["interval"][0] > 0
    assert report["kinds"]["good"]["all"]["score"] > report["kinds"]["noisy"]["all"]["score"]


def test_all_wordings_are_run_and_named(whole, tiny_suite):
    _, report = whole
    one = report["results"]["good"]["Sts"]
    labels = [
        "instruction",
        *(f"paraphrase {at}" for at in range(1, 6)),
        "none",
        "tag",
        "simple",
        "placebo",
        "wrong",
    ]
    assert list(one["by_wording"]) == labels
    assert one["by_wording"]["placebo"]["instruction"] == tiny_suite.placebo
    assert one["spread"]["worst"] <= one["spread"]["mean"] <= one["spread"]["best"]


def test_a_model_without_instructions_has_one_wording_and_no_spread(whole):
    _, report = whole
    one = report["results"]["good@none"]["Sts"]
    assert list(one["by_instruction"]) == [""]
    assert one["spread"] is None


def test_without_instructions_is_the_same_as_the_wording_none(whole):
    _, report = whole
    for name, one in report["results"]["good"].items():
        assert one["by_wording"]["none"]["score"] == pytest.approx(report["results"]["good@none"][name]["score"])


def test_retrieval_tells_its_robustness_over_wordings(whole):
    _, report = whole
    metrics = report["results"]["good"]["Retrieval"]["metrics"]
    assert 0 <= metrics["robustness_at_10"] <= metrics["ndcg_at_10"]


def test_following_has_a_matrix_and_how_far_vectors_move(whole):
    _, report = whole
    found = report["following"]["good"]["Following"]
    assert set(found["v_measure"]) == set(found["goals"]) == {"topic", "style"}
    assert found["sensitivity"]["between"] > 0
    assert report["map"]["task"] == "Following"
    assert len(report["map"]["points"]["topic"]) == len(report["map"]["texts"])


def test_ranks_put_the_better_model_first_under_each_wording(whole):
    _, report = whole
    assert all(report["ranks"]["good"][label] < rank for label, rank in report["ranks"]["noisy"].items())


def test_the_page_is_written_and_asks_for_nothing_else(whole):
    out, _ = whole
    page = (out / "report.html").read_text()
    assert "good" in page
    assert not re.search(r"""(?:src=|url\(|@import|<link[^>]*href=)\s*["']?(?:https?:)?//""", page)


def test_documents_stay_under_their_own_instruction_unless_both_are_reworded(tiny_suite, tmp_path):
    for reword, expected in (("query", 1), ("both", 6)):
        encoders = {}
        run(config_of(tiny_suite, tmp_path / reword, tasks=("Retrieval",), reword=reword), encoders)
        texts = {"".join(batch): said for batch, said in encoders["good"].asked}
        assert texts
        documents = {said for batch, said in encoders["good"].asked if len(batch) > 9}
        assert len(documents) == expected


def test_running_again_encodes_and_scores_nothing_and_finds_the_same(tiny_suite, tmp_path, monkeypatch):
    first = run(config_of(tiny_suite, tmp_path))
    monkeypatch.setattr("instructvec.evaluation.cells.bootstrap", lambda *a, **k: pytest.fail("scored again"))
    encoders = {}
    again = run(config_of(tiny_suite, tmp_path), encoders)
    assert encoders["good"].asked == []
    assert again["results"] == first["results"]


def test_fresh_scores_again_from_the_same_vectors(tiny_suite, tmp_path):
    first = run(config_of(tiny_suite, tmp_path))
    encoders = {}
    again = run(config_of(tiny_suite, tmp_path, fresh=True), encoders)
    assert encoders["good"].asked == []
    assert {name: one["score"] for name, one in again["results"]["good"].items()} == {
        name: one["score"] for name, one in first["results"]["good"].items()
    }


def test_changed_data_are_scored_anew(tiny_data, tmp_path):
    folder = shutil.copytree(tiny_data, tmp_path / "data")
    suite = read_suite(folder / "tiny.toml")
    first = run(config_of(suite, tmp_path / "out", tasks=("Sts",)))
    import gzip

    path = folder / "Sts" / "data.jsonl.gz"
    rows = gzip.decompress(path.read_bytes()).decode().splitlines()
    path.write_bytes(gzip.compress("\n".join(rows[::2]).encode()))
    second = run(config_of(suite, tmp_path / "out", tasks=("Sts",)))
    counts = [one["results"]["good"]["Sts"]["n_units"] for one in (first, second)]
    assert counts == [36, 18]


def test_an_interruption_leaves_a_partial_report_and_the_next_run_continues(tiny_suite, tmp_path):
    encoder = FakeEncoder("good", interrupt_after=400)
    with pytest.raises(KeyboardInterrupt):
        evaluate_into(config_of(tiny_suite, tmp_path), lambda name: encoder, Silent())
    partial = json.loads((tmp_path / "report.json").read_text())
    assert not partial["complete"]
    assert partial["results"]["good"]
    assert "partial" in (tmp_path / "report.html").read_text().lower()
    encoders = {}
    report = run(config_of(tiny_suite, tmp_path), encoders)
    assert report["complete"]
    asked_anew = {(text, said) for batch, said in encoders["good"].asked for text in batch}
    asked_before = {(text, said) for batch, said in encoder.asked for text in batch}
    assert not asked_anew & asked_before


def test_a_task_whose_data_are_missing_is_named_and_the_others_run(tiny_data, tmp_path):
    folder = shutil.copytree(tiny_data, tmp_path / "data")
    shutil.rmtree(folder / "Sts")
    report = run(config_of(read_suite(folder / "tiny.toml"), tmp_path / "out"))
    assert [(one["task"], one["model"]) for one in report["errors"]] == [("Sts", "")]
    assert not report["complete"]
    assert set(report["results"]["good"]) == {task.name for task in read_suite(folder / "tiny.toml").tasks} - {
        "Sts"
    }


def test_vectors_that_are_not_finite_are_named_by_model_and_task(tiny_suite, tmp_path):
    report = run(config_of(tiny_suite, tmp_path, models=("good", "broken"), tasks=("Sts",)))
    (error,) = report["errors"]
    assert (error["model"], error["task"]) == ("broken", "Sts")
    assert "NaN" in error["message"]
    assert "Sts" in report["results"]["good"]


def test_constant_vectors_are_refused_where_nothing_can_be_ordered(tiny_suite, tmp_path):
    report = run(config_of(tiny_suite, tmp_path, models=("flat",), tasks=("Sts", "Classification")))
    assert [one["task"] for one in report["errors"]] == ["Sts"]
    assert "Classification" in report["results"]["flat"]


def test_nothing_that_could_be_run_is_told_without_a_report(tiny_suite, tmp_path):
    report = run(config_of(tiny_suite, tmp_path, models=("broken",), tasks=("Sts",)))
    assert report["results"] == {"broken": {}}
    assert report["errors"]


def test_a_model_that_cannot_be_opened_stops_before_anything_is_encoded(tiny_suite, tmp_path):
    encoders = {}
    with pytest.raises(CheckpointNotFound, match="absent"):
        run(config_of(tiny_suite, tmp_path, models=("good", "absent")), encoders)
    assert encoders["good"].asked == []


def test_limit_draws_the_same_rows_for_every_model(tiny_suite, tmp_path):
    tasks = tuple(task.name for task in tiny_suite.tasks if task.kind != "following")
    options = {"models": ("good", "noisy"), "limit": 5, "wordings": "first", "tasks": tasks}
    report = run(config_of(tiny_suite, tmp_path, **options))
    assert report["errors"] == []
    for name in report["results"]["good"]:
        units = {report["results"][model][name]["n_units"] for model in ("good", "noisy")}
        assert len(units) == 1
    assert report["results"]["good"]["Sts"]["n_units"] == 5


def test_a_limit_too_low_for_a_task_is_told_by_that_task(tiny_suite, tmp_path):
    report = run(config_of(tiny_suite, tmp_path, limit=5, tasks=("Sts", "Following")))
    (error,) = report["errors"]
    assert error["task"] == "Following"
    assert "samples_per_label" in error["message"]


@pytest.fixture(scope="module")
def halves(tiny_suite, tmp_path_factory):
    """Reports and folders by half, made one after the other with a cache in common; following needs more texts."""
    folder = tmp_path_factory.mktemp("halves")
    tasks = tuple(task.name for task in tiny_suite.tasks if task.kind != "following")
    encoders = {}
    found = {}
    for half in HALVES:
        options = {"half": half, "tasks": tasks, "wordings": "first", "cache": folder / "cache"}
        found[half] = run(config_of(tiny_suite, folder / half, **options), encoders)
    return folder, found, encoders["good"].asked


def test_the_halves_of_every_task_are_scored_and_together_are_the_whole(halves):
    _, found, _ = halves
    assert [report["errors"] for report in found.values()] == [[], [], []]
    for name, one in found["all"]["results"]["good"].items():
        parts = [found[half]["results"]["good"][name]["n_units"] for half in ("development", "test")]
        assert min(parts) >= 1
        assert sum(parts) == one["n_units"]


def test_results_and_report_say_which_half_was_measured(halves):
    folder, found, _ = halves
    for half, report in found.items():
        assert report["half"] == half
        written = json.loads((folder / half / "results.json").read_text())
        assert {one["half"] for one in written["good"].values()} == {half}
        assert (f"{half} half of the test data" in (folder / half / "report.html").read_text()) == (half != "all")


def test_halves_share_embeddings_but_no_figures(halves, tiny_suite):
    folder, found, asked = halves
    encoded = [(text, said) for batch, said in asked for text in batch]
    assert len(set(encoded)) == len(encoded)
    assert len(list((folder / "cache" / "cells").iterdir())) == 3 * len(found["all"]["results"]["good"])
    scores = [{name: one["score"] for name, one in found[half]["results"]["good"].items()} for half in HALVES]
    assert scores[0] != scores[1] != scores[2] != scores[0]


def test_figures_of_equal_rows_are_kept_apart_by_their_half(tiny_suite):
    task = next(task for task in tiny_suite.tasks if task.kind == "sts")
    whole = load(task, data_folder=None, suite_folder=tiny_suite.path.parent)
    keys = {
        digest(_Embedding(CachedEncoder(FakeEncoder(), None), ready, NONE).decisive())
        for half in HALVES
        for ready in [Ready(task, replace(whole, half=half), plan(task, whole.data))]
    }
    assert len(keys) == 3


def test_a_half_of_which_nothing_is_left_is_told_by_its_task_and_the_others_run(tiny_data, tmp_path):
    folder = shutil.copytree(tiny_data, tmp_path / "data")
    (folder / "Sts" / "data.jsonl.gz").unlink()
    text = next(word for word in "abcdefgh" if half_of(word) == "test")
    rows = [{"a": text, "b": f"b{at}", "score": at} for at in range(10)]
    (folder / "Sts" / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"tasks": ("Sts", "Clustering"), "half": "development", "wordings": "first"}
    report = run(config_of(read_suite(folder / "tiny.toml"), tmp_path / "out", **options))
    (error,) = report["errors"]
    assert error["task"] == "Sts"
    assert "development half: first texts of the pairs: none is in the development half" in error["message"]
    assert set(report["results"]["good"]) == {"Clustering"}


@pytest.mark.parametrize("half", HALVES)
def test_only_the_whole_is_written_as_a_result_of_mteb(tiny_suite, tmp_path, half):
    ours = replace(next(task for task in tiny_suite.tasks if task.kind == "sts"), mteb_name="STSBenchmark")
    config = config_of(replace(tiny_suite, tasks=(ours,)), tmp_path, half=half, wordings="first")
    assert run(config)["errors"] == []
    assert [path.name for path in tmp_path.glob("mteb/**/STSBenchmark.json")] == (
        ["STSBenchmark.json"] if half == "all" else []
    )


def test_progress_reaches_what_was_announced(tiny_suite, tmp_path):
    progress = Silent()
    run(config_of(tiny_suite, tmp_path, models=("good", "good@none")), progress=progress)
    # Sensitivity and the map look a few texts up again.
    assert progress.total > 0
    assert progress.done >= progress.total
    assert progress.done <= 1.3 * progress.total


def test_no_resampling_gives_no_intervals(tiny_suite, tmp_path):
    report = run(
        config_of(tiny_suite, tmp_path, models=("good", "noisy"), tasks=("Sts",), resampling=Resampling(0, 1))
    )
    assert report["results"]["good"]["Sts"]["interval"] is None
    assert report["comparisons"][0]["interval"] is None


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"models": ()}, "no models"),
        ({"models": ("a", "a")}, "'a' is named twice"),
        ({"tasks": ("Stss",)}, "task is 'Stss'"),
        ({"kinds": ("stss",)}, "kind is 'stss'"),
        ({"kinds": ("sts",), "tasks": ("Retrieval",)}, "no task"),
        ({"limit": 1}, "limit is 1"),
        ({"half": "dev"}, "half is 'dev'; expected one of all, development, test"),
    ],
)
def test_options_out_of_range_are_refused(tiny_suite, tmp_path, changes, message):
    with pytest.raises(ConfigError, match=message):
        config_of(tiny_suite, tmp_path, **changes)


def test_two_runs_of_one_evaluation_share_a_cache_folder(tiny_suite, tmp_path):
    run(config_of(tiny_suite, tmp_path / "a", cache=tmp_path / "cache", tasks=("Sts",)))
    encoders = {}
    run(config_of(tiny_suite, tmp_path / "b", cache=tmp_path / "cache", tasks=("Sts",)), encoders)
    assert encoders["good"].asked == []
    assert np.isfinite(json.loads((tmp_path / "b" / "results.json").read_text())["good"]["Sts"]["score"])


def test_a_reader_that_cannot_be_had_is_named_and_the_reader_free_figures_are_there(tiny_suite, tmp_path):
    report = run(config_of(tiny_suite, tmp_path, tasks=("PromptRetrieval", "Sts"), reader="no/such/reader"))
    (error,) = report["errors"]
    assert error["task"] == "reader no/such/reader"
    assert set(report["results"]["good"]) == {"PromptRetrieval", "Sts"}


def test_a_reader_that_no_task_needs_is_not_opened(tiny_suite, tmp_path):
    assert run(config_of(tiny_suite, tmp_path, tasks=("Sts",), reader="no/such/reader"))["errors"] == []


def test_a_reader_answers_once_and_its_figures_stand_beside_the_others(tiny_suite, tmp_path, monkeypatch):
    class Parrot:
        name = "parrot"
        max_prompt_tokens = None
        n_asked = 0

        def __init__(self, name):
            pass

        def count_tokens(self, texts):
            return [len(text.split()) for text in texts]

        def complete(self, prompts):
            """The output of the last, that is the nearest, demonstration."""
            type(self).n_asked += len(prompts)
            return [prompt.rsplit("Output: ", 1)[1].split("\n", 1)[0] for prompt in prompts]

    monkeypatch.setattr("instructvec.evaluation.run.Reader", Parrot)
    for _ in range(2):
        report = run(config_of(tiny_suite, tmp_path, tasks=("PromptRetrieval",), reader="parrot"))
        assert report["errors"] == []
    found = report["results"]["good"]["PromptRetrieval"]
    assert Parrot.n_asked == found["reader"]["n_inputs"] == 12
    assert found["metrics"]["reader_exact_match"] == found["metrics"]["reader_rouge_l"] > 50


def test_a_fault_in_one_task_costs_only_that_task(tiny_suite, tmp_path, monkeypatch):
    def broken(*given):
        raise ZeroDivisionError("by design")

    monkeypatch.setattr("instructvec.evaluation.protocols.sts", broken)
    report = run(config_of(tiny_suite, tmp_path, tasks=("Sts", "Clustering")))
    (error,) = report["errors"]
    assert (error["task"], "ZeroDivisionError: by design" in error["message"]) == ("Sts", True)
    assert "Clustering" in report["results"]["good"]
