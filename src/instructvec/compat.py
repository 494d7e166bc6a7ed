"""The old class ``INSTRUCTOR``, over our embedder: moving here is one changed import line.

    from InstructorEmbedding import INSTRUCTOR      # before
    from instructvec.compat import INSTRUCTOR       # after

Knows the arguments and return types of InstructorEmbedding 1.0.1 (over sentence-transformers
2.2.2) and maps them on :class:`~instructvec.embedder.Embedder`; nothing of tokens or vectors.
The original no longer loads beside a current sentence-transformers or huggingface_hub; this does.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NoReturn, cast, overload

import numpy as np
from numpy.typing import NDArray

from instructvec.embedder import Embedder
from instructvec.encoding.prompts import pair_up
from instructvec.errors import ConfigError, InputTypeError
from instructvec.extras import require
from instructvec.types import Backend, EncodeInput, Pairs

if TYPE_CHECKING:
    from pathlib import Path

    import torch

MAX_SEQ_LENGTH = 512
"""Tokens a row may have; InstructorEmbedding 1.0.1 has it fixed, whatever the checkpoint says."""

_REMEDIES = {
    "start_multi_process_pool": "encode() uses all cores already",
    "stop_multi_process_pool": "encode() uses all cores already; there is no pool to stop",
    "encode_multi_process": "call encode(); it uses all cores already",
    "fit": "train with 'instructvec train', or with sentence-transformers",
    "evaluate": "score with 'instructvec evaluate'",
    "tokenize": "count tokens with a tokenizer of its own: transformers.AutoTokenizer.from_pretrained(folder)",
    "tokenizer": "load it by itself: transformers.AutoTokenizer.from_pretrained(folder)",
    "forward": "use encode()",
    "half": "pass dtype='float16' to instructvec.Embedder",
    "save_to_hub": "save(path), then upload the folder with huggingface_hub",
}


class INSTRUCTOR:
    """Same constructor and ``encode`` arguments, same vectors as InstructorEmbedding 1.0.1.

    Where the original crashed, this accepts what has one clear meaning (tuples as pairs, an empty
    list) and otherwise raises an :class:`~instructvec.errors.InputError` that names the row.

    Args:
        model_name_or_path: a model directory or hub id.
        modules: refused; the original takes a list of torch modules here.
        device: ``"cpu"``, ``"cuda"``, … or a torch device; the best there is by default.
        cache_folder: where hub downloads go.
        use_auth_token: token for private hub models.
        backend, threads, revision: as of :class:`~instructvec.embedder.Embedder`.

    Example:
        >>> model = INSTRUCTOR("hkunlp/instructor-large")  # doctest: +SKIP
        >>> model.encode([["Represent the Science title: ", "3D ActionSLAM"]]).shape  # doctest: +SKIP
        (1, 768)
    """

    def __init__(
        self,
        model_name_or_path: str | Path | None = None,
        modules: object = None,
        device: str | torch.device | None = None,
        cache_folder: str | None = None,
        use_auth_token: bool | str | None = None,
        *,
        backend: Backend = "auto",
        threads: int | None = None,
        revision: str | None = None,
    ) -> None:
        if modules is not None or model_name_or_path is None:
            raise ConfigError(
                "INSTRUCTOR: building a model from torch modules is not supported; expected "
                "model_name_or_path; save the modules with sentence-transformers and pass the directory"
            )
        self._options: dict[str, Any] = {
            "backend": backend,
            "threads": threads,
            "revision": revision,
            "cache_folder": cache_folder,
            # True means the stored token, which the hub client takes by itself.
            "token": use_auth_token if isinstance(use_auth_token, str) else None,
        }
        self._source = str(model_name_or_path)
        self._max_seq_length = MAX_SEQ_LENGTH
        self._embedder = self._load(None if device is None else str(device))

    def _load(self, device: str | None) -> Embedder:
        return Embedder(
            self._source,
            device=device,
            dtype="float32",
            joining="instructor",
            max_seq_length=self._max_seq_length,
            **self._options,
        )

    @overload
    def encode(
        self,
        sentences: EncodeInput,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        output_value: Literal["sentence_embedding"] = ...,
        convert_to_numpy: Literal[True] = ...,
        convert_to_tensor: Literal[False] = ...,
        device: str | torch.device | None = ...,
        normalize_embeddings: bool = ...,
    ) -> NDArray[np.float32]: ...

    @overload
    def encode(
        self,
        sentences: EncodeInput,
        batch_size: int = ...,
        show_progress_bar: bool | None = ...,
        output_value: str | None = ...,
        convert_to_numpy: bool = ...,
        convert_to_tensor: bool = ...,
        device: str | torch.device | None = ...,
        normalize_embeddings: bool = ...,
    ) -> NDArray[np.float32] | torch.Tensor | list[torch.Tensor]: ...

    def encode(
        self,
        sentences: EncodeInput,
        batch_size: int = 32,
        show_progress_bar: bool | None = None,
        output_value: str | None = "sentence_embedding",
        convert_to_numpy: bool = True,
        convert_to_tensor: bool = False,
        device: str | torch.device | None = None,
        normalize_embeddings: bool = False,
    ) -> NDArray[np.float32] | torch.Tensor | list[torch.Tensor]:
        """Vectors of texts, of ``[instruction, text]`` pairs, or of ``[instruction, text, 0]`` triples.

        A flat list of strings is a list of texts, as in the original: ``encode(["a: ", "b"])`` gives
        two vectors. For one pair, nest it: ``encode([["a: ", "b"]])``.

        Args:
            sentences: a string, n strings, or n pairs.
            batch_size: texts a batch.
            show_progress_bar: off if None.
            output_value: only ``"sentence_embedding"``.
            convert_to_numpy: an array; otherwise a list of n torch tensors.
            convert_to_tensor: one torch tensor; goes before ``convert_to_numpy``.
            device: moves the model there first, for good.
            normalize_embeddings: scale to unit length (released checkpoints do so themselves).

        Returns:
            (n, dimension) float32 as an array, a tensor, or a list of n tensors; for one string the
            first row of it.

        Raises:
            InputError: naming the row that cannot be encoded, and why.
            ConfigError: another ``output_value``.
        """
        if output_value != "sentence_embedding":
            raise ConfigError(
                f"output_value is {output_value!r}; only 'sentence_embedding' is supported; for vectors of "
                "single tokens use sentence-transformers"
            )
        as_tensors = convert_to_tensor or not convert_to_numpy
        if as_tensors:
            require("torch", "convert_to_tensor=True or convert_to_numpy=False")
        if device is not None:
            self.to(device)
        pairs, single = pair_up(sentences)
        vectors = self._vectors(pairs, batch_size, bool(show_progress_bar), normalize_embeddings)
        if not as_tensors:
            return cast("NDArray[np.float32]", vectors[0]) if single else vectors
        import torch

        tensor = torch.from_numpy(vectors).to(self.device)
        if single:
            return tensor[0]
        return tensor if convert_to_tensor else list(tensor)

    def _vectors(
        self, pairs: Pairs, batch_size: int, show_progress_bar: bool, normalize: bool
    ) -> NDArray[np.float32]:
        # "" and no instruction pool alike here, and "" keeps a checkpoint's default prompt out, which
        # the original knows nothing of.
        vectors = self._embedder.encode(
            pairs.texts,
            [instruction or "" for instruction in pairs.instructions],
            batch_size=batch_size,
            normalize_embeddings=True if normalize else None,
            show_progress_bar=show_progress_bar,
        )
        return cast("NDArray[np.float32]", vectors)

    # ------------------------------------------------------------ the members that people use

    @property
    def embedder(self) -> Embedder:
        """The embedder underneath."""
        return self._embedder

    @property
    def device(self) -> str:
        """Where the model runs: ``"cpu"``, ``"cuda:0"``, …"""
        return self._embedder.device

    @property
    def max_seq_length(self) -> int:
        """Tokens a row may have, instruction included: 512 unless set."""
        return self._max_seq_length

    @max_seq_length.setter
    def max_seq_length(self, n_tokens: int) -> None:
        if isinstance(n_tokens, bool) or not isinstance(n_tokens, int):
            raise InputTypeError(f"max_seq_length is {n_tokens!r}; expected a number of tokens")
        if n_tokens != self._max_seq_length:
            self._max_seq_length = n_tokens
            self._embedder = self._load(self.device)

    def get_max_seq_length(self) -> int:
        """As :attr:`max_seq_length`."""
        return self._max_seq_length

    def get_sentence_embedding_dimension(self) -> int:
        """Width of the vectors."""
        return self._embedder.dimension

    def to(self, device: str | torch.device) -> INSTRUCTOR:
        """Move the model to another device."""
        wanted, now = str(device), self.device
        if wanted != now and wanted != now.partition(":")[0]:
            self._embedder = self._load(wanted)
        return self

    def cpu(self) -> INSTRUCTOR:
        """Move the model to the CPU."""
        return self.to("cpu")

    def cuda(self, index: int | None = None) -> INSTRUCTOR:
        """Move the model to a GPU."""
        return self.to("cuda" if index is None else f"cuda:{index}")

    def eval(self) -> INSTRUCTOR:
        """Do nothing: there is no training mode to leave."""
        return self

    def save(self, path: str | Path) -> None:
        """Write a model directory that sentence-transformers loads."""
        self._embedder.save(path)

    def __getattr__(self, name: str) -> NoReturn:
        remedy = _REMEDIES.get(name)
        hint = f"; instead: {remedy}" if remedy else "; instructvec.Embedder has the current interface"
        raise AttributeError(f"instructvec.compat.INSTRUCTOR has no {name!r}{hint}", name=name, obj=self)

    def __repr__(self) -> str:
        return f"INSTRUCTOR({self._source!r}, max_seq_length={self._max_seq_length})"
