"""Labels and their descriptions come from text or JSON; what cannot be read is named with its line."""

import pytest

from instructvec.errors import FileError
from instructvec.tasks.label_files import read_labels


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("l.txt", "card_arrival\n\n top up \r\n", {"card_arrival": ["card arrival"], "top up": ["top up"]}),
        ("l.txt", "\ufeffa\tone\na\ttwo\nb\tthree\n", {"a": ["one", "two"], "b": ["three"]}),
        ("l.json", '["a_b", 3]', {"a_b": ["a b"], 3: ["3"]}),
        ("l.json", '{"a": "one", "b": ["two", "three"]}', {"a": ["one"], "b": ["two", "three"]}),
    ],
)
def test_names_and_descriptions_are_read(tmp_path, name, content, expected):
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert read_labels(tmp_path / name) == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("l.txt", "a\n\tx\n", r"l\.txt, line 2: no name of a label"),
        ("l.txt", "a\nb\t\n", r"l\.txt, line 2: no description"),
        ("l.txt", "a\nb\na\n", r"l\.txt, line 3: the label 'a' once more"),
        ("l.txt", "a\n", r"l\.txt: labels: \['a'\]; expected two labels or more"),
        ("l.json", '["a"', r"l\.json: no list or object of labels"),
        ("l.json", "3", r"l\.json: no list or object of labels"),
        ("l.json", '{"a": 1, "b": "x"}', r"l\.json: label 'a': described by int"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(FileError, match=message):
        read_labels(tmp_path / name)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path):
    with pytest.raises(FileError, match=r"none\.txt: cannot be read \(No such file"):
        read_labels(tmp_path / "none.txt")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match=r"b\.txt: cannot be read \(not UTF-8"):
        read_labels(tmp_path / "b.txt")
