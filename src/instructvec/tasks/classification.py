"""Texts -> one label each, of labels that are only named or described, or that have examples.

Knows vectors and labels; nothing of files. Without examples a text is given the label whose description is
nearest under the same instruction; several descriptions of a label are averaged (as in Radford et al. 2021,
section 3.1.4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import ConfigError, InputError, InputTypeError
from instructvec.instruction import Instruction
from instructvec.tasks.classified import Classified, check_threshold, decided
from instructvec.tasks.classifier import Classifier
from instructvec.tasks.instructions import CLASSIFY
from instructvec.tasks.labels import Label, checked_names
from instructvec.tasks.linear_head import softmax
from instructvec.tasks.vectors import Embedded, Texts, checked_texts, embedded, normalised, or_bundled

if TYPE_CHECKING:
    from instructvec.types import Encoder

TEMPERATURE = 0.05
"""Cosines are divided by this before they become probabilities of labels without examples."""

Described: TypeAlias = (
    "Sequence[Label] | Mapping[str, str | Sequence[str]] | Mapping[int, str | Sequence[str]] "
    "| Mapping[Label, str | Sequence[str]]"
)
"""Labels by name, or with a description or several each."""


def classify(
    texts: Texts,
    labels: Described | None = None,
    *,
    examples: Sequence[tuple[str, Label]] | None = None,
    embedder: Encoder | None = None,
    instruction: str | Instruction | None = None,
    abstain_below: float | None = None,
    temperature: float = TEMPERATURE,
    seed: int = 42,
) -> Classified:
    """A label for each text.

    Args:
        texts: texts, or texts embedded before.
        labels: names, whose underscores are read as spaces; or names with one or several descriptions or examples
            of wording. Of these a text gets the nearest by cosine. Probabilities are the softmax of cosine /
            ``temperature``: an order, not calibrated.
        examples: (text, label) pairs instead of ``labels``: a :class:`Classifier` is fitted on them.
        embedder: ``None`` takes the bundled model.
        instruction: for texts, descriptions and examples alike; ``None`` takes that of ``texts`` where these are
            embedded, else that of classification; an empty one is none.
        abstain_below: a text whose likeliest label is less probable than this gets ``None``.
        temperature: for ``labels``.
        seed: for ``examples``.

    Raises:
        InputError: no texts, fewer than two labels, or an empty or repeated one.
        ConfigError: both or neither of ``labels`` and ``examples``, or a number out of its range.
        ContractMismatch: texts embedded by another model or under another instruction.

    Example:
        >>> classify(["the match ended in a draw", "shares fell"], ["sports", "business"]).labels
        ('sports', 'business')
    """
    check_threshold(abstain_below)
    if (labels is None) == (examples is None):
        raise ConfigError("expected either labels or examples; give one of them")
    if not 0 < temperature < float("inf"):
        raise ConfigError(f"temperature is {temperature}; expected a finite number above 0")
    if examples is not None:
        shown = _checked_examples(examples)
        made, encoder, said = _prepared(texts, embedder, instruction)
        given = Embedded(shown[0], encoder.encode(shown[0], said), encoder.contract(said))
        return Classifier.fit(given, shown[1], seed=seed).classify(made, abstain_below=abstain_below)
    assert labels is not None
    descriptions = described(labels)
    made, encoder, said = _prepared(texts, embedder, instruction)
    wordings = [one for several in descriptions.values() for one in several]
    named = Embedded(wordings, encoder.encode(wordings, said), encoder.contract(said))
    made.contract.check(named.contract)
    prototypes = _means(named.unit, [len(several) for several in descriptions.values()])
    probabilities = softmax(made.unit @ prototypes.T, temperature)
    classes = tuple(descriptions)
    note = f"probabilities are a softmax of cosines at temperature {temperature:g}, an order and not calibrated"
    return Classified(
        decided(probabilities, classes, abstain_below), probabilities, classes, made.contract, (note,)
    )


def described(labels: Described) -> dict[Label, list[str]]:
    """The wordings of each label.

    Raises:
        InputError: fewer than two labels, an empty or repeated one, or one without wording.
        InputTypeError: a label or a description of another type.

    Example:
        >>> described(["card_arrival", "top_up"])
        {'card_arrival': ['card arrival'], 'top_up': ['top up']}
    """
    if not isinstance(labels, Mapping):
        return {name: [str(name).replace("_", " ")] for name in checked_names(labels)}
    found = {}
    for name, given in zip(checked_names(list(labels)), labels.values(), strict=True):
        if not isinstance(given, str | Sequence):
            raise InputTypeError(f"label {name!r}: described by {type(given).__name__}; expected strings")
        wordings = [given] if isinstance(given, str) else checked_texts(given, f"descriptions of label {name!r}")
        if not wordings or not all(one.strip() for one in wordings):
            raise InputError(f"label {name!r}: an empty description, or none; expected at least one, with words")
        found[name] = wordings
    return found


def _prepared(
    texts: Texts, embedder: Encoder | None, instruction: str | Instruction | None
) -> tuple[Embedded, Encoder, str | None]:
    """The texts with vectors, the encoder that makes such vectors, and the instruction they were made under."""
    encoder = or_bundled(embedder)
    made = embedded(texts, encoder, instruction, default=CLASSIFY)
    return made, encoder, made.contract.instruction


def _means(vectors: NDArray[np.float32], sizes: list[int]) -> NDArray[np.float32]:
    """(labels, d) float32 of length 1: the mean direction of each label's vectors, which lie in a row."""
    starts = np.cumsum([0, *sizes[:-1]])
    return normalised(np.add.reduceat(vectors, starts, axis=0).astype(np.float32))


def _checked_examples(examples: Sequence[tuple[str, Label]]) -> tuple[list[str], list[Label]]:
    for at, one in enumerate(examples, start=1):
        if isinstance(one, str) or not isinstance(one, Sequence) or len(one) != 2:
            raise InputTypeError(f"examples, number {at}: {one!r:.80}; expected a pair of text and label")
    texts = checked_texts([text for text, _ in examples], "examples")
    if not texts:
        raise InputError("examples: empty; expected pairs of text and label")
    return texts, [label for _, label in examples]
