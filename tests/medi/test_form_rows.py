"""Form against subject in a build: which texts, which rows, what the manifest says, what makes them anew."""

import json
import os
from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pyarrow as pa
import pytest

from instructvec.errors import ConfigError, FileError
from instructvec.medi import stages
from instructvec.medi.build import build
from instructvec.medi.config import BuildConfig, Choice, FormOptions, LabelOptions
from instructvec.medi.form_rows import Texts, draw_texts, form_rows, goal_entry
from instructvec.medi.forms import Place, read_forms
from instructvec.medi.manifest import MixtureRows, manifest_of
from instructvec.medi.registry import Dataset, Source
from instructvec.medi.stages import Silent
from instructvec.medi.vectors import TextVectors
from instructvec.training.mixture import open_mixture
from tests.evaluation.fake import FakeEncoder
from tests.medi.small import csv_content, entry, json_lines, task_content

SUBJECTS = {
    "food": "soup bread oven spoon flour salt",
    "trip": "train ticket hotel map luggage coast",
    "money": "bank loan coin budget salary invoice",
    "garden": "tulip spade seed hedge lawn beetle",
    "music": "violin choir tenor drum chord waltz",
    "cold": "fever cough nurse pill sneeze throat",
}
FORMS = {"letter": "dear", "answer": "therefore", "heading": "latest", "order": "please"}
GOALS = read_forms().goals


def texts_of(form):
    """(text, subject) of a form: four words of a subject, one of the form."""
    for subject, words in SUBJECTS.items():
        all_words = words.split()
        for first, step in product(range(6), (1, 5)):
            of = [all_words[(first + step * at) % 6] for at in range(4)]
            yield f"{FORMS[form]} {' '.join(of)}", subject


SUBJECT = {text: subject for form in FORMS for text, subject in texts_of(form)}
FORM = {text: form for form in FORMS for text, _ in texts_of(form)}
FORM_FILE = """
[[form]]
name = "letter"
sources = [{ dataset = "letters", side = "query" }]

[[form]]
name = "answer"
sources = [{ dataset = "letters", side = "positive" }]

[[form]]
name = "heading"
sources = [{ dataset = "headings" }]

[[form]]
name = "order"
sources = [{ dataset = "task0009_orders" }]
"""
ENTRIES = (
    entry(
        "letters", "pair", "letters.jsonl", objective="finding its answer", document="answer",
        columns={"query": "q", "positive": "a"}, rights=("CC BY-NC 4.0", "yes", "no"),
    ),
    entry("headings", "label", "headings.csv", objective="sorting by desk", columns={"text": "t", "label": "l"}),
    entry("task0009_orders", "superni", "task0009_orders.json", objective="telling its desk"),
)  # fmt: skip


class Project:
    """Three datasets that hold texts of four forms."""

    def __init__(self, folder):
        self.folder, self.out, self.cache = folder, folder / "mixture", folder / "mixture.cache"
        self.registry, self.forms = folder / "mine.toml", folder / "forms.toml"
        self.registry.write_text("".join(ENTRIES))
        self.forms.write_text(FORM_FILE)
        pairs = zip(texts_of("letter"), texts_of("answer"), strict=True)
        (folder / "letters.jsonl").write_text(json_lines({"q": q, "a": a} for (q, _), (a, _) in pairs))
        (folder / "headings.csv").write_text(csv_content([("t", "l"), *texts_of("heading")]))
        (folder / "task0009_orders.json").write_text(task_content(list(texts_of("order"))))

    def config(self, *, forms=None, **changes):
        whole = BuildConfig(
            out=self.out,
            registries=(self.registry,),
            form_files=(self.forms,),
            bundled=False,
            choice=Choice(unlisted=False),
            near_duplicates=0.0,
            forms=FormOptions(**(forms or {})),
            labels=LabelOptions(groups=0),
        )
        return replace(whole, **changes)

    def built(self, **changes):
        return build(self.config(**changes), FakeEncoder()).manifest

    def groups(self):
        """Group -> its rows, the form's first."""
        found = {}
        for row in MixtureRows(manifest_of(self.out)):
            if row.dataset in GOALS:
                found.setdefault(row.group, []).append(row)
        return found


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("done"))
    return project, project.built()


# A build.


def test_a_build_of_three_datasets_holds_groups_that_only_the_goal_tells_apart(done):
    project, _ = done
    groups = project.groups()
    assert len(groups) > 100
    assert list(groups) == [f"form|subject|{at}" for at in range(len(groups))]
    for form, subject in groups.values():
        assert (form.dataset, subject.dataset) == ("form", "subject")
        x, y, z = form.query.text, form.positive.text, form.negative.text
        assert (subject.query.text, subject.positive.text, subject.negative.text) == (x, z, y)
        assert (form.label, subject.label) == (FORM[x], None)
        assert FORM[x] == FORM[y] != FORM[z]
        for row in (form, subject):
            assert (row.kind, row.rule) == ("label", "other_goal")
            instructions = {side.instruction for side in (row.query, row.positive, row.negative)}
            assert len(instructions) == 1 and instructions <= set(GOALS[row.dataset].all)
    same = [SUBJECT[form.query.text] == SUBJECT[form.negative.text] for form, _ in groups.values()]
    other = [SUBJECT[form.query.text] != SUBJECT[form.positive.text] for form, _ in groups.values()]
    assert np.mean(same) > 0.9 and np.mean(other) > 0.9
    assert Counter(form.label for form, _ in groups.values()).keys() == FORMS.keys()


def test_the_manifest_counts_them_and_says_where_they_are_from(done):
    project, manifest = done
    n = len(project.groups())
    assert manifest["contrasts"] == [{"a": "form", "b": "subject", "shared": 288, "rows": 2 * n}]
    assert manifest["forms"] == {
        "forms": dict.fromkeys(sorted(FORMS), 72),
        "left_out": {},
        "groups": n,
        "without_triplet": manifest["forms"]["without_triplet"],
        "datasets": ["headings", "letters", "task0009_orders"],
        "absent": [],
    }
    assert n + sum(manifest["forms"]["without_triplet"].values()) == 288
    facts = {one["name"]: one for one in manifest["datasets"]}
    assert list(facts) == ["form", "headings", "letters", "subject", "task0009_orders"]
    for name in GOALS:
        assert facts[name]["rules"] == facts[name]["available"] == {"other_goal": n}
        assert facts[name]["licence"] == "several: CC BY-NC 4.0; MIT"
        assert (facts[name]["redistribution"], facts[name]["commercial"]) == ("yes", "no")
        assert facts[name]["note"] == "Texts of headings, letters, task0009_orders."
        assert facts[name].keys() == facts["letters"].keys()
    assert manifest["licences"]["several: CC BY-NC 4.0; MIT"] == 2 * n
    assert str(project.folder) not in (project.out / "manifest.json").read_text()


def test_training_draws_them_as_one_contrast(done):
    project, _ = done
    [unit] = [one for one in open_mixture(project.out).units if one.is_contrast]
    assert unit.datasets == ("form", "subject")
    assert unit.n_items == len(project.groups())


def test_half_of_the_sentences_are_paraphrases_and_all_occur(done):
    project, _ = done
    rows = [row for group in project.groups().values() for row in group]
    for name, wordings in GOALS.items():
        said = Counter(row.query.instruction for row in rows if row.dataset == name)
        assert said.keys() == set(wordings.all)
        assert said[wordings.instruction] / said.total() == pytest.approx(0.5, abs=0.1)


def test_the_seed_decides_which(project):
    project.built()
    first = project.groups()
    project.built(cache=project.folder / "other.cache", out=project.folder / "again")
    again = [row for row in MixtureRows(manifest_of(project.folder / "again")) if row.dataset in GOALS]
    assert again == [row for group in first.values() for row in group]
    project.built(seed=7)
    assert project.groups() != first


def test_groups_and_texts_of_a_form_are_limited(project):
    manifest = project.built(forms={"groups": 9, "texts": 40})
    assert len(project.groups()) == manifest["forms"]["groups"] == 9
    assert manifest["forms"]["forms"] == dict.fromkeys(sorted(FORMS), 40)


@pytest.mark.parametrize("forms", [{"texts": 0}, {"groups": 0}])
def test_they_can_be_left_out(project, forms):
    manifest = project.built(forms=forms)
    assert manifest["forms"] is None
    assert manifest["contrasts"] == []
    assert project.groups() == {}


def test_of_fewer_than_four_forms_nothing_is_made_and_that_is_counted(project):
    manifest = project.built(choice=Choice(unlisted=False, names=("letters", "headings")))
    assert manifest["contrasts"] == []
    assert manifest["forms"]["groups"] == 0
    assert manifest["forms"]["without_triplet"] == {"fewer than 4 forms": 216}
    assert manifest["forms"]["absent"] == ["task0009_orders"]
    assert project.groups() == {}
    assert [one["name"] for one in manifest["datasets"]] == ["headings", "letters"]


def test_without_any_form_no_stage_is_told(project):
    class Told(Silent):
        said: tuple[str, ...] = ()

        def stage(self, name, total):
            self.said = (*self.said, name)

    told = Told()
    build(project.config(), FakeEncoder(), told)
    assert told.said == (
        "reading", "duplicates", "mining", "same text, other goal", "contrasts", "forms", "mixing",
    )  # fmt: skip
    told = Told()
    manifest = build(project.config(form_files=()), FakeEncoder(), told).manifest
    assert "forms" not in told.said
    assert manifest["forms"]["without_triplet"] == {"fewer than 4 forms": 0}


def test_only_texts_that_passed_filters_and_decontamination_take_part(project):
    secret = next(texts_of("order"))[0]
    (project.folder / "eval.txt").write_text(secret.upper() + "\n")
    manifest = project.built(against=(project.folder / "eval.txt",))
    assert manifest["forms"]["forms"]["order"] == 71
    texts = {side.text for group in project.groups().values() for row in group for side in row[:3]}
    assert len(texts) > 200 and secret not in texts


@pytest.fixture
def made(monkeypatch):
    """The stages that were gone through."""
    calls = []
    for stage in ("prepare", "mine", "form_rows"):
        whole = getattr(stages, stage)

        def told(*given, stage=stage, whole=whole, **more):
            calls.append(stage)
            return whole(*given, **more)

        monkeypatch.setattr(stages, stage, told)
    return calls


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"forms": {"groups": 20}}, ["form_rows"]),
        ({"forms": {"max_far": 0.1}}, ["form_rows"]),
        ({"seed": 3}, ["form_rows"]),
        ({"shard_rows": 100}, []),
        ({"forms": {"texts": 0}}, []),
    ],
    ids=str,
)
def test_a_change_makes_just_them_anew(project, made, changes, expected):
    project.built()
    made.clear()
    project.built(**changes)
    assert made == expected


def test_a_changed_file_of_forms_makes_just_them_anew_and_an_unchanged_one_nothing(project, made):
    project.built()
    made.clear()
    assert build(project.config(), FakeEncoder()).unchanged
    moved = project.forms.rename(project.folder / "moved.toml")
    assert build(project.config(form_files=(moved,)), FakeEncoder()).unchanged
    moved.write_text(FORM_FILE.replace('"heading"', '"title"'))
    manifest = project.built(form_files=(moved,))
    assert made == ["form_rows"]
    assert list(manifest["forms"]["forms"]) == ["answer", "letter", "order", "title"]


def test_a_damaged_table_is_made_again(project, made):
    project.built()
    groups = project.groups()
    [path] = (project.cache / "forms").iterdir()
    raw = bytearray(path.read_bytes())
    raw[4 : len(raw) // 4] = bytes(len(raw) // 4 - 4)
    path.write_bytes(raw)
    made.clear()
    project.built(shard_rows=100)
    assert made == ["form_rows"]
    assert project.groups() == groups


def test_a_bad_file_of_forms_shows_before_any_work(project, made):
    project.forms.write_text(FORM_FILE.replace('"positive"', '"text"'))
    with pytest.raises(ConfigError, match="'letters' of kind 'pair' has no side 'text'"):
        project.built()
    with pytest.raises(FileError, match=r"none\.toml: cannot be read"):
        project.built(form_files=(project.folder / "none.toml",))
    assert made == []


# Texts and rows, without a build.


def table(first, second=None):
    return pa.table({"first": first, "second": second or ["x"] * len(first)})


def drawn(rows, places, *, seed=1, **options):
    return draw_texts(places, rows.__getitem__, FormOptions(**options), seed=seed)


def test_texts_are_those_of_the_side_and_of_a_length():
    rows = {"a": table(["a question, rather long", "short"], ["its answer, rather long", "no"])}
    places = [Place("answer", "a", "positive"), Place("question", "a", "query")]
    found = drawn(rows, places)
    assert found.texts == ["its answer, rather long", "a question, rather long"]
    assert found.forms == ["answer", "question"]
    assert found.datasets == ["a", "a"]
    assert drawn(rows, places, min_characters=2, max_characters=10).texts == ["no", "short"]


def test_of_several_datasets_of_a_form_each_text_counts_once():
    rows = {"a": table(["one and the same text", "a text of the first"]), "b": table(["one and the same text"])}
    found = drawn(rows, [Place("note", "b", "text"), Place("note", "a", "text")])
    assert found.texts == ["a text of the first", "one and the same text"]
    assert found.datasets == ["a", "a"]


def test_a_text_in_two_forms_has_none_and_is_counted():
    rows = {"a": table(["One and the same text!", "a text of the first"]), "b": table(["one and the same text"])}
    found = drawn(rows, [Place("memo", "a", "text"), Place("note", "b", "text")])
    assert found.texts == ["a text of the first"]
    assert found.left_out == {"a text in two forms": 2}
    assert drawn({}, []) == Texts([], [], [], {})


def test_a_forms_draw_is_its_own():
    many = [f"a text with the number {at}" for at in range(60)]
    rows = {"a": table(many), "b": table([f"{text} of b" for text in many])}
    places = [Place("memo", "a", "text"), Place("note", "b", "text")]
    both, one = drawn(rows, places, texts=20), drawn(rows, places[:1], texts=20)
    assert len(both.texts) == 40 and both.texts[:20] == one.texts
    assert both.texts[:20] == sorted(both.texts[:20])
    assert drawn(rows, places, texts=20, seed=2).texts != both.texts
    shuffled = {"a": table(many[::-1]), "b": rows["b"]}
    assert drawn(shuffled, places, texts=20) == both


def test_rows_name_only_datasets_whose_texts_are_in_them():
    given = Texts(
        [text for form in FORMS for text, _ in texts_of(form)] + ["nothing like any other thing whatsoever"],
        [form for form in FORMS for _ in texts_of(form)] + ["letter"],
        [form for form in FORMS for _ in texts_of(form)] + ["lone"],
        {},
    )
    options = FormOptions(min_near=0.6)
    found = form_rows(given, TextVectors(FakeEncoder()), GOALS, options, share=0.0, seed=1)
    texts = {row[side] for row in found.table.to_pylist() for side in ("query", "positive", "negative")}
    used = {name for text, name in zip(given.texts, given.datasets, strict=True) if text in texts}
    assert found.facts["datasets"] == sorted(used)
    assert set(found.table.column("query_instruction").to_pylist()) == {one.instruction for one in GOALS.values()}


@pytest.mark.parametrize(
    ("rights", "expected"),
    [
        ([("MIT", "yes")], ("MIT", "yes")),
        ([("MIT", "yes"), ("MIT", "unknown")], ("MIT", "unknown")),
        ([("MIT", "yes"), ("GPL-3.0", "no"), ("MIT", "unknown")], ("several: GPL-3.0; MIT", "no")),
        ([], ("several: none stated", "unknown")),
    ],
)
def test_what_one_source_forbids_is_forbidden(rights, expected):
    sources = [
        Dataset(f"d{at}", "label", licence, "x: ", Source(file="x"), commercial=commercial, redistribution="yes")
        for at, (licence, commercial) in enumerate(rights)
    ]
    goal = goal_entry("subject", GOALS, sources)
    assert (goal.licence, goal.commercial) == expected
    assert goal.redistribution == ("yes" if rights else "unknown")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"texts": -1}, "texts is -1; expected 0 or more"),
        ({"groups": -1}, "groups is -1"),
        ({"n_near": 0}, "n_near is 0; expected 1 or more"),
        ({"min_characters": 0}, "min_characters is 0"),
        ({"min_characters": 20, "max_characters": 10}, "max_characters is 10; expected 20 or more"),
        ({"max_far": 2}, "max_far is 2; expected a cosine from -1 to 1"),
        ({"min_near": float("nan")}, "min_near is nan"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        FormOptions(**options)


def test_options_are_in_the_manifest(done):
    project, manifest = done
    assert manifest["options"]["forms"]["groups"] == 10_000
    assert json.loads((project.out / "manifest.json").read_text())["options"] == manifest["options"]
