"""A *plan*: what a host needs to replay a program without knowing kernels, as plain data.

It has pipelines (a WGSL file, an entry point, override constants), dispatches (a pipeline, its buffers, its uniform
words, workgroups), buffers that it owns, and the row of dynamic numbers.

A dynamic number is a *slot* of the row, two words: the number as float32, and as 32-bit integer. What is computed from
dynamic numbers alone (AdamW's corrections) is a slot too, computed in Python in float64. Numbers that do not change are
slots as well, so that shaders treat both alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import shaders

ALIGNMENT = 256


def padded(nbytes: int) -> int:
    """Buffers are whole vectors of four words, and never empty."""
    return max(-(-nbytes // 16) * 16, 16)


def aligned(nbytes: int) -> int:
    """Offsets of bindings are multiples of this on every device."""
    return -(-nbytes // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class Slice:
    """A range of bytes in a buffer: one of the host's, one of the plan's own, or a vector of the dynamic row."""

    buffer: int
    nbytes: int
    offset: int = 0
    kind: Literal["host", "own", "vector"] = "host"

    def part(self, offset: int, nbytes: int) -> Slice:
        return Slice(self.buffer, nbytes, self.offset + offset, self.kind)


Number = Callable[[Mapping[str, ArrayLike]], ArrayLike]
"""Dynamic numbers by name, each one value or one a step → a slot's values, (steps,) or one."""
Vector = Callable[[Mapping[str, ArrayLike]], NDArray[np.float32]]
"""Dynamic numbers by name → (steps or 1, length)."""


Encoded = tuple[int, tuple[int, int, int], int, list[tuple[int, Slice]]]
"""A dispatch: number of its pipeline, workgroups, where its uniform words begin (−1: none), (binding, slice) …"""


@dataclass
class Plan:
    """The encoded program; `own` are the sizes of the buffers to create.

    The dynamic row holds the slots, then each vector from the next multiple of 256 bytes on.
    """

    label: str
    pipelines: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    dispatches: list[Encoded] = field(default_factory=list[Encoded])
    uniforms: bytearray = field(default_factory=bytearray)
    own: list[int] = field(default_factory=list[int])
    slots: list[Number] = field(default_factory=list[Number])
    vectors: list[tuple[int, Vector]] = field(default_factory=list[tuple[int, Vector]])

    def spec(self, buffers: Sequence[int], row: int, tables: list[dict[str, int]], keeps: list[dict[str, int]]) -> str:
        """JSON for the host; `buffers` are the host's numbers of `own`."""
        used = sorted({p["shader"] for p in self.pipelines})
        starts = self._starts()

        def place(binding: int, s: Slice) -> list[int]:
            if s.kind == "vector":
                return [binding, row, starts[s.buffer] + s.offset, s.nbytes]
            return [binding, buffers[s.buffer] if s.kind == "own" else s.buffer, s.offset, s.nbytes]

        return json.dumps(
            {
                "label": self.label,
                "sources": {name: shaders.shader(name).source for name in used},
                "pipelines": self.pipelines,
                "dispatches": [
                    {"pipeline": p, "groups": groups, "uniform": at, "buffers": [place(*b) for b in bound]}
                    for p, groups, at, bound in self.dispatches
                ],
                "row": {"buffer": row, "nbytes": self.row_bytes(), "used": bool(self.slots or self.vectors)},
                "tables": tables,
                "keeps": keeps,
            }
        )

    def _starts(self) -> list[int]:
        """Byte offset of each vector, and the end of the last one."""
        starts = [aligned(8 * len(self.slots))]
        for length, _ in self.vectors:
            starts.append(aligned(starts[-1] + 4 * length))
        return starts

    def row_bytes(self) -> int:
        return max(self._starts()[-1], ALIGNMENT)

    def row(self, dynamics: Mapping[str, ArrayLike], steps: int) -> NDArray[np.uint32]:
        """(steps, words of a row); a dynamic number may be an array of one a step."""
        words = np.zeros((steps, self.row_bytes() // 4), np.uint32)
        for i, slot in enumerate(self.slots):
            value = np.broadcast_to(np.asarray(slot(dynamics), np.float64), (steps,))
            words[:, 2 * i] = value.astype(np.float32).view(np.uint32)
            whole = np.where(np.abs(value) < 2.0**63, value, 0).astype(np.int64)
            words[:, 2 * i + 1] = (whole & 0xFFFFFFFF).astype(np.uint32)
        for start, (length, vector) in zip(self._starts(), self.vectors, strict=False):
            words[:, start // 4 : start // 4 + length].view(np.float32)[...] = vector(dynamics)
        return words
