"""Arithmetic element by element."""

from __future__ import annotations

from .tensor import Tensor


class ElementwiseOps:
    def add(self, a: Tensor, b: Tensor) -> Tensor:
        """`a + b`, equal shapes."""
        raise NotImplementedError

    def mul(self, a: Tensor, b: Tensor) -> Tensor:
        """`a · b`, equal shapes."""
        raise NotImplementedError

    def scale(self, x: Tensor, factor: float) -> Tensor:
        """`factor · x`."""
        raise NotImplementedError

    def accumulate(self, total: Tensor, g: Tensor, factor: float) -> None:
        """`total ← total + factor · g`. *In place*: `total`."""
        raise NotImplementedError
