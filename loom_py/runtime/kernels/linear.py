"""Products with weights in any storage, alone and together with what a decoder does before and after them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..abstract import Abstract, misfit
from ..enumeration import enumeration
from ..kernel import Array, Gradients, kernel
from ..ops import Ops, Tensor
from ..signature import signature
from .activation import silu_mul
from .norm import EPS, rms_norm

STORAGES = enumeration("storage", ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1"))
"""How a device may keep a matrix of weights, named as in GGUF: the ones in blocks come last."""
STORAGE_NUMBERS: dict[str, int] = {
    **{name: i for i, name in enumerate(STORAGES)},
    "float32": STORAGES.index("F32"),
    "float16": STORAGES.index("F16"),
}
"""Storage, or the NumPy dtype that is one → its number in C and WGSL."""


LINEAR = signature("x * I, weight O I, bias O", "* O", cost="* I O")


def _linear_rule(
    ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, weight: Tensor, bias: Tensor | None, **_: Tensor
) -> Gradients:
    """gx = gy W, gW = gyᵀ x, gbias = Σ_rows gy."""
    rows, products = ops.reshape(x, (-1, x.shape[-1])), ops.reshape(gy, (-1, gy.shape[-1]))
    return {
        "x": ops.reshape(ops.matmul(products, weight), x.shape),
        "weight": ops.matmul(products, rows, transpose_a=True),
        "bias": None if bias is None else ops.sum(products, axis=0),
    }


def _linear_add_rule(ops: Ops, y: Tensor, gy: Tensor, /, residual: Tensor, **product: Tensor) -> Gradients:
    return {**_linear_rule(ops, y, gy, **product), "residual": gy}


@kernel(shapes=LINEAR, gradient=_linear_rule)
def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """`x @ weightᵀ + bias`: x (…, I), weight (O, I) in any storage the device knows, bias (O,) → (…, O).

    A single row is a matrix–vector product, for which BLAS reads the weight once in storage order.
    """
    y = (weight @ x.reshape(-1)).reshape(*x.shape[:-1], weight.shape[0]) if x.size == x.shape[-1] else x @ weight.T
    if bias is not None:
        y += bias
    return y


def _linears(x: Any, weights: Sequence[Any], biases: Sequence[Any], **_: object) -> tuple[Abstract, ...]:
    if len(weights) != len(biases):
        raise misfit(f"{len(weights)} weights and {len(biases)} biases")
    products = [LINEAR(x=x, weight=weight, bias=bias) for weight, bias in zip(weights, biases, strict=True)]
    return tuple(product for product in products if isinstance(product, Abstract))


@kernel(
    shapes=signature(
        "x * I, gamma I, weights _ I, biases _",
        rule=_linears,
        ranges=EPS,
        cost="* weights + 64 * I",
    )
)
def norm_linear(
    x: Array, gamma: Array, eps: float, weights: Sequence[Array], biases: Sequence[Array | None]
) -> tuple[Array, ...]:
    """`linear(rms_norm(x), weight, bias)` for each of several weights."""
    h = rms_norm(x, gamma, eps)
    return tuple(linear(h, weight, bias) for weight, bias in zip(weights, biases, strict=True))


@kernel(
    shapes=signature(
        "x * I, gamma I, gate O I, up O I, gate_bias O, up_bias O",
        "* O",
        ranges=EPS,
        cost="2 * I O + 64 * O + 64 * I",
    )
)
def norm_gate_up(
    x: Array,
    gamma: Array,
    eps: float,
    gate: Array,
    up: Array,
    gate_bias: Array | None = None,
    up_bias: Array | None = None,
) -> Array:
    """`silu_mul(linear(h, gate), linear(h, up))` with `h = rms_norm(x)`."""
    h = rms_norm(x, gamma, eps)
    return silu_mul(linear(h, gate, gate_bias), linear(h, up, up_bias))


@kernel(
    shapes=signature("x * I, weight O I, bias O, residual * O", "residual", cost="* I O"), gradient=_linear_add_rule
)
def linear_add(x: Array, weight: Array, bias: Array | None, residual: Array) -> Array:
    """`residual + linear(x, weight, bias)`."""
    return residual + linear(x, weight, bias)
