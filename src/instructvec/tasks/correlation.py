"""Two lists of numbers -> how well they agree, or an error that names the row.

Knows numbers only. What judging texts and measuring it share. Correlations are scipy's.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.extras import require

Numbers: TypeAlias = NDArray[np.float64]


def check_numbers(name: str, scores: Sequence[float], n_rows: int, *, varying: bool = True) -> Numbers:
    """Scores that people gave, as (n,) float64.

    Args:
        name: what they are, for messages.
        scores: n numbers.
        n_rows: n.
        varying: whether to refuse scores that are all the same.

    Raises:
        InputError: another count, a score that is NaN or infinite, or scores that are all the same.
    """
    numbers = np.asarray(scores, np.float64)
    if numbers.shape != (n_rows,):
        raise InputError(f"{name}: shape {numbers.shape}; expected ({n_rows},), a number for each text")
    if not np.isfinite(numbers).all():
        row = int(np.argmin(np.isfinite(numbers)))
        raise InputError(f"{name}, row {row + 1}: {numbers[row]}; expected a finite number: check the data")
    if varying and is_constant(numbers):
        raise InputError(f"{name}: every score is {numbers[0]}; a correlation with a constant is undefined")
    return numbers


def is_constant(numbers: NDArray[np.floating]) -> bool:
    """Whether there is only one value."""
    return bool((numbers == numbers[0]).all())


def correlations(x: Numbers, y: Numbers) -> tuple[float, float]:
    """Pearson's and Spearman's correlation by scipy; NaN for both where one side is constant.

    Example:
        >>> pearson, spearman = correlations(np.array([1.0, 2.0, 4.0]), np.array([1.0, 2.0, 3.0]))
        >>> round(pearson, 4), round(spearman, 4)
        (0.982, 1.0)
    """
    if is_constant(x) or is_constant(y):
        return float("nan"), float("nan")
    require("scipy", "a correlation")
    from scipy.stats import pearsonr, spearmanr

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of input that is nearly constant
        return float(pearsonr(x, y).statistic), float(spearmanr(x, y).statistic)
