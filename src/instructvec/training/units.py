"""Chosen rows -> the units that batches are drawn from, each with its weight.

    dataset   ── rows that stand alone ──> a unit of single rows
    datasets  ── rows of one group ──────> a unit of groups: the contrast of two datasets

Knows rows by their codes; nothing of files, texts or batches.
Source: Su et al. 2023, section 2.3: a batch comes from one dataset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from instructvec.medi.manifest import DatasetFacts
from instructvec.medi.mix import weights
from instructvec.training.choice import DataChoice, Weighting
from instructvec.training.rows import ABSENT, Rows


@dataclass(frozen=True, slots=True)
class Unit:
    """What one batch is drawn from: a dataset, or the contrast of two.

    Attributes:
        name: the dataset's, or both joined by ``|``.
        datasets: their names.
        rows: (m,) int64 row numbers, item after item.
        offsets: (items + 1,) int64: item i is ``rows[offsets[i]:offsets[i + 1]]``, which stays in one batch: a
            single row, or a group of a contrast.
        repeats: (items,) float32, how often an item takes part in a pass; 1 as a rule.
        weight: its share among the datasets, or among the contrasts.
        is_contrast: whether its items are groups.
    """

    name: str
    datasets: tuple[str, ...]
    rows: NDArray[np.int64]
    offsets: NDArray[np.int64]
    repeats: NDArray[np.float32]
    weight: float
    is_contrast: bool = False

    @property
    def n_items(self) -> int:
        """Rows or groups that are drawn one by one."""
        return len(self.offsets) - 1

    @property
    def largest_item(self) -> int:
        """Rows of its largest item."""
        return int(np.diff(self.offsets).max())


def combined(units: Sequence[Unit]) -> Unit:
    """One unit of the items of several, with the sum of their weights."""
    starts = np.cumsum([0, *(len(unit.rows) for unit in units)])
    offsets = [unit.offsets[:-1] + start for unit, start in zip(units, starts[:-1], strict=True)]
    return Unit(
        name="+".join(unit.name for unit in units),
        datasets=tuple(dict.fromkeys(name for unit in units for name in unit.datasets)),
        rows=np.concatenate([unit.rows for unit in units]),
        offsets=np.concatenate([*offsets, starts[-1:]]),
        repeats=np.concatenate([unit.repeats for unit in units]),
        weight=sum(unit.weight for unit in units),
        is_contrast=units[0].is_contrast,
    )


def is_chosen(rows: Rows, choice: DataChoice, facts: Mapping[str, DatasetFacts]) -> NDArray[np.bool_]:
    """(n,) which rows fit the choice; a dataset without facts has unknown rights."""
    datasets, kinds, rules = rows.datasets, rows.kinds, rows.rules
    known = [facts.get(name, DatasetFacts(name)) for name in datasets.values]
    by_dataset = np.array([choice.takes(one) for one in known], np.bool_)[datasets.codes]
    by_kind = np.array([choice.takes_kind(kind) for kind in kinds.values], np.bool_)[kinds.codes]
    by_rule = np.array([choice.takes_rule(rule) for rule in rules.values], np.bool_)[rules.codes]
    by_symmetry = np.array([choice.takes_symmetric(one) for one in (False, True)], np.bool_)
    symmetric = np.array([one.symmetric for one in known], np.bool_)
    is_symmetric = _with_groups(symmetric[datasets.codes], rows.groups.codes)
    chosen: NDArray[np.bool_] = by_dataset & by_kind & by_rule & by_symmetry[is_symmetric.astype(np.intp)]
    return chosen


def has_rule(rows: Rows, rules: Sequence[str]) -> NDArray[np.bool_]:
    """(n,) which rows were found by one of the rules."""
    by_rule: NDArray[np.bool_] = np.array([rule in rules for rule in rows.rules.values], np.bool_)
    return by_rule[rows.rules.codes]


def _with_groups(own: NDArray[np.bool_], groups: NDArray[np.int32]) -> NDArray[np.bool_]:
    """(n,) what is true of a row and of all that are in its group."""
    is_broken = np.zeros(int(groups.max(initial=ABSENT)) + 1, np.bool_)
    is_grouped = groups != ABSENT
    is_broken[groups[is_grouped & ~own]] = True
    found = own.copy()
    found[is_grouped] = ~is_broken[groups[is_grouped]]
    return found


def row_repeats(rows: Rows, weighting: Weighting) -> NDArray[np.float32]:
    """(n,) how often each row takes part in a pass over its dataset."""
    by_rule = np.array([weighting.rules.get(rule, 1.0) for rule in rows.rules.values], np.float32)
    return by_rule[rows.rules.codes]


def dataset_units(
    rows: Rows,
    is_used: NDArray[np.bool_],
    repeats: NDArray[np.float32],
    weighting: Weighting,
    facts: Mapping[str, DatasetFacts],
) -> list[Unit]:
    """A unit of each dataset's rows that stand alone; their weights sum to 1.

    Args:
        rows: all.
        is_used: (n,) which take part.
        repeats: (n,) how often in a pass.
        weighting: how weights are made.
        facts: the manifest's weights; empty without a manifest.
    """
    own = np.flatnonzero(is_used & (rows.groups.codes == ABSENT))
    parts = {rows.datasets.values[code]: part for code, part in _split(rows.datasets.codes, own)}
    base = weights({name: len(part) for name, part in parts.items()}, weighting.mixing)
    if weighting.rule == "as_built" and facts:
        base = {name: facts[name].weight if name in facts else 0.0 for name in parts}
    units = []
    for name, part in parts.items():
        kind = rows.kinds.values[rows.kinds.codes[part[0]]]
        weight = base[name] * weighting.factor(name, kind) * float(repeats[part].mean())
        units.append(Unit(name, (name,), part, np.arange(len(part) + 1), repeats[part], weight))
    return _normalised(units)


def contrast_units(
    rows: Rows, is_used: NDArray[np.bool_], repeats: NDArray[np.float32], weighting: Weighting
) -> list[Unit]:
    """A unit of the groups of each two datasets; their weights sum to 1. Arguments as above.

    A group that lost a row to the choice is no contrast any more, and is left out.
    """
    by_datasets: dict[tuple[str, ...], list[NDArray[np.int64]]] = {}
    for _, group in _split(rows.groups.codes, np.flatnonzero(rows.groups.codes != ABSENT)):
        if len(group) > 1 and is_used[group].all():
            codes = np.unique(rows.datasets.codes[group])
            names = tuple(sorted(rows.datasets.values[code] for code in codes))
            by_datasets.setdefault(names, []).append(group)
    base = weights({"|".join(names): sum(map(len, of)) for names, of in by_datasets.items()}, weighting.mixing)
    units = []
    for names, items in by_datasets.items():
        name, part = "|".join(names), np.concatenate(items)
        offsets = np.concatenate([[0], np.cumsum([len(item) for item in items])])
        kind_of = {rows.datasets.codes[row]: rows.kinds.values[rows.kinds.codes[row]] for row in items[0]}
        factors = [weighting.factor(rows.datasets.values[code], kind) for code, kind in kind_of.items()]
        factor = float(np.prod(factors)) ** (1 / len(factors))  # 0 where one of the datasets is weighted out
        weight = base[name] * factor * float(repeats[part].mean())
        once = np.ones(len(items), np.float32)
        units.append(Unit(name, names, part, offsets, once, weight, is_contrast=True))
    return _normalised(units)


def _split(codes: NDArray[np.int32], own: NDArray[np.int64]) -> list[tuple[int, NDArray[np.int64]]]:
    """The given rows by their code, in their order."""
    order = own[np.argsort(codes[own], kind="stable")]
    present, starts = np.unique(codes[order], return_index=True)
    return list(zip(present.tolist(), np.split(order, starts[1:]), strict=True)) if len(present) else []


def _normalised(units: list[Unit]) -> list[Unit]:
    """Those with a weight above 0, which then sum to 1."""
    total = sum(unit.weight for unit in units)
    return [replace(unit, weight=unit.weight / total) for unit in units if unit.weight > 0]
