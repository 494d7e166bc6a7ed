"""What a checkpoint is, in numbers and words: architecture, pooling, projection, joining, limits.

Knows nothing of files' contents or of how any engine computes it: ``layout.py`` fills these
from a directory, the engines read them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from instructvec.types import Activation, Family, Joining, PoolingMode, Similarity


@dataclass(frozen=True, slots=True)
class Architecture:
    """The encoder's shape.

    Attributes:
        family: which graph it is; ``"decoder"`` runs on the torch engine only.
        model_type: Hugging Face's name of it (``"xlm-roberta"``, ``"qwen3"``, …).
        vocab_size: rows of the word embedding.
        width: hidden size.
        n_layers, n_heads: counts.
        head_width: width of one attention head (T5's need not be ``width / n_heads``).
        ffn_width: inner width of the feed-forward block.
        activation: its non-linearity.
        gated: whether the feed-forward block is gated (T5 v1.1, ModernBERT).
        norm_eps: epsilon of the layer norms.
        n_positions: rows of the position embedding; 0 where there is none.
        position_offset: row of the first token's position (RoBERTa and MPNet: pad id + 1).
        pad_token_id: fills the batch.
        relative_buckets, relative_max_distance: of the relative attention bias (T5, MPNet).
        global_every, local_window: ModernBERT: each how many-th layer is global, tokens in the
            sliding window of the others.
        rope_theta, local_rope_theta: bases of ModernBERT's rotary positions.
    """

    family: Family
    model_type: str
    vocab_size: int
    width: int
    n_layers: int
    n_heads: int
    head_width: int
    ffn_width: int
    activation: Activation
    gated: bool = False
    norm_eps: float = 1e-12
    n_positions: int = 0
    position_offset: int = 0
    pad_token_id: int = 0
    relative_buckets: int = 0
    relative_max_distance: int = 0
    global_every: int = 0
    local_window: int = 0
    rope_theta: float = 0.0
    local_rope_theta: float = 0.0


@dataclass(frozen=True, slots=True)
class PoolingSpec:
    """How hidden states become one vector.

    Attributes:
        modes: one or more; several are concatenated, in this order.
        include_prompt: whether the instruction's tokens count in the pooling (sentence-
            transformers' field of the same name; ours and INSTRUCTOR's: false).
    """

    modes: tuple[PoolingMode, ...] = ("mean",)
    include_prompt: bool = True


@dataclass(frozen=True, slots=True)
class DenseSpec:
    """A linear projection after the pooling.

    Attributes:
        folder: directory below the checkpoint that holds its weights (``"2_Dense"``).
        in_features, out_features: widths.
        bias: whether it has one.
        activation: what follows it.
    """

    folder: str
    in_features: int
    out_features: int
    bias: bool
    activation: Activation


@dataclass(frozen=True, slots=True)
class CheckpointSpec:
    """One model directory, understood.

    Attributes:
        path: the directory.
        transformer_folder: where ``config.json``, weights and tokenizer lie (``path`` itself,
            or ``path/0_Transformer``).
        architecture: the encoder; see :class:`Architecture`.
        pooling: how its hidden states are pooled.
        dense: projections after the pooling, in order.
        normalize: whether the modules end in a Normalize.
        joining: the rule the checkpoint was made with.
        max_seq_length: tokens a row may have, instruction and special tokens included.
        lower_case: whether sentence-transformers' own ``do_lower_case`` is set.
        prompts: stored prompts by name.
        default_prompt_name: the one used when nothing is given.
        similarity: the measure the model was made for.
        truncate_dim: width its vectors are cut to when the caller names none; ``None`` for the whole.
        onnx_files: exported graphs of ours by dtype (``"float32"``, ``"int8"``).
        has_weights: whether there are float weights (``.safetensors`` / ``.bin``) beside the graphs.
        weights_digest: digest of the float weights as recorded at export, for directories that
            hold graphs only; ``None`` where it has to be computed.
    """

    path: Path
    transformer_folder: Path
    architecture: Architecture
    pooling: PoolingSpec
    dense: tuple[DenseSpec, ...]
    normalize: bool
    joining: Joining
    max_seq_length: int
    lower_case: bool = False
    prompts: Mapping[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None
    similarity: Similarity = "cosine"
    truncate_dim: int | None = None
    onnx_files: Mapping[str, Path] = field(default_factory=dict)
    has_weights: bool = True
    weights_digest: str | None = None

    @property
    def dimension(self) -> int:
        """Width of the finished vector."""
        if self.dense:
            return self.dense[-1].out_features
        return self.architecture.width * len(self.pooling.modes)
