"""Datasets of the hub's layouts, as local directories, which ``datasets`` reads by the same code."""

import warnings

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instructvec.errors import ConfigError, FileError, MissingExtra
from instructvec.evaluation import data as kinds
from instructvec.evaluation.sources.hub import read_hub
from tests.evaluation.specs import spec, write_jsonl

datasets = pytest.importorskip("datasets")


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """No network, and nothing cached in the home of whoever runs the tests."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


@pytest.fixture
def repository(tmp_path):
    """Writes configurations of splits of rows as a repository; gives its path."""

    def write(configs, name="repository"):
        folder = tmp_path / name
        lines = ["---", "configs:"]
        for config, splits in configs.items():
            lines += [f"- config_name: {config}", "  data_files:"]
            for split, rows in splits.items():
                path = f"{config}/{split}.jsonl"
                write_jsonl(folder / path, rows)
                lines += [f"  - split: {split}", f"    path: {path}"]
        (folder / "README.md").write_text("\n".join([*lines, "---", ""]))
        return str(folder)

    return write


def labelled(n):
    return [{"text": f"t{at}", "label": at % 2, "label_text": "ab"[at % 2]} for at in range(n)]


def collection(split="test", prefix="", **more):
    """The configurations of a collection, as in mteb's repositories."""
    corpus = [{"_id": f"d{at}", "title": "T" if at == 1 else "", "text": f"text {at}"} for at in range(1, 5)]
    qrels = [("q1", "d1", 1), ("q1", "d2", 0), ("q2", "d3", 1), ("q2", "d4", 0)]
    judged = [{"query-id": query, "corpus-id": document, "score": score} for query, document, score in qrels]
    return {
        f"{prefix}corpus": {"corpus": corpus},
        f"{prefix}queries": {"queries": [{"_id": f"q{at}", "text": f"query {at}"} for at in range(1, 4)]},
        f"{prefix}qrels" if prefix else "default": {split: judged},
    } | more


PART = kinds.RetrievalPart(
    ["d1", "d2", "d3", "d4"],
    ["T text 1", "text 2", "text 3", "text 4"],
    ["q1", "q2"],
    ["query 1", "query 2"],
    {"q1": {"d1": 1, "d2": 0}, "q2": {"d3": 1, "d4": 0}},
)


def test_reads_classification_by_its_two_splits(repository):
    hub = repository({"default": {"train": labelled(4), "test": labelled(2), "validation": labelled(3)}})
    found = read_hub(spec("classification", hub=(hub,)))
    assert found.data == kinds.Classification(["t0", "t1", "t2", "t3"], [0, 1, 0, 1], ["t0", "t1"], [0, 1])
    assert found.n_rows == 6


def test_reads_the_configuration_of_a_subset(repository):
    hub = repository({name: {"train": labelled(4), "test": labelled(n)} for name, n in (("de", 2), ("en", 4))})
    assert len(read_hub(spec("classification", hub=(hub,), subset="en")).data.texts) == 4


def test_reads_columns_of_other_names(repository):
    hub = repository({"default": {"train": labelled(4), "test": labelled(2)}})
    found = read_hub(spec("prompt_retrieval", hub=(hub,), columns={"input": "text", "output": "label_text"}))
    assert found.data == kinds.PromptRetrieval(["t0", "t1", "t2", "t3"], list("abab"), ["t0", "t1"], list("ab"))


def test_reads_clustering_a_row_a_set(repository):
    rows = [
        {"sentences": ["t", "u"], "labels": ["a", "b"]},
        {"sentences": ["v", "w", "x"], "labels": ["a", "b", "c"]},
    ]
    found = read_hub(spec("clustering", hub=(repository({"default": {"test": rows}}),)))
    assert found.data == kinds.Clustering([["t", "u"], ["v", "w", "x"]], [["a", "b"], ["a", "b", "c"]])
    assert found.n_rows == 5


def test_reads_flat_clustering_as_one_set(repository):
    rows = [{"sentences": "t", "labels": "a"}, {"sentences": "u", "labels": "b"}]
    found = read_hub(spec("clustering", hub=(repository({"default": {"test": rows}}),)))
    assert found.data == kinds.Clustering([["t", "u"]], [["a", "b"]])


@pytest.mark.parametrize("names", [("sentence1", "sentence2"), ("sent1", "sent2")])
@pytest.mark.parametrize("flat", [True, False])
def test_reads_pairs_a_row_each_or_all_in_one(repository, names, flat):
    columns = {names[0]: ["x", "v"], names[1]: ["y", "w"], "labels": [1, 0]}
    rows = [{name: values[at] for name, values in columns.items()} for at in range(2)] if flat else [columns]
    found = read_hub(spec("pair_classification", hub=(repository({"default": {"test": rows}}),)))
    assert found.data == kinds.PairClassification(["x", "v"], ["y", "w"], [True, False])
    assert found.n_rows == 2


def test_reads_sts_and_summarization(repository):
    rows = [{"sentence1": "x", "sentence2": "y", "score": 1.0}, {"sentence1": "v", "sentence2": "w", "score": 2.5}]
    sts = read_hub(spec("sts", hub=(repository({"default": {"test": rows}}, "sts"),)))
    assert sts.data == kinds.Sts(["x", "v"], ["y", "w"], [1.0, 2.5])
    rows = [{"text": "t", "human_summaries": ["h"], "machine_summaries": ["m", "k"], "relevance": [1.0, 2.0]}]
    summaries = read_hub(spec("summarization", hub=(repository({"default": {"test": rows}}, "summ"),)))
    assert summaries.data == kinds.Summarization([["h"]], [["m", "k"]], [[1.0, 2.0]])


def test_reads_text_generation_evaluation_and_following(repository):
    rows = [{"hyp": "h", "refs": ["r"], "points": 1.0}, {"hyp": "i", "refs": ["s"], "points": 2.0}]
    columns = {"hypothesis": "hyp", "references": "refs", "human_score": "points"}
    hub = (repository({"default": {"test": rows}}, "generated"),)
    found = read_hub(spec("text_generation_evaluation", hub=hub, columns=columns))
    assert found.data.hypotheses == ["h", "i"]
    rows = [{"text": "t", "topic": "a", "style": 0}, {"text": "u", "topic": "b", "style": 1}]
    found = read_hub(spec("following", hub=(repository({"default": {"test": rows}}, "goals"),)))
    assert found.data == kinds.Following(["t", "u"], {"topic": ["a", "b"], "style": [0, 1]})


def test_reads_parquet_repositories(tmp_path):
    folder = tmp_path / "parquet" / "data"
    folder.mkdir(parents=True)
    for split, n in (("train", 4), ("test", 2)):
        pq.write_table(pa.Table.from_pylist(labelled(n)), folder / f"{split}-00000-of-00001.parquet")
    assert len(read_hub(spec("classification", hub=(str(tmp_path / "parquet"),))).data.train_texts) == 4


def test_reads_retrieval_with_titles_and_judgements_of_its_split(repository):
    found = read_hub(spec("retrieval", hub=(repository(collection()),)))
    assert found.data == kinds.Retrieval([PART])
    assert (found.n_rows, found.notes) == (4, ())


def test_reads_retrieval_of_a_subset(repository):
    hub = repository(collection(prefix="en-", default={"test": labelled(1)}))
    assert read_hub(spec("retrieval", hub=(hub,), subset="en")).data == kinds.Retrieval([PART])


def test_reads_several_collections_as_parts(repository):
    hub = tuple(repository(collection(), name) for name in ("android", "english"))
    found = read_hub(spec("retrieval", hub=hub, ignore_identical_ids=True))
    assert [part.query_ids for part in found.data.parts] == [["q1", "q2"]] * 2
    assert all(part.ignore_identical_ids for part in found.data.parts)
    assert found.n_rows == 8
    with pytest.raises(ConfigError, match="Example: hub has 2 datasets; only retrieval is a mean over several"):
        read_hub(spec("sts", hub=hub))


def test_unknown_ids_of_a_published_dataset_are_noted_and_do_not_stop_it(repository):
    configs = collection()
    configs["default"]["test"] += [
        {"query-id": "q1", "corpus-id": "gone", "score": 1},
        {"query-id": "away", "corpus-id": "d1", "score": 1},
    ]
    found = read_hub(spec("retrieval", hub=(repository(configs),)))
    assert found.data.parts[0].qrels["q1"] == {"d1": 1, "d2": 0, "gone": 1}
    assert "row 6: the query id 'away' is not in" in found.notes[0]
    assert "row 5: the document id 'gone' is not in" in found.notes[1]


def test_reads_reranking_a_row_a_query(repository):
    rows = [
        {"query": "q", "positive": ["p"], "negative": ["n"]},
        {"query": "r", "positive": [], "negative": ["n"]},
    ]
    found = read_hub(spec("reranking", hub=(repository({"default": {"test": rows}}),)))
    assert found.data == kinds.Reranking(["q"], [["p"]], [["n"]])
    assert "1 of 2 queries" in found.notes[0]


def test_reads_reranking_as_a_collection_with_candidates(repository):
    rows = [{"query-id": "q1", "corpus-ids": ["d3", "d1", "d2"]}, {"query-id": "q2", "corpus-ids": ["d1", "d3"]}]
    found = read_hub(spec("reranking", hub=(repository(collection(top_ranked={"test": rows})),)))
    assert found.data == kinds.Reranking(
        ["query 1", "query 2"], [["T text 1"], ["text 3"]], [["text 3", "text 2"], ["T text 1"]]
    )
    assert found.notes == ()


def test_reranking_without_candidates_ranks_judged_documents(repository):
    found = read_hub(spec("reranking", hub=(repository(collection()),)))
    assert found.data == kinds.Reranking(
        ["query 1", "query 2"], [["T text 1"], ["text 3"]], [["text 2"], ["text 4"]]
    )


def test_notes_queries_that_are_parts_of_one(repository):
    names = ["test_query1_0", "test_query1_1"]
    configs = {
        "corpus": {"test": [{"_id": name, "text": name} for name in ("d1", "d2")]},
        "queries": {"test": [{"_id": name, "text": name} for name in names]},
        "default": {"test": [{"query-id": name, "corpus-id": "d1", "score": 1} for name in names]},
        "top_ranked": {"test": [{"query-id": name, "corpus-ids": ["d1", "d2"]} for name in names]},
    }
    found = read_hub(spec("reranking", hub=(repository(configs),)))
    assert "2 queries seem to be parts of others" in found.notes[0]


def test_reads_instruction_retrieval_with_altered_instructions(repository):
    names = ["7-og", "7-changed", "8_1", "8_2"]
    configs = {
        "corpus": {"corpus": [{"_id": name, "title": "", "text": name} for name in ("d1", "d2")]},
        "queries": {"queries": [{"_id": name, "text": name[0]} for name in names]},
        "instruction": {
            "instruction": [{"query-id": name, "instruction": f"of {name}"} for name in reversed(names)]
        },
        "default": {"test": [{"query-id": name, "corpus-id": "d1", "score": 1} for name in names]},
        "qrel_diff": {"qrel_diff": [{"query-id": "7", "corpus-ids": ["d2"]}]},
        "top_ranked": {"top_ranked": [{"query-id": name, "corpus-ids": ["d1", "d2"]} for name in names]},
    }
    found = read_hub(spec("instruction_retrieval", hub=(repository(configs),)))
    assert found.data.instructions == [f"of {name}" for name in names]
    assert found.data.groups == ["7", "7", "8", "8"]
    assert found.data.changed == {"7": ["d2"]}
    assert "the whole corpus is ranked" in found.notes[0]


def test_retrieval_agrees_with_mteb(repository):
    loader = pytest.importorskip("tests.evaluation.local_mteb").mteb.abstasks.retrieval_dataset_loaders
    configs = collection(split="dev")
    configs["default"]["test"] = configs["default"]["dev"][2:]
    hub = repository(configs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = loader.RetrievalDatasetLoader(hub, revision=None, split="dev").load()
    (ours,) = read_hub(spec("retrieval", hub=(hub,), split="dev")).data.parts
    assert ours.qrels == theirs["relevant_docs"]
    assert ours.query_ids == theirs["queries"]["id"][:]
    assert ours.document_ids == theirs["corpus"]["id"][:]


@pytest.mark.parametrize(
    ("kind", "more", "message"),
    [
        ("classification", {"split": "dev"}, r"'.*repository': no split 'dev'; there are 'train', 'test'"),
        ("classification", {"pool_split": "dev"}, r"no split 'dev'; there are 'train', 'test'"),
        ("classification", {"subset": "en"}, r"'.*repository': no configuration 'en'; there are 'default'"),
        (
            "classification",
            {"columns": {"label": "class"}},
            r"no column 'class'; .* are 'text', 'label', 'label_text'",
        ),
        ("sts", {}, r"hub dataset '.*repository' \(test\): no column 'a'; .* are 'text', 'label', 'label_text'"),
        ("retrieval", {}, r"no configuration 'corpus'; there are 'default'"),
    ],
)
def test_names_the_dataset_and_what_there_is(repository, kind, more, message):
    hub = repository({"default": {"train": labelled(4), "test": labelled(2)}})
    with pytest.raises(FileError, match=message):
        read_hub(spec(kind, hub=(hub,), **more))


def test_names_splits_of_judgements(repository):
    configs = collection()
    configs["default"]["train"] = configs["default"]["test"]
    with pytest.raises(FileError, match=r"configuration 'default': no split 'dev'; there are 'test', 'train'"):
        read_hub(spec("retrieval", hub=(repository(configs),), split="dev"))


def test_judgements_of_another_split_do_not_stand_in(repository):
    with pytest.raises(FileError, match=r"configuration 'default': no split 'dev'; there are 'test'"):
        read_hub(spec("retrieval", hub=(repository(collection()),), split="dev"))


def test_names_the_row_of_a_bad_value(repository):
    hub = repository({"default": {"train": labelled(4), "test": [*labelled(2), {"text": "t", "label": None}]}})
    with pytest.raises(FileError, match=r"\(test\), row 3: 'label' holds nothing"):
        read_hub(spec("classification", hub=(hub,)))
    rows = [{"sentences": ["t", "u"], "labels": ["a"]}]
    with pytest.raises(FileError, match=r"\(test\), row 1: lists of lengths {'sentences': 2, 'labels': 1}"):
        read_hub(spec("clustering", hub=(repository({"default": {"test": rows}}, "clusters"),)))


def test_says_which_configurations_there_are_where_one_must_be_named(repository):
    hub = repository({name: {"train": labelled(4), "test": labelled(2)} for name in ("de", "en")})
    with pytest.raises(FileError, match=r"cannot be loaded .*'de', 'en'"):
        read_hub(spec("classification", hub=(hub,)))


def test_says_that_a_dataset_is_not_cached_and_the_network_not_to_be_used():
    with pytest.raises(FileError, match=r"'nobody/nothing': cannot be reached.*HF_HUB_OFFLINE is set"):
        read_hub(spec("sts", hub=("nobody/nothing",)))
    with pytest.raises(FileError, match=r"'nobody/nothing': cannot be reached.*HF_HUB_OFFLINE is set"):
        read_hub(spec("retrieval", hub=("nobody/nothing",)))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConnectionError("no route"), r"cannot be reached \(no route\); check the network"),
        (datasets.exceptions.DatasetNotFoundError("it is gated"), r"not found \(it is gated\); check the id"),
        (ValueError("of a new kind"), r"cannot be loaded \(ValueError: of a new kind\)"),
    ],
)
def test_passes_on_what_datasets_says(monkeypatch, error, message):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(FileError, match=f"hub dataset 'some/set': {message}"):
        read_hub(spec("sts", hub=("some/set",)))


def test_asks_for_the_revision_of_each_dataset(monkeypatch):
    asked = []

    def record(name, config, *, revision):
        asked.append((name, config, revision))
        raise ValueError("enough")

    monkeypatch.setattr(datasets, "load_dataset", record)
    with pytest.raises(FileError, match="enough"):
        read_hub(spec("sts", hub=("some/set",), revision="abc"))
    assert asked == [("some/set", None, "abc")]


def test_says_what_to_install(monkeypatch):
    monkeypatch.setattr("instructvec.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"the hub dataset 'some/set' needs the package 'datasets'.*\[eval\]"):
        read_hub(spec("sts", hub=("some/set",)))


def test_leaves_progress_bars_as_they_were(repository):
    hub = repository({"default": {"train": labelled(4), "test": labelled(2)}})
    before = datasets.are_progress_bars_disabled()
    read_hub(spec("classification", hub=(hub,)))
    assert datasets.are_progress_bars_disabled() == before
