import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from instructvec.errors import InputError, OutputError
from instructvec.evaluation.mteb import MtebEncoder
from instructvec.evaluation.mteb_results import (
    ModelFacts,
    SubsetScores,
    TaskScores,
    mteb_model_name,
    mteb_revision,
    task_scores,
    write_mteb_results,
)
from instructvec.evaluation.suite import Suite, TaskSpec

pytest.importorskip("mteb")

from mteb.models import ModelMeta

from tests.evaluation import local_mteb as local
from tests.evaluation.local_mteb import mteb

MODEL = ModelFacts(
    name="instructvec/bundled", revision="0a1b-none-2c3d4e5f", dimension=384, max_tokens=256, backend="onnx"
)


def sts(score=0.8203, **more):
    found = SubsetScores(main_score=score, scores={"cosine_spearman": score, "cosine_pearson": 0.81}, **more)
    return TaskScores(
        mteb_name="STSBenchmark",
        subsets=(found,),
        dataset_revision="b0fddb56ed78048fa8b90373c8a3cfc37b684831",
        evaluation_time_s=1.5,
    )


def spec(name="STSBenchmark", kind="sts", **more):
    said = {
        "instruction": "Represent the sentence: ",
        "paraphrases": tuple(f"Wording {at}: " for at in range(5)),
        "tag": "tag: ",
        "simple": "Represent: ",
        "wrong": "Count: ",
    }
    return TaskSpec(
        name=name, kind=kind, licence="CC0-1.0", source="generated", folder=name, mteb_name=name, **said | more
    )


def suite(*tasks, name="local"):
    return Suite(name, "Generated rows.", "Represent it: ", tasks, Path("local.toml"))


def test_mteb_reads_the_results_back(tmp_path):
    paths = write_mteb_results(
        tmp_path, model=MODEL, results={"ours": sts()}, date=datetime(2024, 5, 6, tzinfo=UTC)
    )
    assert paths == [tmp_path / "results" / "instructvec__bundled" / MODEL.revision / "STSBenchmark.json"]
    result = mteb.TaskResult.from_disk(paths[0], load_historic_data=False)
    assert result.task_name == "STSBenchmark"
    assert result.main_score == 0.8203
    assert result.evaluation_time == 1.5
    assert result.date == datetime(2024, 5, 6, tzinfo=UTC)
    assert result.scores["test"][0]["cosine_pearson"] == 0.81
    assert result.languages == ["eng"]


def test_mteb_validates_the_results_as_its_tasks(tmp_path):
    write_mteb_results(tmp_path, model=MODEL, results={"ours": sts()})
    (found,) = mteb.ResultCache(tmp_path).load_results(validate_and_filter=True).model_results
    assert (found.model_name, found.model_revision) == (MODEL.name, MODEL.revision)
    assert [(one.task_name, one.get_score(languages=["eng"])) for one in found.task_results] == [
        ("STSBenchmark", 0.8203)
    ]


def test_older_load_results_of_mteb_reads_them_too(tmp_path, monkeypatch):
    write_mteb_results(tmp_path, model=MODEL, results={"ours": sts()})
    monkeypatch.setenv("MTEB_CACHE", str(tmp_path))
    with pytest.warns(DeprecationWarning, match="load_results"):
        (found,) = mteb.load_results(download_latest=False).model_results
    assert found.model_name == "instructvec/bundled"
    assert found.task_results[0].main_score == 0.8203


def test_mteb_reads_the_models_description_back(tmp_path):
    (path,) = write_mteb_results(tmp_path, model=MODEL, results={"ours": sts()})
    meta = ModelMeta.model_validate_json_resolved((path.parent / "model_meta.json").read_text())
    assert (meta.name, meta.revision, meta.embed_dim, meta.framework) == (
        MODEL.name,
        MODEL.revision,
        384,
        ["ONNX"],
    )


def test_mteb_takes_our_results_for_those_of_our_encoder(tiny, tmp_path):
    encoder = MtebEncoder(tiny, suite=None)
    scores = TaskScores(mteb_name="LocalSts", subsets=(SubsetScores(main_score=0.5),), dataset_revision="1")
    write_mteb_results(tmp_path, model=encoder.facts, results={"ours": scores})
    found = mteb.evaluate(encoder, local.LocalSts(), cache=mteb.ResultCache(tmp_path), show_progress_bar=False)
    assert found.task_results[0].main_score == 0.5


def test_other_models_and_tasks_stay(tmp_path):
    other = ModelFacts(name="org/other", revision="1")
    banking = TaskScores(mteb_name="Banking77Classification", subsets=(SubsetScores(main_score=0.8),))
    write_mteb_results(tmp_path, model=MODEL, results={"ours": sts()})
    write_mteb_results(tmp_path, model=other, results={"ours": sts()})
    write_mteb_results(tmp_path, model=MODEL, results={"ours": banking})
    write_mteb_results(tmp_path, model=MODEL, results={"ours": sts(0.9)})
    found = mteb.ResultCache(tmp_path).load_results().model_results
    scores = {(model.model_name, one.task_name): one.main_score for model in found for one in model.task_results}
    assert scores == {
        ("instructvec/bundled", "STSBenchmark"): 0.9,
        ("instructvec/bundled", "Banking77Classification"): 0.8,
        ("org/other", "STSBenchmark"): 0.8203,
    }


def test_tasks_that_mteb_has_not_are_left_out(tmp_path):
    ours = TaskScores(mteb_name=None, subsets=(SubsetScores(main_score=0.5),))
    assert write_mteb_results(tmp_path, model=MODEL, results={"Billboard": ours}) == []
    assert list(tmp_path.iterdir()) == []


def test_subsets_of_one_task_become_one_file(tmp_path):
    results = {"english": sts(0.7, hf_subset="en"), "german": sts(0.5, hf_subset="de", languages=("deu-Latn",))}
    (path,) = write_mteb_results(tmp_path, model=MODEL, results=results)
    result = mteb.TaskResult.from_disk(path)
    assert result.get_score(languages=["eng"]) == 0.7
    assert result.get_score() == pytest.approx(0.6)
    assert result.evaluation_time == 3.0


def test_undefined_figures_are_null(tmp_path):
    found = SubsetScores(main_score=0.5, scores={"cosine_pearson": float("nan"), "dot_pearson": 0.25})
    results = {"ours": TaskScores(mteb_name="STS12", subsets=(found,))}
    (path,) = write_mteb_results(tmp_path, model=MODEL, results=results)
    (entry,) = json.loads(path.read_text())["scores"]["test"]
    assert (entry["cosine_pearson"], entry["dot_pearson"], entry["main_score"]) == (None, 0.25, 0.5)
    assert mteb.TaskResult.from_disk(path).main_score == 0.5


def test_suites_tasks_are_renamed_to_mtebs():
    task = spec("AskUbuntuDupQuestions", "reranking", split="dev", subset="en", revision="c5691e3")
    found = task_scores(task, {"map": 0.6, "mrr": 0.7}, score=0.6, evaluation_time_s=2.0)
    (subset,) = found.subsets
    assert (found.mteb_name, found.evaluation_time_s) == ("AskUbuntuDupQuestions", 2.0)
    assert (subset.split, subset.hf_subset, subset.main_score) == ("dev", "en", 0.6)
    assert subset.scores == {"map_at_1000": 0.6, "mrr": 0.7}


@pytest.mark.parametrize(("same", "revision"), [(True, "c5691e3"), (False, "local")])
def test_data_that_differs_from_mtebs_has_no_hub_revision(same, revision):
    task = spec(revision="c5691e3", same_data_as_mteb=same)
    assert task_scores(task, {}, score=0.5).dataset_revision == revision


def test_writing_needs_no_mteb(tmp_path):
    code = (
        "import sys; sys.modules['mteb'] = None; from pathlib import Path\n"
        "from instructvec.evaluation.mteb_results import *\n"
        "scores = TaskScores(mteb_name='STS12', subsets=(SubsetScores(main_score=0.5),))\n"
        "model = ModelFacts(name='a/b', revision='1')\n"
        "write_mteb_results(Path(sys.argv[1]), model=model, results={'ours': scores})"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    assert (tmp_path / "results" / "a__b" / "1" / "STS12.json").is_file()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bundled", "instructvec/bundled"),
        ("hkunlp/instructor-large", "hkunlp/instructor-large"),
        ("/runs/final", "local/final"),
        ("./runs/a b__c/", "local/a-b-c"),
        ("one", "local/one"),
        ("a/b__c", "local/b-c"),
        ("..", "local/unnamed"),
    ],
)
def test_model_names(name, expected):
    assert mteb_model_name(name) == expected
    assert ModelFacts(name=expected, revision="1").name == expected


def test_directory_is_no_hub_id(tmp_path, monkeypatch):
    (tmp_path / "hkunlp" / "large").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert mteb_model_name("hkunlp/large") == "local/large"


def test_revisions_differ_with_whatever_changes_scores():
    task = spec()
    revisions = [
        mteb_revision("f" * 32, suite=None),
        mteb_revision("e" * 32, suite=None),
        mteb_revision("f" * 32, suite=None, dtype="int8"),
        mteb_revision("f" * 32, suite=None, max_seq_length=128),
        mteb_revision("f" * 32, suite=None, instructions={"STS": "Represent: "}),
        mteb_revision("f" * 32, suite=suite(task)),
        mteb_revision("f" * 32, suite=suite(spec(instruction="Represent the text: "))),
        mteb_revision("f" * 32, suite=suite(task, spec("STS12"))),
    ]
    assert len(set(revisions)) == len(revisions)
    assert mteb_revision("f" * 32, suite=suite(task, name="my suite")).startswith("f" * 32 + "-my-suite-")


def test_paraphrases_do_not_change_the_revision():
    other = spec(tag="another tag: ", wrong="Something else: ")
    assert mteb_revision("f" * 32, suite=suite(spec())) == mteb_revision("f" * 32, suite=suite(other))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ModelFacts(name="bundled", revision="1"), "model name is 'bundled'; mteb expects 'org/name'"),
        (lambda: ModelFacts(name="a/b__c", revision="1"), "no double underscore"),
        (lambda: ModelFacts(name="a/b", revision="../x"), r"revision is '\.\./x'; expected letters"),
        (lambda: SubsetScores(main_score=82.03), "main_score is 82.03; expected a fraction"),
        (lambda: SubsetScores(main_score=float("nan")), "main_score is nan"),
        (lambda: TaskScores(mteb_name="STS12", subsets=()), "STS12: no scores"),
        (lambda: TaskScores(mteb_name="../x", subsets=(SubsetScores(main_score=0.5),)), r"mteb_name is '\.\./x'"),
    ],
)
def test_what_mteb_could_not_read_is_refused(make, message):
    with pytest.raises(InputError, match=message):
        make()


def test_two_scores_for_one_subset_are_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="STSBenchmark: two scores for subset 'default' of split 'test'"):
        write_mteb_results(tmp_path, model=MODEL, results={"one": sts(), "two": sts()})
    assert list(tmp_path.iterdir()) == []


def test_two_revisions_of_one_task_are_refused(tmp_path):
    other = TaskScores(mteb_name="STSBenchmark", subsets=(SubsetScores(main_score=0.5, hf_subset="en"),))
    with pytest.raises(InputError, match=r"scores on the revisions b0fddb56.*, local of its data; expected one"):
        write_mteb_results(tmp_path, model=MODEL, results={"one": sts(), "two": other})


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "results").write_text("a file")
    with pytest.raises(OutputError, match=r"results.*cannot be written"):
        write_mteb_results(tmp_path, model=MODEL, results={"ours": sts()})
