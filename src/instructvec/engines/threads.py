"""How many processors this process may really use.

Knows the scheduler's affinity mask and the control groups (v1 and v2) that containers limit with;
``os.cpu_count()`` tells of neither.
"""

from __future__ import annotations

import os
from pathlib import Path

from instructvec.errors import ConfigError

_CGROUP = Path("/sys/fs/cgroup")
_OWN_CGROUP = Path("/proc/self/cgroup")


def available_processors() -> int:
    """Processors this process may use: the affinity mask, cut to the container's quota; at least 1."""
    affinity = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(_CGROUP, _OWN_CGROUP)
    return max(1, affinity if quota is None else min(affinity, int(quota + 0.999)))


def choose_threads(threads: int | None) -> int:
    """``threads`` as asked for, or as many as there are processors for.

    Raises:
        ConfigError: below one.
    """
    if threads is None:
        return available_processors()
    if threads < 1:
        raise ConfigError(f"threads is {threads}; expected 1 or more, or None for all processors available here")
    return threads


def _quota(root: Path, own: Path) -> float | None:
    """The smallest quota, in processors, of the process's control groups and those above them."""
    quotas = [_read_v1(root / "cpu")]
    for folder in _folders(root, own):
        quotas.append(_read_v2(folder / "cpu.max"))
    known = [quota for quota in quotas if quota is not None]
    return min(known) if known else None


def _folders(root: Path, own: Path) -> list[Path]:
    folders = [root]
    try:
        lines = own.read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return folders
    for line in lines:
        if line.startswith("0::/"):
            parts = Path(line[4:]).parts
            folders += [root.joinpath(*parts[:depth]) for depth in range(1, len(parts) + 1)]
    return folders


def _read_v2(file: Path) -> float | None:
    try:
        quota, period = file.read_text(encoding="ascii").split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError, ZeroDivisionError):
        return None


def _read_v1(folder: Path) -> float | None:
    try:
        quota = int((folder / "cpu.cfs_quota_us").read_text(encoding="ascii"))
        period = int((folder / "cpu.cfs_period_us").read_text(encoding="ascii"))
        return quota / period if quota > 0 else None
    except (OSError, ValueError, ZeroDivisionError):
        return None
