"""Bulk work: every output, resuming, refusing to overwrite, full disks; nothing half-written is ever found."""

import errno
import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from instructvec.checkpoints.contract import EmbeddingContract
from instructvec.corpus import files, local
from instructvec.corpus.local import EmbedConfig, embed_corpus
from instructvec.corpus.shard import EncodeConfig
from instructvec.errors import ConfigError, FileError, InputError, OutputError, OutputExists
from tests.corpus.fake import FakeEncoder, vector_of

OUTPUTS = ("out.parquet", "out.npy", "out.jsonl", "out")


@pytest.fixture
def texts(tmp_path):
    path = tmp_path / "in.csv"
    path.write_text("id,text\n" + "".join(f"{number},text {number}\n" for number in range(10)))
    return path


def config(path, out="out.parquet", **options):
    options.setdefault("shard_rows", 3)
    return EmbedConfig([str(path)], path.parent / out, **options)


def vectors_in(out):
    if out.is_dir():
        return np.concatenate([vectors_in(part) for part in sorted(out.glob("part-*.parquet"))])
    if out.suffix == ".npy":
        return np.load(out)
    if out.suffix == ".jsonl":
        return np.array([json.loads(line)["embedding"] for line in out.read_text().splitlines()], np.float32)
    return np.array(pq.read_table(out).column("embedding").to_pylist(), np.float32)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("out", OUTPUTS)
def test_output_holds_every_row_in_order_and_nothing_else_remains(texts, out):
    report = embed_corpus(FakeEncoder(), config(texts, out, encode=EncodeConfig(instruction="find: ")))
    expected = np.array([vector_of("find: ", f"text {number}") for number in range(10)], np.float32)
    np.testing.assert_array_equal(vectors_in(texts.parent / out), expected)
    assert (report.status, report.n_rows, report.n_tokens) == ("done", 10, 20)
    beside = {"out.npy": ["out.npy.json"], "out.jsonl": ["out.jsonl.contract.json"]}.get(out, [])
    assert names_in(texts.parent) == sorted(["in.csv", out, *beside])


def test_parquet_carries_columns_and_contract(texts):
    embed_corpus(FakeEncoder(), config(texts, encode=EncodeConfig(instruction="find: ")))
    table = pq.read_table(texts.parent / "out.parquet")
    assert table.column_names == ["id", "text", "embedding"]
    assert table.schema.field("embedding").type == pa.list_(pa.field("element", pa.float32()), 4)
    contract = EmbeddingContract.from_json(table.schema.metadata[b"instructvec"].decode())
    contract.check(FakeEncoder().contract("find: "))


@pytest.mark.parametrize(("out", "tail"), [("out.npy", ".json"), ("out.jsonl", ".contract.json")])
def test_contract_lies_beside_outputs_that_cannot_hold_it(texts, out, tail):
    embed_corpus(FakeEncoder(), config(texts, out))
    beside = json.loads((texts.parent / (out + tail)).read_text())
    assert beside["rows"] == 10
    EmbeddingContract.from_json(json.dumps(beside["contract"])).check(FakeEncoder().contract())


@pytest.mark.parametrize(("precision", "element"), [("int8", pa.int8()), ("float16", pa.float16())])
def test_precision_and_dimension_reach_the_file(texts, precision, element):
    options = EncodeConfig(precision=precision, truncate_dim=2)
    embed_corpus(FakeEncoder(), config(texts, encode=options))
    kind = pq.read_schema(texts.parent / "out.parquet").field("embedding").type
    assert (kind.value_type, kind.list_size) == (element, 2)


def test_instruction_column_gives_each_row_its_own_and_the_contract_lists_them(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text("".join(json.dumps({"text": "t", "task": f"task {n % 2}"}) + "\n" for n in range(5)))
    report = embed_corpus(FakeEncoder(), config(path, instruction_column="task"))
    expected = np.array([vector_of(f"task {n % 2}", "t") for n in range(5)], np.float32)
    np.testing.assert_array_equal(vectors_in(tmp_path / "out.parquet"), expected)
    assert report.job.contract.instructions == ("task 0", "task 1")
    assert embed_corpus(FakeEncoder(), config(path, instruction_column="task")).status == "up to date"


def test_several_files_with_different_columns_become_one_table(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "n": 1}\n')
    (tmp_path / "b.jsonl").write_text('{"text": "b", "n": 2.5, "more": "x"}\n')
    for shard_rows in (1, 10):
        out = tmp_path / f"out{shard_rows}.parquet"
        embed_corpus(FakeEncoder(), EmbedConfig([str(tmp_path / "*.jsonl")], out, shard_rows=shard_rows))
        table = pq.read_table(out).drop_columns(["embedding"])
        assert table.to_pydict() == {"text": ["a", "b"], "n": [1.0, 2.5], "more": [None, "x"]}


@pytest.mark.parametrize("shard_rows", [1, 10])
def test_column_of_conflicting_types_is_refused(tmp_path, shard_rows):
    (tmp_path / "a.jsonl").write_text('{"text": "a", "n": 1}\n')
    (tmp_path / "b.jsonl").write_text('{"text": "b", "n": "x"}\n')
    settings = EmbedConfig([str(tmp_path / "*.jsonl")], tmp_path / "out.parquet", shard_rows=shard_rows)
    with pytest.raises(FileError, match=r"a column has (another type|different types)"):
        embed_corpus(FakeEncoder(), settings)
    assert not (tmp_path / "out.parquet").exists()


def test_later_embedding_column_is_refused(tmp_path):
    path = tmp_path / "in.jsonl"
    path.write_text('{"text": "a"}\n{"text": "b", "embedding": [1]}\n')
    with pytest.raises(FileError, match="has a column 'embedding' already"):
        embed_corpus(FakeEncoder(), config(path))


def test_truncated_texts_are_counted(tmp_path):
    (tmp_path / "in.txt").write_text("short\n" + "word " * 20 + "\n")
    report = embed_corpus(FakeEncoder(), config(tmp_path / "in.txt"))
    assert (report.n_truncated, report.n_tokens) == (1, 9)


# ------------------------------------------------------------ running again


@pytest.mark.parametrize("out", OUTPUTS)
def test_second_run_is_up_to_date(texts, out):
    embed_corpus(FakeEncoder(), config(texts, out))
    before = names_in(texts.parent)
    encoder = FakeEncoder()
    assert embed_corpus(encoder, config(texts, out)).status == "up to date"
    assert encoder.calls == []
    assert names_in(texts.parent) == before


@pytest.mark.parametrize("out", OUTPUTS)
def test_output_made_differently_is_refused_and_replaced_only_on_demand(texts, out):
    embed_corpus(FakeEncoder(), config(texts, out))
    other = EncodeConfig(instruction="other: ")
    with pytest.raises(OutputExists, match=r"instruction: none there, 'other: ' asked for(.|\n)*--overwrite"):
        embed_corpus(FakeEncoder(), config(texts, out, encode=other))
    embed_corpus(FakeEncoder(), config(texts, out, encode=other, overwrite=True))
    np.testing.assert_array_equal(vectors_in(texts.parent / out)[0], np.float32(vector_of("other: ", "text 0")))
    assert not (texts.parent / (out + ".partial")).exists()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fingerprint": "e" * 32}, "model: 'f+' there, 'e+' asked for"),
        ({"column": "id"}, "column: None there, 'id' asked for"),
        ({"content": "text\nnew\n"}, r"inputs: in\.csv changed since"),
    ],
)
def test_refusal_says_what_differs(texts, change, message):
    embed_corpus(FakeEncoder(), config(texts))
    if "content" in change:
        texts.write_text(change["content"])
    encoder = FakeEncoder(fingerprint=change.get("fingerprint", "f" * 32))
    with pytest.raises(OutputExists, match=message):
        embed_corpus(encoder, config(texts, column=change.get("column")))


@pytest.mark.parametrize("out", ["out.parquet", "out"])
def test_foreign_output_is_not_touched(texts, out):
    foreign = texts.parent / out
    if out == "out":
        foreign.mkdir()
        foreign = foreign / "precious.txt"
    foreign.write_text("precious")
    with pytest.raises(OutputExists, match="was not written by instructvec embed"):
        embed_corpus(FakeEncoder(), config(texts, out))
    assert foreign.read_text() == "precious"


def test_foreign_folder_is_not_replaced_even_on_demand(texts):
    (texts.parent / "out").mkdir()
    (texts.parent / "out" / "precious.txt").write_text("precious")
    with pytest.raises(OutputExists, match=r"choose another name$"):
        embed_corpus(FakeEncoder(), config(texts, "out", overwrite=True))


def test_input_is_never_the_output(tmp_path):
    path = tmp_path / "in.parquet"
    pq.write_table(pa.table({"text": ["a"]}), path)
    with pytest.raises(ConfigError, match="is one of the inputs"):
        embed_corpus(FakeEncoder(), EmbedConfig([str(path)], path, overwrite=True))


class Stopped(KeyboardInterrupt):
    """An interruption at a chosen moment."""


class StoppingEncoder(FakeEncoder):
    """Is interrupted at its call number ``at``."""

    def __init__(self, at):
        super().__init__()
        self.at = at

    def encode_counted(self, inputs, instruction=None, **options):
        if len(self.calls) == self.at:
            raise Stopped
        return super().encode_counted(inputs, instruction, **options)


@pytest.mark.parametrize("out", OUTPUTS)
def test_interrupted_run_continues_where_it_stopped(texts, out):
    with pytest.raises(Stopped):
        embed_corpus(StoppingEncoder(2), config(texts, out))
    assert not (texts.parent / out).exists()
    encoder = FakeEncoder()
    seen = []
    report = embed_corpus(encoder, config(texts, out), on_progress=seen.append)
    assert encoder.calls == [["text 6", "text 7", "text 8"], ["text 9"]]
    assert (report.n_rows, report.n_resumed) == (10, 6)
    assert [progress.resumed for progress in seen] == [True, True, False, False]
    unbroken = texts.parent / f"unbroken{(texts.parent / out).suffix}"
    embed_corpus(FakeEncoder(), config(texts, unbroken.name))
    np.testing.assert_array_equal(vectors_in(texts.parent / out), vectors_in(unbroken))


def test_interruption_before_the_first_shard_leaves_nothing(texts):
    with pytest.raises(Stopped):
        embed_corpus(StoppingEncoder(0), config(texts))
    assert names_in(texts.parent) == ["in.csv"]


def test_begun_work_of_another_kind_is_not_thrown_away_unasked(texts):
    with pytest.raises(Stopped):
        embed_corpus(StoppingEncoder(2), config(texts))
    other = EncodeConfig(instruction="other: ")
    with pytest.raises(OutputExists, match=r"unfinished work that was begun differently"):
        embed_corpus(FakeEncoder(), config(texts, encode=other))
    assert embed_corpus(FakeEncoder(), config(texts, encode=other, overwrite=True)).n_rows == 10


def test_damaged_shard_is_made_again(texts):
    with pytest.raises(Stopped):
        embed_corpus(StoppingEncoder(3), config(texts))
    (texts.parent / "out.parquet.partial" / "shard-000001.parquet").write_bytes(b"damaged")
    encoder = FakeEncoder()
    embed_corpus(encoder, config(texts))
    assert [call[0] for call in encoder.calls] == ["text 3", "text 6", "text 9"]


def test_torn_last_line_of_the_manifest_is_ignored(texts):
    with pytest.raises(Stopped):
        embed_corpus(StoppingEncoder(2), config(texts))
    manifest = texts.parent / "out.parquet.partial" / "manifest.jsonl"
    content = manifest.read_bytes()
    manifest.write_bytes(content[:-7])
    encoder = FakeEncoder()
    assert embed_corpus(encoder, config(texts)).n_rows == 10
    assert encoder.calls[0] == ["text 3", "text 4", "text 5"]


@pytest.mark.parametrize("out", OUTPUTS)
def test_interruption_while_the_output_is_put_in_place_is_repaired(texts, out, monkeypatch):
    embed_corpus(FakeEncoder(), config(texts, out))
    other = {"encode": EncodeConfig(instruction="other: "), "overwrite": True}

    def stop(folder):
        raise Stopped

    with monkeypatch.context() as patch:
        patch.setattr("instructvec.corpus.commit.sync_folder", stop)
        with pytest.raises(Stopped):
            embed_corpus(FakeEncoder(), config(texts, out, **other))
    encoder = FakeEncoder()
    # Without overwrite: that it may be replaced was decided before.
    embed_corpus(encoder, config(texts, out, encode=other["encode"]))
    assert encoder.calls == []
    np.testing.assert_array_equal(vectors_in(texts.parent / out)[0], np.float32(vector_of("other: ", "text 0")))
    assert embed_corpus(encoder, config(texts, out, encode=other["encode"])).status == "up to date"


def test_two_processes_do_not_write_the_same_output(texts):
    pytest.importorskip("fcntl", reason="no advisory locks on this system")
    held = local.working_folder(texts.parent / "out.parquet")
    with held, pytest.raises(OutputError, match="another process is writing it"):
        embed_corpus(FakeEncoder(), config(texts))


# ------------------------------------------------------------ bad rows and bad disks


def test_rejected_rows_are_listed_with_reason_and_place(texts):
    texts.write_text("id,text\n1,a\n2\n3,please refuse me\n4,b\n")
    report = embed_corpus(FakeEncoder(), config(texts, on_error="skip"))
    assert (report.n_rows, report.n_rejected) == (2, 2)
    lines = (texts.parent / "out.parquet.rejected.jsonl").read_text().splitlines()
    first, second = map(json.loads, lines)
    assert (first["line"], second["line"]) == (3, 4)
    assert "1 fields" in first["reason"]
    assert "no room" in second["reason"]
    assert second["row"] == {"id": "3", "text": "please refuse me"}


def test_clean_rerun_removes_the_old_list_of_rejected_rows(texts):
    good = texts.read_text()
    texts.write_text("id,text\n1,a\n2\n")
    embed_corpus(FakeEncoder(), config(texts, on_error="skip"))
    texts.write_text(good)
    embed_corpus(FakeEncoder(), config(texts, on_error="skip", overwrite=True))
    assert names_in(texts.parent) == ["in.csv", "out.parquet"]


def test_row_that_the_encoder_refuses_is_named_by_file_and_line(texts):
    texts.write_text("id,text\n1,a\n2,b\n3,please refuse me\n")
    with pytest.raises(FileError, match=r"in\.csv, line 4: .*leaves no room for text"):
        embed_corpus(FakeEncoder(), config(texts, shard_rows=10))


@pytest.mark.parametrize("content", ["", "id,text\n"])
def test_no_rows(texts, content):
    texts.write_text(content)
    with pytest.raises(InputError, match=r"no rows to embed in in\.csv"):
        embed_corpus(FakeEncoder(), config(texts))
    assert names_in(texts.parent) == ["in.csv"]


def test_all_rows_rejected(texts):
    texts.write_text("id,text\n1\n2\n")
    with pytest.raises(InputError, match="all 2 rows were rejected, the first because 1 fields"):
        embed_corpus(FakeEncoder(), config(texts, on_error="skip"))
    assert names_in(texts.parent) == ["in.csv"]


def test_shard_of_rejected_rows_only(texts):
    texts.write_text("id,text\n1,a\n2\n3\n4,b\n")
    report = embed_corpus(FakeEncoder(), config(texts, on_error="skip", shard_rows=1))
    assert (report.n_rows, report.n_rejected) == (2, 2)


@pytest.mark.parametrize("at", range(1, 8))
def test_full_disk_is_said_so_and_a_rerun_continues(texts, monkeypatch, at):
    n_syncs = 0

    def full(descriptor):
        nonlocal n_syncs
        n_syncs += 1
        if n_syncs == at:
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(OutputError, match=r"out\.parquet.*: the disk is full.*it continues where it stopped"):
            embed_corpus(FakeEncoder(), config(texts))
    assert not (texts.parent / "out.parquet").exists()
    assert not list(texts.parent.rglob("*.tmp"))
    assert embed_corpus(FakeEncoder(), config(texts)).n_rows == 10


def test_standard_input_is_known_again_by_its_content(tmp_path, monkeypatch):
    def run(content, encoder, **options):
        monkeypatch.setattr(local, "standard_input", lambda: io.BytesIO(content))
        return embed_corpus(encoder, EmbedConfig(["-"], tmp_path / "out.npy", shard_rows=1, **options))

    with pytest.raises(ConfigError, match="say what it is with --format"):
        run(b"a\n", FakeEncoder())
    with pytest.raises(Stopped):
        run(b"a\nb\n", StoppingEncoder(1), format="txt")
    encoder = FakeEncoder()
    run(b"a\nb\n", encoder, format="txt")
    assert encoder.calls == [["b"]]
    assert run(b"a\nb\n", FakeEncoder(), format="txt").status == "up to date"
    with pytest.raises(OutputExists, match="inputs: - changed since"):
        run(b"c\n", FakeEncoder(), format="txt")
    assert names_in(tmp_path) == ["out.npy", "out.npy.json"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"inputs": []}, "inputs: none given"),
        ({"inputs": ["-", "-"]}, "can be read only once"),
        ({"out": "out.docx"}, "'.docx' names no kind of output"),
        ({"out": "missing/out.npy"}, "does not exist; create it first"),
        ({"instruction_column": "a", "encode": EncodeConfig(instruction="b")}, "exclude each other"),
        ({"shard_rows": 0}, "expected 1 or more"),
    ],
)
def test_config_refuses(tmp_path, options, message):
    settings = {"inputs": ["in.txt"], "out": "out.npy"} | options
    settings["out"] = tmp_path / settings["out"]
    with pytest.raises(ConfigError, match=message):
        EmbedConfig(**settings)


def test_jsonl_of_dates_and_nan(tmp_path):
    table = pa.table({"text": ["a"], "when": pa.array([0], pa.timestamp("s")), "x": [float("nan")]})
    pq.write_table(table, tmp_path / "in.parquet")
    embed_corpus(FakeEncoder(), EmbedConfig([str(tmp_path / "in.parquet")], tmp_path / "out.jsonl"))
    row = json.loads((tmp_path / "out.jsonl").read_text())
    assert (row["when"], row["x"]) == ("1970-01-01T00:00:00", None)
    assert np.float32(row["embedding"]).tolist() == vector_of(None, "a")
