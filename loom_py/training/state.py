"""What training keeps between calls and in bundles: the optimiser, its tensors, and the progress made."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Self

import numpy as np

from ..nn.layer import Array
from ..runtime.ops import Ops, Tensor
from ..schema.choice import read_choice
from ..schema.fields import FILE, Fields, Json
from ..values import number
from .optimisers import SGD, Optimiser, Slots, read_optimiser
from .schedulers import KINDS as SCHEDULERS
from .schedulers import Scheduler

FORMAT, VERSION = "loomTrainingState", 1


@dataclass
class TrainingState:
    """The state of one network's training.

    **Arguments:**

    - `optimiser`, `slots`: the optimiser in use and its tensors, in the order of the network's parameters.
    - `step`: updates made with this optimiser.
    - `scheduler`, `schedule_step`: the schedule in use and the updates it has covered.
    - `epoch`: whole epochs trained in all calls together; the seed of an epoch's shuffle.
    """

    optimiser: Optimiser = field(default_factory=SGD)
    slots: Slots = field(default_factory=dict)
    step: int = 0
    scheduler: Scheduler | None = None
    schedule_step: int = 0
    epoch: int = 0

    @property
    def fresh(self) -> bool:
        """Whether nothing was trained yet."""
        return self == TrainingState()

    def use(self, ops: Ops, optimiser: Optimiser, params: Sequence[Tensor]) -> None:
        """Continue with an equal optimiser; start afresh with another, or if the parameters' shapes changed."""
        if optimiser != self.optimiser or not self._fits(params):
            self.optimiser, self.slots, self.step = optimiser, optimiser.init(ops, params), 0

    def _fits(self, params: Iterable[Tensor]) -> bool:
        """Whether the slots belong to parameters of these shapes."""
        shapes = [(w.shape, w.dtype) for w in params]
        return all([(s.shape, s.dtype) for s in self.slots.get(slot, [])] == shapes for slot in self.optimiser.slots)

    def follow(self, scheduler: Scheduler) -> None:
        """Continue an equal schedule, or start another."""
        if scheduler != self.scheduler:
            self.scheduler, self.schedule_step = scheduler, 0

    def apply(
        self, ops: Ops, params: Sequence[Tensor], grads: Sequence[Tensor], lr: float, optimiser: Optimiser | None = None
    ) -> None:
        """One update in place, with another optimiser if given."""
        number(lr, "learning_rate")
        self.use(ops, optimiser or self.optimiser, params)
        self.optimiser.step(ops, params, grads, self.slots, lr, self.step + 1)
        self.step += 1

    def copy(self) -> TrainingState:
        """An independent copy, tensors included."""
        slots = {slot: [np.copy(a) for a in tensors] for slot, tensors in self.slots.items()}
        return TrainingState(self.optimiser, slots, self.step, self.scheduler, self.schedule_step, self.epoch)

    # --- JSON ---------------------------------------------------------------------------------------------------------
    def get_state(self, parameters: Mapping[str, Array]) -> Json:
        """As JSON; tensors by parameter path, as base64 of little-endian float32.

        Slots that no longer fit because a layer was replaced are left out: the optimiser would start afresh anyway.
        """
        fits = self._fits(parameters.values())
        return {
            "fmt": FORMAT,
            "version": VERSION,
            "optimizer": self.optimiser.to_json(),
            "step": self.step if fits else 0,
            "scheduler": None if self.scheduler is None else self.scheduler.to_json(),
            "schedule_step": self.schedule_step,
            "epoch": self.epoch,
            "slots": {
                slot: {path: _encode(a) for path, a in zip(parameters, tensors, strict=True)}
                for slot, tensors in (self.slots if fits else {}).items()
            },
        }

    @classmethod
    def load_state(cls, value: object, parameters: Mapping[str, Array], where: str = "training") -> Self:
        """The reverse of `get_state`, for a network with these parameters; errors have the JSON path."""
        f = Fields(value, where, rules=FILE)
        f.string("fmt", choices=(FORMAT,))
        if f.integer("version") != VERSION:
            raise f.error(f"unsupported version {f.any('version')}", "version", remedy=f"Known: {VERSION}.")
        optimiser = read_optimiser(f.object("optimizer").values, f.at("optimizer"))
        scheduler = read_choice(f.any("scheduler"), SCHEDULERS, f.at("scheduler")) if f.has("scheduler") else None
        counts = {name: f.integer(name, minimum=0) for name in ("step", "schedule_step", "epoch")}
        slots = f.object("slots")
        if set(slots.values) != set(optimiser.slots) and (slots.values or counts["step"]):
            expected, got = (", ".join(names) or "nothing" for names in (optimiser.slots, slots.values))
            raise f.error(f"{optimiser.name} keeps {expected}, got {got}", "slots")
        tensors = {slot: _read_slot(slots.object(slot), parameters) for slot in slots.values}
        return cls(optimiser=optimiser, slots=tensors, scheduler=scheduler, **counts)


def _encode(a: Array) -> str:
    return base64.b64encode(np.asarray(a, dtype="<f4").tobytes()).decode("ascii")


def _read_slot(f: Fields, parameters: Mapping[str, Array]) -> list[Tensor]:
    """One slot's tensors, in the order of the parameters."""
    if set(f.values) != set(parameters):
        odd = min(set(f.values) ^ set(parameters))
        raise f.error("does not match the network's parameters", odd)
    return [_decode(f, path, a) for path, a in parameters.items()]


def _decode(f: Fields, name: str, like: Array) -> Array:
    data = f.base64(name)
    if len(data) != 4 * like.size:
        raise f.error(f"expected {like.size} float32 values, got {len(data)} bytes", name)
    return np.frombuffer(data, dtype="<f4").reshape(like.shape).astype(like.dtype)
