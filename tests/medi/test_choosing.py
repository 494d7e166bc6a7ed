"""Which datasets take part: by name, kind, permission, and whether their files are there."""

import json

import pytest

from instructvec.errors import ConfigError, FileError
from instructvec.medi.choosing import choose, is_chosen, nothing_left
from instructvec.medi.config import BuildConfig, Choice
from instructvec.medi.problems import Problems
from instructvec.medi.registry import Dataset, Source

ENTRY = """
[[dataset]]
name = "{name}"
kind = "{kind}"
licence = "MIT"
instruction = "Represent the {name}: "
source = {{ file = "{file}" }}
"""


def entry(name="faq", kind="pair", **options):
    return Dataset(name, kind, "MIT", "Represent it: ", options.pop("source", Source(file="x.csv")), **options)


@pytest.fixture
def data(tmp_path):
    """Two own datasets, of which one is there, and two Super-NI tasks of which one is listed."""
    folder = tmp_path / "data"
    (folder / "tasks").mkdir(parents=True)
    (folder / "faq.csv").write_text("query,positive\n")
    content = {"Definition": "Do it.", "Categories": ["Poem Generation"], "Instances": []}
    for name in ("task0001_listed", "task0002_new"):
        (folder / "tasks" / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.fixture
def registry(tmp_path):
    path = tmp_path / "lib" / "mine.toml"
    path.parent.mkdir()
    entries = [
        ("faq", "pair", "faq.csv"),
        ("gone", "label", "gone.csv"),
        ("listed", "superni", "task0001_listed.json"),
    ]
    path.write_text("".join(ENTRY.format(name=name, kind=kind, file=file) for name, kind, file in entries))
    return path


def chosen(data, registry, problems=None, **choice):
    config = BuildConfig(
        out=data.parent / "out", data=(data,), registries=(registry,), bundled=False, choice=Choice(**choice)
    )
    found, absent = choose(config, problems or Problems())
    return [one.entry.name for one in found], absent


def test_what_is_there_takes_part_and_the_rest_is_named(data, registry):
    problems = Problems()
    names, absent = chosen(data, registry, problems)
    assert names == ["faq", "listed", "task0002_new"]
    assert absent == ["gone"]
    [problem] = problems.examples["gone"]
    assert "no file 'gone.csv' beside it or in a data folder" in str(problem)
    assert str(registry) in str(problem)


def test_own_entry_without_its_file_is_an_error_when_strict(data, registry):
    with pytest.raises(FileError, match=r"mine\.toml: dataset 2 \(gone\): no file 'gone\.csv'"):
        chosen(data, registry, Problems(strict=True))


def test_bundled_entries_without_their_files_are_no_problem(data):
    problems = Problems(strict=True)
    config = BuildConfig(out=data.parent / "out", data=(data,), choice=Choice(unlisted=False))
    found, absent = choose(config, problems)
    assert found == []
    assert len(absent) > 800
    assert f"of the {len(absent)} that were chosen none has its file below {data}" in nothing_left(
        config, absent, Problems()
    )


def test_inputs_have_their_files_and_their_identity(data, registry):
    config = BuildConfig(out=data.parent / "out", data=(data,), registries=(registry,), bundled=False)
    found, _ = choose(config, Problems())
    assert found[0].paths == [data / "faq.csv"]
    assert [one["name"] for one in found[0].identity] == ["faq.csv"]


def test_task_that_an_entry_of_another_name_reads_is_not_taken_twice(data, registry):
    assert chosen(data, registry, names=("listed", "task*"))[0] == ["listed", "task0002_new"]


def test_unlisted_tasks_can_be_left_out(data, registry):
    assert chosen(data, registry, unlisted=False)[0] == ["faq", "listed"]
    assert chosen(data, registry, without=("task*",))[0] == ["faq", "listed"]
    assert chosen(data, registry, commercial=True)[0] == []


def test_unlisted_task_that_is_not_chosen_is_not_read(data, registry):
    (data / "tasks" / "task0002_new.json").write_text("broken")
    problems = Problems(strict=True)
    assert chosen(data, registry, problems, names=("faq",))[0] == ["faq"]
    assert chosen(data, registry, problems, kinds=("pair",))[0] == ["faq"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("task0003_x.json", "broken", "broken JSON at line 1"),
        ("task0003_a b.json", '{"Instances": []}', "name is 'task0003_a b'; expected letters"),
    ],
)
def test_unlisted_task_that_cannot_be_used_is_named(data, registry, name, content, message):
    path = data / "tasks" / name
    path.write_text(content)
    problems = Problems()
    names, _ = chosen(data, registry, problems)
    assert names == ["faq", "listed", "task0002_new"]
    [problem] = problems.examples[name.removesuffix(".json")]
    assert str(problem).startswith(f"{path}: {message}")
    with pytest.raises(FileError, match=message):
        chosen(data, registry, Problems(strict=True), without=("gone",))


def test_dataset_with_two_files_of_its_name_is_left_out_and_named(data, registry):
    (registry.parent / "sub").mkdir()
    (data / "sub").mkdir()
    (data / "sub" / "faq.csv").write_text("query,positive\n")
    problems = Problems()
    assert chosen(data, registry, problems)[0] == ["listed", "task0002_new"]
    assert "two files of one name" in str(problems.examples["faq"][0])
    with pytest.raises(FileError, match="two files of one name"):
        chosen(data, registry, Problems(strict=True))


@pytest.mark.parametrize("where", ["names", "without"])
def test_name_that_fits_nothing_is_refused_and_the_nearest_named(data, registry, where):
    with pytest.raises(ConfigError, match="no dataset is called 'faqs'; did you mean 'faq'"):
        chosen(data, registry, **{where: ("faq", "faqs")})
    with pytest.raises(ConfigError, match="'zzz"):
        chosen(data, registry, **{where: ("zzz*",)})


@pytest.mark.parametrize(
    ("one", "choice", "expected"),
    [
        (entry(), Choice(), True),
        (entry(default=False), Choice(), False),
        (entry(default=False), Choice(names=("f*",)), True),
        (entry(), Choice(names=("f*",), without=("faq",)), False),
        (entry(), Choice(names=("F*",)), False),
        (entry(), Choice(kinds=("label",)), False),
        (entry(), Choice(kinds=("label", "pair")), True),
        (entry(commercial="unknown"), Choice(commercial=True), False),
        (entry(commercial="yes"), Choice(commercial=True), True),
        (entry(commercial="unknown"), Choice(without_forbidden=True), True),
        (entry(commercial="no"), Choice(without_forbidden=True), False),
        (entry(redistribution="no"), Choice(redistribution=True), False),
        (entry(redistribution="yes", commercial="no"), Choice(redistribution=True), True),
        (entry(source=Source(hub="a/b")), Choice(), False),
        (entry(source=Source(hub="a/b")), Choice(hub=True), True),
    ],
)
def test_choice_is_by_name_kind_and_permission(one, choice, expected):
    assert is_chosen(one, choice) is expected


def test_nothing_left_says_what_to_do(tmp_path):
    config = BuildConfig(out=tmp_path / "out")
    assert "'medi list' with the same options" in nothing_left(config, [], Problems())
    assert "below no folder at all" in nothing_left(config, ["faq"], Problems())


@pytest.mark.parametrize("changed", [{"kinds": ("pairs",)}], ids=str)
def test_choice_refuses_an_unknown_kind(changed):
    with pytest.raises(ConfigError, match="kinds has 'pairs'; expected some of pair"):
        Choice(**changed)
