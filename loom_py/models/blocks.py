"""Pieces that families of models share, through ops only."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from ..runtime import Ops, Tensor
from .protocols import Chunk, Tensors


def linear(ops: Ops, weights: Tensors, name: str, x: Tensor) -> Tensor:
    """`x @ weightᵀ (+ bias)` with the weights `<name>.weight` (out, in) and, if there is one, `<name>.bias`."""
    return ops.linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def cached_attention(
    ops: Ops, chunk: Chunk, layer: int, q: Tensor, k: Tensor, v: Tensor, frequencies: NDArray[Any] | None
) -> Tensor:
    """Causal grouped-query attention of each sequence over its own cache, which `k` and `v` are added to.

    - `q`: (T, heads, D); `k`, `v`: (T, kv_heads, D).
    - `frequencies`: (D/2,) of the rotary embedding of queries and keys (Su et al. 2021); None for none.

    **Returns:** (T, heads · D).
    """
    mixed: list[Tensor] = []
    start = 0
    for segment in chunk.segments:
        queries, new_keys, new_values = q, k, v
        if len(chunk.segments) > 1:
            queries, new_keys, new_values = (ops.narrow(x, 0, start, segment.length) for x in (q, k, v))
            start += segment.length
        position, kept = segment.position, segment.cache[layer]
        # In this order the four calls become one where a device has `rope_cache`.
        if frequencies is not None:
            new_keys = ops.rope(new_keys, position, frequencies)
        ops.cache_write(kept["keys"], new_keys, position)
        ops.cache_write(kept["values"], new_values, position)
        if frequencies is not None:
            queries = ops.rope(queries, position, frequencies)
        mixed.append(ops.attention(queries, kept["keys"], kept["values"], position))
    y = mixed[0] if len(mixed) == 1 else ops.concat(mixed, 0)
    return ops.reshape(y, (q.shape[0], q.shape[1] * q.shape[2]))


def gated_mlp(ops: Ops, weights: Tensors, block: str, x: Tensor) -> Tensor:
    """`down(silu(gate(x)) · up(x))` (SwiGLU, Shazeer 2020) with the weights `<block>.{gate,up,down}_proj`."""
    gate = linear(ops, weights, f"{block}.gate_proj", x)
    up = linear(ops, weights, f"{block}.up_proj", x)
    return linear(ops, weights, f"{block}.down_proj", ops.silu_mul(gate, up))
