"""Turns what a user calls a model into a directory on this machine, fetching it where that is allowed.

Knows the Hugging Face hub and its cache, and alone reads ``HF_*`` variables; nothing of what the files
say. Fetches only what this package reads: configs, tokenizer, one form of the weights, graphs of ours.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from instructvec.errors import CheckpointNotFound
from instructvec.extras import require

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*(?:/[A-Za-z0-9][\w.-]*)?")
_TRUE = {"1", "true", "yes", "on"}

_ALWAYS = ("*.json", "*.txt", "*.model", "*.jinja", "README.md", "LICENSE*")
# Other frameworks' and other libraries' forms of the same weights.
_NEVER = ("openvino/*", "tf_model*", "flax_model*", "rust_model*", "coreml/*", "gguf/*", "training_args*")


def resolve(
    name_or_path: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | None = None,
    cache_folder: str | os.PathLike[str] | None = None,
) -> Path:
    """The directory that holds a model.

    Args:
        name_or_path: a directory, or a hub id such as ``"hkunlp/instructor-large"``; an id without a slash is
            one of ``sentence-transformers/``, as in sentence-transformers.
        revision: branch, tag or commit on the hub; directories have none.
        token: for private and gated models; without it the one ``hf auth login`` stored.
        cache_folder: where downloads are kept; without it ``HF_HUB_CACHE``, ``HF_HOME``/hub or
            ``~/.cache/huggingface/hub``.

    Returns:
        An existing directory.

    Raises:
        CheckpointNotFound: there is none, offline or for want of access; says where it was looked for.
        MissingExtra: huggingface_hub is not installed and the name is a hub id.
    """
    name = os.fspath(name_or_path)
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    if path.is_file():
        raise CheckpointNotFound(f"{name}: a file; expected the directory that holds the model: {path.parent}")
    if _looks_like_path(name, path):
        raise CheckpointNotFound(f"{name}: no such directory (looked at {path.absolute()}); check the path")
    if not _REPO_ID.fullmatch(name) or "--" in name or ".." in name:
        raise CheckpointNotFound(
            f"{name!r}: neither a directory ({path.absolute()} does not exist) nor a hub id; expected a path or "
            "'owner/name'"
        )
    repo_id = name if "/" in name else f"sentence-transformers/{name}"
    cache = Path(cache_folder).expanduser() if cache_folder is not None else _cache_folder()
    return _fetch(repo_id, revision, token, cache)


def _looks_like_path(name: str, path: Path) -> bool:
    if name.startswith((".", "/", "~")) or "\\" in name or name.count("/") > 1 or path.is_absolute():
        return True
    return "/" in name and path.parent.is_dir()


def _cache_folder() -> Path:
    for variable in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if os.environ.get(variable):
            return Path(os.environ[variable]).expanduser()
    if os.environ.get("HF_HOME"):
        return Path(os.environ["HF_HOME"]).expanduser() / "hub"
    home = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(home).expanduser() / "huggingface" / "hub"


def is_offline() -> bool:
    """Whether the environment forbids asking the hub (``HF_HUB_OFFLINE``, ``TRANSFORMERS_OFFLINE``)."""
    return any(
        os.environ.get(variable, "").strip().lower() in _TRUE
        for variable in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    )


def _fetch(repo_id: str, revision: str | None, token: str | None, cache: Path) -> Path:
    cached = _cached_snapshot(repo_id, revision, cache)
    at = f" at revision {revision!r}" if revision else ""
    if is_offline():
        if cached is None:
            raise CheckpointNotFound(
                f"{repo_id}{at}: not in the cache {cache}, and HF_HUB_OFFLINE forbids asking the hub. Unset it, "
                "fetch the model elsewhere and copy it here, or give its directory"
            )
        return cached
    require("huggingface_hub", f"fetching {repo_id!r} from the hub")
    import huggingface_hub
    from huggingface_hub import errors

    try:
        # Listing first: only the repository's own list shows whether there are safetensors.
        files = huggingface_hub.HfApi(token=token).list_repo_files(repo_id, revision=revision)
        folder = huggingface_hub.snapshot_download(
            repo_id, revision=revision, token=token, cache_dir=cache, allow_patterns=wanted_files(files)
        )
    except errors.GatedRepoError:
        raise CheckpointNotFound(
            f"{repo_id}{at}: the hub gives it only to those it has granted access. Ask for it on its page, then "
            "run 'hf auth login' or pass token="
        ) from None
    except errors.RevisionNotFoundError:
        raise CheckpointNotFound(
            f"{repo_id}: the hub has no revision {revision!r} of it; give a branch, tag or commit that exists"
        ) from None
    except errors.RepositoryNotFoundError:
        raise CheckpointNotFound(
            f"{repo_id}{at}: neither a directory ({Path(repo_id).absolute()}) nor a model on the hub. Check the "
            "spelling; for a private model run 'hf auth login' or pass token="
        ) from None
    except Exception as error:  # the client's own errors of a missing network differ from version to version
        if cached is not None:
            return cached
        raise CheckpointNotFound(
            f"{repo_id}{at}: not in the cache {cache}, and the hub could not be asked "
            f"({type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}). Check the network, or "
            "give the model's directory"
        ) from error
    return Path(folder)


def _cached_snapshot(repo_id: str, revision: str | None, cache: Path) -> Path | None:
    """The snapshot an earlier download left, in the hub cache's own layout."""
    repository = cache / f"models--{repo_id.replace('/', '--')}"
    commit = revision or "main"
    reference = repository / "refs" / commit
    if reference.is_file():
        commit = reference.read_text(encoding="utf-8").strip()
    snapshot = repository / "snapshots" / commit
    return snapshot if snapshot.is_dir() and any(snapshot.iterdir()) else None


def wanted_files(files: Sequence[str]) -> list[str]:
    """Which of a repository's files this package reads.

    In each folder safetensors are preferred to ``.bin``; graphs are fetched only where ``instructvec.json``
    stands beside them, for others' graphs take other inputs.

    Example:
        >>> wanted_files(["config.json", "model.safetensors", "pytorch_model.bin", "tf_model.h5"])
        ['config.json', 'model.safetensors']
    """
    ours = "instructvec.json" in files
    safe = {_folder(file) for file in files if file.endswith(".safetensors")}
    return [file for file in files if _is_wanted(file, safe, ours)]


def _is_wanted(file: str, safe: set[str], ours: bool) -> bool:
    from fnmatch import fnmatch

    if any(fnmatch(file, pattern) for pattern in _NEVER):
        return False
    if file.startswith("onnx/"):
        return ours
    base = file.rpartition("/")[2]
    if base.startswith("model") and base.endswith(".safetensors"):
        return True
    if base.startswith("pytorch_model") and base.endswith((".bin", ".bin.index.json")):
        return _folder(file) not in safe
    return any(fnmatch(base, pattern) for pattern in _ALWAYS)


def _folder(file: str) -> str:
    return file.rpartition("/")[0]
