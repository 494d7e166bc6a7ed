"""What ``embed`` wrote is read back with its vectors and contract, in all four kinds."""

import numpy as np
import pytest

from instructvec.corpus.embedded import is_embedded, read_embedded
from instructvec.corpus.local import EmbedConfig, embed_corpus
from instructvec.corpus.shard import EncodeConfig
from instructvec.errors import FileError

SAID = "Represent the noun: "


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("id,word\n1,rain\n2,snow\n3,hail\n")
    return path


def embed(tiny, rows, out, **options):
    config = EmbedConfig(
        inputs=[str(rows)], out=out, column="word", encode=EncodeConfig(instruction=SAID, **options), shard_rows=2
    )
    embed_corpus(tiny, config)
    return out


@pytest.mark.parametrize("name", ["o.parquet", "o.jsonl", "o.npy", "o"])
def test_every_kind_of_output_is_read_back(tiny, rows, tmp_path, name):
    out = embed(tiny, rows, tmp_path / name)
    assert is_embedded(out)
    found = read_embedded(out)
    np.testing.assert_allclose(found.vectors, tiny.encode(["rain", "snow", "hail"], SAID), atol=1e-6)
    assert found.contract == tiny.contract(SAID)
    assert found.column == "word"
    assert found.columns.column_names == ([] if name == "o.npy" else ["id", "word"])
    if name != "o.npy":
        assert found.columns.column("word").to_pylist() == ["rain", "snow", "hail"]


def test_integers_stay_integers(tiny, rows, tmp_path):
    found = read_embedded(embed(tiny, rows, tmp_path / "o.jsonl", precision="binary"))
    assert found.vectors.dtype == np.int64 and found.contract.precision == "binary"


def test_a_file_of_texts_is_not_embedded(rows, tmp_path):
    assert not is_embedded(rows) and not is_embedded(tmp_path) and not is_embedded(tmp_path / "none.parquet")
    with pytest.raises(FileError, match=r"rows\.csv: cannot be read as Parquet"):
        read_embedded(rows)


def test_a_missing_contract_or_a_broken_line_is_named(tiny, rows, tmp_path):
    out = embed(tiny, rows, tmp_path / "o.jsonl")
    with out.open("a") as file:
        file.write('{"id": "4"}\n')
    with pytest.raises(FileError, match=r"o\.jsonl, line 4: no row with a vector"):
        read_embedded(out)
    (tmp_path / "o.jsonl.contract.json").unlink()
    assert not is_embedded(out)
    with pytest.raises(FileError, match=r"its contract is missing; expected .*o\.jsonl\.contract\.json beside it"):
        read_embedded(out)


def test_a_cut_off_file_is_named(tiny, rows, tmp_path):
    out = embed(tiny, rows, tmp_path / "o.parquet")
    out.write_bytes(out.read_bytes()[:-20])
    assert not is_embedded(out)
    with pytest.raises(FileError, match=r"o\.parquet: cannot be read as Parquet"):
        read_embedded(out)
