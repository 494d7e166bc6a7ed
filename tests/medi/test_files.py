"""Files of rows: every format, roles over columns, and each way a row can be bad."""

import gzip
import json
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instructvec.errors import FileError
from instructvec.medi.problems import Problems
from instructvec.medi.registry import Dataset, Source
from instructvec.medi.sources.files import read_files


def entry(kind="pair", **source):
    return Dataset("faq", kind, "MIT", "Represent it: ", Source(file="x", **source))


def write(folder, name, content):
    path = folder / name
    raw = content if isinstance(content, bytes) else content.encode()
    path.write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    return path


def lines(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def read(one, *paths):
    problems = Problems()
    return list(read_files(one, paths, problems)), problems


def texts(one, *paths):
    rows, problems = read(one, *paths)
    assert not problems.counts
    return [row[:3] for row in rows]


def problem(one, path, n_rows=0):
    """The one problem that a file has, and in strict mode is an error."""
    rows, problems = read(one, path)
    [[found]] = problems.examples.values()
    assert len(rows) == n_rows
    assert found.dataset == "faq"
    with pytest.raises(FileError):
        list(read_files(one, [path], Problems(strict=True)))
    return found


PAIRS = [("How old?", "Nine."), ("Who, me?", 'Yes, "you".')]
AS_CSV = 'query,positive,id\nHow old?,Nine.,1\n"Who, me?","Yes, ""you"".",2\n'
AS_TSV = 'query\tpositive\nHow old?\tNine.\nWho, me?\t"Yes, ""you""."\n'
AS_JSONL = lines(*({"query": one, "positive": other, "id": 1} for one, other in PAIRS))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.jsonl", AS_JSONL),
        ("x.ndjson", AS_JSONL),
        ("x.jsonl.gz", AS_JSONL),
        ("x.csv", AS_CSV),
        ("x.csv.gz", AS_CSV),
        ("x.csv", "\ufeff" + AS_CSV),
        ("x.tsv", AS_TSV),
        ("x.tab.gz", AS_TSV),
    ],
)
def test_text_formats_give_the_same_rows(tmp_path, name, content):
    assert texts(entry(), write(tmp_path, name, content)) == [(one, other, ()) for one, other in PAIRS]


def test_parquet_gives_the_same_rows(tmp_path):
    table = pa.table({"query": [one for one, _ in PAIRS], "positive": [other for _, other in PAIRS]})
    table = table.set_column(0, "query", table["query"].combine_chunks().dictionary_encode())
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=1)
    rows, _ = read(entry(), tmp_path / "x.parquet")
    assert [row[:2] for row in rows] == PAIRS
    assert rows[1].where == f"{tmp_path / 'x.parquet'}, row 2"


def test_files_are_read_in_order_and_rows_say_where_they_stand(tmp_path):
    paths = [write(tmp_path, name, AS_CSV) for name in ("b.csv", "a.csv")]
    rows, _ = read(entry(), *paths)
    assert [row.where for row in rows] == [f"{path}, line {line}" for path in paths for line in (2, 3)]


def test_roles_are_columns_of_any_name(tmp_path):
    path = write(tmp_path, "x.jsonl", lines({"q": " a\n", "ans": "b"}))
    assert texts(entry(columns={"query": "q", "positive": "ans"}), path) == [("a", "b", ())]


def test_role_over_several_columns_joins_what_is_there(tmp_path):
    rows = [{"title": "Rain", "body": body, "positive": "p"} for body in ("It falls.", " ")]
    path = write(tmp_path, "x.jsonl", lines(*rows))
    found = texts(entry(columns={"query": ("title", "body")}), path)
    assert found == [("Rain\nIt falls.", "p", ()), ("Rain", "p", ())]


@pytest.mark.parametrize(
    ("negative", "others"),
    [("n", ("n",)), (["n", " m "], ("n", "m")), ("", ()), ([], ()), (None, ()), (["n", ""], ("n",))],
)
def test_negative_is_a_text_a_list_or_none(tmp_path, negative, others):
    path = write(tmp_path, "x.jsonl", lines({"query": "q", "positive": "p", "negative": negative}))
    assert texts(entry("triplet"), path) == [("q", "p", others)]


def test_negatives_of_several_columns_stay_apart(tmp_path):
    path = write(tmp_path, "x.csv", "query,positive,neg_1,neg_2\nq,p,n,m\nq,p,,m\n")
    one = entry("triplet", columns={"negative": ("neg_1", "neg_2")})
    assert [others for _, _, others in texts(one, path)] == [("n", "m"), ("m",)]


def test_lists_of_negatives_in_parquet(tmp_path):
    table = pa.table({"query": ["q", "q"], "positive": ["p", "p"], "negative": [["n", "m"], None]})
    pq.write_table(table, tmp_path / "x.parquet")
    assert [row[2] for row in texts(entry("triplet"), tmp_path / "x.parquet")] == [("n", "m"), ()]


@pytest.mark.parametrize(("label", "expected"), [(3, "3"), (3.0, "3"), (0.5, "0.5"), (True, "True"), (" a ", "a")])
def test_labels_may_be_numbers(tmp_path, label, expected):
    assert texts(entry("label"), write(tmp_path, "x.jsonl", lines({"text": "t", "label": label}))) == [
        ("t", expected, ())
    ]


@pytest.mark.parametrize("label", [None, float("nan"), ["a"]])
def test_labels_that_are_none_are_named(tmp_path, label):
    found = problem(entry("label"), write(tmp_path, "x.jsonl", lines({"text": "t", "label": label})))
    assert found.code == "broken_row"
    assert found.reason.startswith("'label' is ")


def test_labels_that_the_registry_leaves_out_are_counted_and_no_error_when_strict(tmp_path):
    path = write(tmp_path, "x.csv", "text,label\na,joy\nb,unclear\nc,-1\n")
    one = entry("label", without_labels=("unclear", "-1"))
    rows, problems = read(one, path)
    assert [row.second for row in rows] == ["joy"]
    assert problems.of("faq") == {"left_out_label": 2}
    assert list(read_files(one, [path], Problems(strict=True))) == rows


def test_missing_column_is_named_with_what_is_there(tmp_path):
    found = problem(entry(), write(tmp_path, "x.csv", "question,positive\na,b\n"))
    assert found.code == "missing_field"
    assert str(found) == (
        f"{tmp_path / 'x.csv'}, line 2: no 'query' for the role 'query'; there is 'question', 'positive': "
        "correct the dataset's source.columns"
    )


@pytest.mark.parametrize(
    ("row", "code", "reason"),
    [
        ({"query": "  ", "positive": "p"}, "empty_text", "'query' is empty"),
        ({"query": "q", "positive": None}, "broken_row", r"'positive' is nothing \(null\); expected text"),
        ({"query": "q", "positive": 3}, "broken_row", r"'positive' is a number \(3\); expected text"),
        ({"query": ["q"], "positive": "p"}, "broken_row", "'query' is a list; expected text"),
        ({"query": "q", "positive": "half \ud83d"}, "broken_row", "role 'positive' has half a surrogate pair"),
        ([], "broken_row", "the line holds a list; expected a JSON object"),
    ],
)
def test_bad_row_is_named_and_the_others_are_kept(tmp_path, row, code, reason):
    good = {"query": "q", "positive": "p"}
    found = problem(entry(), write(tmp_path, "x.jsonl", lines(good, row, good)), n_rows=2)
    assert found.code == code
    assert found.where == f"{tmp_path / 'x.jsonl'}, line 2"
    assert re.search(reason, found.reason)


@pytest.mark.parametrize("negative", [3, ["n", None], {"a": 1}, ["\ud83d"]])
def test_negative_of_another_type_is_named(tmp_path, negative):
    path = write(tmp_path, "x.jsonl", lines({"query": "q", "positive": "p", "negative": negative}))
    found = problem(entry("triplet"), path)
    assert found.code == "broken_row"
    assert "negative" in found.reason


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.jsonl", AS_JSONL + '{"query": "a", \n' + AS_JSONL, "broken JSON"),
        ("x.jsonl", AS_JSONL.encode() + b'{"query": "\xe9"}\n' + AS_JSONL.encode(), "is not UTF-8"),
        ("x.csv", AS_CSV + "only one\n" + AS_CSV.partition("\n")[2], "1 fields, but the header names 3"),
        ("x.tsv", AS_TSV + "a\tb\tc\n" + AS_TSV.partition("\n")[2], "3 fields, but the header names 2"),
    ],
)
def test_broken_line_costs_itself_alone(tmp_path, name, content, reason):
    found = problem(entry(), write(tmp_path, name, content), n_rows=4)
    assert found.code == "broken_row"
    assert found.where.startswith(f"{tmp_path / name}, line ")
    assert reason in found.reason


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.csv", AS_CSV.encode("utf-16"), "the file is UTF-16; expected UTF-8"),
        ("x.csv", "a,a\n1,2\n", "line 1: the header names ['a'] twice"),
        ("x.parquet", b"PAR1 and then nothing", "not a whole Parquet file"),
        ("x.parquet", b"", "not a whole Parquet file"),
        ("x.json", "[]", "the suffix '.json' names no known format"),
        ("x", "", "the suffix '' names no known format"),
    ],
)
def test_file_that_cannot_be_read_is_named_once(tmp_path, name, content, reason):
    found = problem(entry(), write(tmp_path, name, content))
    assert found.code == "broken_file"
    assert found.reason.startswith(reason) or reason in found.reason
    assert str(found).count(str(tmp_path / name)) <= 2  # twice where the remedy is a command


def test_gzip_that_is_cut_off_keeps_the_rows_before(tmp_path):
    path = write(tmp_path, "x.jsonl.gz", AS_JSONL * 5000)
    path.write_bytes(path.read_bytes()[:-40])
    rows, problems = read(entry(), path)
    assert problems.of("faq") == {"broken_file": 1}
    assert rows and len(rows) < 10_000


def test_file_that_is_gone_is_a_broken_file(tmp_path):
    assert problem(entry(), tmp_path / "x.csv").code == "broken_file"


def test_later_files_are_read_though_one_is_broken(tmp_path):
    rows, problems = read(entry(), write(tmp_path, "a.parquet", b""), write(tmp_path, "b.csv", AS_CSV))
    assert len(rows) == 2
    assert problems.of("faq") == {"broken_file": 1}


@pytest.mark.parametrize(("name", "content"), [("x.csv", ""), ("x.csv", "query,positive\n"), ("x.jsonl", "\n\n")])
def test_empty_file_has_no_rows_and_no_problem(tmp_path, name, content):
    assert texts(entry(), write(tmp_path, name, content)) == []


def test_problems_keep_a_few_examples_and_all_counts(tmp_path):
    path = write(tmp_path, "x.csv", "query,positive\n" + "a,\n" * 50)
    _, problems = read(entry(), path)
    assert problems.of("faq") == {"empty_text": 50}
    assert problems.of("other") == {}
    assert [one.where for one in problems.examples["faq"]] == [f"{path}, line {line}" for line in (2, 3, 4)]
