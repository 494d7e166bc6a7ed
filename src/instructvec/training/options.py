"""What a recipe's tables say, as frozen values: model, data, batches, optimizer, and all else but the objective.

Knows options, their units and limits; nothing of TOML or of how any of them is carried out. What is chosen from a
mixture and how batches are drawn have their own options, which the tables ``[data]`` and ``[batches]`` widen.
Source: Su et al. 2023, appendix A, for the rate and warm-up of the optimizer; Hu et al. 2022 for LoRA's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Literal, TypeAlias, get_args

from instructvec.errors import ConfigError
from instructvec.training.choice import DataChoice, Weighting
from instructvec.training.detail import CONTRADICTING, DETAILS, Detail
from instructvec.training.sampling import SamplingOptions
from instructvec.types import HALVES, JOININGS, Half, Joining

Schedule: TypeAlias = Literal["linear", "cosine", "constant"]
"""What the learning rate does after its warm-up: falls to 0 evenly, falls to 0 along a cosine, or stays."""
SCHEDULES: tuple[Schedule, ...] = get_args(Schedule)

TrainingPrecision: TypeAlias = Literal["auto", "float32", "bfloat16", "float16"]
"""The number type of the passes; parameters are float32 always. ``auto``: bfloat16 where hardware has it."""
TRAINING_PRECISIONS: tuple[TrainingPrecision, ...] = get_args(TrainingPrecision)


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """What is trained.

    Attributes:
        start: the directory or hub id of the checkpoint that training starts from.
        revision: branch, tag or commit of a hub id.
        joining: the rule that makes instruction and text into tokens, in training and afterwards.
        max_seq_length: tokens a text may have, instruction included; ``None`` for the checkpoint's own.
        include_prompt: whether the instruction's tokens count in the pooling.
        dropout: share of every dropout there is; ``None`` for the checkpoint's own.
        freeze_embeddings: leave the embeddings as they are.
        freeze_layers: leave the first so many layers as they are.
        name: of the result, for its card.

    Example:
        >>> ModelOptions("sentence-transformers/gtr-t5-base").joining
        'prompt'
    """

    start: str
    revision: str | None = None
    joining: Joining = "prompt"
    max_seq_length: int | None = None
    include_prompt: bool = False
    dropout: float | None = None
    freeze_embeddings: bool = False
    freeze_layers: int = 0
    name: str | None = None

    def __post_init__(self) -> None:
        _filled(start=self.start)
        _one_of("joining", self.joining, JOININGS)
        _at_least(2, max_seq_length=self.max_seq_length)
        _share(dropout=self.dropout)
        _at_least(0, freeze_layers=self.freeze_layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataOptions(DataChoice):
    """What is trained on: the options of :class:`DataChoice`, and these.

    Attributes:
        mixture: path of a mixture, or of a file that ``open_mixture`` reads.
        weights: how often each dataset is drawn.
    """

    mixture: str
    weights: Weighting = field(default_factory=Weighting)

    def __post_init__(self) -> None:
        DataChoice.__post_init__(self)
        _filled(mixture=self.mixture)


@dataclass(frozen=True, slots=True)
class BatchOptions(SamplingOptions):
    """How batches are drawn and cut: the options of :class:`SamplingOptions`, and these.

    Attributes:
        max_batch_tokens: padded tokens of one pass of the encoder at most; a longer text stands alone. ``None``:
            by the device, 2,048 on a CPU, where short passes with little padding are faster, and 16,384 on a GPU.
        max_batch_rows: texts of one pass at most; ``None`` for no limit.
        max_seq_length: tokens at which texts are cut in training; ``None`` for the model's own limit, which the
            result keeps in any case.
        instructions: how much of its instruction each text has before it: all, ``"simple"`` (a sentence without
            domain), ``"tag"`` (the dataset's name) or ``"none"``; less than all is for comparison.
    """

    max_batch_tokens: int | None = None
    max_batch_rows: int | None = None
    max_seq_length: int | None = None
    instructions: Detail = "as_written"

    def __post_init__(self) -> None:
        SamplingOptions.__post_init__(self)
        _at_least(1, max_batch_tokens=self.max_batch_tokens, max_batch_rows=self.max_batch_rows)
        _at_least(2, max_seq_length=self.max_seq_length)
        _one_of("instructions", self.instructions, DETAILS)

    @property
    def sampling(self) -> SamplingOptions:
        """What the sampler takes."""
        return SamplingOptions(
            batch_size=self.batch_size,
            datasets_per_batch=self.datasets_per_batch,
            contrast_share=self.contrast_share,
            least_rows=self.least_rows,
            small=self.small,
            seed=self.seed,
        )


@dataclass(frozen=True, slots=True)
class TeacherOptions:
    """Whose similarities are distilled.

    Attributes:
        model: directory or hub id.
        instructions: whether it reads the instructions too, or the texts alone.
    """

    model: str
    instructions: bool = False

    def __post_init__(self) -> None:
        _filled(model=self.model)


@dataclass(frozen=True, slots=True)
class OptimizerOptions:
    """AdamW and its schedule.

    Attributes:
        steps: batches in all.
        learning_rate: at its height, that of the last layer.
        weight_decay: of matrices; biases and norms have none.
        betas: of the running means of the gradient and of its square.
        eps: added to the root of the latter.
        schedule: of the learning rate after warm-up.
        warmup: until the learning rate is at its height: a share of the steps where below 1, else steps.
        max_grad_norm: gradients are scaled down to this norm.
        layer_decay: what each layer's learning rate is of the one's above it.
        temperature_learning_rate: of a learned temperature; ``None`` for the model's.

    Example:
        >>> OptimizerOptions(steps=200, warmup=0.1).n_warmup_steps, OptimizerOptions(warmup=50).n_warmup_steps
        (20, 50)
    """

    steps: int = 1000
    learning_rate: float = 2e-5
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    schedule: Schedule = "linear"
    warmup: float = 0.1
    max_grad_norm: float = 1.0
    layer_decay: float = 1.0
    temperature_learning_rate: float | None = None

    def __post_init__(self) -> None:
        _at_least(1, steps=self.steps)
        _above_0(
            learning_rate=self.learning_rate,
            eps=self.eps,
            max_grad_norm=self.max_grad_norm,
            layer_decay=self.layer_decay,
            temperature_learning_rate=self.temperature_learning_rate,
        )
        _at_least(0, weight_decay=self.weight_decay)
        if len(self.betas) != 2 or not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(f"betas are {self.betas}; expected two numbers from 0 to below 1")
        _one_of("schedule", self.schedule, SCHEDULES)
        if not 0 <= self.warmup <= self.steps or (self.warmup >= 1 and self.warmup != int(self.warmup)):
            raise ConfigError(
                f"warmup is {self.warmup:g}; expected a share from 0 to below 1, or a whole number of steps up to "
                f"{self.steps:,}"
            )
        if self.layer_decay > 1:
            raise ConfigError(f"layer_decay is {self.layer_decay:g}; expected more than 0, up to 1 (none)")

    @property
    def n_warmup_steps(self) -> int:
        """Steps until the learning rate is at its height."""
        return round(self.warmup * self.steps) if self.warmup < 1 else int(self.warmup)


@dataclass(frozen=True, slots=True)
class Lora:
    """Low-rank adapters instead of all weights; they are folded into the result.

    Attributes:
        rank: of each.
        alpha: what they add is multiplied by alpha / rank.
        dropout: of their input.
        targets: names of the linear layers that get one; empty for attention and feed-forward ones.
    """

    rank: int = 16
    alpha: float = 32.0
    dropout: float = 0.0
    targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _at_least(1, rank=self.rank)
        _above_0(alpha=self.alpha)
        _share(dropout=self.dropout)


@dataclass(frozen=True, slots=True)
class ComputeOptions:
    """On what, and how much at once.

    Attributes:
        precision: of the passes; ``"auto"`` is bfloat16 on a GPU or CPU that has it, else float32.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, …; ``None`` for the best there is.
        threads: of the CPU; ``None`` for torch's own choice.
        gradient_checkpointing: compute the layers' inner values again instead of keeping them.
        sub_batch_rows: texts in one pass at most; halved by itself when memory runs out; ``None`` for no limit
            but ``batches``'s.
    """

    precision: TrainingPrecision = "auto"
    device: str | None = None
    threads: int | None = None
    gradient_checkpointing: bool = False
    sub_batch_rows: int | None = None

    def __post_init__(self) -> None:
        _one_of("precision", self.precision, TRAINING_PRECISIONS)
        _at_least(1, threads=self.threads, sub_batch_rows=self.sub_batch_rows)


@dataclass(frozen=True, slots=True)
class CheckpointOptions:
    """When the state of training is saved.

    Attributes:
        every: steps.
        keep: how many of the newest stay.
        minutes: also after so many; ``None`` for steps only.
    """

    every: int = 200
    keep: int = 2
    minutes: float | None = None

    def __post_init__(self) -> None:
        _at_least(1, every=self.every, keep=self.keep)
        _above_0(minutes=self.minutes)


@dataclass(frozen=True, slots=True)
class EvaluationOptions:
    """What is scored during training.

    Attributes:
        every: steps.
        suite: name or file of a suite.
        kinds: of its tasks; empty for all.
        tasks: their names; empty for all.
        half: of each task's rows.
    """

    every: int = 500
    suite: str = "smoke"
    kinds: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    half: Half = "development"

    def __post_init__(self) -> None:
        _at_least(1, every=self.every)
        _filled(suite=self.suite)
        _one_of("half", self.half, HALVES)


@dataclass(frozen=True, slots=True)
class ResultOptions:
    """Which weights are the result.

    Attributes:
        average_with_start: a in (1 - a) * trained + a * start.
        average_last: take the mean of so many checkpoints, the newest, as trained weights; 0 for none.
        best: take the weights that scored best as trained weights, where any were scored and
            ``average_last`` is 0; else the last ones.
        average_with: directories of other runs' results from the same start; the trained weights and theirs are
            taken in equal shares, before the start has its own.
    """

    average_with_start: float = 0.0
    average_last: int = 0
    best: bool = True
    average_with: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _share(average_with_start=self.average_with_start)
        for name in self.average_with:
            _filled(average_with=name)
        _at_least(0, average_last=self.average_last)


@dataclass(frozen=True, slots=True)
class TrackingOptions:
    """Where the course of training is shown, besides its log.

    Attributes:
        tensorboard: in files for TensorBoard.
        wandb: at Weights & Biases, where it is installed.
        every: steps.
    """

    tensorboard: bool = True
    wandb: bool = False
    every: int = 10

    def __post_init__(self) -> None:
        _at_least(1, every=self.every)


def check_rules(data: DataChoice, instructions: Detail) -> None:
    """Refuse data that contradicts itself where less than its own instructions is read, before training finds it.

    Raises:
        ConfigError: rows by such a rule are not left out.
    """
    taken = [rule for rule in CONTRADICTING[instructions] if data.takes_rule(rule)]
    if taken:
        raise ConfigError(
            f"batches.instructions is {instructions!r}, and data.without_rules does not have "
            f"{' and '.join(map(repr, taken))}; rows by these contradict others where their own instructions are "
            "not read: add them"
        )


def _filled(**options: str) -> None:
    for name, value in options.items():
        if not value.strip():
            raise ConfigError(f"{name} is empty; give one")


def _one_of(name: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise ConfigError(f"{name} is {value!r}; expected one of {', '.join(known)}")


def _at_least(least: int, **options: float | None) -> None:
    for name, value in options.items():
        if value is not None and not (isfinite(value) and value >= least):
            raise ConfigError(f"{name} is {value:g}; expected {least} or more")


def _above_0(**options: float | None) -> None:
    for name, value in options.items():
        if value is not None and not (isfinite(value) and value > 0):
            raise ConfigError(f"{name} is {value:g}; expected more than 0")


def _share(**options: float | None) -> None:
    for name, value in options.items():
        if value is not None and not 0 <= value < 1:
            raise ConfigError(f"{name} is {value:g}; expected a share from 0 to below 1")
