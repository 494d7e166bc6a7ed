"""A query and candidates -> the candidates by cosine, best first, each side under its own instruction.

Knows encoders and the order of scores; nothing of where candidates come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import overload

import numpy as np

from instructvec.errors import ConfigError, InputError
from instructvec.instruction import Instruction
from instructvec.tasks.instructions import DOCUMENT, QUERY
from instructvec.tasks.neighbours import nearest
from instructvec.tasks.vectors import Embedded, Texts, checked_texts, embedded, or_bundled
from instructvec.types import Encoder


@dataclass(frozen=True, slots=True)
class Ranked:
    """A candidate in its place.

    Attributes:
        row: which of the candidates it is, from 0.
        score: cosine with the query, -1 to 1.
        text: of the candidate; ``None`` where only its vector is known.
    """

    row: int
    score: float
    text: str | None


@overload
def rerank(  # type: ignore[overload-overlap]  # a str is a Sequence[str] too
    query: str, texts: Texts, *, k: int | None = None, embedder: Encoder | None = None,
    instruction: str | Instruction | None = None, document_instruction: str | Instruction | None = None,
) -> list[Ranked]: ...  # fmt: skip
@overload
def rerank(
    query: Sequence[str], texts: Sequence[Texts], *, k: int | None = None, embedder: Encoder | None = None,
    instruction: str | Instruction | None = None, document_instruction: str | Instruction | None = None,
) -> list[list[Ranked]]: ...  # fmt: skip
def rerank(
    query: str | Sequence[str],
    texts: Texts | Sequence[Texts],
    *,
    k: int | None = None,
    embedder: Encoder | None = None,
    instruction: str | Instruction | None = None,
    document_instruction: str | Instruction | None = None,
) -> list[Ranked] | list[list[Ranked]]:
    """Candidates in the order of their nearness to a query.

    Args:
        query: one; or several, each with a list of candidates.
        texts: candidates of the query, or lists of them; embedded ones are not encoded again. A text that is a
            candidate of several queries is encoded once.
        k: how many to keep; ``None`` for all.
        embedder: ``None`` for the bundled model.
        instruction: of queries; ``None`` for "Represent the query for retrieval: ", ``""`` for none.
        document_instruction: of candidates; ``None`` for "Represent the document for retrieval: ".

    Returns:
        For one query its candidates, best first, of equal ones the lower row first; else a list for each.

    Raises:
        InputError: another number of lists than of queries, or what is no text; names its place.
        ConfigError: ``k`` below 1.
        ContractMismatch: embedded candidates that this embedder did not make, or made under another instruction.

    Example:
        >>> best = rerank("a pet", ["a bicycle", "a small dog"], k=1)[0]
        >>> best.row, best.text
        (1, 'a small dog')
    """
    if k is not None and (not isinstance(k, int) or k < 1):
        raise ConfigError(f"k is {k!r}; expected a whole number from 1, or None for all")
    if isinstance(query, str):
        return _ranked([query], [texts], k, embedder, instruction, document_instruction)[0]  # type: ignore[list-item]
    queries = checked_texts(query, "queries")
    if isinstance(texts, str | Embedded) or len(texts) != len(queries):
        n_lists = 1 if isinstance(texts, str | Embedded) else len(texts)
        raise InputError(
            f"texts: {n_lists} lists for {len(queries)} queries; expected a list of candidates for each"
        )
    return _ranked(queries, texts, k, embedder, instruction, document_instruction)


def _ranked(
    queries: list[str],
    lists: Sequence[Texts],
    k: int | None,
    embedder: Encoder | None,
    instruction: str | Instruction | None,
    document_instruction: str | Instruction | None,
) -> list[list[Ranked]]:
    candidates = [
        one
        if isinstance(one, Embedded)
        else checked_texts(one, f"texts of query {at}" if len(lists) > 1 else "texts")
        for at, one in enumerate(lists, start=1)
    ]
    if not any(map(len, candidates)):
        return [[] for _ in queries]
    encoder = or_bundled(embedder)
    asked = embedded(queries, encoder, instruction, default=QUERY, name="queries").unit
    plain = list(dict.fromkeys(text for one in candidates if not isinstance(one, Embedded) for text in one))
    made = embedded(plain, encoder, document_instruction, default=DOCUMENT, name="texts") if plain else None
    place = {text: row for row, text in enumerate(plain)}
    ranked: list[list[Ranked]] = []
    for vector, one in zip(asked, candidates, strict=True):
        if isinstance(one, Embedded):
            own = embedded(one, encoder, document_instruction, name="texts")
        elif one and made is not None:
            own = replace(made.take([place[text] for text in one]), texts=one)
        else:
            ranked.append([])
            continue
        rows, scores = nearest(vector[None], [(np.arange(len(own)), own.unit)], k or max(1, len(own)))
        ranked.append(
            [
                Ranked(row, score, None if own.texts is None else own.texts[row])
                for row, score in zip(rows[0].tolist(), scores[0].tolist(), strict=True)
            ]
        )
    return ranked
