"""Attention over a key–value cache and (with gradients) over whole sequences."""

from __future__ import annotations

import numpy as np

from ..abstract import Abstract, alike, like, misfit
from ..kernel import Array, kernel
from .softmax import softmax, softmax_grad


def _grouped(q: Array, kv_heads: int) -> Array:
    """(…, T, heads, D) → (…, kv_heads, group·T, D): the query rows that share a key–value head."""
    *batch, steps, heads, size = q.shape
    split = q.reshape(*batch, steps, kv_heads, heads // kv_heads, size)
    return np.moveaxis(split, -4, -2).reshape(*batch, kv_heads, -1, size)


def _ungrouped(a: Array, steps: int) -> Array:
    """Back to (…, T, heads, D)."""
    *batch, kv_heads, rows, size = a.shape
    split = a.reshape(*batch, kv_heads, rows // steps, steps, size)
    return np.moveaxis(split, -2, -4).reshape(*batch, steps, kv_heads * (rows // steps), size)


def _probabilities(q: Array, k: Array, steps: int, causal: bool, window: int = 0, cap: float = 0.0) -> Array:
    """softmax(q kᵀ / √D): q (…, kv, group·T, D), k (…, kv, D, L) → (…, kv, group·T, L); the last T positions ask."""
    scores = (q * q.dtype.type(q.shape[-1] ** -0.5)) @ k
    if cap:
        scores = scores.dtype.type(cap) * np.tanh(scores / scores.dtype.type(cap))
    length: int = k.shape[-1]
    if causal and (steps > 1 or 0 < window < length):
        seen, asking = np.arange(length)[None, :], np.arange(length - steps, length)[:, None]
        hidden = seen > asking
        if window:
            hidden |= seen <= asking - window
        scores.reshape(*scores.shape[:-2], -1, steps, length)[..., hidden] = -np.inf
    return softmax(scores)


def _windowed(q: Array, window: int = 0, cap: float = 0.0, **_: object) -> Abstract:
    if window < 0 or not cap >= 0:
        raise misfit(f"window {window} and cap {cap} must not be negative")
    return alike(q)


@kernel(shapes=_windowed, dynamic=("position",))
def attention(q: Array, keys: Array, values: Array, position: int, *, window: int = 0, cap: float = 0.0) -> Array:
    """`softmax(q kᵀ / √D + causal mask) v` over a cache: q (T, heads, D), keys, values (C, kv, D) → (T, heads, D).

    Query heads share key–value heads in groups (Ainslie et al. 2023); row t sees cache rows 0 … position + t, or with
    `window` > 0 the last `window` of them (Beltagy et al. 2020). With `cap` > 0 scores s become cap · tanh(s / cap)
    (Gemma Team 2024).
    """
    steps, length = q.shape[0], position + q.shape[0]
    start = max(0, position + 1 - window) if window else 0
    k, v = keys[start:length].transpose(1, 2, 0), values[start:length].transpose(1, 0, 2)
    return _ungrouped(_probabilities(_grouped(q, keys.shape[1]), k, steps, True, window, cap) @ v, steps)


def _attended(q: Array, k: Array, **_: object) -> tuple[Abstract, Abstract]:
    batch, steps, heads, _size = q.shape
    kv_heads = k.shape[2]
    return alike(q), alike(q, (batch, kv_heads, heads // kv_heads * steps, k.shape[1]))


@kernel(shapes=_attended)
def attend(q: Array, k: Array, v: Array, *, causal: bool) -> tuple[Array, Array]:
    """Attention inside each sequence: q (B, T, heads, D), k, v (B, T, kv, D) → y like q, and probabilities."""
    p = _probabilities(_grouped(q, k.shape[2]), k.transpose(0, 2, 3, 1), q.shape[1], causal)
    return _ungrouped(p @ v.transpose(0, 2, 1, 3), q.shape[1]), p


@kernel(shapes=like("q", "k", "v"))
def attend_grad(q: Array, k: Array, v: Array, probabilities: Array, gy: Array) -> tuple[Array, Array, Array]:
    """→ (gq, gk, gv): gv = pᵀ gy; gs = softmax′(gy vᵀ); gq = gs k / √D; gk = gsᵀ q / √D, both summed over a group."""
    kv_heads, steps, scale = k.shape[2], q.shape[1], q.dtype.type(q.shape[3] ** -0.5)
    qg, gg = _grouped(q, kv_heads), _grouped(gy, kv_heads)
    kt, vt = k.transpose(0, 2, 1, 3), v.transpose(0, 2, 1, 3)  # (B, kv, T, D)
    gs = softmax_grad(probabilities, gg @ vt.swapaxes(-1, -2)) * scale
    gk = (gs.swapaxes(-1, -2) @ qg).transpose(0, 2, 1, 3)
    gv = (probabilities.swapaxes(-1, -2) @ gg).transpose(0, 2, 1, 3)
    return _ungrouped(gs @ kt, steps), gk, gv
