"""The files of a dataset become its usable rows; what is left out is counted by reason."""

import gzip
import hashlib
import json

import pytest

from instructvec.errors import FileError
from instructvec.medi import prepare as preparing
from instructvec.medi.decontaminate import Protected
from instructvec.medi.filters import Filters
from instructvec.medi.prepare import prepare
from instructvec.medi.problems import Problems
from instructvec.medi.registry import Dataset, Source
from tests.medi.small import csv_content, json_lines, task_content

SECRET = "which river flows through the city of prague"


def entry(kind, file="data.jsonl", **options):
    source = options.pop("source", None) or Source(file=file, **options.pop("of_source", {}))
    return Dataset("faq", kind, "MIT", "Represent it: ", source, **options)


@pytest.fixture
def prepared(tmp_path):
    """Writes a file and prepares it: (rows as tuples, facts)."""

    def run(one, content, *, filters=None, protected=(), strict=False):
        path = tmp_path / one.source.file
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        guard = Protected(("quiz", text) for text in protected) if protected else None
        made = prepare(one, [path], filters or Filters(), guard, Problems(strict=strict))
        columns = (made.table.column(name).to_pylist() for name in ("first", "second", "others"))
        return list(zip(*columns, strict=True)), made.facts

    return run


def test_pairs_triplets_labels_and_tasks_become_rows_of_one_shape(prepared):
    pair = prepared(entry("pair"), json_lines([{"query": " how? ", "positive": "so"}]))
    triplet = prepared(
        entry("triplet"), json_lines([{"query": "how?", "positive": "so", "negative": ["not so", "never"]}])
    )
    label = prepared(entry("label", "data.csv"), csv_content([("text", "label"), ("rain", "wet"), ("sun", "dry")]))
    task = prepared(entry("superni", "task1_x.json"), task_content([("rain", "wet"), ("sun", "dry")]))
    assert pair[0] == [("how?", "so", [])]
    assert triplet[0] == [("how?", "so", ["not so", "never"])]
    assert label[0] == task[0] == [("rain", "wet", []), ("sun", "dry", [])]
    for rows, facts in (pair, triplet, label, task):
        assert (facts["read"], facts["dropped"], facts["problems"]) == (len(rows), {}, [])


def test_files_are_hashed_as_they_are(prepared):
    content = gzip.compress(json_lines([{"query": "how?", "positive": "so"}]).encode())
    _, facts = prepared(entry("pair", "data.jsonl.gz"), content)
    digest = hashlib.sha256(content).hexdigest()
    assert facts["files"] == [{"name": "data.jsonl.gz", "bytes": len(content), "sha256": digest}]


def test_no_row_gives_an_empty_table_of_the_same_schema(prepared, tmp_path):
    (tmp_path / "full.jsonl").write_text(json_lines([{"query": "how?", "positive": "so"}]))
    (tmp_path / "empty.jsonl").write_text("")
    full, empty = (
        prepare(entry("pair"), [tmp_path / name], Filters(), None, Problems())
        for name in ("full.jsonl", "empty.jsonl")
    )
    assert empty.table.num_rows == 0
    assert empty.table.schema == full.table.schema
    assert empty.facts["dropped"] == {"no_rows": 1}
    assert empty.facts["problems"] == [
        f"{tmp_path}/empty.jsonl: holds no rows; check the file, or take the entry out"
    ]


def test_files_of_a_dataset_follow_each_other(tmp_path):
    paths = [tmp_path / name for name in ("a.jsonl", "b.jsonl")]
    for path in paths:
        path.write_text(json_lines([{"query": f"{path.name}?", "positive": "it is"}]))
    made = prepare(entry("pair", "*.jsonl"), paths, Filters(), None, Problems())
    assert made.table.column("first").to_pylist() == ["a.jsonl?", "b.jsonl?"]
    assert [file["name"] for file in made.facts["files"]] == ["a.jsonl", "b.jsonl"]


def test_every_text_of_a_row_is_filtered_but_labels_and_outputs_are_not(prepared):
    filters = Filters(min_words=2)
    rows, facts = prepared(
        entry("triplet"),
        json_lines(
            [
                {"query": "a query", "positive": "a positive", "negative": "a negative"},
                {"query": "a query", "positive": "a positive", "negative": "short"},
                {"query": "a query", "positive": "short", "negative": "a negative"},
                {"query": "a query", "positive": "A query!", "negative": "a negative"},
            ]
        ),
        filters=filters,
    )
    assert len(rows) == 1
    assert facts["dropped"] == {"too_short": 2, "same_sides": 1}
    labelled = csv_content([("text", "label"), ("much rain", "1"), ("much sun", "2"), ("snow", "3")])
    rows, facts = prepared(entry("label", "data.csv"), labelled, filters=filters)
    assert rows == [("much rain", "1", []), ("much sun", "2", [])]
    assert facts["dropped"] == {"too_short": 1}


def test_rows_with_any_text_of_an_evaluation_are_left_out(prepared):
    clean = {"query": "who?", "positive": "somebody else", "negative": ["nobody at all"]}
    hit = [
        clean | {"query": SECRET},
        clean | {"positive": SECRET.upper()},
        clean | {"negative": ["x y", f"so {SECRET}"]},
    ]
    rows, facts = prepared(entry("triplet"), json_lines([clean, *hit]), protected=[SECRET])
    assert rows == [("who?", "somebody else", ["nobody at all"])]
    assert facts["dropped"] == {"in_evaluation_exact": 1, "in_evaluation_normalised": 1, "in_evaluation_n-gram": 1}
    assert facts["hits"] == {"quiz": {"exact": 1, "normalised": 1, "n-gram": 1}}
    assert facts["read"] == 4


def test_labels_and_outputs_may_be_in_an_evaluation_for_they_get_into_no_mixture(prepared):
    rows, facts = prepared(
        entry("superni", "task1_x.json"), task_content([("rain", SECRET), ("sun", "dry")]), protected=[SECRET]
    )
    assert len(rows) == 2
    assert facts["hits"] == {}


def test_one_label_is_told_by_the_rows_that_are_left(prepared):
    rows, facts = prepared(
        entry("label", "data.csv"),
        csv_content([("text", "label"), ("much rain", "wet"), ("much water", "wet"), ("x", "dry")]),
    )
    assert rows == []
    assert facts["dropped"] == {"one_label": 2, "too_short": 1}
    assert "every row has the label or output 'wet'" in facts["problems"][0]


def test_labels_that_are_none_are_no_problem_even_when_strict(prepared):
    one = entry("label", "data.csv", of_source={"without_labels": ("?",)})
    rows, facts = prepared(
        one, csv_content([("text", "label"), ("rain", "wet"), ("sun", "dry"), ("fog", "?")]), strict=True
    )
    assert len(rows) == 2
    assert facts["dropped"] == {"left_out_label": 1}
    assert facts["read"] == 3


def test_problems_of_rows_are_counted_with_the_first_examples(prepared):
    bad = [{"query": "how?"}] * 5 + [{"query": "", "positive": "so"}]
    rows, facts = prepared(entry("pair"), json_lines([*bad, {"query": "how?", "positive": "so"}]))
    assert len(rows) == 1
    assert facts["dropped"] == {"empty_text": 1, "missing_field": 5}
    assert facts["read"] == 7
    assert len(facts["problems"]) == 3


def test_earlier_problems_of_other_datasets_are_not_counted(tmp_path):
    path = tmp_path / "data.jsonl"
    path.write_text("{")
    problems = Problems()
    prepare(entry("pair"), [path], Filters(), None, problems)
    other = Dataset("other", "pair", "MIT", "Represent it: ", Source(file="data.jsonl"))
    facts = prepare(other, [path], Filters(), None, problems).facts
    assert facts["dropped"] == {"broken_row": 1}


def test_facts_can_be_written_as_json(prepared):
    _, facts = prepared(entry("pair"), json_lines([{"query": "é?", "positive": SECRET}]), protected=[SECRET])
    assert json.loads(json.dumps(facts)) == facts


# The hub.

HUB = {"source": Source(hub="some/where", columns={"query": ("title", "body"), "positive": "pos.0"})}


def fake_hub(monkeypatch, records, *, breaks=None, refuses=None):
    asked = {}

    def rows(source, **options):
        asked.update(options, hub=source.hub)
        if refuses:
            raise FileError(refuses)

        def iterate():
            yield from records
            if breaks:
                raise FileError(breaks)

        return iterate()

    monkeypatch.setattr(preparing, "hub_rows", rows)
    return asked


def test_rows_of_the_hub_are_asked_for_by_their_columns(monkeypatch):
    records = [{"title": "rain", "body": "in may", "pos.0": "wet"}, {"title": "sun", "body": "", "pos.0": None}]
    asked = fake_hub(monkeypatch, records)
    made = prepare(entry("pair", **HUB), [], Filters(), None, Problems(), limit=7, seed=3)
    assert asked == {"hub": "some/where", "limit": 7, "seed": 3, "columns": ["title", "body", "pos.0"]}
    assert made.table.to_pylist() == [{"first": "rain\nin may", "second": "wet", "others": []}]
    assert made.facts["dropped"] == {"broken_row": 1}
    assert made.facts["files"] == []
    assert made.facts["problems"] == ["some/where, row 2: 'pos.0' is nothing (null); expected text"]


def test_dataset_that_the_hub_has_not_is_left_out(monkeypatch):
    fake_hub(monkeypatch, [], refuses="hub dataset 'some/where': no split 'train'")
    facts = prepare(entry("pair", **HUB), [], Filters(), None, Problems()).facts
    assert facts["dropped"] == {"broken_file": 1}
    with pytest.raises(FileError, match="no split 'train'"):
        prepare(entry("pair", **HUB), [], Filters(), None, Problems(strict=True))


def test_half_a_dataset_does_not_pass_for_the_whole_where_the_connection_breaks(monkeypatch):
    fake_hub(monkeypatch, [{"title": "rain", "body": "", "pos.0": "wet"}], breaks="the connection broke")
    made = prepare(entry("pair", **HUB), [], Filters(), None, Problems())
    assert made.table.num_rows == 0
    assert made.facts["dropped"] == {"broken_file": 1}
    assert made.facts["problems"] == ["hub: some/where: the connection broke"]
