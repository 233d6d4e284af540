"""The ways of learning that are compared: the original's, variants that take one idea away, and baselines.

Every one is asked for an output a tick (`act`) and then told the right answer (`learn`). What it does with the answer,
and when, is all that differs; networks, first weights, worlds and samples are the same for all.
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
    """What an experiment gives to its methods; the original's values.

    **Arguments:**

    - `rate`, `decay`, `floor`: learning rate of backpropagation; that of a tick's own update is multiplied by `decay`
      every time, never below `floor`.
    - `clip`: norm that the gradients of `NormalBP` are cut to; 0 for no cut.
    - `tween_rate`, `tween_every`: rate of tweening, and the ticks from one tween step to the next when stepping.
    - `interval`: nanoseconds between the updates of methods that collect samples first; `collect`: a number of samples
      instead, if not 0.
    - `batch`: samples of one batch of the batch tweening methods.
    - `delayed`: `StepBP` compares an output with the target of the input it belongs to.
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
    """What a method works with; `clock` gives nanoseconds since the start, by ticks or by the machine's clock."""

    network: Network
    settings: Settings
    rng: np.random.Generator
    seed: int
    clock: Callable[[], int]
    updates: int = field(default=0)


class Learner:
    """Acts by an ordinary forward pass and learns nothing."""

    def __init__(self, context: Context) -> None:
        self.c, self.network, self.settings = context, context.network, context.settings

    def act(self, x: Array) -> Array:
        """The output acted on, (O,)."""
        return self.network.forward(x)[0]

    def learn(self, x: Array, target: Array, output: Array) -> None:
        """The right answer, one-hot (O,), to the input of this tick; `output` is what `act` gave."""

    def predict(self, inputs: Array) -> Array:
        """Classes (N,) of inputs (N, I), by an ordinary forward pass: what a stepped network settles at."""
        return self.network.forward(inputs).argmax(axis=1)


class Random(Learner):
    """An action drawn at random: what a method must beat."""

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
    """Backpropagation of output − target every tick, by ordinary passes and plain SGD."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.rate, self.decay = self.settings.rate, self.settings.decay

    def learn(self, x: Array, target: Array, output: Array) -> None:
        self.network.backward(output - target)
        self.network.update_weights(self.rate)
        self.rate = max(self.rate * self.decay, self.settings.floor)
        self.c.updates += 1


class EqualBP(TickBP):
    """`TickBP` at the rate of the tweening methods and with their samples, one after the other."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.rate, self.decay = self.settings.tween_rate, 1.0


class Collecting(Learner):
    """Keeps the samples until `interval` has passed, or `collect` have come, and then learns from all of them."""

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
    """The original's `NormalBP`: `train` for one epoch on what came since the last time, sample by sample, MSE."""

    def update(self, samples: list[tuple[Array, Array]]) -> None:
        s = self.settings
        config = {"Epochs": 1, "LearningRate": s.rate, "GradientClip": s.clip, "LossType": "mse"}
        self.network.train([TrainingBatch(input=x, target=t) for x, t in samples], config)


class CollectingTween(Collecting):
    """The original's `TweenChain`: a chain-rule tween step for every sample since the last time."""

    rule = "chain_rule"

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tween = TweenState(context.network, {"Mode": self.rule})

    def update(self, samples: list[tuple[Array, Array]]) -> None:
        for x, target in samples:
            self.tween.tween_step_towards(self.network, x, target, self.settings.tween_rate)


class CollectingLegacyTween(CollectingTween):
    """The original's `Tween` by its legacy rule: a tween step for every sample since the last time."""

    rule = "legacy"


class BatchTween(Learner):
    """`TweenBatch`: gaps of `batch` samples added up, one update by their mean."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.tween = TweenState(context.network)

    def learn(self, x: Array, target: Array, output: Array) -> None:
        self.tween.tween_step_accumulate(self.network, x, int(target.argmax()), 0)
        if self.tween.batch_count >= self.settings.batch:
            self.tween.tween_batch_apply(self.network, self.settings.tween_rate)
            self.c.updates += 1


class Stepped(Learner):
    """Acts on what a tick of all layers at once gives."""

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
    """Stepped backpropagation as it should be: the chain rule through the ticks, each output with its own target."""

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
    """As `StepTweenChain`, by the legacy rule."""

    rule = "legacy"


class TickTween(StepTweenChain):
    """`StepTweenChain` without the stepping: the same tween steps, acting by an ordinary forward pass."""

    act = Learner.act


class StepBatchTween(Stepped):
    """`TweenStepAccumulate` every tick of a stepped network, an update every `batch` ticks."""

    def __init__(self, context: Context) -> None:
        super().__init__(context)
        self.batches = BatchTween(context)

    def learn(self, x: Array, target: Array, output: Array) -> None:
        self.batches.learn(x, target, output)


@dataclass(frozen=True)
class Method:
    """`origin`: `"original"`, `"variant"` (one idea taken away or mended) or `"baseline"`; `in_order`: samples come
    one after the other in training experiments, else each stays at the input for some ticks."""

    make: type[Learner]
    origin: str
    in_order: bool = False

    @property
    def about(self) -> str:
        """One line."""
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
    """The method of that name on a fresh network."""
    if name not in METHODS:
        raise InputError(f"unknown method {name!r}", where="method", remedy=f"Known: {', '.join(METHODS)}.")
    return METHODS[name].make(context)
