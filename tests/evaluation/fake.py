"""An encoder without a model: bags of hashed words, moved by the instruction, and a record of what was asked."""

import hashlib
import zlib

import numpy as np

from instructvec.checkpoints.contract import EmbeddingContract, distinct_instructions
from instructvec.errors import InputError
from instructvec.road import Encoded

DIMENSION = 24
LIMIT = 50
"""Words a text may have."""


def word_vector(word):
    return np.random.default_rng(zlib.crc32(word.encode())).standard_normal(DIMENSION).astype(np.float32)


class FakeEncoder:
    """Equal words give equal vectors; ``noise`` draws models apart; an instruction adds a fifth of itself."""

    def __init__(self, name="fake", *, noise=0.0, constant=False, nan_for=None, refuse=None, interrupt_after=None):
        self.name = name
        self.noise = noise
        self.constant = constant
        self.nan_for = nan_for
        self.refuse = refuse
        self.interrupt_after = interrupt_after
        self.asked = []

    @property
    def dimension(self):
        return DIMENSION

    @property
    def n_encoded(self):
        return sum(len(texts) for texts, _ in self.asked)

    def encode_counted(self, inputs, instruction=None):
        texts = list(inputs)
        if self.interrupt_after is not None and self.n_encoded >= self.interrupt_after:
            raise KeyboardInterrupt
        for row, text in enumerate(texts):
            if self.refuse is not None and self.refuse in text:
                raise InputError(f"row {row}: refused")
        self.asked.append((texts, instruction))
        rows = np.stack([self._vector(text, instruction) for text in texts])
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        cut = np.array([len(text.split()) > LIMIT for text in texts], np.bool_)
        return Encoded(rows, sum(len(text) for text in texts), int(cut.sum()), cut)

    def encode(self, inputs, instruction=None):
        return self.encode_counted(inputs, instruction).vectors

    def _vector(self, text, instruction):
        if self.nan_for is not None and self.nan_for in text:
            return np.full(DIMENSION, np.nan, np.float32)
        if self.constant:
            return np.ones(DIMENSION, np.float32)
        words = text.lower().split()[:LIMIT] or ["<empty>"]
        vector = np.mean([word_vector(word) for word in words], axis=0)
        if instruction:
            vector = vector + 0.2 * np.mean([word_vector(word) for word in instruction.split()], axis=0)
        return vector + self.noise * word_vector(f"{self.name}/{text}")

    def contract(self, instruction=None):
        return EmbeddingContract(
            fingerprint=hashlib.sha256(f"{self.name}/{self.noise}/{self.constant}".encode()).hexdigest()[:32],
            instructions=distinct_instructions([instruction]),
            dimension=DIMENSION,
            normalised=True,
            precision="float32",
            joining="exact",
            max_seq_length=LIMIT,
            model=self.name,
            computed_in="float32",
        )
