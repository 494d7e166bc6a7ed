"""Each protocol against mteb's own code on the same vectors.

The installed mteb keeps what its first version did, but for reranking (see there).
"""

import warnings

import numpy as np
import pytest

pytest.importorskip("mteb")

from datasets import Dataset, DatasetDict
from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores
from mteb._evaluators.text.summarization_evaluator import DeprecatedSummarizationEvaluator
from mteb.abstasks import AbsTaskClassification, AbsTaskPairClassification, AbsTaskRetrieval, AbsTaskSTS
from mteb.abstasks.clustering_legacy import AbsTaskClusteringLegacy
from mteb.abstasks.text.summarization import AbsTaskSummarization
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import average_precision_score

from instructvec.evaluation.data import RetrievalPart
from instructvec.evaluation.protocols import (
    classification,
    clustering,
    evaluate_run,
    pair_classification,
    reranking,
    retrieval,
    sts,
    summarization,
    undersample,
)
from instructvec.evaluation.protocols.ranking import KS
from tests.evaluation import local_mteb as local

# The same float32 similarities and float64 means on both sides.
EXACT = 1e-9
# mteb rounds retrieval's means to five decimals.
ROUNDED = 5.1e-6


class LookUp:
    """An mteb encoder: a text is the number of its vector."""

    mteb_model_meta = None

    def __init__(self, vectors):
        self.vectors = vectors

    def encode(self, inputs, *, task_metadata, hf_split, hf_subset, prompt_type=None, **_):
        return self.vectors[[int(text) for batch in inputs for text in batch["text"]]]

    def similarity(self, a, b):
        # One number for two vectors, as mteb's summarisation asks for it.
        if np.ndim(a) == np.ndim(b) == 1:
            return self.similarity(a[None], b[None])[0, 0]
        a, b = (np.atleast_2d(np.asarray(one, np.float32)) for one in (a, b))
        a, b = (one / np.linalg.norm(one, axis=1, keepdims=True) for one in (a, b))
        return a @ b.T

    def similarity_pairwise(self, a, b):
        return np.array([self.similarity(one, other) for one, other in zip(a, b, strict=True)])


class Given:
    """A task whose data are at hand."""

    def __init__(self, dataset):
        super().__init__()
        self.dataset = dataset
        self.data_loaded = True

    def load_data(self, **_):
        raise AssertionError("nothing to load")


def texts(start, n_rows):
    return [str(start + at) for at in range(n_rows)]


def scored(task, vectors):
    options = {"batch_size": 32, "show_progress_bar": False}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)  # mteb's, for labels that were never predicted
        return task.evaluate(LookUp(vectors), "test", encode_kwargs=options)["default"]


def clustered(seed, labels, width=24, noise=2.0):
    """Vectors of unequal length around a centre for each label."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(max(labels) + 1, width))
    vectors = centres[labels] + noise * rng.normal(size=(len(labels), width))
    return (vectors * rng.uniform(0.8, 1.2, (len(labels), 1))).astype(np.float32)


class GivenClassification(Given, AbsTaskClassification):
    metadata = local.about("GivenClassification", "Classification", "accuracy")


@pytest.mark.parametrize(("n_labels", "samples_per_label"), [(2, 8), (7, 5), (30, 8)])
def test_classification(n_labels, samples_per_label):
    rng = np.random.default_rng(n_labels)
    # Labels of unequal size, some with fewer rows than a draw takes.
    shares = rng.dirichlet(np.full(n_labels, 3.0))
    train_labels = [*range(n_labels), *rng.choice(n_labels, 300, p=shares).tolist()]
    labels = [*range(n_labels), *rng.choice(n_labels, 150).tolist()]
    vectors = clustered(1, [*train_labels, *labels])
    task = GivenClassification(
        DatasetDict(
            train=Dataset.from_dict({"text": texts(0, len(train_labels)), "label": train_labels}),
            test=Dataset.from_dict({"text": texts(len(train_labels), len(labels)), "label": labels}),
        )
    )
    task.samples_per_label = samples_per_label
    theirs = scored(task, vectors)
    draws = undersample(train_labels, samples_per_label=samples_per_label, n_experiments=10)
    train, test = vectors[: len(train_labels)], vectors[len(train_labels) :]
    ours = classification(train, train_labels, test, labels, draws=draws)
    assert ours.details["accuracies"] == [one["accuracy"] for one in theirs["scores_per_experiment"]]
    for name in ours.metrics.keys() & theirs.keys():
        assert ours.metrics[name] == pytest.approx(theirs[name], abs=EXACT), name
    assert ours.metrics.keys() - theirs.keys() == {"accuracy_std"}


@pytest.mark.parametrize("samples_per_label", [1, 8, 1000])
def test_draws(samples_per_label):
    labels = np.random.default_rng(0).choice(9, 700).tolist()
    train = Dataset.from_dict({"text": texts(0, 700), "label": labels})
    task = GivenClassification(DatasetDict(train=train))
    task.samples_per_label = samples_per_label
    rows, theirs = None, []
    for experiment in range(10):
        _, rows, drawn = task._undersample_data(train, experiment, rows)
        theirs.append(drawn)
    ours = undersample(labels, samples_per_label=samples_per_label, n_experiments=10)
    assert [draw.tolist() for draw in ours] == theirs


class GivenClustering(Given, AbsTaskClusteringLegacy):
    metadata = local.about("GivenClustering", "Clustering", "v_measure")


def test_clustering():
    labels = [(np.arange(n_rows) % n_labels).tolist() for n_rows, n_labels in ((700, 11), (90, 3), (40, 20))]
    vectors = [clustered(2 + at, own, noise=1.2) for at, own in enumerate(labels)]
    starts = np.cumsum([0, *map(len, labels)])
    rows = {
        "sentences": [texts(start, len(own)) for start, own in zip(starts, labels, strict=False)],
        "labels": labels,
    }
    theirs = scored(GivenClustering(DatasetDict(test=Dataset.from_dict(rows))), np.concatenate(vectors))
    ours = clustering(list(zip(vectors, labels, strict=True)))
    assert ours.details["v_measures"] == pytest.approx(theirs["v_measures"], abs=EXACT)
    assert ours.score == pytest.approx(theirs["v_measure"], abs=EXACT)
    assert ours.metrics["v_measure_std"] == pytest.approx(theirs["v_measure_std"], abs=EXACT)


def pairs(n_rows=400):
    rng = np.random.default_rng(3)
    a = clustered(4, (np.arange(n_rows) % 5).tolist())
    nearness = rng.random((n_rows, 1))
    b = (nearness * a + (1 - nearness) * clustered(5, rng.choice(5, n_rows).tolist())).astype(np.float32)
    b[::10] = a[::10]  # equal texts: cosines that tie
    return a, b, nearness[:, 0] + 0.3 * rng.normal(size=n_rows)


class GivenPairs(Given, AbsTaskPairClassification):
    metadata = local.about("GivenPairs", "PairClassification", "max_ap")


def test_pair_classification():
    a, b, scores = pairs()
    labels = (scores > 0.7).tolist()
    rows = {"sentence1": texts(0, 400), "sentence2": texts(400, 400), "labels": list(map(int, labels))}
    theirs = scored(GivenPairs(DatasetDict(test=Dataset.from_dict(rows))), np.concatenate([a, b]))
    ours = pair_classification(a, b, labels)
    for side in ("cosine", "dot", "euclidean", "manhattan"):
        for name in ("ap", "accuracy", "f1", "precision", "recall"):
            assert ours.metrics[f"{side}_{name}"] == pytest.approx(theirs[f"{side}_{name}"], abs=EXACT)
    # mteb also takes the model's own similarity, here the cosine with another rounding, into the maximum.
    assert ours.score == pytest.approx(theirs["max_ap"], abs=1e-6)


class GivenSts(Given, AbsTaskSTS):
    metadata = local.about("GivenSts", "STS", "cosine_spearman")


def test_sts():
    a, b, scores = pairs()
    scores = np.round(5 * scores, 1).tolist()
    rows = {"sentence1": texts(0, 400), "sentence2": texts(400, 400), "score": scores}
    theirs = scored(GivenSts(DatasetDict(test=Dataset.from_dict(rows))), np.concatenate([a, b]))
    ours = sts(a, b, scores)
    for side in ("cosine", "euclidean", "manhattan"):
        for name in ("pearson", "spearman"):
            assert ours.metrics[f"{side}_{name}"] == pytest.approx(theirs[f"{side}_{name}"], abs=EXACT)


class GivenSummaries(Given, AbsTaskSummarization):
    metadata = local.about("GivenSummaries", "Summarization", "cosine_spearman")
    min_score, max_score = 0, 5


class GivenSummariesAsBefore(GivenSummaries):
    metadata = local.about("GivenSummariesAsBefore", "Summarization", "cosine_spearman")
    evaluator = DeprecatedSummarizationEvaluator


def test_summarisation_right_and_as_first_published():
    rng = np.random.default_rng(6)
    human = [clustered(10 + at, [0] * 3) for at in range(8)]
    machine = [clustered(20 + at, [0] * 7) for at in range(8)]
    scores = [np.round(rng.uniform(1, 5, 7), 1).tolist() for _ in range(8)]
    scores[3] = [2.0] * 7  # left out by both
    rows = {
        "text": texts(0, 8),
        "human_summaries": [texts(3 * at, 3) for at in range(8)],
        "machine_summaries": [texts(24 + 7 * at, 7) for at in range(8)],
        "relevance": scores,
    }
    dataset = DatasetDict(test=Dataset.from_dict(rows))
    vectors = np.concatenate([*human, *machine])
    ours = summarization(human, machine, scores)
    theirs = scored(GivenSummaries(dataset), vectors)
    # Ranks of float32 cosines are the same; Pearson's sees their last digit.
    assert ours.score == pytest.approx(theirs["cosine_spearman"], abs=EXACT)
    assert ours.metrics["cosine_pearson"] == pytest.approx(theirs["cosine_pearson"], abs=1e-6)
    with pytest.warns(DeprecationWarning, match="issues/1156"):
        as_before = scored(GivenSummariesAsBefore(dataset), vectors)
    assert ours.metrics["cosine_spearman_v1"] == pytest.approx(as_before["cosine_spearman"], abs=EXACT)
    assert ours.details["n_skipped"] == 1


class GivenCollection(Given, AbsTaskRetrieval):
    metadata = local.about("GivenCollection", "Retrieval", "ndcg_at_10")


def collection(n_queries=25, n_documents=1500):
    """Queries near one to four documents each, judged 1 or 2; some share their id with a document."""
    rng = np.random.default_rng(7)
    documents = rng.normal(size=(n_documents, 16)).astype(np.float32)
    ids = [f"d{at}" for at in range(n_documents)]
    names, queries, qrels = [], [], {}
    for at in range(n_queries):
        rows = rng.choice(n_documents, rng.integers(1, 5), replace=False)
        names.append(ids[rows[0]] if at % 5 == 0 else f"q{at}")
        queries.append(documents[rows].sum(axis=0) + rng.normal(size=16))
        qrels[names[-1]] = {ids[row]: int(rng.integers(1, 3)) for row in rows} | {"not in the corpus": at % 2}
    return names, np.array(queries, np.float32), ids, documents, qrels


def as_task(kind, names, ids, n_queries, qrels, candidates=None):
    queries = [{"id": name, "text": text} for name, text in zip(names, texts(0, n_queries), strict=True)]
    corpus = [
        {"id": name, "text": text, "title": ""} for name, text in zip(ids, texts(n_queries, len(ids)), strict=True)
    ]
    split = {
        "queries": Dataset.from_list(queries),
        "corpus": Dataset.from_list(corpus),
        "relevant_docs": qrels,
        "top_ranked": candidates,
    }
    return kind({"default": {"test": split}})


@pytest.mark.parametrize("ignored", [False, True])
def test_retrieval(ignored):
    names, queries, ids, documents, qrels = collection()
    task = as_task(GivenCollection, names, ids, len(names), qrels)
    task.ignore_identical_ids = ignored
    theirs = scored(task, np.concatenate([queries, documents]))
    part = RetrievalPart(ids, texts(0, len(ids)), names, texts(0, len(names)), qrels, ignore_identical_ids=ignored)
    ours = retrieval([part], [queries], [documents], block_rows=400)
    for name in ("ndcg", "map", "recall", "precision", "mrr"):
        for k in KS:
            # mteb takes a document that is the query out of its thousand; here another makes up for it.
            slack = 1e-3 if ignored and k == 1000 else ROUNDED
            assert ours.metrics[f"{name}_at_{k}"] == pytest.approx(theirs[f"{name}_at_{k}"], abs=slack), (name, k)
    assert ours.score == ours.metrics["ndcg_at_10"]
    assert 0.1 < ours.score < 0.9


def test_figures_of_rankings_with_ties():
    rng = np.random.default_rng(8)
    qrels = {
        f"q{q}": {f"d{d}": int(rng.integers(0, 3)) for d in rng.choice(60, 12)} | {"d0": 1} for q in range(30)
    }
    # Scores of one decimal: many are equal.
    run = {query: {f"d{d}": float(np.round(rng.random(), 1)) for d in range(50)} for query in qrels}
    theirs = calculate_retrieval_scores(run, qrels, list(KS))
    ours = evaluate_run(qrels, run)
    names = {"ndcg_cut": "ndcg", "map_cut": "map", "recall": "recall", "P": "precision"}
    for query, row in ours.items():
        for their_name, name in names.items():
            for k in KS:
                assert row[f"{name}_at_{k}"] == pytest.approx(
                    theirs.all_scores[query][f"{their_name}_{k}"], abs=1e-12
                )
    for k in KS:
        mean = np.mean([row[f"mrr_at_{k}"] for row in ours.values()])
        assert mean == pytest.approx(theirs.mrr[f"MRR@{k}"], abs=1e-9)


class GivenCandidates(Given, AbsTaskRetrieval):
    metadata = local.about("GivenCandidates", "Reranking", "map_at_1000")


def test_reranking_without_equal_cosines():
    # Where cosines are equal, the installed mteb lets trec_eval put the greater id first; its first version had
    # scikit-learn take them together, and so have we.
    rng = np.random.default_rng(9)
    queries = clustered(30, [at % 5 for at in range(40)])
    positives = [clustered(100 + at, [at % 5] * int(rng.integers(1, 4)), noise=3.0) for at in range(40)]
    negatives = [clustered(200 + at, [(at + 1) % 5] * int(rng.integers(1, 12))) for at in range(40)]
    names, ids, qrels, candidates = [], [], {}, {}
    for at in range(40):
        names.append(f"q{at}")
        own = [f"apositive_{at}_{row}" for row in range(len(positives[at]))]
        others = [f"negative_{at}_{row}" for row in range(len(negatives[at]))]
        qrels[names[-1]] = dict.fromkeys(own, 1) | dict.fromkeys(others, 0)
        candidates[names[-1]] = own + others
        ids += own + others
    documents = np.concatenate([one for both in zip(positives, negatives, strict=True) for one in both])
    theirs = scored(
        as_task(GivenCandidates, names, ids, 40, qrels, candidates), np.concatenate([queries, documents])
    )
    ours = reranking(queries, positives, negatives)
    assert ours.score == pytest.approx(theirs["map_at_1000"], abs=ROUNDED)
    assert ours.metrics["mrr"] == pytest.approx(theirs["mrr_at_10"], abs=1e-9)
    assert 0.2 < ours.score < 0.95


def test_reranking_is_that_of_the_first_version_where_cosines_are_equal():
    # The first version: scikit-learn's average precision of cosines by torch.
    import torch

    rng = np.random.default_rng(10)
    pool = rng.normal(size=(6, 8)).astype(np.float32)  # so that candidates are often the same
    queries = rng.normal(size=(30, 8)).astype(np.float32)
    positives, negatives = ([pool[rng.choice(6, n)] for _ in queries] for n in (2, 5))
    precisions = []
    for query, *candidates in zip(queries, positives, negatives, strict=True):
        both = torch.from_numpy(np.concatenate(candidates))
        cosines = torch.nn.functional.cosine_similarity(torch.from_numpy(query)[None], both)
        # Rounded, because torch may give equal vectors cosines that differ in the last digit.
        precisions.append(average_precision_score([1] * 2 + [0] * 5, cosines.numpy().round(5)))
    assert reranking(queries, positives, negatives).score == pytest.approx(np.mean(precisions), abs=EXACT)
