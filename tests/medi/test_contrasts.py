"""Same text, other goal: which datasets may be contrasted, and rows in pairs that only their goal tells apart."""

import numpy as np
import pyarrow as pa
import pytest

from instructvec.medi.config import MiningOptions
from instructvec.medi.contrasts import Side, contrast, may_contrast, text_ids
from instructvec.medi.mine import mine
from instructvec.medi.mining import shared_texts
from instructvec.medi.registry import Dataset, Source
from instructvec.medi.vectors import TextVectors
from tests.evaluation.fake import FakeEncoder


def entry(name="a", kind="pair", *, symmetric=True, document_type=None, instruction=None):
    return Dataset(
        name,
        kind,
        "MIT",
        instruction or f"Represent the text for {name}: ",
        Source(file="x"),
        symmetric=symmetric,
        document_type=document_type,
        document_instruction=None if symmetric else "Represent the document: ",
    )


LABELS, OTHER_LABELS = entry("mood", "label"), entry("topic", "label")
TASK = entry("task", "superni")
SYMMETRIC, ALSO_SYMMETRIC = entry("paraphrases"), entry("also paraphrases".replace(" ", "_"))
ANSWERS = entry("answers", symmetric=False, document_type="answer")
OTHER_ANSWERS = entry("more_answers", symmetric=False, document_type="answer")
SUMMARIES = entry("summaries", symmetric=False, document_type="summary")


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (LABELS, OTHER_LABELS, True),
        (LABELS, entry("mood_too", "label", instruction=LABELS.instruction), False),
        (LABELS, SYMMETRIC, False),
        (TASK, ANSWERS, False),
        (TASK, LABELS, True),
        (SYMMETRIC, ALSO_SYMMETRIC, False),
        (SYMMETRIC, ANSWERS, True),
        (ANSWERS, OTHER_ANSWERS, False),
        (ANSWERS, SUMMARIES, True),
        (ANSWERS, entry("t", "triplet", symmetric=False, document_type="summary"), True),
    ],
)
def test_goals_contrast_that_differ_by_more_than_their_source(a, b, expected):
    assert may_contrast(a, b) is expected
    assert may_contrast(b, a) is expected


@pytest.fixture
def vectors_of():
    return TextVectors(FakeEncoder())


def rows_of(first, second):
    return pa.table(
        {"first": first, "second": second, "others": pa.array([[]] * len(first), pa.list_(pa.string()))}
    )


def side(one, first, second, vectors_of):
    rows = rows_of(first, second)
    return Side(one, rows, mine(one, rows, vectors_of, MiningOptions()).table)


def contrasted(a, b, vectors_of, *, limit=1000, seed=0):
    ids = {"a": text_ids(a.rows), "b": text_ids(b.rows)}
    [shared] = shared_texts(ids, min_shared=1)
    return contrast(a, b, shared, vectors_of, limit=limit, rng=np.random.default_rng(seed))


def rows(table):
    return [tuple(row.values()) for row in table.to_pylist()]


def check_counterparts(found):
    """Row k of both has one anchor and one group; positive and negative change places."""
    assert found.a.num_rows == found.b.num_rows > 0
    assert found.facts["rows"] == 2 * found.a.num_rows
    groups = []
    for a, b in zip(rows(found.a), rows(found.b), strict=True):
        (query, positive, negative, rule, group, _) = a
        assert b[:-1] == (query, negative, positive, rule, group)
        assert rule == "other_goal"
        assert len({query, positive, negative}) == 3
        groups.append(group)
    assert len(set(groups)) == len(groups)


# A mood and a topic for each text, every pair of which meets often enough to be no mistake.
TEXTS = [
    f"{mood} {mood} {topic} {topic} number {n}"
    for n in range(6)
    for mood in ("glad", "sad")
    for topic in ("ball", "soup")
]
MOOD = {text: text.split()[0] for text in TEXTS}
TOPIC = {text: text.split()[2] for text in TEXTS}


def test_two_label_sets_agree_under_one_goal_and_differ_under_the_other(vectors_of):
    a = side(LABELS, TEXTS, [MOOD[text] for text in TEXTS], vectors_of)
    b = side(OTHER_LABELS, TEXTS[::-1], [TOPIC[text] for text in TEXTS[::-1]], vectors_of)
    found = contrasted(a, b, vectors_of)
    check_counterparts(found)
    assert found.facts["shared"] == found.a.num_rows == 24
    for query, positive, negative, *_ in rows(found.a):
        assert MOOD[query] == MOOD[positive] != MOOD[negative]
        assert TOPIC[query] == TOPIC[negative] != TOPIC[positive]


def test_class_task_counts_as_a_label_set(vectors_of):
    a = side(TASK, TEXTS, [MOOD[text] for text in TEXTS], vectors_of)
    b = side(LABELS, TEXTS, [TOPIC[text] for text in TEXTS], vectors_of)
    assert a.has_labels and b.has_labels
    check_counterparts(contrasted(a, b, vectors_of))


def test_label_sets_that_part_the_texts_alike_give_nothing(vectors_of):
    a = side(LABELS, TEXTS, [MOOD[text] for text in TEXTS], vectors_of)
    b = side(OTHER_LABELS, TEXTS, [MOOD[text].upper() for text in TEXTS], vectors_of)
    found = contrasted(a, b, vectors_of)
    assert found.a.num_rows == found.b.num_rows == found.facts["rows"] == 0
    assert sum(found.facts["without_triplet"].values()) == 24


def test_only_shared_texts_are_anchors(vectors_of):
    a = side(LABELS, TEXTS, [MOOD[text] for text in TEXTS], vectors_of)
    some = [text for text in TEXTS if not text.endswith("5")]
    b = side(OTHER_LABELS, [*some, "one more"], [*(TOPIC[text] for text in some), "ball"], vectors_of)
    found = contrasted(a, b, vectors_of)
    assert found.facts["shared"] == 20
    assert set(found.a.column("query").to_pylist()) <= set(some)


QUESTIONS = [
    f"who sang the {word} song in year {n}" for n, word in enumerate(["old", "new", "sad", "red", "big", "odd"])
]
ANSWER_OF = [f"it was {name} of {name} town" for name in ("ann", "bob", "cid", "dan", "eve", "fay")]
SUMMARY_OF = [f"a {word} song" for word in ("old", "new", "sad", "red", "big", "odd")]


def test_two_sets_of_pairs_take_each_others_positives(vectors_of):
    a = side(ANSWERS, QUESTIONS, ANSWER_OF, vectors_of)
    b = side(SUMMARIES, QUESTIONS[::-1], SUMMARY_OF[::-1], vectors_of)
    found = contrasted(a, b, vectors_of)
    check_counterparts(found)
    expected = list(zip(QUESTIONS, ANSWER_OF, SUMMARY_OF, strict=True))
    assert sorted(row[:3] for row in rows(found.a)) == sorted(expected)
    assert set(found.a.column("group").to_pylist()) == {f"answers|summaries|{at}" for at in range(6)}


def test_labels_and_pairs_take_each_others_positives(vectors_of):
    pairs = [f"what became of {text}" for text in TEXTS]
    a = side(LABELS, TEXTS, [MOOD[text] for text in TEXTS], vectors_of)
    b = side(ANSWERS, TEXTS, pairs, vectors_of)
    found = contrasted(a, b, vectors_of)
    check_counterparts(found)
    for query, positive, negative, *_ in rows(found.a):
        assert MOOD[query] == MOOD[positive]
        assert negative == f"what became of {query}"


def test_positive_that_also_matches_under_the_other_goal_is_left_out(vectors_of):
    """A paraphrase that has the anchor's own label cannot be a negative under the labels."""
    partner = TEXTS[4:] + TEXTS[:4]  # of the same mood and topic, and so of the same label
    a = side(LABELS, TEXTS, [MOOD[text] for text in TEXTS], vectors_of)
    b = side(SYMMETRIC, TEXTS, partner, vectors_of)
    found = contrasted(a, b, vectors_of)
    assert found.a.num_rows == 0
    reasons = found.facts["without_triplet"]
    assert sum(reasons.values()) >= 24
    assert "one goal's positive also matches under the other" in reasons


def test_same_positive_under_both_goals_is_left_out(vectors_of):
    a = side(ANSWERS, QUESTIONS, ANSWER_OF, vectors_of)
    b = side(SUMMARIES, QUESTIONS, [*SUMMARY_OF[:3], *ANSWER_OF[3:]], vectors_of)
    found = contrasted(a, b, vectors_of)
    assert found.a.num_rows == 3
    assert found.facts["without_triplet"] == {"the same positive under both goals": 3}


def test_text_mined_under_one_goal_only_gives_nothing(vectors_of):
    a = side(ANSWERS, QUESTIONS, ANSWER_OF, vectors_of)
    b = side(SUMMARIES, QUESTIONS, SUMMARY_OF, vectors_of)
    b = b._replace(mined=b.mined.slice(2))
    found = contrasted(a, b, vectors_of)
    assert sorted(found.a.column("query").to_pylist()) == sorted(QUESTIONS[2:])
    none = contrasted(a, b._replace(mined=b.mined.slice(0, 0)), vectors_of)
    assert none.a.num_rows == none.b.num_rows == 0
    both = contrasted(a._replace(mined=a.mined.slice(0, 0)), b._replace(mined=b.mined.slice(0, 0)), vectors_of)
    assert both.facts == {"shared": 6, "rows": 0, "without_triplet": {}}


def test_limit_is_a_draw_by_the_seed_and_keeps_counterparts(vectors_of):
    a = side(LABELS, TEXTS, [MOOD[text] for text in TEXTS], vectors_of)
    b = side(OTHER_LABELS, TEXTS, [TOPIC[text] for text in TEXTS], vectors_of)
    found = contrasted(a, b, vectors_of, limit=5)
    check_counterparts(found)
    assert found.a.num_rows == 5
    assert contrasted(a, b, vectors_of, limit=5).a == found.a
    assert any(contrasted(a, b, vectors_of, limit=5, seed=seed).a != found.a for seed in (1, 2, 3))


def test_of_many_shared_texts_some_are_looked_at(vectors_of, monkeypatch):
    monkeypatch.setattr("instructvec.medi.contrasts.MAX_TEXTS", 4)
    a = side(ANSWERS, QUESTIONS, ANSWER_OF, vectors_of)
    b = side(SUMMARIES, QUESTIONS, SUMMARY_OF, vectors_of)
    found = contrasted(a, b, vectors_of)
    assert (found.facts["shared"], found.a.num_rows) == (6, 4)
