"""Charts: where marks stand, what they say, and that texts cannot break them."""

import re
import xml.etree.ElementTree as ET

import pytest

from instructvec.page import drawing
from instructvec.page.drawing import Axis, Bar, Mark, axis_over
from instructvec.page.estimate import Estimate

HOSTILE = "</title><script>alert('x')</script> & \"quoted\""
PERCENT = Axis(0.0, 100.0)


def parsed(chart):
    return ET.fromstring(chart)


def places(chart, tag, attribute):
    return [float(found.get(attribute).rstrip("%")) for found in parsed(chart).iter(tag)]


# ---------------------------------------------------------------- axes


def test_an_axis_puts_its_ends_just_inside_the_picture():
    assert PERCENT.at(0.0) == pytest.approx(3.0)
    assert PERCENT.at(100.0) == pytest.approx(97.0)
    assert PERCENT.at(25.0) == pytest.approx(26.5)


def test_values_beyond_an_axis_stand_at_its_end():
    assert PERCENT.at(-5.0) == PERCENT.at(0.0)
    assert PERCENT.at(250.0) == PERCENT.at(100.0)


@pytest.mark.parametrize("values", [[0.3], [3.0, -0.01], [-12.0, 48.0], [0.0004], [99.9, 100.0], [1e6, -7.0]])
def test_an_axis_holds_zero_and_all_values_and_has_few_round_ticks(values):
    axis = axis_over(values)
    assert axis.low <= min([0.0, *values])
    assert axis.high >= max([0.0, *values])
    assert 2 <= len(axis.ticks) <= 8
    assert 0.0 in axis.ticks


def test_values_that_are_absent_or_not_finite_are_left_out():
    assert axis_over([None, float("nan"), float("inf"), 4.0]) == axis_over([4.0])


@pytest.mark.parametrize("is_signed", [True, False])
def test_an_axis_over_nothing_is_still_one(is_signed):
    axis = axis_over([], is_signed=is_signed)
    assert axis.low <= 0.0 <= axis.high
    assert axis.high - axis.low >= 1.0


def test_a_scale_writes_signs_where_it_shows_differences():
    assert ">+2<" in drawing.scale(Axis(-2.0, 2.0, is_signed=True), "points")
    assert ">20<" in drawing.scale(PERCENT, "percent")


# ---------------------------------------------------------------- rows


def test_a_bar_reaches_from_zero_to_its_value():
    chart = drawing.bars([Bar(Estimate(50.0, 40.0, 60.0), 0, "half")], PERCENT, "a task")
    assert places(chart, "rect", "x") == [3.0]
    assert places(chart, "rect", "width") == [47.0]
    whisker = next(line for line in parsed(chart).iter("line") if line.get("class") == "whisker")
    assert (whisker.get("x1"), whisker.get("x2")) == ("40.6%", "59.4%")


def test_a_negative_bar_reaches_left_of_zero():
    axis = Axis(-100.0, 100.0)
    chart = drawing.bars([Bar(Estimate(-50.0), 0, "")], axis, "a task")
    assert places(chart, "rect", "x") == [axis.at(-50.0)]
    assert places(chart, "rect", "width") == [axis.at(0.0) - axis.at(-50.0)]


def test_bars_without_interval_or_value_are_drawn_as_far_as_known():
    chart = drawing.bars([Bar(Estimate(None), 0, "none"), Bar(Estimate(10.0), 1, "bare")], PERCENT, "a task")
    assert len(list(parsed(chart).iter("rect"))) == 1
    assert "whisker" not in chart


def test_many_bars_are_thinner():
    few, many = (
        int(parsed(drawing.bars([Bar(Estimate(1.0), at, "") for at in range(n)], PERCENT, "")).get("height"))
        for n in (4, 8)
    )
    assert many < 2 * few


def test_colours_repeat_after_the_last():
    chart = drawing.bars([Bar(Estimate(1.0), drawing.N_COLOURS + 1, "")], PERCENT, "")
    assert 'class="bar c1"' in chart


def test_a_difference_without_colour_is_hollow():
    axis = Axis(-4.0, 4.0, is_signed=True)
    assert "open" in drawing.forest(Estimate(1.0, -1.0, 3.0), axis, "a minus b", None)
    shown = drawing.forest(Estimate(2.0, 1.0, 3.0), axis, "a minus b", 1)
    assert "open" not in shown
    assert "mark c1" in shown


def test_a_difference_without_interval_is_a_mark_alone():
    chart = drawing.forest(Estimate(1.0), Axis(-4.0, 4.0), "a minus b", None)
    assert "reach" not in chart
    assert len(list(parsed(chart).iter("use"))) == 1


def test_a_strip_draws_the_main_wording_last_so_that_nothing_hides_it():
    marks = [Mark(0.0, "disc", "main"), Mark(0.1, "dot", "one"), Mark(-3.0, "cross", "wrong", 1)]
    shapes = [use.get("href") for use in parsed(drawing.strip(marks, Axis(-4.0, 4.0), "", 0)).iter("use")]
    assert shapes == ["#s-dot", "#s-cross", "#s-disc"]


def test_a_strip_spans_the_upper_lane_alone():
    axis = Axis(-8.0, 8.0)
    marks = [Mark(-1.0, "dot", ""), Mark(2.0, "disc", ""), Mark(-7.0, "cross", "", 1)]
    reach = next(
        line for line in parsed(drawing.strip(marks, axis, "", 0)).iter("line") if "reach" in line.get("class", "")
    )
    assert float(reach.get("x1")[:-1]) == pytest.approx(axis.at(-1.0), abs=0.01)
    assert float(reach.get("x2")[:-1]) == pytest.approx(axis.at(2.0), abs=0.01)


@pytest.mark.parametrize(("value", "arrow"), [(-9.0, "left"), (9.0, "right")])
def test_marks_beyond_the_axis_have_an_arrow(value, arrow):
    chart = drawing.strip([Mark(value, "cross", "far", 1)], Axis(-4.0, 4.0), "", 0)
    assert f'href="#s-{arrow}"' in chart
    assert "beyond" not in drawing.strip([Mark(4.0, "cross", "near", 1)], Axis(-4.0, 4.0), "", 0)


def test_an_empty_strip_is_a_picture_all_the_same():
    assert parsed(drawing.strip([], Axis(-1.0, 1.0), "nothing", 0)).get("aria-label") == "nothing"


def test_lollipops_have_a_lane_for_each_model():
    chart = drawing.lollipops([Bar(Estimate(float(at)), at, "") for at in (1, 2, 3)], Axis(0.0, 4.0), "")
    heights = places(chart, "use", "y")
    assert len(set(heights)) == 3


# ---------------------------------------------------------------- matrices and maps


def test_a_matrix_frames_what_is_right_and_shades_by_value():
    values = {"topic": {"topic": 100.0, "style": 25.0}, "style": {"style": 0.0}}
    shown = drawing.heat(
        values, ["topic", "style"], caption="c", corner="k", right={"topic": "topic", "style": "style"}
    )
    cells = re.findall(r'<td style="--shade:([\d.]+)" class="([^"]+)">([^<]+)<', shown)
    assert cells == [
        ("1", "heat right", "100.0"),
        ("0.25", "heat", "25.0"),
        ("0", "heat", "\N{EN DASH}"),
        ("0", "heat right", "0.0"),
    ]
    assert shown.count('scope="row"') == 2
    assert shown.count('scope="col"') == 3


def test_a_map_has_its_points_in_order_inside_its_frame_and_upright():
    circles = list(parsed(drawing.scatter([(0, 0), (10, 5), (5, 10)], ["a", "b", "c"], "map")).iter("circle"))
    assert [circle.get("class") for circle in circles] == ["a", "b", "c"]
    xs, ys = ([float(circle.get(name)) for circle in circles] for name in ("cx", "cy"))
    assert all(0 < place < 400 for place in xs + ys)
    assert xs[0] < xs[2] < xs[1]
    assert ys[0] > ys[1] > ys[2]  # larger y is higher up, where pictures count downwards


@pytest.mark.parametrize("points", [[], [(3.0, 3.0)], [(1.0, 1.0)] * 3])
def test_a_map_of_no_extent_is_still_drawn(points):
    assert len(list(parsed(drawing.scatter(points, ["a"] * len(points), "map")).iter("circle"))) == len(points)


def test_every_shape_that_is_referred_to_is_defined():
    assert all(f'id="s-{shape}"' in drawing.symbols() for shape in drawing.SHAPES)


@pytest.mark.parametrize(
    "chart",
    [
        drawing.bars([Bar(Estimate(1.0), 0, HOSTILE)], PERCENT, HOSTILE),
        drawing.forest(Estimate(1.0, 0.5, 2.0), Axis(-4.0, 4.0), HOSTILE, 0),
        drawing.strip([Mark(1.0, "dot", HOSTILE)], Axis(-4.0, 4.0), HOSTILE, 0),
        drawing.lollipops([Bar(Estimate(1.0), 0, HOSTILE)], Axis(0.0, 4.0), HOSTILE),
        drawing.scatter([(0, 0)], [HOSTILE], HOSTILE),
        drawing.heat({HOSTILE: {HOSTILE: 1.0}}, [HOSTILE], caption=HOSTILE, corner=HOSTILE, right={}),
    ],
    ids=["bars", "forest", "strip", "lollipops", "scatter", "heat"],
)
def test_texts_are_escaped_and_pictures_labelled(chart):
    assert "<script" not in chart
    root = parsed(chart)
    assert root.get("aria-label") == HOSTILE
