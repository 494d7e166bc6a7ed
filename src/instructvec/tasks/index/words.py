"""Texts -> an index of their words, and how well each text answers a query by its words alone.

Knows words only; nothing of vectors. A word is a run of letters, digits and underscores in lower case; nothing is
left out and nothing stemmed, so that it serves every language that puts spaces between words. BM25 as Lucene
computes it (k1 1.5, b 0.75), by bm25s: Lù 2024, arXiv 2407.03618.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from instructvec.errors import FileError
from instructvec.extras import require

_WORD = re.compile(r"\w+")
_ARRAYS = ("data", "indices", "indptr")


class Words:
    """BM25 scores by word and text.

    Args:
        scores: a sparse (texts, words) matrix by columns: ``data``, ``indices`` and ``indptr``.
        vocabulary: word -> column.
        n_rows: texts.
    """

    def __init__(self, scores: dict[str, NDArray[Any]], vocabulary: dict[str, int], n_rows: int) -> None:
        self._scores, self._vocabulary, self._n_rows = scores, vocabulary, n_rows

    def __len__(self) -> int:
        return self._n_rows

    @classmethod
    def of(cls, texts: Sequence[str | None]) -> Words:
        """The words of some texts; a missing text has none.

        Raises:
            MissingExtra: bm25s is not installed.
        """
        require("bm25s", "search by words", extra="tasks")
        import bm25s

        tokens = bm25s.tokenize(
            [text or "" for text in texts],
            token_pattern=f"(?u){_WORD.pattern}",
            stopwords=None,
            show_progress=False,
        )
        if not any(map(len, tokens.ids)):
            empty: dict[str, NDArray[Any]] = {
                "data": np.empty(0, np.float32),
                "indices": np.empty(0, np.int32),
                "indptr": np.zeros(1, np.int64),
            }
            return cls(empty, {}, len(texts))
        model = bm25s.BM25()
        model.index(tokens, show_progress=False)
        vocabulary = {word: int(column) for word, column in model.vocab_dict.items() if word}
        return cls({name: np.asarray(model.scores[name]) for name in _ARRAYS}, vocabulary, len(texts))

    def scores(self, query: str) -> NDArray[np.float32]:
        """(n,) float32 score of every text; 0 where no word of the query is in it.

        Example:
            >>> int(Words.of(["a cat", "a dog"]).scores("dogs and a dog").argmax())
            1
        """
        found = np.zeros(self._n_rows, np.float32)
        for word in _WORD.findall(query.lower()):
            column = self._vocabulary.get(word)
            if column is not None:
                start, end = self._scores["indptr"][column : column + 2]
                # A text stands at most once in the column of a word.
                found[self._scores["indices"][start:end]] += self._scores["data"][start:end]
        return found

    def write(self, file: BinaryIO) -> None:
        """Put all of it into a file."""
        said = json.dumps(list(self._vocabulary.items()), ensure_ascii=False).encode()
        arrays: dict[str, Any] = {"n_rows": np.int64(self._n_rows), "vocabulary": np.frombuffer(said, np.uint8)}
        np.savez(file, allow_pickle=False, **(arrays | self._scores))

    @classmethod
    def read(cls, path: Any) -> Words:
        """What :meth:`write` wrote.

        Raises:
            FileError: something else.
        """
        try:
            with np.load(path, allow_pickle=False) as content:
                vocabulary = dict(json.loads(content["vocabulary"].tobytes()))
                return cls({name: content[name] for name in _ARRAYS}, vocabulary, int(content["n_rows"]))
        except (OSError, ValueError, KeyError) as error:
            raise FileError(
                f"{path}: cannot be read as an index of words ({error}); build the index again"
            ) from None
