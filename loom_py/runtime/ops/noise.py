"""Noise from a counter-based generator: every number follows from the seed, the step and its place alone."""

from __future__ import annotations

from collections.abc import Sequence

from .tensor import Tensor


class NoiseOps:
    def gumbel(self, shape: Sequence[int], seed: int, step: int, like: Tensor) -> Tensor:
        """`−ln(−ln u)`: standard Gumbel noise (Jang et al. 2017) in the dtype of `like`. *Dynamic*: `step`."""
        raise NotImplementedError

    def dropout(self, x: Tensor, rate: float, seed: int, step: int) -> Tensor:
        """Each element 0 with probability `rate`, else `x / (1 − rate)` (Srivastava et al. 2014); its own gradient.
        *Dynamic*: `step`.
        """
        raise NotImplementedError
