"""The API as users write it; type-checked, never run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, assert_type

import numpy as np
import torch
from numpy.typing import NDArray

from instructvec import Embedder, EmbeddingContract, Instruction
from instructvec.compat import INSTRUCTOR
from instructvec.types import Encoder

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

# What comes back is known to the checker without a cast.
assert_type(one, NDArray[Any])
assert_type(queries, NDArray[Any])
assert_type(embedder.encode(["a"], convert_to_tensor=False), NDArray[Any])
assert_type(embedder.encode(["a"], convert_to_numpy=True, prompt="Represent: "), NDArray[Any])
assert_type(embedder.encode("a", convert_to_tensor=True), torch.Tensor)
assert_type(embedder.encode_query(["a"], prompt_name="query", convert_to_tensor=True), torch.Tensor)
assert_type(embedder.encode_document(["a"], long_text="chunk", convert_to_tensor=True), torch.Tensor)
as_encoder: Encoder = embedder

# What is no option, or no value of one, is found before it runs: an unused "ignore" fails this file.
embedder.encode(["a"], batchsize=32)  # type: ignore[call-overload]
embedder.encode(["a"], precision="int4")  # type: ignore[call-overload]
embedder.encode_query(["a"], long_text="cut")  # type: ignore[call-overload]
embedder.encode([1, 2])  # type: ignore[list-item]
Embedder(joining="prompts")  # type: ignore[arg-type]
