"""A program of the `webgpu` device in parts: plans of some of its dispatches, over the same buffers.

Timestamp queries would say as much, but adapters may lack them, and browsers round them to a tenth of a millisecond; a
part repeated within one submit needs neither. Here buffers are shared as in a replay: what a repeated call reads may be
what a later one wrote, which takes a GPU as long.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..program import Dispatch, Program
from ..tensor import DeviceTensor
from .encode import Encoder
from .executable import WebGPUExecutable
from .transfer import Readback, read


class WebGPUParts(WebGPUExecutable):
    """See `runtime.parts.Parts`."""

    def _encoded(self, encoder: Encoder) -> None:
        self._ranges = list(zip(encoder.parts, [*encoder.parts[1:], len(self.plan.dispatches)], strict=True))
        self._plans: dict[tuple[int, ...], int] = {}
        self.parts: list[Sequence[Dispatch]] = [(d,) for d in encoder.program.dispatches]
        self.stored = dict(encoder.storage)
        self.program: Program = encoder.program

    def submit_parts(self, parts: Sequence[int], steps: int) -> Readback:
        """The answer is a word of the row of numbers: it comes when the work is done."""
        key = tuple(parts)
        if key not in self._plans:
            chosen = [d for start, end in (self._ranges[part] for part in key) for d in self.plan.dispatches[start:end]]
            plan = replace(self.plan, dispatches=chosen)
            self._plans[key] = self._host.plan(plan.spec(self._own, self._row, [], []), bytes(plan.uniforms))
        if parts:
            self._host.replay(self._plans[key], self.plan.row(self._dynamics, steps), steps, (), False)
        return read(self._host, {"": DeviceTensor(self._row, (1,), "float32")})

    def free(self) -> None:
        for handle in self._plans.values():
            self._host.drop(handle)
        self._plans.clear()
        super().free()
