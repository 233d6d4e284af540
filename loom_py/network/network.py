"""The network as users see it: a grid with every method that JavaScript and Python callers use."""

from __future__ import annotations

import time
from typing import Any, Self

import numpy as np

from ..errors import InputError
from ..marks import Duration, Floats, native, shared
from ..nn.layer import tree_map
from ..training.state import TrainingState
from .accelerated import Accelerated
from .bundle import check_id, dump_bundle, model_record, save_bundle
from .inspectable import Inspectable
from .layer_config import from_config
from .observable import Observable
from .profilable import Profilable
from .reading import SavedNetwork, saved_network
from .steppable import Steppable
from .trainable import Trainable
from .tweenable import Tweenable


@shared
class Network(Trainable, Inspectable, Observable, Steppable, Tweenable, Accelerated, Profilable):
    """`rows × cols` cells of `layers_per_cell` layers, run in the order `(row·cols + col)·layers_per_cell + k`.

    **Arguments:**

    - `layers`: all layers in that order.
    - `grid`: (rows, cols, layers per cell); their product is the number of layers.
    - `batch_size`: samples in a flat input whose length does not say so itself.
    - `seed`: for the initial weights; drawn and kept in `self.seed` if None.
    - `params`: the layers' parameters instead of fresh ones.

    Parameters are float32; `astype` changes that for gradient checks.
    """

    @native
    def astype(self, dtype: Any) -> Network:
        """A copy whose parameters are float32 or float64."""
        if str(dtype) not in ("float32", "float64") and dtype not in (np.float32, np.float64):
            raise InputError(f"expected float32 or float64, got {dtype!r}", where="dtype")
        params = [tree_map(lambda a: a.astype(dtype), p) for p in self.params]
        grid = (self.grid_rows, self.grid_cols, self.layers_per_cell)
        copy = Network(
            self.layers, grid=grid, batch_size=self.batch_size, seed=self.seed, params=params, model_id=self.model_id
        )
        copy.dtype = np.dtype(dtype)
        return copy

    @native
    def checkpoint(self) -> str:
        """A bundle of this network, as training writes it."""
        return self.save_model_to_string(self.model_id or "model")

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

    def save_model(self, filename: str, model_id: str, weights: str = "json") -> None:
        """Write a bundle file; with `weights` "safetensors" the weights go into a file beside it, for big networks."""
        check_id(model_id)
        save_bundle(filename, {model_id: self}, weights)

    def save_model_to_string(self, model_id: str) -> str:
        """The network and its weights as a LOOM bundle: JSON that the original reads too."""
        check_id(model_id)
        return dump_bundle({model_id: self})

    def load_model_from_string(self, text: str, model_id: str) -> Network:
        """Another network: the one called `model_id` in a bundle's text. This one stays as it is."""
        return Network.from_saved(saved_network(text, model_id))

    @classmethod
    def from_saved(cls, saved: SavedNetwork) -> Self:
        """The network that a bundle holds, with the state of its training."""
        network = cls(
            saved.layers,
            grid=saved.grid,
            batch_size=saved.batch_size,
            seed=saved.seed,
            params=saved.params,
            model_id=saved.model_id,
        )
        if saved.entry.has("training"):
            value, place = saved.entry.any("training"), saved.entry.at("training")
            network.training_state = TrainingState.load_state(value, network.parameters, place)
        return network

    def serialize_model(self, model_id: str) -> dict[str, Any]:
        """One model's entry in a bundle: id, cfg, weights."""
        return model_record(self, model_id)

    def set_layer(self, row: int, col: int, layer: int, config: dict[str, Any]) -> None:
        """Replace the layer in that cell by a `LayerConfig`; weights that it lacks are fresh.

        Sizes are checked against the neighbours by the next forward pass, so that several layers can be replaced.
        """
        self.check_not_training()
        index = self.index_of(row, col, layer)
        self.replace_layer(index, *from_config(config, where=f"layer {row}, {col}, {layer}", seed=self.seed + index))
