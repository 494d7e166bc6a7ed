"""A mixture on disk, or rows from elsewhere -> what training draws from: rows, ids, units with weights.

Knows which reader a path needs and what becomes of each row; choosing and weighing are ``units.py``'s.
Source: Su et al. 2023, section 2.3; the original's ``medi-data.json``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.medi.formats import read_medi2, read_medi_json
from instructvec.medi.manifest import MANIFEST, DatasetFacts, Manifest, MixtureRows, manifest_of
from instructvec.medi.triplets import Triplet
from instructvec.training.choice import DataChoice, Weighting, check_patterns, check_symmetric
from instructvec.training.row_ids import RowIdTable
from instructvec.training.rows import ABSENT, Rows, rows_of
from instructvec.training.units import Unit, contrast_units, dataset_units, has_rule, is_chosen, row_repeats


@dataclass(frozen=True, slots=True)
class TrainingMixture:
    """Rows and the units they are drawn from.

    Attributes:
        rows: all rows, chosen or not, by their number in the mixture.
        ids: what is equal among their texts.
        units: with a weight above 0; those of datasets sum to 1, and so do those of contrasts.
        left_out: reason -> rows that are in no unit.
        facts: dataset -> what the manifest says of it, for those in ``units``; empty without a manifest.
        manifest: how the mixture was made; ``None`` for rows from elsewhere.
    """

    rows: Rows
    ids: RowIdTable
    units: tuple[Unit, ...]
    left_out: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, DatasetFacts] = field(default_factory=dict)
    manifest: Manifest | None = None


def open_mixture(
    path: Path, choice: DataChoice | None = None, weighting: Weighting | None = None
) -> TrainingMixture:
    """A mixture that was built, or a file of the original's format.

    Args:
        path: the folder of a mixture; or ``medi-data.json``, or a file or folder of MEDI2's, ``.jsonl``, each
            gzipped or not.
        choice: which rows; all by default.
        weighting: how often each dataset is drawn.

    Raises:
        FileError: no mixture there, or one that is damaged; names the file.
        ConfigError: a pattern that fits nothing, or a choice by symmetry without a manifest.
        InputError: no row is left.
    """
    if path.name.removesuffix(".gz").endswith(".jsonl") or _is_medi2(path):
        return mixture_of(read_medi2(path), choice, weighting)
    if path.is_file():
        return mixture_of(read_medi_json(path), choice, weighting)
    manifest = manifest_of(path)
    return mixture_of(MixtureRows(manifest), choice, weighting, manifest=manifest)


def mixture_of(
    triplets: Iterable[Triplet],
    choice: DataChoice | None = None,
    weighting: Weighting | None = None,
    *,
    manifest: Manifest | None = None,
) -> TrainingMixture:
    """Triplets from anywhere as a mixture.

    Args:
        triplets: read once.
        choice: which of them; all by default.
        weighting: how often each dataset is drawn.
        manifest: weights and licences of their datasets.

    Raises:
        ConfigError: a pattern that fits no dataset, or no licence; or a choice by symmetry without a manifest.
        InputError: a row that cannot be used, or no row is left.

    Example:
        >>> from instructvec.medi.triplets import Side
        >>> row = Triplet(Side("Topic: ", "rain"), Side("Topic: ", "snow"), None, "weather", "label", "labelled")
        >>> [(unit.name, unit.weight, unit.rows.tolist()) for unit in mixture_of([row]).units]
        [('weather', 1.0, [0])]
    """
    choice, weighting = choice or DataChoice(), weighting or Weighting()
    rows = rows_of(triplets)
    facts = {one.name: one for one in manifest.datasets} if manifest else {}
    check_patterns(choice, weighting, rows.datasets.values, facts)
    check_symmetric(choice, rows.datasets.values, facts)
    rows = rows.without_negatives(has_rule(rows, choice.without_negatives)) if choice.without_negatives else rows
    repeats = row_repeats(rows, weighting)
    is_used = is_chosen(rows, choice, facts) & (repeats > 0)
    units = (
        *dataset_units(rows, is_used, repeats, weighting, facts),
        *contrast_units(rows, is_used, repeats, weighting),
    )
    left_out = _left_out(rows, is_used, units)
    if not units:
        why = ", ".join(f"{reason.replace('_', ' ')} {n:,}" for reason, n in left_out.items()) or "it has none"
        raise InputError(f"none of the {len(rows):,} rows is left to train on ({why}); restrict less")
    names = {name for unit in units for name in unit.datasets}
    used = {name: one for name, one in facts.items() if name in names}
    return TrainingMixture(rows, RowIdTable(rows), units, left_out, used, manifest)


def _left_out(rows: Rows, is_used: NDArray[np.bool_], units: Sequence[Unit]) -> dict[str, int]:
    """Reason -> rows that are in no unit."""
    is_drawn = np.zeros(len(rows), np.bool_)
    for unit in units:
        is_drawn[unit.rows] = True
    is_grouped = rows.groups.codes != ABSENT
    reasons = {
        "not_chosen": ~is_used,
        "broken_group": is_used & ~is_drawn & is_grouped,
        "weight_0": is_used & ~is_drawn & ~is_grouped,
    }
    return {reason: n for reason, which in reasons.items() if (n := int(np.count_nonzero(which)))}


def _is_medi2(folder: Path) -> bool:
    """A folder of JSON lines that no build wrote."""
    return folder.is_dir() and not (folder / MANIFEST).exists() and any(folder.glob("*.jsonl*"))
