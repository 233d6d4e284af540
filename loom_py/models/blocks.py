"""Pieces that families of models share, through ops only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from numpy.typing import NDArray

from ..runtime import Ops, Tensor
from .protocols import Chunk, RowOrder, Segment, Tensors, Weight


def linear(ops: Ops, weights: Tensors, name: str, x: Tensor) -> Tensor:
    """`x @ weightᵀ (+ bias)` with the weights `<name>.weight` (out, in) and, if there is one, `<name>.bias`."""
    return ops.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def projection(
    module: str,
    shape: tuple[int, int],
    gguf: str,
    *,
    bias: bool = False,
    order: RowOrder | None = None,
    gguf_order: RowOrder | None = None,
) -> Iterator[Weight]:
    """The weights that `linear` uses: the matrix, (out, in), and with `bias` a bias."""
    yield Weight(f"{module}.weight", shape, order=order, gguf=f"{gguf}.weight", gguf_order=gguf_order)
    if bias:
        yield Weight(f"{module}.bias", shape[:1], order=order, gguf=f"{gguf}.bias", gguf_order=gguf_order)


def vectors(module: str, size: int, gguf: str) -> Iterator[Weight]:
    """The scale and the offset of `layer_norm`."""
    for part in ("weight", "bias"):
        yield Weight(f"{module}.{part}", (size,), gguf=f"{gguf}.{part}")


def layer_norm(ops: Ops, weights: Tensors, name: str, x: Tensor, eps: float) -> Tensor:
    """Over the last axis, with the weights `<name>.weight` and `<name>.bias`."""
    return ops.layer_norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"], eps)


def cached_attention(
    ops: Ops,
    chunk: Chunk,
    layer: int,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    frequencies: NDArray[Any] | None,
    *,
    rotary_factor: float = 1.0,
    window: int = 0,
    cap: float = 0.0,
) -> Tensor:
    """Causal grouped-query attention of each sequence over its own cache, which `k` and `v` are added to.

    - `q`: (T, heads, D); `k`, `v`: (T, kv_heads, D).
    - `frequencies`: of the rotary embedding of queries and keys (Su et al. 2021), (D/2,), or fewer where it turns only
      the first part of a head; None for none.
    - `rotary_factor`: what the products of the rotated parts of queries and keys are multiplied with.
    - `window`: positions that a token sees, itself the last; 0 for all.
    - `cap`: where scores level off; 0 for nowhere.

    **Returns:** (T, heads · D).
    """
    mixed: list[Tensor] = []
    for segment, (queries, new_keys, new_values) in by_segment(ops, chunk, q, k, v):
        position, row, kept = segment.position, segment.row(layer), segment.cache[layer]
        # In this order the four calls become one where a device has `rope_cache`.
        if frequencies is not None:
            new_keys = _rotated(ops, new_keys, position, frequencies)
        ops.cache_write(kept["keys"], new_keys, row)
        ops.cache_write(kept["values"], new_values, row)
        if frequencies is not None:
            queries = _rotated(ops, queries, position, frequencies, rotary_factor)
        mixed.append(ops.attention(queries, kept["keys"], kept["values"], row, window=window, cap=cap))
    return ops.reshape(joined(ops, mixed), (q.shape[0], q.shape[1] * q.shape[2]))


def _rotated(ops: Ops, x: Tensor, position: Any, frequencies: NDArray[Any], factor: float = 1.0) -> Tensor:
    turned, size = 2 * len(frequencies), x.shape[-1]
    first = x if turned == size else ops.narrow(x, 2, 0, turned)
    first = ops.rope(first, position, frequencies)
    if factor != 1.0:
        first = ops.scale(first, factor)
    if turned == size:
        return first
    return ops.concat([first, ops.narrow(x, 2, turned, size - turned)], 2)


def by_segment(ops: Ops, chunk: Chunk, *tensors: Tensor) -> Iterator[tuple[Segment, Sequence[Tensor]]]:
    """Each sequence's segment with its own rows of the tensors, whose first axis is the chunk's tokens."""
    start = 0
    for segment in chunk.segments:
        alone = len(chunk.segments) == 1
        yield segment, tensors if alone else [ops.narrow(x, 0, start, segment.length) for x in tensors]
        start += segment.length


def joined(ops: Ops, parts: Sequence[Tensor], axis: int = 0) -> Tensor:
    """The parts, such as the rows of all segments, in order as one tensor."""
    return parts[0] if len(parts) == 1 else ops.concat(parts, axis)


def gated_mlp(ops: Ops, weights: Tensors, block: str, x: Tensor, activation: str = "silu") -> Tensor:
    """`down(f(gate(x)) · up(x))` (SwiGLU and others, Shazeer 2020) with the weights `<block>.{gate,up,down}_proj`."""
    gate = linear(ops, weights, f"{block}.gate_proj", x)
    up = linear(ops, weights, f"{block}.up_proj", x)
    return linear(ops, weights, f"{block}.down_proj", gated(ops, activation, gate, up))


def gated(ops: Ops, activation: str, gate: Tensor, up: Tensor) -> Tensor:
    """`f(gate) · up`."""
    return ops.silu_mul(gate, up) if activation == "silu" else ops.mul(activated(ops, activation, gate), up)


def activated(ops: Ops, activation: str, z: Tensor) -> Tensor:
    """`f(z)` for a value of `ACTIVATIONS`."""
    if activation == "squared_relu":  # So et al. 2021
        z = ops.activate("plain_relu", z)
        return ops.mul(z, z)
    return ops.activate(activation, z)


def soft_cap(ops: Ops, x: Tensor, cap: float) -> Tensor:
    """`cap · tanh(x / cap)`, where x levels off (Gemma Team 2024); x itself for a cap of 0."""
    return ops.scale(ops.activate("tanh", ops.scale(x, 1 / cap)), cap) if cap else x
