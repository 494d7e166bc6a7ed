"""MiniLM -> sentence-transformers' own OpenVINO folder: float32 and 8-bit weights and activations.

    python make_openvino.py MINILM OUT TEXTS.json    in the environment `st-openvino`

sentence-transformers' ``export_static_quantized_openvino_model`` calibrates on a data set of the hub;
here the quantiser under it (nncf, 300 samples as there) calibrates on the benchmark's texts: no hub.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from sentence_transformers import SentenceTransformer


def quantise(model: SentenceTransformer, texts: list[str], folder: Path) -> None:
    import nncf
    import openvino

    graph = openvino.Core().read_model(folder / "openvino_model.xml")
    names = {name for tensor in graph.inputs for name in tensor.get_names()}
    tokenise = model.tokenizer
    rows = [dict(tokenise([text], max_length=256, truncation=True, return_tensors="np")) for text in texts]
    calibration = nncf.Dataset([{name: row[name] for name in names & set(row)} for row in rows])
    quantised = nncf.quantize(graph, calibration, model_type=nncf.ModelType.TRANSFORMER, subset_size=len(rows))
    openvino.save_model(quantised, folder / "openvino_model_qint8.xml", compress_to_fp16=False)


def main(source: str, out: Path, texts: Path) -> None:
    model = SentenceTransformer(source, backend="openvino", device="cpu", model_kwargs={"export": True})
    model.save_pretrained(str(out))
    try:
        quantise(model, json.loads(texts.read_text())[:300], out / "openvino")
    except Exception as error:  # the float32 peer is worth having without it
        print(f"OpenVINO int8 left out: {type(error).__name__}: {error}", file=sys.stderr)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
