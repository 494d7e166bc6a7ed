"""The front door: texts with their instructions in, vectors for that purpose out.

Knows how a checkpoint is opened, saved and told apart from others; encoding is ``text_encoder.py``'s.
Source: Su et al. 2023, section 2.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sized
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructvec.checkpoints.contract import EmbeddingContract, distinct_instructions
from instructvec.checkpoints.hub import resolve
from instructvec.checkpoints.layout import read_spec
from instructvec.checkpoints.save import save
from instructvec.checkpoints.spec import CheckpointSpec
from instructvec.encoding import similarity
from instructvec.encoding.options import EncodeOptions
from instructvec.encoding.tokens import Tokenizer
from instructvec.encoding.vectors import Ranges
from instructvec.engines.choose import open_engine
from instructvec.engines.graph.recovered import with_floats
from instructvec.errors import ConfigError
from instructvec.road import Encoded
from instructvec.text_encoder import TextEncoder
from instructvec.types import JOININGS, Backend, EncodeInstruction, Joining, LongText, Precision

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

__all__ = ["BUNDLED", "BUNDLED_NAME", "Embedder", "Encoded"]

BUNDLED = Path(__file__).parent / "checkpoints" / "bundled"
BUNDLED_NAME = "bundled"


class Embedder(TextEncoder):
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
        name = BUNDLED_NAME if model_name_or_path is None else os.fspath(model_name_or_path)
        path = model_folder(name, revision=revision, token=token, cache_folder=cache_folder)
        own = read_spec(path, name=name)
        spec = with_overrides(own, joining, max_seq_length)
        tokenizer = Tokenizer.load(
            spec.transformer_folder, pad_token_id=spec.architecture.pad_token_id, lower_case=spec.lower_case
        )
        engine = open_engine(
            own, backend=backend, device=device, dtype=dtype, threads=threads, max_seq_length=spec.max_seq_length
        )
        super().__init__(spec, tokenizer, engine, name)
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
        return (
            f"Embedder({self.name!r}, backend={self.backend!r}, dtype={self.dtype!r}, dimension={self.dimension})"
        )

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

    def contract(
        self,
        instruction: EncodeInstruction = None,
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        normalize_embeddings: bool | None = None,
        truncate_dim: int | None = None,
        precision: Precision = "float32",
        ranges: Ranges | None = None,
        long_text: LongText | None = None,
    ) -> EmbeddingContract:
        """Under what :meth:`encode` makes vectors with the same arguments.

        Raises:
            InputError, ConfigError: as :meth:`encode`.

        Example:
            >>> embedder = Embedder()
            >>> embedder.contract("Represent the noun: ").check(embedder.contract("Represent the noun: "))
        """
        options = EncodeOptions(
            normalize_embeddings=normalize_embeddings,
            truncate_dim=truncate_dim,
            precision=precision,
            ranges=ranges,
            long_text=long_text,
        )
        self._finish_nothing(options)
        n_given = len(instruction) if isinstance(instruction, Sized) and not isinstance(instruction, str) else None
        pairs, _ = self._pairs("" if n_given is None else [""] * n_given, instruction, prompt, prompt_name)
        used = self._ranges(options)
        return EmbeddingContract(
            fingerprint=self.fingerprint,
            instructions=distinct_instructions(pairs.instructions),
            dimension=self._width(truncate_dim),
            normalised=self._normalises(options),
            precision=precision,
            joining=self.joining,
            ranges=None if used is None else (used.low, used.high),
            max_seq_length=self.max_seq_length,
            long_text=long_text or "truncate",
            model=self.name,
            computed_in=self.dtype,
            version=_version(),
        )

    def save(self, path: str | os.PathLike[str], *, graphs_only: bool = False) -> Path:
        """Write the checkpoint to a new directory that sentence-transformers loads to the same vectors.

        Args:
            path: the directory to make.
            graphs_only: save a checkpoint that has ONNX graphs but no float weights, as the bundled one, as it
                is; only this package loads the result. Otherwise its float weights are taken from a graph, and
                the copy is a model of its own: its vectors are not to be compared with the original's.

        Raises:
            OutputError: something is at ``path`` already.
        """
        return save(self._spec if graphs_only else with_floats(self._spec), path, graphs_only=graphs_only)


def model_folder(
    name: str,
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_folder: str | os.PathLike[str] | None = None,
) -> Path:
    """Where a model lies: the bundled one, a directory, or the hub's copy on this machine.

    Args:
        name: ``"bundled"``, a directory or a hub id.
        revision, token, cache_folder: of a hub id.

    Raises:
        CheckpointError: there is no such model, or it cannot be fetched.
    """
    if name == BUNDLED_NAME:
        return BUNDLED
    return resolve(name, revision=revision, token=token, cache_folder=cache_folder)


def with_overrides(spec: CheckpointSpec, joining: Joining | None, max_seq_length: int | None) -> CheckpointSpec:
    """The checkpoint under the caller's joining and limit.

    Args:
        spec: the checkpoint as it is.
        joining: the rule instead of its own; ``None`` for that.
        max_seq_length: tokens instead of its own limit; ``None`` for that.

    Raises:
        ConfigError: more tokens than it has positions for.
    """
    n_positions = spec.architecture.n_positions - spec.architecture.position_offset
    limit = _checked_limit(max_seq_length, spec.max_seq_length, n_positions)
    joining = joining or spec.joining
    # A rule that says which tokens are pooled outweighs the Pooling module's switch, here and once saved.
    pooling = replace(spec.pooling, include_prompt=spec.pooling.include_prompt and joining == "prompt")
    # The graphs provide for as many tokens as the checkpoint says and no more.
    graphs = spec.onnx_files if limit <= spec.max_seq_length else {}
    return replace(spec, joining=joining, max_seq_length=limit, pooling=pooling, onnx_files=graphs)


def _checked_limit(asked: int | None, own: int, n_positions: int) -> int:
    if asked is None:
        return own
    if asked < 1 or 0 < n_positions < asked:
        limit = f"1 to {n_positions}" if n_positions > 0 else "1 or more"
        raise ConfigError(f"max_seq_length is {asked}; this checkpoint allows {limit}")
    return asked


def _reopen(arguments: dict[str, Any]) -> Embedder:
    return Embedder(**arguments)


def _version() -> str:
    from instructvec import __version__

    return __version__
