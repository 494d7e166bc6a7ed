"""One group of rows -> one Arrow table with their vectors: the pure unit of bulk work.

Whoever calls it, the local driver or a worker of a cluster, gets the same table. Knows rows and an encoder;
nothing of files, order of work or progress.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from instructvec.corpus.rows import EMBEDDING, OnError, Rejection, Rows
from instructvec.errors import FileError, InputError
from instructvec.types import EncodeInstruction, LongText, Precision, Vectors

if TYPE_CHECKING:
    import pyarrow as pa

    from instructvec.checkpoints.contract import EmbeddingContract
    from instructvec.road import Encoded


@dataclass(frozen=True, slots=True)
class EncodeConfig:
    """How the rows of one job are encoded; each field as in ``Embedder.encode``.

    Attributes:
        instruction: one for all rows; ``None`` for the model's default, or where a column holds them.
        normalize_embeddings: ``None`` does as the model says.
        truncate_dim: keep this many dimensions; ``None`` keeps all.
        precision: number type of the vectors.
        long_text: what becomes of texts over ``max_seq_length``; ``None`` cuts and counts them.
        max_batch_tokens: padded tokens of one batch at most; ``None`` leaves it to the embedder.
    """

    instruction: str | None = None
    normalize_embeddings: bool | None = None
    truncate_dim: int | None = None
    precision: Precision = "float32"
    long_text: LongText | None = None
    max_batch_tokens: int | None = None


class ShardEncoder(Protocol):
    """What bulk work needs of an embedder; a test double implements these two."""

    def encode_counted(
        self,
        inputs: Sequence[str],
        instruction: EncodeInstruction = None,
        *,
        max_batch_tokens: int | None = None,
        normalize_embeddings: bool | None = None,
        truncate_dim: int | None = None,
        precision: Precision = "float32",
        long_text: LongText | None = None,
    ) -> Encoded:
        """(n, d) vectors in input order, and how many tokens were seen and texts cut."""
        ...

    def contract(
        self,
        instruction: EncodeInstruction = None,
        *,
        normalize_embeddings: bool | None = None,
        truncate_dim: int | None = None,
        precision: Precision = "float32",
        long_text: LongText | None = None,
    ) -> EmbeddingContract:
        """Under which model, instruction and precision they are made."""
        ...


@dataclass(frozen=True, slots=True)
class Shard:
    """A finished group of rows.

    Attributes:
        table: the input's columns and ``embedding``, a fixed-size list of the asked number type.
        rejected: rows left out.
        n_tokens: tokens the model saw; equal texts count once.
        n_truncated: texts that lost their tail at ``max_seq_length``.
    """

    table: pa.Table
    rejected: list[Rejection]
    n_tokens: int
    n_truncated: int


def embed_rows(encoder: ShardEncoder, rows: Rows, options: EncodeConfig, on_error: OnError = "fail") -> Shard:
    """Encode ``rows`` and put their vectors beside their columns.

    Args:
        encoder: an embedder.
        rows: as a reader gives them.
        options: how to encode.
        on_error: ``"fail"`` raises at a row the encoder refuses, ``"skip"`` leaves it out and reports it.

    Raises:
        FileError: a refused row, with its file and line.
        InputError: options that no row could satisfy.
    """
    if EMBEDDING in rows.columns.column_names:
        raise FileError(
            f"{rows.places[0]}: among the rows from here on, one has a column {EMBEDDING!r} already, which is "
            "what the vectors are called; rename or remove it"
        )
    rows, encoded = _encode_usable(encoder, rows, options, on_error)
    if not len(rows):
        return Shard(rows.columns, rows.rejected, 0, 0)
    table = rows.columns.append_column(EMBEDDING, embedding_array(encoded.vectors))
    return Shard(table, rows.rejected, encoded.n_tokens, encoded.n_truncated)


def embedding_array(vectors: Vectors) -> pa.FixedSizeListArray:
    """(n, d) of any precision -> n lists of d; its elements are not nullable copies but the same memory."""
    import pyarrow as pa

    flat = pa.array(np.ascontiguousarray(vectors).reshape(-1))
    kind = pa.list_(pa.field("element", flat.type), vectors.shape[1])
    return pa.FixedSizeListArray.from_arrays(flat, type=kind)


def _encode_usable(
    encoder: ShardEncoder, rows: Rows, options: EncodeConfig, on_error: OnError
) -> tuple[Rows, Encoded]:
    """The rows the encoder takes, and their vectors; refused ones are found by halving."""
    try:
        return rows, _encode(encoder, rows, options)
    except InputError as error:
        refused: dict[int, InputError] = {}
        _find_refused(encoder, rows, options, list(range(len(rows))), refused, first_only=on_error == "fail")
        if not refused:
            raise
        bad = [Rejection(rows.places[row], str(why), _row(rows, row)) for row, why in refused.items()]
        if on_error == "fail":
            raise bad[0].error() from error
        rows = rows.take([row for row in range(len(rows)) if row not in refused], bad)
        return rows, _encode(encoder, rows, options)


def _find_refused(
    encoder: ShardEncoder,
    rows: Rows,
    options: EncodeConfig,
    among: list[int],
    refused: dict[int, InputError],
    *,
    first_only: bool,
) -> None:
    """Fill ``refused`` with the rows ``among`` these that the encoder refuses on their own."""
    if not among or (first_only and refused):
        return
    try:
        _encode(encoder, rows.take(among, []), options)
    except InputError as error:
        if len(among) == 1:
            refused[among[0]] = error
            return
        half = len(among) // 2
        for part in (among[:half], among[half:]):
            _find_refused(encoder, rows, options, part, refused, first_only=first_only)


def _encode(encoder: ShardEncoder, rows: Rows, options: EncodeConfig) -> Encoded:
    return encoder.encode_counted(
        rows.texts,
        _instruction(rows, options),
        max_batch_tokens=options.max_batch_tokens,
        normalize_embeddings=options.normalize_embeddings,
        truncate_dim=options.truncate_dim,
        precision=options.precision,
        long_text=options.long_text,
    )


def _instruction(rows: Rows, options: EncodeConfig) -> EncodeInstruction:
    return options.instruction if rows.instructions is None else rows.instructions


def _row(rows: Rows, row: int) -> dict[str, object]:
    """One row's columns as Python values."""
    one: dict[str, object] = rows.columns.slice(row, 1).to_pylist()[0]
    return one
