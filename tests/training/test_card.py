"""The model card: true, whole, and without a word on this machine."""

import json
import re
import tomllib
from dataclasses import replace

import pytest

from instructvec.checkpoints.layout import read_spec
from instructvec.training.card import model_card
from instructvec.training.choice import DataChoice
from instructvec.training.mixture import open_mixture
from instructvec.training.options import BatchOptions, DataOptions, ModelOptions, OptimizerOptions
from instructvec.training.recipe import Recipe, read_recipe
from tests.parity.tiny import tiny_bert
from tests.training.made import usual, usual_mixture, write_mixture

FACTS = [
    {"name": "big", "kind": "pair", "licence": "MIT", "commercial": "yes", "redistribution": "yes"},
    {"name": "mid", "kind": "pair", "licence": "CC BY-NC 4.0", "commercial": "no", "redistribution": "yes"},
    {"name": "low", "kind": "pair", "licence": "MIT", "commercial": "yes", "redistribution": "yes"},
    {"name": "x", "kind": "superni", "licence": "a | b", "source": "someone/data: file"},
    {"name": "y", "kind": "superni", "commercial": "yes", "redistribution": "no"},
    {"name": "z", "kind": "superni", "instruction": "Represent the z: "},
]
FACTS = [one | {"weight": 0.1} for one in FACTS]


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    path = tiny_bert(tmp_path_factory.mktemp("start") / "tiny-start")
    (path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# The start\n")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_mixture(tmp_path_factory.mktemp("data") / "mixture", usual(), FACTS)


def recipe_for(start, **changes):
    recipe = Recipe(
        "trial",
        "To see whether it works.",
        ModelOptions(str(start), name="trial-mini"),
        DataOptions(mixture="/data/secret/mixture"),
        optimizer=OptimizerOptions(steps=200, learning_rate=3e-5),
        seed=7,
    )
    return replace(recipe, **changes)


def card_of(start, mixture=None, *, steps=200, joining="prompt", recipe=None, **options):
    spec = replace(read_spec(start), joining=joining)
    return model_card(recipe or recipe_for(start), spec, mixture or usual_mixture(), steps=steps, **options)


def head_of(card):
    """The YAML, of which only scalars and lists of JSON strings are used."""
    _, head, _ = card.split("---\n", 2)
    found, key = {}, ""
    for line in head.splitlines():
        if line.startswith("- "):
            found[key].append(json.loads(line[2:]))
        else:
            key, _, value = line.partition(":")
            found[key] = value.strip().strip('"') or []
    return found


def test_head_says_what_the_hub_reads(start, folder):
    head = head_of(card_of(start, open_mixture(folder)))
    assert head["base_model"] == "tiny-start"
    assert (head["license"], head["license_name"]) == ("other", "non-commercial-training-data")
    assert head["library_name"] == "sentence-transformers"
    assert {"sentence-similarity", "bert"} <= set(head["tags"])
    assert sorted(head["datasets"]) == ["big", "low", "mid", "x", "y", "z"]


def test_head_is_yaml(start, folder):
    yaml = pytest.importorskip("yaml")
    card = card_of(start, open_mixture(folder))
    assert yaml.safe_load(card.split("---\n", 2)[1]) == head_of(card)


@pytest.mark.parametrize(
    ("datasets", "name"),
    [
        (("big", "low"), "see-training-data"),
        (("big", "mid"), "non-commercial-training-data"),
        (("x", "y"), "training-data-of-unknown-rights"),
    ],
)
def test_the_most_restrictive_licence_decides(start, folder, datasets, name):
    mixture = open_mixture(folder, DataChoice(datasets=datasets))
    assert head_of(card_of(start, mixture))["license_name"] == name


def test_rights_are_added_up(start, folder):
    card = card_of(start, open_mixture(folder))
    assert "The starting model, `tiny-start`, is under apache-2.0." in card
    assert "commercial use is, by what their sources state: 3 allowed, 1 forbidden, 2 not stated (mid)" in card
    assert "passing the texts on is, by what their sources state: 3 allowed, 1 forbidden, 2 not stated (y)" in card
    assert "| MIT | allowed | allowed | 2 | 50 |" in card
    assert "| CC BY-NC 4.0 | forbidden | allowed | 1 | 25 |" in card


def test_every_dataset_is_listed_with_what_was_drawn(start, folder):
    mixture = open_mixture(folder)
    card = card_of(start, mixture)
    assert f"{sum(len(unit.rows) for unit in mixture.units):,} rows of 6 datasets, and 2 contrasts" in card
    shares = {unit.name: unit.weight for unit in mixture.units}
    assert f"| big | pair | MIT |  | 40 | {shares['big']:.2%} |" in card
    assert "| x | superni | a \\| b | someone/data: file | 12 |" in card


def test_data_without_a_manifest(start):
    card = card_of(start)
    assert "without a manifest, so that sources and licences are not known" in card
    assert head_of(card)["license_name"] == "training-data-of-unknown-rights"
    assert "not checked" in card


def test_what_the_check_found_is_told(start, folder, tmp_path):
    other = write_mixture(tmp_path / "checked", usual(), FACTS)
    content = json.loads((other / "manifest.json").read_text())
    content["check"] = {"texts": 1234, "protected": 5678, "exact": 2, "n-gram": 1, "examples": []}
    (other / "manifest.json").write_text(json.dumps(content))
    assert "Of the training data's 1,234 texts, 3 are among the 5,678" in card_of(start, open_mixture(other))


def test_scores_before_and_after(start):
    scores = {"before": {"sts": 80.0, "gone": 1.0}, "after": {"sts": 81.25, "new|er": 50.0}}
    card = card_of(start, scores=scores, measured="On the development half of the smoke suite.")
    assert "On the development half of the smoke suite." in card
    assert "| task | before | after | change |\n|---|---:|---:|---:|\n| sts | 80.0 | 81.2 | +1.2 |" in card
    assert "| gone | 1.0 | - | - |" in card
    assert "| new\\|er | - | 50.0 | - |" in card


@pytest.mark.parametrize("scores", [None, {}, {"after": {}}])
def test_no_scores(start, scores):
    assert "None were measured." in card_of(start, scores=scores)


def test_the_recipe_can_be_run_again(start, tmp_path):
    recipe = recipe_for(start)
    card = card_of(start, recipe=recipe)
    (block,) = re.findall(r"```toml\n(.*?)\n```", card, re.DOTALL)
    assert tomllib.loads(block)["optimizer"]["learning_rate"] == 3e-5
    (tmp_path / "recipe.toml").write_text(block)
    again = read_recipe(tmp_path / "recipe.toml")
    assert again.digest == recipe.digest
    assert recipe.digest in card
    assert "200 steps of" in card
    assert "seed 7" in card


def test_steps_that_were_not_taken_are_told(start):
    assert "150 steps of the 200 asked for" in card_of(start, steps=150)


def test_no_path_of_this_machine(start, folder):
    card = card_of(start, open_mixture(folder))
    assert str(start.parent) not in card
    assert "/data/secret" not in card
    assert "tiny-start" in card


@pytest.mark.parametrize(("joining", "same"), [("prompt", True), ("exact", False)])
def test_how_the_two_ways_of_using_it_agree(start, joining, same):
    card = card_of(start, joining=joining)
    assert ("Both give the same vectors." in card) == same
    assert ("not the same. Do not mix" in card) != same


def test_code_is_python(start, folder):
    blocks = re.findall(r"```python\n(.*?)```", card_of(start, open_mixture(folder)), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        compile(block, "card", "exec")
        assert '"Represent the z: "' in block


def test_a_model_trained_without_instructions_does_not_claim_to_read_them(start):
    data = DataOptions(mixture="mixture", without_rules=("other_goal", "wrong_instruction"))
    recipe = recipe_for(start, data=data, batches=BatchOptions(instructions="none"))
    card = card_of(start, recipe=recipe)
    assert "trained without instructions" in card
    assert "was not trained to follow instructions" in card


@pytest.mark.parametrize("name", ["a hub id", "absolute"])
def test_the_start_is_named_by_its_id(start, name):
    model = ModelOptions("sentence-transformers/all-MiniLM-L6-v2" if name == "a hub id" else "/models/mini")
    head = head_of(card_of(start, recipe=recipe_for(start, model=model)))
    assert head["base_model"] == ("sentence-transformers/all-MiniLM-L6-v2" if name == "a hub id" else "mini")
