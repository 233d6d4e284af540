"""Tweening from several signals at once, or by one layer more than another: what test 12 of the original tried.

The code of these is not known; they follow their descriptions in `docs/neural_tween_analysis.md`, by the legacy rule
that the original had then.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..tween import TweenState, legacy
from ..tween.budgets import link_budgets
from .learner import Context, Learner
from .views import views

Array = np.ndarray[Any, Any]
BOOSTS = (3.0, 2.5, 2.0, 1.5)
"""What `Curriculum` multiplies the rates of the first layers by."""


class Averaging(Learner):
    """One legacy update by the means over several samples of every buffer F_i and of every target T_i.

    gap_i = mean T_i − mean F_i takes the place of T_i − F_i, mean F_i that of the input F_i.
    """

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tween = TweenState(context.network, self.settings.tween_config("legacy"))

    def move(self, samples: Sequence[tuple[Array, int]]) -> None:
        """Move by inputs (I,) and their classes."""
        t, n = self.tween, self.network
        buffers: list[list[Array]] = []
        targets: list[list[Array]] = []
        for x, target_class in samples:
            t.calculate_link_budgets_from_sample(n, x, target_class)
            buffers.append(t.forward_acts)
            targets.append(t.backward_targets)
        acts = [np.mean(each, axis=0) for each in zip(*buffers, strict=True)]
        wanted = [np.mean(each, axis=0) for each in zip(*targets, strict=True)]
        pairs = zip(acts[1:], wanted[1:], strict=True)
        gaps = [b[: a.size] - a[: b.size] for a, b in pairs]
        budgets, _ = link_budgets(acts[1:], wanted[1:])
        legacy.update(t.config, n.layers, n.params, acts, gaps, budgets, self.settings.tween_rate, t.velocities)
        self.c.updates += 1


class Waves(Averaging):
    """The original's WDM: one tween update by the means over `channels` samples, whatever their classes."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.kept: list[tuple[Array, int]] = []

    def learn(self, x: Array, target: Array, output: Array) -> None:
        self.kept.append((x, int(target.argmax())))
        if len(self.kept) >= self.settings.channels:
            self.move(self.kept)
            self.kept = []


class Resonant(Averaging):
    """The original's RMT: one tween update by the means over four views of a sample (noise, scale, mask)."""

    def learn(self, x: Array, target: Array, output: Array) -> None:
        self.move([(view, int(target.argmax())) for view in views(x, self.c.rng)])


class Weighted(Learner):
    """Legacy tween steps, with a factor on what each layer moves by: w ← w_before + factor · (w_after − w_before)."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tween = TweenState(context.network, self.settings.tween_config("legacy"))

    def factors(self) -> Array:
        """One for each layer, (L,)."""
        raise NotImplementedError

    def learn(self, x: Array, target: Array, output: Array) -> None:
        changed = [(p, f) for p, f in zip(self.network.params, self.factors(), strict=True) if f != 1]
        kept = [{name: np.copy(w) for name, w in p.items()} for p, _ in changed]
        self.tween.tween_step_towards(self.network, x, target, self.settings.tween_rate)
        for (p, factor), before in zip(changed, kept, strict=True):
            for name, w in before.items():
                p[name][...] = w + np.asarray(factor, w.dtype) * (p[name] - w)
        self.c.updates += 1


class LayerByLayer(Weighted):
    """The original's LBL: the last layer learns first; in each further part of the run one more layer before it."""

    def factors(self) -> Array:
        count = len(self.network.layers)
        learning = min(count, 1 + self.c.clock() * count // self.c.length)
        return (np.arange(count) >= count - learning).astype(float)


class Curriculum(Weighted):
    """The original's curriculum: the first four layers move by 3, 2.5, 2 and 1.5 times as much as the others."""

    def factors(self) -> Array:
        count = len(self.network.layers)
        return np.array([*BOOSTS, *[1.0] * count][:count])
