"""What is saved is loaded again; whatever happens while writing, the last good state is there."""

import json
import multiprocessing
import os
import shutil

import numpy as np
import pytest

from instructvec import Embedder
from instructvec.errors import ContractMismatch, FileError, OutputError, OutputExists
from instructvec.tasks import Embedded, Index
from instructvec.tasks.index import folder as folders
from instructvec.tasks.index import upkeep
from instructvec.tasks.index.manifest import NAME, Manifest
from tests.tasks.index.test_index import COLUMNS, TEXTS, asked, contract_of, of_vectors, unit_vectors


@pytest.fixture
def place(tmp_path, tiny):
    Index.build(TEXTS, columns=COLUMNS, embedder=tiny, path=tmp_path / "index", hybrid=True)
    return tmp_path / "index"


def found(index, query="weather", **options):
    return [(hit.id, round(hit.score, 6), hit.text, str(hit.columns)) for hit in index.search(query, **options)]


def test_a_loaded_index_answers_as_the_saved_one(place, tiny):
    built = Index.build(TEXTS, columns=COLUMNS, embedder=tiny)
    loaded = Index.load(place, embedder=tiny)
    for mode in ("vectors", "hybrid", "bm25"):
        assert found(loaded, "rain and snow", mode=mode) == found(built, "rain and snow", mode=mode)
    assert loaded.settings.hybrid and loaded.settings.contract == built.settings.contract
    assert loaded.info().columns == {"year": "int64", "lang": "string"}


def test_changes_reach_the_disk_with_save(place, tiny):
    index = Index.load(place)
    index.add(["new"], ids=["x"], columns={"year": [1]})
    index.delete(["0"])
    index.update(["a cat"], ids=["4"])
    assert len(Index.load(place)) == 5
    index.save()
    again = Index.load(place)
    assert found(again) == found(index) and len(again) == 5 and again.info().generation == 2
    assert again.add(["numbered on"]) == ["5"]
    again.check()


def test_the_model_is_opened_by_the_name_that_was_saved_and_must_be_the_same(tmp_path, checkpoint, monkeypatch):
    model = checkpoint()
    monkeypatch.chdir(model.parent)
    Index.build(TEXTS, embedder=Embedder(model.name, backend="onnx"), path=tmp_path / "index")
    monkeypatch.chdir("/")
    assert len(Index.load(tmp_path / "index").search("weather", k=2)) == 2
    shutil.rmtree(model)
    with pytest.raises(ContractMismatch, match="made with the model '.*instructor-copy', which cannot be opened"):
        Index.load(tmp_path / "index").search("weather")


def test_a_model_with_other_weights_is_refused(place, bundled):
    with pytest.raises(ContractMismatch, match="embedder: not what the index was made with"):
        Index.load(place, embedder=bundled)


def test_a_graph_is_saved_loaded_and_extended(tmp_path, monkeypatch):
    monkeypatch.setattr(upkeep, "TAIL_ROWS", 50)
    vectors = unit_vectors(600, 16)
    index = of_vectors(vectors[:400], approximate=True, path=tmp_path / "index")
    loaded = Index.load(tmp_path / "index")
    assert loaded.info().n_in_graph == 400
    queries = asked(vectors[::29])
    assert [[hit.id for hit in hits] for hits in loaded.search(queries)] == [
        [hit.id for hit in hits] for hits in index.search(queries)
    ]
    loaded.add(Embedded(None, vectors[400:], contract_of(16)))
    assert loaded.info().n_in_graph == 600 and Index.load(tmp_path / "index").info().n_in_graph == 400
    loaded.save()
    again = Index.load(tmp_path / "index")
    assert [hits[0].id for hits in again.search(asked(vectors[[3, 599]]), k=1)] == ["3", "599"]


def test_small_additions_write_neither_graph_nor_old_rows_again(tmp_path):
    vectors = unit_vectors(500, 8)
    of_vectors(vectors[:450], approximate=True, path=tmp_path / "index")
    before = {one.name: one.stat().st_mtime_ns for one in (tmp_path / "index").iterdir()}
    index = Index.load(tmp_path / "index")
    index.add(Embedded(None, vectors[450:], contract_of(8)))
    index.save()
    after = {one.name: one.stat().st_mtime_ns for one in (tmp_path / "index").iterdir()}
    assert {name for name in after if before.get(name) != after[name]} == {
        NAME, "rows-000002-1.parquet", "vectors-000002-1.npy",
    }  # fmt: skip


@pytest.mark.parametrize("n_files", range(5))
def test_killed_at_any_file_the_last_good_state_is_there(place, tiny, monkeypatch, n_files):
    before = found(Index.load(place, embedder=tiny))
    index = Index.load(place, embedder=tiny)
    index.add(["new"])
    index.delete(["0"])
    real, written = folders.writing, []

    def killed(path, n_bytes=None):
        if len(written) == n_files:
            path.with_name(path.name + ".tmp").write_bytes(b"half")
            raise KeyboardInterrupt
        written.append(path)
        return real(path, n_bytes)

    monkeypatch.setattr(folders, "writing", killed)
    with pytest.raises(KeyboardInterrupt):
        index.save()
    monkeypatch.undo()
    survivor = Index.load(place, embedder=tiny)
    assert found(survivor) == before
    survivor.check()
    survivor.add(["another"])
    survivor.save()
    assert len(Index.load(place)) == 6
    assert not list(place.glob("*.tmp"))


def test_readers_go_on_while_others_write(place, tiny):
    reader = Index.load(place, embedder=tiny)
    before = found(reader, mode="hybrid")
    for number in range(3):
        with Index.load(place, embedder=tiny, writing=True) as writer:
            writer.update([f"changed {number}"], ids=["0"])
            writer.save()
        assert found(reader, mode="hybrid") == before
    # The files of the generation before the last are still there, those before it are not.
    manifest = Manifest.read(place)
    assert {one.name for one in place.iterdir()} == {NAME, folders.LOCK, *manifest.files, *manifest.previous}


def test_a_reader_that_comes_between_reads_the_newer_state(place, tiny, monkeypatch):
    real, n_reads = Manifest.read, 0

    def slow(folder):
        nonlocal n_reads
        n_reads += 1
        state = real(folder)
        if n_reads == 2:  # the first is only whether there is an index
            for number in range(2):
                with Index.load(place, embedder=tiny, writing=True) as other:
                    other.update([f"changed {number}"], ids=["0"])
                    other.save()
        return state

    monkeypatch.setattr(Manifest, "read", staticmethod(slow))
    loaded = Index.load(place, embedder=tiny)
    assert loaded.info().generation == 3
    assert "changed 1" in {hit.text for hit in loaded.search("x")}


def hold(place, ready, done):
    with Index.load(place, writing=True):
        ready.set()
        done.wait(30)


def test_one_writes_at_a_time(place, tiny):
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    holder = context.Process(target=hold, args=(place, ready, done))
    holder.start()
    try:
        assert ready.wait(30)
        with pytest.raises(OutputError, match="another process is changing this index"):
            Index.load(place, writing=True)
        index = Index.load(place, embedder=tiny)
        index.delete(["0"])
        with pytest.raises(OutputError, match="another process is changing this index"):
            index.save()
    finally:
        done.set()
        holder.join(30)
    index.save()
    assert len(Index.load(place)) == 4


def test_who_was_overtaken_is_told(place, tiny):
    first, second = Index.load(place), Index.load(place)
    first.delete(["0"])
    first.save()
    second.delete(["1"])
    with pytest.raises(OutputError, match="has changed this index since it was loaded; load it again"):
        second.save()
    assert len(Index.load(place)) == 4


def test_a_place_that_is_taken_is_left_alone(place, tmp_path, tiny):
    with pytest.raises(OutputExists, match="an index is there already"):
        Index.build(TEXTS, embedder=tiny, path=place)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("dear")
    for options in ({}, {"overwrite": True}):
        with pytest.raises(OutputExists, match="no index; expected a new or empty folder"):
            Index.build(TEXTS, embedder=tiny, path=tmp_path / "mine", **options)
    reader = Index.load(place, embedder=tiny)
    Index.build(["only"], embedder=tiny, path=place, overwrite=True)
    assert len(Index.load(place)) == 1 and len(reader.search("x")) == 5
    assert Index.load(place).info().generation == 2


def test_a_copy_is_saved_elsewhere(place, tmp_path, tiny):
    index = Index.load(place, embedder=tiny)
    index.add(["new"])
    index.save(tmp_path / "other")
    assert len(Index.load(place)) == 5 and found(Index.load(tmp_path / "other", embedder=tiny)) == found(index)
    index.delete(["0"])
    index.save()
    assert len(Index.load(tmp_path / "other")) == 5


def test_damage_is_named(place, tmp_path):
    manifest = Manifest.read(place)
    vectors, rows = manifest.segments[0].vectors, manifest.segments[0].rows
    whole = {name: (place / name).read_bytes() for name in (vectors, rows)}
    (place / vectors).write_bytes(whole[vectors][:-4])
    (place / rows).unlink()
    with pytest.raises(FileError, match=f"{rows} is missing; {vectors} has .* bytes, not") as refused:
        Index.load(place)
    assert "build the index again" in str(refused.value)
    (place / rows).write_bytes(whole[rows])
    (place / vectors).write_bytes(whole[vectors][:-4] + bytes(4))
    index = Index.load(place)  # sizes alone are compared here
    with pytest.raises(FileError, match=f"{vectors} has another content than was written"):
        index.check()
    with pytest.raises(FileError, match="no index"):
        Index.load(tmp_path / "absent")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (
            {"format_version": 2},
            ContractMismatch,
            "format_version 2 is newer .*upgrade: pip install -U instructvec",
        ),
        ({"graph": "../../secret"}, FileError, "no file of an index"),
        ({"segments": [{}]}, FileError, "damaged"),
        ({"more": 1}, FileError, "damaged"),
    ],
)
def test_a_manifest_that_is_not_understood_is_refused(place, change, error, message):
    content = json.loads((place / NAME).read_text())
    (place / NAME).write_text(json.dumps(content | change))
    with pytest.raises(error, match=message):
        Index.load(place)


def test_half_a_manifest_is_refused(place):
    text = (place / NAME).read_text()
    (place / NAME).write_text(text[: len(text) // 2])
    with pytest.raises(FileError, match="index.json: damaged"):
        Index.load(place)


def test_vectors_are_mapped_not_read(place):
    (segment,) = Index.load(place)._contents.rows.segments
    assert isinstance(segment.vectors.base, np.memmap)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_named(place, tiny):
    index = Index.load(place, embedder=tiny)
    index.delete(["0"])
    place.chmod(0o500)
    try:
        with pytest.raises(OutputError, match="cannot be written"):
            index.save()
    finally:
        place.chmod(0o700)
