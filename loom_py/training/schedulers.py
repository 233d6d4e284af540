"""Learning-rate schedules: lr(step), step counted from 0 before the first update.

| name | class | lr(step) |
|---|---|---|
| `constant` | Constant | lr₀ |
| `linear` | LinearDecay | lr₀ + (lr₁ − lr₀) · step/N, lr₁ from N on |
| `cosine` | CosineAnnealing | min + (lr₀ − min) (1 + cos(π · step/N)) / 2, min from N on (Loshchilov & Hutter 2017) |
| `cosine_restarts` | CosineAnnealingWarmRestarts | the same with (step mod P)/P |
| `exponential` | ExponentialDecay | lr₀ · r^(step/N) |
| `step` | StepDecay | lr₀ · f^⌊step/N⌋ |
| `polynomial` | PolynomialDecay | lr₁ + (lr₀ − lr₁) (1 − step/N)^p, lr₁ from N on |
| `warmup` | Warmup | start + (lr₀ − start) · step/W before W, then lr₀ or another schedule from its step 0 |
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from ..schema.choice import Choice, read_choice
from ..schema.fields import Fields
from ..schema.options import option


@dataclass(frozen=True, kw_only=True)
class Scheduler(Choice):
    """Base of all schedules; `learning_rate` is lr₀."""

    span: ClassVar[str] = ""
    """The option that is the length of the whole training unless it is given."""

    learning_rate: float = option(0.001, minimum=0.0)

    @property
    def name(self) -> str:
        """As the original calls it."""
        return type(self).__name__

    @abstractmethod
    def lr(self, step: int) -> float:
        """Learning rate of update number `step`, counted from 0."""

    @classmethod
    def from_fields(cls, f: Fields, defaults: Mapping[str, Any]) -> Self:
        span = {cls.span: defaults["total"]} if cls.span and "total" in defaults else {}
        return super().from_fields(f, {**defaults, **span})


@dataclass(frozen=True, kw_only=True)
class Constant(Scheduler):
    """Always lr₀."""

    kind: ClassVar[str] = "constant"

    def lr(self, step: int) -> float:
        return self.learning_rate


@dataclass(frozen=True, kw_only=True)
class LinearDecay(Scheduler):
    """A straight line from lr₀ to `final_learning_rate` in `steps` updates."""

    kind: ClassVar[str] = "linear"
    span: ClassVar[str] = "steps"

    final_learning_rate: float = option(0.0, minimum=0.0)
    steps: int = option(1000, minimum=1)

    def lr(self, step: int) -> float:
        if step >= self.steps:
            return self.final_learning_rate
        return self.learning_rate + (self.final_learning_rate - self.learning_rate) * step / self.steps


@dataclass(frozen=True, kw_only=True)
class CosineAnnealing(Scheduler):
    """Half a cosine from lr₀ to `min_learning_rate` in `steps` updates."""

    kind: ClassVar[str] = "cosine"
    span: ClassVar[str] = "steps"

    min_learning_rate: float = option(0.0, minimum=0.0)
    steps: int = option(1000, minimum=1)

    def lr(self, step: int) -> float:
        if step >= self.steps:
            return self.min_learning_rate
        return _cosine(self.learning_rate, self.min_learning_rate, step / self.steps)


@dataclass(frozen=True, kw_only=True)
class CosineAnnealingWarmRestarts(Scheduler):
    """Half a cosine, restarted every `period` updates."""

    kind: ClassVar[str] = "cosine_restarts"
    span: ClassVar[str] = "period"

    min_learning_rate: float = option(0.0, minimum=0.0)
    period: int = option(1000, minimum=1)

    def lr(self, step: int) -> float:
        return _cosine(self.learning_rate, self.min_learning_rate, step % self.period / self.period)


@dataclass(frozen=True, kw_only=True)
class ExponentialDecay(Scheduler):
    """Multiplied by `rate` every `steps` updates, smoothly."""

    kind: ClassVar[str] = "exponential"

    rate: float = option(0.96, above=0.0)
    steps: int = option(1000, minimum=1)

    def lr(self, step: int) -> float:
        return self.learning_rate * self.rate ** (step / self.steps)


@dataclass(frozen=True, kw_only=True)
class StepDecay(Scheduler):
    """Multiplied by `factor` every `steps` updates, at once."""

    kind: ClassVar[str] = "step"

    factor: float = option(0.1, above=0.0)
    steps: int = option(10_000, minimum=1)

    def lr(self, step: int) -> float:
        return self.learning_rate * self.factor ** (step // self.steps)


@dataclass(frozen=True, kw_only=True)
class PolynomialDecay(Scheduler):
    """From lr₀ to `final_learning_rate` in `steps` updates along (1 − x)^`power`."""

    kind: ClassVar[str] = "polynomial"
    span: ClassVar[str] = "steps"

    final_learning_rate: float = option(0.0, minimum=0.0)
    steps: int = option(1000, minimum=1)
    power: float = option(1.0, above=0.0)

    def lr(self, step: int) -> float:
        if step >= self.steps:
            return self.final_learning_rate
        rest = (1 - step / self.steps) ** self.power
        return (self.learning_rate - self.final_learning_rate) * rest + self.final_learning_rate


@dataclass(frozen=True, kw_only=True)
class Warmup(Scheduler):
    """A straight line from `start_learning_rate` to lr₀ in `steps` updates, then `after` from its own step 0."""

    kind: ClassVar[str] = "warmup"

    start_learning_rate: float = option(0.0, minimum=0.0)
    steps: int = option(100, minimum=1)
    after: Scheduler | None = None

    @property
    def name(self) -> str:
        return f"Warmup+{self.after.name}" if self.after else "Warmup"

    def lr(self, step: int) -> float:
        if step < self.steps:
            return self.start_learning_rate + (self.learning_rate - self.start_learning_rate) * step / self.steps
        return self.after.lr(step - self.steps) if self.after else self.learning_rate

    @classmethod
    def from_fields(cls, f: Fields, defaults: Mapping[str, Any]) -> Self:
        schedule = super().from_fields(f, defaults)
        after = f.any("After")
        if after is None:
            return schedule
        rest = {"learning_rate": schedule.learning_rate, "total": max(1, defaults.get("total", 1) - schedule.steps)}
        return replace(schedule, after=read_choice(after, KINDS, f.at("After"), rest))


def _cosine(high: float, low: float, x: float) -> float:
    return low + (high - low) * (1 + math.cos(math.pi * x)) / 2


KINDS: dict[str, type[Scheduler]] = {
    cls.kind: cls
    for cls in (
        Constant,
        LinearDecay,
        CosineAnnealing,
        CosineAnnealingWarmRestarts,
        ExponentialDecay,
        StepDecay,
        PolynomialDecay,
        Warmup,
    )
}


def read_scheduler(value: object, learning_rate: float, total: int, where: str = "scheduler") -> tuple[Scheduler, bool]:
    """A name, an object (`{"Type": "cosine", "Steps": 100}`) or a `Scheduler`; None is constant.

    `learning_rate` and `total`, the number of updates, are the defaults of what is left out. Also returns whether the
    schedule spans exactly this training, because its length was left out and follows from `total`.
    """
    if value is None or (isinstance(value, str) and not value):
        return Constant(learning_rate=learning_rate), False
    first, other = (
        read_choice(value, KINDS, where, {"learning_rate": learning_rate, "total": n}) for n in (total, total + 1)
    )
    return first, first != other
