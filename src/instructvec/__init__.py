"""One embedder, any task: text and instruction in, a vector for that purpose out.

Importing this package loads neither numpy-heavy engines nor torch; each name arrives on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from instructvec.checkpoints.contract import EmbeddingContract
    from instructvec.embedder import Embedder
    from instructvec.instruction import Instruction

__version__ = "0.1.0"
__all__ = ["Embedder", "EmbeddingContract", "Instruction", "__version__"]

_HOMES = {
    "Embedder": "instructvec.embedder",
    "EmbeddingContract": "instructvec.checkpoints.contract",
    "Instruction": "instructvec.instruction",
}


def __getattr__(name: str) -> object:
    """Import a public name from the module that owns it (PEP 562)."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
