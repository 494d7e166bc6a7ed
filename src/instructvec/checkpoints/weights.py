"""Turns a checkpoint's weight files into float32 arrays under plain names, and into one digest.

Knows names, shapes and number types; nothing of what the matrices are for. No pickle is executed.

Canonical names are those of the bare Hugging Face encoder's ``state_dict``, wrapper prefixes off:

    bert, roberta   embeddings.word_embeddings.weight, encoder.layer.0.attention.self.query.weight, …
    mpnet           embeddings.word_embeddings.weight, encoder.layer.0.attention.attn.q.weight, …
    distilbert      embeddings.word_embeddings.weight, transformer.layer.0.attention.q_lin.weight, …
    t5              shared.weight, encoder.block.0.layer.0.SelfAttention.q.weight, … (no decoder)
    modernbert      embeddings.tok_embeddings.weight, layers.0.attn.Wqkv.weight, …, final_norm.weight
    decoder         embed_tokens.weight, layers.0.self_attn.q_proj.weight, …, norm.weight (no lm_head)

Heads, poolers, position ids and T5's copies of the word embedding are left out.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.jsonfile import read_json
from instructvec.checkpoints.names import Shape, canonical_names, expected_shapes
from instructvec.checkpoints.spec import CheckpointSpec
from instructvec.checkpoints.tensors import StoredTensor, read_bin, read_safetensors
from instructvec.errors import CheckpointError, OutputError

Weights = dict[str, NDArray[np.float32]]


def load_weights(spec: CheckpointSpec) -> Weights:
    """The encoder's weights.

    Returns:
        float32 arrays by canonical name. Those stored as float32 in safetensors are read-only views of
        the mapped file; the others are converted one at a time, so that nothing is held twice.

    Raises:
        CheckpointError: a file is truncated, pickled or contradicts ``config.json``, a tensor is missing or
            holds NaN or infinity; names the file and the tensor.
        MissingExtra: the weights are a ``.bin`` and torch is not installed.
    """
    weights: Weights = {}
    for name, tensor in stored_weights(spec).items():
        weights[name] = _finite(tensor.float32(), tensor)
    return weights


def load_dense(spec: CheckpointSpec, index: int) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
    """A projection's weight, (out, in) float32, and bias, (out,) float32 or ``None``.

    Args:
        spec: the checkpoint.
        index: place in ``spec.dense``.

    Raises:
        CheckpointError, MissingExtra: as :func:`load_weights`.
    """
    tensors = stored_dense(spec, index)
    weight = _finite(tensors["weight"].float32(), tensors["weight"])
    bias = tensors.get("bias")
    return weight, None if bias is None else _finite(bias.float32(), bias)


def stored_weights(spec: CheckpointSpec, *, pooler: bool = False) -> dict[str, StoredTensor]:
    """The encoder's tensors as stored, by canonical name, unread until asked for; shapes checked.

    Args:
        spec: the checkpoint.
        pooler: whether BERT's pooler comes along, which no vector depends on.
    """
    tensors = _read_folder(spec.transformer_folder)
    file = next(iter(tensors.values())).file if tensors else spec.transformer_folder
    renamed = canonical_names(tensors, spec.architecture.family, file, pooler=pooler)
    found = {name: tensors[stored] for name, stored in renamed.items()}
    for name, shape in expected_shapes(spec.architecture).items():
        if name not in found:
            raise CheckpointError(
                f"{file}: the tensor {name!r} is missing; expected shape {_shown(shape)}. "
                "The checkpoint is incomplete or of another architecture: download it again"
            )
        _check_shape(found[name], shape)
    return found


def stored_dense(spec: CheckpointSpec, index: int) -> dict[str, StoredTensor]:
    """As :func:`stored_weights`, for one projection: ``weight`` and, where it has one, ``bias``."""
    dense = spec.dense[index]
    tensors = _read_folder(spec.path / dense.folder)
    shapes: dict[str, Shape] = {"weight": (dense.out_features, dense.in_features)}
    if dense.bias:
        shapes["bias"] = (dense.out_features,)
    found: dict[str, StoredTensor] = {}
    for name, shape in shapes.items():
        tensor = tensors.get(f"linear.{name}")
        if tensor is None:
            raise CheckpointError(
                f"{spec.path / dense.folder}: the tensor 'linear.{name}' is missing; found {sorted(tensors)}"
            )
        _check_shape(tensor, shape)
        found[name] = tensor
    return found


def with_values(
    spec: CheckpointSpec, weights: Mapping[str, NDArray[np.float32]]
) -> tuple[dict[str, StoredTensor], list[dict[str, StoredTensor]]]:
    """The encoder's tensors and each projection's, with other values than the checkpoint's.

    Args:
        spec: the checkpoint.
        weights: float32 arrays by canonical name; a projection's as ``dense.0.weight``, ``dense.0.bias``. The
            pooler, which no vector depends on, may be missing and is the checkpoint's then. Where the checkpoint
            has graphs only, they are taken as they are.

    Raises:
        CheckpointError: a tensor is missing, unknown or of another shape, or the checkpoint cannot be read.
        OutputError: one holds NaN or infinity.
    """
    left = dict(weights)

    def replaced(stored: Mapping[str, StoredTensor], prefix: str) -> dict[str, StoredTensor]:
        return {name: _with_values(tensor, f"{prefix}{name}", left) for name, tensor in stored.items()}

    if not spec.has_weights:
        return _new_tensors(spec, left)
    encoder = replaced(stored_weights(spec, pooler=True), "")
    dense = [replaced(stored_dense(spec, index), f"dense.{index}.") for index in range(len(spec.dense))]
    if left:
        raise CheckpointError(
            f"{spec.path}: has no tensor {next(iter(left))!r} ({len(left)} such in all); expected weights of this "
            "checkpoint"
        )
    return encoder, dense


def _new_tensors(
    spec: CheckpointSpec, weights: Mapping[str, NDArray[np.float32]]
) -> tuple[dict[str, StoredTensor], list[dict[str, StoredTensor]]]:
    """Tensors of a checkpoint that has none in float, for :func:`with_values`."""
    encoder: dict[str, StoredTensor] = {}
    dense: list[dict[str, StoredTensor]] = [{} for _ in spec.dense]
    for name, array in weights.items():
        tensor = StoredTensor(spec.path, name, "float32", array.shape, partial(np.asarray, array, np.float32))
        if name.startswith("dense."):
            _, index, part = name.split(".")
            dense[int(index)][part] = tensor
        else:
            encoder[name] = tensor
    return encoder, dense


def _with_values(tensor: StoredTensor, name: str, left: dict[str, NDArray[np.float32]]) -> StoredTensor:
    """A tensor with its new values, which are taken out of ``left``."""
    array = left.pop(name, None)
    if array is None:
        if not name.startswith("pooler."):
            raise CheckpointError(f"{tensor.file}: no new values for the tensor {name!r}; expected all weights")
        array = tensor.float32()
    if array.shape != tensor.shape:
        raise CheckpointError(
            f"{tensor.file}: the new values of {name!r} have the shape {array.shape}; expected {tensor.shape}"
        )
    if not np.isfinite(array).all():
        raise OutputError(
            f"the weight {name!r} holds NaN or infinity; it is not saved. Take an earlier checkpoint, and train "
            "on with a lower learning rate"
        )
    values = array.astype(np.float32, copy=False)
    return StoredTensor(tensor.file, name, "float32", tensor.shape, lambda: values)


def weights_digest(spec: CheckpointSpec) -> str:
    """SHA-256, hex, over the encoder's and projections' tensors as stored, by canonical name.

    The ``.bin`` and the safetensors form of the same weights have the same digest, which a save keeps.
    A directory that holds graphs only answers with the digest of the weights they were made from.

    Raises:
        CheckpointError: as :func:`load_weights`, or there are neither weights nor a recorded digest.
    """
    if not spec.has_weights:
        if spec.weights_digest is None:
            raise CheckpointError(
                f"{spec.path}: instructvec.json lists graphs but no weights_digest, and there are no float "
                "weights to take it from; export the checkpoint again"
            )
        return spec.weights_digest
    digest = hashlib.sha256()
    for name, tensor in sorted(_all_tensors(spec)):
        digest.update(f"{name}\0{tensor.dtype}\0{tensor.shape}\0".encode())
        digest.update(tensor.raw())
    return digest.hexdigest()


def _all_tensors(spec: CheckpointSpec) -> Iterator[tuple[str, StoredTensor]]:
    yield from stored_weights(spec).items()
    for index in range(len(spec.dense)):
        for name, tensor in stored_dense(spec, index).items():
            yield f"dense.{index}.{name}", tensor


def _read_folder(folder: Path) -> dict[str, StoredTensor]:
    """Every tensor of whichever weight file ``folder`` has, safetensors first."""
    if (folder / "model.safetensors").is_file():
        return read_safetensors(folder / "model.safetensors")
    if (folder / "model.safetensors.index.json").is_file():
        return _read_shards(folder / "model.safetensors.index.json")
    if (folder / "pytorch_model.bin").is_file():
        return read_bin(folder / "pytorch_model.bin")
    if (folder / "pytorch_model.bin.index.json").is_file():
        return _read_shards(folder / "pytorch_model.bin.index.json")
    raise CheckpointError(
        f"{folder}: no weights; looked for model.safetensors and pytorch_model.bin, whole or in shards. "
        "Download or copy the checkpoint again"
    )


def _read_shards(index_file: Path) -> dict[str, StoredTensor]:
    weight_map = read_json(index_file).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index_file}: the key 'weight_map' is missing; expected tensor names and files")
    tensors: dict[str, StoredTensor] = {}
    for file_name in sorted(set(map(str, weight_map.values()))):
        file = index_file.parent / file_name
        if Path(file_name).name != file_name or not file.is_file():
            raise CheckpointError(f"{file}: the shard named in {index_file.name} is missing; download it again")
        tensors |= read_safetensors(file) if file.suffix == ".safetensors" else read_bin(file)
    return tensors


def _check_shape(tensor: StoredTensor, expected: Shape) -> None:
    matches = len(tensor.shape) == len(expected) and all(
        want in (None, have) for have, want in zip(tensor.shape, expected, strict=True)
    )
    if not matches:
        raise CheckpointError(
            f"{tensor.file}: the tensor {tensor.name!r} has the shape {_shown(tensor.shape)}; expected "
            f"{_shown(expected)} from the config beside it. They belong to different checkpoints"
        )


def _shown(shape: Shape) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"


def _finite(array: NDArray[np.float32], tensor: StoredTensor) -> NDArray[np.float32]:
    # NaN and infinity survive a sum; the exact test runs only where the sum gives cause.
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = not np.isfinite(array.sum())
    if suspicious and not np.isfinite(array).all():
        raise CheckpointError(
            f"{tensor.file}: the tensor {tensor.name!r} holds NaN or infinity; the weights are damaged, "
            "download or train them again"
        )
    return array
