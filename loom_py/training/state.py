"""What training keeps between calls and in bundles: the optimiser, its tensors, and the progress made."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from ..errors import FormatError, InputError
from ..nn.layer import Array
from ..runtime.ops import Ops, Tensor
from ..schema.choice import read_choice
from ..schema.fields import Json, json_type
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
        if not np.isfinite(lr):
            raise InputError(f"expected a finite number, got {lr}", where="learning_rate")
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
        record = _object(value, where)
        if record.get("fmt") != FORMAT:
            raise FormatError(f"unknown format {record.get('fmt')!r}", where=f"{where}.fmt", remedy=f"Known: {FORMAT}.")
        if record.get("version") != VERSION:
            problem = f"unsupported version {record.get('version')!r}"
            raise FormatError(problem, where=f"{where}.version", remedy=f"Known: {VERSION}.")
        optimiser = read_optimiser(_object(record.get("optimizer"), f"{where}.optimizer"), f"{where}.optimizer")
        schedule = record.get("scheduler")
        scheduler = None if schedule is None else read_choice(schedule, SCHEDULERS, f"{where}.scheduler")
        counts = {name: _count(record.get(name), f"{where}.{name}") for name in ("step", "schedule_step", "epoch")}
        slots = _object(record.get("slots"), f"{where}.slots")
        if set(slots) != set(optimiser.slots) and (slots or counts["step"]):
            wanted, got = ", ".join(optimiser.slots) or "nothing", ", ".join(slots) or "nothing"
            raise FormatError(f"{optimiser.name} keeps {wanted}, got {got}", where=f"{where}.slots")
        tensors: Slots = {}
        for slot in slots:
            place, entries = f"{where}.slots.{slot}", _object(slots[slot], f"{where}.slots.{slot}")
            if set(entries) != set(parameters):
                odd = min(set(entries) ^ set(parameters))
                raise FormatError("does not match the network's parameters", where=f"{place}.{odd}")
            tensors[slot] = [_decode(entries[path], a, f"{place}.{path}") for path, a in parameters.items()]
        return cls(optimiser=optimiser, slots=tensors, scheduler=scheduler, **counts)


def _encode(a: Array) -> str:
    return base64.b64encode(np.asarray(a, dtype="<f4").tobytes()).decode("ascii")


def _decode(value: object, like: Array, where: str) -> Array:
    if not isinstance(value, str):
        raise FormatError(f"expected a string, got {json_type(value)}", where=where)
    try:
        data = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError(f"not base64 ({error})", where=where) from error
    if len(data) != 4 * like.size:
        raise FormatError(f"expected {like.size} float32 values, got {len(data)} bytes", where=where)
    return np.frombuffer(data, dtype="<f4").reshape(like.shape).astype(like.dtype)


def _object(value: object, where: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise FormatError(f"expected an object, got {json_type(value)}", where=where)
    return value


def _count(value: object, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise FormatError(f"expected a count, got {value!r}", where=where)
    return value
