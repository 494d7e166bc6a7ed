"""Results of ablations -> the tables of docs/ablations.md, between their markers.

Knows which runs each question compares, and how scores of several seeds are shown; nothing of how they were made.
A mean is one over kinds of tasks, each the mean over its tasks; tasks of following are apart, as not every model
can be asked to follow. What was not run is said to be not run.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, TypeAlias

from instructvec.errors import ConfigError

Entry: TypeAlias = dict[str, Any]
Measure: TypeAlias = Callable[[Entry], float | None]

NOT_RUN = "not run yet"
APART = ("following", "instruction_retrieval")
"""Kinds that are no part of the mean."""
KINDS = {
    "classification": "class.", "clustering": "clust.", "pair_classification": "pair cl.", "reranking": "rerank.",
    "retrieval": "retr.", "sts": "STS", "summarization": "summ.", "text_generation_evaluation": "gen. eval.",
    "prompt_retrieval": "prompt retr.",
}  # fmt: skip


class Runs:
    """Entries of the results by recipe and seed."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._by_recipe: dict[str, dict[int | None, Entry]] = {}
        for one in entries:
            self._by_recipe.setdefault(one["recipe"], {})[one["seed"]] = one

    def __contains__(self, recipe: str) -> bool:
        return recipe in self._by_recipe

    def names(self) -> list[str]:
        return sorted(self._by_recipe)

    def entries(self) -> Iterator[Entry]:
        for of in self._by_recipe.values():
            yield from of.values()

    def shown(self, recipe: str, measure: Measure) -> str:
        """The mean over seeds, with their standard deviation where there are several."""
        return _shown([measure(one) for one in self._by_recipe.get(recipe, {}).values()], ".2f")

    def difference(self, recipe: str, other: str, measure: Measure) -> str:
        """How much better than another a recipe is, the mean over the seeds that both have; nothing to itself."""
        if recipe == other:
            return ""
        own, theirs = self._by_recipe.get(recipe, {}), self._by_recipe.get(other, {})
        pairs = [(measure(own[seed]), measure(theirs[seed])) for seed in own if seed in theirs]
        return _shown([None if a is None or b is None else a - b for a, b in pairs], "+.2f")


def _shown(values: Sequence[float | None], form: str) -> str:
    known = [one for one in values if one is not None]
    if not known:
        return ""
    deviation = f" ± {stdev(known):.2f}" if len(known) > 1 else ""
    return f"{fmean(known) + 0.0:{form}}{deviation}"


# ------------------------------------------------------------ measures


def _over_kinds(entry: Entry, value: Callable[[Entry], float | None]) -> float | None:
    """The mean over kinds of the mean over their tasks of what a task's scores have."""
    by_kind: dict[str, list[float]] = {}
    for one in entry["scores"].values():
        if one["kind"] not in APART and (found := value(one)) is not None:
            by_kind.setdefault(one["kind"], []).append(found)
    return fmean(map(fmean, by_kind.values())) if by_kind else None


def mean(entry: Entry) -> float | None:
    """The mean over kinds."""
    return _over_kinds(entry, lambda one: float(one["score"]))


def best(entry: Entry) -> float | None:
    """The same under the best wording of each task."""
    return _over_kinds(entry, lambda one: one["spread"] and one["spread"]["best"])


def worst(entry: Entry) -> float | None:
    """The same under the worst wording of each task."""
    return _over_kinds(entry, lambda one: one["spread"] and one["spread"]["worst"])


def best_to_worst(entry: Entry) -> float | None:
    """The same of the distance between the two."""
    return _over_kinds(entry, lambda one: one["spread"] and one["spread"]["best"] - one["spread"]["worst"])


def of_kind(kind: str) -> Measure:
    """The mean over the tasks of a kind."""

    def measure(entry: Entry) -> float | None:
        scores = [one["score"] for one in entry["scores"].values() if one["kind"] == kind]
        return fmean(scores) if scores else None

    return measure


def of_task(name: str) -> Measure:
    """A task's score."""

    def measure(entry: Entry) -> float | None:
        return entry["scores"][name]["score"] if name in entry["scores"] else None

    return measure


# ------------------------------------------------------------ tables


def diverse(runs: Runs) -> list[str]:
    rows = []
    for data, with_, without in (
        ("both", "without-contrasts", "without-instructions"),
        ("symmetric", "symmetric", "symmetric-without-instructions"),
        ("asymmetric", "asymmetric", "asymmetric-without-instructions"),
    ):
        shown = [runs.shown(one, mean) or NOT_RUN for one in (with_, without)]
        rows.append([data, *shown, runs.difference(with_, without, mean)])
    return _table(["data", "with instructions", "without", "difference"], rows)


def robustness(runs: Runs) -> list[str]:
    measures = (mean, best, worst, best_to_worst)
    rows = [_row(runs, name, [runs.shown(name, one) for one in measures]) for name in ("full", "without-superni")]
    return _table(["recipe", "main instruction", "best wording", "worst wording", "best to worst"], rows)


def detail(runs: Runs) -> list[str]:
    said = {
        "without-instructions": "none",
        "tag": "dataset's name",
        "simple": "simple sentence",
        "without-contrasts": "as written",
    }
    rows = [
        _row(runs, name, [words, runs.shown(name, mean), runs.difference(name, "without-instructions", mean)])
        for name, words in said.items()
    ]
    return _table(["recipe", "instruction", "mean", "to none"], rows)


def contrasts(runs: Runs) -> list[str]:
    names = ("full", "without-contrasts", "without-instructions")
    tasks = list(
        dict.fromkeys(
            task
            for entry in runs.entries()
            if entry["recipe"] in names
            for task, one in entry["scores"].items()
            if one["kind"] == "following"
        )
    )
    rows = [
        _row(runs, name, [runs.shown(name, measure) for measure in (*map(of_task, tasks), mean)]) for name in names
    ]
    return _table(["recipe", *tasks, "mean"], rows)


def data(runs: Runs) -> list[str]:
    rows = [
        _row(runs, name, [runs.shown(name, mean), runs.difference(name, "full", mean)])
        for name in ("full", "without-superni", "pairs-only")
    ]
    return _table(["recipe", "mean", "to full"], rows)


def kinds(runs: Runs) -> list[str]:
    """All that was run, kind by kind."""
    present = [kind for kind in KINDS if any(of_kind(kind)(one) is not None for one in runs.entries())]
    measures = [*map(of_kind, present), mean, of_kind("following")]
    rows = [[f"`{name}`", *(runs.shown(name, one) for one in measures)] for name in runs.names()]
    return _table(["recipe", *(KINDS[kind] for kind in present), "mean", "following"], rows)


def conditions(results: Mapping[str, Any], runs: Runs) -> list[str]:
    """Under which conditions all this was found."""
    setting, entries = results["setting"], list(runs.entries())
    lines = [
        f"- trained: {_trained(entries)}",
        f"- evaluated: {_those(entries, 'evaluated')}; suite `{setting['suite']}`, {setting['half']} half, "
        f"{setting['precision']}"
        + (f", at most {setting['limit']:,} rows a task" if setting["limit"] else "")
        + "".join(f", {one} {_listed(setting[one])}" for one in ("kinds", "tasks") if setting[one]),
        f"- start `{setting['start']}`, mixture of the build `{setting['mixture'][:12]}`"
        + "".join(f", `{key} = {value}`" for key, value in setting["set"].items()),
    ]
    left_out = dict.fromkeys(task for one in entries for task in one["left_out"])
    if left_out:
        lines.append(f"- not scored, as their data could not be had or measured: {_listed(left_out)}")
    versions = dict(pair for one in entries for pair in one["evaluated"]["versions"].items())
    return [*lines, "- " + ", ".join(f"{package} {version}" for package, version in versions.items()), ""]


def tables(results: Mapping[str, Any] | None) -> dict[str, str]:
    """Marker -> its text."""
    runs = Runs(results["runs"] if results else [])
    wanted = {
        "diverse": (diverse, ("without-contrasts", "without-instructions", "symmetric", "asymmetric")),
        "robustness": (robustness, ("full", "without-superni")),
        "detail": (detail, ("without-instructions", "tag", "simple", "without-contrasts")),
        "contrasts": (contrasts, ("full", "without-contrasts")),
        "data": (data, ("full", "without-superni", "pairs-only")),
        "kinds": (kinds, tuple(runs.names())),
    }
    found = {
        name: "\n".join(make(runs) if any(one in runs for one in of) else ["Not run yet.", ""])
        for name, (make, of) in wanted.items()
    }
    made = conditions(results, runs) if results and results["runs"] else ["Not run yet.", ""]
    return found | {"conditions": "\n".join(made)}


def write_page(page: Path, results: Path) -> None:
    """The page with its tables as the results have them.

    Raises:
        ConfigError: a marker is missing.
    """
    known = json.loads(results.read_text(encoding="utf-8")) if results.exists() else None
    text = page.read_text(encoding="utf-8")
    for name, table in tables(known).items():
        begin, end = f"<!-- {name}: written by benchmarks/ablations.py -->\n", f"<!-- {name}: end -->"
        before, found, rest = text.partition(begin)
        _, ended, after = rest.partition(end)
        if not found or not ended:
            raise ConfigError(f"{page}: no {(end if found else begin).strip()}; put it where the table belongs")
        text = f"{before}{begin}\n{table}\n{end}{after}"
    page.write_text(text, encoding="utf-8")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Numbers to the right; the first column is of words."""
    lines = [head, ["---", *("---:" for _ in head[1:])], *rows]
    return [*(f"| {' | '.join(line)} |" for line in lines), ""]


def _row(runs: Runs, name: str, values: Sequence[str]) -> list[str]:
    return [f"`{name}`", *(values if name in runs else [NOT_RUN, *("" for _ in values[1:])])]


def _those(entries: Sequence[Entry], what: str) -> str:
    """Machines and dates, each once."""
    found = [one[what] for one in entries]
    dates = sorted({one["date"] for one in found})
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    return f"{when}, {'; '.join(dict.fromkeys(one['machine'] for one in found))}"


def _trained(entries: Sequence[Entry]) -> str:
    own = [one for one in entries if "trained" in one]
    if not own:
        return NOT_RUN
    steps, seeds = (_listed(f"{one:,}" for one in sorted({one[key] for one in own})) for key in ("steps", "seed"))
    return f"{_those(own, 'trained')}; {steps} steps, seeds {seeds}"


def _listed(names: Any) -> str:
    return ", ".join(names)
