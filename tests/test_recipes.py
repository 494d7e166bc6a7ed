"""The recipes at the root: each reads, says what the paper says, and carries itself out on a tiny model."""

import json
from pathlib import Path

import numpy as np
import pytest

from instructvec.embedder import Embedder
from instructvec.training.mixture import open_mixture
from instructvec.training.objective import NAMED
from instructvec.training.recipe import read_recipe
from instructvec.training.sampling import BatchSampler
from tests.parity.tiny import tiny_t5
from tests.training.made import usual, write_mixture

RECIPES = Path(__file__).parents[1] / "recipes"
FILES = sorted(RECIPES.rglob("*.toml"))
IDENTITY = "torch.nn.modules.linear.Identity"
INSTRUCTOR = ("instructor-base", "instructor-large", "instructor-xl")


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    return write_mixture(tmp_path_factory.mktemp("mixture"), usual())


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recipe_reads_and_says_what_it_is_for(path):
    assert read_recipe(path).description.strip()


def test_no_two_recipes_have_one_name():
    names = [read_recipe(path).name for path in FILES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_written_recipe_reads_as_the_same(path, tmp_path):
    recipe = read_recipe(path)
    copy = tmp_path / "recipe.toml"
    copy.write_text(recipe.to_toml(), encoding="utf-8")
    assert read_recipe(copy) == recipe


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recipe_tells_no_folder_of_its_writer(path):
    text = path.read_text(encoding="utf-8")
    assert not any(f'"{root}' in text for root in ("/", "~"))


@pytest.mark.parametrize("name", INSTRUCTOR)
def test_instructor_has_the_published_numbers(name):
    recipe = read_recipe(RECIPES / f"{name}.toml")
    size = name.removeprefix("instructor-")
    assert recipe.model.start == f"sentence-transformers/gtr-t5-{size}"
    assert (recipe.model.joining, recipe.model.max_seq_length, recipe.model.include_prompt) == (
        "instructor",
        512,
        False,
    )
    assert (recipe.optimizer.steps, recipe.optimizer.learning_rate) == (20_000, 2e-5)
    assert recipe.optimizer.n_warmup_steps == 2_000
    assert recipe.objective == NAMED["released"]
    assert recipe.objective.temperature == 0.01
    assert recipe.batches.datasets_per_batch == 1
    assert recipe.teacher is None


def test_the_sizes_of_instructor_differ_in_start_and_memory_only():
    base, large, xl = (read_recipe(RECIPES / f"{name}.toml") for name in INSTRUCTOR)
    assert [one.split(" ")[0] for one in base.differences(large)] == ["model.start"]
    assert [one.split(" ")[0] for one in large.differences(xl)] == ["model.start", "batches.max_batch_tokens"]


@pytest.mark.parametrize("name", INSTRUCTOR)
def test_instructor_draws_full_batches_of_one_dataset(name, mixture):
    recipe = read_recipe(RECIPES / f"{name}.toml", {"data.mixture": str(mixture), "optimizer.steps": "30"})
    opened = open_mixture(Path(recipe.data.mixture), recipe.data, recipe.data.weights)
    sampler = BatchSampler(opened, recipe.batches.sampling, n_steps=recipe.optimizer.steps)
    for batch in sampler:
        assert len(batch.units) == 1
        assert len(batch.rows) == 4


def test_every_recipe_of_instructor_is_in_the_readme():
    text = (RECIPES / "README.md").read_text(encoding="utf-8")
    for name in INSTRUCTOR:
        assert f"[`{name}.toml`]({name}.toml)" in text


@pytest.fixture(scope="module")
def shortened(tmp_path_factory, mixture):
    """The recipe of INSTRUCTOR-xl, which computes a batch in several passes, on a tiny T5 with GTR's modules."""
    from instructvec.training.trainer import train

    folder = tmp_path_factory.mktemp("shortened")
    start = tiny_t5(folder / "gtr", dense=24, dense_bias=False, dense_activation=IDENTITY)
    overrides = {
        "model.start": str(start),
        "model.max_seq_length": "64",
        "data.mixture": str(mixture),
        "batches.max_batch_tokens": "100",
        "optimizer.steps": "120",
        "optimizer.learning_rate": "2e-3",
        "compute.device": "cpu",
        "compute.threads": "1",
        "checkpoints.every": "60",
        "tracking.tensorboard": "false",
    }
    recipe = read_recipe(RECIPES / "instructor-xl.toml", overrides)
    return recipe, folder / "run", train(recipe, folder / "run")


def test_instructor_trains_end_to_end(shortened):
    _, out, trained = shortened
    assert trained.finished
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    losses = [line["loss"] for line in lines if "loss" in line]
    assert len(losses) == trained.steps == 120
    assert np.mean(losses[-30:]) < 0.7 * np.mean(losses[:30])


def test_trained_instructor_encodes_alike_in_sentence_transformers(shortened):
    from sentence_transformers import SentenceTransformer

    recipe, _, trained = shortened
    instruction, texts = "Represent the caption: ", ["A man is playing a guitar.", "It rains in the city."]
    embedder = Embedder(trained.model, backend="torch", device="cpu")
    assert embedder.contract(instruction).joining == recipe.model.joining == "instructor"
    vectors = embedder.encode(texts, instruction)
    assert vectors.shape == (2, 24)
    theirs = SentenceTransformer(str(trained.model), device="cpu").encode(texts, prompt=instruction)
    np.testing.assert_allclose(vectors, theirs, atol=2e-6)  # float32, other order of sums


def test_trained_instructor_is_another_than_it_started_from(shortened):
    recipe, _, trained = shortened
    instruction, texts = "Represent the caption: ", ["A man is playing a guitar.", "It rains in the city."]
    before, after = (
        Embedder(path, backend="torch", device="cpu", joining="instructor").encode(texts, instruction)
        for path in (recipe.model.start, trained.model)
    )
    assert np.abs(before - after).max() > 0.01
