"""Texts under an instruction -> vectors, each encoded once: what an earlier task or run made is read from disk.

Knows contracts, files and encoders; nothing of tasks. Vectors are found again by the contract they were made under
(model by content, instruction, joining, limit, number type of the matrices, version of this package) and by their
text, never by names. One folder a contract and instruction holds ``vectors.f32`` (rows of float32) and ``keys`` (a
17-byte record a row: 16 bytes of the text's hash, one that tells whether the text was cut). Both only grow,
vectors first, so that after any interruption whole records up to the shorter of the two are valid.
"""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.contract import EmbeddingContract
from instructvec.corpus.files import explained
from instructvec.errors import EngineError, TruncationWarning
from instructvec.types import Encoder

_RECORD = 17
_CHUNK_TEXTS = 1024
"""Texts encoded before they are written: what an interruption may cost."""

_NOT_DECISIVE = ("model", "instructions", "ranges")


class Found(NamedTuple):
    """Vectors of some texts.

    Attributes:
        vectors: (n, d) float32, in the order of the texts.
        truncated: (n,) bool, which texts were longer than the model reads.
    """

    vectors: NDArray[np.float32]
    truncated: NDArray[np.bool_]


class CachedEncoder:
    """An encoder that remembers, on disk.

    Args:
        encoder: makes what is not there yet.
        folder: where vectors are kept; ``None`` keeps nothing.
        on_texts: called with texts that are done, and whether their vectors were there already.
        without: the instruction that stands for none.
    """

    def __init__(
        self,
        encoder: Encoder,
        folder: Path | None,
        *,
        on_texts: Callable[[Sequence[str], bool], object] = lambda texts, known: None,
        without: str | None = None,
    ) -> None:
        self._encoder = encoder
        self._folder = folder
        self._on_texts = on_texts
        self._without = without
        self._store: tuple[EmbeddingContract, _Store] | None = None

    def contract(self, instruction: str | None) -> EmbeddingContract:
        """Under what :meth:`encode` makes vectors."""
        return self._encoder.contract(self._without if instruction is None else instruction)

    def skip(self, texts: Sequence[str]) -> None:
        """Tell that texts need no encoding, for whoever is told of progress."""
        self._on_texts(list(dict.fromkeys(texts)), True)

    def encode(self, texts: Sequence[str], instruction: str | None) -> Found:
        """Vectors of texts, in their order; equal texts are encoded once.

        Raises:
            EngineError: the encoder gave NaN or infinite components; names the first such text.
            OutputError: the cache cannot be written.
        """
        instruction = self._without if instruction is None else instruction
        distinct = list(dict.fromkeys(texts))
        store = self._opened(self.contract(instruction))
        keys = [_key(text) for text in distinct]
        missing = [at for at, key in enumerate(keys) if key not in store.rows]
        self._on_texts([text for text, key in zip(distinct, keys, strict=True) if key in store.rows], True)
        # The longest first: what does not fit into memory shows at once, and batches are of like lengths.
        missing.sort(key=lambda at: -len(distinct[at]))
        for start in range(0, len(missing), _CHUNK_TEXTS):
            chunk = missing[start : start + _CHUNK_TEXTS]
            chunk_texts = [distinct[at] for at in chunk]
            store.append([keys[at] for at in chunk], encode_counted(self._encoder, chunk_texts, instruction))
            self._on_texts(chunk_texts, False)
        rows = {text: store.rows[key] for text, key in zip(distinct, keys, strict=True)}
        return store.take(np.fromiter((rows[text] for text in texts), np.int64, len(texts)))

    def _opened(self, contract: EmbeddingContract) -> _Store:
        """The vectors of a contract; the last one asked for stays open: reading a million keys takes a second."""
        if self._store is None or self._store[0] != contract:
            self._store = contract, _Store.open(self._folder, contract, self._encoder.dimension)
        return self._store[1]


def encode_counted(encoder: Encoder, texts: Sequence[str], instruction: str | None) -> Found:
    """Vectors and which texts were cut, from any encoder; one that does not tell cuts none.

    Raises:
        EngineError: a component is NaN or infinite.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TruncationWarning)  # the count is in the result
        counted = getattr(encoder, "encode_counted", None)
        if counted is None:
            vectors = np.asarray(encoder.encode(texts, instruction), np.float32)
            truncated = np.zeros(len(texts), np.bool_)
        else:
            encoded = counted(texts, instruction)
            vectors, truncated = np.asarray(encoded.vectors, np.float32), encoded.truncated
    bad = ~np.isfinite(vectors).all(axis=1)
    if bad.any():
        at = int(np.flatnonzero(bad)[0])
        raise EngineError(
            f"the model gave NaN or infinite components for {int(bad.sum())} of {len(texts)} texts, the first "
            f"being {texts[at]!r:.80} under {instruction!r}; check its weights, or run it with dtype float32"
        )
    return Found(vectors, truncated)


def contract_key(contract: EmbeddingContract) -> dict[str, object]:
    """What decides whether two runs make the same vectors, instructions and names left out."""
    content: dict[str, object] = json.loads(contract.to_json())
    return {name: value for name, value in content.items() if name not in _NOT_DECISIVE}


def digest(value: object) -> str:
    """32 hex characters of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()[:32]


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_RECORD - 1).digest()


class _Store:
    """The vectors of one contract and instruction.

    Attributes:
        rows: a text's key -> its row.
    """

    def __init__(self, folder: Path | None, dimension: int) -> None:
        self.rows: dict[bytes, int] = {}
        self._folder = folder
        self._dimension = dimension
        self._parts: list[NDArray[np.float32]] = []
        self._cut: list[NDArray[np.bool_]] = []

    @classmethod
    def open(cls, folder: Path | None, contract: EmbeddingContract, dimension: int) -> _Store:
        if folder is None:
            return cls(None, dimension)
        made_under = contract_key(contract)
        path = folder / digest(made_under) / digest(list(contract.instructions))
        store = cls(path, dimension)
        with explained(path):
            path.mkdir(parents=True, exist_ok=True)
            if not (path / "contract.json").exists():  # for people who look into the folder; nothing reads it
                (path / "contract.json").write_text(contract.to_json() + "\n", encoding="utf-8")
            with _held(path):
                store._read(path)
        return store

    def _read(self, path: Path) -> None:
        """What is whole; a tail that an interruption left is cut off, so that both files end at the same row."""
        width = 4 * self._dimension
        sizes = _sizes(path)
        n_rows = min(sizes[0] // _RECORD, sizes[1] // width)
        for name, size, whole in (("keys", sizes[0], n_rows * _RECORD), ("vectors.f32", sizes[1], n_rows * width)):
            if size > whole:
                os.truncate(path / name, whole)
        if not n_rows:
            return
        records = np.fromfile(path / "keys", np.uint8).reshape(n_rows, _RECORD)
        keys = records[:, :-1].tobytes()
        step = _RECORD - 1
        self.rows = {keys[at * step : (at + 1) * step]: at for at in range(n_rows)}
        self._parts, self._cut = [self._mapped(path, n_rows)], [records[:, -1].astype(np.bool_)]

    def _mapped(self, path: Path, n_rows: int) -> NDArray[np.float32]:
        return np.memmap(path / "vectors.f32", np.float32, "r", shape=(n_rows, self._dimension))

    def append(self, keys: Sequence[bytes], found: Found) -> None:
        n_rows = sum(map(len, self._cut))
        if self._folder is None:
            self._parts.append(found.vectors)
        else:
            with explained(self._folder), _held(self._folder):
                if _sizes(self._folder) != (n_rows * _RECORD, n_rows * 4 * self._dimension):
                    # Another process has appended, or was cut off doing so: rows are counted from what is on disk.
                    self._read(self._folder)
                    n_rows = sum(map(len, self._cut))
                _append(self._folder / "vectors.f32", np.ascontiguousarray(found.vectors).tobytes())
                flags = found.truncated.astype(np.uint8).tobytes()
                records = b"".join(key + flags[at : at + 1] for at, key in enumerate(keys))
                _append(self._folder / "keys", records)
            self._parts = [self._mapped(self._folder, n_rows + len(keys))]
        self.rows.update({key: n_rows + at for at, key in enumerate(keys)})
        self._cut.append(found.truncated)

    def take(self, rows: NDArray[np.int64]) -> Found:
        if not self._parts:
            return Found(np.empty((0, self._dimension), np.float32), np.empty(0, np.bool_))
        vectors = self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts)
        cut = np.concatenate(self._cut)
        return Found(np.ascontiguousarray(vectors[rows]), cut[rows])


def _sizes(path: Path) -> tuple[int, int]:
    """Bytes of the keys and of the vectors."""
    keys, vectors = (file.stat().st_size if file.exists() else 0 for file in (path / "keys", path / "vectors.f32"))
    return keys, vectors


def _append(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Held by one process at a time, where the system has advisory locks."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock.fileno(), fcntl.LOCK_EX)
        yield
