"""Causal depthwise convolution over a sequence that comes in parts (Gu & Dao 2023; LFM2's short convolutions)."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..abstract import Abstract, alike, misfit
from ..kernel import Array, Gradients, kernel, no_gradient
from ..ops import Ops, Tensor
from ..signature import signature


def _convolved(x: Any, weight: Any, state: Any, **_: object) -> Abstract:
    if state.shape[0] != weight.shape[2] - 1:
        raise misfit(f"{weight.shape[2]} taps need a state of {weight.shape[2] - 1} rows, got {state.shape[0]}")
    return alike(x)


def _short_conv_rule(
    ops: Ops,
    results: tuple[Tensor, Tensor],
    gradients: tuple[Tensor | None, Tensor | None],
    /,
    x: Tensor,
    weight: Tensor,
    state: Tensor,
    bias: Tensor | None,
) -> Gradients:
    """A tap at a time: grows[t+j] += w_j gy[t], gw_j = Σ_t gy[t] rows[t+j], both as a normalisation by 0 and 1."""
    gy, gstate = gradients
    if gy is None or gstate is not None:
        raise no_gradient("short_conv", "through what it keeps, but only through y")
    (steps, channels), taps = x.shape, weight.shape[2]
    rows = ops.concat([state, x], 0) if taps > 1 else x
    zeros, ones = np.zeros(channels, x.dtype), np.ones(channels, x.dtype)
    out = ops.reshape(gy, (steps, channels, 1))
    grows: Tensor = None
    gbias: Tensor = None
    gweight: list[Tensor] = []
    for j in range(taps):
        tap = ops.reshape(ops.narrow(weight, 2, j, 1), (channels,))
        read = ops.reshape(ops.narrow(rows, 0, j, steps), (steps, channels, 1))
        share, gtap, gbias = ops.batch_norm_grad(read, zeros, ones, tap, 0.0, out, own=False)
        share = ops.reshape(share, (steps, channels))
        if j:
            share = ops.concat([ops.zeros((j, channels), like=share), share], 0)
        share = ops.pad(share, 0, steps + taps - 1)
        grows = share if grows is None else ops.add(grows, share)
        gweight.append(ops.reshape(gtap, (channels, 1, 1)))
    gx = ops.narrow(grows, 0, taps - 1, steps)
    before = ops.narrow(grows, 0, 0, taps - 1) if taps > 1 else None
    return {"x": gx, "weight": ops.concat(gweight, 2), "state": before, "bias": gbias}


@kernel(
    shapes=signature("x T C, weight C U K, state R C, bias C", rule=_convolved, cost="8 x K"),
    in_place=("state",),
    gradient=_short_conv_rule,
)
def short_conv(x: Array, weight: Array, state: Array, bias: Array | None = None) -> Array:
    """`y[t,c] = Σ_j weight[c,0,j] x[t+j−K+1, c] + bias[c]`: x (T, C), weight (C, 1, K), bias (C,) → like x.

    The K − 1 rows before the first come from `state` (K − 1, C), which becomes the last K − 1 of all rows.
    """
    taps = weight.shape[2]
    rows = np.concatenate([state, x])
    y = sum((rows[j : j + len(x)] * weight[:, 0, j] for j in range(1, taps)), rows[: len(x)] * weight[:, 0, 0])
    state[...] = rows[len(x) :]
    return y if bias is None else y + bias
