"""Pairs that people scored for likeness -> what a cosine threshold finds: the default of ``dedupe``.

Knows the bundled model under the default instruction; nothing of files of duplicates.

    python benchmarks/duplicate_threshold.py STS.jsonl.gz [--split dev]

STS.jsonl.gz is the STS Benchmark, a pair a line: ``a``, ``b``, ``score`` from 0 to 5, and ``split``.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from report import table

from instructvec import Embedder
from instructvec.corpus.readers import read_records
from instructvec.corpus.sources import source_of
from instructvec.tasks.instructions import DUPLICATES

THRESHOLDS = (0.8, 0.85, 0.9, 0.95)
EQUIVALENT, ROUGHLY = 4.0, 3.0


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="What a cosine threshold finds of pairs that people scored.")
    parser.add_argument("pairs", type=Path)
    parser.add_argument("--split", default="dev")
    arguments = parser.parse_args(argv)
    records = (record.values for record in read_records(source_of(arguments.pairs)))
    rows = [row for row in records if row["split"] == arguments.split]
    embedder = Embedder()
    a, b = (embedder.encode([row[side] for row in rows], DUPLICATES) for side in ("a", "b"))
    cosines = embedder.similarity_pairwise(a, b)
    scores = np.array([float(row["score"]) for row in rows])
    lines = []
    for threshold in THRESHOLDS:
        near = cosines >= threshold
        figures = [share(scores[near] >= EQUIVALENT), share(scores[near] >= ROUGHLY)]
        found = [share(near[scores >= EQUIVALENT]), share(near[scores >= ROUGHLY])]
        lines.append([f"{threshold:.2f}", str(int(near.sum())), *figures, *found])
    head = ["cosine from", "pairs", "of them 4 or 5", "of them 3 or more", "of 4 or 5 found", "of 3 or more found"]
    print(table(head, lines))


def share(values: np.ndarray) -> str:
    return f"{100 * values.mean():.0f}%" if len(values) else ""


if __name__ == "__main__":
    main()
