"""The suites that come with the package: their wordings and shipped data; and what a broken suite is told."""

import gzip
import importlib.util
import json
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from instructvec import Instruction
from instructvec.errors import ConfigError, FileError
from instructvec.evaluation.sources.load import load
from instructvec.evaluation.suite import KINDS, MIN_PARAPHRASES, SUITES, TaskSpec, read_suite, suite_names

SMOKE = SUITES / "smoke"
MAKER = Path(__file__).resolve().parents[2] / "benchmarks" / "makers" / "make_smoke.py"

ALL = [(name, task) for name in suite_names() for task in read_suite(name).tasks]


def those(condition=lambda _: True):
    """The tasks of all suites that meet a condition, one test each."""
    found = [(name, task) for name, task in ALL if condition(task)]
    return pytest.mark.parametrize("task", [task for _, task in found], ids=[f"{n}-{t.name}" for n, t in found])


EVERY_TASK = those()
SMOKE_TASKS = pytest.mark.parametrize("task", read_suite("smoke").tasks, ids=lambda task: task.name)


def main_instructions(task: TaskSpec) -> list[str]:
    own = [task.instruction] if task.instruction else []
    documents = [task.document_instruction] if task.document_instruction else []
    return own + documents + [goal.instruction for goal in task.goals.values()]


def paraphrase_sets(task: TaskSpec) -> list[tuple[str, ...]]:
    """Queries', documents' and goals' paraphrases, where there are any."""
    found = [task.paraphrases, task.document_paraphrases, *(goal.paraphrases for goal in task.goals.values())]
    return [one for one in found if one]


def all_wordings(task: TaskSpec) -> list[str]:
    others = [task.tag, task.simple, task.wrong, task.document_tag, task.document_simple, task.document_wrong]
    said = [wording for own in paraphrase_sets(task) for wording in own]
    return main_instructions(task) + said + [one for one in others if one]


def lines_of(path: Path) -> list[dict]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def smoke_maker():
    spec = importlib.util.spec_from_file_location("make_smoke", MAKER)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# What every suite of the package holds to


def test_the_package_has_these_suites():
    assert {"open", "paper", "smoke"} <= set(suite_names())


@pytest.mark.parametrize("name", suite_names())
def test_a_suite_is_named_after_its_file_and_described(name):
    suite = read_suite(name)
    assert suite.name == name
    assert 20 <= len(suite.description) <= 200
    assert str(Instruction.parse(suite.placebo)) == suite.placebo


@EVERY_TASK
def test_main_instructions_have_the_papers_form(task):
    assert main_instructions(task)
    for instruction in main_instructions(task):
        assert str(Instruction.parse(instruction)) == instruction


@EVERY_TASK
def test_every_wording_ends_as_the_papers_do(task):
    for wording in all_wordings(task):
        assert wording.endswith(": ") and wording.strip() == wording[:-1]


@EVERY_TASK
def test_there_are_paraphrases_enough_and_none_repeats_another(task):
    if task.kind != "instruction_retrieval":
        assert paraphrase_sets(task)
    for own in paraphrase_sets(task):
        assert len(own) >= MIN_PARAPHRASES
        assert len({wording.casefold() for wording in own}) == len(own)
    assert max(Counter(all_wordings(task)).values()) == 1


@EVERY_TASK
def test_paraphrases_differ_in_form_and_not_only_in_words(task):
    for own in paraphrase_sets(task):
        free = [wording for wording in own if not wording.startswith("Represent")]
        assert len(free) >= 2 and len({wording.split()[0] for wording in free}) >= 2
        assert any(wording.startswith("Represent ") for wording in own)
        assert min(map(len, own)) * 1.5 <= max(map(len, own)), "none of them is terse, or none is long"


@those(lambda task: task.document_instruction is not None and task.kind != "instruction_retrieval")
def test_documents_have_wordings_of_their_own_as_many_as_queries_have(task):
    assert task.document_instruction != task.instruction
    assert len(task.document_paraphrases) == len(task.paraphrases)
    assert not set(task.document_paraphrases) & set(task.paraphrases)


@pytest.mark.parametrize("name", ["open", "smoke"])
def test_answers_that_are_looked_up_have_document_instructions(name):
    assert all(task.document_instruction for task in read_suite(name).tasks if task.is_asymmetric)


@those(lambda task: task.instruction)
def test_tag_simple_and_wrong_are_what_they_are_called(task):
    assert not task.tag.startswith("Represent") and len(task.tag) < min(len(task.instruction), 40)
    assert len(task.simple) < len(task.instruction)
    assert Instruction.parse(task.simple).domain is None
    assert Instruction.parse(task.wrong).objective not in (None, Instruction.parse(task.instruction).objective)


@those(lambda task: task.goals)
def test_goals_are_told_apart_in_every_wording(task):
    said = [wording for goal in task.goals.values() for wording in (goal.instruction, *goal.paraphrases)]
    assert max(Counter(said).values()) == 1


@EVERY_TASK
def test_licence_and_source_are_told(task):
    assert task.licence.strip() and task.source.strip()


def test_tasks_with_published_scores_have_the_name_that_these_are_published_under():
    assert all(task.mteb_name for _, task in ALL if task.same_data_as_mteb)


# open


def test_open_has_every_kind_that_local_folders_hold_and_knows_its_data():
    tasks = read_suite("open").tasks
    assert len(tasks) == 30 and {task.kind for task in tasks} == set(KINDS) - {"instruction_retrieval"}
    assert all(task.folder and (task.first_text or task.only) for task in tasks)
    assert sum(task.same_data_as_mteb for task in tasks) == 12


def test_open_groups_each_of_clincs_150_intents_under_one_of_ten_domains():
    task = next(task for task in read_suite("open").tasks if task.name == "CLINC150Following")
    groups = task.goals["domain"].groups
    assert len(groups) == 10 and {len(own) for own in groups.values()} == {15}
    assert len({name for own in groups.values() for name in own}) == 150


def test_open_words_a_text_alike_wherever_it_is_shared():
    tasks = {task.name: task for task in read_suite("open").tasks}
    general = [tasks[f"STS{year}"] for year in (12, 13, 14, 15, 16)] + [tasks["STSBenchmark"]]
    assert len({(task.instruction, task.paraphrases) for task in general}) == 1
    intent = tasks["CLINC150Following"].goals["intent"]
    assert (intent.instruction, intent.paraphrases) == (
        tasks["CLINC150"].instruction,
        tasks["CLINC150"].paraphrases,
    )


# smoke


def test_smoke_has_every_kind():
    assert {task.kind for task in read_suite("smoke").tasks} == set(KINDS)


@SMOKE_TASKS
def test_smoke_does_not_pass_for_a_published_task(task):
    assert task.name.endswith("Smoke")
    assert task.mteb_name is None and not task.same_data_as_mteb


@SMOKE_TASKS
def test_smoke_is_read_as_it_lies_beside_its_suite(task):
    loaded = load(task, data_folder=None, suite_folder=SUITES)
    assert task.n_rows == loaded.n_rows and not loaded.notes


def test_smoke_tells_what_each_altered_instruction_made_irrelevant():
    task = next(task for task in read_suite("smoke").tasks if task.kind == "instruction_retrieval")
    data = load(task, data_folder=None, suite_folder=SUITES).data
    assert len(data.changed) == 30 and set(data.groups) == set(data.changed)
    for group, documents in data.changed.items():
        before, after = (set(data.collection.qrels[f"{group}{end}"]) for end in ("-og", "-changed"))
        assert set(documents) == before - after and len(after) == 1


def test_smoke_is_small():
    assert sum(path.stat().st_size for path in SMOKE.rglob("*") if path.is_file()) < 300_000


def test_smoke_ships_no_folder_that_no_task_uses():
    used = {Path(task.folder).name for task in read_suite("smoke").tasks}
    assert used == {path.name for path in SMOKE.iterdir() if path.is_dir()}


@SMOKE_TASKS
def test_smoke_names_the_licence_of_each_folder_beside_it(task):
    readme = (SMOKE / "README.md").read_text(encoding="utf-8")
    row = next(line for line in readme.splitlines() if line.startswith(f"| `{Path(task.folder).name}` |"))
    assert row.split("|")[-2].strip().replace("CC BY", "CC-BY").replace(" ", "-") == task.licence


def test_smoke_is_what_its_maker_makes_as_far_as_the_repository_holds_the_data():
    maker = smoke_maker()
    for task, make in (
        ("MedicalRerankingSmoke", maker.medical_reranking),
        ("MedicalFollowingSmoke", maker.medical_following),
    ):
        assert maker.ROWS[task][1] is make
        assert lines_of(SMOKE / task / "data.jsonl.gz") == make(Path(), Random(maker.ROWS[task][0]))
    queries, _ = maker.questions(Random("questions"))
    assert lines_of(SMOKE / "MedicalRetrievalSmoke" / "queries.jsonl.gz") == queries
    queries = [query for query, _ in maker.variants(Random("variants"))]
    assert lines_of(SMOKE / "MedicalInstructionsSmoke" / "queries.jsonl.gz") == queries


# What a broken suite is told

HEAD = '[suite]\nname = "mine"\ndescription = "a test"\nplacebo = "Represent whatever stands here: "\n'
TASK = """
[[task]]
name = "Mine"
kind = "classification"
licence = "CC0-1.0"
source = "generated"
folder = "Mine"
instruction = "Represent the sentence for classification by colour: "
paraphrases = ["one: ", "two: ", "three: ", "four: ", "five: "]
tag = "mine: "
simple = "Represent the sentence: "
wrong = "Represent the sentence for clustering by size: "
"""
FOLLOWING = """
[[task]]
name = "Mine"
kind = "following"
licence = "CC0-1.0"
source = "generated"
folder = "Mine"
[task.goals.topic]
instruction = "Represent the text by topic: "
paraphrases = ["topic: "]
[task.goals.style]
instruction = "Represent the text by style: "
paraphrases = ["style: "]
"""


@pytest.fixture
def suite_of(tmp_path):
    """A suite's text, and what to replace in it -> the suite."""

    def read(text, old="", new=""):
        assert old in text
        path = tmp_path / "mine.toml"
        path.write_text(text.replace(old, new, 1) if old else text, encoding="utf-8")
        return read_suite(path)

    return read


def test_a_suite_of_ones_own_is_read_from_its_file(suite_of, tmp_path):
    suite = suite_of(HEAD + TASK)
    assert (suite.name, suite.path, suite.tasks[0].main_metric) == ("mine", tmp_path / "mine.toml", "accuracy")


def test_goals_of_a_following_task_are_read(suite_of):
    goals = suite_of(HEAD + FOLLOWING).tasks[0].goals
    assert list(goals) == ["topic", "style"] and goals["style"].paraphrases == ("style: ",)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("licence =", "license =", "unknown key 'license'; did you mean 'licence'?"),
        ('source = "generated"\n', "", "the key 'source' is missing"),
        ('kind = "classification"', 'kind = "clasification"', "kind is 'clasification'; expected one of 'class"),
        ('name = "Mine"', "name = 3", "name is 3; expected a string"),
        ('licence = "CC0-1.0"', 'licence = " "', "licence is empty; name it, or say that none is known"),
        ('folder = "Mine"\n', "", "give either folder (local data) or hub (dataset ids), not both or neither"),
        ('folder = "Mine"', 'folder = "Mine"\nhub = ["me/mine"]', "give either folder"),
        ('folder = "Mine"', 'folder = "Mine"\nmetric = "f2"', "metric is 'f2'; classification has accuracy"),
        ('folder = "Mine"', 'folder = "Mine"\nn_experiments = 0', "n_experiments is 0; expected 1 or more"),
        ('folder = "Mine"', 'folder = "Mine"\nn_experiments = true', "n_experiments is True; expected a whole"),
        ('tag = "mine: "\n', "", "tag is missing or empty; every task has one"),
        (', "five: "', "", "4 paraphrases; expected at least 5"),
        ('"five: "', '"one: "', "'one: ' stands there twice; wordings must differ"),
        ('"five: "', '"mine: "', "'mine: ' stands there twice; wordings must differ"),
        ('"five: "', "5", "paraphrases[4] is 5; expected a string"),
        ('tag = "mine: "', 'tag = "mine: "\ndocument_instruction = "x: "', "classification has one side"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_task_is_told_with_file_task_and_key(suite_of, old, new, said):
    with pytest.raises(ConfigError) as caught:
        suite_of(HEAD + TASK, old, new)
    found = str(caught.value)
    name = "3" if new == "name = 3" else "Mine"
    assert f"mine.toml, task 1 ({name}): " in found
    assert said in found


def test_document_paraphrases_are_as_many_as_the_queries(suite_of):
    with pytest.raises(ConfigError, match=r"5 paraphrases but 1 of the document's; give as many of each"):
        suite_of(
            HEAD + TASK.replace('"classification"', '"retrieval"'),
            'tag = "mine: "',
            'tag = "mine: "\ndocument_instruction = "x: "\ndocument_paraphrases = ["y: "]',
        )


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('[task.goals.style]\ninstruction = "Represent the text by style: "\nparaphrases = ["style: "]\n', "",
         r"goals has 1 entries; following is measured between two or more"),
        ('["style: "]', '["style: ", "form: "]', r"goals have \{'topic': 1, 'style': 2\} paraphrases; give each"),
        ('"Represent the text by style: "', '" "', r"goals\.style: instruction is empty"),
        ('[task.goals.style]\ninstruction', '[task.goals.style]\ninstructoin',
         r"goals\.style: unknown key 'instructoin'; did you mean 'instruction'\?"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_goal_is_told(suite_of, old, new, said):
    with pytest.raises(ConfigError, match=said):
        suite_of(HEAD + FOLLOWING, old, new)


def test_the_second_of_two_tasks_is_named_when_it_is_wrong(suite_of):
    second = TASK.replace('"Mine"', '"Yours"').replace("tag =", "tga =")
    with pytest.raises(ConfigError, match=r"task 2 \(Yours\): unknown key 'tga'; did you mean 'tag'\?"):
        suite_of(HEAD + TASK + second)


def test_two_tasks_of_one_name_are_refused(suite_of):
    with pytest.raises(ConfigError, match=r"mine\.toml: two tasks are named 'Mine'"):
        suite_of(HEAD + TASK + TASK)


def test_a_suite_without_a_head_or_tasks_or_with_other_tables_is_refused(suite_of):
    with pytest.raises(ConfigError, match=r"mine\.toml, \[suite\]: the key 'name' is missing"):
        suite_of(TASK)
    with pytest.raises(ConfigError, match=r"mine\.toml: no \[\[task\]\] tables; a suite has at least one"):
        suite_of(HEAD)
    with pytest.raises(ConfigError, match=r"unknown table 'tasks'; a suite has \[suite\] and \[\[task\]\]"):
        suite_of(HEAD + TASK, "[[task]]", "[[tasks]]")
    with pytest.raises(ConfigError, match=r"\[suite\]: unknown key 'placebos'; did you mean 'placebo'\?"):
        suite_of(HEAD + TASK, "placebo =", "placebos =")


@pytest.mark.parametrize("content", ["suite = 1\n", "task = [1]\n" + HEAD, "task = 1\n" + HEAD])
def test_tables_that_are_none_are_refused(suite_of, content):
    with pytest.raises(ConfigError, match=r"mine\.toml: .*expected"):
        suite_of(content)


def test_a_suite_of_no_known_name_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigError, match=r"suite is 'opn'; there are .*open.*smoke.*, or give a \.toml file"):
        read_suite("opn")


def test_broken_toml_is_refused_with_its_line(suite_of):
    with pytest.raises(FileError, match=r"mine\.toml: broken TOML: .*line 2"):
        suite_of("[suite]\nname = = 3\n")
