"""Tables of a stage on disk: answered only under their key, whole or not at all, one build at a time."""

import signal
import subprocess
import sys

import pyarrow as pa
import pytest

from instructvec.errors import InputError, OutputError
from instructvec.medi.work import Work

TABLE = pa.table({"first": ["a", "b", None], "others": [["x"], [], ["y", "z"]], "row": [1, 2, 3]})
FACTS = {"read": 3, "dropped": {"too_short": 1}, "problems": ["é: …"]}

HOLD = """
import sys
from pathlib import Path
from instructvec.medi.work import Work
with Work(Path(sys.argv[1])).held():
    print("held", flush=True)
    sys.stdin.read()
"""

KILLED = """
import os, signal, sys
from pathlib import Path
import pyarrow as pa
import pyarrow.parquet as pq
from instructvec.medi.work import Work
written = pq.write_table
def write(table, file, **options):
    written(table, file, **options)
    os.kill(os.getpid(), signal.SIGKILL)
pq.write_table = write
Work(Path(sys.argv[1])).save("rows", "faq", "key", pa.table({"a": [2]}), {})
"""


def saved(folder, key="key", table=TABLE):
    work = Work(folder)
    work.save("rows", "faq", key, table, FACTS)
    return work


def test_table_and_facts_come_back_under_their_key(tmp_path):
    work = saved(tmp_path / "work")
    known = work.load("rows", "faq", "key")
    assert known.table == TABLE
    assert known.table.schema.metadata is None
    assert known.facts == FACTS == work.facts("rows", "faq", "key")
    assert Work(tmp_path / "work").load("rows", "faq", "key").facts == FACTS


def test_what_save_returns_is_what_load_returns(tmp_path):
    kept = Work(tmp_path).save("rows", "faq", "key", TABLE, FACTS)
    assert kept == Work(tmp_path).load("rows", "faq", "key")


@pytest.mark.parametrize(
    ("stage", "name", "key"), [("rows", "faq", "other"), ("rows", "other", "key"), ("triplets", "faq", "key")]
)
def test_other_key_name_or_stage_is_not_answered(tmp_path, stage, name, key):
    work = saved(tmp_path)
    assert work.load(stage, name, key) is None
    assert work.facts(stage, name, key) is None


def test_newer_table_takes_the_place_of_the_older(tmp_path):
    work = saved(tmp_path)
    saved(tmp_path, "newer", TABLE.slice(0, 1))
    assert work.load("rows", "faq", "key") is None
    assert work.load("rows", "faq", "newer").table.num_rows == 1
    assert [path.name for path in (tmp_path / "rows").iterdir()] == ["faq.parquet"]


def test_empty_table_is_kept(tmp_path):
    assert saved(tmp_path, table=TABLE.slice(0, 0)).load("rows", "faq", "key").table.num_rows == 0


@pytest.mark.parametrize(
    "damage", [lambda raw: b"", lambda raw: raw[:-30], lambda raw: raw[:3], lambda raw: b"x" * len(raw)]
)
def test_damaged_file_is_made_again(tmp_path, damage):
    work = saved(tmp_path)
    path = tmp_path / "rows" / "faq.parquet"
    path.write_bytes(damage(path.read_bytes()))
    assert work.load("rows", "faq", "key") is None
    assert work.facts("rows", "faq", "key") is None
    assert saved(tmp_path).load("rows", "faq", "key").table == TABLE


def test_parquet_of_somebody_else_is_not_answered(tmp_path):
    import pyarrow.parquet as pq

    (tmp_path / "rows").mkdir()
    pq.write_table(TABLE, tmp_path / "rows" / "faq.parquet")
    assert Work(tmp_path).load("rows", "faq", "key") is None
    assert Work(tmp_path).facts("rows", "faq", "key") is None


def test_failed_write_leaves_the_older_table_and_nothing_else(tmp_path, monkeypatch):
    work = saved(tmp_path)

    def fail(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pyarrow.parquet.write_table", fail)
    with pytest.raises(OutputError, match=r"faq\.parquet: the disk is full"):
        saved(tmp_path, "newer")
    monkeypatch.undo()
    assert work.load("rows", "faq", "key").table == TABLE
    assert [path.name for path in (tmp_path / "rows").iterdir()] == ["faq.parquet"]


def test_killed_write_leaves_the_older_table(tmp_path):
    work = saved(tmp_path)
    killed = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert killed.returncode == -signal.SIGKILL
    assert work.load("rows", "faq", "key").table == TABLE
    assert saved(tmp_path, "newer").load("rows", "faq", "newer").table == TABLE


def test_killed_first_write_leaves_no_table(tmp_path):
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    assert Work(tmp_path).load("rows", "faq", "key") is None
    assert not (tmp_path / "rows" / "faq.parquet").exists()


def test_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "work").write_text("a file")
    with pytest.raises(OutputError, match="work"):
        saved(tmp_path / "work")
    with pytest.raises(OutputError, match="work"), Work(tmp_path / "work").held():
        pass


def test_one_build_at_a_time_works_in_a_folder(tmp_path):
    pytest.importorskip("fcntl")
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another build is working in this folder"), Work(tmp_path).held():
            pass
        with Work(tmp_path / "another").held():
            pass
    finally:
        other.communicate("")
    with Work(tmp_path).held():
        pass


def test_lock_goes_with_a_killed_build(tmp_path):
    pytest.importorskip("fcntl")
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert other.stdout.readline() == "held\n"
    other.kill()
    other.communicate()
    with Work(tmp_path).held():
        pass


def test_rows_that_are_damaged_behind_a_whole_footer_are_not_answered(tmp_path):
    work = saved(tmp_path, table=pa.table({"a": [str(n) * 9 for n in range(9000)]}))
    path = tmp_path / "rows" / "faq.parquet"
    raw = bytearray(path.read_bytes())
    raw[200:2000] = bytes(1800)
    path.write_bytes(raw)
    assert work.load("rows", "faq", "key") is None
