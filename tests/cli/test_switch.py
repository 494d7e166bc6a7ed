"""``instructvec switch`` writes vectors with a contract of their own, and tells how much they are worth."""

import csv
import json
from pathlib import Path

import pytest

from instructvec.cli.main import BAD_INPUT, main
from instructvec.corpus.embedded import read_embedded

FROM = "Represent the name of the disease in the medical passage: "
TO = "Represent what kind of question the passage answers: "
PASSAGES = Path(__file__).parents[2] / "examples" / "medical_passages.csv"


def run(capsys, *arguments):
    status = main(["switch", *map(str, arguments)])
    said = capsys.readouterr()
    return status, said.out, said.err


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """With 120 passages, and the same embedded."""
    folder = tmp_path_factory.mktemp("stored")
    with PASSAGES.open(newline="") as file:
        rows = list(csv.DictReader(file))[:120]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    assert (
        main(["embed", str(folder / "texts.jsonl"), "-o", str(folder / "old.parquet"), "--instruction", FROM]) == 0
    )
    return folder


@pytest.fixture(scope="module")
def switched(folder):
    out = folder / "new.parquet"
    arguments = [folder / "old.parquet", "-o", out, "--instruction", TO, "--save-map", folder / "map.npz"]
    assert main(["switch", *map(str, arguments)]) == 0
    return out


def test_rows_and_columns_stay_and_the_contract_is_its_own(folder, switched):
    old, new = read_embedded(folder / "old.parquet"), read_embedded(switched)
    assert new.columns.equals(old.columns)
    assert (new.vectors.shape, new.column) == (old.vectors.shape, "text")
    assert new.contract.instruction == TO
    assert new.contract.fingerprint != old.contract.fingerprint
    assert "switched from" in new.contract.model


def test_what_it_tells_is_measured_on_other_rows(folder, capsys):
    arguments = [folder / "old.parquet", "-o", folder / "again.parquet", "--instruction", TO, "--json"]
    status, printed, said = run(capsys, *arguments)
    assert status == 0
    result = json.loads(printed)
    assert result["rows"] == 120
    assert result["kept"]["n_rows"] + result["learned_from"] <= 120
    assert 0.9 < result["kept"]["cosine_before"] < result["kept"]["cosine"] < 1
    assert "(experimental)" in said
    assert f"mean cosine {result['kept']['cosine']:.3f}" in said
    few = json.loads(run(capsys, *arguments, "--sample", 60)[1])
    assert few["kept"]["n_rows"] + few["learned_from"] == 60


def test_a_kept_map_gives_the_same_and_encodes_nothing(folder, switched, capsys, monkeypatch):
    monkeypatch.setattr("instructvec.cli.switch.open_embedder", None)
    out = folder / "applied.parquet"
    assert run(capsys, folder / "old.parquet", "-o", out, "--map", folder / "map.npz", "--quiet")[2] == ""
    assert (read_embedded(out).vectors == read_embedded(switched).vectors).all()
    assert read_embedded(out).contract == read_embedded(switched).contract


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["texts.jsonl", "-o", "o.parquet", "--instruction", TO], "texts.jsonl: holds no vectors"),
        (["old.parquet", "-o", "o.csv", "--instruction", TO], "expected a name that ends in .parquet"),
        (["old.parquet", "-o", "no/o.parquet", "--instruction", TO], "there is no folder no"),
        (["old.parquet", "-o", "o.parquet"], "--instruction is missing"),
        (["old.parquet", "-o", "o.parquet", "--instruction", FROM], "expected two different ones"),
        (["old.parquet", "-o", "o.parquet", "--map", "none.npz"], "none.npz: no switch"),
        (["old.parquet", "-o", "o.parquet", "--map", "map.npz", "--instruction", FROM], "map.npz: leads to"),
        (["new.parquet", "-o", "o.parquet", "--map", "map.npz"], "must not be compared or mixed"),
        (["old.parquet", "-o", "o.parquet", "--map", "map.npz", "--save-map", "m.npz"], "leave one out"),
        (["old.parquet", "-o", "o.parquet", "--instruction", TO, "--save-map", "m.txt"], "ends in .npz"),
        (["old.parquet", "-o", "o.parquet", "--instruction", TO, "--sample", "20"], "a switch needs 50 or more"),
        (["none.parquet", "-o", "o.parquet", "--instruction", TO], "none.parquet"),
    ],
)
def test_refusals_write_nothing(folder, switched, capsys, monkeypatch, arguments, message):
    monkeypatch.chdir(folder)
    status, _, said = run(capsys, *arguments)
    assert status in (BAD_INPUT, 1)
    assert message in said
    assert not list(folder.rglob("o.*"))
