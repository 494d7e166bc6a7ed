"""A mixture's folder: read, described, drawn as one page; and folders that are none."""

import json

import pyarrow.parquet as pq
import pytest

from instructvec.errors import FileError
from instructvec.medi.formats import write_medi_json
from instructvec.medi.inspect import inspect, write_page
from instructvec.medi.manifest import FORMAT_VERSION, MixtureRows, manifest_of
from instructvec.medi.page import rows as page_rows
from instructvec.medi.page.render import render
from instructvec.medi.statistics import statistics
from instructvec.medi.triplets import Side, Triplet, to_table
from tests.page.parsed import Page

HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'&</title></svg></style>\udcff\0"
SECTIONS = (
    "short", "parts", "datasets", "dropped", "lengths", "instructions", "contrasts", "kept-out", "suspects",
    "samples", "method",
)  # fmt: skip
ASK = "Represent the question for finding its answer: "


def answer(text):
    return Side("Answer: ", text)


def triplets():
    negatives = ["answer 0", *(f"other {at}" for at in range(1, 8))]
    faq = [
        Triplet(Side(ASK, f"question {at}"), answer(f"answer {at}"), answer(far), "faq", "pair", "mined")
        for at, far in enumerate(negatives)
    ]
    return [*faq, Triplet(Side("Mood: ", "rain"), Side("Mood: ", "snow"), None, "weather", "label", "labelled")]


def entry(name, **changed):
    plain = {
        "name": name, "kind": "pair", "symmetric": False, "domain": "Travel", "text_type": "question",
        "licence": "MIT", "redistribution": "yes", "commercial": "no", "source": "a/b: c.csv", "note": "a note",
        "instruction": ASK, "wordings": 5, "files": [], "read": 20,
        "dropped": {"too_short": 3, "near duplicate": 1}, "rows": 16, "available": {"mined": 16},
        "mining": {"without_triplet": {"a twin only": 4}}, "triplets": 8, "weight": 0.75,
        "problems": [f"{name}.csv, row 3: x"],
    }  # fmt: skip
    return plain | changed


def write_mixture(folder, rows=None, shard_rows=5, **changed):
    rows = triplets() if rows is None else rows
    folder.mkdir(exist_ok=True)
    shards = []
    for start in range(0, len(rows), shard_rows):
        path = folder / f"shard-{len(shards):05d}.parquet"
        pq.write_table(to_table(rows[start : start + shard_rows]), path)
        n_rows = len(rows[start : start + shard_rows])
        shards.append({"name": path.name, "rows": n_rows, "bytes": path.stat().st_size, "sha256": ""})
    manifest = {
        "format_version": FORMAT_VERSION,
        "created": "2026-11-25T13:00:00Z",
        "versions": {"instructvec": "0.1.0"},
        "job": "0" * 32,
        "seed": 42,
        "options": {"cap": 300},
        "model": {"fingerprint": "ab"},
        "totals": {},
        "datasets": [entry("faq"), entry("weather", kind="label", licence="CC0", triplets=1), entry("unused")],
        "contrasts": [{"a": "faq", "b": "weather", "shared": 70, "rows": 12}],
        "protected": [{"name": "eval/SciFact", "texts": 900, "hits": {"exact": 1, "8-gram": 2}}],
        "check": {"texts": 27, "protected": 900, "exact": 0, "normalised": 0, "8-gram": 0, "examples": []},
        "licences": {"MIT": 9},
        "shards": shards,
    } | changed
    (folder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return folder


def drawn(inspection):
    return render(inspection.name, inspection.statistics, inspection.manifest)


@pytest.fixture
def mixture(tmp_path):
    return write_mixture(tmp_path / "mix")


# ---------------------------------------------------------------- reading


def test_rows_come_back_in_order_over_shards_and_any_number_of_times(mixture):
    rows = MixtureRows(manifest_of(mixture))
    assert len(rows) == 9
    assert list(rows) == triplets() == list(rows)


def test_a_mixture_is_counted_with_what_its_manifest_says(mixture):
    found = inspect(mixture, samples=2)
    assert found.statistics.overall.rows == 9
    assert found.statistics.overall.licences == {"MIT": 8, "CC0": 1}
    assert [len(own) for own in found.statistics.samples.values()] == [2, 1]
    assert [(one.row, one.reason) for one in found.statistics.suspects] == [(0, "equal_to_positive")]
    assert found.manifest.datasets[0].dropped == {"too_short": 3, "near duplicate": 1}


def test_a_file_of_the_originals_format_can_be_inspected(tmp_path):
    rows = [one for one in triplets() if one.negative]
    write_medi_json(rows, tmp_path / "medi-data.json")
    found = inspect(tmp_path / "medi-data.json")
    assert found.manifest is None
    assert found.statistics.overall.rows == 8
    assert [one.row for one in found.statistics.suspects] == [0]
    page = Page(drawn(found))
    assert not {"dropped", "contrasts", "kept-out", "method"} & set(page.ids)


def test_the_terminal_is_told_the_main_figures(mixture):
    lines = inspect(mixture).summary().splitlines()
    assert lines[0] == "mix: 9 triplets from 2 datasets, 1 without a hard negative"
    assert "suspected false negatives: 1 of 8 rows (12.5%): equal to positive 1" in lines
    assert "evaluation texts: 0 found by the check of 27 texts" in lines


def test_json_holds_figures_samples_and_suspects(mixture):
    found = json.loads(json.dumps(inspect(mixture).to_json()))
    assert found["overall"]["rows"] == 9
    assert found["datasets"]["faq"]["rules"] == {"mined": 8}
    assert found["samples"]["weather"][0]["query"] == {"instruction": "Mood: ", "text": "rain"}
    assert found["samples"]["weather"][0]["negative"] is None
    assert found["suspects"][0]["reason"] == "equal_to_positive"


# ---------------------------------------------------------------- bad input


def test_a_folder_without_manifest_is_no_mixture(tmp_path):
    with pytest.raises(
        FileError, match=r"manifest.json: no such file, so its folder is no mixture; give the folder"
    ):
        inspect(tmp_path)


def test_a_path_where_nothing_is_is_named(tmp_path):
    with pytest.raises(FileError, match="absent: not there; expected the folder of a mixture"):
        inspect(tmp_path / "absent")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "broken JSON"),
        ("\udcff", "broken JSON"),
        ("[]", "a list; expected a JSON object"),
        ('{"format_version": 1}', "without a list 'datasets', so not the manifest of a mixture"),
        ('{"format_version": 2}', "format_version is 2; this release reads 1: update instructvec"),
        ('{"format_version": "1", "datasets": [], "shards": []}', "with format_version '1', so not the manifest"),
        (
            '{"format_version": 1, "datasets": [3], "shards": []}',
            r"datasets\[0\] is a number \(3\); expected an object",
        ),
        (
            '{"format_version": 1, "datasets": [{"name": "a", "read": "many"}], "shards": []}',
            r"datasets\[0\].read is text; expected a number",
        ),
        (
            '{"format_version": 1, "datasets": [{"dropped": {"x": []}}], "shards": []}',
            r"datasets\[0\].dropped.x is a list; expected a number",
        ),
        ('{"format_version": 1, "datasets": [], "shards": [{"name": "../x"}]}', r"shards\[0\].name is '../x'"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_named_with_key(tmp_path, content, message):
    (tmp_path / "manifest.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(FileError, match=f"manifest.json.*{message}"):
        inspect(tmp_path)


def test_a_missing_shard_is_named(mixture):
    (mixture / "shard-00001.parquet").unlink()
    with pytest.raises(
        FileError, match=r"shard-00001.parquet: the shard is missing, though the manifest names it"
    ):
        inspect(mixture)


def test_a_cut_shard_is_named_with_both_sizes(mixture):
    path = mixture / "shard-00000.parquet"
    size = path.stat().st_size
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(
        FileError, match=f"shard-00000.parquet: {size - 10:,} bytes, and the manifest says {size:,}"
    ):
        inspect(mixture)


def test_a_shard_that_is_no_parquet_or_of_other_columns_is_named(mixture):
    path = mixture / "shard-00000.parquet"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(FileError, match=r"shard-00000.parquet: cannot be read as Parquet"):
        inspect(mixture)
    pq.write_table(to_table(triplets()).drop_columns(["rule"]), path)
    shards = [{"name": path.name, "rows": 9, "bytes": path.stat().st_size}]
    write_manifest_shards(mixture, shards)
    with pytest.raises(FileError, match="no column 'rule'; expected the columns of a mixture"):
        inspect(mixture)


def test_a_shard_of_another_number_of_rows_is_named(mixture):
    shards = json.loads((mixture / "manifest.json").read_text())["shards"]
    shards[0]["rows"] = 4
    write_manifest_shards(mixture, shards)
    with pytest.raises(FileError, match="5 rows, and the manifest says 4"):
        inspect(mixture)


def write_manifest_shards(mixture, shards):
    path = mixture / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"shards": shards}))


# ---------------------------------------------------------------- the page


def test_a_whole_page_has_every_section_unique_ids_and_links_that_lead_somewhere(mixture):
    page = Page(drawn(inspect(mixture)))
    assert [one for one in page.ids if one in SECTIONS] == list(SECTIONS)
    assert len(set(page.ids)) == len(page.ids)
    targets = {attributes["href"] for tag, attributes in page.tags if tag in ("a", "use")}
    assert {target.removeprefix("#") for target in targets} <= set(page.ids)


def test_the_page_asks_for_nothing(mixture):
    for tag, attributes in Page(drawn(inspect(mixture))).tags:
        for name in ("src", "href", "action", "data"):
            address = attributes.get(name, "#")
            assert address.startswith("#") or address == "data:,", f"<{tag} {name}={address}>"


def test_the_page_says_what_was_found(mixture):
    words = Page(drawn(inspect(mixture))).words
    assert "9 triplets · 2 datasets" in words
    assert "the negative has the same words as the positive" in words
    assert "of 60 rows read, before mining (20%)" in words
    assert "too short" in words
    assert "no triplet: a twin only: 4" in words
    assert "faq.csv, row 3: x" in words
    assert "compared with the 900 of the evaluation" in words
    assert "Source: a/b: c.csv. Licence: MIT. a note" in words


def test_every_dataset_stands_in_the_table_even_without_rows(mixture):
    page = Page(drawn(inspect(mixture)))
    names = [one["data-value"] for tag, one in page.tags if tag == "th" and "data-value" in one]
    assert names[:3] == ["faq", "unused", "weather"]


def test_rows_and_instructions_can_be_read_without_a_script(mixture):
    words = Page(drawn(inspect(mixture))).words
    assert "queryRepresent the question for finding its answer:question 0positiveAnswer:answer 0" in words
    assert "negativeanswer 0" in words  # under the positive's instruction, which is not said twice


def hostile(value):
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, list):
        return [hostile(one) for one in value]
    if isinstance(value, dict):
        return {
            hostile(key) if key in ("too_short", "exact", "mined") else key: hostile(one)
            for key, one in value.items()
        }
    return value


def assert_harmless(text):
    page = Page(text)
    assert [tag for tag, _ in page.tags].count("script") == 1
    assert "img" not in {tag for tag, _ in page.tags}
    assert not any(name.startswith("on") for _, attributes in page.tags for name in attributes)
    text.encode("utf-8")


def test_no_word_of_a_manifest_becomes_markup(mixture):
    path = mixture / "manifest.json"
    content = json.loads(path.read_text())
    kept = {key: content[key] for key in ("shards", "format_version")}
    path.write_text(json.dumps(hostile(content) | kept))
    assert_harmless(drawn(inspect(mixture)))


def test_no_text_of_a_row_becomes_markup():
    rows = [
        Triplet(*(Side(HOSTILE + side, HOSTILE * 20 + side) for side in "qpp"), HOSTILE, HOSTILE, HOSTILE)
        for _ in range(3)
    ]
    found = statistics(rows)
    assert found.overall.n_suspects == 3
    assert_harmless(render(HOSTILE, found, None))


def test_long_texts_are_there_whole_behind_their_beginning():
    long = " ".join(f"word{at}" for at in range(400))
    rows = [Triplet(Side("", long), Side("", "p"), Side("", "n"), "d", "pair", "given")]
    text = render("m", statistics(rows), None)
    page = Page(text)
    assert long in page.words
    summary = text.split('<details class="long unprinted"><summary>')[1].split("</summary>")[0]
    assert long.startswith(summary)
    assert len(summary) <= 300


def test_texts_are_cut_where_the_page_would_grow_too_large(monkeypatch):
    monkeypatch.setattr(page_rows, "MAX_BYTES", 3000)
    rows = [Triplet(Side("", "x" * 5000), Side("", "p"), Side("", "n"), "d", "pair", "given")]
    text = render("m", statistics(rows), None)
    assert "… (3,000 more characters in the shard)" in text
    assert "x" * 2001 not in text


def test_evaluation_texts_in_the_mixture_are_said_first(tmp_path):
    check = {"texts": 27, "protected": 900, "exact": 2, "8-gram": 1, "examples": [["exact", "eval/A", "a text"]]}
    words = Page(drawn(inspect(write_mixture(tmp_path / "mix", check=check)))).words
    assert words.index("Texts of the evaluation are in this mixture.") < words.index("Triplets")
    assert "a text" in words


def test_a_mixture_that_was_not_checked_says_so(tmp_path):
    words = Page(drawn(inspect(write_mixture(tmp_path / "mix", check=None, protected=[])))).words
    assert "was built without texts to keep out, and was not checked" in words
    assert "Texts of the evaluation are in" not in words


@pytest.mark.parametrize(
    "gone", ["created", "versions", "job", "seed", "options", "model", "contrasts", "protected"]
)
def test_any_optional_part_of_a_manifest_may_be_absent(mixture, gone):
    path = mixture / "manifest.json"
    content = json.loads(path.read_text())
    del content[gone]
    path.write_text(json.dumps(content))
    Page(drawn(inspect(mixture)))


def test_a_mixture_without_rows_is_a_page_that_says_so(tmp_path):
    mixture = write_mixture(tmp_path / "mix", rows=[])
    assert "The mixture has no rows." in Page(drawn(inspect(mixture))).words


def test_the_page_is_written_whole(mixture, tmp_path):
    found = inspect(mixture)
    write_page(found, tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == drawn(found)


def test_a_thousand_datasets_stay_below_eight_megabytes():
    text, ask = " ".join(["several"] * 60), "Represent the text for finding what else belongs to dataset"
    rows = [
        Triplet(
            *(Side(f"{ask} {at}: ", f"{text} {side} {at}") for side in "qpn"), f"dataset_{at}", "pair", "mined"
        )
        for at in range(1000)
        for _ in range(5)
    ]
    assert len(render("large", statistics(rows), None).encode()) < 8_000_000


def test_a_folder_of_medi2_files_is_looked_into(tmp_path):
    rows = [{"query": ["I: ", f"q{n}"], "pos": [["I: ", f"p{n}"]], "neg": [["I: ", f"n{n}"]]} for n in range(3)]
    for name in ("one", "two"):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = inspect(tmp_path)
    assert found.manifest is None
    assert {name: one.rows for name, one in found.statistics.datasets.items()} == {"one": 3, "two": 3}
