"""``kill -9`` at any step of a build: a mixture is absent, the old or the new one, and the next run ends in it."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from instructvec.medi.build import build
from instructvec.medi.manifest import MixtureRows, manifest_of
from tests.evaluation.fake import FakeEncoder
from tests.medi.small import Project

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL on Windows")

SCRIPT = """
import os, signal, sys
from pathlib import Path
from instructvec.medi import stages
from instructvec.medi.build import build
from tests.evaluation.fake import FakeEncoder
from tests.medi.small import Project

folder, kind, at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
n_done = 0

def done():
    global n_done
    n_done += 1
    if n_done > at:
        os.kill(os.getpid(), signal.SIGKILL)

class Killed(stages.Silent):
    def stage(self, name, total):
        self.name = name

    def step(self, what):
        if self.name == kind:
            done()

def killed_after(owner, name):
    whole = getattr(owner, name)
    def patched(*given, **more):
        found = whole(*given, **more)
        done()
        return found
    setattr(owner, name, patched)

if kind == "rename":
    killed_after(Path, "rename")
if kind == "write":
    import pyarrow.parquet
    killed_after(pyarrow.parquet, "write_table")
project = Project(folder)
build(project.config(seed=2, shard_rows=50), FakeEncoder(), Killed())
"""


def killed(project, kind, at):
    """A build that kills itself after so many steps of a stage, written tables or renames."""
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-c", SCRIPT, str(project.folder), kind, str(at)]
    found = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
    assert found.returncode == -signal.SIGKILL, found.stderr


def content(out):
    """The rows, and the manifest but for when it was made; ``None`` where there is no mixture."""
    if not out.exists():
        return None
    manifest = json.loads((out / "manifest.json").read_text())
    assert {path.name for path in out.iterdir()} == {"manifest.json", *(one["name"] for one in manifest["shards"])}
    return list(MixtureRows(manifest_of(out))), manifest | {"created": ""}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    """The mixture that every run must end in, of the same files."""
    project = Project(tmp_path_factory.mktemp("unbroken"))
    build(project.config(seed=2, shard_rows=50), FakeEncoder())
    return project


@pytest.fixture
def project(unbroken, tmp_path):
    """The same files, with an older mixture."""
    for name in ("data", "lib"):
        shutil.copytree(unbroken.folder / name, tmp_path / name)
    project = Project(tmp_path)
    build(project.config(cache=tmp_path / "older.cache"), FakeEncoder())
    shutil.rmtree(tmp_path / "older.cache")
    return project


def ends_well(project, unbroken, encoder):
    build(project.config(seed=2, shard_rows=50), encoder)
    assert content(project.out) == content(unbroken.out)
    assert {path.name for path in project.folder.iterdir()} == {"data", "lib", "mixture", "mixture.cache"}
    assert not list(project.cache.rglob("*.tmp"))


def test_killed_again_and_again_between_steps_it_ends_in_the_same_mixture(project, unbroken):
    older = content(project.out)
    for stage, at in (
        ("reading", 2),
        ("duplicates", 3),
        ("mining", 1),
        ("mining", 4),
        ("contrasts", 0),
        ("mixing", 3),
        ("mixing", 6),
    ):
        killed(project, stage, at)
        assert content(project.out) == older
    encoder = FakeEncoder()
    ends_well(project, unbroken, encoder)
    assert encoder.asked == [], "no run before kept its vectors"


@pytest.mark.parametrize("at", [1, 8, 15, 17])
def test_killed_within_the_writing_of_a_table_it_ends_in_the_same_mixture(project, unbroken, at):
    older = content(project.out)
    killed(project, "write", at)
    assert content(project.out) == older
    ends_well(project, unbroken, FakeEncoder())


def test_killed_between_the_renames_it_puts_the_new_mixture_in_place(project, unbroken):
    older = content(project.out)
    killed(project, "rename", 0)
    assert content(project.out) is None
    assert content(project.folder / ".mixture.earlier") == older
    assert content(project.folder / ".mixture.partial") == content(unbroken.out)
    ends_well(project, unbroken, FakeEncoder())


def test_killed_between_the_renames_it_puts_the_old_mixture_back_first(project):
    older = content(project.out)
    killed(project, "rename", 0)
    with pytest.raises(KeyboardInterrupt):
        build(project.config(seed=2, mining={"depth": 1}), FakeEncoder("other", interrupt_after=0))
    assert content(project.out) == older
    assert not (project.folder / ".mixture.earlier").exists()


def test_killed_before_the_old_mixture_is_removed_the_next_run_removes_it(project, unbroken):
    (project.out / "page.html").write_text("<p>")
    killed(project, "rename", 1)
    assert content(project.out) == content(unbroken.out)
    assert (project.folder / ".mixture.earlier").exists()
    build(project.config(seed=2, shard_rows=50), FakeEncoder())
    assert (project.out / "page.html").read_text() == "<p>"
    (project.out / "page.html").unlink()
    assert build(project.config(seed=2, shard_rows=50), FakeEncoder()).unchanged
    ends_well(project, unbroken, FakeEncoder())
