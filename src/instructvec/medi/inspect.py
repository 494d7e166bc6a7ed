"""A mixture, or a file of the original's format -> its statistics, for the terminal, as JSON, and as a page.

Knows which reader a path needs and what is said of the whole; counting is ``statistics.py``'s, drawing ``page``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from instructvec.corpus.files import writing
from instructvec.medi.formats import read_medi2, read_medi_json
from instructvec.medi.manifest import MANIFEST, Counts, Manifest, MixtureRows, manifest_of
from instructvec.medi.page.parts import share
from instructvec.medi.page.render import render
from instructvec.medi.statistics import Statistics, statistics
from instructvec.medi.summaries import PERCENTILES
from instructvec.medi.suspects import Vectors
from instructvec.medi.triplets import Triplet

_FEW = 6


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was found in a mixture.

    Attributes:
        path: the folder or file.
        statistics: what is in its rows.
        manifest: how it was made; ``None`` for a file of the original's format.
    """

    path: Path
    statistics: Statistics
    manifest: Manifest | None = None

    @property
    def name(self) -> str:
        """What the mixture is called."""
        return self.path.resolve().name

    def summary(self) -> str:
        """A few lines for the terminal."""
        return "\n".join(_lines(self))

    def to_json(self) -> dict[str, Any]:
        """All figures, samples and suspects, of plain JSON values."""
        found = self.statistics
        return {
            "mixture": self.name,
            "overall": asdict(found.overall),
            "datasets": {name: asdict(one) for name, one in found.datasets.items()},
            "samples": {
                name: [{"row": one.row, **_row(one.triplet)} for one in own] for name, own in found.samples.items()
            },
            "suspects": [
                {
                    "row": one.row,
                    "reason": one.reason,
                    "negative_score": one.negative,
                    "positive_score": one.positive,
                    **_row(one.triplet),
                }
                for one in found.suspects
            ],
            "rows_encoded": found.encoded,
        }


def inspect(mixture: Path, *, samples: int = 5, seed: int = 42, vectors: Vectors | None = None) -> Inspection:
    """What is in a mixture.

    Args:
        mixture: the folder of a mixture; or a file of the original's format, ``medi-data.json``, or a file or
            folder of MEDI2's, ``.jsonl``, each gzipped or not.
        samples: rows drawn from each dataset.
        seed: of the draws.
        vectors: a model, texts -> (n, d) float vectors of length one, to look for false negatives among the
            rows of the sample.

    Raises:
        FileError: no mixture there, one of a newer format, or one that is damaged; names the file.
        InputError: ``samples`` is negative, or vectors are not of length one.
    """
    if mixture.is_file() or _is_medi2(mixture):
        return Inspection(mixture, statistics(_FileRows(mixture), samples=samples, seed=seed, vectors=vectors))
    manifest = manifest_of(mixture)
    facts = {one.name: one for one in manifest.datasets}
    found = statistics(MixtureRows(manifest), facts=facts, samples=samples, seed=seed, vectors=vectors)
    return Inspection(mixture, found, manifest)


def write_page(inspection: Inspection, path: Path) -> None:
    """Write the page, whole or not at all.

    Raises:
        OutputError: it cannot be written.
    """
    content = render(inspection.name, inspection.statistics, inspection.manifest).encode("utf-8")
    with writing(path, len(content)) as file:
        file.write(content)


@dataclass(frozen=True, slots=True)
class _FileRows:
    """The rows of a file of the original's format, from the start each time."""

    path: Path

    def __iter__(self) -> Iterator[Triplet]:
        is_lines = self.path.is_dir() or self.path.name.removesuffix(".gz").endswith(".jsonl")
        return read_medi2(self.path) if is_lines else read_medi_json(self.path)


def _is_medi2(folder: Path) -> bool:
    """A folder of JSON lines that no build wrote."""
    return folder.is_dir() and not (folder / MANIFEST).exists() and any(folder.glob("*.jsonl*"))


def _row(one: Triplet) -> dict[str, Any]:
    sides = {"query": one.query, "positive": one.positive, "negative": one.negative}
    texts = {name: None if side is None else side._asdict() for name, side in sides.items()}
    return {**texts, "dataset": one.dataset, "kind": one.kind, "rule": one.rule, "group": one.group}


def _lines(inspection: Inspection) -> Iterator[str]:
    found = inspection.statistics
    overall, said = found.overall, found.overall.instructions
    yield (
        f"{inspection.name}: {overall.rows:,} triplets from {len(found.datasets):,} datasets, "
        f"{overall.without_negative:,} without a hard negative"
    )
    yield f"kinds: {_named(overall.kinds)}"
    yield f"rules: {_named(overall.rules)}"
    if inspection.manifest is not None:
        yield f"domains: {_named(overall.domains)}"
        passed_on, commercial = (one.get("yes", 0) for one in (overall.redistribution, overall.commercial))
        yield (
            f"licences: {share(passed_on, overall.rows)} may be passed on, {share(commercial, overall.rows)} used "
            f"commercially; {_named(overall.licences)}"
        )
    middle, high = PERCENTILES.index(50), PERCENTILES.index(95)
    words = (
        f"{side} {own.percentiles[middle]:,} ({own.percentiles[high]:,})" for side, own in overall.lengths.items()
    )
    yield f"words, median (95%): {', '.join(words)}"
    yield (
        f"instructions: {said.n_sentences:,} sentences, {said.n_first_words:,} first words, "
        f"{said.unified:.0%} of the rows in the unified form"
    )
    yield from _suspects(found)
    yield from _check(inspection.manifest)


def _suspects(found: Statistics) -> Iterator[str]:
    overall = found.overall
    reasons = {reason.replace("_", " "): n for reason, n in overall.suspects.items() if reason != "nearer"}
    why = f": {_named(reasons)}" if reasons else ""
    yield (
        f"suspected false negatives: {overall.n_suspects:,} of {overall.judged:,} rows "
        f"({share(overall.n_suspects, overall.judged)}){why}"
    )
    worst = sorted(
        ((one.n_suspects / one.judged, name) for name, one in found.datasets.items() if one.n_suspects),
        reverse=True,
    )
    if worst:
        yield f"  most in {', '.join(f'{name} ({rate:.1%})' for rate, name in worst[:_FEW])}"
    if found.encoded is not None:
        nearer = overall.suspects.get("nearer", 0)
        yield f"  by vectors: the negative is nearer in {nearer:,} of {found.encoded:,} rows of the sample"


def _check(manifest: Manifest | None) -> Iterator[str]:
    if manifest is None:
        return
    if manifest.check is None:
        yield "evaluation texts: not checked"
    else:
        n = sum(manifest.check.hits.values())
        yield f"evaluation texts: {n:,} found by the check of {manifest.check.texts:,} texts"


def _named(counts: Counts | Mapping[str, int]) -> str:
    """The most frequent, with their numbers."""
    shown: Iterable[str] = (f"{name} {n:,}" for name, n in list(counts.items())[:_FEW])
    rest = f", {len(counts) - _FEW:,} more" if len(counts) > _FEW else ""
    return ", ".join(shown) + rest
