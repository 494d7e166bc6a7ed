"""Datasets of the hub's layout, as local directories, which ``datasets`` reads by the same code."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instructvec.errors import FileError, MissingExtra
from instructvec.medi.registry import ROLES, read_registry
from instructvec.medi.sources import hub
from instructvec.medi.sources.hub import hub_identity, hub_rows

datasets = pytest.importorskip("datasets")


@dataclass(frozen=True)
class Source:
    hub: str | None
    config: str | None = None
    split: str = "train"
    revision: str | None = None


@pytest.fixture(autouse=True)
def offline(tmp_path, monkeypatch):
    """No network, and nothing cached in the home of whoever runs the tests."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


def rows_of(n):
    return [{"question": f"q{at}", "answer": f"a{at}", "pos": [f"p{at}"] * (at > 0)} for at in range(n)]


@pytest.fixture
def repository(tmp_path):
    """Writes configurations of splits of rows as a repository; gives its path."""

    def write(configs, name="repository"):
        folder = tmp_path / name
        lines = ["---", "configs:"]
        for config, splits in configs.items():
            lines += [f"- config_name: {config}", "  data_files:"]
            for split, rows in splits.items():
                path = folder / config / f"{split}.jsonl"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text("".join(json.dumps(row) + "\n" for row in rows))
                lines += [f"  - split: {split}", f"    path: {config}/{split}.jsonl"]
        (folder / "README.md").write_text("\n".join([*lines, "---", ""]))
        return str(folder)

    return write


@pytest.fixture
def pairs(repository):
    return repository({"pair": {"train": rows_of(40), "dev": rows_of(3)}, "other": {"train": rows_of(2)}})


def read(name, columns=("question", "answer"), *, limit=None, seed=0, **source):
    return list(hub_rows(Source(name, **source), limit=limit, seed=seed, columns=columns))


def test_gives_all_rows_in_order_with_the_columns_asked_for(pairs):
    assert read(pairs, config="pair", split="dev") == [
        {"question": f"q{at}", "answer": f"a{at}"} for at in range(3)
    ]
    assert read(pairs, ["answer"], config="other") == [{"answer": "a0"}, {"answer": "a1"}]


def test_draws_rows_by_seed(pairs):
    first = read(pairs, config="pair", limit=10)
    assert len({row["question"] for row in first}) == 10
    assert read(pairs, config="pair", limit=10) == first
    assert read(pairs, config="pair", limit=10, seed=1) != first
    assert len(read(pairs, config="pair", limit=100)) == 40
    assert read(pairs, config="pair", limit=0) == []


def test_streams_with_a_limit_and_loads_without(pairs, monkeypatch):
    calls = []
    load = datasets.load_dataset
    monkeypatch.setattr(datasets, "load_dataset", lambda *a, **o: calls.append(o["streaming"]) or load(*a, **o))
    read(pairs, config="pair", limit=3)
    read(pairs, config="pair")
    assert calls == [True, False]


def test_draws_from_the_cache_where_the_hub_must_not_be_asked(pairs, monkeypatch):
    monkeypatch.setattr(hub, "_is_local", lambda source: False)
    drawn = read(pairs, config="pair", limit=10)
    assert len({row["question"] for row in drawn}) == 10
    assert read(pairs, config="pair", limit=10) == drawn
    assert len(read(pairs, config="pair", limit=100)) == 40


def test_leads_into_nested_values(repository):
    rows = [
        {"pos": ["p", "o"], "answers": {"text": ["x"], "n": 1}, "a.b": "flat"},
        {"pos": [], "answers": {"text": ["y", "z"], "n": 2}, "a.b": "flat"},
    ]
    name = repository({"default": {"train": rows}})
    columns = ["pos.0", "pos", "answers.text.0", "answers.text.1", "a.b"]
    for limit in (None, 5):
        found = sorted(read(name, columns, limit=limit), key=lambda row: row["answers.text.0"])
        assert found[0] == dict(zip(columns, ["p", ["p", "o"], "x", None, "flat"], strict=True))
        assert found[1] == dict(zip(columns, [None, [], "y", "z", "flat"], strict=True))
    with pytest.raises(FileError, match=r"'answers\.texts' leads to no 'texts'; there is 'text', 'n'"):
        read(name, ["answers.texts"])
    with pytest.raises(FileError, match=r"'answers\.n\.0' has no '0', its value is a int"):
        read(name, ["answers.n.0"])


def test_reads_parquet_without_a_card(tmp_path):
    folder = tmp_path / "parquet" / "data"
    folder.mkdir(parents=True)
    for shard in range(2):
        path = folder / f"train-0000{shard}-of-00002.parquet"
        pq.write_table(pa.Table.from_pylist(rows_of(4)[2 * shard :][:2]), path)
    name = str(tmp_path / "parquet")
    assert [row["question"] for row in read(name)] == ["q0", "q1", "q2", "q3"]
    assert sorted(row["question"] for row in read(name, limit=9)) == ["q0", "q1", "q2", "q3"]


@pytest.mark.parametrize("limit", [None, 3])
def test_names_what_is_not_there_and_what_is(pairs, limit):
    with pytest.raises(FileError, match=r"repository'.*no split 'test'; there are 'train', 'dev'"):
        read(pairs, config="pair", split="test", limit=limit)
    with pytest.raises(FileError, match=r"configuration 'triplet'.*'pair', 'other'.*check source\.hub"):
        read(pairs, config="triplet", limit=limit)
    with pytest.raises(FileError, match=r"Config name is missing.*'pair', 'other'"):
        read(pairs, limit=limit)
    with pytest.raises(
        FileError, match=r"split 'train': no column 'query'; there are 'question', 'answer', 'pos'"
    ):
        read(pairs, ["answer", "query"], config="pair", limit=limit)


@pytest.mark.parametrize("limit", [None, 3])
def test_says_that_the_hub_must_not_be_asked(limit):
    with pytest.raises(FileError, match=r"hub dataset 'owner/none': cannot be reached.*HF_HUB_OFFLINE is set"):
        read("owner/none", limit=limit)


def test_says_what_to_do_where_the_network_is_missing(monkeypatch):
    def load(*_, **__):
        raise ConnectionError("Couldn't reach the hub")

    monkeypatch.setattr(datasets, "load_dataset", load)
    with pytest.raises(FileError, match=r"cannot be reached \(Couldn't reach the hub\); check the network"):
        read("owner/name")


def test_explains_a_connection_that_breaks_while_reading(pairs, monkeypatch):
    class Breaking:
        column_names = ("question", "answer")

        def select_columns(self, columns):
            return self

        def __iter__(self):
            yield {"question": "q", "answer": "a"}
            raise ConnectionError("reset by peer")

    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: {"train": Breaking()})
    rows = hub_rows(Source(pairs, "pair"), limit=None, seed=0, columns=["question"])
    assert next(rows) == {"question": "q"}
    with pytest.raises(FileError, match=r"cannot be reached \(reset by peer\)"):
        next(rows)


def test_names_broken_data(tmp_path):
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "train.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(FileError, match=r"broken': cannot be loaded"):
        read(str(folder))


def test_asks_the_first_row_where_a_stream_does_not_know_its_columns(pairs, monkeypatch):
    monkeypatch.setattr(datasets.IterableDataset, "column_names", None)
    assert len(read(pairs, ["question"], config="pair", limit=3)) == 3
    with pytest.raises(FileError, match="no column 'query'; there are 'question', 'answer', 'pos'"):
        read(pairs, ["query"], config="pair", limit=3)


def test_identity_changes_with_the_data(pairs):
    source = Source(pairs, "pair")
    first = hub_identity(source)
    assert first | {"resolved": ""} == {
        "hub": pairs,
        "config": "pair",
        "split": "train",
        "revision": None,
        "resolved": "",
        "streamed": False,
    }
    assert json.loads(json.dumps(first)) == hub_identity(source) == first
    assert hub_identity(source, limit=5)["streamed"] is True
    os.utime(Path(pairs) / "pair" / "train.jsonl", (1, 1))
    assert hub_identity(source)["resolved"] != first["resolved"]


def test_identity_names_what_is_not_there(pairs):
    with pytest.raises(FileError, match=r"'pair', 'other'"):
        hub_identity(Source(pairs, "none"))
    with pytest.raises(FileError, match="HF_HUB_OFFLINE is set"):
        hub_identity(Source("owner/none"))


def test_names_the_extra_that_is_missing(pairs, monkeypatch):
    monkeypatch.setattr("instructvec.extras.has", lambda package: False)
    with pytest.raises(MissingExtra, match=r"hub dataset '.*repository' needs the package 'datasets'"):
        read(pairs, config="pair")
    with pytest.raises(MissingExtra, match="pip install"):
        hub_identity(Source(pairs, "pair"))


def test_bundled_entries_name_the_columns_of_all_their_roles():
    entries = [entry for entry in read_registry() if entry.source.hub]
    assert len(entries) > 40
    for entry in entries:
        assert set(entry.source.columns) == set(ROLES[entry.kind]), entry.name
        assert entry.source.split == "train", entry.name
