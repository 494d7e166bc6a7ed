r"""Who is who in a batch -> which other texts must not count as a row's negatives, because they match it.

Knows ids, labels and groups as numbers; nothing of texts, or of how the vectors were made.

A candidate is left out of row i's denominators where
 - **same text**: some row of the batch has it and row i's anchor as query and positive, in either order, or it is
   the anchor itself. Ids are of an instruction *and* a text, so that the same text under another goal is another
   text, and stays a negative;
 - **same label**: its row has row i's label;
 - **score**: :math:`\cos(a_i, c) > \cos(q_i, p_i) + m`, as in Moreira et al. 2024 (NV-Retriever, section 3.1).
Rows of one group contrast with each other on purpose: between them neither label nor score leaves anything out.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from instructvec.errors import InputError
from instructvec.training.vectors import BatchVectors, SideName

if TYPE_CHECKING:
    import torch

UNKNOWN = -1
"""The label of a row without a label, and the group of a row that stands alone."""


def text_id(instruction: str, text: str) -> int:
    """A number for a text under an instruction: 64 bits, signed, the same in every process.

    Wordings of one goal are the caller's to unite: give the goal's first wording for all of them, and a text under
    two paraphrases is one text.

    Example:
        >>> text_id("Topic: ", "rain") == text_id("Topic: ", "rain")
        True
        >>> text_id("Topic: ", "rain") == text_id("Mood: ", "rain")
        False
    """
    head, body = (part.encode("utf-8", "surrogatepass") for part in (instruction, text))
    digest = blake2b(len(head).to_bytes(8, "little") + head + body, digest_size=8).digest()
    return int.from_bytes(digest, "little", signed=True)


@dataclass(frozen=True, slots=True)
class Identities:
    """Who is who in a batch of n rows and k hard negatives; all int64, ids by :func:`text_id`.

    Attributes:
        queries: (n,) ids.
        positives: (n,) ids.
        negatives: (k,) ids.
        negative_rows: (k,) the row that each was chosen for.
        labels: (n,) a number a label, shared by query and positive, other numbers for the labels of other goals;
            ``UNKNOWN`` (-1) or ``None`` where there is none.
        negative_labels: (k,) the same of the hard negatives.
        groups: (n,) the same number for rows that contrast with each other; ``UNKNOWN`` or ``None`` for none.

    Raises:
        InputError: shapes or number types that do not fit, or hard negatives of rows that are not there.
    """

    queries: torch.Tensor
    positives: torch.Tensor
    negatives: torch.Tensor
    negative_rows: torch.Tensor
    labels: torch.Tensor | None = None
    negative_labels: torch.Tensor | None = None
    groups: torch.Tensor | None = None

    def __post_init__(self) -> None:
        n, k = len(self.queries), len(self.negatives)
        lengths = {"positives": n, "negative_rows": k, "labels": n, "negative_labels": k, "groups": n}
        for name, length in ({"queries": n, "negatives": k} | lengths).items():
            values = getattr(self, name)
            if values is None:
                continue
            if values.is_floating_point() or values.is_complex():
                raise InputError(f"{name} has numbers of {values.dtype}; expected int64, which holds an id whole")
            if tuple(values.shape) != (length,):
                raise InputError(f"{name} has the shape {tuple(values.shape)}; expected ({length},)")
        if k and not 0 <= int(self.negative_rows.min()) <= int(self.negative_rows.max()) < n:
            raise InputError(f"negative_rows point beyond the batch; expected rows from 0 to {n - 1}")


@dataclass(frozen=True, slots=True)
class Candidates:
    """For each row, which texts of the batch are left out; true is out.

    Attributes:
        queries: (n, n) bool, the diagonal true: a row's own query is its anchor or its match.
        positives: (n, n) bool, the diagonal true.
        negatives: (n, k) bool.
    """

    queries: torch.Tensor
    positives: torch.Tensor
    negatives: torch.Tensor

    def side(self, name: SideName) -> torch.Tensor:
        """Those of one side."""
        return {"queries": self.queries, "positives": self.positives, "negatives": self.negatives}[name]


def own_only(vectors: BatchVectors) -> Candidates:
    """Nothing left out but each row's own query and positive."""
    import torch

    own = torch.eye(vectors.n_rows, dtype=torch.bool, device=vectors.queries.device)
    return Candidates(own, own, own.new_zeros((vectors.n_rows, len(vectors.negatives))))


def check_sizes(identities: Identities, vectors: BatchVectors) -> None:
    """Refuse identities of another batch.

    Raises:
        InputError: other numbers of rows or of hard negatives.
    """
    sizes = (len(identities.queries), len(identities.negatives))
    expected = (vectors.n_rows, len(vectors.negatives))
    if sizes != expected:
        raise InputError(f"identities of {sizes} rows and hard negatives; the vectors are of {expected}")


def same_text(identities: Identities) -> Candidates:
    """Left out because the batch itself says that they match, or are the anchor: the module's first rule.

    Example:
        >>> import torch
        >>> ids = Identities(*(torch.tensor(ids) for ids in ([1, 1], [2, 3], [2], [1])))
        >>> same_text(ids).negatives.tolist()  # 2 is no negative of query 1, whose positive it is in row 0
        [[True], [True]]
    """
    import torch

    queries, positives = identities.queries, identities.positives
    documents = torch.cat([positives, identities.negatives])
    known = torch.cat([queries, positives]), torch.cat([positives, queries])
    matches = _known_pairs(queries, documents, *known) | (queries[:, None] == documents)
    other = _known_pairs(positives, queries, *known) | (positives[:, None] == queries)
    n = len(queries)
    return Candidates(other, matches[:, :n], matches[:, n:])


def same_label(identities: Identities) -> Candidates | None:
    """Left out because of equal labels; ``None`` where the batch has no labels."""
    import torch

    if identities.labels is None:
        return None
    labels, negative_labels = identities.labels, identities.negative_labels
    if negative_labels is None:
        negative_labels = torch.full_like(identities.negatives, UNKNOWN)
    rows, negatives = (
        (labels[:, None] == of) & (labels != UNKNOWN)[:, None] & ~part
        for of, part in zip((labels, negative_labels), same_group(identities), strict=True)
    )
    return Candidates(rows, rows, negatives)


def by_score(
    unit: BatchVectors, anchors: torch.Tensor, margin: float, identities: Identities | None
) -> Candidates:
    """Left out because they are nearer to the anchor than the match is, by more than the margin; without gradient.

    Args:
        unit: unit vectors.
        anchors: (n, d), its queries or its positives.
        margin: a difference of cosines.
        identities: for groups; ``None`` for none.
    """
    import torch

    with torch.no_grad():
        limit = (unit.queries * unit.positives).sum(dim=1, keepdim=True) + margin
        above = [anchors @ side.T > limit for side in (unit.queries, unit.positives, unit.negatives)]
    if identities is not None:
        rows, negatives = same_group(identities)
        above = [of & ~part for of, part in zip(above, (rows, rows, negatives), strict=True)]
    return Candidates(*above)


def either(a: Candidates, b: Candidates) -> Candidates:
    """Left out by one or the other."""
    return Candidates(a.queries | b.queries, a.positives | b.positives, a.negatives | b.negatives)


def same_group(identities: Identities) -> tuple[torch.Tensor, torch.Tensor]:
    """((n, n), (n, k)) bool: true where row and candidate are of one group."""
    import torch

    groups = identities.groups
    if groups is None:
        groups = torch.full_like(identities.queries, UNKNOWN)
    alike = (groups[:, None] == groups) & (groups != UNKNOWN)[:, None]
    return alike, alike[:, identities.negative_rows]


def _known_pairs(
    rows: torch.Tensor, columns: torch.Tensor, firsts: torch.Tensor, seconds: torch.Tensor
) -> torch.Tensor:
    """(rows, columns) bool: whether (row's id, column's id) is among the pairs (first, second)."""
    import torch

    row_ids, row_at = torch.unique(rows, return_inverse=True)
    column_ids, column_at = torch.unique(columns, return_inverse=True)
    first_at, has_first = _find(row_ids, firsts)
    second_at, has_second = _find(column_ids, seconds)
    both = has_first & has_second
    # The last row and column take the pairs that are not here: picking them out would wait for the device.
    table = torch.zeros((len(row_ids) + 1, len(column_ids) + 1), dtype=torch.bool, device=rows.device)
    table[torch.where(both, first_at, len(row_ids)), torch.where(both, second_at, len(column_ids))] = True
    return table[row_at][:, column_at]


def _find(ids: torch.Tensor, wanted: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Where each is in sorted ids, and whether it is there."""
    import torch

    if not len(ids):
        return torch.zeros_like(wanted), torch.zeros_like(wanted, dtype=torch.bool)
    at = torch.searchsorted(ids, wanted).clamp_max(len(ids) - 1)
    return at, ids[at] == wanted
