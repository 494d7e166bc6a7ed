"""A whole build: what is in a mixture, what makes it anew, and what a broken input becomes."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from instructvec.errors import ConfigError, EngineError, FileError, InputError, OutputError, OutputExists
from instructvec.medi import stages
from instructvec.medi.build import build
from instructvec.medi.config import LabelOptions
from instructvec.medi.formats import read_medi_json
from instructvec.medi.manifest import MixtureRows, manifest_of
from instructvec.medi.registry import read_registry
from instructvec.medi.stages import Silent
from instructvec.medi.triplets import to_table
from instructvec.medi.work import Work
from tests.evaluation.fake import FakeEncoder
from tests.medi.small import ENTRIES, Project, json_lines, questions, reviews, task_content, tasks

NAMES = sorted(ENTRIES)
IN_PROCESS = """
import sys
from pathlib import Path
from instructvec.medi.build import build
from tests.evaluation.fake import FakeEncoder
from tests.medi.small import Project
project = Project(Path(sys.argv[1]))
build(project.config(out=project.folder / sys.argv[2], medi_json=True), FakeEncoder())
"""


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture(scope="module")
def built_once(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("built"))
    build(project.config(), FakeEncoder())
    return project.folder


@pytest.fixture
def built(built_once, tmp_path):
    """A project whose default mixture is there, with its cache."""
    return Project(shutil.copytree(built_once, tmp_path / "project"))


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """A project with evaluation folders that hold some of its texts, and the mixture built against them."""
    project = Project(tmp_path_factory.mktemp("evaluated"))
    against = write_evaluation(project.folder / "eval")
    return project, against, build(project.config(against=(against,), medi_json=True), FakeEncoder()).manifest


def write_evaluation(folder):
    """Three sets: a question as it is, a review in other case, an answer's first eight words."""
    texts = {
        "Exact": [{"query": next(questions())[0]}],
        "Normalised": [{"text": next(reviews())[0].upper() + "!", "label": "food"}],
        "Run": [{"text": "They said: to print your photo press print beside the, and went."}],
    }
    for name, rows in texts.items():
        (folder / name).mkdir(parents=True)
        (folder / name / "data.jsonl").write_text(
            json_lines([*rows, {"text": "nothing of the kind is in any set"}])
        )
    return folder


def rows_of(out):
    return list(MixtureRows(manifest_of(out)))


def by_name(manifest):
    return {one["name"]: one for one in manifest["datasets"]}


def shards(out):
    """Name -> bytes, of all but the manifest."""
    return {path.name: path.read_bytes() for path in out.iterdir() if path.name != "manifest.json"}


def lasting(manifest):
    """What must be the same in every run."""
    return {name: value for name, value in json.loads(json.dumps(manifest)).items() if name != "created"}


@pytest.fixture
def made(monkeypatch):
    """What the stages were called for, in order: ``["prepare faq", ...]``."""
    calls = []
    for stage in ("prepare", "mine"):
        whole = getattr(stages, stage)

        def told(entry, *given, stage=stage, whole=whole, **more):
            calls.append(f"{stage} {entry.name}")
            return whole(entry, *given, **more)

        monkeypatch.setattr(stages, stage, told)
    contrast = stages.contrast

    def contrasted(a, b, *given, **more):
        calls.append(f"contrast {a.entry.name} {b.entry.name}")
        return contrast(a, b, *given, **more)

    monkeypatch.setattr(stages, "contrast", contrasted)
    return calls


# What is in a mixture.


def test_every_rule_gives_rows_and_the_manifest_counts_them(evaluated):
    project, _, manifest = evaluated
    rows = rows_of(project.out)
    rules = Counter(row.rule for row in rows)
    assert set(rules) == {
        "given", "class", "text_output", "labelled", "mined", "other_goal", "wrong_instruction"
    }  # fmt: skip
    assert manifest["totals"]["rules"] == dict(sorted(rules.items()))
    assert manifest["totals"]["triplets"] == len(rows) == sum(shard["rows"] for shard in manifest["shards"])
    assert manifest["totals"]["kinds"] == Counter(row.kind for row in rows)
    for name, facts in by_name(manifest).items():
        own = [row for row in rows if row.dataset == name]
        assert facts["rules"] == Counter(row.rule for row in own)
        assert facts["triplets"] == len(own)
    assert manifest == json.loads((project.out / "manifest.json").read_text())


def test_manifest_says_where_everything_is_from(evaluated):
    project, _, manifest = evaluated
    facts = by_name(manifest)
    assert list(facts) == NAMES
    assert manifest["licences"].keys() == {"MIT", "our own", "CC BY-NC 4.0"}
    assert facts["faq"]["commercial"] == "no"
    for one in facts.values():
        [file] = one["files"]
        [path] = project.data.rglob(file["name"])
        assert file["bytes"] == path.stat().st_size
        assert len(file["sha256"]) == 64
        assert one["read"] == one["rows"] + sum(one["dropped"].values())
    assert sum(one["weight"] for one in facts.values()) == pytest.approx(1, abs=1e-6)
    assert manifest["options"]["mining"]["wrong_instruction"] == 0.2
    assert "out" not in manifest["options"]
    assert manifest["model"]["fingerprint"]
    assert str(project.folder) not in (project.out / "manifest.json").read_text()


def test_instructions_are_those_of_the_registry(evaluated):
    project, _, _ = evaluated
    entries = {one.name: one for one in read_registry([project.registry], bundled=False)}
    for row in rows_of(project.out):
        entry = entries[row.dataset]
        assert row.query.instruction in entry.query.all
        assert row.positive.instruction in entry.document.all
        if row.rule != "wrong_instruction":
            assert row.negative.instruction == row.positive.instruction


def test_two_goals_of_the_same_texts_swap_positive_and_negative(evaluated):
    project, _, manifest = evaluated
    groups = {}
    for row in rows_of(project.out):
        if row.rule == "other_goal":
            groups.setdefault(row.group, []).append(row)
        else:
            assert row.group is None
    labels = {text: {"topic": topic, "mood": mood} for text, topic, mood in reviews()}
    assert manifest["contrasts"] == [{"a": "mood", "b": "topic", "shared": 63, "rows": 2 * len(groups)}]
    for one, other in groups.values():
        assert {one.dataset, other.dataset} == {"mood", "topic"}
        assert one.query.text == other.query.text
        assert (one.positive.text, one.negative.text) == (other.negative.text, other.positive.text)
        assert one.query.instruction != other.query.instruction
        for row in (one, other):
            texts = (row.query.text, row.positive.text, row.negative.text)
            query, positive, negative = (labels[text][row.dataset] for text in texts)
            assert query == positive != negative


def test_wrong_instructions_differ_in_nothing_but_the_negatives_instruction(evaluated):
    project, _, _ = evaluated
    rows = rows_of(project.out)
    wrong = [row for row in rows if row.rule == "wrong_instruction"]
    for row in wrong:
        assert row.negative.text == row.positive.text
        assert row.negative.instruction != row.positive.instruction
        assert any(
            (other.query, other.positive) == (row.query, row.positive) and other.rule != "wrong_instruction"
            for other in rows
        )


def test_medi_json_holds_the_same_rows(evaluated):
    project, _, manifest = evaluated
    rows = [row for row in rows_of(project.out) if row.negative is not None]
    read = list(read_medi_json(project.out / "medi-data.json"))
    assert [(row.query, row.positive, row.negative, row.dataset) for row in read] == [
        (row.query, row.positive, row.negative, row.dataset) for row in rows
    ]
    assert manifest["medi_json"]["rows"] == len(rows)


def test_rows_lie_in_shards_of_the_size_asked_for(project):
    manifest = build(project.config(shard_rows=100), FakeEncoder()).manifest
    sizes = [shard["rows"] for shard in manifest["shards"]]
    assert all(size == 100 for size in sizes[:-1])
    assert 0 < sizes[-1] <= 100
    assert len(sizes) > 2
    rows = rows_of(project.out)
    build(project.config(), FakeEncoder())
    assert rows_of(project.out) == rows
    assert [path.name for path in project.out.glob("shard-*")] == ["shard-00000.parquet"]
    assert pq.read_table(project.out / "shard-00000.parquet").equals(to_table(rows))


# What is left out.


def test_evaluation_texts_are_left_out_and_counted_by_set_and_reason(evaluated):
    project, _, manifest = evaluated
    facts = by_name(manifest)
    assert facts["faq"]["dropped"] == {"in_evaluation_exact": 1, "in_evaluation_n-gram": 1}
    assert facts["topic"]["dropped"] == facts["mood"]["dropped"] == {"in_evaluation_normalised": 1}
    assert manifest["protected"] == [
        {"name": "eval/Exact", "texts": 2, "hits": {"exact": 1}},
        {"name": "eval/Normalised", "texts": 2, "hits": {"normalised": 2}},
        {"name": "eval/Run", "texts": 2, "hits": {"n-gram": 1}},
    ]
    texts = {side.text for row in rows_of(project.out) for side in (row.query, row.positive, row.negative)}
    assert next(reviews())[0] not in texts
    assert next(questions())[0] not in texts


def test_independent_check_finds_nothing_left(evaluated):
    _, _, manifest = evaluated
    check = manifest["check"]
    assert check["texts"] > 190
    assert check["protected"] == 4
    assert (check["exact"], check["normalised"], check["n-gram"]) == (0, 0, 0)
    assert check["examples"] == []


def test_independent_check_finds_what_the_first_missed(project, monkeypatch):
    against = write_evaluation(project.folder / "eval")
    monkeypatch.setattr("instructvec.medi.decontaminate.Protected.match", lambda self, texts: [None] * len(texts))
    check = build(project.config(against=(against,)), FakeEncoder()).manifest["check"]
    assert (check["exact"], check["normalised"], check["n-gram"]) == (1, 1, 1)
    assert any(
        "eval/Exact/data.jsonl, line 1: how do i open my account today?" in one for one in check["examples"]
    )


def test_renamed_evaluation_folder_keeps_its_counts(evaluated, tmp_path):
    project, against, manifest = evaluated
    moved = shutil.copytree(against, tmp_path / "beir")
    for path in against.rglob("*.jsonl"):
        shutil.copystat(path, moved / path.relative_to(against))
    config = project.config(against=(moved,), out=tmp_path / "out", cache=project.cache)
    protected = build(config, FakeEncoder()).manifest["protected"]
    assert [one["hits"] for one in protected] == [one["hits"] for one in manifest["protected"]]
    assert [one["name"] for one in protected] == ["beir/Exact", "beir/Normalised", "beir/Run"]


def test_doubles_are_left_out_within_a_dataset_and_over_pairs(project):
    pairs = [{"q": q, "a": a} for q, a in questions()]
    (project.data / "faq.jsonl").write_text(json_lines([*pairs, pairs[3] | {"q": pairs[3]["q"].upper()}]))
    (project.data / "faq2.jsonl").write_text(json_lines(pairs[:2]))
    project.registry.with_name("more.toml").write_text(ENTRIES["faq"].replace('"faq', '"faq2'))
    config = project.config(registries=(project.registry.parent,), choice={"kinds": ("pair",)})
    facts = by_name(build(config, FakeEncoder()).manifest)
    assert facts["faq"]["dropped"] == {"duplicate": 1}
    assert facts["faq2"]["dropped"] == {"duplicate_elsewhere": 2}


def test_of_the_same_pair_the_dataset_with_its_own_negatives_keeps_it(project):
    clicks = [json.loads(line) for line in (project.data / "clicks.jsonl").read_text().splitlines()]
    asked = [{"q": one["query"], "a": one["clicked"]} for one in clicks]
    (project.data / "asked.jsonl").write_text(json_lines(asked))
    project.registry.with_name("more.toml").write_text(ENTRIES["faq"].replace('"faq', '"asked'))
    config = project.config(registries=(project.registry.parent,), choice={"names": ("asked", "clicks", "faq")})
    facts = by_name(build(config, FakeEncoder()).manifest)
    assert facts["asked"]["rows"] == 0
    assert facts["asked"]["dropped"] == {"duplicate_elsewhere": len(clicks)}
    assert facts["clicks"]["rows"] == len(clicks)


def test_filters_leave_out_and_count(project):
    with (project.data / "faq.jsonl").open("a") as file:
        file.write(json_lines([{"q": "[deleted]", "a": "an answer"}, {"q": "same here", "a": "Same here!"}]))
    facts = by_name(build(project.config(), FakeEncoder()).manifest)["faq"]
    assert facts["dropped"] == {"boilerplate": 1, "same_sides": 1}
    assert (facts["read"], facts["rows"]) == (27, 25)


# How much of what.


def counts(manifest):
    """Rows of each dataset, contrasts not counted."""
    contrasts = ("other_goal", "wrong_instruction")
    return {
        one["name"]: sum(n for rule, n in one["rules"].items() if rule not in contrasts)
        for one in manifest["datasets"]
    }


def test_cap_takes_so_many_of_each_and_those_with_a_negative_first(project):
    pairs = [{"query": "no skip", "clicked": f"thing {n}", "skipped": None} for n in range(30)]
    (project.data / "clicks.jsonl").write_text(json_lines(pairs) + (project.data / "clicks.jsonl").read_text())
    found = build(project.config(mixture={"cap": 10}), FakeEncoder()).manifest
    assert set(counts(found).values()) == {10}
    assert all(row.negative is not None for row in rows_of(project.out))
    assert by_name(found)["clicks"]["available"] == {"given": 48}


@pytest.mark.parametrize("mixing", ["proportional", "temperature", "truncated"])
def test_size_is_shared_out(project, mixing):
    mixture = {"size": 60, "mixing": mixing, "temperature": 100.0, "truncate_at": 20}
    found = counts(
        build(project.config(mixture=mixture, mining={"wrong_instruction": 0.0}), FakeEncoder()).manifest
    )
    assert sum(found.values()) == 60
    largest, smallest = max(found.values()), min(found.values())
    assert largest - smallest <= 1 if mixing == "temperature" else largest > smallest
    assert found["topic"] == largest
    assert found["task0001_yes_no"] == smallest


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_paraphrases_take_their_share(project, share):
    build(project.config(mixture={"paraphrases": share}), FakeEncoder())
    unified = {one.name: one.instruction for one in read_registry([project.registry], bundled=False)}
    rows = rows_of(project.out)
    found = sum(row.query.instruction != unified[row.dataset] for row in rows) / len(rows)
    assert found == pytest.approx(share, abs=0.1 if share == 0.5 else 0)


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"names": ("faq", "task*")}, ["faq", "task0001_yes_no", "task0002_story"]),
        ({"without": ("task*", "mood")}, ["clicks", "faq", "topic"]),
        ({"names": ("task*",), "without": ("*_story",)}, ["task0001_yes_no"]),
        ({"kinds": ("label", "pair")}, ["faq", "mood", "topic"]),
        ({"commercial": True}, ["clicks", "mood", "task0001_yes_no", "task0002_story", "topic"]),
        (
            {"without_forbidden": True},
            ["clicks", "mood", "task0001_yes_no", "task0002_story", "topic"],
        ),
        ({"redistribution": True}, ["faq", "mood", "task0001_yes_no", "task0002_story", "topic"]),
        ({"commercial": True, "redistribution": True, "kinds": ("pair",)}, []),
    ],
)
def test_only_chosen_datasets_take_part(project, choice, expected):
    config = project.config(choice=choice)
    if not expected:
        with pytest.raises(InputError, match="no dataset is left: none fits what was asked for"):
            build(config, FakeEncoder())
        return
    manifest = build(config, FakeEncoder()).manifest
    assert [one["name"] for one in manifest["datasets"]] == expected
    assert {row.dataset for row in rows_of(project.out)} == set(expected)


def test_unlisted_tasks_take_part_with_instructions_of_their_own_file(project):
    (project.data / "tasks" / "task0003_new.json").write_text(task_content(tasks()["task0001_yes_no"]))
    manifest = build(project.config(choice={"unlisted": True, "names": ("task0003*",)}), FakeEncoder()).manifest
    [facts] = manifest["datasets"]
    assert (facts["name"], facts["licence"]) == ("task0003_new", "MIT")
    assert facts["instruction"] == "Represent the Commonsense input for question answering: "


@pytest.mark.parametrize("left_out", ["other_goal", "wrong_instruction"])
def test_contrasts_can_be_left_out(project, left_out):
    manifest = build(project.config(mining={left_out: 0}), FakeEncoder()).manifest
    assert left_out not in manifest["totals"]["rules"]
    assert ("other_goal" in manifest["totals"]["rules"]) is (left_out != "other_goal")


# The same again.


def test_same_seed_gives_the_same_bytes_in_any_process_and_another_does_not(project):
    for hash_seed, out in (("1", "a"), ("2", "b")):
        environment = os.environ | {"PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(Path(__file__).parents[2])}
        command = [sys.executable, "-c", IN_PROCESS, str(project.folder), out]
        subprocess.run(command, env=environment, check=True)
    build(project.config(seed=43, out=project.folder / "c", medi_json=True), FakeEncoder())
    first, second, other = (shards(project.folder / name) for name in "abc")
    assert first == second
    assert set(first) == {"shard-00000.parquet", "medi-data.json", "medi-data.tasks.json"}
    assert first["shard-00000.parquet"] != other["shard-00000.parquet"]
    manifests = [json.loads((project.folder / name / "manifest.json").read_text()) for name in "ab"]
    assert lasting(manifests[0]) == lasting(manifests[1])


def test_unchanged_build_is_recognised_without_opening_a_data_file(project, made, monkeypatch):
    against = write_evaluation(project.folder / "eval")
    config = project.config(against=(against,))
    first = build(config, FakeEncoder())
    assert not first.unchanged
    shutil.rmtree(project.cache)
    made.clear()
    before = {path.name: path.stat().st_mtime_ns for path in project.out.iterdir()}
    opened = Path.open

    def guarded(path, *given, **more):
        assert not path.is_relative_to(project.data)
        assert not path.is_relative_to(against)
        return opened(path, *given, **more)

    monkeypatch.setattr(Path, "open", guarded)
    encoder = FakeEncoder()
    again = build(config, encoder)
    assert again.unchanged
    assert again.manifest == first.manifest
    assert made == encoder.asked == []
    assert not project.cache.exists()
    assert before == {path.name: path.stat().st_mtime_ns for path in project.out.iterdir()}


def test_unchanged_build_is_recognised_where_registry_and_data_moved(project, made, tmp_path):
    first = build(project.config(), FakeEncoder())
    made.clear()
    moved = tmp_path / "elsewhere"
    shutil.copytree(project.data, moved, copy_function=shutil.copy2)
    registry = shutil.copy(project.registry, tmp_path / "other.toml")
    again = build(project.config(data=(moved,), registries=(registry,)), FakeEncoder())
    assert again.unchanged
    assert again.manifest == first.manifest


@pytest.mark.parametrize("damage", ["shard", "manifest", "medi_json"])
def test_damaged_mixture_is_made_whole_again(project, damage, made):
    config = project.config(medi_json=True)
    first = build(config, FakeEncoder()).manifest
    whole = shards(project.out)
    path = (
        project.out
        / {"shard": "shard-00000.parquet", "manifest": "manifest.json", "medi_json": "medi-data.json"}[damage]
    )
    if damage == "shard":
        path.write_bytes(path.read_bytes()[:-10])
    elif damage == "manifest":
        path.write_text("{")
    else:
        path.unlink()
    made.clear()
    again = build(config, FakeEncoder())
    assert not again.unchanged
    assert made == []
    assert lasting(again.manifest) == lasting(first)
    assert shards(project.out) == whole


@pytest.mark.parametrize("stage", ["rows", "duplicates", "triplets", "contrasts"])
def test_damaged_table_of_the_cache_is_made_again(built, stage, made):
    whole = shards(built.out)
    for path in (built.cache / stage).iterdir():
        raw = bytearray(path.read_bytes())
        raw[4 : len(raw) // 4] = bytes(len(raw) // 4 - 4)  # the footer, which is read alone, stays
        path.write_bytes(raw)
    shutil.rmtree(built.out)
    build(built.config(), FakeEncoder())
    assert shards(built.out) == whole


def changed_file(project):
    with (project.data / "faq.jsonl").open("a") as file:
        file.write(json_lines([{"q": "where do i find the door?", "a": "behind the second window."}]))
    return {}


def touched_file(project):
    os.utime(project.data / "faq.jsonl", ns=(1, 1))
    return {}


def changed_instruction(project):
    registry = project.registry.read_text()
    assert "for retrieving its answer: " in registry
    project.registry.write_text(registry.replace("for retrieving its answer: ", "for finding what answers it: "))
    return {}


def changed_label_instruction(project):
    registry = project.registry.read_text()
    project.registry.write_text(
        registry.replace("text for sorting by subject: ", "text for telling its subject: ")
    )
    return {}


def changed_licence(project):
    project.registry.write_text(project.registry.read_text().replace("CC BY-NC 4.0", "CC BY 4.0"))
    return {}


def changed_column(project):
    project.registry.write_text(project.registry.read_text().replace('query = "q"', 'query = ["q", "a"]'))
    return {}


def one_more(project):
    (project.data / "about.csv").write_text((project.data / "reviews.csv").read_text())
    entry = ENTRIES["topic"].replace('"topic"\nkind', '"about"\nkind').replace("reviews", "about")
    project.registry.write_text(project.registry.read_text() + entry.replace("sorting by subject", "its subject"))
    return {"mining": {"wrong_instruction": 0.2, "other_goal": 0}}


CONTRAST = "contrast mood topic"
MINED = [f"mine {name}" for name in NAMES]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (changed_file, ["prepare faq", "mine faq"]),
        (touched_file, ["prepare faq", "mine faq"]),
        (changed_instruction, []),
        (changed_label_instruction, [CONTRAST]),
        (changed_licence, []),
        (changed_column, ["prepare faq", "mine faq"]),
        (one_more, ["prepare about", "mine about"]),
        (lambda project: {"mixture": {"cap": 20}}, []),
        (lambda project: {"mixture": {"paraphrases": 0.1}}, [CONTRAST]),
        (lambda project: {"mining": {"wrong_instruction": 0.4}}, []),
        (lambda project: {"mining": {"other_goal": 5}}, [CONTRAST]),
        (lambda project: {"mining": {"depth": 3}}, [*MINED, CONTRAST]),
        (lambda project: {"mining": {"pool": 30}}, ["mine mood", "mine task0002_story", "mine topic"]),
        (lambda project: {"seed": 7}, [CONTRAST]),
        (lambda project: {"medi_json": True}, []),
        (lambda project: {"near_duplicates": 0.0}, []),
        (lambda project: {"choice": {"without": ("clicks",)}}, []),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_change_makes_anew_just_what_depends_on_it(built, made, change, expected):
    made.clear()
    again = build(built.config(**change(built)), FakeEncoder())
    assert not again.unchanged
    assert made == expected


def test_other_model_mines_anew_and_reads_nothing(project, made):
    first = build(project.config(), FakeEncoder()).manifest
    made.clear()
    again = build(project.config(), FakeEncoder("other"))
    assert made == [*MINED, CONTRAST]
    assert again.manifest["job"] != first["job"]
    assert again.manifest["model"]["fingerprint"] != first["model"]["fingerprint"]


def test_other_filters_or_evaluation_read_everything_anew(built, made):
    against = write_evaluation(built.folder / "eval")
    made.clear()
    build(built.config(against=(against,)), FakeEncoder())
    assert [one for one in made if one.startswith("prepare")] == [f"prepare {name}" for name in NAMES]
    made.clear()
    (against / "Exact" / "more.txt").write_text("how do i close my photo today?\n")
    manifest = build(built.config(against=(against,)), FakeEncoder()).manifest
    assert len(made) > len(NAMES)
    assert by_name(manifest)["faq"]["dropped"]["in_evaluation_exact"] == 2


def test_vectors_are_made_once(project):
    first, second = FakeEncoder(), FakeEncoder()
    build(project.config(), first)
    build(project.config(mixture={"cap": 20}, mining={"depth": 5}), second)
    assert first.n_encoded == len({text for texts, _ in first.asked for text in texts})
    assert second.asked == []


def test_progress_is_told(project):
    class Told(Silent):
        def __init__(self):
            self.stages, self.steps, self.n_new = {}, Counter(), 0

        def stage(self, name, total):
            self.stages[name] = total

        def step(self, what):
            self.steps[list(self.stages)[-1]] += 1

        def encoded(self, texts, known):
            self.n_new += 0 if known else len(texts)

    told, encoder = Told(), FakeEncoder()
    build(project.config(labels=LabelOptions()), encoder, told)
    assert list(told.stages) == [
        "reading",
        "duplicates",
        "mining",
        "same text, other goal",
        "contrasts",
        "labels",
        "mixing",
    ]
    assert told.steps == told.stages
    assert told.n_new == encoder.n_encoded


# What a broken input becomes: an error that names file and key, or left out, counted and shown.


def edit_task(project, edit):
    path = project.data / "tasks" / "task0001_yes_no.json"
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


def edit_registry(project, old, new):
    registry = project.registry.read_text()
    assert old in registry
    project.registry.write_text(registry.replace(old, new))


def add_row(project, raw):
    path = project.data / "faq.jsonl"
    path.write_bytes(path.read_bytes() + raw + b"\n")


TASK = "task0001_yes_no"
BROKEN = {
    "broken task file": (
        lambda p: (p.data / "tasks" / f"{TASK}.json").write_text('{"Definition": ["x"], '),
        (TASK, "broken_file", 1, r"task0001_yes_no\.json: broken JSON at line 1, column 23"),
    ),
    "task without instances": (
        lambda p: edit_task(p, lambda content: content.pop("Instances")),
        (TASK, "broken_file", 1, r"task0001_yes_no\.json: the key 'Instances' is missing"),
    ),
    "task in another encoding": (
        lambda p: (p.data / "tasks" / f"{TASK}.json").write_bytes(task_content([]).encode("utf-16")),
        (TASK, "broken_file", 1, r"task0001_yes_no\.json: not UTF-8 \(byte 0\)"),
    ),
    "instance without output": (
        lambda p: edit_task(p, lambda content: content["Instances"][3].pop("output")),
        (TASK, "missing_field", 1, r"task0001_yes_no\.json, Instances\[3\]: the key 'output' is missing"),
    ),
    "empty outputs": (
        lambda p: edit_task(p, lambda content: [one.update(output=[" "]) for one in content["Instances"][:4]]),
        (TASK, "empty_output", 4, r"task0001_yes_no\.json, Instances\[0\]: 'output' is empty"),
    ),
    "one label": (
        lambda p: edit_task(p, lambda content: [one.update(output=["no"]) for one in content["Instances"]]),
        (TASK, "one_label", 25, r"task0001_yes_no\.json: every row has the label or output 'no'"),
    ),
    "broken row": (
        lambda p: add_row(p, b'{"q": "why?", '),
        ("faq", "broken_row", 1, r"faq\.jsonl, line 26: broken JSON"),
    ),
    "row in another encoding": (
        lambda p: add_row(p, '{"q": "café?", "a": "ja"}'.encode("latin-1")),
        ("faq", "broken_row", 1, r"faq\.jsonl, line 26: byte 0xe9 .* is not UTF-8"),
    ),
    "row without a column": (
        lambda p: add_row(p, b'{"q": "why?", "answer": "so"}'),
        (
            "faq",
            "missing_field",
            1,
            r"faq\.jsonl, line 26: no 'a' for the role 'positive'; there is 'q', 'answer'",
        ),
    ),
    "file without rows": (
        lambda p: (p.data / "faq.jsonl").write_text(""),
        ("faq", "no_rows", 1, r"faq\.jsonl: holds no rows"),
    ),
    "file in another encoding": (
        lambda p: (p.data / "faq.jsonl").write_text("{}", encoding="utf-16"),
        ("faq", "broken_file", 1, r"faq\.jsonl: the file is UTF-16"),
    ),
    "entry without its file": (
        lambda p: (p.data / "faq.jsonl").unlink(),
        ("faq", "broken_entry", 1, r"mine\.toml: dataset 2 \(faq\): no file 'faq\.jsonl' beside it"),
    ),
    "file that leads nowhere": (
        lambda p: (p.data / "faq.jsonl").rename(p.data / "x") and (p.data / "faq.jsonl").symlink_to("gone"),
        ("faq", "broken_entry", 1, r"mine\.toml: dataset 2 \(faq\): .*faq\.jsonl: cannot be read"),
    ),
    "two files of one name": (
        lambda p: (p.data / "tasks" / "faq.jsonl").write_text(""),
        ("faq", "broken_entry", 1, r"mine\.toml: dataset 2 \(faq\): .*two files of one name"),
    ),
    "entry without licence": (
        lambda p: edit_registry(p, 'licence = "CC BY-NC 4.0"\n', ""),
        ("faq", "broken_entry", 1, r"mine\.toml: dataset 2 \(faq\): the key 'licence' is missing"),
    ),
    "entry with a slip": (
        lambda p: edit_registry(p, 'document_type = "answer"', 'document_typ = "answer"'),
        ("faq", "broken_entry", 1, r"mine\.toml: dataset 2 \(faq\): unknown key 'document_typ'"),
    ),
    "name given twice": (
        lambda p: p.registry.write_text(p.registry.read_text() + ENTRIES["faq"]),
        ("faq", "duplicate_name", 1, r"mine\.toml: dataset 7 \(faq\): the name 'faq' is taken by .*dataset 2"),
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken_input_is_an_error_that_names_its_place_when_strict(project, case):
    breaks, (_, _, _, message) = BROKEN[case]
    breaks(project)
    with pytest.raises(FileError, match=message):
        build(project.config(strict=True), FakeEncoder())
    assert not project.out.exists()
    assert not project.out.with_name(".mixture.partial").exists()


@pytest.mark.parametrize("case", BROKEN)
def test_broken_input_is_left_out_and_counted_otherwise(built, case):
    breaks, (name, code, n, message) = BROKEN[case]
    breaks(built)
    manifest = build(built.config(), FakeEncoder()).manifest
    facts = by_name(manifest).get(name, {"dropped": {}, "problems": [], "triplets": 0})
    left_out = {one["name"]: one for one in manifest["left_out"]}.get(name, {"reasons": {}, "problems": []})
    assert facts["dropped"] | left_out["reasons"] == {code: n}
    assert re.search(message, (left_out["problems"] + facts["problems"])[0])
    is_whole = code in ("broken_file", "broken_entry", "no_rows", "one_label")
    assert (facts["triplets"] == 0) is is_whole
    assert {row.dataset for row in rows_of(built.out)} == set(NAMES) - ({name} if is_whole else set())
    if not left_out["reasons"]:
        whole_file = code in ("broken_file", "no_rows")
        assert facts["read"] == facts["rows"] + (0 if whole_file else sum(facts["dropped"].values()))


def test_corrected_entry_leaves_no_trace(project):
    project.registry.write_text(project.registry.read_text() + ENTRIES["faq"])
    build(project.config(), FakeEncoder())
    project.registry.write_text("".join(ENTRIES.values()))
    again = build(project.config(), FakeEncoder())
    assert not again.unchanged
    assert again.manifest["left_out"] == []
    assert by_name(again.manifest)["faq"]["dropped"] == {}


def test_broken_entry_added_later_gets_into_the_manifest(built, made):
    made.clear()
    built.registry.write_text(
        built.registry.read_text() + ENTRIES["faq"].replace('"faq"', '"faq2"').replace("licence", "x")
    )
    again = build(built.config(), FakeEncoder())
    assert [one["name"] for one in again.manifest["left_out"]] == ["faq2"]
    assert made == []


def test_rows_of_a_task_that_an_entry_calls_otherwise_are_counted_under_it(project):
    edit_registry(project, f'name = "{TASK}"', 'name = "yes_no"')
    edit_task(project, lambda content: content["Instances"][0].update(output=[]))
    facts = by_name(build(project.config(), FakeEncoder()).manifest)["yes_no"]
    assert facts["dropped"] == {"empty_output": 1}
    assert facts["read"] == 25


def test_file_that_cannot_be_read_is_left_out(project, monkeypatch):
    opened = Path.open

    def refused(path, *given, **more):
        if path.name == "faq.jsonl":
            raise PermissionError(13, "Permission denied")
        return opened(path, *given, **more)

    monkeypatch.setattr(Path, "open", refused)
    facts = by_name(build(project.config(), FakeEncoder()).manifest)["faq"]
    assert facts["dropped"] == {"broken_file": 1}
    assert facts["files"] == [{"name": "faq.jsonl", "bytes": None, "sha256": None}]
    assert "faq.jsonl: cannot be read (Permission denied)" in facts["problems"][0]


# Nothing to build from, and places that cannot be written.


def test_nothing_left_names_what_is_broken(project):
    edit_registry(project, "licence", "license")
    for names in ((), ("faq",)):
        with pytest.raises(InputError, match=r"6 cannot be used, the first is .*mine\.toml: dataset 1 \(clicks\)"):
            build(project.config(choice={"names": names}), FakeEncoder())


def test_nothing_left_without_bundled_and_own_entries(project):
    with pytest.raises(InputError, match="the bundled ones do not take part, and no other is given"):
        build(project.config(registries=()), FakeEncoder())


def test_no_row_left_is_an_error_and_the_earlier_mixture_stays(built):
    whole = shards(built.out)
    with pytest.raises(
        InputError, match=r"no row is left of 237 in 6 datasets; left out: in_evaluation_exact 237"
    ):
        build(built.config(against=(built.data,)), FakeEncoder())
    (built.data / "faq.jsonl").write_text("{")
    with pytest.raises(
        InputError, match=r"left out: broken_row 1; the first problem: .*faq\.jsonl, line 1: broken"
    ):
        build(built.config(choice={"names": ("faq",)}), FakeEncoder())
    assert shards(built.out) == whole
    assert {path.name for path in built.folder.iterdir()} == {"data", "lib", "mixture", "mixture.cache"}


@pytest.mark.parametrize("what", ["file", "folder"])
def test_something_else_at_the_output_is_not_overwritten(project, what):
    if what == "file":
        project.out.write_text("mine")
    else:
        project.out.mkdir()
        (project.out / "notes.txt").write_text("mine")
    with pytest.raises(OutputExists, match=r"mixture: is there already and is no mixture; .* with --out"):
        build(project.config(), FakeEncoder())
    assert (project.out if what == "file" else project.out / "notes.txt").read_text() == "mine"
    assert not project.cache.exists()


def test_something_in_the_way_beside_the_output_shows_before_any_work(project, made):
    (project.folder / ".mixture.partial").mkdir()
    (project.folder / ".mixture.partial" / "notes.txt").write_text("mine")
    with pytest.raises(OutputExists, match=r"notes\.txt: in the way, and not from a build"):
        build(project.config(), FakeEncoder())
    assert made == []
    assert (project.folder / ".mixture.partial" / "notes.txt").read_text() == "mine"


def test_output_that_cannot_be_written_shows_before_any_work(project, made, monkeypatch):
    make = Path.mkdir

    def refused(path, *given, **more):
        if path.name == ".mixture.partial":
            raise PermissionError(13, "Permission denied")
        return make(path, *given, **more)

    monkeypatch.setattr(Path, "mkdir", refused)
    with pytest.raises(OutputError, match=r"\.mixture\.partial: cannot be written \(Permission denied\)"):
        build(project.config(), FakeEncoder())
    assert made == []


def test_full_disk_leaves_the_earlier_mixture(built, monkeypatch):
    whole = shards(built.out)
    write = pq.write_table

    def full(table, file, **options):
        if "query_instruction" in table.column_names:
            raise OSError(28, "No space left on device")
        write(table, file, **options)

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(OutputError, match="the disk is full"):
        build(built.config(seed=1, mining={"other_goal": 0}), FakeEncoder())
    assert shards(built.out) == whole
    assert not built.out.with_name(".mixture.partial").exists()


@pytest.mark.parametrize("place", ["", "cache", "a/b"])
def test_cache_inside_the_output_is_refused(project, place):
    with pytest.raises(
        ConfigError, match=r"cache is .*mixture.*, which is replaced whole; give a folder beside it"
    ):
        build(project.config(cache=project.out / place), FakeEncoder())
    assert not project.out.exists()


def test_second_build_in_the_same_cache_is_refused(project):
    pytest.importorskip("fcntl")
    with Work(project.cache).held(), pytest.raises(InputError, match="another build is working in this folder"):
        build(project.config(), FakeEncoder())
    assert not project.out.with_name(".mixture.partial").exists()
    build(project.config(), FakeEncoder())


def test_mixture_behind_a_link_is_replaced_where_it_is(project, tmp_path):
    real = tmp_path / "disk" / "mixture"
    real.parent.mkdir()
    project.out.symlink_to(real)
    build(project.config(), FakeEncoder())
    assert project.out.is_symlink()
    build(project.config(seed=1), FakeEncoder())
    assert project.out.is_symlink()
    assert build(project.config(seed=1), FakeEncoder()).unchanged
    assert {path.name for path in real.parent.iterdir()} == {"mixture"}


def test_broken_model_is_named_and_nothing_is_written(project):
    with pytest.raises(EngineError, match="NaN or infinite components"):
        build(project.config(), FakeEncoder(nan_for="soup"))
    assert not project.out.exists()
    build(project.config(), FakeEncoder())


def test_page_put_into_the_mixture_survives_a_new_build(built):
    (built.out / "page.html").write_text("<p>")
    build(built.config(seed=1), FakeEncoder())
    assert (built.out / "page.html").read_text() == "<p>"


def test_weights_and_order_are_stable_when_a_dataset_comes(project):
    """Rows of a dataset do not change when another comes, but for what contrasts them."""
    plain = {"mining": {"other_goal": 0, "wrong_instruction": 0.0}}
    build(project.config(**plain, choice={"without": ("clicks",)}), FakeEncoder())
    before = rows_of(project.out)
    build(project.config(**plain), FakeEncoder())
    assert [row for row in rows_of(project.out) if row.dataset != "clicks"] == before
    assert all(one <= other for one, other in pairwise(row.dataset for row in before))
