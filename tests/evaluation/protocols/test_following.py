"""Whether the same texts under other instructions group as those ask: by hand, and by scikit-learn."""

import json

import numpy as np
import pytest
from sklearn.cluster import KMeans
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import v_measure_score

from instructvec.errors import InputError
from instructvec.evaluation import protocols
from instructvec.evaluation.protocols import following as module
from instructvec.evaluation.protocols.following import following, harmonic_mean, sensitivity
from instructvec.evaluation.protocols.outcome import bootstrap

TOPICS = ["sea", "court", "kitchen"] * 20
STYLES = (["calm"] * 3 + ["loud"] * 3) * 10
GOALS = {"topic": TOPICS, "style": STYLES}


def one_hot(labels):
    names = sorted(set(labels))
    return np.eye(8, dtype=np.float32)[[names.index(label) for label in labels]]


def noisy(labels, seed, spread=0.5):
    return one_hot(labels) + spread * np.random.default_rng(seed).normal(size=(len(labels), 8)).astype(np.float32)


@pytest.fixture
def obedient():
    """The topic alone under the topic's instruction, the style alone under the style's."""
    return {"topic": one_hot(TOPICS), "style": one_hot(STYLES)}


@pytest.fixture
def blurred():
    return {"topic": noisy(TOPICS, 1), "style": noisy(STYLES, 2)}


def test_perfect_following_is_one_on_the_diagonal_and_nothing_beside_it(obedient):
    found = following(obedient, GOALS, samples_per_label=4)
    assert found.details["goals"] == ["topic", "style"]
    v_measures, accuracies = found.details["v_measure"], found.details["accuracy"]
    assert v_measures["topic"]["topic"] == v_measures["style"]["style"] == pytest.approx(1.0, abs=1e-12)
    # Topics and styles are fully crossed: knowing one says nothing of the other.
    assert v_measures["topic"]["style"] == v_measures["style"]["topic"] == pytest.approx(0.0, abs=1e-12)
    assert accuracies["topic"]["topic"] == accuracies["style"]["style"] == 1.0
    assert accuracies["topic"]["style"] < 0.6
    assert found.score == found.metrics["harmonic_v_measure"] == pytest.approx(1.0)
    assert found.metrics["following_gain_v_measure"] == pytest.approx(1.0)
    assert found.metrics["right_v_measure"] == pytest.approx(1.0)
    assert found.metrics["other_v_measure"] == pytest.approx(0.0, abs=1e-12)
    assert found.metrics["harmonic_accuracy"] == found.metrics["right_accuracy"] == 1.0


def test_vectors_that_ignore_the_instruction_gain_exactly_nothing():
    same = noisy(TOPICS, 3)
    found = following({"topic": same, "style": same}, GOALS)
    assert found.metrics["following_gain_v_measure"] == found.metrics["following_gain_accuracy"] == 0.0


def test_one_goal_that_is_not_met_at_all_makes_the_score_zero():
    found = following({"topic": one_hot(TOPICS), "style": one_hot(TOPICS)}, {"topic": TOPICS, "style": STYLES})
    assert found.details["v_measure"]["topic"]["topic"] == pytest.approx(1.0)
    # Three clusters of which each holds as many calm as loud texts.
    assert found.score == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(
    ("values", "mean"), [([0.5, 1.0], 2 / 3), ([0.2, 0.2, 0.2], 0.2), ([0.0, 1.0], 0.0), ([0.25], 0.25)]
)
def test_harmonic_mean(values, mean):
    assert harmonic_mean(values) == pytest.approx(mean, abs=1e-12)


def test_v_measures_are_those_of_scikit_learn(blurred):
    found = following(blurred, GOALS)
    for goal, labels in GOALS.items():
        for asked, vectors in blurred.items():
            clusters = KMeans(len(set(labels)), n_init=10, random_state=42).fit(vectors).labels_
            wanted = v_measure_score(labels, clusters)
            assert found.details["v_measure"][goal][asked] == pytest.approx(wanted, abs=1e-12)
    right = [found.details["v_measure"][goal][goal] for goal in GOALS]
    assert found.score == pytest.approx(2 / (1 / right[0] + 1 / right[1]))
    assert 0.1 < found.score < 0.99


def test_accuracies_are_those_of_regressions_on_the_same_draws(blurred):
    found = following(blurred, GOALS, samples_per_label=3, n_experiments=4)
    labels = np.array(TOPICS)
    scores = []
    for rows in protocols.undersample(TOPICS, samples_per_label=3, n_experiments=4):
        rest = np.setdiff1d(np.arange(len(labels)), rows)
        model = LogisticRegression(max_iter=100, random_state=42).fit(blurred["style"][rows], labels[rows])
        scores.append(model.score(blurred["style"][rest], labels[rest]))
    assert found.details["accuracy"]["topic"]["style"] == pytest.approx(np.mean(scores), abs=1e-12)


def test_resamples_keep_their_clusters(blurred):
    found = following(blurred, GOALS)
    everyone = np.arange(len(TOPICS))
    assert found.strata == (len(TOPICS),)
    assert found.statistic(everyone) == pytest.approx(found.score, abs=1e-12)
    drawn = np.random.default_rng(0).integers(0, len(TOPICS), len(TOPICS))
    right = []
    for goal, labels in GOALS.items():
        clusters = KMeans(len(set(labels)), n_init=10, random_state=42).fit(blurred[goal]).labels_
        right.append(v_measure_score(np.array(labels)[drawn], clusters[drawn]))
    assert found.statistic(drawn) == pytest.approx(harmonic_mean(right), abs=1e-12)
    replicates = bootstrap(found, n_resamples=50, seed=0, name="following")
    assert replicates.min() < found.score < replicates.max()


def test_many_texts_are_clustered_as_in_clustering_tasks(blurred, monkeypatch):
    monkeypatch.setattr(module, "MINI_BATCH_ROWS", 50)
    found = following(blurred, GOALS)
    wanted = protocols.clustering([(blurred["style"], STYLES)]).score
    assert found.details["v_measure"]["style"]["style"] == pytest.approx(wanted, abs=1e-12)


def test_same_vectors_give_same_figures_and_json_holds_them(blurred):
    once, again = following(blurred, GOALS), following(blurred, GOALS)
    assert once.metrics == again.metrics
    assert json.loads(json.dumps(once.details, allow_nan=False)) == again.details


def test_a_label_with_few_texts_is_learnt_but_not_asked_for(obedient):
    labels = ["rare", "rare", *TOPICS[2:]]
    # The rare ones' vectors are those of other topics; asked for, they would be got wrong.
    found = following(obedient, {"topic": labels, "style": STYLES}, samples_per_label=2)
    assert found.details["accuracy"]["topic"]["topic"] == 1.0


def test_integer_labels_and_any_lengths_will_do(obedient):
    found = following(
        {"topic": 7 * obedient["topic"].astype(np.float64), "style": obedient["style"]},
        {"topic": [len(label) for label in TOPICS], "style": STYLES},
    )
    assert found.score == pytest.approx(1.0)


def damaged(vectors, change):
    copy = {goal: own.copy() for goal, own in vectors.items()}
    change(copy)
    return copy


def set_nan(vectors):
    vectors["style"][4, 1] = np.nan


def set_constant(vectors):
    vectors["style"][:] = 1.0


def drop_goal(vectors):
    del vectors["style"]


def drop_row(vectors):
    vectors["style"] = vectors["style"][1:]


def narrow(vectors):
    vectors["style"] = vectors["style"][:, :5]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_nan, "vectors under 'style', row 5: the vector has a NaN"),
        (set_constant, "vectors under 'style': all 60 vectors are the same"),
        (drop_goal, "none for the goal 'style'; expected the texts under its instruction, beside 'topic'"),
        (drop_row, "goal 'style': 60 labels for 59 vectors"),
        (narrow, "5 dimensions, but vectors under 'topic' has 8"),
    ],
)
def test_unusable_vectors_are_refused(obedient, change, message):
    with pytest.raises(InputError, match=message):
        following(damaged(obedient, change), GOALS)


@pytest.mark.parametrize(
    ("goals", "options", "message"),
    [
        ({"topic": TOPICS}, {}, "goals: 1; expected two or more"),
        ({"topic": TOPICS, "style": ["calm"] * 60}, {}, "goal 'style': every row has the label 'calm'"),
        (GOALS, {"samples_per_label": 30}, "goal 'topic': 60 texts.* texts of 0 labels are left to ask for"),
        (GOALS, {"samples_per_label": 0}, "samples_per_label is 0"),
        (GOALS, {"n_experiments": 0}, "n_experiments is 0"),
    ],
)
def test_unusable_goals_are_refused(obedient, goals, options, message):
    with pytest.raises(InputError, match=message):
        following(obedient, goals, **options)


def test_the_same_texts_are_wanted_under_every_goal(obedient):
    goals = {"topic": TOPICS, "style": STYLES[:30]}
    with pytest.raises(InputError, match="'topic': 60, 'style': 30.* expected the same texts"):
        following({"topic": obedient["topic"], "style": obedient["style"][:30]}, goals)


def turned(degrees):
    angle = np.radians(degrees)
    return np.array([[np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])


def test_sensitivity_by_hand():
    found = sensitivity({"topic": [turned(0), turned(10)], "style": [turned(40), turned(60)]})
    within = np.mean([1 - np.cos(np.radians(one)) for one in (10, 20)])
    between = np.mean([1 - np.cos(np.radians(one)) for one in (40, 60, 30, 50)])
    assert found["within"] == pytest.approx(within, abs=1e-7)
    assert found["between"] == pytest.approx(between, abs=1e-7)
    assert found["ratio"] == pytest.approx(between / within, rel=1e-5)


def test_a_longer_vector_has_moved_no_farther():
    short = {"topic": [turned(0), turned(10)], "style": [turned(40), turned(60)]}
    long = {goal: [3 * own for own in wordings] for goal, wordings in short.items()}
    assert sensitivity(long) == pytest.approx(sensitivity(short), abs=1e-6)


def test_a_model_that_reads_no_instructions_moves_nothing():
    same = noisy(TOPICS, 4)
    found = sensitivity({"topic": [same, same], "style": [same, same.copy()]})
    assert found == {"within": 0.0, "between": 0.0, "ratio": 1.0}


def test_rounding_is_no_movement():
    same = noisy(TOPICS, 5)
    nearly = same * (1 + 1e-7 * np.random.default_rng(0).normal(size=same.shape).astype(np.float32))
    assert sensitivity({"topic": [same, nearly], "style": [nearly, same]})["ratio"] == 1.0


def test_ratio_is_a_number_where_paraphrases_move_nothing():
    topic, style = noisy(TOPICS, 6), noisy(STYLES, 7)
    found = sensitivity({"topic": [topic, topic], "style": [style, style]})
    assert found["within"] == 0.0
    assert np.isfinite(found["ratio"])
    assert found["ratio"] > 1e6


def test_more_texts_than_a_block_change_nothing(monkeypatch):
    vectors = {"topic": [noisy(TOPICS, 1), noisy(TOPICS, 2)], "style": [noisy(STYLES, 3), noisy(STYLES, 4)]}
    whole = sensitivity(vectors)
    monkeypatch.setattr(module, "_BLOCK_ROWS", 7)
    assert sensitivity(vectors) == pytest.approx(whole, rel=1e-12)


@pytest.mark.parametrize(
    ("by_goal", "message"),
    [
        ({"topic": [turned(0), turned(1)]}, "by_goal: 1 goals; expected two or more"),
        (
            {"topic": [turned(0)], "style": [turned(1), turned(2)]},
            "goal 'topic': 1 wordings; expected two or more",
        ),
        (
            {"topic": [turned(0), turned(1)], "style": [turned(2), turned(3)[:1]]},
            "expected the same texts under every wording",
        ),
        (
            {"topic": [turned(0), turned(np.nan)], "style": [turned(2), turned(3)]},
            "wording 2 of 'topic', row 1: the vector has a NaN",
        ),
    ],
)
def test_unusable_wordings_are_refused(by_goal, message):
    with pytest.raises(InputError, match=message):
        sensitivity(by_goal)
