"""Rows to look at -> each with its three sides set apart; samples of every dataset, and suspects.

Knows texts and how long they may be on a page; nothing of how rows were drawn or suspected.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence

from instructvec.medi.manifest import DatasetFacts, Manifest
from instructvec.medi.page.datasets import kind_of
from instructvec.medi.page.names import KINDS, REASONS, RULES, said
from instructvec.medi.page.parts import Count, controls, counts_table, folded, nothing, share
from instructvec.medi.page.texts import medians
from instructvec.medi.statistics import Statistics
from instructvec.medi.summaries import Summary
from instructvec.medi.suspects import Suspect
from instructvec.medi.triplets import Side, Triplet
from instructvec.page.markup import Child, Html, counted, element, figure, joined, paragraph

MAX_BYTES = 4_000_000
"""Texts of rows on a page together; they are cut for it where they must."""
_LIMITS = (20_000, 8_000, 4_000, 2_000, 1_000, 500, 250)
_HEAD_CHARACTERS, _HEAD_LINES = 300, 6
"""What of a text is shown before it is opened."""
_SHOWN = 30
"""Suspects of a reason in their section; all that were kept stand with their dataset."""

Draw = Callable[[Triplet], Html]


def triplet_drawer(found: Statistics) -> Draw:
    """Draws triplets, with texts cut so that all that this page shows fit on it."""
    rows = [one.triplet for own in found.samples.values() for one in own]
    # A suspect may stand twice: in its section and with its dataset.
    rows += [one.triplet for one in found.suspects for _ in range(2)]
    sizes = [len(side.text.encode("utf-8", "replace")) for one in rows for side in _sides(one).values()]
    limit = next((limit for limit in _LIMITS if sum(min(size, limit) for size in sizes) <= MAX_BYTES), _LIMITS[-1])
    return lambda one: _triplet(one, limit)


def samples(found: Statistics, manifest: Manifest | None, draw: Draw) -> Html | None:
    """Rows of every dataset, opened one by one."""
    if not any(found.samples.values()):
        return None
    facts = {} if manifest is None else {one.name: one for one in manifest.datasets}
    suspects: dict[str, list[Suspect]] = {}
    for one in found.suspects:
        suspects.setdefault(one.triplet.dataset, []).append(one)
    kinds = [(kind, said(kind, KINDS)) for kind in found.overall.kinds]
    drawn = [
        _dataset(at, name, found, facts.get(name), suspects.get(name, ()), draw)
        for at, name in enumerate(found.datasets)
    ]
    key = paragraph(
        "Drawn by chance, each row as likely as another. Where no instruction is shown, it is that of the side "
        "above.",
        cls="key",
    )
    return joined(
        [key, controls("samples", "whose name contains", kinds), element("div", {"id": "samples-list"}, *drawn)]
    )


def suspected(found: Statistics, draw: Draw) -> Html:
    """How many rows are suspect, why, in which datasets, and the worst of them."""
    overall = found.overall
    if not overall.suspects:
        return nothing(
            "No hard negative is suspect." if overall.judged else "No row has a hard negative to judge."
        )
    counts = [
        Count(
            said(reason, REASONS),
            overall.suspects[reason],
            sum(reason in one.suspects for one in found.datasets.values()),
        )
        for reason in REASONS
        if reason in overall.suspects and reason != "nearer"
    ]
    parts: list[Child] = [counts_table("Reason", counts, overall.judged) if counts else None]
    if found.encoded is not None:
        nearer = overall.suspects.get("nearer", 0)
        parts.append(
            paragraph(
                f"By their vectors: in {nearer:,} of the {counted(found.encoded, 'row')} of the sample "
                f"({share(nearer, found.encoded)}) the negative is nearer to the query than the positive. Some of "
                "these are what makes a hard negative worth having: look before leaving them out."
            )
        )
    parts.append(_worst_datasets(found))
    for reason in REASONS:
        own = _spread([one for one in found.suspects if one.reason == reason], found)
        if own:
            title = f"{said(reason, REASONS)} ({len(own):,} shown)"
            parts.append(folded(title[0].upper() + title[1:], *(_suspect(one, draw) for one in own)))
    return joined(parts)


def _worst_datasets(found: Statistics) -> Html | None:
    """The datasets with the highest shares of suspects."""
    rated = [(one.n_suspects / one.judged, name) for name, one in found.datasets.items() if one.n_suspects]
    if not rated:
        return None
    place = {name: at for at, name in enumerate(found.datasets)}
    items = []
    for _, name in sorted(rated, key=lambda one: (-one[0], one[1]))[:_SHOWN]:
        one = found.datasets[name]
        why = ", ".join(
            f"{n:,} {reason.replace('_', ' ')}" for reason, n in one.suspects.items() if reason != "nearer"
        )
        link = element("a", {"href": f"#d{place[name]}"}, name)
        items.append(
            element("li", None, link, f": {share(one.n_suspects, one.judged)} of {one.judged:,} rows ({why})")
        )
    title = f"Datasets with the highest share of suspects ({len(items)} of {len(rated):,} that have any)"
    return folded(title, element("ol", {"class": "notes"}, *items))


def _spread(suspects: Sequence[Suspect], found: Statistics) -> list[Suspect]:
    """The worst where they have scores; else the first of each dataset before more, by their share of suspects."""
    if suspects and suspects[0].reason in ("alike", "nearer"):
        return list(suspects[:_SHOWN])
    turn: dict[str, int] = {}
    ordered: list[tuple[int, float, Suspect]] = []
    for one in suspects:
        name = one.triplet.dataset
        turn[name] = turn.get(name, 0) + 1
        summary = found.datasets[name]
        ordered.append((turn[name], -summary.n_suspects / max(summary.judged, 1), one))
    return [one for _, _, one in sorted(ordered, key=lambda entry: (*entry[:2], entry[2].row))[:_SHOWN]]


def _dataset(
    at: int, name: str, found: Statistics, facts: DatasetFacts | None, suspects: Iterable[Suspect], draw: Draw
) -> Html:
    summary = found.datasets[name]
    drawn = [
        _framed(f"row {one.row:,} · {said(one.triplet.rule, RULES)}", draw(one.triplet))
        for one in found.samples[name]
    ]
    doubtful = [_suspect(one, draw) for one in suspects]
    if doubtful:
        drawn += [element("h4", None, "Suspected false negatives"), *doubtful]
    return element(
        "details",
        {"class": "set unprinted", "data-kind": kind_of(summary), "data-name": name.lower()},
        element("summary", None, name, element("small", None, _in_short(summary, facts))),
        # Here, and not at the outer element: a link to what is inside opens it, without a script too.
        element("div", {"id": f"d{at}", "class": "inside"}, _about(facts), *drawn),
    )


def _in_short(summary: Summary, facts: DatasetFacts | None) -> str:
    parts = [
        facts.domain if facts is not None else "",
        kind_of(summary),
        f"{summary.rows:,} rows",
        medians(summary),
    ]
    if summary.n_suspects:
        parts.append(counted(summary.n_suspects, "suspect"))
    return " · ".join(part for part in parts if part)


def _about(facts: DatasetFacts | None) -> Html | None:
    if facts is None:
        return None
    source = f"Source: {facts.source}. " if facts.source else ""
    licence = f"Licence: {facts.licence}. " if facts.licence else ""
    return paragraph(source, licence, facts.note or None, cls="key") if source or licence or facts.note else None


def _suspect(one: Suspect, draw: Draw) -> Html:
    if one.reason == "nearer":
        why = f"cosine with the query: negative {figure(one.negative, 3)}, positive {figure(one.positive, 3)}"
    elif one.reason == "alike":
        why = f"{figure(100 * (one.negative or 0.0), 0)}% of the words are shared"
    else:
        why = said(one.reason, REASONS)
    return _framed(f"{one.triplet.dataset} · row {one.row:,} · {why}", draw(one.triplet))


def _framed(title: str, drawn: Html) -> Html:
    return element("article", {"class": "row"}, element("small", None, title), drawn)


def _sides(one: Triplet) -> Mapping[str, Side]:
    sides = {"query": one.query, "positive": one.positive, "negative": one.negative}
    return {name: side for name, side in sides.items() if side is not None}


def _triplet(one: Triplet, limit: int) -> Html:
    drawn: list[Html] = []
    above: str | None = None
    for name, side in _sides(one).items():
        instruction = None
        if side.instruction != above:
            instruction = element("i", None, side.instruction.strip() or "no instruction")
        drawn.append(
            element("div", {"class": name}, element("b", None, name), instruction, _text(side.text, limit))
        )
        above = side.instruction
    return joined(drawn)


def _text(text: str, limit: int) -> Html:
    """A text whose beginning is shown and whose rest can be opened."""
    if not text.strip():
        return element("p", {"class": "empty"}, "an empty text")
    whole = text if len(text) <= limit else text[:limit]
    cut = "" if len(text) <= limit else f" … ({len(text) - limit:,} more characters in the shard)"
    end = _head_end(whole)
    if end == len(whole) and not cut:
        return element("p", None, whole)
    return element(
        "details",
        {"class": "long unprinted"},
        element("summary", None, whole[:end]),
        element("span", None, whole[end:], element("em", None, cut) if cut else None),
    )


def _head_end(text: str) -> int:
    """Where the beginning ends: at a blank, after so many characters or lines."""
    if len(text) <= _HEAD_CHARACTERS * 1.2 and text.count("\n") < _HEAD_LINES:
        return len(text)
    lines = [match.start() for match in re.finditer("\n", text[:_HEAD_CHARACTERS])]
    if len(lines) >= _HEAD_LINES:
        return lines[_HEAD_LINES - 1]
    if len(text) <= _HEAD_CHARACTERS:
        return len(text)
    blank = max(text.rfind(" ", 0, _HEAD_CHARACTERS), text.rfind("\n", 0, _HEAD_CHARACTERS))
    return blank if blank > _HEAD_CHARACTERS // 2 else _HEAD_CHARACTERS
