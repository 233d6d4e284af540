"""Attention over a key–value cache, within spans of rows, and (with gradients) over whole sequences."""

from __future__ import annotations

import numpy as np

from ..abstract import Abstract, alike, misfit
from ..kernel import Array, Gradients, kernel, no_gradient
from ..ops import Ops, Tensor
from ..signature import signature
from .rope import require_room
from .softmax import softmax, softmax_grad


def _grouped(q: Array, kv_heads: int) -> Array:
    """(…, T, heads, D) → (…, kv_heads, group·T, D): the query rows that share a key–value head."""
    *batch, steps, heads, size = q.shape
    split = q.reshape(*batch, steps, kv_heads, heads // kv_heads, size)
    return split.swapaxes(-4, -3).swapaxes(-3, -2).reshape(*batch, kv_heads, -1, size)


def _ungrouped(a: Array, steps: int) -> Array:
    """Back to (…, T, heads, D)."""
    *batch, kv_heads, rows, size = a.shape
    split = a.reshape(*batch, kv_heads, rows // steps, steps, size)
    return split.swapaxes(-2, -3).swapaxes(-3, -4).reshape(*batch, steps, kv_heads * (rows // steps), size)


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


def _groups(heads: int, kv_heads: int) -> int:
    if heads % kv_heads:
        raise misfit(f"{heads} heads cannot share {kv_heads} key-value heads")
    return heads // kv_heads


def _cached(q: Array, keys: Array, position: int, **_: object) -> Abstract:
    _groups(q.shape[1], keys.shape[1])
    require_room(position, q.shape[0], keys.shape[0])
    return alike(q)


def _attention_rule(
    ops: Ops,
    y: Tensor,
    gy: Tensor,
    /,
    q: Tensor,
    keys: Tensor,
    values: Tensor,
    position: int,
    window: int,
    cap: float,
) -> Gradients:
    """Of a whole sequence without a window or a cap `attend_grad`, products of matrices, with probabilities anew."""
    if window or cap or type(position) is not int or position or q.shape[0] != keys.shape[0]:
        gq, gk, gv = ops.attention_grad(q, keys, values, gy, position, window=window, cap=cap)
        return {"q": gq, "keys": gk, "values": gv}
    whole_q, k, v, g = (ops.reshape(x, (1, *x.shape)) for x in (q, keys, values, gy))
    _, probabilities = ops.attend(whole_q, k, v, causal=True)
    gq, gk, gv = ops.attend_grad(whole_q, k, v, probabilities, g)
    return {
        "q": ops.reshape(gq, q.shape),
        "keys": ops.reshape(gk, keys.shape),
        "values": ops.reshape(gv, values.shape),
    }


@kernel(
    shapes=signature(
        "q T H D, keys C K D, values C K D",
        rule=_cached,
        ranges={"window": {"minimum": 0, "maximum": 2**31 - 1}, "cap": {"minimum": 0}},
        cost="2 T H C D + 64 T H C",
    ),
    dynamic=("position",),
    gradient=_attention_rule,
)
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


def _cached_gradients(q: Array, keys: Array, position: int, **_: object) -> tuple[Abstract, ...]:
    _cached(q, keys, position)
    return alike(q), alike(keys), alike(keys)


@kernel(
    shapes=signature(
        "q T H D, keys C K D, values C K D, gy T H D",
        rule=_cached_gradients,
        ranges={"window": {"minimum": 0, "maximum": 2**31 - 1}, "cap": {"minimum": 0}},
        cost="5 T H C D + 128 T H C",
    ),
    dynamic=("position",),
)
def attention_grad(
    q: Array, keys: Array, values: Array, gy: Array, position: int, *, window: int = 0, cap: float = 0.0
) -> tuple[Array, Array, Array]:
    """→ (gq, gkeys, gvalues) of `attention`, with scores and probabilities p computed again.

    gvalues = pᵀ gy; gs = softmax′(gy vᵀ), with a cap times 1 − (s / cap)² for capped scores s; gq = gs k / √D;
    gkeys = gsᵀ q / √D, both summed over a group. Rows of the cache that no query sees have 0.
    """
    steps, kv, scale = q.shape[0], keys.shape[1], q.dtype.type(q.shape[-1] ** -0.5)
    length = position + steps
    start = max(0, position + 1 - window) if window else 0
    k, v = keys[start:length].transpose(1, 0, 2), values[start:length].transpose(1, 0, 2)  # (kv, L, D)
    qg, gg = _grouped(q, kv), _grouped(gy, kv)
    p = _probabilities(qg, k.swapaxes(-1, -2), steps, True, window, cap)
    gs = softmax_grad(p, gg @ v.swapaxes(-1, -2))
    if cap:
        gs *= 1 - np.tanh((qg * scale) @ k.swapaxes(-1, -2) / q.dtype.type(cap)) ** 2
    gs *= scale
    gkeys, gvalues = np.zeros_like(keys), np.zeros_like(values)
    gkeys[start:length] = (gs.swapaxes(-1, -2) @ qg).transpose(1, 0, 2)
    gvalues[start:length] = (p.swapaxes(-1, -2) @ gg).transpose(1, 0, 2)
    return _ungrouped(gs @ k, steps), gkeys, gvalues


def _spanned(q: Array, keys: Array, spans: Array, **_: object) -> Abstract:
    _groups(q.shape[1], keys.shape[1])
    if spans.shape[1] != 2:
        raise misfit(f"spans is {tuple(spans.shape)}, expected a beginning and an end a row")
    return alike(q)


@kernel(
    shapes=signature("q T H D, keys T K D, values T K D, spans:int T _", rule=_spanned, cost="2 T T H D + 64 T T H")
)
def span_attention(q: Array, keys: Array, values: Array, spans: Array) -> Array:
    """`softmax(q kᵀ / √D) v` within spans: q (T, heads, D), keys, values (T, kv, D), spans (T, 2) integers → like q.

    Row t sees the rows spans[t, 0] … spans[t, 1] − 1: all of its text where several stand one after another, or those
    around it. Without any it gives zeros. Query heads share key–value heads in groups.
    """
    y = np.empty_like(q)
    bounds = np.clip(spans, 0, len(q))
    ends = [*(np.flatnonzero((bounds[1:] != bounds[:-1]).any(1)) + 1).tolist(), len(q)]
    first = 0
    for end in ends:  # rows with one span
        low, high = bounds[first].tolist()
        if low < high:
            k, v = keys[low:high].transpose(1, 2, 0), values[low:high].transpose(1, 0, 2)
            p = _probabilities(_grouped(q[first:end], keys.shape[1]), k, end - first, False)
            y[first:end] = _ungrouped(p @ v, end - first)
        else:
            y[first:end] = 0
        first = end
    return y


def _attended(q: Array, k: Array, **_: object) -> tuple[Abstract, Abstract]:
    return alike(q), _attended_probabilities(q, k)


def _attended_probabilities(q: Array, k: Array) -> Abstract:
    batch, steps, heads, _size = q.shape
    kv_heads = k.shape[2]
    return alike(q, (batch, kv_heads, _groups(heads, kv_heads) * steps, steps))


def _attend_rule(
    ops: Ops,
    results: tuple[Tensor, Tensor],
    gradients: tuple[Tensor | None, Tensor | None],
    /,
    q: Tensor,
    k: Tensor,
    v: Tensor,
    causal: bool,
) -> Gradients:
    (_, probabilities), (gy, through_probabilities) = results, gradients
    if gy is None or through_probabilities is not None:
        raise no_gradient("attend", "through its probabilities, but only through y")
    gq, gk, gv = ops.attend_grad(q, k, v, probabilities, gy)
    return {"q": gq, "k": gk, "v": gv}


@kernel(
    shapes=signature("q B T H D, k B T K D, v B T K D", rule=_attended, cost="2 B T T H D + 64 B T T H + 1000 B H"),
    gradient=_attend_rule,
)
def attend(q: Array, k: Array, v: Array, *, causal: bool) -> tuple[Array, Array]:
    """Attention inside each sequence: q (B, T, heads, D), k, v (B, T, kv, D) → y like q, and probabilities."""
    p = _probabilities(_grouped(q, k.shape[2]), k.transpose(0, 2, 3, 1), q.shape[1], causal)
    return _ungrouped(p @ v.transpose(0, 2, 1, 3), q.shape[1]), p


def _attended_gradients(q: Array, k: Array, v: Array, probabilities: Array, **_: object) -> tuple[Abstract, ...]:
    expected = _attended_probabilities(q, k).shape
    if tuple(probabilities.shape) != expected:
        raise misfit(f"probabilities is {tuple(probabilities.shape)}, expected {expected}")
    return alike(q), alike(k), alike(v)


@kernel(
    shapes=signature(
        "q B T H D, k B T K D, v B T K D, probabilities B K _ T, gy B T H D",
        rule=_attended_gradients,
        cost="4 B T T H D + 64 B T T H + 1000 B H",
    )
)
def attend_grad(q: Array, k: Array, v: Array, probabilities: Array, gy: Array) -> tuple[Array, Array, Array]:
    """→ (gq, gk, gv): gv = pᵀ gy; gs = softmax′(gy vᵀ); gq = gs k / √D; gk = gsᵀ q / √D, both summed over a group."""
    kv_heads, steps, scale = k.shape[2], q.shape[1], q.dtype.type(q.shape[3] ** -0.5)
    qg, gg = _grouped(q, kv_heads), _grouped(gy, kv_heads)
    kt, vt = k.transpose(0, 2, 1, 3), v.transpose(0, 2, 1, 3)  # (B, kv, T, D)
    gs = softmax_grad(probabilities, gg @ vt.swapaxes(-1, -2)) * scale
    gk = (gs.swapaxes(-1, -2) @ qg).transpose(0, 2, 1, 3)
    gv = (probabilities.swapaxes(-1, -2) @ gg).transpose(0, 2, 1, 3)
    return _ungrouped(gs @ kt, steps), gk, gv
