"""Writes a checkpoint as a directory that sentence-transformers loads to the same vectors.

Knows the layout's files; nothing of values. The directory appears whole under its name or not at all.
Source: the folders sentence-transformers writes; the older module paths, which every version reads.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.contract import fingerprint
from instructvec.checkpoints.layout import TRANSFORMER_CONFIGS
from instructvec.checkpoints.manifest import MANIFEST, manifest_content, read_manifest
from instructvec.checkpoints.modules import ACTIVATIONS_BY_CLASS, MODES_BY_NAME
from instructvec.checkpoints.spec import CheckpointSpec, DenseSpec
from instructvec.checkpoints.tensors import StoredTensor, write_safetensors
from instructvec.checkpoints.weights import stored_dense, stored_weights, weights_digest, with_values
from instructvec.encoding.tokens import Tokenizer
from instructvec.errors import OutputError

TOKENIZER_FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "sentencepiece.bpe.model",
    "tokenizer.model",
    "chat_template.jinja",
)
"""What a tokenizer may consist of; those present are copied."""

_LICENCES = ("LICENSE", "LICENSE.txt", "NOTICE")
_CARDS = ("README.md", *_LICENCES)
_MODE_NAMES = {ours: theirs for theirs, ours in MODES_BY_NAME.items()}
_FLAGS = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len": "pooling_mode_mean_sqrt_len_tokens",
    "weighted_mean": "pooling_mode_weightedmean_tokens",
    "last": "pooling_mode_lasttoken",
}
_CLASSES = {ours: theirs for theirs, ours in ACTIVATIONS_BY_CLASS.items()}


def save(spec: CheckpointSpec, path: str | os.PathLike[str], *, graphs_only: bool = False) -> Path:
    """Write the checkpoint ``spec`` describes to a new directory.

    Weights become ``model.safetensors`` in their stored number types; ``config.json``, tokenizer, model card
    and the exported graphs are copied; everything else is written from ``spec``, so that a spec with another
    joining, limit or prompts is saved with those.

    Args:
        spec: the checkpoint.
        path: the directory to make; it must not exist, or be empty.
        graphs_only: save a checkpoint that has exported graphs but no float weights all the same. This package
            loads the result; sentence-transformers cannot.

    Returns:
        ``path``.

    Raises:
        OutputError: the path is taken or cannot be written, or there are no float weights to save.
        CheckpointError: the source cannot be read.
    """
    target = Path(path)
    if not spec.has_weights and not graphs_only:
        raise OutputError(
            f"{spec.path}: holds exported graphs but no float weights, so that sentence-transformers could not "
            "load what would be saved. Save from the checkpoint the graphs came from, or pass graphs_only=True"
        )
    with _new_directory(target) as folder:
        _write_modules(spec, folder)
        if spec.has_weights:
            write_safetensors(folder / "model.safetensors", stored_weights(spec, pooler=True))
            for index in range(len(spec.dense)):
                _write_dense(folder, index, stored_dense(spec, index))
        _copy_files(spec, folder, _CARDS)
        _write_manifest(spec, folder, read_manifest(spec.path).extra)
    return target


def save_weights(
    spec: CheckpointSpec,
    weights: Mapping[str, NDArray[np.float32]],
    path: str | os.PathLike[str],
    *,
    card: str,
    extra: Mapping[str, Any],
) -> Path:
    """Write a checkpoint with other weights than those of ``spec.path`` to a new directory.

    As :func:`save`, except that graphs, model card and further keys of the manifest, which belong to the old
    weights, stay behind. The pooler, which no vector depends on, comes along as it was.

    Args:
        spec: the checkpoint that the weights started from; configuration, tokenizer and licence come from there.
        weights: float32 arrays by canonical name; a projection's as ``dense.0.weight``, ``dense.0.bias``.
        path: the directory to make; it must not exist, or be empty.
        card: the model card, ``README.md``.
        extra: further keys of ``instructvec.json``.

    Returns:
        ``path``.

    Raises:
        OutputError: the path is taken or cannot be written, or a weight holds NaN or infinity.
        CheckpointError: a weight is missing, unknown or of another shape, or ``spec.path`` cannot be read.
    """
    target = Path(path)
    encoder, dense = with_values(spec, weights)
    plain = replace(spec, onnx_files={}, has_weights=True)
    with _new_directory(target) as folder:
        _write_modules(plain, folder)
        write_safetensors(folder / "model.safetensors", encoder)
        for index, tensors in enumerate(dense):
            _write_dense(folder, index, tensors)
        _copy_files(plain, folder, _LICENCES)
        (folder / "README.md").write_text(card, encoding="utf-8")
        written = replace(plain, path=folder, transformer_folder=folder, dense=_numbered(plain.dense))
        _write_manifest(written, folder, extra)
    return target


@contextmanager
def _new_directory(target: Path) -> Iterator[Path]:
    """A directory beside ``target`` that takes its name once the body has run; removed if it fails."""
    temporary = target.absolute().parent / f".{target.name}.{os.getpid()}.tmp"
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise OutputError(f"{target}: exists already and is not empty; give another path, or remove it first")
        temporary.parent.mkdir(parents=True, exist_ok=True)
        temporary.mkdir()
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _sync(file)
        if target.is_dir():
            target.rmdir()
        temporary.rename(target)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        # Errors of our own are OSErrors too, and carry no errno.
        if error.errno is None:
            raise
        raise OutputError(
            f"{target}: cannot be written ({error.strerror}); check the disk and its rights"
        ) from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise


def _sync(file: Path) -> None:
    with file.open("rb") as stream:
        os.fsync(stream.fileno())


def _write_modules(spec: CheckpointSpec, folder: Path) -> None:
    modules = [("Transformer", ""), ("Pooling", "1_Pooling")]
    modules += [("Dense", one.folder) for one in _numbered(spec.dense)]
    if spec.normalize:
        modules.append(("Normalize", f"{len(modules)}_Normalize"))
    listed = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (kind, path) in enumerate(modules)
    ]
    _write_json(folder / "modules.json", listed)
    for _, path in modules[1:]:
        (folder / path).mkdir()
    _write_json(folder / TRANSFORMER_CONFIGS[0], _transformer_config(spec))
    _write_json(folder / "config_sentence_transformers.json", _model_config(spec))
    _write_json(folder / "1_Pooling" / "config.json", _pooling_config(spec))
    for written, dense in zip(_numbered(spec.dense), spec.dense, strict=True):
        _write_json(folder / written.folder / "config.json", _dense_config(dense))


def _numbered(dense: Sequence[DenseSpec]) -> tuple[DenseSpec, ...]:
    """The projections in the folders they are written to."""
    return tuple(replace(one, folder=f"{index + 2}_Dense") for index, one in enumerate(dense))


def _write_dense(folder: Path, index: int, tensors: Mapping[str, StoredTensor]) -> None:
    named = {f"linear.{name}": tensor for name, tensor in tensors.items()}
    write_safetensors(folder / f"{index + 2}_Dense" / "model.safetensors", named)


def _copy_files(spec: CheckpointSpec, folder: Path, beside: Sequence[str]) -> None:
    for name in ("config.json", *TOKENIZER_FILES):
        _copy(spec.transformer_folder / name, folder / name)
    for name in beside:
        _copy(spec.path / name, folder / name)


def _transformer_config(spec: CheckpointSpec) -> dict[str, Any]:
    return {"max_seq_length": spec.max_seq_length, "do_lower_case": spec.lower_case}


def _model_config(spec: CheckpointSpec) -> dict[str, Any]:
    config: dict[str, Any] = {
        "model_type": "SentenceTransformer",
        "prompts": dict(spec.prompts),
        "default_prompt_name": spec.default_prompt_name,
        "similarity_fn_name": spec.similarity,
    }
    return config if spec.truncate_dim is None else {**config, "truncate_dim": spec.truncate_dim}


def _pooling_config(spec: CheckpointSpec) -> dict[str, Any]:
    """Flags, which every version of sentence-transformers reads, where their order is that of the modes."""
    config: dict[str, Any] = {
        "word_embedding_dimension": spec.architecture.width,
        "include_prompt": spec.pooling.include_prompt,
    }
    modes = spec.pooling.modes
    in_flag_order = tuple(mode for mode in MODES_BY_NAME.values() if mode in modes)
    if in_flag_order == modes:
        return config | {flag: mode in modes for mode, flag in _FLAGS.items()}
    return config | {"pooling_mode": [_MODE_NAMES[mode] for mode in modes]}


def _dense_config(dense: DenseSpec) -> dict[str, Any]:
    package = "linear" if dense.activation == "identity" else "activation"
    return {
        "in_features": dense.in_features,
        "out_features": dense.out_features,
        "bias": dense.bias,
        "activation_function": f"torch.nn.modules.{package}.{_CLASSES[dense.activation]}",
    }


def _write_manifest(spec: CheckpointSpec, folder: Path, extra: Mapping[str, Any]) -> None:
    onnx: dict[str, str] = {}
    for dtype, file in spec.onnx_files.items():
        onnx[dtype] = f"onnx/{file.name}"
        (folder / "onnx").mkdir(exist_ok=True)
        shutil.copyfile(file, folder / "onnx" / file.name)
        # Large graphs keep their tensors in a file beside them.
        _copy(file.with_name(f"{file.name}.data"), folder / "onnx" / f"{file.name}.data")
        _copy(file.with_name(f"{file.name}_data"), folder / "onnx" / f"{file.name}_data")
    digest = weights_digest(spec)
    tokenizer = Tokenizer.load(
        folder, pad_token_id=spec.architecture.pad_token_id, lower_case=spec.lower_case
    ).digest()
    # The digest stands for the weights, which need not be read a second time.
    hashed = replace(spec, has_weights=False, weights_digest=digest)
    named = {**extra, "fingerprint": fingerprint(hashed, tokenizer, spec.joining)}
    _write_json(folder / MANIFEST, manifest_content(spec.joining, digest, onnx, named))


def _write_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _copy(source: Path, target: Path) -> None:
    if source.is_file():
        shutil.copyfile(source, target)
