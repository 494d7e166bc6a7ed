"""Vectors of new inputs and of solved examples -> which examples fit into a language model's prompt, nearest last.

Knows vectors and lengths; nothing of language models, texts or templates. What choosing demonstrations and
measuring it share. Source: prompt retrieval for in-context learning (Su et al. 2022; Su et al. 2023, section 2.4).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError
from instructvec.tasks.arrays import Vectors32, check_order, check_widths, checked
from instructvec.tasks.vectors import normalised

MAX_EXAMPLE_TOKENS = 250
"""Longer examples are passed over, as in the original."""

_INPUT_ROWS = 512
_BLOCK_SCORES = 1 << 24


def retrieve(input_vectors: NDArray[Any], pool_vectors: NDArray[Any], *, centre: bool = True) -> NDArray[np.int64]:
    """The pool's examples for each input, most similar first by cosine.

    Args:
        input_vectors: (inputs, d).
        pool_vectors: (pool, d).
        centre: subtract from each side its own mean first, as the original does. This takes several inputs, and
            makes an input's neighbours depend on the others; without it they do not.

    Returns:
        (inputs, pool) int64 rows of the pool; of equally similar ones the lower first.

    Raises:
        InputError: shapes that disagree, NaN or infinite components, or vectors that are all the same; with
            ``centre``, also a single input.

    Example:
        >>> retrieve(np.array([[1.0, 0.1]]), np.eye(2)[::-1], centre=False)
        array([[1, 0]])
    """
    inputs, pool = checked("input_vectors", input_vectors), checked("pool_vectors", pool_vectors)
    check_widths(input_vectors=inputs, pool_vectors=pool)
    check_order(input_vectors=inputs, pool_vectors=pool)
    return np.concatenate(list(orders(*compared(inputs, pool, centre=centre))))


def compared(
    input_vectors: NDArray[Any], pool_vectors: NDArray[Any], *, centre: bool
) -> tuple[Vectors32, Vectors32]:
    """Both sides as :func:`retrieve` compares them: checked, centred if asked, and of length 1."""
    inputs = checked("input_vectors", input_vectors)
    pool = checked("pool_vectors", pool_vectors)
    check_widths(input_vectors=inputs, pool_vectors=pool)
    if centre:
        if len(inputs) == 1:
            raise InputError(
                "input_vectors: one vector, which is 0 when centred; give centre=False or more inputs"
            )
        check_order(input_vectors=inputs, pool_vectors=pool)
        inputs = inputs - inputs.mean(axis=0, dtype=np.float64).astype(np.float32)
        pool = pool - pool.mean(axis=0, dtype=np.float64).astype(np.float32)
    return normalised(inputs), normalised(pool)


def orders(inputs: Vectors32, pool: Vectors32) -> Iterator[NDArray[np.int64]]:
    """(rows, pool) int64 rows of the pool, most similar first, for a block of inputs after the other.

    Args:
        inputs: (inputs, d) float32 of length 1.
        pool: (pool, d) float32 of length 1.
    """
    n_rows = min(_INPUT_ROWS, max(1, _BLOCK_SCORES // len(pool)))
    for start in range(0, len(inputs), n_rows):
        yield np.argsort(-(inputs[start : start + n_rows] @ pool.T), axis=1, kind="stable")


def others_than(
    inputs: Sequence[str], pool: Sequence[str], order: Iterable[NDArray[np.int64]]
) -> Iterator[NDArray[np.int64]]:
    """Each input's examples in order, without those whose input is the very same text; none may be left.

    Args:
        inputs: n texts.
        pool: texts of the pool.
        order: n times rows of the pool, most similar first.

    Example:
        >>> list(others_than(["a"], ["a", "b"], [np.array([0, 1])]))
        [array([1])]
    """
    rows_of: dict[str, list[int]] = {}
    for row, text in enumerate(pool):
        rows_of.setdefault(text, []).append(row)
    for text, rows in zip(inputs, order, strict=True):
        yield rows[~np.isin(rows, rows_of[text])] if text in rows_of else rows


def pack(
    order: Sequence[int] | NDArray[np.int64],
    lengths: Sequence[int] | NDArray[np.int64],
    input_length: int,
    budget_tokens: int,
    *,
    max_example_tokens: int = MAX_EXAMPLE_TOKENS,
) -> list[int]:
    """The nearest examples that fit into a prompt, nearest last, where a language model minds them most.

    Args:
        order: rows of the pool, nearest first.
        lengths: tokens of each row of the pool, all of them.
        input_length: tokens that the input itself takes.
        budget_tokens: of the whole prompt.
        max_example_tokens: longer examples are passed over.

    Returns:
        Rows of the pool in the order in which to show them. The first example that exceeds what is left ends the
        search, even if a later one would fit; none at all if that is the nearest.

    Raises:
        InputError: the input alone exceeds the budget.

    Source: the code of Su et al. 2022 and Su et al. 2023.

    Example:
        >>> pack([2, 0, 1], lengths=[40, 30, 300], input_length=20, budget_tokens=100)
        [1, 0]
    """
    if input_length > budget_tokens:
        raise InputError(
            f"the input has {input_length} tokens; expected at most budget_tokens = {budget_tokens}: raise the "
            "budget or shorten the input"
        )
    chosen: list[int] = []
    left = budget_tokens - input_length
    for row in order:
        if lengths[row] > max_example_tokens:
            continue
        if lengths[row] > left:
            break
        chosen.append(int(row))
        left -= int(lengths[row])
    return chosen[::-1]


def within_budget(
    chosen: Sequence[Sequence[int]],
    prompt: Callable[[int, Sequence[int]], str],
    count: Callable[[Sequence[str]], list[int]],
    budget: int,
) -> list[list[int]]:
    """The choices without the farthest examples that make the prompt as a whole exceed the budget.

    Joined texts may have a few tokens more than apart; the farthest example then gives way.

    Args:
        chosen: for each prompt, rows of the pool in the order in which to show them, nearest last.
        prompt: place and rows -> the whole prompt.
        count: texts -> tokens of each.
        budget: of a whole prompt.
    """
    kept = [list(rows) for rows in chosen]
    rest = list(range(len(kept)))
    while rest:
        counts = count([prompt(at, kept[at]) for at in rest])
        rest = [at for at, n in zip(rest, counts, strict=True) if n > budget and kept[at]]
        for at in rest:
            del kept[at][0]
    return kept
