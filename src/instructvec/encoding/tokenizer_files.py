"""Turns the tokenizer files of a model directory into one ``tokenizers.Tokenizer`` and its content.

Knows file names and formats; nothing of instructions, limits or pooling. Formats: ``tokenizer.json``
of the ``tokenizers`` library; BERT's ``vocab.txt``; anything older by way of transformers, if installed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructvec.errors import CheckpointError, CheckpointNotFound
from instructvec.extras import has

if TYPE_CHECKING:
    from tokenizers import Tokenizer as RustTokenizer

SLOW_FILES = ("spiece.model", "sentencepiece.bpe.model", "tokenizer.model", "vocab.json", "vocab.txt")
"""Vocabularies of older tokenizers, in the order in which they are looked for."""

_BERT_LIKE = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer", "MPNetTokenizer")
_BERT_SWITCHES = {
    "do_lower_case": "lowercase",
    "strip_accents": "strip_accents",
    "tokenize_chinese_chars": "handle_chinese_chars",
}
_BERT_SPECIALS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def read_tokenizer(folder: Path) -> tuple[RustTokenizer, str]:
    """The tokenizer in ``folder``, and its content as the text of a ``tokenizer.json``.

    Truncation and padding stored in the file are left as they are: the caller disables them.

    Raises:
        CheckpointNotFound: no tokenizer file at all.
        CheckpointError: one that is damaged, or of a kind that needs transformers to be read.
    """
    from tokenizers import Tokenizer as RustTokenizer

    _keep_quiet_when_forked()
    file = folder / "tokenizer.json"
    if file.is_file():
        try:
            content = file.read_text(encoding="utf-8")
            tokenizer = RustTokenizer.from_str(content)
        except Exception as error:  # the Rust library raises plain Exception
            raise CheckpointError(
                f"{file}: not a tokenizer the tokenizers library can read ({error}); "
                "download the file again, or save it anew with a current transformers"
            ) from error
        overridden = _override(content, tokenizer, _config(folder / "tokenizer_config.json"))
        return (tokenizer, content) if overridden is None else (RustTokenizer.from_str(overridden), overridden)
    found = [name for name in SLOW_FILES if (folder / name).is_file()]
    if not found:
        raise CheckpointNotFound(
            f"{folder}: no tokenizer.json in it; expected the tokenizer beside config.json; "
            "download the checkpoint again, tokenizer files included"
        )
    if found == ["vocab.txt"]:
        vocabulary = _vocabulary(folder / "vocab.txt")
        if all(special in vocabulary for special in _BERT_SPECIALS):
            tokenizer = _wordpiece(vocabulary, folder)
            return tokenizer, tokenizer.to_str()
    return _by_transformers(folder, found[0])


def canonical(content: str) -> str:
    """``tokenizer.json`` as one line with sorted keys, without what does not change any token's id.

    Example:
        >>> canonical('{"version": "1.0", "truncation": {"max_length": 128}, "model": {}}')
        '{"model":{},"version":"1.0"}'
    """
    parsed = json.loads(content)
    kept = {key: value for key, value in parsed.items() if key not in ("truncation", "padding")}
    return json.dumps(kept, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _override(content: str, tokenizer: RustTokenizer, config: dict[str, Any]) -> str | None:
    """BERT's switches in ``tokenizer_config.json`` go before ``tokenizer.json``, as transformers has it.

    Returns:
        The content that follows them; ``None`` if the two files agree, as they mostly do.
    """
    from tokenizers import normalizers

    name = str(config.get("tokenizer_class")).removesuffix("Fast")
    if name not in _BERT_LIKE or not isinstance(tokenizer.normalizer, normalizers.BertNormalizer):
        return None
    changed = {
        field: config[switch]
        for switch, field in _BERT_SWITCHES.items()
        if switch in config and config[switch] != getattr(tokenizer.normalizer, field)
    }
    if not changed:
        return None
    parsed = json.loads(content)
    parsed["normalizer"] |= changed
    return json.dumps(parsed, ensure_ascii=False)


def _vocabulary(file: Path) -> dict[str, int]:
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
    except UnicodeDecodeError as error:
        raise CheckpointError(f"{file}: not UTF-8 text ({error}); download the file again") from error
    if lines and not lines[-1]:
        lines.pop()
    return {line.rstrip("\r"): index for index, line in enumerate(lines)}


def _wordpiece(vocabulary: dict[str, int], folder: Path) -> RustTokenizer:
    """BERT's WordPiece from its ``vocab.txt`` and the switches of ``tokenizer_config.json``."""
    from tokenizers import Tokenizer as RustTokenizer
    from tokenizers import models, normalizers, pre_tokenizers, processors

    switches = _config(folder / "tokenizer_config.json")
    tokenizer = RustTokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(
        clean_text=True,
        handle_chinese_chars=switches.get("tokenize_chinese_chars", True),
        strip_accents=switches.get("strip_accents"),
        lowercase=switches.get("do_lower_case", True),
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.add_special_tokens(list(_BERT_SPECIALS))
    tokenizer.post_processor = processors.BertProcessing(
        ("[SEP]", vocabulary["[SEP]"]), ("[CLS]", vocabulary["[CLS]"])
    )
    return tokenizer


def _config(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        parsed = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise CheckpointError(f"{file}: not valid JSON ({error}); download the file again") from error
    return parsed if isinstance(parsed, dict) else {}


def _by_transformers(folder: Path, found: str) -> tuple[RustTokenizer, str]:
    """Let transformers convert an older tokenizer."""
    if not has("transformers"):
        raise CheckpointError(
            f"{folder}: has {found} but no tokenizer.json, and converting it needs transformers: "
            "pip install 'instructvec[torch]', or save the tokenizer once elsewhere with "
            "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)"
        )
    from transformers import AutoTokenizer

    try:
        converted = AutoTokenizer.from_pretrained(str(folder), use_fast=True, local_files_only=True)
        tokenizer: RustTokenizer = converted.backend_tokenizer
    except Exception as error:  # whatever transformers, sentencepiece or protobuf raise
        raise CheckpointError(
            f"{folder}: transformers could not convert {found} ({error}); "
            "expected a tokenizer it knows; add a tokenizer.json to the directory"
        ) from error
    return tokenizer, tokenizer.to_str()


_fork_handled = False


def _keep_quiet_when_forked() -> None:
    """Do by a fork hook what tokenizers < 0.23 does in a forked child with three lines on stderr.

    Its child handler switches parallel tokenising off (the threads did not survive the fork) and
    prints a warning unless ``TOKENIZERS_PARALLELISM`` is set. The C environment (not ``os.environ``)
    holds that variable for the moment of the fork, and in the child.
    """
    global _fork_handled  # noqa: PLW0603 - a hook may be registered only once a process
    import tokenizers

    if _fork_handled or not hasattr(os, "register_at_fork"):
        return
    _fork_handled = True
    if tuple(int(part) for part in tokenizers.__version__.split(".")[:2]) >= (0, 23):
        return
    name = "TOKENIZERS_PARALLELISM"
    if name in os.environ:
        return
    os.register_at_fork(
        before=lambda: os.putenv(name, "false"),
        after_in_parent=lambda: os.unsetenv(name),
    )
