"""Tweening by the true backward pass, for every layer kind.

The direction is g = target − output, the negative gradient of E = ½ Σ (output − target)², followed down by each layer's
own `backward` and along the residual stream. δ = rate · kind's factor · (−∂E/∂w); w += v.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..nn.layer import Array, Layer, Params, leaves
from ..runtime.ops import Ops, Tensor
from .chain_rule import velocity
from .config import TweenConfig
from .maths import move


def gradients(
    ops: Ops, layers: Sequence[Layer], params: Sequence[Params], caches: Sequence[Any], g: Tensor
) -> tuple[list[Tensor], list[Params]]:
    """−∂E of all tensors 0 … L of a forward pass, and of all parameters, from that of the output (B, O)."""
    shares: list[Any] = [*([None] * len(layers)), g]
    grads: list[Params] = [{} for _ in layers]

    def add(i: int, share: Tensor) -> None:
        shares[i] = share if shares[i] is None else ops.add(shares[i], share)

    for i in reversed(range(len(layers))):
        cache, source = caches[i]
        gx, grads[i] = layers[i].backward(ops, params[i], cache, shares[i + 1])
        if source is not None:
            add(source, shares[i + 1] if layers[i].residual == "after" else gx)
        add(i, gx)
    return shares, grads


def update(
    config: TweenConfig,
    layers: Sequence[Layer],
    params: Sequence[Params],
    grads: Sequence[Params],
    rate: float,
    velocities: Sequence[Params],
) -> None:
    """Move all parameters, *in place*."""
    for layer, p, g, v in zip(layers, params, grads, velocities, strict=True):
        r = rate * config.layer_rate(layer.kind)
        directions: dict[str, Array] = dict(leaves(g))
        for path, w in leaves(p):
            move(w, velocity(v, path, w, r * directions[path], config.momentum))
