"""Any Hugging Face tokenizer -> how many tokens texts have.

Knows tokenizers; nothing of prompts or budgets. Truncation, padding and special tokens are left out: the count is
that of the whole text and of nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from instructvec.errors import FileError, InputTypeError
from instructvec.extras import require

CountTokens: TypeAlias = Callable[[Sequence[str]], list[int]]
"""Texts -> tokens of each."""


def token_counter(tokenizer: Any) -> CountTokens:
    """What counts a text's tokens.

    Args:
        tokenizer: a ``tokenizers.Tokenizer``, a transformers tokenizer, or the path of a ``tokenizer.json`` or of
            a directory that holds one. Nothing is changed in it.

    Raises:
        FileError: no such file, or none of a tokenizer.
        InputTypeError: something else.
    """
    if isinstance(tokenizer, str | Path):
        return _fast_counter(_read(Path(tokenizer)))
    if hasattr(tokenizer, "encode_batch") and hasattr(tokenizer, "to_str"):
        from tokenizers import Tokenizer

        return _fast_counter(Tokenizer.from_str(tokenizer.to_str()))  # a copy: truncation is switched off in it
    if callable(tokenizer):
        return lambda texts: _count_by_call(tokenizer, texts)
    raise InputTypeError(
        f"tokenizer: {type(tokenizer).__name__}; expected a tokenizers.Tokenizer, a transformers tokenizer, or "
        "the path of a tokenizer.json"
    )


def _read(path: Path) -> Any:
    require("tokenizers", "counting tokens")
    from tokenizers import Tokenizer

    file = path / "tokenizer.json" if path.is_dir() else path
    if not file.is_file():
        raise FileError(f"tokenizer {path}: no such file; expected a tokenizer.json, or a directory with one")
    try:
        return Tokenizer.from_file(str(file))
    except Exception as error:  # the library raises plain Exception
        raise FileError(
            f"tokenizer {file}: cannot be read ({error}); expected a tokenizer.json as Hugging Face models have it"
        ) from None


def _fast_counter(tokenizer: Any) -> CountTokens:
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda texts: [len(one.ids) for one in tokenizer.encode_batch(list(texts), add_special_tokens=False)]


def _count_by_call(tokenizer: Any, texts: Sequence[str]) -> list[int]:
    if not texts:
        return []
    found = tokenizer(list(texts), add_special_tokens=False, truncation=False, padding=False, verbose=False)
    return list(map(len, found["input_ids"]))
