"""The table of peers: what runs in which environment, on which folder, with which options.

Knows no measurement. Adding a peer is one entry here (and a worker, if its library is new).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import environments
import models


@dataclass(frozen=True, slots=True)
class Peer:
    """One library in one setting.

    Attributes:
        name: its key in the results.
        label: its name in the report.
        environment: of ``environments.TABLE``.
        worker: script under ``workers/``.
        model: folder under ``.envs/models/``; None for what the library bundles.
        options: given to the worker's ``load``.
        batch_sizes: tried for the best one; empty where the library chooses by itself.
        default_batch: its library's default, for the report.
    """

    name: str
    label: str
    environment: str
    worker: str
    model: str | None
    options: dict[str, Any] = field(default_factory=dict)
    batch_sizes: tuple[int, ...] = ()
    default_batch: int | None = None

    @property
    def ours(self) -> bool:
        return self.environment.startswith("ours")

    def folder(self, minilm: Path | None) -> str | None:
        """The folder its worker loads; ``minilm`` stands in for the downloaded checkpoint."""
        if self.model is None:
            return None
        if self.model == "minilm" and minilm is not None:
            return str(minilm)
        return str(models.MODELS / self.model)

    def missing(self, minilm: Path | None) -> str | None:
        """Why it cannot run here, or None."""
        if not environments.is_complete(self.environment):
            return f"its environment {self.environment!r} is not built (benchmarks/environments.py)"
        folder = self.folder(minilm)
        if folder is not None:
            file = self.options.get("model_kwargs", {}).get("file_name", "config.json")
            if not (Path(folder) / file).exists():
                return f"{file} is not in .envs/models/{self.model} (benchmarks/models.py)"
        return None


SIZES = (2, 4, 8, 16, 32, 64, 128, 256)
ST, OURS = "work_sentence_transformers.py", "work_instructvec.py"


def _st(name: str, label: str, environment: str, model: str, **options: Any) -> Peer:
    return Peer(name, f"sentence-transformers, {label}", environment, ST, model, options, SIZES, 32)


def _ours(name: str, label: str, model: str | None, environment: str = "ours", **options: Any) -> Peer:
    return Peer(name, f"**instructvec, {label}**", environment, OURS, model, options)


MINILM: tuple[Peer, ...] = (
    _ours("ours-fp32", "ONNX float32", "minilm", backend="onnx", dtype="float32"),
    _st("st-torch-fp32", "torch float32", "st", "minilm"),
    _ours("ours-int8", "ONNX int8", "minilm", backend="onnx", dtype="int8"),
    _st("st-torch-bf16", "torch bfloat16", "st", "minilm", model_kwargs={"dtype": "bfloat16"}),
    _ours("ours-bundled", "bundled model", None),
    _st(
        "st-onnx-fp32", "ONNX float32", "st-onnx", "minilm-onnx",
        backend="onnx", model_kwargs={"file_name": "onnx/model.onnx"},
    ),
    _st(
        "st-onnx-int8", "ONNX int8 (avx512_vnni)", "st-onnx", "minilm-onnx",
        backend="onnx", model_kwargs={"file_name": "onnx/model_qint8_avx512_vnni.onnx"},
    ),
    _st(
        "st-openvino-fp32", "OpenVINO (its default precision)", "st-openvino", "minilm-openvino",
        backend="openvino", model_kwargs={"file_name": "openvino/openvino_model.xml"},
    ),
    _st(
        "st-openvino-int8", "OpenVINO int8", "st-openvino", "minilm-openvino",
        backend="openvino", model_kwargs={"file_name": "openvino/openvino_model_qint8.xml"},
    ),
    Peer("fastembed", "fastembed", "fastembed", "work_fastembed.py", "minilm-fastembed", {}, SIZES, 256),
    _ours("ours-torch", "torch float32", "minilm", "ours-torch", backend="torch", dtype="float32"),
)  # fmt: skip

T5: tuple[Peer, ...] = (
    Peer(
        "instructor", "InstructorEmbedding 1.0.1", "instructor", "work_instructor.py",
        "t5-base-instructor", {}, (4, 8, 16, 32), 32,
    ),
    # INSTRUCTOR's releases hold pickled weights, which only torch reads; the ONNX engine computes.
    _ours("ours-t5-fp32", "ONNX float32", "t5-base-instructor", "ours-torch", backend="onnx", dtype="float32"),
    _ours("ours-t5-int8", "ONNX int8", "t5-base-instructor", "ours-torch", backend="onnx", dtype="int8"),
    _ours("ours-t5-torch", "torch float32", "t5-base-instructor", "ours-torch", backend="torch", dtype="float32"),
)  # fmt: skip

ALL = {peer.name: peer for peer in (*MINILM, *T5)}
