"""Users' code passes a strict type checker, and their mistakes do not."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def test_uses_are_well_typed(tmp_path, monkeypatch):
    api = pytest.importorskip("mypy.api")
    monkeypatch.setenv("MYPYPATH", str(HERE / "stubs"))
    options = [
        "--strict",
        f"--config-file={HERE.parents[1] / 'pyproject.toml'}",
        f"--cache-dir={tmp_path}",
        # The package's own errors are another check's.
        "--follow-imports=silent",
    ]
    out, errors, status = api.run([*options, str(HERE / "uses.py")])
    assert status == 0, out + errors
