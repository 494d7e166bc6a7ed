"""A causal language model's directory or hub id -> counts of tokens, and what it writes after a prompt.

Knows transformers and torch, which it imports when a model is opened; nothing of tasks or embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.hub import resolve
from instructvec.encoding.batches import plan
from instructvec.engines.torch import quiet_transformers
from instructvec.errors import CheckpointError, CheckpointNotFound, ConfigError, EngineError, InputError
from instructvec.extras import require

MAX_NEW_TOKENS = 128
MAX_BATCH_TOKENS = 16_384
"""Padded tokens a batch, those to be written included."""

_WITHOUT = "figures that need no reader are still computed: leave the reader out, or give another"


class LanguageModel(Protocol):
    """What prompts are put to."""

    @property
    def max_prompt_tokens(self) -> int | None:
        """Longest prompt that leaves room for an answer; ``None`` where there is no limit."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has."""
        ...

    def complete(self, prompts: Sequence[str]) -> list[str]:
        """What stands after each prompt, up to the end of its line."""
        ...


class Reader:
    """A causal language model that always writes the likeliest next token.

    Args:
        name_or_path: a directory, or a hub id such as ``"openai-community/gpt2"``. ``HF_HUB_OFFLINE`` forbids
            asking the hub.
        device: ``"cpu"``, ``"cuda"``, …; ``None`` for a GPU where there is one. Numbers are float32 on a CPU and
            as the checkpoint says elsewhere.
        max_new_tokens: an answer has at most.
        max_batch_tokens: padded tokens a batch may hold, those to be written included.

    Raises:
        CheckpointNotFound: there is no such model, or it cannot be fetched.
        CheckpointError: it is there, but is no causal language model, or damaged.
        ConfigError: an option below 1, or a device that torch does not know.
        MissingExtra: torch or transformers is not installed.
    """

    def __init__(
        self,
        name_or_path: str,
        *,
        device: str | None = None,
        max_new_tokens: int = MAX_NEW_TOKENS,
        max_batch_tokens: int = MAX_BATCH_TOKENS,
    ) -> None:
        for option, value in (("max_new_tokens", max_new_tokens), ("max_batch_tokens", max_batch_tokens)):
            if value < 1:
                raise ConfigError(f"{option} is {value}; expected 1 or more")
        for package in ("torch", "transformers"):
            require(package, "a reader")
        self.name = name_or_path
        self.max_new_tokens = max_new_tokens
        self._max_batch_tokens = max_batch_tokens
        folder = _folder(name_or_path)
        self._device = _device(device)
        self._tokenizer, self._model = _load(name_or_path, folder, self._device)
        self._ends = _line_ends(self._tokenizer, self._model)
        self._n_special = len(self._ids("a")) - self.count_tokens(["a"])[0]
        # Sampling options of the checkpoint have no say in what is likeliest.
        self._model.generation_config = type(self._model.generation_config)()

    @property
    def max_prompt_tokens(self) -> int | None:
        """Positions less those of the answer and of special tokens; ``None`` where the model names no limit."""
        config = self._model.config
        for name in ("max_position_embeddings", "n_positions", "max_seq_len", "seq_length"):
            limit = getattr(config, name, None)
            if isinstance(limit, int) and limit > 0:
                return limit - self.max_new_tokens - self._n_special
        return None

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, without what the model sets before or behind a prompt."""
        if not texts:
            return []
        found = self._tokenizer(list(texts), add_special_tokens=False, return_attention_mask=False, verbose=False)
        return list(map(len, found["input_ids"]))

    def complete(self, prompts: Sequence[str]) -> list[str]:
        """What the model writes after each prompt, up to the end of its line.

        Args:
            prompts: n texts; prompts of like length are read together.

        Returns:
            n texts without a line break, shorter where the model ended or ``max_new_tokens`` were written.

        Raises:
            InputError: a prompt without tokens, or one that the model cannot read as a whole; names its place.
            EngineError: out of memory.
        """
        rows = [self._ids(prompt) for prompt in prompts]
        for at, row in enumerate(rows, start=1):
            self._check(at, len(row))
        lengths = np.fromiter(map(len, rows), np.int64, len(rows)) + self.max_new_tokens
        answers = [""] * len(rows)
        for batch in plan(lengths, max_batch_tokens=self._max_batch_tokens):
            for row, answer in zip(batch.tolist(), self._write([rows[row] for row in batch]), strict=True):
                answers[row] = answer
        return answers

    def _ids(self, prompt: str) -> list[int]:
        ids = list(self._tokenizer(prompt, verbose=False)["input_ids"])
        # Some tokenizers close every text; a prompt is to be gone on with.
        while ids and ids[-1] == self._tokenizer.eos_token_id:
            ids.pop()
        return ids

    def _check(self, at: int, n_tokens: int) -> None:
        if not n_tokens:
            raise InputError(f"prompt {at}: it has no tokens; expected a text to go on with")
        limit = self.max_prompt_tokens
        if limit is not None and n_tokens > limit + self._n_special:
            raise InputError(
                f"prompt {at}: {n_tokens} tokens; {self.name} reads at most {limit + self._n_special} before an "
                f"answer of {self.max_new_tokens}: shorten the prompt or lower max_new_tokens"
            )

    def _write(self, rows: Sequence[Sequence[int]]) -> list[str]:
        import torch

        ids, mask = _padded_left(rows, self._ends[0] if self._ends else 0)
        try:
            with torch.inference_mode(), quiet_transformers():
                written = self._model.generate(
                    input_ids=torch.from_numpy(ids).to(self._device),
                    attention_mask=torch.from_numpy(mask).to(self._device),
                    generation_config=self._generation(),
                )
        except torch.OutOfMemoryError as error:
            raise EngineError(
                f"{self._device}: out of memory for {ids.shape[0]} prompts of {ids.shape[1]} tokens; lower "
                f"max_batch_tokens or use a smaller reader. {str(error).splitlines()[0]}"
            ) from None
        new = written[:, ids.shape[1] :].tolist()
        texts: list[str] = self._tokenizer.batch_decode(
            new, skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return [text.partition("\n")[0] for text in texts]

    def _generation(self) -> Any:
        from transformers import GenerationConfig

        return GenerationConfig(
            do_sample=False,
            num_beams=1,
            max_new_tokens=self.max_new_tokens,
            eos_token_id=self._ends or None,
            pad_token_id=self._ends[0] if self._ends else 0,
        )


def _folder(name_or_path: str) -> Path:
    path = Path(name_or_path).expanduser()
    if "/" not in name_or_path and "\\" not in name_or_path and not path.exists():
        raise CheckpointNotFound(
            f"the reader {name_or_path!r} cannot be had: no such directory here, and a hub id has an owner, as "
            f"'openai-community/gpt2'; {_WITHOUT}"
        )
    try:
        return resolve(name_or_path)
    except CheckpointNotFound as error:
        raise CheckpointNotFound(f"the reader {name_or_path!r} cannot be had: {error}; {_WITHOUT}") from None


def _device(device: str | None) -> str:
    import torch

    if device is None:
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise ConfigError(f"device {device!r} is not known to torch; expected 'cpu', 'cuda', 'mps'") from None
    if (kind == "cuda" and not torch.cuda.is_available()) or (
        kind == "mps" and not torch.backends.mps.is_available()
    ):
        raise ConfigError(f"device {device!r} is not there; use 'cpu'")
    return device


def _load(name: str, folder: Path, device: str) -> tuple[Any, Any]:
    """Tokenizer and model, every weight from the checkpoint, ready to run."""
    import torch
    import transformers

    with quiet_transformers():
        try:
            tokenizer = transformers.AutoTokenizer.from_pretrained(str(folder), trust_remote_code=False)
            model, report = transformers.AutoModelForCausalLM.from_pretrained(
                str(folder),
                dtype=torch.float32 if device == "cpu" else "auto",
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                output_loading_info=True,
            )
        except Exception as error:
            if not isinstance(error, OSError | ValueError | RuntimeError | KeyError) and (
                type(error).__name__ not in {"SafetensorError", "UnpicklingError"}
            ):
                raise
            raise CheckpointError(
                f"the reader {name!r} cannot be loaded as a causal language model: {error}; {_WITHOUT}"
            ) from error
    missing = sorted(report["missing_keys"])
    masked = any(one.endswith("ForMaskedLM") for one in model.config.architectures or ())
    if missing or masked:
        what = f"it has no weights for {', '.join(missing[:3])}" if missing else "it fills gaps instead"
        raise CheckpointError(f"the reader {name!r} is no causal language model: {what}; {_WITHOUT}")
    return tokenizer, model.to(device).eval().requires_grad_(False)


def _line_ends(tokenizer: Any, model: Any) -> list[int]:
    """Ids after which nothing more is asked for: those that end a text, and those with a line break in them."""
    ends: list[int] = []
    for source in (tokenizer, model.generation_config, model.config):
        found = getattr(source, "eos_token_id", None)
        ends += found if isinstance(found, list) else [found] if found is not None else []
    tokens = tokenizer.batch_decode([[one] for one in range(len(tokenizer))], clean_up_tokenization_spaces=False)
    ends += [one for one, token in enumerate(tokens) if "\n" in token]
    n_ids = model.get_input_embeddings().num_embeddings
    return [one for one in dict.fromkeys(ends) if one < n_ids]


def _padded_left(rows: Sequence[Sequence[int]], pad: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ids and attention mask, (rows, longest) int64; an answer begins where its prompt ends, so padding leads."""
    longest = max(map(len, rows))
    ids = np.full((len(rows), longest), pad, np.int64)
    mask = np.zeros_like(ids)
    for at, row in enumerate(rows):
        ids[at, longest - len(row) :] = row
        mask[at, longest - len(row) :] = 1
    return ids, mask
