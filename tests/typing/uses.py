"""The API as users write it; type-checked, never run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from instructvec import Embedder, EmbeddingContract, Instruction
from instructvec.compat import INSTRUCTOR

embedder = Embedder()
other = Embedder("hkunlp/instructor-large", backend="onnx", dtype="int8", threads=2, joining="instructor")
one = embedder.encode("a text", "Represent the text: ")
many = embedder.encode(["a", "b"], ["Represent: ", None])
mixed = embedder.encode(["a", "b"], [Instruction("text"), "Represent: "])
pairs = embedder.encode([["Represent the text: ", "a"]], precision="int8", truncate_dim=128)
old_call = embedder.encode(["a"], batch_size=32, show_progress_bar=False, normalize_embeddings=True)
queries = embedder.encode_query(["a"])
documents = embedder.encode_document(["a"])
scores: NDArray[np.float32] = embedder.similarity(queries, documents)
stream: Iterator[NDArray[np.float32]] = embedder.encode_stream(iter(["a", "b"]), Instruction("line"))
contract: EmbeddingContract = embedder.contract(["Represent: ", None])
contract.check(EmbeddingContract.from_json(contract.to_json()))
dimension: int = embedder.get_sentence_embedding_dimension()
model = INSTRUCTOR("hkunlp/instructor-large")
old = model.encode([["Represent the text: ", "a"]])
