"""A recipe's file that stands on another: what is laid over what, where paths lie, what is refused and named."""

import pytest

from instructvec.errors import ConfigError, FileError
from instructvec.training.recipe import read_recipe
from instructvec.training.recipe_text import merged, read_tables

BASE = """
name = "base"
description = "What others stand on."
seed = 7
[model]
start = "models/small"
max_seq_length = 64
[data]
mixture = "mixture"
kinds = ["pair", "label"]
[data.weights]
rule = "proportional"
datasets = { big = 0.5, "task*" = 0.2 }
[optimizer]
steps = 300
"""


@pytest.fixture
def files(tmp_path):
    """Writes ``a/b.toml=text`` below one folder and returns the path of the first."""

    def write(**texts):
        for name, text in texts.items():
            path = tmp_path / f"{name.replace('__', '/')}.toml"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return tmp_path / f"{next(iter(texts)).replace('__', '/')}.toml"

    return write


def test_a_recipe_has_all_of_the_one_it_extends_but_what_it_says_itself(files):
    own = 'extends = "base.toml"\nname = "own"\n[optimizer]\nsteps = 20\n'
    recipe = read_recipe(files(own=own, base=BASE))
    assert (recipe.name, recipe.optimizer.steps) == ("own", 20)
    assert (recipe.description, recipe.seed, recipe.model.max_seq_length) == ("What others stand on.", 7, 64)
    assert recipe.batches.seed == 7


def test_tables_are_laid_over_tables_at_any_depth(files):
    own = 'extends = "base.toml"\n[data.weights]\ndatasets = { big = 2.0, low = 3.0 }\nkinds = { pair = 0.1 }\n'
    weights = read_recipe(files(own=own, base=BASE)).data.weights
    assert weights.datasets == {"big": 2.0, "task*": 0.2, "low": 3.0}
    assert (weights.rule, weights.kinds) == ("proportional", {"pair": 0.1})


def test_a_list_stands_instead_of_a_list(files):
    recipe = read_recipe(files(own='extends = "base.toml"\n[data]\nkinds = ["superni"]\n', base=BASE))
    assert recipe.data.kinds == ("superni",)


def test_values_and_tables_stand_instead_of_each_other():
    assert merged({"a": 1, "b": {"c": 2}}, {"a": {"d": 3}, "b": 4}) == {"a": {"d": 3}, "b": 4}
    below = {"a": {"b": {"c": 1}}}
    assert merged(below, {"a": {"b": {"d": 2}}}) == {"a": {"b": {"c": 1, "d": 2}}}
    assert below == {"a": {"b": {"c": 1}}}


def test_extending_goes_on_as_far_as_files_do(files):
    path = files(
        deep__two='extends = "one.toml"\n[optimizer]\nsteps = 2\n',
        deep__one='extends = "../base.toml"\nname = "one"\n[optimizer]\nsteps = 1\nwarmup = 0.5\n',
        base=BASE,
    )
    recipe = read_recipe(path)
    assert (recipe.name, recipe.optimizer.steps, recipe.optimizer.warmup, recipe.seed) == ("one", 2, 0.5, 7)


def test_paths_are_relative_to_the_file_that_has_them(files, tmp_path):
    (tmp_path / "models" / "small").mkdir(parents=True)
    (tmp_path / "deep" / "models" / "small").mkdir(parents=True)
    path = files(deep__own='extends = "../base.toml"\n[evaluation]\nsuite = "./mine.toml"\n', base=BASE)
    recipe = read_recipe(path)
    assert recipe.model.start == str(tmp_path / "models" / "small")
    assert recipe.data.mixture == str(tmp_path / "mixture")
    assert recipe.evaluation.suite == str(tmp_path / "deep" / "mine.toml")
    own = files(deep__own='extends = "../base.toml"\n[data]\nmixture = "mixture"\n')
    assert read_recipe(own).data.mixture == str(tmp_path / "deep" / "mixture")


def test_what_is_extended_is_found_from_any_working_directory(files, tmp_path, monkeypatch):
    path = files(deep__own='extends = "../base.toml"\nname = "own"\n', base=BASE)
    monkeypatch.chdir(tmp_path / "deep")
    assert read_recipe(path.relative_to(tmp_path / "deep")) == read_recipe(path)


def test_overrides_stand_instead_of_both(files):
    path = files(own='extends = "base.toml"\n[optimizer]\nsteps = 20\n', base=BASE)
    over = {"optimizer.steps": "5", "data.weights.datasets.big": "9", "data.kinds": "", "seed": "1"}
    recipe = read_recipe(path, over)
    assert (recipe.optimizer.steps, recipe.data.kinds, recipe.seed, recipe.batches.seed) == (5, (), 1, 1)
    assert recipe.data.weights.datasets == {"big": 9.0, "task*": 0.2}


def test_the_same_options_have_the_same_digest_however_they_are_written(files):
    path = files(own='extends = "base.toml"\nname = "own"\n', base=BASE)
    assert read_recipe(path).digest == read_recipe(path.with_name("base.toml")).digest


def test_a_written_recipe_extends_nothing(files, tmp_path):
    recipe = read_recipe(files(own='extends = "base.toml"\nname = "own"\n', base=BASE))
    text = recipe.to_toml()
    assert "\nextends" not in f"\n{text}"
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / "recipe.toml"
    copy.write_text(text, encoding="utf-8")
    assert read_recipe(copy) == recipe


# ------------------------------------------------------------ refusals


def test_a_circle_is_refused_by_the_files_that_make_it(files):
    with pytest.raises(ConfigError, match=r"one\.toml: extends itself, by way of one\.toml; take one 'extends'"):
        read_tables(files(one='extends = "one.toml"\n'), {})
    path = files(
        one='extends = "two.toml"\n', two='extends = "deep/three.toml"\n', deep__three='extends = "../one.toml"\n'
    )
    with pytest.raises(ConfigError, match=r"one\.toml: extends itself, by way of three\.toml"):
        read_tables(path, {})


def test_two_recipes_may_extend_the_same_one(files):
    files(base=BASE, a='extends = "base.toml"\nname = "a"\n')
    assert read_recipe(files(b='extends = "a.toml"\n')).name == "a"


@pytest.mark.parametrize(("value", "shown"), [("3", "3"), ('["base.toml"]', r"\['base.toml'\]"), ('" "', "' '")])
def test_what_is_no_path_is_refused_with_the_file(files, value, shown):
    with pytest.raises(ConfigError, match=rf"own\.toml: extends is {shown}; expected the path of another recipe"):
        read_tables(files(own=f"extends = {value}\n", base=BASE), {})


def test_a_file_that_is_not_there_or_no_recipe_is_refused_by_its_own_name(files):
    path = files(own='extends = "base.toml"\n')
    with pytest.raises(FileError, match=r"base\.toml: cannot be read"):
        read_recipe(path)
    files(base="name = ")
    with pytest.raises(FileError, match=r"base\.toml: broken TOML"):
        read_recipe(path)


def test_an_unknown_option_is_refused_wherever_it_comes_from(files):
    path = files(own='extends = "base.toml"\n', base=BASE + "step = 3\n")
    with pytest.raises(ConfigError, match="optimizer: unknown key 'step'; did you mean 'steps'"):
        read_recipe(path)


def test_extending_is_for_files_not_for_overrides(files):
    with pytest.raises(ConfigError, match="unknown key 'extends'"):
        read_recipe(files(base=BASE), {"extends": "other.toml"})
