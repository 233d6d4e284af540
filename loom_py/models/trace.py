"""The decoder as programs: a chunk of T tokens (prefill) or one (T = 1), and what is wanted of the last."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..runtime.abstract import Abstract
from ..runtime.program import Program
from ..runtime.stored import StoredWeight
from ..runtime.trace import TracingOps

if TYPE_CHECKING:
    from .llama import Llama

Want = Literal["nothing", "logits", "every", "next"]
"""Of a chunk: nothing but its keys and values, the last logits, all logits, or the next token."""
SAMPLING = {
    "temperature": 0.0, "top_k": 0, "top_p": 1.0, "min_p": 0.0, "repetition_penalty": 1.0, "seed": 0, "step": 0,
}  # fmt: skip
"""Dynamic numbers of the kernel `sample`."""
IDS = np.dtype(np.int64)


def trace_logits(model: Llama, steps: int, capacity: int) -> Program:
    """`ids` (T,) int64 → `logits` (V,) of the last one, over caches of `capacity` positions.

    State: the weights by their Hugging Face names, `keys.<layer>` and `values.<layer>` (capacity, kv_heads, head_dim).
    Dynamic: `position`, where the first of the tokens goes.
    """
    return trace_decoder(model, model.weights, steps, capacity, "logits")


def trace_decoder(
    model: Llama,
    weights: Mapping[str, NDArray[Any] | StoredWeight],
    steps: int,
    capacity: int,
    want: Want,
    *,
    fed: bool = False,
) -> Program:
    """As `trace_logits`; `weights` without values are not multiplied.

    - `want`: `logits` is output for "logits" (V,) and "every" (T, V); "next" outputs `next` (1,), drawn by `sample`
      with its dynamic numbers, and keeps it in the state `token` (1,).
    - `fed`: the input is the state `token` instead of `ids`, and it is marked as seen.

    The state `seen` (V,) uint8 flags the tokens that the repetition penalty is for.
    """
    c = model.config
    ops: Any = TracingOps(f"decoder, {steps} tokens, {want}")
    token: Any = ops.tensor(Abstract((1,), IDS), "state", "token") if want == "next" or fed else None
    ids: Any = token if fed else ops.tensor(Abstract((steps,), IDS), "input", "ids")
    operands = {name: ops.tensor(_operand(w), "state", name, copy=False) for name, w in weights.items()}
    shape = (capacity, c.num_key_value_heads, c.head_dim)
    keys, values = (
        [ops.tensor(Abstract(shape), "state", f"{name}.{i}") for i in range(c.num_hidden_layers)]
        for name in ("keys", "values")
    )
    position: Any = ops.dynamic("position", 0)
    if want == "nothing":
        model.trace_hidden(ops, operands, ids, keys, values, position)
        return ops.program
    logits = model.trace_logits(ops, operands, ids, keys, values, position, every=want == "every")
    if want != "next":
        ops.output("logits", logits)
        return ops.program
    seen: Any = ops.tensor(Abstract((c.vocab_size,), np.dtype(np.uint8)), "state", "seen")
    if fed:
        ops.mark(seen, ids)
    numbers = {name: ops.dynamic(name, value) for name, value in SAMPLING.items()}
    following = ops.sample(logits, seen, **numbers)
    ops.assign(token, following)
    ops.output("next", following)
    return ops.program


def _operand(weight: NDArray[Any] | StoredWeight) -> NDArray[Any] | Abstract:
    return Abstract(weight.shape) if isinstance(weight, StoredWeight) else weight
