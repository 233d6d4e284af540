"""The state of tweening between steps, and the steps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import InputError
from ..marks import Floats, shared
from ..nn.layer import Array, Params, tree_map
from ..training.evaluation import sample
from ..training.grid import TrainableGrid
from ..values import number, to_array, whole
from . import chain_rule, legacy, principled
from .budgets import ExplosionGuard, link_budgets
from .config import TweenConfig
from .maths import clamp


@shared
class TweenState:
    """Activations, targets, link budgets, velocities and histories of one network under tweening.

    A step takes one sample: the network runs forward from the input (recurrent layers from zero), targets or gradients
    are passed back by the rule of the mode, link budgets are measured, and every layer moves. `Network.params` change
    in place. The buffers are 0 (the input) … L (the output).

    **Arguments:**

    - `network`: the network; the steps also accept another one with as many layers.
    - `config`: a `TweenConfig` or its JSON; the defaults (chain rule) if left out.
    """

    def __init__(self, network: TrainableGrid, config: TweenConfig | Mapping[str, Any] | None = None) -> None:
        self.config = config if isinstance(config, TweenConfig) else TweenConfig.from_json(config or {})
        self.total_layers = len(network.layers)
        if not self.total_layers:
            raise InputError("there is nothing to tween: no layers", where="network")
        self.tween_steps = 0
        self.loss_history: list[float] = []
        self.link_budget_history: list[Array] = []
        self.gap_history: list[Array] = []
        self.depth_barrier_history: list[float] = []
        self.explosion = ExplosionGuard()
        self.best_score = 0.0
        self._best: tuple[list[Any], list[Params], int] | None = None
        self._fresh(network)

    def _fresh(self, network: TrainableGrid) -> None:
        """Reset everything with one entry a layer."""
        count = self.total_layers = len(network.layers)
        self.forward_acts: list[Array] = []
        """Buffers of the last step, flat."""
        self.backward_targets: list[Array] = []
        """Targets of the buffers, flat; in legacy mode their lengths may differ."""
        self.chain_gradients: list[Array] = []
        """Gradients of the buffers in the direction of ascent; none in legacy mode."""
        self.link_budgets: Array = np.ones(count)
        self.gaps: Array = np.zeros(count)
        self.velocities: list[Params] = [{} for _ in range(count)]
        self.dead_epochs = [0] * count
        self.disabled: set[int] = set()
        self._grads: list[Params] = []
        self.reset_batch()

    @property
    def depth_barrier(self) -> Array:
        """Products of the link budgets from the first layer to each."""
        return np.cumprod(self.link_budgets)

    # --- mode -------------------------------------------------------------------------------------------------------
    def set_chain_rule(self, enabled: bool) -> None:
        """Choose between the chain rule and the legacy rule."""
        self.config = self.config.with_rule("chain_rule" if enabled else "legacy")

    def get_chain_rule(self) -> bool:
        return self.config.rule == "chain_rule"

    def get_tween_steps(self) -> int:
        return self.tween_steps

    def get_link_budgets(self) -> Array:
        """Link budget of every layer, from the last step."""
        return np.array(self.link_budgets)

    def get_gaps(self) -> Array:
        """Gap of every layer, from the last step."""
        return np.array(self.gaps)

    def get_loss_history(self) -> list[float]:
        """Mean losses of the epochs so far."""
        return list(self.loss_history)

    # --- one sample -------------------------------------------------------------------------------------------------
    def tween_step(
        self, network: TrainableGrid, input: Floats, target_class: int, output_size: int, rate: float
    ) -> float:
        """One sample of class `target_class` of `output_size` → Σ (output − one-hot)² before the step."""
        return self.tween_step_towards(network, input, one_hot(network, target_class, output_size), rate)

    def tween_step_towards(self, network: TrainableGrid, input: Floats, target: Floats, rate: float) -> float:
        """One sample with any target vector of the size of the output → Σ (output − target)² before the step."""
        _check_rate(rate)
        network.check_not_training()
        loss = self._measure(network, input, target, training=True)
        self._apply(network, rate * self._damping())
        self.tween_steps += 1
        return loss

    def calculate_link_budgets_from_sample(self, network: TrainableGrid, input: Floats, target_class: int) -> None:
        """Budgets and gaps for a sample without learning from it."""
        self._measure(network, input, one_hot(network, target_class, 0))

    def _measure(self, network: TrainableGrid, input: Floats, target: Floats, *, training: bool = False) -> float:
        """Forward, backward, link budgets; no weight changes."""
        if len(network.layers) != self.total_layers:
            problem = f"made for {self.total_layers} layers, the network has {len(network.layers)}"
            raise InputError(problem, where="network", remedy="Create a new tween state.")
        x = sample(network, input, "input")
        states = network.noise_states(self.tween_steps) if training else None
        y, outputs, caches = network.trace_forward(network.ops, network.params, x, states, training=training)
        wanted = to_array(target, network.dtype, "target").ravel()
        if wanted.size != y.size:
            raise InputError(f"the output has {y.size} values, the target {wanted.size}", where="target")
        acts = self.forward_acts = [a.ravel() for a in (x, *outputs)]
        gap, rule, config = wanted - acts[-1], self.config.rule, self.config
        layers, params = network.layers, network.params
        if rule == "legacy":
            self.chain_gradients, self._grads = [], []
            self.backward_targets = legacy.targets(config, layers, params, wanted)
        else:
            if rule == "principled":
                passing = network.layers_to_run()
                gradients, self._grads = principled.gradients(
                    network.ops, passing, params, caches, gap.reshape(y.shape)
                )
                self.chain_gradients = [g.ravel() for g in gradients]
            else:
                self.chain_gradients = chain_rule.gradients(config, layers, params, acts, gap)
            scale = config.gradient_scale
            moved = (a + g * scale for a, g in zip(acts, self.chain_gradients, strict=True))
            targets = (np.where(np.isfinite(m), m, a) for m, a in zip(moved, acts, strict=True))
            pairs = zip(layers, targets, strict=False)
            self.backward_targets = [*(clamp(config, layer, t).astype(y.dtype) for layer, t in pairs), wanted]
        self.link_budgets, self.gaps = link_budgets(acts[1:], self.backward_targets[1:])
        return float(gap @ gap)

    def _damping(self) -> float:
        """The factor that explosion detection puts on the rate, from the mean gap."""
        return self.explosion.factor(float(self.gaps.mean())) if self.config.explosion_detection else 1.0

    def _apply(self, network: TrainableGrid, rate: float) -> None:
        rule = self.config.rule
        if rule == "principled":
            principled.update(self.config, network.layers, network.params, self._grads, rate, self.velocities)
        elif rule == "legacy":
            self._legacy(network, self._output_gaps(), rate)
        else:
            self._chain(network, self.chain_gradients[1:], rate)

    def _chain(self, network: TrainableGrid, grads: Sequence[Array | None], rate: float) -> None:
        chain_rule.update(self.config, network.layers, network.params, self.forward_acts, grads, rate, self.velocities)

    def _legacy(self, network: TrainableGrid, gaps: Sequence[Array], rate: float) -> None:
        legacy.update(
            self.config,
            network.layers,
            network.params,
            self.forward_acts,
            gaps,
            self.link_budgets,
            rate,
            self.velocities,
        )

    def _output_gaps(self) -> list[Array]:
        """target − output for every layer, over the shorter length."""
        pairs = zip(self.forward_acts[1:], self.backward_targets[1:], strict=True)
        return [t[: y.size] - y[: t.size] for y, t in pairs]

    # --- batches ----------------------------------------------------------------------------------------------------
    def reset_batch(self) -> None:
        """Discard what `tween_step_accumulate` accumulated."""
        self.batch_count = 0
        self._batch: list[Array] = []
        self._batch_grads: list[Params] = []

    def tween_step_accumulate(
        self, network: TrainableGrid, input: Floats, target_class: int, output_size: int
    ) -> float:
        """As `tween_step`, but only accumulate the gaps (principled: the gradients)."""
        loss = self._measure(network, input, one_hot(network, target_class, output_size), training=True)
        gaps = self._output_gaps()
        self._batch = [a + b for a, b in zip(self._batch, gaps, strict=True)] if self.batch_count else gaps
        if self.config.rule == "principled":
            self._batch_grads = _sum(self._batch_grads, self._grads) if self.batch_count else self._grads
        self.batch_count += 1
        self.tween_steps += 1
        return loss

    def tween_batch_apply(self, network: TrainableGrid, rate: float) -> None:
        """Move by the mean of what was accumulated; no effect if nothing was.

        The original's modes pair the mean gap with the inputs of the *last* sample, and leave layers below
        `ignore_threshold` alone. The principled mode takes the mean gradient.
        """
        _check_rate(rate)
        network.check_not_training()
        if not self.batch_count:
            return
        share = 1 / self.batch_count
        if self.config.rule == "principled":
            self._grads = [tree_map(lambda g: g * share, tree) for tree in self._batch_grads]
            self._apply(network, rate)
        else:
            gaps = [gap * share for gap in self._batch]
            if self.config.rule == "legacy":
                self._legacy(network, gaps, rate)
            else:
                alive = self.link_budgets >= self.config.ignore_threshold
                self._chain(network, [gap if live else None for gap, live in zip(gaps, alive, strict=True)], rate)
        self.reset_batch()

    def tween_batch(
        self,
        network: TrainableGrid,
        inputs: Sequence[Floats],
        target_classes: Sequence[int],
        output_size: int,
        rate: float,
    ) -> float:
        """Accumulate all samples and apply → mean loss; 0 without samples."""
        _check_rate(rate)
        if len(inputs) != len(target_classes):
            raise InputError(f"mismatched inputs ({len(inputs)}) vs classes ({len(target_classes)})")
        self.reset_batch()
        pairs = zip(inputs, target_classes, strict=True)
        losses = [self.tween_step_accumulate(network, x, c, output_size) for x, c in pairs]
        self.tween_batch_apply(network, rate)
        return sum(losses) / len(losses) if losses else 0.0

    # --- the best so far --------------------------------------------------------------------------------------------
    def save_best(self, network: TrainableGrid) -> None:
        """Keep a copy of all layers and parameters."""
        params = [tree_map(np.copy, p) for p in network.params]
        self._best = list(network.layers), params, network.layers_per_cell

    def restore_best(self, network: TrainableGrid) -> None:
        """Restore what `save_best` kept, removed layers included; no effect if it kept nothing."""
        if self._best is None:
            return
        network.check_not_training()
        layers, params, per_cell = self._best
        if layers != network.layers:
            network.layers, network.layers_per_cell = list(layers), per_cell
            network.params = [tree_map(np.copy, p) for p in params]
            network.reset_state()
            self._fresh(network)
            return
        for p, best in zip(network.params, params, strict=True):
            _put_back(p, best)

    # --- summaries ----------------------------------------------------------------------------------------------------
    def get_budget_summary(self) -> tuple[float, float, float]:
        """Mean, smallest and largest link budget."""
        return float(self.link_budgets.mean()), float(self.link_budgets.min()), float(self.link_budgets.max())

    def get_gap_summary(self) -> tuple[float, float]:
        """Mean and largest gap."""
        return float(self.gaps.mean()), float(self.gaps.max())

    def bottleneck(self) -> int:
        """The layer with the smallest link budget."""
        return int(np.argmin(self.link_budgets))


def one_hot(network: TrainableGrid, target_class: int, output_size: int) -> Array:
    """1 for the class among `output_size` (0: the network's number of outputs), 0 for the others."""
    size = output_size or network.layers[-1].out_size or 0
    whole(target_class, "target_class", maximum=size - 1)
    target = np.zeros(size, network.dtype)
    target[target_class] = 1
    return target


def _check_rate(rate: float) -> None:
    number(rate, "rate")


def _sum(a: Sequence[Params], b: Sequence[Params]) -> list[Params]:
    from ..runtime import numpy_ops
    from ..stepping.tape import add_trees

    return [add_trees(numpy_ops, x, y) for x, y in zip(a, b, strict=True)]


def _put_back(tree: Params, values: Params) -> None:
    """*In place*: copy the tensors of `values` into those of `tree`."""
    for name, value in tree.items():
        if isinstance(value, list):
            for child, kept in zip(value, values[name], strict=True):
                _put_back(child, kept)
        elif isinstance(value, dict):
            _put_back(value, values[name])
        else:
            value[...] = values[name]
