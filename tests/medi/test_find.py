"""Data folders: a file is found by its name, gzipped or not, at any depth."""

import os

import pytest

from instructvec.errors import FileError
from instructvec.medi.registry import Dataset, Source
from instructvec.medi.sources.find import DataFolders, files_below, identity


def entry(file, folder=None, **source):
    return Dataset("faq", "pair", "MIT", "Represent it: ", Source(file=file, **source), folder=folder)


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    return folder


def found(folders, one):
    return [str(path.relative_to(folders[0])) for path in DataFolders(folders).files_of(one)]


@pytest.mark.parametrize("there", ["x.jsonl", "deep/er/x.jsonl", "x.jsonl.gz", "deep/x.jsonl.gz"])
@pytest.mark.parametrize("wanted", ["x.jsonl", "x.jsonl.gz"])
def test_is_found_by_its_name_at_any_depth_whether_gzipped_or_not(tmp_path, there, wanted):
    make(tmp_path, there, "y.jsonl", "x.jsonl.txt")
    assert found([tmp_path], entry(wanted)) == [there]


def test_pattern_gives_all_files_that_fit_sorted(tmp_path):
    make(tmp_path, "b/part-2.csv.gz", "a/part-3.csv", "a/part-1.csv", "a/other.csv")
    assert found([tmp_path], entry("part-*.csv")) == ["a/part-1.csv", "a/part-3.csv", "b/part-2.csv.gz"]


def test_name_with_brackets_is_itself_before_it_is_a_pattern(tmp_path):
    make(tmp_path, "x[1].csv", "x1.csv")
    assert found([tmp_path], entry("x[1].csv")) == ["x[1].csv"]
    assert found([tmp_path], entry("x[2].csv")) == []


def test_folders_before_the_name_must_be_there(tmp_path):
    make(tmp_path, "en/train.csv", "fr/train.csv", "de/dev.csv")
    assert found([tmp_path], entry("fr/train.csv")) == ["fr/train.csv"]
    assert found([tmp_path], entry("en/dev.csv")) == []
    assert found([tmp_path], entry("d*/*.csv")) == ["de/dev.csv"]
    assert found([tmp_path / "fr"], entry("fr/train.csv")) == ["train.csv"]


def test_data_folder_that_is_the_one_before_the_name_counts_relative_too(tmp_path, monkeypatch):
    make(tmp_path, "fr/train.csv")
    monkeypatch.chdir(tmp_path / "fr")
    assert len(DataFolders([type(tmp_path)()]).files_of(entry("fr/train.csv"))) == 1


def test_two_files_of_one_name_are_refused_and_both_are_named(tmp_path):
    make(tmp_path, "a/x.csv", "b/x.csv.gz")
    with pytest.raises(FileError, match=r"a/x\.csv and .*b/x\.csv\.gz: two files of one name.*'faq'.*keep one"):
        found([tmp_path], entry("x.csv"))
    assert found([tmp_path], entry("b/x.csv")) == ["b/x.csv.gz"]


def test_hidden_files_and_folders_are_passed_over(tmp_path):
    make(tmp_path, ".git/x.csv", ".x.csv", "a/.b/x.csv")
    assert found([tmp_path], entry("x.csv")) == []
    assert list(files_below(tmp_path)) == []


def test_first_data_folder_that_has_it_gives_it(tmp_path):
    one, two = make(tmp_path / "one", "y.csv"), make(tmp_path / "two", "x.csv", "y.csv")
    folders = DataFolders([one, two])
    assert folders.files_of(entry("y.csv")) == [one / "y.csv"]
    assert folders.files_of(entry("x.csv")) == [two / "x.csv"]
    assert DataFolders([two, one]).files_of(entry("y.csv")) == [two / "y.csv"]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("x.csv", ["x.csv"]),
        ("x.csv.gz", ["x.csv"]),
        ("z.csv", ["z.csv.gz"]),
        ("data/*.csv", ["data/1.csv", "data/2.csv"]),
        ("../lib/x.csv", ["../lib/x.csv"]),
        ("none.csv", []),
    ],
)
def test_own_entry_finds_its_file_beside_the_registry(tmp_path, wanted, expected):
    lib = make(tmp_path / "lib", "x.csv", "z.csv.gz", "data/1.csv", "data/2.csv")
    paths = DataFolders([]).files_of(entry(wanted, lib))
    assert [path.resolve() for path in paths] == [(lib / name).resolve() for name in expected]


def test_beside_the_registry_comes_before_the_data_folders(tmp_path):
    lib, data = make(tmp_path / "lib", "x.csv"), make(tmp_path / "data", "x.csv", "y.csv")
    assert DataFolders([data]).files_of(entry("x.csv", lib)) == [lib / "x.csv"]
    assert DataFolders([data]).files_of(entry("y.csv", lib)) == [data / "y.csv"]


def test_absolute_path_is_taken_as_it_is_and_never_from_elsewhere(tmp_path):
    lib, data = make(tmp_path / "lib", "m.toml"), make(tmp_path / "data", "x.csv", "y.csv.gz")
    assert DataFolders([]).files_of(entry(str(data / "x.csv"), lib)) == [data / "x.csv"]
    assert DataFolders([]).files_of(entry(str(data / "y.csv"), lib)) == [data / "y.csv.gz"]
    assert DataFolders([data]).files_of(entry(str(tmp_path / "gone" / "x.csv"), lib)) == []


def test_dataset_on_the_hub_has_no_files(tmp_path):
    one = Dataset("faq", "pair", "MIT", "Represent it: ", Source(hub="a/b"))
    assert DataFolders([make(tmp_path, "a")]).files_of(one) == []


def test_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(FileError, match="gone: no such folder"):
        DataFolders([tmp_path / "gone"])
    with pytest.raises(FileError, match="no such folder"):
        DataFolders([make(tmp_path, "x.csv") / "x.csv"])


def test_tasks_are_the_files_called_like_one_each_name_once(tmp_path):
    make(tmp_path / "one", "tasks/task001_a.json", "tasks/README.md", "task_x.json", "tasks/task2_b.json.gz")
    make(tmp_path / "two", "task001_a.json", "task003_c.json", "splits/test_tasks.txt")
    names = [str(path.relative_to(tmp_path)) for path in DataFolders([tmp_path / "one", tmp_path / "two"]).tasks()]
    assert names == ["one/tasks/task001_a.json", "one/tasks/task2_b.json.gz", "two/task003_c.json"]


def test_identity_changes_with_size_and_time_and_not_with_the_folder(tmp_path):
    make(tmp_path, "a/x.csv", "b/x.csv")
    (tmp_path / "b/x.csv").write_text("a/x.csv")
    for folder in "ab":
        os.utime(tmp_path / folder / "x.csv", ns=(1, 1))
    one, other = identity([tmp_path / "a/x.csv"]), identity([tmp_path / "b/x.csv"])
    assert one == other == [{"name": "x.csv", "bytes": 7, "mtime_ns": 1}]
    os.utime(tmp_path / "b/x.csv", ns=(2, 2))
    assert identity([tmp_path / "b/x.csv"]) != one


def test_link_to_nowhere_is_an_error_that_names_it(tmp_path):
    (tmp_path / "x.csv").symlink_to(tmp_path / "gone.csv")
    paths = DataFolders([tmp_path]).files_of(entry("x.csv"))
    with pytest.raises(FileError, match=r"x\.csv: cannot be read"):
        identity(paths)


def test_files_below_a_file_are_itself(tmp_path):
    make(tmp_path, "x.csv")
    assert list(files_below(tmp_path / "x.csv")) == [tmp_path / "x.csv"]


def test_an_earlier_mixture_and_its_cache_are_no_data(tmp_path):
    (tmp_path / "faq.jsonl").write_text("{}\n")
    (tmp_path / "out.cache" / "rows").mkdir(parents=True)
    (tmp_path / "out.cache" / "rows" / "faq.jsonl").write_text("{}\n")
    folders = DataFolders([tmp_path], leave_out=[tmp_path / "out.cache"])
    assert folders.files_of(entry("faq.jsonl")) == [tmp_path / "faq.jsonl"]
