"""What was left out, contrasted, or kept out for the evaluation's sake -> tables.

Knows the manifest; nothing of the rows.
"""

from __future__ import annotations

import json
from collections import Counter

from instructvec.medi.manifest import Check, Manifest
from instructvec.medi.page.names import CODES, said
from instructvec.medi.page.parts import Count, counts_table, facts_list, folded, nothing, number
from instructvec.page.markup import Html, cell, counted, element, header, joined, paragraph, table, wrapping


def dropped(manifest: Manifest) -> Html:
    """Rows left out by reason, and what could not be used at all."""
    rows, datasets, most = Counter[str](), Counter[str](), dict[str, tuple[int, str]]()
    for one in manifest.datasets:
        for reason, n in one.dropped.items():
            if n:
                rows[reason] += n
                datasets[reason] += 1
                most[reason] = max(most.get(reason, (0, "")), (n, one.name))
    read = sum(one.read for one in manifest.datasets)
    counts = [
        Count(said(reason, CODES), n, datasets[reason], f"most in {most[reason][1]}: {most[reason][0]:,}")
        for reason, n in rows.most_common()
    ]
    shown = counts_table("Reason", counts, read, few=30) if counts else nothing("No row was left out.")
    return joined([shown, _problems(manifest)])


def contrasts(manifest: Manifest) -> Html | None:
    """Pairs of datasets that have texts in common."""
    if not manifest.contrasts:
        return None
    rows = [
        element(
            "tr",
            None,
            header(wrapping(one.a), scope="row"),
            cell(wrapping(one.b)),
            number(one.shared),
            number(one.rows),
        )
        for one in sorted(manifest.contrasts, key=lambda one: -one.rows)
    ]
    head = [
        header("Dataset"),
        header("shares texts with"),
        header("Texts in both", cls="figure", sort="number"),
        header("Rows made of them", cls="figure", sort="number"),
    ]
    return element("div", {"class": "tall"}, table(head, rows, caption="Contrasts", cls="facts"))


def decontamination(manifest: Manifest) -> Html:
    """What the mixture was kept clear of, and what the independent check found."""
    if not manifest.protected and manifest.check is None:
        return paragraph("The mixture was built without texts to keep out, and was not checked.", cls="warning")
    tests = list(dict.fromkeys(test for one in manifest.protected for test in one.hits))
    rows = [
        element(
            "tr",
            None,
            header(wrapping(one.name), scope="row"),
            number(one.texts),
            *(number(one.hits.get(test, 0)) for test in tests),
        )
        for one in manifest.protected
    ]
    head = [
        header("Source"),
        header("Texts", cls="figure", sort="number"),
        *(header(f"Rows left out: {said(test, {})}", cls="figure", sort="number") for test in tests),
    ]
    left_out = (
        element("div", {"class": "tall"}, table(head, rows, caption="Texts kept out", cls="facts"))
        if rows
        else None
    )
    return joined([_check(manifest.check), left_out])


def method(manifest: Manifest) -> Html:
    """How the mixture was made."""
    facts = [
        ("Made", manifest.created),
        ("Seed", "" if manifest.seed is None else str(manifest.seed)),
        ("Job", manifest.job),
        *manifest.versions.items(),
    ]
    shards = [
        element("tr", None, header(shard.name, scope="row"), number(shard.rows), number(shard.bytes))
        for shard in manifest.shards
    ]
    head = [header("Shard"), header("Rows", cls="figure"), header("Bytes", cls="figure")]
    return joined(
        [
            facts_list(facts),
            _folded_json("Options", manifest.options),
            _folded_json("The miner's model", manifest.model),
            folded(counted(len(manifest.shards), "shard"), table(head, shards, caption="Shards", cls="facts")),
        ]
    )


def _check(check: Check | None) -> Html:
    if check is None:
        return paragraph("The finished mixture was not checked.", cls="warning")
    hits = ", ".join(f"{said(test, {})}: {n:,}" for test, n in check.hits.items())
    shown = paragraph(
        f"The finished mixture was read again and its {check.texts:,} texts compared with the {check.protected:,} "
        "of the evaluation, by other code than what had left rows out. Texts found: ",
        element("b", None, hits or "none"),
        ".",
    )
    if not check.examples:
        return shown
    examples = element("ul", {"class": "notes"}, *(element("li", None, one) for one in check.examples))
    return joined([shown, element("div", {"class": "warning"}, examples)])


def _problems(manifest: Manifest) -> Html | None:
    problems = [(one.name, problem) for one in manifest.datasets for problem in one.problems]
    if not problems:
        return None
    rows = [
        element("tr", None, header(wrapping(name), scope="row"), cell(problem, cls="message"))
        for name, problem in problems
    ]
    shown = table([header("Dataset"), header("What could not be used")], rows, caption="Problems", cls="facts")
    return folded(f"What could not be used, with its place ({len(problems):,})", shown)


def _folded_json(title: str, value: object) -> Html | None:
    if not value:
        return None
    text = json.dumps(value, indent=2, ensure_ascii=False)
    return folded(title, element("pre", {"tabindex": "0"}, element("code", None, text)))
