"""Optimisers, losses and schedules against PyTorch, where it is installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loom_py.runtime import numpy_ops
from loom_py.training.losses import Loss
from loom_py.training.optimisers import SGD, AdamW, Optimiser, RMSprop
from loom_py.training.schedulers import CosineAnnealing, CosineAnnealingWarmRestarts, Scheduler, StepDecay
from loom_py.training.state import TrainingState

torch = pytest.importorskip("torch")


def adamw(weights: list[Any], lr: float) -> Any:
    groups = [{"params": weights[:1], "weight_decay": 0.05}, {"params": weights[1:], "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr)


OPTIMISERS: dict[str, tuple[Optimiser, Callable[[list[Any], float], Any]]] = {
    "SGD": (SGD(), lambda w, lr: torch.optim.SGD(w, lr)),
    "momentum": (SGD(momentum=0.9), lambda w, lr: torch.optim.SGD(w, lr, momentum=0.9)),
    "nesterov": (SGD(momentum=0.9, nesterov=True), lambda w, lr: torch.optim.SGD(w, lr, momentum=0.9, nesterov=True)),
    "AdamW": (AdamW(weight_decay=0.05), adamw),
    # torch adds ε outside the root: equal only where both are negligible
    "RMSprop": (RMSprop(epsilon=1e-30), lambda w, lr: torch.optim.RMSprop(w, lr, eps=1e-15)),
    "RMSprop, momentum": (
        RMSprop(epsilon=1e-30, momentum=0.9),
        lambda w, lr: torch.optim.RMSprop(w, lr, eps=1e-15, momentum=0.9),
    ),
}


@pytest.mark.parametrize("name", OPTIMISERS)
def test_optimiser(name: str) -> None:
    ours, make = OPTIMISERS[name]
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(3, 4)), rng.normal(size=4)]
    theirs = [torch.tensor(w, requires_grad=True) for w in weights]
    optimiser, state = make(theirs, 0.03), TrainingState()
    for _ in range(30):
        grads = [rng.normal(size=w.shape) for w in weights]
        for w, g in zip(theirs, grads, strict=True):
            w.grad = torch.tensor(g)
        optimiser.step()
        state.apply(numpy_ops, weights, grads, 0.03, ours)
        for w, other in zip(weights, theirs, strict=True):
            np.testing.assert_allclose(w, other.detach().numpy(), rtol=1e-10, atol=1e-12)


LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "mse": lambda y, t: torch.nn.functional.mse_loss(y, t),
    "mae": lambda y, t: torch.nn.functional.l1_loss(y, t),
    "huber": lambda y, t: torch.nn.functional.huber_loss(y, t, delta=0.7),
    # torch takes the mean over samples, we over all values
    "cross_entropy_logits": lambda y, t: torch.nn.functional.cross_entropy(y, t) / y.shape[1],
    "bce": lambda y, t: torch.nn.functional.binary_cross_entropy(y, t),
    "bce_logits": lambda y, t: torch.nn.functional.binary_cross_entropy_with_logits(y, t),
}


@pytest.mark.parametrize("name", LOSSES)
def test_loss(name: str) -> None:
    rng = np.random.default_rng(1)
    y = rng.uniform(0.01, 0.99, (5, 3)) if name == "bce" else rng.normal(0, 2, (5, 3))
    t = rng.uniform(0, 1, (5, 3))
    loss, theirs = Loss(name, 0.7), torch.tensor(y, requires_grad=True)
    value = LOSSES[name](theirs, torch.tensor(t))
    value.backward()
    assert float(loss.value(numpy_ops, y, t)) == pytest.approx(value.item(), rel=1e-12)
    np.testing.assert_allclose(loss.gradient(numpy_ops, y, t), theirs.grad.numpy(), rtol=1e-10, atol=1e-14)


SCHEDULES: list[tuple[Scheduler, Callable[[Any], Any]]] = [
    (
        CosineAnnealing(learning_rate=0.5, min_learning_rate=0.1, steps=20),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 20, eta_min=0.1),
    ),
    (
        CosineAnnealingWarmRestarts(learning_rate=0.5, min_learning_rate=0.1, period=7),
        lambda o: torch.optim.lr_scheduler.CosineAnnealingWarmRestarts(o, 7, eta_min=0.1),
    ),
    (StepDecay(learning_rate=0.5, factor=0.3, steps=6), lambda o: torch.optim.lr_scheduler.StepLR(o, 6, gamma=0.3)),
]


@pytest.mark.parametrize(("ours", "make"), SCHEDULES)
def test_schedule(ours: Scheduler, make: Callable[[Any], Any]) -> None:
    optimiser = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 0.5)
    theirs = make(optimiser)
    for step in range(20):
        assert ours.lr(step) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9)
        optimiser.step()
        theirs.step()
