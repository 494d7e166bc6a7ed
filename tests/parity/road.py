"""The road from texts to vectors through one engine, without the embedder, for parity tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from instructvec.checkpoints.layout import read_spec
from instructvec.checkpoints.spec import CheckpointSpec
from instructvec.encoding.batches import collate, plan
from instructvec.encoding.prompts import pair_up
from instructvec.encoding.tokens import Tokenizer
from instructvec.engines.torch import TorchEngine
from instructvec.types import Batch, Engine


def batches(
    spec: CheckpointSpec, texts: Sequence[str], instruction: str | None, *, max_batch_tokens: int = 300
) -> list[Batch]:
    pairs, _ = pair_up(list(texts), instruction)
    tokenizer = Tokenizer.load(
        spec.transformer_folder, pad_token_id=spec.architecture.pad_token_id, lower_case=spec.lower_case
    )
    rows = tokenizer.tokenize(
        pairs,
        joining=spec.joining,
        max_seq_length=spec.max_seq_length,
        include_prompt=spec.pooling.include_prompt,
    )
    groups = plan(rows.lengths, max_batch_tokens=max_batch_tokens)
    return [collate(rows, group, pad_token_id=spec.architecture.pad_token_id) for group in groups]


def embed(
    path: Path, texts: Sequence[str], instruction: str | None = None, *, engine: Engine | None = None
) -> np.ndarray:
    spec = read_spec(path)
    engine = engine or TorchEngine(spec, device="cpu")
    vectors = np.full((len(texts), spec.dimension), np.nan, dtype=np.float32)
    for batch in batches(spec, texts, instruction):
        vectors[batch.rows] = engine.run(batch)
    return vectors
