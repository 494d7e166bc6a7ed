"""Texts get labels by name, by description or by example; what cannot be classified is refused."""

import numpy as np
import pytest

from instructvec.errors import ConfigError, ContractMismatch, InputError, InputTypeError
from instructvec.tasks import Classifier, classify, embedded
from instructvec.tasks.classified import decided
from instructvec.tasks.instructions import CLASSIFY
from instructvec.tasks.linear_head import softmax

TEXTS = ["the match ended in a draw", "shares fell sharply", "the striker scored twice"]


def test_a_text_gets_the_label_whose_name_is_nearest(bundled):
    found = classify(TEXTS, ["sports", "business"], embedder=bundled)
    assert found.labels == ("sports", "business", "sports")
    cosines = bundled.encode(TEXTS, CLASSIFY) @ bundled.encode(["sports", "business"], CLASSIFY).T
    np.testing.assert_allclose(found.probabilities, softmax(cosines, 0.05), atol=1e-5)  # float32 cosines / 0.05
    assert (found.classes, found.counts, found.n_abstained) == (
        ("sports", "business"), {"sports": 2, "business": 1}, 0,
    )  # fmt: skip
    assert found.contract.instruction == CLASSIFY
    assert "not calibrated" in found.notes[0]
    assert found.probabilities.dtype == np.float32


def test_several_descriptions_are_averaged(bundled):
    labels = {"a": ["a football game", "a tennis match"], "b": "the stock market"}
    found = classify(TEXTS, labels, embedder=bundled)
    one, other, market = bundled.encode(["a football game", "a tennis match", "the stock market"], CLASSIFY)
    mean = (one + other) / np.linalg.norm(one + other)
    wanted = softmax(bundled.encode(TEXTS, CLASSIFY) @ np.stack([mean, market]).T, 0.05)
    np.testing.assert_allclose(found.probabilities, wanted, atol=1e-5)


def test_underscores_of_names_are_spaces(bundled):
    named = classify(TEXTS, ["ball_games", "stock_market"], embedder=bundled)
    written = classify(TEXTS, {"ball_games": "ball games", "stock_market": "stock market"}, embedder=bundled)
    np.testing.assert_array_equal(named.probabilities, written.probabilities)


def test_the_order_of_labels_changes_nothing_but_columns(bundled):
    one = classify(TEXTS, ["sports", "business", "law"], embedder=bundled)
    other = classify(TEXTS, ["law", "sports", "business"], embedder=bundled)
    assert one.labels == other.labels
    np.testing.assert_allclose(one.probabilities, other.probabilities[:, [1, 2, 0]], atol=1e-6)


def test_a_text_below_the_threshold_gets_no_label(bundled):
    found = classify(TEXTS, ["sports", "business"], embedder=bundled)
    threshold = float(np.sort(found.confidences)[1])
    strict = classify(TEXTS, ["sports", "business"], embedder=bundled, abstain_below=threshold)
    assert strict.n_abstained == 1
    assert strict.labels[int(found.confidences.argmin())] is None
    assert decided(np.array([[0.5, 0.5]], np.float32), ("a", "b"), 0.5) == ("a",)


def test_embedded_texts_are_compared_under_their_own_instruction(bundled):
    made = embedded(TEXTS, bundled, "Represent the news: ")
    found = classify(made, ["sports", "business"], embedder=bundled)
    assert found.contract.instruction == "Represent the news: "
    again = classify(TEXTS, ["sports", "business"], embedder=bundled, instruction="Represent the news: ")
    np.testing.assert_array_equal(found.probabilities, again.probabilities)
    unsaid = embedded(TEXTS, bundled, "")
    assert classify(unsaid, ["sports", "business"], embedder=bundled).contract.instruction == ""
    with pytest.raises(ContractMismatch, match="not 'Represent the law: '"):
        classify(made, ["sports", "business"], embedder=bundled, instruction="Represent the law: ")


def test_examples_make_a_classifier(bundled):
    examples = [
        ("refund please", "refund"),
        ("money back", "refund"),
        ("where is it", "delivery"),
        ("late", "delivery"),
    ]
    found = classify(["please refund me"], examples=examples, embedder=bundled)
    fitted = Classifier.fit(*map(list, zip(*examples, strict=True)), embedder=bundled)
    np.testing.assert_array_equal(found.probabilities, fitted.classify(["please refund me"]).probabilities)
    assert found.labels == ("refund",)


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ("sports", InputTypeError, "labels: one string; expected a sequence of names"),
        (["sports"], InputError, r"labels: \['sports'\]; expected two labels or more"),
        ([], InputError, r"labels: \[\]; expected two labels or more"),
        (["sports", " "], InputError, "labels, number 2: empty"),
        (["sports", "law", "sports"], InputError, r"labels: 'sports' more than once"),
        (["sports", 1.5], InputTypeError, "labels, number 2: float; expected a string or a whole number"),
        ([1, "1"], InputError, r"labels: '1' more than once"),
        ({"a": "x", "b": []}, InputError, "label 'b': an empty description, or none"),
        ({"a": "x", "b": ["y", ""]}, InputError, "label 'b': an empty description, or none"),
        ({"a": "x", "b": 3}, InputTypeError, "label 'b': described by int; expected strings"),
    ],
)
def test_labels_that_cannot_be_used_are_named(tiny, labels, error, message):
    with pytest.raises(error, match=message):
        classify(TEXTS, labels, embedder=tiny)


def test_options_that_do_not_fit_are_refused(tiny):
    with pytest.raises(ConfigError, match="either labels or examples"):
        classify(TEXTS, embedder=tiny)
    with pytest.raises(ConfigError, match="either labels or examples"):
        classify(TEXTS, ["a", "b"], examples=[("x", "a")], embedder=tiny)
    with pytest.raises(ConfigError, match=r"abstain_below is 50; expected a probability"):
        classify(TEXTS, ["a", "b"], embedder=tiny, abstain_below=50)
    with pytest.raises(ConfigError, match="temperature is 0"):
        classify(TEXTS, ["a", "b"], embedder=tiny, temperature=0)
    with pytest.raises(InputTypeError, match=r"examples, number 2: 'y'; expected a pair"):
        classify(TEXTS, examples=[("x", "a"), "y"], embedder=tiny)
    with pytest.raises(InputError, match="examples: empty"):
        classify(TEXTS, examples=[], embedder=tiny)
    with pytest.raises(InputError, match="texts: empty"):
        classify([], ["a", "b"], embedder=tiny)
