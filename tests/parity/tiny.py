"""Tiny checkpoints in sentence-transformers layout, seeded, made by the tests themselves.

One function a family: it writes a directory (config, ``model.safetensors``, ``tokenizer.json``
made in-process, ``modules.json``, pooling, Dense, Normalize) that sentence-transformers and
this package both load, and returns its path. Knows nothing of this package, so that nothing of
ours is on both sides of a parity test. Weights are drawn with a standard deviation of 0.3, not
0.02, so that the vectors of different texts differ.

    path = tiny_bert(tmp_path / "bert", pooling="mean", include_prompt=False)
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from math import log
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SENTENCES: tuple[str, ...] = (
    "Represent the sentence for retrieving a duplicate sentence: ",
    "Represent the Wikipedia document for retrieval: ",
    "Represent the Medicine statement for clustering: ",
    "Represent the caption: ",
    "query: what is the capital of France? passage: Paris is the capital of France.",
    "A man is playing a guitar while a woman sings on the stage.",
    "Two women are walking along the river in the rain.",
    "The new phone has a better camera, but the battery lasts 12 hours at most.",
    "Researchers found that the treatment lowers blood pressure in older patients.",
    "Dynamical scalar degrees of freedom in modified theories of gravity.",
    "The striker scored twice; the goalkeeper was not to blame for either goal.",
    "How do I sort a list of strings in Python by their length?",
    "Stocks fell on Monday after the central bank raised its interest rate.",
    "Der Hund läuft über die Straße, während es in Zürich regnet.",
    "Où est la bibliothèque? Elle est près de l'église.",
    "It's a café, isn't it? Naïve façade; 100% déjà vu!",
)
"""What the tokenizers are trained on, and handy as texts to embed."""

LONG_TEXT = " ".join(SENTENCES[4:])
"""A few hundred tokens under every tiny tokenizer: longer than their max_seq_length."""


# ---------------------------------------------------------------- tokenizers
# The trainers of WordPiece and Unigram give another vocabulary in every process (hash order),
# so these two are built from counted substrings instead; byte-level BPE trains the same each time.


def wordpiece(
    specials: Sequence[str] = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    first: str = "[CLS]",
    last: str = "[SEP]",
    size: int = 320,
) -> Tokenizer:
    """Lower-casing WordPiece, as BERT's; ``specials`` in the order of their ids, "[UNK]" among them."""
    normalizer = normalizers.BertNormalizer(lowercase=True)
    pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words = _words(normalizer, pre_tokenizer)
    counts: Counter[str] = Counter()
    for word in words:
        for start, end in _spans(word):
            counts["##" * (start > 0) + word[start:end]] += 1
    pieces = _best(counts, size - len(specials), lambda piece: len(piece.removeprefix("##")))
    vocabulary = {piece: index for index, piece in enumerate([*specials, *pieces])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.add_special_tokens(list(specials))
    _template(tokenizer, f"{first} $A {last}", f"{first} $A {last} $B {last}", [first, last])
    return tokenizer


def unigram(
    specials: Sequence[str] = ("<pad>", "</s>", "<unk>"), first: str | None = None, size: int = 320
) -> Tokenizer:
    """Unigram over "▁" pieces, as SentencePiece's T5 (default) and XLM-R (with ``first``)."""
    normalizer = normalizers.NFKC()
    pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace()])
    counts: Counter[str] = Counter()
    for word in _words(normalizer, pre_tokenizer):
        for start, end in _spans(word):
            counts[word[start:end]] += 1
    pieces = _best(counts, size - len(specials), len)
    total = sum(counts[piece] for piece in pieces)
    scored = [(special, 0.0) for special in specials]
    scored += [(piece, round(log(counts[piece] / total), 4)) for piece in pieces]
    tokenizer = Tokenizer(models.Unigram(scored, unk_id=list(specials).index("<unk>")))
    tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.add_special_tokens(list(specials))
    start = f"{first} " if first else ""
    used = [*([first] if first else []), "</s>"]
    _template(tokenizer, f"{start}$A </s>", f"{start}$A </s> </s> $B </s>", used)
    return tokenizer


def _words(normalizer: Any, pre_tokenizer: Any) -> list[str]:
    text = normalizer.normalize_str(" ".join(SENTENCES))
    return [word for word, _ in pre_tokenizer.pre_tokenize_str(text)]


def _spans(word: str) -> list[tuple[int, int]]:
    """All substrings of up to six characters."""
    n = len(word)
    return [(start, end) for start in range(n) for end in range(start + 1, min(start + 6, n) + 1)]


def _best(counts: Counter[str], size: int, length: Callable[[str], int]) -> list[str]:
    """Every single character, then the pieces that cover most text; ties in alphabetical order."""
    ranked = sorted(counts, key=lambda piece: (length(piece) > 1, -counts[piece] * (length(piece) - 1), piece))
    return ranked[:size]


def byte_bpe(specials: Sequence[str], first: str | None, last: str, size: int = 360) -> Tokenizer:
    """Byte-level BPE, as RoBERTa's, ModernBERT's and Qwen's; ``last`` closes every text."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(SENTENCES, trainer)
    start = f"{first} " if first else ""
    used = [*([first] if first else []), last]
    _template(tokenizer, f"{start}$A {last}", f"{start}$A {last} $B {last}", used)
    return tokenizer


def _template(tokenizer: Tokenizer, single: str, pair: str, used: Sequence[str]) -> None:
    tokenizer.post_processor = processors.TemplateProcessing(
        single=single,
        pair=pair,
        special_tokens=[(token, tokenizer.token_to_id(token)) for token in dict.fromkeys(used)],
    )


# ---------------------------------------------------------------- checkpoints


def tiny_bert(path: Path, **options: Any) -> Path:
    """BERT, WordPiece. Options of every function here: see :func:`_write`."""
    from transformers import BertConfig, BertModel

    tokenizer = wordpiece()
    config = BertConfig(**_sizes(tokenizer), max_position_embeddings=128, pad_token_id=0)
    return _write(path, BertModel, config, tokenizer, _BERT_SPECIALS, **options)


def tiny_distilbert(path: Path, **options: Any) -> Path:
    """DistilBERT, WordPiece, no token types."""
    from transformers import DistilBertConfig, DistilBertModel

    tokenizer = wordpiece()
    config = DistilBertConfig(
        vocab_size=tokenizer.get_vocab_size(),
        dim=32,
        n_layers=2,
        n_heads=4,
        hidden_dim=64,
        max_position_embeddings=128,
        pad_token_id=0,
    )
    return _write(path, DistilBertModel, config, tokenizer, _BERT_SPECIALS, **options)


def tiny_mpnet(path: Path, **options: Any) -> Path:
    """MPNet, WordPiece: relative attention bias, positions from pad id + 1."""
    from transformers import MPNetConfig, MPNetModel

    tokenizer = wordpiece(("<s>", "<pad>", "</s>", "[UNK]", "<mask>"), "<s>", "</s>")
    config = MPNetConfig(
        **_sizes(tokenizer), max_position_embeddings=130, bos_token_id=0, pad_token_id=1, eos_token_id=2
    )
    return _write(path, MPNetModel, config, tokenizer, _ROBERTA_SPECIALS | {"unk_token": "[UNK]"}, **options)


def tiny_roberta(path: Path, **options: Any) -> Path:
    """RoBERTa, byte-level BPE, positions from pad id + 1."""
    from transformers import RobertaConfig, RobertaModel

    tokenizer = byte_bpe(("<s>", "<pad>", "</s>", "<unk>", "<mask>"), "<s>", "</s>")
    config = RobertaConfig(**_sizes(tokenizer), **_ROBERTA_IDS, max_position_embeddings=130)
    return _write(path, RobertaModel, config, tokenizer, _ROBERTA_SPECIALS, **options)


def tiny_xlm_roberta(path: Path, **options: Any) -> Path:
    """XLM-RoBERTa, Unigram, positions from pad id + 1."""
    from transformers import XLMRobertaConfig, XLMRobertaModel

    tokenizer = unigram(("<s>", "<pad>", "</s>", "<unk>", "<mask>"), first="<s>")
    config = XLMRobertaConfig(**_sizes(tokenizer), **_ROBERTA_IDS, max_position_embeddings=130)
    return _write(path, XLMRobertaModel, config, tokenizer, _ROBERTA_SPECIALS, **options)


def tiny_modernbert(path: Path, **options: Any) -> Path:
    """ModernBERT, byte-level BPE: three layers, the first and third global, the second local."""
    from transformers import ModernBertConfig, ModernBertModel

    tokenizer = byte_bpe(("[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"), "[CLS]", "[SEP]")
    sizes = _sizes(tokenizer) | {"num_hidden_layers": 3}
    config = ModernBertConfig(
        **sizes,
        max_position_embeddings=512,
        local_attention=16,
        global_attn_every_n_layers=2,
        pad_token_id=3,
        cls_token_id=1,
        bos_token_id=1,
        sep_token_id=2,
        eos_token_id=2,
    )
    return _write(path, ModernBertModel, config, tokenizer, _BERT_SPECIALS, **options)


def tiny_t5(path: Path, *, gated: bool = False, **options: Any) -> Path:
    """T5's encoder, Unigram; d_kv is not d_model / heads, as in T5-small and -xl."""
    from transformers import T5Config, T5EncoderModel

    tokenizer = unigram()
    config = T5Config(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=32,
        d_kv=6,
        d_ff=64,
        num_layers=2,
        num_heads=4,
        relative_attention_num_buckets=8,
        relative_attention_max_distance=20,
        feed_forward_proj="gated-gelu" if gated else "relu",
        tie_word_embeddings=not gated,
        pad_token_id=0,
        eos_token_id=1,
    )
    specials = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return _write(path, T5EncoderModel, config, tokenizer, specials, **options)


def tiny_t5_gated(path: Path, **options: Any) -> Path:
    """T5 v1.1's encoder: gated GELU feed-forward."""
    return tiny_t5(path, gated=True, **options)


def tiny_qwen3(path: Path, **options: Any) -> Path:
    """Qwen3 decoder, last-token pooling, a closing ``<|endoftext|>``, grouped key-value heads."""
    from transformers import Qwen3Config, Qwen3Model

    tokenizer = byte_bpe(("<|endoftext|>", "<|im_start|>", "<|im_end|>"), None, "<|endoftext|>")
    config = Qwen3Config(
        **_sizes(tokenizer),
        num_key_value_heads=2,
        head_dim=8,
        max_position_embeddings=512,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
        use_cache=False,
    )
    specials = {"pad_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    return _write(path, Qwen3Model, config, tokenizer, specials, **({"pooling": "lasttoken"} | options))


TINY: Mapping[str, Callable[..., Path]] = {
    "bert": tiny_bert,
    "distilbert": tiny_distilbert,
    "mpnet": tiny_mpnet,
    "roberta": tiny_roberta,
    "xlm_roberta": tiny_xlm_roberta,
    "modernbert": tiny_modernbert,
    "t5": tiny_t5,
    "t5_gated": tiny_t5_gated,
    "qwen3": tiny_qwen3,
}
"""Every builder by name, to parametrise a test over."""


_BERT_SPECIALS = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
_ROBERTA_SPECIALS = {
    "pad_token": "<pad>",
    "unk_token": "<unk>",
    "bos_token": "<s>",
    "eos_token": "</s>",
    "cls_token": "<s>",
    "sep_token": "</s>",
    "mask_token": "<mask>",
}
_ROBERTA_IDS = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
_POOLING_KEYS = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
_PREFIX = "sentence_transformers.models."


def _sizes(tokenizer: Tokenizer) -> dict[str, Any]:
    return {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 64,
    }


def _write(
    path: Path,
    model_class: Any,
    config: Any,
    tokenizer: Tokenizer,
    specials: Mapping[str, str],
    *,
    pooling: str | Sequence[str] = "mean",
    include_prompt: bool | None = None,
    dense: int | None = None,
    dense_bias: bool = True,
    dense_activation: str = "torch.nn.modules.activation.Tanh",
    normalize: bool = True,
    prompts: Mapping[str, str] | None = None,
    default_prompt_name: str | None = None,
    max_seq_length: int = 64,
    do_lower_case: bool = False,
    seed: int = 0,
) -> Path:
    """Write the whole directory.

    Args:
        path: the directory; made if missing.
        model_class, config, tokenizer, specials: what the builder chose.
        pooling: one or several of ``cls mean max mean_sqrt_len weightedmean lasttoken``.
        include_prompt: written to 1_Pooling/config.json unless None.
        dense: output width of a ``2_Dense``; None for no Dense.
        dense_bias, dense_activation: of that Dense; the activation as a dotted class name.
        normalize: whether the modules end in Normalize.
        prompts, default_prompt_name: of config_sentence_transformers.json.
        max_seq_length, do_lower_case: of sentence_bert_config.json.
        seed: of the weights.
    """
    path.mkdir(parents=True, exist_ok=True)
    _draw(model_class(config), seed).save_pretrained(path)
    tokenizer.save(str(path / "tokenizer.json"))
    names = ["input_ids", "attention_mask"]
    if model_class.__name__ == "BertModel":
        names.insert(1, "token_type_ids")
    tokenizer_config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 512,
        "model_input_names": names,
        **specials,
    }
    _json(path / "tokenizer_config.json", tokenizer_config)
    _json(path / "special_tokens_map.json", dict(specials))
    _json(path / "sentence_bert_config.json", {"max_seq_length": max_seq_length, "do_lower_case": do_lower_case})
    st_config = {
        "__version__": {},
        "prompts": dict(prompts or {}),
        "default_prompt_name": default_prompt_name,
    }
    _json(path / "config_sentence_transformers.json", st_config)

    width = 32
    modes = (pooling,) if isinstance(pooling, str) else tuple(pooling)
    pooling_config: dict[str, Any] = {"word_embedding_dimension": width}
    pooling_config |= {key: mode in modes for mode, key in _POOLING_KEYS.items()}
    if include_prompt is not None:
        pooling_config["include_prompt"] = include_prompt
    (path / "1_Pooling").mkdir(exist_ok=True)
    _json(path / "1_Pooling" / "config.json", pooling_config)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling")]
    if dense is not None:
        _dense(
            path / "2_Dense",
            width * len(modes),
            dense,
            bias=dense_bias,
            activation=dense_activation,
            seed=seed + 1,
        )
        modules.append(("2_Dense", "Dense"))
    if normalize:
        (path / f"{len(modules)}_Normalize").mkdir(exist_ok=True)
        modules.append((f"{len(modules)}_Normalize", "Normalize"))
    listed = [
        {"idx": index, "name": str(index), "path": folder, "type": _PREFIX + kind}
        for index, (folder, kind) in enumerate(modules)
    ]
    _json(path / "modules.json", listed)
    return path


def _draw(module: Any, seed: int) -> Any:
    """Redraw all weights: std 0.3; norms around 1."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator) * 0.3
            is_norm = "norm" in name.lower() and name.endswith("weight")
            parameter.copy_(1 + drawn / 3 if is_norm else drawn)
    return module.eval()


def _dense(folder: Path, width: int, out: int, *, bias: bool, activation: str, seed: int) -> None:
    import torch
    from safetensors.torch import save_file

    folder.mkdir(exist_ok=True)
    linear = _draw(torch.nn.Linear(width, out, bias=bias), seed)
    save_file(
        {f"linear.{k}": v.contiguous() for k, v in linear.state_dict().items()}, folder / "model.safetensors"
    )
    config = {"in_features": width, "out_features": out, "bias": bias, "activation_function": activation}
    _json(folder / "config.json", config)


def _json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2), encoding="utf-8")
