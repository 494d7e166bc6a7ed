"""Picks the engine for a checkpoint on this machine, and opens it.

Knows what each engine can run; never swaps one for another silently: what was taken is in the
engine's name. Adding an engine is a function and a row in :data:`ENGINES`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from instructvec.checkpoints.spec import CheckpointSpec
from instructvec.engines import onnx
from instructvec.engines.graph.recovered import with_floats
from instructvec.engines.threads import choose_threads
from instructvec.errors import ConfigError
from instructvec.extras import has
from instructvec.types import Backend, Engine

_TORCH_DTYPES = ("bfloat16", "float16")


def open_engine(
    spec: CheckpointSpec,
    *,
    backend: Backend,
    device: str | None,
    dtype: str,
    threads: int | None,
    max_seq_length: int,
) -> Engine:
    """Open the engine asked for, or under ``"auto"`` the fastest that can run this checkpoint here.

    ``auto`` takes torch on a GPU where there is one (or where ``device`` or ``dtype`` ask for what only
    torch has), else ONNX Runtime, else torch.

    Args:
        spec: the checkpoint.
        backend: ``"auto"`` or the name of an engine.
        device: where to run; ``None`` leaves it to the engine.
        dtype: number type of the matrices; ``"auto"`` leaves it to the engine.
        threads: processors to use; ``None`` for all available.
        max_seq_length: tokens a row may have.

    Raises:
        ConfigError: an unknown backend, or a device that the backend does not have.
        EngineError: no engine here can run the checkpoint.
        MissingExtra: the one that could is not installed.
    """
    if backend == "auto":
        backend = _fastest(spec, device, dtype)
    if backend not in ENGINES:
        raise ConfigError(f"backend is {backend!r}; expected auto, {' or '.join(sorted(ENGINES))}")
    return ENGINES[backend](spec, device, dtype, threads, max_seq_length)


def _fastest(spec: CheckpointSpec, device: str | None, dtype: str) -> Backend:
    if (device is not None and device != "cpu") or dtype in _TORCH_DTYPES:
        return "torch"
    if device is None and dtype == "auto" and spec.has_weights and _sees_gpu():
        return "torch"
    if onnx.can_run(spec):
        return "onnx"
    return "torch"


def _sees_gpu() -> bool:
    """Whether torch has a GPU; torch is imported (seconds) only where a driver is present."""
    if not Path("/proc/driver/nvidia/version").exists() or not has("torch") or not has("transformers"):
        return False
    import torch

    return torch.cuda.is_available()


def _open_onnx(
    spec: CheckpointSpec, device: str | None, dtype: str, threads: int | None, max_seq_length: int
) -> Engine:
    if device not in (None, "cpu"):
        raise ConfigError(f"device is {device!r}, but backend='onnx' runs on the CPU: use backend='torch'")
    return onnx.OnnxEngine(spec, dtype=dtype, threads=threads, max_seq_length=max_seq_length)


def _open_torch(
    spec: CheckpointSpec, device: str | None, dtype: str, threads: int | None, max_seq_length: int
) -> Engine:
    from instructvec.engines.torch import TorchEngine

    if dtype == "int8":
        raise ConfigError("dtype is 'int8', which backend='torch' does not have: use backend='onnx'")
    # torch's own default ignores container limits.
    return TorchEngine(with_floats(spec), device=device, dtype=dtype, threads=choose_threads(threads))


ENGINES: Mapping[str, Callable[[CheckpointSpec, str | None, str, int | None, int], Engine]] = {
    "onnx": _open_onnx,
    "torch": _open_torch,
}
"""(spec, device, dtype, threads, max_seq_length) -> engine, by backend name."""
