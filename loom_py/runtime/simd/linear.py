"""Words of `simd/linear.c`: products of activations with weights in any storage."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...errors import DeviceError
from ..kernels.linear import STORAGE_NUMBERS as STORAGES
from ..program import Dispatch, Ref
from .digits import WANT4, WANT8, WORDS
from .encode import Encoder, encodes

BLOCKS = {"Q8_0": 272, "Q4_0": 144, "Q4_1": 160}
"""Block storage → bytes of a block of eight rows."""
BLOCK, GROUP, TILE, MAX_K = 32, 8, 4, 16384
MAX_NORM = 65536


def storage(e: Encoder, weight: Ref) -> int:
    """Number of a weight's storage. Raises `DeviceError` for one that the kernels lack."""
    name = e.stored(weight)
    if name not in STORAGES:
        raise DeviceError(f"weights stored as {name} are not supported", where="simd")
    return STORAGES[name]


def digits_bytes(want: int, k: int) -> int:
    """Bytes of one token's digits, as in simd/linear.h."""
    blocks = k // BLOCK
    return (2 * k + 8 * blocks if want & WANT4 else 0) + (2 * k + 4 * blocks if want & WANT8 else 0)


def digits_wanted(e: Encoder, kinds: Sequence[int], k: int) -> int:
    """Which digits of rows of k activations the products with weights of these storages use."""
    want = 0
    if e.activations == "q16" and k <= MAX_K:
        for kind in kinds:
            want |= 0 if kind < STORAGES["Q8_0"] else WANT8 if kind == STORAGES["Q8_0"] else WANT4
    return want | WORDS if want and e.digits == "words" else want


def product(
    e: Encoder,
    x: Ref,
    outputs: Sequence[int],
    weights: Sequence[Ref],
    biases: Sequence[Ref | None],
    *,
    norm: tuple[Ref, float] | None = None,
    residual: Ref | None = None,
    pair: bool = False,
) -> None:
    """Instructions for several products that share one input."""
    k = e.shape(x)[-1]
    tokens = e.size(x) // k if k else 0
    kinds = [storage(e, weight) for weight in weights]
    want = digits_wanted(e, kinds, k)
    if norm and k > MAX_NORM:
        raise DeviceError(f"rows of {k} are too long for a norm in one piece", where="simd")
    matrices: list[int] = []
    for i, weight in enumerate(weights):
        rows = e.shape(weight)[0]
        matrices += [e.at(outputs[0 if pair else i]), e.at(weight), kinds[i], rows, e.at(biases[i])]
    gamma, eps = (e.at(norm[0]), e.f32(norm[1])) if norm else (0, 0)
    after = (e.at(residual), int(pair), len(weights), *matrices)
    if tokens == 1:
        e.emit("linear_vector", e.at(x), k, gamma, eps, want, *after)
        return
    tiles = -(-tokens // TILE)
    digits = e.scratch(tiles * TILE * digits_bytes(want, k))
    source: int = e.at(x)
    floats: int = 0
    if norm and (not want or any(kind < STORAGES["Q8_0"] for kind in kinds)):
        floats = source = e.scratch(4 * tokens * k, -(-tiles * TILE * digits_bytes(want, k) // 16) * 16)
    if want or norm:
        e.emit("linear_digits", digits, e.at(x), tokens, k, gamma, eps, want, floats)
    e.emit("linear_matrix", digits, source, tokens, k, want, *after)


@encodes("linear")
def linear(e: Encoder, d: Dispatch) -> None:
    product(e, d.arguments["x"], d.outputs, [d.arguments["weight"]], [d.arguments.get("bias")])


@encodes("linear_add")
def linear_add(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    product(e, a["x"], d.outputs, [a["weight"]], [a.get("bias")], residual=a["residual"])


@encodes("norm_linear")
def norm_linear(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    product(e, a["x"], d.outputs, a["weights"], a["biases"], norm=(a["gamma"], a["eps"]))


@encodes("norm_gate_up")
def norm_gate_up(e: Encoder, d: Dispatch) -> None:
    a = d.arguments
    biases: list[Any] = [a.get("gate_bias"), a.get("up_bias")]
    product(e, a["x"], d.outputs, [a["gate"], a["up"]], biases, norm=(a["gamma"], a["eps"]), pair=True)
