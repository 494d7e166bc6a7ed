"""TOML files into dataclasses: what is taken as it is, what is refused, and what the refusals name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from instructvec.errors import ConfigError, FileError, InputError
from instructvec.toml import make, read_toml


@dataclass(frozen=True, slots=True)
class Optimizer:
    name: Literal["adam", "sgd"]
    rate: float = 0.1


@dataclass(frozen=True, slots=True)
class Recipe:
    title: str
    n_steps: int = 10
    rate: float = 0.5
    shuffle: bool = True
    files: tuple[str, ...] = ()
    sizes: tuple[int, ...] = ()
    columns: dict[str, str] = field(default_factory=dict)
    limit: int | None = None
    seed: int | str | None = None
    optimizer: Optimizer | None = None
    stages: tuple[Optimizer, ...] = ()
    others: dict[str, Optimizer] = field(default_factory=dict)
    anything: Any = None
    made: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        if self.n_steps < 1:
            raise InputError(f"n_steps is {self.n_steps}; expected 1 or more")


def recipe(**table):
    return make(Recipe, {"title": "a title"} | table, "recipe.toml, [recipe]")


def refusal(**table):
    with pytest.raises(ConfigError) as caught:
        recipe(**table)
    assert str(caught.value).startswith("recipe.toml, [recipe]: ")
    return str(caught.value).removeprefix("recipe.toml, [recipe]: ")


def test_defaults_fill_what_the_table_leaves_out():
    assert recipe() == Recipe("a title")


def test_an_unknown_key_is_refused_and_the_nearest_named():
    assert refusal(n_step=3) == "unknown key 'n_step'; did you mean 'n_steps'?"


def test_an_unknown_key_like_no_other_is_refused_with_those_that_there_are():
    said = refusal(zzz=3)
    assert said.startswith("unknown key 'zzz'; the known ones are title, n_steps, ")


def test_a_field_that_the_class_sets_itself_is_no_key():
    assert refusal(made=3).startswith("unknown key 'made'")


def test_a_missing_key_is_named():
    with pytest.raises(ConfigError, match=r"^recipe\.toml: the key 'title' is missing"):
        make(Recipe, {}, "recipe.toml")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("title", 3, "a string"),
        ("n_steps", "3", "a whole number"),
        ("n_steps", 3.0, "a whole number"),
        ("rate", "fast", "a number"),
        ("shuffle", "yes", "true or false"),
        ("shuffle", 1, "true or false"),
        ("files", "a.txt", "a list"),
        ("columns", ["a"], "a table"),
        ("others", ["a"], "a table"),
        ("optimizer", "adam", "a table"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_the_type_expected(key, value, expected):
    assert refusal(**{key: value}) == f"{key} is {value!r}; expected {expected}"


@pytest.mark.parametrize("key", ["n_steps", "rate", "limit"])
def test_true_and_false_are_no_numbers(key):
    assert refusal(**{key: True}).startswith(f"{key} is True; expected a")


def test_a_long_value_is_cut_in_the_message():
    assert len(refusal(n_steps="x" * 1000)) < 120


def test_a_whole_number_is_taken_as_a_number_with_a_point():
    rate = recipe(rate=2).rate
    assert (rate, type(rate)) == (2.0, float)


def test_lists_become_tuples():
    assert recipe(files=["a", "b"], sizes=[1, 2]) == Recipe("a title", files=("a", "b"), sizes=(1, 2))


def test_a_wrong_entry_of_a_list_is_named_by_its_place():
    assert refusal(sizes=[1, 2, "three"]) == "sizes[2] is 'three'; expected a whole number"


def test_tables_become_dicts_and_a_wrong_entry_is_named_by_its_key():
    assert recipe(columns={"text": "body"}).columns == {"text": "body"}
    assert refusal(columns={"text": 3}) == "columns.text is 3; expected a string"


def test_tables_become_the_dataclasses_that_the_fields_ask_for():
    made = recipe(
        optimizer={"name": "adam", "rate": 1},
        stages=[{"name": "sgd"}, {"name": "adam"}],
        others={"late": {"name": "sgd", "rate": 0.2}},
    )
    assert made.optimizer == Optimizer("adam", 1.0)
    assert made.stages == (Optimizer("sgd"), Optimizer("adam"))
    assert made.others == {"late": Optimizer("sgd", 0.2)}


@pytest.mark.parametrize(
    ("table", "where"),
    [
        ({"optimizer": {"nam": "adam"}}, "optimizer"),
        ({"stages": [{"name": "sgd"}, {"nam": "adam"}]}, "stages[1]"),
        ({"others": {"late": {"nam": "adam"}}}, "others.late"),
    ],
)
def test_an_unknown_key_of_a_nested_table_is_named_with_its_table(table, where):
    assert refusal(**table) == f"{where}: unknown key 'nam'; did you mean 'name'?"


def test_a_value_outside_a_closed_choice_is_refused_with_the_choice():
    assert refusal(optimizer={"name": "adm"}) == "optimizer: name is 'adm'; expected one of 'adam', 'sgd'"


@pytest.mark.parametrize("value", [3, "three"])
def test_a_union_takes_either(value):
    assert recipe(seed=value).seed == value


def test_an_optional_value_may_be_there_or_not():
    assert recipe(limit=3).limit == 3
    assert recipe().limit is None
    assert refusal(limit="three") == "limit is 'three'; expected a whole number"


def test_a_field_of_any_type_takes_anything():
    assert recipe(anything=[1, "two", {"three": True}]).anything == [1, "two", {"three": True}]


def test_what_the_class_itself_refuses_is_told_with_the_file_and_as_an_error_of_the_configuration():
    assert refusal(n_steps=0) == "n_steps is 0; expected 1 or more"


def test_an_error_that_is_not_ours_is_not_hidden():
    @dataclasses.dataclass
    class Broken:
        x: int

        def __post_init__(self):
            raise ZeroDivisionError("a mistake of ours")

    with pytest.raises(ZeroDivisionError):
        make(Broken, {"x": 1}, "broken.toml")


def test_a_file_is_read_with_its_tables(tmp_path):
    path = tmp_path / "recipe.toml"
    path.write_text('title = "Übung"\n[optimizer]\nname = "adam"\n', encoding="utf-8")
    assert make(Recipe, read_toml(path), str(path)) == Recipe("Übung", optimizer=Optimizer("adam"))


def test_broken_toml_is_refused_with_file_and_line(tmp_path):
    path = tmp_path / "broken.toml"
    path.write_text('title = "a"\nn_steps = = 3\n')
    with pytest.raises(FileError, match=r"broken\.toml: broken TOML: .*line 2"):
        read_toml(path)


def test_a_key_that_stands_there_twice_is_refused(tmp_path):
    path = tmp_path / "twice.toml"
    path.write_text('title = "a"\ntitle = "b"\n')
    with pytest.raises(FileError, match=r"twice\.toml: broken TOML: .*line 2"):
        read_toml(path)


def test_a_file_that_is_not_utf8_is_refused_with_the_byte(tmp_path):
    path = tmp_path / "latin.toml"
    path.write_bytes('title = "Übung"\n'.encode("latin-1"))
    with pytest.raises(FileError, match=r"latin\.toml: not UTF-8 text \(byte 9\)"):
        read_toml(path)


def test_a_file_that_is_not_there_is_refused_by_its_path(tmp_path):
    with pytest.raises(FileError, match=r"none\.toml: cannot be read \(No such file or directory\)"):
        read_toml(tmp_path / "none.toml")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path):
    with pytest.raises(FileError, match="cannot be read"):
        read_toml(tmp_path)
