"""Exact search, trec_eval's figures, retrieval and reranking."""

import numpy as np
import pytest

from instructvec.errors import InputError
from instructvec.evaluation.data import RetrievalPart
from instructvec.evaluation.protocols import evaluate_run, reranking, retrieval, search
from instructvec.evaluation.protocols.ranking import PER_QUERY

# A float32 dot product of a few dozen terms, summed in another order.
FLOAT32 = 1e-6


def collection(seed=0, n_queries=12, n_documents=60, width=16, **replaced):
    """A part whose queries lie near two documents each, and its vectors."""
    rng = np.random.default_rng(seed)
    documents = rng.normal(size=(n_documents, width)).astype(np.float32)
    relevant = [rng.choice(n_documents, 2, replace=False) for _ in range(n_queries)]
    queries = np.stack([documents[rows].sum(axis=0) + 1.5 * rng.normal(size=width) for rows in relevant])
    values = {
        "document_ids": [f"d{at}" for at in range(n_documents)],
        "documents": [f"document {at}" for at in range(n_documents)],
        "query_ids": [f"q{at}" for at in range(n_queries)],
        "queries": [f"query {at}" for at in range(n_queries)],
        "qrels": {
            f"q{at}": {f"d{row}": 1 + turn for turn, row in enumerate(rows)} for at, rows in enumerate(relevant)
        },
    }
    return RetrievalPart(**values | replaced), queries.astype(np.float32), documents


def by_brute_force(queries, documents, top_k):
    cosines = (queries / np.linalg.norm(queries, axis=1, keepdims=True)) @ (
        documents / np.linalg.norm(documents, axis=1, keepdims=True)
    ).T
    order = np.argsort(-cosines, axis=1, kind="stable")[:, :top_k]
    return order, np.take_along_axis(cosines, order, 1)


@pytest.mark.parametrize("block_rows", [1, 7, 64, 1000])
@pytest.mark.parametrize("top_k", [1, 10, 60, 100])
def test_search_finds_what_sorting_all_finds(block_rows, top_k):
    _, queries, documents = collection()
    rows, scores = search(queries, documents, top_k=top_k, block_rows=block_rows)
    expected = by_brute_force(queries, documents, top_k)
    assert np.array_equal(rows, expected[0])
    assert np.allclose(scores, expected[1], atol=FLOAT32)


def test_search_takes_more_queries_than_one_block():
    _, queries, documents = collection(n_queries=300)
    assert np.array_equal(search(queries, documents, top_k=5)[0], by_brute_force(queries, documents, 5)[0])


def test_of_equal_documents_the_first_is_found_first():
    rows, scores = search(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0], [2.0, 0.0], [5.0, 0.0]]), block_rows=2)
    assert rows.tolist() == [[1, 2, 0]]
    assert scores.tolist() == [[1.0, 1.0, 0.0]]


@pytest.mark.parametrize("option", ["top_k", "block_rows"])
def test_search_refuses_to_find_nothing(option):
    with pytest.raises(InputError, match=f"{option} is 0; expected 1 or more"):
        search(np.eye(2), np.eye(2), **{option: 0})


def test_search_refuses_vectors_of_two_models():
    with pytest.raises(InputError, match="document_vectors: 3 dimensions, but query_vectors has 2"):
        search(np.eye(2), np.eye(3))


def test_figures_of_a_ranking_by_hand():
    qrels = {"q": {"a": 2, "b": 1, "never found": 1, "no": 0}}
    run = {"q": {"a": 0.5, "x": 0.9, "b": 0.4, "no": 0.3}}
    found = evaluate_run(qrels, run, ks=(1, 2, 10))["q"]
    # Ranked x, a, b, no: gains 0, 2, 1, 0 against 2, 1, 1 at best.
    ideal = 2 / np.log2(2) + 1 / np.log2(3) + 1 / np.log2(4)
    expected = {
        "ndcg_at_10": (2 / np.log2(3) + 1 / np.log2(4)) / ideal,
        "ndcg_at_1": 0.0,
        "map_at_10": (1 / 2 + 2 / 3) / 3,
        "recall_at_2": 1 / 3,
        "recall_at_10": 2 / 3,
        "precision_at_2": 0.5,
        "precision_at_10": 0.2,
        "mrr_at_1": 0.0,
        "mrr_at_2": 0.5,
        "mrr_at_10": 0.5,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_of_equal_scores_the_greater_id_stands_first_in_every_figure():
    found = evaluate_run({"q": {"a": 1}}, {"q": {"a": 0.5, "b": 0.5}}, ks=(1, 10))["q"]
    assert (found["mrr_at_10"], found["map_at_10"], found["precision_at_1"], found["mrr_at_1"]) == (0.5, 0.5, 0, 0)


@pytest.mark.parametrize("rank", [1, 2, 3, 7, 10, 11, 100, 101, 999, 1000, 1001])
def test_mrr_is_cut_exactly_at_its_rank(rank):
    run = {"q": {f"d{at}": -float(at) for at in range(1, 1100)}}
    found = evaluate_run({"q": {f"d{rank}": 1}}, run, ks=(1, 3, 10, 100, 1000))["q"]
    for k in (1, 3, 10, 100, 1000):
        assert found[f"mrr_at_{k}"] == pytest.approx(1 / rank if rank <= k else 0.0, abs=1e-9)


def test_a_ranking_without_documents_scores_zero():
    assert set(evaluate_run({"q": {"a": 1}}, {"q": {}}, ks=(10,))["q"].values()) == {0.0}


def test_queries_without_a_ranking_are_not_scored():
    assert list(evaluate_run({"q": {"a": 1}, "other": {"a": 1}}, {"q": {"a": 1.0}})) == ["q"]


def test_an_unjudged_query_is_refused():
    with pytest.raises(InputError, match="run: the query 'other' has no judgements in qrels"):
        evaluate_run({"q": {"a": 1}}, {"other": {"a": 1.0}})


def test_retrieval_is_the_mean_over_queries_of_their_rankings():
    part, queries, documents = collection()
    found = retrieval([part], [queries], [documents])
    rows, scores = by_brute_force(queries, documents, 60)
    run = {
        query: {part.document_ids[row]: float(score) for row, score in zip(*one, strict=True)}
        for query, *one in zip(part.query_ids, rows, scores, strict=True)
    }
    by_query = evaluate_run(part.qrels, run)
    for name in ("ndcg_at_10", "map_at_100", "recall_at_5", "precision_at_3", "mrr_at_10"):
        assert found.metrics[name] == pytest.approx(np.mean([row[name] for row in by_query.values()]), abs=1e-12)
    assert found.score == found.metrics["ndcg_at_10"]
    assert 0.2 < found.score < 0.95
    assert found.details[PER_QUERY] == {query: row["ndcg_at_10"] for query, row in by_query.items()}


def test_retrieval_does_not_depend_on_the_order_of_rows_or_blocks():
    part, queries, documents = collection()
    rng = np.random.default_rng(1)
    at, to = rng.permutation(len(queries)), rng.permutation(len(documents))
    other = RetrievalPart(
        [part.document_ids[row] for row in to],
        [part.documents[row] for row in to],
        [part.query_ids[row] for row in at],
        [part.queries[row] for row in at],
        part.qrels,
    )
    found = retrieval([part], [queries], [documents])
    same = retrieval([other], [queries[at]], [documents[to]], block_rows=7)
    assert same.metrics == pytest.approx(found.metrics, abs=1e-12)


def test_lengths_of_vectors_do_not_matter():
    part, queries, documents = collection()
    found = retrieval([part], [queries], [documents])
    assert retrieval([part], [queries * 100], [documents / 7]).metrics == pytest.approx(found.metrics, abs=1e-12)


@pytest.mark.parametrize(("ignored", "reciprocal_rank", "recall_at_1"), [(True, 1.0, 1.0), (False, 0.75, 0.5)])
def test_a_document_that_is_the_query_is_left_out_and_makes_room(ignored, reciprocal_rank, recall_at_1):
    # The first query is its own nearest document, its answer the second.
    qrels = {"q0": {"d1": 1}, "q1": {"d1": 1}}
    part = RetrievalPart(["q0", "d1"], ["x", "y"], ["q0", "q1"], ["x", "z"], qrels, ignore_identical_ids=ignored)
    queries, documents = np.array([[1.0, 0.0], [0.6, 0.8]]), np.eye(2)
    assert retrieval([part], [queries], [documents]).metrics["mrr_at_10"] == reciprocal_rank
    assert retrieval([part], [queries], [documents], top_k=1).metrics["recall_at_1"] == recall_at_1


def test_parts_count_alike_whatever_their_number_of_queries():
    parts, queries, documents = zip(collection(0), collection(1, n_queries=3), strict=True)
    found = retrieval(parts, queries, documents)
    own = [retrieval([part], [q], [d]) for part, q, d in zip(parts, queries, documents, strict=True)]
    assert found.score == pytest.approx((own[0].score + own[1].score) / 2, abs=1e-12)
    assert found.strata == (12, 3)
    assert found.details[PER_QUERY]["2/q0"] == own[1].details[PER_QUERY]["q0"]
    assert found.statistic(np.arange(15)) == pytest.approx(found.score, abs=1e-12)
    only_first = found.statistic(np.array([0] * 12 + [12, 13, 14]))
    assert only_first == pytest.approx((own[0].details[PER_QUERY]["q0"] + own[1].score) / 2, abs=1e-12)


def test_retrieval_names_the_part_and_row_that_is_broken():
    part, queries, documents = collection()
    documents[4, 2] = np.nan
    with pytest.raises(InputError, match="documents of part 1, row 5: the vector has a NaN"):
        retrieval([part], [queries], [documents])


def test_retrieval_refuses_other_counts_and_constant_vectors():
    part, queries, documents = collection()
    with pytest.raises(InputError, match="queries of part 1: 11 vectors; expected 12"):
        retrieval([part], [queries[1:]], [documents])
    with pytest.raises(InputError, match="documents: all 60 vectors are the same"):
        retrieval([part], [queries], [np.ones_like(documents)])


def candidates(seed=0, n_queries=20, width=24):
    rng = np.random.default_rng(seed)
    queries = rng.normal(size=(n_queries, width)).astype(np.float32)
    positives = [
        (query + 5 * rng.normal(size=(rng.integers(1, 4), width))).astype(np.float32) for query in queries
    ]
    negatives = [rng.normal(size=(rng.integers(1, 9), width)).astype(np.float32) for _ in queries]
    return queries, positives, negatives


def test_reranking_by_hand():
    # Cosines of the first query: 0.8 and 0 are right, 1 and 0.6 wrong: (1/2 + 2/4) / 2. The second is perfect.
    queries = np.array([[1.0, 0.0], [0.0, 1.0]])
    positives = [np.array([[4.0, 3.0], [0.0, 1.0]]), np.array([[0.0, 2.0]])]
    negatives = [np.array([[1.0, 0.0], [3.0, 4.0]]), np.array([[1.0, 0.0]])]
    found = reranking(queries, positives, negatives)
    assert found.metrics == pytest.approx({"map": (0.5 + 1) / 2, "mrr": (0.5 + 1) / 2}, abs=1e-12)
    assert found.statistic(np.array([0, 0])) == 0.5


def test_equal_candidates_are_taken_together_for_map_and_positives_first_for_mrr():
    queries, same = np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]])
    found = reranking(queries, [same], [np.concatenate([same, [[0.0, 1.0]]])])
    assert found.metrics == {"map": 0.5, "mrr": 1.0}


def test_a_positive_below_rank_ten_has_no_reciprocal_rank():
    found = reranking(
        np.array([[1.0, 0.0]]), [np.array([[0.0, 1.0]])], [np.array([[1.0, 0.01 * at] for at in range(10)])]
    )
    assert found.metrics["mrr"] == 0.0
    assert found.metrics["map"] == pytest.approx(1 / 11)


def test_reranking_does_not_depend_on_order_or_length():
    queries, positives, negatives = candidates()
    found = reranking(queries, positives, negatives)
    at = np.random.default_rng(2).permutation(len(queries))
    same = reranking(9 * queries[at], [positives[row][::-1] for row in at], [negatives[row][::-1] for row in at])
    assert same.metrics == pytest.approx(found.metrics, abs=1e-12)


def test_reranking_on_all_queries_is_the_score():
    found = reranking(*candidates())
    assert found.statistic(np.arange(20)) == pytest.approx(found.score, abs=1e-12)
    assert 0.3 < found.score < 0.95


def test_reranking_names_the_query_whose_candidates_are_missing():
    queries, positives, negatives = candidates()
    negatives[2] = negatives[2][:0]
    with pytest.raises(InputError, match=r"negatives of query 3: shape \(0, 24\); expected at least one vector"):
        reranking(queries, positives, negatives)


def test_reranking_refuses_widths_that_differ():
    queries, positives, negatives = candidates()
    positives[3] = positives[3][:, :5]
    with pytest.raises(InputError, match="positives of query 4: 5 dimensions; expected 24 as before it"):
        reranking(queries, positives, negatives)


def test_reranking_refuses_constant_candidates():
    queries, positives, negatives = candidates()
    alike = [[np.ones_like(one) for one in some] for some in (positives, negatives)]
    with pytest.raises(InputError, match="candidates: all .* vectors are the same, so no order"):
        reranking(queries, *alike)
