import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"


def test_shipped_texts_are_different_and_few_enough_to_ship(benchmark_module):
    texts = benchmark_module("texts").load()
    assert len(texts) == len(set(texts)) == 4000
    assert all(text.strip() == text and text for text in texts)
    assert (FOLDER / "data" / "texts.jsonl.gz").stat().st_size < 600_000


def test_every_source_of_a_text_has_its_licence_beside_it():
    with gzip.open(FOLDER / "data" / "texts.jsonl.gz", "rt", encoding="utf-8") as lines:
        sources = {json.loads(line)["source"] for line in lines}
    readme = (FOLDER / "data" / "README.md").read_text(encoding="utf-8")
    assert sources
    for source in sources:
        row = next(line for line in readme.splitlines() if line.startswith(f"| `{source}` |"))
        assert "CC BY" in row


def test_drawing_texts_depends_on_the_seed_alone(benchmark_module):
    texts = benchmark_module("texts")
    assert texts.load(50, seed=1) == texts.load(50, seed=1) != texts.load(50, seed=2)
    with pytest.raises(ValueError, match="holds 4000 texts, 5000 were asked for"):
        texts.load(5000)


def test_ranks_of_ties_are_their_mean(benchmark_module):
    compare = benchmark_module("compare")
    assert compare.ranks(np.array([3.0, 1.0, 3.0, 2.0])).tolist() == [2.5, 0.0, 2.5, 1.0]
    assert compare.spearman(np.array([1.0, 2.0, 3.0]), np.array([9.0, 5.0, 1.0])) == pytest.approx(-1)


def test_a_worker_answers_each_request_and_reports_what_failed(tmp_path):
    texts = tmp_path / "texts.json"
    texts.write_text(json.dumps(["a", "bb"]))
    peer = (
        "import sys; sys.path.insert(0, sys.argv[1]); import protocol\n"
        "class Peer:\n"
        "    def load(self, model, **options): print('noise of a library')\n"
        "    def encode(self, texts, batch_size): return [[len(t)] for t in texts]\n"
        "protocol.serve(Peer())"
    )
    requests = [
        {"op": "load", "model": None, "options": {}},
        {"op": "texts", "path": str(texts)},
        {"op": "encode", "n": 2, "batch_size": None, "save": str(tmp_path / "out.npy")},
        {"op": "dance"},
    ]
    command = [sys.executable, "-c", peer, str(FOLDER / "workers")]
    lines = "".join(json.dumps(request) + "\n" for request in requests)
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=True)
    loaded, n, encoded, refused = map(json.loads, done.stdout.splitlines())
    assert loaded["seconds"] >= 0 and encoded["seconds"] >= 0
    assert n == {"n": 2}
    assert "unknown op 'dance'" in refused["error"]
    assert np.load(tmp_path / "out.npy").tolist() == [[1.0], [2.0]]


def test_a_target_reads_ratios_within_rounds(benchmark_module):
    targets = benchmark_module("targets")
    first = targets.TARGETS[0]
    rows = {
        "ours-fp32": {"seconds": {"default": [1.0, 2.0, 1.0]}},
        "st-torch-fp32": {"seconds": {"default": [2.0, 3.0, 3.0]}},
    }
    assert first.outcome({"throughput": {"peers": rows}}) == ["2.00x (1.50 to 3.00)", "met"]
    assert first.outcome({}) == ["not measured", "-"]


def test_the_page_renders_without_any_result(benchmark_module):
    page = benchmark_module("report").render({"parts": {}})
    assert page.count("not measured") == len(benchmark_module("targets").TARGETS)


def test_rows_to_train_on_have_every_text_once_in_their_dataset_and_fill_batches(benchmark_module):
    rows = benchmark_module("training_rows")
    found = rows.load(None, 0, seed=20)
    assert found == rows.load(None, 0, seed=20) != rows.load(None, 0, seed=21)
    for name in {row.dataset for row in found}:
        own = [row[1:] for row in found if row.dataset == name]
        texts = {text for row in own for text in row}
        assert len(own) >= 100
        # Some captions stand in two of the pairs that were drawn for the suite.
        assert len(texts) == 3 * len(own) or name == "CaptionsSmoke"
    assert [len(batch) for batch in rows.batches(found, 64, 8, seed=20)] == [64] * 8


def trained(tokens_per_s):
    return {
        "tokens_per_s": tokens_per_s,
        "rows_per_s": [10.0, 20.0, 30.0],
        "tokens_per_cpu_s": [500.0, 600.0, 700.0],
        "padded_per_token": 1.5,
    }


def test_ratios_of_training_are_taken_within_rounds(benchmark_module):
    training = benchmark_module("training")
    contestants = {"ours-2048": trained([200.0, 900.0, 400.0]), training.THEIRS: trained([100.0, 300.0, 100.0])}
    found = {"contestants": contestants, "first_losses": {"instructvec": 1.5, training.THEIRS: 1.25}}
    results = {"precisions": {"float32": found}}
    ours, theirs = training.result_table(results).splitlines()[2:]
    assert ours.startswith("| **instructvec, passes of 2,048 tokens** | float32 | 400 (200 to 900) |")
    assert "| 3.00 (2.00 to 4.00) | 600 | 1.50 |" in ours
    assert "| 1.00 (1.00 to 1.00) |" in theirs
    assert training.loss_lines(results)[0].endswith("difference +2.5e-01")


def test_the_page_written_anew_keeps_the_sections_that_other_benchmarks_wrote(benchmark_module, tmp_path):
    sections, training = benchmark_module("sections"), benchmark_module("training")
    page = tmp_path / "page.md"
    sections.write_around(page, "# One\n")
    sections.replace(page, "training", training.section(None))
    sections.replace(page, "index", "## Index\n\none")
    written = page.read_text()
    assert written.startswith("# One\n\n<!-- training: written by benchmarks/training.py -->\n\n## Training")
    assert "Not measured yet" in written and written.endswith("one\n\n<!-- index: end -->\n")
    sections.replace(page, "training", training.section(None))
    assert page.read_text() == written
    sections.replace(page, "training", "## Training\n\nmeasured")
    assert "Not measured yet" not in page.read_text() and "## Index\n\none" in page.read_text()
    sections.replace(page, "training", training.section(None))
    sections.write_around(page, "# Two\n")
    assert page.read_text() == written.replace("# One", "# Two")


@pytest.mark.parametrize("name", ["training", "index", "duplicates"])
def test_the_sections_of_the_page_are_those_of_the_results(benchmark_module, name):
    sections, benchmark = benchmark_module("sections"), benchmark_module(name)
    results = json.loads((sections.RESULTS / f"{name}.json").read_text())
    assert f"{benchmark.section(results).strip()}\n\n<!-- {name}: end -->" in sections.PAGE.read_text()
