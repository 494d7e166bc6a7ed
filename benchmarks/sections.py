"""Sections of ``docs/benchmarks.md`` that one benchmark writes by itself, between two comments of its name.

Knows the page's text and where results are kept; nothing of what was measured.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
RESULTS = Path(__file__).parent / "results"
_ANY = re.compile(r"<!-- (\w+): written by \S+ -->.*?<!-- \1: end -->\n?", re.DOTALL)


def record(name: str, key: str, part: dict[str, Any], section: Callable[[dict[str, Any]], str]) -> None:
    """Keep a part in ``results/NAME.json`` beside those of other keys, and write the section of all of them."""
    results = RESULTS / f"{name}.json"
    known = json.loads(results.read_text("utf-8")) if results.exists() else {}
    known[key] = part
    results.write_text(json.dumps(known, indent=1) + "\n", "utf-8")
    replace(PAGE, name, section(known))


def replace(page: Path, name: str, section: str) -> None:
    """Write the section that ``benchmarks/NAME.py`` owns: in its place, or at the page's end where it has none."""
    whole = f"<!-- {name}: written by benchmarks/{name}.py -->\n\n{section.strip()}\n\n<!-- {name}: end -->\n"
    text = page.read_text(encoding="utf-8")
    for found in _ANY.finditer(text):
        if found[1] == name:
            text = text[: found.start()] + whole + text[found.end() :]
            break
    else:
        text = f"{text.rstrip()}\n\n{whole}"
    page.write_text(text, encoding="utf-8")


def write_around(page: Path, text: str) -> None:
    """Write the rest of the page; the sections that it has stay, at its end."""
    before = page.read_text(encoding="utf-8") if page.is_file() else ""
    kept = [found[0].rstrip() + "\n" for found in _ANY.finditer(before)]
    page.write_text("\n".join([text, *kept]), encoding="utf-8")
