"""Turns JSON lines on stdin into calls of one peer, and its answers into JSON lines on stdout.

Knows no library under test: a peer is an object with ``load(model, **options)`` and
``encode(texts, batch_size)`` giving an array. Standard library only, so that what a fresh process
needs (start, memory) is the peer's own. One request, one answer:

    {"op": "load", "model": FOLDER, "options": {...}}        -> {"seconds": float}
    {"op": "texts", "path": FILE}                            -> {"n": int}       FILE: a JSON list
    {"op": "encode", "n": int, "batch_size": int | null, "save": FILE | null} -> {"seconds": float}
    {"op": "latency", "n": int}                              -> {"seconds": [float, ...]}  a text a call
    {"op": "stream", "n": int}                               -> {"seconds": float, "rss_mb": [...]}
    {"op": "memory"}                                         -> {"peak_mb": float, "now_mb": float}
"""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from typing import Any, Protocol


class Peer(Protocol):
    def load(self, model: str | None, **options: Any) -> None: ...

    def encode(self, texts: list[Any], batch_size: int | None) -> Any: ...


def rss_mb() -> float:
    """Resident memory now, in MB of 10^6 bytes."""
    with open("/proc/self/statm") as statm:  # noqa: PTH123 - pathlib would be loaded for this alone
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def peak_mb() -> float:
    """Largest resident memory of this process so far, in MB of 10^6 bytes (Linux counts in KiB)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def stream(peer: Peer, n: int) -> dict[str, Any]:
    """Embed ``n`` short texts through the peer's ``stream`` and look at the memory twenty times on the way."""
    import random

    rng = random.Random(20)
    letters = "etaoinshrdlu"

    def word() -> str:
        return "".join(rng.choices(letters, k=rng.randint(2, 7)))

    words = [word() for _ in range(2000)]
    texts = (" ".join(rng.choices(words, k=rng.randint(2, 4))) for _ in range(n))
    marks: list[float] = []
    began = time.perf_counter()
    done = 0
    for done, _ in enumerate(peer.stream(texts), 1):  # type: ignore[attr-defined]
        if done % max(1, n // 20) == 0:
            marks.append(rss_mb())
    if done != n:
        raise RuntimeError(f"{n} texts went in, {done} vectors came out")
    return {"seconds": time.perf_counter() - began, "rss_mb": marks, "peak_mb": peak_mb()}


def answer(peer: Peer, texts: list[Any], request: dict[str, Any]) -> dict[str, Any]:
    operation = request["op"]
    began = time.perf_counter()
    if operation == "load":
        peer.load(request["model"], **request["options"])
        return {"seconds": time.perf_counter() - began}
    if operation == "texts":
        with open(request["path"], encoding="utf-8") as file:  # noqa: PTH123
            texts[:] = json.load(file)
        return {"n": len(texts)}
    if operation == "encode":
        part = texts[: request["n"]]
        began = time.perf_counter()
        vectors = peer.encode(part, request.get("batch_size"))
        seconds = time.perf_counter() - began
        if request.get("save"):
            import numpy as np

            np.save(request["save"], np.asarray(vectors, dtype=np.float32))
        return {"seconds": seconds}
    if operation == "latency":
        seconds_each = []
        for text in texts[: request["n"]]:
            began = time.perf_counter()
            peer.encode([text], None)
            seconds_each.append(time.perf_counter() - began)
        return {"seconds": seconds_each}
    if operation == "stream":
        return stream(peer, request["n"])
    if operation == "memory":
        return {"peak_mb": peak_mb(), "now_mb": rss_mb()}
    raise ValueError(f"unknown op {operation!r}")


def serve(peer: Peer) -> None:
    """Answer until stdin ends; whatever libraries print goes to stderr."""
    out = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.dup2(2, 1)
    texts: list[Any] = []
    for line in sys.stdin:
        try:
            reply = answer(peer, texts, json.loads(line))
        except Exception as error:  # reported to the parent, which decides
            import traceback

            traceback.print_exc()
            reply = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(reply) + "\n")
