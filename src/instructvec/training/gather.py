"""Each process's batch -> the batch of all processes, with gradient for the process's own rows.

Knows ``torch.distributed``; nothing of what the rows mean. Every process computes the loss of the whole batch,
whose gradient by its own vectors is then exact: what its documents do as negatives elsewhere is in it. The
encoder's gradient is the sum over processes; ``DistributedDataParallel`` takes the mean, so multiply the loss by
the number of processes there. A parameter of the loss, such as a temperature, has its whole gradient on each.
Source: Gao et al. 2021 (GradCache), section 3.3.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from instructvec.errors import InputError
from instructvec.training.false_negatives import UNKNOWN, Identities
from instructvec.training.vectors import BatchVectors

if TYPE_CHECKING:
    import torch


class Gathered(NamedTuple):
    """The batch of all processes, in the order of their ranks.

    Attributes:
        vectors: with gradient in the own rows only.
        identities: as given, hard negatives pointing at the rows of the whole batch.
        teacher: as given.
        n_processes: what to multiply the loss by where gradients are averaged.
    """

    vectors: BatchVectors
    identities: Identities | None
    teacher: BatchVectors | None
    n_processes: int


def gather(
    vectors: BatchVectors, identities: Identities | None = None, teacher: BatchVectors | None = None
) -> Gathered:
    """The batches of all processes as one; what was given where there is one process.

    Every process must call it, with the same arguments present, and rows of the same width; numbers of rows and of
    hard negatives may differ.

    Args:
        vectors: of this process's rows.
        identities: of them.
        teacher: of them.

    Raises:
        InputError: processes that differ in width, or in what they give; on all of them.

    Example:
        >>> import torch
        >>> x = torch.eye(2)
        >>> gather(BatchVectors(x, x, x[:0])).n_processes
        1
    """
    import torch.distributed as dist

    if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
        return Gathered(vectors, identities, teacher, 1)
    sizes = _sizes(vectors, identities, teacher)
    rows = [size[0] for size in sizes]
    return Gathered(
        _gather_vectors(vectors, sizes),
        None if identities is None else _gather_identities(identities, sizes, sum(rows[: dist.get_rank()])),
        None if teacher is None else _gather_vectors(teacher, sizes),
        len(sizes),
    )


def gather_rows(rows: torch.Tensor, sizes: list[int]) -> torch.Tensor:
    """(sum of sizes, …): every process's rows, the own ones as given, with their gradient.

    Args:
        rows: (own size, …) of this process.
        sizes: rows of each process, by rank.
    """
    import torch
    import torch.distributed as dist

    padded = rows.new_zeros((max(sizes), *rows.shape[1:]))
    padded[: len(rows)] = rows.detach()
    received = [torch.empty_like(padded) for _ in sizes]
    dist.all_gather(received, padded)
    parts = [of[:size] for of, size in zip(received, sizes, strict=True)]
    parts[dist.get_rank()] = rows
    return torch.cat(parts)


def _sizes(
    vectors: BatchVectors, identities: Identities | None, teacher: BatchVectors | None
) -> list[tuple[int, int]]:
    """Rows and hard negatives of each process."""
    import torch

    own = [vectors.n_rows, len(vectors.negatives), vectors.n_dimensions, identities is not None]
    own += [0 if teacher is None else teacher.n_dimensions]
    table = gather_rows(torch.tensor([own], device=vectors.queries.device), [1] * _n_processes()).tolist()
    for rank, of in enumerate(table):
        if of[2:] != table[0][2:]:
            raise InputError(
                f"process {rank} has (width, identities, teacher's width) {of[2:]} and process 0 {table[0][2:]}; "
                "expected the same of all"
            )
    return [(of[0], of[1]) for of in table]


def _n_processes() -> int:
    import torch.distributed as dist

    return dist.get_world_size()


def _gather_vectors(vectors: BatchVectors, sizes: list[tuple[int, int]]) -> BatchVectors:
    import torch

    dtype = torch.promote_types(vectors.queries.dtype, torch.float32)  # gloo has no 16-bit floats everywhere
    n_rows, n_negatives = ([size[side] for size in sizes] for side in (0, 1))
    both = gather_rows(torch.cat([vectors.queries, vectors.positives], dim=1).to(dtype), n_rows)
    queries, positives = both.chunk(2, dim=1)
    return BatchVectors(queries, positives, gather_rows(vectors.negatives.to(dtype), n_negatives))


def _gather_identities(of: Identities, sizes: list[tuple[int, int]], first_row: int) -> Identities:
    import torch

    n_rows, n_negatives = ([size[side] for size in sizes] for side in (0, 1))
    labels, groups = (
        torch.full_like(of.queries, UNKNOWN) if one is None else one for one in (of.labels, of.groups)
    )
    negative_labels = of.negative_labels
    if negative_labels is None:
        negative_labels = torch.full_like(of.negatives, UNKNOWN)
    rows = gather_rows(torch.stack([of.queries, of.positives, labels, groups], dim=1), n_rows)
    columns = torch.stack([of.negatives, of.negative_rows + first_row, negative_labels], dim=1)
    negatives = gather_rows(columns, n_negatives)
    return Identities(
        rows[:, 0], rows[:, 1], negatives[:, 0], negatives[:, 1], rows[:, 2], negatives[:, 2], rows[:, 3]
    )
