"""Sizes of datasets -> how many rows of each; rows of a dataset -> rows of the mixture, in drawn words.

Knows numbers, wordings and tables; nothing of files or mining.
Source: Raffel et al. 2020, section 3.5.2 (temperature and truncated-proportional mixing); Su et al. 2023, section
2.3 (one instruction a side), section 4.2 (paraphrases).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from instructvec.medi.config import Mixture
from instructvec.medi.mine import VectorsOf
from instructvec.medi.mining import wrong_instructions
from instructvec.medi.registry import Dataset, Wordings
from instructvec.medi.search import NO_ROW
from instructvec.medi.triplets import schema

if TYPE_CHECKING:
    import pyarrow as pa


MAX_INSTRUCTION_COSINE = 0.7
"""From which cosine on two instructions may mean the same job."""


def generator(seed: int, *names: str) -> np.random.Generator:
    """The draws of one dataset for one purpose: they do not change when other datasets come or go."""
    digest = hashlib.sha256("\0".join([str(seed), *names]).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def weights(sizes: Mapping[str, int], mixture: Mixture) -> dict[str, float]:
    r"""The share of each dataset.

    With sizes :math:`n_d`, proportional: :math:`w_d \propto n_d`; temperature T: :math:`w_d \propto n_d^{1/T}`;
    truncated at K: :math:`w_d \propto \min(n_d, K)`.

    Args:
        sizes: dataset -> its rows, after caps.
        mixture: which of them.

    Returns:
        dataset -> its weight; they sum to 1, and are empty where there are no rows.

    Example:
        >>> weights({"a": 300, "b": 100}, Mixture(mixing="truncated", truncate_at=100))
        {'a': 0.5, 'b': 0.5}
    """
    raw = {name: _weight(size, mixture) for name, size in sizes.items()}
    total = sum(raw.values())
    return {name: weight / total for name, weight in raw.items()} if total else {}


def _weight(size: int, mixture: Mixture) -> float:
    if mixture.mixing == "temperature":
        return float(size ** (1 / mixture.temperature)) if size else 0.0
    if mixture.mixing == "truncated":
        return float(min(size, mixture.truncate_at))
    return float(size)


def allocate(sizes: Mapping[str, int], mixture: Mixture) -> dict[str, int]:
    """How many rows each dataset gives: capped, then ``mixture.size`` shared out by :func:`weights`.

    No dataset gives more than it has; what it cannot give is shared out among the others by their weights.

    Args:
        sizes: dataset -> rows it has.
        mixture: cap, size and mixing.

    Returns:
        dataset -> rows, whose sum is ``mixture.size`` or, where there are fewer, all.

    Example:
        >>> allocate({"a": 10, "b": 1000, "c": 1000}, Mixture(size=110, mixing="truncated", truncate_at=100))
        {'a': 5, 'b': 53, 'c': 52}
    """
    capped = {name: min(size, mixture.cap or size) for name, size in sizes.items()}
    if mixture.size is None or sum(capped.values()) <= mixture.size:
        return capped
    share = weights(capped, mixture)
    given: dict[str, float] = {}
    left = float(mixture.size)
    while True:
        open_weight = sum(share[name] for name in capped if name not in given)
        full = [
            name
            for name in capped
            if name not in given and share[name] * left >= capped[name] * open_weight
        ]  # fmt: skip
        if not full:
            break
        for name in full:
            given[name] = capped[name]
        left = mixture.size - sum(given.values())
    exact = {name: given.get(name, share[name] * left / open_weight if open_weight else 0.0) for name in capped}
    return _rounded(exact, mixture.size)


def _rounded(exact: Mapping[str, float], total: int) -> dict[str, int]:
    """Whole numbers of the given sum, nearest to the exact ones (largest remainders; ties by name)."""
    floors = {name: int(value) for name, value in exact.items()}
    missing = total - sum(floors.values())
    by_remainder = sorted(exact, key=lambda name: (floors[name] - exact[name], name))
    for name in by_remainder[:missing]:
        floors[name] += 1
    return floors


def draw_wordings(wordings: Wordings, n: int, share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which wording each of n rows gets: 0 the unified sentence, from 1 the paraphrases.

    Args:
        wordings: what there is to draw from.
        n: rows.
        share: of rows that get a paraphrase, each as likely as another.
        rng: makes the draws.

    Returns:
        (n,) int64.
    """
    others = len(wordings.paraphrases)
    is_paraphrase = rng.random(n) < share
    return np.where(is_paraphrase & (others > 0), rng.integers(1, others + 1 if others else 2, n), 0)


def finished(
    entry: Dataset, mined: pa.Table, rows: NDArray[np.int64], share: float, rng: np.random.Generator
) -> pa.Table:
    """Rows of the mixture: the chosen rows of a dataset under drawn wordings.

    Both sides of a symmetric dataset get the same wording; negatives are instructed as the positive is.

    Args:
        entry: whose rows they are.
        mined: ``query``, ``positive``, ``negative`` (null for none), ``rule``, and where they are known
            ``group`` and ``label``.
        rows: (n,) int64, which of them, in the order wanted.
        share: of paraphrases.
        rng: makes the draws.
    """
    chosen = mined.take(rows)
    query = draw_wordings(entry.query, len(rows), share, rng)
    one_sided = entry.document_instruction is None
    document = query if one_sided else draw_wordings(entry.document, len(rows), share, rng)
    return _table(entry, chosen, _sentences(entry.query, query), _sentences(entry.document, document))


def _sentences(wordings: Wordings, which: NDArray[np.int64]) -> pa.Array:
    import pyarrow as pa

    return pa.array(list(wordings.all), pa.string()).take(pa.array(which))


def _table(entry: Dataset, chosen: pa.Table, query: pa.Array, document: pa.Array) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    negative = chosen.column("negative").combine_chunks()
    n = chosen.num_rows
    instruction = document
    if "negative_instruction" in chosen.column_names:
        instruction = pc.coalesce(chosen.column("negative_instruction").combine_chunks(), document)
    columns = {
        "query_instruction": query,
        "query": chosen.column("query"),
        "positive_instruction": document,
        "positive": chosen.column("positive"),
        "negative_instruction": pc.if_else(pc.is_null(negative), pa.scalar(None, pa.string()), instruction),
        "negative": negative,
        "dataset": pa.array([entry.name] * n, pa.string()),
        "kind": pa.array([entry.kind] * n, pa.string()),
        "rule": chosen.column("rule"),
        **{
            name: chosen.column(name) if name in chosen.column_names else pa.nulls(n, pa.string())
            for name in ("group", "label")
        },
    }
    return pa.table(columns, schema=schema())


class WrongInstructions:
    """Rows whose negative is the positive's own text, under the instruction of another job.

    Two wordings of one job ("finding a duplicate", "retrieving the same question") are no contrast, so
    instructions that lie near each other are not taken for each other's opposite.

    Args:
        entries: the datasets of the mixture.
        vectors_of: texts -> (n, d) unit vectors, which tell how alike two instructions are.
    """

    def __init__(self, entries: Sequence[Dataset], vectors_of: VectorsOf) -> None:
        self._entries = entries
        self._vectors = vectors_of([entry.document.instruction for entry in entries]).astype(np.float32)
        self._text_types = [entry.document_type or entry.text_type for entry in entries]
        self._objectives = [entry.document.instruction.partition(" for ")[2] for entry in entries]

    def of(self, at: int, table: pa.Table, share: float, rng: np.random.Generator) -> pa.Table:
        """For a share of the rows of the dataset numbered ``at``, one more row each."""
        import pyarrow as pa

        datasets = np.full(table.num_rows, at)
        other = wrong_instructions(datasets, self._text_types, self._objectives, rng=rng, share=share)
        is_other_job = self._vectors[other] @ self._vectors[at] < MAX_INSTRUCTION_COSINE
        rows = np.flatnonzero((other != NO_ROW) & is_other_job)
        sentences = [rng.choice(self._entries[one].document.all) for one in other[rows]]
        chosen = table.take(rows)
        n = len(rows)
        for name, values in (
            ("negative_instruction", pa.array(sentences, pa.string())),
            ("negative", chosen.column("positive")),
            ("rule", pa.array(["wrong_instruction"] * n, pa.string())),
        ):
            chosen = chosen.set_column(chosen.column_names.index(name), name, values)
        return chosen
