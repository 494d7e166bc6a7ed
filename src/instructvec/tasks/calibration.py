"""Labelled pairs of texts -> the cosine from which two texts belong together.

Knows cosines and labels; nothing of what the threshold is used for. The figures are those that pair classification
is measured with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError, InputError, InputTypeError
from instructvec.instruction import Instruction
from instructvec.tasks.instructions import DUPLICATES
from instructvec.tasks.ranked_labels import RankedLabels
from instructvec.tasks.similar_pairs import pair_cosines
from instructvec.tasks.vectors import embedded

if TYPE_CHECKING:
    from instructvec.types import Encoder

LabelledPair = tuple[str, str, bool]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold, and what it does to the pairs that it was chosen on.

    Attributes:
        threshold: cosine, half-way between two that occur.
        precision: share of the pairs at or above it that belong together.
        recall: share of those that belong together which are at or above it.
        f1: their harmonic mean.
        average_precision: of the ranking as a whole, whatever the threshold.
        n_pairs: pairs labelled.
        n_positive: those that belong together.
        min_precision: what was asked for; ``None`` where the best F1 was.
    """

    threshold: float
    precision: float
    recall: float
    f1: float
    average_precision: float
    n_pairs: int
    n_positive: int
    min_precision: float | None = None


def calibrate(
    labelled_pairs: Sequence[LabelledPair],
    *,
    embedder: Encoder | None = None,
    instruction: str | Instruction | None = None,
    min_precision: float | None = None,
) -> Calibration:
    """The threshold that parts labelled pairs best.

    Args:
        labelled_pairs: two texts each, and whether they belong together.
        embedder: makes the vectors; ``None`` takes the bundled model.
        instruction: what the vectors are for; ``None`` takes that of finding duplicates, an empty one is none.
        min_precision: see :func:`best_threshold`.

    Raises:
        InputError: no pairs, one label only, or cosines that do not part them; see :func:`best_threshold`.
        InputTypeError: something else than two texts and a truth value; names the row.

    Example:
        >>> pairs = [("a cat", "one cat", True), ("a cat", "tax law", False), ("it rains", "rain falls", True)]
        >>> calibrate(pairs).recall
        1.0
    """
    a, b, labels = checked_pairs(labelled_pairs)
    places = {text: at for at, text in enumerate(dict.fromkeys([*a, *b]))}
    made = embedded(list(places), embedder, instruction, default=DUPLICATES, name="labelled_pairs")
    left, right = (np.array([places[text] for text in side], np.int64) for side in (a, b))
    return best_threshold(pair_cosines(made.unit, left, right), labels, min_precision=min_precision)


def checked_pairs(labelled_pairs: Sequence[LabelledPair]) -> tuple[list[str], list[str], NDArray[np.bool_]]:
    """First texts, second texts and labels.

    Raises:
        InputError: no pairs, or one label only.
        InputTypeError: something else than two texts and a truth value; names the row.
    """
    for at, one in enumerate(labelled_pairs, start=1):
        if not (len(one) == 3 and all(isinstance(text, str) for text in one[:2]) and one[2] in (0, 1)):
            raise InputTypeError(f"labelled_pairs, row {at}: {one!r}; expected two texts and True or False")
    labels = np.array([bool(label) for _, _, label in labelled_pairs], np.bool_)
    if not len(labels) or labels.all() or not labels.any():
        raise InputError(
            f"labelled_pairs: {int(labels.sum())} of {len(labels)} belong together; expected some that do and "
            "some that do not"
        )
    return [a for a, _, _ in labelled_pairs], [b for _, b, _ in labelled_pairs], labels


def best_threshold(
    scores: NDArray[np.floating], labels: NDArray[np.bool_], *, min_precision: float | None = None
) -> Calibration:
    """The threshold of the best F1, or the lowest one at which the precision is high enough.

    Args:
        scores: (n,) cosines.
        labels: (n,) bool, both values among them.
        min_precision: precision to reach, above 0 and at most 1; ``None`` for the best F1.

    Raises:
        ConfigError: ``min_precision`` outside of its range.
        InputError: all scores are the same, or no threshold reaches the precision; says which is reached.

    Example:
        >>> found = best_threshold(np.array([0.9, 0.8, 0.7, 0.5]), np.array([True, True, False, False]))
        >>> round(found.threshold, 4), found.f1
        (0.75, 1.0)
    """
    if min_precision is not None and not 0 < min_precision <= 1:
        raise ConfigError(f"min_precision is {min_precision}; expected above 0, at most 1, such as 0.95")
    ranked = RankedLabels.of(scores, labels)
    cuts = ranked.cuts()
    if not len(cuts.f1):
        raise InputError(f"labelled_pairs: all cosines are {scores[0]:.6g}; expected texts that differ")
    at = int(np.argmax(cuts.f1))
    if min_precision is not None:
        reach = np.flatnonzero(cuts.precision >= min_precision)
        if not len(reach):
            best = int(np.argmax(cuts.precision))
            raise InputError(
                f"min_precision is {min_precision}; the labelled pairs reach {cuts.precision[best]:.4f} at most: "
                "lower it, or try another instruction"
            )
        at = int(reach[-1])
    values = scores[ranked.order][ranked.ends].astype(np.float64)
    return Calibration(
        float((values[at] + values[at + 1]) / 2),
        float(cuts.precision[at]),
        float(cuts.recall[at]),
        float(cuts.f1[at]),
        ranked.average_precision(np.ones(len(scores))),
        len(scores),
        int(labels.sum()),
        min_precision,
    )
