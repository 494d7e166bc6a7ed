"""Row numbers -> what an encoder takes: tensors of like lengths with their masks, and who is who among the texts.

Knows in which order the road's rooms follow one another; the rooms are those that encode for users, so a text is
joined, cut and pooled in training as in use. Nothing of models or losses.
Source: Su et al. 2023, section 2.2: the mean over the text's tokens, not the instruction's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.spec import CheckpointSpec
from instructvec.encoding.batches import collate, plan
from instructvec.encoding.tokens import Tokenizer
from instructvec.errors import InputError
from instructvec.medi.triplets import Side, Triplet
from instructvec.training.detail import CONTRADICTING, Detail, reworded
from instructvec.training.false_negatives import Identities
from instructvec.training.mixture import TrainingMixture
from instructvec.training.row_ids import RowIds
from instructvec.training.rows import RowNumbers
from instructvec.training.vectors import BatchVectors
from instructvec.types import Pairs, TokenRows

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True, slots=True)
class SubBatch:
    """Texts of like length, for one run of the encoder.

    Attributes:
        ids: (b, tokens) int64, padded on the right.
        attention_mask: (b, tokens) bool, true where a token is seen.
        pooling_mask: (b, tokens) bool, true where a token counts in the pooling.
    """

    ids: torch.Tensor
    attention_mask: torch.Tensor
    pooling_mask: torch.Tensor

    def to(self, device: torch.device | str) -> SubBatch:
        """On another device."""
        tensors = (self.ids, self.attention_mask, self.pooling_mask)
        return SubBatch(*(tensor.to(device, non_blocking=True) for tensor in tensors))


@dataclass(frozen=True, slots=True)
class TrainingBatch:
    """A batch of n rows and k hard negatives: 2n + k texts.

    Attributes:
        sub_batches: all texts, the longest first.
        places: (2n + k,) int64, which text each vector is of, in the order of the sub-batches: queries from 0,
            positives from n, hard negatives from 2n.
        identities: for leaving out false negatives.
        n_rows: n.
        n_tokens: tokens the encoder sees, instructions included, padding not.
        n_padded: tokens with padding.
        n_truncated: texts that lost their tail.
    """

    sub_batches: tuple[SubBatch, ...]
    places: torch.Tensor
    identities: Identities
    n_rows: int
    n_tokens: int
    n_padded: int
    n_truncated: int

    def sides(self, vectors: torch.Tensor) -> BatchVectors:
        """Sort vectors by what they stand for.

        Args:
            vectors: (2n + k, d), those of the sub-batches one after the other.
        """
        import torch

        order = torch.argsort(self.places).to(vectors.device)
        sorted_vectors = vectors.index_select(0, order)
        n = self.n_rows
        return BatchVectors(sorted_vectors[:n], sorted_vectors[n : 2 * n], sorted_vectors[2 * n :])


class Collator:
    """Makes batches of one mixture's rows for one checkpoint.

    Args:
        mixture: the rows and their ids.
        spec: the checkpoint, with the joining and limit that it is trained and used with.
        tokenizer: its tokenizer.
        max_batch_tokens: padded tokens of a sub-batch at most; a longer text stands alone.
        max_batch_rows: texts of a sub-batch at most; ``None`` for no limit.
        instructions: how much of its instruction each text has before it; less than all is for comparison.

    Raises:
        ConfigError: a budget of no tokens, or simple instructions for datasets of which no manifest tells.

    Example:
        >>> from pathlib import Path
        >>> from instructvec.checkpoints.layout import read_spec
        >>> from instructvec.embedder import BUNDLED
        >>> from instructvec.medi.triplets import Side
        >>> from instructvec.training.mixture import mixture_of
        >>> row = Triplet(Side("Topic: ", "rain"), Side("Topic: ", "snow"), None, "weather", "label", "labelled")
        >>> spec = read_spec(BUNDLED)
        >>> tokenizer = Tokenizer.load(spec.transformer_folder, pad_token_id=spec.architecture.pad_token_id)
        >>> batch = Collator(mixture_of([row]), spec, tokenizer)([0])
        >>> batch.n_rows, batch.sub_batches[0].pooling_mask.tolist()
        (1, [[False, False, False, True, True], [False, False, False, True, True]])
    """

    def __init__(
        self,
        mixture: TrainingMixture,
        spec: CheckpointSpec,
        tokenizer: Tokenizer,
        *,
        max_batch_tokens: int = 16_384,
        max_batch_rows: int | None = None,
        instructions: Detail = "as_written",
    ) -> None:
        self._mixture = mixture
        self._spec = spec
        self._tokenizer = tokenizer
        self._max_batch_tokens = max_batch_tokens
        self._max_batch_rows = max_batch_rows
        self._detail: Detail = instructions
        names = dict.fromkeys(name for unit in mixture.units for name in unit.datasets)
        self._reworded = reworded(self._detail, names, mixture.facts)
        plan(np.ones(1, np.int64), max_batch_tokens=max_batch_tokens, max_batch_rows=max_batch_rows)  # refuses

    def __call__(self, rows: RowNumbers) -> TrainingBatch:
        """The batch of the given rows.

        Raises:
            InputError: no row, a row that cannot be encoded (it names the row), or one that says nothing without
                its instruction.
        """
        import torch

        numbers = np.asarray(rows, np.int64)
        triplets = self._mixture.rows.triplets(numbers)
        if not triplets:
            raise InputError("a batch of no rows; expected one row or more")
        negative_rows = np.flatnonzero([one.negative is not None for one in triplets])
        n = len(triplets)
        owners = np.concatenate([np.arange(n), np.arange(n), negative_rows])
        tokens = self._tokens(triplets, numbers, owners)
        groups = plan(tokens.lengths, max_batch_tokens=self._max_batch_tokens, max_batch_rows=self._max_batch_rows)
        sub_batches = tuple(self._sub_batch(tokens, group) for group in groups)
        return TrainingBatch(
            sub_batches=sub_batches,
            places=torch.from_numpy(np.concatenate(groups)),
            identities=self._identities(self._mixture.ids.of(numbers), negative_rows),
            n_rows=n,
            n_tokens=len(tokens.ids),
            n_padded=sum(one.ids.numel() for one in sub_batches),
            n_truncated=int(np.count_nonzero(tokens.full_lengths > tokens.lengths)),
        )

    def _tokens(
        self, triplets: Sequence[Triplet], numbers: NDArray[np.int64], owners: NDArray[np.int64]
    ) -> TokenRows:
        """Queries, positives, hard negatives through the road's first rooms."""
        _check_rules(triplets, numbers, self._detail)
        sides = [one.query for one in triplets] + [one.positive for one in triplets]
        sides += [one.negative for one in triplets if one.negative is not None]
        return self._tokenizer.tokenize(
            Pairs(self._instructions(triplets, sides, owners), [side.text for side in sides]),
            joining=self._spec.joining,
            max_seq_length=self._spec.max_seq_length,
            include_prompt=self._spec.pooling.include_prompt,
            row_numbers=numbers[owners],
        )

    def _instructions(
        self, triplets: Sequence[Triplet], sides: Sequence[Side], owners: NDArray[np.int64]
    ) -> list[str | None]:
        """What each text is joined with; where it has none, the embedder's own default."""
        name = self._spec.default_prompt_name
        default = None if name is None else self._spec.prompts.get(name)
        if self._detail == "none":
            return [default] * len(sides)
        if self._reworded is None:
            return [side.instruction or default for side in sides]
        said = [self._reworded[triplets[owner].dataset] for owner in owners]
        return [one.query if at < len(triplets) else one.document for at, one in enumerate(said)]

    def _sub_batch(self, tokens: TokenRows, group: NDArray[np.int64]) -> SubBatch:
        import torch

        padded = collate(tokens, group, pad_token_id=self._tokenizer.pad_token_id)
        return SubBatch(*map(torch.from_numpy, (padded.ids, padded.attention_mask, padded.pooling_mask)))

    def _identities(self, ids: RowIds, negative_rows: NDArray[np.int64]) -> Identities:
        import torch

        # Without instructions, or under a sentence that datasets share, a text is the same for all goals.
        pairs = ids.texts if self._detail in ("none", "simple") else ids.pairs
        arrays = (
            pairs[:, 0],
            pairs[:, 1],
            pairs[negative_rows, 2],
            negative_rows,
            ids.labels,
            ids.negative_labels[negative_rows],
            ids.groups,
        )
        return Identities(*(torch.from_numpy(np.ascontiguousarray(array)) for array in arrays))


def _check_rules(triplets: Sequence[Triplet], numbers: NDArray[np.int64], detail: Detail) -> None:
    """Refuse rows that only their own instructions make true."""
    refused = CONTRADICTING[detail]
    for number, one in zip(numbers, triplets, strict=True):
        if one.rule in refused:
            raise InputError(
                f"row {number} was made by the rule {one.rule!r} and contradicts itself or another where its own "
                f"instruction is not read (instructions is {detail!r}); leave out rows by "
                f"{' and '.join(refused)}: without_rules"
            )
