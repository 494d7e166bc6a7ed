"""Batches of rows: from one dataset, without texts that match by chance, the same after every resume."""

import json
import os
import subprocess
import sys
from collections import Counter
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructvec.errors import ConfigError, InputError
from instructvec.medi.triplets import Side, Triplet
from instructvec.training.choice import DataChoice, Weighting
from instructvec.training.mixture import mixture_of
from instructvec.training.passes import LOOK_AHEAD
from instructvec.training.sampling import BatchSampler, SamplingOptions
from tests.training.made import contrasts, pairs, row, usual, usual_mixture


def sampler(mixture=None, *, n_steps=None, rank=0, world_size=1, **options):
    options = SamplingOptions(**{"batch_size": 8, "least_rows": 4} | options)
    return BatchSampler(mixture or usual_mixture(), options, n_steps=n_steps, rank=rank, world_size=world_size)


def drawn(sampler, n):
    return [(batch.step, batch.rows.tolist(), batch.units) for batch in islice(sampler, n)]


def joined(batches):
    return [at for batch in batches for at in batch]


def one_dataset(triplets, n_steps=None, **options):
    return sampler(mixture_of(triplets), n_steps=n_steps, **options)


def datasets_of(mixture, batch):
    return {one.dataset for one in mixture.rows.triplets(batch.rows)}


# ------------------------------------------------------------ passes


@pytest.mark.parametrize(("n", "batch_size"), [(40, 8), (41, 8), (23, 8), (9, 8), (8, 8)])
def test_every_row_comes_once_before_any_comes_again(n, batch_size):
    rows = np.concatenate([batch.rows for batch in one_dataset(pairs("a", n), 3 * n // batch_size)])
    passes = [sorted(rows[at : at + n].tolist()) for at in range(0, len(rows) - n + 1, n)]
    assert passes == [list(range(n))] * len(passes)
    assert rows[:n].tolist() != rows[n : 2 * n].tolist() != sorted(rows[n : 2 * n].tolist())


def test_batches_are_full_across_the_end_of_a_pass_and_never_hold_a_row_twice():
    for batch in one_dataset(pairs("a", 11), 30):
        assert len(batch.rows) == len(set(batch.rows.tolist())) == 8


def test_a_dataset_smaller_than_a_batch_gives_all_its_rows_at_once():
    own = one_dataset(pairs("a", 5), 4)
    assert [sorted(batch.rows.tolist()) for batch in own] == [[0, 1, 2, 3, 4]] * 4
    assert own.counts["short_batches"] == own.counts["batches"] == 4
    assert own.counts["postponed"] == own.counts["skipped"] == 0


def test_a_row_whose_text_is_in_the_batch_waits_for_a_later_one():
    own = [row("a", "same", f"p{at}") for at in range(3)] + pairs("a", 13)
    batches = [batch.rows.tolist() for batch in one_dataset(own, 3)]
    assert [len(batch) for batch in batches] == [8, 7, 8]  # the third took what waited, and began the next pass
    assert sorted(joined(batches)[:16]) == list(range(16))
    assert [len({0, 1, 2} & set(batch)) for batch in batches] == [1, 1, 1]


def test_a_dataset_of_few_distinct_texts_gives_smaller_batches_and_every_row():
    own = [row("a", f"q{at}", f"answer {at % 4}") for at in range(40)]
    drawer = one_dataset(own, 10)
    batches = [batch.rows.tolist() for batch in drawer]
    assert [len(batch) for batch in batches] == [4] * 10
    assert sorted(joined(batches)) == list(range(40))
    assert drawer.counts["short_batches"] == 10
    assert drawer.counts["small_batches"] == 0


def test_what_no_batch_of_its_pass_can_take_is_skipped_and_counted():
    own = [row("a", "one text", f"p{at}") for at in range(20)] + pairs("a", 12)
    drawer = one_dataset(own, 40)
    sizes = [len(batch.rows) for batch in drawer]
    assert min(sizes) >= 4
    assert drawer.counts["skipped"] > 100
    # Nearly one row of the text in every batch, in its turn: all are seen in the end.
    seen = Counter(at for batch in one_dataset(own, 200) for at in batch.rows.tolist())
    assert set(seen) == set(range(32))


def test_one_text_everywhere_still_gives_a_batch():
    drawer = one_dataset([row("a", "one text", f"p{at}") for at in range(20)], 30)
    assert [len(batch.rows) for batch in drawer] == [1] * 30
    assert drawer.counts["kept"] == 1
    assert drawer.counts["small_batches"] == 30


def test_no_more_than_a_few_times_the_batch_is_looked_at():
    own = [row("a", f"q{at}", "yes" if at % 500 else f"p{at}") for at in range(5000)]
    drawer = one_dataset(own)
    for batch in islice(drawer, 50):
        assert len(batch.rows) >= 1
    (_, _, waiting), *_ = drawer.state_dict()["units"].values()
    assert len(waiting) <= (LOOK_AHEAD + 1) * 8


texts = st.integers(0, 12).map("t{}".format)
rows_of_few_texts = st.builds(
    lambda q, p, n, dataset: row(dataset, q, p, n), texts, texts, texts | st.none(), st.sampled_from("ab")
)


@settings(deadline=None)
@given(
    st.lists(rows_of_few_texts, min_size=1, max_size=40),
    st.integers(2, 12),
    st.integers(1, 2),
    st.sampled_from(["keep", "combine"]),
    st.integers(0, 3),
)
def test_no_text_is_a_false_negative_of_another_row(own, batch_size, n_datasets, small, seed):
    mixture = mixture_of(own)
    drawer = sampler(
        mixture,
        batch_size=batch_size,
        least_rows=2,
        datasets_per_batch=n_datasets,
        small=small,
        seed=seed,
        n_steps=20,
    )
    for batch in drawer:
        assert 1 <= len(batch.rows) <= batch_size
        found = mixture.rows.triplets(batch.rows)
        for at, one in enumerate(found):
            for other in found[:at] + found[at + 1 :]:
                texts = {side.text for side in other[:3] if side is not None}
                assert not texts & {one.query.text, one.positive.text}


def test_negatives_may_be_the_same_in_several_rows():
    own = [row("a", f"q{at}", f"p{at}", "one negative") for at in range(8)]
    assert len(next(iter(one_dataset(own))).rows) == 8


def test_a_row_that_weighs_two_comes_twice_in_a_pass_and_half_every_other_time():
    own = [*pairs("a", 20), *pairs("a", 40, rule="class")[20:]]
    for factor, least, most in ((2.0, 2.0, 2.0), (0.5, 0.4, 0.6)):
        mixture = mixture_of(own, weighting=Weighting(rules={"class": factor}))
        seen = Counter(at for batch in sampler(mixture, n_steps=600) for at in batch.rows.tolist())
        by_rule = [sum(seen[at] for at in part) for part in (range(20), range(20, 40))]
        assert least * 0.98 <= by_rule[1] / by_rule[0] <= most * 1.02


# ------------------------------------------------------------ which dataset


def test_a_batch_comes_from_one_dataset_or_one_contrast():
    mixture = usual_mixture()
    for batch in sampler(mixture, n_steps=60):
        assert len(batch.units) == 1
        assert datasets_of(mixture, batch) == set(batch.units[0].split("|"))
        assert batch.is_contrast == ("|" in batch.units[0])


def test_datasets_are_drawn_by_their_weights():
    mixture = usual_mixture(weighting=Weighting(datasets={"low": 3.0}))
    seen = Counter(batch.units[0] for batch in sampler(mixture, contrast_share=0.25, n_steps=4000))
    expected = {unit.name: unit.weight * (0.25 if unit.is_contrast else 0.75) for unit in mixture.units}
    # Four standard deviations of a share of 4,000 draws.
    assert {name: n / 4000 for name, n in seen.items()} == pytest.approx(expected, abs=0.032)


def test_the_share_of_contrasts_is_that_of_their_rows_unless_given():
    assert sampler().contrast_share == pytest.approx(34 / 109)
    batches = list(sampler(contrast_share=1.0, n_steps=20)) + list(sampler(contrast_share=0.0, n_steps=20))
    assert [batch.is_contrast for batch in batches] == [True] * 20 + [False] * 20


def test_both_rows_of_a_group_are_in_one_batch_with_other_groups_of_their_datasets():
    mixture = usual_mixture()
    for batch in sampler(mixture, contrast_share=1.0, n_steps=30):
        found = mixture.rows.triplets(batch.rows)
        assert len(found) == 8
        groups = Counter(one.group for one in found)
        assert set(groups.values()) == {2}
        assert [one.query.text for one in found[::2]] == [one.query.text for one in found[1::2]]
        assert [one.positive for one in found[::2]] != [one.positive for one in found[1::2]]


def test_several_datasets_share_a_batch_where_asked_for():
    mixture = usual_mixture()
    for batch in sampler(mixture, datasets_per_batch=2, contrast_share=0.0, n_steps=20):
        sizes = Counter(one.dataset for one in mixture.rows.triplets(batch.rows))
        assert len(batch.units) == 2
        assert sorted(sizes.values()) == [4, 4]
    three = sampler(mixture, datasets_per_batch=5, contrast_share=0.0, n_steps=3)
    assert {len(batch.units) for batch in three} == {3}


# ------------------------------------------------------------ small datasets


def small_and_large():
    return [*pairs("large", 30), *pairs("s1", 2), *pairs("s2", 1), *pairs("s3", 2), *pairs("s4", 1)]


def test_small_datasets_are_put_together():
    drawer = sampler(mixture_of(small_and_large()))
    assert [(unit.name, unit.n_items) for unit in drawer.units] == [("large", 30), ("s1+s2+s3+s4", 6)]
    assert sum(unit.weight for unit in drawer.units) == pytest.approx(1.0)
    assert (drawer.counts["combined"], drawer.counts["dropped"], drawer.counts["kept"]) == (4, 0, 0)


def test_small_datasets_are_dropped_and_counted():
    drawer = sampler(mixture_of(small_and_large()), small="drop", n_steps=20)
    assert {batch.units for batch in drawer} == {("large",)}
    assert (drawer.counts["dropped"], drawer.counts["dropped_rows"]) == (4, 6)


def test_small_datasets_are_kept_and_their_batches_counted():
    drawer = sampler(mixture_of(small_and_large()), small="keep", n_steps=100)
    seen = Counter(batch.units[0] for batch in drawer)
    assert set(seen) == {"large", "s1", "s2", "s3", "s4"}
    assert drawer.counts["small_batches"] == 100 - seen["large"]
    assert drawer.counts["kept"] == 4


def test_a_small_dataset_alone_is_kept():
    drawer = sampler(mixture_of(pairs("a", 3)), n_steps=2)
    assert [len(batch.rows) for batch in drawer] == [3, 3]
    assert drawer.counts["kept"] == 1


def test_small_contrasts_are_put_together_by_themselves():
    mixture = mixture_of([*pairs("large", 30), *pairs("s", 2), *contrasts("x", "y", 1), *contrasts("y", "z", 1)])
    drawer = sampler(mixture)
    assert [(unit.name, unit.is_contrast) for unit in drawer.units] == [
        ("large", False),
        ("s", False),
        ("x|y+y|z", True),
    ]
    assert sorted(len(batch.rows) for batch in islice(drawer, 40))[-1] == 8


# ------------------------------------------------------------ the same again


def test_equal_seeds_give_equal_batches_and_others_others():
    assert drawn(sampler(), 30) == drawn(sampler(), 30)
    assert drawn(sampler(), 30) != drawn(sampler(seed=43), 30)


def test_the_order_of_a_dataset_does_not_depend_on_the_others():
    alone = [batch.rows.tolist() for batch in one_dataset(pairs("big", 40), 5)]
    among = [batch.rows.tolist() for batch in sampler(n_steps=60) if batch.units == ("big",)]
    assert among[:5] == alone


def awkward():
    """Repeated texts, a small dataset, contrasts, and rules that weigh other than 1."""
    own = [row("rep", f"q{at % 9}", f"p{at % 7}", f"n{at % 3}", rule="class") for at in range(50)]
    return mixture_of(
        [*own, *pairs("rep", 10), *pairs("s1", 2), *pairs("s2", 2), *contrasts("x", "y", 9)],
        weighting=Weighting(rules={"class": 1.5}),
    )


@pytest.mark.parametrize("options", [{}, {"datasets_per_batch": 2, "batch_size": 12}, {"small": "drop"}])
def test_a_resumed_run_goes_on_as_the_unbroken_one_wherever_it_was_killed(options):
    mixture = awkward()
    unbroken, states = sampler(mixture, n_steps=40, **options), []
    whole = []
    for batch in unbroken:
        whole.append((batch.step, batch.rows.tolist(), batch.units))
        states.append((json.dumps(unbroken.state_dict()), dict(unbroken.counts)))
    assert unbroken.counts["postponed"] > 0
    assert unbroken.counts["passes"] > 2
    for at, (state, _) in enumerate(states):
        resumed = sampler(mixture, n_steps=40, **options)
        next(iter(resumed))  # what was drawn before does not matter
        resumed.load_state_dict(json.loads(state))
        assert resumed.step == at + 1
        assert drawn(resumed, 40) == whole[at + 1 :]
        assert resumed.counts == unbroken.counts


def test_a_state_is_small():
    drawer = one_dataset(pairs("a", 5000), batch_size=64)
    for _ in islice(drawer, 100):
        pass
    assert len(json.dumps(drawer.state_dict())) < 400


def test_a_longer_run_begins_as_a_shorter_one():
    short = sampler(n_steps=10)
    assert len(short) == len(list(short)) == 10
    assert list(short) == []
    longer = sampler(n_steps=25)
    longer.load_state_dict(short.state_dict())
    assert drawn(longer, 25) == drawn(sampler(n_steps=25), 25)[10:]


@pytest.mark.parametrize(
    "other",
    [
        lambda: sampler(seed=1),
        lambda: sampler(batch_size=9),
        lambda: sampler(usual_mixture(choice=DataChoice(without=("low",)))),
        lambda: sampler(usual_mixture(weighting=Weighting(rule="truncated", truncate_at=3))),
        lambda: sampler(mixture_of([*usual(), *pairs("more", 1)])),
    ],
)
def test_a_state_of_other_options_or_data_is_refused(other):
    with pytest.raises(ConfigError, match="of another mixture or other options"):
        other().load_state_dict(sampler().state_dict())


def test_a_sampler_without_end_has_no_length():
    with pytest.raises(TypeError, match="has no length"):
        len(sampler())


# ------------------------------------------------------------ several processes


@pytest.mark.parametrize("world_size", [2, 3, 4])
def test_each_process_has_its_part_of_the_same_batch(world_size):
    mixture = awkward()
    ranks = [
        sampler(mixture, batch_size=12, rank=at, world_size=world_size, n_steps=40) for at in range(world_size)
    ]
    for parts in zip(*ranks, strict=True):
        assert len({(part.step, part.units, len(part.rows)) for part in parts}) == 1
        rows = np.concatenate([part.rows for part in parts])
        assert len(rows) == len(set(rows.tolist())) <= 12
        for part in parts if parts[0].is_contrast else ():
            groups = Counter(one.group for one in mixture.rows.triplets(part.rows))
            assert set(groups.values()) == {2}
    states = [json.dumps(one.state_dict(), sort_keys=True) for one in ranks]
    assert len(set(states)) == 1
    assert all(one.counts["rows"] == ranks[0].counts["rows"] for one in ranks)


def test_several_processes_see_every_row_of_a_pass():
    ranks = [sampler(mixture_of(pairs("a", 40)), rank=at, world_size=4, n_steps=5) for at in range(4)]
    assert sorted(at for one in ranks for batch in one for at in batch.rows.tolist()) == list(range(40))


def test_a_state_of_one_process_is_gone_on_with_by_several():
    mixture = usual_mixture()
    one = sampler(mixture, n_steps=20)
    before = drawn(one, 10)
    two = [sampler(mixture, rank=at, world_size=2, n_steps=20) for at in range(2)]
    for part in two:
        part.load_state_dict(one.state_dict())
    seen = [sorted(np.concatenate([a.rows, b.rows]).tolist()) for a, b in zip(*two, strict=True)]
    assert len(before) == len(seen) == 10
    assert seen == [sorted(rows) for _, rows, _ in drawn(one, 10)]


def test_datasets_too_small_for_all_processes_are_dropped():
    drawer = sampler(mixture_of([*pairs("a", 30), *pairs("b", 2)]), world_size=4, small="keep", n_steps=5)
    assert [unit.name for unit in drawer.units] == ["a"]
    assert drawer.counts["dropped"] == 1
    with pytest.raises(InputError, match="every dataset has fewer rows"):
        sampler(mixture_of(pairs("b", 2)), world_size=4)


def test_a_unit_that_cannot_give_each_process_a_row_is_drawn_again():
    # The first row fits with none of the others: where it comes first, there is one row for two processes.
    own = [row("a", "hub", "p"), *(row("a", f"q{at}", f"p{at}", "hub") for at in range(4))]
    drawer = sampler(mixture_of(own), batch_size=2, least_rows=2, world_size=2, n_steps=60)
    assert [len(batch.rows) for batch in drawer] == [1] * 60
    assert drawer.counts["redrawn"] > 0


# ------------------------------------------------------------ options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 1}, "batch_size is 1; expected 2 or more"),
        ({"datasets_per_batch": 0}, "datasets_per_batch is 0"),
        ({"datasets_per_batch": 9}, "datasets_per_batch is 9"),
        ({"contrast_share": 1.1}, "contrast_share is 1.1"),
        ({"least_rows": 9}, "least_rows is 9"),
        ({"small": "skip"}, "small is 'skip'; expected one of keep, combine, drop"),
        ({"batch_size": 3, "least_rows": 2, "world_size": 2}, "expected at least 4, as a group of x|y has 2 rows"),
        ({"rank": 2, "world_size": 2}, "rank 2 of 2"),
        ({"n_steps": -1}, "n_steps is -1"),
    ],
)
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ConfigError, match=message.replace("|", "\\|")):
        sampler(**options)


def test_a_share_of_contrasts_that_are_not_there_is_refused():
    with pytest.raises(ConfigError, match="no contrasts of two datasets"):
        sampler(mixture_of(pairs("a", 20)), contrast_share=0.1)
    with pytest.raises(ConfigError, match="only contrasts"):
        sampler(mixture_of(contrasts("x", "y", 9)), contrast_share=0.5)


def test_instructions_do_not_tell_texts_apart_in_a_batch():
    own = [row("a", f"q{at}", f"p{at}") for at in range(8)]
    own.append(Triplet(Side("other: ", "Q3 "), Side("other: ", "p8"), None, "a", "pair", "mined"))
    for batch in one_dataset(own, 30, batch_size=9):
        assert not {3, 8} <= set(batch.rows.tolist())


def test_batches_and_ids_are_the_same_in_every_process():
    code = (
        "from tests.training.test_sampling import awkward, drawn, sampler\n"
        "mixture = awkward()\n"
        "print(drawn(sampler(mixture), 20), mixture.ids.of(range(80)).pairs.tolist())\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert len(outputs.pop()) > 1000
