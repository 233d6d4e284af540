"""Cases of `kernels/recurrent.py`; the gradients get the results of a real forward pass."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..kernels import recurrent as k
from .cases import Numbers, cases, size

Cases = Iterator[tuple[str, dict[str, Any]]]

SIZES = [
    *((1, 1, 1), (1, 1, 8), (1, 5, 3), (3, 1, 4), (4, 7, 16), (6, 9, 37), (33, 3, 20)),
    *((64, 9, 33), (1, 300, 5), (5, 4, 100), (2, 3, 256), (1, 3, 257), (6, 2, 260)),
]
"""Batch, steps, hidden width: on a GPU matrix and state fit a workgroup's memory, the state alone, or neither."""


def weights(n: Numbers, rows: int, h: int) -> Any:
    return n.normal(rows, h, scale=h**-0.5)


@cases("rnn_sequence")
def rnn_sequence(n: Numbers) -> Cases:
    for b, t, h in SIZES:
        yield size(b, t, h), {"zx": n.normal(b, t, h), "w_hh": weights(n, h, h), "h0": n.normal(b, h, scale=0.5)}


@cases("rnn_sequence_grad")
def rnn_sequence_grad(n: Numbers) -> Cases:
    for b, t, h in SIZES:
        w, h0 = weights(n, h, h), n.normal(b, h, scale=0.5)
        states = k.rnn_sequence(n.normal(b, t, h), w, h0)
        yield size(b, t, h), {"h": states, "w_hh": w, "h0": h0, "gh": n.normal(b, t, h)}


@cases("lstm_sequence")
def lstm_sequence(n: Numbers) -> Cases:
    for b, t, h in SIZES:
        states = {"h0": n.normal(b, h, scale=0.5), "c0": n.normal(b, h)}
        yield size(b, t, h), {"zx": n.normal(b, t, 4 * h), "w_hh": weights(n, 4 * h, h), **states}


@cases("lstm_sequence_grad")
def lstm_sequence_grad(n: Numbers) -> Cases:
    for b, t, h in SIZES:
        w, h0, c0 = weights(n, 4 * h, h), n.normal(b, h, scale=0.5), n.normal(b, h)
        states, cells, gates = k.lstm_sequence(n.normal(b, t, 4 * h), w, h0, c0)
        results = {"h": states, "c": cells, "gates": gates}
        yield size(b, t, h), {**results, "w_hh": w, "h0": h0, "c0": c0, "gh": n.normal(b, t, h)}
