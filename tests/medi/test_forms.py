"""The files of forms: the bundled one as data, and one's own."""

import re
from pathlib import Path

import pytest

import instructvec.evaluation
from instructvec.errors import ConfigError, FileError
from instructvec.medi.forms import Place, read_forms, sides_of
from instructvec.medi.registry import Dataset, Source, read_registry
from instructvec.toml import read_toml
from tests.medi.test_registry import UNIFIED, strings

FORM = """
[[form]]
name = "{name}"
sources = [{{ dataset = "{dataset}", side = "{side}" }}]
"""


@pytest.fixture(scope="module")
def entries():
    return {entry.name: entry for entry in read_registry()}


def sources():
    return [(form, source) for form in read_forms().bundled.values() for source in form.sources]


def write(folder, content, name="forms.toml"):
    path = folder / name
    path.write_text(content)
    return path


def own(name, kind="pair", folder=Path()):
    return Dataset(name, kind, "MIT", "Represent it: ", Source(file="x"), folder=folder)


def test_each_bundled_form_is_a_side_of_bundled_datasets(entries):
    forms = read_forms().bundled.values()
    assert len(forms) >= 40
    assert len({form.name for form in forms}) == len(forms)
    for form, source in sources():
        assert source.side in sides_of(entries[source.dataset]), (form.name, source)


def test_no_side_of_a_dataset_has_two_forms():
    sides = [(source.dataset, source.side) for _, source in sources()]
    assert len(set(sides)) == len(sides)


def test_both_goals_have_the_unified_sentence_and_eight_others_in_other_forms(entries):
    assert list(read_forms().goals) == ["form", "subject"]
    for wordings in read_forms().goals.values():
        assert UNIFIED.fullmatch(wordings.instruction)
        assert len(wordings.paraphrases) >= 8
        assert len(set(wordings.all)) == len(wordings.all)
        assert sum(not one.startswith("Represent ") for one in wordings.paraphrases) >= 4
        for sentence in wordings.all:
            assert sentence == sentence.strip() + " " and sentence.endswith(": ") and len(sentence) <= 220


def test_no_sentence_is_one_of_the_evaluation_or_of_a_dataset_or_of_the_other_goal(entries):
    suites = (Path(instructvec.evaluation.__file__).parent / "suites").glob("*.toml")
    taken = {text.strip().casefold() for suite in suites for text in strings(read_toml(suite))}
    assert len(taken) > 200
    datasets = (one for entry in entries.values() for side in (entry.query, entry.document) for one in side.all)
    taken |= {sentence.strip().casefold() for sentence in datasets}
    for wordings in read_forms().goals.values():
        own = {sentence.strip().casefold() for sentence in wordings.all}
        assert not own & taken
        taken |= own


def test_places_are_those_of_datasets_that_take_part(entries):
    some = [entries[name] for name in ("jeopardy", "goemotions", "online_medical_qa", "medquad")]
    found = read_forms().chosen(some)
    assert found.places == [
        Place("doctor's answer", "online_medical_qa", "positive"),
        Place("forum comment", "goemotions", "text"),
        Place("patient's question", "online_medical_qa", "query"),
        Place("quiz clue", "jeopardy", "query"),
    ]
    assert found.absent == []
    assert read_forms().chosen([]).places == []


def test_own_dataset_of_a_bundled_ones_name_has_no_form_until_ones_own_file_says_so(tmp_path, entries):
    mine = [own("jeopardy"), entries["goemotions"]]
    assert [place.dataset for place in read_forms().chosen(mine).places] == ["goemotions"]
    path = write(tmp_path, FORM.format(name="forum comment", dataset="jeopardy", side="query"))
    assert read_forms([path]).chosen(mine).places == [
        Place("forum comment", "goemotions", "text"),
        Place("forum comment", "jeopardy", "query"),
    ]


def test_what_ones_own_files_name_and_is_not_there_is_told(tmp_path):
    paths = [
        write(tmp_path, FORM.format(name="memo", dataset=name, side="query"), f"{name}.toml")
        for name in ("b", "a")
    ]
    found = read_forms(paths).chosen([own("b")])
    assert found.absent == ["a"]
    assert found.places == [Place("memo", "b", "query")]


@pytest.mark.parametrize(
    ("kind", "side", "expected"),
    [
        ("pair", "text", "'query' or 'positive'"),
        ("triplet", "text", "'query' or 'positive'"),
        ("label", "query", "'text'"),
        ("superni", "positive", "'text'"),
    ],
)
def test_a_side_that_a_dataset_has_not_is_refused(tmp_path, kind, side, expected):
    path = write(tmp_path, FORM.format(name="memo", dataset="a", side=side))
    message = rf"^{re.escape(str(path))}: form 1 \(memo\): 'a' of kind '{kind}' has no side '{side}'; expected "
    with pytest.raises(ConfigError, match=message + expected):
        read_forms([path]).chosen([own("a", kind)])


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"no form; begin each with \[\[form\]\]"),
        ("[form]\nname = 'x'", r"no form; begin each with \[\[form\]\]"),
        ("[[forms]]\nname = 'x'", "unknown key 'forms'"),
        ("[goal.form]\ninstruction = 'x'", "unknown key 'goal'"),
        ("[[form]]\nname = 'x'", r"form 1 \(x\): the key 'sources' is missing"),
        ("[[form]]\nname = 'x'\nsources = []", "sources is empty"),
        (FORM.format(name=" ", dataset="a", side="text"), "name is empty"),
        (FORM.format(name="x", dataset="a", side="label"), "expected one of 'query', 'positive', 'text'"),
        (FORM.replace("side =", "sides =").format(name="x", dataset="a", side="text"), "did you mean 'side'"),
        (FORM.format(name="x", dataset="a", side="text") * 2, r"form 2 \(x\): the name 'x' is taken"),
    ],
)
def test_a_file_of_something_else_is_refused_with_its_place(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(ConfigError, match=f"^{re.escape(str(path))}.*{message}"):
        read_forms([path])


def test_an_absent_file_is_refused(tmp_path):
    with pytest.raises(FileError, match=r"none\.toml: cannot be read"):
        read_forms([tmp_path / "none.toml"])


def test_the_goals_names_are_not_for_datasets(tmp_path):
    for name in read_forms().goals:
        entry = f'[[dataset]]\nname = "{name}"\nkind = "pair"\nlicence = "MIT"\ninstruction = "x"\n'
        path = write(tmp_path, entry + 'source = { file = "x" }')
        with pytest.raises(
            FileError, match=f"the name is that of the mixture's own rows of {name}s; take another"
        ):
            read_registry([path], bundled=False)
