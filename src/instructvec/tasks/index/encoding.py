"""Texts, or vectors made elsewhere -> unit vectors that an index's contract allows, or a refusal that says why.

Knows contracts and encoders; nothing of rows or files. What an index compares are cosines, so that of the contract
its model, joining, dimension and precision decide, and on each side the instruction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.contract import EmbeddingContract
from instructvec.errors import CheckpointError, ConfigError, ContractMismatch, InputError
from instructvec.tasks.vectors import Embedded, normalised
from instructvec.types import Encoder

Approximate = Literal["auto"] | bool

_CHUNK_ROWS = 2048


@dataclass(frozen=True, slots=True)
class Settings:
    """What an index was made for, and is for good.

    Attributes:
        contract: of the documents' vectors.
        query_instruction: of queries; empty for none.
        approximate: through a graph (``True``), exactly (``False``), or exactly as long as that is fast and
            through a graph beyond (``"auto"``).
        hybrid: whether the word index is kept on disk.
        column: of files, the column that held the texts; information for commands.
        id_column: of files, the column that held the ids; information for commands.
    """

    contract: EmbeddingContract
    query_instruction: str
    approximate: Approximate = "auto"
    hybrid: bool = False
    column: str | None = None
    id_column: str | None = None

    def __post_init__(self) -> None:
        if self.approximate not in ("auto", True, False):
            raise ConfigError(f"approximate is {self.approximate!r}; expected 'auto', True or False")


def named_for_good(contract: EmbeddingContract) -> EmbeddingContract:
    """The contract with the model's folder as an absolute path, to be found from elsewhere too."""
    path = Path(contract.model)
    return replace(contract, model=str(path.resolve())) if contract.model and path.is_dir() else contract


def open_embedder(contract: EmbeddingContract) -> Encoder:
    """The model that made an index's vectors.

    Raises:
        ContractMismatch: the model of that name is not there, or is another by now.
    """
    from instructvec.embedder import Embedder

    try:
        embedder = Embedder(
            contract.model or None, max_seq_length=contract.max_seq_length, joining=contract.joining
        )
    except CheckpointError as error:
        raise ContractMismatch(
            f"the index was made with the model {contract.model!r}, which cannot be opened ({error}); give that "
            "model as the embedder (--model)"
        ) from error
    check_model(contract, embedder)
    return embedder


def check_model(contract: EmbeddingContract, encoder: Encoder, *, limits: bool = False) -> None:
    """Refuse an encoder that cannot make an index's vectors; what is wider, or not normalised, can be made to fit.

    Args:
        contract: of the index.
        encoder: the model.
        limits: whether long texts must be cut alike.

    Raises:
        ContractMismatch: says what differs, and what to do.
    """
    made = encoder.contract()
    fitted = replace(
        made,
        dimension=min(made.dimension, contract.dimension),
        normalised=contract.normalised,
        precision=contract.precision,
        ranges=contract.ranges,
    )
    try:
        contract.check(fitted, instructions=False, limits=limits)
    except ContractMismatch as error:
        raise ContractMismatch(
            f"embedder: not what the index was made with. {error}\nTo change over to another model, build a new "
            "index from the texts"
        ) from None


def check_documents(contract: EmbeddingContract, other: EmbeddingContract) -> None:
    """Refuse vectors that do not belong beside an index's documents.

    Raises:
        ContractMismatch: says what differs, and what to do.
    """
    try:
        _plain(contract).check(_plain(other))
    except ContractMismatch as error:
        raise ContractMismatch(
            f"documents: not as the index's are. {error}\nGive the texts without vectors to have them encoded as "
            "the index's are, or build a new index"
        ) from None


def check_queries(settings: Settings, other: EmbeddingContract) -> None:
    """Refuse vectors of queries that do not compare with an index's documents.

    Raises:
        ContractMismatch: says what differs, and what to do.
    """
    try:
        settings.contract.check(other, instructions=False)
    except ContractMismatch as error:
        raise ContractMismatch(
            f"queries: they do not compare with the index's documents. {error}\nGive the queries as texts to have "
            "them encoded as they must be"
        ) from None
    if _plain(other).instructions != (settings.query_instruction or None,):
        shown = ", ".join("none" if one is None else repr(one) for one in other.instructions[:5])
        raise ContractMismatch(
            f"queries: made under the instruction {shown}; the index's queries are made under "
            f"{settings.query_instruction or 'none'!r}. Embed them under that, or give them as texts"
        )


def document_instruction(contract: EmbeddingContract) -> str | None:
    """The one instruction of an index's documents.

    Raises:
        InputError: there are several.
    """
    try:
        return contract.instruction
    except InputError:
        raise InputError(
            "the index's documents have an instruction each, so texts cannot be encoded as they were; embed them "
            "with instructvec embed --instruction-column and add what it wrote"
        ) from None


def encoded(
    texts: Sequence[str], encoder: Encoder, contract: EmbeddingContract, instruction: str | None
) -> NDArray[np.float32]:
    """(n, d) float32 vectors of length 1, of the contract's width and rounded to its precision."""
    vectors = np.empty((len(texts), contract.dimension), np.float32)
    for start in range(0, len(texts), _CHUNK_ROWS):
        part = list(texts[start : start + _CHUNK_ROWS])
        vectors[start : start + len(part)] = encoder.encode(part, instruction)[:, : contract.dimension]
    return unit(Embedded(None, vectors, replace(contract, normalised=False)))


def unit(embedded: Embedded) -> NDArray[np.float32]:
    """(n, d) float32 of length 1, after rounding to the contract's precision."""
    vectors: Any = embedded.vectors
    if embedded.contract.precision == "float16":
        vectors = vectors.astype(np.float16).astype(np.float32)
        return normalised(vectors)
    return np.ascontiguousarray(embedded.unit)


def _plain(contract: EmbeddingContract) -> EmbeddingContract:
    """An empty instruction is none."""
    return replace(contract, instructions=tuple(dict.fromkeys(one or None for one in contract.instructions)))
