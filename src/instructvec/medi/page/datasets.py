"""Datasets -> the table of all of them.

Knows which figures stand in which column; nothing of how they were counted.
"""

from __future__ import annotations

from collections.abc import Mapping

from instructvec.medi.manifest import Counts, DatasetFacts, Manifest
from instructvec.medi.page.names import CODES, KINDS, RULES, said
from instructvec.medi.page.parts import controls, folded, number, share
from instructvec.medi.statistics import Statistics
from instructvec.medi.summaries import Summary
from instructvec.page.markup import ABSENT, Html, cell, element, figure, header, joined, table, wrapping


def kind_of(summary: Summary) -> str:
    """The kind that most rows of a dataset have."""
    return max(summary.kinds, key=lambda kind: summary.kinds[kind], default="")


def datasets_table(found: Statistics, manifest: Manifest | None) -> Html:
    """Every dataset; sorted and filtered by the page's script."""
    facts = {} if manifest is None else {one.name: one for one in manifest.datasets}
    names = [*found.datasets, *(name for name in facts if name not in found.datasets)]
    place = {name: at for at, name in enumerate(found.datasets)}
    rows = [
        _row(name, found.datasets.get(name), facts.get(name), place.get(name), with_facts=manifest is not None)
        for name in sorted(names)
    ]
    head = [header("Dataset", sort="text"), header("Kind", sort="text")]
    if manifest is not None:
        head += [
            header("Domain", sort="text"),
            header("Licence", sort="text"),
            *(header(name, cls="figure", sort="number") for name in ("Read", "Left out", "Found")),
        ]
    head += [header("In the mixture", cls="figure", sort="number")]
    head += [header("Weight, %", cls="figure", sort="number")] if manifest is not None else []
    head += [header("Suspects", cls="figure", sort="number")]
    shown = table(head, rows, caption="Every dataset", cls="datasets", name="datasets-table")
    kinds = [(kind, said(kind, KINDS)) for kind in found.overall.kinds]
    return joined([controls("datasets", "whose name contains", kinds), element("div", {"class": "tall"}, shown)])


def _row(
    name: str, summary: Summary | None, facts: DatasetFacts | None, at: int | None, *, with_facts: bool
) -> Html:
    kind = kind_of(summary) if summary is not None else facts.kind if facts is not None else ""
    label = wrapping(name) if at is None else element("a", {"href": f"#d{at}"}, wrapping(name))
    cells = [
        element("th", {"scope": "row", "data-value": name.lower()}, label),
        cell(kind or ABSENT, value=kind),
    ]
    if with_facts:
        cells += _of_manifest(facts or DatasetFacts(name))
    rows = 0 if summary is None else summary.rows
    cells.append(number(rows))
    if with_facts:
        weight = facts.weight if facts is not None else 0.0
        cells.append(cell(figure(100 * weight, 2), cls="figure", value=f"{weight:.6f}"))
    cells.append(_suspects(summary))
    return element("tr", {"data-kind": kind}, *cells)


def _of_manifest(facts: DatasetFacts) -> list[Html]:
    permissions = f"pass on: {facts.redistribution}, commercial: {facts.commercial}"
    return [
        cell(facts.domain or ABSENT, value=facts.domain.lower()),
        cell(facts.licence or ABSENT, element("small", None, permissions), value=facts.licence.lower()),
        number(facts.read),
        _counts(facts.dropped, CODES),
        _counts(facts.available, RULES, facts.unused),
    ]


def _counts(counts: Counts, words: Mapping[str, str], unused: Counts | None = None) -> Html:
    """A sum that opens into what it is made of, and into what gave nothing."""
    total = sum(counts.values())
    counts = {**counts, **{f"no triplet: {reason}": n for reason, n in (unused or {}).items()}}
    if not any(counts.values()):
        return number(0)
    parts = element(
        "ul", None, *(element("li", None, f"{said(key, words)}: {n:,}") for key, n in counts.items() if n)
    )
    return cell(folded(f"{total:,}", parts), cls="figure", value=total)


def _suspects(summary: Summary | None) -> Html:
    if summary is None or not summary.judged:
        return cell(ABSENT, cls="figure", value=-1)
    n = summary.n_suspects
    return cell(f"{n:,}", element("small", None, share(n, summary.judged)) if n else None, cls="figure", value=n)
