"""Trained weights -> a model directory that this package and sentence-transformers load.

Knows tensors and what a trained model says of itself; the layout is ``checkpoints/save.py``'s.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructvec.checkpoints.save import save_weights

if TYPE_CHECKING:
    import torch

    from instructvec.checkpoints.spec import CheckpointSpec


def save_model(
    spec: CheckpointSpec,
    weights: Mapping[str, torch.Tensor],
    path: str | os.PathLike[str],
    *,
    card: str,
    extra: Mapping[str, Any],
) -> Path:
    """Write a trained model to a new directory, which appears whole or not at all.

    sentence-transformers has no rule that pools precisely the text's tokens: with ``prompt=`` it pools the closing
    token too, and without one both special tokens. So it gives the very vectors of ``Embedder`` where
    ``spec.joining`` is ``"prompt"``, and near ones where it is ``"exact"``.

    Args:
        spec: the encoder's, ``TrainableEncoder.spec``.
        weights: those of ``TrainableEncoder.weights``, or averages of such.
        path: the directory to make; it must not exist, or be empty.
        card: the model card, as :func:`~instructvec.training.card.model_card` writes it.
        extra: further keys of ``instructvec.json``: the recipe's name and digest, the data.

    Returns:
        ``path``.

    Raises:
        OutputError: the path is taken or cannot be written, or a weight holds NaN or infinity.
        CheckpointError: weights of another checkpoint.
    """
    arrays = {name: one.detach().float().cpu().numpy() for name, one in weights.items()}
    return save_weights(spec, arrays, path, card=card, extra=extra)
