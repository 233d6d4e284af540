"""The original's chain-rule mode: gradients passed down with estimates in place of derivatives.

The direction is that of ascent, g = target − output. The formulas are the original's even where they differ from the
chain rule: derivatives come from outputs, gradients are cut and scaled by depth, recurrent and attention layers follow
one matrix each. Kinds without a rule pass the gradient on and do not learn; in `principled` they do.
`s` is the depth scale, `r` the rate · kind's factor · s.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..nn.layer import Array, Layer, Params
from .config import TweenConfig
from .maths import LIMIT, add_rows, as_rows, depth_scale, derivative, fit, fold, move, safe

Backward = Callable[[TweenConfig, Any, Params, Array, Array, Array, float], Array]
Update = Callable[[TweenConfig, Any, Params, Array, Array, Array, float, Params], None]


def gradients(
    config: TweenConfig, layers: Sequence[Layer], params: Sequence[Params], acts: Sequence[Array], g: Array
) -> list[Array]:
    """Chain gradients of all buffers 0 … L from that of the output; all flat."""
    gradients = [g]
    for i in reversed(range(len(layers))):
        s = depth_scale(config, len(layers) - 1 - i)
        rule = BACKWARD.get(layers[i].kind, _pass)
        g = safe(rule(config, layers[i], params[i], acts[i], acts[i + 1], g, s), LIMIT)
        gradients.append(g)
    return gradients[::-1]


def update(
    config: TweenConfig,
    layers: Sequence[Layer],
    params: Sequence[Params],
    acts: Sequence[Array],
    grads: Sequence[Array | None],
    rate: float,
    velocities: Sequence[Params],
) -> None:
    """Move all parameters, *in place*; `grads[i]` is the gradient of the output of layer i, None leaves it alone."""
    for i, (layer, g) in enumerate(zip(layers, grads, strict=True)):
        rule = UPDATE.get(layer.kind)
        if rule is not None and g is not None:
            r = rate * config.layer_rate(layer.kind) * depth_scale(config, len(layers) - 1 - i)
            rule(config, layer, params[i], acts[i], acts[i + 1], g, r, velocities[i])


def velocity(velocities: Params, name: str, w: Array, delta: Array, momentum: float) -> Array:
    """v ← μ v + (1 − μ) δ for one parameter; v starts at zero."""
    v = velocities.setdefault(name, np.zeros_like(w))
    v *= momentum
    v += (1 - momentum) * delta
    return v


# --- down the layers: gradient of the output → gradient of the input ---
def _pass(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, s: float) -> Array:
    return fit(g, x.size)


def _dense(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, s: float) -> Array:
    """loc = cut10(g f′ s);  gx = cut10(W loc / √out)."""
    local = safe(g * derivative(c, layer.activation, y) * s, LIMIT)
    return safe(p["kernel"] @ local / max(1.0, layer.out_size**0.5), LIMIT)


def _conv2d(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, s: float) -> Array:
    """The mean of loc over each filter's plane, spread by the filter's weights over the first inputs."""
    local = (g * derivative(c, layer.activation, y) * s).reshape(layer.filters, -1).mean(axis=1)
    return fold(local @ p["kernel"].reshape(layer.filters, -1), x.size)


def _attention(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, s: float) -> Array:
    """gA = Wo loc;  gx = Wv gA + 0.3 (Wq + Wk) gA."""
    width = layer.d_model
    mixed = as_rows(p["o"], width, g.size) @ (g * s)
    values, queries, keys = (as_rows(p[name], x.size, width) for name in "vqk")
    return values @ mixed + 0.3 * ((queries + keys) @ mixed)


def _rnn(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, s: float) -> Array:
    """gx = W_ihᵀ loc, of the first time step only."""
    local = (g * derivative(c, "tanh", y) * s)[: layer.hidden_size]
    return fit(p["weight_ih"].T @ local, x.size)


def _lstm(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, s: float) -> Array:
    """As RNN, averaged over the four gates."""
    local = (g * derivative(c, "tanh", y) * s)[: layer.hidden_size]
    gates = p["weight_ih"].reshape(4, layer.hidden_size, layer.input_size)
    return fit(np.einsum("khi,h->i", gates, local) * c.lstm_gate_scale, x.size)


def _norm(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, s: float) -> Array:
    """gx = g γ s; the runs after the first count with γ = 1."""
    gamma = np.ones_like(g)
    gamma[: p["gamma"].size] = p["gamma"][: g.size]
    return g * gamma * s


def _swiglu(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, s: float) -> Array:
    """gx_i = Σ_j Wd[i·n + j] g_j s."""
    return as_rows(p["down"], x.size, g.size) @ (g * s)


BACKWARD: dict[str, Backward] = {
    "dense": _dense,
    "conv2d": _conv2d,
    "multi_head_attention": _attention,
    "rnn": _rnn,
    "lstm": _lstm,
    "layer_norm": _norm,
    "rms_norm": _norm,
    "swiglu": _swiglu,
}


# --- updates ---
def _update_dense(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, r: float, v: Params) -> None:
    """b += cut1(r loc);  δ = cut1(r x loc);  W += v."""
    local = g * derivative(c, layer.activation, y)
    move(p["bias"], safe(r * local, 1.0))
    delta = safe(r * np.outer(x, local), 1.0)
    move(p["kernel"], velocity(v, "kernel", p["kernel"], delta, c.momentum))


def _update_conv2d(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, r: float, v: Params) -> None:
    """K[f, k] += r x[k mod n] mean_f;  b[f] += r mean_f."""
    mean = g.reshape(layer.filters, -1).mean(axis=1)
    add_rows(p["kernel"], r * np.outer(mean, np.resize(x, p["kernel"][0].size)))
    move(p["bias"], r * mean)


def _update_attention(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, r: float, v: Params) -> None:
    """Wo by the input; Wv by each head's gradient; Wq and Wk by how well the input agrees with it."""
    width = layer.d_model
    add_rows(p["o"], safe(r * np.outer(x[:width], g), 0.5))
    move(p["o_bias"], safe(r * fit(g, p["o_bias"].size), 0.5))
    heads = as_rows(p["o"], width, g.size) @ g  # uses the weights just updated
    first = x[:width]
    add_rows(p["v"], safe(r * np.outer(heads, first), 0.5))
    size = width // layer.num_heads
    for name in "qk":
        rows = np.zeros((width, width), x.dtype)
        for h in range(layer.num_heads):
            part = heads[h * size : (h + 1) * size]
            routing = float(safe(np.asarray(first[:size] @ part * r * 0.1), 0.5))
            rows[h * size : (h + 1) * size] = routing * first
        add_rows(p[name], rows)
    for name in "qkv":
        move(p[f"{name}_bias"], g.mean() * r * c.attention_bias_rate)


def _update_rnn(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, r: float, v: Params) -> None:
    """W_ih and the bias, by the first time step; never W_hh."""
    local = (g * derivative(c, "tanh", y))[: layer.hidden_size]
    move(p["weight_ih"], r * np.outer(local, x[: layer.input_size]))
    move(p["bias"], r * local)


GATE_SHARES = (0.6, 0.8, 0.6, 1.0)
"""Of the gates i, f, g, o in an update."""


def _update_lstm(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, r: float, v: Params) -> None:
    """base = cut.5(r x cut.5(g tanh′)), by share of the gate; never W_hh."""
    local = safe((g * derivative(c, "tanh", y))[: layer.hidden_size], 0.5)
    base = safe(r * np.outer(local, x[: layer.input_size]), 0.5)
    bias = safe(r * local, 0.5)
    move(p["weight_ih"], np.concatenate([share * base for share in GATE_SHARES]))
    move(p["bias"], np.concatenate([share * bias for share in GATE_SHARES]))


def _update_norm(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, r: float, v: Params) -> None:
    """γ += r g;  β += r g, by the first run."""
    for w in p.values():
        move(w, r * fit(g, w.size))


def _update_swiglu(c: TweenConfig, layer: Any, p: Params, x: Array, y: Array, g: Array, r: float, v: Params) -> None:
    """Wd by the input and the gradient; Wg, Wu by the input and the mean gradient."""
    add_rows(p["down"], safe(r * np.outer(x, g), 0.5))
    move(p["down_bias"], safe(r * fit(g, p["down_bias"].size), 0.5))
    mean = float(safe(np.asarray(g.mean()), 0.5))
    for name in ("gate", "up"):
        add_rows(p[name], safe(r * np.resize(x, p[name].size) * (mean * 0.8), 0.5))
        move(p[f"{name}_bias"], float(safe(np.asarray(r * mean * 0.5), 0.5)))


UPDATE: dict[str, Update] = {
    "dense": _update_dense,
    "conv2d": _update_conv2d,
    "multi_head_attention": _update_attention,
    "rnn": _update_rnn,
    "lstm": _update_lstm,
    "layer_norm": _update_norm,
    "rms_norm": _update_norm,
    "swiglu": _update_swiglu,
}
