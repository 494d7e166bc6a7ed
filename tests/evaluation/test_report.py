"""The page: complete, escaped, honest about what is missing, and without any request."""

import base64
import copy
import hashlib
import json
import re

import pytest

from instructvec.errors import InputError
from instructvec.evaluation.page.names import short_names
from instructvec.evaluation.report import render
from tests.evaluation.fake_report import MODELS, TASKS, full_report, partial_report
from tests.page.parsed import Page

SECTIONS = (
    "short", "kinds", "differences", "tasks", "wording", "detail", "ranks", "following", "map", "meaning",
    "method", "repeat",
)  # fmt: skip


@pytest.fixture(scope="module")
def report():
    return full_report(n_texts=60)


@pytest.fixture(scope="module")
def page(report):
    return render(report)


def policy(page):
    return next(one["content"] for tag, one in Page(page).tags if tag == "meta" and "http-equiv" in one)


def section(text, key):
    return text[text.index(f'<section id="{key}"') :].split("</section>")[0]


def with_results(report, *, drop=()):
    """A copy without some (model, task) scores."""
    changed = copy.deepcopy(report)
    for model, task in drop:
        del changed["results"][model][task]
    return changed


# ---------------------------------------------------------------- the whole


def test_a_whole_report_has_every_section_and_no_warning(page):
    found = Page(page)
    assert [one for one in found.ids if one in (*SECTIONS, "failed")] == list(SECTIONS)
    assert "partial" not in found.words
    assert '<div class="banner"' not in page


def test_ids_are_unique_and_links_lead_to_them(page):
    found = Page(page)
    assert len(set(found.ids)) == len(found.ids)
    targets = {attributes["href"] for tag, attributes in found.tags if tag in ("a", "use")}
    assert {target.removeprefix("#") for target in targets} <= set(found.ids)


def test_the_page_asks_for_nothing(page):
    for tag, attributes in Page(page).tags:
        for name in ("src", "href", "xlink:href", "srcset", "action", "data", "poster", "background"):
            address = attributes.get(name, "#")
            assert address.startswith("#") or address == "data:,", f"<{tag} {name}={address}>"
    assert "@import" not in page
    assert "url(" not in page
    assert policy(page).startswith("default-src 'none'; ")


def test_the_policy_admits_the_script_that_is_there(page):
    script = re.search(r'<script type="module">(.*?)</script>', page, re.DOTALL)[1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert policy(page).endswith(f"script-src 'sha256-{digest}'")


def test_the_same_report_gives_the_same_page(report, page):
    assert render(json.loads(json.dumps(report))) == page


def test_a_report_is_not_changed_by_drawing_it(report):
    before = copy.deepcopy(report)
    render(report)
    assert report == before


def test_a_usual_report_is_below_a_megabyte(page):
    assert len(page.encode()) < 1_000_000


def test_tables_have_headers_and_pictures_labels(page):
    for table in re.findall(r"<table.*?</table>", page, re.DOTALL):
        assert "<th" in table
    pictures = [attributes for tag, attributes in Page(page).tags if tag == "svg"]
    assert pictures
    for attributes in pictures:
        assert attributes.get("aria-label") or attributes.get("aria-hidden") == "true"


def test_every_task_and_model_is_on_the_page(page):
    words = Page(page).words
    for task in TASKS:
        assert task in words
    for model in MODELS:
        assert model in words  # whole names stand in the table of models


@pytest.mark.parametrize(("n_models", "n_tasks"), [(1, 1), (1, 70), (2, 3), (8, 2), (9, 12)])
def test_any_number_of_models_and_tasks_is_drawn(n_models, n_tasks):
    kinds = [*dict.fromkeys(TASKS.values()), "instruction_retrieval"]
    tasks = {f"Task{at}": kinds[at % len(kinds)] for at in range(n_tasks)}
    found = Page(render(full_report([f"org/model-{at}" for at in range(n_models)], tasks, n_texts=0)))
    rows = [attributes for tag, attributes in found.tags if tag == "tr" and "data-kind" in attributes]
    assert len(rows) >= n_tasks


# ---------------------------------------------------------------- escaping


HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&</title></svg></style>\udcff\0"


def hostile(value):
    """Every string of a report with an attack added, but goals, which are keys elsewhere."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, list):
        return [hostile(one) for one in value]
    if isinstance(value, dict):
        return {key: one if key == "goals" else hostile(one) for key, one in value.items()}
    return value


def renamed(value, names):
    if isinstance(value, str):
        return names.get(value, value)
    if isinstance(value, list):
        return [renamed(one, names) for one in value]
    if isinstance(value, dict):
        return {names.get(key, key): renamed(one, names) for key, one in value.items()}
    return value


def assert_harmless(page):
    found = Page(page)
    assert [tag for tag, _ in found.tags].count("script") == 2  # ours, and the map's data
    assert "img" not in {tag for tag, _ in found.tags}
    assert not any(name.startswith("on") for _, attributes in found.tags for name in attributes)
    page.encode("utf-8")


def test_no_text_of_a_report_becomes_markup(report):
    changed = hostile(report) | {"format_version": 1, "errors": [{"model": "m", "task": "t", "message": HOSTILE}]}
    assert_harmless(render(changed))


def test_no_name_of_a_report_becomes_markup(report):
    names = [*MODELS, *TASKS, *TASKS.values(), "topic", "style", "language", "paraphrase 1", "none", "cooking"]
    assert_harmless(render(renamed(report, {name: name + HOSTILE for name in names})))


def test_texts_of_the_map_come_back_whole_from_its_data(report):
    changed = copy.deepcopy(report)
    changed["map"]["texts"][0] = "</script><b>one & two</b>"
    data = re.search(r'id="map-data">(.*?)</script>', render(changed), re.DOTALL)[1]
    assert json.loads(data)["texts"][0] == "</script><b>one & two</b>"
    assert "<b>one" not in render(changed)


# ---------------------------------------------------------------- what is missing


def test_a_partial_report_says_at_the_top_what_is_missing_and_why():
    words = Page(render(partial_report())).words
    assert "This report is partial. 1 of 2 scores (models by tasks) is missing." in words
    assert "SciFact: DATA/SciFact/queries.jsonl, line 17: no field 'text'; expected _id and text" in words
    assert words.index("This report is partial") < words.index("In short")
    assert "Measured on a part of the data: at most 200 rows of each task." in words


def test_a_partial_report_leaves_out_what_it_has_not_measured():
    found = Page(render(partial_report()))
    assert {"short", "kinds", "tasks", "failed"} <= set(found.ids)
    assert not {"differences", "wording", "detail", "ranks", "following", "map"} & set(found.ids)


def test_scores_not_run_yet_are_told_from_failures(report):
    changed = with_results(report, drop=[("bundled", "SciFact"), ("bundled", "CISI"), (MODELS[1], "CISI")])
    changed |= {"complete": False, "errors": [{"model": MODELS[1], "task": "CISI", "message": "out of memory"}]}
    words = Page(render(changed)).words
    assert "3 of 81 scores (models by tasks) are missing." in words
    assert "checkpoint-12000 on CISI: out of memory" in words
    assert "bundled: not run yet on SciFact and CISI" in words
    assert "checkpoint-12000: not run yet" not in words


def test_a_failure_for_all_models_is_not_called_unfinished(report):
    changed = with_results(report, drop=[(model, "CISI") for model in MODELS])
    changed |= {"complete": False, "errors": [{"model": "", "task": "CISI", "message": "no such file"}]}
    words = Page(render(changed)).words
    assert "CISI: no such file" in words
    assert "not run yet" not in words


@pytest.mark.parametrize("half", ["development", "test"])
def test_a_half_is_named_at_the_top(report, half):
    top = Page(render(report | {"half": half})).words
    assert f"{half} half of the test data" in top
    assert f"Measured on the {half} half of each task's test data." in top
    assert "partial" not in top


def test_many_failures_are_all_listed_below(report):
    errors = [{"model": "bundled", "task": f"T{at}", "message": f"broken {at}"} for at in range(20)]
    text = render(report | {"complete": False, "errors": errors})
    top = text[text.index('class="banner"') : text.index("<nav")]
    assert "14 more failures" in top
    assert all(f"broken {at}" in section(text, "failed") for at in range(20))


def test_means_over_different_tasks_are_not_compared(report):
    changed = with_results(report, drop=[("bundled", "SciFact")])
    changed["kinds"] = copy.deepcopy(report["kinds"])
    for scope in ("all", "retrieval"):
        changed["kinds"]["bundled"][scope]["n_tasks"] -= 1
    shown = section(render(changed), "kinds")
    assert "must not be compared" in shown
    rows = {
        kind: row for row in shown.split("<tr")[1:] for kind in ("Retrieval", "Clustering") if f">{kind}<" in row
    }
    assert "<strong>" not in rows["Retrieval"]
    assert "<strong>" in rows["Clustering"]
    assert "the 26 tasks that every model has a score on" in Page(render(changed)).words


@pytest.mark.parametrize("gone", sorted(full_report(["a", "b"], {"T": "sts", "F": "following"}, n_texts=20)))
def test_any_part_may_be_absent_or_empty(gone):
    whole = full_report(["a", "b"], {"T": "sts", "F": "following"}, n_texts=20)
    Page(render({key: value for key, value in whole.items() if key != gone}))
    Page(render(whole | {gone: None if gone != "format_version" else 1}))
    if isinstance(whole[gone], (dict, list, str)):
        Page(render(whole | {gone: type(whole[gone])()}))


def test_nothing_at_all_is_a_page_that_says_so():
    assert "No task has a score: nothing was measured." in Page(render({})).words


@pytest.mark.parametrize("bad", [None, float("nan"), "60.1", True])
def test_scores_that_are_no_numbers_count_as_missing(report, bad):
    changed = copy.deepcopy(report)
    changed["results"]["bundled"]["SciFact"]["score"] = bad
    assert "1 of 81 scores (models by tasks) is missing." in Page(render(changed)).words


def test_intervals_may_be_absent(report):
    changed = copy.deepcopy(report)
    for one in changed["comparisons"]:
        one |= {"interval": None, "p": None}
    for tasks in changed["results"].values():
        for one in tasks.values():
            one["interval"] = None
    text = render(changed)
    assert "No interval was computed, so this may be chance." in Page(text).words
    assert "≈</span>" not in section(text, "tasks").split("<tbody>")[1]


def test_another_format_is_refused():
    with pytest.raises(InputError, match="format_version is 2; this release reads 1: update instructvec"):
        render({"format_version": 2})


@pytest.mark.parametrize(
    ("part", "message"),
    [
        ({"results": [1]}, r"results is \[1\]; expected an object"),
        ({"models": "bundled"}, "models is 'bundled'; expected a list"),
        ({"tasks": ["STS12"]}, r"tasks\[0\] is 'STS12'; expected an object"),
        ({"map": {"goals": ["a", "b"], "texts": ["x"]}}, "map, labels of 'a' has 0 rows, texts has 1"),
    ],
)  # fmt: skip
def test_a_part_of_the_wrong_form_is_named(part, message):
    with pytest.raises(InputError, match=message):
        render(part)


# ---------------------------------------------------------------- what it says


def two_models(difference, low, high):
    """Two models whose scores are 60 and 60 - difference."""
    results = {
        name: {"T": {"kind": "sts", "metric": "cosine_spearman", "score": score, "interval": [50, 70]}}
        for name, score in (("first", 60.0), ("second", 60.0 - difference))
    }
    comparison = {"a": "second", "b": "first", "difference": -difference, "interval": [-high, -low], "p": 0.2}
    return {
        "results": results,
        "tasks": [{"name": "T", "kind": "sts"}],
        "kinds": {
            name: {
                scope: {"score": one["T"]["score"], "interval": [50, 70], "n_tasks": 1} for scope in ("all", "sts")
            }
            for name, one in results.items()
        },
        "comparisons": [comparison | {"over": scope} for scope in ("all", "sts", "T")],
    }


def test_a_lead_beyond_chance_is_called_real():
    words = Page(render(two_models(2.0, 0.5, 3.5))).words
    assert "first has the highest mean over 1 task: 60.0 percent (95% interval 50.0 to 70.0)." in words
    assert "Points ahead of the next, second, with a 95% interval of +0.5 to +3.5." in words
    assert "the lead is real on these tasks" in words


def test_a_lead_within_chance_is_called_that_and_the_tie_marked():
    text = render(two_models(2.0, -0.5, 4.5))
    assert "chance alone could explain the lead" in Page(text).words
    for key in ("kinds", "tasks"):
        rows = section(text, key).split("<tbody>")[1]
        assert re.search(r"≈</span>58\.0", rows)
        assert re.search(r"<strong>60\.0</strong>", rows)


def test_differences_are_turned_towards_the_better_model():
    shown = section(render(two_models(2.0, 0.5, 3.5)), "differences")
    assert "first minus second: +2.00 points (+0.50 to +3.50, p = 0.200): first is ahead" in shown


def test_spread_and_ranks_are_put_into_words(report, page):
    words = Page(page).words
    spread = report["robustness"]["bundled"]["mean_range"]
    assert f"of 6 wordings that ask for the same, on a typical task: bundled {spread:.1f}" in words
    assert re.search(
        r"The order of the models is the same under each\.|depends on it|order behind it changes", words
    )


def test_ranks_that_change_with_the_wording_are_told(report):
    ranks = {
        "bundled": {"instruction": 1.2, "paraphrase 1": 1.9},
        MODELS[1]: {"instruction": 1.8, "paraphrase 1": 1.1},
    }
    assert (
        "Which model comes first depends on it: 2 models do under some wording."
        in Page(render(report | {"ranks": ranks})).words
    )


def test_following_is_put_into_words(report):
    matrix = {"topic": {"topic": 80.0, "style": 20.0}, "style": {"topic": 30.0, "style": 70.0}}
    following = {"goals": ["topic", "style"], "v_measure": matrix, "accuracy": {}, "sensitivity": None}
    words = Page(render(report | {"following": {"bundled": {"SynGoalEx": following}}})).words
    assert "asking for the right goal (style and topic) rather than another" in words
    assert (
        "bundled follows the instruction: its groups match the goal at 75.0 when asked for it and at 25.0" in words
    )
    assert "the right instruction is the best one for 2 of 2 goals" in words


def test_a_model_that_ignores_the_instruction_is_said_to(report):
    row = {"topic": 40.0, "style": 40.0}
    following = {"goals": ["topic", "style"], "v_measure": {"topic": row, "style": row}}
    words = Page(render(report | {"following": {"bundled": {"SynGoalEx": following}}})).words
    assert "bundled hardly follows it" in words


def test_every_wording_is_a_mark_that_says_its_text(report, page):
    shown = section(page, "wording")
    for label, one in report["results"]["bundled"]["STS12"]["by_wording"].items():
        name = "main wording" if label == "instruction" else label
        assert f"<title>{name}: " in shown
        assert one["instruction"].strip() in shown
    for words in (
        "a paraphrase of it",
        "no instruction",
        "a placebo: says nothing",
        "wrong: asks for something else",
    ):
        assert words in shown


def test_a_model_beside_itself_without_instructions_shows_what_they_gain():
    report = json.loads(json.dumps(two_models(2.0, -0.5, 4.5)).replace("second", "first@none"))
    words = Page(render(report)).words
    assert "on a typical task: first +2.0 (95% interval \N{MINUS SIGN}0.5 to +4.5; it may be chance)" in words


def test_wordings_that_were_not_run_are_not_in_the_legend(report):
    changed = copy.deepcopy(report)
    for model in MODELS[:2]:
        for one in changed["results"][model].values():
            one["by_wording"] = {
                label: row for label, row in one["by_wording"].items() if label.startswith(("instruction", "para"))
            }
    changed["results"][MODELS[2]]["CISI"]["by_wording"] = {"none": {"score": 50.0}}
    shown = section(render(changed), "wording")
    assert "a paraphrase of it" in shown
    assert "no instruction" not in shown
    assert "second line" not in shown


def test_one_far_ablation_is_marked_instead_of_stretching_the_axis(report, page):
    assert 'class="beyond"' not in page
    changed = copy.deepcopy(report)
    changed["results"]["bundled"]["CISI"]["by_wording"]["wrong"]["score"] -= 90.0
    assert section(render(changed), "wording").count('class="beyond"') == 1


def test_instructions_of_goals_are_those_of_a_model_that_has_them(report):
    changed = copy.deepcopy(report)
    changed["following"][MODELS[2]]["SynGoalEx"]["instructions"] = dict.fromkeys(("topic", "style", "language"))
    assert "“Represent the text for clustering by style:”" in section(render(changed), "following")


def test_the_map_is_first_coloured_by_the_goal_whose_labels_have_a_colour_each(report):
    changed = copy.deepcopy(report)
    changed["map"]["labels"]["topic"] = [f"label {at % 20}" for at in range(60)]
    found = Page(section(render(changed), "map") + "</section>")
    checked = [attributes["id"] for tag, attributes in found.tags if tag == "input" and "checked" in attributes]
    assert checked == ["map-by-b"]
    assert "12 other labels" in found.words


def test_levels_of_detail_are_differences_from_the_main_wording(report, page):
    by_task = [one["by_wording"] for one in report["results"]["bundled"].values()]
    change = sum(one["none"]["score"] - one["instruction"]["score"] for one in by_task) / len(by_task)
    row = section(page, "detail").split(">None<")[1].split("</tr>")[0]
    assert f"\N{MINUS SIGN}{abs(change):.1f}" in row


def test_models_without_instructions_have_no_strip(page):
    head = section(page, "wording").split('class="strips"')[1].split("</thead>")[0]
    assert "checkpoint-12000" in head
    assert "@none" not in head


def test_metrics_of_the_kinds_present_are_explained(page):
    shown = section(page, "meaning")
    assert shown.count("<dt>") == len(set(TASKS.values()))
    assert "nDCG@10" in shown


def test_method_names_seed_resamples_and_licences(page):
    words = Page(section(page, "method") + "</section>").words
    assert "drawn anew with repetition 1,000 times" in words
    assert "start from the seed 42" in words
    assert words.count("CC-BY-SA 4.0") == len(TASKS)
    assert "TRECQAReranking leaves out 12 queries" in words


def test_the_command_is_there_to_copy(report, page):
    assert f"<code>{report['command']}</code>" in page


# ---------------------------------------------------------------- names


def test_long_paths_are_shortened_and_kept_apart():
    names = ["/a/runs/one/last", "/a/runs/two/last", "C:\\models\\base\\", "org/base", "bundled", "org/base@none"]
    assert list(short_names(names).values()) == [
        "one/last",
        "two/last",
        "models/base",
        "org/base",
        "bundled",
        "base @none",
    ]


def test_over_long_names_lose_their_middle_unless_they_would_be_the_same():
    long = [f"{'x' * 40}{at}" for at in (1, 2)]
    assert [len(short) for short in short_names(long).values()] == [34, 34]
    inside = [f"{'x' * 30}{at}{'x' * 30}" for at in (1, 2)]
    assert list(short_names(inside).values()) == inside


@pytest.mark.parametrize("name", ["", "/", "@none", "a/", "//"])
def test_names_of_nothing_stay_distinct(name):
    assert len(set(short_names([name, "b", "c/b"]).values())) == 3
