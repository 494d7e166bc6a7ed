"""Pairs become groups by three rules, each with its own promise."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instructvec.tasks.grouping import grouped
from instructvec.tasks.similar_pairs import SimilarPairs


def pairs_of(*pairs):
    left, right, scores = zip(*sorted(pairs), strict=True) if pairs else ((), (), ())
    return SimilarPairs(np.array(left, np.int64), np.array(right, np.int64), np.array(scores, np.float32))


@st.composite
def graphs(draw):
    n_rows = draw(st.integers(1, 12))
    cells = [(i, j) for i in range(n_rows) for j in range(i + 1, n_rows)]
    chosen = draw(st.lists(st.sampled_from(cells), unique=True)) if cells else []
    scores = draw(st.lists(st.integers(90, 99), min_size=len(chosen), max_size=len(chosen)))
    ranks = draw(st.permutations(range(n_rows)))
    return pairs_of(*((*one, score / 100) for one, score in zip(chosen, scores, strict=True))), np.array(ranks)


def linked(pairs):
    return set(zip(pairs.left.tolist(), pairs.right.tolist(), strict=True))


@given(graphs())
@settings(deadline=None)
def test_star_keeps_no_two_near_rows_and_drops_none_that_is_not_near_its_own(graph):
    pairs, ranks = graph
    owners = grouped(pairs, ranks, "star")
    kept = np.flatnonzero(owners == np.arange(len(ranks)))
    near = linked(pairs)
    assert not any((min(i, j), max(i, j)) in near for i in kept for j in kept if i != j)
    assert all((min(i, j), max(i, j)) in near for i, j in enumerate(owners.tolist()) if i != j)
    assert int(np.argmin(ranks)) in kept


@given(graphs())
@settings(deadline=None)
def test_single_groups_are_connected_components(graph):
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    pairs, ranks = graph
    n_rows = len(ranks)
    matrix = coo_array((np.ones(len(pairs)), (pairs.left, pairs.right)), (n_rows, n_rows))
    labels = connected_components(matrix, directed=False)[1]
    owners = grouped(pairs, ranks, "single")
    for row in range(n_rows):
        own = np.flatnonzero(labels == labels[row])
        assert owners[row] == own[np.argmin(ranks[own])]


@given(graphs())
@settings(deadline=None)
def test_complete_groups_hold_only_pairs_and_no_two_could_be_merged(graph):
    pairs, ranks = graph
    owners = grouped(pairs, ranks, "complete").tolist()
    near = linked(pairs)
    groups = [[row for row, one in enumerate(owners) if one == owner] for owner in sorted(set(owners))]

    def all_near(rows):
        return all((i, j) in near for i in rows for j in rows if i < j)

    assert all(all_near(rows) for rows in groups)
    assert not any(all_near(sorted(a + b)) for a in groups for b in groups if a is not b)


def test_a_row_goes_for_the_nearest_of_those_that_stay():
    pairs = pairs_of((0, 2, 0.91), (1, 2, 0.99))
    assert grouped(pairs, np.array([0, 1, 2]), "star").tolist() == [0, 1, 1]


def test_what_is_worth_most_stays():
    chain = pairs_of((0, 1, 0.9), (1, 2, 0.9))
    assert grouped(chain, np.array([1, 0, 2]), "star").tolist() == [1, 1, 1]
    assert grouped(chain, np.array([2, 1, 0]), "single").tolist() == [2, 2, 2]


@pytest.mark.parametrize("linkage", ["star", "single", "complete"])
def test_rows_without_pairs_stand_for_themselves(linkage):
    assert grouped(pairs_of(), np.arange(3), linkage).tolist() == [0, 1, 2]
