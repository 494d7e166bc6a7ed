"""Turns a checkpoint and a way of encoding into a contract, and says whether two sets of vectors compare.

Knows what decides comparability; nothing of vectors or files of them. Names and paths decide nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from instructvec.checkpoints.spec import Architecture, CheckpointSpec
from instructvec.checkpoints.weights import weights_digest
from instructvec.errors import ContractMismatch, InputError
from instructvec.types import JOININGS, LONG_TEXTS, PRECISIONS, Joining, LongText, Precision

FORMAT_VERSION = 1
MAX_INSTRUCTIONS = 100
"""Distinct instructions a contract lists; beyond that it holds one digest of them all."""

Ranges = tuple[tuple[float, ...], tuple[float, ...]]

# Facts about a checkpoint that no vector depends on.
_NOT_CONTENT = {"model_type", "pad_token_id"}


def fingerprint(spec: CheckpointSpec, tokenizer_digest: str, joining: Joining) -> str:
    """32 hex characters that change with whatever changes the vectors of a checkpoint.

    Over the weights, the shape of the encoder, the tokenizer, lower-casing, pooling, projections' activations,
    normalisation and joining; not over names, paths, prompts or limits.

    Args:
        spec: the checkpoint.
        tokenizer_digest: digest of its tokenizer.
        joining: the rule in use, which may differ from ``spec.joining``.

    Raises:
        CheckpointError: the weights cannot be read; see :func:`weights_digest`.
    """
    content = {
        "weights": weights_digest(spec),
        "architecture": _architecture_content(spec.architecture),
        "tokenizer": tokenizer_digest,
        "lower_case": spec.lower_case,
        "pooling": list(spec.pooling.modes),
        # Only sentence-transformers' joining leaves it open which tokens are pooled.
        "include_prompt": spec.pooling.include_prompt and joining == "prompt",
        "dense": [dense.activation for dense in spec.dense],
        "normalize": spec.normalize,
        "joining": joining,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _architecture_content(architecture: Architecture) -> dict[str, Any]:
    """Its fields, without those left at their default, so that a field added later changes no fingerprint."""
    defaults = {field.name: field.default for field in fields(architecture) if field.default is not MISSING}
    return {
        name: value
        for name, value in asdict(architecture).items()
        if name not in _NOT_CONTENT and (name not in defaults or value != defaults[name])
    }


def distinct_instructions(instructions: Iterable[str | None]) -> tuple[str | None, ...]:
    """The instructions without repetition, in order of first use; a digest where there are too many.

    Example:
        >>> distinct_instructions(["query: ", None, "query: "])
        ('query: ', None)
    """
    distinct = tuple(dict.fromkeys(instructions))
    if len(distinct) <= MAX_INSTRUCTIONS:
        return distinct
    # Order of use is no property of the vectors; None and "" must differ.
    lines = sorted(json.dumps(instruction) for instruction in distinct)
    return ("sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest(),)


@dataclass(frozen=True, slots=True)
class EmbeddingContract:
    """Under which model, instructions and precision vectors were made.

    Attributes:
        fingerprint: of the checkpoint, tokenizer and joining; see :func:`fingerprint`.
        instructions: distinct ones in order of first use, ``None`` for texts that had none; more than
            :data:`MAX_INSTRUCTIONS` are one entry, ``"sha256:…"``.
        dimension: width of the vectors, in components (bits for ``binary`` and ``ubinary``).
        normalised: whether each vector has length one.
        precision: the stored number type.
        joining: the rule that made instruction and text into tokens.
        ranges: for ``int8`` and ``uint8``, the lowest and highest value of each component that the
            integers span, (dimension,) floats each; else ``None``.
        max_seq_length: tokens a text was cut to; decides only under ``check(limits=True)``.
        long_text: what became of longer texts; decides only under ``check(limits=True)``.
        model: the checkpoint as the user named it; information only.
        computed_in: the engine's number type; information only.
        version: of this package; information only.

    Raises:
        InputError: a field has a value outside of its range.

    Example:
        >>> made = EmbeddingContract("0" * 32, ("query: ",), 384, True, "float32", "prompt")
        >>> EmbeddingContract.from_json(made.to_json()) == made
        True
    """

    fingerprint: str
    instructions: tuple[str | None, ...]
    dimension: int
    normalised: bool
    precision: Precision
    joining: Joining
    ranges: Ranges | None = None
    max_seq_length: int | None = None
    long_text: LongText = "truncate"
    model: str = ""
    computed_in: str = ""
    version: str = ""

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("precision", self.precision, PRECISIONS),
            ("joining", self.joining, JOININGS),
            ("long_text", self.long_text, LONG_TEXTS),
        ):
            if value not in allowed:
                raise InputError(f"contract: {name} is {value!r}; expected one of {', '.join(allowed)}")
        if self.dimension < 1:
            raise InputError(f"contract: dimension is {self.dimension}; expected 1 or more")
        if self.ranges is not None and any(len(ends) != self.dimension for ends in self.ranges):
            raise InputError(
                f"contract: ranges have {[len(ends) for ends in self.ranges]} entries; expected one lowest and "
                f"one highest value for each of {self.dimension} components"
            )

    @property
    def instruction(self) -> str | None:
        """The one instruction all vectors were made under.

        Raises:
            InputError: there are several.
        """
        if len(self.instructions) > 1 or any(str(one).startswith("sha256:") for one in self.instructions):
            raise InputError(
                f"the contract has several instructions ({self._shown_instructions()}); use .instructions"
            )
        return self.instructions[0] if self.instructions else None

    def check(self, other: EmbeddingContract, *, instructions: bool = True, limits: bool = False) -> None:
        """Raise unless vectors under ``other`` may be compared with those under this contract.

        Args:
            other: the contract of the vectors that arrive.
            instructions: whether the instructions must agree; false for asymmetric tasks, where queries and
                documents have one each.
            limits: whether ``max_seq_length`` and ``long_text`` must agree too, as when one output continues
                another.

        Raises:
            ContractMismatch: says of every differing field what it is here and there, and what to do.
        """
        lines = [line for line in self._differences(other, instructions, limits) if line]
        if lines:
            raise ContractMismatch(
                "these vectors must not be compared or mixed:\n" + "\n".join(f"  - {line}" for line in lines)
            )

    def _differences(self, other: EmbeddingContract, instructions: bool, limits: bool) -> Iterable[str]:
        if self.fingerprint != other.fingerprint:
            yield (
                f"model: expected {self._shown_model()}, got {other._shown_model()}. "
                "Encode both sides with the same checkpoint and joining"
            )
        yield self._differs(other, "joining", "pass the same joining=")
        if instructions and set(self.instructions) != set(other.instructions):
            yield (
                f"instructions: expected {self._shown_instructions()}, got {other._shown_instructions()}. "
                "Encode again under the expected ones"
            )
        yield self._differs(other, "dimension", "pass the same truncate_dim=, or cut the wider vectors")
        yield self._differs(other, "normalised", "pass the same normalize_embeddings=")
        yield self._differs(
            other, "precision", "encode again, or convert down (float32 converts to every other precision)"
        )
        if self.precision == other.precision and self.ranges != other.ranges:
            yield f"ranges of {self.precision}: they differ. Quantise both sides with the same ranges"
        if limits:
            yield self._differs(other, "max_seq_length", "pass the same max_seq_length=")
            yield self._differs(other, "long_text", "pass the same long_text=")

    def _differs(self, other: EmbeddingContract, name: str, remedy: str) -> str:
        here, there = getattr(self, name), getattr(other, name)
        return "" if here == there else f"{name}: expected {here!r}, got {there!r}; {remedy}"

    def _shown_model(self) -> str:
        return f"{self.fingerprint[:12]}… ({self.model or 'unnamed'})"

    def _shown_instructions(self) -> str:
        shown = ", ".join("none" if one is None else repr(one) for one in self.instructions[:5]) or "none"
        return shown + (f" and {len(self.instructions) - 5} more" if len(self.instructions) > 5 else "")

    def to_json(self) -> str:
        """One line of JSON that :meth:`from_json` reads back unchanged."""
        return json.dumps({"format_version": FORMAT_VERSION, **asdict(self)}, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> EmbeddingContract:
        """The contract in ``text``.

        Raises:
            InputError: not JSON, or a field is missing, unknown or out of range.
            ContractMismatch: written by a newer version of this package, whose meaning is not known.
        """
        try:
            content = json.loads(text)
        except ValueError as error:
            raise InputError(f"contract: broken JSON ({error}); expected what to_json() wrote") from None
        if not isinstance(content, dict):
            raise InputError(f"contract: expected a JSON object, found {type(content).__name__}")
        version = content.pop("format_version", None)
        if not isinstance(version, int) or version < 1:
            raise InputError(f"contract: format_version is {version!r}; expected a whole number from 1")
        if version > FORMAT_VERSION:
            raise ContractMismatch(
                f"contract: format_version {version} is newer than this package reads ({FORMAT_VERSION}); "
                "upgrade: pip install -U instructvec"
            )
        return cls(**_checked(content))


_TYPES: dict[str, tuple[type, ...]] = {
    "fingerprint": (str,),
    "instructions": (list,),
    "dimension": (int,),
    "normalised": (bool,),
    "precision": (str,),
    "joining": (str,),
    "ranges": (list, type(None)),
    "max_seq_length": (int, type(None)),
    "long_text": (str,),
    "model": (str,),
    "computed_in": (str,),
    "version": (str,),
}
_REQUIRED = ("fingerprint", "instructions", "dimension", "normalised", "precision", "joining")


def _checked(content: dict[str, Any]) -> dict[str, Any]:
    """The fields, of the right types, lists made tuples."""
    missing = [name for name in _REQUIRED if name not in content]
    unknown = sorted(set(content) - set(_TYPES))
    if missing or unknown:
        raise InputError(f"contract: missing fields {missing}, unknown fields {unknown}; expected {list(_TYPES)}")
    for name, value in content.items():
        if not isinstance(value, _TYPES[name]) or (isinstance(value, bool) and bool not in _TYPES[name]):
            kinds = " or ".join(kind.__name__ for kind in _TYPES[name])
            raise InputError(f"contract: {name} is {value!r:.80}; expected {kinds}")
    content["instructions"] = tuple(content["instructions"])
    if not all(one is None or isinstance(one, str) for one in content["instructions"]):
        raise InputError(f"contract: instructions are {content['instructions']!r:.80}; expected strings or null")
    if content.get("ranges") is not None:
        content["ranges"] = _ranges(content["ranges"])
    return content


def _ranges(value: list[Any]) -> Ranges:
    try:
        low, high = value
        return tuple(map(float, low)), tuple(map(float, high))
    except (TypeError, ValueError):
        raise InputError(f"contract: ranges are {value!r:.80}; expected two lists of numbers") from None
