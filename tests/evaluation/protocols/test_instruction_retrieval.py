"""Queries under instructions of their own: by hand, and held against mteb's functions."""

import json

import numpy as np
import pytest

from instructvec.errors import ConfigError, InputError
from instructvec.evaluation.data import InstructionRetrieval, RetrievalPart
from instructvec.evaluation.protocols import evaluate_run, search
from instructvec.evaluation.protocols.instruction_retrieval import instruction_retrieval

ANGLES = [0, 20, 40, 60, 80]
"""Documents d0 to d4 on a quarter circle; a query at an angle ranks them by how near they are."""


def at_angles(degrees):
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def collection(query_ids, qrels, **options):
    return RetrievalPart(
        document_ids=[f"d{at}" for at in range(len(ANGLES))],
        documents=[f"document at {angle}" for angle in ANGLES],
        query_ids=query_ids,
        queries=[f"query {one}" for one in query_ids],
        qrels=qrels,
        **options,
    )


@pytest.fixture
def instructed():
    """InstructIR's form: one query under three instructions, another under one."""
    ids = ["q1_a", "q1_b", "q1_c", "q2_a"]
    qrels = {"q1_a": {"d0": 1}, "q1_b": {"d4": 1}, "q1_c": {"d2": 1}, "q2_a": {"d0": 1}}
    return InstructionRetrieval(collection(ids, qrels), ["say"] * 4, ["q1", "q1", "q1", "q2"])


@pytest.fixture
def altered():
    """FollowIR's form: an original and an altered instruction a query."""
    ids = ["s-og", "s-changed", "t-og", "t-changed"]
    qrels = {"s-og": {"d0": 1, "d1": 1}, "s-changed": {"d1": 1}, "t-og": {"d4": 1}, "t-changed": {"d3": 1}}
    changed = {"s": ["d0"], "t": ["d4"]}
    return InstructionRetrieval(collection(ids, qrels), ["say"] * 4, ["s", "s", "t", "t"], changed)


def dcg(rank):
    return 1 / np.log2(rank + 1)


def test_robustness_is_the_worst_instruction_of_each_query(instructed):
    # q1_a finds d0 first, q1_b at 55 degrees finds d4 third, q1_c finds d2 first; q2_a at 29 finds d0 third.
    found = instruction_retrieval(
        instructed, at_angles([0, 55, 41, 29]), at_angles(ANGLES), main="robustness_at_10"
    )
    by_query = {"q1_a": 1.0, "q1_b": dcg(3), "q1_c": 1.0, "q2_a": dcg(3)}
    assert found.details["ndcg_at_10_by_query"] == pytest.approx(by_query)
    assert found.score == found.metrics["robustness_at_10"] == pytest.approx(dcg(3))
    assert found.metrics["ndcg_at_10"] == pytest.approx((2 + 2 * dcg(3)) / 4)
    assert found.metrics["mrr_at_10"] == pytest.approx((2 + 2 / 3) / 4)
    assert "p_mrr" not in found.metrics


def test_units_are_queries_whatever_their_number_of_instructions(instructed):
    vectors = at_angles([0, 55, 41, 0]), at_angles(ANGLES)
    found = instruction_retrieval(instructed, *vectors, main="robustness_at_10")
    assert found.strata == (2,)
    assert found.statistic(np.array([0, 0])) == pytest.approx(dcg(3))
    assert found.statistic(np.array([1, 1])) == 1.0
    mean = instruction_retrieval(instructed, *vectors, main="ndcg_at_10")
    assert mean.score == mean.statistic(np.array([0, 1])) == pytest.approx((3 + dcg(3)) / 4)
    assert mean.statistic(np.array([0, 1, 1])) == pytest.approx((4 + dcg(3)) / 5)


def test_p_mrr_is_how_far_what_became_irrelevant_falls(altered):
    # d0 falls from first to third behind s; d4 stays first behind t.
    found = instruction_retrieval(altered, at_angles([0, 29, 80, 80]), at_angles(ANGLES), main="p_mrr")
    assert found.details["p_mrr_by_group"] == pytest.approx({"s": 1 - 1 / 3, "t": 0.0})
    assert found.score == found.metrics["p_mrr"] == pytest.approx(1 / 3)
    assert found.statistic(np.array([0, 0, 1])) == pytest.approx(4 / 9)
    assert json.loads(json.dumps(found.details, allow_nan=False)) == found.details


def test_groups_without_an_altered_instruction_do_not_count_in_p_mrr(altered):
    altered.changed.pop("t")
    found = instruction_retrieval(altered, at_angles([0, 29, 80, 80]), at_angles(ANGLES), main="p_mrr")
    assert found.score == pytest.approx(2 / 3)
    assert found.statistic(np.array([0, 1])) == pytest.approx(2 / 3)
    assert np.isnan(found.statistic(np.array([1, 1])))


def test_documents_behind_the_ranked_ones_all_have_the_rank_after(altered):
    found = instruction_retrieval(altered, at_angles([0, 80, 80, 80]), at_angles(ANGLES), main="p_mrr", top_k=2)
    assert found.details["p_mrr_by_group"]["s"] == pytest.approx(1 - 1 / 3)


def test_figures_are_those_of_mteb():
    metrics = pytest.importorskip("mteb._evaluators.retrieval_metrics")
    rng = np.random.default_rng(0)
    documents = rng.normal(size=(40, 8)).astype(np.float32)
    ids = [f"{group}-{kind}" for group in range(300) for kind in ("og", "changed")]
    queries = rng.normal(size=(len(ids), 8)).astype(np.float32)
    qrels = {one: {f"d{at}": 1 for at in rng.choice(40, 4, replace=False)} for one in ids}
    changed = {str(group): [f"d{at}" for at in rng.choice(40, 2, replace=False)] for group in range(300)}
    names = [f"d{at}" for at in range(40)]
    part = RetrievalPart(names, names, ids, ids, qrels)
    data = InstructionRetrieval(part, ids, [one.split("-")[0] for one in ids], changed)
    found = instruction_retrieval(data, queries, documents, main="p_mrr", block_rows=7)

    rows, scores = search(queries, documents)
    run = {
        one: {f"d{row}": float(score) for row, score in zip(*both, strict=True)}
        for one, *both in zip(ids, rows, scores, strict=True)
    }
    original = {one: row for one, row in run.items() if one.endswith("-og")}
    other = {one: row for one, row in run.items() if one.endswith("-changed")}
    assert found.score == pytest.approx(metrics.calculate_pmrr(original, other, changed), abs=1e-12)
    renamed = {one.replace("-", "_"): row for one, row in evaluate_run(qrels, run).items()}
    theirs = metrics.robustness_at_10(
        renamed, {}, {one: {"ndcg_cut_10": row["ndcg_at_10"]} for one, row in renamed.items()}
    )
    assert found.metrics["robustness_at_10"] == pytest.approx(theirs, abs=1e-12)


def test_a_document_that_is_the_query_itself_is_left_out_where_the_data_says_so():
    qrels = {"d0": {"d1": 1}, "d4": {"d3": 1}}
    for leave_out, rank in ((False, 2), (True, 1)):
        part = collection(["d0", "d4"], qrels, ignore_identical_ids=leave_out)
        data = InstructionRetrieval(part, ["say"] * 2, ["d0", "d4"])
        found = instruction_retrieval(
            data, at_angles([0, 80]), at_angles(ANGLES), main="robustness_at_10", top_k=2
        )
        assert found.score == pytest.approx(dcg(rank))


def test_another_metric_is_refused(instructed):
    with pytest.raises(ConfigError, match="main is 'map'; expected one of robustness_at_10, p_mrr"):
        instruction_retrieval(instructed, at_angles([0] * 4), at_angles(ANGLES), main="map")


def test_p_mrr_of_data_without_altered_instructions_is_refused(instructed):
    with pytest.raises(ConfigError, match="main is 'p_mrr', but the data names no documents"):
        instruction_retrieval(instructed, at_angles([0] * 4), at_angles(ANGLES), main="p_mrr")


def test_half_a_pair_is_refused(altered):
    altered.changed["u"] = ["d0"]
    with pytest.raises(InputError, match="original run: no query 'u'"):
        instruction_retrieval(altered, at_angles([0, 1, 2, 3]), at_angles(ANGLES), main="p_mrr")


@pytest.mark.parametrize(
    ("queries", "documents", "message"),
    [
        ([0, 1, np.nan, 3], ANGLES, "query_vectors, row 3: the vector has a NaN"),
        ([0, 1, 2], ANGLES, "query_vectors: 3 vectors; expected 4"),
        ([0, 1, 2, 3], ANGLES[1:], "document_vectors: 4 vectors; expected 5"),
        ([0, 1, 2, 3], [50] * 5, "document_vectors: all 5 vectors are the same"),
    ],
)
def test_unusable_vectors_are_refused(instructed, queries, documents, message):
    with pytest.raises(InputError, match=message):
        instruction_retrieval(instructed, at_angles(queries), at_angles(documents), main="robustness_at_10")
