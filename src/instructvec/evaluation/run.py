"""A suite and models -> every cell scored, with what failed named and the rest still run.

Knows the order of the work; nothing of how a cell is scored, compared or drawn. Tasks are run one after the other,
each under all models, so that whatever an interrupted run has is comparable; the data of local suites is read
before anything is encoded, so that a broken file shows at once and the time left is known.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

from instructvec.corpus.cache import CachedEncoder
from instructvec.errors import ConfigError, InstructvecError
from instructvec.evaluation.cells import Cell, Cells, Ready, Resampling
from instructvec.evaluation.data import Following
from instructvec.evaluation.language_model import Reader
from instructvec.evaluation.protocols.following import sensitivity
from instructvec.evaluation.scoring import plan
from instructvec.evaluation.sources.load import load
from instructvec.evaluation.suite import KINDS, Suite, TaskSpec, Wording
from instructvec.types import HALVES, Encoder, Half

Wordings = Literal["first", "paraphrases", "all"]
WITHOUT_INSTRUCTIONS = "@none"
NONE = Wording("none", None, None)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluateConfig:
    """What to evaluate, and how.

    Attributes:
        suite: the tasks.
        models: directories, hub ids or ``"bundled"``; ``"…@none"`` is run without instructions.
        out: folder for results, report, and what is kept to continue from.
        data: folder of the suite's local data; ``None``: where the suite's file is.
        cache: folder of embeddings and cells, which evaluations may share; ``None``: ``out/cache``.
        tasks: names to run; empty for all.
        kinds: kinds to run; empty for all.
        half: the scored units of which half of each task: choices are made on ``"development"`` and reported on
            ``"test"``; ``"all"`` for both.
        limit: scored units a task at most; ``None`` for all.
        wordings: ``"first"``: the main one; ``"paraphrases"``: and its paraphrases; ``"all"``: and none, tag,
            simple, placebo and wrong.
        reword: whether paraphrases reword only queries, documents staying as in an index that was built once, or
            both sides (retrieval and reranking; other kinds always both).
        resampling: the bootstrap's options.
        reader: a causal language model that answers prompt-retrieval tasks; ``None`` for the reader-free figures
            only.
        fresh: compute every cell anew (embeddings are still reused).

    Raises:
        ConfigError: no models, a model twice, an unknown task, kind or half, or a number out of its range.
    """

    suite: Suite
    models: tuple[str, ...]
    out: Path
    data: Path | None = None
    cache: Path | None = None
    tasks: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    half: Half = "all"
    limit: int | None = None
    wordings: Wordings = "paraphrases"
    reword: Literal["query", "both"] = "query"
    resampling: Resampling = field(default_factory=Resampling)
    reader: str | None = None
    fresh: bool = False

    def __post_init__(self) -> None:
        if not self.models:
            raise ConfigError("no models to evaluate; name at least one, such as bundled")
        if len(set(self.models)) < len(self.models):
            twice = next(name for name in self.models if self.models.count(name) > 1)
            raise ConfigError(f"the model {twice!r} is named twice; name each once")
        known = {task.name for task in self.suite.tasks}
        for name in self.tasks:
            if name not in known:
                raise ConfigError(f"task is {name!r}; the suite {self.suite.name} has {', '.join(sorted(known))}")
        for kind in self.kinds:
            if kind not in KINDS:
                raise ConfigError(f"kind is {kind!r}; there are {', '.join(KINDS)}")
        if not self.selected:
            raise ConfigError(f"the suite {self.suite.name} has no task of the kinds and names asked for")
        if self.half not in HALVES:
            raise ConfigError(f"half is {self.half!r}; expected one of {', '.join(HALVES)}")
        if self.limit is not None and self.limit < 2:
            raise ConfigError(f"limit is {self.limit}; expected 2 or more")

    @property
    def selected(self) -> list[TaskSpec]:
        """The tasks to run."""
        return [
            task
            for task in self.suite.tasks
            if (not self.tasks or task.name in self.tasks) and (not self.kinds or task.kind in self.kinds)
        ]

    @property
    def kept(self) -> Path:
        """Where embeddings and cells are."""
        return self.cache or self.out / "cache"


class ModelFacts(NamedTuple):
    """What a model is, for the report."""

    name: str
    fingerprint: str
    dimension: int
    max_seq_length: int | None
    backend: str
    dtype: str
    instructed: bool


@dataclass(slots=True)
class TaskRun:
    """A model's cells on a task.

    Attributes:
        cells: by wording label; the first is the main one.
        wordings: the wordings by label.
        texts: of a following task, with their labels.
        sensitivity: of a following task, where paraphrases were run.
        reading: of a prompt-retrieval task, where there is a reader.
    """

    task: TaskSpec
    wordings: dict[str, Wording] = field(default_factory=dict)
    cells: dict[str, Cell] = field(default_factory=dict)
    texts: Following | None = None
    sensitivity: dict[str, float] | None = None
    reading: Cell | None = None

    @property
    def main(self) -> Cell:
        """Under the main wording."""
        return next(iter(self.cells.values()))


class Failure(NamedTuple):
    """Something that could not be run; ``model`` is empty where no model was concerned."""

    model: str
    task: str
    message: str


@dataclass(slots=True)
class Evaluation:
    """All that was found.

    Attributes:
        runs: model -> task -> cells.
        complete: whether everything was run to its end, failures included.
        notes: what a reader must know, such as rows that a task leaves out.
    """

    config: EvaluateConfig
    models: list[ModelFacts] = field(default_factory=list)
    runs: dict[str, dict[str, TaskRun]] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    complete: bool = False


class Progress(Protocol):
    """Who is told how far the work is, in characters of text: texts differ much in length."""

    def start(self, total: int) -> None:
        """This much is to be done, as far as is known."""

    def add(self, n_chars: int, *, known: bool) -> None:
        """This much was encoded, or was there already."""

    def grow(self, n_chars: int) -> None:
        """This much more than was known at the start."""

    def say(self, what: str) -> None:
        """What is worked on."""


def evaluate(
    config: EvaluateConfig, open_encoder: Callable[[str], Encoder], progress: Progress, evaluation: Evaluation
) -> None:
    """Run everything; what is found is added to ``evaluation`` as it is found, so that an interruption keeps it.

    Args:
        config: what to run.
        open_encoder: a model's name, without ``@none`` -> the model.
        progress: who is told.
        evaluation: takes the results; new.

    Raises:
        CheckpointError: a model cannot be opened; before anything is run.
    """
    encoders = {name: open_encoder(bare_name(name)) for name in config.models}
    evaluation.models += [_facts(name, encoder) for name, encoder in encoders.items()]
    evaluation.runs |= {name: {} for name in encoders}
    reader = _reader(config, evaluation)
    # Hub datasets may be large: they are loaded when it is their turn, and given up after it.
    local = {task.name: _prepare(config, evaluation, task) for task in config.selected if task.folder}
    progress.start(sum(_n_chars(config, ready) for ready in local.values() if ready is not None))
    for task in config.selected:
        progress.say(task.name)
        ready = local.pop(task.name) if task.folder else _prepare(config, evaluation, task)
        if ready is None:
            continue
        if task.hub:
            progress.grow(_n_chars(config, ready))
        for name, encoder in encoders.items():
            progress.say(f"{task.name}: {_short(name)}")
            _run_task(config, evaluation, name, encoder, ready, reader, progress)
    evaluation.complete = True


def wordings_of(config: EvaluateConfig, task: TaskSpec, model: str) -> list[Wording]:
    """The wordings a model runs a task under, the main one first."""
    if is_uninstructed(model):
        return [NONE]
    if task.kind == "following":
        n_paraphrases = len(next(iter(task.goals.values())).paraphrases)
        labels = ["instruction", *(f"paraphrase {at}" for at in range(1, n_paraphrases + 1))]
        found = [Wording(label, None, None) for label in labels]
    elif task.kind == "instruction_retrieval":
        found = [Wording("instruction", None, task.document_instruction)]
    else:
        found = list(task.paraphrase_wordings(both_sides=config.reword == "both"))
    if config.wordings == "first":
        return found[:1]
    if config.wordings == "all":
        if task.kind in ("following", "instruction_retrieval"):
            found.append(NONE)
        else:
            found += task.ablation_wordings(config.suite.placebo, both_sides=config.reword == "both")
    return found


def is_uninstructed(model: str) -> bool:
    """Whether a model is to be run without instructions."""
    return model.endswith(WITHOUT_INSTRUCTIONS)


def bare_name(model: str) -> str:
    """A model's name as it is opened."""
    return model.removesuffix(WITHOUT_INSTRUCTIONS)


def _short(model: str) -> str:
    return model.rstrip("/").rsplit("/", 1)[-1]


def _facts(name: str, encoder: Encoder) -> ModelFacts:
    contract = encoder.contract(None)
    return ModelFacts(
        name=name,
        fingerprint=contract.fingerprint,
        dimension=contract.dimension,
        max_seq_length=contract.max_seq_length,
        backend=str(getattr(encoder, "backend", "")),
        dtype=contract.computed_in,
        instructed=not is_uninstructed(name),
    )


def _prepare(config: EvaluateConfig, evaluation: Evaluation, task: TaskSpec) -> Ready | None:
    """A task's data and plan; ``None``, and a failure noted, where they cannot be had."""
    try:
        loaded = load(
            task,
            data_folder=config.data,
            suite_folder=config.suite.path.parent,
            half=config.half,
            limit=config.limit,
            seed=config.resampling.seed,
        )
        ready = Ready(task, loaded, plan(task, loaded.data))
    except InstructvecError as error:
        evaluation.failures.append(Failure("", task.name, str(error)))
        return None
    evaluation.notes += [f"{task.name}: {note}" for note in loaded.notes]
    return ready


def _n_chars(config: EvaluateConfig, ready: Ready) -> int:
    return ready.plan.n_chars * sum(len(wordings_of(config, ready.task, model)) for model in config.models)


def _reader(config: EvaluateConfig, evaluation: Evaluation) -> Reader | None:
    """The reader that was asked for; ``None``, and a failure noted, where it cannot be had."""
    if config.reader is None or not any(task.kind == "prompt_retrieval" for task in config.selected):
        return None
    try:
        return Reader(config.reader)
    except InstructvecError as error:
        evaluation.failures.append(Failure("", f"reader {config.reader}", str(error)))
        return None


def _run_task(
    config: EvaluateConfig,
    evaluation: Evaluation,
    model: str,
    encoder: Encoder,
    ready: Ready,
    reader: Reader | None,
    progress: Progress,
) -> None:
    task, loaded, _ = ready
    cells = Cells(config.kept / "cells", fresh=config.fresh)
    cached = CachedEncoder(
        encoder,
        config.kept / "embeddings",
        # A checkpoint's default prompt would otherwise stand in where no instruction is given.
        without="" if getattr(encoder, "default_prompt_name", None) else None,
        on_texts=lambda texts, known: progress.add(sum(map(len, texts)), known=known),
    )
    run = TaskRun(task, texts=loaded.data if isinstance(loaded.data, Following) else None)
    try:
        for wording in wordings_of(config, task, model):
            resampling = None if run.cells else config.resampling
            run.cells[wording.label] = cells.scored(cached, ready, wording, resampling)
            run.wordings[wording.label] = wording
            evaluation.runs[model][task.name] = run
        if run.texts is not None and "paraphrase 1" in run.cells:
            run.sensitivity = _sensitivity(cached, task, run.texts)
        if reader is not None and task.kind == "prompt_retrieval":
            main = next(iter(run.wordings.values()))
            run.reading = cells.read(cached, ready, main, config.resampling, reader, reader.name)
    except InstructvecError as error:
        evaluation.failures.append(Failure(model, task.name, str(error)))
    except Exception as error:  # a fault in one task must not cost the hours that the others take
        told = "out of memory" if isinstance(error, MemoryError) else f"{type(error).__name__}: {error}"
        evaluation.failures.append(Failure(model, task.name, f"{told} (unexpected; please report it)"))


def _sensitivity(encoder: CachedEncoder, task: TaskSpec, data: Following) -> dict[str, float]:
    return sensitivity(
        {
            name: [encoder.encode(data.texts, said).vectors for said in (goal.instruction, *goal.paraphrases)]
            for name, goal in task.goals.items()
        }
    )
