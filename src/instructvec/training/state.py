"""All that training goes on from -> a checkpoint, and back.

Knows which parts have a state; nothing of when it is saved, or of the files' form.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from instructvec.errors import CheckpointError, OutputExists
from instructvec.training.checkpoints import Checkpoint, save_checkpoint, step_name
from instructvec.training.devices import Devices
from instructvec.training.optimization import (
    TEMPERATURE,
    NamedParameters,
    load_optimizer_state,
    optimizer_of,
    optimizer_state,
)
from instructvec.training.recipe import Recipe
from instructvec.training.run_folder import Scored
from instructvec.training.step import StepState
from instructvec.training.temperature import log_temperature

if TYPE_CHECKING:
    import torch

    from instructvec.training.encoder import TrainableEncoder


@dataclass(slots=True)
class TrainingState:
    """What changes from step to step.

    Attributes:
        parameters: what is trained, with names.
        optimizer: over them.
        scaler: of float16's gradients; ``None`` for other types.
        steps: of the step itself.
        sampler: the sampler's state behind the last step; ``None`` before the first.
        step: steps done.
        seconds: that they took.
        scored: the scores so far.
        made_of: what must be the same where training goes on: the digests of recipe and starting weights.
    """

    parameters: NamedParameters
    optimizer: torch.optim.Optimizer
    scaler: Any
    steps: StepState
    made_of: Mapping[str, str]
    sampler: Mapping[str, Any] | None = None
    step: int = 0
    seconds: float = 0.0
    scored: list[Scored] = field(default_factory=list)

    def save(self, folder: Path) -> Path:
        """Write a checkpoint of it.

        Raises:
            OutputError: the disk is full, or cannot be written.
        """
        files = {
            "weights": {name: one.detach() for name, one in self.parameters},
            "optimizer": optimizer_state(self.optimizer, self.parameters),
        }
        state = {
            "step": self.step,
            "made_of": dict(self.made_of),
            "seconds": self.seconds,
            "sub_batch_rows": self.steps.sub_batch_rows,
            "n_skipped": self.steps.n_skipped,
            "counts": self.steps.counts,
            "scored": [{"step": one.step, "values": dict(one.values)} for one in self.scored],
            "scaler": None if self.scaler is None else self.scaler.state_dict(),
            "sampler": self.sampler,
        }
        return save_checkpoint(folder, step_name(self.step), files, state)

    def load(self, checkpoint: Checkpoint) -> None:
        """Become what was saved.

        Raises:
            OutputExists: the checkpoint is of another run.
            CheckpointError: of another form than this version writes.
        """
        state = checkpoint.state
        if state.get("made_of") != dict(self.made_of):
            raise OutputExists(
                f"{checkpoint.path}: made by another recipe or from other starting weights; give another folder, "
                "or the model that this run was begun with"
            )
        try:
            self.set_weights(checkpoint.tensors("weights"), checkpoint.path)
            load_optimizer_state(self.optimizer, self.parameters, checkpoint.tensors("optimizer"))
            if self.scaler is not None:
                self.scaler.load_state_dict(state["scaler"])
            limits = [one for one in (self.steps.sub_batch_rows, state["sub_batch_rows"]) if one is not None]
            self.steps.sub_batch_rows = min(limits, default=None)
            self.steps.n_skipped, self.steps.counts = state["n_skipped"], dict(state["counts"])
            self.sampler, self.step, self.seconds = state["sampler"], checkpoint.step, state["seconds"]
            self.scored[:] = [Scored(one["step"], one["values"]) for one in state["scored"]]
        except (KeyError, TypeError) as error:
            raise CheckpointError(
                f"{checkpoint.path}: not as this version writes it ({error!r:.80}); remove it, and the one before "
                "it is used"
            ) from None

    def set_weights(self, weights: Mapping[str, torch.Tensor], where: Path) -> None:
        """Take over the weights of a checkpoint, and nothing else.

        Args:
            weights: by the parameters' names.
            where: they come from, for messages.

        Raises:
            CheckpointError: other parameters than those that are trained.
        """
        import torch

        own = dict(self.parameters)
        wrong = sorted(own.keys() ^ weights.keys())
        wrong += [name for name in own if name in weights and own[name].shape != weights[name].shape]
        if wrong:
            raise CheckpointError(f"{where}: other parameters than those trained, such as {wrong[0]!r}")
        with torch.no_grad():
            for name, one in own.items():
                one.copy_(weights[name])


def state_of(recipe: Recipe, encoder: TrainableEncoder, devices: Devices) -> TrainingState:
    """That of a run before its first step; the encoder's parameters are where they are trained."""
    parameters = encoder.trained_parameters()
    if recipe.objective.learn_temperature:
        temperature = log_temperature(recipe.objective.temperature)
        temperature.data = temperature.data.to(devices.device)
        parameters.append((TEMPERATURE, temperature))
    return TrainingState(
        parameters,
        optimizer_of(parameters, recipe.optimizer, layers_above=_layers_above(encoder)),
        devices.scaler,
        StepState(recipe.compute.sub_batch_rows, 0, {}),
        {"recipe": recipe.digest, "start": _digest_of(encoder)},
    )


def _layers_above(encoder: TrainableEncoder) -> Callable[[str], int]:
    from instructvec.training.layers import depth_of

    return lambda name: max(0, encoder.spec.architecture.n_layers - depth_of(name, encoder.spec))


def _digest_of(encoder: TrainableEncoder) -> str:
    from instructvec.checkpoints.weights import weights_digest

    return weights_digest(encoder.spec)
