"""What was trained on -> the parts of a model card on data and rights.

Knows what a mixture's manifest says of its datasets; nothing of law: it adds up what the sources state.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from instructvec.medi.manifest import DatasetFacts
from instructvec.training.card_table import table
from instructvec.training.mixture import TrainingMixture

UNSTATED = "none stated"
_WORDS = {"yes": "allowed", "no": "forbidden", "unknown": "not stated"}
_SHOWN = 8


@dataclass(frozen=True, slots=True)
class UsedDataset:
    """A dataset as training used it.

    Attributes:
        name: its name.
        rows: of it that could be drawn.
        share: of all draws of datasets, 0 to 1; 0 where it took part in contrasts only.
        facts: what the manifest says.
    """

    name: str
    rows: int
    share: float
    facts: DatasetFacts

    @property
    def licence(self) -> str:
        """As its source states it."""
        return self.facts.licence or UNSTATED


@dataclass(frozen=True, slots=True)
class DataFacts:
    """All that was trained on.

    Attributes:
        datasets: the most rows first.
        has_manifest: whether anything is known of their rights.
    """

    datasets: tuple[UsedDataset, ...]
    has_manifest: bool

    @property
    def n_rows(self) -> int:
        """Rows in all."""
        return sum(one.rows for one in self.datasets)

    @property
    def instruction(self) -> str:
        """One that training used; empty where none is known."""
        return next((one.facts.instruction for one in self.datasets if one.facts.instruction), "")

    @property
    def commercial(self) -> str:
        """Commercial use under all licences together: ``"no"`` if one forbids it, else ``"unknown"`` if one is."""
        return _most_restrictive([one.facts.commercial for one in self.datasets])

    @property
    def redistribution(self) -> str:
        """The same of passing the texts on."""
        return _most_restrictive([one.facts.redistribution for one in self.datasets])

    @property
    def licence_name(self) -> str:
        """A name for the hub's head, of the most restrictive."""
        if self.commercial == "no":
            return "non-commercial-training-data"
        if "unknown" in (self.commercial, self.redistribution):
            return "training-data-of-unknown-rights"
        return "see-training-data"


def data_facts(mixture: TrainingMixture) -> DataFacts:
    """What of a mixture is drawn, by dataset."""
    drawn = np.unique(np.concatenate([unit.rows for unit in mixture.units]))
    names, codes = mixture.rows.datasets.values, mixture.rows.datasets.codes
    counts = np.bincount(codes[drawn], minlength=len(names))
    shares = {unit.name: unit.weight for unit in mixture.units if not unit.is_contrast}
    used = [
        UsedDataset(name, int(n), shares.get(name, 0.0), mixture.facts.get(name, DatasetFacts(name)))
        for name, n in zip(names, counts, strict=True)
        if n
    ]
    return DataFacts(tuple(sorted(used, key=lambda one: (-one.rows, one.name))), mixture.manifest is not None)


def data_section(mixture: TrainingMixture, data: DataFacts) -> str:
    """How much, under which licences, and every dataset with its source."""
    contrasts = sum(unit.is_contrast for unit in mixture.units)
    also = f", and {contrasts:,} contrasts of two datasets over the same texts" if contrasts else ""
    opening = f"## Training data\n\n{data.n_rows:,} rows of {len(data.datasets):,} datasets{also}."
    if not data.has_manifest:
        return f"{opening} They came without a manifest, so that sources and licences are not known here."
    every = table(
        ["dataset", "kind", "licence as stated", "source", "rows", "share of draws"],
        [
            [one.name, one.facts.kind, one.licence, one.facts.source, f"{one.rows:,}", f"{one.share:.2%}"]
            for one in data.datasets
        ],
        n_left=4,
    )
    return f"{opening}\n\n{_licences(data)}\n\n<details><summary>Every dataset</summary>\n\n{every}\n\n</details>"


def _licences(data: DataFacts) -> str:
    grouped: dict[tuple[str, str, str], list[UsedDataset]] = defaultdict(list)
    for one in data.datasets:
        grouped[one.licence, one.facts.commercial, one.facts.redistribution].append(one)
    ordered = sorted(grouped.items(), key=lambda item: -sum(one.rows for one in item[1]))
    return table(
        ["licence as stated", "commercial use", "passing on", "datasets", "rows"],
        [
            [licence, _word(commercial), _word(passing), str(len(own)), f"{sum(one.rows for one in own):,}"]
            for (licence, commercial, passing), own in ordered
        ],
        n_left=3,
    )


def rights_section(data: DataFacts, start: str, licence_of_start: str | None) -> str:
    """What the sources allow, taken together, and what that means for the weights.

    Args:
        data: what was trained on.
        start: the name of what training started from.
        licence_of_start: as its own card states it.
    """
    own = f"is under {licence_of_start}" if licence_of_start else "names no licence that is known here"
    lines = [f"The starting model, `{start}`, {own}."]
    if not data.has_manifest:
        lines.append("The rights in the training data are known to whoever gave it.")
    else:
        lines.append(_sentence(data, "commercial", "commercial use"))
        lines.append(_sentence(data, "redistribution", "passing the texts on"))
    lines.append(
        "The training texts are not part of this directory. Whether licences of training data bind weights is not "
        "settled, and differs between countries; whoever uses this model commercially or passes it on has to "
        "decide by the table above. This card grants no right that the sources do not."
    )
    return "## Rights\n\n" + " ".join(lines)


def _sentence(data: DataFacts, attribute: str, what: str) -> str:
    by_word: dict[str, list[str]] = defaultdict(list)
    for one in data.datasets:
        by_word[_word(getattr(one.facts, attribute))].append(one.name)
    n = len(data.datasets)
    parts = [f"{len(by_word[word]):,} {word}" for word in _WORDS.values() if by_word[word]]
    forbidden = by_word[_WORDS["no"]]
    named = f" ({_some(forbidden)})" if forbidden else ""
    return f"Of the {n:,} datasets, {what} is, by what their sources state: {', '.join(parts)}{named}."


def _some(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"


def _word(value: str) -> str:
    return _WORDS.get(value, _WORDS["unknown"])


def _most_restrictive(values: list[str]) -> str:
    if "no" in values:
        return "no"
    return "yes" if values and all(value == "yes" for value in values) else "unknown"
