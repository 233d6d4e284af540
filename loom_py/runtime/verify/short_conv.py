"""Cases of `kernels/short_conv.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]


@cases("short_conv")
def short_conv(n: Numbers) -> Cases:
    for steps, channels, taps in [(1, 1, 2), (1, 33, 3), (2, 7, 5), (5, 40, 3), (70, 130, 4)]:
        operands = {"x": n.normal(steps, channels), "weight": n.normal(channels, 1, taps)}
        for bias in ({}, {"bias": n.normal(channels)}):
            label = f"{size(steps, channels, taps)}{'-bias' * bool(bias)}"
            yield label, {**operands, "state": n.normal(taps - 1, channels), **bias}
