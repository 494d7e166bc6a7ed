r"""The vectors of a batch -> the number that training lowers: the paper's contrastive loss, and variants by name.

Knows vectors and who is who among them; nothing of texts, encoders, batches' making or optimisers. With unit
vectors :math:`q_i, p_i` of row i, hard negatives :math:`n_1 \dots n_k`, :math:`s(a, b) = a^\top b / \tau`, and
sets of candidates :math:`F_i, G_i` less the false negatives among them:

.. math::
    L = \frac{1}{n} \sum_i \Big[ \ell(q_i, p_i, F_i) + \ell(p_i, q_i, G_i) \Big], \quad
    \ell(a, b, C) = -s(a, b) + \log \Big( e^{s(a, b)} + \sum_{c \in C} e^{s(a, c)} \Big)

==============  ===============================================  ==============================
form            :math:`F_i` (anchor: query)                      :math:`G_i` (anchor: positive)
==============  ===============================================  ==============================
``full``        other rows' positives, all hard negatives        other rows' queries
``released``    all hard negatives                               other rows' queries
same side       ... and other rows' queries                      ... and other rows' positives, all hard negatives
==============  ===============================================  ==============================

Sources: Su et al. 2023, section 2.2 (one softmax over the batch, then the same with x and y swapped, added);
the original's ``train.py``, ``compute_loss``, for ``released``; Li et al. 2023 (GTE), equation 3, for texts of
the same side; Kusupati et al. 2022, equation 1, for the dimensions of a Matryoshka representation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

from instructvec.errors import ConfigError, InputError
from instructvec.training.distillation import Distillation, Held, distillation_loss, held
from instructvec.training.false_negatives import (
    Candidates,
    Identities,
    by_score,
    check_sizes,
    either,
    own_only,
    same_label,
    same_text,
)
from instructvec.training.vectors import BatchVectors, SideName, check_finite

if TYPE_CHECKING:
    import torch

Form: TypeAlias = Literal["full", "released"]
"""Which documents a query is contrasted with: those of the whole batch, or the hard negatives only."""
FORMS: tuple[Form, ...] = get_args(Form)

_FORWARD: dict[Form, tuple[SideName, ...]] = {"full": ("positives", "negatives"), "released": ("negatives",)}


@dataclass(frozen=True, slots=True)
class Objective:
    """What training lowers. The defaults are the paper's loss over the whole batch, nothing left out.

    Attributes:
        form: the candidates; see the table above.
        temperature: cosines are divided by it (the paper: 0.01); where it is learned, what it starts from.
        learn_temperature: whether the trainer makes it a parameter; see :func:`temperature.log_temperature`.
        same_side: also contrast queries with queries, and documents with documents.
        same_text: leave out candidates that the batch itself says match.
        same_label: leave out candidates of the row's label.
        match_labels: a candidate of the row's label is not only left out but a match too, each in a softmax of its
            own, and a row's term is the mean over its matches; needs ``same_label``.
        margin: leave out candidates whose cosine is above the positive's by more than this; ``None`` for none.
        dimensions: the widths whose losses are added, each of vectors cut to it; empty for the whole width.
        dimension_weights: what the loss of each is multiplied by; empty for 1 each.
        contrast_weight: what the contrastive loss is multiplied by; 0 to distil only.
        distillation: what a teacher's similarities add; ``None`` for no teacher.

    Raises:
        ConfigError: an option out of range.

    Example:
        >>> Objective(dimensions=(64, 128, 384), dimension_weights=(0.5, 0.5, 1)).form
        'full'
    """

    form: Form = "full"
    temperature: float = 0.01
    learn_temperature: bool = False
    same_side: bool = False
    same_text: bool = False
    same_label: bool = False
    match_labels: bool = False
    margin: float | None = None
    dimensions: tuple[int, ...] = ()
    dimension_weights: tuple[float, ...] = ()
    contrast_weight: float = 1.0
    distillation: Distillation | None = None

    def __post_init__(self) -> None:
        if self.form not in FORMS:
            raise ConfigError(f"form is {self.form!r}; expected one of {', '.join(FORMS)}")
        if not (isfinite(self.temperature) and self.temperature > 0):
            raise ConfigError(f"temperature is {self.temperature}; expected more than 0, such as 0.01 or 0.05")
        if self.margin is not None and not -2 <= self.margin <= 2:
            raise ConfigError(f"margin is {self.margin}; expected a difference of cosines, -2 to 2, or none")
        if self.dimensions and self.distillation is not None and self.distillation.measure == "vectors":
            raise ConfigError(
                "dimensions are given, and distillation's measure is 'vectors', which has no cut vectors "
                "to compare with; take the measure 'kl' or 'mse', or leave dimensions out"
            )
        if self.match_labels and not self.same_label:
            raise ConfigError("match_labels is true and same_label false; set same_label to true as well")
        if any(width < 1 for width in self.dimensions) or len(set(self.dimensions)) < len(self.dimensions):
            raise ConfigError(f"dimensions are {self.dimensions}; expected widths from 1, each once")
        weights = self.dimension_weights
        if weights and len(weights) != len(self.dimensions):
            raise ConfigError(f"{len(weights)} dimension_weights, {len(self.dimensions)} dimensions; give as many")
        if any(not (isfinite(weight) and weight >= 0) for weight in (*weights, self.contrast_weight)):
            raise ConfigError(
                f"contrast_weight is {self.contrast_weight} and dimension_weights {weights}; expected 0 or more"
            )

    @property
    def finds_false_negatives(self) -> bool:
        """Whether any candidate may be left out."""
        return self.same_text or self.same_label or self.margin is not None


NAMED: Mapping[str, Objective] = MappingProxyType(
    {
        "full": Objective(),
        "released": Objective(form="released"),
        "masked": Objective(same_text=True, same_label=True, margin=0.1),
        "two_sided": Objective(same_side=True, same_text=True, same_label=True, margin=0.1),
    }
)
"""Objectives by name; ``dataclasses.replace`` gives them another temperature, dimensions or a teacher."""


class Outcome(NamedTuple):
    """The loss of a batch and what is worth logging; all but ``loss`` without gradient, on the vectors' device.

    Attributes:
        loss: () float32 or better, the weighted sum over dimensions; what is backpropagated.
        forward: () mean of the query's terms, at the whole width.
        backward: () mean of the positive's terms, at the whole width.
        distillation: () unweighted, at the whole width; 0 without a teacher.
        accuracy: () share of queries to which no candidate that counts is nearer than their positive.
        left_out: () share of the candidates that were false negatives.
    """

    loss: torch.Tensor
    forward: torch.Tensor
    backward: torch.Tensor
    distillation: torch.Tensor
    accuracy: torch.Tensor
    left_out: torch.Tensor


class _Width(NamedTuple):
    """The losses at one width, with gradient."""

    forward: torch.Tensor
    backward: torch.Tensor
    distillation: torch.Tensor


def contrastive_loss(
    vectors: BatchVectors,
    objective: Objective,
    *,
    identities: Identities | None = None,
    teacher: BatchVectors | None = None,
    temperature: float | torch.Tensor | None = None,
) -> Outcome:
    """The objective of a batch; computed in float32 or better, also under autocast.

    False negatives are found once, at the whole width, without gradient.

    Args:
        vectors: of the batch; of all processes' batches where they were gathered.
        objective: what is computed.
        identities: who is who; needed where false negatives are left out by text or label.
        teacher: a teacher's vectors of the same rows, of any width; needed for distillation.
        temperature: instead of the objective's: a number (a warm-up), or a () tensor that gets a gradient.

    Raises:
        InputError: a NaN, with its row; identities or a teacher missing or of other sizes.
        ConfigError: a dimension wider than the vectors, or a temperature of 0 or less.

    Example:
        >>> import torch
        >>> x = torch.eye(2)
        >>> found = contrastive_loss(BatchVectors(x, x, x[:0]), Objective(temperature=1.0))
        >>> round(found.forward.item(), 4)  # log(1 + 1/e)
        0.3133
    """
    import torch

    _check(vectors, objective, identities, teacher)
    tau = objective.temperature if temperature is None else temperature
    if not isinstance(tau, torch.Tensor) and not (isfinite(tau) and tau > 0):
        raise ConfigError(f"temperature is {tau}; expected more than 0")
    with torch.autocast(vectors.queries.device.type, enabled=False):
        whole = vectors.unit()
        guide = None if teacher is None or objective.distillation is None else teacher.unit()
        is_held = None if objective.distillation is None else held(objective.distillation, identities)
        forward, backward = excluded(whole, objective, identities)
        alike = matched(whole, objective, identities)
        total, widths = whole.queries.new_zeros(()), {}
        for width, weight in _weights(objective, vectors.n_dimensions):
            part = whole if width == vectors.n_dimensions else vectors.unit(width)
            widths[width] = _width(part, objective, forward, backward, alike, guide, is_held, tau)
            total = total + weight * _weighted(widths[width], objective)
        with torch.no_grad():
            shown = widths.get(vectors.n_dimensions) or _width(
                whole, objective, forward, backward, alike, guide, is_held, tau
            )
            return Outcome(
                total,
                shown.forward.detach(),
                shown.backward.detach(),
                shown.distillation.detach(),
                _accuracy(whole, objective, forward),
                _share_left_out(vectors, objective, forward, backward),
            )


def info_nce(own: torch.Tensor, candidates: torch.Tensor, left_out: torch.Tensor) -> torch.Tensor:
    r"""Cross-entropy of the match among the others: :math:`-s_i + \log(e^{s_i} + \sum_{j \in C_i} e^{c_{ij}})`.

    Args:
        own: (n,) scores of the matches, divided by the temperature.
        candidates: (n, m) scores of the others; m may be 0.
        left_out: (n, m) bool, true for those that do not count; a row without any other has loss 0.

    Returns:
        (n,), each at least 0.

    Example:
        >>> import torch
        >>> info_nce(torch.tensor([100.0]), torch.tensor([[100.0, 200.0]]), torch.tensor([[False, True]]))
        tensor([0.6931])
    """
    import torch

    scores = torch.cat([own[:, None], candidates.masked_fill(left_out, -torch.inf)], dim=1)
    return scores.logsumexp(dim=1) - own


def matched_nce(
    own: torch.Tensor, candidates: torch.Tensor, left_out: torch.Tensor, matches: torch.Tensor
) -> torch.Tensor:
    r"""The mean of :func:`info_nce` over a row's matches, its own and others, each against the same candidates.

    .. math::
        \frac{1}{|P_i|} \sum_{b \in P_i} \Big[
            -s_{ib} + \log \big( e^{s_{ib}} + \sum_{j \in C_i} e^{c_{ij}} \big) \Big]

    Source: Khosla et al. 2020, equation 2 (the mean outside of the logarithm), without the other matches in the
    denominator, so that a class of many texts in the batch is not pulled apart.

    Args:
        own: (n,) scores of the rows' own matches, divided by the temperature.
        candidates: (n, m) scores of the others.
        left_out: (n, m) bool, true for those that are no negatives; the matches are among them.
        matches: (n, m) bool, true for the matches.

    Returns:
        (n,), each at least 0.

    Example:
        >>> import torch
        >>> alike, left_out = torch.tensor([[False, True]]), torch.tensor([[False, True]])
        >>> matched_nce(torch.tensor([1.0]), torch.tensor([[1.0, 1.0]]), left_out, alike)
        tensor([0.6931])
    """
    import torch

    # Not -inf: the gradient of a row without negatives would be NaN.
    log_others = candidates.masked_fill(left_out, torch.finfo(candidates.dtype).min / 4).logsumexp(dim=1)
    scores = torch.cat([own[:, None], candidates], dim=1)
    is_match = torch.cat([torch.ones_like(matches[:, :1]), matches], dim=1).to(scores.dtype)
    terms = torch.nn.functional.softplus(log_others[:, None] - scores)
    return (terms * is_match).sum(dim=1) / is_match.sum(dim=1)


def matched(unit: BatchVectors, objective: Objective, identities: Identities | None) -> Candidates | None:
    """What is a match by its label, a row's own texts not among them; ``None`` where labels make none."""
    if not objective.match_labels or identities is None:
        return None
    alike, own = same_label(identities), own_only(unit)
    if alike is None:
        return None
    return Candidates(alike.queries & ~own.queries, alike.positives & ~own.positives, alike.negatives)


def excluded(
    unit: BatchVectors, objective: Objective, identities: Identities | None
) -> tuple[Candidates, Candidates]:
    """What is left out for the queries as anchors, and for the positives as anchors.

    Args:
        unit: unit vectors, at the whole width.
        objective: the rules.
        identities: who is who; ``None`` only where neither text nor label counts.
    """
    found = own_only(unit)
    if identities is not None:
        rules = [same_text(identities) if objective.same_text else None]
        rules += [same_label(identities) if objective.same_label else None]
        for rule in rules:
            found = found if rule is None else either(found, rule)
    if objective.margin is None:
        return found, found
    return (
        either(found, by_score(unit, unit.queries, objective.margin, identities)),
        either(found, by_score(unit, unit.positives, objective.margin, identities)),
    )


def _check(
    vectors: BatchVectors, objective: Objective, identities: Identities | None, teacher: BatchVectors | None
) -> None:
    check_finite(vectors)
    if identities is not None:
        check_sizes(identities, vectors)
    elif objective.same_text or objective.same_label:
        raise InputError("same_text and same_label need to know who is who; give identities, or turn both off")
    if max(objective.dimensions, default=0) > vectors.n_dimensions:
        raise ConfigError(
            f"dimensions are {objective.dimensions}, the vectors have {vectors.n_dimensions}; leave out the wider"
        )
    if objective.distillation is None:
        return
    if teacher is None:
        raise InputError("distillation needs a teacher's vectors of the batch; give teacher, or no distillation")
    if (teacher.n_rows, len(teacher.negatives)) != (vectors.n_rows, len(vectors.negatives)):
        raise InputError(
            f"a teacher's vectors of {teacher.n_rows} rows and {len(teacher.negatives)} hard negatives; expected "
            f"{vectors.n_rows} and {len(vectors.negatives)}, as the batch has"
        )
    check_finite(teacher, "the teacher")


def _weights(objective: Objective, n_dimensions: int) -> list[tuple[int, float]]:
    dimensions = objective.dimensions or (n_dimensions,)
    return list(zip(dimensions, objective.dimension_weights or (1.0,) * len(dimensions), strict=True))


def _width(
    unit: BatchVectors,
    objective: Objective,
    forward: Candidates,
    backward: Candidates,
    alike: Candidates | None,
    teacher: BatchVectors | None,
    is_held: Held | None,
    tau: float | torch.Tensor,
) -> _Width:
    own = (unit.queries * unit.positives).sum(dim=1) / tau
    of_queries = _scores(unit, unit.queries, _forward_sides(objective), forward, tau)
    of_positives = _scores(unit, unit.positives, _backward_sides(objective), backward, tau)
    distilled = own.new_zeros(())
    if objective.distillation is not None and teacher is not None:
        distilled = distillation_loss(unit, teacher, objective.distillation, is_held)
    if alike is None:
        return _Width(info_nce(own, *of_queries).mean(), info_nce(own, *of_positives).mean(), distilled)
    queries = matched_nce(own, *of_queries, _joined(alike, _forward_sides(objective)))
    positives = matched_nce(own, *of_positives, _joined(alike, _backward_sides(objective)))
    return _Width(queries.mean(), positives.mean(), distilled)


def _weighted(width: _Width, objective: Objective) -> torch.Tensor:
    loss = objective.contrast_weight * (width.forward + width.backward)
    if objective.distillation is not None:
        loss = loss + objective.distillation.weight * width.distillation
    return loss


def _forward_sides(objective: Objective) -> tuple[SideName, ...]:
    return (*_FORWARD[objective.form], *(("queries",) if objective.same_side else ()))


def _backward_sides(objective: Objective) -> tuple[SideName, ...]:
    return ("queries", *(("positives", "negatives") if objective.same_side else ()))


def _scores(
    unit: BatchVectors,
    anchors: torch.Tensor,
    sides: tuple[SideName, ...],
    left_out: Candidates,
    tau: float | torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """((n, m) scores, (n, m) bool) of the candidates of some sides."""
    import torch

    texts = torch.cat([unit.side(side) for side in sides])
    return anchors @ texts.T / tau, _joined(left_out, sides)


def _joined(candidates: Candidates, sides: tuple[SideName, ...]) -> torch.Tensor:
    """(n, m) bool of the candidates of some sides."""
    import torch

    return torch.cat([candidates.side(side) for side in sides], dim=1)


def _accuracy(unit: BatchVectors, objective: Objective, forward: Candidates) -> torch.Tensor:
    import torch

    own = (unit.queries * unit.positives).sum(dim=1, keepdim=True)
    scores, left_out = _scores(unit, unit.queries, _forward_sides(objective), forward, 1.0)
    return (scores.masked_fill(left_out, -torch.inf) <= own).all(dim=1).to(own.dtype).mean()


def _share_left_out(
    vectors: BatchVectors, objective: Objective, forward: Candidates, backward: Candidates
) -> torch.Tensor:
    own = own_only(vectors)
    sides = [(forward, side) for side in _forward_sides(objective)]
    sides += [(backward, side) for side in _backward_sides(objective)]
    parts = [(left_out.side(side), own.side(side)) for left_out, side in sides]
    n_out = sum((out & ~self).sum() for out, self in parts)
    n_all = sum((~self).sum() for _, self in parts)
    return n_out / n_all.clamp_min(1)  # type: ignore[union-attr]  # never the empty sum
