"""Labels of rows -> codes, or an error that names what is wrong with them.

Knows labels only; nothing of texts, vectors or of what is learnt from them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError, InputTypeError

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


def checked_labels(labels: Sequence[Any], n_rows: int, name: str = "labels") -> list[Label]:
    """A label for each row, as strings and whole numbers.

    Args:
        labels: n of them; numpy's numbers are whole numbers too.
        n_rows: n.
        name: what they are, for messages.

    Raises:
        InputTypeError: one string instead of several, or a label that is neither string nor whole number.
        InputError: another count, or an empty label.

    Example:
        >>> checked_labels(["spam", 3], 2)
        ['spam', 3]
    """
    if isinstance(labels, str):
        raise InputTypeError(f"{name}: one string; expected a label for each of {n_rows} texts")
    checked = [_label(label, f"{name}, row {at}") for at, label in enumerate(labels, start=1)]
    if len(checked) != n_rows:
        raise InputError(f"{name}: {len(checked)} labels for {n_rows} texts; expected one for each")
    return checked


def checked_names(labels: Sequence[Any], name: str = "labels") -> list[Label]:
    """Distinct names of labels, two or more, as :func:`checked_labels` has them.

    Raises:
        InputTypeError: one string instead of several, or what is no label.
        InputError: an empty name, one that stands there twice, or fewer than two.
    """
    if isinstance(labels, str):
        raise InputTypeError(f"{name}: one string; expected a sequence of names: put them into a list")
    names = [_label(label, f"{name}, number {at}") for at, label in enumerate(labels, start=1)]
    if repeated := [one for one, count in Counter(map(str, names)).items() if count > 1]:
        raise InputError(f"{name}: {', '.join(map(repr, repeated[:5]))} more than once; expected distinct names")
    if len(names) < 2:
        raise InputError(f"{name}: {names}; expected two labels or more, for a text to be given one of them")
    return names


def _label(label: Any, place: str) -> Label:
    if isinstance(label, np.generic):
        label = label.item()
    if isinstance(label, bool) or not isinstance(label, str | int):
        raise InputTypeError(f"{place}: {type(label).__name__}; expected a string or a whole number")
    if isinstance(label, str) and not label.strip():
        raise InputError(f"{place}: empty; expected the name of a label")
    return label
