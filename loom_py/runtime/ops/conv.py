"""Convolution (cross-correlation, no kernel flip) as a matrix product over unfolded windows."""

from __future__ import annotations

from .tensor import Tensor


class ConvOps:
    def conv2d(
        self, x: Tensor, kernel: Tensor, bias: Tensor, *, stride: tuple[int, int], padding: tuple[int, int]
    ) -> Tensor:
        """`y[b,f,i,j] = Σ_{c,u,v} x[b, c, i·s+u−p, j·s+v−p] k[f,c,u,v] + bias[f]` (cross-correlation)."""
        raise NotImplementedError

    def conv2d_grad(
        self, x: Tensor, kernel: Tensor, gy: Tensor, *, stride: tuple[int, int], padding: tuple[int, int]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """→ (gx, gkernel, gbias)."""
        raise NotImplementedError
