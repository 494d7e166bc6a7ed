"""Turns saved vectors into deviations from the reference: cosines, components, Spearman on STS.

Knows arrays only. Argument: JSON {"folder", "reference", "n_texts", "scores"}; each ``NAME.npy`` in the
folder is (n_texts + 2 * len(scores), dimension) float32, STS sentences alternating after the texts.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ranks(values: np.ndarray) -> np.ndarray:
    """Ranks from 0, ties at their mean."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return ((ends - counts + ends - 1) / 2)[inverse]


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(ranks(a), ranks(b))[0, 1])


def main(folder: Path, reference: str, n_texts: int, scores: list[float]) -> None:
    want = np.load(folder / f"{reference}.npy").astype(np.float64)
    out: dict[str, dict[str, float]] = {}
    for file in sorted(folder.glob("*.npy")):
        have = np.load(file).astype(np.float64)
        if have.shape != want.shape:
            raise ValueError(f"{file.name} has shape {have.shape}, the reference {want.shape}")
        cosines = (unit(have) * unit(want))[:n_texts].sum(axis=1)
        row = {
            "mean_cosine": float(cosines.mean()),
            "worst_cosine": float(cosines.min()),
            "largest_component_difference": float(np.abs(have - want)[:n_texts].max()),
        }
        if scores:
            left, right = unit(have[n_texts::2]), unit(have[n_texts + 1 :: 2])
            row["sts_spearman"] = 100 * spearman((left * right).sum(axis=1), np.asarray(scores))
        out[file.stem] = row
    print(json.dumps(out))


if __name__ == "__main__":
    task = json.loads(sys.argv[1])
    main(Path(task["folder"]), task["reference"], task["n_texts"], task["scores"])
