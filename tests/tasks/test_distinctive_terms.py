"""Words tell clusters apart, in any script, without a list of stop words."""

import numpy as np
import pytest

from instructvec.tasks.distinctive_terms import c_tf_idf, terms_of, words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Two-part e-mail, 3.5!", ["two", "part", "e", "mail", "3", "5"]),
        ("don't 'quote' it\u2019s", ["don't", "quote", "it\u2019s"]),
        ("Straße ÉTÉ cafe\u0301", ["straße", "été", "café"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("привет, мир", ["привет", "мир"]),
        ("東京都へ", ["東京", "京都", "都へ"]),
        ("iPhoneを買う x", ["iphone", "を買", "買う", "x"]),
        ("猫", ["猫"]),
        ("' _ !", []),
        ("", []),
    ],
)
def test_words_are_letters_marks_and_digits_of_any_script(text, expected):
    assert list(words(text)) == expected


def test_class_based_tf_idf_by_hand():
    # Words a class: (3 + 3) / 2 = 3; "the" stands twice in all, "cat" twice, "dog" twice.
    found = c_tf_idf([{"the": 1, "cat": 2}, {"the": 1, "dog": 2}])
    assert found[0] == pytest.approx({"the": np.log(1 + 3 / 2), "cat": 2 * np.log(1 + 3 / 2)})
    assert c_tf_idf([]) == []


def test_what_is_as_common_elsewhere_is_no_name_in_any_language():
    texts = ["der rote wagen", "der wagen", "der wagen dort", "der see", "der blaue see", "der see dort"]
    assert terms_of(texts, np.array([0, 0, 0, 1, 1, 1])) == [("wagen",), ("see",)]


def test_a_cluster_without_words_of_its_own_is_named_by_what_it_has():
    assert terms_of(["same words", "same words"], np.array([0, 1])) == [("same", "words")] * 2
    assert terms_of(["rain falls", "rain"], np.array([0, 0])) == [("rain",)]
    assert terms_of(["", "!"], np.array([0, 1])) == [(), ()]


def test_texts_outside_of_clusters_are_others():
    assert terms_of(["a b", "a b", "a", "a"], np.array([0, 0, -1, -1])) == [("b",)]
    assert terms_of(["a"], np.array([-1])) == []
    assert terms_of([], np.array([], np.int64)) == []


def test_the_most_telling_come_first_and_ties_go_by_name():
    assert terms_of(["x y", "x y", "x", "z"], np.array([0, 0, 0, 1]), n_terms=2)[0] == ("x", "y")
    assert terms_of(["b a", "b a", "z"], np.array([0, 0, 1]))[0] == ("a", "b")
