"""The learning methods under comparison: the original's, ablations of them, and baselines.

At every tick a method gives an output (`act`) and then receives the correct answer (`learn`). Methods differ only in
how and when they use the answer; networks, initial weights, worlds and samples are the same for all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..errors import InputError
from ..network.network import Network
from ..stepping import StepState, TargetQueue
from ..training.config import TrainingBatch
from ..tween import TweenState

Array = np.ndarray[Any, Any]


@dataclass(kw_only=True)
class Settings:
    """An experiment's settings for its methods; defaults are the original's.

    **Arguments:**

    - `rate`, `decay`, `floor`: learning rate of backpropagation; per-tick updates multiply it by `decay` each
      time, down to `floor`.
    - `clip`: maximum gradient norm of `NormalBP`; 0 for none.
    - `tween_rate`, `tween_every`: rate of tweening, and ticks between tween steps when stepping.
    - `interval`: nanoseconds between updates of methods that collect samples first; `collect`: samples between
      updates instead, if not 0.
    - `batch`: batch size of the batch tweening methods.
    - `delayed`: `StepBP` compares each output with the target of the input that caused it.
    """

    rate: float = 0.02
    decay: float = 1.0
    floor: float = 0.0
    clip: float = 0.0
    tween_rate: float = 0.02
    tween_every: int = 1
    interval: int = 50_000_000
    collect: int = 0
    batch: int = 32
    delayed: bool = False


@dataclass(kw_only=True)
class Context:
    """What a method needs to run; `clock` returns nanoseconds since the start, from ticks or from wall-clock time."""

    network: Network
    settings: Settings
    rng: np.random.Generator
    seed: int
    clock: Callable[[], int]
    updates: int = field(default=0)


class Learner:
    """Base class: acts by an ordinary forward pass and learns nothing."""

    def __init__(self, context: Context) -> None:
        self.c, self.network, self.settings = context, context.network, context.settings

    def act(self, x: Array) -> Array:
        """The output to act on, (O,)."""
        return self.network.forward(x)[0]

    def learn(self, x: Array, target: Array, output: Array) -> None:
        """Receive the correct answer, one-hot (O,), for this tick's input; `output` is what `act` returned."""

    def predict(self, inputs: Array) -> Array:
        """Predicted classes (N,) of inputs (N, I) by an ordinary forward pass, where a stepped network settles."""
        return self.network.forward(inputs).argmax(axis=1)


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


class TickBP(Learner):
    """Backpropagates output − target at every tick, with ordinary passes and plain SGD."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.rate, self.decay = self.settings.rate, self.settings.decay

    def learn(self, x: Array, target: Array, output: Array) -> None:
        self.network.backward(output - target)
        self.network.update_weights(self.rate)
        self.rate = max(self.rate * self.decay, self.settings.floor)
        self.c.updates += 1


class EqualBP(TickBP):
    """`TickBP` with the learning rate and samples of the tweening methods, one sample at a time."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.rate, self.decay = self.settings.tween_rate, 1.0


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
        self.tween = TweenState(context.network, {"Mode": self.rule})

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
    "StepBPTrue": Method(StepBPTrue, "variant"),
    "TickTween": Method(TickTween, "variant"),
    "TickBP": Method(TickBP, "baseline"),
    "EqualBP": Method(EqualBP, "baseline", in_order=True),
    "Random": Method(Random, "baseline"),
    "Constant": Method(Constant, "baseline"),
}


def learner(name: str, context: Context) -> Learner:
    """Create the method of that name on a fresh network."""
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}", where="method", remedy=f"Known: {', '.join(METHODS)}.")
    return METHODS[name].make(context)
