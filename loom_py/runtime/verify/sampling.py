"""Cases of `kernels/sampling.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]

OPTIONS: list[dict[str, Any]] = [
    {}, {"temperature": 0.0}, {"temperature": 0.0, "repetition_penalty": 1.7}, {"top_k": 1}, {"top_k": 7},
    {"top_p": 0.5}, {"min_p": 0.2}, {"repetition_penalty": 1.3}, {"temperature": 0.1},
    {"temperature": 50.0, "top_p": 0.999},
    {"top_k": 40, "top_p": 0.9, "min_p": 0.01, "temperature": 0.8, "repetition_penalty": 0.7}, {"top_p": 0.0},
    {"top_k": 1 << 24}, {"min_p": 1.0},
]  # fmt: skip


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
