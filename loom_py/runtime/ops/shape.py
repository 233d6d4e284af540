"""Moving elements about."""

from __future__ import annotations

from collections.abc import Sequence

from .tensor import Tensor


class ShapeOps:
    def reshape(self, x: Tensor, shape: Sequence[int]) -> Tensor:
        """The same elements in row-major order under another shape, of which one extent may be −1; no copy."""
        raise NotImplementedError

    def zeros(self, shape: Sequence[int], like: Tensor) -> Tensor:
        """Zeros of the dtype of `like`."""
        raise NotImplementedError

    def concat(self, parts: Sequence[Tensor], axis: int) -> Tensor:
        """The parts one after another along `axis`."""
        raise NotImplementedError

    def narrow(self, x: Tensor, axis: int, start: int, length: int) -> Tensor:
        """Elements `start … start + length` along `axis`."""
        raise NotImplementedError

    def pad(self, x: Tensor, axis: int, length: int) -> Tensor:
        """Zeros appended along `axis` up to `length`."""
        raise NotImplementedError

    def assign(self, state: Tensor, x: Tensor) -> None:
        """`state ← x`. *In place*: `state`."""
        raise NotImplementedError
