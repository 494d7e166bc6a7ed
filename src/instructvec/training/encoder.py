"""A checkpoint -> the encoder that is trained: token ids and masks in, unit vectors with gradients out.

Knows which parameters a recipe trains and what they are called in the checkpoint; nothing of losses or steps.
Parameters are float32; pooling, projections and unit length are too, whatever autocast makes of the layers.
Source: Su et al. 2023, section 2.2; the chain of modules is that of the torch engine, which it is tested against.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from torch.utils.checkpoint import checkpoint

from instructvec.checkpoints.layout import read_spec
from instructvec.checkpoints.names import canonical_names
from instructvec.checkpoints.spec import CheckpointSpec
from instructvec.embedder import model_folder, with_overrides
from instructvec.encoding.tokens import Tokenizer
from instructvec.engines.graph.recovered import with_floats
from instructvec.engines.torch import finish, load_encoder, load_projection
from instructvec.errors import CheckpointError, ConfigError
from instructvec.extras import require
from instructvec.training.adapters import adapted, add_adapters, addition, plain_name, reset
from instructvec.training.attention import FasterAttention
from instructvec.training.layers import check_frozen, is_frozen, layers_of

if TYPE_CHECKING:
    from instructvec.training.collate import SubBatch
    from instructvec.training.options import Lora, ModelOptions


class TrainableEncoder(torch.nn.Module):
    """A checkpoint's encoder and projections, with gradients for what is trained.

    Made by :func:`open_encoder`.

    Attributes:
        spec: the checkpoint it started from, under the recipe's joining, limit and pooling, without graphs.
        tokenizer: the checkpoint's.
    """

    def __init__(
        self,
        spec: CheckpointSpec,
        tokenizer: Tokenizer,
        encoder: torch.nn.Module,
        projections: torch.nn.ModuleList,
    ) -> None:
        super().__init__()
        self.spec = spec
        self.tokenizer = tokenizer
        self.encoder = encoder
        self.projections = projections
        self._attention = FasterAttention(encoder)

    def forward(self, sub: SubBatch) -> torch.Tensor:
        """(b, dimension) float32 of length one: the texts' vectors, on the device of ``sub``.

        Training compares by cosine, so vectors have length one here even where the checkpoint's own do not.
        """
        self._attention.choose(sub.ids)
        hidden = self.encoder(input_ids=sub.ids, attention_mask=sub.attention_mask.long()).last_hidden_state
        with torch.autocast(hidden.device.type, enabled=False):
            return finish(
                hidden, sub.pooling_mask, sub.attention_mask, self.spec, list(self.projections), unit_length=True
            )

    def trained_parameters(self) -> list[tuple[str, torch.nn.Parameter]]:
        """What training changes, by name: the checkpoint's names, ``dense.0.weight`` for the first projection.

        An adapter's two matrices end in ``lora_A`` and ``lora_B``. They are the whole of what training changes:
        copied back into another encoder of the same recipe, they give the same vectors.
        """
        return [(name, one) for name, one in self._named() if one.requires_grad]

    def weights(self) -> dict[str, torch.Tensor]:
        """A float32 copy of every weight, on the CPU, under the checkpoint's names; adapters are folded in."""
        weights = {
            name: one.detach().to("cpu", torch.float32, copy=True)
            for name, one in self._named()
            if "lora_" not in name
        }
        for name, layer in adapted(self.encoder):
            with torch.no_grad():
                weights[name] += addition(layer).to("cpu", torch.float32)
        return weights

    def load(self, weights: Mapping[str, torch.Tensor]) -> None:
        """Take over weights such as :meth:`weights` gives; adapters add nothing afterwards.

        Raises:
            CheckpointError: a weight is missing, unknown or of another shape; nothing is changed then.
        """
        own = {name: one for name, one in self._named() if "lora_" not in name}
        wrong = sorted(own.keys() ^ weights.keys())
        wrong += [name for name in own if name in weights and own[name].shape != weights[name].shape]
        if wrong:
            raise CheckpointError(
                f"{len(wrong)} weights are missing, unknown or of another shape, such as {wrong[0]!r}; expected "
                f"those of {self.spec.path}"
            )
        with torch.no_grad():
            for name, one in own.items():
                one.copy_(weights[name])
            for _, layer in adapted(self.encoder):
                reset(layer)

    def recompute_layers(self) -> None:
        """From now on compute each layer's inner values again on the way back instead of keeping them."""
        # A layer must run the second time as it did the first, whatever ran between.
        self._attention.leave()
        for layer in layers_of(self.encoder, self.spec):
            layer.forward = _recomputing(layer)

    def _named(self) -> Iterator[tuple[str, torch.nn.Parameter]]:
        """Every parameter once, under the checkpoint's name or its adapter's."""
        parameters = {plain_name(name): one for name, one in self.encoder.named_parameters()}
        family = self.spec.architecture.family
        for name, stored in canonical_names(parameters, family, self.spec.path).items():
            yield name, parameters[stored]
        for index, projection in enumerate(self.projections):
            for name, one in projection.named_parameters():
                yield f"dense.{index}.{name}", one


def open_encoder(
    model: ModelOptions, *, lora: Lora | None = None, gradient_checkpointing: bool = False
) -> TrainableEncoder:
    """The encoder that a recipe trains, on the CPU and in training mode.

    What torch draws at random here are adapters' first matrices: seed it before.

    Args:
        model: which checkpoint, how it is used, and what of it is left as it is.
        lora: train adapters, and the projections, instead of all weights; ``None`` trains the weights.
        gradient_checkpointing: compute each layer's inner values again on the way back instead of keeping them.

    Raises:
        CheckpointError: no model there, or one that is damaged or not understood.
        ConfigError: an option that this checkpoint does not allow, or nothing left to train.
        MissingExtra: torch, transformers or peft is not installed.

    Example:
        >>> from instructvec.training.options import ModelOptions
        >>> encoder = open_encoder(ModelOptions("sentence-transformers/all-MiniLM-L6-v2"))  # doctest: +SKIP
        >>> sum(one.numel() for _, one in encoder.trained_parameters())  # doctest: +SKIP
        22565376
    """
    require("transformers", "training")
    path = model_folder(model.start, revision=model.revision)
    spec = _as_asked(with_floats(read_spec(path, name=model.start), name=model.start), model)
    check_frozen(spec, freeze_layers=model.freeze_layers)
    tokenizer = Tokenizer.load(
        spec.transformer_folder, pad_token_id=spec.architecture.pad_token_id, lower_case=spec.lower_case
    )
    bare = load_encoder(spec, torch.float32, config=_config(spec, model.dropout))
    _drop_unused(bare, spec)
    if lora is not None:
        add_adapters(bare, spec, lora, freeze_layers=model.freeze_layers)
    projections = torch.nn.ModuleList(load_projection(spec, index) for index in range(len(spec.dense)))
    encoder = TrainableEncoder(spec, tokenizer, bare, projections)
    _choose_trained(encoder, model, adapters_only=lora is not None)
    if gradient_checkpointing:
        encoder.recompute_layers()
    return encoder.train()


def _as_asked(spec: CheckpointSpec, model: ModelOptions) -> CheckpointSpec:
    """The checkpoint as it is trained and used afterwards; graphs of it hold other weights."""
    if model.include_prompt and model.joining != "prompt":
        raise ConfigError(
            f"model.include_prompt is true, but joining {model.joining!r} never pools the instruction; set "
            "joining to 'prompt', or include_prompt to false"
        )
    asked = with_overrides(spec, model.joining, model.max_seq_length)
    pooling = replace(asked.pooling, include_prompt=model.include_prompt)
    return replace(asked, pooling=pooling, onnx_files={}, weights_digest=None)


def _config(spec: CheckpointSpec, dropout: float | None) -> Any:
    """transformers' configuration with another dropout; ``None`` for the checkpoint's own."""
    if dropout is None:
        return None
    from transformers import AutoConfig

    config = AutoConfig.from_pretrained(
        str(spec.transformer_folder), local_files_only=True, trust_remote_code=False
    )
    for name, value in config.to_dict().items():
        if "dropout" in name and isinstance(value, (int, float)) and not isinstance(value, bool):
            setattr(config, name, dropout)
    return config


def _drop_unused(encoder: Any, spec: CheckpointSpec) -> None:
    """Take away what no vector depends on, and would wait for a gradient in vain."""
    if getattr(encoder, "pooler", None) is not None:
        encoder.pooler = None
    if spec.architecture.family == "t5":
        # One matrix under two names, which transformers ties for some configurations only.
        encoder.encoder.embed_tokens.weight = encoder.shared.weight


def _choose_trained(encoder: TrainableEncoder, model: ModelOptions, *, adapters_only: bool) -> None:
    for name, one in encoder._named():
        if adapters_only and not name.startswith("dense."):
            continue
        frozen = is_frozen(
            name, encoder.spec, freeze_embeddings=model.freeze_embeddings, freeze_layers=model.freeze_layers
        )
        one.requires_grad_(not frozen)
    if not encoder.trained_parameters():
        raise ConfigError(
            f"model.freeze_embeddings and model.freeze_layers = {model.freeze_layers} leave nothing of "
            f"{encoder.spec.path.name} to train; freeze less"
        )


def _recomputing(layer: torch.nn.Module) -> Callable[..., Any]:
    """A layer's forward pass that keeps its inputs only, and runs again when gradients are wanted."""
    run = layer.forward

    @functools.wraps(run)
    def forward(*inputs: Any, **options: Any) -> Any:
        if not torch.is_grad_enabled():
            return run(*inputs, **options)
        return checkpoint(run, *inputs, use_reentrant=False, **options)

    return forward
