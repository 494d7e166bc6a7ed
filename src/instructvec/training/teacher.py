"""Row numbers -> a teacher's vectors of their texts, each text encoded once and found again in later runs.

Knows rows and encoders; nothing of what the vectors are compared with.
Source: Hinton et al. 2015; that the teacher is fixed, so that its vectors can be kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instructvec.corpus.cache import CachedEncoder
from instructvec.medi.triplets import Side
from instructvec.training.rows import RowNumbers, Rows
from instructvec.training.vectors import BatchVectors
from instructvec.types import Encoder


class Teacher:
    """Gives a teacher's vectors of rows.

    Args:
        encoder: the teacher.
        rows: of the mixture.
        folder: where vectors are kept; ``None`` keeps them in memory.
        instructions: whether it is given the instructions, or texts alone.
        labelled: whether rows with a label and contrasts are encoded too; without, their vectors are zeros.

    Example:
        >>> from instructvec import Embedder
        >>> from instructvec.medi.triplets import Triplet
        >>> from instructvec.training.rows import rows_of
        >>> row = Triplet(Side("Topic: ", "rain"), Side("Topic: ", "snow"), None, "weather", "label", "labelled")
        >>> vectors = Teacher(Embedder(), rows_of([row]), None)([0])
        >>> tuple(vectors.queries.shape), tuple(vectors.negatives.shape)
        ((1, 384), (0, 384))
    """

    def __init__(
        self,
        encoder: Encoder,
        rows: Rows,
        folder: Path | None,
        *,
        instructions: bool = False,
        labelled: bool = True,
    ) -> None:
        self._encoder, self._rows, self._folder = encoder, rows, folder
        self._instructions, self._labelled = instructions, labelled
        self._cached: dict[str | None, CachedEncoder] = {}

    def __call__(self, numbers: RowNumbers) -> BatchVectors:
        """Vectors of rows, in their order; hard negatives of the rows that have one.

        Raises:
            EngineError: the teacher gave NaN or infinity.
            OutputError: the folder cannot be written.
        """
        import torch

        triplets = self._rows.triplets(numbers)
        n = len(triplets)
        is_held = np.array([self._labelled or (one.label is None and one.group is None) for one in triplets])
        has_negative = np.array([one.negative is not None for one in triplets])
        sides = [one.query for one in triplets] + [one.positive for one in triplets]
        sides += [one.negative for one in triplets if one.negative is not None]
        wanted = np.concatenate([is_held, is_held, is_held[has_negative]])
        vectors = torch.from_numpy(self._vectors(sides, wanted))
        return BatchVectors(vectors[:n], vectors[n : 2 * n], vectors[2 * n :])

    def _vectors(self, sides: Sequence[Side], wanted: NDArray[np.bool_]) -> NDArray[np.float32]:
        """(sides, d), the texts of each instruction together; zeros for those that are not wanted."""
        instructions = [(one.instruction or None) if self._instructions else None for one in sides]
        found = np.zeros((len(sides), self._encoder.dimension), np.float32)
        for instruction in dict.fromkeys(instructions):
            at = [place for place, own in enumerate(instructions) if own == instruction and wanted[place]]
            if not at:
                continue
            found[at] = self._of(instruction).encode([sides[place].text for place in at], instruction).vectors
        return found

    def _of(self, instruction: str | None) -> CachedEncoder:
        """One for each instruction: each keeps the list of its own texts at hand."""
        if instruction not in self._cached:
            self._cached[instruction] = CachedEncoder(self._encoder, self._folder)
        return self._cached[instruction]
