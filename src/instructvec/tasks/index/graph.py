"""Unit vectors -> a graph through which the nearest of a query are found without looking at all of them.

Knows vectors by number; nothing of ids, texts or deletions. HNSW (Malkov and Yashunin 2018, arXiv 1603.09320) by
usearch, over components rounded to 8 bits; what it finds is to be scored again with the vectors themselves, which
makes good what the rounding mixes up.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import FileError, OutputError
from instructvec.tasks.hnsw import component_scale, in_8_bits, index_class

CONNECTIVITY = 16
EXPANSION_ADD = 128
EXPANSION_SEARCH = 256
"""Candidates followed while searching; measured by ``benchmarks/index.py``."""
CANDIDATES = 4
"""How many times as many as asked for are found, to be scored again."""
MAX_FOUND = 4096
"""Where more are asked for, looking at all vectors is no slower."""

_ADDED_ROWS = 16_384
_ALONE_ROWS = 2048


class Graph:
    """Nearest neighbours, found approximately.

    Args:
        engine: usearch's index over int8 components.
        scale: a component is ``round(scale * x)``, cut to -127…127.
        path: the file it was opened from and cannot be changed in.
    """

    def __init__(self, engine: Any, scale: float, path: Path | None = None) -> None:
        self._engine, self.scale, self._path = engine, scale, path

    def __len__(self) -> int:
        return len(self._engine)

    @classmethod
    def over(cls, vectors: list[NDArray[np.float32]]) -> Graph:
        """A graph over unit vectors, numbered from 0 through all arrays.

        Args:
            vectors: arrays of (n, d) float32, not all empty.

        Raises:
            MissingExtra: usearch is not installed.
        """
        engine = _new_engine(vectors[0].shape[1])
        graph = cls(engine, component_scale(vectors[0]))
        graph._add(vectors)
        return graph

    def extended(self, vectors: list[NDArray[np.float32]]) -> Graph:
        """A graph over these too, numbered on; this one stays as it is."""
        engine = _new_engine(self._engine.ndim)
        engine.load(self._path if self._path is not None else self._engine.save())
        graph = Graph(engine, self.scale)
        graph._add(vectors)
        return graph

    def _add(self, vectors: list[NDArray[np.float32]]) -> None:
        from instructvec.engines.threads import available_processors

        for array in vectors:
            start = 0
            while start < len(array):
                first = len(self._engine)
                # Vectors added at the same time do not see each other, which tears apart a graph that is small.
                is_small = first < _ALONE_ROWS
                n_rows = _ALONE_ROWS - first if is_small else _ADDED_ROWS
                block = in_8_bits(array[start : start + n_rows], self.scale)
                keys = np.arange(first, first + len(block), dtype=np.uint64)
                self._engine.add(keys, block, threads=1 if is_small else available_processors())
                start += len(block)

    def search(self, queries: NDArray[np.float32], top_k: int) -> list[NDArray[np.int64]]:
        """About the ``top_k`` nearest of each query, with more beside them.

        Args:
            queries: (queries, d) float32 of length 1.
            top_k: how many are to be kept of what is found, once it has been scored again.

        Returns:
            For each query, numbers of vectors, ascending.
        """
        wanted = min(max(CANDIDATES * top_k, EXPANSION_SEARCH // 2), len(self))
        found = self._engine.search(in_8_bits(queries, self.scale), wanted, threads=1)
        keys, counts = np.atleast_2d(found.keys), np.atleast_1d(getattr(found, "counts", len(found.keys)))
        return [np.sort(row[:count].astype(np.int64)) for row, count in zip(keys, counts, strict=True)]

    def write(self, path: Path) -> None:
        """Put it into a file that is there and open.

        Raises:
            OutputError: it cannot be written.
        """
        try:
            self._engine.save(str(path))
        except RuntimeError as error:
            raise OutputError(f"{path}: the graph cannot be written ({error}); is the disk full?") from None

    @classmethod
    def read(cls, path: Path, scale: float, n_rows: int, dimension: int) -> Graph:
        """What :meth:`write` wrote, mapped into memory.

        Raises:
            FileError: something else.
        """
        engine = _new_engine(dimension)
        try:
            engine.view(str(path))
        except (RuntimeError, ValueError, OSError) as error:
            raise FileError(f"{path}: cannot be read as a graph ({error}); build the index again") from None
        if (len(engine), engine.ndim) != (n_rows, dimension):
            raise FileError(
                f"{path}: a graph over {len(engine)} vectors of {engine.ndim} dimensions; expected {n_rows} of "
                f"{dimension}: build the index again"
            )
        engine.expansion_search = EXPANSION_SEARCH
        return cls(engine, scale, path)


def _new_engine(dimension: int) -> Any:
    return index_class("approximate search")(
        ndim=dimension,
        metric="ip",
        dtype="i8",
        connectivity=CONNECTIVITY,
        expansion_add=EXPANSION_ADD,
        expansion_search=EXPANSION_SEARCH,
        enable_key_lookups=False,
    )
