"""A batch in pieces gives the gradient of the whole, dropout included, in the memory of one piece."""

import math
import random
import weakref
from contextlib import contextmanager

import pytest
import torch

from instructvec.errors import EngineError, InputError
from instructvec.training.gradcache import RandomState, cached_backward
from instructvec.training.memory import halving, is_out_of_memory
from instructvec.training.objective import Objective, contrastive_loss
from instructvec.training.vectors import BatchVectors

ROWS, TOKENS, WIDTH = 8, 6, 16
EXACT = {torch.float64: 1e-12, torch.float32: 1e-6}


class Encoder(torch.nn.Module):
    """Embeddings, one attention layer with dropout, the mean."""

    def __init__(self, dropout=0.2):
        super().__init__()
        self.embeddings = torch.nn.Embedding(50, WIDTH)
        self.layer = torch.nn.TransformerEncoderLayer(WIDTH, 2, 32, dropout, batch_first=True)

    def forward(self, ids):
        return self.layer(self.embeddings(ids)).mean(dim=1)


def setting(dtype=torch.float64, dropout=0.2, seed=0):
    torch.manual_seed(seed)
    model = Encoder(dropout).to(dtype).train()
    return model, torch.randint(50, (3 * ROWS, TOKENS))


def loss_of(vectors):
    return contrastive_loss(BatchVectors(*vectors.chunk(3)), Objective(temperature=0.1)).loss


def gradients(model):
    found = [parameter.grad.clone() for parameter in model.parameters()]
    model.zero_grad()
    return found


def plain(model, pieces):
    """All pieces with their graphs at once."""
    loss = loss_of(torch.cat([model(piece) for piece in pieces]))
    loss.backward()
    return loss.detach(), gradients(model)


def assert_alike(found, expected, tolerance):
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("size", [1, 2, 5, 7, 12, 23, 24])
def test_gradient_with_dropout_equals_the_plain_one(size, dtype):
    model, ids = setting(dtype)
    state = RandomState.now()
    loss, expected = plain(model, ids.split(size))
    draw = torch.rand(())
    state.restore()
    found = cached_backward(model, ids.split(size), loss_of)
    assert found.item() == pytest.approx(loss.item(), abs=EXACT[dtype])
    assert_alike(gradients(model), expected, EXACT[dtype])
    assert torch.rand(()) == draw  # the random state goes on where the plain step's does


def test_what_the_loss_draws_is_not_drawn_again():
    model, ids = setting()

    def drawing(vectors):
        return loss_of(vectors) * torch.rand(()).double()

    state = RandomState.now()
    drawing(torch.cat([model(piece) for piece in ids.split(5)]))
    draw = torch.rand(())
    state.restore()
    cached_backward(model, ids.split(5), drawing)
    assert torch.rand(()) == draw


def test_dropout_was_at_work():
    model, ids = setting()
    _, first = plain(model, ids.split(5))
    _, second = plain(model, ids.split(5))
    assert not torch.allclose(first[1], second[1])


@pytest.mark.parametrize("size", [1, 5, 24])
def test_sizes_change_nothing_without_dropout(size):
    model, ids = setting(dropout=0.0)
    _, expected = plain(model, [ids])
    cached_backward(model, ids.split(size), loss_of)
    assert_alike(gradients(model), expected, 1e-12)


def test_gradients_are_added_to_those_there():
    model, ids = setting(dropout=0.0)
    for _ in range(2):
        cached_backward(model, ids.split(5), loss_of)
    twice = gradients(model)
    cached_backward(model, ids.split(5), loss_of)
    assert_alike(twice, [2 * one for one in gradients(model)], 1e-12)


def test_parameters_of_the_loss_get_their_gradient():
    model, ids = setting(dropout=0.0)
    tau = torch.tensor(0.1, dtype=torch.float64, requires_grad=True)

    def loss(vectors):
        return contrastive_loss(BatchVectors(*vectors.chunk(3)), Objective(), temperature=tau).loss

    loss(model(ids)).backward()
    expected, tau.grad = tau.grad, None
    cached_backward(model, ids.split(7), loss)
    torch.testing.assert_close(tau.grad, expected, atol=1e-12, rtol=1e-12)


def test_pieces_may_be_anything_the_encoder_takes():
    model, ids = setting(dropout=0.0)
    _, expected = plain(model, [ids])
    pieces = [{"ids": ids[:3]}, {"ids": ids[3:4]}, {"ids": ids[4:]}]
    cached_backward(lambda piece: model(piece["ids"]), pieces, loss_of)
    assert_alike(gradients(model), expected, 1e-12)


def test_under_autocast_the_weights_still_get_gradients():
    """Autocast keeps the first pass's copies of the weights, which have no graph (pytorch issue 112583)."""
    model, ids = setting(torch.float32)
    state = RandomState.now()
    with torch.autocast("cpu", torch.bfloat16):
        _, expected = plain(model, ids.split(5))
    state.restore()
    with torch.autocast("cpu", torch.bfloat16):
        cached_backward(model, ids.split(5), loss_of)
    # bfloat16 keeps 8 bits, and gradients of the pieces are added in another order.
    for one, other in zip(gradients(model), expected, strict=True):
        torch.testing.assert_close(one, other, atol=0.02 * other.abs().max().item(), rtol=0)


def test_memory_is_that_of_one_piece():
    """Bytes that the graph holds at the same time, at their most, for batches of 2 to 32 pieces of 4 rows."""

    def peak_bytes(n_pieces, step=cached_backward):
        model, _ = setting(torch.float32)
        ids = torch.randint(50, (4 * n_pieces, TOKENS))
        held, peak = {}, 0

        class Kept:
            def __init__(self, tensor):
                self.tensor = tensor
                held[id(self)] = tensor.nbytes

            def __del__(self):
                held.pop(id(self), None)

        def pack(tensor):
            nonlocal peak
            kept = Kept(tensor)
            peak = max(peak, sum(held.values()))
            return kept

        with torch.autograd.graph.saved_tensors_hooks(pack, lambda kept: kept.tensor):
            step(model, ids.split(4), lambda vectors: vectors.square().sum())
        return peak

    def at_once(model, pieces, loss_of):
        loss_of(torch.cat([model(piece) for piece in pieces])).backward()

    few, many = peak_bytes(2), peak_bytes(32)
    # What the loss itself holds grows: the vectors, once.
    assert many - few <= 4 * 32 * WIDTH * 4
    assert peak_bytes(32, at_once) > 20 * many


def test_unsynchronised_covers_all_pieces_but_the_last():
    model, ids = setting()
    inside, seen = [False], []

    @contextmanager
    def no_sync():
        inside[0] = True
        yield
        inside[0] = False

    def encode(piece):
        seen.append((torch.is_grad_enabled(), inside[0]))
        return model(piece)

    cached_backward(encode, ids.split(8), loss_of, unsynchronised=no_sync)
    assert seen == [(False, False)] * 3 + [(True, True), (True, True), (True, False)]


def test_one_piece_is_encoded_once():
    model, ids = setting()
    calls = []
    cached_backward(lambda piece: calls.append(1) or model(piece), [ids], loss_of)
    assert calls == [1]


def test_an_empty_piece_changes_nothing():
    model, ids = setting(dropout=0.0)
    _, expected = plain(model, [ids])
    cached_backward(model, [ids[:3], ids[:0], ids[3:]], loss_of)
    assert_alike(gradients(model), expected, 1e-12)


def test_an_encoder_that_draws_elsewhere_is_refused():
    model, ids = setting()
    with pytest.raises(EngineError, match=r"piece \d: encode gave other vectors the second time"):
        cached_backward(lambda piece: model(piece) * random.random(), ids.split(8), loss_of)
    sizes = iter([8, 8, 8, 7])
    with pytest.raises(EngineError, match="piece 0: encode gave other vectors"):
        cached_backward(lambda piece: model(piece)[: next(sizes)], ids.split(8), loss_of)


@pytest.mark.parametrize("size", [24, 8])
def test_a_nan_loss_adds_no_gradient(size):
    model, ids = setting()
    with pytest.raises(EngineError, match="the loss is nan; expected a finite number; no gradient was added"):
        cached_backward(model, ids.split(size), lambda vectors: vectors.sum() * math.nan)
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("size", [24, 8])
def test_a_nan_vector_is_refused_with_its_row(size):
    model, ids = setting()
    with torch.no_grad():
        model.embeddings.weight[ids[9, 0]] = math.nan
    bad = int((ids == ids[9, 0]).any(dim=1).nonzero()[0])
    side = ("queries", "positives", "negatives")[bad // ROWS]
    with pytest.raises(InputError, match=rf"{side}, row {bad % ROWS}"):
        cached_backward(model, ids.split(size), loss_of)


@pytest.mark.parametrize("size", [24, 8])
def test_wrong_shapes_are_refused(size):
    model, ids = setting()
    with pytest.raises(InputError, match=r"the loss has the shape \(24,\)"):
        cached_backward(model, ids.split(size), lambda vectors: vectors.sum(dim=1))
    with pytest.raises(InputError, match="piece 0: encode gave the shape"):
        cached_backward(lambda piece: model(piece).sum(dim=1), ids.split(size), loss_of)
    with pytest.raises(InputError, match="the loss has no gradient"):
        cached_backward(model, ids.split(size), lambda vectors: vectors.detach().sum())
    with pytest.raises(InputError, match="no pieces"):
        cached_backward(model, [], loss_of)


def test_a_loss_of_something_else_is_refused():
    model, ids = setting()
    other = torch.ones((), requires_grad=True)
    with pytest.raises(InputError, match="does not depend on the vectors"):
        cached_backward(model, ids.split(8), lambda vectors: other * 2)


# Out of memory


def fails_above(limit, step, error):
    """A step that runs, with whatever it does before it fails, and fails above a size."""

    def run(size):
        value = step(size)
        if size > limit:
            raise error
        return value

    return run


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory"),
        RuntimeError("MPS backend out of memory (MPS allocated: 1 GB)"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        MemoryError(),
    ],
)
def test_a_step_out_of_memory_runs_in_halves_and_says_so(error):
    model, ids = setting()
    kept = [torch.full_like(parameter, 0.5) for parameter in model.parameters()]
    state, said = RandomState.now(), []

    def step(size):
        return cached_backward(model, ids.split(size), loss_of)

    for parameter, gradient in zip(model.parameters(), kept, strict=True):
        parameter.grad = gradient.clone()
    step(5)
    expected = gradients(model)
    state.restore()
    for parameter, gradient in zip(model.parameters(), kept, strict=True):
        parameter.grad = gradient.clone()
    _, size = halving(fails_above(5, step, error), 20, parameters=model.parameters(), report=said.append)
    assert size == 5
    assert said == [
        "out of memory with a sub-batch of 20; trying 10",
        "out of memory with a sub-batch of 10; trying 5",
    ]
    # The failed attempts had added their gradients and drawn their dropout: both are undone.
    assert_alike(gradients(model), expected, 0)


def test_no_memory_for_one_row_is_an_error():
    with pytest.raises(EngineError, match="out of memory with a sub-batch of 1; shorten the texts"):
        halving(fails_above(0, lambda size: size, MemoryError()), 4, parameters=[], report=lambda text: None)


def test_other_errors_pass():
    with pytest.raises(RuntimeError, match="shapes"):
        halving(fails_above(0, lambda size: size, RuntimeError("shapes")), 4, parameters=[], report=print)
    with pytest.raises(ValueError, match="a sub-batch of 0"):
        halving(lambda size: size, 0, parameters=[], report=print)
    assert not is_out_of_memory(ValueError("out of memory"))


def test_a_failed_attempts_tensors_are_let_go():
    references = []

    def step(size):
        held = torch.ones(10)
        references.append(weakref.ref(held))
        if size > 2:
            raise MemoryError
        return all(one() is None for one in references[:-1])

    freed, _ = halving(step, 8, parameters=[], report=lambda text: None)
    assert freed
