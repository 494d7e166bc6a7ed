"""The page of a recipe's options says what the source says."""

import importlib.util
import re
from dataclasses import fields
from pathlib import Path

from instructvec.training.recipe import Recipe

DOCS = Path(__file__).parents[2] / "docs"


def maker():
    spec = importlib.util.spec_from_file_location("make_recipe_options", DOCS / "make_recipe_options.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_is_what_the_source_gives():
    assert (DOCS / "recipe-options.md").read_text() == maker().page(), "run: python docs/make_recipe_options.py"


def test_every_table_and_option_has_a_line_and_says_something():
    made = maker()
    page = made.page()
    tables = {name.strip("[]") for name in made.TABLES}
    assert {one.name for one in fields(Recipe)} == {name for name in tables if "." not in name} | set(made._PLAIN)
    rows = re.findall(r"^\| `(\w+)` \| (.+) \| (.+) \|$", page, re.MULTILINE)
    n_below = sum(one.name in made._BELOW for kind in made.TABLES.values() for one in fields(kind))
    assert len(rows) == sum(len(fields(kind)) for kind in made.TABLES.values()) + len(made._PLAIN) - n_below
    assert all(len(what) > 5 for _, _, what in rows)
    assert "``" not in page and ":func:" not in page
