"""MiniLM -> sentence-transformers' own ONNX folder: float32 and its int8 (avx512_vnni), and fastembed's folder.

python make_onnx.py MINILM OUT OUT_FASTEMBED     in the environment `st-onnx`
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

from sentence_transformers import SentenceTransformer, export_dynamic_quantized_onnx_model


def main(source: str, out: Path, fastembed: Path) -> None:
    model = SentenceTransformer(source, backend="onnx", device="cpu", model_kwargs={"export": True})
    model.save_pretrained(str(out))
    export_dynamic_quantized_onnx_model(model, "avx512_vnni", str(out))

    fastembed.mkdir(parents=True, exist_ok=True)
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(Path(source) / name, fastembed / name)
    graph = sorted((out / "onnx").glob("model.onnx*"))  # and its external data, if there is any
    for file in graph:
        shutil.copy(file, fastembed / file.name)
    # fastembed cuts at model_max_length (512 here); the other peers cut this checkpoint at its 256.
    config = fastembed / "tokenizer_config.json"
    limit = json.loads((Path(source) / "sentence_bert_config.json").read_text())["max_seq_length"]
    config.write_text(json.dumps(json.loads(config.read_text()) | {"model_max_length": limit}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
