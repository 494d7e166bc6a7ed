"""Turns a model directory (sentence-transformers', INSTRUCTOR's, bare Hugging Face, ours) into a spec.

Knows which file holds what and which modules may follow each other; nothing of tensors or text.
What it does not understand it refuses by name. Source: the folders that sentence-transformers 0.3 to
6.2 and InstructorEmbedding 1.0.1 write and read.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from instructvec.checkpoints.architecture import read_architecture
from instructvec.checkpoints.jsonfile import get_bool, get_int, read_json, read_optional_json
from instructvec.checkpoints.manifest import MANIFEST, Manifest, read_manifest
from instructvec.checkpoints.modules import Module, read_dense, read_modules, read_normalize, read_pooling
from instructvec.checkpoints.provenance import is_instructor
from instructvec.checkpoints.spec import CheckpointSpec, DenseSpec, PoolingSpec
from instructvec.errors import CheckpointError, CheckpointNotFound, UnsupportedModule
from instructvec.types import Joining, Similarity

WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
"""Where the encoder's float weights may lie, in the order they are looked for."""

TRANSFORMER_CONFIGS = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""Names sentence-transformers has given to the Transformer module's config, newest first."""

# T5's relative positions have no end; this is the length its published checkpoints were trained with.
_UNSTATED_MAX_SEQ_LENGTH = 512
_SIMILARITIES = ("cosine", "dot", "euclidean", "manhattan")


def read_spec(path: Path, *, name: str | None = None) -> CheckpointSpec:
    """What the model in ``path`` is.

    A directory without ``modules.json`` is read as sentence-transformers reads it: mean pooling, or
    last-token pooling where the first architecture is a ``…ForCausalLM``; no projection, no Normalize, and
    ``sentence_bert_config.json`` and stored prompts are left aside.

    Args:
        path: a model directory.
        name: what the user called it, such as ``"hkunlp/instructor-large"``; one of the signs by which an
            INSTRUCTOR checkpoint is recognised. ``None`` leaves only the directory's own.

    Returns:
        The spec; nothing but JSON files and the head of the model card is read for it.

    Raises:
        CheckpointNotFound: no model lies there; says which files were looked for.
        UnsupportedModule: a module, pooling, activation or architecture that is not understood.
        CheckpointError: a file is missing, broken, or contradicts another.
    """
    modules_file = path / "modules.json"
    if not modules_file.is_file() and not (path / "config.json").is_file():
        raise CheckpointNotFound(_nothing_at(path))
    bare = not modules_file.is_file()
    modules = [Module(0, "Transformer", "", "")] if bare else read_modules(path, modules_file)
    transformer_folder = path / modules[0].folder
    config_file = transformer_folder / "config.json"
    _refuse_adapter(transformer_folder)
    architecture, position_limit = read_architecture(config_file)
    module_config, module_file = _transformer_config(transformer_folder, bare)
    pooling, dense, normalize = _read_chain(path, modules, architecture.width)
    manifest = read_manifest(path)
    joining = manifest.joining or _default_joining(path, name, modules, transformer_folder)
    if joining != "prompt":
        pooling = PoolingSpec(pooling.modes, include_prompt=False)
    model_config = {} if bare else _model_config(path)
    has_weights = any((transformer_folder / file).is_file() for file in WEIGHT_FILES)
    _require_something_to_run(has_weights, manifest, transformer_folder)
    return CheckpointSpec(
        path=path,
        transformer_folder=transformer_folder,
        architecture=architecture,
        pooling=pooling,
        dense=dense,
        normalize=normalize,
        joining=joining,
        max_seq_length=_max_seq_length(module_config, module_file, position_limit, architecture.n_positions),
        lower_case=get_bool(module_config, "do_lower_case", module_file, False),
        prompts=_prompts(model_config, path),
        default_prompt_name=_default_prompt_name(model_config, path),
        similarity=_similarity(model_config, path),
        truncate_dim=get_int(model_config, "truncate_dim", path / "config_sentence_transformers.json", 0) or None,
        onnx_files=manifest.onnx_files,
        has_weights=has_weights,
        weights_digest=manifest.weights_digest,
    )


def _nothing_at(path: Path) -> str:
    if not path.is_dir():
        return f"{path}: no such directory; expected a model directory"
    found = ", ".join(sorted(entry.name for entry in path.iterdir())[:8]) or "nothing"
    return (
        f"{path}: no model here: neither modules.json (sentence-transformers, INSTRUCTOR) nor config.json "
        f"(Hugging Face) exists; found {found}. Give the directory that holds one of them"
    )


def _refuse_adapter(folder: Path) -> None:
    if (folder / "adapter_config.json").is_file() and not (folder / "config.json").is_file():
        raise UnsupportedModule(
            f"{folder / 'adapter_config.json'}: a PEFT adapter without its base model; expected whole weights. "
            "Merge it into the base model (merge_and_unload) and save that"
        )


def _require_something_to_run(has_weights: bool, manifest: Manifest, folder: Path) -> None:
    if not has_weights and not manifest.onnx_files:
        raise CheckpointNotFound(
            f"{folder}: there are configuration files but no weights; looked for {', '.join(WEIGHT_FILES)}, "
            f"and for graphs listed in {MANIFEST}. Download or copy the checkpoint again"
        )


def _read_chain(path: Path, modules: list[Module], width: int) -> tuple[PoolingSpec, tuple[DenseSpec, ...], bool]:
    """Pooling, projections and normalisation, in the one order that is understood, widths checked."""
    if len(modules) == 1 and not (path / "modules.json").is_file():
        return _default_pooling(read_json(path / "config.json")), (), False
    if len(modules) < 2 or modules[1].kind != "Pooling":
        raise UnsupportedModule(
            f"{path / 'modules.json'}: a Pooling module was expected at index 1, found "
            f"{modules[1].type if len(modules) > 1 else 'nothing'}"
        )
    pooling = read_pooling(path, modules[1], width)
    width *= len(pooling.modes)
    dense: list[DenseSpec] = []
    normalize = False
    for module in modules[2:]:
        if module.kind not in {"Dense", "Normalize"} or normalize:
            raise UnsupportedModule(
                f"{path / 'modules.json'}: module {module.type!r} at index {module.index} is not supported there; "
                "expected Transformer, Pooling, any number of Dense, and at most one Normalize, in this order"
            )
        if module.kind == "Normalize":
            read_normalize(path, module)
            normalize = True
            continue
        dense.append(read_dense(path, module, width))
        width = dense[-1].out_features
    return pooling, tuple(dense), normalize


def _default_pooling(config: Mapping[str, Any]) -> PoolingSpec:
    """What sentence-transformers 6 adds to a bare encoder."""
    architectures = config.get("architectures") or [""]
    causal = str(architectures[0]).endswith("ForCausalLM") and config.get("is_causal", True)
    return PoolingSpec(("last",) if causal else ("mean",))


def _default_joining(path: Path, name: str | None, modules: list[Module], folder: Path) -> Joining:
    return "instructor" if is_instructor(path, name, modules, read_json(folder / "config.json")) else "prompt"


def _transformer_config(folder: Path, bare: bool) -> tuple[dict[str, Any], Path]:
    """The Transformer module's own config and its file; refuses the options in it that change the vectors."""
    for file_name in () if bare else TRANSFORMER_CONFIGS:
        if (folder / file_name).is_file():
            config = read_json(folder / file_name)
            _refuse_options(config, folder / file_name)
            return config, folder / file_name
    return {}, folder / TRANSFORMER_CONFIGS[0]


def _refuse_options(config: Mapping[str, Any], file: Path) -> None:
    expected = {
        "transformer_task": "feature-extraction",
        "module_output_name": "token_embeddings",
        "query_length": None,
        "document_length": None,
        "query_expansion": None,
        "tokenizer_name_or_path": None,
    }
    for key, only in expected.items():
        if config.get(key) is not None and config[key] != only:
            raise UnsupportedModule(f"{file}: {key} {config[key]!r} is not supported; expected {only!r}")
    text = (config.get("modality_config") or {"text": {}}).get("text")
    if text is None or text.get("method_output_name", "last_hidden_state") != "last_hidden_state":
        raise UnsupportedModule(
            f"{file}: modality_config gives {text!r} for text; expected the method_output_name 'last_hidden_state'"
        )
    harmless = {"trust_remote_code", "torch_dtype", "dtype", "attn_implementation", "revision", "chat_template"}
    for key in ("model_", "config_", "tokenizer_", "processor_", "processing_"):
        for options in (config.get(f"{key}args"), config.get(f"{key}kwargs")):
            unknown = sorted(set(options or {}) - harmless)
            if unknown:
                raise UnsupportedModule(f"{file}: the {key}kwargs {', '.join(unknown)} are not supported here")


def _max_seq_length(
    module_config: Mapping[str, Any], file: Path, position_limit: int | None, n_positions: int
) -> int:
    """As sentence-transformers derives it, but never more than the position table holds."""
    stated = get_int(module_config, "max_seq_length", file, 0)
    if stated:
        return min(stated, position_limit) if n_positions and position_limit else stated
    tokenizer_config = read_optional_json(file.parent / "tokenizer_config.json")
    limits = [position_limit] if position_limit else []
    model_max_length = tokenizer_config.get("model_max_length")
    # transformers writes 1e30 for "no limit".
    if isinstance(model_max_length, (int, float)) and 0 < model_max_length < 1e9:
        limits.append(int(model_max_length))
    return min(limits, default=_UNSTATED_MAX_SEQ_LENGTH)


def _model_config(path: Path) -> dict[str, Any]:
    file = path / "config_sentence_transformers.json"
    config = read_optional_json(file)
    model_type = config.get("model_type", "SentenceTransformer")
    if model_type != "SentenceTransformer":
        raise UnsupportedModule(
            f"{file}: a {model_type} checkpoint; expected a SentenceTransformer one, which gives one vector a text"
        )
    return config


def _prompts(config: Mapping[str, Any], path: Path) -> dict[str, str]:
    prompts = config.get("prompts") or {}
    file = path / "config_sentence_transformers.json"
    if not isinstance(prompts, dict):
        raise CheckpointError(f"{file}: 'prompts' is {prompts!r}; expected an object of names and strings")
    for prompt_name, prompt in prompts.items():
        if prompt is not None and not isinstance(prompt, str):
            raise CheckpointError(f"{file}: the prompt {prompt_name!r} is {prompt!r}; expected a string")
    return {prompt_name: prompt for prompt_name, prompt in prompts.items() if prompt is not None}


def _default_prompt_name(config: Mapping[str, Any], path: Path) -> str | None:
    prompt_name = config.get("default_prompt_name")
    if prompt_name is not None and prompt_name not in _prompts(config, path):
        raise CheckpointError(
            f"{path / 'config_sentence_transformers.json'}: default_prompt_name {prompt_name!r} names no prompt; "
            f"expected one of {sorted(_prompts(config, path))}"
        )
    return prompt_name


def _similarity(config: Mapping[str, Any], path: Path) -> Similarity:
    similarity = config.get("similarity_fn_name") or "cosine"
    if similarity not in _SIMILARITIES:
        raise UnsupportedModule(
            f"{path / 'config_sentence_transformers.json'}: similarity_fn_name {similarity!r} is not supported; "
            f"expected one of {', '.join(_SIMILARITIES)}"
        )
    return cast(Similarity, similarity)
