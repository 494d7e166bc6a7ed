"""Vectors of new inputs and of solved examples -> which examples to show a language model, and how good they are.

Knows vectors, outputs and lengths in tokens; nothing of language models: the figures here ask whether the outputs
of the nearest examples are the right one. Source: prompt retrieval for in-context learning (Su et al. 2022; Su et
al. 2023, section 2.4).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError, InputError
from instructvec.evaluation.data import PromptRetrieval
from instructvec.evaluation.protocols.outcome import Outcome
from instructvec.evaluation.protocols.overlap import token_f1
from instructvec.evaluation.protocols.vectors import checked
from instructvec.tasks.packing import MAX_EXAMPLE_TOKENS, others_than, pack, retrieve

__all__ = ["MAX_EXAMPLE_TOKENS", "pack", "prompt_retrieval", "retrieve", "without_itself"]

_MEASURES: dict[str, Callable[[str, str], float]] = {
    "knn_output_agreement": lambda output, wanted: float(output == wanted),
    "retrieved_output_f1": token_f1,
}


def without_itself(data: PromptRetrieval, order: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Each input's examples in order, without those whose input is the very same text.

    The original passes over examples of similarity 1. Once both sides are centred on means of their own, equal
    texts no longer have it, and what has it may be two texts that were cut to the same tokens; so here the texts
    decide.

    Args:
        data: inputs and pool.
        order: (inputs, pool), from :func:`retrieve`.

    Raises:
        InputError: ``order`` is of another shape, or no example is left for an input; names it.
    """
    shape = (len(data.inputs), len(data.pool_inputs))
    if order.shape != shape:
        raise InputError(f"order: shape {order.shape}; expected {shape}, the pool's rows for each input")
    found = list(others_than(data.inputs, data.pool_inputs, order))
    for at, rows in enumerate(found, start=1):
        if not len(rows):
            raise InputError(
                f"input {at}: every example of the pool is this very text; give a pool of other texts"
            )
    return found


def prompt_retrieval(
    data: PromptRetrieval,
    input_vectors: NDArray[Any],
    pool_vectors: NDArray[Any],
    *,
    k: int,
    metric: str,
    seed: int = 42,
) -> Outcome:
    """How far the outputs of the nearest examples agree with the right output; no language model is asked.

    Vectors are compared as they are, not centred, so that an input's neighbours are those it would have alone.
    Examples with the very text of the input are left out.

    Args:
        data: pool and inputs, with their outputs.
        input_vectors: (inputs, d).
        pool_vectors: (pool, d).
        k: nearest examples to look at; the whole pool where it is smaller.
        metric: main metric: ``"knn_output_agreement"`` where outputs are labels, ``"retrieved_output_f1"`` where
            they are texts.
        seed: of the random examples that ``oracle_gain`` compares with.

    Returns:
        ``knn_output_agreement``: share of inputs whose output is the one that most of the k nearest examples have,
        of equally many that of the nearest. ``mean_output_agreement``: mean share of the k nearest that have it.
        ``retrieved_output_f1``: mean token F1 of their outputs with it. ``oracle_gain``: what there is to gain by
        choosing well: the best of the k nearest minus the mean of k random ones, by token F1 if that is the
        metric, else by equality. Units are inputs.

    Raises:
        ConfigError: another metric, or ``k`` below 1.
        InputError: arrays that do not fit the data, NaN or infinite components, or vectors that are all the same.

    Example:
        >>> pool_outputs, outputs = ["2", "4", "ab"], ["3", "ab"]
        >>> solved = PromptRetrieval(["1 + 1", "2 + 2", "a + b"], pool_outputs, ["1 + 2", "b + a"], outputs)
        >>> pool = np.array([[1.0, 0.0], [0.9, 0.1], [0.0, 1.0]])
        >>> found = prompt_retrieval(solved, pool[1:], pool, k=1, metric="knn_output_agreement")
        >>> found.score
        0.5
    """
    if metric not in _MEASURES:
        raise ConfigError(f"metric is {metric!r}; without a reader there are {', '.join(_MEASURES)}")
    if k < 1:
        raise ConfigError(f"k is {k}; expected 1 or more nearest examples")
    inputs = checked("input_vectors", input_vectors, len(data.inputs))
    pool = checked("pool_vectors", pool_vectors, len(data.pool_inputs))
    nearest = [rows[:k] for rows in without_itself(data, retrieve(inputs, pool, centre=False))]
    rng = np.random.default_rng(seed)
    at_random = [rng.choice(len(pool), min(k, len(pool)), replace=False) for _ in nearest]
    measure = _MEASURES[metric]
    best = np.array([values.max() for values in _measured(data, nearest, measure)])
    random = np.array([values.mean() for values in _measured(data, at_random, measure)])
    values = {
        "knn_output_agreement": _votes(data, nearest),
        "mean_output_agreement": _means(data, nearest, _MEASURES["knn_output_agreement"]),
        "retrieved_output_f1": _means(data, nearest, token_f1),
        "oracle_gain": best - random,
    }
    metrics = {name: float(one.mean()) for name, one in values.items()}
    main = values[metric]
    return Outcome(metrics[metric], metrics, (len(inputs),), lambda units: float(main[units].mean()))


def _measured(
    data: PromptRetrieval, chosen: Sequence[NDArray[np.int64]], measure: Callable[[str, str], float]
) -> list[NDArray[np.float64]]:
    """For each input, the measure of each chosen example's output."""
    return [
        np.array([measure(data.pool_outputs[row], wanted) for row in rows])
        for rows, wanted in zip(chosen, data.outputs, strict=True)
    ]


def _means(
    data: PromptRetrieval, chosen: Sequence[NDArray[np.int64]], measure: Callable[[str, str], float]
) -> NDArray[np.float64]:
    return np.array([values.mean() for values in _measured(data, chosen, measure)])


def _votes(data: PromptRetrieval, nearest: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    """(inputs,) 1 where the most frequent output is right; of equally frequent ones the nearest counts."""
    elected = [Counter(data.pool_outputs[row] for row in rows).most_common(1)[0][0] for rows in nearest]
    return np.array([float(one == wanted) for one, wanted in zip(elected, data.outputs, strict=True)])
