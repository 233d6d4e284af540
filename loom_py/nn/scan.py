"""Linear recurrences c_t = f_t ⊙ c_{t−1} + v_t over all time steps at once.

In ⌈log₂ T⌉ passes over the whole sequence (Hillis & Steele 1986), each one parallel over all steps.
"""

from __future__ import annotations

from collections.abc import Callable

from ..runtime.ops import Ops, Tensor

Move = Callable[[Ops, Tensor, int], Tensor]


def scan(ops: Ops, f: Tensor, v: Tensor) -> Tensor:
    """f, v (B, T, H) → c (B, T, H), c_t = f_t ⊙ c_{t−1} + v_t from c_{−1} = 0."""
    return _doubled(ops, f, v, delayed)


def scan_grad(ops: Ops, f: Tensor, gc: Tensor) -> Tensor:
    """→ gv (B, T, H), gv_t = gc_t + f_{t+1} ⊙ gv_{t+1}; then gf_t = gv_t ⊙ c_{t−1}."""
    return _doubled(ops, advanced(ops, f, 1), gc, advanced) if f.shape[1] > 1 else gc


def _doubled(ops: Ops, f: Tensor, v: Tensor, moved: Move) -> Tensor:
    steps, distance = v.shape[1], 1
    while distance < steps:
        v = ops.add(v, ops.mul(f, moved(ops, v, distance)))
        if 2 * distance < steps:
            f = ops.mul(f, moved(ops, f, distance))
        distance *= 2
    return v


def delayed(ops: Ops, x: Tensor, steps: int) -> Tensor:
    """x_{t − steps} (B, T, H), 0 before the first; 0 < steps < T."""
    batch, length, width = x.shape
    return ops.concat([ops.zeros((batch, steps, width), like=x), ops.narrow(x, 1, 0, length - steps)], axis=1)


def advanced(ops: Ops, x: Tensor, steps: int) -> Tensor:
    """x_{t + steps} (B, T, H), 0 after the last; 0 < steps < T."""
    length = x.shape[1]
    return ops.pad(ops.narrow(x, 1, steps, length - steps), 1, length)
