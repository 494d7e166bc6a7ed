"""Texts are grouped as in the benchmark, named, and described; what cannot be grouped is refused."""

import numpy as np
import pytest

from instructvec.errors import ConfigError, ContractMismatch, InputError, InputTypeError
from instructvec.evaluation.protocols import clustering
from instructvec.tasks import Embedded, cluster, embedded
from instructvec.tasks.clustering import ALGORITHMS
from instructvec.tasks.instructions import CLUSTER
from instructvec.tasks.label_scores import v_measure_of

TEXTS = ["red wine", "white wine", "the wine was good", "a train", "the trains", "a late train", "trains"]


def groups(contract, n_groups=5, n_rows=100, noise=0.5, seed=0):
    rng = np.random.default_rng(seed)
    codes = np.arange(n_rows) % n_groups
    vectors = np.eye(n_groups, 32)[codes] + noise * rng.normal(size=(n_rows, 32)) / 3
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Embedded([f"word{code} and row{row}" for row, code in enumerate(codes)], vectors, contract), codes


@pytest.fixture(scope="module")
def contract(tiny):
    return tiny.contract("x: ")


def test_texts_about_the_same_are_together_named_and_described(bundled):
    found = cluster(TEXTS, n_clusters=2, embedder=bundled)
    assert found.labels.tolist() == [1, 1, 1, 0, 0, 0, 0]
    assert [one.size for one in found.clusters] == [4, 3]
    assert found.clusters[1].name == "wine"
    assert found.labels.dtype == np.int64 and found.n_noise == 0 and found.silhouettes == ()
    assert found.contract.instruction == CLUSTER
    trains = bundled.encode(TEXTS[3:], CLUSTER)
    centre = trains.mean(axis=0) / np.linalg.norm(trains.mean(axis=0))
    assert found.clusters[0].cohesion == pytest.approx(float((trains @ centre).mean()), abs=1e-6)
    assert found.clusters[0].central[0] == 3 + int((trains @ centre).argmax())
    assert found.clusters[0].central_texts == tuple(TEXTS[row] for row in found.clusters[0].central)


def test_with_the_benchmarks_algorithm_it_scores_as_the_benchmark(contract):
    made, codes = groups(contract, noise=0.9)
    labels = codes.tolist()
    found = cluster(made, n_clusters=5, algorithm="minibatch_kmeans")
    score = clustering([(made.vectors, labels)]).score
    assert v_measure_of(labels, found.labels) == pytest.approx(score, abs=1e-12)  # sums in another order
    assert 0.3 < score < 1


@pytest.mark.parametrize("algorithm", ["kmeans", "agglomerative"])
def test_the_number_is_chosen_by_silhouette_and_told(contract, algorithm):
    made, codes = groups(contract)
    found = cluster(made, algorithm=algorithm)
    assert len(found) == 5 and v_measure_of(codes.tolist(), found.labels) == pytest.approx(1)
    assert max(found.silhouettes, key=lambda one: one[1])[0] == 5
    assert found.notes[0].startswith("5 clusters, chosen by silhouette (0.")
    assert [one.terms for one in found.clusters] == [(f"word{code}",) for code in range(5)]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_same_seed_gives_the_same_clusters_the_largest_first(contract, algorithm):
    made, _ = groups(contract, noise=1.0)
    one, other = cluster(made, algorithm=algorithm, seed=7), cluster(made, algorithm=algorithm, seed=7)
    np.testing.assert_array_equal(one.labels, other.labels)
    sizes = [one.size for one in one.clusters]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes == np.bincount(one.labels[one.labels >= 0], minlength=0).tolist()


def test_hdbscan_leaves_texts_out_and_says_how_many(contract):
    made, _ = groups(contract, n_groups=2, n_rows=30, noise=0.1)
    astray = np.random.default_rng(1).normal(size=(2, 32)).astype(np.float32)
    found = cluster(
        Embedded([*made.texts, "a", "b"], np.vstack([made.vectors, astray]), contract), algorithm="hdbscan"
    )
    assert found.labels[-2:].tolist() == [-1, -1] and found.n_noise == 2 and len(found) == 2
    assert found.notes == ("2 of 32 texts are in no cluster",)


def test_copies_stay_together_and_fewer_distinct_texts_make_fewer_clusters(tiny):
    for algorithm in ("kmeans", "minibatch_kmeans", "agglomerative"):
        found = cluster(["rain", "snow", "rain", "rain"], n_clusters=3, algorithm=algorithm, embedder=tiny)
        assert found.labels.tolist() == [0, 1, 0, 0]
        assert found.notes == ("2 clusters instead of 3: no more texts are distinct",)
        assert found.clusters[0].central_texts == ("rain",)


@pytest.mark.parametrize("algorithm", ["kmeans", "minibatch_kmeans", "agglomerative"])
@pytest.mark.parametrize("n_clusters", [None, 1])
def test_a_single_text_is_a_cluster(tiny, algorithm, n_clusters):
    found = cluster(["rain"], n_clusters=n_clusters, algorithm=algorithm, embedder=tiny)
    assert found.labels.tolist() == [0]
    assert found.clusters[0].cohesion == pytest.approx(1)
    assert cluster(["rain"], algorithm="hdbscan", embedder=tiny).labels.tolist() == [-1]


def test_two_or_three_texts_without_a_number_are_grouped(tiny):
    assert len(cluster(["rain", "a fine day"], embedder=tiny)) == 2
    assert len(cluster(["rain", "a fine day", "on the other hand"], embedder=tiny)) == 2
    assert len(cluster(["rain"] * 5, embedder=tiny)) == 1


def test_vectors_without_texts_are_grouped_without_names(contract):
    made, _ = groups(contract)
    found = cluster(Embedded(None, made.vectors, contract), n_clusters=5)
    assert found.clusters[0].name == "" and found.clusters[0].central_texts == ()
    assert len(found.clusters[0].central) == 3


def test_many_texts_go_in_mini_batches_and_it_is_told(contract, monkeypatch):
    monkeypatch.setattr("instructvec.tasks.clustering.MOST_KMEANS_ROWS", 50)
    found = cluster(groups(contract)[0], n_clusters=5)
    assert found.notes == ("more than 50 texts: k-means went in mini-batches",)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"n_clusters": 8}, InputError, "n_clusters is 8, with 7 texts"),
        ({"n_clusters": 0}, ConfigError, "n_clusters is 0; expected 1 or more"),
        ({"algorithm": "dbscan"}, ConfigError, "algorithm is 'dbscan'; expected one of kmeans, minibatch_kmeans"),
        ({"algorithm": "hdbscan", "n_clusters": 3}, ConfigError, "hdbscan, which finds the number itself"),
        (
            {"algorithm": "hdbscan", "min_cluster_size": 1},
            ConfigError,
            "min_cluster_size is 1; expected 2",
        ),
        ({"min_cluster_size": 3}, ConfigError, "min_cluster_size is an option of hdbscan, not of kmeans"),
    ],
)
def test_options_that_do_not_fit_are_refused(tiny, options, error, message):
    with pytest.raises(error, match=message):
        cluster(TEXTS, embedder=tiny, **options)


def test_more_texts_than_an_algorithm_takes_are_refused_before_they_are_encoded():
    with pytest.raises(InputError, match="15,001 texts; agglomerative takes at most 15,000: use kmeans"):
        cluster(["x"] * 15_001, algorithm="agglomerative")


def test_one_string_is_no_list_of_texts(tiny):
    with pytest.raises(InputTypeError, match="texts: one string; expected a sequence"):
        cluster("abcd", embedder=tiny)


def test_no_texts_and_other_vectors_are_refused(tiny, bundled):
    with pytest.raises(InputError, match="texts: empty"):
        cluster([], embedder=tiny)
    with pytest.raises(ContractMismatch, match="model: expected"):
        cluster(embedded(TEXTS, tiny), embedder=bundled)
