"""Batches made ahead: in order, with the sampler's state behind each, and errors where they are asked for."""

import threading
import time

import pytest

from instructvec.errors import InputError
from instructvec.training.prefetch import Prefetcher
from instructvec.training.sampling import BatchSampler, SamplingOptions
from tests.training.runs import mixture


def sampler(n_steps=6):
    return BatchSampler(mixture(), SamplingOptions(batch_size=8, least_rows=2), n_steps=n_steps)


def rows(batches):
    return [one.drawn.rows.tolist() for one in batches]


def test_batches_come_in_the_sampler_s_order():
    with Prefetcher(sampler(), len) as batches:
        assert rows(batches) == [drawn.rows.tolist() for drawn in sampler()]


def test_each_batch_carries_the_state_behind_it():
    whole = [drawn.rows.tolist() for drawn in sampler()]
    with Prefetcher(sampler(), len) as batches:
        state = [one.sampler for one in batches][2]
    other = sampler()
    other.load_state_dict(state)
    assert [drawn.rows.tolist() for drawn in other] == whole[3:]


def test_teacher_is_asked_for_the_same_rows():
    with Prefetcher(sampler(2), len, lambda numbers: numbers.tolist()) as batches:
        assert all(one.teacher == one.drawn.rows.tolist() for one in batches)


def test_error_is_raised_where_the_batch_is_asked_for():
    def collator(numbers):
        collator.n += 1
        if collator.n == 3:
            raise InputError("row 7: broken")
        return numbers

    collator.n = 0
    seen = []
    with pytest.raises(InputError, match="row 7"), Prefetcher(sampler(), collator) as batches:
        for one in batches:
            seen.append(one.drawn.step)
    assert seen == [0, 1]


def test_leaving_early_ends_the_thread():
    before = threading.active_count()
    with Prefetcher(sampler(), len) as batches:
        next(iter(batches))
    assert threading.active_count() == before


def test_the_next_batches_are_made_meanwhile():
    made = []
    with Prefetcher(sampler(), lambda numbers: made.append(len(numbers))) as batches:
        next(iter(batches))
        limit = time.monotonic() + 10
        while len(made) < 3 and time.monotonic() < limit:
            time.sleep(0.01)
    assert 3 <= len(made) <= 4
