"""The command makes an index of files, changes it and searches it, and says what it did."""

import json

import pyarrow.parquet as pq
import pytest

from instructvec.cli.main import BAD_INPUT, FAILED, SUCCESS, main
from instructvec.tasks import Index
from tests.conftest import TINY

ROWS = """\
key,text,year,lang
a,rain on the fields,2019,en
b,snow in the mountains,2020,de
c,how to bake bread,,en
"""
MODEL = ("--model", str(TINY), "--backend", "onnx")


@pytest.fixture
def rows(tmp_path):
    (tmp_path / "rows.csv").write_text(ROWS)
    return tmp_path / "rows.csv"


@pytest.fixture
def place(rows, capsys):
    place = rows.parent / "index"
    assert main(["index", "build", str(rows), "-o", str(place), "--id-column", "key", *MODEL]) == SUCCESS
    capsys.readouterr()
    return place


def index(*arguments):
    return main(["index", *map(str, arguments)])


def test_build_says_what_was_made_and_under_which_instructions(rows, tmp_path, capsys):
    assert (
        index("build", rows, "-o", tmp_path / "new", "--instruction", "Represent the note: ", "--json", *MODEL)
        == 0
    )
    out, err = capsys.readouterr()
    info = json.loads(out)
    assert (info["n_rows"], info["instruction"], info["search"]) == (3, ["Represent the note: "], "exact")
    assert "3 documents" in err and "instruction: 'Represent the note: '" in err
    assert "query instruction: 'Represent the query for retrieval: '" in err
    assert list(info["columns"]) == ["key", "year", "lang"]


def test_a_column_that_looks_like_ids_is_pointed_out(tmp_path, capsys):
    (tmp_path / "rows.jsonl").write_text('{"_id": "x", "text": "rain"}\n')
    assert index("build", tmp_path / "rows.jsonl", "-o", tmp_path / "new", *MODEL) == SUCCESS
    assert "ids are numbers; --id-column _id takes them" in capsys.readouterr().err


def test_search_prints_hits_and_their_columns(place, capsys):
    assert index("search", place, "rain on the fields", "-k", 1) == SUCCESS
    out, err = capsys.readouterr()
    rank, _, name, rest = out.split(maxsplit=3)
    assert (rank, name) == ("1", Index.load(place).search("rain on the fields", k=1)[0].id)
    assert "year=" in rest or "lang=" in rest
    assert "query instruction: 'Represent the query for retrieval: '" in err


def test_search_prints_json_of_several_queries_under_conditions(place, capsys):
    assert (
        index("search", place, "rain", "snow", "--where", "year>=2019", "--where", "lang in en,fr", "--json") == 0
    )
    found = json.loads(capsys.readouterr().out)
    assert [one["query"] for one in found] == ["rain", "snow"]
    assert [[hit["id"] for hit in one["hits"]] for one in found] == [["a"], ["a"]]
    assert found[0]["hits"][0]["columns"] == {"year": "2019", "lang": "en"}
    assert index("search", place, "bread", "--mode", "bm25") == SUCCESS
    assert capsys.readouterr().out.split()[2] == "c"
    assert index("search", place, "bread", "--where", "lang=xx") == SUCCESS
    assert capsys.readouterr().out == "nothing found\n"


def test_search_writes_a_row_for_each_hit_behind_the_query_s(place, rows, tmp_path, capsys):
    out = tmp_path / "found.parquet"
    assert index("search", place, "--queries", rows, "-k", 2, "-o", out) == SUCCESS
    table = pq.read_table(out)
    assert table.column_names == [
        "key", "text", "year", "lang", "hit_rank", "hit_id", "hit_score", "hit_text", "hit_year", "hit_lang",
    ]  # fmt: skip
    assert table.column("key").to_pylist() == ["a", "a", "b", "b", "c", "c"]
    assert table.column("hit_rank").to_pylist() == [1, 2] * 3
    printed = capsys.readouterr()
    assert printed.out == "" and "6 hits of 3 queries" in printed.err


def test_queries_that_embed_wrote_are_taken_with_their_vectors(place, rows, tmp_path, capsys):
    said = "Represent the query for retrieval: "
    assert main(["embed", str(rows), "-o", str(tmp_path / "q.parquet"), "--instruction", said, *MODEL]) == SUCCESS
    assert index("search", place, "--queries", tmp_path / "q.parquet", "--json") == SUCCESS
    embedded = json.loads(capsys.readouterr().out)
    assert index("search", place, "--queries", rows, "--json") == SUCCESS
    plain = json.loads(capsys.readouterr().out)
    assert [[h["id"] for h in one["hits"]] for one in embedded] == [
        [h["id"] for h in one["hits"]] for one in plain
    ]
    assert main(["embed", str(rows), "-o", str(tmp_path / "p.parquet"), *MODEL]) == SUCCESS
    assert index("search", place, "--queries", tmp_path / "p.parquet") == BAD_INPUT
    assert "queries: made under the instruction none" in capsys.readouterr().err


def test_an_index_of_embedded_files_has_their_contract(rows, tmp_path, capsys):
    said = "Represent the note: "
    assert main(["embed", str(rows), "-o", str(tmp_path / "d.parquet"), "--instruction", said, *MODEL]) == SUCCESS
    assert index("build", tmp_path / "d.parquet", "-o", tmp_path / "new", "--id-column", "key") == SUCCESS
    made = Index.load(tmp_path / "new")
    assert made.settings.contract.instruction == said and made.info().columns == {
        "year": "string",
        "lang": "string",
    }
    assert {hit.id for hit in made.search("rain")} == {"a", "b", "c"}
    capsys.readouterr()
    refused = index(
        "build", tmp_path / "d.parquet", "-o", tmp_path / "other", "--instruction", "Represent the noun: "
    )
    assert refused == BAD_INPUT and "made under the instruction 'Represent the note: '" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()
    assert index("add", tmp_path / "new", tmp_path / "d.parquet", "--replace") == SUCCESS
    assert "0 documents added, 3 replaced" in capsys.readouterr().err


def test_add_takes_the_columns_the_index_was_built_from(place, tmp_path, capsys):
    (tmp_path / "more.csv").write_text("key,text,year\nd,fixing a bicycle,2022\n")
    assert index("add", place, tmp_path / "more.csv") == SUCCESS
    assert "1 document added" in capsys.readouterr().err
    assert [hit.id for hit in Index.load(place).search("bicycle", mode="bm25")] == ["d"]
    assert index("add", place, tmp_path / "more.csv") == BAD_INPUT
    assert "ids: 'd' is in the index already" in capsys.readouterr().err
    (tmp_path / "other.csv").write_text("name,text\nd,fixing a bicycle\n")
    assert index("add", place, tmp_path / "other.csv") == BAD_INPUT
    assert "--id-column 'key': no such column" in capsys.readouterr().err


def test_add_refuses_another_model(place, rows, capsys):
    assert index("add", place, rows, "--replace", "--model", "bundled") == BAD_INPUT
    assert "embedder: not what the index was made with" in capsys.readouterr().err


def test_delete_takes_ids_and_files_of_them(place, tmp_path, capsys):
    (tmp_path / "gone.txt").write_text("a\n\nb\n")
    assert index("delete", place, "--ids-file", tmp_path / "gone.txt") == SUCCESS
    assert "2 documents deleted, 1 left" in capsys.readouterr().err
    assert index("delete", place, "cc") == BAD_INPUT
    assert "'cc' is not in the index; did you mean 'c'?" in capsys.readouterr().err
    assert index("delete", place) == BAD_INPUT
    assert index("delete", place, "--ids-file", tmp_path / "absent.txt") == BAD_INPUT
    assert len(Index.load(place)) == 1


def test_info_looks_into_it_and_checks_it(place, capsys):
    assert index("info", place, "--check") == SUCCESS
    out = capsys.readouterr().out
    assert (
        "3 documents" in out and "columns: year (string), lang (string)" in out and "as they were written" in out
    )
    assert index("info", place, "--json") == SUCCESS
    assert json.loads(capsys.readouterr().out)["generation"] == 1
    vectors = next(place.glob("vectors-*"))
    content = vectors.read_bytes()
    vectors.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert index("info", place, "--check") == BAD_INPUT
    assert f"{vectors.name} has another content" in capsys.readouterr().err


def test_wrong_usage_is_named(place, rows, tmp_path, capsys):
    for arguments, message in (
        (("search", tmp_path, "x"), "no index"),
        (("search", place), "expected queries as arguments, or --queries"),
        (("search", place, "x", "--where", "lan=en"), "did you mean 'lang'"),
        (("search", place, "x", "--where", "lang"), "not understood"),
        (("search", place, "x", "-o", "found.xlsx"), "names no kind of table"),
        (("search", place, "x", "--model", "bundled"), "not what the index was made with"),
        (("build", rows, "-o", tmp_path / "n", "--id-column", "lang", *MODEL), "'en' comes 2 times"),
        (("build", rows, "-o", tmp_path / "n", "--id-column", "no", *MODEL), "--id-column 'no': no such column"),
        (("build", tmp_path / "no.csv", "-o", tmp_path / "n", *MODEL), "no.csv"),
        (("build", rows, "-o", tmp_path, *MODEL), "is there already and no index"),
    ):
        assert index(*arguments) == BAD_INPUT
        assert message in capsys.readouterr().err
    assert not (tmp_path / "n").exists()
    assert index("build", rows, "-o", place, *MODEL) == BAD_INPUT
    assert "(--overwrite)" in capsys.readouterr().err


def test_another_that_is_writing_is_waited_for(place, rows, capsys):
    with Index.load(place, writing=True):
        assert index("add", place, rows, "--replace") == FAILED
    assert "another process is changing this index" in capsys.readouterr().err
