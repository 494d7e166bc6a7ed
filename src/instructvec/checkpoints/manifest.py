"""Reads and makes ``instructvec.json``: what a directory of ours says beyond sentence-transformers' layout.

Knows its keys; nothing of how graphs are exported or weights are hashed.

    {"format_version": 1, "joining": "exact", "weights_digest": "…", "fingerprint": "…",
     "onnx": {"float32": "onnx/model.onnx", "int8": "onnx/model_int8.onnx"}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, cast

from instructvec.checkpoints.jsonfile import get_int, read_optional_json
from instructvec.errors import CheckpointError
from instructvec.types import JOININGS, Joining

MANIFEST = "instructvec.json"
FORMAT_VERSION = 1


@dataclass(frozen=True, slots=True)
class Manifest:
    """The parts of ``instructvec.json`` that decide how a checkpoint runs.

    Attributes:
        joining: the rule it was made with; ``None`` where the file is absent or silent.
        weights_digest: hex digest of the float weights the graphs were made from.
        onnx_files: exported graphs by dtype, as existing paths.
        extra: the other keys (training data, recipe), kept on saving.
    """

    joining: Joining | None = None
    weights_digest: str | None = None
    onnx_files: Mapping[str, Path] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


def read_manifest(path: Path) -> Manifest:
    """The manifest of the checkpoint at ``path``; an empty one where it has none.

    Raises:
        CheckpointError: broken, of a newer format, or naming a joining or graph that does not exist.
    """
    file = path / MANIFEST
    content = read_optional_json(file)
    if not content:
        return Manifest()
    version = get_int(content, "format_version", file)
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{file}: format_version {version} is newer than this package reads ({FORMAT_VERSION}); "
            "upgrade: pip install -U instructvec"
        )
    joining = content.get("joining")
    if joining is not None and joining not in JOININGS:
        raise CheckpointError(f"{file}: joining {joining!r} is not known; expected one of {', '.join(JOININGS)}")
    digest = content.get("weights_digest")
    if digest is not None and not isinstance(digest, str):
        raise CheckpointError(f"{file}: weights_digest is {digest!r}; expected a hex string")
    known = {"format_version", "joining", "weights_digest", "onnx"}
    return Manifest(
        joining=cast("Joining | None", joining),
        weights_digest=digest,
        onnx_files=_onnx_files(path, file, content.get("onnx") or {}),
        extra={key: value for key, value in content.items() if key not in known},
    )


def _onnx_files(path: Path, file: Path, entries: Any) -> dict[str, Path]:
    if not isinstance(entries, dict):
        raise CheckpointError(f"{file}: 'onnx' is {entries!r:.80}; expected an object of dtypes and files")
    graphs: dict[str, Path] = {}
    for dtype, name in entries.items():
        relative = PurePosixPath(str(name))
        if relative.is_absolute() or ".." in relative.parts:
            raise CheckpointError(f"{file}: the graph {name!r} leaves {path}; not followed")
        if not (path / relative).is_file():
            raise CheckpointError(
                f"{path / relative}: the {dtype} graph named in {MANIFEST} is missing; export it again or take "
                "its entry out"
            )
        graphs[dtype] = path / relative
    return graphs


def manifest_content(
    joining: Joining, weights_digest: str | None, onnx: Mapping[str, str], extra: Mapping[str, Any]
) -> dict[str, Any]:
    """What to write as ``instructvec.json``.

    Args:
        joining: the rule the checkpoint was made with.
        weights_digest: hex digest of its float weights.
        onnx: dtype -> path of a graph, relative to the checkpoint, with forward slashes.
        extra: further keys; they cannot replace the ones above.
    """
    return {
        **extra,
        "format_version": FORMAT_VERSION,
        "joining": joining,
        "weights_digest": weights_digest,
        "onnx": dict(onnx),
    }
