"""An encoder under which texts show their group the better, the better the instruction."""

import hashlib

import numpy as np

from instructvec.checkpoints.contract import EmbeddingContract, distinct_instructions

DIMENSION = 8


def noise(text):
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
    return np.random.default_rng(seed).normal(size=DIMENSION)


class PlantedEncoder:
    """Texts are ``"GROUP anything"`` with a number for the group; ``strength`` gives how far groups are apart.

    Args:
        strength: instruction -> distance; others have 0.
    """

    dimension = DIMENSION

    def __init__(self, strength, fingerprint="f" * 32):
        self.strength, self.fingerprint, self.asked = strength, fingerprint, []

    def encode(self, inputs, instruction=None):
        self.asked += [(instruction or "", text) for text in inputs]
        far = self.strength.get(instruction or "", 0.0)
        rows = [noise(text) + far * np.eye(DIMENSION)[int(text.split()[0]) % DIMENSION] for text in inputs]
        vectors = np.array(rows, np.float32).reshape(len(inputs), DIMENSION)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    def contract(self, instruction=None):
        return EmbeddingContract(
            self.fingerprint,
            distinct_instructions([instruction]),
            DIMENSION,
            True,
            "float32",
            "prompt",
            model="planted",
        )
