"""The training loop: forward, loss, backward, clip, update; as a generator, so that a caller can watch and stop it."""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import ConfigError, InputError
from ..nn.layer import Array, Params, leaves
from ..runtime.ops import Ops, Tensor
from .config import LOSSES, TrainingProgress, TrainingResult, as_batch, as_config
from .evaluation import evaluate

if TYPE_CHECKING:
    from ..network import Network


def train_step(
    network: Network, ops: Ops, params: list[Params], x: Tensor, target: Tensor, *, lr: float, clip: float
) -> tuple[Tensor, list[Params]]:
    """One whole update on any device: x (B, I), target (B, O) → (loss before the update, gradients).

    Parameters change in place, in the last statement: whoever stops before it leaves the step undone.
    """
    y, _, caches = network.trace_forward(ops, params, x)
    loss = ops.mse(y, target)
    _, grads = network.trace_backward(ops, params, caches, ops.mse_grad(y, target))
    flat = [g for tree in grads for _, g in leaves(tree)]
    if clip > 0:
        ops.clip_by_norm(flat, clip)
    for w, g in zip((w for tree in params for _, w in leaves(tree)), flat, strict=True):
        ops.sgd_step(w, g, lr)
    return loss, grads


def training_steps(
    network: Network, batches: Sequence[Any], config: Any = None
) -> Generator[TrainingProgress, None, TrainingResult]:
    """Train one epoch at a time: yields `TrainingProgress` after each, returns the `TrainingResult`.

    Everything is checked before the first update. Closing the generator keeps the epochs done so far.
    """
    cfg = as_config(config)
    if cfg.loss_type not in LOSSES:
        known = f"Known: {', '.join(LOSSES)}."
        raise ConfigError(f"unknown loss {cfg.loss_type!r}", where="config.LossType", remedy=known)
    if cfg.evaluate_every_n and len(cfg.validation_inputs) != len(cfg.validation_targets):
        raise ConfigError(
            f"{len(cfg.validation_inputs)} validation inputs but {len(cfg.validation_targets)} targets",
            where="config.ValidationTargets",
        )
    data = _prepare(network, batches)
    samples = sum(x.shape[0] for x, _ in data)
    history: list[float] = []
    metrics = None
    start = time.perf_counter_ns()
    for epoch in range(1, cfg.epochs + 1):
        total = 0.0
        for i, (x, target) in enumerate(data):
            loss, network._gradients = train_step(
                network, network.ops, network.params, x, target, lr=cfg.learning_rate, clip=cfg.gradient_clip
            )
            total += float(loss)
            if cfg.print_every_batch and (i + 1) % cfg.print_every_batch == 0:
                print(f"Epoch {epoch}/{cfg.epochs} - Batch {i + 1}/{len(data)} - Loss: {float(loss):.6f}")
        history.append(total / len(data))
        if not math.isfinite(history[-1]):
            raise InputError(
                f"the loss is {history[-1]} in epoch {epoch}",
                where="train",
                remedy="Lower the learning rate, clip gradients, or scale the inputs.",
            )
        if cfg.verbose:
            print(f"Epoch {epoch}/{cfg.epochs} - Avg Loss: {history[-1]:.6f}")
        if cfg.evaluate_every_n and cfg.validation_inputs and epoch % cfg.evaluate_every_n == 0:
            metrics = evaluate(network, cfg.validation_inputs, cfg.validation_targets)
            if cfg.verbose:
                print(
                    f"  Validation Score: {metrics.score:.1f}/100, Avg Deviation: {metrics.average_deviation:.1f}%, "
                    f"Failures: {metrics.failures}/{metrics.total_samples}"
                )
        yield TrainingProgress(epoch=epoch, epochs=cfg.epochs, loss=history[-1])
    elapsed = time.perf_counter_ns() - start
    return TrainingResult(
        final_loss=history[-1],
        best_loss=min(history),
        total_time=elapsed,
        avg_throughput=samples * cfg.epochs / max(elapsed, 1) * 1e9,
        loss_history=history,
        eval_metrics=metrics,
    )


def _prepare(network: Network, batches: Sequence[Any]) -> list[tuple[Array, Array]]:
    """All batches as (B, I) and (B, O) arrays; a wrong one is an `InputError` naming it."""
    if len(batches) == 0:
        raise InputError("there is nothing to train on: no batches", where="batches")
    data: list[tuple[Array, Array]] = []
    shapes: dict[tuple[int, ...], tuple[int, ...]] = {}
    for i, item in enumerate(batches):
        batch = as_batch(item, f"batches[{i}]")
        x = network._rows(batch.input, f"batches[{i}].Input")
        try:
            target = np.asarray(batch.target, dtype=network.dtype)
        except (TypeError, ValueError) as error:
            raise InputError(f"expected numbers ({error})", where=f"batches[{i}].Target") from error
        if x.shape not in shapes:  # one dry run a shape tells the output's
            y, _, _ = network.trace_forward(network.ops, network.params, x)
            shapes[x.shape] = y.shape
        rows, width = shapes[x.shape]
        if target.size != rows * width:
            raise InputError(f"expected {rows * width} values, got {target.size}", where=f"batches[{i}].Target")
        for name, a in (("Input", x), ("Target", target)):
            if not np.isfinite(a).all():
                raise InputError("contains NaN or infinity", where=f"batches[{i}].{name}")
        data.append((x, target.reshape(rows, width)))
    return data
