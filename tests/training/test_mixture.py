"""What is drawn from: units by dataset and contrast, weights, choices, and the formats they are read from."""

import numpy as np
import pytest

from instructvec.errors import ConfigError, FileError, InputError
from instructvec.medi.build import build
from instructvec.medi.formats import write_medi_json
from instructvec.medi.manifest import MixtureRows, manifest_of
from instructvec.training.choice import DataChoice, Weighting
from instructvec.training.mixture import mixture_of, open_mixture
from instructvec.training.units import combined
from tests.evaluation.fake import FakeEncoder
from tests.medi.small import Project
from tests.training.made import contrasts, pairs, row, usual, usual_mixture, write_mixture


def weights(mixture):
    return {unit.name: pytest.approx(unit.weight) for unit in mixture.units}


def names(mixture):
    return [unit.name for unit in mixture.units]


def fact(name, **values):
    return {"name": name, "kind": "pair", "triplets": 1, "weight": 0.25, "licence": "MIT", **values}


def on_disk(folder, triplets, **facts):
    return write_mixture(folder, triplets, [fact(name, **values) for name, values in facts.items()])


def test_units_are_the_rows_of_each_dataset_and_the_groups_of_each_two():
    mixture = usual_mixture()
    assert names(mixture) == ["big", "mid", "low", "x|y", "y|z"]
    assert [unit.datasets for unit in mixture.units[3:]] == [("x", "y"), ("y", "z")]
    assert [unit.n_items for unit in mixture.units] == [40, 25, 10, 12, 5]
    assert mixture.units[1].rows.tolist() == list(range(40, 65))
    for unit in mixture.units[3:]:
        for start, stop in zip(unit.offsets[:-1], unit.offsets[1:], strict=True):
            group = mixture.rows.triplets(unit.rows[start:stop])
            assert [one.dataset for one in group] == list(unit.datasets)
            assert len({one.group for one in group}) == len({one.query.text for one in group}) == 1
    assert mixture.left_out == {}


def test_rows_of_a_dataset_need_not_stand_together():
    mixture = mixture_of([one for both in zip(pairs("a", 3), pairs("b", 3), strict=True) for one in both][::-1])
    assert [(unit.name, unit.rows.tolist()) for unit in mixture.units] == [("b", [0, 2, 4]), ("a", [1, 3, 5])]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [40 / 75, 25 / 75, 10 / 75, 24 / 34, 10 / 34]),
        ({"rule": "proportional"}, [40 / 75, 25 / 75, 10 / 75, 24 / 34, 10 / 34]),
        ({"rule": "truncated", "truncate_at": 20}, [20 / 50, 20 / 50, 10 / 50, 2 / 3, 1 / 3]),
        ({"rule": "temperature", "temperature": 2.0}, [0.434, 0.343, 0.217, 0.608, 0.392]),
        ({"kinds": {"pair": 3.0}}, [40 / 75, 25 / 75, 10 / 75, 24 / 34, 10 / 34]),
        ({"datasets": {"mid": 2.0, "?i?": 2.0}}, [80 / 190, 100 / 190, 10 / 190, 24 / 34, 10 / 34]),
        ({"datasets": {"z": 4.0}}, [40 / 75, 25 / 75, 10 / 75, 24 / 44, 20 / 44]),
        ({"rules": {"other_goal": 5.0}}, [40 / 75, 25 / 75, 10 / 75, 24 / 34, 10 / 34]),
    ],
)
def test_weights_of_datasets_and_of_contrasts_sum_to_one_each(options, expected):
    found = [unit.weight for unit in usual_mixture(weighting=Weighting(**options)).units]
    assert found == pytest.approx(expected, abs=0.01)


def test_weights_are_the_manifests_where_there_is_one(tmp_path):
    path = on_disk(tmp_path / "m", usual(), big={"weight": 0.2}, mid={"weight": 0.6}, low={"weight": 0})
    mixture = open_mixture(path)
    assert weights(mixture) == {"big": 0.25, "mid": 0.75, "x|y": 24 / 34, "y|z": 10 / 34}
    assert mixture.left_out == {"weight_0": 10}
    assert list(mixture.facts) == ["big", "mid"]
    own = open_mixture(path, weighting=Weighting(rule="proportional"))
    assert weights(own)["low"] == 10 / 75


def test_a_rule_that_weighs_half_halves_what_its_rows_add():
    own = [*pairs("a", 10), *pairs("a", 10, rule="wrong_instruction"), *pairs("b", 20)]
    mixture = mixture_of(own, weighting=Weighting(rules={"wrong_instruction": 0.5}))
    assert weights(mixture) == {"a": 15 / 35, "b": 20 / 35}
    assert mixture.units[0].repeats.tolist() == [1.0] * 10 + [0.5] * 10
    none = mixture_of(own, weighting=Weighting(rules={"wrong_instruction": 0}))
    assert weights(none) == {"a": 10 / 30, "b": 20 / 30}
    assert none.left_out == {"not_chosen": 10}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"datasets": ("big", "l*")}, ["big", "low"]),
        ({"without": ("big", "y")}, ["mid", "low"]),
        ({"without": ("z",)}, ["big", "mid", "low", "x|y"]),
        ({"kinds": ("superni",)}, ["x|y", "y|z"]),
        ({"rules": ("mined",)}, ["big", "mid", "low"]),
        ({"without_rules": ("mined",)}, ["x|y", "y|z"]),
    ],
)
def test_a_choice_keeps_what_it_names_and_contrasts_whole(choice, expected):
    mixture = usual_mixture(choice=DataChoice(**choice))
    assert names(mixture) == expected
    assert sum(mixture.left_out.values()) + sum(len(unit.rows) for unit in mixture.units) == len(usual())


def test_rows_by_a_rule_lose_their_hard_negatives_only():
    whole, without = usual_mixture(), usual_mixture(choice=DataChoice(without_negatives=("mined",)))
    numbers = range(len(whole.rows))
    rows = whole.rows.triplets(numbers)
    expected = [one._replace(negative=None) if one.rule == "mined" else one for one in rows]
    assert without.rows.triplets(numbers) == expected
    assert any(one.negative for one in expected) and expected != rows
    is_mined = [one.rule == "mined" for one in expected]
    assert without.ids.of([*numbers]).pairs[is_mined, 2].tolist() == [-1] * sum(is_mined)
    assert names(without) == names(whole) and without.left_out == whole.left_out


def test_a_contrast_that_lost_one_side_is_counted():
    assert usual_mixture(choice=DataChoice(without=("z",))).left_out == {"not_chosen": 5, "broken_group": 5}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        ({"licences": ("CC*",)}, ["mid"]),
        ({"without_licences": ("*NC*",)}, ["big", "low"]),
        ({"commercial": True}, ["big"]),
        ({"redistribution": True}, ["mid"]),
    ],
)
def test_a_choice_by_licence_and_rights(tmp_path, choice, expected):
    path = on_disk(
        tmp_path / "m",
        usual()[:75],
        big={"commercial": "yes"},
        mid={"licence": "CC BY-NC 4.0", "redistribution": "yes", "commercial": "no"},
        low={},
    )
    mixture = open_mixture(path, DataChoice(**choice))
    assert names(mixture) == expected
    assert list(mixture.facts) == expected


SYMMETRY = {
    "big": {"symmetric": True},
    "mid": {"symmetric": False},
    "low": {"symmetric": False},
    "x": {"symmetric": True},
    "y": {"symmetric": True},
    "z": {"symmetric": False},
}


@pytest.mark.parametrize(
    ("symmetric", "expected"),
    [(None, ["big", "mid", "low", "x|y", "y|z"]), (True, ["big", "x|y"]), (False, ["mid", "low", "y|z"])],
)
def test_a_choice_by_symmetry_keeps_contrasts_whole(tmp_path, symmetric, expected):
    mixture = open_mixture(on_disk(tmp_path / "m", usual(), **SYMMETRY), DataChoice(symmetric=symmetric))
    assert names(mixture) == expected
    assert set(mixture.left_out) == (set() if symmetric is None else {"not_chosen"})


def test_every_row_is_either_symmetric_or_not(tmp_path):
    path = on_disk(tmp_path / "m", usual(), **SYMMETRY)
    found = [unit.rows for one in (True, False) for unit in open_mixture(path, DataChoice(symmetric=one)).units]
    assert sorted(np.concatenate(found).tolist()) == list(range(len(usual())))


def test_symmetry_is_one_choice_among_others(tmp_path):
    path = on_disk(tmp_path / "m", usual(), **SYMMETRY)
    assert names(open_mixture(path, DataChoice(symmetric=False, kinds=("pair",), without=("low",)))) == ["mid"]


@pytest.mark.parametrize("symmetric", [True, False])
def test_symmetry_without_a_manifest_is_refused(tmp_path, symmetric):
    word = str(symmetric).lower()
    with pytest.raises(ConfigError, match=f"symmetric is {word}, and no manifest says .* 'big' and of 5 others"):
        mixture_of(usual(), DataChoice(symmetric=symmetric))
    facts = {name: one for name, one in SYMMETRY.items() if name != "z"}
    with pytest.raises(ConfigError, match="no manifest says whether the sides of 'z' share"):
        open_mixture(on_disk(tmp_path / "m", usual(), **facts), DataChoice(symmetric=symmetric))


@pytest.mark.parametrize(
    ("choice", "weighting", "message"),
    [
        ({"datasets": ("bg",)}, {}, "datasets has 'bg'.* did you mean 'big'"),
        ({"without": ("other*",)}, {}, "without has 'other\\*'.* there are big, low, mid, x, y, z"),
        ({"licences": ("MIT",)}, {}, "licences has 'MIT'.* there are none"),
        ({}, {"datasets": {"bigg": 2.0}}, "weights of datasets has 'bigg'.* 'big'"),
    ],
)
def test_a_pattern_that_fits_nothing_is_refused(choice, weighting, message):
    with pytest.raises(ConfigError, match=message):
        mixture_of(usual(), DataChoice(**choice), Weighting(**weighting))


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (DataChoice, {"kinds": ("pairs",)}, "kinds has 'pairs'; expected one of pair, triplet"),
        (DataChoice, {"rules": ("given", "x")}, "rules has 'x'"),
        (DataChoice, {"without_rules": ("y",)}, "without_rules has 'y'"),
        (DataChoice, {"without_negatives": ("y",)}, "without_negatives has 'y'"),
        (Weighting, {"rule": "even"}, "rule has 'even'; expected one of as_built"),
        (Weighting, {"kinds": {"pairs": 1.0}}, "kinds has 'pairs'"),
        (Weighting, {"rules": {"mined": -1.0}}, "weights of rules: 'mined' is -1.0"),
        (Weighting, {"datasets": {"a": float("nan")}}, "'a' is nan"),
        (Weighting, {"temperature": 0.5}, "temperature is 0.5"),
    ],
)
def test_options_that_cannot_be_are_refused(kind, values, message):
    with pytest.raises(ConfigError, match=message):
        kind(**values)


@pytest.mark.parametrize(
    ("triplets", "choice", "message"),
    [
        ([], {}, "none of the 0 rows is left to train on \\(it has none\\)"),
        (usual(), {"kinds": ("label",)}, "none of the 109 rows is left .*not chosen 109"),
        (contrasts("x", "y", 2), {"without": ("y",)}, "not chosen 2, broken group 2"),
    ],
)
def test_nothing_left_is_refused_with_the_reasons(triplets, choice, message):
    with pytest.raises(InputError, match=message):
        mixture_of(triplets, DataChoice(**choice))


def test_combined_units_hold_the_items_of_both():
    x_y, y_z = usual_mixture().units[3:]
    both = combined([x_y, y_z])
    assert (both.name, both.datasets, both.n_items) == ("x|y+y|z", ("x", "y", "z"), 17)
    assert both.weight == pytest.approx(1.0)
    assert np.array_equal(both.rows[both.offsets[12] : both.offsets[13]], y_z.rows[:2])


# ------------------------------------------------------------ where they come from


def test_a_built_mixture_is_read_row_by_row(tmp_path):
    project = Project(tmp_path)
    build(project.config(), FakeEncoder())
    mixture = open_mixture(project.out)
    assert mixture.rows.triplets(range(len(mixture.rows))) == list(MixtureRows(manifest_of(project.out)))
    plain = [unit for unit in mixture.units if not unit.is_contrast]
    assert {unit.name: pytest.approx(unit.weight, abs=1e-6) for unit in plain} == {
        one.name: one.weight for one in mixture.manifest.datasets if one.triplets
    }
    assert any(unit.is_contrast for unit in mixture.units)


@pytest.mark.parametrize("name", ["medi-data.json", "medi-data.json.gz"])
def test_the_originals_file_is_read_into_the_same(tmp_path, name):
    own = [one for one in usual()[:75] if one.negative is not None]
    write_medi_json(own, tmp_path / name)
    mixture = open_mixture(tmp_path / name)
    assert mixture.rows.triplets(range(len(own))) == [one._replace(rule="given") for one in own]
    assert names(mixture) == ["big", "mid", "low"]
    assert mixture.manifest is None


def test_medi2_is_read_into_the_same(tmp_path):
    line = '{"query": ["i", "a"], "pos": [["i", "b"]], "neg": [["i", "c"]]}\n'
    for name in ("one.jsonl", "two.jsonl"):
        (tmp_path / name).write_text(line)
    assert names(open_mixture(tmp_path)) == ["one", "two"]
    assert names(open_mixture(tmp_path / "two.jsonl")) == ["two"]


def test_a_folder_without_a_mixture_is_refused(tmp_path):
    with pytest.raises(FileError, match="manifest.json: no such file"):
        open_mixture(tmp_path)


def test_rows_without_a_word_in_the_manifest_have_no_weight(tmp_path):
    path = on_disk(tmp_path / "m", [*pairs("a", 3), row("b", "q", "p")], a={})
    assert open_mixture(path).left_out == {"weight_0": 1}
