"""The page of a map: whole, safe whatever the texts say, and asking nothing of a network."""

import json
import re
from dataclasses import replace
from importlib.resources import files

import numpy as np
import pytest

from instructvec.page.drawing import SHAPES as SYMBOLS
from instructvec.tasks import draw_map, render_map, text_map
from instructvec.tasks.maps import palette
from instructvec.tasks.maps.page import groups_of
from tests.page.parsed import Page
from tests.tasks.planted import PlantedEncoder

NASTY = [
    "</script><script>alert(1)</script>",
    "<!-- <b>bold</b> & $x_{",
    "\N{RIGHT-TO-LEFT OVERRIDE}abc",
    "",
    "\ud800",
]
TEXTS = [f"{at % 3} text {at}" for at in range(40)]


def made(n=40, **options):
    return text_map(TEXTS[:n], embedder=PlantedEncoder({}), **options)


def data_of(page):
    found = re.search(r'<script type="application/json" id="text-map">(.*?)</script>', page, re.DOTALL)
    return json.loads(found[1])


def nasty_map():
    texts = (*NASTY, *TEXTS[len(NASTY) :])
    return replace(made(colours=["</script>", "<i>", "c", "d"] * 10, colour_name="<u>"), texts=texts)


def test_texts_and_classes_cannot_become_markup():
    page = render_map(nasty_map(), title="<h1>")
    parsed = Page(page)
    assert sum(tag == "script" for tag, _ in parsed.tags) == 2
    assert not {"b", "i", "u"} & {tag for tag, _ in parsed.tags}
    assert data_of(page)["texts"][0] == NASTY[0]
    assert "<h1>" in parsed.words
    page.encode("utf-8")


def test_the_page_holds_every_point_once_and_makes_no_request():
    found = made(colours=list("abcd") * 10, colour_name="letter", instructions=["a: ", ""])
    page = render_map(found)
    parsed, data = Page(page), data_of(page)
    assert len(parsed.ids) == len(set(parsed.ids))
    assert [len(data[key]) for key in ("texts", "rows", "codes")] == [40, 40, 40]
    for panel, own in zip(data["panels"], found.panels, strict=True):
        places = np.array([panel["x"], panel["y"]]).T / 5000 - 1
        np.testing.assert_allclose(places * [1, -1], own.points, atol=2e-4)
        assert panel["nearest"][0] == own.nearest[0, :5].tolist()
    assert "no instruction" in parsed.words
    assert "default-src 'none'" in next(
        attributes["content"] for tag, attributes in parsed.tags if "http-equiv" in attributes
    )
    outside = [
        value for _, attributes in parsed.tags for key, value in attributes.items() if key in ("src", "href")
    ]
    assert all(value.startswith(("#", "data:")) for value in outside)


def test_names_may_be_hidden_at_first():
    boxes = [
        attributes
        for shown in (True, False)
        for tag, attributes in Page(render_map(made(colours=list("ab") * 20), names=shown)).tags
        if attributes.get("id") == "map-names"
    ]
    assert ["checked" in one for one in boxes] == [True, False]


def test_legend_lists_classes_others_and_none():
    groups, codes = groups_of(made(n=20, colours=[*"aaabbc", *("d" * 13), None], max_classes=2))
    assert [(one.name, one.n_points, one.cls) for one in groups] == [
        ("d", 13, "m0"),
        ("a", 3, "m1"),
        ("other (2 classes)", 3, "mx"),
        ("none", 1, "mn"),
    ]
    assert codes == [1, 1, 1, 2, 2, 2, *([0] * 13), 3]


def test_legend_of_numbers_is_in_five_parts():
    groups, codes = groups_of(made(colours=[None, *range(39)]))
    assert [one.n_points for one in groups] == [8, 8, 7, 8, 8, 1]
    assert groups[0].name == "0 to 7.6"
    assert (codes[0], codes[1], codes[-1]) == (5, 0, 4)


@pytest.mark.parametrize("n", [1, 2])
def test_maps_of_few_texts_without_colours(n):
    assert len(data_of(render_map(made(n=n)))["texts"]) == n


def test_palette_and_style_sheet_agree():
    style = files("instructvec.tasks.maps").joinpath("page.css").read_text("utf-8")
    light = style.split("@media")[0]
    ours = {f"m{at}": colour for at, colour in enumerate(palette.CLASSES)}
    ours |= {"mx": palette.OTHER, "mn": palette.NONE} | {
        f"s{at}": colour for at, colour in enumerate(palette.SCALE)
    }
    assert dict(re.findall(r"--(\w+): (#\w{6});", light)) == ours
    assert set(palette.SHAPES) <= set(SYMBOLS)


@pytest.mark.parametrize("colours", [None, ["$\\frac{", "<b>", "c", None] * 10, list(range(40))])
def test_a_picture_is_a_png_whatever_names_say(colours):
    found = made(colours=colours, colour_name="$x_{", instructions=["$a_{: ", ""])
    assert draw_map(found, title="$").startswith(b"\x89PNG\r\n")
