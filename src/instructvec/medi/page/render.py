"""Statistics and manifest of a mixture -> one HTML page that needs nothing else.

Knows the order of the sections and what stands above them; nothing of how figures were made.
"""

from __future__ import annotations

from instructvec.extras import version_of
from instructvec.medi import page
from instructvec.medi.manifest import Manifest
from instructvec.medi.page import cleaning, datasets, overview, rows, texts
from instructvec.medi.statistics import Statistics
from instructvec.page.document import Section, document, navigation
from instructvec.page.markup import Html, counted, element, paragraph


def render(name: str, found: Statistics, manifest: Manifest | None) -> str:
    """The page, as text for a UTF-8 file.

    Args:
        name: of the mixture.
        found: what is in its rows.
        manifest: how it was made; ``None`` for rows of another kind of file.

    Example:
        >>> from instructvec.medi.statistics import statistics
        >>> "The mixture has no rows." in render("empty", statistics([]), None)
        True
    """
    title = f"Training mixture: {name}"
    sections = [*_sections(found, manifest)]
    return document(
        title,
        header=_header(title, found, manifest, sections),
        sections=sections,
        version=version_of("instructvec") or "",
        package=page.__name__,
        main="figures",
    )


def _header(title: str, found: Statistics, manifest: Manifest | None, sections: list[Section]) -> Html:
    facts = [counted(found.overall.rows, "triplet"), counted(len(found.datasets), "dataset")]
    if manifest is not None and manifest.created:
        facts.insert(0, manifest.created.partition("T")[0])
    return element(
        "header",
        None,
        element("h1", None, title),
        paragraph(" · ".join(facts), cls="facts"),
        paragraph(
            "A row of a training mixture is a query, a positive that must lie near it, and a hard negative that "
            "must not although it might seem to. Each text has an instruction that says what its vector is for. "
            "This page shows what the mixture consists of, and rows to look at: wrong pairs are found by looking.",
            cls="about",
        ),
        navigation(sections),
    )


def _sections(found: Statistics, manifest: Manifest | None) -> list[Section]:
    draw = rows.triplet_drawer(found)
    return [
        Section("short", "In short", "", overview.headline(found, manifest)),
        Section("parts", "What is in it", "", overview.composition(found, manifest)),
        Section("datasets", "Datasets", "", datasets.datasets_table(found, manifest)),
        Section(
            "dropped",
            "What was left out",
            "Rows that were read but are not in the mixture, by reason, before mining.",
            cleaning.dropped(manifest) if manifest else None,
        ),
        Section(
            "lengths", "Lengths", "In words, that is runs of characters without blanks.", texts.lengths(found)
        ),
        Section("instructions", "Instructions", "", texts.instructions(found)),
        Section(
            "contrasts",
            "Same text, other goal",
            "Datasets that hold the same texts for different goals. In rows made of them only the instruction "
            "says which of two texts is near.",
            cleaning.contrasts(manifest) if manifest else None,
        ),
        Section(
            "kept-out", "Evaluation texts kept out", "", cleaning.decontamination(manifest) if manifest else None
        ),
        Section(
            "suspects",
            "Suspected false negatives",
            "Hard negatives that may be right answers. Rows whose negative stands under another instruction than "
            "the positive are contrasts of instructions, and are not judged.",
            rows.suspected(found, draw),
        ),
        Section("samples", "Rows of each dataset", "", rows.samples(found, manifest, draw)),
        Section("method", "How it was made", "", cleaning.method(manifest) if manifest else None),
    ]
