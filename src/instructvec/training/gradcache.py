r"""A batch too large for memory, in pieces -> the gradient of a loss over all of its vectors.

Knows pieces, vectors and a loss of vectors; nothing of texts, models or what the loss is. Three passes: (1) every
piece is encoded without a graph; (2) the loss of all vectors v gives :math:`u = \partial L / \partial v`; (3)
every piece is encoded again, with a graph, and :math:`u` is sent back through it, because
:math:`\partial L / \partial \theta = \sum_i u_i^\top \, \partial v_i / \partial \theta`. The random state that a
piece had in (1) is restored in (3), so that dropout drops the same. Memory is that of one piece's graph and of the
vectors.
Source: Gao et al. 2021, "Scaling Deep Contrastive Learning Batch Size under Memory Limited Setup", section 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from instructvec.errors import EngineError, InputError

if TYPE_CHECKING:
    import torch

Piece = TypeVar("Piece")

# Two passes of the same kernels agree to rounding; bfloat16 keeps 8 bits.
_SAME_VECTORS = 0.05


@dataclass(frozen=True, slots=True)
class RandomState:
    """torch's random state, of the CPU and of each CUDA device in use; Python's and numpy's are not in it."""

    cpu: torch.Tensor
    cuda: tuple[torch.Tensor, ...]

    @classmethod
    def now(cls) -> RandomState:
        """As it is."""
        import torch

        used = torch.cuda.is_available() and torch.cuda.is_initialized()  # type: ignore[no-untyped-call]
        return cls(torch.get_rng_state(), tuple(torch.cuda.get_rng_state_all()) if used else ())

    def restore(self) -> None:
        """Make it so again."""
        import torch

        torch.set_rng_state(self.cpu)
        if self.cuda:
            torch.cuda.set_rng_state_all(list(self.cuda))


def cached_backward(
    encode: Callable[[Piece], torch.Tensor],
    pieces: Sequence[Piece],
    loss_of: Callable[[torch.Tensor], torch.Tensor],
    *,
    unsynchronised: Callable[[], AbstractContextManager[object]] = nullcontext,
) -> torch.Tensor:
    """Add the gradient of ``loss_of(encode(everything))`` to the parameters, a piece at a time.

    One piece alone is encoded once, with its graph. Under autocast, wrap the whole call or ``encode``.
    An encoder that changes itself when it runs (batch normalisation's averages) is changed twice.

    Args:
        encode: a piece -> its (n, d) vectors, each depending on the piece alone.
        pieces: the batch, in the order of its vectors.
        loss_of: (all, d) vectors -> () loss; may use other parameters (a temperature), which get their gradient
            too, and may gather other processes' vectors. Called once.
        unsynchronised: a context for all pieces but the last, such as ``DistributedDataParallel.no_sync``.

    Returns:
        () the loss, without gradient.

    Raises:
        InputError: no piece, vectors that are no matrix, or a loss that is not one number.
        EngineError: a loss that is NaN or infinite, and then no gradient was added; or an encoder whose second
            pass gives other vectors than its first, and then the gradients are of no use.

    Example:
        >>> import torch
        >>> layer = torch.nn.Linear(3, 2)
        >>> loss = cached_backward(layer, torch.ones(6, 3).split(2), lambda vectors: vectors.sum())
        >>> layer.bias.grad.tolist()
        [6.0, 6.0]
    """
    import torch

    if not len(pieces):
        raise InputError("a batch of no pieces has no loss; expected one piece or more")
    if len(pieces) == 1:
        return _backward(loss_of, _vectors(encode, pieces[0], 0))
    states, cached = [], []
    for index, piece in enumerate(pieces):
        states.append(RandomState.now())
        with torch.no_grad():
            cached.append(_vectors(encode, piece, index))
    sizes = [len(vectors) for vectors in cached]
    # Autocast keeps its 16-bit copies of the weights; older torch would use those made without a graph below, and
    # the weights get no gradient (pytorch issue 112583).
    torch.clear_autocast_cache()
    whole = torch.cat(cached).requires_grad_()
    loss = _backward(loss_of, whole)
    if whole.grad is None:
        raise InputError("the loss does not depend on the vectors; expected loss_of to use what it is given")
    after = RandomState.now()
    try:
        _send_back(encode, pieces, states, (cached, torch.split(whole.grad, sizes)), unsynchronised)
    finally:
        after.restore()
    return loss


def _send_back(
    encode: Callable[[Piece], torch.Tensor],
    pieces: Sequence[Piece],
    states: Sequence[RandomState],
    first_pass: tuple[Sequence[torch.Tensor], Sequence[torch.Tensor]],
    unsynchronised: Callable[[], AbstractContextManager[object]],
) -> None:
    """The third pass."""
    import torch

    differences = []
    for index, (piece, state, cached, gradient) in enumerate(zip(pieces, states, *first_pass, strict=True)):
        state.restore()
        with nullcontext() if index == len(pieces) - 1 else unsynchronised():
            vectors = _vectors(encode, piece, index)
            if len(vectors) != len(cached):
                raise EngineError(_other_vectors(index))
            torch.autograd.backward(vectors, gradient.to(vectors.dtype))
        differences.append(_difference(vectors.detach(), cached))
    worst = torch.stack(differences)  # looked at once: each look waits for the device
    if bool((worst > _SAME_VECTORS).any()):
        raise EngineError(_other_vectors(int(worst.argmax())))


def _difference(vectors: torch.Tensor, cached: torch.Tensor) -> torch.Tensor:
    """() the largest difference, as a share of the largest value."""
    if not cached.numel():
        return cached.new_zeros(())
    return (vectors - cached).abs().max() / cached.abs().max().clamp_min(1e-8)


def _other_vectors(index: int) -> str:
    return (
        f"piece {index}: encode gave other vectors the second time, so the gradient would be wrong; expected the "
        "same from the same torch random state: draw with torch only, and keep nothing between calls"
    )


def _vectors(encode: Callable[[Piece], torch.Tensor], piece: Piece, index: int) -> torch.Tensor:
    vectors = encode(piece)
    if vectors.ndim != 2:
        raise InputError(
            f"piece {index}: encode gave the shape {tuple(vectors.shape)}; expected (rows, dimensions)"
        )
    return vectors


def _backward(loss_of: Callable[[torch.Tensor], torch.Tensor], vectors: torch.Tensor) -> torch.Tensor:
    import torch

    loss = loss_of(vectors)
    if loss.ndim:
        raise InputError(f"the loss has the shape {tuple(loss.shape)}; expected one number, ()")
    if not bool(torch.isfinite(loss.detach())):
        raise EngineError(
            f"the loss is {loss.item()}; expected a finite number; no gradient was added; lower the learning "
            "rate, raise the temperature, or train in float32 or bfloat16"
        )
    if not loss.requires_grad:
        raise InputError(
            "the loss has no gradient; expected parameters that are trained and a loss that uses them"
        )
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()
