"""An encoder whose vectors the test writes down, and which remembers what it was asked."""

import numpy as np

from instructvec.checkpoints.contract import EmbeddingContract


class TableEncoder:
    """Vectors by text; those of no length 1 are kept as they are."""

    def __init__(self, vectors):
        self.vectors = {text: np.asarray(vector, np.float32) for text, vector in vectors.items()}
        self.asked = []

    @property
    def dimension(self):
        return len(next(iter(self.vectors.values())))

    def encode(self, inputs, instruction=None):
        self.asked += [(instruction, text) for text in inputs]
        return np.stack([self.vectors[text] for text in inputs])

    def contract(self, instruction=None):
        return EmbeddingContract("0" * 32, (instruction,), self.dimension, False, "float32", "prompt")


def at_angles(**degrees):
    """An encoder of texts that lie at these angles on a circle."""
    radians = {text: np.deg2rad(angle) for text, angle in degrees.items()}
    return TableEncoder({text: [np.cos(one), np.sin(one)] for text, one in radians.items()})
