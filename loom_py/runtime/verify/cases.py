"""Random cases for every kernel of the vocabulary: sizes of 1, odd ones, and larger than a tile.

A family file registers one generator per kernel with `@cases`; the random numbers are seeded by the kernel's name, so
cases are the same in every run. Arrays are float32 (or integers); the reference runs on the same values in float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np

from ..kernel import KERNELS


@dataclass(frozen=True)
class Case:
    """One call of a kernel.

    - `arguments`: by name; arrays (and lists of arrays) become tensors, everything else goes to the kernel as it is.
    - `constants`: arguments that layers pass as plain arrays (masks, frequencies).
    """

    kernel: str
    label: str
    arguments: dict[str, Any]
    constants: tuple[str, ...] = ()

    @property
    def dynamic(self) -> tuple[str, ...]:
        """Of the arguments those that may change from replay to replay."""
        return tuple(name for name in KERNELS[self.kernel].dynamic if name in self.arguments)

    def __str__(self) -> str:
        return f"{self.kernel}-{self.label}"


class Numbers:
    """Random arrays."""

    def __init__(self, seed: int) -> None:
        self._rng = np.random.default_rng(seed)

    def normal(self, *shape: int, scale: float = 1.0) -> Any:
        return (self._rng.normal(size=shape) * scale).astype(np.float32)

    def positive(self, *shape: int) -> Any:
        return np.abs(self.normal(*shape))

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Any:
        return self._rng.uniform(low, high, shape).astype(np.float32)

    def simplex(self, *shape: int) -> Any:
        e = np.exp(self.normal(*shape))
        return e / e.sum(axis=-1, keepdims=True)

    def integers(self, high: int, *shape: int) -> Any:
        return self._rng.integers(0, high, shape)

    def flags(self, *shape: int) -> Any:
        return self._rng.random(shape) < 0.6

    def one_hot(self, rows: int, width: int) -> Any:
        return np.eye(width, dtype=np.float32)[self.integers(width, rows)]


Generator = Callable[[Numbers], Iterator[tuple[str, dict[str, Any]]]]
GENERATORS: dict[str, Generator] = {}
CONSTANTS: dict[str, tuple[str, ...]] = {}


def cases(kernel: str, *constants: str) -> Callable[[Generator], Generator]:
    """Register the generator of a kernel's cases: it yields (label, arguments)."""

    def add(function: Generator) -> Generator:
        GENERATORS[kernel] = function
        CONSTANTS[kernel] = constants
        return function

    return add


def of(kernel: str) -> list[Case]:
    """The cases of one kernel."""
    generated = GENERATORS[kernel](Numbers(crc32(kernel.encode())))
    return [Case(kernel, label, arguments, CONSTANTS[kernel]) for label, arguments in generated]


def every() -> list[Case]:
    """All cases of all kernels."""
    return [case for kernel in GENERATORS for case in of(kernel)]


def size(*shape: int) -> str:
    """A label for a shape."""
    return "x".join(map(str, shape))
