"""What a recipe says about computing -> device, number type of the passes, and processes, set up by accelerate.

Knows hardware and what it can; nothing of models' contents or losses. The loop is ours, and accelerate does what
it does well: it finds the device, starts torchrun's process group, wraps the encoder for autocast and for the mean
of gradients over processes, and scales float16's gradients. ``transformers.Trainer`` would have the loop as well,
of one forward pass a batch; a step here is several passes over texts of like length, and one loss of all of them.
Source: https://huggingface.co/docs/accelerate, "Accelerator".
"""

from __future__ import annotations

import atexit
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from instructvec.errors import ConfigError
from instructvec.extras import require
from instructvec.training.options import ComputeOptions, TrainingPrecision

if TYPE_CHECKING:
    import torch

_Accelerates: TypeAlias = Literal["no", "bf16", "fp16"]
_ACCELERATES: dict[str, _Accelerates] = {"float32": "no", "bfloat16": "bf16", "float16": "fp16"}
CPU_PASS_TOKENS = 2048
"""Padded tokens of a pass on a CPU, where a recipe says none; measured by ``benchmarks/training.py``."""
GPU_PASS_TOKENS = 16_384
"""The same on a GPU, which a short pass would leave idle."""
# The others wait for the first process while it scores or writes.
_PATIENCE = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Devices:
    """Where training runs.

    Attributes:
        precision: the number type of the passes.
        device: of this process.
        rank: of this process, from 0.
        n_processes: how many train together.
        accelerator: accelerate's own.
    """

    precision: TrainingPrecision
    device: torch.device
    rank: int
    n_processes: int
    accelerator: Any

    @property
    def is_first(self) -> bool:
        """Whether this process writes and tells."""
        return self.rank == 0

    @property
    def pass_tokens(self) -> int:
        """Padded tokens of one pass of the encoder, where a recipe says none."""
        return CPU_PASS_TOKENS if self.device.type == "cpu" else GPU_PASS_TOKENS

    @property
    def emulates(self) -> bool:
        """Whether the hardware is known to have no matrices of that type: several times slower than float32."""
        is_known = self.device.type in ("cpu", "cuda")
        return is_known and self.precision == "bfloat16" and not _has_bfloat16(self.device.type)

    @property
    def scaler(self) -> Any:
        """Of float16's gradients; ``None`` for the other types."""
        return self.accelerator.scaler

    def wrapped(self, encoder: torch.nn.Module) -> torch.nn.Module:
        """The encoder on the device, under autocast, and part of all processes'."""
        with warnings.catch_warnings():
            # torch has a new name for the option below, which accelerate does not know yet.
            warnings.filterwarnings("ignore", "`broadcast_buffers` is deprecated", FutureWarning)
            prepared: torch.nn.Module = self.accelerator.prepare_model(encoder)
        return prepared

    def unsynchronised(self, model: torch.nn.Module) -> AbstractContextManager[object]:
        """In it, gradients stay with the process."""
        context: AbstractContextManager[object] = self.accelerator.no_sync(model)
        return context

    def meet(self) -> None:
        """Wait until every process is here."""
        if self.n_processes > 1:
            import torch.distributed as dist

            dist.barrier()

    def agreed(self, decision: bool) -> bool:
        """What the first process decides; every process must ask."""
        if self.n_processes == 1:
            return decision
        import torch
        import torch.distributed as dist

        flag = torch.tensor([int(decision)], device=self.device)
        dist.broadcast(flag, 0)
        return bool(flag.item())


def open_devices(options: ComputeOptions) -> Devices:
    """Set up what there is, or what is asked for.

    Raises:
        ConfigError: a device that is not there, or a number type that it does not have.
        MissingExtra: accelerate is not installed.
    """
    require("torch", "training")
    require("accelerate", "training")
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState
    from accelerate.utils import DistributedDataParallelKwargs, InitProcessGroupKwargs

    was_open = _is_open()
    device = _device(options.device)
    precision = _precision(options.precision, device.type)
    # accelerate keeps the first Accelerator's options for the whole process; each run has its own here.
    AcceleratorState._reset_state(reset_partial_state=True)
    accelerator = Accelerator(
        cpu=device.type == "cpu",
        mixed_precision=_ACCELERATES[precision],
        kwargs_handlers=[
            # Buffers do not change, and passes differ in number from process to process.
            DistributedDataParallelKwargs(broadcast_buffers=False),
            InitProcessGroupKwargs(timeout=_PATIENCE),
        ],
    )
    if _is_open() and not was_open:
        # Not at the end of a run: torch cannot open another group under torchrun's address.
        atexit.register(_close)
    return Devices(
        precision, accelerator.device, accelerator.process_index, accelerator.num_processes, accelerator
    )


@contextmanager
def threads(n_threads: int | None) -> Iterator[None]:
    """So many threads of the CPU inside; ``None`` leaves them as they are."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n_threads or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _is_open() -> bool:
    import torch.distributed as dist

    return dist.is_available() and dist.is_initialized()


def _close() -> None:
    import torch.distributed as dist

    if _is_open():
        dist.destroy_process_group()


def _device(wanted: str | None) -> torch.device:
    """The device asked for, made current; the best there is where none is."""
    import torch

    if wanted is None:
        has_mps = torch.backends.mps.is_available()
        return torch.device("cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu")
    try:
        device = torch.device(wanted)
    except RuntimeError:
        raise ConfigError(f"compute.device is {wanted!r}; expected 'cpu', 'cuda', 'cuda:1' or 'mps'") from None
    is_there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not is_there.get(device.type, False):
        raise ConfigError(
            f"compute.device is {wanted!r}, which torch does not find here; leave it out, or use 'cpu'"
        )
    if device.type == "cuda" and device.index is not None:
        if device.index >= torch.cuda.device_count():
            raise ConfigError(f"compute.device is {wanted!r}; there are {torch.cuda.device_count()}, from cuda:0")
        torch.cuda.set_device(device)
    return device


def _precision(wanted: TrainingPrecision, device: str) -> TrainingPrecision:
    if wanted == "auto":
        return "bfloat16" if _has_bfloat16(device) else "float32"
    if wanted == "float16" and device == "cpu":
        raise ConfigError(
            "compute.precision is 'float16', which needs a GPU; use 'bfloat16' or 'float32' on the CPU, or 'auto'"
        )
    return wanted


def _has_bfloat16(device: str) -> bool:
    """Whether the hardware multiplies bfloat16 itself; emulated, it is slower than float32."""
    import torch

    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if device != "cpu":
        return False
    tests = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(test is not None and test() for test in tests)
