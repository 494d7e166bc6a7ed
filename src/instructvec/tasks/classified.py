"""Scores of classes -> a label for each text, or none where the best is not good enough.

Knows probabilities and names of classes; nothing of how either came about.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError
from instructvec.tasks.labels import Label

if TYPE_CHECKING:
    from instructvec.checkpoints.contract import EmbeddingContract


@dataclass(frozen=True, slots=True)
class HeldOut:
    """How a classifier does on rows that it was not fitted on, by cross-validation.

    Attributes:
        accuracy: share of rows whose label it gives, from 0 to 1. The regularisation was chosen on the same rows,
            out of a handful, which flatters it a little.
        calibration_error: expected calibration error, from 0 to 1; each fold under the others' temperature.
        n_rows: rows held out in turn.
        n_folds: in so many parts.
    """

    accuracy: float
    calibration_error: float
    n_rows: int
    n_folds: int


@dataclass(frozen=True, slots=True, eq=False)
class Classified:
    """Texts with a label each.

    Attributes:
        labels: n labels; ``None`` where no class reached ``abstain_below``.
        probabilities: (n, C) float32, rows that sum to 1; ``notes`` say whether they are calibrated.
        classes: C labels, the columns of ``probabilities``.
        contract: under which model and instruction the texts were compared.
        notes: what is worth knowing about the result, a sentence each.
        held_out: how the classifier does on rows it has not seen, where that was measured.
    """

    labels: tuple[Label | None, ...]
    probabilities: NDArray[np.float32]
    classes: tuple[Label, ...]
    contract: EmbeddingContract
    notes: tuple[str, ...] = ()
    held_out: HeldOut | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def confidences(self) -> NDArray[np.float32]:
        """(n,) float32, the probability of each text's likeliest class, also where it was not given."""
        highest: NDArray[np.float32] = self.probabilities.max(axis=1)
        return highest

    @property
    def counts(self) -> dict[Label, int]:
        """How many texts were given each class, in the order of ``classes``."""
        counted = Counter(self.labels)
        return {label: counted[label] for label in self.classes}

    @property
    def n_abstained(self) -> int:
        """How many texts were given none."""
        return sum(label is None for label in self.labels)


def check_threshold(abstain_below: float | None) -> None:
    """Refuse a threshold that is no probability.

    Raises:
        ConfigError: naming it.
    """
    if abstain_below is not None and not 0 <= abstain_below <= 1:
        raise ConfigError(f"abstain_below is {abstain_below}; expected a probability from 0 to 1")


def decided(
    probabilities: NDArray[np.float32], classes: tuple[Label, ...], abstain_below: float | None
) -> tuple[Label | None, ...]:
    """The likeliest class of each row; ``None`` where its probability is below the threshold.

    Example:
        >>> decided(np.array([[0.9, 0.1], [0.5, 0.5]], np.float32), ("a", "b"), 0.6)
        ('a', None)
    """
    best = probabilities.argmax(axis=1)
    highest = probabilities.max(axis=1)
    threshold = 0.0 if abstain_below is None else abstain_below
    return tuple(
        classes[at] if one >= threshold else None for at, one in zip(best.tolist(), highest.tolist(), strict=True)
    )
