"""A step that runs out of memory -> the same step in smaller pieces, said aloud.

Knows what running out looks like, and how to undo half a step; nothing of what a step does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, TypeVar

from instructvec.errors import ConfigError, EngineError
from instructvec.training.gradcache import RandomState

if TYPE_CHECKING:
    import torch

T = TypeVar("T")

# What torch says where it raises a bare RuntimeError: the CPU's allocator, Apple's, and CUDA's libraries.
_SIGNS = ("can't allocate memory", "out of memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDNN_STATUS_ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device, or the machine, has no memory left.

    Example:
        >>> is_out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
        True
        >>> is_out_of_memory(RuntimeError("shapes do not match"))
        False
    """
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def halving(
    step: Callable[[int], T],
    size: int,
    *,
    parameters: Iterable[torch.nn.Parameter],
    report: Callable[[str], None],
) -> tuple[T, int]:
    """``step(size)``, with half the size each time memory runs out.

    What the failed attempt added to gradients is undone, and the random state is as at its start, so the result is
    what a run with the smaller size from the start would have given. Gradients that are there already are copied.

    Args:
        step: runs a step in pieces of at most so many rows.
        size: the pieces to try first.
        parameters: whose gradients the step adds to.
        report: gets a sentence for each halving.

    Returns:
        What the step gave, and the size at which it did: start the next one with it.

    Raises:
        ConfigError: a size below 1.
        EngineError: no memory for one row, or none while several processes train together: they would wait for
            each other for ever.

    Example:
        >>> def step(size):
        ...     if size > 4:
        ...         raise MemoryError
        ...     return "done"
        >>> halving(step, 16, parameters=[], report=print)
        out of memory with a sub-batch of 16; trying 8
        out of memory with a sub-batch of 8; trying 4
        ('done', 4)
    """
    if size < 1:
        raise ConfigError(f"a sub-batch of {size}; expected 1 or more")
    kept = [(one, None if one.grad is None else one.grad.detach().clone()) for one in parameters]
    state = RandomState.now()
    while True:
        try:
            return step(size), size
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            _refuse_to_halve(size, str(error))
        # Outside of the handler, where the error no longer holds the failed attempt's tensors.
        report(f"out of memory with a sub-batch of {size}; trying {size // 2}")
        size //= 2
        for parameter, gradient in kept:
            parameter.grad = None if gradient is None else gradient.clone()
        state.restore()
        _free()


def _refuse_to_halve(size: int, reason: str) -> None:
    import torch.distributed as dist

    reason = (reason.splitlines() or ["the machine has none left"])[0]
    if size == 1:
        raise EngineError(
            f"out of memory with a sub-batch of 1; shorten the texts (max_seq_length), turn on gradient "
            f"checkpointing, or use a smaller model. {reason}"
        ) from None
    if dist.is_available() and dist.is_initialized() and dist.get_world_size() > 1:
        raise EngineError(
            f"out of memory with a sub-batch of {size} on process {dist.get_rank()}, while others wait for it; "
            f"set the sub-batch to {size // 2} or less and resume. {reason}"
        ) from None


def _free() -> None:
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()
