from dataclasses import dataclass, replace

import numpy as np
import pytest

from instructvec.errors import ConfigError, FileError
from instructvec.evaluation import data as kinds
from instructvec.evaluation.sources.limits import POOL_PER_UNIT, keep, limited
from instructvec.evaluation.sources.load import digest_of, first_text, load
from tests.evaluation.specs import spec, write_beir, write_jsonl

ROWS = [
    {"text": f"{split} {at}", "label": "ab"[at % 2], "split": split}
    for split in ("train", "test")
    for at in range(20)
]
ROWS_STS = [{"a": f"a{at}", "b": f"b{at}", "score": at} for at in range(10)]


@pytest.fixture
def folders(tmp_path):
    return {"data_folder": tmp_path / "data", "suite_folder": tmp_path / "suite"}


def test_looks_below_the_users_folder_first_and_then_beside_the_suite(folders):
    write_jsonl(folders["suite_folder"] / "task" / "data.jsonl", ROWS_STS)
    assert len(load(spec("sts"), **folders).data.a) == 10
    write_jsonl(folders["data_folder"] / "task" / "data.jsonl", ROWS_STS[:5])
    assert len(load(spec("sts"), **folders).data.a) == 5
    assert len(load(spec("sts"), **folders | {"data_folder": None}).data.a) == 10


def test_says_where_it_looked_and_what_to_pass(folders):
    both = (
        rf"no folder 'task': looked for {folders['data_folder'] / 'task'} and {folders['suite_folder'] / 'task'}"
    )
    with pytest.raises(FileError, match=both):
        load(spec("sts"), **folders)
    with pytest.raises(
        FileError, match=r"looked for .*suite/task; pass the folder that holds it with --data FOLDER"
    ):
        load(spec("sts"), **folders | {"data_folder": None})


def test_reads_collections_as_beir_folders(folders):
    write_beir(
        folders["data_folder"] / "task",
        corpus=[{"_id": "d", "text": "t"}],
        queries=[{"_id": "q", "text": "u", "instruction": "Find it."}],
        qrels=["q\td\t1"],
    )
    assert isinstance(load(spec("retrieval"), **folders).data, kinds.Retrieval)
    assert isinstance(load(spec("instruction_retrieval"), **folders).data, kinds.InstructionRetrieval)


def test_reads_hub_datasets(folders, tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    write_jsonl(tmp_path / "hub" / "test.jsonl", ROWS_STS)
    assert load(spec("sts", hub=(str(tmp_path / "hub"),)), **folders).n_rows == 10


def test_counts_all_rows_of_the_file_before_any_limit(folders):
    write_jsonl(folders["data_folder"] / "task" / "data.jsonl", ROWS)
    assert load(spec("classification"), **folders).n_rows == 40
    assert load(spec("classification"), **folders, limit=4).n_rows == 40


def test_data_that_changed_upstream_fails_with_what_was_expected_and_found(folders):
    write_jsonl(folders["data_folder"] / "task" / "data.jsonl", ROWS)
    good = spec("classification", n_rows=40, first_text="test 0")
    assert load(good, **folders, limit=2).n_rows == 40
    with pytest.raises(FileError, match=r"data/task: 40 rows; expected 1,000 \(n_rows\)"):
        load(replace(good, n_rows=1000), **folders)
    with pytest.raises(
        FileError, match=r"data/task: the first text begins 'test 0'; expected 'train' \(first_text\)"
    ):
        load(replace(good, first_text="train"), **folders)


def test_notes_are_passed_on(folders):
    rows = [{"query": "q", "positive": ["p"], "negative": own} for own in (["n"], [])]
    write_jsonl(folders["data_folder"] / "task" / "data.jsonl", rows)
    assert "1 of 2 queries" in load(spec("reranking"), **folders).notes[0]


def test_refuses_limits_below_one(folders):
    with pytest.raises(ConfigError, match="limit is 0; expected 1 or more"):
        load(spec("sts"), **folders, limit=0)


def test_a_limit_that_leaves_nothing_to_measure_says_so(folders):
    rows = [{"hypothesis": f"h{at}", "references": [f"r{at}"], "human_score": int(at == 0)} for at in range(50)]
    write_jsonl(folders["data_folder"] / "task" / "data.jsonl", rows)
    # Two groups of fifty are kept, and of these only one has another score.
    with pytest.raises(FileError, match=r"limited to 2 rows: test split: every score is 0.0.*raise the limit"):
        load(spec("text_generation_evaluation"), **folders, limit=2)


# One value of each kind, each field of which differs from row to row.
N = 40
NAMES = [f"{at}" for at in range(N)]
PART = kinds.RetrievalPart(
    [f"d{at}" for at in range(300)],
    [f"document {at}" for at in range(300)],
    [f"q{at}" for at in range(N)],
    [f"query {at}" for at in range(N)],
    {f"q{at}": {f"d{at}": 1, f"d{at + 100}": 0} for at in range(N)},
    True,
)
VALUES = {
    "classification": kinds.Classification(NAMES, [at % 4 for at in range(N)], NAMES, [at % 4 for at in range(N)]),
    "clustering": kinds.Clustering([NAMES, NAMES[:10]], [[at % 3 for at in range(N)], [*[0] * 9, 1]]),
    "pair_classification": kinds.PairClassification(NAMES, NAMES, [at == 5 for at in range(N)]),
    "sts": kinds.Sts(NAMES, NAMES, [float(at == 5) for at in range(N)]),
    "reranking": kinds.Reranking(NAMES, [[name] for name in NAMES], [[name, name] for name in NAMES]),
    "retrieval": kinds.Retrieval([PART, PART]),
    "instruction_retrieval": kinds.InstructionRetrieval(
        PART, NAMES, [f"{at // 2}" for at in range(N)], {f"{at}": [f"d{250 + at}"] for at in range(20)}
    ),
    "summarization": kinds.Summarization([[one] for one in NAMES], [[one] for one in NAMES], [[1.0]] * N),
    "text_generation_evaluation": kinds.TextGenerationEvaluation(
        NAMES, [[one] for one in NAMES], [float(at) for at in range(N)], [f"{at % 20}" for at in range(N)]
    ),
    "prompt_retrieval": kinds.PromptRetrieval(NAMES * 3, NAMES * 3, NAMES, NAMES),
    "following": kinds.Following(
        NAMES, {"topic": [at % 3 for at in range(N)], "style": [at == 7 for at in range(N)]}
    ),
}
every_kind = pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)


def n_scored(data):  # noqa: PLR0911  (a return a kind)
    """Scored rows of a kind, the most of any part."""
    match data:
        case kinds.Clustering():
            return max(map(len, data.texts))
        case kinds.Retrieval():
            return max(len(part.queries) for part in data.parts)
        case kinds.InstructionRetrieval():
            return len(data.instructions)
        case kinds.Classification() | kinds.Following():
            return len(data.texts)
        case kinds.PairClassification() | kinds.Sts():
            return len(data.a)
        case kinds.Reranking():
            return len(data.queries)
        case kinds.Summarization():
            return len(data.machine)
        case kinds.TextGenerationEvaluation():
            return len(data.hypotheses)
        case kinds.PromptRetrieval():
            return len(data.inputs)


@every_kind
@pytest.mark.parametrize("limit", [4, 15, 1000])
def test_a_limit_bounds_the_scored_rows_of_every_kind(value, limit):
    found = limited(value, limit, seed=42, name="Example")
    # Groups, of two rows here, stay whole.
    assert min(limit, n_scored(value)) - 1 <= n_scored(found) <= limit
    if limit == 1000:
        assert found == value


@every_kind
def test_a_limit_keeps_the_same_rows_under_the_same_seed_and_name_only(value):
    first = limited(value, 10, seed=42, name="Example")
    assert first == limited(value, 10, seed=42, name="Example")
    assert first != limited(value, 10, seed=43, name="Example")
    assert first != limited(value, 10, seed=42, name="Other")


def test_a_limit_keeps_rows_in_the_order_of_the_file_and_labels_with_their_texts():
    found = limited(VALUES["classification"], 10, seed=42, name="Example")
    rows = [int(text) for text in found.texts]
    assert rows == sorted(rows)
    assert found.labels == [row % 4 for row in rows]
    assert found.train_texts == NAMES


@pytest.mark.parametrize("kind", ["classification", "clustering", "pair_classification", "sts", "following"])
@pytest.mark.parametrize("seed", range(5))
def test_the_smallest_limit_leaves_two_labels(kind, seed):
    limited(VALUES[kind], 1, seed=seed, name="Example")  # each value checks itself when it is made


@pytest.mark.parametrize("kind", VALUES)
def test_the_smallest_limit_leaves_something_of_every_kind(kind):
    assert n_scored(limited(VALUES[kind], 1, seed=42, name="Example")) >= 1


def test_keep_takes_no_more_rows_for_labels_than_it_must():
    rng = np.random.default_rng(0)
    assert keep(100, 10, rng, [0] * 99 + [1])[-1] == 99
    assert len(keep(100, 10, rng, [0] * 99 + [1])) == 10
    assert len(keep(100, 1, rng, [0] * 99 + [1])) == 2
    assert keep(3, 5, rng) == [0, 1, 2]
    assert len(keep(10, 5, rng, [0] * 10)) == 5


def test_a_limited_corpus_keeps_judged_documents_and_a_sample_of_others():
    for part in limited(VALUES["retrieval"], 4, seed=42, name="Example").parts:
        assert set(part.qrels) == set(part.query_ids)
        judged = {name for own in part.qrels.values() for name in own}
        assert judged <= set(part.document_ids)
        assert len(part.document_ids) == len(judged) + POOL_PER_UNIT * 4
        places = [int(name[1:]) for name in part.document_ids]
        assert places == sorted(places)
        assert part.documents == [f"document {at}" for at in places]
        assert part.ignore_identical_ids


def test_limited_instructions_stay_in_whole_groups_with_their_changed_documents():
    found = limited(VALUES["instruction_retrieval"], 7, seed=42, name="Example")
    assert len(found.groups) == 6
    assert all(found.groups.count(group) == 2 for group in found.groups)
    assert set(found.changed) == set(found.groups)
    assert {name for own in found.changed.values() for name in own} <= set(found.collection.document_ids)
    assert found.instructions == [name[1:] for name in found.collection.query_ids]


def test_limited_text_generation_stays_in_whole_groups():
    found = limited(VALUES["text_generation_evaluation"], 17, seed=42, name="Example")
    assert len(found.groups) == 16
    assert all(found.groups.count(group) == 2 for group in found.groups)


def test_a_limited_pool_is_ten_times_the_limit():
    found = limited(VALUES["prompt_retrieval"], 4, seed=42, name="Example")
    assert (len(found.inputs), len(found.pool_inputs)) == (4, 40)
    assert found.pool_inputs == found.pool_outputs


@every_kind
def test_the_digest_depends_on_every_field(value):
    digest = digest_of(value)
    assert digest == digest_of(replace(value))
    for name in value.__slots__:
        field = getattr(value, name)
        other = list(reversed(field)) if isinstance(field, list) else field
        if isinstance(field, dict):
            other = dict(reversed(field.items()))
        if other != field or isinstance(field, dict):
            object.__setattr__(changed := replace(value), name, other)
            assert digest_of(changed) != digest, name


@dataclass
class Value:
    of: object


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (["ab", "c"], ["a", "bc"]),
        (["", "a"], ["a", ""]),
        (["1", "2"], [1, 2]),
        ([["a"], ["b"]], [["a", "b"], []]),
        ([0, 1], [False, True]),
        ([1, 2], [1.0, 2.0]),
        (["a"] * 5000, ["a"] * 4999),
        ({"a": {"b": 1}}, {"a": {"b": 2}}),
        ({"a": {"b": 1}}, {"b": {"a": 1}}),
        (["\ud800"], ["?"]),
    ],
)
def test_the_digest_tells_like_values_apart(one, other):
    assert digest_of(Value(one)) != digest_of(Value(other))


@every_kind
def test_every_kind_has_a_first_text(value):
    assert first_text(value) in ("0", "document 0")
