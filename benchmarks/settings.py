"""What one run is asked for: sizes, rounds and the files it may read.

Knows nothing of how anything is measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import texts


@dataclass(frozen=True, slots=True)
class Settings:
    """Sizes of one run.

    Attributes:
        minilm: checkpoint directory in place of the downloaded MiniLM; None for that.
        sts: gzipped JSON lines of {"a", "b", "score", "split"}; None leaves the STS change out.
        peers: names of the peers to run; empty for all.
        n_texts: texts a throughput run embeds.
        n_sweep: texts in the search for each peer's best batch size.
        n_t5: pairs the T5-base peers embed.
        rounds: times every peer takes its turn.
        n_queries: calls a round in the latency part.
        n_starts: process starts a peer in the cold-start part.
        n_imports: alternations in the import part.
        n_memory: texts embedded where the peak of memory is read.
        n_memory_peers: the same for the other peers, whose peak only grows with more.
        n_stream: short texts streamed.
        n_deviation: texts on which the precisions are compared.
        n_sts: pairs of the STS test split, at most.
        seed: of every drawing.
    """

    minilm: Path | None = None
    sts: Path | None = None
    peers: tuple[str, ...] = ()
    n_texts: int = 500
    n_sweep: int = 128
    n_t5: int = 200
    rounds: int = 3
    n_queries: int = 60
    n_starts: int = 5
    n_imports: int = 25
    n_memory: int = 4000
    n_memory_peers: int = 1000
    n_stream: int = 100_000
    n_deviation: int = 400
    n_sts: int = 1500
    seed: int = texts.SEED

    def __post_init__(self) -> None:
        for name in ("n_texts", "n_sweep", "n_t5", "rounds", "n_queries", "n_starts", "n_stream"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for path in (self.minilm, self.sts):
            if path is not None and not path.exists():
                raise ValueError(f"{path} does not exist; give an existing path")


TINY = {
    "n_texts": 24, "n_sweep": 16, "n_t5": 8, "rounds": 2, "n_queries": 5, "n_starts": 1,
    "n_imports": 2, "n_memory": 64, "n_memory_peers": 32, "n_stream": 2000, "n_deviation": 24, "n_sts": 40,
}  # fmt: skip
"""Sizes that only show that everything runs."""
