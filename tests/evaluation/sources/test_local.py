import gzip
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instructvec.errors import FileError
from instructvec.evaluation import data as kinds
from instructvec.evaluation.sources.local import read_folder
from instructvec.evaluation.suite import Goal
from tests.evaluation.specs import spec, write_jsonl

TRAIN = [{"text": f"train {at}", "label": at % 2, "split": "train"} for at in range(4)]
TEST = [{"text": f"test {at}", "label": at % 2, "split": "test"} for at in range(2)]

# kind -> rows, and the data they are.
EVERY_KIND = {
    "classification": (
        TRAIN + TEST,
        kinds.Classification([f"train {at}" for at in range(4)], [0, 1, 0, 1], ["test 0", "test 1"], [0, 1]),
    ),
    "clustering": (
        [{"text": f"t{at}", "label": "ab"[at % 2], "set": at // 2} for at in range(4)],
        kinds.Clustering([["t0", "t1"], ["t2", "t3"]], [["a", "b"], ["a", "b"]]),
    ),
    "pair_classification": (
        [{"a": "x", "b": "y", "label": 1}, {"a": "v", "b": "w", "label": False}],
        kinds.PairClassification(["x", "v"], ["y", "w"], [True, False]),
    ),
    "sts": (
        [{"a": "x", "b": "y", "score": 1}, {"a": "v", "b": "w", "score": 2.5}],
        kinds.Sts(["x", "v"], ["y", "w"], [1.0, 2.5]),
    ),
    "reranking": (
        [{"query": "q", "positive": ["p"], "negative": ["n", "m"]}],
        kinds.Reranking(["q"], [["p"]], [["n", "m"]]),
    ),
    "summarization": (
        [{"human_summaries": ["h"], "machine_summaries": ["m", "k"], "relevance": [1, 2.5]}],
        kinds.Summarization([["h"]], [["m", "k"]], [[1.0, 2.5]]),
    ),
    "text_generation_evaluation": (
        [
            {"hypothesis": "h", "references": ["r", "s"], "human_score": 3, "doc": "d"},
            {"hypothesis": "i", "references": ["t"], "human_score": 4, "doc": "e"},
        ],
        kinds.TextGenerationEvaluation(["h", "i"], [["r", "s"], ["t"]], [3.0, 4.0], ["d", "e"]),
    ),
    "prompt_retrieval": (
        [{"input": "i", "output": "o", "split": "train"}, {"input": "j", "output": 1, "split": "test"}],
        kinds.PromptRetrieval(["i"], ["o"], ["j"], ["1"]),
    ),
    "following": (
        [{"text": "t", "topic": "sea", "style": "loud"}, {"text": "u", "topic": "law", "style": "calm"}],
        kinds.Following(["t", "u"], {"topic": ["sea", "law"], "style": ["loud", "calm"]}),
    ),
}


@pytest.fixture
def read(tmp_path):
    def read(rows, task, name="data.jsonl"):
        write_jsonl(tmp_path / name, rows)
        return read_folder(tmp_path, task)

    return read


@pytest.mark.parametrize("name", ["data.jsonl", "data.jsonl.gz"])
@pytest.mark.parametrize("kind", EVERY_KIND)
def test_reads_every_kind(read, kind, name):
    rows, expected = EVERY_KIND[kind]
    found = read(rows, spec(kind), name)
    assert found.data == expected
    assert found.n_rows == len(rows)
    assert found.notes == ()


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_a_field_may_stand_in_another_column(read, kind):
    rows, expected = EVERY_KIND[kind]
    columns = {name: f"the {name}" for name in rows[0]}
    assert (
        read([{columns[key]: row[key] for key in row} for row in rows], spec(kind, columns=columns)).data
        == expected
    )


@pytest.mark.parametrize("kind", ["classification", "pair_classification", "sts", "prompt_retrieval", "following"])
@pytest.mark.parametrize("suffix", ["csv", "tsv"])
def test_reads_csv_with_numbers_as_text(tmp_path, kind, suffix):
    rows, expected = EVERY_KIND[kind]
    separator = "," if suffix == "csv" else "\t"
    lines = [separator.join(rows[0])] + [
        separator.join(str(row[key]).replace("False", "0") for key in row) for row in rows
    ]
    (tmp_path / f"data.{suffix}").write_text("\n".join(lines) + "\n")
    found = read_folder(tmp_path, spec(kind)).data
    if kind == "classification":  # what stands in a CSV file is text
        assert (found.texts, found.labels) == (expected.texts, [str(one) for one in expected.labels])
    else:
        assert found == expected


@pytest.mark.parametrize("kind", ["classification", "reranking", "summarization", "following"])
def test_reads_parquet_with_lists(tmp_path, kind):
    rows, expected = EVERY_KIND[kind]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data.parquet")
    assert read_folder(tmp_path, spec(kind)).data == expected


def test_only_the_scored_split_is_scored(read):
    rows = [
        {"a": "x", "b": "y", "score": at, "split": split}
        for at, split in enumerate(["dev", "test", "dev", "test"])
    ]
    assert read(rows, spec("sts")).data.scores == [1.0, 3.0]
    assert read(rows, spec("sts", split="dev")).data.scores == [0.0, 2.0]


def test_empty_texts_are_legal(read):
    rows = [
        {"text": "", "label": at % 2, "split": split}
        for at, split in enumerate(["train", "train", "test", "test"])
    ]
    assert read(rows, spec("classification")).data.texts == ["", ""]


def test_texts_without_sets_are_one_set(read):
    rows = [{"text": "t", "label": "a"}, {"text": "u", "label": "b"}]
    assert read(rows, spec("clustering")).data.texts == [["t", "u"]]


def test_hypotheses_of_the_same_references_are_a_group_where_rows_name_none(read):
    rows = [
        {"hypothesis": "h", "references": own, "human_score": at} for at, own in enumerate([["r"], ["s"], ["r"]])
    ]
    groups = read(rows, spec("text_generation_evaluation")).data.groups
    assert groups[0] == groups[2] != groups[1]


def test_queries_without_both_kinds_of_candidate_are_left_out_and_noted(read):
    rows = [
        {"query": "q", "positive": ["p"], "negative": ["n"]},
        {"query": "r", "positive": [], "negative": ["n"]},
        {"query": "s", "positive": ["p"], "negative": []},
    ]
    found = read(rows, spec("reranking"))
    assert found.data.queries == ["q"]
    assert found.n_rows == 3
    assert "2 of 3 queries" in found.notes[0]


WORDS = ["tea", "car", "rum", "bus", "gin"]
WORD_ROWS = [{"text": str(at), "label": label, "of": at % 2} for at, label in enumerate(WORDS)]


def grouped(**groups):
    """A task of the words' own labels, and of groups of them."""
    goals = {
        "word": Goal("Represent the word: ", column="label"),
        "kind": Goal("Represent its kind: ", column="label", groups=groups),
    }
    return lambda **more: spec("following", goals=goals, **more)


def test_following_groups_labels(read):
    task = grouped(drink=("tea", "rum", "gin"), ride=("car", "bus"))
    found = read(WORD_ROWS, task()).data
    assert found.goals == {"word": WORDS, "kind": ["drink", "ride", "drink", "ride", "drink"]}
    with pytest.raises(FileError, match=r"line 2: 'label' holds text \('car'\); expected a value of one of the"):
        read(WORD_ROWS, grouped(drink=("tea",))())


def test_following_keeps_the_rows_it_is_told_to(read):
    task = grouped(t=("tea", "car"), o=("rum", "gin", "bus"))
    found = read(WORD_ROWS, task(only={"of": "0"}))
    assert found.data.texts == ["0", "2", "4"]
    assert found.n_rows == 5
    with pytest.raises(FileError, match=r"no row has 'French' in 'of'; there are '0', '1'"):
        read(WORD_ROWS, task(only={"of": "French"}))


def changed(kind, at, **values):
    """The rows of a kind with some values of one replaced, or removed where they are ``...``."""
    rows = [dict(row) for row in EVERY_KIND[kind][0]]
    rows[at] = {key: value for key, value in (rows[at] | values).items() if value is not ...}
    return rows


MALFORMED = {
    "classification": [
        (changed("classification", 1, label=None), r"line 2: 'label' holds nothing \(null\)"),
        (changed("classification", 1, label=1.5), r"line 2: 'label' holds a number \(1.5\); expected a label"),
        (changed("classification", 1, label="b"), r"line 2: 'label' holds text \('b'\); .* as on line 1 \(0\)"),
        (changed("classification", 2, text=["t"]), r"line 3: 'text' holds a list; expected text"),
        (changed("classification", 2, text=...), r"line 3: the key 'text' is missing.* has 'label', 'split'"),
        (changed("classification", 2, text="\ud800"), r"line 3: 'text' holds half a character"),
        (changed("classification", 4, label=7), r"label 7 is in the test split but not in the training"),
        (changed("classification", 4, label=1), r"data.jsonl: test split: every row has the label 1"),
        (changed("classification", 5, split=None), r"line 6: 'split' holds nothing"),
        (changed("classification", 5, split=...), r"line 6: the key 'split' is missing"),
        (TRAIN, r"the split 'test' is empty or missing; there are 'train' \(4 rows\)"),
        (TEST, r"the split 'train' is empty or missing; there are 'test' \(2 rows\)"),
        ([{"text": "t", "label": 1}], r"no column 'split'; classification needs two splits"),
        (TRAIN + [row | {"label": "b"} for row in TEST], r"line 5: 'label' .* as in the split 'train' \(0\)"),
    ],
    "clustering": [
        (changed("clustering", 1, label="a"), r"data.jsonl: set 0: every row has the label 'a'"),
        (changed("clustering", 1, set=0.5), r"line 2: 'set' holds a number"),
    ],
    "pair_classification": [
        (changed("pair_classification", 0, label=2), r"line 1: 'label' holds a number \(2\); expected 0 or 1"),
        (changed("pair_classification", 0, label="1"), r"line 1: 'label' holds text \('1'\); expected 0 or 1"),
        (changed("pair_classification", 0, label=0), r"every row has the label False"),
    ],
    "sts": [
        (changed("sts", 1, score=float("nan")), r"line 2: 'score' holds NaN; expected a finite number"),
        (changed("sts", 1, score="2"), r"line 2: 'score' holds text \('2'\); expected a finite number"),
        (changed("sts", 1, score=True), r"line 2: 'score' holds true; expected a finite number"),
        (changed("sts", 1, score=1), r"every score is 1.0; a correlation with a constant"),
        (changed("sts", 1, a=3), r"line 2: 'a' holds a number \(3\); expected text"),
    ],
    "reranking": [
        (changed("reranking", 0, positive="p"), r"line 1: 'positive' holds text \('p'\); expected a list"),
        (changed("reranking", 0, negative=["n", None]), r"line 1: 'negative' holds nothing \(null\) as entry 2"),
        (changed("reranking", 0, negative=[]), r"queries with both kinds of candidate: empty"),
    ],
    "summarization": [
        (changed("summarization", 0, human_summaries=[]), r"line 1: 'human_summaries' is an empty list"),
        (changed("summarization", 0, relevance=[1]), r"'relevance' has 1 scores for 2 machine summaries"),
        (changed("summarization", 0, relevance=[1, "2"]), r"'relevance' holds text as entry 2"),
    ],
    "text_generation_evaluation": [
        (changed("text_generation_evaluation", 1, references=[]), r"line 2: 'references' is an empty list"),
        (changed("text_generation_evaluation", 1, human_score=None), r"line 2: 'human_score' holds nothing"),
    ],
    "prompt_retrieval": [(changed("prompt_retrieval", 0, output=None), r"line 1: 'output' holds nothing")],
    "following": [
        (changed("following", 0, style=...), r"line 1: the key 'style' is missing"),
        ([{"text": "t", "topic": "sea"}], r"no column 'style'; .* columns are 'text', 'topic'"),
    ],
}


@pytest.mark.parametrize(
    ("kind", "rows", "message"), [(kind, *case) for kind, cases in MALFORMED.items() for case in cases]
)
def test_refuses_malformed_rows_by_file_line_and_key(tmp_path, kind, rows, message):
    # Python's JSON says NaN and lone surrogates, as other writers do.
    (tmp_path / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(FileError, match=message) as raised:
        read_folder(tmp_path, spec(kind))
    assert str(tmp_path / "data.jsonl") in str(raised.value)


def test_csv_names_the_line_of_a_number_that_is_none(tmp_path):
    (tmp_path / "data.csv").write_text("a,b,score\nx,y,1\nv,w,much\n")
    with pytest.raises(FileError, match=r"data.csv, line 3: 'score' holds text \('much'\); expected a"):
        read_folder(tmp_path, spec("sts"))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("data.jsonl", b'{"a": 1}\n{"a": \n', r"data.jsonl, line 2: broken JSON"),
        ("data.jsonl", b'{"a": 1}\n\n[1]\n', r"data.jsonl, line 3: the line holds a list; expected a JSON object"),
        ("data.jsonl", b'{"a": "\xff"}\n', r"data.jsonl, line 1: byte 0xff .* not UTF-8"),
        ("data.jsonl", b"\n", r"data.jsonl: empty"),
        ("data.jsonl.gz", b"no gzip", r"data.jsonl.gz: the gzip stream is damaged"),
        (
            "data.jsonl.gz",
            gzip.compress(b'{"a": 1}\n' * 99)[:-20],
            r"data.jsonl.gz: the gzip stream is damaged or cut off",
        ),
        ("data.csv", b"", r"data.csv: empty"),
        ("data.csv", b"a,b\n1\n", r"data.csv, line 2: 1 fields, but the header names 2"),
        ("data.csv", b"a,b\nx,y\n", r"data.csv: no column 'score'.* columns are 'a', 'b'"),
        ("data.csv", b"c,b\nx,y\n", r"data.csv: no column 'a'"),
        ("data.parquet", b"no parquet", r"data.parquet: not a whole Parquet file"),
        ("data.txt", b"text\n", r"data.txt: a text file has no columns"),
        ("rows.jsonl", b"{}\n", r"no data file; expected data.jsonl.* there is rows.jsonl"),
    ],
)
def test_refuses_files_that_are_not_what_they_claim(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(FileError, match=message):
        read_folder(tmp_path, spec("sts"))


def test_refuses_to_choose_between_two_data_files(tmp_path):
    write_jsonl(tmp_path / "data.jsonl", EVERY_KIND["sts"][0])
    write_jsonl(tmp_path / "data.jsonl.gz", EVERY_KIND["sts"][0])
    with pytest.raises(FileError, match=r"data.jsonl, data.jsonl.gz; which is the data\?"):
        read_folder(tmp_path, spec("sts"))


def test_blank_lines_and_byte_order_marks_do_not_count(tmp_path):
    rows = EVERY_KIND["sts"][0]
    content = "\ufeff" + "\n\n".join(json.dumps(row) for row in rows)
    (tmp_path / "data.jsonl").write_text(content, encoding="utf-8")
    assert read_folder(tmp_path, spec("sts")).n_rows == 2
