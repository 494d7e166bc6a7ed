"""A checkpoint that holds graphs only -> one with float weights, which can be trained and run by torch.

Knows how :mod:`instructvec.engines.graph.layers` holds weights, and undoes it: W = W' c, a scale c for each
output channel and for each row of the word embedding. Which weight lies where in a graph is not written down a
second time: the builder draws the same graph from weights whose values are their own places. From an int8 graph
the weights come back as the graph computes with them, each within half a step of what was exported; from a
float32 graph, as they were.

What no vector depended on does not come back: positions beyond the checkpoint's limit, buckets of the relative
bias that no distance falls into, the pooler. Token types are part of the positions.
"""

from __future__ import annotations

import atexit
import json
import math
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.jsonfile import read_json
from instructvec.checkpoints.layout import read_spec
from instructvec.checkpoints.manifest import read_manifest
from instructvec.checkpoints.names import expected_shapes
from instructvec.checkpoints.save import save_weights
from instructvec.checkpoints.spec import CheckpointSpec
from instructvec.engines.graph.encoders import ENCODERS
from instructvec.engines.graph.initializers import read_tensors
from instructvec.engines.graph.layers import Array, Layers
from instructvec.engines.graph.model import build
from instructvec.engines.graph.symbols import Symbol
from instructvec.errors import CheckpointError

_POSITIONS = "embeddings.position_embeddings.weight"
_TOKEN_TYPES = "embeddings.token_type_embeddings.weight"


def with_floats(spec: CheckpointSpec, *, name: str = "") -> CheckpointSpec:
    """The checkpoint itself, or the same with float weights taken out of its graph.

    Args:
        spec: the checkpoint.
        name: as the user named it, for errors.

    Returns:
        ``spec`` where it has weights; else a checkpoint in a temporary directory, which goes with the process.

    Raises:
        CheckpointError: there is no graph either, or it is damaged or of a family that is not drawn here.
    """
    if spec.has_weights:
        return spec
    made = read_spec(_folder_with_floats(spec.path), name=name or str(spec.path))
    return replace(made, joining=spec.joining, pooling=spec.pooling, max_seq_length=spec.max_seq_length)


def recovered_weights(spec: CheckpointSpec) -> dict[str, Array]:
    """A graph's weights, of the most exact graph that the checkpoint has.

    Args:
        spec: a checkpoint with graphs.

    Returns:
        float32 arrays by canonical name, a projection's as ``dense.0.weight``, ``dense.0.bias``; as many positions
        as the checkpoint's limit allows to be used.

    Raises:
        CheckpointError: as :func:`with_floats`.
    """
    arch = spec.architecture
    file = spec.onnx_files.get("float32") or spec.onnx_files.get("int8")
    if file is None or arch.family not in ENCODERS:
        raise CheckpointError(
            f"{spec.path}: has neither float weights nor a graph to take them from; download or copy the "
            "checkpoint again"
        )
    places = _Places(spec)
    tensors = read_tensors(file)
    flat = np.zeros(places.size, dtype=np.float32)
    try:
        for name, at in places.of_tensors().items():
            flat[at.ravel()] = _values(tensors, name, at, places.lowest.get(name)).ravel()
    except KeyError as error:
        raise CheckpointError(
            f"{file}: the tensor {error} is missing; it is not a graph of this checkpoint, or another version of "
            "instructvec exported it. Take the checkpoint that it was exported from"
        ) from None
    return {name: flat[first : first + math.prod(shape)].reshape(shape) for name, first, shape in places.weights}


class _Places:
    """Where each weight lies in the graph that is drawn of a checkpoint.

    Every weight gets a number; the graph drawn of the numbers has, in each of its tensors, those of its weights.

    Attributes:
        size: one more than the last number; 0 is no weight.
        weights: name, first number and shape of each.
        lowest: of linear layers whose inputs have a lower bound: the bound, by the name of their bias.
    """

    def __init__(self, spec: CheckpointSpec) -> None:
        self.size = 1
        self.weights: list[tuple[str, int, tuple[int, ...]]] = []
        self.lowest: dict[str, tuple[str, float]] = {}
        numbered = {name: self._number(name, shape) for name, shape in _shapes(spec).items()}
        dense = [
            (
                self._number(f"dense.{index}.weight", (one.out_features, one.in_features)),
                self._number(f"dense.{index}.bias", (one.out_features,)) if one.bias else None,
            )
            for index, one in enumerate(spec.dense)
        ]
        outer = self

        class Noting(Layers):
            """Layers that tell which biases an int8 graph holds something else in."""

            def linear(
                self, x: Symbol, name: str, weight: Array, bias: Array | None, *, lowest: float | None = None
            ) -> tuple[Symbol, Array | None]:
                if lowest and bias is not None:
                    outer.lowest[f"{name}_bias"] = (name, lowest)
                return super().linear(x, name, weight, bias, lowest=lowest)

        self._graph = build(
            spec, numbered, dense, dtype="float32", max_seq_length=spec.max_seq_length, layers=Noting
        )

    def _number(self, name: str, shape: tuple[int, ...]) -> Any:
        n = math.prod(shape)
        if name == _TOKEN_TYPES:  # added to the positions, and part of them there
            numbers = np.zeros(shape)
        else:
            # float64 counts to 2^53, and tells these from the graph's other tensors.
            numbers = np.arange(self.size, self.size + n, dtype=np.float64).reshape(shape)
        self.weights.append((name, self.size, shape))
        self.size += n
        return numbers

    def of_tensors(self) -> dict[str, NDArray[np.int64]]:
        """Numbers of the weights in each tensor that holds any."""
        tensors = self._graph.tensors
        return {name: one.astype(np.int64) for name, one in tensors.items() if one.dtype == np.float64}


def _shapes(spec: CheckpointSpec) -> dict[str, tuple[int, ...]]:
    """As they are in the checkpoint with floats: positions up to the limit only."""
    config = read_json(spec.transformer_folder / "config.json")
    shapes = {}
    for name, shape in expected_shapes(_limited(spec).architecture).items():
        rows = int(config.get("type_vocab_size", 1)) if name == _TOKEN_TYPES else shape[0]
        shapes[name] = (rows or 1, *(size or 1 for size in shape[1:]))
    return shapes


def _limited(spec: CheckpointSpec) -> CheckpointSpec:
    """The checkpoint, with no more positions than its graph provides for."""
    arch = spec.architecture
    if not arch.n_positions:
        return spec
    n_positions = min(arch.n_positions, spec.max_seq_length + arch.position_offset)
    return replace(spec, architecture=replace(arch, n_positions=n_positions))


def _values(
    tensors: Mapping[str, NDArray[Any]], name: str, at: NDArray[np.int64], lowest: tuple[str, float] | None
) -> Array:
    """A tensor of the float32 graph, from either graph's.

    Raises:
        KeyError: neither has it.
    """
    if name in tensors:
        found = tensors[name]
        if lowest is not None and f"{lowest[0]}_int8" in tensors:
            found = found - np.float32(lowest[1]) * _dequantized(tensors, lowest[0]).sum(axis=1)
    else:
        found = _dequantized(tensors, name)
    if found.shape != at.shape:
        raise KeyError(name)
    return found


def _dequantized(tensors: Mapping[str, NDArray[Any]], name: str) -> Array:
    """(out, in) of a linear layer, held as (in, out); (vocabulary, width) of an embedding."""
    whole, scale = tensors[f"{name}_int8"].astype(np.float32), tensors[f"{name}_scale"]
    product: Array = whole * scale
    return product.T if scale.ndim == 1 else product


@cache
def _folder_with_floats(path: Path) -> Path:
    spec = read_spec(path)
    weights = recovered_weights(spec)
    above = Path(tempfile.mkdtemp(prefix="instructvec-"))
    atexit.register(shutil.rmtree, above, ignore_errors=True)
    card = path / "README.md"
    made = save_weights(
        _limited(spec),
        weights,
        above / path.name,
        card=card.read_text(encoding="utf-8") if card.is_file() else "",
        extra=read_manifest(path).extra,
    )
    if spec.architecture.n_positions:
        config = read_json(made / "config.json")
        config["max_position_embeddings"] = _limited(spec).architecture.n_positions
        (made / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return made
