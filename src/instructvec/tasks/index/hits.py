"""What an index answers: what was found, and what it holds.

Knows fields only; nothing of how they are filled.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Hit:
    """A document that was found.

    Attributes:
        id: its id.
        score: the greater the better: cosine with the query (``mode="vectors"``), BM25's score (``"bm25"``), or
            the sum of reciprocal ranks (``"hybrid"``, at most 2 / 61).
        text: the document; ``None`` where the index holds vectors without texts.
        columns: its values in every other column of the index.
    """

    id: str
    score: float
    text: str | None
    columns: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class IndexInfo:
    """What an index holds.

    Attributes:
        path: its folder; ``None`` where it was never saved.
        generation: how many times it has been saved.
        n_rows: documents that can be found.
        n_deleted: rows that are deleted and still take up space.
        dimension: of the vectors.
        model: what made the vectors, as it was named.
        fingerprint: of the model, by content.
        instruction: of documents; several where their files had one a row, ``None`` and ``""`` for none.
        query_instruction: of queries.
        search: ``"exact"``, or ``"approximate"`` through a graph.
        n_in_graph: rows that the graph covers; what was added since is searched exactly.
        hybrid: whether the word index for hybrid search is kept with it.
        columns: name -> type, of what ``where`` can ask for.
        n_bytes: of its files; 0 where it was never saved.
    """

    path: str | None
    generation: int
    n_rows: int
    n_deleted: int
    dimension: int
    model: str
    fingerprint: str
    instruction: tuple[str | None, ...]
    query_instruction: str
    search: str
    n_in_graph: int
    hybrid: bool
    columns: dict[str, str]
    n_bytes: int

    def to_json(self) -> str:
        """One line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)
