"""A text file -> its decoded lines, with what is wrong with each; gzip and byte-order marks handled.

Knows bytes, UTF-8 and line ends; nothing of CSV or JSON. A line ends at ``\\n``; a ``\\r`` before it goes too.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple, cast

from instructvec.corpus.sources import Source
from instructvec.errors import FileError

_FOREIGN_MARKS = (
    (codecs.BOM_UTF32_LE, "UTF-32"),
    (codecs.BOM_UTF32_BE, "UTF-32"),
    (codecs.BOM_UTF16_LE, "UTF-16"),
    (codecs.BOM_UTF16_BE, "UTF-16"),
)


class Line(NamedTuple):
    """One line of a text file.

    Attributes:
        number: from 1.
        text: without its line end; undecodable bytes stand in it as lone surrogates.
        problem: why it cannot be used, or ``None``.
    """

    number: int
    text: str
    problem: str | None


def read_lines(source: Source) -> Iterator[Line]:
    """The lines of a text file, one in memory at a time.

    Raises:
        FileError: the file cannot be opened, is UTF-16 or UTF-32, or its gzip stream is damaged.
    """
    try:
        with _open(source) as file:
            for number, raw in enumerate(file, start=1):
                yield _line(source, number, raw)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise FileError(
            f"{source.name}: the gzip stream is damaged or cut off ({error}); fetch or compress the file again"
        ) from None
    except OSError as error:
        raise FileError(f"{source.name}: cannot be read ({error.strerror or error}); check the file") from None


def _open(source: Source) -> IO[bytes]:
    if source.compressed:
        return cast("IO[bytes]", gzip.open(source.path, "rb"))
    return source.path.open("rb")


def _line(source: Source, number: int, raw: bytes) -> Line:
    if number == 1:
        raw = _without_mark(source, raw)
    raw = raw.removesuffix(b"\n").removesuffix(b"\r")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = (
            f"byte 0x{raw[error.start]:02x} at byte {error.start + 1} of the line is not UTF-8; "
            "expected UTF-8 text (convert the file: iconv -f LATIN1 -t UTF-8)"
        )
        return Line(number, raw.decode("utf-8", "surrogateescape"), problem)
    if "\0" in text:
        where = text.index("\0") + 1
        return Line(number, text, f"character {where} is NUL; expected text, not binary data or UTF-16")
    return Line(number, text, None)


def _without_mark(source: Source, raw: bytes) -> bytes:
    for mark, encoding in _FOREIGN_MARKS:
        if raw.startswith(mark):
            raise FileError(
                f"{source.name}: the file is {encoding}; expected UTF-8. "
                f"Convert it: iconv -f {encoding} -t UTF-8 {source.name}"
            )
    return raw.removeprefix(codecs.BOM_UTF8)
