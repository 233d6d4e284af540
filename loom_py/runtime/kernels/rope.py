"""Rotary positions, and writing rows to a key–value cache."""

from __future__ import annotations

import numpy as np

from ..abstract import Abstract, alike, misfit
from ..kernel import Array, Gradients, kernel, no_gradient
from ..ops import Ops, Tensor
from ..signature import signature


def _rope_rule(
    ops: Ops, y: Tensor, gy: Tensor, /, x: Tensor, position: int, inverse_frequencies: Tensor, inverse: bool
) -> Gradients:
    return {"x": ops.rope(gy, position, inverse_frequencies, inverse=not inverse)}


@kernel(
    shapes=signature(
        "x * T H 2F, inverse_frequencies:float64 F",
        "x",
        ranges={"position": {"minimum": 0}},
        cost="16 * T H F + 256 T F",
    ),
    dynamic=("position",),
    gradient=_rope_rule,
)
def rope(x: Array, position: int, inverse_frequencies: Array, *, inverse: bool = False) -> Array:
    """`(a, b) → (a cos − b sin, b cos + a sin)`, angle = p · f_i, pairs (i, i + D/2) (Su et al. 2021; Llama's layout).

    x (…, T, heads, D) with its first row at `position`, inverse_frequencies (D/2,) float64 → like x; `inverse` turns
    back, which is also the gradient. Angles are computed in float64: a float32 product loses whole turns at large
    positions.
    """
    half = x.shape[-1] // 2
    angles = np.arange(position, position + x.shape[-3], dtype=np.float64)[:, None] * inverse_frequencies
    cos = np.cos(angles).astype(x.dtype)[:, None, :]
    sin = np.sin(-angles if inverse else angles).astype(x.dtype)[:, None, :]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def require_room(position: int, steps: int, capacity: int) -> None:
    """Raises `InputError` unless rows `position … position + steps` lie in a cache."""
    if not 0 <= position <= capacity - steps:
        raise misfit(f"{steps} rows from {position} do not fit a cache of {capacity}")


def _written(cache: Array, x: Array, position: int) -> None:
    require_room(position, x.shape[0], cache.shape[0])


def _cache_write_rule(ops: Ops, y: Tensor, gy: Tensor, /, cache: Tensor, x: Tensor, position: int) -> Gradients:
    """The rows of gy that were written; none of them is left for what was there before."""
    if type(position) is not int:
        raise no_gradient("cache_write", "at a position that changes from replay to replay")
    rows, end = cache.shape[0], position + x.shape[0]
    kept = [ops.narrow(gy, 0, 0, position)] if position else []
    kept.append(ops.zeros(x.shape, like=gy))
    if end < rows:
        kept.append(ops.narrow(gy, 0, end, rows - end))
    return {"cache": ops.concat(kept, 0) if len(kept) > 1 else None, "x": ops.narrow(gy, 0, position, x.shape[0])}


@kernel(
    shapes=signature("cache:word C *, x:word T *", rule=_written, cost="64 x"),
    in_place=("cache",),
    dynamic=("position",),
    gradient=_cache_write_rule,
)
def cache_write(cache: Array, x: Array, position: int) -> None:
    """Rows `position …` of cache (C, heads, D) become x (T, heads, D)."""
    cache[position : position + x.shape[0]] = x


def _rotated(q: Array, keys: Array, position: int, row: int | None = None, **_: object) -> Abstract:
    require_room(position if row is None else row, q.shape[0], keys.shape[0])
    return alike(q)


@kernel(
    shapes=signature(
        "q T H 2F, k T K 2F, v T K 2F, keys C K 2F, values C K 2F, inverse_frequencies:float64 F",
        rule=_rotated,
        cost="16 T H F + 16 T K F + 256 T F",
    ),
    in_place=("keys", "values"),
    dynamic=("position", "row"),
)
def rope_cache(
    q: Array,
    k: Array,
    v: Array,
    keys: Array,
    values: Array,
    position: int,
    inverse_frequencies: Array,
    row: int | None = None,
) -> Array:
    """Rotated `k` and `v` go to the caches (`rope`, `cache_write`) → rotated `q`.

    They go to the rows from `row` on, by default from `position`.
    """
    first = position if row is None else row
    cache_write(keys, rope(k, position, inverse_frequencies), first)
    cache_write(values, v, first)
    return rope(q, position, inverse_frequencies)
