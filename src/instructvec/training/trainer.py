"""A recipe and a folder -> a trained model in it; cut off at any moment, the same call goes on.

Knows the order of things: draw, step, write down, score, save, finish; each of these is done elsewhere.

Training runs on accelerate rather than on ``transformers.Trainer`` (see ``devices.py``): a step here is several
passes over texts of like length and one loss over all of them, and the sampler's state is exact, so that a resumed
run takes the very steps of an unbroken one.
Source: Su et al. 2023, section 2.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from instructvec.errors import ConfigError, EngineError
from instructvec.training.card import AFTER
from instructvec.training.checkpoints import newest_checkpoint, remove_older
from instructvec.training.collate import Collator
from instructvec.training.devices import Devices, open_devices, threads
from instructvec.training.footprint import footprint_of
from instructvec.training.journal import Journal
from instructvec.training.mixture import TrainingMixture, open_mixture
from instructvec.training.prefetch import Prefetcher, Prepared
from instructvec.training.progress import Progress, Silent
from instructvec.training.recipe import Recipe
from instructvec.training.records import read_losses
from instructvec.training.result import before_and_after, check_others, trained_weights, with_start, write_model
from instructvec.training.run_folder import RunFolder, Trained
from instructvec.training.sampling import BatchSampler
from instructvec.training.scoring import Score, Scoring
from instructvec.training.state import state_of
from instructvec.training.step import Step
from instructvec.training.teacher import Teacher

if TYPE_CHECKING:
    import torch

    from instructvec.training.encoder import TrainableEncoder

_AT_ENDS = 50


def train(
    recipe: Recipe,
    out: Path,
    *,
    score: Score | None = None,
    mixture: TrainingMixture | None = None,
    steps_now: int | None = None,
    minutes_now: float | None = None,
    progress: Progress | None = None,
) -> Trained:
    """Train, or go on with training, until the last step or as long as is wanted now.

    Under torchrun every process calls it; the first one writes and tells.

    Args:
        recipe: what is asked for.
        out: the run's folder, see ``run_folder.py``; new, or that of the same recipe.
        score: scores a model's directory, where the recipe has ``[evaluation]``.
        mixture: instead of the recipe's ``data.mixture``, chosen and weighted already.
        steps_now: stop after so many steps of this call, with a checkpoint.
        minutes_now: stop after so many minutes of this call, with a checkpoint.
        progress: who is told.

    Returns:
        Where it stands; of a run that is finished already, what came of it.

    Raises:
        OutputExists: another run is in the folder; names what differs. Or another process trains there.
        OutputError: the disk is full; the last checkpoint is intact.
        EngineError: a loss that is not finite, or no memory left; names step, datasets and the last checkpoint.
        ConfigError: options that cannot be.
        MissingExtra: what training needs is not installed.
    """
    for name, value in (("steps_now", steps_now), ("minutes_now", minutes_now)):
        if value is not None and not value > 0:
            raise ConfigError(f"{name} is {value}; expected more than 0")
    progress = progress or Silent()
    folder = RunFolder(Path(out))
    folder.check(recipe)
    found = folder.finished()
    if found is not None:
        progress.say(f"{folder.path} is finished: {found.steps:,} steps; its model is {found.model}")
        return found
    with ExitStack() as stack:
        stack.enter_context(threads(recipe.compute.threads))
        devices = open_devices(recipe.compute)
        if devices.is_first:
            stack.enter_context(folder.held())
        run = _Run(recipe, folder, devices, mixture, score, progress if devices.is_first else Silent())
        if devices.is_first:
            folder.begin(recipe)  # now that all of it could be opened: a mistake does not take the folder
        run.restore()
        trained = run.go(steps_now, minutes_now)
        devices.meet()  # what the first process wrote is there for all
        return trained


class _Run:
    """One call's run: all parts, made of the recipe."""

    def __init__(
        self,
        recipe: Recipe,
        folder: RunFolder,
        devices: Devices,
        mixture: TrainingMixture | None,
        score: Score | None,
        progress: Progress,
    ) -> None:
        self.recipe, self.folder, self.devices, self.progress = recipe, folder, devices, progress
        self.mixture = mixture or open_mixture(Path(recipe.data.mixture), recipe.data, recipe.data.weights)
        self.encoder = _open_encoder(recipe)
        check_others(self.encoder.spec, recipe.result.average_with)
        averages = recipe.result.average_with_start > 0
        self.start = self.encoder.weights() if devices.is_first and averages else None
        model = devices.wrapped(self.encoder)
        self.state = state_of(recipe, self.encoder, devices)
        self.step = Step(
            model,
            self.state.parameters,
            self.state.optimizer,
            objective=recipe.objective,
            options=recipe.optimizer,
            devices=devices,
            seed=recipe.seed,
            state=self.state.steps,
            footprint=footprint_of(self.encoder.spec.architecture, recipe.compute, devices),
            report=progress.say,
        )
        self.sampler = BatchSampler(
            self.mixture,
            recipe.batches.sampling,
            n_steps=recipe.optimizer.steps,
            rank=devices.rank,
            world_size=devices.n_processes,
        )
        self.scoring = None
        if score is not None and recipe.evaluation is not None and devices.is_first:
            self.scoring = Scoring(folder, self.encoder.spec, score, self.state.scored)
        self.saved: int | None = None
        self.saved_at = time.monotonic()

    def restore(self) -> None:
        """Go on from the newest checkpoint that is whole, if there is one."""
        found = newest_checkpoint(self.folder.checkpoints, self.progress.say)
        if found is None:
            return
        self.state.load(found)
        if self.state.sampler is not None:
            self.sampler.load_state_dict(self.state.sampler)
        self.saved = found.step
        self.progress.say(f"going on from step {found.step:,} of {self.recipe.optimizer.steps:,}")

    def go(self, steps_now: int | None, minutes_now: float | None) -> Trained:
        """Steps until the end of now; then a checkpoint, and after the last step the result."""
        if self.devices.emulates and self.devices.is_first:
            self.progress.say(
                f"compute.precision is 'bfloat16', which this {self.devices.device.type} only emulates: slow; "
                "with 'float32' or 'auto' it is a run of its own, and several times as fast"
            )
        journal = Journal(self.folder, self.recipe, self.state.step, self.progress, is_first=self.devices.is_first)
        try:
            with journal:
                if not self.state.step and not self.state.scored:
                    self._score(journal)
                if self.state.step < self.recipe.optimizer.steps:
                    with self._batches() as batches:
                        self._steps(batches, journal, steps_now, minutes_now)
                if self.state.step == self.recipe.optimizer.steps:
                    return self._finish()
        except KeyboardInterrupt:
            self.progress.say(f"interrupted after step {self.state.step:,}; {self._last_good()}")
            raise
        return self._trained(finished=False)

    # ------------------------------------------------------------ steps

    def _batches(self) -> Prefetcher:
        batches, spec = self.recipe.batches, self.encoder.spec
        limit = min(batches.max_seq_length or spec.max_seq_length, spec.max_seq_length)
        collator = Collator(
            self.mixture,
            replace(spec, max_seq_length=limit),
            self.encoder.tokenizer,
            max_batch_tokens=batches.max_batch_tokens or self.devices.pass_tokens,
            max_batch_rows=batches.max_batch_rows,
            instructions=batches.instructions,
        )
        return Prefetcher(self.sampler, collator, self._teacher())

    def _teacher(self) -> Teacher | None:
        options = self.recipe.teacher
        if options is None:
            return None
        from instructvec.embedder import Embedder

        teacher = Embedder(options.model, device=str(self.devices.device), threads=self.recipe.compute.threads)
        distillation = self.recipe.objective.distillation
        return Teacher(
            teacher,
            self.mixture.rows,
            self.folder.teacher,
            instructions=options.instructions,
            labelled=distillation is None or distillation.labelled,
        )

    def _steps(
        self, batches: Prefetcher, journal: Journal, steps_now: int | None, minutes_now: float | None
    ) -> None:
        n_steps, first = self.recipe.optimizer.steps, self.state.step
        began = asked = time.monotonic()
        for prepared in batches:
            self._one(prepared, journal, asked)
            is_over = steps_now is not None and self.state.step - first >= steps_now
            if minutes_now is not None:
                is_over |= self.devices.agreed(time.monotonic() - began >= 60 * minutes_now)
            if self._is_due(now=is_over or self.state.step == n_steps):
                self._save(journal)
            if is_over:
                return
            asked = time.monotonic()

    def _one(self, prepared: Prepared, journal: Journal, asked: float) -> None:
        """A step, and its scores where they are due; ``asked`` is when its batch was asked for."""
        came = time.monotonic()
        try:
            record = self.step(prepared)
        except EngineError as error:
            raise EngineError(f"{error}. {self._last_good()}") from error
        seconds = time.monotonic() - asked
        self.state.step, self.state.sampler = record.step, prepared.sampler
        self.state.seconds += seconds
        journal.step(replace(record, seconds=seconds, waited=came - asked))
        evaluation = self.recipe.evaluation
        if evaluation is not None and record.step % evaluation.every == 0:
            self._score(journal)

    # ------------------------------------------------------------ what is written

    def _is_due(self, *, now: bool) -> bool:
        """Whether this process has a checkpoint to write."""
        options = self.recipe.checkpoints
        is_due = now or self.state.step % options.every == 0
        if options.minutes is not None:
            is_due |= time.monotonic() - self.saved_at >= 60 * options.minutes
        return is_due and self.devices.is_first

    def _save(self, journal: Journal) -> None:
        journal.sync()
        self.state.save(self.folder.checkpoints)
        self.saved, self.saved_at = self.state.step, time.monotonic()
        options = self.recipe.checkpoints
        remove_older(self.folder.checkpoints, options.keep, options.every)

    def _last_good(self) -> str:
        if self.saved is None:
            return "There is no checkpoint yet: the same call begins anew"
        return f"The last checkpoint is that of step {self.saved:,}: the same call goes on from it"

    def _score(self, journal: Journal) -> None:
        if self.scoring is not None:
            trained = self.encoder.weights()
            journal.scored(self.scoring(self.state.step, self._with_start(trained), trained))

    def _with_start(self, trained: Mapping[str, torch.Tensor]) -> Mapping[str, torch.Tensor]:
        return with_start(trained, self.start, self.recipe.result.average_with_start)

    def _finish(self) -> Trained:
        if self.devices.is_first:
            self._write_model()
        made = self._trained(finished=True)
        if self.devices.is_first:
            self.folder.finish(made)
        return made

    def _write_model(self) -> None:
        chosen = trained_weights(self.recipe, self.folder, self.encoder, self.state, self.progress.say)
        result = self._with_start(chosen.weights)
        scores = before_and_after(self.state.scored, chosen.step)
        if chosen.step is None and self.scoring is not None:
            scores[AFTER] = self.scoring.values(self.state.step, result)
        write_model(
            self.folder,
            self.recipe,
            self.mixture,
            self.encoder.spec,
            result,
            steps=self.state.step if chosen.step is None else chosen.step,
            scores=scores,
        )

    def _trained(self, *, finished: bool) -> Trained:
        losses = read_losses(self.folder.log)
        drawn = (self.state.sampler or {}).get("counts", {})
        return Trained(
            model=self.folder.model if finished else None,
            steps=self.state.step,
            finished=finished,
            losses=_at_ends(losses) if losses else None,
            seconds=self.state.seconds,
            scores=tuple(self.state.scored),
            counts={**drawn, **self.state.steps.counts},
        )


def _open_encoder(recipe: Recipe) -> TrainableEncoder:
    """The encoder, its adapters drawn by the seed, its parameters in memory of their own."""
    import torch

    from instructvec.training.encoder import open_encoder

    torch.manual_seed(recipe.seed)
    encoder = open_encoder(
        recipe.model, lora=recipe.lora, gradient_checkpointing=recipe.compute.gradient_checkpointing
    )
    # Those read from a file may lie at any byte, and how sums are rounded can depend on that.
    for one in encoder.parameters():
        one.data = one.data.clone()
    return encoder


def _at_ends(losses: list[float]) -> tuple[float, float]:
    """Means of the first and of the last steps, a quarter of all at most, so that they are not the same ones."""
    n_steps = min(_AT_ENDS, max(1, len(losses) // 4))
    return fmean(losses[:n_steps]), fmean(losses[-n_steps:])
