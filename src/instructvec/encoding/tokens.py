"""Turns (instruction, text) pairs into token ids and the positions that are pooled.

The only place that decides which tokens count. Knows the tokenizer, the limit and the masking
rules of each joining; nothing of batches, padding or matrices. Source of the rules: the released
code of INSTRUCTOR (1.0.1, 1.0.2), sentence-transformers' ``prompt=``, and for ``exact`` the
characters that a token covers.

In every joining the pooled tokens of a row are one contiguous range, so the rules below only say
where it starts and stops::

    [CLS] instruction … text … [SEP]
    └ prefix ┘                 └ suffix: special tokens the tokenizer adds by itself

===================  ==========================================================  ==========
joining              starts at                                                   stops at
===================  ==========================================================  ==========
``instructor``       n - 1, but 0 where that is <= 1                             row's end
``instructor-1.0.2`` n - 1                                                       row's end
``prompt``           n less a last special token; 0 if prompts are pooled        row's end
``exact``            the first token covering a character of the text            the suffix
===================  ==========================================================  ==========

n is the length of the instruction tokenised alone, special tokens included, cut to the limit.
Rows without an instruction (``None``) start at 0, under ``exact`` after the prefix.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instructvec.encoding.prompts import join
from instructvec.encoding.tokenizer_files import canonical, read_tokenizer
from instructvec.errors import CheckpointError, ConfigError, InputError, TextTooLong
from instructvec.types import Ids, Joining, LongText, Mask, Pairs, TokenRows

if TYPE_CHECKING:
    from tokenizers import Encoding
    from tokenizers import Tokenizer as RustTokenizer

_SLICE_CHARACTERS = 1 << 20
_SLICE_TEXTS = 1024
_CACHED_INSTRUCTIONS = 10_000
_CHARACTERS_TRIED = 8


@dataclass(frozen=True, slots=True)
class _Rows:
    """Whole rows, before anything is cut.

    Attributes:
        ids: (total,) int64, all rows one after the other, special tokens included.
        lengths: (n,) int64, tokens a row.
        heads: (n,) int64, tokens of the instruction in the row, special tokens not included.
        starts: (n,) int64, first pooled position if nothing were cut.
        whole_suffix: whether the pooled range reaches the row's end (else it stops at the suffix).
    """

    ids: Ids
    lengths: NDArray[np.int64]
    heads: NDArray[np.int64]
    starts: NDArray[np.int64]
    whole_suffix: bool


class Tokenizer:
    """A checkpoint's tokenizer, with our truncation and pooling rules instead of its own.

    Example:
        >>> tokenizer = Tokenizer.load(folder, pad_token_id=0)  # doctest: +SKIP
        >>> rows = tokenizer.tokenize(pairs, joining="instructor", max_seq_length=512)  # doctest: +SKIP
    """

    def __init__(
        self, backend: RustTokenizer, *, pad_token_id: int, content: str = "", lower_case: bool = False
    ) -> None:
        """Take over ``backend``: its truncation and padding are switched off.

        Args:
            backend: a tokenizer of the ``tokenizers`` library.
            pad_token_id: what fills batches.
            content: its ``tokenizer.json``; made from ``backend`` if empty.
            lower_case: whether to lower-case before everything else (sentence-transformers'
                ``do_lower_case``).
        """
        backend.no_truncation()
        backend.no_padding()
        self._content = content or backend.to_str()
        self._lower_case = lower_case
        if lower_case:
            _lower_case_first(backend)
        self._backend = backend
        self._encode_fast: Callable[[Sequence[str]], list[Encoding]] = backend.encode_batch_fast
        self.pad_token_id = pad_token_id
        self.n_prefix, self.n_suffix = _count_specials(backend)
        self._instruction_tokens: dict[str, tuple[int, int]] = {}

    @classmethod
    def load(cls, folder: Path, *, pad_token_id: int, lower_case: bool = False) -> Tokenizer:
        """Read the tokenizer of a model directory.

        Raises:
            CheckpointError: missing, damaged, or of a kind that needs transformers to be read.
        """
        backend, content = read_tokenizer(folder)
        return cls(backend, pad_token_id=pad_token_id, content=content, lower_case=lower_case)

    def digest(self) -> str:
        """SHA-256, in hex, of everything that decides which ids a string becomes."""
        content = canonical(self._content) + ("\nlower_case" if self._lower_case else "")
        return hashlib.sha256(content.encode()).hexdigest()

    @property
    def backend(self) -> RustTokenizer:
        """The tokenizer underneath, without truncation and padding."""
        return self._backend

    def tokenize(
        self,
        pairs: Pairs,
        *,
        joining: Joining,
        max_seq_length: int,
        include_prompt: bool = False,
        long_text: LongText = "truncate",
        row_numbers: NDArray[np.int64] | None = None,
    ) -> TokenRows:
        """Ids of every pair and which of them are pooled.

        Args:
            pairs: n validated pairs.
            joining: the rule; see the table at the top of this module.
            max_seq_length: tokens a row may have, instruction and special tokens included.
            include_prompt: pool every token, the instruction's and the special ones too; the
                two ``instructor`` joinings have no such switch and ignore it.
            long_text: what to do with rows over the limit. ``"truncate"`` drops the tail of the
                text and keeps the closing special tokens; ``full_lengths`` tells what was lost.
                ``"chunk"`` spreads the text's tokens over several rows, each led by the whole
                instruction and pooling its own part; ``owners`` tells whose they are, and
                ``full_lengths`` equals the length, nothing being lost. ``"error"`` raises.
            row_numbers: (n,) int64, what to call the rows in messages; by default 0, 1, …

        Returns:
            Rows in the order of the pairs, each with at least one pooled token.

        Raises:
            InputError: a row in which nothing is left to pool, or whose instruction leaves no
                room for its text.
            TextTooLong: under ``long_text="error"``.
        """
        n_specials = self.n_prefix + self.n_suffix
        if max_seq_length <= n_specials:
            raise ConfigError(
                f"max_seq_length is {max_seq_length}, but the tokenizer adds {n_specials} special tokens "
                f"to every text; expected at least {n_specials + 1}"
            )
        name = _Names(row_numbers)
        rows = self._whole_rows(pairs, joining, max_seq_length, include_prompt)
        too_long = rows.lengths > max_seq_length
        if long_text == "error" and too_long.any():
            raise TextTooLong(name.too_long(rows.lengths, too_long, max_seq_length))
        if long_text == "chunk" or not joining.startswith("instructor"):
            self._check_room(rows, too_long, max_seq_length, name)
        if long_text == "chunk" and too_long.any():
            return self._chunk(rows, too_long, max_seq_length)
        return self._truncate(rows, max_seq_length, name)

    # ------------------------------------------------------------ whole rows

    def _whole_rows(self, pairs: Pairs, joining: Joining, limit: int, include_prompt: bool) -> _Rows:
        joined = [
            join(instruction, text, joining)
            for instruction, text in zip(pairs.instructions, pairs.texts, strict=True)
        ]
        if joining == "exact" and not include_prompt:
            boundaries = [len(instruction) if instruction else 0 for instruction in pairs.instructions]
            ids, lengths, starts = self._encode(joined, boundaries)
            return _Rows(ids, lengths, starts - self.n_prefix, starts, whole_suffix=False)
        ids, lengths, _ = self._encode(joined, None)
        alone, last_special = self._tokens_alone(pairs.instructions, strip=joining.startswith("instructor"))
        heads = np.maximum(alone - self.n_prefix - self.n_suffix, 0)
        starts = np.zeros(len(pairs), np.int64)
        given = alone >= 0
        if joining == "instructor-1.0.2":
            starts = np.where(given, np.minimum(alone, limit) - 1, 0)
        elif joining == "instructor":
            starts = np.where(given, np.minimum(alone, limit) - 1, 0)
            starts[starts <= 1] = 0
        elif not include_prompt:
            given &= np.fromiter(map(bool, pairs.instructions), np.bool_, len(pairs))
            starts = np.where(given, np.minimum(alone, limit) - last_special, 0)
        return _Rows(ids, lengths, heads, starts, whole_suffix=True)

    def _encode(
        self, joined: Sequence[str], boundaries: Sequence[int] | None
    ) -> tuple[Ids, NDArray[np.int64], NDArray[np.int64]]:
        """Ids, lengths, and (with ``boundaries``, in characters) the first token of each text."""
        ids, lengths, starts = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for begin, end in _slices(joined):
            # Character offsets cost time; a row without an instruction needs none.
            needed = boundaries is not None and any(boundaries[begin:end])
            encode = self._backend.encode_batch if needed else self._encode_fast
            encodings = encode(joined[begin:end])
            n_tokens = np.fromiter(map(len, encodings), np.int64, end - begin)
            flat = chain.from_iterable(encoding.ids for encoding in encodings)
            ids.append(np.fromiter(flat, np.int64, int(n_tokens.sum())))
            lengths.append(n_tokens)
            if boundaries is not None:
                found = (
                    self._first_token(encoding, boundary) if boundary else self.n_prefix
                    for encoding, boundary in zip(encodings, boundaries[begin:end], strict=True)
                )
                starts.append(np.fromiter(found, np.int64, end - begin))
        return np.concatenate(ids), np.concatenate(lengths), np.concatenate(starts)

    def _first_token(self, encoding: Encoding, boundary: int) -> int:
        """Position of the first token that covers a character at or after ``boundary``."""
        for character in range(boundary, boundary + _CHARACTERS_TRIED):
            token: int | None = encoding.char_to_token(character)
            if token is not None:
                return token
        stop = len(encoding) - self.n_suffix
        ends = (end for _, end in encoding.offsets[self.n_prefix : stop])
        return next((self.n_prefix + index for index, end in enumerate(ends) if end > boundary), stop)

    def _tokens_alone(
        self, instructions: Sequence[str | None], *, strip: bool
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(n,) tokens of each instruction alone, -1 for ``None``; (n,) whether its last is special."""
        wanted = {
            instruction: instruction.strip() if strip else instruction
            for instruction in set(instructions)
            if instruction is not None
        }
        if len(self._instruction_tokens) > _CACHED_INSTRUCTIONS:
            self._instruction_tokens = {}  # a new one: another thread may be reading the old
        known = self._instruction_tokens
        missing = [text for text in set(wanted.values()) if text not in known]
        for begin, end in _slices(missing):
            for text, encoding in zip(missing[begin:end], self._encode_fast(missing[begin:end]), strict=True):
                ids = encoding.ids
                known[text] = (len(ids), int(bool(ids) and ids[-1] in self._special_ids))
        table = {instruction: known[text] for instruction, text in wanted.items()}
        if len(table) < 2 and None not in instructions:  # one for all, the usual case
            one = next(iter(table.values()), (-1, 0))
            return np.full(len(instructions), one[0]), np.full(len(instructions), one[1])
        both = [(-1, 0) if instruction is None else table[instruction] for instruction in instructions]
        columns = np.array(both, np.int64).reshape(len(both), 2)
        return columns[:, 0], columns[:, 1]

    @cached_property
    def _special_ids(self) -> frozenset[int]:
        added = self._backend.get_added_tokens_decoder()
        return frozenset(index for index, token in added.items() if token.special)

    # ------------------------------------------------------------ cut rows

    def _check_room(self, rows: _Rows, too_long: Mask, limit: int, name: _Names) -> None:
        """Refuse instructions that leave not one token for their text."""
        room = limit - self.n_prefix - self.n_suffix - rows.heads
        crowded = np.flatnonzero(too_long & (room < 1))
        if len(crowded):
            row = int(crowded[0])
            raise InputError(
                f"{name(row)}: its instruction leaves no room for text: {rows.heads[row]} tokens, where the "
                f"limit is {limit} with {self.n_prefix + self.n_suffix} special tokens"
                f"{_and_more(len(crowded))}; shorten the instruction or raise max_seq_length"
            )

    def _truncate(self, rows: _Rows, limit: int, name: _Names) -> TokenRows:
        cut = np.minimum(rows.lengths, limit)
        ids = rows.ids
        if (cut < rows.lengths).any():
            positions = _positions(rows.lengths)
            kept = positions < np.repeat(cut - self.n_suffix, rows.lengths)
            kept |= positions >= np.repeat(rows.lengths - self.n_suffix, rows.lengths)
            ids = ids[kept]
        starts, stops = self._ranges(rows, cut)
        empty = np.flatnonzero(starts >= stops)
        if len(empty):
            row = int(empty[0])
            raise InputError(name.nothing_pooled(row, starts[row], cut[row]) + _and_more(len(empty)))
        owners = np.arange(len(cut))
        return _token_rows(ids, cut, starts=starts, stops=stops, full_lengths=rows.lengths, owners=owners)

    def _ranges(self, rows: _Rows, lengths: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """First and last-but-one pooled position of rows cut to ``lengths``."""
        if rows.whole_suffix:
            return rows.starts, lengths
        stops = lengths - self.n_suffix
        textless = rows.starts >= rows.lengths - self.n_suffix
        if not self.n_suffix:  # no closing token: an opening one stands for the empty text
            return np.where(textless, 0, rows.starts), np.where(textless, self.n_prefix, stops)
        return np.where(textless, stops, rows.starts), np.where(textless, lengths, stops)

    def _chunk(self, rows: _Rows, too_long: Mask, limit: int) -> TokenRows:
        offsets = np.concatenate([[0], np.cumsum(rows.lengths)])
        parts, lengths, owners = [], [], []
        for owner, (begin, end) in enumerate(pairwise(offsets)):
            if not too_long[owner]:
                parts.append(np.arange(begin, end))
                lengths.append(end - begin)
                owners.append(owner)
                continue
            lead = np.arange(begin, begin + self.n_prefix + rows.heads[owner])
            tail = np.arange(end - self.n_suffix, end)
            window = limit - len(lead) - len(tail)
            for at in range(int(lead[-1]) + 1 if len(lead) else int(begin), int(end - self.n_suffix), window):
                body = np.arange(at, min(at + window, end - self.n_suffix))
                parts += [lead, body, tail]
                lengths.append(len(lead) + len(body) + len(tail))
                owners.append(owner)
        owner_of = np.array(owners, np.int64)
        length_of = np.array(lengths, np.int64)
        ids = rows.ids[np.concatenate(parts)]
        chunked = _Rows(ids, length_of, rows.heads[owner_of], rows.starts[owner_of], rows.whole_suffix)
        starts, stops = self._ranges(chunked, length_of)
        return _token_rows(ids, length_of, starts=starts, stops=stops, full_lengths=length_of, owners=owner_of)


def _token_rows(
    ids: Ids,
    lengths: NDArray[np.int64],
    *,
    starts: NDArray[np.int64],
    stops: NDArray[np.int64],
    full_lengths: NDArray[np.int64],
    owners: NDArray[np.int64],
) -> TokenRows:
    positions = _positions(lengths)
    pooled = (positions >= np.repeat(starts, lengths)) & (positions < np.repeat(stops, lengths))
    offsets = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
    return TokenRows(ids, pooled, offsets, full_lengths, owners)


def _positions(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """(total,) 0, 1, … anew in every row.

    Example:
        >>> _positions(np.array([2, 3])).tolist()
        [0, 1, 0, 1, 2]
    """
    before = np.cumsum(lengths) - lengths
    return np.arange(int(lengths.sum()), dtype=np.int64) - np.repeat(before, lengths)


def _slices(texts: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Ranges of texts of bounded size: the library's encodings take a hundred bytes a token."""
    begin, characters = 0, 0
    for index, text in enumerate(texts):
        if index > begin and (index - begin >= _SLICE_TEXTS or characters + len(text) > _SLICE_CHARACTERS):
            yield begin, index
            begin, characters = index, 0
        characters += len(text)
    if begin < len(texts):
        yield begin, len(texts)


class _Names:
    """What messages call a row."""

    def __init__(self, numbers: NDArray[np.int64] | None) -> None:
        self._numbers = numbers

    def __call__(self, row: int) -> str:
        return f"row {row if self._numbers is None else self._numbers[row]}"

    def too_long(self, lengths: NDArray[np.int64], too_long: Mask, limit: int) -> str:
        over = np.flatnonzero(too_long)
        shown = ", ".join(f"{self(int(row))} ({lengths[row]} tokens)" for row in over[:5])
        more = f" and {len(over) - 5} more" if len(over) > 5 else ""
        return (
            f"{len(over)} of {len(lengths)} texts exceed max_seq_length {limit}: {shown}{more}; "
            "shorten them, or pass long_text='truncate' or 'chunk'"
        )

    def nothing_pooled(self, row: int, start: int, length: int) -> str:
        if start == 0 or not length:
            return (
                f"{self(row)}: its text has no token, and the tokenizer adds no special token that could "
                "stand for it; expected a text that is not empty; drop or fill the row"
            )
        return (
            f"{self(row)}: no token is left to pool: its instruction alone takes up {start} tokens, "
            f"instruction and text together only {length}, as they merge where they meet; "
            "end the instruction in ': ', lengthen the text, or use joining='exact'"
        )


def _and_more(n: int) -> str:
    return "" if n == 1 else f" (and {n - 1} more such row{'s' if n > 2 else ''})"


def _lower_case_first(backend: Any) -> None:
    """Prepend a lower-casing normalizer, as sentence-transformers does; offsets stay right."""
    from tokenizers import normalizers

    own = backend.normalizer
    backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *([own] if own is not None else [])])


def _count_specials(backend: Any) -> tuple[int, int]:
    """How many special tokens the tokenizer puts before and after a text."""
    content = backend.encode("a", add_special_tokens=False).ids
    row = backend.encode("a").ids
    n_specials = len(row) - len(content)
    for n_prefix in range(n_specials + 1):
        if content and row[n_prefix : n_prefix + len(content)] == content:
            return n_prefix, n_specials - n_prefix
    raise CheckpointError(
        "the tokenizer's post-processor does more than put special tokens around a text, "
        "which is not supported; expected a template such as '[CLS] $A [SEP]'"
    )
