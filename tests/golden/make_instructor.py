"""Make the golden files of the original INSTRUCTOR: tiny checkpoints, and what it does with them.

Run from the repository's root, in an environment of its own that holds the original:

    python3.11 -m venv original
    original/bin/pip install InstructorEmbedding==1.0.1 sentence-transformers==2.2.2 \\
        transformers==4.36.2 tokenizers==0.15.2 "huggingface_hub<0.26" "numpy<2" torch tqdm requests
    PYTHONPATH=. original/bin/python tests/golden/make_instructor.py

Writes, beside this file:

    instructor_t5_tiny/, instructor_bert_tiny/   checkpoints in INSTRUCTOR's published layout,
                                                 seeded random weights (T5: .bin and a Dense, as published)
    instructor_t5.json, instructor_bert.json     one entry a case:
        name        what the case is about
        input       what was passed to encode() in a list: a string, [instruction, text] or [i, t, 0]
        ids         input_ids of the original's tokenize(), batch of one
        k           leading positions its pooling leaves out (0 for strings)
        outcome     "vector"; "zeros" (nothing was pooled); or the name of the exception it raised
        vector      what encode([input]) returned, if a vector

The vectors of all cases that neither crash nor vanish were also made in one call with batch sizes
1, 4 and 32 and differ by less than `batch_deviation`, recorded in the file.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tests.parity.tiny import LONG_TEXT, SENTENCES, unigram, wordpiece

HERE = Path(__file__).parent
PREFIX = "sentence_transformers.models."
INSTRUCTION = "Represent the Medicine sentence for retrieving a duplicate sentence: "


def draw(module: Any, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            drawn = torch.randn(parameter.shape, generator=generator) * 0.3
            norm = "norm" in name.lower() and name.endswith("weight")
            parameter.copy_(1 + drawn / 3 if norm else drawn)
    return module.eval()


def write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def common_files(folder: Path, modules: list[tuple[str, str]], width: int) -> None:
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": PREFIX + kind} for i, (path, kind) in enumerate(modules)
    ]
    write_json(folder / "modules.json", listed)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    versions = {"sentence_transformers": "2.2.2", "transformers": "4.36.2", "pytorch": torch.__version__}
    write_json(folder / "config_sentence_transformers.json", {"__version__": versions})
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": width, "pooling_mode_cls_token": False}
    pooling |= {"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}
    pooling |= {"pooling_mode_mean_sqrt_len_tokens": False}
    write_json(folder / "1_Pooling" / "config.json", pooling)


def fresh(name: str) -> Path:
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def make_t5() -> Path:
    from transformers import T5Config, T5EncoderModel

    folder, tokenizer = fresh("instructor_t5_tiny"), unigram()
    config = T5Config(
        vocab_size=tokenizer.get_vocab_size(), d_model=32, d_kv=6, d_ff=64, num_layers=2, num_heads=4,
        relative_attention_num_buckets=32, relative_attention_max_distance=128,
        feed_forward_proj="relu", pad_token_id=0, eos_token_id=1,
    )  # fmt: skip
    draw(T5EncoderModel(config), 11).save_pretrained(folder, safe_serialization=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    specials = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    write_json(folder / "special_tokens_map.json", specials)
    tokenizer_config = {"tokenizer_class": "T5Tokenizer", "extra_ids": 0, "additional_special_tokens": []}
    write_json(folder / "tokenizer_config.json", tokenizer_config | {"model_max_length": 512} | specials)
    modules = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"), ("3_Normalize", "Normalize")]
    common_files(folder, modules, 32)
    (folder / "2_Dense").mkdir()
    linear = draw(torch.nn.Linear(32, 24, bias=False), 12)
    torch.save({f"linear.{k}": v for k, v in linear.state_dict().items()}, folder / "2_Dense/pytorch_model.bin")
    dense = {"in_features": 32, "out_features": 24, "bias": False}
    write_json(folder / "2_Dense/config.json", dense | {"activation_function": "torch.nn.modules.linear.Identity"})
    return folder


def make_bert() -> Path:
    from transformers import BertConfig, BertModel

    folder, tokenizer = fresh("instructor_bert_tiny"), wordpiece()
    config = BertConfig(
        vocab_size=tokenizer.get_vocab_size(), hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=64, max_position_embeddings=512, pad_token_id=0,
    )  # fmt: skip
    draw(BertModel(config), 13).save_pretrained(folder)
    tokenizer.save(str(folder / "tokenizer.json"))
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    specials = dict(zip(names, ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")))
    write_json(folder / "special_tokens_map.json", specials)
    tokenizer_config = {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 512}
    write_json(folder / "tokenizer_config.json", tokenizer_config | specials)
    common_files(folder, [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")], 32)
    return folder


def cases(tokenizer: Any) -> list[tuple[str, Any]]:
    text = "Two women are walking along the river in the rain."
    closing = tokenizer.sep_token or tokenizer.eos_token
    listed: list[tuple[str, Any]] = [("plain pair", [INSTRUCTION, text])]
    listed += [(f"pair {n}", [SENTENCES[n % 4], sentence]) for n, sentence in enumerate(SENTENCES[4:])]
    listed += [
        ("triple", [INSTRUCTION, text, 0]),
        ("string", text),
        ("string with blanks around", f"  {text}\n"),
        ("string, one letter", "a"),
        ("string, empty", ""),
        ("string, blank", " \t\n"),
        ("text with blanks around", [INSTRUCTION, f" \t {text} \n"]),
        ("text with Unicode blanks around", [INSTRUCTION, f"\u00a0\u2003{text}\u3000\u2028"]),
        ("text with zero-width space around", [INSTRUCTION, f"\u200b{text}\u200b"]),
        ("instruction without space at the end", [INSTRUCTION.rstrip(), text]),
        ("instruction without space, text with", [INSTRUCTION.rstrip(), f" {text}"]),
        ("instruction with many spaces at the end", [f"{INSTRUCTION}   ", text]),
        ("instruction with spaces before", [f"   {INSTRUCTION}", text]),
        ("instruction with newline at the end", [INSTRUCTION.rstrip() + "\n", text]),
        ("instruction with Unicode blank at the end", [INSTRUCTION.rstrip() + "\u3000", text]),
        ("instruction of one letter", ["a", text]),
        ("instruction of one letter and colon", ["a:", text]),
        ("instruction of one letter and space", ["a ", text]),
        ("instruction of a full stop and space", [". ", text]),
        ("instruction of one word", ["query: ", text]),
        ("empty instruction", ["", text]),
        ("blank instruction", ["  ", text]),
        ("blank instruction of Unicode blanks", ["\u2003\u00a0", text]),
        ("empty text", [INSTRUCTION, ""]),
        ("blank text", [INSTRUCTION, " \n "]),
        ("empty text, instruction without space", [INSTRUCTION.rstrip(), ""]),
        ("empty text, one-letter instruction", ["a", ""]),
        ("both empty", ["", ""]),
        ("both blank", [" ", "\t"]),
        ("unknown characters", [INSTRUCTION, "漢字 🎸 and a guitar"]),
        ("only unknown characters", [INSTRUCTION, "漢字"]),
        ("accents, composed", [INSTRUCTION, "Naïve café"]),
        ("accents, decomposed", [INSTRUCTION, "Nai\u0308ve cafe\u0301"]),
        ("ligature and full width", [INSTRUCTION, "ﬁrst ＡＢＣ"]),
        ("upper case", [INSTRUCTION, text.upper()]),
        ("newlines within", [INSTRUCTION, "A man\n\nis playing\ta guitar"]),
        ("many spaces within", [INSTRUCTION, "A man   is playing"]),
        ("typed closing token in text", [INSTRUCTION, f"Paris {closing} is the capital"]),
        ("typed closing token ends text", [INSTRUCTION, f"Paris is the capital {closing}"]),
        ("typed closing token in instruction", [f"Represent the caption: {closing} ", text]),
        ("typed closing token ends instruction", [f"Represent the caption:{closing}", text]),
        ("typed padding token in text", [INSTRUCTION, f"Paris {tokenizer.pad_token} is"]),
        ("text is the instruction", [INSTRUCTION, INSTRUCTION]),
        ("long text, truncated", [INSTRUCTION, " ".join([LONG_TEXT] * 2)]),
        ("long text without instruction", ["", " ".join([LONG_TEXT] * 2)]),
        ("long string", " ".join([LONG_TEXT] * 2)),
        ("instruction longer than the limit", [" ".join([LONG_TEXT] * 2), text]),
        ("instruction longer than the limit, empty text", [" ".join([LONG_TEXT] * 2), ""]),
    ]
    listed += at_the_limit(tokenizer)
    return listed + merges(tokenizer)


def at_the_limit(tokenizer: Any) -> list[tuple[str, Any]]:
    """Texts and instructions that just fit, and do not."""
    listed: list[tuple[str, Any]] = []
    for n_tokens in (510, 511, 512, 513, 514):
        words = ["the"] * (n_tokens - len(tokenizer("").input_ids))
        assert len(tokenizer(" ".join(words)).input_ids) == n_tokens
        listed.append((f"string of {n_tokens} tokens", " ".join(words)))
        listed.append((f"instruction of {n_tokens} tokens", [" ".join(words) + " ", "A man"]))
        half = len(words) // 2
        listed.append((f"pair of {n_tokens} tokens", [" ".join(words[:half]) + " ", " ".join(words[half:])]))
    return listed


def merges(tokenizer: Any) -> list[tuple[str, Any]]:
    """Words cut between instruction and text so that the two halves take other tokens than the whole.

    One for every difference (tokens of the instruction alone, less those of the whole word).
    """

    def count(string: str) -> int:
        return len(tokenizer(string, add_special_tokens=False).input_ids)

    found: dict[int, list[str]] = {}
    words = sorted({word for sentence in SENTENCES for word in sentence.split() if word.isalpha()})
    for word in words:
        for at in range(2, len(word)):
            loss = count(word[:at]) - count(word)
            if count(word[:at]) > 1:
                found.setdefault(loss, [word[:at], word[at:]])
    for first in words:
        for second in words:
            text = (first + second)[:8]
            for at in range(2, len(text)):
                loss = count(text[:at]) - count(text)
                if loss > 0:
                    found.setdefault(loss, [text[:at], text[at:]])
    chosen = sorted(found.items())
    return [(f"merge at the boundary, {loss:+d}", pair) for loss, pair in chosen if loss > -4]


def run(model: Any, case: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"input": case}
    features = model.tokenize([case])
    entry["ids"] = features["input_ids"][0].tolist()
    entry["k"] = int(features["context_masks"][0]) if "context_masks" in features else 0
    try:
        vector = model.encode([case])[0]
    except Exception as error:
        return entry | {"outcome": type(error).__name__}
    if not vector.any():
        return entry | {"outcome": "zeros"}
    return entry | {"outcome": "vector", "vector": [float(f"{value:.9g}") for value in vector]}


def batch_deviation(model: Any, entries: list[dict[str, Any]]) -> float:
    worst = 0.0
    for kind in (str, list):
        rows = [e for e in entries if e["outcome"] == "vector" and isinstance(e["input"], kind)]
        expected = np.array([e["vector"] for e in rows])
        for size in (1, 4, 32):
            vectors = model.encode([e["input"] for e in rows], batch_size=size)
            worst = max(worst, float(np.abs(vectors - expected).max()))
    return worst


def main() -> None:
    from InstructorEmbedding import INSTRUCTOR

    torch.set_num_threads(1)
    for name, make in (("t5", make_t5), ("bert", make_bert)):
        model = INSTRUCTOR(str(make()), device="cpu")
        entries = [{"name": title} | run(model, case) for title, case in cases(model.tokenizer)]
        assert len({e["name"] for e in entries}) == len(entries)
        golden = {"original": "InstructorEmbedding 1.0.1", "batch_deviation": batch_deviation(model, entries)}
        lines = ",\n".join(json.dumps(entry) for entry in entries)
        head = json.dumps(golden)[:-1]
        (HERE / f"instructor_{name}.json").write_text(f'{head}, "cases": [\n{lines}\n]}}\n', encoding="utf-8")
        outcomes = [e["outcome"] for e in entries]
        print(name, len(entries), {o: outcomes.count(o) for o in set(outcomes)}, golden, file=sys.stderr)


if __name__ == "__main__":
    main()
