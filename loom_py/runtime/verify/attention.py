"""Cases of `kernels/attention.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from ..kernels import attention as k
from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]


@cases("attention")
def attention(n: Numbers) -> Cases:
    for rows, steps, heads, kv, width, position in [
        *((1, 1, 1, 1, 2, 0), (9, 1, 4, 2, 8, 6), (9, 3, 2, 2, 6, 6)),
        *((300, 1, 9, 3, 64, 270), (300, 40, 6, 2, 64, 250)),
    ]:
        cache = {"keys": n.normal(rows, kv, width), "values": n.normal(rows, kv, width)}
        label = f"{size(rows, steps, heads, kv, width)}-{position}"
        operands = {"q": n.normal(steps, heads, width, scale=2), **cache, "position": position}
        yield label, operands
        for window in (w for w in (1, 5, 64, 200) if w < rows):
            yield f"{label}-window-{window}", {**operands, "window": window}
        yield f"{label}-cap", {**operands, "cap": 1.5}
        yield f"{label}-window-cap", {**operands, "window": 7, "cap": 20.0}


@cases("attention_grad")
def attention_grad(n: Numbers) -> Cases:
    for rows, steps, heads, kv, width, position in [
        *((1, 1, 1, 1, 2, 0), (9, 1, 4, 2, 8, 6), (9, 3, 2, 2, 6, 6), (9, 9, 3, 1, 7, 0)),
        *((300, 40, 6, 2, 64, 250), (70, 70, 4, 4, 33, 0)),
    ]:
        cache = {"keys": n.normal(rows, kv, width), "values": n.normal(rows, kv, width)}
        label = f"{size(rows, steps, heads, kv, width)}-{position}"
        operands = {"q": n.normal(steps, heads, width), **cache, "gy": n.normal(steps, heads, width)}
        operands["position"] = position
        yield label, operands
        yield f"{label}-window", {**operands, "window": 7}
        yield f"{label}-cap", {**operands, "cap": 1.5}
        yield f"{label}-window-cap", {**operands, "window": 64, "cap": 20.0}


@cases("span_attention")
def span_attention(n: Numbers) -> Cases:
    for lengths, heads, kv, width in [
        *(
            ((1,), 1, 1, 2),
            ((3, 1, 5), 4, 2, 6),
            ((70, 20, 2, 31), 6, 2, 32),
            ((200,), 3, 3, 64),
            ((9,) * 20, 2, 2, 24),
            ((26, 48, 1, 47, 49, 26, 26), 2, 1, 16),
        ),
    ]:
        steps, ends = sum(lengths), np.cumsum(lengths)
        operands = {"q": n.normal(steps, heads, width, scale=2), "keys": n.normal(steps, kv, width)}
        operands["values"] = n.normal(steps, kv, width)
        spans = np.repeat(np.stack([ends - lengths, ends], 1), lengths, 0)
        label = size(steps, len(lengths), heads, kv, width)
        yield label, {**operands, "spans": spans}
        places = np.arange(steps)[:, None] + [-4, 5]
        near = np.stack([np.maximum(spans[:, 0], places[:, 0]), np.minimum(spans[:, 1], places[:, 1])], 1)
        near[steps // 2] = steps  # sees none
        yield f"{label}-near", {**operands, "spans": near}


ATTENTIONS = [
    *((1, 1, 1, 1, 2), (2, 3, 2, 2, 2), (2, 5, 4, 2, 6), (1, 33, 3, 1, 16), (3, 20, 6, 3, 64)),
    *((2, 150, 4, 2, 33), (1, 70, 1, 1, 130)),
]
"""Batch, steps, heads, key–value heads, width."""


@cases("attend")
def attend(n: Numbers) -> Cases:
    for b, t, heads, kv, d in ATTENTIONS:
        for causal in (False, True):
            operands = {"q": n.normal(b, t, heads, d), "k": n.normal(b, t, kv, d), "v": n.normal(b, t, kv, d)}
            yield f"{size(b, t, heads, kv, d)}{'-causal' * causal}", {**operands, "causal": causal}


@cases("attend_grad")
def attend_grad(n: Numbers) -> Cases:
    for b, t, heads, kv, d in ATTENTIONS[1:]:
        for causal in (False, True):
            q, keys, values = n.normal(b, t, heads, d), n.normal(b, t, kv, d), n.normal(b, t, kv, d)
            _, probabilities = k.attend(q, keys, values, causal=causal)
            operands = {"q": q, "k": keys, "v": values, "probabilities": probabilities, "gy": n.normal(b, t, heads, d)}
            yield f"{size(b, t, heads, kv, d)}{'-causal' * causal}", operands
