"""Reads ``modules.json`` and the configs of the modules behind the encoder: Pooling, Dense, Normalize.

Knows their keys in every spelling sentence-transformers has used; nothing of which order is allowed.
Source: sentence-transformers 0.3 to 6.2, InstructorEmbedding 1.0.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from instructvec.checkpoints.jsonfile import get_bool, get_int, read_json, read_json_value, read_optional_json
from instructvec.checkpoints.spec import DenseSpec, PoolingSpec
from instructvec.errors import CheckpointError, UnsupportedModule
from instructvec.types import Activation, PoolingMode

KINDS = ("Transformer", "Pooling", "Dense", "Normalize")

# Their order is that in which sentence-transformers concatenates several.
_MODES_BY_FLAG: dict[str, PoolingMode] = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len",
    "pooling_mode_weightedmean_tokens": "weighted_mean",
    "pooling_mode_lasttoken": "last",
}
MODES_BY_NAME: dict[str, PoolingMode] = {
    "cls": "cls",
    "max": "max",
    "mean": "mean",
    "mean_sqrt_len_tokens": "mean_sqrt_len",
    "weightedmean": "weighted_mean",
    "lasttoken": "last",
}
"""sentence-transformers' name of each pooling mode -> ours."""

ACTIVATIONS_BY_CLASS: dict[str, Activation] = {
    "Identity": "identity",
    "Tanh": "tanh",
    "ReLU": "relu",
    "GELU": "gelu",
    "Sigmoid": "sigmoid",
    "SiLU": "silu",
}
"""Class of ``torch.nn`` -> activation of a Dense module."""


@dataclass(frozen=True, slots=True)
class Module:
    """One line of ``modules.json``.

    Attributes:
        index: its place.
        kind: one of :data:`KINDS`.
        folder: relative to the checkpoint; empty for the checkpoint itself.
        type: as written, such as ``"sentence_transformers.models.Pooling"``.
    """

    index: int
    kind: str
    folder: str
    type: str


def read_modules(path: Path, file: Path) -> list[Module]:
    """The modules in order, the first of them a Transformer.

    Raises:
        UnsupportedModule: a type that is not known; names it, its index and the file.
        CheckpointError: the file does not have the expected form.
    """
    entries = read_json_value(file)
    if not isinstance(entries, list) or not entries:
        raise CheckpointError(f"{file}: expected a list of modules, found {entries!r:.80}; restore the file")
    modules = [_module(index, entry, path, file) for index, entry in enumerate(entries)]
    if modules[0].kind != "Transformer":
        raise UnsupportedModule(
            f"{file}: module {modules[0].type!r} at index 0 is not supported there; expected a Transformer"
        )
    return modules


def _module(index: int, entry: Any, path: Path, file: Path) -> Module:
    if not isinstance(entry, dict) or not isinstance(entry.get("type"), str):
        raise CheckpointError(f"{file}: entry {index} has no 'type'; found {entry!r:.80}; restore the file")
    folder = str(entry.get("path") or "")
    if PurePosixPath(folder).is_absolute() or ".." in PurePosixPath(folder).parts or ":" in folder:
        raise CheckpointError(f"{file}: entry {index} has the path {folder!r}, which leaves {path}; not followed")
    return Module(index, _kind(index, entry["type"], file), folder, entry["type"])


def _kind(index: int, module_type: str, file: Path) -> str:
    package, _, class_name = module_type.rpartition(".")
    if is_instructor_type(module_type):
        # The original too goes by place: its classes hold no more than the plain ones do.
        return ("Transformer", "Pooling")[index] if index < 2 else class_name
    if class_name in KINDS and package.split(".", 1)[0] == "sentence_transformers":
        return class_name
    raise UnsupportedModule(
        f"{file}: module {module_type!r} at index {index} is not supported; expected sentence-transformers' "
        f"{', '.join(KINDS)}"
    )


def is_instructor_type(module_type: str) -> bool:
    """Whether InstructorEmbedding's own ``save`` wrote this type."""
    return module_type.split(".", 1)[0] in {"InstructorEmbedding", "instructor"}


def read_pooling(path: Path, module: Module, width: int) -> PoolingSpec:
    """The pooling at ``module``, whose inputs are ``width`` wide."""
    file = path / module.folder / "config.json"
    config = read_json(file)
    for key in ("word_embedding_dimension", "embedding_dimension"):
        stated = get_int(config, key, file, width)
        if stated != width:
            raise CheckpointError(f"{file}: {key} is {stated}, but the encoder is {width} wide; restore the file")
    return PoolingSpec(_modes(config, file), get_bool(config, "include_prompt", file, True))


def _modes(config: dict[str, Any], file: Path) -> tuple[PoolingMode, ...]:
    names = config.get("pooling_mode")
    if names is not None:
        names = [names] if isinstance(names, str) else names
        unknown = [name for name in names if name not in MODES_BY_NAME]
        if unknown or not names:
            raise UnsupportedModule(
                f"{file}: pooling_mode {unknown or names} is not supported; expected {', '.join(MODES_BY_NAME)}"
            )
        return tuple(MODES_BY_NAME[name] for name in names)
    for key, value in config.items():
        if key.startswith("pooling_mode_") and value and key not in _MODES_BY_FLAG:
            raise UnsupportedModule(f"{file}: {key} is not supported; expected one of {', '.join(_MODES_BY_FLAG)}")
    modes = tuple(mode for key, mode in _MODES_BY_FLAG.items() if get_bool(config, key, file, False))
    return modes or ("mean",)


def read_dense(path: Path, module: Module, width: int) -> DenseSpec:
    """The projection at ``module``, whose input is ``width`` wide."""
    file = path / module.folder / "config.json"
    config = read_json(file)
    for key, only in {
        "module_input_name": "sentence_embedding",
        "module_output_name": "sentence_embedding",
    }.items():
        if (config.get(key) or only) != only:
            raise UnsupportedModule(f"{file}: {key} {config[key]!r} is not supported; expected {only!r}")
    if get_bool(config, "use_residual", file, False):
        raise UnsupportedModule(f"{file}: use_residual is not supported; expected a plain projection")
    in_features = get_int(config, "in_features", file)
    if in_features != width:
        raise CheckpointError(
            f"{file}: in_features is {in_features}, but {width} come out of the module before; restore the file"
        )
    return DenseSpec(
        folder=module.folder,
        in_features=in_features,
        out_features=get_int(config, "out_features", file),
        bias=get_bool(config, "bias", file, True),
        activation=_dense_activation(config, file),
    )


def _dense_activation(config: dict[str, Any], file: Path) -> Activation:
    name = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    package, _, class_name = str(name).rpartition(".")
    if package.split(".", 1)[0] != "torch" or class_name not in ACTIVATIONS_BY_CLASS:
        raise UnsupportedModule(
            f"{file}: activation_function {name!r} is not supported; expected torch.nn's "
            f"{', '.join(ACTIVATIONS_BY_CLASS)}"
        )
    return ACTIVATIONS_BY_CLASS[class_name]


def read_normalize(path: Path, module: Module) -> None:
    """Raise unless the Normalize at ``module`` normalises the finished vector."""
    file = path / module.folder / "config.json"
    config = read_optional_json(file) if module.folder else {}
    for key in ("module_input_name", "module_output_name"):
        if (config.get(key) or "sentence_embedding") != "sentence_embedding":
            raise UnsupportedModule(
                f"{file}: {key} {config[key]!r} is not supported; expected 'sentence_embedding'"
            )
