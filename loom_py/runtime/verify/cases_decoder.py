"""Sampling, and the kernels that do several at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .cases import Numbers, cases, size
from .cases_transformer import frequencies

Cases = Iterator[tuple[str, dict[str, Any]]]
SHAPES = [(1, 1, 1), (1, 33, 17), (1, 576, 24), (5, 12, 9), (70, 96, 40)]
"""Rows, inputs, outputs."""
OPTIONS: list[dict[str, Any]] = [
    {}, {"temperature": 0.0}, {"temperature": 0.0, "repetition_penalty": 1.7}, {"top_k": 1}, {"top_k": 7},
    {"top_p": 0.5}, {"min_p": 0.2}, {"repetition_penalty": 1.3}, {"temperature": 0.1},
    {"temperature": 50.0, "top_p": 0.999},
    {"top_k": 40, "top_p": 0.9, "min_p": 0.01, "temperature": 0.8, "repetition_penalty": 0.7}, {"top_p": 0.0},
    {"top_k": 1 << 24}, {"min_p": 1.0},
]  # fmt: skip


@cases("norm_linear")
def norm_linear(n: Numbers) -> Cases:
    for rows, inputs, outputs in SHAPES:
        for count in (1, 3):
            weights = [n.normal(outputs + i, inputs) for i in range(count)]
            biases = [n.normal(outputs + i) for i in range(count)]
            norm = {"x": n.normal(rows, inputs), "gamma": n.normal(inputs), "eps": 1e-5}
            yield f"{size(rows, inputs, outputs)}-{count}", {**norm, "weights": weights, "biases": biases}


@cases("norm_gate_up")
def norm_gate_up(n: Numbers) -> Cases:
    for rows, inputs, outputs in SHAPES:
        norm = {"x": n.normal(rows, inputs), "gamma": n.normal(inputs), "eps": 1e-5}
        operands = {**norm, "gate": n.normal(outputs, inputs), "up": n.normal(outputs, inputs)}
        yield size(rows, inputs, outputs), operands
        biases = {"gate_bias": n.normal(outputs), "up_bias": n.normal(outputs)}
        yield f"{size(rows, inputs, outputs)}-bias", {**operands, **biases}


@cases("linear_add")
def linear_add(n: Numbers) -> Cases:
    for rows, inputs, outputs in SHAPES:
        operands = {
            "x": n.normal(rows, inputs),
            "weight": n.normal(outputs, inputs),
            "residual": n.normal(rows, outputs),
        }
        yield size(rows, inputs, outputs), {**operands, "bias": None}
        yield f"{size(rows, inputs, outputs)}-bias", {**operands, "bias": n.normal(outputs)}


@cases("rope_cache", "inverse_frequencies")
def rope_cache(n: Numbers) -> Cases:
    for rows, steps, heads, kv, width, position in [(1, 1, 1, 1, 2, 0), (9, 3, 4, 2, 6, 6), (300, 17, 9, 3, 64, 280)]:
        operands = {
            "q": n.normal(steps, heads, width),
            "k": n.normal(steps, kv, width),
            "v": n.normal(steps, kv, width),
        }
        caches = {"keys": n.normal(rows, kv, width), "values": n.normal(rows, kv, width), "position": position}
        label = f"{size(rows, steps, heads, kv, width)}-{position}"
        yield label, {**operands, **caches, "inverse_frequencies": frequencies(width)}


@cases("mark")
def mark(n: Numbers) -> Cases:
    for vocab, count in [(1, 1), (50, 3), (1000, 200)]:
        yield size(vocab, count), {"seen": n.flags(vocab).astype(np.uint8), "ids": n.integers(vocab, count)}


@cases("sample")
def sample(n: Numbers) -> Cases:
    plain = {"temperature": 1.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0}
    for vocab, spread in [(1, 1.0), (5, 1.0), (300, 0.0), (300, 3.0), (5000, 4.0)]:
        logits, seen = n.normal(vocab, scale=spread), n.flags(vocab).astype(np.uint8)
        for i, options in enumerate(OPTIONS):
            numbers = {**plain, **options, "seed": 0x9ABCDEF0 + i, "step": 7 * i}
            label = "-".join(f"{k}={v:g}" for k, v in options.items()) or "plain"
            yield f"{vocab}x{spread:g}-{label}", {"logits": logits, "seen": seen, **numbers}
