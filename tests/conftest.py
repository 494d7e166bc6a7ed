"""Embedders the suites share: the bundled one, a tiny float32 one, and one over an engine without a model."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from instructvec import Embedder
from instructvec.engines.fake import FakeEngine
from instructvec.evaluation.suite import Suite, read_suite
from tests.evaluation.tiny import write_suite

GOLDEN = Path(__file__).parent / "golden"
TINY = GOLDEN / "instructor_bert_tiny"
TINY_WIDTH = 32


@pytest.fixture(scope="session", autouse=True)
def ctrl_c_interrupts() -> None:
    """Started in the background, a process inherits that Ctrl-C is ignored, and so would those it starts."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def bundled() -> Embedder:
    return Embedder(device="cpu")


@pytest.fixture(scope="session")
def tiny() -> Embedder:
    """Float32, INSTRUCTOR's joining, 512 tokens."""
    return Embedder(TINY, backend="onnx")


@pytest.fixture(scope="session")
def exact() -> Embedder:
    """Float32, pooling exactly the text's tokens: no pair of strings is refused."""
    return Embedder(TINY, backend="onnx", joining="exact")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Callable[..., Path]:
    """Copies a tiny checkpoint and changes its JSON files: ``checkpoint(**{"config.json": {...}})``."""

    def make(name: str = "instructor-copy", source: Path = TINY, **changes: dict[str, Any]) -> Path:
        folder = shutil.copytree(source, tmp_path / name)
        for file, change in changes.items():
            content = json.loads((folder / file).read_text()) if (folder / file).is_file() else {}
            (folder / file).write_text(json.dumps(content | change))
        return folder

    return make


@pytest.fixture
def faked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Embedder, FakeEngine]]:
    """An embedder over a fake engine, and the engine: ``faked(path, workers=2, joining="exact")``."""

    def make(path: Path = TINY, *, engine: FakeEngine | None = None, workers: int = 1, **options: Any):
        engine = engine or FakeEngine(TINY_WIDTH, workers=workers)
        monkeypatch.setattr("instructvec.embedder.open_engine", lambda spec, **_: engine)
        return Embedder(path, **options), engine

    return make


@pytest.fixture(scope="session")
def tiny_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the suite ``tiny.toml``, of every kind, and the data of its tasks."""
    folder = tmp_path_factory.mktemp("tiny")
    write_suite(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_suite(tiny_data: Path) -> Suite:
    return read_suite(tiny_data / "tiny.toml")
