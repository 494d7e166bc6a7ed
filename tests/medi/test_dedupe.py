from __future__ import annotations

import os
import random
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructvec.errors import ConfigError, InputError, MissingExtra
from instructvec.medi.dedupe import ExactDuplicates, NearDuplicate, NearDuplicates
from instructvec.medi.words import words

ROWS = st.lists(st.sampled_from(["a", "A.", "b", "b c", "B, c", "+", "-", "", " "]), max_size=12)


def text(seed: int, n_words: int = 60) -> str:
    rng = random.Random(seed)
    return " ".join(f"w{rng.randrange(5000)}" for _ in range(n_words))


def changed(original: str, *places: int) -> str:
    found = original.split()
    for place in places:
        found[place] = "changed"
    return " ".join(found)


def jaccard(one: str, other: str) -> float:
    runs = [set(zip(*(found[start:] for start in range(3)), strict=False)) for found in (words(one), words(other))]
    return len(runs[0] & runs[1]) / len(runs[0] | runs[1])


def test_exact_duplicates_within_and_across_datasets_are_dropped_but_for_the_first():
    seen = ExactDuplicates()
    assert seen.add(["One fish", "one fish!", "two fish"]).tolist() == [True, False, True]
    assert seen.add(["TWO  FISH", "red fish"]).tolist() == [False, True]
    assert len(seen) == 3


def test_rows_are_equal_only_if_every_side_is():
    seen = ExactDuplicates()
    assert seen.add(["q", "q", "q", "Q"], ["a", "b", "a", "A."]).tolist() == [True, True, False, False]


def test_a_word_may_not_wander_from_side_to_side():
    assert ExactDuplicates().add(["a b", "a"], ["c", "b c"]).all()
    assert ExactDuplicates().add(["a", "b"], ["b", "a"]).all()


@given(ROWS, st.integers(0, 12))
def test_exact_duplicates_are_those_a_set_of_words_would_find(rows, cut):
    keys = [tuple(words(row)) or row.strip() for row in rows]
    expected = [key not in keys[:place] for place, key in enumerate(keys)]
    seen = ExactDuplicates()
    assert [*seen.add(rows[:cut]), *seen.add(rows[cut:])] == expected


@pytest.mark.parametrize("duplicates", [ExactDuplicates, NearDuplicates])
def test_no_rows_are_no_rows(duplicates):
    kept = duplicates().add([])
    assert kept.shape == (0,)
    assert kept.dtype == bool


@pytest.mark.parametrize("duplicates", [ExactDuplicates, NearDuplicates])
def test_sides_of_unequal_length_are_refused(duplicates):
    with pytest.raises(InputError, match=r"sides of \[1, 2\] rows"):
        duplicates().add(["a"], ["b", "c"])


def test_near_duplicates_within_and_across_datasets_are_dropped_but_for_the_first():
    one, other = text(1), text(2)
    seen = NearDuplicates()
    assert seen.add([one, other, one + " more"]).tolist() == [True, True, False]
    assert seen.add([changed(other, 0), text(3)]).tolist() == [False, True]


def test_near_means_over_the_threshold():
    original = text(4, 200)
    far, near = changed(original, 30, 60, 90, 120, 150), changed(original, 0, 199)
    assert jaccard(original, far) < 0.87
    assert jaccard(original, near) > 0.97
    assert NearDuplicates().add([original, far, near]).tolist() == [True, True, False]
    assert NearDuplicates(NearDuplicate(threshold=0.6)).add([original, far]).tolist() == [True, False]


def test_nearly_all_rows_over_the_threshold_are_found_and_hardly_any_far_below():
    originals = [text(seed, 100) for seed in range(300)]
    near = [changed(original, 0, 99) for original in originals]
    far = [changed(original, 20, 40, 60, 80) for original in originals]
    assert min(map(jaccard, originals, near)) > 0.95
    assert max(map(jaccard, originals, far)) < 0.79
    seen = NearDuplicates()
    assert seen.add(originals).all()
    assert np.mean(seen.add(near)) < 0.02
    assert np.mean(seen.add(far)) > 0.95


def test_short_rows_are_never_near():
    assert NearDuplicates().add(["how do I open it", "how do I open it?", "how do I open it now"]).all()
    assert NearDuplicates(NearDuplicate(min_words=70)).add([text(1), text(1)]).all()


def test_two_questions_about_one_long_passage_are_two_rows():
    passage, question = text(5, 400), text(6, 14)
    other = changed(question, 4, 9)
    assert NearDuplicates().add([question, other], [passage, passage]).tolist() == [True, True]
    assert NearDuplicates().add([question, question], [passage, changed(passage, 9)]).tolist() == [True, False]
    assert NearDuplicates().add(["who?", "when?", "Who"], [passage] * 3).tolist() == [True, True, False]


def test_sides_are_not_mixed_up():
    one, other = text(7), text(8)
    assert NearDuplicates().add([one, other], [other, one]).tolist() == [True, True]


def test_word_order_within_runs_and_case_are_as_for_exact_ones():
    original = text(9)
    backwards = " ".join(reversed(original.split()))
    assert NearDuplicates().add([original, original.upper() + "!", backwards]).tolist() == [True, False, True]


def test_rows_spread_over_calls_give_the_same_answer():
    rows = [changed(text(seed % 7), seed % 5) for seed in range(40)]
    whole, parts = NearDuplicates(), NearDuplicates()
    assert whole.add(rows).tolist() == [*parts.add(rows[:11]), *parts.add(rows[11:12]), *parts.add(rows[12:])]


def test_the_same_rows_give_the_same_answer_in_every_process_and_number_of_threads():
    program = (
        "import random; from instructvec.medi.dedupe import *; rng = random.Random(0);"
        "base = [[f'w{rng.randrange(99)}' for _ in range(60)] for _ in range(20)];"
        "rows = [' '.join(w if rng.random() > .02 else 'x' for w in one) for one in base * 20];"
        "print(NearDuplicates(NearDuplicate(threshold=0.8, seed=3)).add(rows).tolist())"
    )
    answers = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "RAYON_NUM_THREADS": threads, "PYTHONHASHSEED": threads}
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        answers.add(done.stdout)
    assert len(answers) == 1
    assert "True" in answers.pop()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0}, "threshold=0"),
        ({"threshold": 1.1}, "threshold=1.1"),
        ({"n_words": 0}, "n_words=0"),
        ({"rows_per_band": 7}, "n_permutations=64 is no multiple of rows_per_band=7"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_impossible_rules_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        NearDuplicate(**options)


def test_a_threshold_of_one_asks_for_the_same_runs():
    original = text(10)
    rule = NearDuplicate(threshold=1)
    assert NearDuplicates(rule).add([original, original.upper(), changed(original, 0)]).tolist() == [
        True,
        False,
        True,
    ]


def test_without_rensa_the_line_that_installs_it_is_shown(monkeypatch):
    monkeypatch.setattr("instructvec.extras.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match=r"pip install 'instructvec\[medi\]'"):
        NearDuplicates()
