"""What an encoder made of a batch's queries, positives and hard negatives, and cosines between them.

Knows shapes, number types and unit length; nothing of what the vectors stand for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from instructvec.errors import InputError

if TYPE_CHECKING:
    import torch

SideName: TypeAlias = Literal["queries", "positives", "negatives"]

# The floor of a length in torch.nn.CosineSimilarity, which the released code divides by.
_LENGTH_FLOOR = 1e-8


@dataclass(frozen=True, slots=True)
class BatchVectors:
    """The vectors of a batch, of any length and float type.

    A row without a hard negative has none among ``negatives``: k may be 0, n, or any other number.

    Attributes:
        queries: (n, d), an anchor a row.
        positives: (n, d), row i the match of query i.
        negatives: (k, d), the hard negatives of all rows; (0, d) where there are none.

    Raises:
        InputError: no row, or shapes that do not fit together.

    Example:
        >>> import torch
        >>> BatchVectors(torch.ones(2, 4), torch.ones(2, 4), torch.ones(0, 4)).n_rows
        2
    """

    queries: torch.Tensor
    positives: torch.Tensor
    negatives: torch.Tensor

    def __post_init__(self) -> None:
        shapes = [tuple(side.shape) for side in (self.queries, self.positives, self.negatives)]
        if not all(len(shape) == 2 for shape in shapes) or len({shape[1] for shape in shapes}) > 1:
            raise InputError(
                f"queries, positives and negatives have the shapes {shapes}; expected two axes each, the second "
                "as long on all"
            )
        if shapes[0] != shapes[1]:
            raise InputError(f"{shapes[0][0]} queries and {shapes[1][0]} positives; expected one positive a query")
        if not shapes[0][0]:
            raise InputError("a batch of no rows has no loss; expected one row or more")

    @property
    def n_rows(self) -> int:
        """n, the number of queries."""
        return len(self.queries)

    @property
    def n_dimensions(self) -> int:
        """d, the width of the vectors."""
        return int(self.queries.shape[1])

    def side(self, name: SideName) -> torch.Tensor:
        """The vectors of one side."""
        return {"queries": self.queries, "positives": self.positives, "negatives": self.negatives}[name]

    def unit(self, n_dimensions: int | None = None) -> BatchVectors:
        r"""The first dimensions, in float32 or better, at unit length: :math:`x / \max(\|x\|, 10^{-8})`."""
        return BatchVectors(
            *(_unit(side[:, :n_dimensions]) for side in (self.queries, self.positives, self.negatives))
        )


def check_finite(vectors: BatchVectors, what: str = "the batch") -> None:
    """Refuse NaN and infinity, which would spread from one row to all.

    Raises:
        InputError: naming the side and the row.
    """
    import torch

    sides = (vectors.queries, vectors.positives, vectors.negatives)
    bad = torch.cat([~torch.isfinite(side.detach()).all(dim=1) for side in sides])
    if not bool(bad.any()):
        return
    row, n = int(bad.nonzero()[0, 0]), vectors.n_rows
    side, row = next(
        (name, row - start)
        for name, start in (("negatives", 2 * n), ("positives", n), ("queries", 0))
        if row >= start
    )
    raise InputError(
        f"{what}: {side}, row {row}: the vector has a value that is NaN or infinite; expected finite ones; "
        "look at that row's text and tokens, lower the learning rate, or train in float32 or bfloat16"
    )


def _unit(vectors: torch.Tensor) -> torch.Tensor:
    import torch

    if vectors.dtype in (torch.float16, torch.bfloat16):
        vectors = vectors.float()
    lengths: torch.Tensor = torch.linalg.vector_norm(vectors, dim=1, keepdim=True)
    return vectors / lengths.clamp_min(_LENGTH_FLOOR)
