"""A folder -> one training run: what lies where in it, whose it is, and what came of it.

    OUT/
    ├── recipe.toml       the recipe with all its values
    ├── log.jsonl         a line a step, and a line for each scoring
    ├── checkpoints/      step-00000200/ …, and best/
    ├── tensorboard/      curves
    ├── teacher/          a teacher's vectors
    ├── model/            the result
    └── finished.json     written last

Knows names, recipes' digests and locks; nothing of how training goes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from instructvec.corpus.files import explained, writing
from instructvec.errors import FileError, OutputExists
from instructvec.training.recipe import Recipe, read_recipe


class Scored(NamedTuple):
    """What weights scored.

    Attributes:
        step: steps that they had; 0 for what training started from.
        values: name -> score.
    """

    step: int
    values: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Trained:
    """What a call of ``train`` came to.

    Attributes:
        model: the result's directory; ``None`` before the last step.
        steps: done, in all calls together.
        finished: whether these are all.
        losses: mean of the first steps and of the last ones, a quarter of all and up to 50 each; ``None`` before
            the first.
        seconds: that all steps took.
        scores: during training, the oldest first.
        counts: what happened, by name.
    """

    model: Path | None
    steps: int
    finished: bool
    losses: tuple[float, float] | None
    seconds: float
    scores: tuple[Scored, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)


class RunFolder:
    """The folder of one run.

    Args:
        path: it; made where it is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe = path / "recipe.toml"
        self.log = path / "log.jsonl"
        self.checkpoints = path / "checkpoints"
        self.best = self.checkpoints / "best"
        self.teacher = path / "teacher"
        self.model = path / "model"
        self._finished = path / "finished.json"

    def check(self, recipe: Recipe) -> None:
        """Refuse a folder of another run.

        Raises:
            OutputExists: names the options that differ.
        """
        if not self.recipe.exists():
            taken = [one.name for one in (self.log, self.checkpoints, self.model, self._finished) if one.exists()]
            if taken:
                raise OutputExists(
                    f"{self.path}: there is {taken[0]} in it and no recipe.toml, so it is no training run of this "
                    "package; give another folder"
                )
            return
        differences = recipe.differences(read_recipe(self.recipe))
        if differences:
            raise OutputExists(
                f"{self.path}: a run by another recipe is in it: {'; '.join(differences[:5])}"
                f"{f'; and {len(differences) - 5} more' if len(differences) > 5 else ''}. "
                "Give another folder, or the recipe that it was begun with (its recipe.toml)"
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Held by one process at a time, where the system has advisory locks.

        Raises:
            OutputExists: another one trains here.
        """
        with explained(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        try:
            import fcntl
        except ImportError:
            yield
            return
        with (self.path / ".lock").open("wb") as lock:
            try:
                fcntl.flock(lock.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                raise OutputExists(f"{self.path}: another process trains here; wait for it, or stop it") from None
            yield

    def begin(self, recipe: Recipe) -> None:
        """Write down whose folder it is.

        Raises:
            OutputError: it cannot be written.
        """
        if not self.recipe.exists():
            with writing(self.recipe) as file:
                file.write(recipe.to_toml().encode())

    def finish(self, trained: Trained) -> None:
        """Write down what came of it; the run is finished then.

        Raises:
            OutputError: it cannot be written.
        """
        content = asdict(trained) | {
            "model": self.model.name,
            "scores": [{"step": one.step, "values": dict(one.values)} for one in trained.scores],
        }
        with writing(self._finished) as file:
            file.write(json.dumps(content, indent=2, ensure_ascii=False).encode() + b"\n")

    def finished(self) -> Trained | None:
        """What came of it; ``None`` where it is not finished.

        Raises:
            FileError: it is damaged.
        """
        if not self._finished.exists() or not self.model.is_dir():
            return None
        try:
            content = json.loads(self._finished.read_text("utf-8"))
            return Trained(
                model=self.model,
                steps=content["steps"],
                finished=True,
                losses=tuple(content["losses"]) if content["losses"] else None,
                seconds=content["seconds"],
                scores=tuple(Scored(one["step"], one["values"]) for one in content["scores"]),
                counts=content["counts"],
            )
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FileError(
                f"{self._finished}: damaged ({error!r:.80}); remove it, and the result is made again from "
                "the last checkpoint"
            ) from None
