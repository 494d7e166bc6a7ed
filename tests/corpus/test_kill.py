"""``kill -9`` at any instant: what stands under the final name is whole, and rerunning ends in the same rows."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from instructvec.corpus.local import EmbedConfig, embed_corpus
from tests.corpus.fake import FakeEncoder

N_KILLS = 6
N_ROWS = 60
SCRIPT = """
import sys
from pathlib import Path
import pyarrow.parquet
from instructvec.corpus.local import EmbedConfig, embed_corpus
from tests.corpus.fake import FakeEncoder
print("begun", flush=True)
embed_corpus(FakeEncoder(seconds=0.01), EmbedConfig([sys.argv[1]], Path(sys.argv[2]), shard_rows=2))
"""


def start(texts, out):
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(texts), str(out)], env=environment, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "begun\n"
    return process


def wait_for_shards(process, folder, n_shards):
    """Until so many shards are finished or the process is done: how long that takes is the machine's affair."""
    deadline = time.monotonic() + 60
    while len(list(folder.glob("shard-*"))) < n_shards and process.poll() is None:
        assert time.monotonic() < deadline, "no progress for a minute"
        time.sleep(0.002)


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL on Windows")
@pytest.mark.parametrize("seed", [0, 1])
def test_killed_runs_end_in_the_same_output(tmp_path, seed):
    rng = random.Random(seed)
    texts, out = tmp_path / "in.txt", tmp_path / "out.parquet"
    texts.write_text("".join(f"text {number}\n" for number in range(N_ROWS)))
    partial = out.with_name(out.name + ".partial")
    for _ in range(N_KILLS):
        with start(texts, out) as process:
            wait_for_shards(process, partial, len(list(partial.glob("shard-*"))) + rng.randint(0, 5))
            time.sleep(rng.uniform(0, 0.03))
            process.send_signal(signal.SIGKILL)
        if out.exists():
            assert pq.read_metadata(out).num_rows == N_ROWS
    encoder = FakeEncoder()
    embed_corpus(encoder, EmbedConfig([str(texts)], out, shard_rows=2))
    assert len(encoder.calls) < N_ROWS / 2, "no run before kept anything"
    unbroken = tmp_path / "unbroken.parquet"
    embed_corpus(FakeEncoder(), EmbedConfig([str(texts)], unbroken, shard_rows=2))
    assert pq.read_table(out).equals(pq.read_table(unbroken), check_metadata=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.txt", "out.parquet", "unbroken.parquet"]
