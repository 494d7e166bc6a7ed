"""Turns peers into numbers: one function a part, settings in, plain data for the results file out.

Knows no library under test and no prose; peers that cannot run are listed with the reason. Only one
worker computes at any moment, and workers take turns (A B C A B C ...), so that what the machine
does meanwhile falls on all of them.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import environments
import peers as table
import pool
import texts
from peers import Peer
from settings import Settings

INSTRUCTIONS = (
    "Represent the Wikipedia document for retrieval: ",
    "Represent the medicine sentence for clustering: ",
    "Represent the question for retrieving supporting documents: ",
)
Result = dict[str, Any]


def log(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def select(settings: Settings, candidates: tuple[Peer, ...], skipped: dict[str, str]) -> list[Peer]:
    """The peers that are asked for and can run; reasons for the others go into ``skipped``."""
    chosen = []
    for peer in candidates:
        if settings.peers and peer.name not in settings.peers:
            continue
        reason = peer.missing(settings.minilm)
        if reason:
            skipped[peer.name] = reason
        else:
            chosen.append(peer)
    return chosen


def named(names: tuple[str, ...]) -> tuple[Peer, ...]:
    return tuple(table.ALL[name] for name in names)


def best_batch(worker: pool.Worker, n: int) -> int | None:
    """The fastest of the peer's batch sizes on ``n`` texts: from 16, downhill both ways."""
    sizes = worker.peer.batch_sizes
    if not sizes:
        return None
    seconds: dict[int, float] = {}

    def measure(size: int) -> float:
        if size not in seconds:
            seconds[size] = worker.encode(n, size)
        return seconds[size]

    start = sizes.index(16)
    for step in (-1, 1):
        place = start
        while 0 <= place + step < len(sizes) and measure(sizes[place + step]) < measure(sizes[place]):
            place += step
    return min(seconds, key=seconds.__getitem__)


def _throughput(settings: Settings, candidates: tuple[Peer, ...], inputs: list[Any], n_sweep: int) -> Result:
    skipped: dict[str, str] = {}
    chosen = select(settings, candidates, skipped)
    with pool.workers(chosen, settings.minilm, inputs, skipped) as running:
        best: dict[str, int | None] = {}
        for name, worker in running.items():
            best[name] = best_batch(worker, min(n_sweep, len(inputs)))
            log(f"  {name}: best batch {best[name] or 'its own choice'}")
        seconds: dict[str, dict[str, list[float]]] = {n: {"default": [], "best": []} for n in running}
        for turn in range(settings.rounds):
            for name, worker in running.items():
                default = worker.encode(len(inputs))
                seconds[name]["default"].append(default)
                size = best[name]
                same = size is None or size == worker.peer.default_batch
                seconds[name]["best"].append(default if same else worker.encode(len(inputs), size))
                log(f"  round {turn + 1}, {name}: {len(inputs) / default:.1f} texts/s")
    for name, turns in seconds.items():
        if statistics.median(turns["best"]) > statistics.median(turns["default"]):
            # The search, on fewer texts, chose wrongly: the peer's best is its default.
            turns["best"], best[name] = turns["default"], table.ALL[name].default_batch
    rows = {
        name: {"seconds": seconds[name], "best_batch": best[name], "default_batch": table.ALL[name].default_batch}
        for name in seconds
    }
    return {"n_texts": len(inputs), "peers": rows, "skipped": skipped}


def throughput(settings: Settings) -> Result:
    """Texts a second on the mix, each peer at its default batch size and at its best."""
    inputs = texts.load(settings.n_texts, seed=settings.seed)
    return _throughput(settings, table.MINILM, inputs, settings.n_sweep)


def t5(settings: Settings) -> Result:
    """[instruction, text] pairs a second through a T5-base encoder in INSTRUCTOR's layout."""
    drawn = texts.load(settings.n_t5, seed=settings.seed)
    pairs = [[INSTRUCTIONS[i % len(INSTRUCTIONS)], text] for i, text in enumerate(drawn)]
    result = _throughput(settings, table.T5, pairs, max(1, settings.n_t5 // 5))
    result["deviation"] = _deviation(settings, table.T5, pairs[:60], "instructor", None)
    return result


def latency(settings: Settings) -> Result:
    """Milliseconds of single calls with one short query each."""
    queries = [text for text in texts.load(seed=settings.seed) if len(text.split()) <= 12]
    skipped: dict[str, str] = {}
    milliseconds: dict[str, list[float]] = {}
    chosen = select(settings, table.MINILM, skipped)
    with pool.workers(chosen, settings.minilm, queries, skipped) as running:
        for _ in range(settings.rounds):
            for name, worker in running.items():
                time.sleep(0.2)
                seconds = worker.ask("latency", n=settings.n_queries)["seconds"]
                milliseconds.setdefault(name, []).extend(1000 * s for s in seconds)
    rows = {name: {"p50": _at(ms, 0.5), "p95": _at(ms, 0.95), "n": len(ms)} for name, ms in milliseconds.items()}
    return {"peers": rows, "skipped": skipped, "unit": "ms"}


def _at(values: list[float], quantile: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(quantile * len(ordered)))]


def start(settings: Settings) -> Result:
    """Seconds from starting a process to its first vector, and of bare imports."""
    skipped: dict[str, str] = {}
    seconds: dict[str, list[float]] = {}
    names = ("ours-bundled", "ours-fp32", "st-torch-fp32", "st-onnx-int8", "fastembed")
    chosen = select(settings, named(names), skipped)
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(["How are you?"]))
        file.flush()
        for turn in range(settings.n_starts + 1):  # the first fills the file cache and is not counted
            for peer in [p for p in chosen if p.name not in skipped]:
                began = time.perf_counter()
                with pool.Worker(peer, settings.minilm) as worker:
                    try:
                        worker.load()
                        worker.ask("texts", path=file.name)
                        worker.ask("encode", n=1)
                    except pool.WorkerError as error:
                        skipped[peer.name] = str(error)
                        continue
                    took = time.perf_counter() - began
                if turn:
                    seconds.setdefault(peer.name, []).append(took)
    return {"peers": seconds, "skipped": skipped, "imports": _imports(settings, skipped)}


def _imports(settings: Settings, skipped: dict[str, str]) -> dict[str, list[float]]:
    """Milliseconds of whole processes that only import, by turns."""
    if not environments.is_complete("ours"):
        skipped["imports"] = "the environment 'ours' is not built"
        return {}
    python = str(environments.python_of("ours"))
    statements = ("import numpy", "import instructvec", "from instructvec import Embedder")
    milliseconds: dict[str, list[float]] = {statement: [] for statement in statements}
    for turn in range(settings.n_imports + 1):  # the first fills the file cache and is not counted
        for statement, values in milliseconds.items():
            began = time.perf_counter()
            subprocess.run([python, "-c", statement], check=True)
            if turn:
                values.append(1000 * (time.perf_counter() - began))
    return milliseconds


def memory(settings: Settings) -> Result:
    """Peak resident memory of a fresh process that loads and embeds the whole mix."""
    skipped: dict[str, str] = {}
    inputs = texts.load(settings.n_memory, seed=settings.seed)
    rows: dict[str, Result] = {}
    names = ("ours-bundled", "ours-fp32", "ours-int8", "st-torch-fp32", "st-onnx-int8", "fastembed")
    for peer in select(settings, named(names), skipped):
        with (
            tempfile.NamedTemporaryFile("w", suffix=".json") as file,
            pool.Worker(peer, settings.minilm) as worker,
        ):
            json.dump(inputs, file)
            file.flush()
            try:
                worker.load()
                worker.ask("texts", path=file.name)
                n = len(inputs) if peer.ours else min(settings.n_memory_peers, len(inputs))
                worker.encode(n)
                rows[peer.name] = {"n_texts": n, **worker.ask("memory")}
            except pool.WorkerError as error:
                skipped[peer.name] = str(error)
            else:
                log(f"  {peer.name}: {rows[peer.name]['peak_mb']:.0f} MB")
    return {"n_texts": len(inputs), "peers": rows, "skipped": skipped}


def stream(settings: Settings) -> Result:
    """Growth of memory while short texts stream through ``encode_stream``."""
    skipped: dict[str, str] = {}
    rows: dict[str, Result] = {}
    for peer in select(settings, named(("ours-bundled",)), skipped):
        with pool.Worker(peer, settings.minilm) as worker:
            try:
                worker.load()
                answer = worker.ask("stream", n=settings.n_stream)
            except pool.WorkerError as error:
                skipped[peer.name] = str(error)
                continue
        marks = answer["rss_mb"]
        rows[peer.name] = answer | {"growth_mb": max(marks) - marks[0]}
    return {"n_texts": settings.n_stream, "peers": rows, "skipped": skipped}


TOOLS = ("pip", "setuptools", "pkg_resources", "_distutils_hack", "distutils-precedence.pth")


def size(settings: Settings) -> Result:
    """MB of all files that an environment installs, pip and setuptools left out."""
    rows: dict[str, Result] = {}
    skipped: dict[str, str] = {}
    for name in environments.BY_NAME:
        if not environments.is_complete(name):
            skipped[name] = "not built"
            continue
        packages: dict[str, int] = {}
        bytecode = 0
        folder = environments.site_packages(name)
        for file in folder.rglob("*"):
            top = file.relative_to(folder).parts[0]
            if file.is_file() and not top.startswith(TOOLS):
                packages[top] = packages.get(top, 0) + file.stat().st_size
                bytecode += file.stat().st_size if file.suffix == ".pyc" else 0
        largest = sorted(packages.items(), key=lambda item: -item[1])[:6]
        rows[name] = {
            "mb": sum(packages.values()) / 1e6,
            "bytecode_mb": bytecode / 1e6,
            "largest_mb": {package: round(n / 1e6, 1) for package, n in largest},
        }
    return {"environments": rows, "skipped": skipped}


def deviation(settings: Settings) -> Result:
    """How far each precision is from torch float32, in vectors and on STS-B; the bundled one has other weights."""
    inputs: list[Any] = list(texts.load(settings.n_deviation, seed=settings.seed))
    wanted = tuple(peer for peer in table.MINILM if peer.name not in ("fastembed", "ours-bundled"))
    return _deviation(settings, wanted, inputs, "st-torch-fp32", settings.sts)


def _deviation(
    settings: Settings, candidates: tuple[Peer, ...], inputs: list[Any], reference: str, sts: Path | None
) -> Result:
    skipped: dict[str, str] = {}
    pairs, scores = _read_sts(sts, settings.n_sts)
    chosen = select(settings, candidates, skipped)
    everything = inputs + pairs
    with tempfile.TemporaryDirectory() as folder:
        with pool.workers(chosen, settings.minilm, everything, skipped) as running:
            for name, worker in running.items():
                worker.encode(len(everything), save=Path(folder) / f"{name}.npy")
        if not (Path(folder) / f"{reference}.npy").exists():
            return {"peers": {}, "skipped": skipped | {"comparison": f"{reference} did not run"}}
        task = {"folder": folder, "reference": reference, "n_texts": len(inputs), "scores": scores}
        command = [str(environments.python_of(table.ALL[reference].environment)), "compare.py", json.dumps(task)]
        out = subprocess.run(command, check=True, capture_output=True, text=True, cwd=pool.WORKERS).stdout
    return {
        "n_texts": len(inputs), "n_sts_pairs": len(scores), "reference": reference,
        "peers": json.loads(out), "skipped": skipped,
    }  # fmt: skip


def _read_sts(path: Path | None, n: int) -> tuple[list[str], list[float]]:
    """The first ``n`` of the test split's sentences (a, b, a, b, ...) and scores; empty without a file."""
    import gzip

    if path is None:
        return [], []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    rows = [row for row in rows if row.get("split", "test") == "test"][:n]
    return [text for row in rows for text in (row["a"], row["b"])], [float(row["score"]) for row in rows]


PARTS: dict[str, Callable[[Settings], Result]] = {
    "throughput": throughput, "t5": t5, "latency": latency, "start": start,
    "memory": memory, "stream": stream, "size": size, "deviation": deviation,
}  # fmt: skip


def spread(values: list[float]) -> dict[str, float]:
    """Median and extremes."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}
