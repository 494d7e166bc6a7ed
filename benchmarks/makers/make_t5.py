"""Nothing -> a T5-base encoder in INSTRUCTOR's layout, with random weights (seed 0).

    python make_t5.py OUT TEXTS.json     in the environment `instructor`

Speed does not depend on what the weights are: 12 layers, width 768, 12 heads, feed-forward 3072,
mean pooling, Dense 768x768, Normalize, as hkunlp/instructor-base. Its tokenizer cannot be shipped; a
unigram one is trained on the benchmark's texts, so token counts differ a little from the real one's.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import T5Config, T5EncoderModel, T5TokenizerFast

SPECIAL = ["<pad>", "</s>", "<unk>"]


def train_tokenizer(texts: list[str]) -> T5TokenizerFast:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", add_prefix_space=True)
    tokenizer.decoder = decoders.Metaspace(replacement="▁", add_prefix_space=True)
    trainer = trainers.UnigramTrainer(
        vocab_size=16000, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="$A </s>", pair="$A </s> $B </s>", special_tokens=[("</s>", 1)]
    )
    return T5TokenizerFast(
        tokenizer_object=tokenizer, extra_ids=0, model_max_length=512,
        pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
    )  # fmt: skip


def write_modules(out: Path) -> None:
    kinds = [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Dense", "Dense"), ("3_Normalize", "Normalize")]
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(kinds)
    ]
    pooling = {"word_embedding_dimension": 768, "pooling_mode_cls_token": False,
               "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False,
               "pooling_mode_mean_sqrt_len_tokens": False}  # fmt: skip
    dense = {"in_features": 768, "out_features": 768, "bias": False,
             "activation_function": "torch.nn.modules.linear.Identity"}  # fmt: skip
    versions = {"sentence_transformers": "2.2.2", "transformers": "4.36.2", "pytorch": "2.13.0"}
    for folder, _ in kinds[1:]:
        (out / folder).mkdir(exist_ok=True)
    for file, content in (
        ("modules.json", modules),
        ("sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False}),
        ("config_sentence_transformers.json", {"__version__": versions}),
        ("1_Pooling/config.json", pooling),
        ("2_Dense/config.json", dense),
    ):
        (out / file).write_text(json.dumps(content, indent=2) + "\n")


def main(out: Path, texts: list[str]) -> None:
    tokenizer = train_tokenizer(texts)
    torch.manual_seed(0)
    encoder = T5EncoderModel(T5Config(
        vocab_size=len(tokenizer), d_model=768, d_kv=64, d_ff=3072, num_layers=12, num_heads=12,
        feed_forward_proj="relu", dropout_rate=0.1, pad_token_id=0, eos_token_id=1,
    ))  # fmt: skip
    encoder.save_pretrained(out, safe_serialization=False)
    tokenizer.save_pretrained(out)
    write_modules(out)
    weight = torch.nn.Linear(768, 768, bias=False).weight.detach()
    torch.save({"linear.weight": weight}, out / "2_Dense" / "pytorch_model.bin")


if __name__ == "__main__":
    main(Path(sys.argv[1]), json.loads(Path(sys.argv[2]).read_text()))
