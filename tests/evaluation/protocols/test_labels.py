"""Classification, clustering and pair classification: values by hand, refusals, resamples."""

import warnings

import numpy as np
import pytest
from sklearn.cluster import MiniBatchKMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, v_measure_score

from instructvec.errors import InputError
from instructvec.evaluation import protocols
from instructvec.evaluation.protocols import classification, clustering, pair_classification, undersample
from instructvec.evaluation.protocols.outcome import bootstrap

# Means of the same numbers, added in another order.
ROUNDING = 1e-12


def clustered(seed, n_labels, n_rows, width=16, noise=1.5):
    """Vectors of length 1 around a centre for each label, near enough to each other for errors."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n_rows) % n_labels
    centres = np.random.default_rng(99).normal(size=(n_labels, width))
    vectors = centres[labels] + noise * rng.normal(size=(n_rows, width))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), labels.tolist()


def classified(n_labels=5, **options):
    train, train_labels = clustered(1, n_labels, 40 * n_labels)
    test, labels = clustered(2, n_labels, 97)
    draws = undersample(train_labels, samples_per_label=8, n_experiments=4)
    return classification(train, train_labels, test, labels, draws=draws, **options), (
        train,
        train_labels,
        test,
        labels,
    )


def test_every_protocol_is_offered_in_one_place():
    assert {name for name in protocols.__all__ if not callable(getattr(protocols, name))} == set()


def test_a_draw_has_each_label_as_often_as_asked_or_as_there_are():
    labels = ["many"] * 30 + ["few"] * 3
    for draw in undersample(labels, samples_per_label=8, n_experiments=3):
        drawn = [labels[row] for row in draw]
        assert (drawn.count("many"), drawn.count("few"), len(set(draw.tolist()))) == (8, 3, 11)


def test_draws_differ_between_experiments_and_not_between_calls():
    labels = [0, 1] * 50
    first, second = undersample(labels, samples_per_label=4, n_experiments=2)
    assert first.tolist() != second.tolist()
    assert undersample(labels, samples_per_label=4, n_experiments=1)[0].tolist() == first.tolist()


def test_names_of_labels_do_not_change_draws():
    numbers = [0, 1, 2] * 20
    names = [f"label {one}" for one in numbers]
    for a, b in zip(
        *(undersample(one, samples_per_label=3, n_experiments=5) for one in (numbers, names)), strict=True
    ):
        assert np.array_equal(a, b)


def test_classification_is_plain_logistic_regression_on_each_draw():
    found, (train, train_labels, test, labels) = classified()
    draws = undersample(train_labels, samples_per_label=8, n_experiments=4)
    accuracies = []
    for draw in draws:
        model = LogisticRegression(max_iter=100, random_state=42).fit(train[draw], np.array(train_labels)[draw])
        accuracies.append(float(np.mean(model.predict(test) == np.array(labels))))
    assert found.details["accuracies"] == pytest.approx(accuracies, abs=ROUNDING)
    assert found.score == pytest.approx(np.mean(accuracies), abs=ROUNDING)
    assert found.metrics["accuracy_std"] == pytest.approx(np.std(accuracies), abs=ROUNDING)
    assert 0.4 < found.score < 0.95


def test_classification_by_hand():
    train, labels = np.array([[1.0], [1.1], [-1.0], [-1.1]]), ["up", "up", "down", "down"]
    found = classification(
        train, labels, np.array([[2.0], [-2.0], [3.0], [1.0]]), ["up", "down", "up", "down"], draws=[np.arange(4)]
    )
    # One "down" is taken for "up": precision 1 and 2/3, recall 1/2 and 1.
    assert found.metrics == pytest.approx(
        {
            "accuracy": 0.75,
            "precision": (1 + 2 / 3) / 2,
            "recall": 0.75,
            "f1": (2 / 3 + 0.8) / 2,
            "precision_weighted": (1 + 2 / 3) / 2,
            "recall_weighted": 0.75,
            "f1_weighted": (2 / 3 + 0.8) / 2,
            "ap": 2 / 3,
            "accuracy_std": 0.0,
        }
    )
    assert found.statistic(np.array([0, 1, 2, 2])) == 1.0


def test_names_and_order_of_test_rows_do_not_change_the_score():
    found, (train, train_labels, test, labels) = classified()
    at = np.random.default_rng(3).permutation(len(labels))
    draws = undersample(train_labels, samples_per_label=8, n_experiments=4)
    same = classification(
        train, [f"l{one}" for one in train_labels], test[at], [f"l{labels[row]}" for row in at], draws=draws
    )
    assert same.metrics == pytest.approx(found.metrics, abs=ROUNDING)


def test_average_precision_is_there_for_two_labels_only():
    assert "ap" in classified(2)[0].metrics
    assert "ap" not in classified(3)[0].metrics


def test_classification_on_all_rows_is_the_score():
    found, _ = classified()
    assert found.strata == (97,)
    assert found.statistic(np.arange(97)) == pytest.approx(found.score, abs=ROUNDING)


def test_fits_that_stop_at_the_limit_are_counted_and_warn_of_nothing():
    # Components of very different size, which say nothing of the labels.
    vectors = np.random.default_rng(5).normal(size=(300, 50)) * np.logspace(0, 2, 50)
    labels = (np.arange(300) % 3).tolist()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = classification(vectors, labels, vectors, labels, draws=[np.arange(300)] * 2)
    assert found.details["n_not_converged"] == 2
    assert classified()[0].details["n_not_converged"] == 0


def test_constant_vectors_are_classified_as_by_guessing():
    labels = [0, 1, 2] * 10
    found = classification(np.ones((30, 4)), labels, np.ones((30, 4)), labels, draws=[np.arange(30)])
    assert found.score == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_labels": [1] * 6}, "training labels: every row has the label 1; expected two labels or more"),
        ({"labels": ["a"] * 4}, "test labels: every row has the label 'a'"),
        ({"labels": [0, 1]}, "vectors: 4 vectors; expected 2"),
        ({"vectors": np.eye(4)}, "vectors: 4 dimensions, but train_vectors has 2"),
        ({"draws": []}, "draws: empty; expected the training rows of at least one experiment"),
        ({"draws": [np.array([0, 2, 4])]}, "a draw of training rows: every row has the label 0"),
        ({"vectors": np.full((4, 2), np.nan)}, "vectors, row 1: the vector has a NaN"),
    ],
)
def test_classification_refuses(change, message):
    given = {
        "train_vectors": np.random.default_rng(0).normal(size=(6, 2)),
        "train_labels": [0, 1] * 3,
        "vectors": np.ones((4, 2)),
        "labels": [0, 1] * 2,
        "draws": [np.arange(6)],
    } | change
    draws = given.pop("draws")
    with pytest.raises(InputError, match=message):
        classification(**given, draws=draws)


def two_sets():
    return [clustered(3, 4, 200), clustered(4, 3, 90)]


def test_clustering_is_mini_batch_k_means_on_each_set():
    expected = []
    for vectors, labels in two_sets():
        model = MiniBatchKMeans(len(set(labels)), batch_size=500, n_init="auto", random_state=42).fit(vectors)
        expected.append(v_measure_score(labels, model.labels_))
    found = clustering(two_sets())
    assert found.details["v_measures"] == pytest.approx(expected, abs=ROUNDING)
    assert found.metrics == pytest.approx(
        {"v_measure": np.mean(expected), "v_measure_std": np.std(expected)}, abs=ROUNDING
    )
    assert 0.1 < found.score < 0.95


def test_clustering_on_a_resample_keeps_the_clusters():
    sets = two_sets()
    found = clustering(sets)
    assert found.strata == (200, 90)
    assert found.statistic(np.arange(290)) == pytest.approx(found.score, abs=ROUNDING)
    rng = np.random.default_rng(6)
    drawn = [rng.integers(0, 200, 200), rng.integers(0, 90, 90)]
    expected = []
    for (vectors, labels), rows in zip(sets, drawn, strict=True):
        clusters = (
            MiniBatchKMeans(len(set(labels)), batch_size=500, n_init="auto", random_state=42).fit(vectors).labels_
        )
        expected.append(v_measure_score(np.array(labels)[rows], clusters[rows]))
    assert found.statistic(np.concatenate([drawn[0], 200 + drawn[1]])) == pytest.approx(
        np.mean(expected), abs=ROUNDING
    )


def test_names_of_labels_do_not_change_clusters():
    named = [(vectors, [f"label {one}" for one in labels]) for vectors, labels in two_sets()]
    assert clustering(named).metrics == clustering(two_sets()).metrics


def test_constant_vectors_cluster_into_nothing_without_a_warning():
    assert clustering([(np.ones((30, 4)), [0, 1, 2] * 10)]).score == 0.0


def test_clustering_separates_what_is_apart():
    vectors = np.repeat(np.eye(3), 5, axis=0)
    assert clustering([(vectors, ["a"] * 5 + ["b"] * 5 + ["c"] * 5)]).score == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("sets", "message"),
    [
        ([], "sets: empty; expected at least one set"),
        ([(np.eye(3), [0, 1, 1]), (np.eye(3), [2, 2, 2])], "set 2: every row has the label 2"),
        ([(np.eye(3), [0, 1])], "vectors of set 1: 3 vectors; expected 2"),
        ([(np.array([[1.0], [np.inf]]), [0, 1])], "vectors of set 1, row 2: the vector has a NaN or infinite"),
    ],
)
def test_clustering_refuses(sets, message):
    with pytest.raises(InputError, match=message):
        clustering(sets)


def paired(seed=0, n_rows=80, width=12):
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n_rows, width)).astype(np.float32)
    labels = rng.random(n_rows) < 0.4
    b = rng.normal(size=a.shape) * 2 + np.where(labels, 1, -0.2)[:, None] * a
    return a, b.astype(np.float32), labels.tolist()


def test_pair_classification_by_hand():
    # Cosines 1, 0.8, 0.6, 0 with labels 1, 0, 1, 0: AP = (1 + 2/3) / 2. Lengths turn the dot products round.
    a = np.array([[1.0, 0.0]] * 4)
    b = np.array([[0.1, 0.0], [8.0, 6.0], [0.6, 0.8], [0.0, 1.0]])
    found = pair_classification(a, b, [True, False, True, False])
    assert found.metrics["cosine_ap"] == pytest.approx(5 / 6)
    assert found.metrics["dot_ap"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert found.metrics["cosine_accuracy"] == 0.75
    assert found.metrics["cosine_f1"] == pytest.approx(0.8)
    # Distances 0.9, 9.2, 0.9, 1.4 by Euclid; 0.9, 13, 1.2, 2 by Manhattan: both right ones are nearest.
    assert found.metrics["manhattan_ap"] == found.metrics["euclidean_ap"] == found.score == 1.0


def test_pair_classification_on_a_resample_is_the_score_of_its_rows():
    a, b, labels = paired()
    found = pair_classification(a, b, labels)
    assert found.score == found.metrics["max_ap"]
    assert found.statistic(np.arange(80)) == pytest.approx(found.score, abs=ROUNDING)
    units = np.random.default_rng(7).integers(0, 80, 80)
    own = pair_classification(a[units], b[units], [labels[row] for row in units])
    assert found.statistic(units) == pytest.approx(own.score, abs=ROUNDING)
    assert 0.5 < found.score < 0.95


def test_pair_classification_does_not_depend_on_order_of_rows_or_sides():
    a, b, labels = paired()
    at = np.random.default_rng(8).permutation(80)
    same = pair_classification(b[at], a[at], [labels[row] for row in at])
    assert same.metrics == pytest.approx(pair_classification(a, b, labels).metrics, abs=ROUNDING)


def test_equal_pairs_are_taken_together():
    found = pair_classification(np.eye(2)[[0, 0, 0]], np.eye(2)[[0, 0, 1]], [True, False, False])
    assert found.score == average_precision_score([1, 0, 0], [1.0, 1.0, 0.0]) == 0.5


def test_pair_classification_resampled_to_one_label_is_undefined():
    a, b, labels = paired()
    negative = labels.index(False)
    assert np.isnan(pair_classification(a, b, labels).statistic(np.full(80, negative)))


def test_pair_classification_refuses():
    a, b, labels = paired()
    with pytest.raises(InputError, match="labels: every row has the label True"):
        pair_classification(a, b, [True] * 80)
    with pytest.raises(InputError, match="vectors: all 160 vectors are the same, so no order can be scored"):
        pair_classification(np.ones_like(a), np.ones_like(b), labels)
    with pytest.raises(InputError, match="b: 3 dimensions, but a has 12"):
        pair_classification(a, b[:, :3], labels)
    a[4, 4] = np.nan
    with pytest.raises(InputError, match="a, row 5: the vector has a NaN or infinite component"):
        pair_classification(a, b, labels)


def test_resamples_of_every_kind_surround_the_score():
    a, b, labels = paired()
    for found in (classified()[0], clustering(two_sets()), pair_classification(a, b, labels)):
        replicates = bootstrap(found, n_resamples=50, seed=1, name="test")
        assert replicates.min() < found.score + 0.05
        assert replicates.max() > found.score - 0.05
        assert replicates.std() > 0
