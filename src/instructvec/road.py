"""An opened checkpoint: validated (instruction, text) pairs -> finished vectors, and what it is.

Knows in which order the rooms follow one another; nothing of the forms callers may put texts in, which is
``embedder.py``'s. Source: Su et al. 2023, section 2.2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.contract import fingerprint
from instructvec.checkpoints.spec import CheckpointSpec
from instructvec.encoding import vectors
from instructvec.encoding.chunks import merge_chunks
from instructvec.encoding.options import EncodeOptions
from instructvec.encoding.repeats import without_repeats
from instructvec.encoding.tokens import Tokenizer
from instructvec.encoding.vectors import Ranges
from instructvec.engines.drive import Driver
from instructvec.types import Engine, Joining, Pairs, Vectors

_SLICE_ROWS = 16_384
"""Distinct pairs that are tokenised before any is run; bounds the memory of their ids."""


class Encoded(NamedTuple):
    """Vectors and what it took to make them.

    Attributes:
        vectors: (n, d), in the order of the inputs.
        n_tokens: tokens the engine saw, instructions included; equal inputs count once.
        n_truncated: inputs that lost their tail at ``max_seq_length``.
        truncated: (n,) bool, which ones.
    """

    vectors: Vectors
    n_tokens: int
    n_truncated: int
    truncated: NDArray[np.bool_]


class Road:
    """From pairs to vectors through one checkpoint and one engine.

    Args:
        spec: the checkpoint, with the joining and limit in use.
        tokenizer: its tokenizer.
        engine: what multiplies.
        name: the checkpoint as the user named it.
    """

    def __init__(self, spec: CheckpointSpec, tokenizer: Tokenizer, engine: Engine, name: str) -> None:
        self.name = name
        self._spec = spec
        self._tokenizer = tokenizer
        self._driver = Driver(engine, spec.architecture.pad_token_id)

    # ------------------------------------------------------------ what it is

    @property
    def dimension(self) -> int:
        """Width of the vectors."""
        return self._width(None)

    @property
    def max_seq_length(self) -> int:
        """Tokens a text may have, instruction and special tokens included."""
        return self._spec.max_seq_length

    @property
    def prompts(self) -> Mapping[str, str]:
        """The checkpoint's stored prompts by name."""
        return MappingProxyType(dict(self._spec.prompts))

    @property
    def default_prompt_name(self) -> str | None:
        """The stored prompt that texts without an instruction get."""
        return self._spec.default_prompt_name

    @property
    def joining(self) -> Joining:
        """How instruction and text become tokens."""
        return self._spec.joining

    @property
    def backend(self) -> str:
        """Which engine was taken: ``"onnx"`` or ``"torch"``."""
        return self._driver.engine.name

    @property
    def device(self) -> str:
        """Where it runs: ``"cpu"``, ``"cuda:0"``, …"""
        return self._driver.engine.device

    @property
    def dtype(self) -> str:
        """What the matrices are held in: ``"float32"``, ``"int8"``, ``"bfloat16"``, …"""
        return self._driver.engine.dtype

    @property
    def similarity_fn_name(self) -> str:
        """The measure that ``similarity`` uses (sentence-transformers' name)."""
        return self._spec.similarity

    @property
    def family(self) -> str:
        """The encoder's family: ``"bert"``, ``"t5"``, …"""
        return self._spec.architecture.family

    def get_sentence_embedding_dimension(self) -> int:
        """:attr:`dimension`, under sentence-transformers' name."""
        return self.dimension

    def get_embedding_dimension(self) -> int:
        """:attr:`dimension`, under sentence-transformers' newer name."""
        return self.dimension

    def get_max_seq_length(self) -> int:
        """:attr:`max_seq_length`, under sentence-transformers' name."""
        return self.max_seq_length

    @cached_property
    def fingerprint(self) -> str:
        """Hex; depends on weights, tokenizer, pooling and joining, never on a name or path."""
        return fingerprint(self._spec, self._tokenizer.digest(), self._spec.joining)

    # ------------------------------------------------------------ the way through

    def _encode_pairs(self, pairs: Pairs, options: EncodeOptions, *, first_row: int = 0) -> Encoded:
        """Vectors of the pairs; messages count their rows from ``first_row``."""
        empty = self._finish_nothing(options)
        distinct = without_repeats(pairs)
        parts: list[Vectors] = [empty]
        n_tokens = 0
        cut = np.zeros(len(distinct.pairs), np.bool_)
        with _progress(len(distinct.pairs), bool(options.show_progress_bar)) as on_rows:
            for start in range(0, len(distinct.pairs), _SLICE_ROWS):
                rows = slice(start, start + _SLICE_ROWS)
                tokens = self._tokenizer.tokenize(
                    Pairs(distinct.pairs.instructions[rows], distinct.pairs.texts[rows]),
                    joining=self._spec.joining,
                    max_seq_length=self.max_seq_length,
                    include_prompt=self._spec.pooling.include_prompt,
                    long_text=options.long_text or "truncate",
                    row_numbers=distinct.first_rows[rows] + first_row,
                )
                n_tokens += len(tokens.ids)
                cut[tokens.owners[tokens.full_lengths > tokens.lengths] + start] = True
                found = self._driver.run(
                    tokens,
                    self._spec.dimension,
                    max_batch_tokens=options.max_batch_tokens,
                    max_batch_rows=options.batch_size,
                    on_rows=on_rows,
                )
                found = merge_chunks(found, tokens, unit_length=self._spec.normalize)
                parts.append(self._finish(found, options))
        made = parts[1] if len(parts) == 2 else np.concatenate(parts)
        if distinct.places is not None:
            made, cut = made[distinct.places], cut[distinct.places]
        return Encoded(np.ascontiguousarray(made), n_tokens, int(cut.sum()), cut)

    def _finish_nothing(self, options: EncodeOptions) -> Vectors:
        """(0, d) as asked for: what no text could satisfy shows before the first is run."""
        return self._finish(np.empty((0, self._spec.dimension), np.float32), options)

    def _finish(self, found: NDArray[np.float32], options: EncodeOptions) -> Vectors:
        """(n, full width) float32 as the engine gives them -> (n, d) as asked for."""
        width = self._width(options.truncate_dim)
        found = vectors.truncate(found, width)
        if self._normalises(options) and (width < self._spec.dimension or not self._spec.normalize):
            found = vectors.normalize(found)
        return vectors.quantize(found, options.precision, self._ranges(options))

    def _width(self, truncate_dim: int | None) -> int:
        whole = self._spec.dimension
        return min(whole, self._spec.truncate_dim or whole) if truncate_dim is None else truncate_dim

    def _normalises(self, options: EncodeOptions) -> bool:
        """Whether vectors leave with length one; False cannot undo the checkpoint's own Normalize."""
        return self._spec.normalize or bool(options.normalize_embeddings)

    def _ranges(self, options: EncodeOptions) -> Ranges | None:
        if options.precision not in ("int8", "uint8"):
            return None
        if options.ranges is None and self._normalises(options):
            return Ranges.of_unit_vectors(self._width(options.truncate_dim))
        return options.ranges


@contextmanager
def _progress(n_rows: int, show: bool) -> Iterator[Callable[[int], object] | None]:
    if not show:
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=n_rows, unit="text", unit_scale=True) as bar:
        yield bar.update
