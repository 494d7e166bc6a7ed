"""The original InstructorEmbedding 1.0.1, as a benchmark peer."""

from __future__ import annotations

from typing import Any

from protocol import serve


class Instructor:
    def load(self, model: str | None, **options: Any) -> None:
        from InstructorEmbedding import INSTRUCTOR

        self.model = INSTRUCTOR(model, device="cpu", **options)

    def encode(self, texts: list[Any], batch_size: int | None) -> Any:
        given = {} if batch_size is None else {"batch_size": batch_size}
        return self.model.encode(texts, **given)


if __name__ == "__main__":
    serve(Instructor())
