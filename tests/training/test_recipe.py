"""Recipes: what a file says, what is set over it, what is refused and named, and what a digest tells apart."""

from dataclasses import asdict, replace
from pathlib import Path

import pytest

from instructvec.errors import ConfigError, FileError
from instructvec.training.choice import DataChoice
from instructvec.training.objective import NAMED, Objective
from instructvec.training.recipe import (
    BatchOptions,
    CheckpointOptions,
    ComputeOptions,
    DataOptions,
    EvaluationOptions,
    Lora,
    ModelOptions,
    OptimizerOptions,
    Recipe,
    ResultOptions,
    TeacherOptions,
    TrackingOptions,
    read_recipe,
)
from instructvec.training.sampling import SamplingOptions

LEAST = """
name = "trial"
description = "A trial."
[model]
start = "sentence-transformers/gtr-t5-base"
[data]
mixture = "mixture"
"""

WHOLE = """
name = "trial"
description = 'Quotes " and \\ and ü, "twice".'
seed = 7
[model]
start = "sentence-transformers/gtr-t5-base"
revision = "abc"
joining = "instructor"
max_seq_length = 128
include_prompt = true
dropout = 0.05
freeze_embeddings = true
freeze_layers = 2
name = "small"
[data]
mixture = "/data/mixture"
datasets = ["task0*", "stsb"]
without = ["task001"]
kinds = ["pair", "superni"]
rules = ["mined", "labelled"]
without_rules = ["other_goal", "wrong_instruction"]
without_negatives = ["labelled", "class"]
licences = ["MIT", "*"]
without_licences = ["GPL*"]
commercial = true
redistribution = true
symmetric = true
[data.weights]
rule = "temperature"
temperature = 3.0
truncate_at = 100
datasets = { "task0*" = 0.5, 'with "quotes"' = 1 }
kinds = { superni = 0.2 }
rules = { labelled = 0.3 }
[batches]
batch_size = 64
datasets_per_batch = 2
contrast_share = 0.1
least_rows = 8
small = "drop"
seed = 3
max_batch_tokens = 8192
max_batch_rows = 32
instructions = "none"
[objective]
name = "two_sided"
form = "released"
temperature = 0.05
learn_temperature = true
dimensions = [64, 128]
dimension_weights = [0.5, 1]
contrast_weight = 0.5
match_labels = true
[objective.distillation]
measure = "mse"
labelled = false
weight = 2.0
[teacher]
model = "sentence-transformers/all-mpnet-base-v2"
instructions = true
[optimizer]
steps = 200
learning_rate = 1e-4
weight_decay = 0
betas = [0.8, 0.9]
eps = 1e-6
schedule = "cosine"
warmup = 20
max_grad_norm = 2
layer_decay = 0.9
temperature_learning_rate = 1e-3
[lora]
rank = 4
alpha = 8
dropout = 0.1
targets = ["q", "v"]
[compute]
precision = "bfloat16"
device = "cpu"
threads = 2
gradient_checkpointing = true
sub_batch_rows = 16
[checkpoints]
every = 10
keep = 3
minutes = 1.5
[evaluation]
every = 50
suite = "open"
kinds = ["sts"]
tasks = ["STSb"]
half = "all"
[result]
average_with_start = 0.3
average_with = ["/runs/a/model", "/runs/b/model"]
average_last = 3
best = false
[tracking]
tensorboard = false
wandb = true
every = 1
"""


@pytest.fixture
def read(tmp_path):
    def read(text=LEAST, **overrides):
        path = tmp_path / "recipe.toml"
        path.write_text(text, encoding="utf-8")
        return read_recipe(path, {name.replace("__", "."): value for name, value in overrides.items()})

    return read


def made(**options):
    start = {"name": "trial", "description": "", "model": ModelOptions("a/b"), "data": DataOptions(mixture="m")}
    return Recipe(**start | options)


def test_a_short_recipe_has_the_documented_defaults(read):
    recipe = read()
    assert asdict(recipe.model) == {
        "start": "sentence-transformers/gtr-t5-base",
        "revision": None,
        "joining": "prompt",
        "max_seq_length": None,
        "include_prompt": False,
        "dropout": None,
        "freeze_embeddings": False,
        "freeze_layers": 0,
        "name": None,
    }
    assert recipe.optimizer == OptimizerOptions(
        1000, 2e-5, 0.01, (0.9, 0.999), 1e-8, "linear", 0.1, 1.0, 1.0, temperature_learning_rate=None
    )
    assert recipe.batches == BatchOptions(
        batch_size=128, seed=42, max_batch_tokens=None, max_batch_rows=None, instructions="as_written"
    )
    assert recipe.objective == NAMED["masked"]
    assert (recipe.seed, recipe.teacher, recipe.lora, recipe.evaluation) == (42, None, None, None)
    assert recipe.compute == ComputeOptions("auto", None, None, False, None)
    assert recipe.checkpoints == CheckpointOptions(200, 2, None)
    assert recipe.result == ResultOptions(0.0, 0, True)
    assert recipe.tracking == TrackingOptions(True, False, 10)


def test_tables_that_are_there_but_empty_have_their_defaults(read):
    recipe = read(LEAST + "[lora]\n[evaluation]\n")
    assert recipe.lora == Lora(16, 32.0, 0.0, ())
    assert recipe.evaluation == EvaluationOptions(500, "smoke", (), (), "development")


def test_every_option_is_read(read):
    recipe = read(WHOLE)
    unchanged = {key for key, value in made().decisive().items() if recipe.decisive().get(key) == value}
    assert unchanged == {"objective.same_text", "objective.same_label", "objective.margin"}
    assert recipe.objective.distillation is not None
    assert recipe.objective.distillation.measure == "mse"
    assert recipe.teacher == TeacherOptions("sentence-transformers/all-mpnet-base-v2", True)
    assert recipe.data.weights.datasets == {"task0*": 0.5, 'with "quotes"': 1.0}
    assert recipe.tracking == TrackingOptions(False, True, 1)


@pytest.mark.parametrize("text", [LEAST, WHOLE], ids=["least", "whole"])
def test_a_written_recipe_reads_as_the_same(read, text):
    recipe = read(text)
    assert read(recipe.to_toml()) == recipe


@pytest.mark.parametrize("objective", [*NAMED.values(), Objective(margin=0.2), Objective(same_label=True)])
def test_a_written_objective_reads_as_the_same(read, objective):
    assert read(made(objective=objective).to_toml()).objective == objective


def test_control_characters_survive_writing(read):
    recipe = made(description="a\ttab, a\nline, \x00\x1f\x7f\x85 and 😀")
    assert read(recipe.to_toml()).description == recipe.description


def test_tables_widen_the_options_that_choosing_and_sampling_take(read):
    recipe = read(WHOLE)
    assert isinstance(recipe.data, DataChoice)
    sampling = recipe.batches.sampling
    assert type(sampling) is SamplingOptions
    assert asdict(recipe.batches) == asdict(recipe.batches) | asdict(sampling)


def test_the_objective_is_a_named_one_with_options_of_its_own(read):
    recipe = read(LEAST + '[objective]\nname = "released"\ntemperature = 0.02\n')
    assert recipe.objective == replace(NAMED["released"], temperature=0.02)


def test_batches_have_the_seed_of_the_recipe_unless_they_have_one(read):
    assert read("seed = 5\n" + LEAST).batches.seed == 5
    assert read("seed = 5\n" + LEAST + "[batches]\nseed = 6\n").batches.seed == 6
    assert read(seed="9").batches.seed == 9


def test_warmup_is_a_share_or_a_number_of_steps():
    assert OptimizerOptions(steps=50, warmup=0.1).n_warmup_steps == 5
    assert OptimizerOptions(steps=50, warmup=1).n_warmup_steps == 1
    assert OptimizerOptions(steps=50, warmup=0).n_warmup_steps == 0


def test_paths_are_relative_to_the_file(read, tmp_path):
    (tmp_path / "models" / "small").mkdir(parents=True)
    text = LEAST.replace("sentence-transformers/gtr-t5-base", "models/small")
    recipe = read(text + "[evaluation]\nsuite = './mine.toml'\n")
    assert recipe.data.mixture == str(tmp_path / "mixture")
    assert recipe.model.start == str(tmp_path / "models" / "small")
    assert recipe.evaluation.suite == str(tmp_path / "mine.toml")


def test_hub_ids_and_suite_names_stay_as_they_are(read):
    recipe = read(WHOLE)
    assert recipe.model.start == "sentence-transformers/gtr-t5-base"
    assert recipe.evaluation.suite == "open"


def test_overrides_stand_instead_and_their_paths_are_relative_to_the_working_directory(
    read, tmp_path, monkeypatch
):
    there = tmp_path / "there"
    there.mkdir()
    monkeypatch.chdir(there)
    recipe = read(
        WHOLE,
        optimizer__steps="300",
        objective__name="masked",
        model__name='"a name"',
        evaluation__tasks='["A", "B"]',
        data__mixture="2024",
    )
    assert recipe.optimizer.steps == 300
    assert recipe.objective == replace(read(WHOLE).objective, same_side=False)
    assert recipe.model.name == "a name"
    assert recipe.evaluation.tasks == ("A", "B")
    assert recipe.data.mixture == str(there / "2024")


def test_an_override_makes_the_table_it_needs(read):
    assert read(evaluation__every="10").evaluation == EvaluationOptions(every=10)
    assert read(lora__rank="2").lora == Lora(rank=2)


def test_an_empty_override_takes_an_option_or_a_table_away(read):
    recipe = read(WHOLE, lora="", evaluation="", optimizer__schedule=" ")
    assert (recipe.lora, recipe.evaluation, recipe.optimizer.schedule) == (None, None, "linear")
    with pytest.raises(ConfigError, match="'lora' is to be taken away and is not in the recipe"):
        read(lora="")


def test_an_override_cannot_bring_lines_of_its_own(read):
    with pytest.raises(ConfigError, match="steps is '3.nother = 1'; expected a whole number"):
        read(optimizer__steps="3\nother = 1")


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"optimizer.step": "3"}, "recipe.toml: optimizer: unknown key 'step'; did you mean 'steps'?"),
        ({"optimiser.steps": "3"}, "recipe.toml: unknown key 'optimiser'; did you mean 'optimizer'?"),
        ({"data.dataset": "[]"}, "data: unknown key 'dataset'; did you mean 'datasets'?"),
        ({"objective.tau": "1"}, "objective: unknown key 'tau'; the known ones are form, "),
        ({"objective.name": "maskd"}, "objective: name is 'maskd'; expected one of full, released, masked,"),
        ({"objective": "3"}, "recipe.toml: objective is 3; expected a table"),
        ({"batches": "3"}, "recipe.toml: batches is 3; expected a table"),
        ({"name.first": "3"}, "'name.first' names an option of name, which is 'trial' and no table"),
        ({"optimizer.": "3"}, "'optimizer.' names no option; expected one such as optimizer.steps"),
        ({"name": ""}, "the key 'name' is missing"),
        ({"name": '" "'}, "name is empty; give the recipe one"),
        ({"seed": "-1"}, "seed is -1; expected a number from 0 to"),
        ({"model.start": '""'}, "start is empty; give one"),
        ({"model.joining": "exactly"}, "joining is 'exactly'; expected one of"),
        ({"model.max_seq_length": "1"}, "max_seq_length is 1; expected 2 or more"),
        ({"model.dropout": "1.0"}, "dropout is 1; expected a share from 0 to below 1"),
        ({"model.freeze_layers": "-1"}, "freeze_layers is -1; expected 0 or more"),
        ({"data.kinds": '["pairs"]'}, "data: kinds[0] is 'pairs'; expected one of"),
        ({"data.weights.temperature": "-1"}, "data: weights: "),
        ({"batches.batch_size": "1"}, "batches: batch_size is 1; expected 2 or more"),
        ({"batches.instructions": "short"}, "batches: instructions is 'short'; expected one of"),
        ({"data.symmetric": "1"}, "symmetric is 1; expected"),
        ({"batches.max_batch_tokens": "0"}, "max_batch_tokens is 0; expected 1 or more"),
        ({"optimizer.steps": "0"}, "steps is 0; expected 1 or more"),
        ({"optimizer.steps": "2.5"}, "steps is 2.5; expected a whole number"),
        ({"optimizer.learning_rate": "0"}, "learning_rate is 0; expected more than 0"),
        ({"optimizer.learning_rate": "nan"}, "learning_rate is nan; expected more than 0"),
        ({"optimizer.betas": "[0.9]"}, "betas are (0.9,); expected two numbers from 0 to below 1"),
        ({"optimizer.schedule": "step"}, "schedule is 'step'; expected one of"),
        ({"optimizer.warmup": "2000"}, "warmup is 2000; expected a share from 0 to below 1, or a whole number of"),
        ({"optimizer.warmup": "1.5"}, "warmup is 1.5; expected a share"),
        ({"optimizer.layer_decay": "1.1"}, "layer_decay is 1.1; expected more than 0, up to 1 (none)"),
        ({"lora.rank": "0"}, "lora: rank is 0; expected 1 or more"),
        ({"compute.precision": "bf16"}, "precision is 'bf16'; expected one of"),
        ({"compute.threads": "0"}, "threads is 0; expected 1 or more"),
        ({"checkpoints.every": "0"}, "every is 0; expected 1 or more"),
        ({"checkpoints.minutes": "0"}, "minutes is 0; expected more than 0"),
        ({"evaluation.half": "train"}, "half is 'train'; expected one of"),
        ({"result.average_with_start": "1"}, "average_with_start is 1; expected a share from 0 to below 1"),
        ({"result.average_last": "3"}, "result.average_last is 3 and checkpoints.keep 2; keep as many"),
        ({"tracking.every": "0"}, "every is 0; expected 1 or more"),
        ({"teacher.model": "a/b"}, "a table [teacher] and none [objective.distillation]; give both, or neither"),
        ({"objective.distillation.weight": "1"}, "a table [objective.distillation] and none [teacher]"),
        (
            {"optimizer.temperature_learning_rate": "1"},
            "and objective.learn_temperature is false; set that to true",
        ),
        (
            {"batches.instructions": "none"},
            "data.without_rules does not have 'other_goal' and 'wrong_inst",
        ),
    ],
    ids=lambda one: ",".join(one) if isinstance(one, dict) else "",
)
def test_a_wrong_option_is_refused_by_name(tmp_path, overrides, message):
    path = tmp_path / "recipe.toml"
    path.write_text(LEAST)
    with pytest.raises(ConfigError) as caught:
        read_recipe(path, overrides)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [(None, "cannot be read"), ("name = ", "broken TOML"), (b"name = '\xff'", "not UTF-8")],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path, text, message):
    path = tmp_path / "recipe.toml"
    if text is not None:
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FileError, match=message):
        read_recipe(path)


@pytest.mark.parametrize(
    ("detail", "missing"), [("tag", "'wrong_instruction'"), ("simple", "'other_goal' and 'wrong_instruction'")]
)
def test_rows_that_a_level_of_detail_makes_untrue_must_be_left_out(read, detail, missing):
    with pytest.raises(ConfigError, match=f"batches.instructions is '{detail}', and .* does not have {missing};"):
        read(batches__instructions=detail)
    rules = '["wrong_instruction"]' if detail == "tag" else '["other_goal", "wrong_instruction"]'
    recipe = read(batches__instructions=detail, data__without_rules=rules)
    assert recipe.batches.instructions == detail and recipe.digest != read(data__without_rules=rules).digest


def test_choosing_only_other_rules_is_enough_without_instructions():
    batches = BatchOptions(instructions="none")
    made(batches=batches, data=DataOptions(mixture="m", rules=("mined",)))
    made(batches=batches, data=DataOptions(mixture="m", without_rules=("other_goal", "wrong_instruction")))


@pytest.mark.parametrize(
    "overrides",
    [
        {"compute.threads": "2"},
        {"compute.device": "cuda:1"},
        {"compute.sub_batch_rows": "8"},
        {"compute.gradient_checkpointing": "true"},
        {"tracking.every": "1"},
        {"checkpoints.keep": "5"},
        {"name": "other"},
        {"description": "other"},
        {"model.name": "other"},
        {"data.mixture": "elsewhere/mixture"},
    ],
    ids=lambda one: next(iter(one)),
)
def test_what_does_not_decide_the_result_leaves_the_digest(read, overrides):
    other = read(**{key.replace(".", "__"): value for key, value in overrides.items()})
    assert other != read()
    assert other.digest == read().digest
    assert read().differences(other) == ()


@pytest.mark.parametrize(
    ("overrides", "difference"),
    [
        ({"optimizer.steps": "200"}, "optimizer.steps is 1000, and 200 in the other"),
        ({"seed": "1"}, "seed is 42, and 1 in the other"),
        ({"model.start": "a/b"}, "model.start is 'sentence-transformers/gtr-t5-base', and 'a/b' in the other"),
        ({"data.datasets": '["a"]'}, "data.datasets is [], and ['a'] in the other"),
        ({"data.weights.kinds": "{ pair = 2 }"}, "data.weights.kinds.pair is not given, and 2.0 in the other"),
        ({"objective.margin": "0.2"}, "objective.margin is 0.1, and 0.2 in the other"),
        ({"compute.precision": "float32"}, "compute.precision is 'auto', and 'float32' in the other"),
        ({"evaluation.every": "7"}, "evaluation.every is not given, and 7 in the other"),
        ({"result.average_with_start": "0.5"}, "result.average_with_start is 0.0, and 0.5 in the other"),
        ({"lora.rank": "4"}, "lora.rank is not given, and 4 in the other"),
    ],
    ids=lambda one: next(iter(one)) if isinstance(one, dict) else "",
)
def test_what_decides_the_result_changes_the_digest_and_is_named(read, overrides, difference):
    other = read(**{key.replace(".", "__"): value for key, value in overrides.items()})
    assert other.digest != read().digest
    assert difference in read().differences(other)


def test_the_digest_knows_directories_by_their_last_name(tmp_path):
    one, two = (replace(made(), model=ModelOptions(str(tmp_path / where / "small"))) for where in ("a", "b"))
    assert one.digest == two.digest
    assert one.digest != replace(made(), model=ModelOptions(str(tmp_path / "a" / "large"))).digest


def test_evaluation_decides_nothing_where_the_last_weights_are_taken():
    last = made(result=ResultOptions(best=False))
    assert replace(last, evaluation=EvaluationOptions(every=7)).digest == last.digest


def test_the_digest_of_equal_recipes_is_equal_and_stable(read):
    assert read(WHOLE).digest == read(read(WHOLE).to_toml()).digest
    assert len(read().digest) == 32


def test_a_recipe_to_be_passed_on_tells_no_folders(tmp_path):
    recipe = made(
        model=ModelOptions(str(tmp_path / "models" / "small")),
        data=DataOptions(mixture=str(tmp_path / "mixture")),
    )
    text = recipe.to_toml(whole_paths=False)
    assert 'start = "small"' in text
    assert 'mixture = "mixture"' in text
    assert str(Path(tmp_path)) not in text
    assert str(Path(tmp_path)) in recipe.to_toml()
