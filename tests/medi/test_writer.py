"""A mixture's folder: there whole or not at all, whatever is there before and whenever the writer stops."""

import hashlib
import json
import os
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from instructvec.errors import OutputError, OutputExists
from instructvec.medi.manifest import MANIFEST, manifest_of
from instructvec.medi.triplets import Side, Triplet, schema, to_table
from instructvec.medi.writer import MixtureWriter, check_replaceable

CONTENT = {"format_version": 1, "datasets": []}


def triplets(n, start=0):
    return [
        Triplet(Side("i: ", f"q{at}"), Side("i: ", f"p{at}"), None, "faq", "pair", "mined")
        for at in range(start, start + n)
    ]


def written(out, *counts, shard_rows=4):
    writer = MixtureWriter(out, shard_rows)
    start = 0
    for n in counts:
        writer.add(to_table(triplets(n, start)))
        start += n
    writer.finish()
    return writer


def put(out, n=3, job="1"):
    writer = written(out, n)
    writer.commit(CONTENT | {"job": job, "shards": writer.shards})


def job_at(out):
    return manifest_of(out).job


@pytest.mark.parametrize(
    ("counts", "rows"),
    [
        ((), [0]),
        ((0, 0), [0]),
        ((3,), [3]),
        ((4,), [4]),
        ((3, 3), [4, 2]),
        ((9,), [4, 4, 1]),
        ((1, 0, 8, 3), [4, 4, 4]),
    ],
)
def test_shards_hold_the_rows_in_order(tmp_path, counts, rows):
    writer = written(tmp_path / "out", *counts)
    assert [shard["rows"] for shard in writer.shards] == rows
    assert list(writer.triplets()) == triplets(sum(counts))
    assert all(table.schema == schema() for table in writer.tables())


def test_shards_are_listed_with_size_and_hash(tmp_path):
    writer = written(tmp_path / "out", 5)
    for shard in writer.shards:
        content = (writer.folder / shard["name"]).read_bytes()
        assert (shard["bytes"], shard["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
    assert [shard["name"] for shard in writer.shards] == ["shard-00000.parquet", "shard-00001.parquet"]
    again = written(tmp_path / "again", 2, 3)
    assert again.shards == writer.shards  # however the rows come in


def test_texts_are_those_of_all_sides_without_nulls(tmp_path):
    writer = MixtureWriter(tmp_path / "out", 10)
    one = Triplet(Side("i", "a"), Side("i", "b"), Side("i", "c"), "d", "pair", "given")
    writer.add(to_table([one, one._replace(negative=None), one._replace(query=Side("j", "b"))]))
    writer.finish()
    assert sorted(writer.texts()) == ["a", "b", "c"]


def test_nothing_is_there_before_commit_and_all_of_it_after(tmp_path):
    out = tmp_path / "deep" / "out"
    writer = written(out, 5)
    assert not out.exists()
    writer.commit(CONTENT | {"shards": writer.shards, "note": "é"})
    assert sorted(path.name for path in out.iterdir()) == [
        "manifest.json",
        "shard-00000.parquet",
        "shard-00001.parquet",
    ]
    assert json.loads((out / MANIFEST).read_text(encoding="utf-8"))["note"] == "é"
    assert [path.name for path in out.parent.iterdir()] == ["out"]


def test_earlier_mixture_is_replaced_whole(tmp_path):
    out = tmp_path / "out"
    put(out, 9)
    put(out, 2, job="2")
    assert job_at(out) == "2"
    assert sorted(path.name for path in out.iterdir()) == ["manifest.json", "shard-00000.parquet"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_others_put_into_the_folder_stays(tmp_path):
    out = tmp_path / "out"
    put(out)
    (out / "page.html").write_text("a page")
    (out / "notes").mkdir()
    put(out, job="2")
    assert job_at(out) == "2"
    assert (out / "page.html").read_text() == "a page"
    assert (out / "notes").is_dir()


def test_empty_folder_is_taken(tmp_path):
    (tmp_path / "out").mkdir()
    put(tmp_path / "out")
    assert job_at(tmp_path / "out") == "1"


@pytest.mark.parametrize("there", ["file", "folder"])
def test_something_else_is_never_overwritten(tmp_path, there):
    out = tmp_path / "out"
    if there == "file":
        out.write_text("mine")
    else:
        (out / "thesis").mkdir(parents=True)
    with pytest.raises(OutputExists, match="is there already and is no mixture"):
        MixtureWriter(out, 4)
    with pytest.raises(OutputExists):
        check_replaceable(out)
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("tail", [".partial", ".earlier"])
def test_something_else_beside_is_never_removed(tmp_path, tail):
    (tmp_path / f".out{tail}").mkdir()
    (tmp_path / f".out{tail}" / "thesis.tex").write_text("mine")
    with pytest.raises(OutputExists, match=rf"\.out\{tail}/thesis\.tex: in the way"):
        MixtureWriter(tmp_path / "out", 4)
    assert (tmp_path / f".out{tail}" / "thesis.tex").exists()


def test_what_an_interrupted_build_left_is_removed(tmp_path):
    left = written(tmp_path / "out", 9).folder
    (left / "shard-00003.parquet.tmp").write_text("half")
    (left / "medi-data.json").write_text("half")
    put(tmp_path / "out", 2)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["manifest.json", "out", "shard-00000.parquet"]


class Killed(BaseException):
    """Stands for the end of the process."""


def killed_at(monkeypatch, name, call=1):
    """Ends the process, so to speak, at the n-th call of a method of paths for a folder."""
    original, calls = getattr(Path, name), []

    def dying(self, *arguments, **options):
        if self.is_dir():
            calls.append(self)
            if len(calls) == call:
                raise Killed
        return original(self, *arguments, **options)

    monkeypatch.setattr(Path, name, dying)


@pytest.mark.parametrize("call", [1, 2])
def test_killed_at_a_rename_loses_no_mixture(tmp_path, monkeypatch, call):
    out = tmp_path / "out"
    put(out, 9)
    writer = written(out, 2)
    killed_at(monkeypatch, "rename", call)
    with pytest.raises(Killed):
        writer.commit(CONTENT | {"job": "2", "shards": writer.shards})
    monkeypatch.undo()
    assert job_at(out if call == 1 else tmp_path / ".out.earlier") == "1"
    again = written(out, 2)
    assert job_at(out) == "1"  # put back, should this build fail too
    again.commit(CONTENT | {"job": "3", "shards": again.shards})
    assert job_at(out) == "3"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_killed_while_the_earlier_one_is_removed_is_tidied_up(tmp_path, monkeypatch):
    out = tmp_path / "out"
    put(out, 9)
    writer = written(out, 2)

    def half(folder, **_):
        (folder / MANIFEST).unlink()
        raise Killed

    monkeypatch.setattr("instructvec.medi.writer.shutil.rmtree", half)
    with pytest.raises(Killed):
        writer.commit(CONTENT | {"job": "2", "shards": writer.shards})
    monkeypatch.undo()
    assert job_at(out) == "2"
    put(out, 1, job="3")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_rename_that_fails_puts_the_earlier_mixture_back(tmp_path, monkeypatch):
    out = tmp_path / "out"
    put(out, 9)
    writer = written(out, 2)
    rename = Path.rename

    def failing(self, target):
        if self.name == ".out.partial":
            raise OSError(1, "Operation not permitted")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OutputError, match="out: cannot be written"):
        writer.commit(CONTENT | {"job": "2", "shards": writer.shards})
    monkeypatch.undo()
    assert job_at(out) == "1"


def test_link_keeps_pointing_to_where_the_mixture_is(tmp_path):
    real, link = tmp_path / "disk" / "real", tmp_path / "out"
    put(real)
    link.symlink_to(real)
    put(link, job="2")
    put(link, job="3")
    assert link.is_symlink()
    assert job_at(real) == job_at(link) == "3"
    assert [path.name for path in real.parent.iterdir()] == ["real"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a folder that refuses writing")
def test_folder_that_cannot_be_written_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match=r"\.out\.partial: cannot be written"):
        MixtureWriter(tmp_path / "out", 4)


def test_file_in_the_way_of_the_folder_is_named(tmp_path):
    (tmp_path / "deep").write_text("a file")
    with pytest.raises(OutputError, match=r"cannot be written"):
        MixtureWriter(tmp_path / "deep" / "out", 4)


def test_shards_are_readable_by_anyone(tmp_path):
    put(tmp_path / "out")
    assert pq.read_table(tmp_path / "out" / "shard-00000.parquet").num_rows == 3
