"""Which rows of a user's table count, which are held out, and what is trained on."""

import json
from collections import Counter

import pytest

from instructvec.corpus.sources import source_of
from instructvec.errors import ConfigError, FileError, InputError, OutputExists
from instructvec.medi.words import normalised
from instructvec.training.columns import LabelColumns, PairColumns, described
from instructvec.training.mixture import open_mixture
from instructvec.training.splitting import split
from instructvec.training.table_data import HELD_OUT, TRAIN, keep, mine
from instructvec.training.tables import MIN_ROWS, Table, read_table
from tests.evaluation.fake import FakeEncoder
from tests.training.tables import faq, messages, source, write

LABELS = LabelColumns("message", "topic")
PAIRS = PairColumns("question", "answer")


def labels_of(tmp_path, rows, columns=LABELS, **options):
    return read_table(source(tmp_path / "table.jsonl", rows), columns, **options)


def pairs_of(tmp_path, rows, columns=PAIRS, **options):
    return read_table(source(tmp_path / "table.jsonl", rows), columns, **options)


# rows


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_rows_are_the_same_from_every_format(tmp_path, suffix):
    table = read_table(source(tmp_path / f"table.{suffix}", messages()), LABELS)
    assert table.first == [row["message"] for row in messages()]
    assert table.second == [row["topic"] for row in messages()]
    assert (table.read, dict(table.left_out)) == (36, {})


@pytest.mark.parametrize(("value", "label"), [(3, "3"), (3.0, "3"), (2.5, "2.5"), (True, "True"), (" a ", "a")])
def test_labels_may_be_numbers_and_lose_outer_blanks(tmp_path, value, label):
    rows = [row | {"topic": value} if row["topic"] == "sea" else row for row in messages()]
    assert set(labels_of(tmp_path, rows).second) == {label, "kitchen", "court"}


def test_an_absent_column_is_named_with_those_there_are_and_the_nearest(tmp_path):
    path = source(tmp_path / "table.csv", messages())
    with pytest.raises(
        FileError, match=r"table.csv: no column 'mesage'; .* 'message', 'topic'; did you mean 'messa"
    ):
        read_table(path, LabelColumns("mesage", "topic"))


def test_another_separator_is_recognised(tmp_path):
    (tmp_path / "table.csv").write_text("message;topic\nthe ship;sea\n")
    with pytest.raises(
        FileError, match="no column 'message'; .*a .csv has commas between its fields, a .tsv tabs"
    ):
        read_table(source_of(tmp_path / "table.csv"), LABELS)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"message": "  ", "topic": "sea"}, "column 'message' is empty; expected text"),
        ({"message": None, "topic": "sea"}, r"column 'message' holds nothing \(null\); expected text"),
        ({"message": 7, "topic": "sea"}, r"column 'message' holds a number \(7\)"),
        ({"message": "x", "topic": ""}, "column 'topic' is empty; expected a label"),
        ({"message": "x", "topic": None}, "column 'topic' holds nothing"),
        ({"message": "x", "topic": float("nan")}, "column 'topic' holds NaN"),
        ({"message": "x"}, "column 'topic' holds nothing"),
        ({"message": "half \ud83d", "topic": "sea"}, "column .message. holds half a character"),
    ],
)
def test_a_row_that_cannot_be_used_is_named_by_its_line_or_skipped_and_counted(tmp_path, bad, reason):
    rows = [*messages(), bad]
    with pytest.raises(FileError, match=rf"table.jsonl, line 37: {reason}"):
        labels_of(tmp_path, rows)
    table = labels_of(tmp_path, rows, on_error="skip")
    assert (len(table), dict(table.left_out)) == (36, {"cannot be read or lacks a text": 1})


def test_each_text_counts_once_and_one_under_two_labels_not_at_all(tmp_path):
    rows = messages()
    twice, contrary = dict(rows[0], message=rows[0]["message"].upper() + "!"), dict(rows[1], topic="court")
    table = labels_of(tmp_path, [*rows, twice, contrary])
    assert dict(table.left_out) == {"the same text again": 1, "one text under several labels": 2}
    assert len(table) == 35
    assert rows[1]["message"] not in table.first


def test_a_label_of_one_text_is_left_out_and_counted(tmp_path):
    table = labels_of(tmp_path, [*messages(), {"message": "all alone", "topic": "odd"}])
    assert dict(table.left_out) == {"the only text of its label": 1}
    assert "odd" not in table.second


def test_each_pair_counts_once_and_a_text_with_itself_not_at_all(tmp_path):
    rows = faq()
    table = pairs_of(tmp_path, [*rows, rows[3], {"question": "Same?", "answer": "same"}])
    assert dict(table.left_out) == {"the same pair again": 1, "a text with itself": 1}
    assert len(table) == 40


def test_negatives_may_be_a_text_a_list_or_absent(tmp_path):
    others = ["x", ["y", " ", "y", "z"], None, *[""] * 37]
    rows = [dict(row, other=other) for row, other in zip(faq(), others, strict=True)]
    table = pairs_of(tmp_path, rows, PairColumns("question", "answer", "other"))
    assert table.negatives[:4] == [["x"], ["y", "z"], [], []]
    with pytest.raises(FileError, match=r"column 'other' holds a number \(3\)"):
        pairs_of(tmp_path, [dict(faq()[0], other=[3])], PairColumns("question", "answer", "other"))


def test_of_too_many_rows_some_are_drawn_and_the_rest_is_counted(tmp_path):
    table = labels_of(tmp_path, messages(), max_rows=24, seed=1)
    assert (len(table), dict(table.left_out)) == (24, {"beyond 24 rows, by draw": 12})
    assert table.first == labels_of(tmp_path, messages(), max_rows=24, seed=1).first
    assert table.first != labels_of(tmp_path, messages(), max_rows=24, seed=2).first
    with pytest.raises(ConfigError, match="max_rows is 3"):
        labels_of(tmp_path, messages(), max_rows=3)


def test_too_few_rows_one_label_and_texts_for_labels_are_refused(tmp_path):
    few = messages()[: MIN_ROWS - 2]
    with pytest.raises(InputError, match=r"18 of 18 rows can be used; expected at least 20"):
        labels_of(tmp_path, few)
    with pytest.raises(InputError, match="all have the label 'sea'; expected two labels or more: is 'topic' the"):
        labels_of(tmp_path, [row | {"topic": "sea"} for row in messages()])
    with pytest.raises(InputError, match="the only text of its label: 40.*--query-column and --positive-column"):
        read_table(source(tmp_path / "faq.jsonl", faq()), LabelColumns("question", "answer"))
    with pytest.raises(InputError, match="one text under several labels: 36.*is 'topic' the column of the texts"):
        labels_of(tmp_path, messages(), columns=LabelColumns("topic", "message"))
    (tmp_path / "none.csv").write_text("message,topic\n")
    with pytest.raises(InputError, match="0 of 0 rows"):
        read_table(source_of(tmp_path / "none.csv"), LABELS)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LabelColumns("a", "a"), "the column 'a' is named twice"),
        (lambda: LabelColumns("", "a"), "a column's name is empty"),
        (lambda: PairColumns("a", "b", "b"), "the column 'b' is named twice"),
        (lambda: LabelColumns("a", "b", "two\nlines"), "instruction is 'two"),
        (lambda: PairColumns("a", "b", document_instruction=" "), "document_instruction is ' '"),
    ],
)
def test_columns_and_instructions_that_cannot_be_are_refused(make, message):
    with pytest.raises(ConfigError, match=message):
        make()


# split


def test_every_label_is_held_out_in_its_share_and_no_text_is_in_both(tmp_path):
    made = split(labels_of(tmp_path, messages(20)), 0.25, seed=3)
    assert Counter(made.held_out.second) == {"sea": 5, "kitchen": 5, "court": 5}
    assert not {normalised(text) for text in made.train.first} & {normalised(text) for text in made.held_out.first}
    assert len(made.train) + len(made.held_out) == 60
    assert split(labels_of(tmp_path, messages(20)), 0.25, seed=3) == made
    assert split(labels_of(tmp_path, messages(20)), 0.25, seed=4) != made


def test_a_label_of_two_texts_stays_whole_in_training():
    rows = [*"abcdefgh", "i", "j"]
    made = split(Table("label", rows, [*"xxxxyyyy", "z", "z"], [[] for _ in rows]), 0.5)
    assert Counter(made.train.second) == {"x": 2, "y": 2, "z": 2}
    with pytest.raises(InputError, match="expected three or more of at least two labels"):
        split(Table("label", rows[:6], [*"xxxxyy"], [[] for _ in rows[:6]]), 0.5)


def test_pairs_that_share_a_text_are_on_one_side(tmp_path):
    rows = faq()
    linked = [
        dict(row, answer=rows[at - at % 3]["answer"]) for at, row in enumerate(rows)
    ]  # threes with one answer
    made = split(pairs_of(tmp_path, linked), 0.3)
    for side in (made.train, made.held_out):
        assert len(set(side.second)) >= len(side) / 3
    assert not set(made.train.second) & set(made.held_out.second)
    assert 9 <= len(made.held_out) <= 12


def test_pairs_that_all_hang_together_are_refused(tmp_path):
    rows = [dict(row, answer=f"answer {at % 2}") for at, row in enumerate(faq())]
    with pytest.raises(InputError, match="20 of 40 pairs hang together.*take them for labels"):
        split(pairs_of(tmp_path, rows), 0.2)


def test_negatives_that_are_held_out_texts_are_taken_out_of_training(tmp_path):
    answers = [row["answer"] for row in faq()]
    rows = [dict(row, other=answers[at - 1]) for at, row in enumerate(faq())]
    made = split(pairs_of(tmp_path, rows, PairColumns("question", "answer", "other")), 0.2)
    held_out = set(made.held_out.first) | set(made.held_out.second)
    assert made.negatives_left_out > 0
    assert not held_out & {one for own in made.train.negatives for one in own}


@pytest.mark.parametrize("share", [0.0, 0.6, float("nan")])
def test_a_share_out_of_range_is_refused(tmp_path, share):
    with pytest.raises(ConfigError, match="held_out is"):
        split(labels_of(tmp_path, messages()), share)


# what is trained on


def mined(folder, table, columns):
    made = split(table)
    keep(folder, made, columns, {"seed": 42} | described(columns))
    return made, mine(folder, FakeEncoder(), 42)


def test_labels_become_triplets_of_training_rows_only_under_the_instruction(tmp_path):
    columns = LabelColumns("message", "topic", "Represent the message for sorting it: ")
    made, manifest = mined(tmp_path / "kept", labels_of(tmp_path, messages()), columns)
    mixture = open_mixture(tmp_path / "kept" / "mixture")
    topic_of = {row["message"]: row["topic"] for row in messages()}
    assert manifest["totals"]["triplets"] == len(mixture.rows) == len(made.train)
    for triplet in mixture.rows.triplets(range(len(mixture.rows))):
        assert {triplet.query.instruction, triplet.positive.instruction} == {columns.instruction}
        assert topic_of[triplet.query.text] == topic_of[triplet.positive.text] == triplet.label
        assert topic_of[triplet.negative.text] != triplet.label
        assert {triplet.query.text, triplet.positive.text, triplet.negative.text} <= set(made.train.first)


def test_pairs_get_mined_negatives_and_each_side_its_instruction(tmp_path):
    made, _ = mined(tmp_path / "kept", pairs_of(tmp_path, faq()), PAIRS)
    mixture = open_mixture(tmp_path / "kept" / "mixture")
    triplets = mixture.rows.triplets(range(len(mixture.rows)))
    assert {(one.query.text, one.positive.text) for one in triplets} == set(
        zip(made.train.first, made.train.second, strict=True)
    )
    assert {one.rule for one in triplets} == {"mined"}
    assert {one.negative.text for one in triplets if one.negative} <= set(made.train.second)
    assert {one.query.instruction for one in triplets} == {PAIRS.instruction}
    assert {one.positive.instruction for one in triplets} == {PAIRS.document_instruction}


def test_given_negatives_are_taken_and_symmetric_pairs_have_one_instruction(tmp_path):
    rows = [dict(row, other=f"never {at}") for at, row in enumerate(faq())]
    columns = PairColumns("question", "answer", "other", symmetric=True, instruction="Question: ")
    mined(tmp_path / "kept", pairs_of(tmp_path, rows, columns), columns)
    mixture = open_mixture(tmp_path / "kept" / "mixture")
    for triplet in mixture.rows.triplets(range(len(mixture.rows))):
        assert triplet.rule == "given"
        assert triplet.negative.text.startswith("never ")
        assert triplet.query.instruction == triplet.positive.instruction == "Question: "


def test_short_odd_and_contradicting_texts_are_all_trained_on(tmp_path):
    rows = [{"message": f"{at}", "topic": "odd" if at % 2 else "even"} for at in range(40)]
    made, manifest = mined(tmp_path / "kept", labels_of(tmp_path, rows), LABELS)
    assert manifest["totals"]["triplets"] == len(made.train) == 32


def test_kept_rows_are_not_written_again_and_other_ones_are_refused(tmp_path):
    folder = tmp_path / "run" / "table"
    made, first = mined(folder, labels_of(tmp_path, messages()), LABELS)
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    keep(folder, made, LABELS, {"seed": 42} | described(LABELS))
    assert mine(folder, FakeEncoder(), 42) == first
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()} == before
    with pytest.raises(OutputExists, match="run: was trained before from something else: seed is 7, and was 42"):
        keep(folder, made, LABELS, {"seed": 7} | described(LABELS))
    (folder / "made-from.json").write_text("{")
    with pytest.raises(FileError, match="made-from.json: cannot be read"):
        keep(folder, made, LABELS, {"seed": 42})


def test_kept_files_are_tables_again(tmp_path):
    made, _ = mined(tmp_path / "kept", labels_of(tmp_path, messages()), LABELS)
    again = read_table(source_of(tmp_path / "kept" / TRAIN), LabelColumns("text", "label"))
    assert (again.first, again.second) == (made.train.first, made.train.second)
    rows = [json.loads(line) for line in (tmp_path / "kept" / HELD_OUT).read_text().splitlines()]
    assert rows == [
        {"text": text, "label": label}
        for text, label in zip(made.held_out.first, made.held_out.second, strict=True)
    ]


def test_a_broken_line_of_csv_is_named(tmp_path):
    path = write(tmp_path / "table.csv", messages())
    path.write_text(path.read_text() + "one,two,three\n")
    with pytest.raises(FileError, match="table.csv, line 38: 3 fields, but the header names 2"):
        read_table(source_of(path), LABELS)
