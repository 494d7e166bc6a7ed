"""Triplets -> a table in Arrow and numpy of which any row is a triplet again.

Knows rows and texts; nothing of weights, batches or tokens. Negatives are mostly other rows' positives, so a text
is kept once in every chunk of rows: a mixture takes less space than its texts would, and no Python object a row.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cached_property
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import InputError, InputTypeError
from instructvec.medi.triplets import Side, Triplet

if TYPE_CHECKING:
    import pyarrow as pa

SIDES = ("query", "positive", "negative")
"""The columns of every (n, 3) array here."""
ABSENT = -1
"""Stands where there is no negative, no group, or no label."""
_CHUNK_ROWS = 50_000

RowNumbers: TypeAlias = "NDArray[np.int64] | Sequence[int]"


class Coded(NamedTuple):
    """A column of few distinct values.

    Attributes:
        values: the distinct ones, in order of first use.
        codes: (n,) or (n, 3) int32, which of them a row has; ``ABSENT`` for none.
    """

    values: tuple[str, ...]
    codes: NDArray[np.int32]


class Rows:
    """The rows of a mixture, by number.

    Attributes:
        instructions: (n, 3) codes; ``""`` where a side has none, absent where there is no negative.
        datasets: (n,) codes, and so the next four.
        kinds: what the dataset holds.
        rules: how positive and negative were found.
        groups: absent for rows that stand alone.
        labels: of query and positive, absent where there is none; equal ones of two datasets are not the same.
        text_ids: (n, 3) int32, equal where texts are, letter case and outer blanks apart; numbered by first use.

    Example:
        >>> row = Triplet(Side("Topic: ", "rain"), Side("Topic: ", "snow"), None, "weather", "label", "labelled")
        >>> rows = rows_of([row])
        >>> rows[0] == row, rows.text_ids.tolist()
        (True, [[0, 1, -1]])
    """

    def __init__(
        self, chunks: Sequence[pa.Array], places: NDArray[np.int32], text_ids: NDArray[np.int32], **columns: Coded
    ) -> None:
        self._chunks = chunks
        self._starts = np.concatenate([[0], np.cumsum([len(chunk) for chunk in chunks])]).astype(np.int64)
        self._places = places
        self.text_ids = text_ids
        self.instructions = columns["instructions"]
        self.datasets = columns["datasets"]
        self.kinds = columns["kinds"]
        self.rules = columns["rules"]
        self.groups = columns["groups"]
        self.labels = columns["labels"]
        # In the order of a triplet's fields.
        self._coded = (self.instructions, self.datasets, self.kinds, self.rules, self.groups, self.labels)

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, row: int) -> Triplet:
        return self.triplets([row])[0]

    @cached_property
    def n_bytes(self) -> int:
        """Bytes of texts and arrays."""
        arrays = [self._places, self.text_ids, *(one.codes for one in self._coded)]
        return sum(int(chunk.nbytes) for chunk in self._chunks) + sum(array.nbytes for array in arrays)

    def without_negatives(self, which: NDArray[np.bool_]) -> Rows:
        """The same rows, some without their hard negative.

        Args:
            which: (n,) true for those.
        """
        places, text_ids, codes = self._places.copy(), self.text_ids.copy(), self.instructions.codes.copy()
        for array in (places, text_ids, codes):
            array[which, 2] = ABSENT
        instructions = Coded(self.instructions.values, codes)
        columns = {name: getattr(self, name) for name in ("datasets", "kinds", "rules", "groups", "labels")}
        return Rows(self._chunks, places, text_ids, instructions=instructions, **columns)

    def triplets(self, rows: RowNumbers) -> list[Triplet]:
        """The given rows, in the given order.

        Raises:
            InputError: a number that no row has.
        """
        wanted = self._checked(rows)
        texts = np.empty((len(wanted), len(SIDES)), object)
        places = self._places[wanted]
        chunk_of = np.searchsorted(self._starts, places, side="right") - 1  # below 0: no text
        for chunk in np.unique(chunk_of[chunk_of >= 0]):
            is_here = chunk_of == chunk
            texts[is_here] = self._chunks[chunk].take(places[is_here] - self._starts[chunk]).to_pylist()
        columns = [_decoded(one, wanted) for one in self._coded]
        return [
            Triplet(
                Side(query_i, query),
                Side(positive_i, positive),
                None if negative is None else Side(negative_i, negative),
                *rest,
            )
            for (query, positive, negative), (query_i, positive_i, negative_i), *rest in zip(
                texts.tolist(), *columns, strict=True
            )
        ]

    def _checked(self, rows: RowNumbers) -> NDArray[np.int64]:
        wanted = np.asarray(rows, np.int64)
        outside = wanted[(wanted < 0) | (wanted >= len(self))]
        if len(outside):
            raise InputError(f"row {outside[0]}: there are {len(self):,} rows; expected a number below that")
        return wanted


def _decoded(coded: Coded, rows: NDArray[np.int64]) -> list[Any]:
    values = np.array([*coded.values, None], object)  # the last for ABSENT
    decoded: list[Any] = values[coded.codes[rows]].tolist()
    return decoded


def rows_of(triplets: Iterable[Triplet]) -> Rows:
    """Hold triplets, read one after the other.

    Raises:
        InputError: an empty text, or text that UTF-8 cannot hold; names row and side.
        InputTypeError: a text or instruction that is no string.
    """
    reader = _Reader()
    stream = iter(triplets)
    while chunk := list(islice(stream, _CHUNK_ROWS)):
        reader.add(chunk)
    return reader.finished()


class _Reader:
    """Takes chunks of triplets in."""

    def __init__(self) -> None:
        self._chunks: list[pa.Array] = []
        self._hashes: list[NDArray[np.int64]] = []
        self._places: list[NDArray[np.int32]] = []
        self._n_texts = 0
        self._n_rows = 0
        names = ("instructions", "datasets", "kinds", "rules", "groups", "labels")
        self._coders = {name: _Coder() for name in names}

    def add(self, chunk: Sequence[Triplet]) -> None:
        import pyarrow as pa

        numbers: dict[str, int] = {}
        sides = [side for one in chunk for side in (one.query, one.positive, one.negative)]
        try:
            local = [ABSENT if side is None else numbers.setdefault(side.text, len(numbers)) for side in sides]
            self._hashes.append(np.fromiter((_hash(text) for text in numbers), np.int64, len(numbers)))
            self._chunks.append(pa.array(list(numbers), pa.string()))
            self._coders["instructions"].add(None if side is None else side.instruction for side in sides)
        except (InputError, TypeError, AttributeError, pa.ArrowException, UnicodeEncodeError):
            _refuse(sides, self._n_rows)
            raise
        places = np.array(local, np.int32).reshape(-1, len(SIDES))
        self._places.append(np.where(places == ABSENT, np.int32(ABSENT), places + np.int32(self._n_texts)))
        self._n_texts += len(numbers)
        self._n_rows += len(chunk)
        code = self._coders
        code["datasets"].add(one.dataset for one in chunk)
        code["kinds"].add(one.kind for one in chunk)
        code["rules"].add(one.rule for one in chunk)
        code["groups"].add(one.group for one in chunk)
        code["labels"].add(one.label for one in chunk)

    def finished(self) -> Rows:
        places = np.concatenate([np.empty((0, len(SIDES)), np.int32), *self._places])
        ids = _first_use(np.concatenate([np.empty(0, np.int64), *self._hashes]))
        columns = {name: coder.finished() for name, coder in self._coders.items()}
        instructions = columns.pop("instructions")
        wide = Coded(instructions.values, instructions.codes.reshape(-1, len(SIDES)))
        return Rows(self._chunks, places, np.append(ids, np.int32(ABSENT))[places], instructions=wide, **columns)


class _Coder:
    """Values -> numbers by first use."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._codes: list[NDArray[np.int32]] = []

    def add(self, values: Iterable[str | None]) -> None:
        known = self._numbers
        before = len(known)
        codes = [ABSENT if value is None else known.setdefault(value, len(known)) for value in values]
        if not all(isinstance(value, str) for value in islice(known, before, None)):
            raise TypeError("a value that is no string")
        self._codes.append(np.array(codes, np.int32))

    def finished(self) -> Coded:
        return Coded(tuple(self._numbers), np.concatenate([np.empty(0, np.int32), *self._codes]))


def _hash(text: str) -> int:
    """64 bits of a text without letter case and outer blanks.

    Two of two million texts share them once in ten million mixtures, and then only wait for another batch.
    """
    folded = text.strip().casefold()
    if not folded:
        raise InputError("an empty text")
    return hash(folded)


def _refuse(sides: Sequence[Side | None], first_row: int) -> None:
    """Name the first text that cannot be used."""
    for at, side in enumerate(sides):
        where = f"row {first_row + at // len(SIDES)}: its {SIDES[at % len(SIDES)]}"
        if side is None:
            continue
        for what, value in zip(("instruction", "text"), side, strict=True):
            if not isinstance(value, str):
                raise InputTypeError(f"{where} has as its {what} a {type(value).__name__}; expected a string")
            try:
                value.encode("utf-8")
            except UnicodeEncodeError as error:
                raise InputError(
                    f"{where} has half a character at {error.start}, which UTF-8 cannot hold; mend the {what}"
                ) from None
        if not side.text.strip():
            raise InputError(f"{where} is an empty text, from which nothing can be learnt; leave the row out")


def _first_use(hashes: NDArray[np.int64]) -> NDArray[np.int32]:
    """Numbers from 0, equal where the values are, in order of first use: the same in every process."""
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int32)
    rank[np.argsort(first)] = np.arange(len(first), dtype=np.int32)
    return rank[inverse]
