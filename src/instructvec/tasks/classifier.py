"""Texts with labels -> a classifier: a linear layer over vectors, calibrated, that knows how good it is.

Knows vectors, labels and contracts; nothing of files. The layer and its settings are the benchmark's where these
are asked for, so that what is measured there is what is used here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ContractMismatch
from instructvec.instruction import Instruction
from instructvec.tasks.classified import Classified, HeldOut, check_threshold, decided
from instructvec.tasks.instructions import CLASSIFY
from instructvec.tasks.labels import Label, check_several_labels, checked_labels, label_codes
from instructvec.tasks.linear_head import (
    HeadOptions,
    LinearHead,
    calibration_error,
    cross_entropy,
    fit_linear_head,
    fit_temperature,
    folds,
    held_out_logits,
    softmax,
)
from instructvec.tasks.vectors import Embedded, Texts, checked_texts, embedded, or_bundled

if TYPE_CHECKING:
    from instructvec.checkpoints.contract import EmbeddingContract
    from instructvec.types import Encoder

CANDIDATES = (0.1, 1.0, 10.0, 100.0, 1000.0)
"""Inverse regularisations to choose from, ascending."""
N_FOLDS = 5
FEWEST_ROWS = 10
"""Held-out rows below which nothing is chosen or calibrated by them."""
MOST_ROWS = 5000
"""Rows that cross-validation is done on at most; the layer itself is fitted on all."""


@dataclass(frozen=True, slots=True, eq=False)
class Classifier:
    """A linear layer over vectors of one contract.

    Attributes:
        head: the layer.
        classes: the labels of its outputs.
        temperature: its logits are divided by this before they become probabilities.
        contract: under which model and instruction texts must be embedded.
        inverse_regularisation: with which it was fitted; scikit-learn's ``C``.
        held_out: how it does on rows it has not seen; ``None`` where there were too few to tell.
        notes: what is worth knowing about it, a sentence each.

    Example:
        >>> texts = ["refund please", "money back", "where is my parcel", "not delivered"]
        >>> classifier = Classifier.fit(texts, ["refund", "refund", "delivery", "delivery"])
        >>> classifier.classify(["the parcel has not come"]).labels
        ('delivery',)
    """

    head: LinearHead
    classes: tuple[Label, ...]
    temperature: float
    contract: EmbeddingContract
    inverse_regularisation: float
    held_out: HeldOut | None = None
    notes: tuple[str, ...] = ()

    @classmethod
    def fit(
        cls,
        texts: Texts,
        labels: Sequence[Label],
        *,
        embedder: Encoder | None = None,
        instruction: str | Instruction | None = None,
        seed: int = 42,
        inverse_regularisation: float | None = None,
        max_iterations: int = 1000,
    ) -> Classifier:
        """Fit a layer on examples.

        ``inverse_regularisation=1.0, max_iterations=100`` are the benchmark's settings.

        Args:
            texts: examples, or what was embedded of them.
            labels: one for each.
            embedder: ``None`` takes the bundled model.
            instruction: ``None`` takes that of classification, an empty one is none.
            seed: of folds and solver.
            inverse_regularisation: scikit-learn's ``C``; ``None`` chooses by cross-validation where there are
                ten distinct rows or more whose label occurs twice, and takes 1 elsewhere.
            max_iterations: of the solver.

        Raises:
            InputError: one label only, an empty one, or not one for each text.
            ContractMismatch: vectors of another model or instruction than asked for.
            MissingExtra: scikit-learn is not installed.
        """
        fixed = 1.0 if inverse_regularisation is None else inverse_regularisation
        options = HeadOptions(fixed, max_iterations, seed)
        texts = texts if isinstance(texts, Embedded) else checked_texts(texts)
        names = checked_labels(labels, len(texts))
        check_several_labels("labels", names)
        made = embedded(texts, embedder, instruction, default=CLASSIFY)
        classes, codes = label_codes(names)
        validated = _cross_validated(made.vectors, codes, options, choose=inverse_regularisation is None)
        head, converged = fit_linear_head(made.vectors, codes, validated.options)
        return cls(
            head,
            tuple(classes),
            validated.temperature,
            made.contract,
            validated.options.inverse_regularisation,
            validated.held_out,
            tuple(_notes(classes, codes, validated, converged=converged, max_iterations=max_iterations)),
        )

    def classify(
        self, texts: Texts, *, embedder: Encoder | None = None, abstain_below: float | None = None
    ) -> Classified:
        """A label for each text.

        Args:
            texts: texts, embedded under the classifier's own instruction here, or before.
            embedder: ``None`` takes the bundled model; it must be the one the classifier was fitted with.
            abstain_below: a text whose likeliest class is less probable than this gets ``None``.

        Raises:
            ContractMismatch: another model, instruction or dimension than the classifier was fitted on.
            InputError: no texts, or what is none.
        """
        check_threshold(abstain_below)
        made = self._embedded(texts, embedder)
        probabilities = softmax(self.head.logits(made.vectors), self.temperature)
        return Classified(
            decided(probabilities, self.classes, abstain_below),
            probabilities,
            self.classes,
            made.contract,
            self.notes,
            self.held_out,
        )

    def save(self, path: str | Path) -> None:
        """Write it as one JSON file, whole or not at all.

        Raises:
            OutputError: the file cannot be written.
        """
        from instructvec.tasks.classifier_files import write_classifier

        write_classifier(self, Path(path))

    @classmethod
    def load(cls, path: str | Path) -> Classifier:
        """The classifier in a file that :meth:`save` wrote.

        Raises:
            FileError: no such file, or a damaged one.
            ContractMismatch: written by a newer version of this package.
        """
        from instructvec.tasks.classifier_files import read_classifier

        return read_classifier(Path(path))

    def _embedded(self, texts: Texts, embedder: Encoder | None) -> Embedded:
        if isinstance(texts, Embedded):
            if embedder is not None:
                self.check(embedder.contract(list(self.contract.instructions)))
            self.check(texts.contract)
            return texts
        wanted = checked_texts(texts)
        instruction = self.contract.instruction
        encoder = or_bundled(embedder)
        self.check(encoder.contract(instruction))
        return embedded(wanted, encoder, instruction)

    def check(self, contract: EmbeddingContract) -> None:
        """Refuse vectors the layer was not made for; no instruction and an empty one are the same.

        Raises:
            ContractMismatch: says what differs.
        """
        try:
            self.contract.check(contract, instructions=_said(contract) != _said(self.contract))
        except ContractMismatch as error:
            raise ContractMismatch(f"the classifier does not fit the vectors it is given: {error}") from None


def _said(contract: EmbeddingContract) -> set[str]:
    return {one or "" for one in contract.instructions}


@dataclass(frozen=True, slots=True, eq=False)
class _Validated:
    """What cross-validation found; ``sizes`` are its distinct rows a label."""

    options: HeadOptions
    sizes: NDArray[np.int64]
    n_copies: int
    temperature: float = 1.0
    held_out: HeldOut | None = None
    n_sampled: int | None = None


def _cross_validated(
    vectors: NDArray[np.float32], codes: NDArray[np.int64], options: HeadOptions, *, choose: bool
) -> _Validated:
    """Regularisation, temperature and scores by rows that are held out in turn."""
    rows = _distinct(vectors, codes)
    n_copies = len(codes) - len(rows)
    drawn = rows[stratified(codes[rows], MOST_ROWS, options.seed)]
    sampled = len(drawn) if len(drawn) < len(rows) else None
    vectors, codes = vectors[drawn], codes[drawn]
    fold_of = folds(codes, N_FOLDS, options.seed)
    out = fold_of >= 0
    if out.sum() < FEWEST_ROWS:
        return _Validated(options, np.bincount(codes), n_copies)
    tried = [replace(options, inverse_regularisation=one) for one in CANDIDATES] if choose else [options]
    best: tuple[float, HeadOptions, NDArray[np.float32], float] | None = None
    for one in tried:
        logits = held_out_logits(vectors, codes, fold_of, one)[out]
        temperature = fit_temperature(logits, codes[out])
        surprise = cross_entropy(logits, codes[out], temperature)
        if best is not None and surprise >= best[0]:
            break  # beyond the best, less regularisation only gets worse, and takes longest
        best = surprise, one, logits, temperature
    assert best is not None
    _, chosen, logits, temperature = best
    held_out = _held_out(logits, codes[out], fold_of[out])
    return _Validated(chosen, np.bincount(codes), n_copies, temperature, held_out, sampled)


def _distinct(vectors: NDArray[np.float32], codes: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first row of each vector under each label: a copy in another fold would only be remembered."""
    first: dict[tuple[bytes, int], int] = {}
    for row, (vector, code) in enumerate(zip(vectors, codes.tolist(), strict=True)):
        first.setdefault((vector.tobytes(), code), row)
    return np.fromiter(first.values(), np.int64, len(first))


def _held_out(logits: NDArray[np.float32], codes: NDArray[np.int64], fold_of: NDArray[np.int64]) -> HeldOut:
    right = logits.argmax(axis=1) == codes
    confidences = np.empty(len(codes), np.float32)
    for fold in np.unique(fold_of):
        out = fold_of == fold
        confidences[out] = softmax(logits[out], fit_temperature(logits[~out], codes[~out])).max(axis=1)
    return HeldOut(float(right.mean()), calibration_error(confidences, right), len(codes), len(np.unique(fold_of)))


def stratified(codes: NDArray[np.int64], n_rows: int, seed: int) -> NDArray[np.int64]:
    """About so many rows, ascending, each label in its share but with at least two rows where it has them.

    Args:
        codes: (n,) int64, the labels.
        n_rows: how many; all of them where there are no more.
        seed: of the draw.

    Example:
        >>> len(stratified(np.array([0] * 90 + [1] * 10), 20, seed=42))
        20
    """
    if len(codes) <= n_rows:
        return np.arange(len(codes))
    shuffled = np.random.default_rng(seed).permutation(len(codes))
    order = shuffled[np.argsort(codes[shuffled], kind="stable")]
    sizes = np.bincount(codes)
    starts = np.cumsum(sizes) - sizes
    place = np.arange(len(codes)) - starts[codes[order]]
    kept = np.maximum(2, np.round(sizes * (n_rows / len(codes))))
    return np.sort(order[place < kept[codes[order]]])


def _notes(
    classes: list[Label], codes: NDArray[np.int64], found: _Validated, *, converged: bool, max_iterations: int
) -> list[str]:
    notes = []
    if found.held_out is None:
        notes.append(
            f"too few rows to hold any out (fewer than {FEWEST_ROWS} distinct ones whose label occurs twice): "
            "probabilities are not calibrated, and how good the classifier is was not measured"
        )
    else:
        notes.append(
            f"probabilities are calibrated on {found.held_out.n_rows:,} held-out rows "
            f"(temperature {found.temperature:.3g})"
        )
    if found.n_copies:
        notes.append(f"{found.n_copies:,} examples repeat others, and were left out of cross-validation")
    if found.n_sampled is not None:
        notes.append(f"cross-validated on {found.n_sampled:,} of {len(codes):,} rows, fitted on all")
    if single := [str(label) for label, size in zip(classes, found.sizes.tolist(), strict=True) if size == 1]:
        shown = ", ".join(map(repr, single[:5])) + (f" and {len(single) - 5} more" if len(single) > 5 else "")
        notes.append(f"only one example of {shown}: never held out, so their accuracy is not known")
    if not converged:
        notes.append(f"the solver stopped at {max_iterations} iterations before it converged")
    return notes
