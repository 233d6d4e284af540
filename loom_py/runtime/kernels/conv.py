"""Convolution (cross-correlation, no kernel flip) as a matrix product over unfolded windows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from ..abstract import Abstract, alike, misfit
from ..kernel import Array, Gradients, kernel
from ..ops import Ops, Tensor
from ..signature import signature


def _pad(x: Array, padding: tuple[int, int]) -> Array:
    (h, w) = padding
    return np.pad(x, ((0, 0), (0, 0), (h, h), (w, w))) if h or w else x


def _windows(x: Array, size: tuple[int, int], stride: tuple[int, int]) -> Array:
    """(B, C, H, W) → (B, OH, OW, C, KH, KW), a view."""
    view = sliding_window_view(x, size, axis=(2, 3))[:, :, :: stride[0], :: stride[1]]
    return view.transpose(0, 2, 3, 1, 4, 5)


MAX_PADDING = 65536
MAX_STRIDE = 2**31 - 1


def _filtered(x: Array, kernel: Array, *, stride: tuple[int, int], padding: tuple[int, int], **_: Array) -> Abstract:
    sizes = [*zip(x.shape[2:], kernel.shape[2:], stride, padding, strict=True)]
    if any(not 1 <= s <= MAX_STRIDE or not 0 <= p <= MAX_PADDING or n + 2 * p < k for n, k, s, p in sizes):
        raise misfit(f"no convolution of {tuple(x.shape)} by {tuple(kernel.shape)}, stride {stride}, padding {padding}")
    return alike(x, (x.shape[0], kernel.shape[0], *((n + 2 * p - k) // s + 1 for n, k, s, p in sizes)))


def _conv2d_rule(
    ops: Ops,
    y: Tensor,
    gy: Tensor,
    /,
    x: Tensor,
    kernel: Tensor,
    bias: Tensor,
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Gradients:
    gx, gkernel, gbias = ops.conv2d_grad(x, kernel, gy, stride=stride, padding=padding)
    return {"x": gx, "kernel": gkernel, "bias": gbias}


@kernel(
    shapes=signature("x B C H W, kernel F C U V, bias F", rule=_filtered, cost="8 B C H W U V F + 1000 B"),
    gradient=_conv2d_rule,
)
def conv2d(x: Array, kernel: Array, bias: Array, *, stride: tuple[int, int], padding: tuple[int, int]) -> Array:
    """`y[b,f,i,j] = Σ_{c,u,v} x[b, c, i·s+u−p, j·s+v−p] k[f,c,u,v] + bias[f]` (cross-correlation).

    x (B, C, H, W), kernel (F, C, KH, KW), bias (F,) → (B, F, OH, OW).
    """
    windows = _windows(_pad(x, padding), (kernel.shape[2], kernel.shape[3]), stride)
    batch, high, wide = windows.shape[:3]
    y = windows.reshape(batch * high * wide, -1) @ kernel.reshape(kernel.shape[0], -1).T + bias
    return np.ascontiguousarray(y.reshape(batch, high, wide, -1).transpose(0, 3, 1, 2))


def _filter_gradients(x: Array, kernel: Array, gy: Array, **window: Any) -> tuple[Abstract, Abstract, Abstract]:
    expected = _filtered(x, kernel, **window).shape
    if tuple(gy.shape) != expected:
        raise misfit(f"gy is {tuple(gy.shape)}, expected {expected}")
    return alike(x), alike(kernel), alike(kernel, kernel.shape[:1])


@kernel(
    shapes=signature(
        "x B C H W, kernel F C U V, gy B F _ _", rule=_filter_gradients, cost="16 B C H W U V F + 1000 B + 1000 U V"
    )
)
def conv2d_grad(
    x: Array, kernel: Array, gy: Array, *, stride: tuple[int, int], padding: tuple[int, int]
) -> tuple[Array, Array, Array]:
    """→ (gx, gkernel, gbias).

    gkernel sums windows ⊗ gy; gx adds each kernel tap's share back where it was read.
    """
    filters, _, tall, broad = kernel.shape
    padded = _pad(x, padding)
    windows = _windows(padded, (tall, broad), stride)
    batch, high, wide = windows.shape[:3]
    rows = gy.transpose(0, 2, 3, 1).reshape(batch * high * wide, filters)
    gk = (rows.T @ windows.reshape(batch * high * wide, -1)).reshape(kernel.shape)
    taps = (rows @ kernel.reshape(filters, -1)).reshape(batch, high, wide, x.shape[1], tall, broad)
    gx = np.zeros_like(padded)
    for u in range(tall):
        for v in range(broad):
            place = gx[:, :, u : u + stride[0] * high : stride[0], v : v + stride[1] * wide : stride[1]]
            place += taps[..., u, v].transpose(0, 3, 1, 2)
    h, w = padding
    return gx[:, :, h : h + x.shape[2], w : w + x.shape[3]], gk, rows.sum(axis=0)
