"""A stand-in for an embedder: vectors from a hash of instruction and text, and a count of what it was asked."""

from __future__ import annotations

import hashlib
import time

import numpy as np

from instructvec.checkpoints.contract import EmbeddingContract, distinct_instructions
from instructvec.errors import InputError
from instructvec.road import Encoded

DIMENSION = 4
LIMIT = 8
"""Words a text may have; longer ones are cut."""


class FakeEncoder:
    """Refuses texts that contain ``refuse me``; ``seconds`` is what each call takes."""

    def __init__(self, seconds=0.0, fingerprint="f" * 32):
        self.seconds = seconds
        self.fingerprint = fingerprint
        self.calls = []

    def encode_counted(
        self,
        inputs,
        instruction=None,
        *,
        max_batch_tokens=None,
        normalize_embeddings=None,
        truncate_dim=None,
        precision="float32",
        long_text=None,
    ):
        texts = list(inputs)
        for row, text in enumerate(texts):
            if "refuse me" in text:
                raise InputError(f"row {row}: the instruction leaves no room for text")
        self.calls.append(texts)
        time.sleep(self.seconds)
        instructions = instruction if isinstance(instruction, list) else [instruction] * len(texts)
        rows = [vector_of(one, text, truncate_dim) for one, text in zip(instructions, texts, strict=True)]
        width = truncate_dim or DIMENSION
        vectors = np.array(rows, np.float32).reshape(len(texts), width)
        if precision == "int8":
            vectors = (vectors * 127).astype(np.int8)
        elif precision == "float16":
            vectors = vectors.astype(np.float16)
        words = [len(text.split()) for text in texts]
        cut = np.array([n > LIMIT for n in words], np.bool_)
        return Encoded(vectors, sum(min(n, LIMIT) for n in words), int(cut.sum()), cut)

    def contract(
        self,
        instruction=None,
        *,
        normalize_embeddings=None,
        truncate_dim=None,
        precision="float32",
        long_text=None,
    ):
        return EmbeddingContract(
            self.fingerprint,
            distinct_instructions([instruction]),
            truncate_dim or DIMENSION,
            True,
            precision,
            "exact",
            max_seq_length=LIMIT,
            long_text=long_text or "truncate",
        )


def vector_of(instruction, text, truncate_dim=None):
    """The vector the fake gives a text, as floats."""
    digest = hashlib.sha256(f"{instruction}\0{text}".encode()).digest()
    values = np.frombuffer(digest[: 2 * DIMENSION], np.uint16).astype(np.float32) / 65536
    return values[: truncate_dim or DIMENSION].tolist()
