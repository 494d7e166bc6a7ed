"""sentence-transformers, as a benchmark peer; options: those of ``SentenceTransformer``."""

from __future__ import annotations

from typing import Any

from protocol import serve


class Transformers:
    def load(self, model: str | None, **options: Any) -> None:
        from sentence_transformers import SentenceTransformer

        self.model = SentenceTransformer(model, device="cpu", local_files_only=True, **options)

    def encode(self, texts: list[Any], batch_size: int | None) -> Any:
        given = {} if batch_size is None else {"batch_size": batch_size}
        return self.model.encode(texts, show_progress_bar=False, **given)


if __name__ == "__main__":
    serve(Transformers())
