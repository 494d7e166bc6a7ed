"""Clustered unit vectors -> how fast, how completely and in how much memory indexes find the nearest of them.

Knows vectors only; no texts or models. Compares :class:`instructvec.tasks.Index` at its defaults with exact
search, and with the graphs of usearch and faiss as they come. Each query is timed alone, on one thread, by the
clock and by the processor time it takes, which other processes lengthen less; recall is the share of the exact ten
nearest that is found. Prints a table; with ``--write`` into ``results/index.json`` and ``docs/benchmarks.md`` too.

    python benchmarks/index.py
    python benchmarks/index.py --embedded vectors.npy       # what instructvec embed wrote, shuffled, queries apart
    python benchmarks/index.py --vectors 1000000 --only instructvec

The vectors are drawn where no others are given: 2,000 clusters whose components fall off in size, as those of
texts' vectors do along their principal axes; Gaussian noise in 384 dimensions has no near neighbours to be found.
"""

from __future__ import annotations

import argparse
import resource
import shlex
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import report
import run
import sections
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from instructvec.checkpoints.contract import EmbeddingContract
from instructvec.engines.threads import available_processors
from instructvec.extras import version_of
from instructvec.tasks import Embedded, Index
from instructvec.tasks.instructions import DOCUMENT, QUERY
from instructvec.tasks.neighbours import nearest

DIMENSION = 384
K = 10
CLUSTERS = 2000
SEED = 42
PACKAGES = ("instructvec", "usearch", "faiss-cpu", "numpy")

Vectors = NDArray[np.float32]
Searcher = Callable[[Vectors], "list[int]"]


@dataclass(frozen=True, slots=True)
class Measured:
    """An index over some vectors.

    Attributes:
        build_s: seconds from vectors to an index to search, on all processors; for ours, saved to disk too.
        build_processor_s: processor time of that, summed over processors.
        p50_ms: median over queries, each alone on one thread.
        p95_ms: of 95 in 100 queries it is no more.
        p50_processor_ms: the same in processor time.
        p95_processor_ms: the same in processor time.
        recall: share of the exact ten nearest.
        peak_gb: memory of the process at its highest, with the vectors themselves and all before it.
    """

    name: str
    build_s: float
    build_processor_s: float
    p50_ms: float
    p95_ms: float
    p50_processor_ms: float
    p95_processor_ms: float
    recall: float
    peak_gb: float


def centres(rng: np.random.Generator) -> Vectors:
    """(2000, 384) float32, of the clusters."""
    return rng.standard_normal((CLUSTERS, DIMENSION), dtype=np.float32) * _spectrum(DIMENSION)


def drawn(n_rows: int, rng: np.random.Generator, around: Vectors) -> Vectors:
    """Unit vectors around the centres."""
    spectrum = _spectrum(around.shape[1])
    found = np.empty((n_rows, around.shape[1]), np.float32)
    for start in range(0, n_rows, 50_000):
        n_block = min(50_000, n_rows - start)
        noise = rng.standard_normal((n_block, around.shape[1]), dtype=np.float32) * spectrum
        block = around[rng.integers(0, len(around), n_block)] + 0.7 * noise
        found[start : start + n_block] = block / np.linalg.norm(block, axis=1, keepdims=True)
    return found


def _spectrum(dimension: int) -> Vectors:
    return ((1 + np.arange(dimension)) ** -0.5).astype(np.float32)


def vectors_of(arguments: argparse.Namespace) -> tuple[Vectors, Vectors]:
    """Documents and queries, none of which is a document."""
    rng = np.random.default_rng(SEED)
    if arguments.embedded is None:
        around = centres(rng)
        return drawn(arguments.vectors, rng, around), drawn(arguments.queries, rng, around)
    from instructvec.corpus.embedded import read_embedded

    given = np.unique(read_embedded(arguments.embedded).vectors.astype(np.float32), axis=0)
    rng.shuffle(given)
    given /= np.linalg.norm(given, axis=1, keepdims=True)
    n_documents = min(arguments.vectors, len(given) - arguments.queries)
    return given[:n_documents], given[n_documents : n_documents + arguments.queries]


def contract(dimension: int, instruction: str) -> EmbeddingContract:
    return EmbeddingContract("0" * 32, (instruction,), dimension, True, "float32", "prompt")


def ours(vectors: Vectors, approximate: Any) -> Searcher:
    """The index as it is loaded from disk."""
    with tempfile.TemporaryDirectory() as folder:
        documents = Embedded(None, vectors, contract(vectors.shape[1], DOCUMENT))
        Index.build(documents, path=folder, approximate=approximate)
        index = Index.load(folder)  # what is mapped stays so when the folder is gone
    of_queries = contract(vectors.shape[1], QUERY)
    return lambda query: [int(hit.id) for hit in index.search(Embedded(None, query[None], of_queries), K)[0]]


def usearch(vectors: Vectors, dtype: str) -> Searcher:
    from usearch.index import Index as Engine

    engine = Engine(ndim=vectors.shape[1], metric="ip", dtype=dtype)
    engine.add(np.arange(len(vectors)), vectors, threads=available_processors())
    return lambda query: [int(key) for key in engine.search(query, K, threads=1).keys]


def faiss(vectors: Vectors) -> Searcher:
    import faiss as engine

    engine.omp_set_num_threads(available_processors())
    index = engine.IndexHNSWFlat(vectors.shape[1], 16, engine.METRIC_INNER_PRODUCT)
    index.hnsw.efConstruction, index.hnsw.efSearch = 128, 64
    index.add(vectors)
    engine.omp_set_num_threads(1)
    return lambda query: [int(row) for row in index.search(query[None], K)[1][0]]


INDEXES: dict[str, Callable[[Vectors], Searcher]] = {
    "instructvec": lambda vectors: ours(vectors, "auto"),
    "instructvec-exact": lambda vectors: ours(vectors, False),
    "usearch-int8": lambda vectors: usearch(vectors, "i8"),
    "usearch-float16": lambda vectors: usearch(vectors, "f16"),
    "faiss-float32": faiss,
}


def measured(arguments: argparse.Namespace) -> Iterator[Measured]:
    vectors, queries = vectors_of(arguments)
    blocks = ((np.arange(at, min(at + 50_000, len(vectors))), vectors[at : at + 50_000])
              for at in range(0, len(vectors), 50_000))  # fmt: skip
    expected, _ = nearest(queries, blocks, K)
    for name in arguments.only or INDEXES:
        began, busy = time.perf_counter(), time.process_time()
        search = INDEXES[name](vectors)
        build_s, build_processor_s = time.perf_counter() - began, time.process_time() - busy
        with threadpool_limits(1):
            seconds, n_found = _asked(search, queries, expected)
        (p50, p50_busy), (p95, p95_busy) = (np.quantile(seconds, (0.5, 0.95), axis=0) * 1000).tolist()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        yield Measured(
            name, build_s, build_processor_s, p50, p95, p50_busy, p95_busy, n_found / expected.size, peak
        )


def _asked(
    search: Searcher, queries: Vectors, expected: NDArray[np.int64]
) -> tuple[list[tuple[float, float]], int]:
    """Seconds by the clock and by the processor for each query, and how many of the expected were found."""
    for query in queries[:10]:
        search(query)
    seconds, n_found = [], 0
    for query, rows in zip(queries, expected.tolist(), strict=True):
        began, busy = time.perf_counter(), time.process_time()
        found = search(query)
        seconds.append((time.perf_counter() - began, time.process_time() - busy))
        n_found += len(set(found) & set(rows))
    return seconds, n_found


def section(results: dict[str, Any]) -> str:
    """The page's section: a table for each number of vectors."""
    lines = [
        "## Index",
        "",
        f"Search without encoding over unit vectors of {DIMENSION} dimensions: ours at its defaults (a graph in 8 "
        "bits, its candidates scored anew in float32), ours with exact search, and the graphs of usearch and "
        "faiss as they come. Each query is timed alone, on one thread; building takes all processors, and of ours "
        "includes saving to disk. Recall is the share of the exact ten nearest. Memory is the process's at its "
        "highest, the vectors themselves and all that was measured before it included.",
    ]
    head = ["index", "build, s", "one query, ms: median", "95th percentile", "recall@10", "memory, GB"]
    for part in sorted(results.values(), key=lambda part: part["n_vectors"]):
        rows = []
        for one in part["indexes"]:
            name = f"**{one['name']}**" if one["name"] == "instructvec" else one["name"]
            rows.append([name, f"{one['build_s']:.1f}", f"{one['p50_ms']:.2f}", f"{one['p95_ms']:.2f}",
                         f"{one['recall']:.4f}", f"{one['peak_gb']:.2f}"])  # fmt: skip
        load = f" Beside it ran: {part['load']}." if part["load"] else ""
        used = ", ".join(f"{name} {number}" for name, number in part["versions"].items() if number)
        lines += ["", f"### {part['n_vectors']:,} {part['kind']} vectors", "", report.table(head, rows), "",
                  f"{report.origin(part)}{load} {used}."]  # fmt: skip
    return "\n".join(lines)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vectors", type=int, default=100_000)
    parser.add_argument("--queries", type=int, default=500)
    parser.add_argument(
        "--embedded", type=Path, help="vectors that instructvec embed wrote, instead of drawn ones"
    )
    parser.add_argument("--only", nargs="+", choices=INDEXES)
    parser.add_argument("--load", default="", help="what else ran on the machine, to be noted")
    parser.add_argument("--write", action="store_true", help="write results/index.json and the page's section")
    return parser.parse_args()


def main() -> None:
    arguments, began, rows = parse(), time.perf_counter(), []
    print(f"{'index':<18}{'build s':>9}{'(cpu)':>8}{'p50 ms':>9}{'(cpu)':>8}{'p95 ms':>9}{'(cpu)':>8}"
          f"{'recall@10':>11}{'peak GB':>9}")  # fmt: skip
    for one in measured(arguments):
        rows.append(one)
        print(f"{one.name:<18}{one.build_s:>9.1f}{one.build_processor_s:>8.1f}{one.p50_ms:>9.2f}"
              f"{one.p50_processor_ms:>8.2f}{one.p95_ms:>9.2f}{one.p95_processor_ms:>8.2f}{one.recall:>11.4f}"
              f"{one.peak_gb:>9.2f}", flush=True)  # fmt: skip
    if not arguments.write:
        return
    kind = "embedded" if arguments.embedded else "drawn"
    part = {
        "command": shown_command(arguments), "n_vectors": arguments.vectors, "kind": kind,
        "date": f"{datetime.now(UTC):%Y-%m-%d}", "commit": run.commit(), "seed": SEED,
        "took_s": round(time.perf_counter() - began, 1), "machine": run.machine(), "load": arguments.load,
        "versions": {name: version_of(name) for name in PACKAGES}, "indexes": [asdict(one) for one in rows],
    }  # fmt: skip
    sections.record("index", f"{arguments.vectors} {kind}", part, section)


def shown_command(arguments: argparse.Namespace) -> str:
    """The command that measures this again; the vectors' file by its last name."""
    words = ["python", "benchmarks/index.py", "--vectors", str(arguments.vectors)]
    words += ["--embedded", arguments.embedded.name] if arguments.embedded else []
    words += ["--only", *arguments.only] if arguments.only else []
    return shlex.join([*words, "--write"])


if __name__ == "__main__":
    main()
