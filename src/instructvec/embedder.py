"""The front door: texts with their instructions in, vectors for that purpose out.

Knows which rooms a text passes through and in which order; each room's work is its own.
Source: Su et al. 2023, section 2.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instructvec.checkpoints.contract import EmbeddingContract, distinct_instructions, fingerprint
from instructvec.checkpoints.hub import resolve
from instructvec.checkpoints.layout import read_spec
from instructvec.checkpoints.save import save
from instructvec.encoding import similarity, vectors
from instructvec.encoding.prompts import pair_up
from instructvec.encoding.tokens import Tokenizer
from instructvec.encoding.vectors import Ranges
from instructvec.engines.choose import open_engine
from instructvec.engines.drive import Driver
from instructvec.errors import ConfigError, InputError, TruncationWarning
from instructvec.types import (
    JOININGS,
    LONG_TEXTS,
    PRECISIONS,
    Backend,
    EncodeInput,
    EncodeInstruction,
    Joining,
    LongText,
    Pairs,
    Precision,
    TokenRows,
    Vectors,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

BUNDLED = Path(__file__).parent / "checkpoints" / "bundled"
BUNDLED_NAME = "bundled"

_SLICE_ROWS = 16_384
_STREAM_ROWS = 1024
_QUERY_PROMPTS = ("query",)
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class Encoded(NamedTuple):
    """Vectors and what it took to make them.

    Attributes:
        vectors: (n, d), in the order of the inputs.
        n_tokens: tokens the engine saw, instructions included; equal inputs count once.
        n_truncated: inputs that lost their tail at ``max_seq_length``.
    """

    vectors: Vectors
    n_tokens: int
    n_truncated: int


class Embedder:
    """Turns texts into vectors under instructions that say what the vectors are for.

    Args:
        model_name_or_path: a sentence-transformers or INSTRUCTOR directory, or a hub id; ``None`` or
            ``"bundled"`` takes the model that comes with this package (no network, no torch).
        backend: ``"onnx"``, ``"torch"``, or ``"auto"``: the fastest that can run this checkpoint here.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, …; ``None`` leaves it to the engine.
        dtype: what the matrices are held in: ``"float32"``; ``"int8"`` (onnx); ``"bfloat16"``, ``"float16"``
            (torch); ``"auto"`` leaves it to the engine.
        threads: processors to use; ``None``: all that affinity and container limits allow.
        max_seq_length: tokens a text may have, instruction and special tokens included; ``None`` for the
            checkpoint's own limit.
        revision: branch, tag or commit of a hub id.
        joining: how instruction and text become tokens; ``None`` for the rule the checkpoint was made with.
        token: for private repositories of a hub.
        cache_folder: where hub downloads are kept; ``None`` for the hub's own place.

    Raises:
        CheckpointError: no model there, or one that is damaged or not understood.
        ConfigError: an option with a value it does not have.
        MissingExtra: the engine needed is not installed.

    Example:
        >>> embedder = Embedder()
        >>> embedder.encode("stack overflow", "Represent the programming term for clustering: ").shape
        (384,)
    """

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str] | None = None,
        *,
        backend: Backend = "auto",
        device: str | None = None,
        dtype: str = "auto",
        threads: int | None = None,
        max_seq_length: int | None = None,
        revision: str | None = None,
        joining: Joining | None = None,
        token: str | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
    ) -> None:
        if joining is not None and joining not in JOININGS:
            raise ConfigError(f"joining is {joining!r}; expected one of {', '.join(JOININGS)}")
        self.name = BUNDLED_NAME if model_name_or_path is None else os.fspath(model_name_or_path)
        if self.name == BUNDLED_NAME:
            path = BUNDLED
        else:
            path = resolve(self.name, revision=revision, token=token, cache_folder=cache_folder)
        spec = read_spec(path, name=self.name)
        self._spec = replace(
            spec,
            joining=joining or spec.joining,
            max_seq_length=_checked_limit(max_seq_length, spec.max_seq_length, spec.architecture.n_positions
                                          - spec.architecture.position_offset),
        )
        self._tokenizer = Tokenizer.load(
            spec.transformer_folder, pad_token_id=spec.architecture.pad_token_id, lower_case=spec.lower_case
        )
        engine = open_engine(
            spec, backend=backend, device=device, dtype=dtype, threads=threads, max_seq_length=self.max_seq_length
        )
        self._driver = Driver(engine, spec.architecture.pad_token_id)
        self._arguments: dict[str, Any] = {
            "model_name_or_path": model_name_or_path,
            "backend": backend,
            "device": device,
            "dtype": dtype,
            "threads": threads,
            "max_seq_length": max_seq_length,
            "revision": revision,
            "joining": joining,
            "token": token,
            "cache_folder": cache_folder,
        }

    def __reduce__(self) -> tuple[Callable[[dict[str, Any]], Embedder], tuple[dict[str, Any]]]:
        """Pickled as its arguments: a worker process opens the model anew."""
        return _reopen, (self._arguments,)

    def __repr__(self) -> str:
        return f"Embedder({self.name!r}, backend={self.backend!r}, dtype={self.dtype!r}, dimension={self.dimension})"

    # ------------------------------------------------------------ what it is

    @property
    def dimension(self) -> int:
        """Width of the vectors."""
        return self._spec.dimension

    @property
    def max_seq_length(self) -> int:
        """Tokens a text may have, instruction and special tokens included."""
        return self._spec.max_seq_length

    @property
    def prompts(self) -> Mapping[str, str]:
        """The checkpoint's stored prompts by name."""
        return MappingProxyType(dict(self._spec.prompts))

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
        """The measure :meth:`similarity` uses (sentence-transformers' name)."""
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

    # ------------------------------------------------------------ encoding

    def encode(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = None,
        *,
        prompt_name: str | None = None,
        batch_size: int | None = None,
        max_batch_tokens: int | None = None,
        normalize_embeddings: bool | None = None,
        truncate_dim: int | None = None,
        precision: Precision = "float32",
        ranges: Ranges | None = None,
        long_text: LongText | None = None,
        show_progress_bar: bool = False,
    ) -> Vectors:
        """Encode texts, each under its instruction.

        Args:
            inputs: a string; n strings; or n ``[instruction, text]`` pairs.
            instruction: one for all, or n of them; ``None`` for none.
            prompt_name: takes a stored prompt as the instruction.
            batch_size: rows a batch may hold; ``None`` for no limit but the token budget.
            max_batch_tokens: padded tokens a batch may hold; ``None`` for the engine's default.
            normalize_embeddings: whether vectors get length one; ``None``: as the checkpoint does.
            truncate_dim: keep the first d dimensions, renormalised where vectors were of length one
                (Matryoshka; Kusupati et al. 2022).
            precision: number type of the result; int8 and uint8 use ``ranges``.
            ranges: values the steps of int8 and uint8 stand for; ``None``: fixed ones for unit vectors
                of this width. They go into the contract.
            long_text: ``"truncate"`` cuts silently, ``"chunk"`` encodes a long text in windows, each under
                the whole instruction, and averages their vectors by their pooled tokens, ``"error"``
                refuses; ``None`` cuts, counts and warns once.
            show_progress_bar: on stderr.

        Returns:
            (d,) for a string, else (n, d), C-contiguous, in the order of the inputs; (n, d / 8) for the
            binary precisions.

        Raises:
            InputError: an input that cannot be encoded; names the row.
            TextTooLong: under ``long_text="error"``.
            ConfigError: an option with a value it does not have.

        Example:
            >>> embedder = Embedder()
            >>> embedder.encode(["a cat", "a dog"], ["Represent the noun: ", "Represent the pet: "]).shape
            (2, 384)
            >>> embedder.encode([["Represent the noun: ", "a cat"]], precision="int8").dtype
            dtype('int8')
        """
        encoded, single = self._encode(
            inputs,
            self._instruction(inputs, instruction, prompt_name),
            batch_size=batch_size,
            max_batch_tokens=max_batch_tokens,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            precision=precision,
            ranges=ranges,
            long_text=long_text,
            show_progress_bar=show_progress_bar,
        )
        if encoded.n_truncated and long_text is None:
            warnings.warn(_truncation_message(encoded, self.max_seq_length), TruncationWarning, stacklevel=2)
        return encoded.vectors[0] if single else encoded.vectors

    def encode_counted(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = None,
        *,
        prompt_name: str | None = None,
        batch_size: int | None = None,
        max_batch_tokens: int | None = None,
        normalize_embeddings: bool | None = None,
        truncate_dim: int | None = None,
        precision: Precision = "float32",
        ranges: Ranges | None = None,
        long_text: LongText | None = None,
        show_progress_bar: bool = False,
    ) -> Encoded:
        """:meth:`encode`, with the counts of tokens and cut texts instead of a warning.

        Example:
            >>> Embedder().encode_counted(["a cat"]).n_truncated
            0
        """
        return self._encode(
            inputs,
            self._instruction(inputs, instruction, prompt_name),
            batch_size=batch_size,
            max_batch_tokens=max_batch_tokens,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            precision=precision,
            ranges=ranges,
            long_text=long_text,
            show_progress_bar=show_progress_bar,
        )[0]

    def encode_query(
        self, inputs: EncodeInput, instruction: EncodeInstruction = None, *, show_progress_bar: bool = False
    ) -> Vectors:
        """Encode queries: under the checkpoint's own query prompt unless an instruction is given.

        Example:
            >>> Embedder().encode_query("what is a vector?").shape
            (384,)
        """
        prompt_name = self._stored_prompt(inputs, instruction, _QUERY_PROMPTS)
        return self.encode(inputs, instruction, prompt_name=prompt_name, show_progress_bar=show_progress_bar)

    def encode_document(
        self, inputs: EncodeInput, instruction: EncodeInstruction = None, *, show_progress_bar: bool = False
    ) -> Vectors:
        """Encode documents: under the checkpoint's own document prompt unless an instruction is given.

        Example:
            >>> Embedder().encode_document(["A vector has length and direction."]).shape
            (1, 384)
        """
        prompt_name = self._stored_prompt(inputs, instruction, _DOCUMENT_PROMPTS)
        return self.encode(inputs, instruction, prompt_name=prompt_name, show_progress_bar=show_progress_bar)

    def encode_stream(
        self,
        inputs: Iterable[Any],
        instruction: str | Any | None = None,
        *,
        prompt_name: str | None = None,
        window_rows: int = _STREAM_ROWS,
        max_batch_tokens: int | None = None,
        normalize_embeddings: bool | None = None,
        truncate_dim: int | None = None,
        precision: Precision = "float32",
        ranges: Ranges | None = None,
        long_text: LongText | None = None,
    ) -> Iterator[Vectors]:
        """Encode any number of inputs in bounded memory.

        Args:
            inputs: strings, or ``[instruction, text]`` pairs; may never end.
            instruction: one for all.
            prompt_name: takes a stored prompt as the instruction.
            window_rows: inputs read before their vectors are yielded; more sort better into batches.
            max_batch_tokens: as in :meth:`encode`, and so the rest.
            normalize_embeddings: see there.
            truncate_dim: see there.
            precision: see there.
            ranges: see there.
            long_text: see there; ``None`` warns once, after the first window with a cut text.

        Yields:
            (d,) vectors, one an input, in order.

        Raises:
            InputError: as in :meth:`encode`; the row counts from the start of the stream.

        Example:
            >>> vectors = Embedder().encode_stream(iter(["a", "b"]), "Represent the letter: ")
            >>> next(vectors).shape
            (384,)
        """
        if window_rows < 1:
            raise ConfigError(f"window_rows is {window_rows}; expected 1 or more")
        if instruction is not None and not isinstance(instruction, str) and isinstance(instruction, Iterable):
            raise InputError(
                "encode_stream: instruction is a sequence; it takes one for all: stream [instruction, text] pairs"
            )
        rows = iter(inputs)
        first_row = 0
        warned = long_text is not None
        while window := list(islice(rows, window_rows)):
            encoded, _ = self._encode(
                window,
                self._instruction(window, instruction, prompt_name),
                max_batch_tokens=max_batch_tokens,
                normalize_embeddings=normalize_embeddings,
                truncate_dim=truncate_dim,
                precision=precision,
                ranges=ranges,
                long_text=long_text,
                first_row=first_row,
            )
            if encoded.n_truncated and not warned:
                warnings.warn(_truncation_message(encoded, self.max_seq_length), TruncationWarning, stacklevel=2)
                warned = True
            first_row += len(window)
            # Copies, so that a vector that is kept does not keep its whole window.
            yield from (vector.copy() for vector in encoded.vectors)

    def similarity(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.float32]:
        """(n, m) similarities of (n, d) and (m, d) vectors: cosine unless the checkpoint says otherwise.

        Example:
            >>> embedder = Embedder()
            >>> embedder.similarity(embedder.encode(["a cat"]), embedder.encode(["a cat", "a dog"])).shape
            (1, 2)
        """
        return similarity.similarity(a, b, self._spec.similarity)

    def similarity_pairwise(self, a: ArrayLike, b: ArrayLike) -> NDArray[np.float32]:
        """(n,) similarities of each row of ``a`` with the same row of ``b``.

        Example:
            >>> Embedder().similarity_pairwise([[1.0, 0.0]], [[1.0, 0.0]]).tolist()
            [1.0]
        """
        return similarity.similarity_pairwise(a, b, self._spec.similarity)

    # ------------------------------------------------------------ contract, saving

    def contract(
        self,
        instruction: EncodeInstruction = None,
        *,
        prompt_name: str | None = None,
        normalize_embeddings: bool | None = None,
        truncate_dim: int | None = None,
        precision: Precision = "float32",
        ranges: Ranges | None = None,
        long_text: LongText | None = None,
    ) -> EmbeddingContract:
        """Under what :meth:`encode` makes vectors with the same arguments.

        Example:
            >>> embedder = Embedder()
            >>> embedder.contract("Represent the noun: ").check(embedder.contract("Represent the noun: "))
        """
        one = instruction is None or isinstance(instruction, str) or not isinstance(instruction, Iterable)
        instruction = self._instruction("", instruction, prompt_name) if one else instruction
        given = [instruction] if one else list(instruction or [])
        normalised = self._normalises(normalize_embeddings)
        ranges = _ranges(ranges, precision, truncate_dim or self.dimension, normalised)
        return EmbeddingContract(
            fingerprint=self.fingerprint,
            instructions=distinct_instructions(None if item is None else str(item) for item in given),
            dimension=truncate_dim or self.dimension,
            normalised=normalised,
            precision=precision,
            joining=self._spec.joining,
            ranges=None if ranges is None else (ranges.low, ranges.high),
            max_seq_length=self.max_seq_length,
            long_text=long_text or "truncate",
            model=self.name,
            computed_in=self.dtype,
            version=_version(),
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the checkpoint to a new directory that sentence-transformers loads to the same vectors.

        Raises:
            OutputError: something is at ``path`` already, or the checkpoint has no float weights.
        """
        return save(self._spec, path)

    # ------------------------------------------------------------ the road

    def _encode(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction,
        *,
        batch_size: int | None = None,
        max_batch_tokens: int | None = None,
        normalize_embeddings: bool | None = None,
        truncate_dim: int | None = None,
        precision: Precision = "float32",
        ranges: Ranges | None = None,
        long_text: LongText | None = None,
        show_progress_bar: bool = False,
        first_row: int = 0,
    ) -> tuple[Encoded, bool]:
        _check_options(precision, long_text, batch_size, max_batch_tokens)
        pairs, single = pair_up(inputs, instruction)
        unique, places, first_places = _without_repeats(pairs)
        normalised = self._normalises(normalize_embeddings)
        width = truncate_dim or self.dimension
        ranges = _ranges(ranges, precision, width, normalised)
        parts: list[Vectors] = []
        n_tokens = 0
        cut = np.zeros(len(unique), np.bool_)
        with _progress(len(unique), show_progress_bar) as on_rows:
            for start in range(0, max(1, len(unique)), _SLICE_ROWS):
                rows = slice(start, start + _SLICE_ROWS)
                tokens = self._tokenizer.tokenize(
                    Pairs(unique.instructions[rows], unique.texts[rows]),
                    joining=self._spec.joining,
                    max_seq_length=self.max_seq_length,
                    # A rule that says which tokens are pooled outweighs the Pooling module's switch.
                    include_prompt=self._spec.pooling.include_prompt and self._spec.joining == "prompt",
                    long_text=long_text or "truncate",
                    row_numbers=first_places[rows] + first_row,
                )
                n_tokens += len(tokens.ids)
                cut[tokens.owners[tokens.full_lengths > tokens.lengths] + start] = True
                found = self._driver.run(
                    tokens, self.dimension, max_batch_tokens=max_batch_tokens, max_batch_rows=batch_size, on_rows=on_rows
                )
                found = vectors.truncate(_merge_chunks(found, tokens, self._spec.normalize), truncate_dim)
                if normalised and (truncate_dim is not None or not self._spec.normalize):
                    found = vectors.normalize(found)
                parts.append(vectors.quantize(found, precision, ranges))
        made = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if places is not None:
            made, cut = made[places], cut[places]
        return Encoded(np.ascontiguousarray(made), n_tokens, int(cut.sum())), single

    def _normalises(self, normalize_embeddings: bool | None) -> bool:
        """Whether vectors leave with length one; False cannot undo the checkpoint's own Normalize."""
        return self._spec.normalize if normalize_embeddings is None else normalize_embeddings or self._spec.normalize

    def _instruction(
        self, inputs: Any, instruction: EncodeInstruction, prompt_name: str | None
    ) -> EncodeInstruction:
        if prompt_name is None:
            default = self._spec.default_prompt_name
            if instruction is not None or default is None or _holds_pairs(inputs):
                return instruction
            prompt_name = default
        elif instruction is not None:
            raise InputError(f"instruction= and prompt_name={prompt_name!r} are both given: choose one")
        if prompt_name not in self._spec.prompts:
            stored = ", ".join(map(repr, self._spec.prompts)) or "none"
            raise InputError(f"prompt_name is {prompt_name!r}, but this checkpoint's stored prompts are: {stored}")
        return self._spec.prompts[prompt_name]

    def _stored_prompt(self, inputs: Any, instruction: EncodeInstruction, names: Iterable[str]) -> str | None:
        if instruction is not None or _holds_pairs(inputs):
            return None
        return next((name for name in names if name in self._spec.prompts), None)


def _reopen(arguments: dict[str, Any]) -> Embedder:
    return Embedder(**arguments)


def _version() -> str:
    from instructvec import __version__

    return __version__


def _checked_limit(asked: int | None, own: int, n_positions: int) -> int:
    if asked is None:
        return own
    if asked < 1 or 0 < n_positions < asked:
        limit = f"1 to {n_positions}" if n_positions > 0 else "1 or more"
        raise ConfigError(f"max_seq_length is {asked}; this checkpoint allows {limit}")
    return asked


def _check_options(
    precision: str, long_text: str | None, batch_size: int | None, max_batch_tokens: int | None
) -> None:
    if precision not in PRECISIONS:
        raise ConfigError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")
    if long_text is not None and long_text not in LONG_TEXTS:
        raise ConfigError(f"long_text is {long_text!r}; expected one of {', '.join(LONG_TEXTS)}, or None")
    for name, value in (("batch_size", batch_size), ("max_batch_tokens", max_batch_tokens)):
        if value is not None and value < 1:
            raise ConfigError(f"{name} is {value}; expected 1 or more, or None for the default")


def _holds_pairs(inputs: Any) -> bool:
    """Whether inputs are [instruction, text] pairs, which bring their own instructions."""
    return isinstance(inputs, (list, tuple)) and bool(inputs) and isinstance(inputs[0], (list, tuple))


def _without_repeats(pairs: Pairs) -> tuple[Pairs, NDArray[np.int64] | None, NDArray[np.int64]]:
    """Each distinct pair once, where each row's is among them (``None`` if all differ), and its first row."""
    places: dict[tuple[str | None, str], int] = {}
    where = [places.setdefault(pair, len(places)) for pair in zip(pairs.instructions, pairs.texts, strict=True)]
    if len(places) == len(pairs):
        return pairs, None, np.arange(len(pairs))
    rows = np.array(where, np.int64)
    unique = Pairs([pair[0] for pair in places], [pair[1] for pair in places])
    return unique, rows, np.unique(rows, return_index=True)[1]


def _merge_chunks(found: NDArray[np.float32], tokens: TokenRows, normalize: bool) -> NDArray[np.float32]:
    """One vector an input: the mean of its chunks' vectors, weighted by their pooled tokens."""
    n_inputs = int(tokens.owners[-1]) + 1 if len(tokens) else 0
    if n_inputs == len(tokens):
        return found
    weights = np.add.reduceat(tokens.pooled, tokens.offsets[:-1], dtype=np.float32)
    firsts = np.flatnonzero(np.diff(tokens.owners, prepend=-1))
    merged = np.add.reduceat(found * weights[:, None], firsts) / np.add.reduceat(weights, firsts)[:, None]
    # An input in one chunk keeps its vector to the bit.
    alone = np.diff(np.append(firsts, len(tokens))) == 1
    if normalize:
        merged = vectors.normalize(merged)
    merged[alone] = found[firsts[alone]]
    return merged


def _ranges(ranges: Ranges | None, precision: str, dimension: int, normalised: bool) -> Ranges | None:
    if precision not in ("int8", "uint8"):
        return None
    return Ranges.of_unit_vectors(dimension) if ranges is None and normalised else ranges


def _truncation_message(encoded: Encoded, limit: int) -> str:
    return (
        f"{encoded.n_truncated} of {len(encoded.vectors)} texts are longer than {limit} tokens and lost their tail; "
        "long_text='chunk' encodes all of it, 'error' refuses, 'truncate' cuts without this warning"
    )


@contextmanager
def _progress(n_rows: int, show: bool) -> Iterator[Callable[[int], object] | None]:
    if not show:
        yield None
        return
    from tqdm import tqdm

    with tqdm(total=n_rows, unit="text", unit_scale=True) as bar:
        yield bar.update
