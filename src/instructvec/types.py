"""The values that travel between the rooms, and the two protocols that let rooms be exchanged.

Knows shapes and dtypes; nothing of tokenizers, files or matrix libraries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from instructvec.checkpoints.contract import EmbeddingContract
    from instructvec.instruction import Instruction

Ids: TypeAlias = NDArray[np.int64]
Mask: TypeAlias = NDArray[np.bool_]
Vectors: TypeAlias = NDArray[Any]
"""(n, dimension); float32 unless another precision was asked for."""

Joining: TypeAlias = Literal["instructor", "instructor-1.0.2", "prompt", "exact"]
Precision: TypeAlias = Literal["float32", "float16", "int8", "uint8", "binary", "ubinary"]
LongText: TypeAlias = Literal["truncate", "chunk", "error"]
Backend: TypeAlias = Literal["auto", "onnx", "torch"]
Family: TypeAlias = Literal["bert", "roberta", "mpnet", "distilbert", "t5", "modernbert", "decoder"]
PoolingMode: TypeAlias = Literal["mean", "cls", "max", "last", "weighted_mean", "mean_sqrt_len"]
Activation: TypeAlias = Literal["gelu", "gelu_tanh", "relu", "silu", "tanh", "sigmoid", "identity"]
Similarity: TypeAlias = Literal["cosine", "dot", "euclidean", "manhattan"]
Half: TypeAlias = Literal["all", "development", "test"]
"""Which scored rows of a task: all, those for decisions, or those for reports."""

HALVES: tuple[Half, ...] = ("all", "development", "test")
JOININGS: tuple[Joining, ...] = ("instructor", "instructor-1.0.2", "prompt", "exact")
PRECISIONS: tuple[Precision, ...] = ("float32", "float16", "int8", "uint8", "binary", "ubinary")
LONG_TEXTS: tuple[LongText, ...] = ("truncate", "chunk", "error")


@dataclass(frozen=True, slots=True)
class Pairs:
    """Validated inputs: one (instruction, text) pair a row.

    Attributes:
        instructions: n strings; ``None`` where the row was given without an instruction
            (a plain string), which is not the same as an empty one: REFERENCE rules differ.
        texts: n strings, as given.
    """

    instructions: list[str | None]
    texts: list[str]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class TokenRows:
    """Tokenised texts as one ragged array: row i is ``ids[offsets[i]:offsets[i + 1]]``.

    Attributes:
        ids: (total,) int64, token ids of all rows, one row after the other, unpadded.
        pooled: (total,) bool, true where the token counts in the pooling; at least one a row.
        offsets: (n + 1,) int64.
        full_lengths: (n,) int64, tokens each row had before it was cut to the limit.
        owners: (n,) int64, which input each row belongs to; ``arange(n)`` unless long texts
            were chunked, when an input owns one row a chunk, in order.
    """

    ids: Ids
    pooled: Mask
    offsets: NDArray[np.int64]
    full_lengths: NDArray[np.int64]
    owners: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(n,) int64, tokens in each row."""
        return np.diff(self.offsets)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows of like length, padded on the right to the longest, and where they came from.

    Attributes:
        ids: (batch, tokens) int64; padding holds the pad id.
        attention_mask: (batch, tokens) bool, true where a token is seen.
        pooling_mask: (batch, tokens) bool, true where a token counts in the pooling.
        rows: (batch,) int64, the place of each row in the caller's result.
    """

    ids: Ids
    attention_mask: Mask
    pooling_mask: Mask
    rows: NDArray[np.int64]


@runtime_checkable
class Engine(Protocol):
    """What multiplies the matrices: a batch of ids and masks in, finished vectors out."""

    @property
    def name(self) -> str:
        """``"onnx"``, ``"torch"``, …: what ``Embedder.backend`` shows."""
        ...

    @property
    def device(self) -> str:
        """``"cpu"``, ``"cuda:0"``, …"""
        ...

    @property
    def dtype(self) -> str:
        """The number type the matrices are held in: ``"float32"``, ``"int8"``, ``"bfloat16"``, …"""
        ...

    @property
    def workers(self) -> int:
        """How many batches :meth:`run` serves well at the same time, from threads of the caller."""
        ...

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """(batch, dimension) float32: pooled, and projected and normalised as the checkpoint says."""
        ...


EncodeInput: TypeAlias = "str | Sequence[str] | Sequence[Sequence[str]]"
EncodeInstruction: TypeAlias = "str | Instruction | Sequence[str | Instruction | None] | None"


@runtime_checkable
class Encoder(Protocol):
    """What everything above the embedder sees of it."""

    @property
    def dimension(self) -> int:
        """Width of the vectors."""
        ...

    def encode(self, inputs: EncodeInput, instruction: EncodeInstruction = None) -> Vectors:
        """(n, dimension) vectors in input order."""
        ...

    def contract(self, instruction: EncodeInstruction = None) -> EmbeddingContract:
        """Under which model, instruction, joining and precision :meth:`encode` makes them."""
        ...
