"""Maps of texts: which texts, under which instructions, with which figures."""

import numpy as np
import pytest

from instructvec.errors import ConfigError, ContractMismatch, InputError
from instructvec.tasks import Embedded, text_map
from instructvec.tasks.instructions import MAP
from instructvec.tasks.maps.layout import map_points, principal
from instructvec.tasks.maps.points import nearest_rows, neighbour_agreement
from tests.tasks.planted import PlantedEncoder

TEXTS = [f"{at % 3} text {at}" for at in range(60)]
GROUPS = [at % 3 for at in range(60)]


def planted(**options):
    return text_map(TEXTS, embedder=PlantedEncoder({"good: ": 5.0}), **options)


def test_two_instructions_side_by_side_and_how_well_each_shows_the_classes():
    made = planted(instructions=["good: ", "bad: "], colours=GROUPS)
    good, bad = made.panels
    assert (good.instruction, bad.instruction) == ("good: ", "bad: ")
    assert good.agreement > 0.95
    assert bad.agreement < 0.6
    assert good.explained > bad.explained
    assert good.points.shape == bad.points.shape == (60, 2)
    assert good.nearest.shape == (60, 10)


def test_the_default_is_the_jobs_and_empty_is_none():
    assert planted().panels[0].instruction == MAP
    assert planted(instructions="").panels[0].instruction == ""
    assert planted().panels[0].agreement is None


def test_more_texts_than_wanted_are_drawn_and_counted():
    made = planted(max_points=20, colours=GROUPS)
    assert (len(made), made.n_given, len(made.colours.codes)) == (20, 60, 20)
    assert [made.texts[at] for at in range(20)] == [TEXTS[row] for row in made.rows]
    assert made.rows.tolist() == planted(max_points=20).rows.tolist()


def test_embedded_texts_are_encoded_under_another_instruction_alone():
    encoder = PlantedEncoder({})
    stored = Embedded(TEXTS, encoder.encode(TEXTS, "a: "), encoder.contract("a: "))
    encoder.asked.clear()
    made = text_map(stored, embedder=encoder, instructions=["a: ", "b: "])
    assert {instruction for instruction, _ in encoder.asked} == {"b: "}
    assert [one.instruction for one in made.panels] == ["a: ", "b: "]
    assert text_map(stored).panels[0].instruction == "a: "
    with pytest.raises(ContractMismatch):
        text_map(stored, embedder=PlantedEncoder({}, "0" * 32), instructions=["a: ", "b: "])
    with pytest.raises(InputError, match="needs the texts"):
        text_map(Embedded(None, stored.vectors, stored.contract), embedder=encoder, instructions="b: ")


@pytest.mark.parametrize("n", [1, 2, 5])
@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_few_texts(n, method):
    made = text_map(TEXTS[:n], embedder=PlantedEncoder({}), method=method, colours=GROUPS[:n])
    assert np.isfinite(made.panels[0].points).all()


def test_umap_keeps_groups_together_and_is_the_same_each_time():
    made = planted(instructions="good: ", method="umap")
    points, groups = made.panels[0].points, np.array(GROUPS)
    middles = np.array([points[groups == at].mean(axis=0) for at in range(3)])
    assert (np.linalg.norm(points[:, None] - middles, axis=2).argmin(axis=1) == groups).mean() > 0.95
    np.testing.assert_array_equal(points, planted(instructions="good: ", method="umap").panels[0].points)


def test_the_second_of_two_pca_maps_is_turned_onto_the_first():
    rng = np.random.default_rng(0)
    array = rng.normal(size=(40, 6)) * [5, 3, 1, 1, 1, 1]
    turned = array.copy()
    turned[:, :2] = turned[:, 1::-1] * [1, -1]
    points = map_points({"a": array, "b": turned}, method="pca")
    np.testing.assert_allclose(points["a"], points["b"], atol=1e-3)


def test_principal_components_are_scikit_learns():
    from sklearn.decomposition import PCA

    array = np.random.default_rng(0).normal(size=(30, 5)) * [3, 2, 1, 0.5, 0.1]
    theirs = PCA(2).fit(array)
    places, shares = principal(array, 2)
    np.testing.assert_allclose(np.abs(places), np.abs(theirs.transform(array)), atol=1e-9)
    np.testing.assert_allclose(shares, theirs.explained_variance_ratio_)


def test_nearest_are_by_cosine_and_a_text_without_class_is_not_asked():
    unit = np.random.default_rng(0).normal(size=(700, 6)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    scores = unit @ unit.T
    np.fill_diagonal(scores, -np.inf)
    np.testing.assert_array_equal(nearest_rows(unit, 3), np.argsort(-scores, axis=1)[:, :3])
    assert neighbour_agreement(np.array([[1], [0], [0]]), np.array([0, 0, -1])) == 1.0
    assert neighbour_agreement(np.array([[1], [0]]), np.array([-1, -1])) is None


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"method": "mds"}, ConfigError, "method is 'mds'; expected one of pca, umap, tsne"),
        ({"instructions": ["a", "b", "c"]}, ConfigError, "3 instructions; expected one or two"),
        ({"instructions": ["a", "a"]}, ConfigError, "both instructions are 'a'"),
        ({"colours": [1]}, InputError, "1 colours for 60 texts"),
        ({"max_points": 0}, ConfigError, "max_points is 0; expected 1 or more"),
        ({"max_classes": 13}, ConfigError, "max_classes is 13; expected at most 12"),
    ],
)
def test_refusals(options, error, said):
    with pytest.raises(error, match=said):
        planted(**options)


def test_no_texts():
    with pytest.raises(InputError, match="texts: empty"):
        text_map([], embedder=PlantedEncoder({}))
