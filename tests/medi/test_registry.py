"""The bundled registry as data, and one's own: what an entry may hold and how a bad one is named."""

import re
import time
from collections import defaultdict
from pathlib import Path

import pytest

import instructvec.evaluation
from instructvec.errors import ConfigError, FileError
from instructvec.medi.problems import Problems
from instructvec.medi.registry import REGISTRY, Dataset, Source, read_registry
from instructvec.toml import read_toml

UNIFIED = re.compile(r"Represent the \S.*? for \S.*\S: ")

ENTRY = """
[[dataset]]
name = "faq"
kind = "pair"
licence = "MIT"
instruction = "Represent the shop's question for finding its answer: "
source = {{ file = "faq.csv" }}
{more}
"""


@pytest.fixture(scope="module")
def bundled():
    return read_registry()


def sides(entry):
    """(key, wordings, text type) of each side that has instructions of its own."""
    yield "", entry.query, entry.text_type
    if entry.document_instruction is not None:
        yield "document_", entry.document, entry.document_type


def strings(value):
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from strings(one)
    elif isinstance(value, list):
        for one in value:
            yield from strings(one)


def write(folder, content, name="mine.toml"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def own(path, **options):
    return read_registry([path], bundled=False, **options)


def test_there_are_nine_hundred_datasets_with_unique_names_of_every_kind(bundled):
    names = [entry.name for entry in bundled]
    assert len(names) >= 900
    assert len(set(names)) == len(names)
    assert names == sorted(names)
    assert {entry.kind for entry in bundled} == {"pair", "triplet", "label", "superni"}
    # A table of a working folder is a file of the name; two of them, and a suffix, make that of a contrast.
    assert max(map(len, names)) <= 100


def test_each_side_has_the_unified_sentence_and_four_paraphrases(bundled):
    for entry in bundled:
        for key, wordings, text_type in sides(entry):
            assert UNIFIED.fullmatch(wordings.instruction), (entry.name, key, wordings.instruction)
            assert len(wordings.paraphrases) >= 4, (entry.name, key)
            assert text_type, (entry.name, key)


def test_sentences_are_one_short_line_that_ends_in_a_colon_and_a_blank(bundled):
    for entry in bundled:
        for key, wordings, _ in sides(entry):
            for sentence in wordings.all:
                where = (entry.name, key, sentence)
                assert sentence.endswith(": ") and not sentence.endswith(" : "), where
                assert sentence == sentence.strip() + " ", where
                assert len(sentence) <= 220, where
                assert "\n" not in sentence and not set("{}") & set(sentence), where


def test_paraphrases_differ_in_form(bundled):
    """At least two of the four are no "Represent the …" sentence."""
    for entry in bundled:
        for key, wordings, _ in sides(entry):
            others = [one for one in wordings.paraphrases if not one.startswith("Represent ")]
            assert len(others) >= 2, (entry.name, key)


def test_no_sentence_is_shared_by_datasets_with_different_instructions(bundled):
    instructions = defaultdict(set)
    for entry in bundled:
        for _, wordings, _ in sides(entry):
            for sentence in wordings.all:
                instructions[sentence.casefold()].add(wordings.instruction)
    shared = {sentence: whose for sentence, whose in instructions.items() if len(whose) > 1}
    assert not shared


def test_no_sentence_is_one_of_the_evaluation(bundled):
    suites = sorted((Path(instructvec.evaluation.__file__).parent / "suites").glob("*.toml"))
    unseen = {text.strip().casefold() for suite in suites for text in strings(read_toml(suite))}
    assert len(unseen) > 200
    for entry in bundled:
        for _, wordings, _ in sides(entry):
            for sentence in wordings.all:
                assert sentence.strip().casefold() not in unseen, (entry.name, sentence)


def test_each_states_its_licence_and_where_it_is_from(bundled):
    for entry in bundled:
        assert entry.licence.strip(), entry.name
        assert entry.source.hub or (entry.source.repository and entry.source.path) or entry.note, entry.name
        assert entry.folder is None


def test_super_ni_entries_are_named_as_their_task_files(bundled):
    for entry in bundled:
        if entry.kind == "superni":
            assert entry.source.file == f"{entry.name}.json"


def test_is_read_in_a_few_seconds():
    start = time.perf_counter()
    for path in REGISTRY.rglob("*.toml"):
        read_registry([path], bundled=False)
    assert time.perf_counter() - start < 20  # 1 s on an idle core; the rest for a busy one


def test_own_file_and_own_folder_are_read_with_their_place(tmp_path):
    path = write(tmp_path, ENTRY.format(more='domain = "shop"'), "sub/mine.toml")
    [entry] = own(tmp_path)
    assert [entry] == own(path)
    assert entry.folder == tmp_path / "sub"
    assert entry.origin == f"{path}: dataset 1 (faq)"
    assert (entry.kind, entry.domain, entry.symmetric, entry.default) == ("pair", "shop", True, True)
    assert entry.query.all == entry.document.all == ("Represent the shop's question for finding its answer: ",)


def test_asymmetric_entry_has_wordings_of_its_own_on_each_side(tmp_path):
    more = """symmetric = false
document_instruction = "Represent the answer: "
document_paraphrases = ["answer: "]
paraphrases = ["question: "]"""
    [entry] = own(write(tmp_path, ENTRY.format(more=more)))
    assert entry.query.all == ("Represent the shop's question for finding its answer: ", "question: ")
    assert entry.document.all == ("Represent the answer: ", "answer: ")


def test_own_entry_replaces_the_bundled_one_of_its_name(tmp_path, bundled):
    name = bundled[0].name
    path = write(tmp_path, ENTRY.replace('"faq"', f'"{name}"').format(more=""))
    entries = read_registry([path])
    assert len(entries) == len(bundled)
    assert next(one for one in entries if one.name == name).source.file == "faq.csv"
    assert read_registry() == bundled  # what is kept of it is left alone


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('licence = "MIT"', ""), r"\(faq\): the key 'licence' is missing; write what the source states"),
        (('licence = "MIT"', 'licence = " "'), "licence is empty"),
        (
            ('licence = "MIT"', 'licence = "MIT"\nlicense = "MIT"'),
            "unknown key 'license'; did you mean 'licence'?",
        ),
        (('kind = "pair"', 'kind = "pairs"'), "kind is 'pairs'; expected one of 'pair', 'triplet'"),
        (('kind = "pair"', 'kind = "pair"\nsymmetric = false'), "asymmetric, but without 'document_instruction'"),
        (('kind = "pair"', 'kind = "pair"\ndocument_instruction = "x"'), "symmetric, but with a document_instr"),
        (('kind = "pair"', 'kind = "label"\nsymmetric = false'), "kind 'label' has one side only"),
        (('file = "faq.csv"', 'file = "faq.csv", hub = "a/b"'), "source: give either 'file' or 'hub'"),
        (('file = "faq.csv"', 'path = "faq.csv"'), "source: give either 'file' or 'hub'"),
        (('file = "faq.csv"', 'file = ""'), "source: 'file' or 'hub' is empty"),
        (('file = "faq.csv"', 'fil = "faq.csv"'), "source: unknown key 'fil'; did you mean 'file'?"),
        (
            ('file = "faq.csv"', 'file = "faq.csv", columns = { label = "x" }'),
            "source.columns has 'label'; a dataset of kind 'pair' has 'query', 'positive'",
        ),
        (
            ('file = "faq.csv"', 'file = "faq.csv", columns = { query = [] }'),
            "source.columns.query names no column",
        ),
        (('name = "faq"', 'name = "a/b"'), "name is 'a/b'; expected letters, digits"),
        (('name = "faq"', ""), r"\(without a name\): the key 'name' is missing"),
        (('name = "faq"', "name = 3"), "name is 3; expected a string"),
        (("Represent the shop's question for finding its answer: ", ""), "instruction or paraphrases has ''"),
        (('kind = "pair"', 'kind = "pair"\nparaphrases = ["a", "a"]'), "paraphrases says 'a' twice"),
        (('kind = "pair"', 'kind = "pair"\nparaphrases = "a"'), "paraphrases is 'a'; expected a list"),
        (('kind = "pair"', 'kind = "pair"\nparaphrases = ["a\\nb"]'), "expected one line"),
        (('kind = "pair"', 'kind = "pair"\nfolder = "x"'), "unknown key 'folder'"),
    ],
)
def test_bad_entry_is_named_with_file_and_key_and_left_out_unless_strict(tmp_path, change, message):
    good = ENTRY.format(more="").replace("faq", "good")
    path = write(tmp_path, ENTRY.format(more="").replace(*change) + good)
    with pytest.raises(FileError, match=f"^{re.escape(str(path))}: dataset 1 .*{message}"):
        own(path)
    problems = Problems()
    assert [entry.name for entry in own(path, problems=problems)] == ["good"]
    [[problem]] = problems.examples.values()
    assert problem.code == "broken_entry"
    assert re.search(message, str(problem))
    assert str(problem).count(str(path)) == 1


def test_name_that_is_taken_is_named_with_both_places(tmp_path):
    path = write(tmp_path, ENTRY.format(more="") * 2)
    message = rf"dataset 2 \(faq\): the name 'faq' is taken by {re.escape(str(path))}: dataset 1 \(faq\)"
    with pytest.raises(FileError, match=message):
        own(path)
    problems = Problems()
    assert len(own(path, problems=problems)) == 1
    assert problems.counts["faq", "duplicate_name"] == 1


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        ("[[dataset", FileError, "broken TOML"),
        (b"name = '\xff'", FileError, "not UTF-8 text"),
        ("[dataset]\nname = 'x'", ConfigError, r"begin each dataset with \[\[dataset\]\]"),
        ("dataset = [1]", ConfigError, r"begin each dataset with \[\[dataset\]\]"),
        ("[[datasets]]\nname = 'x'", ConfigError, "unknown key 'datasets'"),
        ("", ConfigError, "no dataset"),
    ],
)
def test_file_of_something_else_is_refused(tmp_path, content, kind, message):
    path = write(tmp_path, content)
    with pytest.raises(kind, match=f"^{re.escape(str(path))}.*{message}"):
        own(path, problems=Problems())


def test_absent_file_and_empty_folder_are_refused(tmp_path):
    with pytest.raises(FileError, match=r"none\.toml: cannot be read"):
        own(tmp_path / "none.toml")
    with pytest.raises(FileError, match=r"no \.toml file in this folder"):
        own(tmp_path)


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        (Source(file="x.csv"), "x.csv"),
        (Source(file="x.csv", repository="a/b", path="c/x.csv"), "a/b: c/x.csv"),
        (Source(hub="a/b", config="en"), "hub: a/b (en)"),
    ],
)
def test_source_says_where_it_is(source, shown):
    assert str(source) == shown


def test_entry_made_in_code_is_checked_too():
    with pytest.raises(ConfigError, match="licence is empty"):
        Dataset("x", "pair", "", "Represent it: ", Source(file="x"))
