"""``instructvec medi``: what it prints, what it exits with, and what a user sees when something is wrong."""

import gzip
import io
import json
import shutil
import sys

import pytest

from instructvec.cli import medi
from instructvec.cli.main import BAD_INPUT, FAILED, INTERRUPTED, SUCCESS, main
from instructvec.medi.config import BuildConfig
from instructvec.medi.manifest import MixtureRows, manifest_of
from instructvec.medi.work import Work
from tests.evaluation.fake import FakeEncoder
from tests.medi.small import ENTRIES, Project, json_lines, questions, reviews

NAMES = sorted(ENTRIES)


@pytest.fixture(autouse=True)
def encoder(monkeypatch):
    """No model is loaded."""
    fake = FakeEncoder()
    monkeypatch.setattr(medi, "open_embedder", lambda arguments: fake)
    return fake


@pytest.fixture(scope="module")
def built_once(tmp_path_factory):
    project = Project(tmp_path_factory.mktemp("built"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(medi, "open_embedder", lambda arguments: FakeEncoder())
        assert main(project.arguments("--medi-json", "--quiet")) == SUCCESS
    return project


@pytest.fixture
def project(built_once, tmp_path):
    """A project with its cache, but without its mixture."""
    for name in ("data", "lib", "mixture.cache"):
        shutil.copytree(built_once.folder / name, tmp_path / name)
    return Project(tmp_path)


def lines_of(capsys):
    return capsys.readouterr().err.splitlines()


# build


def test_build_prints_what_was_done_and_an_unchanged_one_says_so(project, capsys):
    assert main(project.arguments()) == SUCCESS
    out, err = capsys.readouterr()
    assert out == ""
    first, rules = err.splitlines()
    assert first.startswith(f"{project.out}: ")
    assert first.endswith(" rows of 6 datasets (208 triplets before caps)")
    assert rules.startswith("  rules: class 14, given 18, labelled 102, mined 25, other_goal 128, text_output 49")
    assert main(project.arguments()) == SUCCESS
    assert lines_of(capsys) == [first.replace(": ", ": unchanged, "), rules]


def test_build_prints_its_manifest_as_json_and_nothing_else_when_quiet(project, capsys):
    assert main(project.arguments("--json", "--quiet")) == SUCCESS
    out, err = capsys.readouterr()
    assert err == ""
    assert json.loads(out) == json.loads((project.out / "manifest.json").read_text())
    assert main(project.arguments("--json", "--quiet")) == SUCCESS
    assert capsys.readouterr().out == out


def test_build_says_what_was_left_out_and_why(project, capsys):
    (project.data / "clicks.jsonl").unlink()
    (project.data / "reviews.csv").write_text("text,topic\n" + "".join(f"{t},{a}\n" for t, a, _ in reviews()))
    with (project.data / "faq.jsonl").open("a") as file:
        file.write("{\n" + json_lines([{"q": "n/a", "a": "an answer"}]))
    (project.folder / "eval.txt").write_text(next(questions())[0])
    assert main(project.arguments("--against", project.folder / "eval.txt")) == SUCCESS
    said = lines_of(capsys)
    assert said[2] == (
        "  left out: missing_field 64, broken_row 1, boilerplate 1, in_evaluation_exact 1, broken_entry 1"
    )
    assert said[3:6] == [
        "  shared with the evaluation: exact 0, normalised 0, n-gram 0",
        "  without a row: mood",
        "  not in the data folders: clicks",
    ]
    assert said[6] == "  could not be used:"
    assert len(said) == 7 + 1 + 1 + 3
    assert said[7].startswith(f"    - {project.registry}: dataset 1 (clicks): no file 'clicks.jsonl' beside it")
    assert said[8].startswith(f"    - {project.data}/faq.jsonl, line 26: broken JSON")
    assert said[9].startswith(f"    - {project.data}/reviews.csv, line 2: no 'mood' for the role 'label'")


def test_build_does_not_print_the_same_problem_of_a_shared_file_twice(project, capsys):
    (project.data / "reviews.csv").write_text("")
    assert main(project.arguments()) == SUCCESS
    assert [line for line in lines_of(capsys) if "reviews.csv" in line] == [
        f"    - {project.data}/reviews.csv: holds no rows; check the file, or take the entry out"
    ]


def test_build_shows_the_first_of_many_problems(project, capsys):
    entry = ENTRIES["faq"].replace("licence", "license")
    more = "".join(entry.replace('"faq"', f'"faq{at}"') for at in range(14))
    project.registry.write_text(project.registry.read_text() + more)
    assert main(project.arguments()) == SUCCESS
    said = lines_of(capsys)
    assert said[2] == "  left out: broken_entry 14"
    assert said[3] == "  could not be used; 4 more examples are in manifest.json:"
    assert len(said) == 14


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], {}),
        (["--cap", "30"], {"cap": 30}),
        (["--size", "50", "--mixing", "temperature", "--temperature", "3"], {"size": 50, "temperature": 3.0}),
        (["--truncate-at", "9", "--paraphrases", "0.25"], {"truncate_at": 9, "paraphrases": 0.25}),
        (["--pool", "40", "--depth", "5"], {"pool": 40, "depth": 5}),
        (["--relative-margin", "0.9", "--min-agreement", "-1"], {"relative_margin": 0.9, "min_agreement": -1.0}),
        (["--other-goal", "3", "--wrong-instructions", "0.5"], {"other_goal": 3, "wrong_instruction": 0.5}),
        (["--min-words", "2", "--max-words", "70"], {"min_words": 2, "max_words": 70}),
        (["--languages", "en", "de"], {"languages": ("en", "de")}),
        (["--datasets", "a", "b*", "--without", "c"], {"names": ("a", "b*"), "without": ("c",)}),
        (["--kinds", "pair", "label", "--hub"], {"kinds": ("pair", "label"), "hub": True}),
        (["--commercial", "--redistribution"], {"commercial": True, "redistribution": True}),
        (["--without-forbidden"], {"without_forbidden": True}),
        (["--listed-only"], {"unlisted": False}),
        (["--own"], {"bundled": False, "unlisted": False}),
        (["--near-duplicates", "0", "--seed", "5"], {"near_duplicates": 0.0, "seed": 5}),
        (["--strict", "--medi-json", "--shard-rows", "7"], {"strict": True, "medi_json": True, "shard_rows": 7}),
    ],
)  # fmt: skip
def test_every_option_means_what_it_says_and_the_defaults_are_those_of_the_library(tmp_path, options, expected):
    config = medi._config(medi.parser().parse_args(["build", "--out", str(tmp_path / "out"), *options]))
    default = BuildConfig(out=tmp_path / "out")

    def flat(one):
        """The values of the innermost options, whose names are all different."""
        found = {}
        for name in one.__dataclass_fields__:
            value = getattr(one, name)
            found |= flat(value) if hasattr(value, "__dataclass_fields__") else {name: value}
        return found

    changed = {name: value for name, value in flat(config).items() if value != flat(default)[name]}
    if "--mixing" in options:
        assert changed.pop("mixing") == "temperature"
    assert changed == expected


def test_build_and_inspect_read_as_many_tokens_as_their_help_says(capsys):
    for action in ("build", "inspect"):
        assert main(["medi", action, "--help"]) == SUCCESS
        assert "tokens a text may have (default: 128)" in " ".join(capsys.readouterr().out.split())
    assert medi.parser().parse_args(["build", "--out", "x"]).max_seq_length == 128


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--datasets", "faqs"], "no dataset is called 'faqs'; did you mean 'faq'?"),
        (["--without", "nothing*"], "no dataset is called 'nothing*'; 'medi list' shows the names"),
        (["--without", "*"], "no dataset is left: none fits what was asked for"),
        (["--kinds", "pairs"], "kinds has 'pairs'; expected some of pair, triplet, label, superni"),
        (["--seed", "-1"], "seed is -1; expected 0 or more"),
        (["--paraphrases", "1.5"], "paraphrases is 1.5; expected a share from 0 to 1"),
        (["--temperature", "nan"], "temperature is nan; expected 1"),
        (["--near-duplicates", "2"], "near_duplicates is 2.0; expected a similarity"),
        (["--relative-margin", "0"], "relative_margin is 0.0; expected a share above 0"),
        (["--min-words", "9", "--max-words", "3"], "leave no text"),
        (["--languages", "english"], "'english' is no language"),
        (["--data", "no/such"], "no/such: no such folder"),
        (["--registry", "no.toml"], "no.toml: cannot be read"),
        (["--against", "no/such"], "no/such: no such file or folder"),
        (["--cap", "0"], "'0' is not a whole number from 1"),
        (["--cap", "many"], "'many' is not a whole number from 1"),
    ],
)
def test_bad_options_are_refused_in_one_line_and_nothing_is_built(project, capsys, options, message):
    assert main(project.arguments(*options)) == BAD_INPUT
    said = lines_of(capsys)
    assert message in said[-1]
    assert len(said) == 1 or said[0].startswith("usage: ")
    assert not project.out.exists()


def test_broken_input_fails_when_strict_and_says_where(project, capsys):
    (project.data / "tasks" / "task0001_yes_no.json").write_text('{"Definition": "x"}')
    assert main(project.arguments("--strict")) == BAD_INPUT
    [said] = lines_of(capsys)
    assert said == (
        f"instructvec: error: {project.data}/tasks/task0001_yes_no.json: the key 'Instances' is missing; "
        "expected a Super-NaturalInstructions task"
    )
    assert main(project.arguments()) == SUCCESS


def test_entries_of_ones_own_that_are_all_broken_are_named(project, capsys):
    project.registry.write_text(project.registry.read_text().replace("licence = ", "rights = "))
    assert main(project.arguments("--datasets", "faq")) == BAD_INPUT
    [said] = lines_of(capsys)
    assert (
        f"no dataset is left: 6 cannot be used, the first is {project.registry}: dataset 1 (clicks): the key"
        in said
    )


def test_build_without_any_data_says_which_option_gives_it(tmp_path, capsys):
    assert main(["medi", "build", "--out", str(tmp_path / "out")]) == BAD_INPUT
    assert "give the folders that hold them with --data" in capsys.readouterr().err
    assert main(["medi", "build", "--own", "--out", str(tmp_path / "out")]) == BAD_INPUT
    assert "no other is given; name a --registry" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_something_else_at_the_output_is_refused(project, capsys):
    project.out.mkdir()
    (project.out / "thesis.tex").write_text("")
    assert main(project.arguments()) == BAD_INPUT
    assert "is no mixture; it is not overwritten: give another folder with --out" in capsys.readouterr().err


def test_output_that_cannot_be_written_is_a_failure_of_this_machine(project, capsys):
    (project.folder / "file").write_text("")
    places = ["--out", project.folder / "file" / "mixture", "--cache", project.cache]
    assert main(project.arguments(*places)) == FAILED
    [said] = lines_of(capsys)
    assert "file/.mixture.partial: cannot be written (Not a directory)" in said


def test_second_build_in_the_same_cache_is_refused(project, capsys):
    pytest.importorskip("fcntl")
    with Work(project.cache).held():
        assert main(project.arguments()) == BAD_INPUT
    assert (
        "another build is working in this folder; wait for it, or give another --cache" in capsys.readouterr().err
    )


def test_ctrl_c_says_how_to_continue_and_leaves_only_the_cache(project, encoder, capsys):
    shutil.rmtree(project.cache)
    encoder.interrupt_after = 60
    assert main(project.arguments()) == INTERRUPTED
    assert lines_of(capsys) == [
        "instructvec: interrupted; finished stages are kept: run the same command again to continue"
    ]
    assert {path.name for path in project.folder.iterdir()} == {"data", "lib", "mixture.cache"}
    n_before, encoder.interrupt_after = encoder.n_encoded, None
    assert main(project.arguments()) == SUCCESS
    distinct = {text for texts, _ in encoder.asked for text in texts}
    assert 60 <= n_before < encoder.n_encoded == len(distinct), "nothing is encoded twice"


def test_mixture_is_kept_clear_of_a_suite(project, tiny_data, capsys):
    with gzip.open(tiny_data / "Sts" / "data.jsonl.gz", "rt") as file:
        texts = {json.loads(line)["a"] for line in file}
    secret = max(texts, key=lambda text: len(text.split()))
    assert len(secret.split()) >= 4
    with (project.data / "faq.jsonl").open("a") as file:
        file.write(json_lines([{"q": secret, "a": "an answer of its own"}]))
    options = ["--against-suite", tiny_data / "tiny.toml"]
    assert main(project.arguments(*options)) == SUCCESS
    said = lines_of(capsys)
    assert "  left out: in_evaluation_exact 1" in said
    assert "  shared with the evaluation: exact 0, normalised 0, n-gram 0" in said
    assert main(project.arguments(*options)) == SUCCESS
    assert "unchanged" in lines_of(capsys)[0]
    assert main(project.arguments("--against-suite", "opne")) == BAD_INPUT
    assert "'opne'" in capsys.readouterr().err


def test_bar_shows_the_stage_and_what_is_encoded(project, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr(sys, "stderr", Terminal())
    assert main(project.arguments()) == SUCCESS
    said = sys.stderr.getvalue()
    assert all(f"{stage}: 100%" in said for stage in ("reading", "mining", "same text, other goal", "mixing"))
    assert "texts encoded" not in said, "all vectors are in the cache"
    shutil.rmtree(project.cache)
    shutil.rmtree(project.out)
    assert main(project.arguments()) == SUCCESS
    assert "245 texts encoded" in sys.stderr.getvalue()
    monkeypatch.setattr(sys, "stderr", Terminal())
    assert main(project.arguments("--seed", "1", "--quiet")) == SUCCESS
    assert sys.stderr.getvalue() == ""


def test_debug_shows_where_an_error_arose(project):
    with pytest.raises(Exception, match="no dataset is called"):
        main(project.arguments("--datasets", "faqs", "--debug"))


# list


def own(project, *more):
    return ["medi", "list", "--registry", str(project.registry), "--own", *more]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], NAMES),
        (["--kinds", "pair", "triplet"], ["clicks", "faq"]),
        (["--licence", "cc*"], ["faq"]),
        (["--licence", "mit"], ["mood", "task0001_yes_no", "task0002_story", "topic"]),
        (["--domain", "shop*"], ["clicks"]),
        (["--commercial"], ["clicks", "mood", "task0001_yes_no", "task0002_story", "topic"]),
        (["--redistribution", "--kinds", "label"], ["mood", "topic"]),
        (["--datasets", "t*", "--without", "*story"], ["task0001_yes_no", "topic"]),
        (["--licence", "no such"], []),
    ],
)
def test_list_is_filtered(project, capsys, options, expected):
    registry = project.registry.read_text()
    project.registry.write_text(registry.replace('kind = "triplet"', 'kind = "triplet"\ndomain = "Shopping"'))
    assert main(own(project, "--json", *options)) == SUCCESS
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert [row["name"] for row in rows] == expected
    assert err == ""
    assert main(own(project, *options)) == SUCCESS
    out, err = capsys.readouterr()
    assert [line.split()[0] for line in out.splitlines() if not line.startswith(" ")] == expected
    assert err.startswith(f"{len(expected)} datasets")


def test_list_shows_each_side_and_on_request_all_wordings(project, capsys):
    main(own(project, "--datasets", "faq"))
    assert capsys.readouterr().out.splitlines() == [
        "faq  [pair]  -  (CC BY-NC 4.0; pass on yes, commercial no)  faq.jsonl",
        "    Represent the text for retrieving its answer: ",
        "    Represent the answer for retrieval: ",
    ]
    main(own(project, "--datasets", "faq", "--wordings"))
    assert "      - retrieving its answer: \n" in capsys.readouterr().out


def test_list_of_the_bundled_registry_joins_ones_own(project, capsys):
    assert main(["medi", "list", "--registry", str(project.registry), "--json"]) == SUCCESS
    rows = json.loads(capsys.readouterr().out)
    assert len(rows) > 900
    assert {"faq", "medquad"} <= {row["name"] for row in rows}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--datasets", "faqs"], "no dataset is called 'faqs'; did you mean 'faq'?"),
        (["--kinds", "x"], "kinds has 'x'"),
        (["--registry", "no.toml"], "no.toml: cannot be read"),
    ],
)
def test_list_refuses_slips(project, capsys, options, message):
    assert main(own(project, *options)) == BAD_INPUT
    assert message in capsys.readouterr().err


def test_list_names_a_broken_entry(project, capsys):
    project.registry.write_text(project.registry.read_text().replace('licence = "our own"\n', ""))
    assert main(own(project)) == BAD_INPUT
    [said] = lines_of(capsys)
    assert f"{project.registry}: dataset 1 (clicks): the key 'licence' is missing" in said


# inspect


def test_inspect_shows_a_mixture_and_writes_its_page(built_once, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert main(["medi", "inspect", str(built_once.out), "-o", str(page)]) == SUCCESS
    out, err = capsys.readouterr()
    n = len(MixtureRows(manifest_of(built_once.out)))
    assert out.startswith(f"mixture: {n} triplets from 6 datasets, 0 without a hard negative\n")
    assert err == ""
    content = page.read_text()
    assert all(name in content for name in NAMES)


def test_inspect_prints_figures_as_json(built_once, capsys):
    assert main(["medi", "inspect", str(built_once.out), "--json", "--samples", "2", "--score"]) == SUCCESS
    found = json.loads(capsys.readouterr().out)
    assert sorted(found["datasets"]) == NAMES
    assert all(len(rows) == 2 for rows in found["samples"].values())
    assert found["rows_encoded"] == 12


def test_inspect_shows_the_originals_format(built_once, capsys):
    assert main(["medi", "inspect", str(built_once.out / "medi-data.json")]) == SUCCESS
    n = len(MixtureRows(manifest_of(built_once.out)))
    assert capsys.readouterr().out.startswith(f"medi-data.json: {n} triplets from 6 datasets")


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("gone", None, "gone: not there; expected the folder of a mixture"),
        ("empty/", None, "manifest.json: no such file, so its folder is no mixture"),
        ("a.json", b"text", "a.json: begins with 't'; expected a JSON list of rows"),
        ("a.json", b"", "a.json: "),
        ("a.json", b'[{"query": ["a", "b"]}]', "neither 'task_id' nor 'task_name'"),
        ("a.jsonl", b'{"q": 1}\n', "a.jsonl, line 1: the key 'query' is missing"),
        ("a.json.gz", b"no gzip", "a.json.gz: "),
        ("a.html", b"<p>", "a.html: begins with '<'"),
        ("a.json", bytes(range(256)), "a.json: "),
        ("m/manifest.json", b"{", "manifest.json: broken JSON"),
        ("m/manifest.json", b"[]", "manifest.json: a list; expected a JSON object"),
        ("m/manifest.json", b"{}", "manifest.json: without a list 'datasets', so not the manifest of a mixture"),
        ("m/manifest.json", b'{"format_version": 99}', "format_version is 99; this release reads 1: update"),
    ],
)
def test_inspect_refuses_what_is_no_mixture(tmp_path, capsys, file, content, message):
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    if content is not None:
        path.write_bytes(content)
    elif file.endswith("/"):
        path.mkdir()
    assert main(["medi", "inspect", str(path.parent if path.name == "manifest.json" else path)]) == BAD_INPUT
    [said] = lines_of(capsys)
    assert message in said


def test_inspect_names_a_damaged_shard(built_once, tmp_path, capsys):
    out = shutil.copytree(built_once.out, tmp_path / "mixture")
    shard = out / "shard-00000.parquet"
    shard.write_bytes(bytes(shard.stat().st_size))
    assert main(["medi", "inspect", str(out)]) == BAD_INPUT
    assert "shard-00000.parquet: cannot be read as Parquet" in capsys.readouterr().err
    shard.unlink()
    assert main(["medi", "inspect", str(out)]) == BAD_INPUT
    assert "shard-00000.parquet: the shard is missing" in capsys.readouterr().err


def test_page_that_cannot_be_written_is_a_failure_of_this_machine(built_once, tmp_path, capsys):
    assert main(["medi", "inspect", str(built_once.out), "-o", str(tmp_path / "no" / "page.html")]) == FAILED
    assert "page.html: cannot be written" in capsys.readouterr().err
