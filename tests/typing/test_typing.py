"""Users' code passes a strict type checker."""

from __future__ import annotations

from pathlib import Path

import pytest


def test_uses_are_well_typed(tmp_path):
    api = pytest.importorskip("mypy.api")
    uses = Path(__file__).with_name("uses.py")
    config = Path(__file__).parents[2] / "pyproject.toml"
    out, errors, status = api.run(["--strict", f"--config-file={config}", f"--cache-dir={tmp_path}", str(uses)])
    assert status == 0, out + errors
