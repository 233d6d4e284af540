"""Matrix products, elementwise kernels, moving elements about, convolution."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np

from ..kernels.activation import FORMULAS
from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]
SHAPES = [(1,), (3,), (1, 4), (5, 7), (2, 3, 16), (33, 129), (3, 9001)]
PRODUCTS = [(1, 1, 1), (1, 8, 16), (1, 37, 5), (3, 2, 7), (5, 16, 9), (16, 1, 24), (7, 300, 33), (64, 784, 128)]
PRODUCTS += [(130, 70, 257), (97, 513, 101), (12, 8, 1)]


@cases("matmul")
def matmul(n: Numbers) -> Cases:
    """M, K, N: both operands either way round, with and without bias."""
    for (m, k, w), ta, tb in product(PRODUCTS, (False, True), (False, True)):
        a, b = n.normal(*((k, m) if ta else (m, k))), n.normal(*((w, k) if tb else (k, w)))
        bias = {"bias": n.normal(w)} if (m + k + ta) % 2 else {}
        label = f"{size(m, k, w)}{'-ta' * ta}{'-tb' * tb}{'-bias' * bool(bias)}"
        yield label, {"a": a, "b": b, "transpose_a": ta, "transpose_b": tb, **bias}


@cases("linear")
def linear(n: Numbers) -> Cases:
    for lead, k, w in [((1,), 1, 1), ((1,), 64, 33), ((2, 3), 7, 5), ((5,), 130, 66), ((40,), 257, 129)]:
        for bias in ({}, {"bias": n.normal(w)}):
            arguments = {"x": n.normal(*lead, k), "weight": n.normal(w, k), **bias}
            yield f"{size(*lead, k, w)}{'-bias' * bool(bias)}", arguments


@cases("add")
def add(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"a": n.normal(*shape), "b": n.normal(*shape)}


@cases("mul")
def mul(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"a": n.normal(*shape), "b": n.normal(*shape)}


@cases("scale")
def scale(n: Numbers) -> Cases:
    for shape, factor in zip(SHAPES, (0.0, -1.5, 1 / 3, 7.0, 1e-8, 1e8, 0.1), strict=True):
        yield size(*shape), {"x": n.normal(*shape), "factor": factor}


def pre_activations(n: Numbers) -> dict[str, Any]:
    """Ordinary values, tiny ones, and where functions saturate."""
    ends = np.array([0.0, 5e-8, -3e-6, 1e-4, 2.9, 6.1, -8.0, 20.0, -30.0, 60.0, -87.0, 90.0, -200.0], np.float32)
    return {
        "1": n.normal(1),
        "3x5": n.normal(3, 5),
        "wide": n.normal(4, 41, scale=4),
        "tiny": n.normal(2, 19, scale=1e-3),
        "ends": ends,
        "large": n.normal(9, 2049, scale=2),
    }


@cases("activate")
def activate(n: Numbers) -> Cases:
    for name in FORMULAS:
        for label, z in pre_activations(n).items():
            yield f"{name}-{label}", {"name": name, "z": z}


@cases("activate_grad")
def activate_grad(n: Numbers) -> Cases:
    for name in FORMULAS:
        for label, z in pre_activations(n).items():
            yield f"{name}-{label}", {"name": name, "z": z, "g": n.normal(*z.shape)}


@cases("silu_mul")
def silu_mul(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"gate": n.normal(*shape, scale=3), "up": n.normal(*shape)}


@cases("silu_mul_grad")
def silu_mul_grad(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"gate": n.normal(*shape, scale=3), "up": n.normal(*shape), "g": n.normal(*shape)}


@cases("reshape")
def reshape(n: Numbers) -> Cases:
    yield "flat", {"x": n.normal(3, 4, 5), "shape": (60,)}
    yield "split", {"x": n.normal(6), "shape": (2, 3)}


@cases("zeros")
def zeros(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"shape": shape, "like": n.normal(1)}


@cases("concat")
def concat(n: Numbers) -> Cases:
    for shape, axis, lengths in [
        *(((1, 1), 1, (8, 8, 8)), ((1, 1), 1, (1,)), ((4, 1), 1, (1, 3, 2))),
        *(((2, 1, 3), 1, (2, 5)), ((1, 7), 0, (3, 1)), ((2, 5, 1), 2, (33, 4, 6))),
    ]:
        parts = [n.normal(*(length if i == axis else s for i, s in enumerate(shape))) for length in lengths]
        yield f"{size(*shape)}-{axis}-{size(*lengths)}", {"parts": parts, "axis": axis}


@cases("narrow")
def narrow(n: Numbers) -> Cases:
    for shape, axis, start, length in [
        *(((1, 24), 1, 8, 8), ((5, 7), 1, 2, 3), ((5, 7), 0, 4, 1)),
        *(((2, 9, 3), 1, 1, 5), ((40, 130), 1, 1, 128), ((6,), 0, 0, 6)),
    ]:
        yield f"{size(*shape)}-{axis}", {"x": n.normal(*shape), "axis": axis, "start": start, "length": length}


@cases("pad")
def pad(n: Numbers) -> Cases:
    for shape, axis, length in [((1, 3), 1, 8), ((4, 3), 1, 5), ((2, 3, 5), 1, 7), ((3, 4), 0, 4), ((1,), 0, 9)]:
        yield f"{size(*shape)}-{axis}-{length}", {"x": n.normal(*shape), "axis": axis, "length": length}


@cases("assign")
def assign(n: Numbers) -> Cases:
    for shape in SHAPES:
        yield size(*shape), {"state": n.normal(*shape), "x": n.normal(*shape)}


@cases("sum")
def sum_(n: Numbers) -> Cases:
    for shape, axis in [
        ((1, 8), 0),
        ((64, 10), 0),
        ((3, 5), 1),
        ((2, 9, 7), 1),
        ((1,), 0),
        ((700, 131), 0),
        ((6, 1), 1),
    ]:
        yield f"{size(*shape)}-{axis}", {"x": n.normal(*shape), "axis": axis}


CONVOLUTIONS = [
    # batch, channels, height, width, filters, kernel, stride, padding
    (1, 1, 1, 1, 1, (1, 1), (1, 1), (0, 0)),
    (2, 2, 3, 2, 2, (2, 2), (1, 1), (0, 0)),
    (3, 2, 1, 9, 3, (1, 3), (1, 2), (0, 1)),
    (1, 3, 8, 7, 5, (3, 2), (2, 1), (1, 2)),
    (5, 4, 17, 13, 9, (5, 3), (1, 3), (2, 0)),
    (2, 3, 5, 5, 2, (3, 3), (3, 2), (0, 0)),
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
