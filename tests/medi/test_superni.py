"""Task files as upstream writes them, and broken ones; labels, and option letters spelled out."""

import gzip
import json

import pytest

from instructvec.errors import FileError
from instructvec.medi.problems import Problems
from instructvec.medi.sources.options import spelled_out
from instructvec.medi.sources.superni import Task, are_labels, entry_of, read_task, rows_of

# All keys of upstream's tasks/README.md and of its task files.
UPSTREAM = {
    "Contributors": ["A. Contributor"],
    "Source": ["some dataset"],
    "URL": ["https://example.org"],
    "Categories": ["Question Answering", "Text Categorization"],
    "Reasoning": ["Commonsense"],
    "Definition": ["In this task you answer a question. ", "Answer briefly."],
    "Input_language": ["English"],
    "Output_language": ["English"],
    "Instruction_language": ["English"],
    "Domains": ["Wikipedia", "Natural Science -> School Science Textbooks"],
    "Positive Examples": [{"input": "What is up?", "output": "The sky.", "explanation": "It is."}],
    "Negative Examples": [],
    "Instances": [
        {"id": "task001-1", "input": " Who? \n", "output": [" Me. ", "I."]},
        {"id": "task001-2", "input": "How?", "output": ["So."]},
    ],
    "Instance License": ["Unknown"],
}


def write(folder, content, name="task001_answers.json"):
    path = folder / name
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def task(instances=(), **changed):
    return UPSTREAM | {"Instances": list(instances)} | changed


def read(path):
    problems = Problems()
    rows = list(rows_of(read_task(path), path, problems))
    return rows, problems


@pytest.mark.parametrize("name", ["task001_answers.json", "task001_answers.json.gz"])
def test_upstreams_format_in_full(tmp_path, name):
    path = write(tmp_path, UPSTREAM, name)
    found = read_task(path)
    assert found == Task(
        name="task001_answers",
        definition="In this task you answer a question. Answer briefly.",
        categories=("Question Answering", "Text Categorization"),
        domains=("Wikipedia", "Natural Science -> School Science Textbooks"),
        licence="",
        languages=("English", "English"),
        instances=UPSTREAM["Instances"],
    )
    rows, problems = read(path)
    assert [row[:3] for row in rows] == [("Who?", "Me.", ()), ("How?", "So.", ())]
    assert rows[1].where == f"{path}, Instances[1]"
    assert not problems.counts


def test_single_strings_stand_for_lists_and_other_keys_may_be_absent(tmp_path):
    content = {
        "Definition": "Answer.",
        "Instances": [{"input": "Who?", "output": "Me."}],
        "Instance License": "MIT",
    }
    path = write(tmp_path, content)
    found = read_task(path)
    assert (found.definition, found.licence, found.categories, found.languages) == ("Answer.", "MIT", (), ())
    assert [row[:2] for row in read(path)[0]] == [("Who?", "Me.")]


def test_byte_order_mark_is_no_part_of_the_json(tmp_path):
    assert len(read(write(tmp_path, b"\xef\xbb\xbf" + json.dumps(UPSTREAM).encode()))[0]) == 2


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"Definition": "x",\n "Instances": [}', r"broken JSON at line 2, column 16 .*; fetch the file again"),
        (b"", "broken JSON at line 1, column 1"),
        (json.dumps(UPSTREAM).encode("utf-16"), r"not UTF-8 \(byte 0\)"),
        (b'{"Instances": ["\xe9"]}', r"not UTF-8 \(byte 16\)"),
        (b"[" * 100_000, "JSON that cannot be read"),
        (b'{"Instances": [' + b"1" * 5000 + b"]}", "JSON that cannot be read"),
        ([1], "holds a list; expected the object of a Super-NaturalInstructions task"),
        ({"Definition": "x"}, "the key 'Instances' is missing"),
        (task(Instances={"a": 1}), "the key 'Instances' holds an object; expected a list of instances"),
        (task(Definition=[1]), "the key 'Definition' holds a list; expected a list of strings"),
        (task(Categories=3), r"the key 'Categories' holds a number \(3\); expected a list of strings"),
        (task(Domains=None), "the key 'Domains' holds nothing"),
    ],
)
def test_broken_file_is_named_with_its_place_or_key(tmp_path, content, message):
    path = write(tmp_path, content)
    with pytest.raises(FileError, match=f"^{path}: {message}"):
        read_task(path)


def test_gzip_that_is_cut_off_or_none_is_named(tmp_path):
    path = write(tmp_path, UPSTREAM, "task001_answers.json.gz")
    whole = path.read_bytes()
    for content in (whole[:-20], whole[:30], json.dumps(UPSTREAM).encode(), whole[:20] + b"\0" * 40):
        path.write_bytes(content)
        with pytest.raises(FileError, match="the gzip stream is damaged or cut off"):
            read_task(path)


def test_absent_file_is_named(tmp_path):
    with pytest.raises(FileError, match=r"task9_x\.json: cannot be read \(No such file"):
        read_task(tmp_path / "task9_x.json")


@pytest.mark.parametrize(
    ("instance", "code", "reason"),
    [
        ("text", "broken_row", "holds text; expected an object"),
        ({"output": ["a"]}, "missing_field", "the key 'input' is missing"),
        ({"input": "a"}, "missing_field", "the key 'output' is missing"),
        ({"input": "", "output": ["a"]}, "empty_text", "'input' is empty"),
        ({"input": "a", "output": []}, "empty_output", "'output' is empty"),
        ({"input": "a", "output": [" "]}, "empty_output", "'output' is empty"),
        ({"input": "a", "output": ""}, "empty_output", "'output' is empty"),
        ({"input": 1, "output": ["a"]}, "broken_row", "'input' is a number (1); expected text"),
        ({"input": "a", "output": [2]}, "broken_row", "'output' is a number (2); expected text"),
        ({"input": "a", "output": None}, "broken_row", "'output' is nothing (null); expected text"),
        (
            {"input": "a\ud83d", "output": "a"},
            "broken_row",
            "'input' has half a surrogate pair; expected Unicode text",
        ),
    ],
)
def test_bad_instance_is_named_and_the_others_are_kept(tmp_path, instance, code, reason):
    good = {"input": "Who?", "output": ["Me."]}
    path = write(tmp_path, task([good, instance, good]))
    rows, problems = read(path)
    assert len(rows) == 2
    [problem] = problems.examples["task001_answers"]
    assert problem == (code, "task001_answers", f"{path}, Instances[1]", reason)
    with pytest.raises(FileError, match=r"Instances\[1\]"):
        list(rows_of(read_task(path), path, Problems(strict=True)))


def test_task_without_instances_has_no_rows(tmp_path):
    assert read(write(tmp_path, task()))[0] == []


@pytest.mark.parametrize(
    ("outputs", "expected"),
    [
        ([], False),
        (["yes", "no"] * 4, True),
        (["yes", "no"] * 3 + ["maybe"], False),  # 7 rows for 3 outputs
        ([str(n) for n in range(60)] * 4, True),
        ([str(n) for n in range(61)] * 4, False),  # too many to be classes
        (["same"] * 4, True),
    ],
)
def test_outputs_are_labels_where_few_serve_many(outputs, expected):
    assert are_labels(outputs) is expected


# As upstream's tasks write them: OpenBookQA, MMLU, MathQA, HEAD-QA, TriviaQA, AQuA, TimeTravel, abductive NLI,
# ROCStories, MNLI and others.
QUESTIONS = [
    ("What is up? (A) sky (B) sea (C) sand", "B", "sea"),
    ("What is up?\n(A)sky (B)sea", "(A)", "sky"),
    ("What is up?\n\nOptions: A. sky\nB. sea\nC. sand", "C", "sand"),
    ("Problem: x ? \nOptions: a ) 38 , b ) 27.675 , c ) 3 , d ) 1.5 , e ) 28", "b", "27.675"),
    ("Problem: x ?\nOptions: a. 1: 3, b. 3: 8, c. 6: 3", "c", "6: 3"),
    ("Problem: x ? \nOptions: a ) a ) 70 , b ) b ) 35", "b", "35"),
    ("Question: x \n Options:  <1> Vitamin E. <2> Vitamin B. <3> None", "2", "Vitamin B."),
    ("Question:x? ,  Options: [A.1967 B.1955]", "B", "1955"),
    ("Where? Options: A tool shed B kitchen C under a table", "B", "kitchen"),
    ("Prompt: He \nCompletion A: sat down. \nCompletion B: ran off.", "Completion B", "ran off."),
    ("Surface? \nOptions: ['a ) 33.1', 'b ) 33.5', 'c ) 33.7']", "b", "33.5"),
    ("How far?\n\n Option A: 3 km\n\n Option B: 4.5 km", "Option B", "4.5 km"),
    ("Sentence 1: a \n Sentence 2: b \n Option 1: Tom ran. \n Option 2: Tom sat.", "Option 2", "Tom sat."),
    ("Beginning: a. Middle 1: It was 10 to 2. Middle 2: He won. Ending: b.", "2", "He won. Ending: b."),
    ("Sentence 4: x. Choices: a. Tom did not survive. b. Tabitha ran.", "a", "Tom did not survive."),
    ("Statement: (1) one; (2) two; and (3) three. Choices: 1. All three. 2. None", "2", "None"),
    ("A: Rain. B: Snow. C: Ice. Which follows?\n(A)It is wet. (B)It is cold.", "B", "It is cold."),
    ("When?\n(A)5-7 a.m. (B)9-11 p.m. (C)3-6 B.C.", "C", "3-6 B.C."),
    ("Who?\n(A)Freud (B)B. F. Skinner (C)both a and b.", "B", "B. F. Skinner"),
    ("Which?\n(A)no (B)yes (C)either (a) or (b)", "A", "no"),
    ("Vitamin A. is what? A. good B. bad", "A", "good"),
]


@pytest.mark.parametrize(("question", "letter", "option"), QUESTIONS)
def test_option_letters_are_spelled_out(question, letter, option):
    assert spelled_out([question] * 2, [letter] * 2) == [option] * 2


def test_letters_are_spelled_out_when_a_task_is_read(tmp_path):
    instances = [{"input": question, "output": [letter]} for question, letter, _ in QUESTIONS]
    rows, _ = read(write(tmp_path, task(instances)))
    assert [row.second for row in rows] == [option for _, _, option in QUESTIONS]


def test_letters_that_cannot_be_found_stay():
    questions = ["Sky? (A) blue (B) green"] * 19 + ["Grass? It is not said."]
    assert spelled_out(questions, ["A"] * 20) == ["blue"] * 19 + ["A"]


@pytest.mark.parametrize(
    ("inputs", "outputs"),
    [
        (["Sky? (A) blue (B) green", "Grass?"], ["A", "B"]),  # too few are found
        (["Sky? (A) blue (B) green"] * 2, ["A", "blue"]),  # not all are letters
        (["Speaker 1: Hi. Speaker 2: Hi. Speaker 1: Bye. Speaker 2: Bye."], ["2"]),  # a dialogue
        (["It cost 3.5 and 1.5, then 2.5"], ["1"]),
        (["I saw 7 a.m. and 8 b.c."], ["c"]),
        ([], []),
    ],
)
def test_outputs_stay_where_they_are_no_options(inputs, outputs):
    assert spelled_out(inputs, outputs) == outputs


def new_task(**changed):
    values = {
        "name": "task1_x",
        "definition": "Given a story, say who did it. Do not guess.",
        "categories": ("Question Answering",),
        "domains": ("Books -> Fiction",),
        "licence": "MIT",
        "languages": ("English",),
        "instances": [],
    }
    return Task(**(values | changed))


def test_entry_for_a_task_of_no_registry_is_made_from_what_it_says():
    entry = entry_of(new_task())
    assert (entry.name, entry.kind, entry.domain, entry.licence) == ("task1_x", "superni", "Fiction", "MIT")
    assert entry.instruction == "Represent the Fiction input for question answering: "
    assert entry.paraphrases[0] == "Given a story, say who did it. Do not guess: "
    assert len(entry.paraphrases) == 4
    assert all(sentence.endswith(": ") for sentence in entry.query.all)
    assert (entry.redistribution, entry.commercial) == ("unknown", "unknown")
    assert entry.source.file == "task1_x.json"


@pytest.mark.parametrize(
    "changed",
    [
        {"domains": ()},
        {"categories": ()},
        {"definition": ""},
        {"licence": ""},
        {"definition": "word " * 300},
        {"definition": "One\nsentence\non lines."},
        {"definition": "Question Answering."},
    ],
)
def test_entry_can_be_made_of_any_task(changed):
    entry = entry_of(new_task(**changed))
    assert entry.licence
    assert len(set(entry.query.all)) == len(entry.query.all) >= 3
    assert all(sentence.endswith(": ") and len(sentence) <= 220 for sentence in entry.query.all)
