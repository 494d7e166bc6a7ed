"""Rows of a mixture, in memory and as a table."""

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructvec.medi.triplets import KINDS, RULES, Side, Triplet, from_table, schema, to_table

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
SIDES = st.builds(Side, TEXT, TEXT)
TRIPLETS = st.builds(
    Triplet,
    SIDES,
    SIDES,
    st.none() | SIDES,
    TEXT,
    st.sampled_from(KINDS),
    st.sampled_from(RULES),
    st.none() | TEXT,
    st.none() | TEXT,
)


@given(st.lists(TRIPLETS, max_size=5))
def test_table_and_back_changes_nothing(triplets):
    table = to_table(triplets)
    assert table.schema == schema()
    assert list(from_table(table)) == triplets


def test_columns_are_what_the_docs_say():
    assert schema().names == [
        "query_instruction",
        "query",
        "positive_instruction",
        "positive",
        "negative_instruction",
        "negative",
        "dataset",
        "kind",
        "rule",
        "group",
        "label",
    ]
    assert set(schema().types) == {pa.string()}


@pytest.mark.parametrize("negative", [None, Side("", "n"), Side("i", "")])
def test_parquet_keeps_an_absent_negative_apart_from_an_empty_one(tmp_path, negative):
    row = Triplet(Side("", "q"), Side("i", "p"), negative, "d", "pair", "given")
    pq.write_table(to_table([row]), tmp_path / "x.parquet")
    assert list(from_table(pq.read_table(tmp_path / "x.parquet"))) == [row]


def test_no_triplets_are_an_empty_table():
    assert to_table([]).num_rows == 0
    assert list(from_table(schema().empty_table())) == []
