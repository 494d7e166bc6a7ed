"""An embedder -> an encoder that mteb runs on any of its text tasks, each task and side under its instruction.

Knows mteb's encoder protocol (2.x) and where instructions come from; nothing of datasets or scores. Neither mteb
nor torch is imported before mteb calls.
Source: ``EncoderProtocol`` in mteb 2.26's ``models/models_protocols.py``.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from instructvec.errors import ConfigError, EngineError, InputError
from instructvec.evaluation.mteb_instructions import TaskInstructions, combined
from instructvec.evaluation.mteb_results import ModelFacts, mteb_model_name, mteb_revision
from instructvec.evaluation.suite import Suite, read_suite
from instructvec.extras import require
from instructvec.types import PRECISIONS, Precision, Vectors

if TYPE_CHECKING:
    import torch
    from mteb.abstasks.task_metadata import TaskMetadata
    from mteb.models import ModelMeta
    from mteb.types import BatchedInput, PromptType

    from instructvec.embedder import Embedder

_log = logging.getLogger(__name__)

OnMissing: TypeAlias = Literal["log", "error"]

_OTHER_MODALITIES = ("image", "audio", "video")


class MtebEncoder:
    """An :class:`~instructvec.Embedder` for ``mteb.evaluate``.

    A task's texts get the first instruction that is found, in this order:

    1. ``instructions``, under mteb's keys in mteb's order: ``"Task-query"`` / ``"Task-document"``, ``"Task"``,
       ``"Type-query"`` / ``"Type-document"``, ``"Type"`` (such as ``"Retrieval"``), ``"query"`` / ``"document"``;
    2. the suite's instruction for that task, and its document instruction for documents;
    3. the prompt that mteb's own metadata has for the task, with a colon to part it from the text;
    4. none.

    Queries that come with instructions of their own (FollowIR, InstructIR) are encoded under these, after the
    task's where it has one; without instructions they are the text that mteb makes of them for other models.

    mteb tells the sides of retrieval and reranking apart, not those of summarisation: there both sides get the
    query's instruction.

    Args:
        embedder: what encodes.
        instructions: by mteb's keys; ``""`` is none for what the key names. An empty mapping: none at all,
            whatever the suite and mteb say.
        suite: a suite, its name or file. ``None``: only ``instructions`` count, and without them there are none.
        on_missing: what to do where instructions are wanted and a task's side has none: ``"log"`` or ``"error"``.
        name: ``"org/name"`` for mteb's results; ``None``: made from the embedder's name.

    Raises:
        ConfigError: an unknown suite or option, or a key that mteb never asks for.
        MissingExtra: mteb is not installed.

    Example:
        >>> from instructvec import Embedder
        >>> encoder = MtebEncoder(Embedder(), suite=None, instructions={"STS": "Represent the sentence: "})
        >>> encoder.facts.name
        'instructvec/bundled'
    """

    def __init__(
        self,
        embedder: Embedder,
        *,
        instructions: Mapping[str, str] | None = None,
        suite: Suite | str | None = "paper",
        on_missing: OnMissing = "log",
        name: str | None = None,
    ) -> None:
        require("mteb", "MtebEncoder")
        if on_missing not in get_args(OnMissing):
            raise ConfigError(f"on_missing is {on_missing!r}; expected one of {', '.join(get_args(OnMissing))}")
        if isinstance(suite, str):
            suite = read_suite(suite)
        if instructions is not None and not instructions:
            suite = None
        self._embedder = embedder
        self._instructions = TaskInstructions(dict(instructions or {}), suite)
        self._on_missing = on_missing
        self._name = name
        self._told: set[tuple[str, str | None]] = set()

    @cached_property
    def facts(self) -> ModelFacts:
        """What mteb is told of the model; its revision changes with the instructions, so results never mix."""
        embedder, said = self._embedder, self._instructions
        return ModelFacts(
            name=self._name or mteb_model_name(embedder.name),
            revision=mteb_revision(
                embedder.fingerprint,
                suite=said.suite,
                instructions=said.own,
                dtype=embedder.dtype,
                max_seq_length=embedder.max_seq_length,
            ),
            dimension=embedder.dimension,
            max_tokens=embedder.max_seq_length,
            similarity=embedder.similarity_fn_name,
            backend=embedder.backend,
            use_instructions=bool(said),
        )

    @cached_property
    def mteb_model_meta(self) -> ModelMeta:
        """:attr:`facts` as mteb's class."""
        from mteb.models import ModelMeta

        return ModelMeta.model_validate(self.facts.to_dict())

    def encode(
        self,
        inputs: Iterable[BatchedInput],
        *,
        task_metadata: TaskMetadata,
        hf_split: str,
        hf_subset: str,
        prompt_type: PromptType | None = None,
        batch_size: int | None = None,
        max_batch_tokens: int | None = None,
        show_progress_bar: bool = False,
        precision: Precision = "float32",
    ) -> NDArray[np.float32]:
        """Vectors of a task's texts; mteb calls this.

        All texts are encoded in one call, each under its own instruction, so that like lengths share batches.

        Args:
            inputs: mteb's batches: ``"text"``, and ``"query"`` and ``"instruction"`` where queries have their own.
            task_metadata: names the task and its type.
            hf_split: not used.
            hf_subset: not used.
            prompt_type: the side; ``None`` where a task has one.
            batch_size: rows a batch may hold; mteb passes 32 unless ``encode_kwargs`` say otherwise.
            max_batch_tokens: padded tokens a batch may hold.
            show_progress_bar: on stderr.
            precision: vectors are stored in it and read back as numbers: what an index of that precision holds.

        Returns:
            (n, d) float32.

        Raises:
            ConfigError: the side has no instruction under ``on_missing="error"``, or an unknown precision.
            EngineError: a component is NaN or infinite.
            InputError: inputs that are not, or not only, text; or a text that cannot be encoded.
        """
        if precision not in PRECISIONS:
            raise ConfigError(f"precision is {precision!r}; expected one of {', '.join(PRECISIONS)}")
        instruction = self._instruction(task_metadata, _side(prompt_type))
        texts: list[str] = []
        instructions: list[str | None] = []
        for batch in inputs:
            _check_text_only(batch, task_metadata.name)
            given, own = self._rows(batch, instruction)
            texts += given
            instructions += own
        encoded = self._embedder.encode_counted(
            texts,
            instructions,
            batch_size=batch_size,
            max_batch_tokens=max_batch_tokens,
            show_progress_bar=show_progress_bar,
            precision=precision,
        )
        if encoded.n_truncated:
            _log.warning(
                "%s: %d of %d texts are longer than %d tokens and lost their tail",
                task_metadata.name, encoded.n_truncated, len(texts), self._embedder.max_seq_length,
            )  # fmt: skip
        ranges = (
            self._embedder.contract(None, precision=precision).ranges if precision in ("int8", "uint8") else None
        )
        vectors = as_numbers(encoded.vectors, precision, ranges)
        _check_finite(vectors, texts, task_metadata.name)
        return vectors

    def similarity(self, embeddings1: ArrayLike, embeddings2: ArrayLike) -> torch.Tensor:
        """(n, m) torch float32: similarities of (n, d) and (m, d) vectors, under the model's own measure."""
        import torch

        return torch.from_numpy(self._embedder.similarity(embeddings1, embeddings2))

    def similarity_pairwise(self, embeddings1: ArrayLike, embeddings2: ArrayLike) -> torch.Tensor:
        """(n,) torch float32: similarity of each row with the same row, under the model's own measure."""
        import torch

        return torch.from_numpy(self._embedder.similarity_pairwise(embeddings1, embeddings2))

    def _instruction(self, task: TaskMetadata, side: str | None) -> str | None:
        """The task's instruction; what it is, or that there is none, is logged once."""
        if not self._instructions:
            return self._without
        found = self._instructions.find(task, side)
        if found is None and self._on_missing == "error":
            raise ConfigError(
                f"{task.name}: no instruction for {side or 'its texts'}; give instructions="
                f'{{{f"{task.name}-{side}" if side else task.name!r}: ...}}, where "" is none'
            )
        if (task.name, side) not in self._told:
            self._told.add((task.name, side))
            level = logging.WARNING if found is None else logging.INFO
            _log.log(level, "%s: instruction for %s: %r", task.name, side or "all texts", found)
        return found or self._without

    @property
    def _without(self) -> str | None:
        """What stands for no instruction: a checkpoint's default prompt must not take its place."""
        return "" if self._embedder.default_prompt_name else None

    def _rows(self, batch: BatchedInput, instruction: str | None) -> tuple[list[str], list[str | None]]:
        own = batch.get("instruction")
        if own is None or not self._instructions:
            return list(batch["text"]), [instruction] * len(batch["text"])
        return list(batch["query"]), [combined(instruction, one) for one in own]


def as_numbers(
    vectors: Vectors, precision: Precision, ranges: tuple[Sequence[float], Sequence[float]] | None
) -> NDArray[np.float32]:
    """What stored vectors stand for: bits are -1 and 1, steps of int8 and uint8 the values in their range.

    Args:
        vectors: (n, d), or (n, d / 8) of the binary precisions.
        precision: they are stored in.
        ranges: lowest and highest value of each component, for int8 and uint8.

    Returns:
        (n, d) float32.

    Example:
        >>> as_numbers(np.array([[0b10100000]], np.uint8), "ubinary", None).tolist()
        [[1.0, -1.0, 1.0, -1.0, -1.0, -1.0, -1.0, -1.0]]
    """
    if precision in ("binary", "int8"):
        vectors = (vectors.astype(np.int16) + 128).astype(np.uint8)
    if precision in ("binary", "ubinary"):
        return np.unpackbits(vectors, axis=1).astype(np.float32) * 2.0 - 1.0
    numbers = vectors.astype(np.float32, copy=False)
    if ranges is None:
        return numbers
    low, high = (np.asarray(ends, np.float32) for ends in ranges)
    return low + numbers / np.float32(255.0) * (high - low)


def _side(prompt_type: PromptType | None) -> str | None:
    return None if prompt_type is None else str(prompt_type.value)


def _check_text_only(batch: BatchedInput, task: str) -> None:
    other = [name for name in _OTHER_MODALITIES if name in batch]
    if other or "text" not in batch:
        raise InputError(
            f"{task}: its inputs are {', '.join(other) or ', '.join(batch)}; this encoder takes text only: choose "
            "tasks with mteb.get_tasks(modalities=['text'], exclusive_modality_filter=True)"
        )


def _check_finite(vectors: NDArray[np.float32], texts: Sequence[str], task: str) -> None:
    bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(bad):
        raise EngineError(
            f"{task}: the model gave NaN or infinite components for {len(bad)} of {len(texts)} texts, the first "
            f"being {texts[bad[0]]!r:.80}; check its weights, or run it with dtype float32"
        )
