"""Causal depthwise convolution over a sequence that comes in parts (Gu & Dao 2023; LFM2's short convolutions)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..abstract import Abstract, alike, misfit
from ..kernel import Array, kernel
from ..signature import signature


def _convolved(x: Any, weight: Any, state: Any, **_: object) -> Abstract:
    if state.shape[0] != weight.shape[2] - 1:
        raise misfit(f"{weight.shape[2]} taps need a state of {weight.shape[2] - 1} rows, got {state.shape[0]}")
    return alike(x)


@kernel(
    shapes=signature("x T C, weight C U K, state R C, bias C", rule=_convolved, cost="8 x K"), in_place=("state",)
)  # fmt: skip
def short_conv(x: Array, weight: Array, state: Array, bias: Array | None = None) -> Array:
    """`y[t,c] = Σ_j weight[c,0,j] x[t+j−K+1, c] + bias[c]`: x (T, C), weight (C, 1, K), bias (C,) → like x.

    The K − 1 rows before the first come from `state` (K − 1, C), which becomes the last K − 1 of all rows.
    """
    taps = weight.shape[2]
    rows = np.concatenate([state, x])
    y = sum((rows[j : j + len(x)] * weight[:, 0, j] for j in range(1, taps)), rows[: len(x)] * weight[:, 0, 0])
    state[...] = rows[len(x) :]
    return y if bias is None else y + bias
