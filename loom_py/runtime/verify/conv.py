"""Cases of `kernels/conv.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]

CONVOLUTIONS = [
    # batch, channels, height, width, filters, kernel, stride, padding
    (1, 1, 1, 1, 1, (1, 1), (1, 1), (0, 0)),
    (2, 2, 3, 2, 2, (2, 2), (1, 1), (0, 0)),
    (3, 2, 1, 9, 3, (1, 3), (1, 2), (0, 1)),
    (1, 3, 8, 7, 5, (3, 2), (2, 1), (1, 2)),
    (5, 4, 17, 13, 9, (5, 3), (1, 3), (2, 0)),
    (2, 3, 5, 5, 2, (3, 3), (3, 2), (0, 0)),
    (64, 3, 9, 9, 20, (3, 3), (2, 2), (1, 1)),
    (1, 5, 21, 33, 70, (3, 3), (1, 1), (1, 1)),
    (2, 66, 7, 6, 4, (2, 3), (1, 1), (0, 2)),
    (2, 18, 6, 7, 33, (5, 5), (1, 1), (2, 2)),
    (2, 2, 9, 11, 3, (2, 1), (5, 4), (1, 0)),  # strides beyond the kernel
    (3, 1, 4, 3, 2, (2, 2), (7, 9), (0, 1)),  # and beyond the plane
]


@cases("conv2d")
def conv2d(n: Numbers) -> Cases:
    for b, c, h, w, f, kernel, stride, padding in CONVOLUTIONS:
        operands = {"x": n.normal(b, c, h, w), "kernel": n.normal(f, c, *kernel), "bias": n.normal(f)}
        yield f"{size(b, c, h, w, f)}-{size(*kernel)}", {**operands, "stride": stride, "padding": padding}


@cases("conv2d_grad")
def conv2d_grad(n: Numbers) -> Cases:
    for b, c, h, w, f, kernel, stride, padding in CONVOLUTIONS:
        out = [(s + 2 * p - k) // t + 1 for s, p, k, t in zip((h, w), padding, kernel, stride, strict=True)]
        operands = {"x": n.normal(b, c, h, w), "kernel": n.normal(f, c, *kernel), "gy": n.normal(b, f, *out)}
        yield f"{size(b, c, h, w, f)}-{size(*kernel)}", {**operands, "stride": stride, "padding": padding}
