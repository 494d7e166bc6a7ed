"""Truncation, unit length, precisions; similarities."""

from __future__ import annotations

import numpy as np
import pytest

from instructvec.encoding.similarity import similarity, similarity_pairwise
from instructvec.encoding.vectors import Ranges, normalize, quantize, truncate
from instructvec.errors import ConfigError, InputError

VECTORS = normalize(np.random.default_rng(0).standard_normal((50, 64)).astype(np.float32))


def test_truncate_keeps_the_first_dimensions():
    assert truncate(VECTORS, 3).tolist() == VECTORS[:, :3].tolist()
    assert truncate(VECTORS, None) is VECTORS
    for dimension in (0, 65):
        with pytest.raises(ConfigError, match=r"truncate_dim is \d+; this model's vectors allow 1 to 64"):
            truncate(VECTORS, dimension)


def test_zero_vectors_stay_zero():
    assert normalize(np.zeros((1, 4), np.float32)).tolist() == [[0, 0, 0, 0]]


@pytest.mark.parametrize("precision", ["int8", "uint8"])
def test_steps_by_hand(precision):
    ranges = Ranges((-1.0, 0.0), (1.0, 2.55))
    steps = quantize(np.array([[-1.0, 0.0], [1.0, 2.55], [9.0, 0.014]], np.float32), precision, ranges)
    shift = 128 if precision == "int8" else 0
    assert steps.dtype == precision
    assert (steps.astype(int) + shift).tolist() == [[0, 0], [255, 255], [255, 1]]


def test_default_ranges_keep_the_order_of_neighbours():
    steps = quantize(VECTORS, "int8", Ranges.of_unit_vectors(64)).astype(np.float32)
    assert similarity_pairwise(steps, VECTORS).min() > 0.999


def test_ranges_of_a_sample_span_it():
    ranges = Ranges.of_sample(VECTORS)
    steps = quantize(VECTORS, "uint8", ranges)
    assert steps.min(axis=0).max() == 0
    assert steps.max(axis=0).min() == 255


def test_binary_packs_signs_as_sentence_transformers_does():
    from sentence_transformers.util.quantization import quantize_embeddings

    for precision in ("binary", "ubinary"):
        assert np.array_equal(quantize(VECTORS, precision), quantize_embeddings(VECTORS, precision))


def test_refusals():
    with pytest.raises(InputError, match="needs ranges"):
        quantize(VECTORS, "int8", None)
    with pytest.raises(InputError, match="ranges have 2 dimensions, the vectors 64"):
        quantize(VECTORS, "int8", Ranges((0.0, 0.0), (1.0, 1.0)))
    with pytest.raises(ConfigError, match="divisible by 8"):
        quantize(VECTORS[:, :12], "binary")
    with pytest.raises(ConfigError, match="precision is 'int4'; expected one of float32"):
        quantize(VECTORS, "int4")
    with pytest.raises(ConfigError, match="not below its high end"):
        Ranges((1.0,), (1.0,))


@pytest.mark.parametrize("measure", ["cosine", "dot", "euclidean", "manhattan"])
def test_similarities_are_sentence_transformers(measure):
    from sentence_transformers.util.similarity import SimilarityFunction

    a, b = VECTORS[:7] * 3, VECTORS[7:12]
    theirs = SimilarityFunction.to_similarity_fn(measure)(a, b).numpy()
    assert np.allclose(similarity(a, b, measure), theirs, atol=1e-5)
    pairwise = SimilarityFunction.to_similarity_pairwise_fn(measure)(a[:5], b).numpy()
    assert np.allclose(similarity_pairwise(a[:5], b, measure), pairwise, atol=1e-5)


def test_widths_that_differ_are_named():
    with pytest.raises(InputError, match="vectors of 64 and of 32 dimensions"):
        similarity(VECTORS, VECTORS[:, :32])
    with pytest.raises(InputError, match="2 rows against 3"):
        similarity_pairwise(VECTORS[:2], VECTORS[:3])
