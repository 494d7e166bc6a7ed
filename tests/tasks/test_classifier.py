"""A classifier scores as the benchmark, tells how good it is, and comes back from its file as it was."""

import json

import numpy as np
import pytest

from instructvec.errors import ContractMismatch, FileError, InputError, InputTypeError
from instructvec.evaluation.protocols import classification, undersample
from instructvec.tasks import Classifier, Embedded, embedded
from instructvec.tasks.classifier import stratified

TEXTS = ["refund please", "money back", "where is my parcel", "not delivered"]
LABELS = ["refund", "refund", "delivery", "delivery"]


@pytest.fixture(scope="module")
def contract(tiny):
    return tiny.contract("x: ")


def rows(contract, n_rows, n_labels=4, noise=0.6, seed=0):
    """Vectors around a centre for each label, and the labels."""
    rng = np.random.default_rng(seed)
    codes = np.arange(n_rows) % n_labels
    vectors = np.eye(n_labels, 32)[codes] + noise * rng.normal(size=(n_rows, 32))
    texts = [f"text {row}" for row in range(n_rows)]
    return Embedded(texts, vectors.astype(np.float32), contract), [f"label {code}" for code in codes]


def test_with_the_benchmarks_settings_it_scores_as_the_benchmark(contract):
    (train, train_labels), (test, labels) = rows(contract, 80), rows(contract, 300, seed=1)
    draws = undersample(train_labels, samples_per_label=8, n_experiments=3)
    wanted = classification(train.vectors, train_labels, test.vectors, labels, draws=draws)
    accuracies = []
    for draw in draws:
        fitted = Classifier.fit(
            train.take(draw), [train_labels[row] for row in draw], inverse_regularisation=1.0, max_iterations=100
        )
        found = fitted.classify(test).labels
        accuracies.append(np.mean([one == other for one, other in zip(found, labels, strict=True)]))
    assert accuracies == wanted.details["accuracies"]
    assert 0.5 < wanted.score < 1


def test_held_out_scores_are_near_those_on_new_rows(contract):
    fitted = Classifier.fit(*rows(contract, 400))
    test, labels = rows(contract, 2000, seed=1)
    found = fitted.classify(test)
    right = np.array([one == other for one, other in zip(found.labels, labels, strict=True)])
    # Three standard errors of 400 held-out rows at this accuracy.
    assert fitted.held_out.accuracy == pytest.approx(right.mean(), abs=0.07)
    assert found.confidences.mean() == pytest.approx(right.mean(), abs=0.07)
    assert (fitted.held_out.n_rows, fitted.held_out.n_folds) == (400, 5)
    assert fitted.held_out.calibration_error < 0.1
    assert "calibrated on 400 held-out rows" in fitted.notes[0]
    assert found.held_out is fitted.held_out and found.notes is fitted.notes


def test_labels_without_sense_leave_probabilities_near_chance(contract):
    made, labels = rows(contract, 200)
    shuffled = np.random.default_rng(0).permutation(labels).tolist()
    fitted = Classifier.fit(made, shuffled)
    assert fitted.classify(rows(contract, 100, seed=1)[0]).confidences.mean() < 0.45
    assert fitted.held_out.accuracy < 0.4


def test_the_order_of_rows_of_the_same_texts_leaves_answers(tiny):
    one = Classifier.fit(TEXTS, LABELS, embedder=tiny)
    other = Classifier.fit(TEXTS[::-1], LABELS[::-1], embedder=tiny)
    np.testing.assert_allclose(one.head.weights, other.head.weights, atol=1e-3)  # where the solver stops


def test_few_rows_and_single_examples_are_told(tiny):
    fitted = Classifier.fit([*TEXTS, "hello"], [*LABELS, "greeting"], embedder=tiny)
    assert fitted.held_out is None and fitted.temperature == 1
    assert "not calibrated" in fitted.notes[0]
    assert "only one example of 'greeting'" in fitted.notes[1]
    assert fitted.classify(["hello"], embedder=tiny).probabilities.shape == (1, 3)


def test_copies_of_an_example_are_not_held_out_from_each_other(contract):
    # Labels without sense: only by remembering the copy could a held-out row be told.
    made, labels = rows(contract, 40)
    labels = np.random.default_rng(0).permutation(labels).tolist()
    once, often = (Classifier.fit(made.take(list(range(40)) * n), labels * n) for n in (1, 3))
    assert once.held_out.accuracy < 0.5
    assert often.held_out == once.held_out
    assert "80 examples repeat others, and were left out of cross-validation" in often.notes


def test_one_string_is_no_list_of_texts(tiny):
    with pytest.raises(InputTypeError, match="texts: one string; expected a sequence"):
        Classifier.fit("abcd", LABELS, embedder=tiny)


def test_a_solver_that_stopped_early_is_told(contract):
    fitted = Classifier.fit(*rows(contract, 40), max_iterations=1)
    assert "the solver stopped at 1 iterations" in fitted.notes[-1]


def test_many_rows_are_cross_validated_on_some(contract, monkeypatch):
    monkeypatch.setattr("instructvec.tasks.classifier.MOST_ROWS", 40)
    fitted = Classifier.fit(*rows(contract, 120))
    assert fitted.held_out.n_rows == 40
    assert "cross-validated on 40 of 120 rows, fitted on all" in fitted.notes


def test_a_stratified_draw_keeps_rare_labels():
    codes = np.array([0] * 5000 + [1] * 3 + [2])
    drawn = stratified(codes, 100, seed=42)
    assert np.bincount(codes[drawn]).tolist() == [100, 2, 1]
    assert (np.diff(drawn) > 0).all()


def test_whole_numbers_are_labels(tiny):
    fitted = Classifier.fit(TEXTS, np.array([1, 1, 0, 0]), embedder=tiny)
    assert fitted.classes == (0, 1)


def test_labels_that_cannot_be_learnt_are_refused(tiny):
    with pytest.raises(InputError, match="labels: every row has the label 'a'; expected two"):
        Classifier.fit(TEXTS, ["a"] * 4, embedder=tiny)
    with pytest.raises(InputError, match="labels: 3 labels for 4 texts"):
        Classifier.fit(TEXTS, ["a", "b", "a"], embedder=tiny)
    with pytest.raises(InputError, match="labels, row 3: empty"):
        Classifier.fit(TEXTS, ["a", "b", "", "b"], embedder=tiny)
    with pytest.raises(InputTypeError, match="labels, row 1: NoneType"):
        Classifier.fit(TEXTS, [None, "b", "a", "b"], embedder=tiny)
    with pytest.raises(InputTypeError, match="labels: one string"):
        Classifier.fit(TEXTS, "aabb", embedder=tiny)


def test_vectors_of_another_contract_are_refused(tiny, bundled):
    fitted = Classifier.fit(TEXTS, LABELS, embedder=tiny, instruction="x: ")
    with pytest.raises(ContractMismatch, match="the classifier does not fit the vectors(.|\n)*model: expected"):
        fitted.classify(TEXTS, embedder=bundled)
    with pytest.raises(ContractMismatch, match="instructions: expected 'x: ', got 'y: '"):
        fitted.classify(embedded(TEXTS, tiny, "y: "))
    with pytest.raises(ContractMismatch, match="model: expected"):
        fitted.classify(embedded(TEXTS, tiny, "x: "), embedder=bundled)


def test_no_instruction_and_an_empty_one_are_the_same(exact):
    fitted = Classifier.fit(TEXTS, LABELS, embedder=exact, instruction="")
    plain = Embedded(TEXTS, exact.encode(TEXTS), exact.contract())
    assert len(fitted.classify(plain)) == 4


def test_a_file_brings_back_the_same_classifier(tiny, contract, tmp_path):
    fitted = Classifier.fit(*rows(contract, 40))
    fitted.save(tmp_path / "c.json")
    loaded = Classifier.load(tmp_path / "c.json")
    test, _ = rows(contract, 30, seed=1)
    np.testing.assert_array_equal(loaded.classify(test).probabilities, fitted.classify(test).probabilities)
    for name in ("classes", "temperature", "contract", "inverse_regularisation", "held_out", "notes"):
        assert getattr(loaded, name) == getattr(fitted, name), name


def change(content, name, value):
    return json.dumps(content | {name: value})


@pytest.mark.parametrize(
    ("damage", "error", "message"),
    [
        (lambda content: json.dumps(content)[:-300], FileError, r"c\.json: broken JSON .*damaged or cut off"),
        (lambda content: "[1]", FileError, r"c\.json: no classifier"),
        (lambda content: '{"a": 1}', FileError, r"c\.json: no classifier"),
        (lambda content: change(content, "format_version", 2), ContractMismatch, "format_version 2 is newer"),
        (lambda content: change(content, "weights", [[1.0]]), FileError, r"weights of shape \(1, 1\); expected"),
        (lambda content: change(content, "weights", "x"), FileError, r"c\.json: the classifier is damaged"),
        (
            lambda content: change(content, "biases", [float("nan"), 0.0]),
            FileError,
            "biases: a number",
        ),
        (lambda content: change(content, "classes", ["a", "a"]), FileError, "'a' more than once"),
        (lambda content: change(content, "temperature", 0), FileError, "temperature is 0"),
        (
            lambda content: json.dumps({name: one for name, one in content.items() if name != "biases"}),
            FileError,
            "'biases' is missing",
        ),
    ],
)
def test_a_damaged_file_is_named(tiny, tmp_path, damage, error, message):
    path = tmp_path / "c.json"
    Classifier.fit(TEXTS, LABELS, embedder=tiny).save(path)
    path.write_text(damage(json.loads(path.read_text())))
    with pytest.raises(error, match=message):
        Classifier.load(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileError, match=r"none\.json: cannot be read \(No such file"):
        Classifier.load(tmp_path / "none.json")
