"""usearch and onnxruntime live in one process, whichever is needed first."""

import subprocess
import sys

import pytest

from instructvec.extras import has

needs_usearch = pytest.mark.skipif(not has("usearch"), reason="usearch is not installed")


@needs_usearch
def test_onnxruntime_can_be_imported_after_usearch_was_used():
    code = "from instructvec.tasks.hnsw import index_class; index_class('a test')(ndim=2); import onnxruntime"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_usearch_the_line_that_installs_it_is_named(monkeypatch):
    from instructvec.errors import MissingExtra
    from instructvec.tasks.hnsw import index_class

    monkeypatch.setattr("instructvec.extras.has", lambda package: False)
    with pytest.raises(MissingExtra, match=r"a search needs the package 'usearch'.*instructvec\[tasks\]"):
        index_class("a search")
