"""The original's first mode: targets estimated upwards, weights moved towards them by Hebbian rules.

The formulas are the original's; kinds without a rule pass the target on and do not learn. `r` is the rate · kind's
factor · (a + a · link budget), a = `link_budget_scale`; `gap` = target − output.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..nn.layer import Array, Layer, Params
from .config import TweenConfig
from .maths import add_rows, as_rows, clamp, move

Update = Callable[[TweenConfig, Any, Params, Array, Array, float, Params], None]


def targets(config: TweenConfig, layers: Sequence[Layer], params: Sequence[Params], target: Array) -> list[Array]:
    """Targets of all buffers 0 … L. Dense: t_k = Σ_j W[k,j] t_j / Σ_j |W[k,j]|, clamped; others: the same again."""
    targets = [target]
    for layer, p in zip(reversed(layers), reversed(params), strict=True):
        if layer.kind == "dense":
            kernel = p["kernel"][:, : target.size]  # the target may be shorter or longer than the output
            total = np.abs(kernel).sum(axis=1)
            wanted = kernel @ target[: kernel.shape[1]]
            strong = total > config.total_weight_threshold
            target = clamp(config, layer, np.where(strong, wanted / np.where(strong, total, 1), 0), low=0.0)
            target = target.astype(wanted.dtype)
        targets.append(target)
    return targets[::-1]


def update(
    config: TweenConfig,
    layers: Sequence[Layer],
    params: Sequence[Params],
    acts: Sequence[Array],
    gaps: Sequence[Array],
    budgets: Array,
    rate: float,
    velocities: Sequence[Params],
) -> None:
    """Move all parameters, *in place*, except of layers whose link budget is below the threshold."""
    for i, layer in enumerate(layers):
        rule = UPDATE.get(layer.kind)
        if rule is None or budgets[i] < config.ignore_threshold:
            continue
        scale = config.link_budget_scale
        r = rate * (scale + float(budgets[i]) * scale) * config.layer_rate(layer.kind)
        rule(config, layer, params[i], acts[i], gaps[i], r, velocities[i])


def _dense(c: TweenConfig, layer: Any, p: Params, x: Array, gap: Array, r: float, v: Params) -> None:
    """b += 0.1 r gap;  δ = 0.01 r x gap;  W += v."""
    n = gap.size  # the target may be shorter than the output; the rest stays as it is
    move(p["bias"][:n], r * gap * c.bias_rate_multiplier)
    delta = r * np.outer(x, gap) * c.weight_rate_multiplier
    part = v.setdefault("kernel", np.zeros_like(p["kernel"]))[:, :n]
    part *= c.momentum
    part += (1 - c.momentum) * delta
    move(p["kernel"][:, :n], part)


def _conv2d(c: TweenConfig, layer: Any, p: Params, x: Array, gap: Array, r: float, v: Params) -> None:
    """Every weight of a filter by its mean gap, whatever the input."""
    plane = max(1, gap.size // layer.filters)
    means = np.array(
        [gap[f * plane : (f + 1) * plane].mean() if f * plane < gap.size else 0 for f in range(layer.filters)]
    )
    move(p["kernel"], (means * r * c.weight_rate_multiplier).reshape(-1, 1, 1, 1))
    move(p["bias"], means * r * c.bias_rate_multiplier)


def _attention(c: TweenConfig, layer: Any, p: Params, x: Array, gap: Array, r: float, v: Params) -> None:
    """Wv towards each head's gap; Wq and Wk towards the input by its cosine with that gap."""
    width, size = layer.d_model, layer.d_model // layer.num_heads
    heads = as_rows(p["o"], width, gap.size) @ gap  # uses the weights from before the update
    _signal(p["o"], gap, r * 0.1)
    move(p["o_bias"], gap.mean() * r * 0.1)
    first = x[:width]
    add_rows(p["v"], r * np.outer(heads, first))
    routing = np.zeros((width, width), x.dtype)
    for h in range(layer.num_heads):
        part = heads[h * size : (h + 1) * size]
        a, b = np.linalg.norm(first[:size]), np.linalg.norm(part)
        cosine = float(first[:size] @ part / (a * b)) if a > 0 and b > 0 else 0.0
        routing[h * size : (h + 1) * size] = r * cosine * c.attention_routing_rate * first
    for name in "qk":
        add_rows(p[name], routing)
        move(p[f"{name}_bias"], gap.mean() * r * c.attention_bias_rate)
    move(p["v_bias"], gap.mean() * r * 0.1)


def _recurrent(c: TweenConfig, layer: Any, p: Params, x: Array, gap: Array, r: float, v: Params) -> None:
    """All weights of each gate by the input, repeated, and the mean gap."""
    mean = gap.mean()
    for name in ("weight_ih", "weight_hh"):
        for gate in np.split(p[name], layer.gates):
            _signal(gate, x, r * mean * 0.1)
    move(p["bias"], mean * r * 0.1)


def _norm(c: TweenConfig, layer: Any, p: Params, x: Array, gap: Array, r: float, v: Params) -> None:
    """γ += 0.01 r mean gap;  β += 0.1 r mean gap."""
    move(p["gamma"], gap.mean() * r * c.norm_gamma_rate)
    if "beta" in p:
        move(p["beta"], gap.mean() * r * c.norm_beta_rate)


def _swiglu(c: TweenConfig, layer: Any, p: Params, x: Array, gap: Array, r: float, v: Params) -> None:
    mean = gap.mean()
    for name, signal in (("gate", x), ("up", x), ("down", gap)):
        _signal(p[name], signal, r * mean * 0.001)
        move(p[f"{name}_bias"], mean * r * 0.1)


def _signal(w: Array, signal: Array, rate: float) -> None:
    """w_i += rate · signal_(i mod n), over the numbers of `w` in order."""
    move(w, rate * np.resize(signal, w.size).reshape(w.shape))


UPDATE: dict[str, Update] = {
    "dense": _dense,
    "conv2d": _conv2d,
    "multi_head_attention": _attention,
    "rnn": _recurrent,
    "lstm": _recurrent,
    "layer_norm": _norm,
    "rms_norm": _norm,
    "swiglu": _swiglu,
}
