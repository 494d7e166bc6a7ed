"""fastembed, as a benchmark peer: its own MiniLM entry, read from a folder instead of the hub."""

from __future__ import annotations

from typing import Any

from protocol import serve

NAME = "sentence-transformers/all-MiniLM-L6-v2"


class Fastembed:
    def load(self, model: str | None, **options: Any) -> None:
        from fastembed import TextEmbedding

        self.model = TextEmbedding(NAME, specific_model_path=model, **options)

    def encode(self, texts: list[Any], batch_size: int | None) -> Any:
        given = {} if batch_size is None else {"batch_size": batch_size}
        return list(self.model.embed(texts, **given))


if __name__ == "__main__":
    serve(Fastembed())
