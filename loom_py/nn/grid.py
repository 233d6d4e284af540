"""The network as mathematics: a grid of cells with layers in them, their parameters, and the passes through them.

Nothing here reads JSON, describes itself to JavaScript or knows a device. Training, stepping, tweening and observing
work on a grid; `network.Network` is the grid with the face that users see.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from copy import copy
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import ConfigError, InputError
from ..marks import Floats, native, shared_as
from ..runtime import Ops, Tensor, numpy_ops
from ..values import to_array, whole
from . import chain
from .layer import (
    Array,
    Layer,
    Params,
    State,
    buffer_leaves,
    initial_params,
    leaves,
    nest,
    noise_counters,
    number_noise,
    tree_map,
)
from .registry import check_skip


@shared_as("Network")
class Grid:
    """`rows × cols` cells of `layers_per_cell` layers, run in the order `(row·cols + col)·layers_per_cell + k`.

    **Arguments:**

    - `layers`: all layers in that order.
    - `grid`: (rows, cols, layers per cell); their product is the number of layers.
    - `batch_size`: samples in a flat input whose length does not say so itself.
    - `seed`: for the initial weights; drawn and kept in `self.seed` if None.
    - `params`: the layers' parameters instead of fresh ones.

    Parameters are float32; a grid of float64 serves gradient checks.
    """

    def __init__(
        self,
        layers: Sequence[Layer],
        *,
        grid: tuple[int, int, int] | None = None,
        batch_size: int = 1,
        seed: int | None = None,
        params: list[Params] | None = None,
        model_id: str = "",
    ) -> None:
        self.layers = list(layers)
        self.grid_rows, self.grid_cols, self.layers_per_cell = grid or (1, 1, len(self.layers))
        if self.grid_rows * self.grid_cols * self.layers_per_cell != len(self.layers):
            raise ConfigError(
                f"layer count mismatch: expected {self.grid_rows * self.grid_cols * self.layers_per_cell} "
                f"(rows={self.grid_rows} × cols={self.grid_cols} × layers_per_cell={self.layers_per_cell}), "
                f"got {len(self.layers)}",
                where="layers",
            )
        self.batch_size = batch_size
        self.dtype: np.dtype[Any] = np.dtype(np.float32)
        """dtype of the parameters and of everything computed."""
        self.model_id = model_id
        self.ops: Ops = numpy_ops
        self.seed = secrets.randbits(32) if seed is None else seed
        self.params: list[Params] = []
        self.pass_outputs: list[Array] = []
        """The input and every layer's output of the last forward pass."""
        self.gradient_trees: list[Params] | None = None
        """Gradients of the last backward pass, one tree a layer; None before one."""
        self._caches: list[Any] = []
        self._states: tuple[int, list[State]] | None = None
        self._sizes_checked = True
        self.training = False
        """Whether `forward` is a training pass; `train` and the like make training passes whatever it says."""
        if params is None:
            self.initialize_weights(self.seed)
        else:
            self.params = params

    # --- layers -----------------------------------------------------------------------------------------------------
    @property
    def input_size(self) -> int | None:
        """Values a sample; None if the first layers take any number."""
        return self.layers[0].in_size if self.layers else None

    @property
    @native
    def observed(self) -> bool:
        """Whether `layers_to_run` gives layers that report what went through them."""
        return False

    @native
    def layers_to_run(self, step: int | None = None) -> Sequence[Layer]:
        """The layers for the next pass; ask again for every pass. `step` is the number of a tick of stepping.

        A subclass may return copies that report to observers.
        """
        return self.layers

    @native
    def cell(self, index: int) -> tuple[int, int, int]:
        """(row, column, layer in the cell) of layer `index`."""
        cell = index // self.layers_per_cell
        return cell // self.grid_cols, cell % self.grid_cols, index % self.layers_per_cell

    @native
    def index_of(self, row: int, col: int, layer: int) -> int:
        """Index of the layer in that cell; `InputError` for one outside the grid."""
        whole(row, "row", maximum=self.grid_rows - 1)
        whole(col, "col", maximum=self.grid_cols - 1)
        whole(layer, "layer", maximum=self.layers_per_cell - 1)
        return (row * self.grid_cols + col) * self.layers_per_cell + layer

    @native
    def replace_layer(self, index: int, layer: Layer, params: Params) -> None:
        """Put a layer and its parameters in the place of another.

        Sizes are checked against the neighbours by the next pass, so that several layers can be replaced.
        """
        self.layers[index] = layer
        self.params[index] = tree_map(lambda a: a.astype(self.dtype), params)
        self.forget_pass()
        self.reset_state()
        self._sizes_checked = False

    @native
    def check_sizes(self) -> None:
        """After layers were replaced: raises `ConfigError` where one does not take what the one before gives."""
        if self._sizes_checked:
            return
        for i, (before, after) in enumerate(pairwise(self.layers)):
            if None not in (before.out_size, after.in_size) and before.out_size != after.in_size:
                raise ConfigError(
                    f"{after.kind} takes {after.in_size} values but the layer before gives {before.out_size}",
                    where=f"layers[{i + 1}]",
                )
        for i, layer in enumerate(self.layers):
            if layer.residual == "skip":
                check_skip(layer, self.layers[:i], self.input_size, f"layers[{i}].skip")
        self._sizes_checked = True

    # --- parameters and gradients -------------------------------------------------------------------------------------
    def initialize_weights(self, seed: int | None = None) -> None:
        """Fresh random weights; the same seed gives the same weights."""
        seed = whole(self.seed if seed is None else seed, "seed", maximum=2**63 - 1)
        fresh = initial_params(self.layers, seed)
        self.seed, self.params = seed, [tree_map(lambda a: a.astype(self.dtype), p) for p in fresh]
        self.forget_pass()
        self.reset_state()

    @property
    @native
    def parameters(self) -> dict[str, Array]:
        """Dotted path → live parameter array."""
        return {path: a for i, p in enumerate(self.params) for path, a in leaves(p, f"layers.{i}")}

    @property
    @native
    def buffers(self) -> dict[str, Array]:
        """Dotted path → live array of what is saved with the parameters and not trained: running statistics."""
        return {path: a for i, p in enumerate(self.params) for path, a in buffer_leaves(p, f"layers.{i}")}

    def get_total_parameters(self) -> int:
        """Number of trainable numbers."""
        return sum(a.size for a in self.parameters.values())

    @property
    @native
    def gradients(self) -> dict[str, Array]:
        """Dotted path → gradient of the last `backward`; empty before one."""
        return {path: a for i, g in enumerate(self.gradient_trees or []) for path, a in leaves(g, f"layers.{i}")}

    @native
    def set_gradients(self, gradients: Mapping[str, Array]) -> None:
        """Those of a pass made elsewhere, by parameter path."""
        self.gradient_trees = [nest(p, f"layers.{i}", gradients) for i, p in enumerate(self.params)]

    # --- passes -------------------------------------------------------------------------------------------------------
    def set_training(self, training: bool) -> None:
        """Whether `forward` and ticks are training passes from now on: dropout drops, batch norm uses the batch.

        For those who train by hand with `forward`, `backward` and `update_weights`; `train`, tweening and stepping
        training need no switch.
        """
        self.training = training

    @native
    def trace_forward(
        self, ops: Ops, params: list[Params], x: Tensor, states: list[State] | None = None, *, training: bool = False
    ) -> tuple[Tensor, list[Tensor], list[Any]]:
        """Forward on any device: x (B, I) → output, every layer's output, every layer's cache.

        Nothing changes but `states` and, in a training pass, the buffers in `params`.
        """
        self.check_sizes()
        return chain.forward(ops, self.layers_to_run(), params, x, states, training=training)

    @native
    def trace_backward(
        self, ops: Ops, params: list[Params], caches: list[Any], gy: Tensor, *, from_logits: bool = False
    ) -> tuple[Tensor, list[Params]]:
        """Backward on any device: gradient of the output (B, O), or of its logits, → those of input and parameters."""
        return chain.backward(ops, self.layers_to_run(), params, caches, gy, from_logits=from_logits)

    @native
    def states(self, batch: int) -> list[State]:
        """What the layers carry between calls for `batch` samples; starts anew when the batch size changes."""
        if self._states is None or self._states[0] != batch:
            self._states = batch, [layer.init_state(batch, self.dtype) for layer in self.layers]
        return self._states[1]

    @native
    def noise_states(self, drawn: int) -> list[State]:
        """States for one pass that carry nothing but its number, which noise is drawn by."""
        states = [noise_counters(layer.init_state(1, self.dtype)) for layer in self.layers]
        for state in states:
            number_noise(state, drawn)
        return states

    def reset_state(self) -> None:
        """Forget what stateful layers carried: hidden states, caches, noise counters."""
        self._states = None

    @native
    def forget_pass(self) -> None:
        """Free what the last forward and backward pass left behind."""
        self.pass_outputs, self._caches, self.gradient_trees = [], [], None

    def forward(self, x: Floats) -> Array:
        """(B, I), or a flat vector of B·I values → (B, O). Keeps what `backward` needs."""
        rows = self.rows(x)
        if rows is x or rows.base is not None:
            rows = rows.copy()  # the caller may change his array before `backward`
        states = self.states(len(rows))
        before = [tree_map(copy, s) if s else s for s in states]
        kept = {path: a.copy() for path, a in self.buffers.items()} if self.training else {}
        try:
            y, outputs, caches = self.trace_forward(self.ops, self.params, rows, states, training=self.training)
        except Exception:
            self._states = len(rows), before  # a pass that failed half-way carries nothing on
            for path, a in self.buffers.items() if kept else ():
                a[...] = kept[path]
            raise
        self.pass_outputs, self._caches = [rows, *outputs], caches
        return y.copy()

    def backward(self, gy: Floats) -> Array:
        """Gradient of the last output, (B, O) or flat → gradient of its input (B, I). Sets `gradients`."""
        if not self._caches and self.layers:
            raise InputError("backward needs a forward pass first")
        out = self.pass_outputs[-1]
        g = to_array(gy, self.dtype, "grad_output")
        if g.size != out.size:
            raise InputError(f"the output has {out.size} values, its gradient {g.size}", where="grad_output")
        gx, self.gradient_trees = self.trace_backward(self.ops, self.params, self._caches, g.reshape(out.shape))
        return gx

    @native
    def rows(self, x: Floats, name: str = "input") -> Array:
        """Any accepted input as (B, I) of the grid's dtype; `InputError` at `name` for any other."""
        a = to_array(x, self.dtype, name)
        size = self.input_size
        if a.size == 0:
            raise InputError("is empty", where=name)
        if a.ndim >= 2:
            if size not in (None, a[0].size):
                problem = f"expected {size} values a sample, got {a[0].size}"
                raise InputError(problem, where=name, remedy=f"Give {size} numbers a row.")
            return a.reshape(a.shape[0], -1)
        if size is None:
            size = a.size // self.batch_size if a.size % self.batch_size == 0 else a.size
        if a.size % size:
            problem = f"expected a multiple of {size} values, got {a.size}"
            raise InputError(problem, where=name, remedy=f"Give {size} numbers a sample.")
        return a.reshape(-1, size)
