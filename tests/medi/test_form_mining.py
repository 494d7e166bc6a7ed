"""Form against subject: the rule equals plain loops, and depends on nothing but texts, forms and the draw."""

from collections import Counter

import numpy as np
import pytest

from instructvec.errors import ConfigError, InputError
from instructvec.medi.mining import form_subject_triplets

NEAR, FAR, FAR_OTHER = 0.42, 0.25, 0.3


def made(n=240, d=10, n_subjects=9, n_forms=5, seed=0, dtype=np.float32):
    """Texts around the direction of their subject, moved a little by their form; and their forms."""
    rng = np.random.default_rng(seed)
    subjects, forms = rng.standard_normal((n_subjects, d)), rng.standard_normal((n_forms, d))
    of = rng.integers(n_forms, size=n)
    values = subjects[rng.integers(n_subjects, size=n)] + 0.4 * forms[of] + 0.6 * rng.standard_normal((n, d))
    return (values / np.linalg.norm(values, axis=1, keepdims=True)).astype(dtype), [f"form {at}" for at in of]


def found(vectors, forms, *, seed=7, **options):
    return form_subject_triplets(vectors, forms, rng=np.random.default_rng(seed), **options)


def rows(mined):
    return list(zip(mined.anchors.tolist(), mined.positives.tolist(), mined.negatives.tolist(), strict=True))


def by_loops(vectors, forms, seed, *, n_near=8, duplicate=0.98, limit=None):
    """The equations, a text at a time: anchor, text of its form, text of its subject."""
    rng = np.random.default_rng(seed)
    n = len(vectors)
    order, draws = rng.permutation(n), rng.random((n, 2))
    cos = [[float(np.dot(one, other)) for other in vectors] for one in vectors]
    triplets = []
    for x in order.tolist():
        others = sorted((j for j in range(n) if forms[j] != forms[x]), key=lambda j: -cos[x][j])
        near = [j for j in others[:n_near] if NEAR <= cos[x][j] < duplicate]
        if not near:
            continue
        z = near[int(draws[x, 0] * len(near))]
        own = [j for j in range(n) if forms[j] == forms[x]]
        far = [j for j in own if cos[x][j] < FAR and cos[z][j] < FAR_OTHER]
        if not far:
            continue
        triplets.append((x, far[int(draws[x, 1] * len(far))], z))
        if len(triplets) == limit:
            break
    return sorted(triplets)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("options", [{}, {"n_near": 1}, {"n_near": 60}, {"limit": 25}, {"limit": 1}], ids=str)
def test_the_rule_is_that_of_plain_loops(seed, options):
    vectors, forms = made(seed=seed)
    expected = by_loops(vectors, forms, seed, **options)
    contrast = found(vectors, forms, seed=seed, **options)
    assert rows(contrast.a) == expected
    assert rows(contrast.b) == [(x, z, y) for x, y, z in expected]
    assert len(expected) > 100 or options.get("limit") == len(expected)


def test_one_text_of_the_form_and_one_of_the_subject_swap_with_the_goal():
    vectors, forms = made()
    contrast = found(vectors, forms)
    cos = vectors @ vectors.T
    for (x, y, z), (again, same_subject, same_form) in zip(rows(contrast.a), rows(contrast.b), strict=True):
        assert (again, same_subject, same_form) == (x, z, y)
        assert forms[x] == forms[y] != forms[z]
        assert cos[x, z] >= NEAR and cos[x, y] < FAR and cos[z, y] < FAR_OTHER
    np.testing.assert_allclose(contrast.a.margins, -contrast.b.margins)
    assert (contrast.a.margins < 0).all()


def test_every_anchor_gives_triplets_or_is_counted():
    vectors, forms = made(n=300, d=30, n_subjects=200)
    contrast = found(vectors, forms)
    assert len(contrast.a.anchors) + sum(contrast.a.dropped.values()) == 300
    assert contrast.a.dropped == contrast.b.dropped
    assert set(contrast.a.dropped) == {"no text of another form is near"}
    lone = found(vectors, [f"{form}{at}" for at, form in enumerate(forms)])  # each text a form of its own
    assert rows(lone.a) == []
    assert "no text of its form is far from both" in lone.a.dropped


def test_the_limit_takes_anchors_in_a_drawn_order_and_counts_those_looked_at():
    vectors, forms = made()
    every, some = found(vectors, forms), found(vectors, forms, limit=30)
    assert len(some.a.anchors) == 30
    assert set(rows(some.a)) < set(rows(every.a))
    assert sum(some.a.dropped.values()) <= sum(every.a.dropped.values())
    assert len({forms[at] for at in some.a.anchors}) == 5
    assert rows(found(vectors, forms, limit=10_000).a) == rows(every.a)


@pytest.mark.parametrize("limit", [None, 17])
def test_blocks_change_nothing(limit):
    vectors, forms = made(n=150)
    whole = found(vectors, forms, limit=limit)
    for block_rows in (1, 7, 64):
        parts = found(vectors, forms, limit=limit, block_rows=block_rows)
        assert rows(parts.a) == rows(whole.a)
        assert parts.a.dropped == whole.a.dropped


def test_draws_are_the_seeds():
    vectors, forms = made()
    assert rows(found(vectors, forms).a) == rows(found(vectors, forms).a)
    assert rows(found(vectors, forms, seed=8).a) != rows(found(vectors, forms).a)


def test_every_candidate_is_as_likely():
    """Two near texts of other forms, three far ones of its own: each is drawn about as often."""
    degrees = np.deg2rad([0, 30, 40, 100, 110, 120])
    vectors = np.stack([np.cos(degrees), np.sin(degrees)], axis=1)
    forms = ["poem", "recipe", "letter", "poem", "poem", "poem"]
    drawn = [rows(found(vectors, forms, seed=seed, max_far_other=0.6).a) for seed in range(600)]
    of_first = [(y, z) for one in drawn for x, y, z in one if x == 0]
    assert len(of_first) == 600
    assert Counter(z for _, z in of_first) == pytest.approx({1: 300, 2: 300}, abs=60)
    assert Counter(y for y, _ in of_first) == pytest.approx({3: 200, 4: 200, 5: 200}, abs=60)


def test_a_text_that_another_form_has_too_is_no_partner():
    vectors = np.array([[1.0, 0.0], [1.0, 0.0], [0.8, 0.6], [-1.0, 0.0]])
    forms = ["poem", "recipe", "recipe", "poem"]
    assert rows(found(vectors, forms).a)[0] == (0, 3, 2)
    [(x, _, z), *_] = rows(found(vectors, forms, duplicate_cosine=2, n_near=1).a)
    assert (x, z) == (0, 1)


def test_half_precision_and_no_texts_at_all():
    vectors, forms = made(dtype=np.float16)
    assert len(found(vectors, forms).a.anchors) > 100
    nothing = found(np.zeros((0, 4), np.float32), [])
    assert rows(nothing.a) == rows(nothing.b) == []
    alone = found(vectors[:3], ["poem"] * 3)
    assert alone.a.dropped == {"no text of another form is near": 3}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_near": 3}, "min_near=3; expected a cosine"),
        ({"max_far": np.nan}, "max_far=nan"),
        ({"max_far_other": -3}, "max_far_other=-3"),
        ({"duplicate_cosine": 5}, "duplicate_cosine=5"),
        ({"n_near": 0}, "n_near=0; expected a number of at least 1"),
        ({"limit": 0}, "limit=0"),
        ({"block_rows": 0}, "block_rows=0"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        found(*made(), **options)


def test_forms_that_are_not_known_are_refused():
    vectors, forms = made(n=4)
    with pytest.raises(InputError, match="3 forms for 4 vectors"):
        found(vectors, forms[:3])
    with pytest.raises(InputError, match=r"forms\[2\] is None; expected the form of each text"):
        found(vectors, [*forms[:2], None, forms[3]])
    with pytest.raises(InputError, match="row 1 of vectors is no unit vector"):
        found(np.array([[1.0, 0.0], [0.0, 0.0]]), ["poem", "recipe"])
