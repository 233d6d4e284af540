"""Networks as programs: the forward pass, and one whole training step."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..nn.grid import Grid
from ..nn.layer import BUFFERS, Params, State, leaves
from ..runtime.program import Program
from ..runtime.trace import Traced, TraceError, TracingOps
from .losses import Loss
from .step import StepPlan, evaluation_loss, flat, train_step


class _OneBatch:
    """The states of the one batch size that a program is for."""

    def __init__(self, states: list[State]) -> None:
        self._states = states

    def of(self, rows: int) -> list[State]:
        return self._states


COUNTERS = {"step": "draw", "length": "position"}
"""What layers count in their state → the dynamic parameter that it is in a program, at first 0."""


def _tree(ops: TracingOps, tree: Params, path: str) -> Params:
    """The same tree with every tensor a state buffer named by its path, and every counter a dynamic parameter."""

    def traced(name: str, value: Any) -> Any:
        here = path if name == BUFFERS else f"{path}.{name}"
        if isinstance(value, list):
            return [_tree(ops, child, f"{here}.{i}") for i, child in enumerate(value)]
        if isinstance(value, dict):
            return _tree(ops, value, here)
        if isinstance(value, np.ndarray):
            return ops.tensor(value, "state", here)
        if name not in COUNTERS or type(value) is not int:
            raise TraceError(f"keeps {value!r} from call to call, which no program can change", where=here)
        return ops.counter(COUNTERS[name], value)

    return {name: traced(name, value) for name, value in tree.items()}


def _params(ops: TracingOps, network: Grid) -> list[Params]:
    return [_tree(ops, p, f"layers.{i}") for i, p in enumerate(network.params)]


def _states(ops: TracingOps, network: Grid, batch: int) -> list[State]:
    """What layers carry from call to call, as state buffers `carried.<layer>.<name>`."""
    return [
        _tree(ops, layer.init_state(batch, network.dtype), f"carried.{i}") for i, layer in enumerate(network.layers)
    ]


def trace_forward(network: Grid, x: Any) -> Program:
    """`x` (B, I) → `y` (B, O), an evaluation pass.

    Parameters and buffers are state under the names of `network.parameters` and `network.buffers`. The values of `x`
    only serve to run the layers once; its shape is the program's. Where layers count, the counts are dynamic: `draw`
    numbers the passes of gumbel noise, `position` is how much an attention cache holds, and whoever replays must leave
    room in it.
    """
    ops = TracingOps("forward")
    sample = np.asarray(x, network.dtype)
    traced = ops.tensor(sample, "input", "x")
    states = _states(ops, network, len(sample))
    y, _, _ = network.trace_forward(ops, _params(ops, network), traced, states)
    ops.output("y", y)
    return ops.program


def trace_backward(network: Grid, x: Any) -> Program:
    """`x` (B, I) and `gy` (B, O), the gradient of the output → `gx` (B, I) and `gradient.<path>` of every parameter.

    The forward pass runs again inside, so that nothing has to be kept from an earlier one.
    """
    ops = TracingOps("backward")
    sample = np.asarray(x, network.dtype)
    traced = ops.tensor(sample, "input", "x")
    params = _params(ops, network)
    y, _, caches = network.trace_forward(ops, params, traced, _states(ops, network, len(sample)))
    gy = ops.tensor(np.zeros(y.shape, y.dtype), "input", "gy")
    gx, gradients = network.trace_backward(ops, params, caches, gy)
    ops.output("gx", gx)
    _output_gradients(ops, gradients)
    return ops.program


def _output_gradients(ops: TracingOps, gradients: list[Any]) -> None:
    """Every parameter's gradient as `gradient.<path>`."""
    for i, tree in enumerate(gradients):
        for path, g in leaves(tree, f"gradient.layers.{i}"):
            ops.output(path, g)


@np.errstate(all="ignore")  # the values may be those of a training that diverges
def trace_loss(network: Grid, loss: Loss, x: Any, target: Any) -> Program:
    """`x` (B, I), `target` (B, O) → `loss`, in an evaluation pass; state and counts as in `trace_forward`."""
    ops = TracingOps("loss")
    rows = ops.tensor(np.asarray(x, network.dtype), "input", "x")
    wanted = ops.tensor(np.asarray(target, network.dtype), "input", "target")
    states = _states(ops, network, len(rows))
    ops.output("loss", evaluation_loss(network, ops, loss, _params(ops, network), rows, wanted, states))
    return ops.program


@np.errstate(all="ignore")
def trace_training_step(
    network: Grid, plan: StepPlan, x: Any, target: Any, *, lr: float = 0.01, step: int = 1
) -> Program:
    """`x` (B, I), `target` (B, O) → `loss`, `norm` (the gradient's before clipping by it), `gradient.<path>`.

    Weights and optimiser slots are state; `lr`, `step` and, where there is noise, `draw` are dynamic. Weights and
    buffers are named as in `network.parameters` and `network.buffers`, slots `<slot>.<i>` in the order of the
    parameters.
    """
    ops = TracingOps("training step")
    inputs: list[Traced] = [
        ops.tensor(np.asarray(a, network.dtype), "input", n) for n, a in (("x", x), ("target", target))
    ]
    params = _params(ops, network)
    weights = flat(params)
    zeros = {name: [np.zeros(w.shape, w.dtype) for w in weights] for name in plan.optimiser.slots}
    slots = {name: [ops.tensor(a, "state", f"{name}.{i}") for i, a in enumerate(v)] for name, v in zeros.items()}
    number: Any = ops.dynamic("step", step)  # stands for the whole number that every replay gives
    losses, norm, gradients = train_step(
        network,
        ops,
        plan,
        params,
        weights,
        slots,
        [(inputs[0], inputs[1])],
        lr=ops.dynamic("lr", lr),
        step=number,
        states=_OneBatch(_states(ops, network, len(inputs[0]))),
        want_norm=True,
    )
    assert norm is not None
    ops.output("loss", losses[0])
    ops.output("norm", norm)
    _output_gradients(ops, gradients)
    return ops.program
