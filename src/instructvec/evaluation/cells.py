"""One model on one task under one wording -> its figures, computed once and kept.

Knows what decides a figure (contracts, data, protocol, seed) and how it is stored; nothing of suites or reports. A
cell is one JSON file named after all that decides it, written whole or not at all, so that an interrupted
evaluation continues and an unchanged one repeats in seconds.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from instructvec.corpus.cache import CachedEncoder, contract_key, digest
from instructvec.corpus.files import writing
from instructvec.errors import ConfigError
from instructvec.evaluation.data import PromptRetrieval
from instructvec.evaluation.language_model import LanguageModel
from instructvec.evaluation.protocols.demonstrations import retrieve
from instructvec.evaluation.protocols.outcome import Outcome, bootstrap
from instructvec.evaluation.reader import prompt_retrieval_with_reader
from instructvec.evaluation.scoring import Plan, encode_part, instruction_of
from instructvec.evaluation.sources.load import Loaded
from instructvec.evaluation.suite import TaskSpec, Wording

PROTOCOL_VERSION = 1
"""Raised whenever a protocol's figures change; older cells are then computed anew."""

# What of a task decides its figures besides the data and the wording.
_DECISIVE = ("name", "kind", "samples_per_label", "n_experiments", "n_demonstrations")


@dataclass(frozen=True, slots=True)
class Cell:
    """A figure and what belongs to it.

    Attributes:
        score: the main metric, as a fraction.
        metrics: all metrics, fractions.
        details: see the protocol.
        n_units: how many independent units were scored.
        n_truncated: texts that were longer than the model reads, counted once a side.
        seconds: it took.
        replicates: of the score, by the bootstrap, ``None`` for a resample without a defined score; empty where
            none were asked for.
    """

    score: float
    metrics: dict[str, float]
    details: dict[str, Any]
    n_units: int
    n_truncated: int
    seconds: float
    replicates: list[float | None] = field(default_factory=list)

    def replicate_array(self) -> NDArray[np.float64]:
        """(n,) float64 replicates, NaN where undefined."""
        return np.array(self.replicates, np.float64)


@dataclass(frozen=True, slots=True)
class Resampling:
    """The bootstrap's options: how many resamples, 0 for none, and under which seed."""

    n_resamples: int = 1000
    seed: int = 42

    def __post_init__(self) -> None:
        if self.n_resamples < 0:
            raise ConfigError(f"resamples is {self.n_resamples}; expected 0 (no intervals) or more")


class Ready(NamedTuple):
    """A task with its data, and how it is measured on them."""

    task: TaskSpec
    loaded: Loaded
    plan: Plan


class Cells:
    """Computes cells, or finds those there.

    Args:
        folder: where they are kept.
        fresh: compute them even if they are there.
    """

    def __init__(self, folder: Path, *, fresh: bool = False) -> None:
        self._folder = folder
        self._fresh = fresh

    def scored(
        self, encoder: CachedEncoder, ready: Ready, wording: Wording, resampling: Resampling | None
    ) -> Cell:
        """A model's figures on a task.

        Args:
            encoder: the model.
            ready: the task.
            wording: under which instructions.
            resampling: ``None`` for no replicates.

        Raises:
            InputError, EngineError: the vectors cannot be made or scored.
        """
        embedding = _Embedding(encoder, ready, wording)
        decisive = embedding.decisive() | {"resampling": None if resampling is None else asdict(resampling)}
        return self._kept(decisive, ready, embedding, resampling, ready.plan.score)

    def read(
        self,
        encoder: CachedEncoder,
        ready: Ready,
        wording: Wording,
        resampling: Resampling,
        reader: LanguageModel,
        name: str,
    ) -> Cell:
        """The figures of a language model that is shown the examples that a model picks.

        Args:
            encoder: picks the examples.
            ready: a prompt-retrieval task.
            wording: under which instructions.
            resampling: also has the seed of the inputs that are asked.
            reader: answers.
            name: the reader's; a changed reader under the same name is only noticed with ``fresh``.

        Raises:
            InputError, EngineError: vectors that cannot be ordered, or a prompt that does not fit.
        """
        data = ready.loaded.data
        assert isinstance(data, PromptRetrieval)

        def answer(vectors: Mapping[str, NDArray[np.float32]]) -> Outcome:
            order = retrieve(vectors["inputs"], vectors["pool"])
            return prompt_retrieval_with_reader(
                data, order, reader, budget_tokens=ready.task.budget_tokens, seed=resampling.seed
            )

        embedding = _Embedding(encoder, ready, wording)
        decisive = embedding.decisive() | {
            "reader": name,
            "budget_tokens": ready.task.budget_tokens,
            "resampling": asdict(resampling),
        }
        return self._kept(decisive, ready, embedding, resampling, answer)

    def _kept(
        self,
        decisive: dict[str, Any],
        ready: Ready,
        embedding: _Embedding,
        resampling: Resampling | None,
        score: Callable[[Mapping[str, NDArray[np.float32]]], Outcome],
    ) -> Cell:
        path = self._folder / f"{digest(decisive)}.json"
        if not self._fresh and (known := _read(path)) is not None:
            embedding.skip()
            return known
        began = time.monotonic()
        outcome = score(embedding.vectors())
        replicates: list[float] = []
        if resampling is not None and resampling.n_resamples:
            found = bootstrap(
                outcome,
                n_resamples=resampling.n_resamples,
                seed=resampling.seed,
                name=f"{ready.task.name}/{ready.loaded.digest}",
            )
            replicates = [round(float(one), 8) for one in found]
        made = Cell(
            score=float(outcome.score),
            metrics={name: float(value) for name, value in outcome.metrics.items() if math.isfinite(value)},
            details=outcome.details,
            n_units=outcome.n_units,
            n_truncated=embedding.n_truncated,
            seconds=round(time.monotonic() - began, 3),
            replicates=[None if math.isnan(one) else one for one in replicates],
        )
        _write(path, made)
        return made


class _Embedding:
    """The vectors of a task's texts under a wording.

    Attributes:
        n_truncated: of the texts encoded so far, those that were cut.
    """

    def __init__(self, encoder: CachedEncoder, ready: Ready, wording: Wording) -> None:
        self.n_truncated = 0
        self._encoder = encoder
        self._ready = ready
        self._wording = wording

    def vectors(self) -> dict[str, NDArray[np.float32]]:
        parts = self._ready.plan.parts
        return {
            name: encode_part(self._ready.task, self._wording, part, self._embed) for name, part in parts.items()
        }

    def skip(self) -> None:
        """Tell that these texts need no encoding."""
        for part in self._ready.plan.parts.values():
            self._encoder.skip(part.texts)

    def decisive(self) -> dict[str, Any]:
        """What decides any figure that is made from the vectors."""
        task, wording = self._ready.task, self._wording
        # Left out for the whole data, so that figures from before there were halves are found again.
        half = {} if self._ready.loaded.half == "all" else {"half": self._ready.loaded.half}
        return half | {
            "protocol": PROTOCOL_VERSION,
            "contract": contract_key(self._encoder.contract(None)),
            "task": {name: getattr(task, name) for name in _DECISIVE} | {"metric": task.main_metric},
            "data": self._ready.loaded.digest,
            "instructions": {
                name: part.own
                if part.own and wording.label != "none"
                else instruction_of(task, wording, part.side)
                for name, part in self._ready.plan.parts.items()
            },
        }

    def _embed(self, texts: Sequence[str], instruction: str | None) -> NDArray[np.float32]:
        found = self._encoder.encode(texts, instruction)
        self.n_truncated += int(found.truncated.sum())
        return found.vectors


def _write(path: Path, made: Cell) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with writing(path) as file:
        file.write(json.dumps(asdict(made), ensure_ascii=False, allow_nan=False).encode("utf-8"))


def _read(path: Path) -> Cell | None:
    """The cell in a file; a damaged one counts as not there."""
    try:
        return Cell(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
