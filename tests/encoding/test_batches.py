"""Planning and padding."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instructvec.encoding.batches import collate, plan
from instructvec.errors import ConfigError
from instructvec.types import TokenRows

lengths_lists = st.lists(st.integers(1, 600), max_size=200)


def token_rows(lengths) -> TokenRows:
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    ids = np.arange(offsets[-1]) + 1
    return TokenRows(ids, ids % 3 > 0, offsets, np.array(lengths), np.arange(len(lengths)))


@given(lengths_lists, st.integers(1, 4000), st.integers(1, 64) | st.none(), st.integers(1, 4))
def test_every_row_is_in_one_group_within_the_budget(lengths, budget, rows, parts):
    lengths = np.array(lengths, np.int64)
    groups = plan(lengths, max_batch_tokens=budget, max_batch_rows=rows, parts=parts)
    assert sorted(np.concatenate([*groups, np.array([], np.int64)]).tolist()) == list(range(len(lengths)))
    for group in groups:
        assert len(group) * lengths[group].max() <= budget or len(group) == 1
        assert rows is None or len(group) <= rows


def test_like_lengths_together_longest_first_oversize_alone():
    groups = plan(np.array([3, 50, 4, 900, 3]), max_batch_tokens=100)
    assert [group.tolist() for group in groups] == [[3], [1, 2], [0, 4]]


def test_there_is_a_group_for_each_worker():
    assert len(plan(np.full(4, 10), max_batch_tokens=1000, parts=2)) == 2
    assert len(plan(np.full(1, 10), max_batch_tokens=1000, parts=2)) == 1


@pytest.mark.parametrize("options", [{"max_batch_tokens": 0}, {"max_batch_tokens": 5, "max_batch_rows": 0}])
def test_a_budget_below_one_is_refused(options):
    with pytest.raises(ConfigError, match="at least 1"):
        plan(np.array([1]), **options)


def test_padding_by_hand():
    tokens = token_rows([2, 0 + 1, 3])  # ids 1 2 | 3 | 4 5 6; those divisible by three are not pooled
    batch = collate(tokens, np.array([2, 0]), pad_token_id=9)
    assert batch.ids.tolist() == [[4, 5, 6], [1, 2, 9]]
    assert batch.attention_mask.tolist() == [[True, True, True], [True, True, False]]
    assert batch.pooling_mask.tolist() == [[True, True, False], [True, True, False]]
    assert batch.rows.tolist() == [2, 0]


@given(st.lists(st.integers(1, 9), min_size=1, max_size=30), st.randoms())
def test_padding_loses_no_token(lengths, random):
    tokens = token_rows(lengths)
    rows = np.array(random.sample(range(len(lengths)), random.randint(1, len(lengths))))
    batch = collate(tokens, rows, pad_token_id=0)
    for place, row in enumerate(rows):
        own = slice(tokens.offsets[row], tokens.offsets[row + 1])
        assert batch.ids[place][batch.attention_mask[place]].tolist() == tokens.ids[own].tolist()
        assert batch.pooling_mask[place][batch.attention_mask[place]].tolist() == tokens.pooled[own].tolist()
        assert not batch.pooling_mask[place][~batch.attention_mask[place]].any()
