"""Turns a peer into a running worker process that answers one request at a time.

Knows the protocol's client side only (``workers/protocol.py``); nothing of what is measured.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import environments
import models
from peers import Peer

WORKERS = Path(__file__).resolve().parent / "workers"


class WorkerError(RuntimeError):
    """A peer that could not load or compute; the message is its own."""


class Worker:
    """One peer's process; use it as a context manager."""

    def __init__(self, peer: Peer, minilm: Path | None) -> None:
        self.peer = peer
        self._folder = peer.folder(minilm)
        self._log = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        # No thread counts are set: every peer runs with its own defaults.
        command = [str(environments.python_of(peer.environment)), str(WORKERS / peer.worker)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            text=True, env=os.environ | models.OFFLINE,
        )  # fmt: skip

    def ask(self, op: str, **fields: Any) -> dict[str, Any]:
        assert self._process.stdin and self._process.stdout
        try:
            self._process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        reply = json.loads(line) if line else {"error": "the process ended"}
        if "error" in reply:
            raise WorkerError(f"{self.peer.name}: {op}: {reply['error']}\n{self.log()}")
        return reply

    def load(self) -> float:
        return float(self.ask("load", model=self._folder, options=self.peer.options)["seconds"])

    def encode(self, n: int, batch_size: int | None = None, save: Path | None = None) -> float:
        """Seconds to embed the first ``n`` of its texts."""
        # Spinning threads of the peer that ran before must have gone to sleep.
        time.sleep(0.2)
        return float(self.ask("encode", n=n, batch_size=batch_size, save=save and str(save))["seconds"])

    def log(self, limit: int = 1500) -> str:
        """The end of what the process wrote to stderr."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")[-limit:]

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()


@contextmanager
def workers(
    peers: list[Peer], minilm: Path | None, inputs: list[Any], skipped: dict[str, str]
) -> Iterator[dict[str, Worker]]:
    """Loaded, warmed-up workers that hold ``inputs``; those that fail are put into ``skipped``."""
    running: dict[str, Worker] = {}
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(inputs, file)
        file.flush()
        try:
            for peer in peers:
                worker = Worker(peer, minilm)
                running[peer.name] = worker
                try:
                    worker.load()
                    worker.ask("texts", path=file.name)
                    worker.encode(min(16, len(inputs)))
                except WorkerError as error:
                    skipped[peer.name] = str(error)
                    running.pop(peer.name).__exit__(None)
            yield running
        finally:
            for worker in running.values():
                worker.__exit__(None)
