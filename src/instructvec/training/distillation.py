r"""A teacher's vectors of a batch -> how far the student's similarities are from the teacher's.

Knows cosines of both; nothing of the contrastive loss that this is added to, or of where a teacher comes from.
A teacher's vectors may be of another width, so that a smaller student, or a truncated one, can be held to it.
Source: Hinton et al. 2015 (softened outputs); Fang et al. 2021, SEED (similarities in the batch as outputs).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias, get_args

from instructvec.errors import ConfigError
from instructvec.training.false_negatives import UNKNOWN, Identities
from instructvec.training.vectors import BatchVectors

if TYPE_CHECKING:
    import torch

Measure: TypeAlias = Literal["kl", "mse", "vectors"]
"""The divergence of softmaxed similarities, the squared difference of cosines, or how far vectors have moved."""
MEASURES: tuple[Measure, ...] = get_args(Measure)


@dataclass(frozen=True, slots=True)
class Distillation:
    """How a student is held to a teacher's similarities.

    Attributes:
        measure: ``"kl"`` or ``"mse"``; or ``"vectors"`` for a teacher in the student's own space, such as the
            checkpoint it started from: that holds texts in place that never meet in a batch.
        weight: what its loss is multiplied by before it is added.
        temperature: of both softmaxes of ``"kl"``; apart from the contrastive loss's, which may be sharper.
        labelled: whether rows with a label and contrasts are held too; without, only rows whose match says what
            they mean: a teacher that does not know the goal has nothing to say of the others.

    Raises:
        ConfigError: an option out of range.
    """

    measure: Measure = "kl"
    weight: float = 1.0
    temperature: float = 0.05
    labelled: bool = True

    def __post_init__(self) -> None:
        if self.measure not in MEASURES:
            raise ConfigError(f"measure is {self.measure!r}; expected one of {', '.join(MEASURES)}")
        if not (isfinite(self.weight) and self.weight >= 0):
            raise ConfigError(f"weight is {self.weight}; expected 0 or more")
        if not (isfinite(self.temperature) and self.temperature > 0):
            raise ConfigError(f"temperature is {self.temperature}; expected more than 0")


class Held(NamedTuple):
    """Which rows of a batch a teacher has a say in.

    Attributes:
        rows: (n,) bool.
        negatives: (k,) bool, the hard negatives of those rows.
    """

    rows: torch.Tensor
    negatives: torch.Tensor


def held(options: Distillation, identities: Identities | None) -> Held | None:
    """The rows without a label that stand in no contrast; ``None`` for all rows."""
    if options.labelled or identities is None:
        return None
    rows = identities.queries == identities.queries
    for codes in (identities.labels, identities.groups):
        if codes is not None:
            rows = rows & (codes == UNKNOWN)
    return Held(rows, rows[identities.negative_rows])


def distillation_loss(
    student: BatchVectors, teacher: BatchVectors, options: Distillation, is_held: Held | None = None
) -> torch.Tensor:
    """The unweighted loss: :func:`kl_divergence` in both directions, :func:`squared_error`, or :func:`moved`.

    Args:
        student: unit vectors.
        teacher: unit vectors of the same rows; get no gradient.
        options: the measure and its temperature.
        is_held: rows that count; ``None`` for all.

    Returns:
        () float32 or better; 0 where no row counts.
    """
    if is_held is not None:
        if not is_held.rows.any():
            return student.queries.new_zeros(())
        student, teacher = (
            BatchVectors(of.queries[is_held.rows], of.positives[is_held.rows], of.negatives[is_held.negatives])
            for of in (student, teacher)
        )
    if options.measure == "vectors":
        return moved(student, teacher)
    ours, theirs = _cosines(student), _cosines(teacher).detach()
    theirs = theirs.to(ours.dtype)
    if options.measure == "mse":
        return squared_error(ours, theirs)
    n = student.n_rows
    forward = kl_divergence(ours, theirs, options.temperature)
    return forward + kl_divergence(ours[:, :n].T, theirs[:, :n].T, options.temperature)


def kl_divergence(student: torch.Tensor, teacher: torch.Tensor, temperature: float) -> torch.Tensor:
    r"""How much the student's distribution over the candidates is off the teacher's.

    .. math::
        \frac{1}{n} \sum_i \sum_j t_{ij} (\log t_{ij} - \log s_{ij}), \quad
        s_i = \operatorname{softmax}(S_i / \tau), \quad t_i = \operatorname{softmax}(T_i / \tau)

    Args:
        student: (n, m) cosines S.
        teacher: (n, m) cosines T.
        temperature: the tau of both.

    Returns:
        () at least 0, and 0 where each row's cosines differ by a constant only.

    Example:
        >>> import torch
        >>> kl_divergence(torch.tensor([[0.1, 0.3]]), torch.tensor([[0.5, 0.7]]), 0.1).abs().item() < 1e-6
        True
    """
    log_s, log_t = ((cosines / temperature).log_softmax(dim=1) for cosines in (student, teacher))
    return (log_t.exp() * (log_t - log_s)).sum(dim=1).mean()


def squared_error(student: torch.Tensor, teacher: torch.Tensor) -> torch.Tensor:
    r""":math:`\frac{1}{nm} \sum_{ij} (S_{ij} - T_{ij})^2`, of (n, m) cosines.

    Example:
        >>> import torch
        >>> squared_error(torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 0.0]])).item()
        0.5
    """
    return (student - teacher).square().mean()


def moved(student: BatchVectors, teacher: BatchVectors) -> torch.Tensor:
    r"""The mean of :math:`1 - \cos(s_i, t_i)` over all texts, of unit vectors of one width.

    Raises:
        ConfigError: the teacher's vectors are of another width.

    Example:
        >>> import torch
        >>> x = torch.eye(2)
        >>> moved(BatchVectors(x, x, x[:0]), BatchVectors(x, x.flip(0), x[:0])).item()
        0.5
    """
    import torch

    if student.n_dimensions != teacher.n_dimensions:
        raise ConfigError(
            f"distillation's measure is 'vectors', and the teacher's have {teacher.n_dimensions} dimensions, the "
            f"student's {student.n_dimensions}; take a teacher in the student's own space, or the measure 'kl'"
        )
    ours, theirs = (torch.cat([of.queries, of.positives, of.negatives]) for of in (student, teacher))
    return 1 - (ours * theirs.detach().to(ours.dtype)).sum(dim=1).mean()


def _cosines(vectors: BatchVectors) -> torch.Tensor:
    """(n, n + k): queries by positives and hard negatives."""
    import torch

    return vectors.queries @ torch.cat([vectors.positives, vectors.negatives]).T
