"""The learning methods under comparison: the original's, ablations of them, and baselines.

At every tick a method gives an output (`act`) and then receives the correct answer (`learn`). Methods differ only in
how and when they use the answer; networks, initial weights, worlds and samples are the same for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from ..errors import InputError
from ..stepping import StepState, TargetQueue
from ..training.config import TrainingBatch
from ..tween import TweenState
from .backpropagation import BatchBP, EqualBP, SampleBP, TickBP, ViewsBP
from .learner import Context, Learner
from .pruned import PrunedTween
from .several_signals import Curriculum, LayerByLayer, Resonant, Waves

Array = np.ndarray[Any, Any]


class Random(Learner):
    """A random action: the baseline every method must beat."""

    def act(self, x: Array) -> Array:
        return self.c.rng.random(self._outputs())

    def predict(self, inputs: Array) -> Array:
        return self.c.rng.integers(0, self._outputs(), len(inputs))

    def _outputs(self) -> int:
        return self.network.layers[-1].out_size or 1


class Constant(Random):
    """Always the same action: the seed modulo their number."""

    def act(self, x: Array) -> Array:
        return np.eye(self._outputs())[self.c.seed % self._outputs()]

    def predict(self, inputs: Array) -> Array:
        return np.full(len(inputs), self.c.seed % self._outputs())


class Commonest(Learner):
    """Names the class that was the answer most often so far."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.counts = np.zeros(self.network.layers[-1].out_size or 1)

    def act(self, x: Array) -> Array:
        return self.counts

    def learn(self, x: Array, target: Array, output: Array) -> None:
        self.counts = self.counts + target

    def predict(self, inputs: Array) -> Array:
        return np.full(len(inputs), self.counts.argmax())


class Collecting(Learner):
    """Collects samples until `interval` has passed or `collect` have arrived, then learns from all of them."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.kept: list[tuple[Array, Array]] = []
        self.last = context.clock()

    def learn(self, x: Array, target: Array, output: Array) -> None:
        self.kept.append((x, target))
        s = self.settings
        if len(self.kept) >= s.collect if s.collect else self.c.clock() - self.last >= s.interval:
            self.c.updates += len(self.kept)
            self.update(self.kept)
            self.kept, self.last = [], self.c.clock()

    def update(self, samples: list[tuple[Array, Array]]) -> None:
        raise NotImplementedError


class NormalBP(Collecting):
    """The original's `NormalBP`: trains one epoch, sample by sample with MSE, on the samples since the last update."""

    def update(self, samples: list[tuple[Array, Array]]) -> None:
        s = self.settings
        config = {"Epochs": 1, "LearningRate": s.rate, "GradientClip": s.clip, "LossType": "mse"}
        self.network.train([TrainingBatch(input=x, target=t) for x, t in samples], config)


class CollectingTween(Collecting):
    """The original's `TweenChain`: one chain-rule tween step per sample since the last update."""

    rule = "chain_rule"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tween = TweenState(context.network, self.settings.tween_config(self.rule))

    def update(self, samples: list[tuple[Array, Array]]) -> None:
        for x, target in samples:
            self.tween.tween_step_towards(self.network, x, target, self.settings.tween_rate)


class CollectingLegacyTween(CollectingTween):
    """The original's `Tween` with its legacy rule: one tween step per sample since the last update."""

    rule = "legacy"


class BatchTween(Learner):
    """`TweenBatch`: sums the gaps of `batch` samples and updates once by their mean."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tween = TweenState(context.network)

    def learn(self, x: Array, target: Array, output: Array) -> None:
        self.tween.tween_step_accumulate(self.network, x, int(target.argmax()), 0)
        if self.tween.batch_count >= self.settings.batch:
            self.tween.tween_batch_apply(self.network, self.settings.tween_rate)
            self.c.updates += 1


class Stepped(Learner):
    """Acts on the output of one tick in which all layers step at once."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.state = StepState(context.network)

    def act(self, x: Array) -> Array:
        self.state.set_input(x)
        self.state.step_forward()
        return self.state.get_output()


class StepBP(Stepped):
    """The original's `StepBP`: its backward sweep over the latest buffers with softmax-scaled gradients, each tick."""

    scaling, buffers, always_delayed = "softmax", "latest", False

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        delayed = self.always_delayed or self.settings.delayed
        self.queue = TargetQueue(len(context.network.layers) if delayed else 1)
        self.rate = self.settings.rate

    def learn(self, x: Array, target: Array, output: Array) -> None:
        due = self.queue.push(target)
        if due is not None:
            self.state.step_backward(output - due, self.scaling, self.buffers)
            self.network.apply_gradients(self.rate)
            self.rate = max(self.rate * self.settings.decay, self.settings.floor)
            self.c.updates += 1


class StepBPTrue(StepBP):
    """Correct stepped backpropagation: the chain rule through the ticks, each output against its own target."""

    scaling, buffers, always_delayed = "none", "used", True


class StepTweenChain(Stepped):
    """The original's `StepTweenChain`: a tween step on the current sample every `tween_every` ticks."""

    rule = "chain_rule"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tween, self.tick = TweenState(context.network, {"Mode": self.rule}), 0

    def learn(self, x: Array, target: Array, output: Array) -> None:
        if self.tick % self.settings.tween_every == 0:
            self.tween.tween_step_towards(self.network, x, target, self.settings.tween_rate)
            self.c.updates += 1
        self.tick += 1


class StepTween(StepTweenChain):
    """`StepTweenChain` with the legacy rule."""

    rule = "legacy"


class TickTween(StepTweenChain):
    """`StepTweenChain` without stepping: the same tween steps, but actions come from an ordinary forward pass."""

    act = Learner.act


class StepBatchTween(Stepped):
    """`TweenStepAccumulate` at every tick of a stepped network, with an update every `batch` ticks."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.batches = BatchTween(context)

    def learn(self, x: Array, target: Array, output: Array) -> None:
        self.batches.learn(x, target, output)


@dataclass(frozen=True)
class Method:
    """`origin`: `"original"`, `"variant"` (one idea removed or corrected) or `"baseline"`; `in_order`: training
    experiments present one sample per tick; otherwise each sample stays at the input for several ticks."""

    make: type[Learner]
    origin: str
    in_order: bool = False

    @property
    def about(self) -> str:
        """A one-line description."""
        return (self.make.__doc__ or "").strip().splitlines()[0]


METHODS: dict[str, Method] = {
    "NormalBP": Method(NormalBP, "original", in_order=True),
    "StepBP": Method(StepBP, "original"),
    "Tween": Method(CollectingLegacyTween, "original", in_order=True),
    "TweenChain": Method(CollectingTween, "original", in_order=True),
    "StepTween": Method(StepTween, "original"),
    "StepTweenChain": Method(StepTweenChain, "original"),
    "BatchTween": Method(BatchTween, "original", in_order=True),
    "StepBatchTween": Method(StepBatchTween, "original"),
    "SampleBP": Method(SampleBP, "original", in_order=True),
    "PrunedTween": Method(PrunedTween, "original", in_order=True),
    "Waves": Method(Waves, "original", in_order=True),
    "Resonant": Method(Resonant, "original", in_order=True),
    "LayerByLayer": Method(LayerByLayer, "original", in_order=True),
    "Curriculum": Method(Curriculum, "original", in_order=True),
    "StepBPTrue": Method(StepBPTrue, "variant"),
    "TickTween": Method(TickTween, "variant"),
    "TickBP": Method(TickBP, "baseline"),
    "EqualBP": Method(EqualBP, "baseline", in_order=True),
    "BatchBP": Method(BatchBP, "baseline", in_order=True),
    "ViewsBP": Method(ViewsBP, "baseline", in_order=True),
    "Commonest": Method(Commonest, "baseline", in_order=True),
    "Random": Method(Random, "baseline"),
    "Constant": Method(Constant, "baseline"),
}


def learner(name: str, context: Context) -> Learner:
    """Create the method of that name on a fresh network."""
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}", where="method", remedy=f"Known: {', '.join(METHODS)}.")
    return METHODS[name].make(context)
