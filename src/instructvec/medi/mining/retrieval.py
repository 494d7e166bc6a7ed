"""Pairs without negatives -> triplets: for each query a document that scores high, and still below its own.

Knows vectors, which row belongs to which, and which texts are equal; nothing of the texts.
Source: the positive's own score as ceiling is TopK-PercPos of NV-Retriever (Moreira et al. 2024).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instructvec.errors import ConfigError, InputError
from instructvec.medi.mining.mined import Mined, assemble, check_cosine, row_ids
from instructvec.medi.search import NO_ROW, Neighbours, Vectors, check_at_least, cosines, nearest, unit_vectors

DEPTH = 100
RELATIVE_MARGIN = 0.95
DUPLICATE_COSINE = 0.98

Ids = NDArray[np.int64]


class _Texts(NamedTuple):
    """Ids of the texts of n queries and m documents, and ids of what they are about: equal where texts match."""

    queries: Ids
    documents: Ids
    query_clusters: Ids | None
    document_clusters: Ids | None


def hard_negatives(
    queries: Vectors,
    documents: Vectors,
    positives: ArrayLike,
    *,
    depth: int = DEPTH,
    skip: int = 0,
    margin: float = 0.0,
    relative_margin: float = RELATIVE_MARGIN,
    equal: tuple[ArrayLike, ArrayLike] | None = None,
    symmetric: bool = False,
    duplicate_cosine: float = DUPLICATE_COSINE,
    block_rows: int | None = None,
) -> Mined:
    r"""The best document that scores clearly below the query's own.

    With :math:`s_{ij} = \cos(q_i, d_j)` and the positive :math:`p_i`, among the ``depth`` nearest documents:

    .. math::
        n_i = \operatorname{argmax}_j s_{ij} \quad \text{where} \quad
        s_{ij} \le \min(s_{i p_i} - m, \; r \, s_{i p_i})

    m is ``margin`` and r ``relative_margin``. What scores near the positive or above it often answers too, and
    only is not marked as such. Where the positive scores below zero, only m counts. Never chosen are texts equal
    to the query's, its positive's or any other positive that a row gives to the same query text, nor such as have
    a cosine of ``duplicate_cosine`` with the query or the positive.

    Documents are what is searched: answers, for questions. In a symmetric set give the texts of both sides, so
    that ``positives`` point into the second half; matching is then taken to be transitive: a text that is linked
    with the query by a chain of pairs is none of its negatives.

    Args:
        queries: (n, d) unit vectors, one a pair.
        documents: (m, d) unit vectors; texts may be repeated.
        positives: (n,) the document row of each query.
        depth: nearest documents that are looked at, equal ones counted once.
        skip: how many of the nearest that are no known match are passed over first.
        margin: how far below the positive's score, as difference of cosines.
        relative_margin: how far below, as a share of the positive's score; 1 for not at all.
        equal: (n,) and (m,) whole numbers that are equal where texts are, such as hashes, of queries and documents
            alike; without them, every row counts as a text of its own.
        symmetric: pairs hold in both directions and along chains.
        duplicate_cosine: from which cosine on texts count as the same; 2 for none.
        block_rows: queries at once; by default as many as make a block of scores 64 MB.

    Returns:
        All pairs but those of a text with itself. Margins are s(i, p) - s(i, n).

    Raises:
        InputError: rows that are not unit vectors, positives that are no documents, ids of other number.
        ConfigError: an option out of range.

    Example:
        >>> q = np.array([[1.0, 0.0]])
        >>> d = np.array([[0.8, 0.6], [0.78, 0.6258], [0.6, 0.8], [0.0, 1.0]])
        >>> found = hard_negatives(q, d, [0])
        >>> found.negatives.tolist(), np.round(found.margins, 2).tolist()
        ([2], [0.20000000298023224])
    """
    queries, documents = unit_vectors(queries, "queries"), unit_vectors(documents, "documents")
    positive_rows = _positive_rows(positives, len(queries), len(documents))
    _check_options(depth, skip, margin, relative_margin, duplicate_cosine)
    texts = _texts(equal, positive_rows, len(documents), symmetric)
    own = cosines(queries, documents[positive_rows])
    ceiling = own - np.float32(margin)
    ceiling = np.where(own > 0, np.minimum(ceiling, np.float32(relative_margin) * own), ceiling)
    found = _distinct_neighbours(queries, documents, texts, depth, block_rows)
    fits = ~_known(found, texts, positive_rows) & (found.rows != NO_ROW)
    fits &= np.cumsum(fits, axis=1) > skip
    any_other = fits.any(axis=1)
    fits &= (found.scores <= ceiling[:, None]) & (found.scores < duplicate_cosine)
    negatives, scores = _first_unlike_positive(fits, found, documents, positive_rows, duplicate_cosine)
    return assemble(
        positive_rows,
        negatives,
        own - scores,
        [("the positive is the query's own text", texts.queries == texts.documents[positive_rows])],
        [
            (f"the {depth} nearest are known matches", ~any_other),
            (f"the {depth} nearest score too near the positive", negatives == NO_ROW),
        ],
    )


def clusters(left: Ids, right: Ids) -> tuple[Ids, Ids]:
    """The lowest id that each text is linked with along chains of pairs, for both sides of n pairs.

    Example:
        >>> [side.tolist() for side in clusters(np.array([3, 5, 9]), np.array([5, 7, 8]))]
        [[3, 3, 8], [3, 3, 8]]
    """
    ids, flat = np.unique(np.concatenate([left, right]), return_inverse=True)
    a, b = np.split(flat, [len(left)])
    lowest = np.arange(len(ids))
    while True:
        before = lowest.copy()
        link = np.minimum(lowest[a], lowest[b])
        np.minimum.at(lowest, a, link)
        np.minimum.at(lowest, b, link)
        lowest = lowest[lowest]  # a chain is halved in each round
        if np.array_equal(lowest, before):
            return ids[lowest[a]], ids[lowest[b]]


def _positive_rows(positives: ArrayLike, n_queries: int, n_documents: int) -> Ids:
    rows = row_ids(positives, n_queries, "positives")
    bad = np.flatnonzero((rows < 0) | (rows >= n_documents))
    if len(bad):
        raise InputError(
            f"positives[{bad[0]}] is {rows[bad[0]]}, and there are {n_documents} documents; expected a row of them"
        )
    return rows


def _check_options(depth: int, skip: int, margin: float, relative_margin: float, duplicate_cosine: float) -> None:
    check_at_least(depth, 1, "depth")
    check_at_least(skip, 0, "skip")
    check_cosine(duplicate_cosine, "duplicate_cosine")
    if not 0 <= margin <= 2:
        raise ConfigError(
            f"margin={margin!r}; expected a difference of cosines from 0 to 2: the positive's is the ceiling"
        )
    if not 0 < relative_margin <= 1:
        raise ConfigError(
            f"relative_margin={relative_margin!r}; expected a share of the positive's score, above 0 and up to 1"
        )


def _texts(equal: tuple[ArrayLike, ArrayLike] | None, positives: Ids, n_documents: int, symmetric: bool) -> _Texts:
    n = len(positives)
    if equal is None:
        query_ids, document_ids = np.arange(n_documents, n_documents + n), np.arange(n_documents)
    else:
        query_ids = row_ids(equal[0], n, "equal[0], the ids of the queries' texts,")
        document_ids = row_ids(equal[1], n_documents, "equal[1], the ids of the documents' texts,")
    if not symmetric:
        return _Texts(query_ids, document_ids, None, None)
    of_query, of_positive = clusters(query_ids, document_ids[positives])
    # A document without a pair is a cluster of its own text.
    ids, first = np.unique(np.concatenate([query_ids, document_ids[positives]]), return_index=True)
    cluster_of = np.concatenate([of_query, of_positive])[first]
    place = np.minimum(np.searchsorted(ids, document_ids), max(len(ids) - 1, 0))
    of_document = (
        np.where(ids[place] == document_ids, cluster_of[place], document_ids) if len(ids) else document_ids
    )
    return _Texts(query_ids, document_ids, of_query, of_document)


def _distinct_neighbours(
    queries: Vectors, documents: Vectors, texts: _Texts, depth: int, block_rows: int | None
) -> Neighbours:
    """The nearest documents of distinct texts, each by the first row that has it; equal queries go once."""
    keep = np.sort(np.unique(texts.documents, return_index=True)[1])
    _, first, back = np.unique(texts.queries, return_index=True, return_inverse=True)
    found = nearest(queries[first], documents[keep], depth, block_rows=block_rows)
    return Neighbours(found.scores[back], np.where(found.rows == NO_ROW, NO_ROW, keep[found.rows])[back])


def _known(found: Neighbours, texts: _Texts, positives: Ids) -> NDArray[np.bool_]:
    """(n, k) which neighbours are the query's own text or a known match of it."""
    if not found.rows.size:
        return np.zeros(found.rows.shape, np.bool_)
    known: NDArray[np.bool_] = texts.documents[found.rows] == texts.queries[:, None]
    if texts.query_clusters is not None and texts.document_clusters is not None:
        known |= texts.document_clusters[found.rows] == texts.query_clusters[:, None]
        return known
    n_ids, codes = _codes(texts.documents)
    query_codes = _codes(texts.queries)[1] * n_ids
    known |= np.isin(query_codes[:, None] + codes[found.rows], np.unique(query_codes + codes[positives]))
    return known


def _codes(ids: Ids) -> tuple[int, Ids]:
    distinct, codes = np.unique(ids, return_inverse=True)
    return len(distinct), codes


def _first_unlike_positive(
    fits: NDArray[np.bool_], found: Neighbours, documents: Vectors, positives: Ids, duplicate_cosine: float
) -> tuple[Ids, NDArray[np.float32]]:
    """The first neighbour that fits and is not the positive's text in all but form, and its score."""
    chosen, scores = np.full(len(fits), NO_ROW), np.full(len(fits), -np.inf, np.float32)
    open_rows = np.flatnonzero(fits.any(axis=1))
    fits = fits.copy()
    while len(open_rows):
        columns = fits[open_rows].argmax(axis=1)
        rows = found.rows[open_rows, columns]
        unlike = cosines(documents[rows], documents[positives[open_rows]]) < duplicate_cosine
        done = open_rows[unlike]
        chosen[done], scores[done] = rows[unlike], found.scores[done, columns[unlike]]
        fits[open_rows, columns] = False
        open_rows = open_rows[~unlike]
        open_rows = open_rows[fits[open_rows].any(axis=1)]
    return chosen, scores
