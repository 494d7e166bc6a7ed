"""The ablations: each recipe changes one thing, runs go on where they stopped, tables say only what was run."""

import json
from pathlib import Path

import pytest

from instructvec.errors import ConfigError
from instructvec.evaluation.suite import read_suite
from instructvec.training.mixture import open_mixture
from instructvec.training.recipe import read_recipe
from instructvec.training.sampling import BatchSampler
from tests.evaluation.tiny import write_suite
from tests.training.made import row, usual, write_mixture

ROOT = Path(__file__).resolve().parents[2]
RECIPES = ROOT / "recipes" / "ablations"
NAMES = sorted(path.stem for path in RECIPES.glob("*.toml"))
PAGE = ROOT / "docs" / "ablations.md"
FACTS = [
    {"name": "big", "kind": "pair", "symmetric": True, "text_type": "sentence"},
    {"name": "mid", "kind": "pair", "symmetric": False, "text_type": "question", "document_type": "answer"},
    {"name": "low", "kind": "pair", "symmetric": True, "text_type": "tweet"},
    {"name": "labels", "kind": "label", "symmetric": True, "text_type": "headline"},
    *({"name": name, "kind": "superni", "symmetric": True, "text_type": "passage"} for name in "xyz"),
]


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    labelled = [row("labels", f"h {at}", f"p {at}", f"n {at}", kind="label", rule="labelled") for at in range(20)]
    facts = [one | {"triplets": 1, "weight": 0.25, "licence": "MIT"} for one in FACTS]
    return write_mixture(tmp_path_factory.mktemp("mixture") / "m", [*usual(), *labelled], facts)


def recipe(name, mixture=None, **overrides):
    over = {} if mixture is None else {"data.mixture": str(mixture), "data.weights.datasets": ""}
    return read_recipe(RECIPES / f"{name}.toml", over | overrides)


# ------------------------------------------------------------ recipes


@pytest.mark.parametrize(
    ("name", "other", "changed"),
    [
        ("without-contrasts", "full", {"data.without_rules", "batches.contrast_share"}),
        ("without-superni", "full", {"data.kinds"}),
        ("pairs-only", "full", {"data.kinds"}),
        ("tag", "without-contrasts", {"batches.instructions"}),
        ("simple", "without-contrasts", {"batches.instructions"}),
        ("without-instructions", "without-contrasts", {"batches.instructions"}),
        ("symmetric", "without-contrasts", {"data.symmetric"}),
        ("asymmetric", "without-contrasts", {"data.symmetric"}),
        ("symmetric-without-instructions", "symmetric", {"batches.instructions"}),
        ("asymmetric-without-instructions", "asymmetric", {"batches.instructions"}),
    ],
)
def test_a_recipe_differs_from_another_in_one_thing(name, other, changed):
    assert {one.split(" ")[0] for one in recipe(name).differences(recipe(other))} == changed


def test_the_full_recipe_is_our_models_first_cut_short():
    ours = read_recipe(ROOT / "recipes" / "small-held.toml")
    assert [one.split(" ")[0] for one in recipe("full").differences(ours)] == [
        "batches.max_seq_length",
        "optimizer.steps",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_recipe_is_told_of_and_shows_how_it_is_run(name):
    for page, link in ((PAGE, "../recipes/ablations/"), (ROOT / "recipes" / "README.md", "ablations/")):
        assert f"[`{name}.toml`]({link}{name}.toml)" in page.read_text(encoding="utf-8")
    assert f"instructvec train recipes/ablations/{name}.toml" in (RECIPES / f"{name}.toml").read_text("utf-8")


def test_what_reads_less_of_the_instructions_takes_the_same_batches(mixture):
    def batches(name):
        own = recipe(name, mixture, **{"batches.batch_size": "8"})
        opened = open_mixture(mixture, own.data, own.data.weights)
        sampler = BatchSampler(opened, own.batches.sampling, n_steps=30)
        return [(batch.rows.tolist(), batch.is_contrast) for batch in sampler]

    same = batches("without-contrasts")
    assert not any(is_contrast for _, is_contrast in same)
    for name in ("tag", "simple", "without-instructions"):
        assert batches(name) == same
    assert batches("symmetric") == batches("symmetric-without-instructions") != same
    assert batches("asymmetric") == batches("asymmetric-without-instructions")
    assert any(is_contrast for _, is_contrast in batches("full"))


# ------------------------------------------------------------ runs


@pytest.fixture(scope="module")
def suite(tmp_path_factory):
    folder = tmp_path_factory.mktemp("suite")
    write_suite(folder)
    return folder


@pytest.fixture
def ablations(benchmark_module):
    return benchmark_module("ablations")


@pytest.fixture
def run(ablations, mixture, suite, tiny_bert_start, tmp_path):
    """Runs recipes for two steps each on a tiny model; the page and results are the test's own."""
    page = tmp_path / "ablations.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")

    def run(*arguments, **over):
        sets = {
            "data.weights.datasets": "", "optimizer.steps": "2", "batches.batch_size": "4",
            "batches.least_rows": "2", "compute.device": "cpu", "compute.precision": "float32",
            "tracking.tensorboard": "false", **over,
        }  # fmt: skip
        shared = [
            *("--mixture", mixture, "--data", suite, "--start", tiny_bert_start, "--suite", suite / "tiny.toml"),
            *("--kinds", "sts", "retrieval", "following", "--out", tmp_path / "out", "--page", page),
            *("--results", tmp_path / "ablations.json"),
            *(part for key, value in sets.items() for part in ("--set", f"{key}={value}")),
        ]
        return ablations.main([*map(str, shared), *arguments])

    run.page, run.results, run.out = page, tmp_path / "ablations.json", tmp_path / "out"
    return run


@pytest.fixture(scope="module")
def tiny_bert_start(tmp_path_factory):
    from tests.parity.tiny import tiny_bert

    return tiny_bert(tmp_path_factory.mktemp("start") / "bert")


def entries(run):
    return {(one["recipe"], one["seed"]): one for one in json.loads(run.results.read_text())["runs"]}


def test_recipes_are_trained_evaluated_and_written_down(run, benchmark_module, monkeypatch, capsys):
    assert run("--recipes", "full", "--seeds", "1") == 0
    assert run("--recipes", "full", "tag", "--seeds", "1") == 0
    found = entries(run)
    assert [(one, found[one]["detail"]) for one in found] == [
        (("full", 1), "as_written"),
        (("start", None), "none"),
        (("tag", 1), "tag"),
    ]
    full, tag = found["full", 1], found["tag", 1]
    assert set(full["scores"]) == {"Sts", "Retrieval", "Following"}
    assert set(tag["scores"]) == {"Sts", "Retrieval"}
    assert full["scores"]["Sts"]["spread"]["best"] > 0 and tag["scores"]["Sts"]["spread"] is None
    assert full["steps"] == 2 and full["trained"]["machine"] and full["evaluated"]["date"]
    assert not list(run.out.rglob("checkpoints")) and not list(run.out.rglob("embeddings"))

    page = run.page.read_text()
    assert "| `tag` | dataset's name |" in page and "| `simple` | not run yet |" in page
    assert "seeds 1" in page and "2 steps" in page and page.count("Not run yet.") == 1

    # Again, and from the folders where the results were lost: nothing is trained or evaluated a second time.
    monkeypatch.setattr(benchmark_module("ablation_scores"), "evaluate", lambda *_: pytest.fail("evaluated again"))
    assert run("--recipes", "full", "tag", "--seeds", "1") == 0
    run.results.unlink()
    assert run("--recipes", "full", "tag", "--seeds", "1") == 0
    assert entries(run) == found and run.page.read_text() == page

    # Another setting does not mix with it; a recipe that has changed is forgotten.
    capsys.readouterr()
    assert run("--recipes", "full", "--seeds", "1", **{"optimizer.steps": "3"}) == 2
    assert "runs under another setting are in it (set was" in capsys.readouterr().err
    stale = json.loads(run.results.read_text())
    next(one for one in stale["runs"] if one["recipe"] == "tag")["digest"] = "0" * 32
    run.results.write_text(json.dumps(stale))
    assert run("--recipes", "full", "--seeds", "1") == 0
    assert "tag, seed 1: its recipe has changed since; forgotten" in capsys.readouterr().err
    assert ("tag", 1) not in entries(run)


def test_what_the_time_does_not_allow_is_left_for_later(run, capsys):
    assert run("--recipes", "full", "--seeds", "1", "--minutes-now", "1e-9") == 1
    assert "2 runs are not done: run the same command again" in capsys.readouterr().err
    assert run.page.read_text().count("Not run yet.") == 7


def test_a_model_that_reads_tags_is_asked_by_tags_on_both_sides(benchmark_module, tiny_suite):
    suite_under = benchmark_module("ablation_scores").suite_under
    under = suite_under(tiny_suite, "tag")
    by_kind = {task.kind: task for task in under.tasks}
    assert "following" not in by_kind
    assert by_kind["classification"].instruction == "Classification: "
    assert (by_kind["retrieval"].instruction, by_kind["retrieval"].document_instruction) == ("Retrieval: ",) * 2
    assert suite_under(tiny_suite, "as_written") is suite_under(tiny_suite, "none") is tiny_suite
    for task in suite_under(read_suite("open"), "simple").tasks:
        assert task.instruction.startswith("Represent the ")


# ------------------------------------------------------------ tables


def entry(recipe, seed, **scores):
    kinds = {"A": "classification", "B": "classification", "S": "sts", "F": "following"}
    return {
        "recipe": recipe,
        "seed": seed,
        "scores": {
            name: {"kind": kinds[name], "metric": "m", "score": score, "spread": None}
            for name, score in scores.items()
        },
    }


@pytest.fixture
def tables(benchmark_module):
    return benchmark_module("ablation_tables")


def test_means_are_over_kinds_without_following(tables):
    one = entry("full", 1, A=10.0, B=20.0, S=45.0, F=90.0)
    assert tables.mean(one) == 30.0
    assert tables.of_kind("following")(one) == 90.0
    assert tables.of_kind("retrieval")(one) is tables.of_task("T")(one) is None


def test_several_seeds_are_a_mean_with_its_deviation_and_differences_are_within_a_seed(tables):
    runs = tables.Runs([
        entry("full", 1, A=10.0), entry("full", 2, A=20.0), entry("tag", 1, A=13.0), entry("tag", 2, A=25.0),
        entry("simple", 1, A=9.0),
    ])  # fmt: skip
    assert runs.shown("full", tables.mean) == "15.00 ± 7.07"
    assert runs.difference("tag", "full", tables.mean) == "+4.00 ± 1.41"
    assert runs.difference("simple", "full", tables.mean) == "-1.00"
    assert runs.shown("pairs-only", tables.mean) == runs.difference("pairs-only", "full", tables.mean) == ""


def test_a_robust_recipe_has_little_between_best_and_worst(tables):
    one = entry("full", 1, A=10.0, F=90.0)
    one["scores"]["A"]["spread"] = {"best": 12.0, "worst": 9.0, "mean": 10.0, "std": 1.0}
    one["scores"]["F"]["spread"] = {"best": 90.0, "worst": 0.0, "mean": 10.0, "std": 1.0}
    found = tables.robustness(tables.Runs([one]))
    assert found[2] == "| `full` | 10.00 | 12.00 | 9.00 | 3.00 |"
    assert found[3] == "| `without-superni` | not run yet |  |  |  |"


def test_without_results_nothing_is_claimed(tables):
    assert set(tables.tables(None).values()) == {"Not run yet.\n"}


def test_the_shipped_page_has_what_the_shipped_results_say(tables, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(PAGE.read_text(encoding="utf-8"), encoding="utf-8")
    tables.write_page(page, ROOT / "benchmarks" / "results" / "ablations.json")
    assert page.read_text(encoding="utf-8") == PAGE.read_text(encoding="utf-8")


def test_a_page_without_a_marker_is_refused(tables, tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Ablations\n", encoding="utf-8")
    with pytest.raises(ConfigError, match="page.md: no <!-- diverse: written by"):
        tables.write_page(page, tmp_path / "none.json")
