"""Conditions on columns choose rows; what cannot be compared is named."""

from datetime import date

import pyarrow as pa
import pytest

from instructvec.errors import InputError
from instructvec.tasks.index.filters import matching, parse_where

TABLE = pa.table(
    {
        "year": [2019, 2020, 2021, None],
        "written": ["9", "10", "", "x1"],
        "digits": ["9", " 10 ", "", None],
        "lang": ["en", "de", None, "fr"],
        "price": [0.5, 1.0, 2.5, None],
        "free": [True, False, None, True],
        "day": [date(2020, 1, 1), date(2020, 5, 1), None, date(2021, 1, 1)],
        "sort": pa.array(["a", "b", "a", None]).dictionary_encode(),
    }
)


@pytest.mark.parametrize(
    ("where", "rows"),
    [
        ({}, [0, 1, 2, 3]),
        ({"lang": "en"}, [0]),
        ({"lang": ["en", "fr"]}, [0, 3]),
        ({"lang": []}, []),
        ({"lang": ("in", {"de"})}, [1]),
        ({"lang": ("!=", "en")}, [1, 3]),
        ({"lang": None}, [2]),
        ({"lang": ("!=", None)}, [0, 1, 3]),
        ({"year": (">=", 2020)}, [1, 2]),
        ({"year": (">", 2019.5)}, [1, 2]),
        ({"year": [(">", 2019), ("<", 2021)]}, [1]),
        ({"year": "2020"}, [1]),
        ({"year": [2019, 2021]}, [0, 2]),
        ({"price": ("<=", "1")}, [0, 1]),
        ({"free": "TRUE"}, [0, 3]),
        ({"free": False}, [1]),
        ({"day": (">=", "2020-05-01")}, [1, 3]),
        ({"day": ("<", date(2020, 5, 1))}, [0]),
        ({"sort": "a"}, [0, 2]),
        ({"digits": (">", "9")}, [1]),
        ({"digits": ("<", 10)}, [0]),
        ({"lang": (">", "en")}, [3]),
        ({"lang": "en", "year": 2020}, []),
    ],
)
def test_rows_that_meet_all_conditions(where, rows):
    assert matching(TABLE, where).nonzero()[0].tolist() == rows


def test_whole_numbers_are_compared_exactly():
    table = pa.table({"n": [2**53, 2**53 + 1]})
    assert matching(table, {"n": str(2**53 + 1)}).tolist() == [False, True]


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ({"yaer": 1}, "no column 'yaer'; did you mean 'year'"),
        ({"qqqq": 1}, "the columns are 'year', 'written'"),
        ({"year": ("~", 1)}, "is no condition; expected"),
        ({"year": (">", 1, 2)}, "is no condition; expected"),
        ({"year": "soon"}, "'year' = 'soon': the column holds int64"),
        ({"year": True}, "True is no number"),
        ({"written": (">", 3)}, "'written' > 3: the column holds string"),
        ({"free": "maybe"}, "the column holds bool"),
        ({"day": "tomorrow"}, "the column holds date32"),
        ({"year": (">", None)}, "can only be asked for by = and !="),
        ({"lang": ("in", "en")}, "expected a list of values"),
    ],
)
def test_what_cannot_be_compared_is_named(where, message):
    with pytest.raises(InputError, match=message):
        matching(TABLE, where)


@pytest.mark.parametrize(
    ("typed", "parsed"),
    [
        ("year>=2020", {"year": [(">=", "2020")]}),
        ("lang = en", {"lang": [("=", "en")]}),
        ("lang==en", {"lang": [("=", "en")]}),
        ("lang!=en", {"lang": [("!=", "en")]}),
        ("the name=a=b", {"the name": [("=", "a=b")]}),
        ("lang in en, de", {"lang": [("in", ["en", "de"])]}),
        ("place=made in China", {"place": [("=", "made in China")]}),
        ("lang=", {"lang": [("=", "")]}),
    ],
)
def test_conditions_as_they_are_typed(typed, parsed):
    assert parse_where([typed]) == parsed


def test_conditions_on_one_column_are_kept_apart():
    assert parse_where(["year>1", "year<9"]) == {"year": [(">", "1"), ("<", "9")]}


@pytest.mark.parametrize("typed", ["year", "", "=3", ">2020", "year>>2020", "year=>2020"])
def test_what_is_no_condition_is_named(typed):
    with pytest.raises(InputError, match="not understood; expected COLUMN"):
        parse_where([typed])
