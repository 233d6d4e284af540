"""Rotary positions, and writing rows to a key–value cache."""

from __future__ import annotations

import numpy as np

from ..abstract import like, nothing
from ..kernel import Array, kernel


@kernel(shapes=like("x"), dynamic=("position",))
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


@kernel(shapes=nothing, in_place=("cache",), dynamic=("position",))
def cache_write(cache: Array, x: Array, position: int) -> None:
    """Rows `position …` of cache (C, heads, D) become x (T, heads, D)."""
    cache[position : position + x.shape[0]] = x


@kernel(shapes=like("q"), in_place=("keys", "values"), dynamic=("position",))
def rope_cache(
    q: Array, k: Array, v: Array, keys: Array, values: Array, position: int, inverse_frequencies: Array
) -> Array:
    """Rotated `k` and `v` go to the caches (`rope`, `cache_write`) → rotated `q`."""
    cache_write(keys, rope(k, position, inverse_frequencies), position)
    cache_write(values, v, position)
    return rope(q, position, inverse_frequencies)
