"""A network: a grid of cells, each with the same number of layers, run in row-major order as one chain."""

from __future__ import annotations

import secrets
import time
from collections.abc import Sequence
from copy import copy
from itertools import pairwise
from typing import Any

import numpy as np

from ..errors import ConfigError, InputError
from ..marks import Duration, Floats, native, shared
from ..nn import chain
from ..nn.layer import Array, Layer, Params, State, initial_params, tree_map
from ..nn.registry import check_skip
from ..observe import Observable
from ..runtime import Ops, Tensor, numpy_ops
from ..runtime.choice import NUMPY, Choice
from ..runtime.program import Program
from ..training.state import TrainingState
from ..values import to_array
from .accelerated import Accelerated
from .layer_config import from_config
from .steppable import Steppable
from .trainable import Trainable
from .tweenable import Tweenable


@shared
class Network(Trainable, Observable, Steppable, Tweenable, Accelerated):
    """`rows × cols` cells of `layers_per_cell` layers, run in the order `(row·cols + col)·layers_per_cell + k`.

    **Arguments:**

    - `layers`: all layers in that order.
    - `grid`: (rows, cols, layers per cell); their product is the number of layers.
    - `batch_size`: samples in a flat input whose length does not say so itself.
    - `seed`: for the initial weights; drawn and kept in `self.seed` if None.
    - `params`: the layers' parameters instead of fresh ones.

    Parameters are float32; `astype` changes that for gradient checks.
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
        self.computed_on = Choice(NUMPY, "nothing was trained yet")
        self.in_training = False
        self.recorded: dict[Any, tuple[list[Layer], Program]] = {}
        """Training steps recorded so far, with the layers they are of."""
        self.seed = secrets.randbits(32) if seed is None else seed
        self.params: list[Params] = []
        self.training_state = TrainingState()
        if params is None:
            self.initialize_weights(self.seed)
        else:
            self.params = params
        self._activations: list[Array] = []
        self._caches: list[Any] = []
        self._gradients: list[Params] | None = None
        self._states: tuple[int, list[State]] | None = None
        self._sizes_known = True

    # --- native: arrays with a batch axis ---------------------------------------------------------------------------
    @property
    def input_size(self) -> int | None:
        """Values a sample; None if the first layers take any number."""
        return self.layers[0].in_size if self.layers else None

    @native
    def astype(self, dtype: Any) -> Network:
        """A copy whose parameters are float32 or float64."""
        if str(dtype) not in ("float32", "float64") and dtype not in (np.float32, np.float64):
            raise InputError(f"expected float32 or float64, got {dtype!r}", where="dtype")
        params = [tree_map(lambda a: a.astype(dtype), p) for p in self.params]
        grid = (self.grid_rows, self.grid_cols, self.layers_per_cell)
        made = Network(self.layers, grid=grid, batch_size=self.batch_size, seed=self.seed, params=params)
        made.dtype, made.model_id = np.dtype(dtype), self.model_id
        return made

    @native
    def trace_forward(
        self, ops: Ops, params: list[Params], x: Tensor, states: list[State] | None = None
    ) -> tuple[Tensor, list[Tensor], list[Any]]:
        """Pure forward on any device: x (B, I) → output, every layer's output, every layer's cache."""
        if not self._sizes_known:
            self._check_sizes()
        return chain.forward(ops, self.layers_to_run(), params, x, states)

    @native
    def trace_backward(
        self, ops: Ops, params: list[Params], caches: list[Any], gy: Tensor
    ) -> tuple[Tensor, list[Params]]:
        """Pure backward on any device: gradient of the output (B, O) → gradients of input and parameters."""
        return chain.backward(ops, self.layers_to_run(), params, caches, gy)

    @native
    def states(self, batch: int) -> list[State]:
        """What the layers carry between calls for `batch` samples; starts anew when the batch size changes."""
        if self._states is None or self._states[0] != batch:
            self._states = batch, [layer.init_state(batch, self.dtype) for layer in self.layers]
        return self._states[1]

    def reset_state(self) -> None:
        """Forget what stateful layers carried: hidden states, caches, noise counters."""
        self._states = None

    @native
    def forget_pass(self) -> None:
        """Free what the last forward and backward pass left behind."""
        self._activations, self._caches, self._gradients = [], [], None

    def forward(self, x: Floats) -> Array:
        """(B, I), or a flat vector of B·I values → (B, O). Keeps what `backward` needs."""
        rows = self._rows(x)
        if rows is x or rows.base is not None:
            rows = rows.copy()  # the caller may change his array before `backward`
        states = self.states(len(rows))
        before = [tree_map(copy, s) if s else s for s in states]
        try:
            y, outputs, caches = self.trace_forward(self.ops, self.params, rows, states)
        except Exception:
            self._states = len(rows), before  # a pass that failed half-way carries nothing on
            raise
        self._activations, self._caches = [rows, *outputs], caches
        return y.copy()

    def backward(self, gy: Floats) -> Array:
        """Gradient of the last output, (B, O) or flat → gradient of its input (B, I). Sets `gradients`."""
        if not self._caches and self.layers:
            raise InputError("backward needs a forward pass first")
        out = self._activations[-1]
        g = to_array(gy, self.dtype, "grad_output")
        if g.size != out.size:
            raise InputError(f"the output has {out.size} values, its gradient {g.size}", where="grad_output")
        gx, self._gradients = self.trace_backward(self.ops, self.params, self._caches, g.reshape(out.shape))
        return gx

    def _rows(self, x: Floats, name: str = "input") -> Array:
        """Any accepted input as (B, I) of the network's dtype."""
        a = to_array(x, self.dtype, name)
        size = self.input_size
        if a.size == 0:
            raise InputError("is empty", where=name)
        if a.ndim >= 2:
            if size not in (None, a[0].size):
                raise InputError(f"expected {size} values a sample, got {a[0].size}", where=name)
            return a.reshape(a.shape[0], -1)
        if size is None:
            size = a.size // self.batch_size if a.size % self.batch_size == 0 else a.size
        if a.size % size:
            raise InputError(f"expected a multiple of {size} values, got {a.size}", where=name)
        return a.reshape(-1, size)

    # --- LOOM's methods: flat vectors, durations in nanoseconds ------------------------------------------------------
    def forward_cpu(self, input: Floats) -> tuple[Floats, Duration]:
        """Run all layers. Flat input of B·I values → (flat output of B·O values, nanoseconds)."""
        start = time.perf_counter_ns()
        y = self.forward(input)
        return y.ravel(), Duration(time.perf_counter_ns() - start)

    def backward_cpu(self, grad_output: Floats) -> tuple[Floats, Duration]:
        """Backpropagate from the gradient of the last output → (flat gradient of the input, nanoseconds)."""
        start = time.perf_counter_ns()
        g = self.backward(grad_output)
        return g.ravel(), Duration(time.perf_counter_ns() - start)

    def initialize_weights(self, seed: int | None = None) -> None:
        """Fresh random weights; the same seed gives the same weights."""
        seed = self.seed if seed is None else seed
        if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**63:
            raise InputError(f"expected a whole number from 0 to 2⁶³ − 1, got {seed!r}", where="seed")
        self.check_not_training()
        fresh = initial_params(self.layers, int(seed))
        self.seed, self.params = int(seed), [tree_map(lambda a: a.astype(self.dtype), p) for p in fresh]
        self._activations, self._caches, self._gradients, self._states = [], [], None, None
        self.training_state = TrainingState()

    def save_model(self, filename: str, model_id: str, weights: str = "json") -> None:
        """Write a bundle file; `weights` "safetensors" puts the weights of a big network into a file beside it."""
        from .bundle import save_bundle

        save_bundle(filename, {model_id: self}, weights)

    def save_model_to_string(self, model_id: str) -> str:
        """The network and its weights as a LOOM bundle: JSON that the original reads too."""
        from .bundle import dump_bundle

        return dump_bundle({model_id: self})

    def serialize_model(self, model_id: str) -> dict[str, Any]:
        """One model's entry in a bundle: id, cfg, weights."""
        from .bundle import model_record

        return model_record(self, model_id)

    def set_layer(self, row: int, col: int, layer: int, config: dict[str, Any]) -> None:
        """Replace the layer in that cell by a `LayerConfig`; weights it does not give are fresh.

        Sizes are checked against the neighbours by the next forward pass, so that several layers can be replaced.
        """
        self.check_not_training()
        index = self._index(row, col, layer)
        made, params = from_config(config, where=f"layer {row}, {col}, {layer}", seed=self.seed + index)
        self.layers[index] = made
        self.params[index] = tree_map(lambda a: a.astype(self.dtype), params)
        self._activations, self._caches, self._gradients, self._states = [], [], None, None
        self._sizes_known = False
        self.recorded.clear()

    def _check_sizes(self) -> None:
        """After layers were replaced one by one: does each take what the one before gives?"""
        for i, (before, after) in enumerate(pairwise(self.layers)):
            if None not in (before.out_size, after.in_size) and before.out_size != after.in_size:
                raise ConfigError(
                    f"{after.kind} takes {after.in_size} values but the layer before gives {before.out_size}",
                    where=f"layers[{i + 1}]",
                )
        for i, layer in enumerate(self.layers):
            if layer.residual == "skip":
                check_skip(layer, self.layers[:i], self.input_size, f"layers[{i}].skip")
        self._sizes_known = True
