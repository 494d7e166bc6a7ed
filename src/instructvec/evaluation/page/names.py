"""Names of models, which may be long paths -> short names that differ as the long ones do.

Knows strings only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

WITHOUT = "@none"
"""Ends the name of a model that is run without instructions."""
_LONGEST = 34


def short_names(names: Sequence[str]) -> dict[str, str]:
    """The last part of each path or hub id, with as many parts before it as it takes to tell them apart.

    Args:
        names: all different.

    Returns:
        name -> short name, all different.

    Example:
        >>> short_names(["/runs/a/last", "/runs/b/last", "org/model", "org/model@none"])
        {'/runs/a/last': 'a/last', '/runs/b/last': 'b/last', 'org/model': 'model', 'org/model@none': 'model @none'}
    """
    depth = dict.fromkeys(names, 1)
    while True:
        short = {name: _ending(name, depth[name]) for name in names}
        counts = Counter(short.values())
        # A name of which nothing is left to add stays as it is.
        growing = [name for name in names if counts[short[name]] > 1 and depth[name] < len(_parts(name))]
        if not growing:
            break
        for name in growing:
            depth[name] += 1
    counts = Counter(short.values())
    return _shortened({name: one if counts[one] == 1 else name for name, one in short.items()})


def _shortened(names: dict[str, str]) -> dict[str, str]:
    """Over-long ones with their middle left out, unless two would then be the same."""
    cut = {name: _middle_left_out(short) for name, short in names.items()}
    counts = Counter(cut.values())
    return {name: cut[name] if counts[cut[name]] == 1 else short for name, short in names.items()}


def _middle_left_out(name: str) -> str:
    if len(name) <= _LONGEST:
        return name
    end = _LONGEST * 2 // 3
    return f"{name[: _LONGEST - end - 1]}…{name[-end:]}"


def _parts(name: str) -> list[str]:
    return [part for part in re.split(r"[/\\]+", name.removesuffix(WITHOUT)) if part] or [name]


def _ending(name: str, n_parts: int) -> str:
    ending = "/".join(_parts(name)[-n_parts:])
    return f"{ending} {WITHOUT}" if name.endswith(WITHOUT) and name != WITHOUT else ending
