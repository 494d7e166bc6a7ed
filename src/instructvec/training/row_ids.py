"""Rows -> numbers that tell which texts of a batch must not be each other's negatives.

Knows equal texts, goals and labels; nothing of losses. The wordings of a dataset's instruction are one goal. A row
has one label, its query's and positive's; a negative's is looked up among the rows of the same dataset that have
its text as theirs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructvec.training.rows import ABSENT, RowNumbers, Rows


class RowIds(NamedTuple):
    """What is equal among some rows; columns of texts are query, positive, negative.

    Attributes:
        texts: (n, 3) int64, equal where the texts are, whatever their instructions; -1 where there is no negative.
        pairs: (n, 3) int64, equal where goal and text are; -1 where there is no negative.
        labels: (n,) int64 of query and positive, equal where dataset and label are; -1 where there is none.
        negative_labels: (n,) int64, the same of the negatives; -1 where it is not known.
        groups: (n,) int64, equal for rows of one contrast; -1 for rows that stand alone.
    """

    texts: NDArray[np.int64]
    pairs: NDArray[np.int64]
    labels: NDArray[np.int64]
    negative_labels: NDArray[np.int64]
    groups: NDArray[np.int64]


class RowIdTable:
    """The ids of all rows of a mixture; equal in every process that has opened it.

    Example:
        >>> from instructvec.medi.triplets import Side, Triplet
        >>> from instructvec.training.rows import rows_of
        >>> def row(label, *texts):
        ...     return Triplet(*(Side("", text) for text in texts), "mood", "label", "labelled", label=label)
        >>> ids = RowIdTable(rows_of([row("glad", "a", "b", "x"), row("sad", "x", "y", "c")])).of([0, 1])
        >>> ids.labels.tolist(), ids.negative_labels.tolist()  # x is sad, of c nothing is known
        ([0, 1], [1, -1])
    """

    def __init__(self, rows: Rows) -> None:
        self._rows = rows
        self._n_texts = int(rows.text_ids.max(initial=0)) + 1
        self._negative_labels = _negative_labels(rows, self._n_texts)

    def of(self, rows: RowNumbers) -> RowIds:
        """The ids of the given rows, in their order."""
        wanted = np.asarray(rows, np.int64)
        texts = self._rows.text_ids[wanted].astype(np.int64)
        pairs = np.where(texts == ABSENT, ABSENT, self._goals(wanted) * self._n_texts + texts)
        groups = self._rows.groups.codes[wanted].astype(np.int64)
        labels, negative_labels = (
            self._label_ids(codes, wanted) for codes in (self._rows.labels.codes, self._negative_labels)
        )
        return RowIds(texts, pairs, labels, negative_labels, groups)

    def _label_ids(self, codes: NDArray[np.int32], rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n,) a number a dataset and label."""
        datasets = self._rows.datasets.codes[rows].astype(np.int64)
        ids = datasets * len(self._rows.labels.values) + codes[rows]
        return np.where(codes[rows] == ABSENT, ABSENT, ids)

    def _goals(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """(n, 3) a number a goal: the dataset's, but of a wrong instruction its own."""
        datasets, rules = self._rows.datasets, self._rows.rules
        goals = np.repeat(datasets.codes[rows, None].astype(np.int64), 3, axis=1)
        is_wrong = np.array([rule == "wrong_instruction" for rule in rules.values], np.bool_)[rules.codes[rows]]
        instructions = self._rows.instructions.codes[rows, 2]
        goals[:, 2] = np.where(is_wrong, len(datasets.values) + instructions, goals[:, 2])
        return goals


def _negative_labels(rows: Rows, n_texts: int) -> NDArray[np.int32]:
    """(n,) code of each labelled row's negative's label: the one its text has as query or positive of the dataset.

    Absent where no row says it, where rows contradict each other, and where it would be the row's own label: the
    row was made because it is not. So a wrong instruction's negative, the positive's own text, has none.
    """
    labels = rows.labels.codes
    negatives = np.full(len(rows), ABSENT, np.int32)
    labelled = np.flatnonzero(labels != ABSENT)
    if not len(labelled):
        return negatives
    texts = rows.text_ids[labelled]
    keys = rows.datasets.codes[labelled, None].astype(np.int64) * n_texts + texts
    said = np.repeat(labels[labelled], 2)
    known, first, inverse = np.unique(keys[:, :2].ravel(), return_index=True, return_inverse=True)
    label_of = said[first]
    label_of[inverse[said != label_of[inverse]]] = ABSENT
    at = np.minimum(np.searchsorted(known, keys[:, 2]), len(known) - 1)
    is_known = (texts[:, 2] != ABSENT) & (known[at] == keys[:, 2]) & (label_of[at] != labels[labelled])
    negatives[labelled] = np.where(is_known, label_of[at], ABSENT)
    return negatives
