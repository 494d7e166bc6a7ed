from __future__ import annotations

from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import errors

from instructvec.checkpoints.hub import is_offline, resolve, wanted_files
from instructvec.errors import CheckpointNotFound, MissingExtra

COMMIT = "54e5ffb8d484de506e59443b07dc819fb15c7233"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch, tmp_path):
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))


@pytest.fixture
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def cached(cache: Path, repo: str, ref: str = "main") -> Path:
    repository = cache / f"models--{repo.replace('/', '--')}"
    snapshot = repository / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "config.json").write_text("{}")
    (repository / "refs").mkdir()
    (repository / "refs" / ref).write_text(COMMIT)
    return snapshot


class TestDirectories:
    def test_a_directory_is_itself(self, tmp_path):
        assert resolve(tmp_path) == resolve(str(tmp_path)) == tmp_path

    def test_a_file_names_its_directory(self, tmp_path):
        (tmp_path / "model.safetensors").touch()
        with pytest.raises(CheckpointNotFound, match="a file; expected the directory"):
            resolve(tmp_path / "model.safetensors")

    @pytest.mark.parametrize(
        "name", ["./model", "../model", "~/no-such-model", "/no/such/model", "a/b/c", "here/model"]
    )
    def test_what_looks_like_a_path_never_goes_to_the_hub(self, tmp_path, monkeypatch, name):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "here").mkdir()
        monkeypatch.setattr(huggingface_hub, "HfApi", None)
        with pytest.raises(CheckpointNotFound, match="no such directory"):
            resolve(name)

    @pytest.mark.parametrize("name", ["owner/", "a b", "owner/na me", "-x", "a--b"])
    def test_what_is_neither_path_nor_id(self, name, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with pytest.raises(CheckpointNotFound):
            resolve(name)


@pytest.mark.usefixtures("offline")
class TestOffline:
    def test_cached_under_hf_home(self, tmp_path):
        snapshot = cached(tmp_path / "home" / "hub", "hkunlp/instructor-large")
        assert resolve("hkunlp/instructor-large") == snapshot

    @pytest.mark.parametrize("variable", ["HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"])
    def test_cached_under_the_hub_cache(self, tmp_path, monkeypatch, variable):
        monkeypatch.setenv(variable, str(tmp_path / "elsewhere"))
        snapshot = cached(tmp_path / "elsewhere", "a/b")
        assert resolve("a/b") == snapshot

    def test_cached_in_the_users_cache_by_default(self, tmp_path, monkeypatch):
        monkeypatch.delenv("HF_HOME")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        snapshot = cached(tmp_path / "xdg" / "huggingface" / "hub", "a/b")
        assert resolve("a/b") == snapshot

    def test_cache_folder_comes_first(self, tmp_path):
        cached(tmp_path / "home" / "hub", "a/b")
        snapshot = cached(tmp_path / "mine", "a/b")
        assert resolve("a/b", cache_folder=tmp_path / "mine") == snapshot

    def test_short_ids_are_sentence_transformers(self, tmp_path):
        snapshot = cached(tmp_path / "home" / "hub", "sentence-transformers/all-MiniLM-L6-v2")
        assert resolve("all-MiniLM-L6-v2") == snapshot

    def test_revision_is_a_branch_or_a_commit(self, tmp_path):
        snapshot = cached(tmp_path / "home" / "hub", "a/b", ref="v2")
        assert resolve("a/b", revision="v2") == resolve("a/b", revision=COMMIT) == snapshot
        with pytest.raises(CheckpointNotFound, match="revision 'v3'"):
            resolve("a/b", revision="v3")

    def test_absent_says_where_and_what_to_do(self, tmp_path):
        with pytest.raises(CheckpointNotFound, match="HF_HUB_OFFLINE") as caught:
            resolve("hkunlp/instructor-large")
        assert str(tmp_path / "home" / "hub") in str(caught.value)
        assert "hkunlp/instructor-large" in str(caught.value)


@pytest.mark.parametrize(
    ("value", "expected"), [("1", True), ("ON", True), ("true", True), ("0", False), ("", False)]
)
def test_offline_setting(monkeypatch, value, expected):
    monkeypatch.setenv("HF_HUB_OFFLINE", value)
    assert is_offline() is expected


class FakeHub:
    """Stands for the hub: lists ``files``, or raises ``error``; remembers what it was asked for."""

    def __init__(self, folder: Path, files: list[str], error: Exception | None = None) -> None:
        self.folder, self.files, self.error = folder, files, error
        self.asked: dict[str, object] = {}

    def __call__(self, token: str | None = None) -> FakeHub:
        self.asked["token"] = token
        return self

    def list_repo_files(self, repo_id: str, *, revision: str | None) -> list[str]:
        self.asked |= {"repo_id": repo_id, "revision": revision}
        if self.error:
            raise self.error
        return self.files

    def snapshot_download(self, repo_id: str, **options: object) -> str:
        self.asked |= options
        return str(self.folder)


def fake(monkeypatch: pytest.MonkeyPatch, hub: FakeHub) -> FakeHub:
    monkeypatch.setattr(huggingface_hub, "HfApi", hub)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", hub.snapshot_download)
    return hub


def http_error(kind: type[Exception]) -> Exception:
    """One of the hub's errors, whose constructors want a response."""
    error = kind.__new__(kind)
    error.args = ("refused",)
    return error


class TestOnline:
    def test_what_is_needed_is_fetched(self, tmp_path, monkeypatch):
        hub = fake(monkeypatch, FakeHub(tmp_path, ["config.json", "model.safetensors", "tf_model.h5"]))
        assert resolve("a/b", revision="v2", token="t", cache_folder=tmp_path / "c") == tmp_path
        assert hub.asked == {
            "token": "t",
            "repo_id": "a/b",
            "revision": "v2",
            "cache_dir": tmp_path / "c",
            "allow_patterns": ["config.json", "model.safetensors"],
        }

    @pytest.mark.parametrize(
        ("kind", "match"),
        [
            (errors.RepositoryNotFoundError, "nor a model on the hub.*hf auth login"),
            (errors.RevisionNotFoundError, "no revision 'v2'"),
            (errors.GatedRepoError, "granted access.*hf auth login"),
            (ConnectionError, "not in the cache.*ConnectionError.*network"),
        ],
    )
    def test_each_failure_says_what_to_do(self, tmp_path, monkeypatch, kind, match):
        fake(monkeypatch, FakeHub(tmp_path, [], http_error(kind)))
        with pytest.raises(CheckpointNotFound, match=match):
            resolve("a/b", revision="v2")

    def test_without_a_network_an_earlier_download_serves(self, tmp_path, monkeypatch):
        snapshot = cached(tmp_path / "home" / "hub", "a/b")
        fake(monkeypatch, FakeHub(tmp_path, [], ConnectionError("no route")))
        assert resolve("a/b") == snapshot

    def test_a_clients_own_error_of_a_missing_network_is_explained(self, tmp_path, monkeypatch):
        class ConnectError(Exception):
            """Of an HTTP client whose errors are no OSErrors."""

        fake(monkeypatch, FakeHub(tmp_path, [], ConnectError("name not known")))
        with pytest.raises(CheckpointNotFound, match=r"could not be asked \(ConnectError: name not known\)"):
            resolve("a/b")

    def test_without_huggingface_hub(self, monkeypatch):
        monkeypatch.setattr("instructvec.extras.has", lambda package: False)
        with pytest.raises(MissingExtra, match=r"a/b.*pip install"):
            resolve("a/b")


class TestWantedFiles:
    COMMON = (
        "config.json",
        "modules.json",
        "tokenizer.json",
        "1_Pooling/config.json",
        "vocab.txt",
        "spiece.model",
    )

    def test_safetensors_replace_bin_folder_by_folder(self):
        weights = ["model.safetensors", "pytorch_model.bin", "2_Dense/pytorch_model.bin"]
        assert wanted_files([*self.COMMON, *weights]) == [
            *self.COMMON,
            "model.safetensors",
            "2_Dense/pytorch_model.bin",
        ]

    def test_shards_come_with_their_index(self):
        files = [
            "model-00001-of-00002.safetensors",
            "model-00002-of-00002.safetensors",
            "model.safetensors.index.json",
        ]
        assert wanted_files(files) == files
        files = ["pytorch_model-00001-of-00001.bin", "pytorch_model.bin.index.json"]
        assert wanted_files(files) == files

    def test_other_frameworks_and_others_graphs_stay(self):
        files = [
            "tf_model.h5",
            "flax_model.msgpack",
            "rust_model.ot",
            "onnx/model.onnx",
            "openvino/openvino_model.xml",
            "openvino/config.json",
            "training_args.bin",
            "optimizer.pt",
            ".gitattributes",
        ]
        assert wanted_files(files) == []

    def test_graphs_of_ours_come_along(self):
        files = ["instructvec.json", "onnx/model_int8.onnx"]
        assert wanted_files(files) == files
