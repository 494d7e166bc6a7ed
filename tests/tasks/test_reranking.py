"""Candidates are put in the order of their nearness to the query, each side under its instruction."""

import numpy as np
import pytest

from instructvec.errors import ConfigError, ContractMismatch, InputError, InputTypeError
from instructvec.tasks import Embedded, embedded, rerank
from instructvec.tasks.instructions import DOCUMENT, QUERY

TEXTS = ["rain", "snow", "a small dog"]


def test_scores_are_cosines_under_both_instructions(tiny):
    ranked = rerank("weather", TEXTS, embedder=tiny)
    cosines = tiny.encode(TEXTS, DOCUMENT) @ tiny.encode("weather", QUERY)
    assert [one.row for one in ranked] == np.argsort(-cosines).tolist()
    np.testing.assert_allclose([one.score for one in ranked], np.sort(cosines)[::-1], rtol=1e-5)
    assert [one.text for one in ranked] == [TEXTS[one.row] for one in ranked]


def test_instructions_are_the_callers_where_given(tiny):
    ranked = rerank("weather", TEXTS, embedder=tiny, instruction="Represent the topic: ", document_instruction="")
    cosines = tiny.encode(TEXTS, "") @ tiny.encode("weather", "Represent the topic: ")
    np.testing.assert_allclose([one.score for one in ranked], np.sort(cosines)[::-1], rtol=1e-5)


def test_equal_candidates_stand_in_their_order_and_k_cuts(tiny):
    assert [one.row for one in rerank("x", ["rain", "rain", "rain"], embedder=tiny)] == [0, 1, 2]
    assert [one.row for one in rerank("x", ["rain"] * 3, k=2, embedder=tiny)] == [0, 1]


def test_several_queries_are_as_one_after_another(tiny):
    lists = [TEXTS, [], ["snow", "rain"]]
    together = rerank(["weather", "nothing", "winter"], lists, embedder=tiny)
    for query, texts, ranked in zip(["weather", "nothing", "winter"], lists, together, strict=True):
        alone = rerank(query, texts, embedder=tiny)
        assert [one.row for one in ranked] == [one.row for one in alone]
        np.testing.assert_allclose([one.score for one in ranked], [one.score for one in alone], atol=1e-5)
    assert together[1] == []


def test_embedded_candidates_are_not_encoded_again_and_must_be_the_embedders(tiny, bundled):
    made = embedded(TEXTS, tiny, DOCUMENT)
    assert [one.row for one in rerank("weather", made, embedder=tiny)] == [
        one.row for one in rerank("weather", TEXTS, embedder=tiny)
    ]
    alone = Embedded(None, made.vectors, made.contract)
    assert {one.text for one in rerank("weather", alone, embedder=tiny)} == {None}
    with pytest.raises(ContractMismatch, match="model: expected"):
        rerank("weather", made, embedder=bundled)
    with pytest.raises(ContractMismatch, match="made under the instruction"):
        rerank("weather", made, embedder=tiny, document_instruction="Represent the noun: ")


def test_what_does_not_fit_is_refused(tiny):
    with pytest.raises(InputError, match="1 lists for 2 queries"):
        rerank(["a", "b"], [TEXTS], embedder=tiny)
    with pytest.raises(InputTypeError, match="texts of query 2, row 1: int"):
        rerank(["a", "b"], [TEXTS, [3]], embedder=tiny)
    with pytest.raises(InputTypeError, match="texts: one string"):
        rerank("a", "rain", embedder=tiny)
    with pytest.raises(ConfigError, match="k is 0"):
        rerank("a", TEXTS, k=0, embedder=tiny)
