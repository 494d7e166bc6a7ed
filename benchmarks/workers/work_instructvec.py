"""Ours, as a benchmark peer; options: ``backend``, ``dtype`` as in ``Embedder``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from protocol import serve


class Instructvec:
    def load(self, model: str | None, **options: Any) -> None:
        from instructvec import Embedder

        self.embedder = Embedder(model, **options) if model else Embedder(**options)

    def encode(self, texts: list[Any], batch_size: int | None) -> Any:
        return self.embedder.encode(texts, batch_size=batch_size)

    def stream(self, texts: Iterator[str]) -> Iterator[Any]:
        return iter(self.embedder.encode_stream(texts))


if __name__ == "__main__":
    serve(Instructvec())
