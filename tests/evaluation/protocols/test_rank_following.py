"""p-MRR and Robustness@k: by hand, and held against mteb's functions."""

import numpy as np
import pytest

from instructvec.errors import InputError
from instructvec.evaluation.protocols.following import p_mrr, p_mrr_by_query, robustness_at_k


def run(*documents):
    """Scores that put the documents in this order."""
    return {document: 1.0 / rank for rank, document in enumerate(documents, start=1)}


@pytest.mark.parametrize(
    ("before", "after", "value"),
    [
        ("abcd", "bcda", 1 - 1 / 4),  # fell from 1 to 4
        ("bcda", "abcd", 1 / 4 - 1),  # rose from 4 to 1
        ("abcd", "abcd", 0.0),
        ("bacd", "bcad", 1 - 2 / 3),
    ],
)
def test_a_document_that_falls_counts_for_the_model(before, after, value):
    assert p_mrr({"q": run(*before)}, {"q": run(*after)}, {"q": ["a"]}) == pytest.approx(value, abs=1e-12)


def test_documents_are_averaged_within_queries_first():
    before = {"q": run(*"abcd"), "r": run(*"abcd")}
    after = {"q": run(*"bcda"), "r": run(*"abcd")}
    irrelevant = {"q": ["a", "b"], "r": ["a"]}
    by_query = p_mrr_by_query(before, after, irrelevant)
    assert by_query == pytest.approx({"q": (3 / 4 + (1 / 2 - 1)) / 2, "r": 0.0})
    assert p_mrr(before, after, irrelevant) == pytest.approx(0.125 / 2)


def test_a_document_that_is_not_ranked_stands_behind_all_that_are():
    assert p_mrr({"q": run(*"ab")}, {"q": run(*"bcd")}, {"q": ["a"]}) == 1 - 1 / 4


def test_of_equal_scores_the_greater_id_stands_first():
    equal = {"a": 0.5, "b": 0.5}
    assert p_mrr({"q": run("b", "a")}, {"q": equal}, {"q": ["a"]}) == 0.0
    assert p_mrr({"q": run("a", "b")}, {"q": equal}, {"q": ["a"]}) == 0.5


def test_queries_without_such_documents_do_not_count():
    runs = {"q": run(*"ab")}, {"q": run(*"ba")}
    assert p_mrr_by_query(*runs, {"q": ["a"], "r": []}) == {"q": 0.5}


def random_runs(seed):
    rng = np.random.default_rng(seed)
    runs = []
    for _ in range(2):
        # Rounded, so that there are ties; not every document is in every run.
        runs.append(
            {
                f"q{query}": {
                    f"d{document}": round(float(rng.random()), 1) for document in range(30) if rng.random() < 0.8
                }
                for query in range(12)
            }
        )
    changed = {f"q{query}": [f"d{one}" for one in rng.choice(30, 1 + query % 4, False)] for query in range(12)}
    return *runs, changed


@pytest.mark.parametrize("seed", range(5))
def test_p_mrr_is_that_of_mteb(seed):
    metrics = pytest.importorskip("mteb._evaluators.retrieval_metrics")
    original, altered, irrelevant = random_runs(seed)
    theirs = metrics.calculate_pmrr(
        {f"{query}-og": row for query, row in original.items()},
        {f"{query}-changed": row for query, row in altered.items()},
        irrelevant,
    )
    assert p_mrr(original, altered, irrelevant) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("missing", ["original", "changed"])
def test_a_query_in_one_run_only_is_refused(missing):
    runs = {"original": {"q": run(*"ab")}, "changed": {"q": run(*"ab")}}
    runs[missing] = {}
    with pytest.raises(InputError, match=f"{missing} run: no query 'q', but 1 documents became irrelevant"):
        p_mrr(runs["original"], runs["changed"], {"q": ["a"]})


@pytest.mark.parametrize("irrelevant", [{}, {"q": []}])
def test_p_mrr_of_nothing_is_refused(irrelevant):
    with pytest.raises(InputError, match="no query has documents that became irrelevant"):
        p_mrr({"q": run("a")}, {"q": run("a")}, irrelevant)


def test_robustness_is_the_mean_of_the_worst():
    found = {"first": {"q": 1.0, "r": 0.5}, "second": {"q": 0.25, "r": 0.75}, "third": {"r": 0.125}}
    assert robustness_at_k(found) == (0.25 + 0.125) / 2


def test_robustness_is_that_of_mteb():
    metrics = pytest.importorskip("mteb._evaluators.retrieval_metrics")
    rng = np.random.default_rng(0)
    counts = [1 + query % 5 for query in range(9)]
    scores = {f"{q}_{at}": {"ndcg_cut_10": float(rng.random())} for q, n in enumerate(counts) for at in range(n)}
    theirs = metrics.robustness_at_10(scores, {}, scores)
    ours: dict = {}
    for key, row in scores.items():
        query, at = key.split("_")
        ours.setdefault(at, {})[query] = row["ndcg_cut_10"]
    assert robustness_at_k(ours) == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize("nothing", [{}, {"first": {}}])
def test_robustness_of_nothing_is_refused(nothing):
    with pytest.raises(InputError, match="no queries"):
        robustness_at_k(nothing)


def test_robustness_of_nan_is_refused():
    with pytest.raises(InputError, match="instruction 'first', query 'q': nDCG is nan"):
        robustness_at_k({"first": {"q": float("nan")}})
