"""Finds optional packages without importing them, and says what to install when one is missing."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec

from instructvec.errors import MissingExtra

EXTRAS: dict[str, str] = {
    "torch": "torch",
    "transformers": "torch",
    "huggingface_hub": "torch",
    "scipy": "eval",
    "sklearn": "eval",
    "pytrec_eval": "eval",
    "datasets": "eval",
    "rensa": "medi",
    "py3langid": "medi",
    "mteb": "mteb",
    "sentence_transformers": "train",
    "peft": "train",
    "accelerate": "train",
    "tensorboard": "train",
    "usearch": "tasks",
    "bm25s": "tasks",
    "matplotlib": "map",
    "umap": "map",
}
"""Which extra brings which package."""


def has(package: str) -> bool:
    """Whether ``package`` can be imported; it is not."""
    return find_spec(package) is not None


def version_of(package: str) -> str | None:
    """The installed version of a package, by pip's name; ``None`` where it is not installed."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def require(package: str, purpose: str, *, extra: str | None = None) -> None:
    """Raise unless ``package`` is installed.

    Args:
        package: the import name, such as ``"torch"``.
        purpose: what it is needed for, as the subject of a sentence: ``"backend='torch'"``.
        extra: which extra to name, where several bring it; ``None`` for that of :data:`EXTRAS`.

    Raises:
        MissingExtra: naming the extra that brings it and the line that installs it.
    """
    if not has(package):
        extra = extra or EXTRAS.get(package, package)
        raise MissingExtra(
            f"{purpose} needs the package {package!r}, which is not installed: pip install 'instructvec[{extra}]'"
        )
