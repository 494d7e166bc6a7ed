"""Vote-k chooses texts that serve many, and then those that serve others."""

import numpy as np
import pytest

from instructvec.errors import ConfigError, InputError
from instructvec.tasks import select_pool
from instructvec.tasks.annotation import neighbours_of, vote_k
from instructvec.tasks.vectors import normalised
from tests.tasks.table_encoder import at_angles


def by_definition(neighbours, k, discount):
    """Su et al. 2022, section 2.1, word by word: supporters, and what their votes still count."""
    supporters = {u: [v for v in range(len(neighbours)) if u in neighbours[v]] for u in range(len(neighbours))}
    chosen, times = [], dict.fromkeys(range(len(neighbours)), 0)
    while len(chosen) < k:
        scores = {
            u: sum(discount ** -times[v] for v in voters if v not in chosen)
            for u, voters in supporters.items()
            if u not in chosen
        }
        best = max(scores, key=lambda u: (scores[u], len(supporters[u]), -u))
        chosen.append(best)
        for v in supporters[best]:
            times[v] += 1
    return chosen


@pytest.mark.parametrize("seed", range(5))
def test_vote_k_is_its_definition(seed):
    rng = np.random.default_rng(seed)
    neighbours = np.array([rng.choice(np.delete(np.arange(30), row), 4, replace=False) for row in range(30)])
    # A power of two, so that sums are exact and ties are ties on both sides.
    assert vote_k(neighbours, 12, discount=8.0)[0].tolist() == by_definition(neighbours.tolist(), 12, 8.0)


def test_votes_lose_weight_once_served():
    # 1 has three votes, 3 has two: one of a row that 1 serves already.
    neighbours = np.array([[1], [2], [1], [1], [3], [3]])
    rows, scores = vote_k(neighbours, 2)
    assert rows.tolist() == [1, 3]
    assert scores.tolist() == [3.0, 2.0]


def test_neighbours_leave_the_row_itself_out_even_among_equal_ones(monkeypatch):
    monkeypatch.setattr("instructvec.tasks.annotation._BLOCK_ROWS", 3)
    unit = normalised(np.random.default_rng(0).standard_normal((10, 4)).astype(np.float32))
    wanted = np.argsort(-(unit @ unit.T) + 9 * np.eye(10), axis=1, kind="stable")[:, :3]
    assert neighbours_of(unit, 3).tolist() == wanted.tolist()
    same = neighbours_of(np.tile(unit[:1], (7, 1)), 2)
    assert same.shape == (7, 2)
    assert not (same == np.arange(7)[:, None]).any()
    assert neighbours_of(unit[:1], 150).shape == (1, 0)


def test_a_pool_covers_the_clusters():
    angles = {f"{base}+{step}": base + step for base in (0, 60, 120) for step in (-2, 0, 2)}
    found = select_pool(list(angles), 3, embedder=at_angles(**angles), n_neighbours=2)
    assert sorted(angles[list(angles)[row]] // 30 for row in found.rows.tolist()) in (
        [-1, 1, 3],
        [0, 2, 4],
        [0, 1, 3],
    )
    assert found.contract.instruction == "Represent the text for retrieval: "


def test_all_of_one_and_too_many():
    encoder = at_angles(a=0, b=10)
    assert select_pool(["a"], 1, embedder=encoder).rows.tolist() == [0]
    assert sorted(select_pool(["a", "b"], 2, embedder=encoder).rows.tolist()) == [0, 1]
    with pytest.raises(InputError, match="k is 3; there are 2 texts"):
        select_pool(["a", "b"], 3, embedder=encoder)
    with pytest.raises(ConfigError, match="k is 0"):
        select_pool(["a", "b"], 0, embedder=encoder)
    with pytest.raises(ConfigError, match=r"discount is 0\.5"):
        select_pool(["a", "b"], 1, embedder=encoder, discount=0.5)
