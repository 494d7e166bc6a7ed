"""Runs a checkpoint with torch: transformers' encoder, then pooling, projections and unit length.

Knows device and number type; nothing of texts, or of why a token is pooled. The float32 CPU form is the
reference the other engines are held to. Source: sentence-transformers' module chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from instructvec.checkpoints.spec import CheckpointSpec
from instructvec.checkpoints.weights import load_dense, load_weights
from instructvec.encoding.pooling import pool
from instructvec.errors import CheckpointError, ConfigError, EngineError
from instructvec.extras import require
from instructvec.types import Activation, Batch

if TYPE_CHECKING:
    import torch

DTYPES = ("auto", "float32", "bfloat16", "float16")

# torch.nn.functional.normalize's floor, which sentence-transformers' Normalize has.
_NORM_FLOOR = 1e-12


class TorchEngine:
    """A checkpoint on one device, held in one number type.

    Pooling, projections and normalisation are float32 whatever ``dtype`` is. Attention is scaled-dot-product
    attention wherever transformers has it for the architecture, with T5's position bias inside the mask.

    Args:
        spec: what to load; it needs float weights.
        device: ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``, …; ``None`` takes CUDA where there is one.
        dtype: ``"float32"``, ``"bfloat16"``, ``"float16"`` (not on the CPU), or ``"auto"``: bfloat16 on a CUDA
            device that has it, float32 elsewhere.
        threads: CPU threads of one :meth:`run`; ``None`` leaves torch's own number. torch has one number for
            the whole process: it is set for the time of a run and put back after it.

    Raises:
        MissingExtra: torch or transformers is not installed.
        ConfigError: a device, dtype or thread count that does not exist here.
        CheckpointError: the weights are missing, damaged or incomplete.
        EngineError: the device has no room for them.
    """

    def __init__(
        self,
        spec: CheckpointSpec,
        *,
        device: str | None = None,
        dtype: str = "auto",
        threads: int | None = None,
    ) -> None:
        require("torch", "backend='torch'")
        require("transformers", "backend='torch'")
        import torch

        if not spec.has_weights:
            raise CheckpointError(
                f"{spec.path}: holds exported graphs but no float weights, which backend='torch' needs; "
                "use backend='onnx', or the checkpoint the graphs were exported from"
            )
        if threads is not None and threads < 1:
            raise ConfigError(f"threads is {threads}; expected 1 or more, or None for torch's own number")
        self._spec = spec
        self._threads = threads
        self._device = _choose_device(device)
        self._torch_dtype = _choose_dtype(dtype, self._device)
        with _naming_memory(self._device, "loading the weights"):
            self._model = load_encoder(spec, self._torch_dtype).to(self._device)
            self._dense = [
                load_projection(spec, index).to(self._device, torch.float32) for index in range(len(spec.dense))
            ]

    @property
    def name(self) -> str:
        """``"torch"``."""
        return "torch"

    @property
    def device(self) -> str:
        """``"cpu"``, ``"cuda:0"``, …"""
        return str(self._device)

    @property
    def dtype(self) -> str:
        """``"float32"``, ``"bfloat16"`` or ``"float16"``."""
        return str(self._torch_dtype).removeprefix("torch.")

    @property
    def workers(self) -> int:
        """1: a run uses the whole device."""
        return 1

    def run(self, batch: Batch) -> NDArray[np.float32]:
        """(batch, dimension) float32: pooled, and projected and normalised as the checkpoint says.

        Raises:
            EngineError: the device has no room for the batch.
        """
        import torch

        memory = _naming_memory(self._device, f"a batch of {batch.ids.shape}")
        with memory, _threads(self._threads), torch.inference_mode():
            vectors = self._forward(
                torch.from_numpy(batch.ids).to(self._device),
                torch.from_numpy(batch.attention_mask).to(self._device),
                torch.from_numpy(batch.pooling_mask).to(self._device),
            )
            result: NDArray[np.float32] = vectors.cpu().numpy()
        return result

    def _forward(
        self, ids: torch.Tensor, attention_mask: torch.Tensor, pooling_mask: torch.Tensor
    ) -> torch.Tensor:
        hidden = self._model(input_ids=ids, attention_mask=attention_mask.long()).last_hidden_state
        return finish(
            hidden, pooling_mask, attention_mask, self._spec, self._dense, unit_length=self._spec.normalize
        )


def _choose_device(device: str | None) -> torch.device:
    import torch

    if device is None:
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise ConfigError(
            f"device {device!r} is not known to torch; expected 'cpu', 'cuda', 'cuda:1', 'mps'"
        ) from None
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ConfigError(
            f"device {device!r} is not there: torch sees {torch.cuda.device_count()} CUDA devices. Use 'cpu', or "
            "install a torch built for CUDA"
        )
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError(f"device {device!r} is not there; use 'cpu'")
    return torch.device("cuda:0") if device == "cuda" else chosen


def _choose_dtype(dtype: str, device: torch.device) -> torch.dtype:
    import torch

    if dtype not in DTYPES:
        raise ConfigError(f"dtype {dtype!r} is not one of backend='torch'; expected one of {', '.join(DTYPES)}")
    if dtype == "float16" and device.type == "cpu":
        raise ConfigError("dtype 'float16' is not for the CPU; use 'bfloat16' or 'float32', or a GPU")
    if dtype == "auto":
        has_bfloat16 = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if has_bfloat16 else torch.float32
    chosen: torch.dtype = getattr(torch, dtype)
    return chosen


def finish(
    hidden: torch.Tensor,
    pooling_mask: torch.Tensor,
    attention_mask: torch.Tensor,
    spec: CheckpointSpec,
    projections: Sequence[torch.nn.Module],
    *,
    unit_length: bool,
) -> torch.Tensor:
    """What follows the encoder, in float32: pooling, projections and their activations, unit length.

    Args:
        hidden: (batch, tokens, width), of any float type.
        pooling_mask: (batch, tokens) bool, true where a token counts.
        attention_mask: (batch, tokens) bool, true where a token is seen.
        spec: the checkpoint.
        projections: its linear layers, in order.
        unit_length: whether the vectors are scaled to length one.

    Returns:
        (batch, dimension) float32.
    """
    import torch

    vectors: torch.Tensor = pool(
        hidden.float(), pooling_mask.float(), attention_mask.float(), spec.pooling.modes, xp=torch
    )
    for dense, projection in zip(spec.dense, projections, strict=True):
        vectors = _activate(projection(vectors), dense.activation)
    if unit_length:
        vectors = torch.nn.functional.normalize(vectors, p=2.0, dim=-1, eps=_NORM_FLOOR)
    return vectors


def load_encoder(spec: CheckpointSpec, dtype: torch.dtype, *, config: Any = None) -> torch.nn.Module:
    """The bare encoder, every weight from the checkpoint, in evaluation mode and without gradients.

    Args:
        spec: the checkpoint; it needs float weights.
        dtype: what its matrices are held in.
        config: transformers' configuration instead of the checkpoint's own.

    Raises:
        CheckpointError: the weights are missing, damaged or incomplete.
    """
    import transformers

    given = {} if config is None else {"config": config}
    loader = {
        "t5": transformers.T5EncoderModel,
        "mt5": transformers.MT5EncoderModel,
    }.get(spec.architecture.model_type, transformers.AutoModel)
    with quiet_transformers():
        try:
            model, report = loader.from_pretrained(
                str(spec.transformer_folder),
                dtype=dtype,
                local_files_only=True,
                trust_remote_code=False,
                weights_only=True,
                output_loading_info=True,
                **given,
            )
        except (OSError, ValueError, RuntimeError, KeyError) as error:
            # Our own reader names the file and tensor; where it finds no fault, the error stands as it is.
            load_weights(spec)
            raise CheckpointError(f"{spec.transformer_folder}: transformers cannot load it: {error}") from error
        except Exception as error:
            if type(error).__name__ not in {"SafetensorError", "UnpicklingError"}:
                raise
            load_weights(spec)
            raise CheckpointError(f"{spec.transformer_folder}: damaged weights: {error}") from error
    # A vector depends on no pooler; transformers draws it at random where the file has none.
    missing = [name for name in report["missing_keys"] if not name.startswith("pooler.")]
    if missing or report["mismatched_keys"]:
        _load_by_name(model, spec, missing)
    model = model.eval()
    model.requires_grad_(False)
    return model  # type: ignore[no-any-return]


def _load_by_name(model: Any, spec: CheckpointSpec, missing: list[str]) -> None:
    """Fill in what transformers did not find under the names it looks for."""
    import torch

    weights = load_weights(spec)
    state = {name: torch.from_numpy(np.array(array)) for name, array in weights.items()}
    if spec.architecture.family == "t5":
        state["encoder.embed_tokens.weight"] = state["shared.weight"]
    absent = [name for name in missing if name not in state]
    if absent:
        raise CheckpointError(
            f"{spec.transformer_folder}: the tensors {', '.join(absent[:3])} ({len(absent)} in all) are missing; "
            "the checkpoint is incomplete, download it again"
        )
    model.load_state_dict(state, strict=False)


def load_projection(spec: CheckpointSpec, index: int) -> torch.nn.Linear:
    """A projection after the pooling, float32, without gradients.

    Raises:
        CheckpointError: as :func:`load_encoder`.
    """
    import torch

    weight, bias = load_dense(spec, index)
    linear = torch.nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    linear.weight = torch.nn.Parameter(torch.from_numpy(np.array(weight)), requires_grad=False)
    if bias is not None:
        linear.bias = torch.nn.Parameter(torch.from_numpy(np.array(bias)), requires_grad=False)
    return linear


def _activate(vectors: torch.Tensor, activation: Activation) -> torch.Tensor:
    import torch

    functions = {
        "identity": lambda x: x,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "sigmoid": torch.sigmoid,
        "silu": torch.nn.functional.silu,
        "gelu": torch.nn.functional.gelu,
        "gelu_tanh": lambda x: torch.nn.functional.gelu(x, approximate="tanh"),
    }
    return functions[activation](vectors)  # type: ignore[no-any-return, no-untyped-call]


@contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    if threads is None or threads == before:
        yield
        return
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """No load report, progress bar or advice: what is wrong is raised here, not printed there."""
    from transformers.utils import logging

    verbosity, bar = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()


@contextmanager
def _naming_memory(device: torch.device, what: str) -> Iterator[None]:
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        if device.type == "cuda":
            torch.cuda.empty_cache()
        raise EngineError(
            f"{device}: out of memory for {what}; lower max_batch_tokens (or batch_size), pass dtype='bfloat16', "
            f"or use a smaller model. {str(error).splitlines()[0]}"
        ) from None
