"""A batch -> one step of the weights: passes, loss, gradients cut to size, learning rates, AdamW.

Knows what a step is; nothing of how batches are drawn, or of when anything is saved. All texts of a batch are one
graph if memory has room for it, which spares the second pass over them; where it has not, or where the recipe says
so, the batch is encoded in pieces by gradient caching. Dropout is drawn by seed, step and process, so there is no
random state to be saved.
Source: Su et al. 2023, section 2.2; Gao et al. 2021 for the pieces.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any

from instructvec.corpus.cache import digest
from instructvec.errors import EngineError, InputError
from instructvec.training.collate import SubBatch
from instructvec.training.devices import Devices
from instructvec.training.false_negatives import Identities
from instructvec.training.footprint import Footprint
from instructvec.training.gather import gather
from instructvec.training.gradcache import cached_backward
from instructvec.training.memory import halving
from instructvec.training.objective import Objective, Outcome, contrastive_loss
from instructvec.training.optimization import (
    TEMPERATURE,
    NamedParameters,
    clip,
    set_learning_rates,
    share_of_height,
)
from instructvec.training.options import OptimizerOptions
from instructvec.training.prefetch import Prepared
from instructvec.training.records import StepRecord
from instructvec.training.temperature import temperature_of
from instructvec.training.vectors import BatchVectors

if TYPE_CHECKING:
    import torch

MAX_SKIPPED = 10
"""Steps without a finite gradient, one after the other, at which training stops."""


@dataclass(slots=True)
class StepState:
    """What a step leaves for the next besides the weights.

    Attributes:
        sub_batch_rows: texts in one graph at most; ``None`` until memory ran out.
        n_skipped: steps in a row whose gradient was not finite.
        counts: ``skipped_steps`` and ``halvings`` in all.
    """

    sub_batch_rows: int | None
    n_skipped: int
    counts: dict[str, int]


class Step:
    """Steps one after the other.

    Args:
        model: a sub-batch -> vectors; as :meth:`Devices.wrapped` made it.
        parameters: what is trained, with names; a learned temperature under :data:`optimization.TEMPERATURE`.
        optimizer: over them.
        objective: what is lowered.
        options: of the optimizer.
        devices: where.
        seed: of dropout.
        state: where the last step left off; changed by every step.
        footprint: how much fits into one graph; ``None`` where memory itself says so.
        report: gets a sentence for whatever is out of the ordinary.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        parameters: NamedParameters,
        optimizer: torch.optim.Optimizer,
        *,
        objective: Objective,
        options: OptimizerOptions,
        devices: Devices,
        seed: int,
        state: StepState,
        footprint: Footprint | None,
        report: Callable[[str], None],
    ) -> None:
        self.state = state
        self._model, self._optimizer, self._devices = model, optimizer, devices
        self._parameters = [one for _, one in parameters]
        self._temperature = dict(parameters).get(TEMPERATURE)
        self._footprint = footprint
        self._objective, self._options, self._seed, self._report = objective, options, seed, report

    def __call__(self, prepared: Prepared) -> StepRecord:
        """Take one step; its time is the caller's to add.

        Raises:
            EngineError: no finite loss, or no finite gradient for the tenth time in a row, or no memory for one
                text.
        """
        import torch

        at = prepared.drawn.step
        share = share_of_height(at, self._options)
        set_learning_rates(self._optimizer, share)
        torch.manual_seed(int(digest([self._seed, at, self._devices.rank])[:15], 16))
        self._optimizer.zero_grad(set_to_none=True)
        outcome, n_rows, tau = self._backward(prepared)
        norm = self._update(at)
        batch = prepared.batch
        return StepRecord(
            step=at + 1,
            **_numbers(outcome),
            learning_rate=share * self._options.learning_rate,
            grad_norm=norm,
            temperature=tau,
            rows=n_rows,
            tokens=batch.n_tokens,
            padded=batch.n_padded,
            truncated=batch.n_truncated,
            seconds=0.0,
            waited=0.0,
            units=prepared.drawn.units,
            is_contrast=prepared.drawn.is_contrast,
        )

    def _backward(self, prepared: Prepared) -> tuple[Outcome, int, float]:
        """Add the gradient; the outcome, the rows of all processes, the temperature."""
        import torch

        batch, device, scaler = prepared.batch, self._devices.device, self._devices.scaler
        identities = _identities_to(batch.identities, device)
        teacher = None if prepared.teacher is None else _vectors_to(prepared.teacher, device)
        seen: list[tuple[Outcome, int, float]] = []

        def loss_of(vectors: torch.Tensor) -> torch.Tensor:
            all_rows = gather(batch.sides(vectors), identities, teacher)
            tau = self._objective.temperature if self._temperature is None else temperature_of(self._temperature)
            outcome = contrastive_loss(
                all_rows.vectors,
                self._objective,
                identities=all_rows.identities,
                teacher=all_rows.teacher,
                temperature=tau,
            )
            seen[:] = [(outcome, all_rows.vectors.n_rows, float(torch.as_tensor(tau).detach()))]
            loss = outcome.loss * all_rows.n_processes
            scaled: torch.Tensor = loss if scaler is None else scaler.scale(loss)
            return scaled

        def attempt(size: int) -> torch.Tensor:
            return cached_backward(
                self._vectors,
                pieces(batch.sub_batches, size),
                loss_of,
                unsynchronised=partial(self._devices.unsynchronised, self._model),
            )

        n_texts = sum(len(one.ids) for one in batch.sub_batches)
        fitting = n_texts if self._footprint is None else self._footprint.n_texts(batch.sub_batches)
        asked = min(self.state.sub_batch_rows or fitting, n_texts)
        try:
            _, size = halving(attempt, asked, parameters=self._parameters, report=self._halved)
        except (EngineError, InputError) as error:
            raise EngineError(f"step {prepared.drawn.step + 1}, of {_named(prepared)}: {error}") from error
        if size < asked:
            self.state.sub_batch_rows = size
        if self._temperature is not None and self._temperature.grad is not None:
            self._temperature.grad /= self._devices.n_processes  # each process has the whole of it
        return seen[0]

    def _vectors(self, piece: Sequence[SubBatch]) -> torch.Tensor:
        import torch

        return torch.cat([self._model(one.to(self._devices.device)) for one in piece])

    def _update(self, at: int) -> float | None:
        """Change the weights; the gradient's norm, or ``None`` and weights as they were where it is not finite."""
        import math

        scaler = self._devices.scaler
        if scaler is not None:
            scaler.unscale_(self._optimizer)
        norm = clip(self._parameters, self._options.max_grad_norm)
        is_finite = math.isfinite(norm)
        if is_finite and scaler is None:
            self._optimizer.step()
        elif is_finite:
            scaler.step(self._optimizer)
        if scaler is not None:
            scaler.update()
        self._count(is_finite, at)
        return norm if is_finite else None

    def _count(self, is_finite: bool, at: int) -> None:
        self.state.n_skipped = 0 if is_finite else self.state.n_skipped + 1
        if is_finite:
            return
        self.state.counts["skipped_steps"] = self.state.counts.get("skipped_steps", 0) + 1
        self._report(f"step {at + 1}: the gradient is not finite; the weights are left as they are")
        if self.state.n_skipped >= MAX_SKIPPED:
            raise EngineError(
                f"step {at + 1}: the gradient was not finite {MAX_SKIPPED} times in a row; lower the learning "
                "rate, raise the temperature, or train in float32 or bfloat16"
            )

    def _halved(self, what: str) -> None:
        self.state.counts["halvings"] = self.state.counts.get("halvings", 0) + 1
        self._report(what)


def pieces(sub_batches: Sequence[SubBatch], size: int) -> list[tuple[SubBatch, ...]]:
    """Sub-batches in groups of at most so many texts, cut where they must be; their order stays.

    Example:
        >>> import torch
        >>> ones = SubBatch(torch.ones(5, 2), torch.ones(5, 2), torch.ones(5, 2))
        >>> [[len(one.ids) for one in piece] for piece in pieces([ones, ones], 7)]
        [[5, 2], [3]]
    """
    found: list[list[SubBatch]] = [[]]
    room = size
    for one in sub_batches:
        start = 0
        while start < len(one.ids):
            if not room:
                found.append([])
                room = size
            stop = min(start + room, len(one.ids))
            found[-1].append(one if stop - start == len(one.ids) else _rows_of(one, start, stop))
            room -= stop - start
            start = stop
    return [tuple(piece) for piece in found]


def _numbers(outcome: Outcome) -> dict[str, float]:
    """By name, in one look at the device."""
    import torch

    values = torch.stack([one.detach().float() for one in outcome]).tolist()
    return dict(zip(Outcome._fields, values, strict=True))


def _rows_of(sub: SubBatch, start: int, stop: int) -> SubBatch:
    return SubBatch(sub.ids[start:stop], sub.attention_mask[start:stop], sub.pooling_mask[start:stop])


def _identities_to(identities: Identities, device: torch.device) -> Identities:
    moved: dict[str, Any] = {}
    for one in fields(identities):
        value = getattr(identities, one.name)
        moved[one.name] = None if value is None else value.to(device)
    return Identities(**moved)


def _vectors_to(vectors: BatchVectors, device: torch.device) -> BatchVectors:
    return BatchVectors(*(one.to(device) for one in (vectors.queries, vectors.positives, vectors.negatives)))


def _named(prepared: Prepared) -> str:
    units = prepared.drawn.units
    return ", ".join(units[:5]) + (f" and {len(units) - 5} more" if len(units) > 5 else "")
