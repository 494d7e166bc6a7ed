"""Label against subject in a build: which texts, which rows, what the manifest says, what makes them anew."""

from collections import Counter
from dataclasses import replace
from itertools import product

import numpy as np
import pyarrow as pa
import pytest

from instructvec.errors import ConfigError
from instructvec.medi import stages
from instructvec.medi.build import build
from instructvec.medi.config import BuildConfig, Choice, FormOptions, LabelOptions
from instructvec.medi.forms import read_forms
from instructvec.medi.label_rows import IS_SUBJECT, TOO_FEW, draw_labelled, label_rows
from instructvec.medi.manifest import MixtureRows, manifest_of
from instructvec.medi.registry import Dataset, Source
from instructvec.medi.vectors import TextVectors
from instructvec.training.mixture import open_mixture
from tests.evaluation.fake import FakeEncoder
from tests.medi.small import csv_content, entry, json_lines, questions, task_content

SUBJECTS = {
    "food": "soup bread oven spoon flour salt",
    "trip": "train ticket hotel map luggage coast",
    "money": "bank loan coin budget salary invoice",
    "garden": "tulip spade seed hedge lawn beetle",
}
MOODS = {"pleased": "lovely", "angry": "dreadful", "asking": "whether"}
GOALS = read_forms().goals
LABELLED = Dataset(
    "moods", "label", "MIT", "Represent the note for telling its mood: ", Source(file="moods.csv"),
    paraphrases=("Mood: ",),
)  # fmt: skip


def notes():
    """(text, mood, subject): four words of a subject, one of a mood."""
    for (mood, word), (subject, words) in product(MOODS.items(), SUBJECTS.items()):
        of = words.split()
        for first, step in product(range(6), (1, 5)):
            yield f"{word} {' '.join(of[(first + step * at) % 6] for at in range(4))}", mood, subject


MOOD = {text: mood for text, mood, _ in notes()}
SUBJECT = {text: subject for text, _, subject in notes()}
OTHER_PURPOSES = (
    "Represent the text for finding its answer: ",
    "finding its answer: ",
    "I want vectors for finding its answer: ",
    "Represent the answer for retrieval: ",
    "a answer: ",
)
ENTRIES = (
    entry(
        "moods", "label", "moods.csv", objective="telling its mood", columns={"text": "t", "label": "l"},
        rights=("CC BY-NC 4.0", "yes", "no"),
    ),
    entry("desks", "label", "desks.csv", objective="sorting by desk", columns={"text": "t", "label": "l"}),
    entry("task0009_moods", "superni", "task0009_moods.json", objective="telling the mood"),
    entry(
        "faq", "pair", "faq.jsonl", objective="finding its answer", document="answer",
        columns={"query": "q", "positive": "a"},
    ),
)  # fmt: skip


class Project:
    """The mood of notes as a labelled dataset and as a task, and their subject as another dataset."""

    def __init__(self, folder):
        self.folder, self.out, self.cache = folder, folder / "mixture", folder / "mixture.cache"
        self.registry = folder / "mine.toml"
        self.registry.write_text("".join(ENTRIES))
        moods = [(text, mood) for text, mood, _ in notes()]
        desks = [(f"memo {text}", subject) for text, _, subject in notes()]
        (folder / "moods.csv").write_text(csv_content([("t", "l"), *moods]))
        (folder / "desks.csv").write_text(csv_content([("t", "l"), *desks]))
        (folder / "faq.jsonl").write_text(json_lines({"q": q, "a": a} for q, a in questions()))
        tasks = [(f"{text} today", mood) for text, mood in moods]
        (folder / "task0009_moods.json").write_text(task_content(tasks))

    def config(self, *, labels=None, **changes):
        whole = BuildConfig(
            out=self.out,
            registries=(self.registry,),
            bundled=False,
            choice=Choice(unlisted=False),
            near_duplicates=0.0,
            labels=LabelOptions(**(labels or {})),
        )
        return replace(whole, **changes)

    def built(self, **changes):
        return build(self.config(**changes), FakeEncoder()).manifest

    def groups(self):
        """Group -> its rows, the label's first."""
        found = {}
        for row in MixtureRows(manifest_of(self.out)):
            if row.group:
                found.setdefault(row.group, []).append(row)
        return found


@pytest.fixture
def project(tmp_path):
    return Project(tmp_path)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("done"))
    return project, project.built()


# A build.


def test_labelled_texts_come_in_groups_that_only_the_goal_tells_apart(done):
    project, _ = done
    groups = project.groups()
    counts = Counter(group.split("|")[0] for group in groups)
    assert counts.keys() == {"moods", "task0009_moods"} and min(counts.values()) >= 20
    assert {group.split("|")[1] for group in groups} == {"subject"}
    for group, (label, subject) in groups.items():
        assert (label.dataset, subject.dataset) == (group.split("|")[0], "subject")
        x, y, z = label.query.text, label.positive.text, label.negative.text
        assert (subject.query.text, subject.positive.text, subject.negative.text) == (x, z, y)
        mood_of = [MOOD[text.removesuffix(" today")] for text in (x, y, z)]
        assert (label.label, subject.label) == (mood_of[0], None)
        assert mood_of[0] == mood_of[1] != mood_of[2]
        assert {row.rule for row in (label, subject)} == {"other_goal"}
        for row in (label, subject):
            assert row.query.instruction == row.positive.instruction == row.negative.instruction
        assert subject.query.instruction in ("", *GOALS["subject"].all, *OTHER_PURPOSES)
        assert label.query.instruction not in ("", *GOALS["subject"].all)
    same = [SUBJECT[label.query.text] == SUBJECT[label.negative.text] for label, _ in of(groups, "moods")]
    other = [SUBJECT[label.query.text] != SUBJECT[label.positive.text] for label, _ in of(groups, "moods")]
    assert np.mean(same) > 0.9 and np.mean(other) > 0.9


def test_a_quarter_of_the_subjects_rows_has_no_instruction_and_a_quarter_one_of_another_purpose(done):
    project, _ = done
    said = Counter(subject.query.instruction for _, subject in project.groups().values())
    assert said[""] / said.total() == pytest.approx(0.25, abs=0.1)
    assert sum(said[one] for one in OTHER_PURPOSES) / said.total() == pytest.approx(0.25, abs=0.1)
    assert all(said[one] for one in OTHER_PURPOSES)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"uninstructed": 0, "other_purposes": 0}, {GOALS["subject"].instruction}),
        ({"uninstructed": 1, "other_purposes": 0}, {""}),
        ({"uninstructed": 0, "other_purposes": 1}, {"a", "b"}),
        ({"uninstructed": 0.5, "other_purposes": 0.5}, {"a", "b", ""}),
    ],
)
def test_only_the_subjects_rows_are_otherwise_instructed(options, expected):
    by_mood = [(text, mood) for text, mood, _ in notes()]
    found = made(by_mood, purposes=["a", "b"], **options)
    rows, alone = found.groups.to_pylist(), found.alone.to_pylist()
    assert len(rows) > 100 and len(alone) > 100
    assert {row["negative_instruction"] for row in rows[1::2]} == expected
    assert {row["negative_instruction"] for row in rows[::2]} == {LABELLED.instruction}
    assert {row["query_instruction"] for row in alone} == expected
    assert {row["negative_instruction"] for row in alone} == {None}
    for row in rows + alone:
        assert row["query_instruction"] == row["positive_instruction"]


def test_without_other_purposes_there_are_only_the_subjects_wordings():
    found = made([(text, mood) for text, mood, _ in notes()], uninstructed=0, other_purposes=1)
    assert {row["query_instruction"] for row in found.groups.to_pylist()[1::2]} == {GOALS["subject"].instruction}


def test_texts_come_with_their_nearest_alone_too(done):
    project, manifest = done
    rows = [row for row in MixtureRows(manifest_of(project.out)) if row.dataset == "subject" and not row.group]
    assert len(rows) > 100
    for row in rows:
        assert (row.kind, row.rule, row.label, row.negative) == ("label", "mined", None, None)
        assert row.query.text != row.positive.text
        assert row.query.instruction == row.positive.instruction
    same = [
        SUBJECT[row.query.text.removesuffix(" today")] == SUBJECT[row.positive.text.removesuffix(" today")]
        for row in rows
    ]
    assert np.mean(same) > 0.9
    facts = next(one for one in manifest["datasets"] if one["name"] == "subject")
    assert facts["rules"]["mined"] == len(rows) and facts["weight"] > 0
    assert sum(one["weight"] for one in manifest["datasets"]) == pytest.approx(1)


def test_so_many_of_them_at_most():
    by_mood = [(text, mood) for text, mood, _ in notes()]
    assert made(by_mood, neighbours=7).alone.num_rows == made(by_mood, neighbours=7).facts["alone"] == 7
    assert made(by_mood, neighbours=0).alone.num_rows == 0
    assert made(by_mood, min_near=1.0).alone.num_rows == 0
    assert (
        made([("one text and no other", "calm"), ("another text of it", "angry")], min_near=1.0).alone.num_rows
        == 0
    )


def of(groups, dataset):
    return [rows for group, rows in groups.items() if group.startswith(f"{dataset}|")]


def test_a_label_that_is_the_subject_is_no_contrast_to_it(done):
    project, manifest = done
    assert of(project.groups(), "desks") == []
    assert "desks" not in {one["a"] for one in manifest["contrasts"]}


def test_the_manifest_counts_them_and_says_where_they_are_from(done):
    project, manifest = done
    groups = project.groups()
    n = {name: len(of(groups, name)) for name in ("moods", "task0009_moods")}
    assert manifest["contrasts"] == [
        {"a": name, "b": "subject", "shared": 144, "rows": 2 * count} for name, count in n.items()
    ]
    facts = {one["name"]: one for one in manifest["datasets"]}
    assert list(facts) == ["desks", "faq", "moods", "subject", "task0009_moods"]
    assert facts["subject"]["rules"] == facts["subject"]["available"] == {"other_goal": len(groups), "mined": 288}
    assert facts["subject"]["licence"] == "several: CC BY-NC 4.0; MIT"
    assert (facts["subject"]["redistribution"], facts["subject"]["commercial"]) == ("yes", "no")
    assert facts["subject"]["note"] == "Texts of moods, task0009_moods."
    assert facts["moods"]["rules"]["other_goal"] == n["moods"]


def test_training_draws_each_dataset_as_one_contrast(done):
    project, _ = done
    units = [one for one in open_mixture(project.out).units if one.is_contrast]
    assert {unit.datasets for unit in units} == {("moods", "subject"), ("subject", "task0009_moods")}
    assert sum(unit.n_items for unit in units) == len(project.groups())


def test_the_seed_decides_which(project):
    options = {"groups": 30}
    project.built(labels=options)
    first = project.groups()
    project.built(labels=options, cache=project.folder / "other.cache", out=project.folder / "again")
    again = [row for row in MixtureRows(manifest_of(project.folder / "again")) if row.group]
    assert again == [row for group in first.values() for row in group]
    project.built(labels=options, seed=7)
    assert project.groups() != first


@pytest.mark.parametrize("labels", [{"texts": 0}, {"groups": 0}, {"max_agreement": -1.0}])
def test_they_can_be_left_out(project, labels):
    manifest = project.built(labels=labels)
    assert manifest["contrasts"] == []
    assert project.groups() == {}
    assert "subject" not in {one["name"] for one in manifest["datasets"]}


def test_of_too_few_groups_the_subjects_rows_alone_are_left(project):
    manifest = project.built(labels={"min_groups": 1000})
    assert manifest["contrasts"] == []
    facts = {one["name"]: one for one in manifest["datasets"]}
    assert facts["subject"]["rules"] == {"mined": 288}
    assert facts["subject"]["note"] == "Texts of moods, task0009_moods."


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"labels": {"groups": 25}}, 3),
        ({"labels": {"max_far": 0.1}}, 3),
        ({"seed": 3}, 3),
        ({"shard_rows": 100}, 0),
        ({"forms": FormOptions(texts=0)}, 0),
    ],
    ids=str,
)
def test_a_change_makes_just_them_anew(project, monkeypatch, changes, expected):
    project.built()
    made = []
    whole = stages.label_rows
    monkeypatch.setattr(stages, "label_rows", lambda *given, **more: made.append(1) or whole(*given, **more))
    monkeypatch.setattr(stages, "mine", lambda *given: pytest.fail("mined again"))
    project.built(**changes)
    assert len(made) == expected


def test_a_damaged_table_is_made_again(project):
    project.built()
    groups = project.groups()
    for path in (project.cache / "labels").iterdir():
        path.write_bytes(b"broken")
    project.built(shard_rows=100)
    assert project.groups() == groups


# Texts and rows, without a build.


def table(pairs):
    texts, labels = zip(*pairs, strict=True) if pairs else ((), ())
    return pa.table({"first": pa.array(texts, pa.string()), "second": pa.array(labels, pa.string())})


def made(pairs, *, purposes=(), **options):
    given = table(pairs), TextVectors(FakeEncoder()), GOALS, LabelOptions(**options)
    return label_rows(LABELLED, *given, purposes=purposes, share=0.0, seed=1)


def test_texts_of_two_labels_of_no_fitting_length_and_once_more_are_left_out():
    pairs = [
        ("a note about the weather", "calm"),
        ("A note about the weather!", "calm"),
        ("one note under two labels", "calm"),
        ("One note under two labels", "angry"),
        ("short", "calm"),
        ("a note about the neighbours", "angry"),
    ]
    options = LabelOptions(max_characters=40)
    found = draw_labelled(LABELLED, table(pairs), options, seed=1)
    assert found == (["A note about the weather!", "a note about the neighbours"], ["calm", "angry"])
    assert draw_labelled(LABELLED, table(pairs[::-1]), options, seed=1) == found
    assert draw_labelled(LABELLED, table([]), options, seed=1) == ([], [])


def test_so_many_texts_at_most_drawn_by_the_seed():
    pairs = [(text, mood) for text, mood, _ in notes()]
    options = LabelOptions(texts=30)
    texts, labels = draw_labelled(LABELLED, table(pairs), options, seed=1)
    assert len(texts) == 30 and texts == sorted(texts)
    assert labels == [MOOD[text] for text in texts]
    assert draw_labelled(LABELLED, table(pairs), options, seed=2)[0] != texts


def test_the_facts_say_why_there_are_none():
    by_subject = [(text, subject) for text, _, subject in notes()]
    found = made(by_subject)
    assert found.groups.num_rows == found.alone.num_rows == 0 and found.facts["without_triplet"] == {
        IS_SUBJECT: 144
    }
    assert found.facts["agreement"] > 0.75
    by_mood = [(text, mood) for text, mood, _ in notes()]
    few = made(by_mood, min_groups=145)
    assert few.groups.num_rows == 0 and few.facts["without_triplet"][TOO_FEW] > 20
    assert few.facts["groups"] == 0
    nothing = {"texts": 0, "agreement": 1.0, "groups": 0, "alone": 0, "without_triplet": {IS_SUBJECT: 0}}
    assert made([]).facts == nothing
    enough = made(by_mood)
    assert enough.groups.num_rows == 2 * enough.facts["groups"] == 2 * few.facts["without_triplet"][TOO_FEW]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"groups": -1}, "groups is -1; expected 0 or more"),
        ({"min_groups": 0}, "min_groups is 0; expected 1 or more"),
        ({"max_agreement": 1.5}, "max_agreement is 1.5; expected 1"),
        ({"max_agreement": float("nan")}, "max_agreement is nan"),
        ({"uninstructed": 2}, "uninstructed is 2; expected a share from 0 to 1"),
        ({"other_purposes": -1}, "other_purposes is -1; expected a share from 0 to 1"),
        ({"other_purposes": 0.8}, "uninstructed and other_purposes are 0.25 and 0.8; expected shares of the same"),
        ({"neighbours": -1}, "neighbours is -1; expected 0 or more"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        LabelOptions(**options)


def test_options_are_in_the_manifest(done):
    _, manifest = done
    assert manifest["options"]["labels"]["groups"] == 400
