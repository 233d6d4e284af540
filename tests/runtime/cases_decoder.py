"""What a decoder's program is fused into, and drawing tokens."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .cases import Numbers, cases, size
from .cases_transformer import frequencies

Cases = Iterator[tuple[str, dict[str, Any]]]
SIZES = [(1, 4, 3), (1, 64, 33), (5, 130, 66), (40, 96, 129)]
"""Rows, input and output width."""


@cases("norm_linear")
def norm_linear(n: Numbers) -> Cases:
    for rows, k, w in SIZES:
        for biased in (False, True):
            widths = (w, 2 * w, 5)
            x = {"x": n.normal(rows, k), "gamma": n.normal(k), "eps": 1e-5}
            weights = [n.normal(o, k) for o in widths]
            biases = [n.normal(o) if biased else None for o in widths]
            yield f"{size(rows, k, w)}{'-bias' * biased}", {**x, "weights": weights, "biases": biases}


@cases("norm_gate_up")
def norm_gate_up(n: Numbers) -> Cases:
    for rows, k, w in SIZES:
        x = {"x": n.normal(rows, k), "gamma": n.normal(k), "eps": 1e-5}
        weights = {name: n.normal(w, k, scale=k**-0.5) for name in ("gate", "up")}
        yield size(rows, k, w), {**x, **weights}
        yield f"{size(rows, k, w)}-bias", {**x, **weights, "gate_bias": n.normal(w), "up_bias": n.normal(w)}


@cases("linear_add")
def linear_add(n: Numbers) -> Cases:
    for rows, k, w in SIZES:
        for bias in (None, n.normal(w)):
            operands = {"x": n.normal(rows, k), "weight": n.normal(w, k), "bias": bias, "residual": n.normal(rows, w)}
            yield f"{size(rows, k, w)}{'-bias' * (bias is not None)}", operands


@cases("rope_cache", "inverse_frequencies")
def rope_cache(n: Numbers) -> Cases:
    for rows, steps, heads, kv, width, position in [(9, 1, 4, 2, 8, 6), (64, 17, 3, 1, 64, 11), (3, 3, 1, 1, 2, 0)]:
        caches = {"keys": n.normal(rows, kv, width), "values": n.normal(rows, kv, width)}
        new = {"q": n.normal(steps, heads, width), "k": n.normal(steps, kv, width), "v": n.normal(steps, kv, width)}
        numbers = {"position": position, "inverse_frequencies": frequencies(width)}
        yield f"{size(rows, steps, heads, kv, width)}-{position}", {**new, **caches, **numbers}


@cases("mark")
def mark(n: Numbers) -> Cases:
    for vocab, count in [(1, 1), (50, 3), (1000, 40)]:
        yield size(vocab, count), {"seen": n.flags(vocab).astype(np.uint8), "ids": n.integers(vocab, count)}


@cases("sample")
def sample(n: Numbers) -> Cases:
    for vocab in (1, 7, 1003):
        for i, (temperature, top_k, top_p, min_p, penalty) in enumerate(
            [(0.0, 0, 1.0, 0.0, 1.0), (1.0, 0, 1.0, 0.0, 1.3), (0.7, 5, 1.0, 0.0, 1.0), (1.5, 0, 0.8, 0.05, 1.1)]
        ):
            tensors = {"logits": n.normal(vocab, scale=3), "seen": n.flags(vocab).astype(np.uint8)}
            cut = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "min_p": min_p}
            yield f"{vocab}-{i}", {**tensors, **cut, "repetition_penalty": penalty, "seed": 12345, "step": 3 * i}
