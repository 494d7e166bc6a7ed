"""Labels of rows -> codes, or an error that names what is wrong with them.

Knows labels only; nothing of texts, vectors or of what is learnt from them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError

Label: TypeAlias = str | int


def label_codes(labels: Sequence[Label]) -> tuple[list[Label], NDArray[np.int64]]:
    """Distinct labels in order (numbers before strings), and each row's place among them.

    Example:
        >>> label_codes(["b", "a", "b"])[0]
        ['a', 'b']
    """
    distinct = sorted(set(labels), key=lambda label: (isinstance(label, str), label))
    places = {label: at for at, label in enumerate(distinct)}
    return distinct, np.fromiter((places[label] for label in labels), np.int64, len(labels))


def check_several_labels(what: str, labels: Sequence[Label]) -> None:
    """Refuse labels of which there is only one.

    Raises:
        InputError: naming it.
    """
    distinct = set(labels)
    if len(distinct) < 2:
        only = next(iter(distinct), None)
        raise InputError(f"{what}: every row has the label {only!r}; expected two labels or more: check the data")
