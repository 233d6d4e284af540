"""Layers one after another, with the residual stream that runs beside them.

The stream is a pointer to an earlier tensor. Which layer adds it, and which moves it, follows from the kinds alone:

| `Layer.residual` | kinds | adds | then points to |
|---|---|---|---|
| source | RMSNorm | nothing | its own input |
| before | LayerNorm | the stream to its input, if there is one | its output, if there was one |
| after | attention, SwiGLU | the stream to its output, if there is one | its output |
| skip | residual | the input of the layer `skip` places before | unchanged |
| none | all others | nothing | unchanged |

A tensor is added only where the shapes are equal. RMSNorm → attention → RMSNorm → SwiGLU is thus Llama's pre-norm
block, and attention → LayerNorm the post-norm one. Inside parallel and sequential layers the stream starts empty.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..runtime.ops import Ops, Tensor
from .activation import Logits
from .layer import Layer, Params, State


def wiring(layers: Sequence[Layer]) -> list[int | None]:
    """For each layer the tensor that it wants added: 0 is the input, i + 1 the output of layer i, None no tensor."""
    sources: list[int | None] = [None] * len(layers)
    stream: int | None = None
    for i, layer in enumerate(layers):
        if (residual := layer.residual) == "none":
            continue
        sources[i] = layer.source(i, stream)
        if residual == "source":
            stream = i
        elif residual == "after" or (residual == "before" and stream is not None):
            stream = i + 1
    return sources


def run_layer(
    ops: Ops, layer: Layer, p: Params, x: Tensor, state: State, added: Tensor | None, training: bool
) -> tuple[Tensor, Any, bool]:
    """One layer with a tensor of the residual stream → output, cache, and whether the shapes allowed to add it."""
    if added is None:
        return *layer.forward(ops, p, x, state, training), False
    if layer.residual == "after":
        y, cache = layer.forward(ops, p, x, state, training)
        fits = added.shape == y.shape
        return (ops.add(y, added) if fits else y), cache, fits
    fits = added.shape == x.shape
    y, cache = layer.forward(ops, p, ops.add(x, added) if fits else x, state, training)
    return y, cache, fits


def forward(
    ops: Ops,
    layers: Sequence[Layer],
    params: Sequence[Params],
    x: Tensor,
    states: Sequence[State] | None = None,
    *,
    training: bool = False,
) -> tuple[Tensor, list[Tensor], list[Any]]:
    """x (B, I) → the last output, every layer's output, every layer's cache."""
    tensors: list[Tensor] = [x]
    caches: list[Any] = []
    for i, (layer, p, source) in enumerate(zip(layers, params, wiring(layers), strict=True)):
        state = states[i] if states else {}
        if layer.in_size != x.shape[1]:  # asked here first, as calls cost
            layer.check_width(x.shape[1])
        if source is None:
            x, cache = layer.forward(ops, p, x, state, training)
        else:
            x, cache, fits = run_layer(ops, layer, p, x, state, tensors[source], training)
            source = source if fits else None
        tensors.append(x)
        caches.append((cache, source))
    return x, tensors[1:], caches


def logits(layers: Sequence[Layer], caches: Sequence[Any]) -> Logits | None:
    """The last layer's, from the caches of `forward`; None where it has none, or something was added to its output."""
    if not layers:
        return None
    cache, source = caches[-1]
    return None if source is not None and layers[-1].residual == "after" else layers[-1].logits(cache)


def backward(
    ops: Ops,
    layers: Sequence[Layer],
    params: Sequence[Params],
    caches: Sequence[Any],
    gy: Tensor,
    *,
    from_logits: bool = False,
) -> tuple[Tensor, list[Params]]:
    """Gradient of the last output, or of its `logits`, → gradients of the input and of all parameters."""
    grads: list[Params] = [{} for _ in layers]
    extra: dict[int, Tensor] = {}  # gradients that reach a tensor through the stream
    for i in reversed(range(len(layers))):
        if i + 1 in extra:
            gy = ops.add(gy, extra.pop(i + 1))
        cache, source = caches[i]
        back = layers[i].backward_logits if from_logits and i + 1 == len(layers) else layers[i].backward
        gx, grads[i] = back(ops, params[i], cache, gy)
        if source is not None:
            share = gy if layers[i].residual == "after" else gx
            extra[source] = ops.add(extra[source], share) if source in extra else share
        gy = gx
    return (ops.add(gy, extra[0]) if 0 in extra else gy), grads
