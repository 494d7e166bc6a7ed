"""Texts, instructions and options in the forms callers have them in -> vectors.

Knows which prompt a text gets and what a caller wants back; the way from pairs to vectors is ``road.py``'s.
Source: the ``encode`` methods of INSTRUCTOR and sentence-transformers.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal, Unpack, overload

from instructvec.encoding.options import EncodeKeywords, EncodeOptions
from instructvec.encoding.prompts import pair_up
from instructvec.encoding.vectors import Ranges
from instructvec.errors import ConfigError, InputError, InputTypeError, TruncationWarning
from instructvec.instruction import Instruction
from instructvec.road import Encoded, Road
from instructvec.types import EncodeInput, EncodeInstruction, LongText, Pairs, Precision, Vectors

if TYPE_CHECKING:
    import torch

_STREAM_ROWS = 1024
_QUERY_PROMPTS = ("query",)
_DOCUMENT_PROMPTS = ("document", "passage", "corpus")


class TextEncoder(Road):
    """The ways to encode: texts, queries, documents, streams."""

    @overload
    def encode(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = ...,
        *,
        convert_to_numpy: Literal[True] = ...,
        convert_to_tensor: Literal[False] = ...,
        **options: Unpack[EncodeKeywords],
    ) -> Vectors: ...

    @overload
    def encode(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = ...,
        *,
        convert_to_numpy: bool = ...,
        convert_to_tensor: Literal[True],
        **options: Unpack[EncodeKeywords],
    ) -> torch.Tensor: ...

    @overload
    def encode(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = ...,
        *,
        convert_to_numpy: bool,
        convert_to_tensor: bool = ...,
        **options: Unpack[EncodeKeywords],
    ) -> Vectors | torch.Tensor | list[torch.Tensor]: ...

    def encode(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = None,
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        max_batch_tokens: int | None = None,
        normalize_embeddings: bool | None = None,
        truncate_dim: int | None = None,
        precision: Precision = "float32",
        ranges: Ranges | None = None,
        long_text: LongText | None = None,
        show_progress_bar: bool | None = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
    ) -> Vectors | torch.Tensor | list[torch.Tensor]:
        """Encode texts, each under its instruction.

        Args:
            inputs: a string; n strings; or n ``[instruction, text]`` pairs.
            instruction: one for all, or n of them. Where it is ``None``, the text gets the checkpoint's default
                prompt if it has one; ``""`` is none at all.
            prompt_name: takes a stored prompt as the instruction.
            prompt: sentence-transformers' name for one instruction for all; not both.
            batch_size: rows a batch may hold; ``None`` for no limit but the token budget.
            max_batch_tokens: padded tokens a batch may hold; ``None`` for the engine's default.
            normalize_embeddings: whether vectors get length one; ``None``: as the checkpoint does.
            truncate_dim: keep the first d dimensions, renormalised where vectors were of length one
                (Matryoshka; Kusupati et al. 2022); ``None``: as many as the checkpoint says.
            precision: number type of the result; int8 and uint8 use ``ranges``.
            ranges: values the steps of int8 and uint8 stand for; ``None``: fixed ones for unit vectors
                of this width. They go into the contract.
            long_text: ``"truncate"`` cuts silently, ``"chunk"`` encodes a long text in windows, each under
                the whole instruction, and averages their vectors by their pooled tokens, ``"error"``
                refuses; ``None`` cuts, counts and warns once.
            show_progress_bar: on stderr.
            convert_to_numpy: false for torch tensors: one for a string, else a list of n.
            convert_to_tensor: one torch tensor, on the engine's device; goes before ``convert_to_numpy``.

        Returns:
            (d,) for a string, else (n, d), C-contiguous, in the order of the inputs; (n, d / 8) for the
            binary precisions.

        Raises:
            InputError: an input that cannot be encoded; names the row.
            TextTooLong: under ``long_text="error"``.
            ConfigError: an option with a value it does not have.
            MissingExtra: tensors are asked for and torch is not installed.

        Example:
            >>> from instructvec import Embedder
            >>> embedder = Embedder()
            >>> embedder.encode(["a cat", "a dog"], ["Represent the noun: ", "Represent the pet: "]).shape
            (2, 384)
            >>> embedder.encode([["Represent the noun: ", "a cat"]], precision="int8").dtype
            dtype('int8')
        """
        options = EncodeOptions(
            batch_size=batch_size,
            max_batch_tokens=max_batch_tokens,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            precision=precision,
            ranges=ranges,
            long_text=long_text,
            show_progress_bar=show_progress_bar,
            convert_to_numpy=convert_to_numpy,
            convert_to_tensor=convert_to_tensor,
        )
        pairs, single = self._pairs(inputs, instruction, prompt, prompt_name)
        return self._answer(pairs, single, options)

    @overload
    def encode_query(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = ...,
        *,
        convert_to_numpy: Literal[True] = ...,
        convert_to_tensor: Literal[False] = ...,
        **options: Unpack[EncodeKeywords],
    ) -> Vectors: ...

    @overload
    def encode_query(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = ...,
        *,
        convert_to_numpy: bool = ...,
        convert_to_tensor: Literal[True],
        **options: Unpack[EncodeKeywords],
    ) -> torch.Tensor: ...

    @overload
    def encode_query(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = ...,
        *,
        convert_to_numpy: bool,
        convert_to_tensor: bool = ...,
        **options: Unpack[EncodeKeywords],
    ) -> Vectors | torch.Tensor | list[torch.Tensor]: ...

    def encode_query(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = None,
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        max_batch_tokens: int | None = None,
        normalize_embeddings: bool | None = None,
        truncate_dim: int | None = None,
        precision: Precision = "float32",
        ranges: Ranges | None = None,
        long_text: LongText | None = None,
        show_progress_bar: bool | None = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
    ) -> Vectors | torch.Tensor | list[torch.Tensor]:
        """Encode queries: under the checkpoint's own query prompt where no instruction is given.

        Options as in :meth:`encode`.

        Example:
            >>> from instructvec import Embedder
            >>> Embedder().encode_query("what is a vector?").shape
            (384,)
        """
        options = EncodeOptions(
            batch_size=batch_size,
            max_batch_tokens=max_batch_tokens,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            precision=precision,
            ranges=ranges,
            long_text=long_text,
            show_progress_bar=show_progress_bar,
            convert_to_numpy=convert_to_numpy,
            convert_to_tensor=convert_to_tensor,
        )
        pairs, single = self._pairs(inputs, instruction, prompt, prompt_name, own=_QUERY_PROMPTS)
        return self._answer(pairs, single, options)

    @overload
    def encode_document(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = ...,
        *,
        convert_to_numpy: Literal[True] = ...,
        convert_to_tensor: Literal[False] = ...,
        **options: Unpack[EncodeKeywords],
    ) -> Vectors: ...

    @overload
    def encode_document(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = ...,
        *,
        convert_to_numpy: bool = ...,
        convert_to_tensor: Literal[True],
        **options: Unpack[EncodeKeywords],
    ) -> torch.Tensor: ...

    @overload
    def encode_document(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = ...,
        *,
        convert_to_numpy: bool,
        convert_to_tensor: bool = ...,
        **options: Unpack[EncodeKeywords],
    ) -> Vectors | torch.Tensor | list[torch.Tensor]: ...

    def encode_document(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = None,
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        max_batch_tokens: int | None = None,
        normalize_embeddings: bool | None = None,
        truncate_dim: int | None = None,
        precision: Precision = "float32",
        ranges: Ranges | None = None,
        long_text: LongText | None = None,
        show_progress_bar: bool | None = False,
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
    ) -> Vectors | torch.Tensor | list[torch.Tensor]:
        """Encode documents: under the checkpoint's own document prompt where no instruction is given.

        Options as in :meth:`encode`.

        Example:
            >>> from instructvec import Embedder
            >>> Embedder().encode_document(["A vector has length and direction."]).shape
            (1, 384)
        """
        options = EncodeOptions(
            batch_size=batch_size,
            max_batch_tokens=max_batch_tokens,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            precision=precision,
            ranges=ranges,
            long_text=long_text,
            show_progress_bar=show_progress_bar,
            convert_to_numpy=convert_to_numpy,
            convert_to_tensor=convert_to_tensor,
        )
        pairs, single = self._pairs(inputs, instruction, prompt, prompt_name, own=_DOCUMENT_PROMPTS)
        return self._answer(pairs, single, options)

    def encode_counted(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction = None,
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        batch_size: int | None = None,
        max_batch_tokens: int | None = None,
        normalize_embeddings: bool | None = None,
        truncate_dim: int | None = None,
        precision: Precision = "float32",
        ranges: Ranges | None = None,
        long_text: LongText | None = None,
        show_progress_bar: bool | None = False,
    ) -> Encoded:
        """:meth:`encode`, with the counts of tokens and cut texts instead of a warning.

        Example:
            >>> from instructvec import Embedder
            >>> Embedder().encode_counted(["a cat"]).n_truncated
            0
        """
        options = EncodeOptions(
            batch_size=batch_size,
            max_batch_tokens=max_batch_tokens,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            precision=precision,
            ranges=ranges,
            long_text=long_text,
            show_progress_bar=show_progress_bar,
        )
        return self._encode_pairs(self._pairs(inputs, instruction, prompt, prompt_name)[0], options)

    def encode_stream(
        self,
        inputs: Iterable[str | Sequence[Any]],
        instruction: str | Instruction | None = None,
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        window_rows: int = _STREAM_ROWS,
        batch_size: int | None = None,
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
            prompt: sentence-transformers' name for ``instruction``.
            window_rows: inputs read before their vectors are yielded; more sort better into batches.
            batch_size: as in :meth:`encode`, and so the rest.
            max_batch_tokens: see there.
            normalize_embeddings: see there.
            truncate_dim: see there.
            precision: see there.
            ranges: see there.
            long_text: see there; ``None`` warns once, after the first window with a cut text.

        Yields:
            (d,) vectors, one an input, in order.

        Raises:
            InputError: as in :meth:`encode`; the row counts from the start of the stream.
            ConfigError: an option with a value it does not have; at once, before anything is read.

        Example:
            >>> from instructvec import Embedder
            >>> vectors = Embedder().encode_stream(iter(["a", "b"]), "Represent the letter: ")
            >>> next(vectors).shape
            (384,)
        """
        if window_rows < 1:
            raise ConfigError(f"window_rows is {window_rows}; expected 1 or more")
        if not (instruction is None or isinstance(instruction, (str, Instruction))):
            raise InputError(
                f"encode_stream: instruction is a {type(instruction).__name__}; it takes one string for all: "
                "stream [instruction, text] pairs"
            )
        if isinstance(inputs, str):
            raise InputError("encode_stream: inputs is one string; expected an iterable of texts: pass [text]")
        options = EncodeOptions(
            batch_size=batch_size,
            max_batch_tokens=max_batch_tokens,
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            precision=precision,
            ranges=ranges,
            long_text=long_text,
        )
        given = self._one_instruction(instruction, prompt, prompt_name)
        return self._stream(inputs, given, window_rows, options)

    def _stream(
        self, inputs: Iterable[Any], instruction: EncodeInstruction, window_rows: int, options: EncodeOptions
    ) -> Iterator[Vectors]:
        rows = iter(inputs)
        first_row = 0
        warned = options.long_text is not None
        while window := list(islice(rows, window_rows)):
            pairs, _ = self._pairs(window, instruction, first_row=first_row)
            encoded = self._encode_pairs(pairs, options, first_row=first_row)
            if encoded.n_truncated and not warned:
                warnings.warn(self._truncation_message(encoded), TruncationWarning, stacklevel=2)
                warned = True
            first_row += len(window)
            # Copies, so that a vector that is kept does not keep its whole window.
            yield from (vector.copy() for vector in encoded.vectors)

    # ------------------------------------------------------------ which instruction, what back

    def _pairs(
        self,
        inputs: EncodeInput,
        instruction: EncodeInstruction,
        prompt: str | None = None,
        prompt_name: str | None = None,
        *,
        own: Sequence[str] = (),
        first_row: int = 0,
    ) -> tuple[Pairs, bool]:
        """Validated pairs; those without an instruction get the first stored prompt of ``own``, or the default."""
        given = self._one_instruction(instruction, prompt, prompt_name)
        pairs, single = pair_up(inputs, given, first_row=first_row)
        default = self._spec.default_prompt_name
        names = own if default is None else [*own, default]
        stored = next((self._spec.prompts[name] for name in names if name in self._spec.prompts), None)
        if stored is not None and None in pairs.instructions:
            pairs = Pairs([stored if one is None else one for one in pairs.instructions], pairs.texts)
        return pairs, single

    def _one_instruction(
        self, instruction: EncodeInstruction, prompt: str | None, prompt_name: str | None
    ) -> EncodeInstruction:
        """Whichever of the three ways to say it was used."""
        said = {"instruction": instruction, "prompt": prompt, "prompt_name": prompt_name}
        given = [name for name, value in said.items() if value is not None]
        if len(given) > 1:
            raise InputError(
                f"{'= and '.join(given)}= are given: they say the same thing, so pass only one of them"
            )
        if prompt is not None:
            if not isinstance(prompt, str):
                raise InputTypeError(f"prompt is a {type(prompt).__name__}; expected one string for all texts")
            return prompt
        if prompt_name is None:
            return instruction
        if prompt_name not in self._spec.prompts:
            stored = ", ".join(map(repr, self._spec.prompts)) or "none"
            raise InputError(
                f"prompt_name is {prompt_name!r}, but this checkpoint's stored prompts are: {stored}; "
                "pass the words themselves as instruction="
            )
        return self._spec.prompts[prompt_name]

    def _answer(
        self, pairs: Pairs, single: bool, options: EncodeOptions
    ) -> Vectors | torch.Tensor | list[torch.Tensor]:
        encoded = self._encode_pairs(pairs, options)
        if encoded.n_truncated and options.long_text is None:
            warnings.warn(self._truncation_message(encoded), TruncationWarning, stacklevel=3)
        vectors = encoded.vectors
        if not options.as_tensors:
            one: Vectors = vectors[0] if single else vectors
            return one
        import torch

        tensor = torch.from_numpy(vectors).to(self.device)
        if single:
            return tensor[0]
        return tensor if options.convert_to_tensor else list(tensor)

    def _truncation_message(self, encoded: Encoded) -> str:
        return (
            f"{encoded.n_truncated} of {len(encoded.vectors)} texts are longer than {self.max_seq_length} tokens "
            "and lost their tail; long_text='chunk' encodes all of it, 'error' refuses, 'truncate' cuts without "
            "this warning"
        )
