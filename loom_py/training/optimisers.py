"""Optimisers: how a gradient g changes a weight w. Each is a frozen set of hyperparameters and two pure methods.

State lives outside, one tensor per parameter and *slot* (a moment, a velocity), so that a step is a function of its
arguments, can be traced, saved and continued.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from ..runtime.ops import Ops, Tensor
from ..schema.choice import Choice, read_choice
from ..schema.options import option

Slots = dict[str, list[Tensor]]
"""Slot name → one tensor per parameter, in the order of the parameters."""


@dataclass(frozen=True, kw_only=True)
class Optimiser(Choice):
    """Base of all optimisers."""

    @property
    @abstractmethod
    def name(self) -> str:
        """As the original calls it."""

    @property
    @abstractmethod
    def slots(self) -> tuple[str, ...]:
        """Names of the state tensors kept for every parameter."""

    def init(self, ops: Ops, params: Sequence[Tensor]) -> Slots:
        """Zero state for the parameters."""
        return {slot: [ops.zeros(w.shape, like=w) for w in params] for slot in self.slots}

    @abstractmethod
    def step(
        self, ops: Ops, params: Sequence[Tensor], grads: Sequence[Tensor], slots: Slots, lr: float, step: int
    ) -> None:
        """Update `params` and `slots` in place. `lr` and `step` (this is the step-th update, from 1) are *dynamic*."""


@dataclass(frozen=True, kw_only=True)
class SGD(Optimiser):
    """w ← w − lr · g; with momentum μ: v ← μ v + (1 − dampening) g, w ← w − lr · v, Nesterov w ← w − lr · (g + μ v)."""

    kind: ClassVar[str] = "sgd"

    momentum: float = option(0.0, minimum=0.0, below=1.0)
    dampening: float = option(0.0, minimum=0.0, below=1.0)
    nesterov: bool = option(False)

    @property
    def name(self) -> str:
        if not self.momentum:
            return "SGD"
        return "SGD (Nesterov momentum)" if self.nesterov else "SGD (momentum)"

    @property
    def slots(self) -> tuple[str, ...]:
        return ("velocity",) if self.momentum else ()

    def step(
        self, ops: Ops, params: Sequence[Tensor], grads: Sequence[Tensor], slots: Slots, lr: float, step: int
    ) -> None:
        if not self.momentum:
            for w, g in zip(params, grads, strict=True):
                ops.sgd_step(w, g, lr)
            return
        for w, g, v in zip(params, grads, slots["velocity"], strict=True):
            ops.sgd_momentum_step(w, g, v, lr, self.momentum, self.dampening, self.nesterov)


@dataclass(frozen=True, kw_only=True)
class SGDMomentum(SGD):
    """`SGD` with a default momentum of 0.9."""

    kind: ClassVar[str] = "sgd_momentum"

    momentum: float = option(0.9, minimum=0.0, below=1.0)


@dataclass(frozen=True, kw_only=True)
class AdamW(Optimiser):
    """w ← w − lr · (m̂ / (√v̂ + ε) + decay · w); tensors of one axis (biases, norm gains) do not decay."""

    kind: ClassVar[str] = "adamw"

    beta1: float = option(0.9, minimum=0.0, below=1.0)
    beta2: float = option(0.999, minimum=0.0, below=1.0)
    epsilon: float = option(1e-8, above=0.0)
    weight_decay: float = option(0.01, minimum=0.0)

    @property
    def name(self) -> str:
        return "AdamW"

    @property
    def slots(self) -> tuple[str, ...]:
        return "m", "v"

    def step(
        self, ops: Ops, params: Sequence[Tensor], grads: Sequence[Tensor], slots: Slots, lr: float, step: int
    ) -> None:
        for w, g, m, v in zip(params, grads, slots["m"], slots["v"], strict=True):
            decay = self.weight_decay if len(w.shape) > 1 else 0.0
            ops.adamw_step(w, g, m, v, lr, step, self.beta1, self.beta2, self.epsilon, decay)


@dataclass(frozen=True, kw_only=True)
class RMSprop(Optimiser):
    """v ← α v + (1 − α) g², u = g / √(v + ε), w ← w − lr · u; with momentum b ← μ b + u, w ← w − lr · b."""

    kind: ClassVar[str] = "rmsprop"

    alpha: float = option(0.99, minimum=0.0, below=1.0)
    epsilon: float = option(1e-8, above=0.0)
    momentum: float = option(0.0, minimum=0.0, below=1.0)

    @property
    def name(self) -> str:
        return "RMSprop (momentum)" if self.momentum else "RMSprop"

    @property
    def slots(self) -> tuple[str, ...]:
        return ("v", "buffer") if self.momentum else ("v",)

    def step(
        self, ops: Ops, params: Sequence[Tensor], grads: Sequence[Tensor], slots: Slots, lr: float, step: int
    ) -> None:
        buffers = slots.get("buffer", [None] * len(slots["v"]))
        for w, g, v, buffer in zip(params, grads, slots["v"], buffers, strict=True):
            ops.rmsprop_step(w, g, v, buffer, lr, self.alpha, self.epsilon, self.momentum)


KINDS: dict[str, type[Optimiser]] = {cls.kind: cls for cls in (SGD, SGDMomentum, AdamW, RMSprop)}


def read_optimiser(value: object, where: str = "optimizer") -> Optimiser:
    """A name, an object (`{"Type": "adamw", "Beta1": 0.9}`) or an `Optimiser`; None is plain SGD."""
    if value is None or (isinstance(value, str) and not value):
        return SGD()
    optimiser: Any = read_choice(value, KINDS, where)
    if type(optimiser) is SGDMomentum:
        return SGD(momentum=optimiser.momentum, dampening=optimiser.dampening, nesterov=optimiser.nesterov)
    return optimiser
