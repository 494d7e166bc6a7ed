"""Texts and an embedder -> an index to search, to change and to keep; its contract is enforced on both sides.

Knows what each call means; rows, search, words and files are the other modules'.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, overload

from instructvec.errors import ConfigError, InputError, InputTypeError, OutputError
from instructvec.instruction import Instruction
from instructvec.tasks.index import folder as folders
from instructvec.tasks.index.encoding import (
    Approximate,
    Settings,
    check_documents,
    check_model,
    check_queries,
    document_instruction,
    encoded,
    named_for_good,
    open_embedder,
    unit,
)
from instructvec.tasks.index.filters import Where, matching
from instructvec.tasks.index.folder import Contents, WriterLock
from instructvec.tasks.index.hits import Hit, IndexInfo
from instructvec.tasks.index.identifiers import checked_ids, refuse_known, rows_of
from instructvec.tasks.index.manifest import Manifest
from instructvec.tasks.index.retrieval import FUSED_DEPTH, MODES, Found, Mask, Mode, by_vectors, by_words, fused
from instructvec.tasks.index.rows import ID, TEXT, Rows, Segment
from instructvec.tasks.index.tables import Batch
from instructvec.tasks.index.upkeep import settled
from instructvec.tasks.index.words import Words
from instructvec.tasks.instructions import DOCUMENT, QUERY, chosen
from instructvec.tasks.vectors import Embedded, Texts, checked_texts, embedded
from instructvec.types import Encoder

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class Index:
    """Documents that are found by what a query means; made by :meth:`build` or :meth:`load`.

    Changes are made in memory and reach the disk, all or none of them, with :meth:`save`. Instructions, model and
    precision are the index's for good: queries are encoded under its query instruction, and vectors that were made
    otherwise are refused. What is compared are cosines, whatever the lengths of vectors.

    Example:
        >>> texts = ["a recipe for bread", "how to fix a bicycle"]
        >>> index = Index.build(texts, columns={"kind": ["food", "tools"]})
        >>> index.search("baking", k=1)[0].text
        'a recipe for bread'
        >>> index.add(["bicycles for sale"], columns={"kind": ["shop"]}), len(index)
        (['2'], 3)
        >>> [hit.id for hit in index.search("baking", where={"kind": ["tools", "shop"]}, k=1)] != ["0"]
        True
    """

    def __init__(
        self,
        contents: Contents,
        *,
        embedder: Encoder | None = None,
        path: Path | None = None,
        manifest: Manifest | None = None,
        lock: WriterLock | None = None,
    ) -> None:
        self._contents, self._embedder = contents, embedder
        self._path, self._manifest, self._lock = path, manifest, lock

    @classmethod
    def build(
        cls,
        texts: Texts,
        *,
        columns: pa.Table | dict[str, Sequence[Any]] | None = None,
        ids: Sequence[str | int] | None = None,
        embedder: Encoder | None = None,
        instruction: str | Instruction | None = None,
        query_instruction: str | Instruction | None = None,
        path: str | os.PathLike[str] | None = None,
        approximate: Approximate = "auto",
        hybrid: bool = False,
        overwrite: bool = False,
    ) -> Index:
        """An index over documents.

        Args:
            texts: n documents, or such that are embedded already, whose contract is then the index's and whose
                vectors are not copied.
            columns: more about each document, for ``where`` and to be shown.
            ids: of the documents, all different; ``None`` for "0" to "n-1".
            embedder: of documents and queries; ``None`` for the bundled model.
            instruction: of documents; ``None`` for "Represent the document for retrieval: ", ``""`` for none.
            query_instruction: of queries; ``None`` for "Represent the query for retrieval: ", or for none where
                documents have none.
            path: folder to save it in; ``None`` keeps it in memory.
            approximate: search through a graph, or exactly; ``"auto"``: exactly as long as that is fast.
            hybrid: whether to keep an index of words on disk for ``mode="hybrid"``; without, words are counted
                anew by the first such search.
            overwrite: whether an index that is at ``path`` may be replaced.

        Raises:
            InputError: no texts, or ids or columns that do not fit them.
            ContractMismatch: vectors that were not made by this embedder under this instruction.
            OutputExists: something is at ``path`` already.
        """
        if path is not None:
            folders.check_new(Path(path), overwrite=overwrite)
        given = texts if isinstance(texts, Embedded) else checked_texts(texts, "documents")
        batch = Batch.of(given, ids, columns, Rows(), 0)
        if isinstance(given, Embedded) and embedder is not None:
            check_model(given.contract, embedder)
        model = None if isinstance(given, Embedded) else embedder
        made = embedded(given, model, instruction, default=DOCUMENT, name="documents")
        contract = named_for_good(made.contract)
        asked = chosen(query_instruction, QUERY if any(contract.instructions) else "")
        settings = Settings(contract, asked, approximate, hybrid)
        index = cls(Contents(settings, Rows(), 0), embedder=embedder)
        index._append(batch, unit(made))
        if path is not None:
            index.save(path, overwrite=overwrite)
        return index

    @classmethod
    def load(
        cls, path: str | os.PathLike[str], *, embedder: Encoder | None = None, writing: bool = False
    ) -> Index:
        """The index in a folder.

        Args:
            path: the folder.
            embedder: of queries and added texts; ``None`` opens the index's own model when it is needed.
            writing: keep others from changing it until it is closed; without, :meth:`save` does so while it runs,
                and refuses where another has saved in between.

        Raises:
            FileError: no index there, or a damaged one; names what is wrong.
            ContractMismatch: written by a newer version of this package, or another model than the index's.
            OutputError: another process is changing it.

        Example:
            >>> import tempfile
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     made = Index.build(["bread", "bicycle"], path=folder)
            ...     len(Index.load(folder))
            2
        """
        place = Path(path)
        Manifest.read(place)  # before a lock is put into a folder that is none of ours
        lock = WriterLock(place) if writing else None
        try:
            manifest, contents = folders.load(place)
            if embedder is not None:
                check_model(contents.settings.contract, embedder)
        except BaseException:
            if lock is not None:
                lock.release()
            raise
        return cls(contents, embedder=embedder, path=place, manifest=manifest, lock=lock)

    def __len__(self) -> int:
        """Documents that can be found."""
        return len(self._contents.rows) - self._contents.rows.n_deleted

    def __enter__(self) -> Index:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let other processes write; what was not saved is not."""
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    @property
    def settings(self) -> Settings:
        """What the index is for: contract, instructions, kind of search."""
        return self._contents.settings

    def remember(self, column: str | None, id_column: str | None) -> None:
        """Note from which columns of files texts and ids came, for whoever adds more files."""
        settings = replace(self.settings, column=column, id_column=id_column)
        self._contents = replace(self._contents, settings=settings)

    def add(
        self,
        texts: Texts,
        *,
        columns: pa.Table | dict[str, Sequence[Any]] | None = None,
        ids: Sequence[str | int] | None = None,
        embedder: Encoder | None = None,
        replace_existing: bool = False,
    ) -> list[str]:
        """Add documents.

        Args:
            texts: n documents, encoded as the index's are, or such that were embedded so.
            columns: more about each; a column that others lack is missing there.
            ids: of the documents; ``None`` for the next numbers.
            embedder: must be the index's model; ``None`` opens that.
            replace_existing: whether documents with ids that are there already are replaced.

        Returns:
            The n ids.

        Raises:
            InputError: ids that are there already, or that come twice; or columns that do not fit.
            ContractMismatch: vectors, or an embedder, that the index's contract does not allow.
        """
        rows = self._contents.rows
        given = texts if isinstance(texts, Embedded) else checked_texts(texts, "documents")
        batch = Batch.of(given, ids, columns, rows, self._contents.next_id)
        if not replace_existing:
            refuse_known(rows, batch.ids)
        vectors = self._document_vectors(given, embedder)
        return self._append(batch, vectors)

    def update(
        self,
        texts: Texts,
        *,
        ids: Sequence[str | int],
        columns: pa.Table | dict[str, Sequence[Any]] | None = None,
        embedder: Encoder | None = None,
    ) -> None:
        """Replace documents by id: text, vector and all columns.

        Args:
            texts: n documents.
            ids: of the documents to replace, all there.
            columns: as of :meth:`add`.
            embedder: as of :meth:`add`.

        Raises:
            InputError: ids that are not there; and as of :meth:`add`.
            ContractMismatch: as of :meth:`add`.
        """
        rows_of(self._contents.rows, checked_ids(ids, len(texts)))
        self.add(texts, columns=columns, ids=ids, embedder=embedder, replace_existing=True)

    def delete(self, ids: Sequence[str | int]) -> None:
        """Delete documents.

        Args:
            ids: of the documents, all there.

        Raises:
            InputError: ids that are not there; none is deleted then.
        """
        if isinstance(ids, str):
            raise InputTypeError("ids: one string; expected a sequence of ids: put it into a list")
        rows = rows_of(self._contents.rows, [str(one) for one in ids])
        self._contents = settled(replace(self._contents, rows=self._contents.rows.without(rows)))

    @overload
    def search(  # type: ignore[overload-overlap]  # a str is a Sequence[str] too
        self, queries: str, k: int = 10, where: Where | None = None, mode: Mode = "vectors", *,
        embedder: Encoder | None = None,
    ) -> list[Hit]: ...  # fmt: skip
    @overload
    def search(
        self, queries: Texts, k: int = 10, where: Where | None = None, mode: Mode = "vectors", *,
        embedder: Encoder | None = None,
    ) -> list[list[Hit]]: ...  # fmt: skip
    def search(
        self,
        queries: str | Texts,
        k: int = 10,
        where: Where | None = None,
        mode: Mode = "vectors",
        *,
        embedder: Encoder | None = None,
    ) -> list[Hit] | list[list[Hit]]:
        """The documents nearest to each query, best first.

        Args:
            queries: a query; or several; or such that are embedded under the index's query instruction.
            k: how many documents at most.
            where: only documents whose columns meet this: ``{"year": (">=", 2020), "lang": ["en", "de"]}``; a
                value, a list of values, ``(operator, value)`` with ``= != < <= > >= in``, or a list of such pairs.
            mode: by ``"vectors"``, by words (``"bm25"``), or by both rankings, fused by reciprocal rank
                (``"hybrid"``).
            embedder: must be the index's model; ``None`` opens that.

        Returns:
            For one string its hits; else a list of them for each query.

        Raises:
            InputError: a column, operator or value of ``where`` that does not fit, or queries without texts where
                words are asked for.
            ConfigError: another mode, or a ``k`` below 1.
            ContractMismatch: queries embedded otherwise, or by another model.
        """
        if isinstance(queries, str):
            return self.search([queries], k, where, mode, embedder=embedder)[0]
        if mode not in MODES:
            raise ConfigError(f"mode is {mode!r}; expected one of {', '.join(MODES)}")
        if not isinstance(k, int) or k < 1:
            raise ConfigError(f"k is {k!r}; expected a whole number from 1")
        given: Texts = queries if isinstance(queries, Embedded) else checked_texts(queries, "queries")
        contents = self._contents  # a snapshot: others may add meanwhile
        mask = _mask(contents.rows, where)
        if not len(given) or (mask is not None and not mask.any()):
            return _no_hits(len(given))
        return _hits(contents.rows, self._found(contents, given, k, mask, mode, embedder))

    def save(self, path: str | os.PathLike[str] | None = None, *, overwrite: bool = False) -> Path:
        """Write the changes to disk: all of them, or, where it is interrupted, none.

        Args:
            path: folder; ``None`` for where it was loaded from or saved before.
            overwrite: whether another index there is replaced.

        Returns:
            The folder.

        Raises:
            OutputExists: something else is there.
            OutputError: the folder cannot be written, or another process has changed the index since.
        """
        place = self._path if path is None else Path(path)
        if place is None:
            raise InputError("save: the index was never saved; expected a path")
        own = self._path is not None and place.resolve() == self._path.resolve()
        if not own:
            folders.check_new(place, overwrite=overwrite)
        lock = self._lock if own else None
        held = lock or WriterLock(place)
        try:
            before = self._before(place, own=own)
            manifest, contents = folders.save(place, self._contents, before, copied=not own)
        finally:
            if lock is None:
                held.release()
        self._path, self._manifest, self._contents = place, manifest, contents
        return place

    def _before(self, place: Path, *, own: bool) -> Manifest | None:
        """The manifest that the next one follows."""
        if not own:
            try:
                return Manifest.read(place) if folders.generation_of(place) else None
            except (InputError, ValueError):
                return None
        if folders.generation_of(place) != (self._manifest.generation if self._manifest else 0):
            raise OutputError(
                f"{place}: another process has changed this index since it was loaded; load it again and repeat "
                "the change, or load it with writing=True, which keeps others out"
            )
        return self._manifest

    def info(self) -> IndexInfo:
        """What the index holds."""
        contents = self._contents
        settings, rows = contents.settings, contents.rows
        return IndexInfo(
            path=None if self._path is None else str(self._path),
            generation=0 if self._manifest is None else self._manifest.generation,
            n_rows=len(self),
            n_deleted=rows.n_deleted,
            dimension=settings.contract.dimension,
            model=settings.contract.model,
            fingerprint=settings.contract.fingerprint,
            instruction=settings.contract.instructions,
            query_instruction=settings.query_instruction,
            search="exact" if contents.graph is None else "approximate",
            n_in_graph=0 if contents.graph is None else len(contents.graph),
            hybrid=settings.hybrid,
            columns=rows.columns(),
            n_bytes=0 if self._manifest is None else sum(one.n_bytes for one in self._manifest.files.values()),
        )

    def check(self) -> None:
        """Read all files of the index and compare them with what was written.

        Raises:
            FileError: names every file that differs.
        """
        if self._path is not None and self._manifest is not None:
            self._manifest.check(self._path, content=True)

    def _document_vectors(self, texts: Sequence[str] | Embedded, embedder: Encoder | None) -> NDArray[np.float32]:
        contract = self.settings.contract
        if isinstance(texts, Embedded):
            check_documents(contract, texts.contract)
            return unit(texts)
        instruction = document_instruction(contract)
        return encoded(texts, self._encoder(embedder, limits=True), contract, instruction)

    def _encoder(self, embedder: Encoder | None, *, limits: bool = False) -> Encoder:
        given = embedder or self._embedder
        if given is None:
            given = self._embedder = open_embedder(self.settings.contract)
        check_model(self.settings.contract, given, limits=limits)
        return given

    def _append(self, batch: Batch, vectors: NDArray[np.float32]) -> list[str]:
        """Put a batch behind the rows, and delete those of the same ids."""
        contents = self._contents
        known = contents.rows.number_of if len(contents.rows) else {}
        old = [known[one] for one in batch.ids if one in known]
        rows = (contents.rows.without(old) if old else contents.rows).added(Segment(batch.table, vectors))
        contents = replace(contents, rows=rows, next_id=batch.next_id, words=None, words_file="")
        self._contents = settled(contents)
        return batch.ids

    def _found(
        self, contents: Contents, queries: Texts, k: int, mask: Mask, mode: Mode, embedder: Encoder | None
    ) -> list[Found]:
        rankings: list[list[Found]] = []
        depth = max(k, FUSED_DEPTH) if mode == "hybrid" else k
        if mode != "bm25":
            rankings.append(by_vectors(contents, self._query_vectors(queries, embedder), depth, mask))
        if mode != "vectors":
            texts = queries.need_texts("search by words") if isinstance(queries, Embedded) else queries
            rankings.append(by_words(self._words(contents), texts, depth, mask))
        return fused(rankings, k) if mode == "hybrid" else rankings[0]

    def _query_vectors(self, queries: Texts, embedder: Encoder | None) -> NDArray[np.float32]:
        settings = self.settings
        if isinstance(queries, Embedded):
            check_queries(settings, queries.contract)
            return unit(queries)
        return encoded(queries, self._encoder(embedder), settings.contract, settings.query_instruction)

    def _words(self, contents: Contents) -> Words:
        """Those there are, or read or counted now and kept for the next search."""
        if contents.words is not None:
            return contents.words
        words = self._stored_words(contents)
        if words is None:
            texts = contents.rows.texts()
            if not any(text is not None for text in texts):
                raise InputError("search by words: the index holds vectors without texts; build it from texts")
            words = Words.of(texts)
        if self._contents is contents:
            self._contents = replace(contents, words=words)
        return words

    def _stored_words(self, contents: Contents) -> Words | None:
        """Those on disk; none where two later saves have removed the file."""
        if self._path is None or not contents.words_file or not (self._path / contents.words_file).is_file():
            return None
        return Words.read(self._path / contents.words_file)


def _mask(rows: Rows, where: Where | None) -> Mask:
    mask = rows.alive if rows.n_deleted else None
    if where:
        met = matching(rows.table.drop_columns([ID, TEXT]), where)
        mask = met if mask is None else met & mask
    return mask


def _no_hits(n_queries: int) -> list[list[Hit]]:
    return [[] for _ in range(n_queries)]


def _hits(rows: Rows, found: Sequence[Found]) -> list[list[Hit]]:
    wanted = list(dict.fromkeys(row for one in found for row, _ in one))
    values = dict(zip(wanted, rows.found(wanted), strict=True))
    return [[_hit(values[row], score) for row, score in one] for one in found]


def _hit(values: dict[str, Any], score: float) -> Hit:
    others = {name: value for name, value in values.items() if name not in (ID, TEXT)}
    return Hit(values[ID], score, values[TEXT], others)
