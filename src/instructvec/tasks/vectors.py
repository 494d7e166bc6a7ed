"""Texts -> texts with their vectors and the contract these were made under.

Knows encoders and contracts; nothing of what the vectors are for. What was embedded before comes as it is, so that
no text is encoded twice.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ContractMismatch, InputError, InputTypeError
from instructvec.instruction import Instruction
from instructvec.tasks.arrays import check_finite
from instructvec.tasks.instructions import chosen

if TYPE_CHECKING:
    from instructvec.checkpoints.contract import EmbeddingContract
    from instructvec.types import Encoder

FLOATS = ("float32", "float16")
"""Precisions that a task computes with."""


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """Texts with a vector each.

    Attributes:
        texts: n strings; ``None`` where only vectors are known.
        vectors: (n, d) float32.
        contract: under which model, instruction and precision they were made.

    Raises:
        InputError: another shape, another number of texts, a component that is NaN or infinite, or vectors of a
            precision that tasks do not compute with.
    """

    texts: Sequence[str] | None
    vectors: NDArray[np.float32]
    contract: EmbeddingContract

    def __post_init__(self) -> None:
        object.__setattr__(self, "vectors", _checked(self.vectors, self.contract))
        if self.texts is not None and len(self.texts) != len(self.vectors):
            raise InputError(f"{len(self.vectors)} vectors for {len(self.texts)} texts; expected one for each")

    def __len__(self) -> int:
        return len(self.vectors)

    @property
    def unit(self) -> NDArray[np.float32]:
        """(n, d) float32 of length 1; the vectors themselves where they are that already. 0 stays 0."""
        return self.vectors if self.contract.normalised else normalised(self.vectors)

    def need_texts(self, purpose: str) -> Sequence[str]:
        """The texts.

        Args:
            purpose: what they are needed for, as the subject of a sentence.

        Raises:
            InputError: only vectors are known.
        """
        if self.texts is None:
            raise InputError(f"{purpose} needs the texts; these are vectors alone: give Parquet or jsonl instead")
        return self.texts

    def take(self, rows: Sequence[int] | NDArray[np.int64]) -> Embedded:
        """Only these rows, in this order."""
        texts = None if self.texts is None else [self.texts[int(row)] for row in rows]
        return Embedded(texts, self.vectors[np.asarray(rows, np.int64)], self.contract)


Texts: TypeAlias = "Sequence[str] | Embedded"
"""What a task takes: texts, or texts embedded before."""


def embedded(
    texts: Texts,
    embedder: Encoder | None = None,
    instruction: str | Instruction | None = None,
    *,
    default: str = "",
    name: str = "texts",
) -> Embedded:
    """The texts with vectors: made now, or as they were given.

    Args:
        texts: strings, or texts embedded before.
        embedder: makes the vectors; ``None`` takes the bundled model.
        instruction: what the vectors are for; ``None`` takes ``default``, an empty one is none.
        default: the job's instruction.
        name: what the texts are, for messages.

    Raises:
        InputError: a text that is none, or no texts.
        ContractMismatch: vectors of another instruction than the one given, or of another model than the embedder.

    Example:
        >>> made = embedded(["rain", "snow"], instruction="Represent the noun: ")
        >>> made.vectors.shape, made.contract.instruction
        ((2, 384), 'Represent the noun: ')
    """
    if isinstance(texts, Embedded):
        check_made_so(texts, embedder, instruction, name)
        return texts
    return _encoded(texts, embedder, chosen(instruction, default), name)


def _encoded(texts: Sequence[str], embedder: Encoder | None, said: str | None, name: str) -> Embedded:
    wanted = checked_texts(texts, name)
    if not wanted:
        raise InputError(f"{name}: empty; expected at least one text")
    encoder = or_bundled(embedder)
    return Embedded(wanted, encoder.encode(wanted, said), encoder.contract(said))


def embedded_together(
    first: Texts,
    second: Texts,
    embedder: Encoder | None = None,
    instruction: str | Instruction | None = None,
    *,
    default: str = "",
    names: tuple[str, str] = ("texts", "others"),
) -> tuple[Embedded, Embedded]:
    """Two lists of texts with vectors that compare, as :func:`embedded` has them.

    Where one of them was embedded before and no instruction is given, the other is encoded under its instruction.

    Raises:
        InputError: a text that is none, or no texts.
        ContractMismatch: the two were made by different models or under different instructions.
    """
    before = next((one for one in (first, second) if isinstance(one, Embedded)), None)
    sides = []
    for side, name in zip((first, second), names, strict=True):
        if before is None or isinstance(side, Embedded):
            embedder = embedder if before is not None else or_bundled(embedder)
            sides.append(embedded(side, embedder, instruction, default=default, name=name))
        else:
            check_made_so(before, None, instruction, names[0] if before is first else names[1])
            # As it stands there: none at all is recorded in two ways.
            sides.append(_encoded(side, embedder, before.contract.instruction, name))
    one, other = sides
    try:
        one.contract.check(other.contract)
    except ContractMismatch as error:
        raise ContractMismatch(f"{names[0]} and {names[1]} do not compare: {error}") from None
    return one, other


def check_made_so(
    texts: Embedded, embedder: Encoder | None, instruction: str | Instruction | None, name: str = "texts"
) -> None:
    """Refuse vectors that the given model would not have made under the given instruction.

    What is not given (``None``) is not asked for.

    Raises:
        ContractMismatch: says what differs, and what to do.
    """
    if instruction is not None and set(texts.contract.instructions) - {None} != {str(instruction)} - {""}:
        shown = ", ".join("none" if one is None else repr(one) for one in texts.contract.instructions[:5])
        raise ContractMismatch(
            f"{name}: the vectors were made under the instruction {shown}, not {str(instruction)!r}; leave the "
            "instruction out to use them as they are, or give the texts without vectors to encode them again"
        )
    if embedder is not None:
        texts.contract.check(embedder.contract(), instructions=False)


def or_bundled(embedder: Encoder | None) -> Encoder:
    """The embedder, or the bundled model."""
    if embedder is not None:
        return embedder
    from instructvec.embedder import Embedder

    return Embedder()


def checked_texts(texts: Sequence[str], name: str = "texts") -> list[str]:
    """The texts as a list.

    Raises:
        InputTypeError: one string instead of several, or something among them that is no string; names its place.
    """
    if isinstance(texts, str):
        raise InputTypeError(f"{name}: one string; expected a sequence of strings: put it into a list")
    wanted = list(texts)
    for at, text in enumerate(wanted, start=1):
        if not isinstance(text, str):
            raise InputTypeError(f"{name}, row {at}: {type(text).__name__}; expected a string")
    return wanted


def normalised(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """(n, d) float32 vectors of length 1; a zero vector stays zero."""
    lengths = np.sqrt(np.einsum("nd,nd->n", vectors, vectors, dtype=np.float64))
    scaled: NDArray[np.float32] = (vectors / np.maximum(lengths, 1e-12)[:, None]).astype(np.float32)
    return scaled


def _checked(vectors: NDArray[Any], contract: EmbeddingContract) -> NDArray[np.float32]:
    if contract.precision not in FLOATS:
        raise InputError(
            f"vectors of precision {contract.precision!r}; expected {' or '.join(FLOATS)}: embed the texts again "
            "without --precision"
        )
    array = np.asarray(vectors, np.float32)
    if array.ndim != 2 or array.shape[1] != contract.dimension:
        raise InputError(
            f"vectors of shape {array.shape}; expected (n, {contract.dimension}), as the contract says"
        )
    check_finite("vectors", array)
    return array
