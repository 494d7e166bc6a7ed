"""What training left -> the weights that are its result, and their directory with a card.

Knows which checkpoints count and how they are averaged; nothing of how they were trained.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from instructvec.checkpoints.layout import read_spec
from instructvec.checkpoints.manifest import read_manifest
from instructvec.embedder import model_folder
from instructvec.engines.graph.recovered import with_floats
from instructvec.errors import CheckpointError, ConfigError
from instructvec.training.averaging import average
from instructvec.training.card import AFTER, BEFORE, model_card
from instructvec.training.checkpoints import read_checkpoint, regular_checkpoints
from instructvec.training.options import ModelOptions
from instructvec.training.recipe import Recipe
from instructvec.training.run_folder import RunFolder, Scored
from instructvec.training.saving import save_model
from instructvec.training.scoring import best_weights

if TYPE_CHECKING:
    import torch

    from instructvec.checkpoints.spec import CheckpointSpec
    from instructvec.training.encoder import TrainableEncoder
    from instructvec.training.mixture import TrainingMixture
    from instructvec.training.state import TrainingState


def with_start(
    trained: Mapping[str, torch.Tensor], start: Mapping[str, torch.Tensor] | None, share: float
) -> Mapping[str, torch.Tensor]:
    """Trained weights, averaged with those that training started from.

    Args:
        trained: by name.
        start: by name; ``None`` where none are averaged.
        share: of the start.
    """
    return trained if start is None or not share else average([trained, start], [1 - share, share])


def check_others(spec: CheckpointSpec, names: Sequence[str]) -> None:
    """Refuse other runs' results that cannot be averaged with this one's, before training takes its time.

    Args:
        spec: of the model that is trained.
        names: directories.

    Raises:
        CheckpointError: no model there, or a damaged one.
        ConfigError: a model of another build, or used in another way.
    """
    for name in names:
        other = with_floats(read_spec(model_folder(name), name=name))
        wanted = (spec.architecture, spec.dense, spec.joining, spec.pooling)
        if (other.architecture, other.dense, other.joining, other.pooling) != wanted:
            raise ConfigError(
                f"result.average_with has {name}, which is built, joined or pooled in another way than what is "
                "trained here; take results of runs from the same start, with the same [model]"
            )


class Chosen(NamedTuple):
    """Weights that the recipe takes for trained.

    Attributes:
        weights: by name.
        step: steps that they had; ``None`` for a mean of several.
    """

    weights: Mapping[str, torch.Tensor]
    step: int | None


def trained_weights(
    recipe: Recipe,
    folder: RunFolder,
    encoder: TrainableEncoder,
    state: TrainingState,
    report: Callable[[str], None],
) -> Chosen:
    """The weights that the recipe takes for trained: of the last step, the best scored, or a mean.

    Args:
        recipe: which.
        folder: with checkpoints.
        encoder: with the weights of the last step; has them again afterwards.
        state: of the last step.
        report: gets a sentence on what was taken.

    Raises:
        CheckpointError: a checkpoint that is to be averaged is damaged.
    """
    chosen = _of_this_run(recipe, folder, encoder, state, report)
    others = recipe.result.average_with
    if not others:
        return chosen
    from instructvec.training.encoder import open_encoder

    weights = average([chosen.weights, *(open_encoder(ModelOptions(name)).weights() for name in others)])
    report(f"the result is the mean with {len(others)} other result{'s' if len(others) > 1 else ''}")
    return Chosen(weights, None)


def _of_this_run(
    recipe: Recipe,
    folder: RunFolder,
    encoder: TrainableEncoder,
    state: TrainingState,
    report: Callable[[str], None],
) -> Chosen:
    options = recipe.result
    if options.average_last > 1:
        return _mean_of_last(recipe, folder, encoder, state, report)
    try:
        best = best_weights(folder, state.scored) if options.best and not options.average_last else None
    except CheckpointError as error:
        report(f"{error}; the weights of the last step are taken instead of the best scored")
        best = None
    if best is None:
        return Chosen(encoder.weights(), state.step)
    report(f"the result has the weights of step {best[0]:,}, which scored best")
    return Chosen(best[1], best[0])


def _mean_of_last(
    recipe: Recipe,
    folder: RunFolder,
    encoder: TrainableEncoder,
    state: TrainingState,
    report: Callable[[str], None],
) -> Chosen:
    regular = regular_checkpoints(folder.checkpoints, recipe.checkpoints.every)
    before = [path for step, path in regular if step < state.step][: recipe.result.average_last - 1]
    weights = [encoder.weights()]
    last = {name: one.detach().clone() for name, one in state.parameters}
    for path in before:
        state.set_weights(read_checkpoint(path).tensors("weights"), path)
        weights.append(encoder.weights())
    state.set_weights(last, folder.path)
    report(f"the result is the mean of the last {len(weights)} checkpoints")
    return Chosen(average(weights), None)


def write_model(
    folder: RunFolder,
    recipe: Recipe,
    mixture: TrainingMixture,
    spec: CheckpointSpec,
    result: Mapping[str, torch.Tensor],
    *,
    steps: int,
    scores: Mapping[str, Mapping[str, float]],
) -> Path:
    """The result's directory with its card; one that an interruption left unfinished is made again.

    Args:
        folder: of the run.
        recipe: of the run.
        mixture: what was trained on.
        spec: of the model.
        result: its weights.
        steps: that they had.
        scores: ``"before"`` and ``"after"`` -> score by name, as far as they are known.

    Raises:
        OutputError: it cannot be written.
    """
    if folder.model.is_dir():
        shutil.rmtree(folder.model)
    card = model_card(recipe, spec, mixture, steps=steps, scores=scores, measured=_measured(recipe))
    extra: dict[str, Any] = {
        "recipe": {"name": recipe.name, "digest": recipe.digest, "seed": recipe.seed, "steps": steps},
        "trained_on": sorted(_trained_on(recipe, mixture)),
    }
    return save_model(spec, result, folder.model, card=card, extra=extra)


def _trained_on(recipe: Recipe, mixture: TrainingMixture) -> set[str]:
    """Names of the datasets that any of the weights have seen, as far as other runs' results tell theirs."""
    names = {name for unit in mixture.units for name in unit.datasets}
    for other in recipe.result.average_with:
        names.update(read_manifest(Path(other)).extra.get("trained_on", ()))
    return names


def before_and_after(scored: Sequence[Scored], step: int | None) -> dict[str, Mapping[str, float]]:
    """Scores of the start, and of the weights of a step, where there are any.

    Example:
        >>> before_and_after([Scored(0, {"a": 1.0}), Scored(5, {"a": 2.0}), Scored(9, {"a": 1.5})], 5)
        {'before': {'a': 1.0}, 'after': {'a': 2.0}}
    """
    columns = {BEFORE: 0, AFTER: step}
    return {
        column: one.values for column, at in columns.items() for one in scored if at is not None and one.step == at
    }


def _measured(recipe: Recipe) -> str:
    options = recipe.evaluation
    if options is None:
        return ""
    rows = "all rows" if options.half == "all" else f"the {options.half} half of each task's rows"
    return f"On {rows} of the suite `{Path(options.suite).name}`, during training."
