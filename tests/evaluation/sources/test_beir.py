import pytest

from instructvec.errors import FileError
from instructvec.evaluation.data import InstructionRetrieval, RetrievalPart
from instructvec.evaluation.sources.beir import read_instruction_retrieval, read_retrieval
from tests.evaluation.specs import spec, write_beir, write_jsonl

CORPUS = [
    {"_id": "d1", "title": "Title", "text": "text one "},
    {"_id": "d2", "title": "", "text": " text two"},
    {"_id": "d3", "title": None, "text": "text three"},
    {"_id": "d4", "text": "text four"},
]
QUERIES = [{"_id": "q1", "text": "one"}, {"_id": "q2", "text": "two"}, {"_id": "q3", "text": "three"}]
QRELS = ["q1\td1\t2", "q1\td2\t0", "q2\td4\t1"]
HEADER = "query-id\tcorpus-id\tscore"

PART = RetrievalPart(
    ["d1", "d2", "d3", "d4"],
    ["Title text one", "text two", "text three", "text four"],
    ["q1", "q2"],
    ["one", "two"],
    {"q1": {"d1": 2, "d2": 0}, "q2": {"d4": 1}},
)


def write(folder, *, corpus=CORPUS, queries=QUERIES, qrels=QRELS, name="qrels.tsv"):
    write_beir(folder, corpus=corpus, queries=queries, qrels=qrels, name=name)


@pytest.mark.parametrize("qrels", [QRELS, [HEADER, *QRELS]], ids=["without header", "with header"])
@pytest.mark.parametrize("name", ["qrels.tsv", "qrels.tsv.gz", "qrels/test.tsv", "qrels/test.tsv.gz"])
def test_reads_judgements_wherever_beir_has_them(tmp_path, qrels, name):
    write(tmp_path, qrels=qrels, name=name)
    found = read_retrieval(tmp_path, spec("retrieval"))
    assert found.data.parts == [PART]
    assert found.n_rows == 4
    assert found.notes == ()


def test_reads_gzipped_collections(tmp_path):
    write(tmp_path)
    for name, rows in (("corpus", CORPUS), ("queries", QUERIES)):
        (tmp_path / f"{name}.jsonl").unlink()
        write_jsonl(tmp_path / f"{name}.jsonl.gz", rows)
    assert read_retrieval(tmp_path, spec("retrieval")).data.parts == [PART]


def test_takes_the_judgements_of_the_scored_split(tmp_path):
    write(tmp_path, name="qrels/test.tsv")
    (tmp_path / "qrels" / "dev.tsv").write_text("q3\td3\t1\n")
    assert read_retrieval(tmp_path, spec("retrieval", split="dev")).data.parts[0].query_ids == ["q3"]
    with pytest.raises(FileError, match=r"no judgements of the split 'train'.* there is dev.tsv, test.tsv"):
        read_retrieval(tmp_path, spec("retrieval", split="train"))


def test_whole_numbers_as_ids_are_text(tmp_path):
    write(tmp_path, corpus=[{"_id": 1, "text": "t"}], queries=[{"_id": 7, "text": "q"}], qrels=["7\t1\t1"])
    assert read_retrieval(tmp_path, spec("retrieval")).data.parts[0].qrels == {"7": {"1": 1}}


def test_passes_on_whether_a_document_may_be_the_query_itself(tmp_path):
    write(tmp_path)
    assert (
        read_retrieval(tmp_path, spec("retrieval", ignore_identical_ids=True)).data.parts[0].ignore_identical_ids
    )


def test_judged_queries_without_relevant_documents_are_left_out_and_noted(tmp_path):
    write(tmp_path, qrels=[*QRELS, "q3\td1\t0"])
    found = read_retrieval(tmp_path, spec("retrieval"))
    assert found.data.parts[0].query_ids == ["q1", "q2"]
    assert found.notes == ("1 judged queries have no relevant document and are left out",)


def test_of_contradicting_judgements_the_later_counts_and_is_noted(tmp_path):
    write(tmp_path, qrels=[*QRELS, "q1\td1\t2", "q1\td1\t1"])
    found = read_retrieval(tmp_path, spec("retrieval"))
    assert found.data.parts[0].qrels["q1"]["d1"] == 1
    assert "1 judgements contradict" in found.notes[0]
    assert "line 5: query 'q1', document 'd1'" in found.notes[0]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"corpus": [*CORPUS, CORPUS[0]]}, r"corpus.jsonl, line 5: the id 'd1' stands on line 1 too"),
        ({"queries": [*QUERIES, QUERIES[1]]}, r"queries.jsonl, line 4: the id 'q2' stands on line 2 too"),
        ({"corpus": [{"_id": "d1"}, *CORPUS[1:]]}, r"corpus.jsonl, line 1: the key 'text' is missing"),
        ({"corpus": [{"text": "t"}]}, r"corpus.jsonl: no column '_id'"),
        ({"corpus": [{"_id": None, "text": "t"}]}, r"corpus.jsonl, line 1: '_id' holds nothing"),
        ({"corpus": [{"_id": "d1", "title": 5, "text": "t"}]}, r"corpus.jsonl, line 1: 'title' holds a number"),
        ({"queries": [{"_id": "q1", "text": None}]}, r"queries.jsonl, line 1: 'text' holds nothing"),
        (
            {"qrels": [*QRELS, "q9\td1\t1", "q8\td1\t1"]},
            r"line 4: the query id 'q9' is not in .*queries.jsonl, and neither are",
        ),
        (
            {"qrels": [HEADER, *QRELS, "q1\td9\t0"]},
            r"line 5: the document id 'd9' is not in .*corpus.jsonl; expected",
        ),
        ({"qrels": ["q1 0 d1 1"]}, r"qrels.tsv, line 1: 1 fields; expected three separated by tabs"),
        ({"qrels": ["q1\t0\td1\t1"]}, r"qrels.tsv, line 1: 4 fields"),
        (
            {"qrels": [*QRELS, "q1\td1\thigh"]},
            r"qrels.tsv, line 4: 'score' holds text \('high'\); expected a whole",
        ),
        ({"qrels": ["q1\td1\t0.5"]}, r"qrels.tsv, line 1: 'score' holds text \('0.5'\); expected a whole number"),
        ({"qrels": [HEADER]}, r"qrels.tsv: no judgements"),
        ({"qrels": ["q1\td1\t0"]}, r"qrels.tsv: queries with relevant documents: empty"),
        ({"corpus": []}, r"corpus.jsonl: empty"),
    ],
)
def test_refuses_malformed_collections_by_file_line_and_id(tmp_path, changed, message):
    write(tmp_path, **changed)
    with pytest.raises(FileError, match=message):
        read_retrieval(tmp_path, spec("retrieval"))


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels.tsv"])
def test_names_a_missing_file(tmp_path, name):
    write(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(
        FileError, match="no judgements of the split 'test'" if name == "qrels.tsv" else f"no {name}"
    ):
        read_retrieval(tmp_path, spec("retrieval"))


INSTRUCTED = [
    {"_id": "7-og", "text": "q", "instruction": "Find all."},
    {"_id": "7-changed", "text": "q", "instruction": "Find all but the first."},
    {"_id": "8", "text": "r", "instruction": "Find it."},
]
INSTRUCTED_QRELS = ["7-og\td1\t1", "7-og\td2\t1", "7-changed\td2\t1", "8\td3\t1"]


def test_reads_queries_with_instructions_and_what_an_altered_one_made_irrelevant(tmp_path):
    write(tmp_path, queries=INSTRUCTED, qrels=INSTRUCTED_QRELS)
    write_jsonl(tmp_path / "changed.jsonl", [{"query": "7", "documents": ["d1"]}])
    found = read_instruction_retrieval(tmp_path, spec("instruction_retrieval"))
    assert isinstance(found.data, InstructionRetrieval)
    assert found.data.collection.query_ids == ["7-og", "7-changed", "8"]
    assert found.data.instructions == [row["instruction"] for row in INSTRUCTED]
    assert found.data.groups == ["7", "7", "8"]
    assert found.data.changed == {"7": ["d1"]}
    assert found.n_rows == 4


def test_queries_may_name_their_group(tmp_path):
    queries = [row | {"group": "g" if at else "h"} for at, row in enumerate(INSTRUCTED)]
    write(tmp_path, queries=queries, qrels=INSTRUCTED_QRELS)
    data = read_instruction_retrieval(tmp_path, spec("instruction_retrieval")).data
    assert (data.groups, data.changed) == (["h", "g", "g"], {})


def test_an_altered_instruction_without_its_pair_is_left_out_and_noted(tmp_path):
    write(tmp_path, queries=INSTRUCTED, qrels=INSTRUCTED_QRELS)
    write_jsonl(
        tmp_path / "changed.jsonl", [{"query": "7", "documents": ["d1"]}, {"query": "8", "documents": ["d3"]}]
    )
    found = read_instruction_retrieval(tmp_path, spec("instruction_retrieval"))
    assert found.data.changed == {"7": ["d1"]}
    assert "such as '8-og' and '8-changed'" in found.notes[0]


def test_refuses_queries_without_instruction_and_unknown_changed_documents(tmp_path):
    write(tmp_path, queries=[*INSTRUCTED[:2], {"_id": "8", "text": "r"}], qrels=INSTRUCTED_QRELS)
    with pytest.raises(FileError, match=r"queries.jsonl, line 3: the key 'instruction' is missing"):
        read_instruction_retrieval(tmp_path, spec("instruction_retrieval"))
    write(tmp_path, queries=INSTRUCTED, qrels=INSTRUCTED_QRELS)
    write_jsonl(tmp_path / "changed.jsonl", [{"query": "7", "documents": ["d9"]}])
    with pytest.raises(FileError, match=r"changed.jsonl: query '7' names the document 'd9'"):
        read_instruction_retrieval(tmp_path, spec("instruction_retrieval"))
