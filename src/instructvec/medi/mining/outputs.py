"""Inputs and outputs of a task -> triplets of inputs whose outputs are alike, or not.

Knows vectors of both; nothing of the texts or of what the task is.
Source: Su et al. 2023, section 2.3, on Super-NaturalInstructions.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instructvec.errors import ConfigError, InputError
from instructvec.medi.mining.mined import Mined, assemble, best, check_cosine, row_ids
from instructvec.medi.search import NO_ROW, Vectors, score_blocks, unit_vectors

MIN_OUTPUT_COSINE = 0.6
"""Outputs below this are not alike."""
MIN_OUTPUT_LIFT = 0.5
"""Nor are those not this much above the mean of the task, whose outputs may all look alike, as dates do."""
OUTPUT_SLACK = 0.1
"""Outputs this much below the likest count as no less alike, so that the farthest of their inputs is taken."""
OUTPUT_GAP = 0.2
"""A negative's output must be less like the anchor's than the positive's by this much."""
DUPLICATE_COSINE = 0.99
"""Inputs from this on count as the same text."""

_Block = NDArray[np.float32]


class _Guards(NamedTuple):
    """Options of :func:`text_output_triplets`, as it documents them."""

    min_output_cosine: _Block
    min_output_lift: float
    output_slack: float
    output_gap: float
    duplicate_cosine: float


def text_output_triplets(
    inputs: Vectors,
    outputs: Vectors,
    *,
    only_equal: ArrayLike | None = None,
    min_output_cosine: float | NDArray[Any] = MIN_OUTPUT_COSINE,
    min_output_lift: float = MIN_OUTPUT_LIFT,
    output_slack: float = OUTPUT_SLACK,
    output_gap: float = OUTPUT_GAP,
    min_positive_score: float = -2.0,
    duplicate_cosine: float = DUPLICATE_COSINE,
    block_rows: int | None = None,
) -> Mined:
    r"""The far input with a like output is the positive, the near input with another output the negative.

    For anchor i with input :math:`x_i` and output :math:`y_i`, over all j != i:

    .. math::
        s_{pos}(i, j) &= -\cos(x_i, x_j) + \cos(y_i, y_j), \quad p = \operatorname{argmax}_j s_{pos}(i, j) \\
        s_{neg}(i, j) &= \cos(x_i, x_j) - \cos(y_i, y_j), \quad n = \operatorname{argmax}_j s_{neg}(i, j)

    In the paper's form any j may be chosen, and where no output is like the anchor's, the positive is just a far
    input. So here p is looked for where outputs are alike,

    .. math::
        \cos(y_i, y_j) \ge \max\{f_i, \, \max_k \cos(y_i, y_k) - slack\}, \quad
        f_i = \max\{cosine, \, b_i + lift \, (1 - b_i)\}

    with :math:`b_i` the mean of :math:`\cos(y_i, y_k)` over k != i, and n where they are not,
    :math:`\cos(y_i, y_j) < f_i` and :math:`\le \cos(y_i, y_p) - gap`; both among inputs that are not the
    anchor's own text. The paper's form is ``min_output_cosine=-1, min_output_lift=-inf, output_slack=2,
    output_gap=-2, duplicate_cosine=2``.

    Args:
        inputs: (n, d) unit vectors.
        outputs: (n, e) unit vectors.
        only_equal: (n,) whole numbers, for outputs that are alike only if they are equal, such as numbers and
            dates, which encoders take for near each other: equal where outputs are, -1 where the cosine counts.
        min_output_cosine: how like the anchor's the positive's output is at least; (n,) for a number an anchor, as
            outputs of a word or two need more: names of one kind have cosines up to 0.8.
        min_output_lift: the same as a share of the way from the mean of all outputs to equality.
        output_slack: how much less alike than the likest output the positive's may be.
        output_gap: by how much less like the anchor's than the positive's the negative's output is.
        min_positive_score: anchors whose positive's s_pos is below give no triplet; -2 for all.
        duplicate_cosine: from which cosine of inputs on texts count as the same, and are neither; 2 for none.
        block_rows: anchors at once; by default as many as make a block of scores 64 MB.

    Returns:
        Margins are s_pos(i, p) - s_pos(i, n) = s_pos(i, p) + s_neg(i, n).

    Raises:
        InputError: inputs and outputs of other numbers, or rows that are not unit vectors.
        ConfigError: an option out of range.

    Example:
        >>> x = np.array([[1.0, 0.0], [0.0, 1.0], [0.8, 0.6]])
        >>> y = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
        >>> found = text_output_triplets(x, y)
        >>> found.anchors.tolist(), found.positives.tolist(), found.negatives.tolist()
        ([0, 1], [1, 0], [2, 2])
    """
    n = len(inputs)
    least = _least(min_output_cosine, n)
    guards = _Guards(least, min_output_lift, output_slack, output_gap, duplicate_cosine)
    inputs, outputs = _checked(inputs, outputs, guards, min_positive_score)
    equal = np.full(n, -1) if only_equal is None else row_ids(only_equal, n, "only_equal")
    floor = _floor(outputs, guards)
    positives, negatives = np.full(n, NO_ROW), np.full(n, NO_ROW)
    s_pos, s_neg = np.full(n, -np.inf, np.float32), np.full(n, -np.inf, np.float32)
    blocks = zip(score_blocks(inputs, inputs, block_rows), score_blocks(outputs, outputs, block_rows), strict=True)
    for (rows, x), (_, y) in blocks:
        others = x < duplicate_cosine
        np.fill_diagonal(others[:, rows], False)
        like = _likeness(y, equal, rows)
        positives[rows], s_pos[rows] = best(y - x, _alike(like, others, floor[rows], guards))
        likeness = like[np.arange(len(like)), positives[rows]]
        # A floor of -1 asks nothing of a positive, and so nothing of a negative: the gap alone decides.
        unlike = (like < floor[rows, None]) | (floor[rows, None] <= -1)
        unlike &= like <= likeness[:, None] - np.float32(output_gap)
        negatives[rows], s_neg[rows] = best(x - y, others & unlike)
    return assemble(
        positives,
        negatives,
        s_pos + s_neg,
        [
            ("no other input with a like output", positives == NO_ROW),
            (f"s_pos below {min_positive_score:g}", s_pos < min_positive_score),
        ],
        [("no input with another output", negatives == NO_ROW)],
    )


def _least(min_output_cosine: float | NDArray[Any], n_rows: int) -> _Block:
    least = np.asarray(min_output_cosine, np.float32)
    if least.ndim and least.shape != (n_rows,):
        raise InputError(
            f"min_output_cosine of shape {least.shape}; expected a number, or one for each of {n_rows} rows"
        )
    for value in (least.min(initial=1), least.max(initial=1)):  # NaN comes out of both
        check_cosine(float(value), "min_output_cosine")
    return np.broadcast_to(least, n_rows)


def _checked(
    inputs: Vectors, outputs: Vectors, guards: _Guards, min_positive_score: float
) -> tuple[Vectors, Vectors]:
    inputs, outputs = unit_vectors(inputs, "inputs"), unit_vectors(outputs, "outputs")
    if len(inputs) != len(outputs):
        raise InputError(
            f"{len(inputs)} inputs and {len(outputs)} outputs; expected an output a row of the inputs"
        )
    for name in ("output_slack", "output_gap", "duplicate_cosine"):
        check_cosine(getattr(guards, name), name)
    check_cosine(min_positive_score, "min_positive_score")
    if not guards.min_output_lift <= 1:
        raise ConfigError(f"min_output_lift={guards.min_output_lift!r}; expected a share up to 1, -inf for none")
    return inputs, outputs


def _floor(outputs: Vectors, guards: _Guards) -> _Block:
    """(n,) f_i, from where outputs are like the anchor's."""
    n = len(outputs)
    total = outputs.sum(axis=0, dtype=np.float64)
    # The mean of y_i's cosines with all others is its product with their sum.
    mean = (outputs @ total - 1) / max(n - 1, 1)
    if np.isneginf(guards.min_output_lift):
        return guards.min_output_cosine
    lifted = mean + guards.min_output_lift * (1 - mean)
    floor: _Block = np.maximum(lifted, guards.min_output_cosine).astype(np.float32)
    return floor


def _likeness(y: _Block, equal: NDArray[np.int64], rows: slice) -> _Block:
    """Cosines of outputs; 1 or -1 where one of the two is alike only if equal."""
    if (equal == -1).all():
        return y
    own = equal[rows, None]
    decided = (own != -1) | (equal != -1)
    return np.where(decided, np.where(own == equal, np.float32(1), np.float32(-1)), y)


def _alike(like: _Block, others: NDArray[np.bool_], floor: _Block, guards: _Guards) -> NDArray[np.bool_]:
    """Which of the others may be positives."""
    likest = np.where(others, like, np.float32(-np.inf)).max(axis=1, initial=-np.inf)
    least = np.maximum(floor, likest - np.float32(guards.output_slack))
    alike: NDArray[np.bool_] = others & (like >= least[:, None])
    return alike
