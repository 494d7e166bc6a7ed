"""Unit vectors with planted near copies -> how fast, how completely and in how much memory duplicates are found.

Knows vectors only; no texts or models. Each copy is its original and a little noise, at a cosine of about 0.97;
the others stand in 2,000 clusters, in which no pairs reach the threshold. Found are those copies that
:func:`instructvec.tasks.find_duplicates` groups with their original. Prints a line; with ``--write`` into
``results/duplicates.json`` and ``docs/benchmarks.md`` too.

    python benchmarks/duplicates.py --write
    python benchmarks/duplicates.py --vectors 1000000 --write
"""

from __future__ import annotations

import argparse
import resource
import shlex
import time
from datetime import UTC, datetime
from typing import Any

import index
import numpy as np
import report
import run
import sections
from numpy.typing import NDArray

from instructvec.extras import version_of
from instructvec.tasks import Embedded, find_duplicates
from instructvec.tasks.instructions import DUPLICATES

THRESHOLD = 0.95
COPIED = 0.1
"""Share of the rows that are copies of others."""
NOISE = 0.25
SEED = 42


def planted(n_rows: int) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors (n_rows, 384), the copies last, and the row that each copy is of."""
    rng = np.random.default_rng(SEED)
    n_copies = int(n_rows * COPIED)
    centres = index.centres(rng)
    vectors = np.empty((n_rows, index.DIMENSION), np.float32)
    vectors[: n_rows - n_copies] = index.drawn(n_rows - n_copies, rng, centres)
    originals = np.sort(rng.choice(n_rows - n_copies, n_copies, replace=False))
    for start in range(0, n_copies, 50_000):
        rows = originals[start : start + 50_000]
        noise = rng.standard_normal((len(rows), index.DIMENSION), dtype=np.float32)
        copies = vectors[rows] + NOISE * noise / np.linalg.norm(noise, axis=1, keepdims=True)
        at = n_rows - n_copies + start
        vectors[at : at + len(rows)] = copies / np.linalg.norm(copies, axis=1, keepdims=True)
    return vectors, originals


def measured(n_rows: int, approximate: bool) -> dict[str, Any]:
    vectors, originals = planted(n_rows)
    copies = np.arange(n_rows - len(originals), n_rows)
    reached = np.einsum("ij,ij->i", vectors[originals], vectors[copies]) >= THRESHOLD
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    began = time.perf_counter()
    made = Embedded(None, vectors, index.contract(index.DIMENSION, DUPLICATES))
    found = find_duplicates(made, threshold=THRESHOLD, approximate=approximate)
    seconds = time.perf_counter() - began
    group = np.where(found.duplicate_of < 0, np.arange(n_rows), found.duplicate_of)
    together = group[copies] == group[originals]
    return {
        "search": "approximate" if approximate else "exact",
        "n_vectors": n_rows,
        "seconds": round(seconds, 1),
        "before_gb": before,
        "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
        "n_pairs": len(found.pairs),
        "n_planted": int(reached.sum()),
        "found": float(together[reached].mean()),
    }


def section(results: dict[str, Any]) -> str:
    """The page's section."""
    head = ["search", "vectors", "s", "memory, GB: before", "at its highest", "pairs", "copies found"]
    parts = sorted(results.values(), key=lambda part: (part["n_vectors"], part["search"]))
    rows = [
        [part["search"], f"{part['n_vectors']:,}", f"{part['seconds']:,.0f}", f"{part['before_gb']:.2f}",
         f"{part['peak_gb']:.2f}", f"{part['n_pairs']:,}", f"{part['found']:.2%}"]
        for part in parts
    ]  # fmt: skip
    origins = dict.fromkeys(report.origin(part) for part in parts)
    return "\n\n".join(
        [
            "## Duplicates",
            f"Unit vectors of {index.DIMENSION} dimensions, a tenth of them copies of others at a cosine of about "
            f"0.97; near duplicates at {THRESHOLD}, without encoding, on all processors. Beyond 200,000 texts the "
            "search is approximate by default. Memory is the process's at its highest until then; making the "
            "vectors takes more than they do, and where the search stayed below that, both are the same.",
            report.table(head, rows),
            *origins,
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--exact", action="store_true", help="compare every two")
    parser.add_argument(
        "--write", action="store_true", help="write results/duplicates.json and the page's section"
    )
    arguments, began = parser.parse_args(), time.perf_counter()
    one = measured(arguments.vectors, not arguments.exact)
    print(f"{one['search']}, {one['n_vectors']:,} vectors: {one['seconds']} s, {one['before_gb']:.2f} GB before, "
          f"{one['peak_gb']:.2f} GB at its highest, {one['n_pairs']:,} pairs, "
          f"{one['found']:.2%} of {one['n_planted']:,} copies")  # fmt: skip
    if not arguments.write:
        return
    words = ["python", "benchmarks/duplicates.py", "--vectors", str(arguments.vectors)]
    part = one | {
        "command": shlex.join([*words, *(["--exact"] if arguments.exact else []), "--write"]),
        "date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": run.commit(), "seed": SEED,
        "took_s": round(time.perf_counter() - began, 1), "machine": run.machine(),
        "versions": {name: version_of(name) for name in ("instructvec", "usearch", "numpy")},
    }  # fmt: skip
    sections.record("duplicates", f"{one['n_vectors']} {one['search']}", part, section)


if __name__ == "__main__":
    main()
