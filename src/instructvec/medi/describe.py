"""What a build took, left out and made -> the manifest.

Knows the manifest's form; nothing of how the figures came about.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructvec.extras import version_of
from instructvec.medi.choosing import Input
from instructvec.medi.config import BuildConfig
from instructvec.medi.form_rows import goal_entry
from instructvec.medi.label_rows import GOAL
from instructvec.medi.manifest import FORMAT_VERSION
from instructvec.medi.problems import Problems
from instructvec.medi.registry import Dataset, Wordings

if TYPE_CHECKING:
    import pyarrow as pa

_VERSIONS = ("instructvec", "numpy", "pyarrow", "rensa", "datasets")


@dataclass(slots=True)
class Taken:
    """What is known of a dataset while it goes through the stages of a build.

    Attributes:
        given: the entry and its files.
        rows_key: what its rows are made from.
        facts: what was read and left out.
        keep: (rows,) bool, which rows are no duplicates.
        mined_key: what its triplets are made from.
        mined: by which rule, and why rows gave none.
        n_triplets: before caps.
    """

    given: Input
    rows_key: str
    facts: dict[str, Any] = field(default_factory=dict)
    keep: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    mined_key: str = ""
    mined: dict[str, Any] = field(default_factory=dict)
    n_triplets: int = 0

    @property
    def entry(self) -> Dataset:
        """The dataset."""
        return self.given.entry


class Contrasted(NamedTuple):
    """Rows of two datasets about the same texts, and what is known of them."""

    a: str
    b: str
    table: pa.Table
    facts: dict[str, Any]


def described(
    config: BuildConfig,
    datasets: Sequence[Taken],
    contrasts: Sequence[Contrasted],
    left_out: Sequence[Mapping[str, Any]],
    *,
    alone: Sequence[str] = (),
    forms: Mapping[str, Any] | None,
    goals: Mapping[str, Wordings],
    job: str,
    contract: Mapping[str, Any],
    rules: Counter[tuple[str, str]],
    weights: Mapping[str, float],
    protected: Sequence[Mapping[str, Any]],
    check: Mapping[str, Any] | None,
    shards: Sequence[Mapping[str, Any]],
    original: Mapping[str, int] | None = None,
) -> dict[str, Any]:
    """The manifest of a mixture.

    Args:
        config: what was asked for.
        datasets: what took part.
        contrasts: what pairs of them gave.
        left_out: datasets that could not take part, as :func:`left_out` has them.
        alone: datasets whose texts are in rows of the subject that stand in no contrast.
        forms: what is known of the rows of forms and subjects; ``None`` where none were asked for.
        goals: form and subject, how each is asked for.
        job: what tells whether another build would be the same.
        contract: of the miner's vectors.
        rules: (dataset, rule) -> rows of the mixture.
        weights: dataset -> the share that a trainer should draw.
        protected: evaluation folders, and how often rows hit them.
        check: what the independent check found.
        shards: name, rows, bytes and hash of each.
        original: what ``medi-data.json`` holds, if it was asked for: rows, rows it cannot hold, and rows whose
            instruction the original's training code refuses.
    """
    listed = [_dataset(one, rules, weights.get(one.entry.name, 0.0)) for one in datasets]
    of_labels = {one.a for one in contrasts if one.b == GOAL} | set(alone)
    listed += _goals(datasets, of_labels, forms, goals, rules, weights.get(GOAL, 0.0))
    listed.sort(key=lambda one: str(one["name"]))
    by_rule: Counter[str] = Counter()
    for (_, rule), count in rules.items():
        by_rule[rule] += count
    return {
        "format_version": FORMAT_VERSION,
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "versions": {name: version for name in _VERSIONS if (version := version_of(name))},
        "job": job,
        "seed": config.seed,
        "options": _options(config),
        "model": dict(contract),
        "totals": {
            "datasets": sum(one["triplets"] > 0 for one in listed),
            "available": sum(one.n_triplets for one in datasets),
            "triplets": sum(rules.values()),
            "rules": dict(sorted(by_rule.items())),
            "kinds": _summed(listed, "kind"),
        },
        "datasets": listed,
        "left_out": list(left_out),
        "contrasts": [
            {"a": one.a, "b": one.b, "shared": one.facts["shared"], "rows": one.table.num_rows}
            for one in contrasts
        ],
        "forms": forms,
        "protected": list(protected),
        "check": check,
        "licences": _summed(listed, "licence"),
        "shards": list(shards),
        "medi_json": original,
    }


def _dataset(one: Taken, rules: Counter[tuple[str, str]], weight: float) -> dict[str, Any]:
    return {
        **_stated(one.entry),
        "files": one.facts["files"],
        "read": one.facts["read"],
        "dropped": one.facts["dropped"],
        "rows": int(one.keep.sum()),
        "available": {one.mined["rule"]: one.n_triplets},
        "mining": {name: value for name, value in one.mined.items() if name not in ("rule", "rows")},
        **_counted(one.entry, rules),
        "weight": round(weight, 8),
        "problems": one.facts["problems"],
    }


def _goals(
    datasets: Sequence[Taken],
    of_labels: Set[str],
    forms: Mapping[str, Any] | None,
    goals: Mapping[str, Wordings],
    rules: Counter[tuple[str, str]],
    weight: float,
) -> Iterator[dict[str, Any]]:
    """The goals that have rows, with the rights of the datasets whose texts are in them."""
    of_forms = set(forms["datasets"]) if forms is not None and forms["groups"] else set()
    for name in goals:
        used = of_forms | of_labels if name == GOAL else of_forms
        sources = [one.entry for one in datasets if one.entry.name in used]
        if sources:
            yield _goal(goal_entry(name, goals, sources), rules, weight if name == GOAL else 0.0)


def _goal(entry: Dataset, rules: Counter[tuple[str, str]], weight: float) -> dict[str, Any]:
    """A goal's rows as a dataset's: what they are made of is read and counted where it is from."""
    own = _counted(entry, rules)
    nothing = {"files": [], "read": 0, "dropped": {}, "rows": 0, "available": dict(own["rules"]), "mining": {}}
    return {**_stated(entry), **nothing, **own, "weight": round(weight, 8), "problems": []}


def _counted(entry: Dataset, rules: Counter[tuple[str, str]]) -> dict[str, Any]:
    own = {rule: count for (name, rule), count in rules.items() if name == entry.name}
    return {"rules": own, "triplets": sum(own.values())}


def _stated(entry: Dataset) -> dict[str, Any]:
    """What is known of a dataset before it is read."""
    return {
        "name": entry.name,
        "kind": entry.kind,
        "symmetric": entry.symmetric,
        "domain": entry.domain,
        "text_type": entry.text_type,
        "document_type": entry.document_type,
        "licence": entry.licence,
        "redistribution": entry.redistribution,
        "commercial": entry.commercial,
        "source": str(entry.source),
        "note": entry.note,
        "instruction": entry.instruction,
        "wordings": len(entry.query.all),
    }


def _summed(listed: Sequence[Mapping[str, Any]], key: str) -> dict[str, int]:
    """Rows of the mixture by some property of their dataset, most first."""
    counts: Counter[str] = Counter()
    for one in listed:
        counts[one[key]] += one["triplets"]
    return {name: count for name, count in counts.most_common() if count}


def left_out(problems: Problems) -> list[dict[str, Any]]:
    """Datasets that could not take part, or not by all of their entries: why, and the first messages.

    Example:
        >>> from instructvec.medi.problems import Problem
        >>> problems = Problems()
        >>> problems.add(Problem("broken_entry", "faq", "mine.toml: dataset 1 (faq)", "no licence"))
        >>> left_out(problems)[0]["reasons"]
        {'broken_entry': 1}
    """
    return [
        {"name": name, "reasons": dict(problems.of(name)), "problems": [str(one) for one in examples]}
        for name, examples in sorted(problems.examples.items())
    ]


def nothing_found(datasets: Sequence[Taken]) -> str:
    """Why there is no row for a mixture: what most rows were left out for, and the first message there is."""
    reasons: Counter[str] = Counter()
    for one in datasets:
        reasons.update(one.facts["dropped"])
        reasons.update(one.mined.get("without_triplet", {}))
    counted = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common(5))
    first = next((f"; the first problem: {text}" for one in datasets for text in one.facts["problems"]), "")
    n_read = sum(one.facts["read"] for one in datasets)
    return f"no row is left of {n_read:,} in {len(datasets):,} datasets; left out: {counted or 'none'}{first}"


def _options(config: BuildConfig) -> dict[str, Any]:
    """What was asked for, as JSON has it, without the places where things are."""
    places = ("out", "cache", "data", "registries", "form_files", "against")
    asked = {name: value for name, value in asdict(config).items() if name not in places}
    plain: dict[str, Any] = json.loads(json.dumps(asked))
    return plain
