"""Rotary positions and attention over a key–value cache."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


def rope(x: Array, position: int, inverse_frequencies: Array) -> Array:
    """(a, b) → (a cos − b sin, b cos + a sin), angle = p · f_i, pairs (i, i + D/2)   (Su et al. 2021; Llama's layout).

    x (T, heads, D), inverse_frequencies (D/2,) float64 → like x. Angles are made in float64: a float32 product loses
    whole turns at large positions.
    """
    half = x.shape[-1] // 2
    angles = np.arange(position, position + x.shape[0], dtype=np.float64)[:, None] * inverse_frequencies
    cos = np.cos(angles).astype(x.dtype)[:, None, :]
    sin = np.sin(angles).astype(x.dtype)[:, None, :]
    a, b = x[..., :half], x[..., half:]
    return np.concatenate([a * cos - b * sin, b * cos + a * sin], axis=-1)


def cache_write(cache: Array, x: Array, position: int) -> None:
    """cache[position : position + T] = x."""
    cache[position : position + x.shape[0]] = x


def attention(q: Array, keys: Array, values: Array, position: int) -> Array:
    """softmax(q kᵀ / √D + causal mask) v, query heads sharing key–value heads in groups   (Ainslie et al. 2023)."""
    steps, heads, size = q.shape
    kv_heads = keys.shape[1]
    length = position + steps
    k = keys[:length].transpose(1, 2, 0)  # (kv, D, L)
    v = values[:length].transpose(1, 0, 2)  # (kv, L, D)
    grouped = q.reshape(steps, kv_heads, heads // kv_heads, size).transpose(1, 2, 0, 3)  # (kv, group, T, D)
    grouped = grouped.reshape(kv_heads, -1, size) * q.dtype.type(size**-0.5)
    scores = (grouped @ k).reshape(kv_heads, heads // kv_heads, steps, length)
    if steps > 1:
        future = np.arange(length)[None, :] > np.arange(position, length)[:, None]
        scores[..., future] = -np.inf
    scores -= scores.max(axis=-1, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=-1, keepdims=True)
    mixed = scores.reshape(kv_heads, -1, length) @ v
    return mixed.reshape(kv_heads, heads // kv_heads, steps, size).transpose(2, 0, 1, 3).reshape(steps, heads, size)
