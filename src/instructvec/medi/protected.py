"""A file or folder of evaluation data -> every text in it, for a mixture to be kept clear of.

Knows formats and folders; nothing of tasks: which column is the query is of no matter, since no text of an
evaluation may be trained on. Formats: jsonl, json, csv, tsv, txt, each also gzipped, and Parquet; so also a BEIR
folder (Thakur et al. 2021: ``corpus.jsonl``, ``queries.jsonl``, ``qrels``).

What counts as a text: every string, at any depth, of at least four words (see :mod:`instructvec.medi.words`) that
holds a blank or is not all ASCII; so ids, labels, dates, paths and addresses are none. Left out, by their names,
are hidden files, what describes the data instead of being it (``meta.json``, ``README.md``; see
:func:`is_description`) and ``qrels``, which hold ids. Any other file of an unknown kind is refused by name:
passing it over would leave its texts unprotected.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from instructvec.corpus.lines import read_lines
from instructvec.corpus.sources import Source
from instructvec.errors import FileError
from instructvec.medi.words import words

_DESCRIPTION = re.compile(
    r"\..*|qrels.*|(?:readme|licen[cs]e|notice|citation|changelog).*"
    r"|(?:meta|metadata|registry|dataset_infos?|dataset_dict|state)\.json"
    r"|.*\.(?:md|rst|bib|toml|yaml|yml|py|sh|pdf|png)"
)
"""Names, in lower case, of files without evaluation data: hidden, judgements on ids, or about the data."""
MIN_WORDS = 4
"""Shorter strings are no texts: "yes" and "New York" stand everywhere."""
_MAX_FIELD_CHARACTERS = 1 << 26


class Text(NamedTuple):
    """A text of an evaluation.

    Attributes:
        where: file and row.
        text: as it stands there.
    """

    where: str
    text: str


@dataclass(frozen=True, slots=True)
class EvaluationSet:
    """The files that lie in one folder, or a single file.

    Attributes:
        name: the folder or file, below what was given.
        files: sorted.
    """

    name: str
    files: tuple[Path, ...]

    def texts(self, min_words: int = MIN_WORDS) -> Iterator[Text]:
        """Every text, file after file, repeated ones too.

        Raises:
            FileError: a file that cannot be read whole as what its name says; names file and line or row.
        """
        for path in self.files:
            for where, text in _READERS[_format(path)](path):
                if is_text(text, min_words):
                    yield Text(f"{path}, {where}", text)


def evaluation_sets(path: Path) -> list[EvaluationSet]:
    """The evaluation sets at a path: one for a file, one for every folder that holds files, sorted.

    Raises:
        FileError: nothing there, no file that could hold texts, or a file of an unknown kind.
    """
    if path.is_file():
        _check_format(path)
        return [EvaluationSet(path.name, (path,))]
    if not path.is_dir():
        raise FileError(f"{path}: no such file or folder; give evaluation data to keep the mixture clear of")
    sets = []
    for root, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != "qrels")
        files = tuple(Path(root) / name for name in sorted(names) if not is_description(name))
        for file in files:
            _check_format(file)
        if files:
            name = Path(root).relative_to(path).as_posix()
            sets.append(EvaluationSet(path.resolve().name if name == "." else name, files))
    if not sets:
        raise FileError(f"{path}: no file of texts in this folder; expected {_expected()}")
    return sorted(sets, key=lambda one: one.name)


def protected_texts(path: Path, min_words: int = MIN_WORDS) -> Iterator[Text]:
    """Every text of a file or folder of evaluation data.

    Raises:
        FileError: see :func:`evaluation_sets` and :meth:`EvaluationSet.texts`.
    """
    for one in evaluation_sets(path):
        yield from one.texts(min_words)


def is_text(text: str, min_words: int = MIN_WORDS) -> bool:
    """Whether a string is long enough to be recognised elsewhere, and not an id, label or address.

    Example:
        >>> [is_text(text) for text in ("how do I reset it?", "New York", "what_is_your_name", "a/b/c/d.txt")]
        [True, False, False, False]
    """
    return (not text.isascii() or len(text.split(None, 1)) > 1) and len(words(text)) >= min_words


def is_description(name: str) -> bool:
    """Whether a file, by its name, holds no evaluation data: hidden, about the data, or judgements on ids.

    Example:
        >>> [is_description(name) for name in ("README.md", ".gitignore", "qrels.test.tsv", "queries.jsonl")]
        [True, True, True, False]
    """
    return _DESCRIPTION.fullmatch(name.lower()) is not None


def _format(path: Path) -> str:
    return Path(path.name.lower().removesuffix(".gz")).suffix


def _check_format(path: Path) -> None:
    if _format(path) not in _READERS:
        raise FileError(
            f"{path}: evaluation data of an unknown kind, whose texts could not be kept out; "
            f"expected {_expected()}. Convert it, or move it elsewhere if it holds no texts"
        )


def _expected() -> str:
    return ", ".join(_READERS) + " (also with .gz)"


def _strings(value: Any) -> Iterator[str]:
    """All string values in nested lists and objects; keys are not values."""
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    for line in read_lines(Source(path, str(path), "txt", path.suffix.lower() == ".gz")):
        if line.problem:
            raise FileError(f"{path}, line {line.number}: {line.problem}")
        yield line.number, line.text


def _txt(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in _lines(path):
        yield f"line {number}", line


def _tsv(path: Path) -> Iterator[tuple[str, str]]:
    # Quotes mean nothing here: many a tsv file has them unpaired, and as punctuation they change no text's words.
    for number, line in _lines(path):
        for field in line.split("\t"):
            yield f"line {number}", field


def _csv(path: Path) -> Iterator[tuple[str, str]]:
    csv.field_size_limit(_MAX_FIELD_CHARACTERS)
    reader = csv.reader((line + "\n" for _, line in _lines(path)), strict=True)
    first = 1
    try:
        for fields in reader:
            for field in fields:
                yield f"line {first}", field
            first = reader.line_num + 1
    except csv.Error as error:
        raise FileError(
            f'{path}, line {first}: broken quoting ({error}); expected quotes doubled inside quotes ("") '
            "and every quote closed"
        ) from None


def _jsonl(path: Path) -> Iterator[tuple[str, str]]:
    for number, line in _lines(path):
        if line.strip():
            for text in _strings(_parsed(line, f"{path}, line {number}")):
                yield f"line {number}", text


def _json(path: Path) -> Iterator[tuple[str, str]]:
    content = _parsed("\n".join(line for _, line in _lines(path)), str(path))
    rows: Iterable[tuple[Any, Any]] = enumerate(content) if isinstance(content, list) else [("", content)]
    if isinstance(content, dict):
        rows = content.items()
    for key, row in rows:
        for text in _strings(row):
            yield f"key {key!r}", text


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise FileError(f"{where}: broken JSON ({error}); repair it, or fetch the file again") from None


def _parquet(path: Path) -> Iterator[tuple[str, str]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    row = 0
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
        with pq.ParquetFile(io.BytesIO(content)) as file:
            for batch in file.iter_batches(batch_size=1024):
                for record in batch.to_pylist():
                    row += 1
                    for text in _strings(record):
                        yield f"row {row}", text
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise FileError(f"{path}: not a whole Parquet file ({error}); fetch it again") from None


_READERS: dict[str, Callable[[Path], Iterator[tuple[str, str]]]] = {
    ".jsonl": _jsonl,
    ".ndjson": _jsonl,
    ".json": _json,
    ".csv": _csv,
    ".tsv": _tsv,
    ".tab": _tsv,
    ".txt": _txt,
    ".parquet": _parquet,
    ".pq": _parquet,
}
