"""Processors: affinity and container limits."""

from __future__ import annotations

import os

import pytest

from instructvec.engines import threads
from instructvec.errors import ConfigError


def write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


@pytest.fixture
def cgroup(tmp_path, monkeypatch):
    monkeypatch.setattr(threads, "_CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(threads, "_OWN_CGROUP", tmp_path / "own")
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    return tmp_path


def test_without_limits_all_of_the_affinity_mask(cgroup):
    assert threads.available_processors() == 8


@pytest.mark.parametrize(
    ("content", "expected"),
    [("200000 100000", 2), ("150000 100000", 2), ("max 100000", 8), ("5000 100000", 1), ("rubbish", 8)],
)
def test_quota_of_version_two(cgroup, content, expected):
    write(cgroup / "cgroup" / "cpu.max", content)
    assert threads.available_processors() == expected


def test_the_smallest_quota_above_the_process_counts(cgroup):
    write(cgroup / "own", "0::/pod/box\n")
    write(cgroup / "cgroup" / "pod" / "cpu.max", "300000 100000")
    write(cgroup / "cgroup" / "pod" / "box" / "cpu.max", "max 100000")
    assert threads.available_processors() == 3


def test_quota_of_version_one(cgroup):
    write(cgroup / "cgroup" / "cpu" / "cpu.cfs_quota_us", "400000")
    write(cgroup / "cgroup" / "cpu" / "cpu.cfs_period_us", "100000")
    assert threads.available_processors() == 4


def test_asked_for(cgroup):
    assert threads.choose_threads(3) == 3
    assert threads.choose_threads(None) == 8
    with pytest.raises(ConfigError, match="threads is 0; expected 1 or more"):
        threads.choose_threads(0)
