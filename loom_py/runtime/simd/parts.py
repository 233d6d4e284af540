"""A program of the `simd` device in parts: the words of its instructions, some of them at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..pending import Done
from ..program import Dispatch, Program
from .encode import Encoder
from .executable import SimdExecutable


class SimdParts(SimdExecutable):
    """See `runtime.parts.Parts`. Calls that the device joins into one instruction are one part."""

    reuse = False

    def _encoded(self, encoder: Encoder) -> None:
        starts = [at for at, _ in encoder.parts]
        self._ranges = list(zip(starts, [*starts[1:], len(encoder.words)], strict=True))
        self._all_words = np.frombuffer(encoder.words, np.uint32).copy()
        self._selected: dict[tuple[int, ...], tuple[int, int]] = {}  # parts → address and number of their words
        self.parts: list[Sequence[Dispatch]] = [run for _, run in encoder.parts]
        self.stored = dict(encoder.storage)
        self.program: Program = encoder.program

    def submit_parts(self, parts: Sequence[int], steps: int) -> Done[None]:
        key = tuple(parts)
        if key not in self._selected:
            words = [self._all_words[start:end] for start, end in (self._ranges[part] for part in key)]
            code = np.concatenate(words) if words else self._all_words[:0]
            self._selected[key] = self._constant(code), len(code)
        self._run(*self._selected[key], steps, 0)
        return Done(None)
