"""Rows of documents, queries and judgements -> a collection to search, its ids checked.

Knows BEIR's columns (``_id``, ``title``, ``text``; ``query-id``, ``corpus-id``, ``score``) and MTEB's ``id``;
nothing of files or hubs. Source: Thakur et al. 2021 (BEIR); a document's text is its title and text joined by a
space, as BEIR and MTEB embed it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from instructvec.errors import FileError, InputError
from instructvec.evaluation.data import InstructionRetrieval, RetrievalPart
from instructvec.evaluation.sources.rows import MISSING, Rows

ORIGINAL, CHANGED = "-og", "-changed"
"""How FollowIR's ids of a query under its original and its altered instruction end."""


class Tables(NamedTuple):
    """What a collection is made from.

    Attributes:
        corpus, queries, qrels: see the module.
        strict: whether judgements of unknown ids are refused; otherwise they are noted, and a document that is not
            there cannot be found, which is how published scores of such data were made.
    """

    corpus: Rows
    queries: Rows
    qrels: Rows
    strict: bool = True


class Collected(NamedTuple):
    """A collection.

    Attributes:
        part: documents, queries with at least one relevant document, and judgements of these.
        kept: the rows of ``queries`` that these are.
        notes: what a reader of the scores must know.
    """

    part: RetrievalPart
    kept: list[int]
    notes: tuple[str, ...]


def collect(tables: Tables, *, ignore_identical_ids: bool) -> Collected:
    """Documents, queries and judgements as one value.

    Raises:
        FileError: a value of the wrong type, an id that stands there twice, a judgement of an unknown id, or
            nothing left to score; names the file, the line and the id.
    """
    document_ids, documents = read_documents(tables.corpus)
    query_ids = unique_ids(tables.queries)
    queries = tables.queries.texts("text")
    judged, notes = read_qrels(tables, set(query_ids), set(document_ids))
    kept = [at for at, name in enumerate(query_ids) if any(score > 0 for score in judged.get(name, {}).values())]
    n_irrelevant = len(judged) - len(kept)
    if n_irrelevant:
        notes.append(f"{n_irrelevant} judged queries have no relevant document and are left out")
    try:
        part = RetrievalPart(
            document_ids,
            documents,
            [query_ids[at] for at in kept],
            [queries[at] for at in kept],
            {query_ids[at]: judged[query_ids[at]] for at in kept},
            ignore_identical_ids,
        )
    except InputError as error:
        raise FileError(f"{tables.qrels.name}: {error}") from None
    return Collected(part, kept, tuple(notes))


def collect_instructed(
    tables: Tables, changed: Mapping[str, Sequence[str]], *, group_of: Callable[[str], str]
) -> tuple[InstructionRetrieval, tuple[str, ...]]:
    """A collection whose queries have an ``instruction``, and a ``group`` or one by their id.

    Args:
        tables: as for :func:`collect`.
        changed: group -> documents that the altered instruction made irrelevant.
        group_of: a query's id -> its group, where the queries have no such column.

    Raises:
        FileError: as for :func:`collect`.
    """
    found = collect(tables, ignore_identical_ids=False)
    queries = tables.queries.take(found.kept)
    part, notes = found.part, list(found.notes)
    groups = queries.ids("group") if queries.has("group") else [group_of(name) for name in part.query_ids]
    there = set(part.query_ids)
    whole = {
        group: list(documents)
        for group, documents in changed.items()
        if {group + ORIGINAL, group + CHANGED} <= there
    }
    if len(whole) < len(changed):
        lost = next(group for group in changed if group not in whole)
        notes.append(
            f"{len(changed) - len(whole)} altered instructions have no pair of judged queries such as "
            f"{lost + ORIGINAL!r} and {lost + CHANGED!r}, and are left out"
        )
    return InstructionRetrieval(part, queries.texts("instruction"), groups, whole), tuple(notes)


def paired_group(name: str) -> str:
    """The group of a query by its id, FollowIR's endings left off.

    Example:
        >>> paired_group("331-og"), paired_group("331-changed"), paired_group("7")
        ('331', '331', '7')
    """
    return name.removesuffix(ORIGINAL).removesuffix(CHANGED)


def read_documents(corpus: Rows) -> tuple[list[str], list[str]]:
    """Ids and texts of a corpus; titles may be missing or null.

    Raises:
        FileError: see :func:`collect`.
    """
    ids = unique_ids(corpus)
    texts = corpus.texts("text")
    if not corpus.has("title"):
        return ids, [text.strip() for text in texts]
    column = corpus.column("title")
    titles = ["" if title is None or title is MISSING else title for title in corpus.values[column]]
    titles = Rows(corpus.name, corpus.unit, corpus.numbers, {column: titles}, corpus.columns).texts("title")
    return ids, [f"{title} {text}".strip() for title, text in zip(titles, texts, strict=True)]


def unique_ids(rows: Rows) -> list[str]:
    """The ids of documents or queries.

    Raises:
        FileError: an id stands there twice; names both places.
    """
    name = "_id" if rows.has("_id") or not rows.has("id") else "id"
    ids = rows.ids(name)
    if len(set(ids)) < len(ids):
        seen: dict[str, int] = {}
        for at, one in enumerate(ids):
            if one in seen:
                raise FileError(
                    f"{rows.where(at)}: the id {one!r} stands on {rows.unit} {rows.numbers[seen[one]]} too; "
                    "ids must be unique: remove one of the two or rename it"
                )
            seen[one] = at
    return ids


def read_qrels(
    tables: Tables, query_ids: set[str], document_ids: set[str]
) -> tuple[dict[str, dict[str, int]], list[str]]:
    """Judgements by query and document, and notes on those that are odd.

    Raises:
        FileError: see :func:`collect`.
    """
    qrels = tables.qrels
    rows = list(zip(qrels.ids("query-id"), qrels.ids("corpus-id"), qrels.whole_numbers("score"), strict=True))
    notes = [
        _unknown(tables, at, name, count)
        for name, (at, count) in {
            "query": _first([query not in query_ids for query, _, _ in rows]),
            "document": _first([document not in document_ids for _, document, _ in rows]),
        }.items()
        if count
    ]
    judged: dict[str, dict[str, int]] = {}
    conflicts: list[str] = []
    for at, (query, document, score) in enumerate(rows):
        if query in query_ids:
            own = judged.setdefault(query, {})
            if own.get(document, score) != score:
                conflicts.append(f"{qrels.where(at)}: query {query!r}, document {document!r}")
            own[document] = score
    if conflicts:
        notes.append(
            f"{len(conflicts)} judgements contradict an earlier one, and the later counts, as in MTEB; "
            f"the first is {conflicts[0]}"
        )
    return judged, notes


def _first(bad: Sequence[bool]) -> tuple[int, int]:
    """The first true place and how many there are."""
    count = sum(bad)
    return (bad.index(True) if count else 0), count


def _unknown(tables: Tables, at: int, side: str, count: int) -> str:
    """A note on judgements of ids that are not there.

    Raises:
        FileError: the tables are strict.
    """
    qrels, of = tables.qrels, tables.queries if side == "query" else tables.corpus
    column = qrels.column("query-id" if side == "query" else "corpus-id")
    what = f"{qrels.where(at)}: the {side} id {str(qrels.values[column][at])!r} is not in {of.name}"
    if tables.strict:
        more = f", and neither are those of {count - 1} more judgements" if count > 1 else ""
        raise FileError(f"{what}{more}; expected known ids only: correct the judgements, or remove them")
    effect = "they are passed over" if side == "query" else "these documents count as never found, as in MTEB"
    return f"{what}; {count} judgements are of unknown {side} ids, and {effect}"
