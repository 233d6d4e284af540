"""The state of stepping: one buffer before and after every layer."""

from __future__ import annotations

import time
from collections.abc import Sequence as SequenceOf
from dataclasses import replace
from typing import Any

import numpy as np

from ..errors import ConfigError, InputError
from ..marks import Duration, Floats, native, shared
from ..nn import chain
from ..nn.activation import Logits
from ..nn.grid import Grid
from ..nn.layer import Array, Layer, State
from ..nn.recurrent import Recurrent
from ..values import to_array, whole
from .scaling import softmax_scaled
from .tape import INPUT, Node, backward, run_layer

RECURRENT = ("layer", "carry", "reset")
SCALINGS = ("none", "softmax")
BUFFERS = ("used", "latest")
MOST_SAMPLES = 1 << 20
"""In one state: far more than anyone steps at once, and few enough that the sizes of buffers are numbers."""


@shared
class StepState:
    """Buffers 0 (the input) … L (the output) of a network with L layers, all zero at first.

    A tick computes buffer i + 1 from buffer i of the tick before, for all layers at once, so an input needs L ticks to
    reach the output, and L inputs can be under way at once. With a constant input and stateless layers, the output
    after L ticks equals `forward(input)` bit for bit. The residual stream follows the rule of `nn.chain`, on the
    tensors of the tick before.

    **Arguments:**

    - `network`: its parameters are read afresh in every tick.
    - `input_size`: values a sample; required only if the network's first layer takes any number of them.
    - `batch`: samples that pass through together.
    - `recurrent`: what RNNs and LSTMs start a tick from: `"layer"`, as their `stateful` says; `"carry"`, the state
      at the end of the tick before; `"reset"`, zero.

    Ticks are training passes (see `Layer.forward`) while `training` is set, of the network or of this state.
    """

    def __init__(
        self, network: Grid, input_size: int | None = None, *, batch: int = 1, recurrent: str = "layer"
    ) -> None:
        whole(batch, "batch", 1, MOST_SAMPLES)
        if recurrent not in RECURRENT:
            raise ConfigError(
                f"unknown value {recurrent!r}", where="recurrent", remedy=f"Known: {', '.join(RECURRENT)}."
            )
        fixed = network.input_size
        if input_size and fixed not in (None, input_size):
            raise InputError(f"the network takes {fixed} values, got {input_size}", where="input_size")
        size = input_size or fixed
        if not size or size < 1:
            raise InputError(
                "is required: the first layer takes any number of values", where="input_size", remedy="Give a number."
            )
        self.network, self.batch, self.recurrent = network, batch, recurrent
        self.training = False
        self._size = size
        self._layers = tuple(network.layers)
        self._sources = chain.wiring(self._layers)
        self.reset()

    # --- buffers ------------------------------------------------------------------------------------------------------
    def set_input(self, input: Floats) -> None:
        """Buffer 0 from now on: B·I values, flat or (B, I)."""
        a = to_array(input, self.network.dtype, "input")
        if a.size != self.batch * self._size:
            raise InputError(f"expected {self.batch * self._size} values, got {a.size}", where="input")
        self._data[0] = np.array(a).reshape(self.batch, self._size)

    def get_output(self) -> Array:
        """A flat copy of the last buffer, B·O values."""
        return np.array(self._data[-1]).ravel()

    def get_layer_output(self, layer: int) -> Array:
        """A flat copy of buffer `layer`: 0 is the input, i the output of the i-th layer, counted from 1."""
        whole(layer, "layer", maximum=len(self._data) - 1)
        return np.array(self._data[layer]).ravel()

    def get_layer_data(self) -> list[Floats]:
        """Flat copies of all buffers, the input first."""
        return [np.array(a).ravel() for a in self._data]

    def get_step_count(self) -> int:
        """Ticks since the start or the last `reset`."""
        return self._ticks

    def reset(self) -> None:
        """Set all buffers, recurrent state and the tick count to zero."""
        network, layers = self.network, self._layers
        self._states: list[State] = [_initial(layer, self.recurrent, self.batch, network.dtype) for layer in layers]
        x = np.zeros((self.batch, self._size), network.dtype)
        dry = [_initial(layer, self.recurrent, self.batch, network.dtype) for layer in layers]
        _, outputs, _ = chain.forward(network.ops, layers, network.params, x, dry)  # for the shapes
        self._data: list[Array] = [x, *(np.zeros_like(y) for y in outputs)]
        self._makers: list[Node | int | None] = [INPUT, *(None for _ in outputs)]
        self._ticks = 0

    def reset_state(self) -> None:
        """Set recurrent state to zero; the buffers stay."""
        self._states = [_initial(layer, self.recurrent, self.batch, self.network.dtype) for layer in self._layers]

    # --- ticks --------------------------------------------------------------------------------------------------------
    def step_forward(self) -> Duration:
        """One tick: every layer at once, from the buffers of the tick before. Returns nanoseconds."""
        start = time.perf_counter_ns()
        layers = self._current(self._ticks + 1)
        data, makers = self._data, self._makers
        results = [self._run(layers, i) for i in range(len(layers))]
        self._data = [data[0], *(y for y, _ in results)]
        self._makers = [makers[0], *(node for _, node in results)]
        self._ticks += 1
        return Duration(time.perf_counter_ns() - start)

    def step_forward_single(self, layer: int) -> Duration:
        """Advance one layer, counted from 0, alone and in place; not counted as a tick. Returns nanoseconds."""
        start = time.perf_counter_ns()
        layers = self._current(self._ticks + 1)
        whole(layer, "layer", maximum=len(layers) - 1)
        y, node = self._run(layers, layer)
        self._data = [*self._data[: layer + 1], y, *self._data[layer + 2 :]]
        self._makers = [*self._makers[: layer + 1], node, *self._makers[layer + 2 :]]
        return Duration(time.perf_counter_ns() - start)

    def _run(self, layers: SequenceOf[Layer], i: int) -> tuple[Array, Node]:
        network, training = self.network, self.training or self.network.training
        state, source = self._states[i], self._sources[i]
        return run_layer(
            network.ops, layers, network.params, i, self._data, self._makers, state, source, training=training
        )

    def step_backward(self, grad_output: Floats, scaling: str = "none", buffers: str = "used") -> Array:
        """Gradient of the output buffer → flat gradient of the input; sets the network's `gradients`.

        **Arguments:**

        - `buffers`: `"used"` follows the output back through the ticks that made it, each layer with the buffer it
          read then: the derivative of this output with respect to the parameters and to the inputs of those ticks
          (their sum), for parameters that have not changed since; what recurrent layers carry counts as constant.
          `"latest"` is the original's sweep, the chain rule over what every layer did in the last tick; the two agree
          when the input has been constant for L ticks.
        - `scaling`: `"softmax"` rescales kernels and biases of every layer as the original does (`softmax_scaled`).
        """
        for name, value, choices in (("scaling", scaling, SCALINGS), ("buffers", buffers, BUFFERS)):
            if value not in choices:
                raise InputError(f"unknown value {value!r}", where=name, remedy=f"Known: {', '.join(choices)}.")
        network, y = self.network, self._data[-1]
        self._current(self._ticks)
        g = to_array(grad_output, network.dtype, "grad_output")
        if g.size != y.size:
            raise InputError(f"the output has {y.size} values, its gradient {g.size}", where="grad_output")
        return self._backward(g.reshape(y.shape), scaling, buffers, from_logits=False)

    @native
    def logits(self) -> Logits | None:
        """Those of the output buffer, see `nn.chain.logits`."""
        last = self._makers[-1]
        return chain.logits(self._layers, [(last.cache, last.source_index)]) if isinstance(last, Node) else None

    @native
    def loss_backward(self, gradient: Array, scaling: str, buffers: str, *, from_logits: bool) -> Array:
        """`step_backward` from the gradient of a loss of the output buffer, or of its logits."""
        return self._backward(gradient, scaling, buffers, from_logits=from_logits)

    def _backward(self, g: Array, scaling: str, buffers: str, *, from_logits: bool) -> Array:
        layers, network = self._current(self._ticks), self.network
        if not layers:
            return g.ravel()
        if not isinstance(self._makers[-1], Node):
            raise InputError("step_backward needs a tick first")
        if buffers == "used":
            gx, grads = backward(network.ops, layers, network.params, self._makers[-1], g, from_logits=from_logits)
        else:
            nodes = [node for node in self._makers if isinstance(node, Node)]
            if len(nodes) < len(layers):
                raise InputError("step_backward over the latest buffers needs a whole tick first", where="buffers")
            caches = [(node.cache, node.source_index) for node in nodes]
            gx, grads = chain.backward(network.ops, layers, network.params, caches, g, from_logits=from_logits)
        network.gradient_trees = [softmax_scaled(tree) for tree in grads] if scaling == "softmax" else grads
        return np.zeros(self.batch * self._size, network.dtype) if gx is None else np.array(gx).ravel()

    @native
    def output(self) -> Array:
        """The last buffer itself, (B, O)."""
        return self._data[-1]

    def _current(self, tick: int) -> SequenceOf[Layer]:
        """The layers to run; `InputError` if they are no longer those the buffers were made for."""
        if tuple(self.network.layers) != self._layers:
            raise InputError("the network's layers have changed", remedy="Create a new step state.")
        return self.network.layers_to_run(tick)


def _initial(layer: Layer, recurrent: str, batch: int, dtype: Any) -> State:
    """What a layer carries at first, RNNs and LSTMs inside it made stateful or not."""
    return _with(layer, recurrent).init_state(batch, dtype)


def _with(layer: Layer, recurrent: str) -> Layer:
    if recurrent == "layer":
        return layer
    if isinstance(layer, Recurrent):
        return replace(layer, stateful=recurrent == "carry")
    children = layer.children()
    return layer.with_children([_with(child.layer, recurrent) for child in children]) if children else layer
