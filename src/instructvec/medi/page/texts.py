"""Lengths and instructions -> tables and bars.

Knows summaries; nothing of single rows.
"""

from __future__ import annotations

from instructvec.medi.page.parts import Count, counts_table, folded, nothing, number
from instructvec.medi.statistics import Statistics
from instructvec.medi.summaries import LENGTH_BINS, PERCENTILES, SIDES, Lengths, Summary
from instructvec.page.drawing import Bar, axis_over, bars, scale
from instructvec.page.estimate import Estimate
from instructvec.page.markup import (
    Html,
    cell,
    counted,
    element,
    figure,
    header,
    joined,
    paragraph,
    table,
    wrapping,
)

COLOURS = {"query": 0, "positive": 2, "negative": 1}
_MEDIAN, _HIGH = PERCENTILES.index(50), PERCENTILES.index(95)
_NARROW = 12
"""Datasets of fewest wordings that are named."""


def lengths(found: Statistics) -> Html:
    """Words of the texts on each side: percentiles, histograms, and medians of each dataset."""
    head = [
        header("Side"),
        header("Texts", cls="figure"),
        header("Mean", cls="figure"),
        *(
            header("Longest" if one == 100 else "Median" if one == 50 else f"{one}%", cls="figure")
            for one in PERCENTILES
        ),
    ]
    rows = []
    for side, own in found.overall.lengths.items():
        label = header(element("span", {"class": f"swatch c{COLOURS[side]}"}), side, scope="row")
        rows.append(
            element(
                "tr",
                None,
                label,
                number(own.n),
                cell(figure(own.mean), cls="figure"),
                *map(number, own.percentiles),
            )
        )
    return joined(
        [
            table(head, rows, caption="Words of the texts on each side", cls="facts"),
            _histogram(found.overall),
            folded("Lengths in each dataset", element("div", {"class": "tall"}, _by_dataset(found))),
        ]
    )


def instructions(found: Statistics) -> Html:
    """How many ways there are to say what a vector is for, and which."""
    said, rows = found.overall.instructions, found.overall.rows
    words = [Count(word or "(none)", n) for word, n in said.first_words.items()]
    used = [Count(sentence.strip(), n) for sentence, n in said.most_used.items()]
    facts = (
        f"{counted(said.n_sentences, 'distinct sentence')}: {said.n_query:,} of queries and {said.n_positive:,} "
        f"of what is to be found. {said.unified:.1%} of the rows have the unified form, “Represent the … for …: ”"
        + (f"; {said.absent:.1%} have no instruction." if said.absent else ".")
    )
    return joined(
        [
            paragraph(facts),
            _wordings(found),
            element("h3", None, "The most used sentences"),
            counts_table("Sentence", used, rows, few=10),
            element("h3", None, "How sentences begin"),
            counts_table("First word", words, said.n_sentences, few=10, unit="Sentences"),
        ]
    )


def medians(summary: Summary) -> str:
    """Words of a usual text on each side.

    Example:
        >>> own = {side: Lengths(1, 4.0, (4,) * 6, (0,) * 12) for side in SIDES}
        >>> from types import SimpleNamespace
        >>> medians(SimpleNamespace(lengths=own))
        '4, 4 and 4 words'
    """
    query, positive, negative = (summary.lengths[side] for side in SIDES)
    if not negative.n:
        return f"{query.percentiles[_MEDIAN]:,} and {positive.percentiles[_MEDIAN]:,} words"
    return ", ".join(f"{one.percentiles[_MEDIAN]:,}" for one in (query, positive)) + (
        f" and {negative.percentiles[_MEDIAN]:,} words"
    )


def _histogram(overall: Summary) -> Html:
    shares = {side: _shares(own) for side, own in overall.lengths.items()}
    axis = axis_over([value for own in shares.values() for value in own], least=5.0)
    rows = []
    for at, _ in enumerate(LENGTH_BINS):
        drawn = [
            Bar(
                Estimate(own[at]),
                COLOURS[side],
                f"{side}: {overall.lengths[side].histogram[at]:,}, {figure(own[at])}%",
            )
            for side, own in shares.items()
        ]
        label = f"{_bin(at)}: {'; '.join(one.tip for one in drawn)}"
        rows.append(element("tr", None, header(_bin(at), scope="row"), cell(bars(drawn, axis, label), cls="wide")))
    head = [header("Words"), header(scale(axis, "percent of the texts of a side"), cls="wide")]
    return table(head, rows, caption="Share of the texts of a side by their words", cls="histogram")


def _shares(own: Lengths) -> list[float]:
    return [100 * n / own.n if own.n else 0.0 for n in own.histogram]


def _bin(at: int) -> str:
    low = LENGTH_BINS[at]
    if at + 1 == len(LENGTH_BINS):
        return f"{low:,} or more"
    high = LENGTH_BINS[at + 1] - 1
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _by_dataset(found: Statistics) -> Html:
    rows = []
    for name, summary in found.datasets.items():
        cells = [number(summary.lengths[side].percentiles[which]) for side in SIDES for which in (_MEDIAN, _HIGH)]
        label = element("th", {"scope": "row", "data-value": name.lower()}, wrapping(name))
        rows.append(element("tr", None, label, *cells))
    head = [header("Dataset", sort="text")]
    for side in SIDES:
        head += [header(f"{side}, {what}", cls="figure", sort="number") for what in ("median", "95%")]
    return table(head, rows, caption="Words of the texts of each dataset", cls="facts")


def _wordings(found: Statistics) -> Html:
    """How many wordings the rows of a dataset have, and which datasets have fewest."""
    by_number = sorted((one.instructions.n_query, name) for name, one in found.datasets.items())
    if not by_number:
        return nothing("There are no datasets.")
    middle = by_number[len(by_number) // 2][0]
    fewer = [(n, name) for n, name in by_number if n < middle]
    text = f"A usual dataset has {counted(middle, 'wording')} of its queries."
    if fewer:
        shown = ", ".join(f"{name} ({n})" for n, name in fewer[:_NARROW])
        text += f" {len(fewer):,} of {counted(len(by_number), 'dataset')} have fewer: {shown}"
        text += " …" if len(fewer) > _NARROW else "."
    return paragraph(text)
