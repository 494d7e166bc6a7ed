"""Words that two texts share: by hand."""

import pytest

from instructvec.evaluation.protocols.overlap import rouge_l, token_f1


@pytest.mark.parametrize(
    ("text", "reference", "value"),
    [
        ("a b c", "a b c", 1.0),
        ("c b a", "a b c", 1.0),  # in any order
        ("a b", "c d", 0.0),
        ("a a b", "a b b", 2 * 2 / 6),  # each as often as it stands there
        ("SELECT * FROM a", "select * from a", 2 * 2 / 8),  # nothing is normalised
        ("  a   b ", "a b", 1.0),
        ("", "", 1.0),
        ("", "a", 0.0),
        ("a", " ", 0.0),
    ],
)
def test_token_f1(text, reference, value):
    assert token_f1(text, reference) == pytest.approx(value, abs=1e-12)
    assert token_f1(reference, text) == token_f1(text, reference)


@pytest.mark.parametrize(
    ("text", "reference", "value"),
    [
        ("a b c d", "a b c d", 1.0),
        ("police kill the gunman", "police killed the gunman", 3 / 4),  # Lin 2004, section 3.1
        ("the gunman kill police", "police killed the gunman", 2 / 4),
        ("a x b y c", "a b c", 2 * 3 / 8),  # gaps
        ("c b a", "a b c", 1 / 3),  # in order only
        ("Very Positive!", "very positive", 1.0),
        ("negative", "positive", 0.0),
        ("Grün", "grün", 1.0),
        ("", "positive", 0.0),
        ("", "", 1.0),
        ("?", " ? ", 1.0),
        ("?", "!", 0.0),
    ],
)
def test_rouge_l(text, reference, value):
    assert rouge_l(text, reference) == pytest.approx(value, abs=1e-12)
    assert rouge_l(reference, text) == rouge_l(text, reference)
