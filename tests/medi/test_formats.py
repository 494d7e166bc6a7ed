"""The original's medi-data.json and MEDI2: hand-written files as theirs, round trips, broken files."""

import gzip
import json

import pytest

from instructvec.errors import FileError, InputError, OutputError
from instructvec.medi import json_rows
from instructvec.medi.formats import Written, read_medi2, read_medi_json, tasks_path, write_medi_json
from instructvec.medi.triplets import Side, Triplet

# As in the README of the original.
QUESTION = "Represent the Wikipedia question for retrieving relevant documents;"
DOCUMENT = "Represent the Wikipedia document for retrieval;"


def row(at=0, **changed):
    plain = {
        "query": [QUESTION, f"who sang song {at}"],
        "pos": [DOCUMENT, f"Song {at} is a ballad"],
        "neg": [DOCUMENT, f"Song {at} held off"],
        "task_id": 1,
    }
    return plain | changed


def listed(at=0, **changed):
    return {key: [value] if key in ("pos", "neg") else value for key, value in row(at).items()} | changed


def triplet(at=0, dataset="medi_1", kind="triplet", rule="given"):
    return Triplet(
        Side(QUESTION, f"who sang song {at}"),
        Side(DOCUMENT, f"Song {at} is a ballad"),
        Side(DOCUMENT, f"Song {at} held off"),
        dataset,
        kind,
        rule,
    )


def write(path, content):
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def lines(*rows):
    return "".join(json.dumps(one) + "\n" for one in rows)


@pytest.fixture
def skipped():
    """Collects what is left out: ``(where, reason)``."""

    class Skipped(list):
        def __call__(self, where, reason):
            self.append((where, reason))

    return Skipped()


@pytest.mark.parametrize("form", ["one line", "indented", "zipped", "with a mark", "lines"])
def test_reads_the_original_in_all_the_forms_it_is_handed_around_in(tmp_path, form):
    rows = [row(at) for at in range(3)]
    content = {
        "one line": json.dumps(rows).encode(),
        "indented": json.dumps(rows, indent=20, ensure_ascii=False).encode(),
        "zipped": gzip.compress(json.dumps(rows).encode()),
        "with a mark": b"\xef\xbb\xbf \n" + json.dumps(rows).encode(),
        "lines": lines(*rows).encode(),
    }[form]
    assert list(read_medi_json(write(tmp_path / "medi-data.json", content))) == [triplet(at) for at in range(3)]


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_reads_the_same_whatever_a_chunk_cuts(tmp_path, monkeypatch, chunk):
    rows = [
        row(1, query=["", 'a "quoted" {"query": [1]} \\ and\n\ttab, ü, 漢字, 😀']),
        row(2, neg=[DOCUMENT, "  "], extra=[-1.5e-7, None, True, float("inf")]),
        row(3, pos=["]", "}, {"]),
    ]
    content = (json.dumps(rows[:2], indent=3)[:-2] + "," + json.dumps(rows[2], ensure_ascii=False) + "]").encode()
    path = write(tmp_path / "medi-data.json", content)
    monkeypatch.setattr(json_rows, "CHUNK_BYTES", chunk)
    found = list(json_rows.read_json_rows(path))
    assert [one.values for one in found] == rows
    assert [one.where for one in found] == [f"{path}, row {number}" for number in (1, 2, 3)]


def test_keeps_texts_as_they_are_and_makes_numbers_texts(tmp_path):
    rows = [row(query=["", " 1 "], pos=[DOCUMENT, 12], neg=["alone"]), row(pos=[DOCUMENT, 0.5])]
    first, second = read_medi_json(write(tmp_path / "m.json", json.dumps(rows)))
    assert first[:3] == (Side("", " 1 "), Side(DOCUMENT, "12"), Side("", "alone"))
    assert second.positive.text == "0.5"


def test_takes_task_names_and_calls_tasks_as_told(tmp_path):
    rows = [row(), row(task_id=7), {**row(), "task_name": "squad_pairs"}]
    del rows[2]["task_id"]
    path = write(tmp_path / "m.json", json.dumps(rows))
    assert [one.dataset for one in read_medi_json(path)] == ["medi_1", "medi_7", "squad_pairs"]
    names = {"7": "seven", "squad_pairs": "squad"}
    assert [one.dataset for one in read_medi_json(path, names=names)] == ["medi_1", "seven", "squad"]


def test_reads_an_empty_list(tmp_path):
    assert list(read_medi_json(write(tmp_path / "m.json", " [ ] "))) == []


def test_holds_no_more_than_a_chunk_and_a_row(tmp_path, monkeypatch):
    path = write(tmp_path / "m.json", json.dumps([row(at) for at in range(2000)]))
    monkeypatch.setattr(json_rows, "CHUNK_BYTES", 4096)
    longest = 0
    more = json_rows._Text.more

    def noted(self):
        nonlocal longest
        found = more(self)
        longest = max(longest, len(self.text))
        return found

    monkeypatch.setattr(json_rows._Text, "more", noted)
    assert sum(1 for _ in read_medi_json(path)) == 2000
    assert longest < 4096 + 2 * len(json.dumps(row(2000)))


BROKEN = [
    ({"neg": None}, "'neg' has nothing (null) as its text; expected text"),
    ({"neg": []}, "'neg' has 0 entries; expected two, [instruction, text]"),
    ({"pos": ["a", "b", "c"]}, "'pos' has 3 entries"),
    ({"query": {"text": "x"}}, "'query' has an object as its text"),
    ({"query": [None, "x"]}, "'query' has nothing (null) as its instruction; expected text, or ''"),
    ({"pos": [DOCUMENT, ["x"]]}, "'pos' has a list as its text"),
    ({"pos": [DOCUMENT, " \n"]}, "'pos' has an empty text"),
    ({"neg": [DOCUMENT, "a\ud800"]}, "'neg' has at character 2 a byte that is not UTF-8, or half an escaped pair"),
    ({"task_id": True}, "'task_id' is true; expected a whole number or a name"),
    ({"task_id": ""}, "'task_id' is text; expected"),
]


@pytest.mark.parametrize(("change", "said"), BROKEN)
def test_names_row_and_key_of_what_has_another_shape(tmp_path, skipped, change, said):
    path = write(tmp_path / "m.json", json.dumps([row(1), row(2, **change), row(3)]))
    with pytest.raises(FileError) as caught:
        list(read_medi_json(path))
    assert str(caught.value).startswith(f"{path}, row 2: {said}")
    assert list(read_medi_json(path, strict=False, on_skip=skipped)) == [triplet(1), triplet(3)]
    assert [where for where, _ in skipped] == [f"{path}, row 2"]
    assert skipped[0][1].startswith(said)


@pytest.mark.parametrize("key", ["query", "pos", "neg", "task_id"])
def test_names_the_key_that_is_missing(tmp_path, key):
    broken = row(2)
    del broken[key]
    path = write(tmp_path / "m.json", json.dumps([row(1), broken]))
    with pytest.raises(FileError, match=rf"row 2: .*'{key}'.*expected"):
        list(read_medi_json(path))


@pytest.mark.parametrize("value", ["text", 3, None, ["query"]])
def test_names_a_row_that_is_no_object(tmp_path, skipped, value):
    path = write(tmp_path / "m.json", json.dumps([row(1), value, row(2)]))
    assert len(list(read_medi_json(path, strict=False, on_skip=skipped))) == 2
    assert "row 2" in skipped[0][0]
    assert "expected an object" in skipped[0][1]


@pytest.mark.parametrize("chunk", [5, 1 << 20])
@pytest.mark.parametrize(
    ("broken", "at", "said"),
    [
        (lambda text: text.replace('"pos"', "pos", 1), 'pos"', "Expecting property name"),
        (lambda text: text.replace(f'"{DOCUMENT}"', f'"{DOCUMENT}', 1), "", "Expecting ',' delimiter"),
        (lambda text: text.replace('"task_id": 1', '"task_id": nil', 1), "nil", "Expecting value"),
        (lambda text: text.replace("ballad", "\\x", 1), "\\x", "Invalid \\escape"),
        (lambda text: text.replace("ballad", "\x01", 1), "\x01", "Invalid control character"),
    ],
)
def test_a_row_of_broken_json_costs_itself_alone(tmp_path, skipped, monkeypatch, chunk, broken, at, said):
    monkeypatch.setattr(json_rows, "CHUNK_BYTES", chunk)
    texts = [json.dumps(row(number), ensure_ascii=False) for number in range(4)]
    texts[0] = texts[0].replace("who", "wü")
    content = f"[{texts[0]}, {texts[1]}, {broken(texts[2])},\n {texts[3]}]"
    path = write(tmp_path / "m.json", content)
    with pytest.raises(FileError, match="row 3: broken JSON at byte"):
        list(read_medi_json(path))
    found = list(read_medi_json(path, strict=False, on_skip=skipped))
    assert [one.positive for one in found] == [triplet(number).positive for number in (0, 1, 3)]
    (where, reason), *others = skipped
    assert (where, others) == (f"{path}, row 3", [])
    assert said in reason
    byte = int(reason.split("byte ")[1].split()[0])
    row_bytes = [len(f"[{texts[0]}, {texts[1]}, ".encode()), len(content.encode()) - len(texts[3])]
    assert row_bytes[0] < byte < row_bytes[1]


def test_counts_bytes_as_they_stand_in_the_file(tmp_path):
    path = write(tmp_path / "m.json", b'[{"query": ["\xc3\xbc\xff", x]}]')
    with pytest.raises(FileError, match=r"row 1: broken JSON at byte 20 of the file"):
        list(read_medi_json(path))


@pytest.mark.parametrize(
    ("content", "n_good", "said"),
    [
        (f"[{json.dumps(row(0))}, {json.dumps(row(1))[:-9]}", 1, "broken JSON at byte"),
        (f"[{json.dumps(row(0))}, ", 1, "the file ends inside the list; it may be cut off"),
        (f"[{json.dumps(row(0))}", 1, "the file ends inside the list"),
        (f"[{json.dumps(row(0))} {json.dumps(row(1))}]", 2, "broken JSON behind this row, at byte"),
        (f"[{json.dumps(row(0))}] {json.dumps([row(1)])}", 1, "more text behind the list's end, at byte"),
        (f"[{json.dumps(row(0))}, {'[' * 100_000}, {json.dumps(row(1))}]", 2, "cannot be read"),
    ],
)
def test_names_where_the_list_itself_is_broken(tmp_path, skipped, content, n_good, said):
    path = write(tmp_path / "m.json", content)
    assert len(list(read_medi_json(path, strict=False, on_skip=skipped))) == n_good
    assert len(skipped) == 1
    assert said in skipped[0][1]


def test_names_bytes_that_are_not_utf8(tmp_path, skipped):
    content = json.dumps([row(1), row(2), row(3)]).encode().replace(b"song 2", b"s\xf6ng 2")
    path = write(tmp_path / "m.json", content)
    assert len(list(read_medi_json(path, strict=False, on_skip=skipped))) == 2
    assert "'query' has at character 11 a byte that is not UTF-8" in skipped[0][1]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is empty; expected a JSON list of rows"),
        (b"query,pos\n", "begins with 'q'; expected a JSON list"),
        ("[]".encode("utf-16"), "UTF-16 or UTF-32; expected UTF-8"),
        (
            gzip.compress(json.dumps([row(at) for at in range(99)]).encode())[:-20],
            "gzip stream is damaged or cut off",
        ),
    ],
)
@pytest.mark.parametrize("read", [read_medi_json, read_medi2])
def test_names_a_file_that_cannot_be_used(tmp_path, read, content, said):
    path = write(tmp_path / "m.json", content)
    with pytest.raises(FileError, match=said) as caught:
        list(read(path, strict=False))
    assert str(path) in str(caught.value)


def test_names_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileError, match=r"nowhere\.json: cannot be read \(No such file"):
        list(read_medi_json(tmp_path / "nowhere.json"))


def test_reads_a_folder_of_medi2_by_the_order_of_its_names(tmp_path):
    folder = tmp_path / "MEDI2"
    write(folder / "medi-data-hardnegatives-instruct-2.jsonl", lines(listed(2, task_id=2)))
    write(folder / "medi-data-hardnegatives-instruct-1.jsonl", lines(listed(0), listed(1)))
    other = {key: value for key, value in listed(4).items() if key != "task_id"}
    write(folder / "more.jsonl.gz", gzip.compress(lines(other).encode()))
    write(folder / "README.md", "# MEDI2")
    write(folder / ".cache" / "x.jsonl", "broken")
    found = list(read_medi2(folder))
    assert found == [triplet(0), triplet(1), triplet(2, "medi_2"), triplet(4, "more")]
    assert [one.dataset for one in read_medi2(folder, names={"more": "m", "1": "one"})][2:] == ["medi_2", "m"]


def test_uses_every_positive_and_negative_of_a_row(tmp_path):
    sides = [[DOCUMENT, name] for name in "abc"]
    content = lines(
        listed(pos=sides[:1], neg=sides), listed(pos=sides[:2], neg=[]), listed(pos=sides, neg=sides[:2])
    )
    found = list(read_medi2(write(tmp_path / "m.jsonl", content)))
    texts = [(one.positive.text, one.negative and one.negative.text) for one in found]
    assert texts[:5] == [("a", "a"), ("a", "b"), ("a", "c"), ("a", None), ("b", None)]
    assert texts[5:] == [("a", "a"), ("b", "b"), ("c", "a")]


def test_reads_medi2_with_plain_texts(tmp_path):
    content = lines(
        listed(pos=["p"], neg=["n", "m"]), listed(query="q", pos="p", neg="n"), listed(pos=[["p"]], neg=None)
    )
    found = list(read_medi2(write(tmp_path / "m.jsonl", content)))
    assert [one.negative and one.negative.text for one in found] == ["n", "m", "n", None]
    assert {one.positive for one in found} == {Side("", "p")}
    assert [one.query.instruction for one in found] == [QUESTION, QUESTION, "", QUESTION]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pos": []}, "'pos' is an empty list; expected at least one"),
        ({"pos": 3}, "'pos' is a number (3); expected a list of [instruction, text]"),
        ({"neg": [[DOCUMENT, "n"], [DOCUMENT, ""]]}, "'neg[1]' has an empty text"),
        ({"neg": [[DOCUMENT, "n", "m"]]}, "'neg[0]' has 3 entries"),
        ({"query": []}, "'query' has 0 entries"),
    ],
)
def test_names_line_and_key_in_medi2(tmp_path, skipped, change, said):
    path = write(tmp_path / "m.jsonl", lines(listed(1)) + "\n{broken\n" + lines(listed(2, **change), listed(3)))
    with pytest.raises(FileError, match=r"m\.jsonl, line 3: broken JSON at character 2 of the line"):
        list(read_medi2(path))
    assert list(read_medi2(path, strict=False, on_skip=skipped)) == [triplet(1), triplet(3)]
    assert [where for where, _ in skipped] == [f"{path}, line 3", f"{path}, line 4"]
    assert skipped[1][1].startswith(said)


def test_names_a_folder_without_files(tmp_path):
    with pytest.raises(FileError, match=r"no \.jsonl or \.json file below this folder"):
        list(read_medi2(tmp_path))


def test_writes_what_the_original_reads(tmp_path):
    path = tmp_path / "medi-data.json"
    made = [triplet(0, "songs"), triplet(1, "songs"), triplet(2, "ümlaut")]
    written = write_medi_json(iter(made), path)
    assert json.loads(path.read_text("ascii")) == [row(0, task_id=0), row(1, task_id=0), row(2, task_id=1)]
    assert written == Written(3, 0, 0, {"songs": 0, "ümlaut": 1})


@pytest.mark.parametrize("name", ["medi-data.json", "medi-data.json.gz"])
def test_round_trip_keeps_names_and_kinds(tmp_path, name):
    made = [triplet(0, "a", "pair"), triplet(1, "b", "label"), triplet(2, "b", "label"), triplet(3, "a", "pair")]
    made[1] = made[1]._replace(query=Side("", 'ü "q" \\ 😀\n'))
    path = tmp_path / name
    write_medi_json(made, path)
    assert list(read_medi_json(path)) == made
    assert [one.dataset for one in read_medi_json(path, names={"0": "other"})] == ["other", "b", "b", "other"]
    table = json.loads(tasks_path(path).read_text())
    assert table["tasks"][1] == {"task_id": 1, "dataset": "b", "kind": "label", "n_rows": 2}


def test_writes_the_same_bytes_again(tmp_path):
    made = [triplet(at) for at in range(9)]
    for name in ("a.json", "b.json", "c.json.gz", "d.json.gz"):
        write_medi_json(made, tmp_path / name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()
    assert (tmp_path / "c.json.gz").read_bytes() == (tmp_path / "d.json.gz").read_bytes()
    assert gzip.decompress((tmp_path / "c.json.gz").read_bytes()) == (tmp_path / "a.json").read_bytes()


def test_writes_an_empty_list(tmp_path):
    assert write_medi_json([], tmp_path / "m.json") == Written(0, 0, 0, {})
    assert json.loads((tmp_path / "m.json").read_text()) == []


def test_counts_rows_without_negative_or_refuses_them(tmp_path):
    made = [triplet(0), triplet(1)._replace(negative=None), triplet(2, "b")._replace(negative=None)]
    path = tmp_path / "m.json"
    assert write_medi_json(made, path) == Written(1, 2, 0, {"medi_1": 0})
    assert list(read_medi_json(path)) == [triplet(0)]
    with pytest.raises(InputError, match=r"medi_1: the row 'who sang song 1' has no negative"):
        write_medi_json(made, tmp_path / "n.json", without_negative="refuse")
    assert sorted(file.name for file in tmp_path.iterdir()) == ["m.json", "m.tasks.json"]


def test_counts_instructions_the_original_refuses(tmp_path):
    made = [
        triplet(0),
        triplet(1)._replace(positive=Side("", "x")),
        triplet(2)._replace(query=Side("Topic: ", "x")),
    ]
    assert write_medi_json(made, tmp_path / "m.json").n_other_instructions == 1


def test_takes_numbers_for_tasks(tmp_path):
    made = [triplet(0, "a"), triplet(1, "b")]
    path = tmp_path / "m.json"
    assert write_medi_json(made, path, task_ids={"a": 30, "b": 4}).task_ids == {"a": 30, "b": 4}
    assert [one["task_id"] for one in json.loads(path.read_text())] == [30, 4]
    with pytest.raises(InputError, match="no number for the dataset 'b'"):
        write_medi_json(made, path, task_ids={"a": 1})
    with pytest.raises(InputError, match="number 1 to more than one dataset"):
        write_medi_json(made, path, task_ids={"a": 1, "b": 1})
    assert list(read_medi_json(path)) == made


def test_leaves_what_was_there_when_it_fails(tmp_path):
    path = tmp_path / "m.json"
    write_medi_json([triplet(0)], path)
    before = {file.name: file.read_bytes() for file in tmp_path.iterdir()}

    def failing():
        yield triplet(1)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_medi_json(failing(), path)
    assert {file.name: file.read_bytes() for file in tmp_path.iterdir()} == before


def test_names_a_place_that_cannot_be_written(tmp_path):
    with pytest.raises(OutputError, match=r"nowhere.m\.json: cannot be written"):
        write_medi_json([triplet(0)], tmp_path / "nowhere" / "m.json")


@pytest.mark.parametrize("content", ["{", "[]", '{"tasks": [{"task_id": 1}]}', '{"tasks": 3}'])
def test_names_a_broken_table_of_tasks(tmp_path, content):
    path = write(tmp_path / "m.json", "[]")
    write(tasks_path(path), content)
    with pytest.raises(FileError, match=r"m\.tasks\.json: not a table of tasks .* or take it away"):
        list(read_medi_json(path))
