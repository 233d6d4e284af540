"""The decoder as programs: a prefill chunk of T tokens, and the decoding of one (T = 1)."""

from __future__ import annotations

import numpy as np

from ..models.llama import Llama
from .program import Program
from .trace import TracingOps


def trace_logits(model: Llama, steps: int, capacity: int) -> Program:
    """`ids` (T,) int64 → `logits` (V,) of the last one, over caches of `capacity` positions.

    State: the weights by their Hugging Face names, `keys.<layer>` and `values.<layer>` (capacity, kv_heads, head_dim).
    Dynamic: `position`, where the first of the tokens goes.
    """
    ops = TracingOps(f"decoder, {steps} tokens")
    c = model.config
    ids = ops.tensor(np.zeros(steps, np.int64), "input", "ids")
    weights = {name: ops.tensor(np.asarray(w), "state", name, copy=False) for name, w in model.weights.items()}
    shape = (capacity, c.num_key_value_heads, c.head_dim)
    keys, values = (
        [ops.tensor(np.zeros(shape, np.float32), "state", f"{name}.{i}") for i in range(c.num_hidden_layers)]
        for name in ("keys", "values")
    )
    position = ops.dynamic("position", 0)
    logits = model.trace_logits(ops, weights, ids, keys, values, position)  # type: ignore[arg-type]
    ops.output("logits", logits)
    return ops.program
