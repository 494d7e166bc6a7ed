"""Rules of mining: each equation by hand, each guard by what it leaves out, and no rule depends on its blocks."""

import numpy as np
import pytest

from instructvec.errors import ConfigError, InputError
from instructvec.medi.mining import (
    Mined,
    class_label_triplets,
    crossed_label_triplets,
    hard_negatives,
    label_agreement,
    labelled_triplets,
    other_goal_triplets,
    shared_texts,
    text_output_triplets,
    wrong_instructions,
)
from instructvec.medi.mining.retrieval import clusters

NONE = -1
PAPER = {
    "min_output_cosine": -1,
    "min_output_lift": -np.inf,
    "output_slack": 2,
    "output_gap": -2,
    "duplicate_cosine": 2,
}


def at(*degrees):
    """Unit vectors of the plane; cosines are those of differences of angles."""
    angles = np.deg2rad(np.float64(degrees))
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def unit(n, d=8, seed=0, dtype=np.float32):
    values = np.random.default_rng(seed).standard_normal((n, d))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(dtype)


def cos(degrees):
    return float(np.cos(np.deg2rad(degrees)))


def rows(mined):
    return list(zip(mined.anchors.tolist(), mined.positives.tolist(), mined.negatives.tolist(), strict=True))


def same(a, b):
    for one, other in zip(a[:3], b[:3], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(a.margins, b.margins, atol=1e-6)
    assert (a.dropped, a.without_negative) == (b.dropped, b.without_negative)


def triplets_of(anchors, positives):
    anchors, positives = np.array(anchors, np.int64), np.array(positives, np.int64)
    return Mined(anchors, positives, np.full(len(anchors), NONE), np.zeros(len(anchors), np.float32), {}, {})


# Every rule that takes vectors, on the same texts.
TEXTS, OTHERS = unit(40, seed=1), unit(40, seed=2)
TWO, FOUR = np.arange(40) % 2, np.arange(40) // 10
RULES = {
    "class": lambda **kw: class_label_triplets(TEXTS, FOUR, **kw),
    "text_output": lambda **kw: text_output_triplets(
        TEXTS, OTHERS, min_output_cosine=0.3, min_output_lift=0, **kw
    ),
    "labelled": lambda **kw: labelled_triplets(TEXTS, TWO, min_agreement=-0.2, min_mean_agreement=-np.inf, **kw),
    "mined": lambda **kw: hard_negatives(TEXTS, OTHERS, np.arange(40), depth=30, **kw),
    "crossed": lambda **kw: crossed_label_triplets(TEXTS, TWO, FOUR, **kw).a,
}


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_blocks_change_nothing(rule):
    whole = rule()
    assert len(whole.anchors) > 5
    for block_rows in (1, 7, 40):
        same(rule(block_rows=block_rows), whole)


@pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
def test_numbers_are_of_the_documented_types_and_anchors_ascend(rule):
    mined = rule()
    assert [part.dtype for part in mined[:4]] == [np.int64, np.int64, np.int64, np.float32]
    assert (np.diff(mined.anchors) > 0).all()
    assert len(mined.anchors) + sum(mined.dropped.values()) == 40
    assert (mined.positives >= 0).all()
    assert (mined.negatives == NONE).sum() == sum(mined.without_negative.values())
    np.testing.assert_array_equal(np.isinf(mined.margins), mined.negatives == NONE)


def test_a_permutation_of_the_texts_permutes_the_triplets():
    order = np.random.default_rng(3).permutation(40)
    for plain, permuted in (
        (class_label_triplets(TEXTS, FOUR), class_label_triplets(TEXTS[order], FOUR[order])),
        (labelled_triplets(TEXTS, TWO), labelled_triplets(TEXTS[order], TWO[order])),
        (text_output_triplets(TEXTS, OTHERS), text_output_triplets(TEXTS[order], OTHERS[order])),
    ):
        back = [np.where(part == NONE, NONE, order[part]) for part in permuted[:3]]
        assert sorted(zip(*(part.tolist() for part in back), strict=True)) == rows(plain)


RULES_OF_N = {
    "class": lambda x: class_label_triplets(x, ["a"] * len(x)),
    "text_output": lambda x: text_output_triplets(x, x),
    "labelled": lambda x: labelled_triplets(x, ["a"] * len(x)),
    "mined": lambda x: hard_negatives(x, x, np.arange(len(x))),
    "mined both ways": lambda x: hard_negatives(x, x, np.arange(len(x)), symmetric=True),
    "crossed": lambda x: crossed_label_triplets(x, ["a"] * len(x), ["b"] * len(x)).b,
    "other_goal": lambda x: other_goal_triplets(triplets_of([], []), triplets_of([], []), x).a,
}


@pytest.mark.parametrize("rule", RULES_OF_N.values(), ids=RULES_OF_N)
def test_no_texts_give_no_triplets(rule):
    mined = rule(np.empty((0, 8), np.float32))
    assert [len(part) for part in mined] == [0] * 6


@pytest.mark.parametrize("rule", RULES_OF_N.values(), ids=RULES_OF_N)
@pytest.mark.parametrize("n", [1, 30])
def test_equal_texts_give_no_negative(rule, n):
    assert (rule(np.tile(unit(1), (n, 1))).negatives == NONE).all()


@pytest.mark.parametrize("rule", RULES_OF_N.values(), ids=RULES_OF_N)
def test_a_row_that_is_not_finite_is_named(rule):
    vectors = unit(6)
    vectors[4, 0] = np.nan
    with pytest.raises(InputError, match=r"row 4 of \w+ has NaN or infinite components"):
        rule(vectors)


# Class labels


def test_class_labels_take_the_nearest_of_the_same_and_of_another_label():
    mined = class_label_triplets(at(0, 20, 50, 90, 105), ["yes", "no", "yes", "yes", "no"])
    # From 0: yes at 50 and 90, no at 20 and 105. From 20: no at 105; yes at 0 (20) before 50 (30). And so on.
    assert rows(mined) == [(0, 2, 1), (1, 4, 0), (2, 3, 1), (3, 2, 4), (4, 1, 3)]
    degrees = [(50, 20), (85, 20), (40, 30), (40, 15), (85, 15)]
    expected = [cos(near) - cos(other) for near, other in degrees]
    np.testing.assert_allclose(mined.margins, expected, atol=1e-6)
    assert mined.dropped == mined.without_negative == {}


def test_class_labels_count_what_gives_no_triplet():
    mined = class_label_triplets(at(0, 1, 40, 80), ["a", "a", "b", None])
    assert rows(mined) == []  # a's two texts are one degree apart: the same text
    assert mined.dropped == {
        "label not known": 1,
        "no other text of its label": 1,
        "all texts of its label are the same": 2,
    }


def test_one_label_gives_positives_without_negatives():
    mined = class_label_triplets(at(0, 30, 70), [1, 1, 1])
    assert rows(mined) == [(0, 1, NONE), (1, 0, NONE), (2, 1, NONE)]
    assert np.isposinf(mined.margins).all()
    assert mined.without_negative == {"no text of another label": 3}


def test_the_same_text_under_another_label_is_no_negative():
    degrees, labels = at(0, 1, 30, 60), ["a", "b", "b", "a"]
    assert rows(class_label_triplets(degrees, labels))[0] == (0, 3, 2)
    assert rows(class_label_triplets(degrees, labels, duplicate_cosine=2))[0] == (0, 3, 1)


def test_labels_of_any_type_are_compared_by_type_and_value():
    assert rows(class_label_triplets(at(0, 30, 60, 90), [1, "1", 1, "1"])) == [
        (0, 2, 1),
        (1, 3, 0),
        (2, 0, 1),
        (3, 1, 2),
    ]


# Text outputs


def test_text_outputs_follow_the_paper_equations_where_nothing_guards():
    x, y = unit(30, seed=4, dtype=np.float64), unit(30, 5, seed=5, dtype=np.float64)
    mined = text_output_triplets(x, y, **PAPER)
    s_pos = -(x @ x.T) + y @ y.T
    s_neg = -s_pos
    np.fill_diagonal(s_pos, -np.inf)
    np.fill_diagonal(s_neg, -np.inf)
    np.testing.assert_array_equal(mined.anchors, np.arange(30))
    np.testing.assert_array_equal(mined.positives, s_pos.argmax(axis=1))
    np.testing.assert_array_equal(mined.negatives, s_neg.argmax(axis=1))
    np.testing.assert_allclose(mined.margins, s_pos.max(axis=1) + s_neg.max(axis=1), atol=1e-6)


def test_text_outputs_by_hand():
    # Anchor 0: outputs at 0, 10 and 20 degrees are like its own, at 100 and 120 not.
    x, y = at(0, 40, 70, 15, 60), at(0, 10, 20, 100, 120)
    mined = text_output_triplets(x, y, min_output_lift=-np.inf)
    # s_pos: 1: cos 10 - cos 40, 2: cos 20 - cos 70; s_neg: 3: cos 15 - cos 100, 4: cos 60 - cos 120
    assert rows(mined)[0] == (0, 2, 3)
    assert mined.margins[0] == pytest.approx(cos(20) - cos(70) + cos(15) - cos(100), abs=1e-6)


def test_an_output_that_is_like_no_other_gives_no_positive():
    mined = text_output_triplets(at(0, 90, 45), at(0, 80, 85), min_output_lift=-np.inf)
    assert mined.anchors.tolist() == [1, 2]
    assert mined.dropped == {"no other input with a like output": 1}


def test_outputs_that_are_all_alike_must_be_more_alike_than_the_mean():
    x, y = at(0, 60, 90, 120), at(0, 25, 30, 35)
    # Anchor 0: mean 0.863, floor 0.863 + 0.5 * 0.137 = 0.931: none is as like. Anchor 1:  0.963, floor 0.982.
    assert text_output_triplets(x, y).anchors.tolist() == [1, 2, 3]
    assert text_output_triplets(x, y, min_output_lift=-np.inf).anchors.tolist() == [0, 1, 2, 3]


def test_the_least_cosine_of_outputs_may_differ_by_anchor():
    x, y = at(0, 60, 90), at(0, 40, 80)
    strict = text_output_triplets(x, y, min_output_cosine=np.array([0.9, 0.6, 0.6]), min_output_lift=-np.inf)
    assert strict.anchors.tolist() == [1, 2]


def test_a_positive_is_among_the_likest_outputs():
    x, y = at(0, 30, 80), at(0, 0, 40)
    assert rows(text_output_triplets(x, y, min_output_lift=-np.inf))[0][1] == 1
    assert rows(text_output_triplets(x, y, min_output_lift=-np.inf, output_slack=0.5))[0][1] == 2


def test_outputs_that_only_match_when_equal_are_not_compared_by_cosine():
    x, y = at(0, 50, 80, 20), at(0, 5, 0, 90)
    plain = text_output_triplets(x, y, min_output_lift=-np.inf, output_slack=0.2)
    exact = text_output_triplets(x, y, min_output_lift=-np.inf, only_equal=[1995, 1996, 1995, -1])
    assert rows(plain) == [(0, 2, 3), (1, 0, 3), (2, 0, 3)]
    assert rows(exact) == [(0, 2, 3), (2, 0, 3)]
    alone = text_output_triplets(x[:3], y[:3], min_output_lift=-np.inf, only_equal=[1995, 1996, 1995])
    assert rows(alone) == [(0, 2, 1), (2, 0, 1)]  # 1996 is another output, five degrees away


def test_the_negative_is_less_alike_by_the_gap():
    x, y = at(0, 80, 10, 30), at(0, 0, 55, 90)
    assert rows(text_output_triplets(x, y, min_output_lift=-np.inf, output_gap=0.5))[0] == (0, 1, 3)
    narrow = text_output_triplets(x, y, min_output_lift=-np.inf, output_gap=1.5)
    assert rows(narrow)[0] == (0, 1, NONE)
    assert narrow.without_negative == {"no input with another output": len(narrow.anchors)}


def test_the_same_input_with_another_output_is_no_negative():
    x, y = at(0, 80, 1, 30), at(0, 0, 90, 90)
    assert rows(text_output_triplets(x, y))[0] == (0, 1, 3)
    assert rows(text_output_triplets(x, y, duplicate_cosine=2))[0] == (0, 1, 2)


def test_positives_below_the_least_score_are_counted():
    mined = text_output_triplets(at(0, 10, 90), at(0, 20, 180), min_output_lift=-np.inf, min_positive_score=0)
    assert mined.dropped == {"no other input with a like output": 1, "s_pos below 0": 2}


# Labelled sets


def test_agreement_is_the_share_of_neighbours_with_the_label_above_chance():
    x = at(0, 1, 3, 40, 41, 43)
    agreement = label_agreement(x, ["a", "a", "b", "b", "b", "b"], n_neighbours=2)
    # a: 1 of the other 5 has it, b: 3 of 5. Row 0: {1, 2} is half a; row 2: {0, 1} is none b; row 3: {4, 5} all.
    expected = [(0.5 - 0.2) / 0.8, (0.5 - 0.2) / 0.8, (0 - 0.6) / 0.4, 1, 1, 1]
    np.testing.assert_allclose(agreement, expected, atol=1e-6)


def test_agreement_of_one_label_is_none_and_of_no_label_not_known():
    np.testing.assert_array_equal(label_agreement(at(0, 30, 60), ["a", "a", None]), [0, 0, np.nan])


@pytest.mark.parametrize(("quantile", "positive"), [(0, 4), (0.25, 3), (0.5, 2), (1, 1)])
def test_labelled_positives_are_drawn_at_a_quantile_from_the_farthest(quantile, positive):
    x = at(0, 15, 30, 50, 70, 80, 100)
    mined = labelled_triplets(x, ["a"] * 5 + ["b"] * 2, far_quantile=quantile, min_agreement=-np.inf)
    # Of the four others of the label, the 3 * quantile-th, rounded, from the farthest up.
    assert rows(mined)[0] == (0, positive, 5)
    assert mined.margins[0] == pytest.approx(cos([0, 15, 30, 50, 70][positive]) - cos(80), abs=1e-6)


def test_texts_whose_label_their_neighbours_contradict_take_no_part():
    # Row 3 says a among b's.
    x, labels = at(0, 14, 28, 95, 82, 108, 122), ["a", "a", "a", "a", "b", "b", "b"]
    guarded = labelled_triplets(x, labels, far_quantile=0, n_neighbours=2)
    assert guarded.dropped == {"its label cannot be told from its neighbours": 1}
    assert rows(guarded)[0] == (0, 2, 4)
    assert rows(guarded)[3] == (4, 6, 2)
    trusting = labelled_triplets(x, labels, far_quantile=0, min_agreement=-np.inf)
    assert rows(trusting)[0] == (0, 3, 4)
    assert (4, 6, 3) in rows(trusting)


def test_neighbours_that_never_agree_are_not_asked():
    x = at(0, 12, 24, 36, 48, 60, 72, 84)  # each between two of the other label
    mined = labelled_triplets(x, [0, 1] * 4, n_neighbours=2)
    assert len(mined.anchors) == 8
    asked = labelled_triplets(x, [0, 1] * 4, n_neighbours=2, min_mean_agreement=-np.inf)
    # At both ends one of the two neighbours agrees, which is above chance, 3 of 7; but no other text of the label.
    assert asked.dropped == {
        "its label cannot be told from its neighbours": 6,
        "no other text of its label is clear and not the same": 2,
    }


def test_labelled_negatives_that_are_the_same_text_are_skipped():
    x, labels = at(0, 30, 1, 50), ["a", "a", "b", "b"]
    options = {"min_agreement": -np.inf, "far_quantile": 0}
    assert rows(labelled_triplets(x, labels, **options))[0] == (0, 1, 3)
    assert rows(labelled_triplets(x, labels, duplicate_cosine=2, **options))[0] == (0, 1, 2)


def test_a_negative_beyond_the_list_of_neighbours_is_found():
    n_near = 80  # more of the same label than the list holds
    degrees = [*np.linspace(0, 60, n_near), 100, 130]
    mined = labelled_triplets(at(*degrees), ["a"] * n_near + ["b"] * 2)
    assert rows(mined)[0][2] == n_near


def test_labelled_sets_count_what_gives_no_triplet():
    mined = labelled_triplets(at(0, 30, 60, 90), ["a", "a", "b", None], min_agreement=-np.inf)
    assert rows(mined) == [(0, 1, 2), (1, 0, 2)]
    assert mined.dropped == {"label not known": 1, "no other text of its label": 1}


# Pairs without negatives


def test_hard_negatives_are_the_best_below_both_ceilings():
    q, d = at(0), at(30, 10, 33, 45, 60)
    # The positive scores cos 30 = 0.866; 10 degrees is above it, 33 is 0.839, 45 is 0.707, 60 is 0.5.
    assert rows(hard_negatives(q, d, [0], relative_margin=1, duplicate_cosine=2)) == [(0, 0, 2)]
    assert rows(hard_negatives(q, d, [0], relative_margin=0.95)) == [(0, 0, 3)]  # up to 0.823
    found = hard_negatives(q, d, [0], margin=0.2, relative_margin=1)  # up to 0.666
    assert rows(found) == [(0, 0, 4)]
    assert found.margins[0] == pytest.approx(cos(30) - 0.5, abs=1e-6)


def test_below_zero_only_the_absolute_margin_counts():
    mined = hard_negatives(at(0), at(100, 101, 120), [0], relative_margin=0.5, margin=0.2)
    assert rows(mined) == [(0, 0, 2)]


def test_equal_texts_are_one_candidate_and_never_the_query_or_its_positives():
    q = at(0, 0, 0)
    d = at(15, 25, 40, 40, 55)
    # All three rows are one query with the positives 0, 1 and 4; documents 2 and 3 are its own text.
    ids = [7, 7, 7], [10, 11, 7, 7, 12]
    found = hard_negatives(q, d, [0, 1, 4], equal=ids)
    assert (found.negatives == NONE).all()
    assert found.without_negative == {"the 100 nearest are known matches": 3}
    other = hard_negatives(q, d, [0, 1, 4], equal=([7, 7, 7], [10, 11, 13, 13, 12]))
    assert rows(other) == [(0, 0, 2), (1, 1, 2), (2, 4, NONE)]  # the third's ceiling is below cos 40


def test_a_positive_of_another_query_is_a_candidate():
    mined = hard_negatives(at(0, 30), at(5, 50), [0, 1], equal=([1, 2], [3, 4]))
    assert rows(mined) == [(0, 0, 1), (1, 1, NONE)]


def test_depth_counts_distinct_texts():
    d = at(10, 60, 60, 60, 80)
    ids = [0], [1, 2, 2, 2, 3]
    assert rows(hard_negatives(at(0), d, [0], depth=2, equal=ids)) == [(0, 0, 1)]
    assert rows(hard_negatives(at(0), d, [0], depth=1, equal=ids)) == [(0, 0, NONE)]
    assert rows(hard_negatives(at(0), d, [0], skip=1, equal=ids)) == [(0, 0, 4)]


def test_a_pair_of_a_text_with_itself_is_left_out():
    mined = hard_negatives(at(0, 40), at(0, 60), [0, 1], equal=([1, 2], [1, 3]))
    assert mined.anchors.tolist() == [1]
    assert mined.dropped == {"the positive is the query's own text": 1}


def test_a_document_like_the_positive_in_all_but_form_is_passed_over():
    q, d = at(0), at(60, 62, 75)
    assert rows(hard_negatives(q, d, [0], relative_margin=0.95)) == [(0, 0, 2)]
    assert rows(hard_negatives(q, d, [0], relative_margin=0.95, duplicate_cosine=2)) == [(0, 0, 1)]


def test_in_a_symmetric_set_matches_chain():
    # Texts 1-2, 2-3 and 4-5 are pairs: 3 matches 1 by way of 2.
    a, b = at(0, 10, 50), at(10, 40, 55)
    documents, ids = np.vstack([a, b]), ([1, 2, 4], [1, 2, 4, 2, 3, 5])
    one_way = hard_negatives(a, documents, [3, 4, 5], equal=ids)
    assert rows(one_way)[0] == (0, 3, 4)
    both = hard_negatives(a, documents, [3, 4, 5], equal=ids, symmetric=True)
    assert rows(both)[0] == (0, 3, 2)


def test_a_long_chain_is_one_cluster():
    order = np.random.default_rng(0).permutation(500)
    left, right = clusters(order[:-1], order[1:])
    assert (left == 0).all()
    assert (right == 0).all()


def test_documents_without_a_pair_are_candidates_in_a_symmetric_set():
    mined = hard_negatives(at(0), at(20, 50), [0], equal=([5], [6, 99]), symmetric=True)
    assert rows(mined) == [(0, 0, 1)]


# Same text, other goal


def test_each_goal_takes_the_positive_of_the_other_as_negative():
    x = at(0, 20, 50, 90)
    found = other_goal_triplets(triplets_of([0, 3], [1, 2]), triplets_of([0], [2]), x)
    assert rows(found.a) == [(0, 1, 2)]
    assert rows(found.b) == [(0, 2, 1)]
    assert found.a.margins[0] == pytest.approx(cos(20) - cos(50), abs=1e-6)
    assert found.b.margins[0] == -found.a.margins[0]
    assert found.a.dropped == found.b.dropped == {"mined under one goal only": 1}


@pytest.mark.parametrize(
    ("b", "labels", "reason"),
    [
        (([0], [1]), {}, "the same positive under both goals"),
        (([0, 0], [2, 1]), {}, "one goal's positive also matches under the other"),
        (([0, 1], [2, 0]), {}, "one goal's positive also matches under the other"),
        (([0], [2]), {"labels_b": ["y", "y", None]}, "one goal's positive also matches under the other"),
        (([0], [2]), {"labels_a": ["y", None, "y"]}, "one goal's positive also matches under the other"),
    ],
)
def test_what_matches_under_both_goals_is_no_contrast(b, labels, reason):
    found = other_goal_triplets(triplets_of([0], [1]), triplets_of(*b), at(0, 20, 50), **labels)
    assert rows(found.a) == []
    assert found.a.dropped[reason] == 1


def test_labels_that_are_not_known_match_nothing():
    found = other_goal_triplets(
        triplets_of([0], [1]), triplets_of([0], [2]), at(0, 20, 50), labels_a=[None] * 3, labels_b=["y", None, "y"]
    )
    assert rows(found.a) == [(0, 1, 2)]


def test_positives_that_are_the_same_text_are_no_contrast():
    found = other_goal_triplets(triplets_of([0], [1]), triplets_of([0], [2]), at(0, 50, 51))
    assert found.b.dropped == {"the same positive under both goals": 1}


def test_triplets_beyond_the_vectors_are_refused():
    with pytest.raises(InputError, match="triplets of b point at rows 0 to 3, and there are 3 vectors"):
        other_goal_triplets(triplets_of([0], [1]), triplets_of([0], [3]), at(0, 20, 50))


def test_crossed_labels_agree_under_one_goal_and_differ_under_the_other():
    x = at(0, 15, 33, 50, 70, 90)
    topic, mood = ["t", "t", "t", "s", "s", "s"], ["joy", "joy", "fear", "joy", "fear", None]
    found = crossed_label_triplets(x, topic, mood, min_together=1)
    # 0: topic t and another mood: 2; joy and another topic: 3. 2 (t, fear): 1 (18) before 0 (33); 4.
    assert rows(found.a) == [(0, 2, 3), (1, 2, 3), (2, 1, 4), (3, 4, 1), (4, 3, 2)]
    assert rows(found.b) == [(x, v, u) for x, u, v in rows(found.a)]
    np.testing.assert_allclose(found.a.margins[0], cos(33) - cos(50), atol=1e-6)
    np.testing.assert_allclose(found.b.margins, -found.a.margins)
    assert found.a.dropped == {"not labelled under both goals": 1}


def test_labels_that_meet_too_seldom_take_no_part():
    x = at(0, 20, 30, 50, 70)
    topic, mood = ["t", "t", "t", "t", "s"], ["joy", "joy", "fear", "fear", "joy"]
    found = crossed_label_triplets(x, topic, mood, min_together=2)
    assert found.a.dropped == {
        "its two labels meet in fewer than 2 texts": 1,
        "no text with the same second label and another first": 4,
    }


def test_label_sets_that_part_the_texts_alike_give_no_contrast():
    found = crossed_label_triplets(TEXTS, FOUR, [f"label {label}" for label in FOUR])
    assert found.a.dropped == {"no text with the same first label and another second": 40}


# Shared texts


def test_shared_texts_are_all_pairs_of_datasets_with_their_first_rows():
    rng = np.random.default_rng(0)
    ids = {name: rng.integers(0, 60, 80) for name in "abcd"} | {"e": np.array([1000])}
    found = {(one.dataset_a, one.dataset_b): one for one in shared_texts(ids, min_shared=1)}
    expected = {(a, b): np.intersect1d(ids[a], ids[b]) for a in ids for b in ids if a < b}
    assert set(found) == {pair for pair, texts in expected.items() if len(texts)}
    for (a, b), one in found.items():
        np.testing.assert_array_equal(np.sort(ids[a][one.rows_a]), expected[a, b])
        np.testing.assert_array_equal(ids[a][one.rows_a], ids[b][one.rows_b])
        assert all(list(ids[b]).index(ids[b][row]) == row for row in one.rows_b)


def test_pairs_that_share_most_come_first_and_few_are_enough():
    ids = {"a": range(10), "b": range(4), "c": range(2, 10)}
    found = shared_texts({name: np.array(some) for name, some in ids.items()}, min_shared=3)
    assert [(one.dataset_a, one.dataset_b, len(one.rows_a)) for one in found] == [("a", "c", 8), ("a", "b", 4)]
    assert len(shared_texts({name: np.array(some) for name, some in ids.items()}, min_shared=1, max_pairs=1)) == 1


@pytest.mark.parametrize("ids", [{}, {"a": []}, {"a": [1], "b": []}, {"a": [1, 1, 1]}])
def test_nothing_shared_gives_no_pairs(ids):
    assert shared_texts({name: np.array(some, np.int64) for name, some in ids.items()}, min_shared=1) == []


def test_ids_that_are_no_whole_numbers_are_refused():
    with pytest.raises(InputError, match=r"ids of 'a' are float64 of shape \(2,\)"):
        shared_texts({"a": np.array([0.5, 1.5])})


# Wrong instructions


def test_wrong_instructions_have_another_objective_and_the_same_text_type_where_there_is_one():
    types = ["tweet", "tweet", "tweet", "recipe", "recipe"]
    objectives = ["mood", "mood", "irony", "dish", "dish"]
    datasets = np.repeat(np.arange(5), 200)
    wrong = wrong_instructions(datasets, types, objectives, rng=np.random.default_rng(0), share=1)
    drawn = [set(wrong[datasets == dataset]) for dataset in range(5)]
    assert drawn == [{2}, {2}, {0, 1}, {0, 1, 2}, {0, 1, 2}]
    strict = wrong_instructions(
        datasets, types, objectives, rng=np.random.default_rng(0), share=1, same_text_type_only=True
    )
    assert (strict[datasets >= 3] == NONE).all()


def test_a_share_of_the_triplets_gets_one_by_the_seed():
    def draw(seed):
        rng = np.random.default_rng(seed)
        return wrong_instructions(np.zeros(1000, np.int64), ["t"] * 3, list("abc"), rng=rng, share=0.1)

    assert (draw(1) != NONE).sum() == 100
    np.testing.assert_array_equal(draw(1), draw(1))
    assert (draw(1) != draw(2)).any()


def test_without_another_objective_there_is_no_wrong_instruction():
    rng = np.random.default_rng(0)
    assert wrong_instructions([0, 1], ["t", "u"], ["a", "a"], rng=rng, share=1).tolist() == [NONE, NONE]
    assert wrong_instructions(np.empty(0, np.int64), [], [], rng=rng).tolist() == []


# Refusals


X = at(0, 30, 60)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: class_label_triplets(X, ["a"]), InputError, "1 labels for 3 vectors"),
        (
            lambda: class_label_triplets(X, list("abc"), duplicate_cosine=np.nan),
            ConfigError,
            "duplicate_cosine=nan",
        ),
        (lambda: class_label_triplets(X, np.zeros((3, 1))), InputError, r"labels of shape \(3, 1\)"),
        (lambda: class_label_triplets(X, "abc"), InputError, r"labels of shape \(\)"),
        (lambda: text_output_triplets(X, X[:2]), InputError, "3 inputs and 2 outputs"),
        (lambda: text_output_triplets(X, X, output_gap=3), ConfigError, "output_gap=3"),
        (lambda: text_output_triplets(X, X, min_output_lift=2), ConfigError, "min_output_lift=2"),
        (lambda: text_output_triplets(X, X, min_output_cosine=np.ones(2)), InputError, "one for each of 3 rows"),
        (lambda: text_output_triplets(X, X, min_output_cosine=np.nan), ConfigError, "min_output_cosine=nan"),
        (lambda: text_output_triplets(X, X, only_equal=[1]), InputError, "only_equal are int64 of shape"),
        (
            lambda: labelled_triplets(X, list("aab"), far_quantile=1.5),
            ConfigError,
            "far_quantile=1.5; expected a share",
        ),
        (lambda: labelled_triplets(X, list("aab"), n_neighbours=0), ConfigError, "n_neighbours=0"),
        (lambda: labelled_triplets(X, list("aab"), min_agreement=np.nan), ConfigError, "min_agreement=nan"),
        (lambda: label_agreement(X, list("aab"), n_neighbours=0), ConfigError, "n_neighbours=0"),
        (lambda: hard_negatives(X, X, [0, 1, 3]), InputError, r"positives\[2\] is 3, and there are 3 documents"),
        (lambda: hard_negatives(X, X, [0, 1]), InputError, "positives are int64 of shape"),
        (lambda: hard_negatives(X, X, [0, 1, 2], equal=([1], [2])), InputError, "the ids of the queries' texts"),
        (lambda: hard_negatives(X, X, [0, 1, 2], margin=-1), ConfigError, "margin=-1"),
        (lambda: hard_negatives(X, X, [0, 1, 2], relative_margin=0), ConfigError, "relative_margin=0"),
        (lambda: hard_negatives(X, X, [0, 1, 2], depth=0), ConfigError, "depth=0"),
        (lambda: hard_negatives(X, X, [0, 1, 2], skip=-1), ConfigError, "skip=-1"),
        (lambda: crossed_label_triplets(X, list("aab"), list("ab")), InputError, "2 labels_b for 3 vectors"),
        (
            lambda: crossed_label_triplets(X, list("aab"), list("abb"), min_together=0),
            ConfigError,
            "min_together=0",
        ),
        (lambda: shared_texts({}, min_shared=0), ConfigError, "min_shared=0"),
        (lambda: shared_texts({}, max_pairs=0), ConfigError, "max_pairs=0"),
    ],
)
def test_what_cannot_be_used_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()


@pytest.mark.parametrize(
    ("datasets", "types", "options", "error", "message"),
    [
        ([0, 2], ["t", "t"], {}, InputError, "datasets go from 0 to 2, and 2 text types"),
        ([0], ["t"], {}, InputError, "1 text types and 2 objectives"),
        ([0], ["t", "t"], {"share": 1.5}, ConfigError, "share=1.5; expected a share"),
    ],
)
def test_wrong_instructions_refuse_what_is_no_dataset(datasets, types, options, error, message):
    with pytest.raises(error, match=message):
        wrong_instructions(datasets, types, ["a", "b"], rng=np.random.default_rng(0), **options)
