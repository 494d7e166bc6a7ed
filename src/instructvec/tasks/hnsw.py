"""The extra ``tasks`` -> usearch's index class, imported in an order that does not crash.

Knows one import. Source: Malkov & Yashunin 2018; usearch 2.26.
"""

from __future__ import annotations

from typing import Any

from instructvec.extras import require


def index_class(purpose: str) -> Any:
    """``usearch.index.Index``.

    Args:
        purpose: what it is needed for, as the subject of a sentence.

    Raises:
        MissingExtra: usearch is not installed.
    """
    require("usearch", purpose, extra="tasks")
    # Imported after usearch (2.26), onnxruntime (1.32) ends the process with a segmentation fault.
    import onnxruntime  # noqa: F401
    from usearch.index import Index

    return Index
