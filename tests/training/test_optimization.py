"""Learning rates over layers and steps, what is decayed, clipping, and a state that is put back exactly."""

import math

import numpy as np
import pytest
import torch

from instructvec.training.optimization import (
    TEMPERATURE,
    clip,
    load_optimizer_state,
    optimizer_of,
    optimizer_state,
    set_learning_rates,
    share_of_height,
)
from instructvec.training.options import OptimizerOptions


def parameters(seed=0):
    generator = torch.Generator().manual_seed(seed)
    shapes = {"embeddings.weight": (7, 3), "layer.0.weight": (3, 3), "layer.0.bias": (3,), TEMPERATURE: ()}
    return [(name, torch.nn.Parameter(torch.randn(shape, generator=generator))) for name, shape in shapes.items()]


def options_of(optimizer, one):
    return next(group for group in optimizer.param_groups if any(one is other for other in group["params"]))


def test_matrices_are_decayed_and_biases_and_the_temperature_are_not():
    own = parameters()
    optimizer = optimizer_of(own, OptimizerOptions(weight_decay=0.1))
    decays = {name: options_of(optimizer, one)["weight_decay"] for name, one in own}
    assert decays == {"embeddings.weight": 0.1, "layer.0.weight": 0.1, "layer.0.bias": 0.0, TEMPERATURE: 0.0}


def test_lower_layers_learn_slower():
    own = parameters()
    above = {"embeddings.weight": 2, "layer.0.weight": 1, "layer.0.bias": 1}
    optimizer = optimizer_of(
        own, OptimizerOptions(learning_rate=1.0, layer_decay=0.5), layers_above=lambda name: above[name]
    )
    assert [options_of(optimizer, one)["height"] for _, one in own] == [0.25, 0.5, 0.5, 1.0]


def test_temperature_has_its_own_rate():
    own = parameters()
    optimizer = optimizer_of(own, OptimizerOptions(learning_rate=1e-5, temperature_learning_rate=1e-2))
    assert [options_of(optimizer, one)["height"] for _, one in own] == [1e-5, 1e-5, 1e-5, 1e-2]


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("linear", [0.5, 1.0, 1.0, 0.75, 0.5, 0.25]),
        ("cosine", [0.5, 1.0, 1.0, 0.5 + math.sqrt(0.125), 0.5, 0.5 - math.sqrt(0.125)]),
        ("constant", [0.5, 1.0, 1.0, 1.0, 1.0, 1.0]),
    ],
)
def test_schedule_by_hand(schedule, expected):
    options = OptimizerOptions(steps=6, warmup=2, schedule=schedule)
    np.testing.assert_allclose([share_of_height(step, options) for step in range(6)], expected)


@pytest.mark.parametrize("warmup", [0, 1, 5])
def test_every_step_learns(warmup):
    options = OptimizerOptions(steps=5, warmup=warmup)
    shares = [share_of_height(step, options) for step in range(5)]
    assert all(0 < share <= 1 for share in shares) and max(shares) == 1


def test_rates_are_shares_of_their_heights():
    optimizer = optimizer_of(parameters(), OptimizerOptions(learning_rate=0.5, temperature_learning_rate=2.0))
    set_learning_rates(optimizer, 0.5)
    assert sorted({group["lr"] for group in optimizer.param_groups}) == [0.25, 1.0]


def test_optimizer_is_adamw_worked_out_in_float64():
    one = torch.nn.Parameter(torch.tensor([[0.5, -1.0]]))
    optimizer = optimizer_of([("weight", one)], OptimizerOptions(learning_rate=0.1, weight_decay=0.2))
    weight, mean, square = np.array([0.5, -1.0]), 0.0, 0.0
    for step, gradient in enumerate(np.array([[0.3, -2.0], [-0.1, 1.0]]), 1):
        one.grad = torch.tensor(gradient[None], dtype=torch.float32)
        optimizer.step()
        mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient**2
        update = (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-8)
        weight = weight * (1 - 0.1 * 0.2) - 0.1 * update
    np.testing.assert_allclose(one.detach().numpy()[0], weight, rtol=1e-6)


def test_clipping_scales_all_gradients_by_their_common_norm():
    own = [torch.nn.Parameter(torch.zeros(2)) for _ in range(3)]
    own[0].grad, own[1].grad = torch.tensor([3.0, 0.0]), torch.tensor([0.0, 4.0])
    assert clip(own, 0.5) == 5.0
    np.testing.assert_allclose([own[0].grad[0], own[1].grad[1]], [0.3, 0.4], rtol=1e-5)
    assert clip(own, 0.6) == pytest.approx(0.5)
    np.testing.assert_allclose([own[0].grad[0], own[1].grad[1]], [0.3, 0.4], rtol=1e-5)


def test_clipping_leaves_a_norm_that_is_not_finite():
    one = torch.nn.Parameter(torch.zeros(2))
    one.grad = torch.tensor([math.inf, 1.0])
    assert clip([one], 1.0) == math.inf
    assert one.grad.tolist() == [math.inf, 1.0]
    assert clip([torch.nn.Parameter(torch.zeros(1))], 1.0) == 0.0


def test_state_put_back_gives_the_same_steps():
    def take(own, optimizer, seed):
        generator = torch.Generator().manual_seed(seed)
        for _, one in own:
            one.grad = torch.randn(one.shape, generator=generator)
        optimizer.step()

    options = OptimizerOptions()
    whole, parts = parameters(), parameters()
    optimizer = optimizer_of(whole, options)
    other = optimizer_of(parts, options)
    for at in range(2):
        take(whole, optimizer, at)
    with torch.no_grad():
        for (_, a), (_, b) in zip(whole, parts, strict=True):
            b.copy_(a)
    load_optimizer_state(other, parts, optimizer_state(optimizer, whole))
    take(whole, optimizer, 7), take(parts, other, 7)
    assert all(torch.equal(a, b) for (_, a), (_, b) in zip(whole, parts, strict=True))


def test_state_is_a_copy():
    own = parameters()
    optimizer = optimizer_of(own, OptimizerOptions())
    for _, one in own:
        one.grad = torch.ones_like(one)
    optimizer.step()
    kept = {name: tensor.clone() for name, tensor in optimizer_state(optimizer, own).items()}
    load_optimizer_state(optimizer, own, kept)
    optimizer.step()
    assert kept["layer.0.bias:step"].item() == 1
    with pytest.raises(KeyError):
        load_optimizer_state(optimizer, own, {"other:step": torch.ones(())})
