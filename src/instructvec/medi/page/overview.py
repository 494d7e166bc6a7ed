"""Statistics and manifest -> the headline figures, and what the mixture consists of.

Knows which figures come first; nothing of single rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping

from instructvec.medi.manifest import Check, Counts, Manifest
from instructvec.medi.page.names import KINDS, PERMISSIONS, RULES, said
from instructvec.medi.page.parts import Count, counts_table, share
from instructvec.medi.statistics import Statistics
from instructvec.medi.summaries import Summary
from instructvec.page.markup import Child, Html, counted, element, joined, paragraph


def headline(found: Statistics, manifest: Manifest | None) -> Html:
    """The figures that come first, each on a card."""
    overall, said_by = found.overall, found.overall.instructions
    cards = [
        _card(
            "Triplets",
            f"{overall.rows:,}",
            f"from {counted(len(found.datasets), 'dataset')}; {share(overall.without_negative, overall.rows)} "
            "without a hard negative.",
        ),
        _card(
            "Instructions",
            f"{said_by.n_sentences:,}",
            f"distinct sentences, which begin with {counted(said_by.n_first_words, 'word')}. "
            f"{said_by.unified:.0%} of the rows have the unified form.",
        ),
        _suspects(found),
    ]
    if manifest is not None:
        cards += [_permissions(overall), _left_out(manifest), _checked(manifest.check)]
    return joined([_alarm(manifest), element("div", {"class": "cards"}, *cards)])


def composition(found: Statistics, manifest: Manifest | None) -> Html:
    """Kinds, rules, domains and licences as bars."""
    total = found.overall.rows
    parts: list[Child] = [
        element("h3", None, "Kinds of datasets"),
        _counts_of("Kind", found, lambda one: one.kinds, KINDS),
        element("h3", None, "How positive and negative were found"),
        _counts_of("Rule", found, lambda one: one.rules, RULES),
    ]
    if manifest is not None:
        parts += [
            element("h3", None, "Domains"),
            _counts_of("Domain", found, lambda one: one.domains, {}),
            element("h3", None, "What may be done with the data"),
            paragraph("By what the sources state; “not known” where they do not say it.", cls="key"),
            _counts_of("May be passed on", found, lambda one: one.redistribution, PERMISSIONS),
            _counts_of("May be used commercially", found, lambda one: one.commercial, PERMISSIONS),
            element("h3", None, "Licences"),
            _counts_of("Licence", found, lambda one: one.licences, {}),
        ]
    return joined(parts) if total else paragraph("The mixture has no rows.", cls="warning")


def _counts_of(
    what: str, found: Statistics, counts_of: Callable[[Summary], Counts], words: Mapping[str, str]
) -> Html:
    datasets = Counter(key for one in found.datasets.values() for key in counts_of(one))
    counts = [Count(said(key, words), n, datasets[key]) for key, n in counts_of(found.overall).items()]
    return counts_table(what, counts, found.overall.rows)


def _card(title: str, big: str, text: str) -> Html:
    return element(
        "div",
        {"class": "card"},
        element("h3", None, title),
        element("p", {"class": "big"}, big),
        element("p", None, text),
    )


def _suspects(found: Statistics) -> Html:
    overall = found.overall
    text = f"{share(overall.n_suspects, overall.judged)} of the rows with a hard negative, by their words alone."
    if found.encoded is not None:
        text += (
            f" By their vectors {overall.suspects.get('nearer', 0):,} of {found.encoded:,} rows of the sample "
            f"({share(overall.suspects.get('nearer', 0), found.encoded)})."
        )
    return _card("Suspected false negatives", f"{overall.n_suspects:,}", text)


def _permissions(overall: Summary) -> Html:
    commercial = share(overall.commercial.get("yes", 0), overall.rows)
    text = f"of the rows are from data that may be passed on; {commercial} may be used commercially."
    return _card("Open", share(overall.redistribution.get("yes", 0), overall.rows), text)


def _left_out(manifest: Manifest) -> Html:
    read = sum(one.read for one in manifest.datasets)
    dropped = sum(sum(one.dropped.values()) for one in manifest.datasets)
    return _card("Left out", f"{dropped:,}", f"of {read:,} rows read, before mining ({share(dropped, read)}).")


def _checked(check: Check | None) -> Html:
    if check is None:
        return _card(
            "Shared with the evaluation", "not checked", "The mixture was built without texts to keep out."
        )
    text = f"of {check.texts:,} texts, compared with {check.protected:,} of the evaluation by independent code."
    return _card("Shared with the evaluation", f"{sum(check.hits.values()):,}", text)


def _alarm(manifest: Manifest | None) -> Html | None:
    """Said first, because nothing else counts then."""
    if manifest is None or manifest.check is None or not sum(manifest.check.hits.values()):
        return None
    return element(
        "div",
        {"class": "banner", "role": "note"},
        paragraph(
            element("b", None, "Texts of the evaluation are in this mixture. "),
            "Scores of a model trained on it are not to be trusted; see below which they are.",
        ),
    )
