"""What a recipe says about data, as frozen values: which rows of a mixture, and how often each dataset is drawn.

Knows options, their limits, and which datasets fit; nothing of rows.
Source: Raffel et al. 2020, section 3.5.2 (temperature and truncated-proportional mixing).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from typing import Literal, TypeAlias, get_args

from instructvec.errors import ConfigError
from instructvec.medi.config import Mixture
from instructvec.medi.manifest import DatasetFacts
from instructvec.medi.triplets import KINDS, RULES, Kind, Rule

WeightRule: TypeAlias = Literal["as_built", "proportional", "temperature", "truncated"]
"""``as_built``: the manifest's weights; proportional where there is no manifest, as in the original."""
WEIGHT_RULES: tuple[WeightRule, ...] = get_args(WeightRule)


@dataclass(frozen=True, slots=True)
class DataChoice:
    """Which rows of a mixture are trained on; what is empty is no restriction.

    Attributes:
        datasets: patterns of names (``"task0*"``).
        without: patterns of names that are left out.
        kinds: of datasets.
        rules: by which rows were found.
        without_rules: rows by these are left out.
        without_negatives: rows by these rules are trained on without their hard negatives.
        licences: patterns of licences; an unknown licence fits none but ``"*"``.
        without_licences: patterns of licences that are left out.
        commercial: only datasets that may be used commercially.
        redistribution: only datasets that may be passed on.
        symmetric: only datasets whose two sides share one instruction, or only the others; a contrast is symmetric
            if both of its datasets are. Needs a mixture with a manifest.
    """

    datasets: tuple[str, ...] = ()
    without: tuple[str, ...] = ()
    kinds: tuple[Kind, ...] = ()
    rules: tuple[Rule, ...] = ()
    without_rules: tuple[Rule, ...] = ()
    without_negatives: tuple[Rule, ...] = ()
    licences: tuple[str, ...] = ()
    without_licences: tuple[str, ...] = ()
    commercial: bool = False
    redistribution: bool = False
    symmetric: bool | None = None

    def __post_init__(self) -> None:
        _check_known("kinds", self.kinds, KINDS)
        _check_known("rules", self.rules, RULES)
        _check_known("without_rules", self.without_rules, RULES)
        _check_known("without_negatives", self.without_negatives, RULES)

    def takes(self, facts: DatasetFacts) -> bool:
        """Whether a dataset fits, by name and rights."""
        return (
            (not self.datasets or _matches(facts.name, self.datasets))
            and not _matches(facts.name, self.without)
            and (not self.licences or _matches(facts.licence, self.licences))
            and not _matches(facts.licence, self.without_licences)
            and (not self.commercial or facts.commercial == "yes")
            and (not self.redistribution or facts.redistribution == "yes")
        )

    def takes_kind(self, kind: str) -> bool:
        """Whether datasets of a kind fit."""
        return not self.kinds or kind in self.kinds

    def takes_symmetric(self, symmetric: bool) -> bool:
        """Whether a dataset, or a contrast of two, fits by its symmetry."""
        return self.symmetric is None or self.symmetric is symmetric

    def takes_rule(self, rule: str) -> bool:
        """Whether rows found by a rule fit."""
        return (not self.rules or rule in self.rules) and rule not in self.without_rules


@dataclass(frozen=True, slots=True)
class Weighting:
    """How often each dataset is drawn.

    Attributes:
        rule: where the weights come from; the others than ``as_built`` count the chosen rows.
        temperature: of ``"temperature"``; 1 is proportional, the higher the more alike.
        truncate_at: the limit of ``"truncated"``, rows.
        datasets: pattern of names -> what their weights are multiplied with, patterns one after the other.
        kinds: kind -> what the weights of its datasets are multiplied with.
        rules: rule -> how often its rows are drawn, as against once: with 0.5 a row takes part in every other
            pass over its dataset, with 2 twice in each; the dataset's weight changes accordingly.
    """

    rule: WeightRule = "as_built"
    temperature: float = 2.0
    truncate_at: int = 5000
    datasets: Mapping[str, float] = field(default_factory=dict)
    kinds: Mapping[str, float] = field(default_factory=dict)
    rules: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_known("rule", (self.rule,), WEIGHT_RULES)
        _check_known("kinds", self.kinds, KINDS)
        _check_known("rules", self.rules, RULES)
        for name in ("datasets", "kinds", "rules"):
            for key, factor in getattr(self, name).items():
                if not 0 <= factor <= 100:
                    raise ConfigError(f"weights of {name}: {key!r} is {factor}; expected a factor from 0 to 100")
        _ = self.mixing  # refuses numbers out of range

    @property
    def mixing(self) -> Mixture:
        """The rule as the builder has it; ``as_built`` is proportional there."""
        rule = "proportional" if self.rule == "as_built" else self.rule
        return Mixture(mixing=rule, temperature=self.temperature, truncate_at=self.truncate_at)

    def factor(self, name: str, kind: str) -> float:
        """What a dataset's weight is multiplied with."""
        factor = self.kinds.get(kind, 1.0)
        for pattern, own in self.datasets.items():
            factor *= own if fnmatchcase(name, pattern) else 1.0
        return factor


def _check_known(option: str, values: Iterable[str], known: Iterable[str]) -> None:
    for value in values:
        if value not in known:
            raise ConfigError(f"{option} has {value!r}; expected one of {', '.join(known)}")


def check_patterns(
    choice: DataChoice, weighting: Weighting, names: Sequence[str], facts: Mapping[str, DatasetFacts]
) -> None:
    """Refuse a pattern that fits nothing: it is a slip, and would pass for a choice.

    Args:
        choice: patterns of names and licences.
        weighting: patterns of names.
        names: of all datasets with rows.
        facts: licences of datasets, by name.

    Raises:
        ConfigError: names the pattern and the nearest there is.
    """
    licences = tuple(dict.fromkeys(one.licence for one in facts.values()))
    for option, patterns, known in (
        ("datasets", choice.datasets, names),
        ("without", choice.without, names),
        ("weights of datasets", weighting.datasets, names),
        ("licences", choice.licences, licences),
        ("without_licences", choice.without_licences, licences),
    ):
        for pattern in patterns:
            if not any(fnmatchcase(one, pattern) for one in known):
                near = get_close_matches(pattern, known, n=1)
                few = ", ".join(sorted(known)[:8]) or "none"
                hint = f"did you mean {near[0]!r}?" if near else f"there are {few}"
                raise ConfigError(f"{option} has {pattern!r}, which fits nothing in this mixture; {hint}")


def check_symmetric(choice: DataChoice, names: Sequence[str], facts: Mapping[str, DatasetFacts]) -> None:
    """Refuse a choice by symmetry where nothing says whether a dataset is symmetric.

    Args:
        choice: may ask for symmetric or asymmetric datasets.
        names: of all datasets with rows.
        facts: the manifest's, by name.

    Raises:
        ConfigError: names a dataset without facts.
    """
    unknown = [] if choice.symmetric is None else [name for name in names if name not in facts]
    if unknown:
        others = f" and of {len(unknown) - 1} others" if len(unknown) > 1 else ""
        raise ConfigError(
            f"symmetric is {str(choice.symmetric).lower()}, and no manifest says whether the sides of "
            f"{unknown[0]!r}{others} share an instruction; train on a mixture that `instructvec medi build` "
            "wrote, or leave symmetric out"
        )


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
