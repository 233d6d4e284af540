"""Tweening over epochs, with histories, early stopping and the best network restored."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..marks import Floats
from ..progress import to_end
from ..schema.fields import Json
from ..training.data import epoch_order
from ..training.evaluation import DeviationMetrics, evaluate, samples
from ..training.grid import TrainableGrid
from ..values import number, whole
from .config import json_name
from .pruning import prune
from .state import TweenState

Callback = Callable[[int, float, DeviationMetrics], Any]


@dataclass(frozen=True, kw_only=True)
class TweenEpochMetrics:
    """One epoch; `score` (0 … 100) is None where it was not measured. Budgets and gaps are of the last sample."""

    epoch: int
    avg_loss: float
    score: float | None
    avg_link_budget: float
    min_link_budget: float
    max_link_budget: float
    avg_gap: float
    max_gap: float
    depth_barrier: float
    bottleneck_layer: int
    pruned: tuple[str, ...] = ()

    def to_json(self) -> Json:
        """The original's names."""
        record = {json_name(name): value for name, value in asdict(self).items()}
        return record | {"Pruned": list(self.pruned)}


@dataclass(frozen=True, kw_only=True)
class TweenResult:
    """What `train` did; `stop_reason` is `""` when all epochs ran, else `"early stopping"` or `"callback"`."""

    epochs: int
    final_loss: float
    best_score: float
    loss_history: list[float]
    epoch_metrics: list[TweenEpochMetrics]
    stop_reason: str = ""

    def to_json(self) -> Json:
        return {
            "Epochs": self.epochs,
            "FinalLoss": self.final_loss,
            "BestScore": self.best_score,
            "LossHistory": self.loss_history,
            "EpochMetrics": [m.to_json() for m in self.epoch_metrics],
            "StopReason": self.stop_reason,
        }


def train(
    state: TweenState,
    network: TrainableGrid,
    inputs: Sequence[Floats],
    expected: Sequence[float],
    epochs: int,
    rate: float,
    callback: Callback | None = None,
    seed: int = 0,
) -> TweenResult:
    """Run `tween_epochs` to completion."""
    return to_end(tween_epochs(state, network, inputs, expected, epochs, rate, callback, seed))


def tween_epochs(
    state: TweenState,
    network: TrainableGrid,
    inputs: Sequence[Floats],
    expected: Sequence[float],
    epochs: int,
    rate: float,
    callback: Callback | None = None,
    seed: int = 0,
    *,
    every_sample: bool = False,
) -> Generator[TweenEpochMetrics | None, None, TweenResult]:
    """A `tween_step` for every sample, in an order drawn from (seed, epoch); yields after every epoch.

    With `every_sample` it also yields None after each sample.

    Every `eval_frequency` epochs and after the last, the score of `evaluate_network` is measured on the same samples.
    Training ends with the best network restored; a score of `early_stop_threshold` ends it early.

    **Arguments:**

    - `expected`: class numbers, as for `evaluate_network`.
    - `callback(epoch, loss, metrics)`: called with every score; True ends the training.
    """
    rows, classes = samples(network, inputs, expected)
    _check(rows, classes, epochs, rate, network)
    config, metrics_list, reason, epoch = state.config, [], "", 0
    size = network.layers[-1].out_size or 0
    for epoch in range(1, epochs + 1):
        order = epoch_order(len(rows), seed, epoch - 1)
        losses: list[float] = []
        for i in order:
            losses.append(state.tween_step(network, rows[i], int(classes[i]), size, rate))
            if every_sample:
                yield None
        loss = sum(losses) / len(losses)
        state.loss_history.append(loss)
        measured = _metrics(state, epoch, loss)
        state.link_budget_history.append(np.array(state.link_budgets))
        state.gap_history.append(np.array(state.gaps))
        state.depth_barrier_history.append(measured["depth_barrier"])
        score = None
        if (epoch - 1) % config.eval_frequency == 0 or epoch == epochs:
            evaluation = evaluate(network, rows, classes)
            score = evaluation.score
            if score > state.best_score:
                state.best_score = score
                state.save_best(network)
            if callback is not None and callback(epoch, loss, evaluation) is True:
                reason = "callback"
            if score >= config.early_stop_threshold:
                reason = "early stopping"
        pruned = () if reason else tuple(prune(state, network))
        metrics_list.append(TweenEpochMetrics(**measured, score=score, pruned=pruned))
        yield metrics_list[-1]
        if reason:
            break
    if state.best_score > 0:
        state.restore_best(network)
    return TweenResult(
        epochs=epoch,
        final_loss=state.loss_history[-1],
        best_score=state.best_score,
        loss_history=state.loss_history[-epoch:],
        epoch_metrics=metrics_list,
        stop_reason=reason,
    )


def _metrics(state: TweenState, epoch: int, loss: float) -> dict[str, Any]:
    average, low, high = state.get_budget_summary()
    gap, max_gap = state.get_gap_summary()
    return {
        "epoch": epoch,
        "avg_loss": loss,
        "avg_link_budget": average,
        "min_link_budget": low,
        "max_link_budget": high,
        "avg_gap": gap,
        "max_gap": max_gap,
        "depth_barrier": float(state.depth_barrier[-1]),
        "bottleneck_layer": state.bottleneck(),
    }


def _check(rows: Sequence[Any], classes: Sequence[float], epochs: int, rate: float, network: TrainableGrid) -> None:
    if not rows:
        raise InputError("there is nothing to train on: no samples", where="inputs")
    whole(epochs, "epochs", 1)
    number(rate, "rate")
    size = network.layers[-1].out_size
    for i, value in enumerate(classes):
        if not math.isfinite(value) or value != int(value) or value < 0 or (size is not None and value >= size):
            raise InputError(f"{value:g} is no class of {size}", where=f"expected[{i}]")
