"""Vectors made under one instruction -> about those of another, by a linear map, not encoded again. Experimental.

Knows arrays, contracts and files; nothing of tasks. The map is learned from a sample that is encoded under both
instructions: a ridge regression of what is added to a vector, so that it shrinks to a shift and not to nothing, or
a rotation between the means (orthogonal Procrustes, Schönemann 1966), whichever keeps more on rows set aside; what
it keeps is measured on yet other rows. What it makes is an estimate, so its contract is its own, and nothing mixes
it with vectors that were really made under the instruction.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.corpus.files import writing
from instructvec.errors import FileError, InputError, InstructvecError
from instructvec.tasks.maps.points import nearest_rows
from instructvec.tasks.vectors import Embedded, checked_texts, normalised, or_bundled

if TYPE_CHECKING:
    from instructvec.checkpoints.contract import EmbeddingContract
    from instructvec.instruction import Instruction
    from instructvec.types import Encoder

Vectors32: TypeAlias = NDArray[np.float32]
Kind: TypeAlias = Literal["ridge", "rotation"]

MIN_TEXTS = 50
"""Texts without which nothing can be learned and measured."""

N_NEIGHBOURS = 10
_PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0, 1000.0)
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Kept:
    """How much of the other instruction's vectors a switch gives, on rows that it was not learned from.

    Attributes:
        cosine: mean cosine of switched vectors with the true ones.
        cosine_before: the same of the old vectors, unchanged.
        overlap: how many of the ten nearest by the true vectors are among those by the switched ones, as a
            fraction.
        overlap_before: the same of the old vectors.
        n_rows: texts this was measured on.
    """

    cosine: float
    cosine_before: float
    overlap: float
    overlap_before: float
    n_rows: int


@dataclass(frozen=True, slots=True, eq=False)
class Switch:
    """A linear map from one instruction's vectors to about another's. Experimental.

    Attributes:
        matrix: (d, d) float32; a vector x becomes ``x @ matrix + offset``.
        offset: (d,) float32.
        kind: how it was learned.
        source: the contract of vectors it takes.
        target: the contract of really encoded vectors that it imitates.
        kept: how well.
        n_learned: texts it was learned from.
    """

    matrix: Vectors32
    offset: Vectors32
    kind: Kind
    source: EmbeddingContract
    target: EmbeddingContract
    kept: Kept
    n_learned: int

    @property
    def contract(self) -> EmbeddingContract:
        """Of the vectors it makes: never equal to that of encoded ones, nor to that of another switch."""
        digest = hashlib.sha256(b"switch")
        for part in (self.source.fingerprint, json.dumps([self.source.instructions, self.target.instructions])):
            digest.update(part.encode())
        for array in (self.matrix, self.offset):
            digest.update(np.ascontiguousarray(array, "<f4").tobytes())
        model = f"{self.target.model}, switched from {self.source.instruction or 'none'!r} (experimental)"
        return replace(self.target, fingerprint=digest.hexdigest()[:32], model=model)

    def apply(self, embedded: Embedded) -> Embedded:
        """Vectors as the other instruction would about make them.

        Args:
            embedded: vectors under the instruction that the switch starts from.

        Raises:
            ContractMismatch: vectors of another model or instruction.
        """
        self.source.check(embedded.contract)
        vectors = _mapped(embedded.vectors, self.matrix, self.offset, self.target.normalised)
        return Embedded(embedded.texts, vectors, self.contract)

    def save(self, path: Path) -> None:
        """Write it as one ``.npz`` file, without pickle.

        Raises:
            InputError: another suffix.
            OutputError: the file cannot be written.
        """
        if path.suffix != ".npz":
            raise InputError(f"{path}: a switch is saved as .npz; give a name that ends so")
        about = {
            "format_version": _FORMAT,
            "kind": self.kind,
            "source": self.source.to_json(),
            "target": self.target.to_json(),
            "kept": {name: getattr(self.kept, name) for name in Kept.__slots__},
            "n_learned": self.n_learned,
        }
        with writing(path, self.matrix.nbytes) as file:
            np.savez(file, matrix=self.matrix, offset=self.offset, about=np.array(json.dumps(about)))

    @classmethod
    def load(cls, path: Path) -> Switch:
        """What :meth:`save` wrote.

        Raises:
            FileError: no such file, or it holds no switch.
        """
        from instructvec.checkpoints.contract import EmbeddingContract

        try:
            with np.load(path, allow_pickle=False) as arrays:
                about = json.loads(str(arrays["about"]))
                if about["format_version"] != _FORMAT:
                    raise ValueError(f"format_version {about['format_version']!r}, this package reads {_FORMAT}")
                source, target = (EmbeddingContract.from_json(about[side]) for side in ("source", "target"))
                matrix, offset = arrays["matrix"], arrays["offset"]
                if matrix.shape != (source.dimension, target.dimension) or offset.shape != (target.dimension,):
                    raise ValueError(f"a map of shape {matrix.shape} for {source.dimension} dimensions")
            return cls(matrix, offset, about["kind"], source, target, Kept(**about["kept"]), about["n_learned"])
        except (OSError, ValueError, KeyError, TypeError, InstructvecError) as error:
            raise FileError(f"{path}: no switch ({error}); expected a file that Switch.save wrote") from None


def learn_switch(
    texts: Sequence[str],
    *,
    instruction_from: str | Instruction,
    instruction_to: str | Instruction,
    embedder: Encoder | None = None,
    held_out: float = 0.3,
    seed: int = 42,
) -> Switch:
    """Learn to turn vectors made under one instruction into about those of another. Experimental.

    What the first instruction left out of a vector, no map brings back: look at ``kept`` before using it. A few
    thousand texts like those it will be applied to are a good sample.

    Args:
        texts: the sample, at least :data:`MIN_TEXTS` different ones; encoded under both instructions.
        instruction_from: what the stored vectors were made under; empty for none.
        instruction_to: what they are wanted under.
        embedder: what the stored vectors were made by; ``None`` for the bundled model.
        held_out: share of the sample that it is measured on; as many again choose between maps.
        seed: of what is drawn.

    Raises:
        InputError: too few texts, the same instruction twice, or a share out of its range.

    Example:
        >>> sample = [f"{what} {at}" for at in range(40) for what in ("rain in", "bread for")]
        >>> switch = learn_switch(sample, instruction_from="", instruction_to="Represent the noun: ")
        >>> switch.kept.cosine > switch.kept.cosine_before, switch.contract.instruction
        (True, 'Represent the noun: ')
    """
    distinct = list(dict.fromkeys(checked_texts(texts)))
    if len(distinct) < MIN_TEXTS:
        raise InputError(
            f"{len(distinct)} different texts; a switch needs {MIN_TEXTS} or more: give a larger sample"
        )
    if str(instruction_from) == str(instruction_to):
        raise InputError(f"both instructions are {str(instruction_to)!r}; expected two different ones")
    if not 0 < held_out < 0.5:
        raise InputError(f"held_out is {held_out}; expected a share above 0 and below 0.5, such as 0.3")
    encoder = or_bundled(embedder)
    old, new = (
        np.asarray(encoder.encode(distinct, str(one)), np.float32) for one in (instruction_from, instruction_to)
    )
    source, target = encoder.contract(str(instruction_from)), encoder.contract(str(instruction_to))
    order = np.random.default_rng(seed).permutation(len(distinct))
    n_held = max(N_NEIGHBOURS + 1, round(held_out * len(order)))
    measured, choosing, learning = order[:n_held], order[n_held : 2 * n_held], order[2 * n_held :]
    kind, penalty = _best(old, new, learning, choosing, target.normalised)
    known = order[n_held:]  # the choice is made: all but what it is measured on is learned from
    matrix, offset = _learned(kind, penalty, old[known], new[known])
    kept = _kept(old[measured], new[measured], _mapped(old[measured], matrix, offset, target.normalised))
    return Switch(matrix, offset, kind, source, target, kept, len(known))


def ridge(x: Vectors32, y: Vectors32, penalty: float) -> tuple[Vectors32, Vectors32]:
    """The map that minimises ``|(x - mean) M - (y - mean)|^2 + penalty |M - I|^2``, and its offset.

    Args:
        x: (n, d).
        y: (n, d).
        penalty: above 0.
    """
    x64, y64 = x.astype(np.float64), y.astype(np.float64)
    x_mean, y_mean = x64.mean(axis=0), y64.mean(axis=0)
    a, b = x64 - x_mean, y64 - y_mean
    same = np.eye(a.shape[1])
    matrix = same + np.linalg.solve(a.T @ a + penalty * same, a.T @ (b - a))
    return matrix.astype(np.float32), (y_mean - x_mean @ matrix).astype(np.float32)


def rotation(x: Vectors32, y: Vectors32) -> tuple[Vectors32, Vectors32]:
    """The orthogonal map that minimises ``|(x - mean) R - (y - mean)|``, and its offset.

    Args:
        x: (n, d).
        y: (n, d).
    """
    x64, y64 = x.astype(np.float64), y.astype(np.float64)
    x_mean, y_mean = x64.mean(axis=0), y64.mean(axis=0)
    left, _, right = np.linalg.svd((x64 - x_mean).T @ (y64 - y_mean))
    matrix = left @ right
    return matrix.astype(np.float32), (y_mean - x_mean @ matrix).astype(np.float32)


def _best(
    old: Vectors32, new: Vectors32, learning: NDArray[np.int64], choosing: NDArray[np.int64], unit: bool
) -> tuple[Kind, float]:
    """The way of learning that keeps most on rows set aside for choosing."""
    ways: list[tuple[Kind, float]] = [("rotation", 0.0), *(("ridge", one) for one in _PENALTIES)]

    def quality(way: tuple[Kind, float]) -> float:
        matrix, offset = _learned(*way, old[learning], new[learning])
        return _mean_cosine(_mapped(old[choosing], matrix, offset, unit), new[choosing])

    return max(ways, key=quality)


def _learned(kind: Kind, penalty: float, x: Vectors32, y: Vectors32) -> tuple[Vectors32, Vectors32]:
    return rotation(x, y) if kind == "rotation" else ridge(x, y, penalty)


def _mapped(vectors: Vectors32, matrix: Vectors32, offset: Vectors32, unit: bool) -> Vectors32:
    mapped = vectors @ matrix + offset
    return normalised(mapped) if unit else mapped


def _kept(old: Vectors32, new: Vectors32, switched: Vectors32) -> Kept:
    k = min(N_NEIGHBOURS, len(new) - 1)
    true, before, after = (nearest_rows(normalised(one), k) for one in (new, old, switched))

    def overlap(found: NDArray[np.int64]) -> float:
        return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(true, found, strict=True)]))

    return Kept(_mean_cosine(switched, new), _mean_cosine(old, new), overlap(after), overlap(before), len(new))


def _mean_cosine(a: Vectors32, b: Vectors32) -> float:
    return float(np.einsum("nd,nd->n", normalised(a), normalised(b)).mean())
