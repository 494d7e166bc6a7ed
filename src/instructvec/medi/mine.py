"""The rows of one dataset -> its triplets, by the rule that its kind calls for.

Knows which rule serves which kind; the rules themselves are in ``mining``. Source: Su et al. 2023, section 2.3.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructvec.medi.config import MiningOptions
from instructvec.medi.mining import (
    Mined,
    class_label_triplets,
    hard_negatives,
    label_agreement,
    labelled_triplets,
    text_output_triplets,
)
from instructvec.medi.mining.labels import MIN_MEAN_AGREEMENT
from instructvec.medi.registry import Dataset
from instructvec.medi.search import NO_ROW
from instructvec.medi.sources.options import are_positions
from instructvec.medi.sources.superni import are_labels
from instructvec.medi.triplets import Rule
from instructvec.medi.words import hashed, raw_hash

if TYPE_CHECKING:
    import pyarrow as pa

SHORT_OUTPUT_WORDS = 3
MAX_SHARED_OUTPUT = 0.2
"""Share of a task's rows from which on an output ("not found", "none") is no answer of its own."""

_NO_ROWS = np.zeros(0, np.int64)
_NOTHING = Mined(_NO_ROWS, _NO_ROWS, _NO_ROWS, np.zeros(0, np.float32), {}, {})

VectorsOf = Callable[[Sequence[str]], NDArray[np.float16]]


class Found(NamedTuple):
    """The triplets of a dataset.

    Attributes:
        table: ``query``, ``positive``, ``negative`` (null for none), ``rule``, ``margin`` (float32; how far the
            positive is ahead in the rule's own score, null where the rule has none) and ``row``, ``positive_row``
            (int64; where the texts are rows of the dataset, else -1), ``label`` (null where there is none).
        facts: ``rule``, reasons why rows gave no triplet, and for labels how well neighbours tell them.
    """

    table: pa.Table
    facts: dict[str, Any]


def mine(entry: Dataset, rows: pa.Table, vectors_of: VectorsOf, options: MiningOptions) -> Found:
    """The triplets of a dataset.

    Args:
        entry: the dataset.
        rows: ``first``, ``second`` and ``others``, as ``prepare`` has them.
        vectors_of: the miner's model.
        options: depth and margins.
    """
    first, second = rows.column("first").to_pylist(), rows.column("second").to_pylist()
    if not first:
        return _found("given", _NOTHING, first, first)
    if entry.kind == "triplet":
        return _given(first, second, rows.column("others").to_pylist())
    if entry.kind == "pair":
        return _pairs(first, second, vectors_of, options, symmetric=entry.symmetric)
    if entry.kind == "label":
        return _labels("labelled", first, second, vectors_of, options)
    return _task(first, second, vectors_of, options)


def _task(inputs: list[str], outputs: list[str], vectors_of: VectorsOf, options: MiningOptions) -> Found:
    """A Super-NaturalInstructions task, by what its outputs are."""
    if are_positions(outputs):
        reason = "its answers are options' letters, which mean nothing elsewhere"
        nothing = _NOTHING._replace(dropped={reason: len(inputs)})
        return _found("class", nothing, inputs, inputs)
    if are_labels(outputs):
        return _labels("class", inputs, outputs, vectors_of, options)
    return _outputs(inputs, outputs, vectors_of, options)


def ids_of(texts: Sequence[str]) -> NDArray[np.int64]:
    """(n,) int64, equal where texts are."""
    return np.fromiter(map(raw_hash, texts), np.uint64, len(texts)).view(np.int64)


def word_ids(texts: Sequence[str]) -> NDArray[np.int64]:
    """(n,) int64, equal where texts are but for case, punctuation and spacing; without words, where they are."""
    found = hashed(texts)
    keys = found.texts()
    for row in np.flatnonzero(found.lengths == 0).tolist():
        keys[row] = raw_hash(texts[row])
    return keys.view(np.int64)


def _given(first: list[str], second: list[str], others: list[list[str]]) -> Found:
    """The source's own negatives; of several the first, the others stand for further rows."""
    import pyarrow as pa

    flat: list[tuple[int, str | None]] = [(at, text) for at, own in enumerate(others) for text in own or (None,)]
    rows = np.array([at for at, _ in flat], np.int64)
    table = pa.table(
        {
            "query": [first[at] for at in rows],
            "positive": [second[at] for at in rows],
            "negative": pa.array([text for _, text in flat], pa.string()),
            "rule": ["given"] * len(rows),
            "margin": pa.nulls(len(rows), pa.float32()),
            "row": rows,
            "positive_row": np.full(len(rows), NO_ROW),
            "label": pa.nulls(len(rows), pa.string()),
        }
    )
    return Found(table, {"rule": "given", "without_triplet": {}})


def _pairs(
    first: list[str], second: list[str], vectors_of: VectorsOf, options: MiningOptions, *, symmetric: bool
) -> Found:
    """Negatives among the documents, or for a symmetric set among the texts of both sides."""
    queries = vectors_of(first)
    positives = vectors_of(second)
    if symmetric:
        documents, texts = np.concatenate([queries, positives]), first + second
        own = np.arange(len(first), 2 * len(first))
    else:
        documents, texts, own = positives, second, np.arange(len(second))
    found = hard_negatives(
        queries,
        documents,
        own,
        depth=options.depth,
        relative_margin=options.relative_margin,
        equal=(word_ids(first), word_ids(texts)),
        symmetric=symmetric,
    )
    return _found("mined", found, first, texts, rows_are_texts=False)


def _labels(
    rule: Rule, texts: list[str], labels: list[str], vectors_of: VectorsOf, options: MiningOptions
) -> Found:
    vectors = vectors_of(texts)
    agreement = label_agreement(vectors, labels)
    if rule == "labelled":
        found = labelled_triplets(vectors, labels, min_agreement=options.min_agreement)
    else:
        # A text whose neighbours contradict its label teaches the label's noise.
        told = (agreement >= options.min_agreement) | (np.mean(agreement) < MIN_MEAN_AGREEMENT)
        found = class_label_triplets(
            vectors, [label if is_told else None for label, is_told in zip(labels, told, strict=True)]
        )
        renamed = {"label not known": "its label cannot be told from its neighbours"}
        found = found._replace(dropped={renamed.get(reason, reason): n for reason, n in found.dropped.items()})
    made = _found(rule, found, texts, texts, labels=labels)
    about = {"labels": len(set(labels)), "agreement": round(float(np.mean(agreement)), 3)}
    return made._replace(facts={**made.facts, **about})


def _outputs(inputs: list[str], outputs: list[str], vectors_of: VectorsOf, options: MiningOptions) -> Found:
    counts = Counter(outputs)
    is_own = np.array([counts[output] <= max(1, MAX_SHARED_OUTPUT * len(outputs)) for output in outputs])
    kept = np.flatnonzero(is_own)
    shared = {} if is_own.all() else {"an output that many rows have": int((~is_own).sum())}
    x, y = vectors_of([inputs[at] for at in kept]), vectors_of([outputs[at] for at in kept])
    own = [outputs[at] for at in kept]
    found = text_output_triplets(x, y, only_equal=_exact_ids(own), min_output_cosine=_least_cosines(own))
    found = found._replace(
        anchors=kept[found.anchors],
        positives=kept[found.positives],
        negatives=np.where(found.negatives == NO_ROW, NO_ROW, kept[found.negatives]),
        dropped={**found.dropped, **shared},
    )
    return _found("text_output", found, inputs, inputs)


def _exact_ids(outputs: Sequence[str]) -> NDArray[np.int64]:
    """(n,) int64: for outputs of mostly digits and signs an id, equal where they are; -1 for words.

    To a model 1995 and 1996 are alike; as answers they are not.
    """
    ids = ids_of(outputs) & np.int64(2**63 - 1)
    in_words = [sum(map(str.isalpha, output)) > len(output) / 2 for output in outputs]
    return np.where(in_words, -1, ids)


def _least_cosines(outputs: Sequence[str]) -> NDArray[np.float32]:
    """(n,) float32, how alike another output must be: names and single words lie near each other easily."""
    is_short = np.array([len(output.split()) <= SHORT_OUTPUT_WORDS for output in outputs], np.bool_)
    return np.where(is_short, np.float32(0.8), np.float32(0.6))


def _found(
    rule: Rule,
    mined: Mined,
    queries: list[str],
    documents: list[str],
    *,
    rows_are_texts: bool = True,
    labels: list[str] | None = None,
) -> Found:
    import pyarrow as pa

    def texts(of: list[str], rows: NDArray[np.int64]) -> pa.Array:
        return pa.array(of, pa.string()).take(pa.array(rows, mask=rows == NO_ROW))

    table = pa.table(
        {
            "query": texts(queries, mined.anchors),
            "positive": texts(documents, mined.positives),
            "negative": texts(documents, mined.negatives),
            "rule": pa.array([rule] * len(mined.anchors), pa.string()),
            "margin": pa.array(mined.margins, pa.float32(), mask=np.isinf(mined.margins)),
            "row": mined.anchors,
            "positive_row": mined.positives if rows_are_texts else np.full(len(mined.anchors), NO_ROW),
            "label": pa.nulls(len(mined.anchors), pa.string()) if labels is None else texts(labels, mined.anchors),
        }
    )
    reasons = {"without_triplet": dict(mined.dropped), "without_negative": dict(mined.without_negative)}
    return Found(table, {"rule": rule, **reasons})
