"""Recurrent sequences and backpropagation through them; the input products are made outside, all steps at once."""

from __future__ import annotations

import numpy as np

from ..kernel import Array, Gradients, kernel, no_gradient
from ..ops import Ops, Tensor
from ..signature import signature
from .activation import sigmoid


def _rnn_rule(ops: Ops, h: Tensor, gh: Tensor, /, zx: Tensor, w_hh: Tensor, h0: Tensor) -> Gradients:
    gzx, gw_hh, gh0 = ops.rnn_sequence_grad(h, w_hh, h0, gh)
    return {"zx": gzx, "w_hh": gw_hh, "h0": gh0}


@kernel(shapes=signature("zx B T H, w_hh H H, h0 B H", "zx", cost="B T H H + 64 B T H + 1000 T"), gradient=_rnn_rule)
def rnn_sequence(zx: Array, w_hh: Array, h0: Array) -> Array:
    """`h_t = tanh(zx_t + W_hh h_{t−1})` (Elman 1990): zx (B, T, H), w_hh (H, H), h0 (B, H) → h (B, T, H)."""
    h = np.empty_like(zx)
    previous = h0
    for t in range(zx.shape[1]):
        previous = np.tanh(zx[:, t] + previous @ w_hh.T)
        h[:, t] = previous
    return h


@kernel(
    shapes=signature("h B T H, w_hh H H, h0 B H, gh B T H", "h", "w_hh", "h0", cost="2 B T H H + 64 B T H + 1000 T")
)
def rnn_sequence_grad(h: Array, w_hh: Array, h0: Array, gh: Array) -> tuple[Array, Array, Array]:
    """Backpropagation through time → (gzx (B, T, H), gw_hh (H, H), gh0 (B, H)).

    gz_t = (gh_t + W_hhᵀ gz_{t+1}) (1 − h_t²);  gW_hh = Σ_t gz_t h_{t−1}ᵀ.
    """
    gz = np.empty_like(h)
    gw = np.zeros(w_hh.shape, w_hh.dtype)
    carried = np.zeros(h0.shape, h0.dtype)
    for t in reversed(range(h.shape[1])):
        gz[:, t] = (gh[:, t] + carried) * (1 - h[:, t] ** 2)
        gw += gz[:, t].T @ (h[:, t - 1] if t else h0)
        carried = gz[:, t] @ w_hh
    return gz, gw, carried


def _lstm_rule(
    ops: Ops,
    results: tuple[Tensor, Tensor, Tensor],
    gradients: tuple[Tensor | None, ...],
    /,
    zx: Tensor,
    w_hh: Tensor,
    h0: Tensor,
    c0: Tensor,
) -> Gradients:
    if gradients[0] is None or gradients[1:] != (None, None):
        raise no_gradient("lstm_sequence", "through its cells and gates, but only through h")
    h, c, gates = results
    gzx, gw_hh, gh0, gc0 = ops.lstm_sequence_grad(h, c, gates, w_hh, h0, c0, gradients[0])
    return {"zx": gzx, "w_hh": gw_hh, "h0": gh0, "c0": gc0}


@kernel(
    shapes=signature(
        "zx B T 4H, w_hh 4H H, h0 B H, c0 B H",
        "B T H",
        "B T H",
        "zx",
        cost="4 B T H H + 400 B T H + 4000 T",
    ),
    gradient=_lstm_rule,
)
def lstm_sequence(zx: Array, w_hh: Array, h0: Array, c0: Array) -> tuple[Array, Array, Array]:
    """zx (B, T, 4H), w_hh (4H, H), h0, c0 (B, H) → h (B, T, H), c (B, T, H), gates i, f, g, o (B, T, 4H).

    i, f, o = σ(z), g = tanh(z);  c_t = f c_{t−1} + i g;  h_t = o tanh(c_t) (Hochreiter & Schmidhuber 1997).
    """
    batch, steps, width = zx.shape
    size = width // 4
    gates = np.empty_like(zx)
    h = np.empty((batch, steps, size), zx.dtype)
    c = np.empty_like(h)
    h_prev, c_prev = h0, c0
    for t in range(steps):
        z = zx[:, t] + h_prev @ w_hh.T
        gate = sigmoid(z)
        gate[:, 2 * size : 3 * size] = np.tanh(z[:, 2 * size : 3 * size])
        i, f, g, o = (gate[:, k * size : (k + 1) * size] for k in range(4))
        c_prev = f * c_prev + i * g
        h_prev = o * np.tanh(c_prev)
        gates[:, t], c[:, t], h[:, t] = gate, c_prev, h_prev
    return h, c, gates


@kernel(
    shapes=signature(
        "h B T H, c B T H, gates B T 4H, w_hh 4H H, h0 B H, c0 B H, gh B T H",
        "gates",
        "w_hh",
        "h0",
        "c0",
        cost="8 B T H H + 400 B T H + 4000 T",
    )
)
def lstm_sequence_grad(
    h: Array, c: Array, gates: Array, w_hh: Array, h0: Array, c0: Array, gh: Array
) -> tuple[Array, Array, Array, Array]:
    """→ (gzx (B, T, 4H), gw_hh (4H, H), gh0 (B, H), gc0 (B, H)): the chain rule, last step to first."""
    _, steps, size = h.shape
    gz = np.empty_like(gates)
    gw = np.zeros(w_hh.shape, w_hh.dtype)
    gh_next = np.zeros(h0.shape, h0.dtype)
    gc_next = np.zeros(c0.shape, c0.dtype)
    for t in reversed(range(steps)):
        i, f, g, o = (gates[:, t, k * size : (k + 1) * size] for k in range(4))
        c_prev = c[:, t - 1] if t else c0
        tanh_c = np.tanh(c[:, t])
        grad_h = gh[:, t] + gh_next
        grad_c = gc_next + grad_h * o * (1 - tanh_c**2)
        z = gz[:, t]
        z[:, :size] = grad_c * g * i * (1 - i)
        z[:, size : 2 * size] = grad_c * c_prev * f * (1 - f)
        z[:, 2 * size : 3 * size] = grad_c * i * (1 - g**2)
        z[:, 3 * size :] = grad_h * tanh_c * o * (1 - o)
        gw += z.T @ (h[:, t - 1] if t else h0)
        gh_next = z @ w_hh
        gc_next = grad_c * f
    return gz, gw, gh_next, gc_next
