"""A JSON file of many rows, one big list or a row a line, gzipped or not -> its rows, one at a time.

Knows JSON and where a row stands; nothing of what a row must hold. Memory stays at a few MB plus the longest row.
A broken row costs itself alone: reading goes on where the next object begins with one of the keys of MEDI's rows.
A quotation mark inside a text is escaped, so such a beginning cannot be the inside of one.
"""

from __future__ import annotations

import codecs
import gzip
import json
import re
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from instructvec.corpus.lines import read_lines
from instructvec.corpus.records import kind_of
from instructvec.corpus.sources import Source
from instructvec.errors import FileError

CHUNK_BYTES = 1 << 20
MAX_ROW_CHARACTERS = 1 << 26
"""Longest row; a quotation mark that is missing makes the rest of a file look like one."""
_START = re.compile(r'\{\s*"(?:query|pos|neg|task_id|task_name)"\s*:')
_LONGEST_START = 64
_LONGEST_LITERAL = 16
_BLANKS = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()
_GZIP = b"\x1f\x8b"
_FOREIGN_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class JsonRow(NamedTuple):
    """One row of a file.

    Attributes:
        where: the file, and the number of the row or line from 1.
        values: the object; empty where there is a problem.
        problem: why it cannot be used, or ``None``.
    """

    where: str
    values: dict[str, Any]
    problem: str | None


def read_json_rows(path: Path) -> Iterator[JsonRow]:
    """The rows of a file that holds a JSON list of objects, or an object a line.

    Raises:
        FileError: the file cannot be read, is empty, not UTF-8, neither form, or its gzip stream is damaged.
    """
    try:
        compressed = _is_gzip(path)
        with closing(_open(path, compressed)) as file:
            text = _Text(file)
            first = text.peek()
            if first == "[":
                text.at += 1
                yield from _list_rows(path, text)
                return
        if first != "{":
            found = f"begins with {first!r}" if first else "is empty"
            raise FileError(f"{path}: {found}; expected a JSON list of rows '[{{…}}, …]', or a JSON object a line")
        yield from _line_rows(path, compressed)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileError(
            f"{path}: the gzip stream is damaged or cut off ({error}); fetch or compress the file again"
        ) from None
    except OSError as error:
        raise FileError(f"{path}: cannot be read ({error.strerror or error}); check the path") from None


def _is_gzip(path: Path) -> bool:
    with path.open("rb") as file:
        start = file.read(4)
    if any(start.startswith(mark) for mark in _FOREIGN_MARKS):
        raise FileError(f"{path}: UTF-16 or UTF-32; expected UTF-8: convert it with iconv -t UTF-8")
    return start.startswith(_GZIP)


def _open(path: Path, compressed: bool) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path, "rb")) if compressed else path.open("rb")


class _Text:
    """The part of a file that is decoded and not yet used; bytes that are not UTF-8 are lone surrogates in it.

    Attributes:
        text: the part.
        at: where in it reading stands.
        ended: whether the file holds no more.
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-8-sig")("surrogateescape")
        self._n_bytes = 0
        self.text = ""
        self.at = 0
        self.ended = False

    def more(self) -> bool:
        """Read on, forgetting what lies before ``at``; whether there was more."""
        raw = self._file.read(CHUNK_BYTES)
        self._n_bytes += len(raw)
        self.text = self.text[self.at :] + self._decoder.decode(raw, final=not raw)
        self.at = 0
        self.ended = not raw
        return not self.ended

    def byte(self, at: int) -> int:
        """The byte of the file that a place in ``text`` is, from 1."""
        behind = len(self.text[at:].encode("utf-8", "surrogateescape")) + len(self._decoder.getstate()[0])
        return self._n_bytes - behind + 1

    def peek(self) -> str:
        """The next character that is not blank; ``""`` at the end."""
        while True:
            self.at = cast("re.Match[str]", _BLANKS.match(self.text, self.at)).end()
            if self.at < len(self.text):
                return self.text[self.at]
            if not self.more():
                return ""

    def value(self) -> Any:
        """The JSON value that begins at ``at``.

        Raises:
            _Broken: it is none.
        """
        while True:
            try:
                value, self.at = _DECODER.raw_decode(self.text, self.at)
                return value
            except json.JSONDecodeError as error:
                offset = error.pos - self.at
                if not self._may_be_cut(error) or not self.more():
                    place = self.byte(self.at + offset)
                    self.at += 1  # past this row's beginning, in search of the next
                    raise _Broken(f"broken JSON at byte {place} of the file ({error.msg})") from None
            except (RecursionError, ValueError) as error:
                self.at += 1
                raise _Broken(f"JSON that cannot be read ({error})") from None

    def _may_be_cut(self, error: json.JSONDecodeError) -> bool:
        """Whether the part ends inside the value, rather than the value being broken."""
        if self.ended or len(self.text) - self.at > MAX_ROW_CHARACTERS:
            return False
        return error.msg.startswith("Unterminated string") or not self.text[error.pos + _LONGEST_LITERAL :].strip()

    def skip_to_start(self) -> bool:
        """Go on to where a row begins, here or later; whether there is one."""
        while True:
            found = _START.search(self.text, self.at)
            if found:
                self.at = found.start()
                return True
            self.at = max(self.at, len(self.text) - _LONGEST_START)
            if not self.more():
                return False


class _Broken(Exception):
    """A value that is no JSON."""


def _list_rows(path: Path, text: _Text) -> Iterator[JsonRow]:
    """The rows of a list whose ``[`` has been read."""
    number = 0
    while (following := text.peek()) != "]":
        number += 1
        where = f"{path}, row {number}"
        try:
            if not following:
                raise _Broken("the file ends inside the list; it may be cut off, fetch it again")
            yield _row(where, text.value())
            _pass_comma(text)
        except _Broken as error:
            yield JsonRow(where, {}, f"{error}; expected the objects of a JSON list")
            if not text.skip_to_start():
                return
    text.at += 1
    if text.peek():
        place = f"byte {text.byte(text.at)}"
        yield JsonRow(
            f"{path}, row {number + 1}", {}, f"more text behind the list's end, at {place}; expected one list"
        )


def _pass_comma(text: _Text) -> None:
    following = text.peek()
    if following == ",":
        text.at += 1
    elif following and following != "]":
        raise _Broken(f"broken JSON behind this row, at byte {text.byte(text.at)} of the file (no comma)")


def _row(where: str, value: Any) -> JsonRow:
    if isinstance(value, dict):
        return JsonRow(where, value, None)
    return JsonRow(where, {}, f"holds {kind_of(value)}; expected an object with query, pos and neg")


def _line_rows(path: Path, compressed: bool) -> Iterator[JsonRow]:
    for line in read_lines(Source(path, str(path), "jsonl", compressed)):
        where = f"{path}, line {line.number}"
        if line.problem:
            yield JsonRow(where, {}, line.problem)
        elif line.text.strip():
            try:
                yield _row(where, json.loads(line.text))
            except json.JSONDecodeError as error:
                problem = (
                    f"broken JSON at character {error.pos + 1} of the line ({error.msg}); expected one object"
                )
                yield JsonRow(where, {}, problem)
            except (RecursionError, ValueError) as error:
                yield JsonRow(where, {}, f"JSON that cannot be read ({error}); expected one object")
